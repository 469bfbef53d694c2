"""Which columns of a table are times, groups and channels."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import ReadError
from offkey.signals.reading import Reading
from offkey.signals.timestamps import Clock, is_time_text, is_unmistakable_time, may_be_quantity, time_name

__all__ = ["MOST_TIMES_SLOWER", "Column", "Plan", "choose_columns", "nearest_first", "no_such_column"]

MOST_TIMES_SLOWER = 1000
"""What has over this many times fewer values than others is no channel beside them."""

COUNTERS = frozenset({"index", "idx", "#", "nr", "nr.", "no", "no.", "n", "row", "sample", "unnamed: 0"})

FEWEST_EVEN = 20
"""Values that must ascend evenly until it is worth a note."""


@final
@dataclass(frozen=True)
class Column:
    """A column as its first rows show it.

    Attributes
    ----------
    name, unit : str
        From the header; the column's number, and empty, if there is none. No two columns have one name.
    numbers : array (n,)
        Values; NaN where there is none.
    texts : tuple of str
        Those that are neither numbers nor missing.
    n_first : int
        How many values of ``numbers`` follow one another.
    is_unnamed : bool
        Whether the header is empty, or one that pandas gives its index.
    is_date : bool
        Whether the file states that these are times.
    has_zone : bool
        Whether it states an offset from UTC, too.
    """

    name: str
    unit: str
    numbers: NDArray[np.float64]
    texts: tuple[str, ...]
    n_first: int
    is_unnamed: bool = False
    is_date: bool = False
    has_zone: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is no value."""
        return not self.texts and not self.is_date and bool(np.isnan(self.numbers).all())

    @property
    def is_numeric(self) -> bool:
        """Whether most values are numbers."""
        return not self.is_date and int(np.count_nonzero(np.isfinite(self.numbers))) > len(self.texts)

    @property
    def is_time_text(self) -> bool:
        """Whether values are dates or times of day."""
        return self.is_date or (bool(self.texts) and 2 * sum(map(is_time_text, self.texts)) > len(self.texts))

    @property
    def first(self) -> NDArray[np.float64]:
        """The first numbers, without those that are missing."""
        numbers = self.numbers[: self.n_first]
        return numbers[np.isfinite(numbers)]

    @property
    def ascends(self) -> bool:
        """Whether the first numbers ascend."""
        return len(self.first) > 1 and bool((np.diff(self.first) > 0).all())

    @property
    def is_whole(self) -> bool:
        """Whether the first numbers are whole."""
        return bool((self.first % 1 == 0).all())

    @property
    def is_numbered(self) -> bool:
        """Whether the name is only the column's number."""
        return self.is_unnamed and self.name.isdecimal()

    @property
    def is_counter(self) -> bool:
        """Whether the column only numbers the rows, or those of another table that they were taken from."""
        if self.is_unnamed:
            return self.ascends and self.is_whole
        return self.name.lower() in COUNTERS and self.counts_rows

    @property
    def counts_rows(self) -> bool:
        """Whether the first numbers are whole and consecutive."""
        return self.ascends and self.is_whole and bool((np.diff(self.first) == 1).all())

    @property
    def is_even(self) -> bool:
        """Whether the first numbers ascend evenly."""
        steps = np.diff(self.first)
        return self.ascends and len(steps) > 1 and bool(steps.max() < 1.5 * steps.min())

    @property
    def may_be_time(self) -> bool:
        """Whether the name is one of times; what may as well be a quantity has to ascend."""
        return time_name(self.name) and (self.ascends or not may_be_quantity(self.name))


@final
@dataclass(frozen=True)
class Plan:
    """Numbers of the columns of a table, and how the time is told.

    ``time`` has two numbers where date and time of day are apart.
    """

    time: tuple[int, ...]
    clock: Clock | None
    group: int | None
    channels: tuple[int, ...]
    notes: tuple[str, ...]


def nearest_first(name: str, known: Sequence[str]) -> list[str]:
    """Return names, those that are like one first."""
    return sorted(known, key=lambda other: -difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio())


def no_such_column(path: object, what: str, name: str, known: Sequence[str]) -> ReadError:
    """Return the error for a name that is not there."""
    listed = [repr(other) for other in nearest_first(name, known)]
    more = f" and {len(listed) - 12} more" if len(listed) > 12 else ""
    return ReadError(path, f"has no {what} {name!r}. It has: {', '.join(listed[:12])}{more}.")


def choose_columns(path: object, columns: list[Column], reading: Reading, decimal: str = ".") -> Plan:
    """Choose the columns of a table.

    Raises
    ------
    ReadError
        If a column is not there, is no numbers, or there are none.
    """
    group = None if reading.group is None else _find(path, columns, reading.group, "group column")
    time = _time(path, columns, reading, group)
    clock = _clock(columns, time, decimal) if time else None
    notes = [clock.note] if clock is not None and clock.note else []
    taken = {*time, *(() if group is None else (group,))}
    if reading.columns is not None:
        channels = [_find(path, columns, name, "column") for name in reading.columns]
        for i in channels:
            if i in taken:
                raise ReadError(path, f"has no signal in column {columns[i].name!r}: it holds the time or the group.")
            if not columns[i].is_numeric and not columns[i].is_empty:
                text = f" ({columns[i].texts[0]!r})" if columns[i].texts else ""
                raise ReadError(path, f"holds text{text} in column {columns[i].name!r}. Choose channels with numbers.")
        return Plan(time, clock, group, tuple(channels), tuple(notes))
    others = [i for i in range(len(columns)) if i not in taken]
    counters = [i for i in others if columns[i].is_counter and (i == others[0] or not columns[i].is_numbered)]
    if counters and len(others) > len(counters):
        notes.append(f"{_named(columns, counters)}: numbers the rows, left out")
        others = [i for i in others if i not in counters]
    channels = [i for i in others if columns[i].is_numeric or columns[i].is_empty]
    texts = [i for i in others if i not in channels]
    if not any(columns[i].is_numeric for i in channels):
        besides = f" besides {columns[time[0]].name!r}" if time else ""
        raise ReadError(path, f"has no column of numbers{besides}: there is no signal in it.")
    if texts:
        notes.append(f"{_named(columns, texts)}: text, left out")
    ramps = [i for i in channels if columns[i].is_even and len(columns[i].first) >= FEWEST_EVEN]
    if ramps:
        notes.append(
            f"{_named(columns, ramps)}: ascends evenly from row to row, taken as a channel; name it (time) if it is "
            "the time, or choose other channels"
        )
    return Plan(time, clock, group, tuple(channels), tuple(notes))


def _named(columns: list[Column], which: list[int]) -> str:
    return ", ".join(repr(columns[i].name) for i in which[:4]) + (" ..." if len(which) > 4 else "")


def _find(path: object, columns: list[Column], name: str, what: str) -> int:
    """Return the number of a column by its name, with or without the unit in brackets."""
    for i, column in enumerate(columns):
        if name in (column.name, f"{column.name} [{column.unit}]", f"{column.name} ({column.unit})"):
            return i
    raise no_such_column(path, what, name, [column.name for column in columns])


def _time(path: object, columns: list[Column], reading: Reading, group: int | None) -> tuple[int, ...]:
    """Return the numbers of the columns that hold times: none, one, or date and time of day."""
    if reading.time == "":
        return ()
    if reading.time is not None:
        found = _find(path, columns, reading.time, "time column")
        if not columns[found].is_time_text and not columns[found].is_numeric:
            text = columns[found].texts[0] if columns[found].texts else ""
            raise ReadError(path, f"holds {text!r} in the time column {reading.time!r}, which is no time.")
        return (found,)
    wanted = set() if reading.columns is None else {_find(path, columns, name, "column") for name in reading.columns}
    free = [i for i in range(len(columns)) if i != group and i not in wanted]
    dates = [i for i in free if columns[i].is_time_text]
    dates.sort(key=lambda i: not time_name(columns[i].name))
    if dates:
        return _with_time_of_day(columns, dates[0], dates)
    for i in free:
        if columns[i].is_numeric and columns[i].may_be_time:
            return (i,)
    for i in free:
        if columns[i].is_numeric and is_unmistakable_time(columns[i].first):
            return (i,)
    for i in free if len(columns) > 1 else ():
        if _is_unnamed_time(columns[i], reading) and (i == 0 or not columns[i].is_numbered):
            return (i,)
    return ()


def _is_unnamed_time(column: Column, reading: Reading) -> bool:
    """Say whether a column without a name tells the time: numbers of rows do not, nor may they if a rate is given."""
    if not column.is_unnamed or not column.is_even or column.counts_rows:
        return False
    return reading.rate is None or not column.is_whole


def _with_time_of_day(columns: list[Column], date: int, dates: list[int]) -> tuple[int, ...]:
    """Add the column of the time of day to one of dates without."""

    def has(i: int, mark: str) -> bool:
        return bool(columns[i].texts) and all(mark in text for text in columns[i].texts)

    if columns[date].is_date or has(date, ":"):
        others = [i for i in dates if i != date and columns[i].texts and not has(i, ":")]
        return (others[0], date) if others and not _has_date(columns[date]) else (date,)
    others = [i for i in dates if i != date and has(i, ":") and not _has_date(columns[i])]
    return (date, others[0]) if others else (date,)


def _has_date(column: Column) -> bool:
    return column.is_date or any(len(text.split(":")[0].strip()) > 3 for text in column.texts)


def _clock(columns: list[Column], time: tuple[int, ...], decimal: str) -> Clock:
    column = columns[time[0]]
    if column.is_date:
        return Clock("iso", has_zone=column.has_zone)
    if column.is_numeric and len(time) == 1:
        return Clock.of_numbers(column.first, column.name, column.unit)
    texts = [" ".join(parts) for parts in zip(*(columns[i].texts for i in time), strict=False)]
    return Clock.of_text(texts, decimal)

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
from offkey.signals.timestamps import Clock, is_time_text, is_unmistakable_time, time_name

__all__ = ["Column", "Plan", "choose_columns", "nearest_first", "no_such_column"]

COUNTERS = frozenset({"index", "idx", "#", "nr", "nr.", "no", "no.", "n", "row", "sample", "unnamed: 0"})
AMBIGUOUS = frozenset({"t", "ts", "s", "seconds", "second", "epoch", "utc"})
"""Names of times that may as well be quantities: they have to ascend."""


@final
@dataclass(frozen=True)
class Column:
    """A column as its first rows show it.

    Attributes
    ----------
    name, unit : str
        From the header; the column's number, and empty, if there is none.
    numbers : array (n,)
        Values; NaN where there is none.
    texts : tuple of str
        Those that are neither numbers nor missing.
    n_first : int
        How many values of ``numbers`` follow one another.
    is_unnamed : bool
        Whether the name is only the column's number.
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
    def is_counter(self) -> bool:
        """Whether the column only numbers the rows."""
        return (self.is_unnamed or self.name.lower() in COUNTERS) and self.counts_rows

    @property
    def counts_rows(self) -> bool:
        """Whether the first numbers are whole and consecutive."""
        return len(self.first) > 1 and bool((np.diff(self.first) == 1).all()) and not self.first[0] % 1


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
    if len(others) > 1 and columns[others[0]].is_counter:
        notes.append("the first column counts the rows and is left out")
        del others[0]
    channels = [i for i in others if columns[i].is_numeric or columns[i].is_empty]
    texts = [columns[i].name for i in others if i not in channels]
    if not any(columns[i].is_numeric for i in channels):
        besides = f" besides {columns[time[0]].name!r}" if time else ""
        raise ReadError(path, f"has no column of numbers{besides}: there is no signal in it.")
    if texts:
        notes.append(f"{', '.join(map(repr, texts[:4]))}{' ...' if len(texts) > 4 else ''}: text, left out")
    return Plan(time, clock, group, tuple(channels), tuple(notes))


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
        name = columns[i].name
        if columns[i].is_numeric and time_name(name) and (name.lower() not in AMBIGUOUS or columns[i].ascends):
            return (i,)
    for i in free:
        if columns[i].is_numeric and is_unmistakable_time(columns[i].first):
            return (i,)
    if len(columns) > 1 and free[:1] == [0] and columns[0].is_unnamed and _is_even(columns[0]):
        return (0,)
    return ()


def _is_even(column: Column) -> bool:
    """Say whether numbers ascend evenly, and not by one."""
    if not column.ascends or column.counts_rows or len(column.first) < 3:
        return False
    steps = np.diff(column.first)
    return bool(steps.max() < 1.5 * steps.min())


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

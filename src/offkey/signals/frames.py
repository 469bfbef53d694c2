"""Rows of pandas tables into a store: times, groups and the values of channels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Number
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import ReadError
from offkey.signals.clip import LARGEST_SAMPLE
from offkey.signals.columns import MOST_TIMES_SLOWER, Column, Plan
from offkey.signals.numerals import Numbers
from offkey.signals.reading import Reading
from offkey.signals.store import Recorded, Store
from offkey.signals.timestamps import MISSING_TIME
from offkey.signals.units import plain_unit, split_headers

__all__ = ["frame_columns", "read_frames"]

INDEX_NAME = re.compile(r"__index_level_\d+__")
"""What pandas calls its index in Parquet files."""

PLAIN = Numbers()


def frame_columns(frame: Any, units: list[str]) -> list[Column]:
    """Describe the columns of a pandas table by its rows."""
    import pandas as pd

    columns = []
    for i, (name, stated) in enumerate(zip(*split_headers([str(name) for name in frame.columns]), strict=True)):
        values = frame.iloc[:, i]
        is_date = pd.api.types.is_datetime64_any_dtype(values)
        numbers, texts = np.full(len(values), np.nan), tuple[str, ...]()
        if not is_date and _is_numeric(values):
            numbers = _to_numbers(values, PLAIN)
        elif not is_date:
            texts = tuple(str(value) for value in values.dropna())
        columns.append(
            Column(
                name, plain_unit(units[i]) or stated, numbers, texts, len(values),
                is_unnamed=INDEX_NAME.fullmatch(name) is not None, is_date=is_date,
                has_zone=is_date and values.dt.tz is not None,
            )
        )  # fmt: skip
    return columns


def _is_numeric(values: Any) -> bool:
    """Say whether a pandas column holds numbers, perhaps as objects: of decimal fractions, or truths some missing."""
    is_object = values.dtype.kind == "O" and values.notna().any()
    return values.dtype.kind in "biuf" or (
        is_object and all(isinstance(value, bool | Number) for value in values.dropna())
    )


def _to_numbers(column: Any, numbers: Numbers) -> NDArray[np.float64]:
    """Return the numbers of a pandas column (n,): NaN where there is none."""
    if column.dtype.kind in "biuf":
        return np.asarray(column.to_numpy(np.float64, na_value=np.nan))
    return numbers.of_column(column)


@final
@dataclass
class _Tally:
    """What was met while rows were read."""

    n_rows: int = 0
    n_timeless: int = 0
    n_groupless: int = 0
    texts: dict[int, tuple[int, int, str]] = field(default_factory=dict)  # channel: how many, first row, first text
    n_values: list[int] = field(default_factory=list)

    def notes(self, names: list[str], kept: list[int]) -> Iterator[str]:
        if self.n_timeless:
            yield f"{_counted(self.n_timeless, 'row')} without a timestamp {_is(self.n_timeless)} left out"
        if self.n_groupless:
            yield f"{_counted(self.n_groupless, 'row')} without a group {_is(self.n_groupless)} left out"
        for channel, (count, row, text) in self.texts.items():
            if channel in kept:
                yield (
                    f"{_counted(count, 'value')} of {names[channel]!r} {_is(count)} no number "
                    f"(the first is {text!r} in row {row + 1}): taken as missing"
                )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def read_frames(
    path: str,
    columns: list[Column],
    plan: Plan,
    frames: Iterator[Any],
    reading: Reading,
    numbers: Numbers = PLAIN,
    rate: float | None = None,
    notes: Sequence[str] = (),
) -> list[Recorded]:
    """Read pandas tables, whose columns are named by number, into a store; return the recordings in it.

    ``numbers`` says how those are written that are text, ``rate`` is in hertz, where there are no times, and ``notes``
    are taken over.
    """
    store = Store(len(plan.channels), has_times=plan.clock is not None, has_groups=plan.group is not None)
    tally = _Tally(n_values=[0] * len(plan.channels))
    groups: dict[str, int] = {}
    for frame in frames:
        _append(path, store, frame, columns, plan, groups, tally, numbers)
    if tally.n_rows == 0:
        raise ReadError(path, "holds no rows.")
    if store.n_rows == 0:
        what = "a time" if tally.n_timeless else "a group"
        raise ReadError(path, f"holds no row with {what}. Name another column.")
    return list(_recorded(path, store, columns, plan, groups, tally, reading, rate, notes))


def _kept(path: str, names: list[str], tally: _Tally, reading: Reading) -> tuple[list[int], list[str]]:
    """Return the numbers of the channels that have values, and notes on the others."""
    counts = tally.n_values
    empty = [k for k in range(len(names)) if counts[k] <= tally.texts.get(k, (0,))[0]]
    sparse = [k for k in range(len(names)) if k not in empty and counts[k] * MOST_TIMES_SLOWER < tally.n_rows]
    if empty and reading.channels is not None:
        raise ReadError(path, f"holds no numbers in column {names[empty[0]]!r}. Choose channels with numbers.")
    if sparse and reading.channels is not None:
        raise ReadError(
            path, f"holds {_counted(counts[sparse[0]], 'number')} in the {tally.n_rows} rows of column "
            f"{names[sparse[0]]!r}. Choose channels with more."
        )  # fmt: skip
    kept = [k for k in range(len(names)) if k not in (*empty, *sparse)]
    if not kept:
        raise ReadError(path, "holds no numbers.")
    named = [names[k] for k in empty if not names[k].isdecimal()]
    notes = [f"{', '.join(map(repr, named))}: no numbers, left out"] if named else []
    notes += [f"{names[k]!r}: {_counted(counts[k], 'number')} in {tally.n_rows} rows, left out" for k in sparse]
    return kept, notes


def _recorded(
    path: str,
    store: Store,
    columns: list[Column],
    plan: Plan,
    groups: dict[str, int],
    tally: _Tally,
    reading: Reading,
    rate: float | None,
    told: Sequence[str],
) -> Iterator[Recorded]:
    names = [columns[i].name for i in plan.channels]
    kept, left_out = _kept(path, names, tally, reading)
    channels = tuple(names[k] for k in kept)
    units = reading.units(channels, [columns[plan.channels[k]].unit for k in kept])
    notes = (*plan.notes, *told, *left_out, *tally.notes(names, kept))
    clock = plan.clock
    labels, edges = [""], np.array([0, store.n_rows])
    if plan.group is not None:
        labels = [f"{columns[plan.group].name} {value}" for value in groups]
        store, edges = store.sorted_by_group(len(groups))
    for label, start, stop in zip(labels, edges[:-1], edges[1:], strict=True):
        yield Recorded(
            store, int(start), int(stop), tuple(kept), channels, units, label, rate,
            clock is not None and clock.is_absolute, clock is not None and clock.has_zone, notes,
        )  # fmt: skip


def _append(
    path: str,
    store: Store,
    frame: Any,
    columns: list[Column],
    plan: Plan,
    groups: dict[str, int],
    tally: _Tally,
    numbers: Numbers,
) -> None:
    """Append the rows of a table that have a time and a group, where those are asked for."""
    keep = np.ones(len(frame), bool)
    times = codes = None
    if plan.clock is not None:
        column = frame[plan.time[0]]
        if len(plan.time) == 2:
            column = column.str.strip() + " " + frame[plan.time[1]].str.strip()
        times = plan.clock.nanoseconds(column)
        keep &= times != MISSING_TIME
        tally.n_timeless += int(np.count_nonzero(~keep))
    if plan.group is not None:
        codes = _codes(frame[plan.group], groups)
        tally.n_groupless += int(np.count_nonzero(keep & (codes < 0)))
        keep &= codes >= 0
    values = np.empty((len(frame), len(plan.channels)), np.float32)
    for k, i in enumerate(plan.channels):
        values[:, k] = _numbers(path, frame[i], columns[i].name, k, tally, numbers)
    tally.n_rows += len(frame)
    if not keep.all():
        values = values[keep]
        times = times if times is None else times[keep]
        codes = codes if codes is None else codes[keep]
    store.append(values, times, codes)


def _codes(column: Any, groups: dict[str, int]) -> NDArray[np.int32]:
    """Return the numbers of groups (n,), -1 where there is none; new groups are added."""
    import pandas as pd

    codes, values = pd.factorize(column)
    own = [groups.setdefault(str(value).strip(), len(groups)) for value in values]
    numbers = np.array([*own, -1], np.int32)
    return np.asarray(numbers[codes])


def _numbers(path: str, column: Any, name: str, channel: int, tally: _Tally, numbers: Numbers) -> NDArray[np.float64]:
    """Return the numbers of a column (n,), NaN where there is none."""
    values = _to_numbers(column, numbers)
    finite = np.isfinite(values)
    wrong = np.isinf(values) if column.dtype.kind in "biuf" else ~finite & column.notna().to_numpy()
    if wrong.any():
        at = int(np.argmax(wrong))
        count, row, text = tally.texts.get(channel, (0, tally.n_rows + at, str(column.iloc[at]).strip()))
        tally.texts[channel] = count + int(np.count_nonzero(wrong)), row, text
        values = np.where(finite, values, np.nan)
    tally.n_values[channel] += int(np.count_nonzero(finite))
    largest = max(float(np.max(values, initial=0, where=finite)), -float(np.min(values, initial=0, where=finite)))
    if largest > LARGEST_SAMPLE:
        raise ReadError(path, f"holds values up to {largest:.3g} in column {name!r}. Cut the damaged part away.")
    return np.asarray(values)

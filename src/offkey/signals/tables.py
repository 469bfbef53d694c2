"""Tables of sensor values: text tables and Parquet, in pieces, into a store."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError, ReadError
from offkey.extras import import_pyarrow
from offkey.signals.clip import LARGEST_SAMPLE
from offkey.signals.columns import Column, Plan, choose_columns
from offkey.signals.layout import NO_VALUE, Layout, layout_of, number_of
from offkey.signals.reading import Reading
from offkey.signals.store import Recorded, Store
from offkey.signals.timestamps import MISSING_TIME
from offkey.signals.units import plain_unit, split_unit, unique_names

__all__ = ["is_recordings_table", "read_frames", "read_parquet", "read_text_table"]

VALUES_AT_ONCE = 500_000
"""Values of a table that are parsed at once, about."""

NO_VALUES = sorted((NO_VALUE | {name.upper() for name in NO_VALUE}) - {"inf", "-inf", "INF", "-INF"})

_TOO_WIDE = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")

TEXT_TABLES = frozenset({".csv", ".tsv", ".txt", ".dat"})


def is_recordings_table(path: str | os.PathLike[str]) -> bool:
    """Say whether a file is a table of recordings, by its header: a column ``path``."""
    if Path(path).suffix.lower() not in TEXT_TABLES or not Path(path).is_file():
        return False
    with open(path, "rb") as file:
        line = file.readline(65_536).decode("utf-8-sig", "replace").strip()
    return any("path" in [name.strip().strip("\"'").lower() for name in line.split(mark)] for mark in ",;\t|")


def read_text_table(path: str, reading: Reading) -> list[Recorded]:
    """Read a text table.

    Raises
    ------
    ReadError
        If it is none, or lacks what the reading asks for.
    """
    layout = layout_of(path)
    columns = _text_columns(layout)
    plan = choose_columns(path, columns, reading, layout.decimal)
    return read_frames(path, columns, plan, _text_frames(path, layout, plan, len(columns)), reading, layout)


def read_parquet(path: str, reading: Reading) -> list[Recorded]:
    """Read a Parquet file.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    ReadError
        If it is none, or lacks what the reading asks for.
    """
    parquet = import_pyarrow()
    try:
        with parquet.ParquetFile(path) as file:
            if file.metadata.num_rows == 0:
                raise ReadError(path, "holds no rows.")
            names = list(file.schema_arrow.names)
            units = [(each.metadata or {}).get(b"unit", b"").decode("utf-8", "replace") for each in file.schema_arrow]
            at_once = max(1, VALUES_AT_ONCE // max(1, len(names)))
            first = next(file.iter_batches(400), None)
            if first is None:
                raise ReadError(path, "is not a readable Parquet file (its rows are not there).")
            columns = frame_columns(first.to_pandas(ignore_metadata=True), units)
            plan = choose_columns(path, columns, reading)
            wanted = [names[i] for i in _used(plan)]
            frames = (
                batch.to_pandas(ignore_metadata=True).rename(columns={name: i for i, name in enumerate(names)})
                for batch in file.iter_batches(at_once, columns=wanted)
            )
            return read_frames(path, columns, plan, frames, reading)
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        NotImplementedError,
        MemoryError,
    ) as error:  # Arrow's are of these
        if isinstance(error, InputError):
            raise
        raise ReadError(path, f"is not a readable Parquet file ({_first_line(error)}).") from error


def frame_columns(frame: Any, units: list[str]) -> list[Column]:
    """Describe the columns of a pandas table by its rows."""
    import pandas as pd

    columns = []
    for i, (name, unit) in enumerate(zip(unique_names([str(name) for name in frame.columns]), units, strict=True)):
        values = frame.iloc[:, i]
        plain, stated = split_unit(name)
        is_date = pd.api.types.is_datetime64_any_dtype(values)
        numbers, texts = np.full(len(values), np.nan), tuple[str, ...]()
        if not is_date and values.dtype.kind in "biuf":
            numbers = values.to_numpy(np.float64, na_value=np.nan)
        elif not is_date:
            texts = tuple(str(value) for value in values.dropna())
        zone = is_date and values.dt.tz is not None
        columns.append(
            Column(plain, plain_unit(unit) or stated, numbers, texts, len(values), False, bool(is_date), bool(zone))
        )
    return columns


def _text_columns(layout: Layout) -> list[Column]:
    columns = []
    for i, (header, unit) in enumerate(zip(unique_names(layout.names), layout.units, strict=True)):
        name, stated = split_unit(header)
        texts, numbers = [], np.full(len(layout.sample), np.nan)
        for row, fields in enumerate(layout.sample):
            number = number_of(fields[i], layout.decimal, layout.thousands)
            if number is None:
                texts.append(fields[i].strip())
            else:
                numbers[row] = number
        is_unnamed = not layout.names[i]
        columns.append(
            Column(
                str(i) if is_unnamed else name, plain_unit(unit) or stated, numbers, tuple(texts), layout.n_first,
                is_unnamed,
            )
        )  # fmt: skip
    return columns


def _used(plan: Plan) -> list[int]:
    return sorted({*plan.time, *plan.channels, *(() if plan.group is None else (plan.group,))})


def _text_frames(path: str, layout: Layout, plan: Plan, n_columns: int) -> Iterator[Any]:
    """Yield the rows, some at a time, with columns named by their numbers."""
    import pandas as pd

    as_text = [i for i in plan.time if plan.clock is not None and plan.clock.kind != "number"]
    as_text += [] if plan.group is None else [plan.group]
    try:
        with open(path, encoding=layout.encoding, errors="replace") as file:
            for _ in range(layout.n_lines):
                file.readline()
            with pd.read_csv(
                file, sep=r"\s+" if layout.delimiter == " " else layout.delimiter, decimal=layout.decimal,
                thousands=layout.thousands, header=None, names=range(n_columns), index_col=False,
                dtype=dict.fromkeys(as_text, str), comment=layout.comment, na_values=NO_VALUES,
                chunksize=max(1, VALUES_AT_ONCE // n_columns), low_memory=False, engine="c",
            ) as frames:  # fmt: skip
                yield from frames  # all columns: with some, pandas would not notice rows that are too long
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OSError) as error:
        if isinstance(error, InputError):
            raise
        wide = _TOO_WIDE.search(str(error))
        if wide:
            raise ReadError(
                path, f"has {wide[3]} fields in line {int(wide[2]) + layout.n_lines}, not {wide[1]}. "
                "Check its delimiter and decimal mark, and put text in quotes."
            ) from error  # fmt: skip
        raise ReadError(path, f"breaks off as a table ({_first_line(error)}).") from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().removeprefix("Error tokenizing data. ").removeprefix("C error: ")
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


@final
@dataclass
class _Tally:
    """What was met while rows were read."""

    n_rows: int = 0
    n_timeless: int = 0
    n_groupless: int = 0
    texts: dict[int, tuple[int, int, str]] = field(default_factory=dict)  # channel: how many, first row, first text
    n_values: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

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
    path: str, columns: list[Column], plan: Plan, frames: Iterator[Any], reading: Reading, layout: Layout | None = None
) -> list[Recorded]:
    """Read pandas tables, whose columns are named by number, into a store; return the recordings in it."""
    store = Store(len(plan.channels), has_times=plan.clock is not None, has_groups=plan.group is not None)
    tally = _Tally(n_values=np.zeros(len(plan.channels), np.int64))
    groups: dict[str, int] = {}
    to_number = _number_reader(layout)
    for frame in frames:
        _append(path, store, frame, columns, plan, groups, tally, to_number)
    if tally.n_rows == 0:
        raise ReadError(path, "holds no rows.")
    if store.n_rows == 0:
        what = "a time" if tally.n_timeless else "a group"
        raise ReadError(path, f"holds no row with {what}. Name another column.")
    return list(_recorded(path, store, columns, plan, groups, tally, reading, layout))


def _recorded(
    path: str,
    store: Store,
    columns: list[Column],
    plan: Plan,
    groups: dict[str, int],
    tally: _Tally,
    reading: Reading,
    layout: Layout | None,
) -> Iterator[Recorded]:
    names = [columns[i].name for i in plan.channels]
    kept = [k for k in range(len(names)) if tally.n_values[k] > tally.texts.get(k, (0,))[0]]
    empty = [names[k] for k in range(len(names)) if k not in kept]
    if empty and reading.channels is not None:
        raise ReadError(path, f"holds no numbers in column {empty[0]!r}. Choose channels with numbers.")
    if not kept:
        raise ReadError(path, "holds no numbers.")
    named = [name for name in empty if not name.isdecimal()]
    left_out = [f"{', '.join(map(repr, named))}: no numbers, left out"] if named else []
    channels = tuple(names[k] for k in kept)
    units = reading.units(channels, [columns[plan.channels[k]].unit for k in kept])
    notes = (*plan.notes, *left_out, *tally.notes(names, kept))
    rate = layout.rate if layout is not None and plan.clock is None else None
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
    to_number: Callable[[Any], Any],
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
        values[:, k] = _numbers(path, frame[i], columns[i].name, k, tally, to_number)
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


def _numbers(
    path: str, column: Any, name: str, channel: int, tally: _Tally, to_number: Callable[[Any], Any]
) -> NDArray[np.float64]:
    """Return the numbers of a column (n,), NaN where there is none."""
    is_number = column.dtype.kind in "biuf"
    values = (column if is_number else to_number(column)).to_numpy(np.float64, na_value=np.nan)
    finite = np.isfinite(values)
    wrong = np.isinf(values) if is_number else ~finite & column.notna().to_numpy()
    if wrong.any():
        at = int(np.argmax(wrong))
        count, row, text = tally.texts.get(channel, (0, tally.n_rows + at, str(column.iloc[at]).strip()))
        tally.texts[channel] = count + int(np.count_nonzero(wrong)), row, text
        values = np.where(finite, values, np.nan)
    tally.n_values[channel] += np.count_nonzero(finite)
    largest = max(float(np.max(values, initial=0, where=finite)), -float(np.min(values, initial=0, where=finite)))
    if largest > LARGEST_SAMPLE:
        raise ReadError(path, f"holds values up to {largest:.3g} in column {name!r}. Cut the damaged part away.")
    return np.asarray(values)


def _number_reader(layout: Layout | None) -> Callable[[Any], Any]:
    """Return what makes numbers of a column that pandas left as text, since some of it is no number."""
    import pandas as pd

    def to_number(column: Any) -> Any:
        text = column.astype("string").str.strip()
        if layout is not None and layout.thousands:
            text = text.str.replace(layout.thousands, "", regex=False)
        if layout is not None and layout.decimal == ",":
            text = text.str.replace(",", ".", regex=False)
        return pd.to_numeric(text, errors="coerce").astype("Float64")

    return to_number

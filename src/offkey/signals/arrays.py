"""Array files (NumPy, MATLAB, HDF5) into a store: which arrays are channels, recordings, times and rates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import ReadError
from offkey.signals.clip import LARGEST_SAMPLE
from offkey.signals.columns import MOST_TIMES_SLOWER, choose_columns, no_such_column
from offkey.signals.containers import DataSet, open_arrays
from offkey.signals.frames import frame_columns, read_frames
from offkey.signals.reading import Reading
from offkey.signals.store import BLOCK_ROWS, Recorded, Store, row_blocks
from offkey.signals.timestamps import MISSING_TIME, Clock, may_be_quantity, time_name
from offkey.signals.units import plain_unit, split_headers, split_unit

__all__ = ["read_arrays"]

RATE_NAMES = re.compile(
    r"(?:sampl(?:e|ing)[ _-]?(?:rate|freq(?:uency)?)|rate|fs|f_s|sr|samplerate|framerate)(?:[ _-]?hz)?"
)
FILE_NUMBER = re.compile(r"[A-Za-z]\d{2,}_(?=.)")
"""How names of arrays begin that number their file: ``X097_``."""

UNIT_NAMES = ("unit", "units")
COLUMN_NAMES = ("columns", "channels", "channel_names", "column_names", "names")
LONGEST_ROW = 4096
"""Channels of an array, at most; wider ones are pictures or tables of something else."""


@final
@dataclass(frozen=True)
class _Contents:
    """The arrays of a file by what they are."""

    path: str
    data_sets: list[DataSet]
    reading: Reading

    def named(self, name: str) -> DataSet | None:
        """Return an array by its name, with or without groups."""
        exact = [each for each in self.data_sets if each.name == name]
        plain = [each for each in self.data_sets if self.names.get(each.name, ("", ""))[0] == name]
        short = [each for each in self.data_sets if name in (each.short_name, split_unit(each.short_name)[0])]
        return exact[0] if exact else plain[0] if plain else short[0] if len(short) == 1 else None

    @property
    def names(self) -> dict[str, tuple[str, str]]:
        """Names and units, as channels, of arrays of one axis: without their groups, and what numbers the file."""
        series = [each for each in self.data_sets if each.is_numeric and len(each.shape) == 1]
        short = [each.short_name for each in series]
        prefixes = {match[0] if (match := FILE_NUMBER.match(name)) else "" for name in short if not time_name(name)}
        if len(prefixes) == 1:
            short = [name.removeprefix(*prefixes) for name in short]
        if len(set(short)) < len(short):
            short = [each.name for each in series]
        return dict(zip((each.name for each in series), zip(*split_headers(short), strict=True), strict=True))

    @property
    def time(self) -> DataSet | None:
        """The array of timestamps."""
        if self.reading.time == "":
            return None
        if self.reading.time is not None:
            found = self.named(self.reading.time)
            if found is None:
                names = [each.name for each in self.data_sets]
                raise no_such_column(self.path, "array of times", self.reading.time, names)
            return found
        for each in self.data_sets:
            name = split_unit(each.short_name)[0]
            if len(each.shape) == 1 and (each.is_numeric or each.dtype.kind in "MSU") and time_name(name):
                first = each.rows(0, min(400, each.shape[0])).reshape(-1)
                if not may_be_quantity(name) or (each.is_numeric and bool((np.diff(first) > 0).all())):
                    return each
        return None

    @property
    def rate(self) -> float | None:
        """The rate that a single number states."""
        for each in self.data_sets:
            if each.is_numeric and each.shape == () and RATE_NAMES.fullmatch(each.short_name.lower()):
                return _positive(each.rows(0, 1))
        return None

    def chosen(self) -> tuple[list[DataSet], tuple[str, ...] | None]:
        """Return the arrays to use, and the columns of them, if those were named."""
        names = self.reading.columns
        if names is None:
            return self.data_sets, None
        found = [self.named(name) for name in names]
        if not any(found):
            return self.data_sets, tuple(names)
        for name, each in zip(names, found, strict=True):
            if each is None:
                raise no_such_column(self.path, "array", name, [other.name for other in self.data_sets])
            if not each.is_numeric:
                raise ReadError(self.path, f"holds {_kind(each)} in {name!r}. Choose arrays of real numbers.")
        return [each for each in found if each is not None], None


def read_arrays(path: str, reading: Reading) -> list[Recorded]:
    """Read an array file.

    Raises
    ------
    MissingExtraError
        If the file is HDF5 and h5py is not installed.
    ReadError
        If it is damaged, or lacks what the reading asks for.
    """
    with open_arrays(path) as data_sets:
        if len(data_sets) == 1 and data_sets[0].dtype.names:
            return _read_fields(path, data_sets[0], reading)
        if reading.group is not None:
            raise ReadError(path, f"is no table: it has no column {reading.group!r} to group by.")
        contents = _Contents(path, data_sets, reading)
        time = contents.time
        arrays, columns = contents.chosen()
        usable = [each for each in arrays if each.is_numeric and each is not time and min(each.shape, default=0) > 1]
        tables = [each for each in usable if len(each.shape) in (2, 3) and sorted(each.shape)[0] <= LONGEST_ROW]
        series = [each for each in usable if len(each.shape) == 1]
        if tables and series and reading.channels is not None and columns is None:
            raise ReadError(
                path, f"holds rows of channels in {tables[0].name!r} and one in {series[0].name!r}. Choose."
            )
        if tables:
            left_out = [each.name for each in series]
            notes = (f"{', '.join(map(repr, left_out[:4]))}: left out beside arrays of channels",) if left_out else ()
            return [
                each for table in tables for each in _read_table(contents, table, columns, time, notes, len(tables))
            ]
        if columns is not None:
            raise no_such_column(path, "array", columns[0], [each.name for each in data_sets])
        if not series:
            raise ReadError(path, f"holds no array of real numbers{_listed(arrays)}.")
        return [_read_series(contents, series, time)]


def _kind(data_set: DataSet) -> str:
    kinds = {"c": "complex numbers", "O": "objects", "U": "text", "S": "text", "M": "dates", "V": "records"}
    return kinds.get(data_set.dtype.kind, f"{data_set.dtype} values")


def _listed(data_sets: list[DataSet]) -> str:
    odd = [f"{each.name!r} holds {_kind(each)}" for each in data_sets if not each.is_numeric]
    return f": {', '.join(odd[:3])}" if odd else " with more than one value"


def _positive(value: Any) -> float | None:
    try:
        number = float(np.asarray(value).reshape(-1)[0])
    except (ValueError, TypeError, IndexError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _stated_rate(contents: _Contents, data_set: DataSet) -> float | None:
    said = next((value for name, value in data_set.attributes.items() if RATE_NAMES.fullmatch(name)), None)
    return contents.rate if said is None else _positive(said)


def _stated_unit(data_set: DataSet) -> str:
    return next((plain_unit(str(data_set.attributes[name])) for name in UNIT_NAMES if name in data_set.attributes), "")


def _read_fields(path: str, data_set: DataSet, reading: Reading) -> list[Recorded]:
    """Read an array of records as a table."""
    import pandas as pd

    names = list(data_set.dtype.names or ())
    n_rows = data_set.shape[0] if data_set.shape else 0

    def frame(start: int, stop: int) -> Any:
        rows = data_set.rows(start, stop).reshape(-1)
        return pd.DataFrame(
            {name: rows[name].astype(str) if rows[name].dtype.kind == "S" else rows[name] for name in names}
        )

    if n_rows == 0:
        raise ReadError(path, "holds no rows.")
    columns = frame_columns(frame(0, min(400, n_rows)), [""] * len(names))
    plan = choose_columns(path, columns, reading)
    frames = (
        frame(*block).rename(columns=dict(zip(names, range(len(names)), strict=True)))
        for block in row_blocks(0, n_rows)
    )
    return read_frames(path, columns, plan, frames, reading)


def _times(contents: _Contents, time: DataSet | None, n_rows: int) -> tuple[Clock, NDArray[np.int64]] | None:
    """Return the times of rows, if there are as many."""
    if time is None or time.shape != (n_rows,):
        return None
    import pandas as pd

    values = time.rows(0, n_rows).reshape(-1)
    name, unit = split_unit(time.short_name)
    if time.is_numeric:
        clock = Clock.of_numbers(values[:400].astype(np.float64), name, unit or _stated_unit(time))
    else:
        values = values.astype(str) if values.dtype.kind == "S" else values
        clock = Clock.of_text([str(value) for value in values[:400]], ".")
    return clock, clock.nanoseconds(pd.Series(values))


def _append(path: str, store: Store, rows: NDArray[Any], times: NDArray[np.int64] | None, name: str) -> None:
    """Append rows; infinite values are missing ones, and rows without a time are left out."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.asarray(rows).astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    largest = float(np.nanmax(np.abs(values), initial=0)) if values.size and not np.isnan(values).all() else 0.0
    if largest > LARGEST_SAMPLE:
        raise ReadError(path, f"holds values up to {largest:.3g} in {name!r}. Cut the damaged part away.")
    if times is not None:
        keep = times != MISSING_TIME
        values, times = values[keep], times[keep]
    store.append(values, times)


def _read_table(
    contents: _Contents,
    table: DataSet,
    columns: Sequence[str] | None,
    time: DataSet | None,
    notes: tuple[str, ...],
    n_tables: int,
) -> Iterator[Recorded]:
    """Read an array of rows of channels (n, n_channels), or of such recordings (n_recordings, n, n_channels)."""
    path, reading = contents.path, contents.reading
    n_rows, n_channels = max(table.shape[-2:]), min(table.shape[-2:])
    names, stated = _channel_names(table, n_channels)
    wanted = list(range(n_channels))
    if columns is not None:
        for name in columns:
            if name not in names:
                raise no_such_column(path, "channel", name, names)
        wanted = [names.index(name) for name in columns]
    channels = tuple(names[i] for i in wanted)
    units = reading.units(channels, [stated[i] for i in wanted])
    timed = _times(contents, time, n_rows) if len(table.shape) == 2 else None
    store = Store(n_channels, has_times=timed is not None)
    label = table.name if n_tables > 1 else ""
    whole = Recorded(
        store, 0, 0, tuple(wanted), channels, units, label, _stated_rate(contents, table) if timed is None else None,
        timed is not None and timed[0].is_absolute, timed is not None and timed[0].has_zone,
        (*notes, *((timed[0].note,) if timed is not None and timed[0].note else ())),
    )  # fmt: skip
    if len(table.shape) == 2:
        for start, stop in row_blocks(0, n_rows):
            _append(path, store, table.rows(start, stop), None if timed is None else timed[1][start:stop], table.name)
        yield replace(whole, stop=store.n_rows)
        return
    recordings = table.rows(0, table.shape[0])
    if table.shape[2] > table.shape[1]:
        recordings = recordings.swapaxes(1, 2)
    at_once = max(1, BLOCK_ROWS // n_rows)
    for start in range(0, len(recordings), at_once):
        _append(path, store, recordings[start : start + at_once].reshape(-1, n_channels), None, table.name)
    for i in range(len(recordings)):
        yield replace(whole, start=i * n_rows, stop=(i + 1) * n_rows, label=f"{label} {i}".strip())


def _channel_names(table: DataSet, n_channels: int) -> tuple[list[str], list[str]]:
    """Return names and units of the channels of an array: as it states them, or numbers."""
    units = next((table.attributes[name] for name in UNIT_NAMES if name in table.attributes), "")
    each = list(units) if isinstance(units, list | tuple) and len(units) == n_channels else [str(units)] * n_channels
    for attribute in COLUMN_NAMES:
        names = table.attributes.get(attribute)
        names = names.split(",") if isinstance(names, str) else names
        if names is not None and not np.isscalar(names) and len(names) == n_channels:
            plain, own = split_headers([str(name) for name in names])
            return plain, [plain_unit(str(unit)) or stated for unit, stated in zip(each, own, strict=True)]
    return [str(i) for i in range(n_channels)], [plain_unit(str(unit)) for unit in each]


def _read_series(contents: _Contents, series: list[DataSet], time: DataSet | None) -> Recorded:
    """Read arrays of one channel each (n,) as the channels of one recording; shorter ones are slower."""
    path, reading = contents.path, contents.reading
    n_rows = max(each.shape[0] for each in series)
    notes: list[str] = []
    if reading.channels is None:
        short = [each.name for each in series if n_rows > MOST_TIMES_SLOWER * each.shape[0]]
        notes += [f"{', '.join(map(repr, short))}: too short for channels, left out"] if short else []
        series = [each for each in series if each.name not in short]
    slower = [_times_slower(path, each, n_rows, series) for each in series]
    names = contents.names
    channels = tuple(names[each.name][0] for each in series)
    units = reading.units(channels, [names[each.name][1] or _stated_unit(each) for each in series])
    timed = _times(contents, time, n_rows)
    store = Store(len(series), has_times=timed is not None)
    for start, stop in row_blocks(0, n_rows):
        rows = np.full((stop - start, len(series)), np.nan, np.float64)
        for column, (each, factor) in enumerate(zip(series, slower, strict=True)):
            first, last = -(-start // factor), min(-(-stop // factor), each.shape[0])
            if last > first:
                rows[first * factor - start : (last - 1) * factor - start + 1 : factor, column] = each.rows(
                    first, last
                )[:, 0]
        _append(path, store, rows, None if timed is None else timed[1][start:stop], series[0].name)
    fastest = series[slower.index(1)] if 1 in slower else series[0]
    note = (timed[0].note,) if timed is not None and timed[0].note else ()
    return Recorded(
        store, 0, store.n_rows, tuple(range(len(series))), channels, units, "",
        _stated_rate(contents, fastest) if timed is None else None, timed is not None and timed[0].is_absolute,
        timed is not None and timed[0].has_zone, (*notes, *note),
    )  # fmt: skip


def _times_slower(path: str, each: DataSet, n_rows: int, series: list[DataSet]) -> int:
    """Return how many times an array is shorter than the longest."""
    factor = round(n_rows / each.shape[0])
    if abs(n_rows - factor * each.shape[0]) >= factor:
        longest = next(other for other in series if other.shape[0] == n_rows)
        raise ReadError(
            path, f"holds {each.shape[0]} values in {each.name!r} and {n_rows} in {longest.name!r}: no whole number of "
            "times as many. Choose channels of one rate."
        )  # fmt: skip
    return factor

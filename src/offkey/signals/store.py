"""`Store`: rows of a sensor file, once parsed; small ones in memory, others in a file that nobody else sees."""

from __future__ import annotations

import os
import tempfile
import weakref
from dataclasses import dataclass
from threading import Lock
from typing import IO, Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK_ROWS", "Recorded", "Store", "row_blocks"]

BLOCK_ROWS = 65_536
"""Rows that are looked at at once."""

LARGEST_IN_MEMORY = 16 * 2**20
"""Bytes of a column set that are kept in memory; more go to a temporary file."""


@final
class Store:
    """Rows of samples (n_rows, n_columns) float32, with their times in nanoseconds and the numbers of their groups.

    Rows are appended, then read in any order. They are read from the file, not mapped: mapped pages count as memory.

    Parameters
    ----------
    n_columns : int
        Values in a row.
    has_times, has_groups : bool
        Whether rows have a time (int64, nanoseconds) and the number of a group (int32).
    """

    def __init__(self, n_columns: int, *, has_times: bool = False, has_groups: bool = False) -> None:
        self.n_rows = 0
        self.n_columns = n_columns
        self.has_times, self.has_groups = has_times, has_groups
        self._samples = _Rows(np.dtype(np.float32), n_columns)
        self._times = _Rows(np.dtype(np.int64), 1)
        self._groups = _Rows(np.dtype(np.int32), 1)

    def append(
        self,
        samples: NDArray[np.float32],
        times: NDArray[np.int64] | None = None,
        groups: NDArray[np.int32] | None = None,
    ) -> None:
        """Add rows at the end."""
        self._samples.write(self.n_rows, samples)
        if times is not None:
            self._times.write(self.n_rows, times)
        if groups is not None:
            self._groups.write(self.n_rows, groups)
        self.n_rows += len(samples)

    def samples(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the rows (stop - start, n_columns)."""
        rows: NDArray[np.float32] = self._samples.read(start, stop).reshape(-1, self.n_columns)
        return rows

    def times(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the times (stop - start,) in nanoseconds."""
        times: NDArray[np.int64] = self._times.read(start, stop)
        return times

    def sorted_by_group(self, n_groups: int) -> tuple[Store, NDArray[np.int64]]:
        """Return a store with the rows of each group together, in order, and where the groups begin (n_groups + 1,)."""
        counts = np.zeros(n_groups, np.int64)
        for start, stop in row_blocks(0, self.n_rows):
            counts += np.bincount(self._groups.read(start, stop), minlength=n_groups)
        edges = np.concatenate([[0], np.cumsum(counts)])
        result, free = Store(self.n_columns, has_times=self.has_times), edges[:-1].copy()
        for start, stop in row_blocks(0, self.n_rows):
            groups = self._groups.read(start, stop)
            order = np.argsort(groups, kind="stable")
            samples = self.samples(start, stop)[order]
            times = self.times(start, stop)[order] if self.has_times else None
            present, first = np.unique(groups[order], return_index=True)
            for group, begin, end in zip(present, first, [*first[1:], len(order)], strict=True):
                result._samples.write(int(free[group]), samples[begin:end])
                if times is not None:
                    result._times.write(int(free[group]), times[begin:end])
                free[group] += end - begin
        result.n_rows = self.n_rows
        return result, edges


def row_blocks(start: int, stop: int) -> list[tuple[int, int]]:
    """Cut a range of rows into ranges of `BLOCK_ROWS`."""
    return [(at, min(at + BLOCK_ROWS, stop)) for at in range(start, stop, BLOCK_ROWS)]


@final
@dataclass(frozen=True)
class Recorded:
    """Rows of a store that are a recording, before it is cut.

    Attributes
    ----------
    store : Store
        Where they are.
    start, stop : int
        First row, and the one behind the last.
    columns : tuple of int
        Of the store: one for each channel.
    channels, units : tuple of str
        Names and units.
    label : str
        Which recording of its file; empty if it is the only one.
    rate : float or None
        Samples per second that the file states; None if it does not (timestamps may tell it).
    is_absolute, has_zone : bool
        Whether times have a date, and an offset from UTC.
    notes : tuple of str
        What was assumed or left out.
    """

    store: Store
    start: int
    stop: int
    columns: tuple[int, ...]
    channels: tuple[str, ...]
    units: tuple[str, ...]
    label: str = ""
    rate: float | None = None
    is_absolute: bool = False
    has_zone: bool = False
    notes: tuple[str, ...] = ()

    def samples(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return rows of the recording (stop - start, n_channels)."""
        rows = self.store.samples(self.start + start, self.start + stop)
        return rows if self.columns == tuple(range(self.store.n_columns)) else rows[:, list(self.columns)]

    def times(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return their times (stop - start,), in nanoseconds."""
        return self.store.times(self.start + start, self.start + stop)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.stop - self.start


@final
class _Rows:
    """Values of one type that are written and read by row."""

    def __init__(self, dtype: np.dtype[Any], width: int) -> None:
        self._dtype, self._width = dtype, width
        self._memory = np.empty(0, dtype)
        self._file: IO[bytes] | None = None
        self._lock = Lock()

    def write(self, row: int, values: NDArray[Any]) -> None:
        """Write rows from one on."""
        flat = np.ascontiguousarray(values, self._dtype).reshape(-1)
        end = row * self._width + flat.size
        if self._file is None and end * self._dtype.itemsize > LARGEST_IN_MEMORY:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as this object)
            weakref.finalize(self, self._file.close)
            self._file.write(self._memory.tobytes())
            self._memory = np.empty(0, self._dtype)
        if self._file is not None:
            self._file.seek(row * self._width * self._dtype.itemsize)
            self._file.write(flat.tobytes())
            return
        if end > self._memory.size:
            grown = np.zeros(max(end, 2 * self._memory.size), self._dtype)
            grown[: self._memory.size] = self._memory
            self._memory = grown
        self._memory[row * self._width : end] = flat

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return the values of rows, flat."""
        first, last = start * self._width, stop * self._width
        if self._file is None:
            return self._memory[first:last]
        size = self._dtype.itemsize
        return np.frombuffer(self._bytes((last - first) * size, first * size), self._dtype)

    def _bytes(self, count: int, offset: int) -> bytes:
        """Read at a place; processes that share the file after a fork do not move each other's place."""
        assert self._file is not None
        with self._lock:
            self._file.flush()
            if hasattr(os, "pread"):
                return os.pread(self._file.fileno(), count, offset)
            self._file.seek(offset)
            return self._file.read(count)

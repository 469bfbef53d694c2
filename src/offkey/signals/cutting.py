"""Recordings are cut where samples are missing; short holes and slow channels are bridged by straight lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import ReadError
from offkey.signals.reading import Reading
from offkey.signals.sampling import JITTER_STATED, NEAR_WHOLE, Timing, rate_text, steps, timing_of
from offkey.signals.store import BLOCK_ROWS, Recorded, row_blocks
from offkey.signals.timestamps import as_datetime

__all__ = ["Cut", "Run", "cut", "run_blocks", "time_text"]

NEAR_GIVEN = 0.005
NEAR_COARSE = 0.1
"""A rate that is given stands for one that a file tells if it is this near (relative); less near for coarse clocks."""

MOST_RUNS = 100_000
SLOW_SHARE = 0.9
"""A channel is slow if this share of its values are equally many rows apart."""

Array = NDArray[np.float32]


@final
@dataclass(frozen=True)
class Run:
    """Rows without a hole that is too long, and the number of samples that they make."""

    start: int
    stop: int
    n_samples: int


@final
@dataclass(frozen=True)
class Cut:
    """How a recording was cut.

    Attributes
    ----------
    runs : tuple of Run
        In order.
    rate : float
        Samples per second.
    timing : Timing or None
        What timestamps tell.
    is_plain : bool
        Whether rows are samples, so that nothing is bridged.
    notes : tuple of str
        What was assumed, cut and bridged.
    """

    runs: tuple[Run, ...]
    rate: float
    timing: Timing | None
    is_plain: bool
    notes: tuple[str, ...]


def time_text(recorded: Recorded, nanoseconds: int) -> str:
    """Name a time: a date, or seconds."""
    if not recorded.is_absolute:
        return f"{nanoseconds / 1e9:.9g} s"
    return as_datetime(nanoseconds, recorded.has_zone).isoformat(" ")


def cut(source: str, recorded: Recorded, reading: Reading) -> Cut:
    """Cut a recording into runs.

    Raises
    ------
    ReadError
        If rows are not in order, tell no rate, or the reading refuses what is missing.
    """
    if recorded.n_rows < 2:
        raise ReadError(source, "holds one row only. A recording needs at least two.")
    n_repeated = _check_order(source, recorded) if recorded.store.has_times else 0
    timing = timing_of(recorded.store, recorded.start, recorded.stop) if recorded.store.has_times else None
    rate, notes = _rate(source, recorded, timing, reading)
    gaps = _Holes(_slow_channels(recorded), reading.bridged, recorded.channels)
    for start, stop in row_blocks(0, recorded.n_rows):
        counted = _counted(recorded, timing, start, stop, start == 0)
        gaps.look(counted, np.isfinite(recorded.samples(start, stop)))
    runs = gaps.runs()
    if len(runs) > MOST_RUNS:
        raise ReadError(source, f"is in {len(runs)} parts, more than {MOST_RUNS}. Bridge short holes (interpolate).")
    if gaps.n_bridged or any(gaps.slow):
        n_found = len(runs)
        runs = [each for run in runs for each in _trimmed(recorded, run, timing, gaps.slow)]
        if len(runs) < n_found:
            notes.append(f"parts in which a channel has no value are left out: {n_found - len(runs)}")
    if reading.missing == "refuse" and (gaps.n_gaps or gaps.n_missing):
        raise ReadError(source, f"has {gaps.text}. Cut it there, or bridge short holes (missing, longest_hole).")
    if not runs:
        raise ReadError(source, "holds no row in which all channels have a value. Choose fewer channels.")
    if n_repeated:
        notes.append(f"{n_repeated} rows repeat the one before and are left out")
    notes += gaps.notes(len(runs), rate)
    is_plain = not (n_repeated or gaps.n_bridged or any(gaps.slow))
    return Cut(tuple(runs), rate, timing, is_plain, (*recorded.notes, *notes))


def _check_order(source: str, recorded: Recorded) -> int:
    """Refuse times that do not ascend; return the number of rows that repeat the one before."""
    n_repeated = 0
    ends = recorded.times(0, 1)[0], recorded.times(recorded.n_rows - 1, recorded.n_rows)[0]
    for start, stop in row_blocks(0, recorded.n_rows):
        first = max(0, start - 1)
        intervals = np.diff(recorded.times(first, stop))
        if (intervals < 0).any():
            raise ReadError(source, _disorder(recorded, first + int(np.argmax(intervals < 0))))
        same = np.flatnonzero(intervals == 0)
        if len(same) == 0:
            continue
        if ends[0] == ends[1]:
            raise ReadError(
                source, f"has the same timestamp in all rows ({time_text(recorded, int(ends[0]))}). "
                "Pass over the timestamps (time='') and give the rate."
            )  # fmt: skip
        rows = recorded.samples(first, stop)
        differs = ~((rows[same] == rows[same + 1]) | (np.isnan(rows[same]) & np.isnan(rows[same + 1]))).all(axis=1)
        if differs.any():
            row = first + int(same[np.argmax(differs)])
            when = time_text(recorded, int(recorded.times(row, row + 1)[0]))
            raise ReadError(
                source, f"has different values at the same time {when} (rows {row + 1} and {row + 2}). "
                "Remove one, or pass over the timestamps (time='') and give the rate."
            )  # fmt: skip
        n_repeated += len(same)
    return n_repeated


def _disorder(recorded: Recorded, row: int) -> str:
    before, after = (time_text(recorded, int(time)) for time in recorded.times(row, row + 2))
    return (
        f"is not in order of time: row {row + 2} ({after}) comes after row {row + 1} ({before}). "
        "Sort the rows, or pass over the timestamps (time='') and give the rate."
    )


def _rate(source: str, recorded: Recorded, timing: Timing | None, reading: Reading) -> tuple[float, list[str]]:
    """Return the rate, and notes on the timestamps."""
    own = recorded.rate if timing is None else timing.rate
    if own is None and reading.rate is None:
        raise ReadError(source, "has no timestamps and states no rate. Give the rate, in samples per second.")
    if timing is not None and timing.is_irregular:
        raise ReadError(
            source, f"has irregular timestamps: over half of the intervals are more than 20 % off the usual "
            f"{timing.interval / 1e9:.4g} s. Bring it to regular times first, or name another time column."
        )  # fmt: skip
    notes = []
    if timing is not None and timing.is_coarse:
        notes.append(
            f"timestamps in steps of {timing.tick / 1e9:g} s tell a mean rate of {rate_text(timing.rate)}; "
            "samples are taken as evenly spaced"
        )
    elif timing is not None and timing.jitter > JITTER_STATED:
        notes.append(
            f"timestamps jitter by {100 * timing.jitter:.0f} % of the interval (99 of 100 by less); "
            "samples are taken as evenly spaced"
        )
    if own is None or reading.rate is None:
        return (reading.rate if own is None else own) or 0.0, notes
    off = abs(own / reading.rate - 1)
    if off > (NEAR_COARSE if timing is not None and timing.is_coarse else NEAR_GIVEN):
        notes.append(f"it tells {rate_text(own)}; {rate_text(reading.rate)} was given for files that tell none")
        return own, notes
    if off > NEAR_WHOLE:
        notes.append(f"it tells {rate_text(own)}; taken as {rate_text(reading.rate)}, as given")
    return reading.rate, notes


def _slow_channels(recorded: Recorded) -> list[int]:
    """Return how many rows apart the values of each channel are at most, if they regularly are; else 0."""
    n_channels = len(recorded.channels)
    last = np.full(n_channels, -1)
    counts: list[dict[int, int]] = [{} for _ in range(n_channels)]
    for start, stop in row_blocks(0, recorded.n_rows):
        valid = np.isfinite(recorded.samples(start, stop))
        for channel in np.flatnonzero(~valid.all(axis=0) | (last < start - 1)):
            rows = np.flatnonzero(valid[:, channel]) + start
            if last[channel] >= 0:
                rows = np.concatenate([[last[channel]], rows])
            for apart, n in zip(*np.unique(np.diff(rows), return_counts=True), strict=True):
                counts[channel][int(apart)] = counts[channel].get(int(apart), 0) + int(n)
            if len(rows):
                last[channel] = rows[-1]
        whole = valid.all(axis=0)
        last[whole] = stop - 1
    return [_slowness(each) for each in counts]


def _slowness(counts: dict[int, int]) -> int:
    total = sum(counts.values())
    if total < 2:
        return 0
    usual = max(counts, key=lambda apart: counts[apart])
    for longest in (usual, usual + 1):
        near = sum(n for apart, n in counts.items() if usual - 1 <= apart <= longest)
        if usual >= 2 and near >= SLOW_SHARE * total:
            return longest
    return 0


def _trimmed(recorded: Recorded, run: Run, timing: Timing | None, slow: list[int]) -> list[Run]:
    """Cut off both ends of a run, up to where all channels that are not slow have values; none if nothing is left."""
    fast = np.array(slow) == 0
    first = last = -1, 0
    position, found = -1, np.zeros(len(slow), bool)
    for start, stop in row_blocks(run.start, run.stop):
        positions = position + np.cumsum(_counted(recorded, timing, start, stop, start == run.start))
        position = int(positions[-1])
        valid = np.isfinite(recorded.samples(start, stop))
        whole = np.flatnonzero(valid[:, fast].all(axis=1))
        if len(whole) == 0:
            continue
        if first[0] < 0:
            first = start + int(whole[0]), int(positions[whole[0]])
        last = start + int(whole[-1]), int(positions[whole[-1]])
    if first[0] < 0:
        return []
    for start, stop in row_blocks(first[0], last[0] + 1):
        found |= np.isfinite(recorded.samples(start, stop)).any(axis=0)
        if found.all():
            return [Run(first[0], last[0] + 1, last[1] - first[1] + 1)]
    return []


def _counted(recorded: Recorded, timing: Timing | None, start: int, stop: int, is_first: bool) -> NDArray[np.int64]:
    """Return how many samples rows go on (n,); the first of a run goes on one."""
    counted = np.ones(stop - start, np.int64)
    if timing is not None and not is_first:
        counted = steps(np.diff(recorded.times(start - 1, stop)), timing)
    elif timing is not None:
        counted[1:] = steps(np.diff(recorded.times(start, stop)), timing)
    return counted


@final
@dataclass
class _Holes:
    """Where values are missing, found block by block; ``slow`` as `_slow_channels` gives it."""

    slow: list[int]
    bridged: int
    channels: tuple[str, ...]
    n_gaps: int = 0
    n_missing: int = 0
    n_bridged: int = 0
    longest: int = 0
    _rows: int = 0
    _position: int = -1
    _last: list[tuple[int, int]] = field(default_factory=list)  # row and position of each channel's last value
    _breaks: list[tuple[int, int, int, int]] = field(default_factory=list)  # row and position before, and behind

    def look(self, counted: NDArray[np.int64], valid: NDArray[np.bool_]) -> None:
        """Take up the rows that follow: how many samples each goes on, and which channels have a value in it."""
        self._last = self._last or [(-1, -1)] * len(self.slow)
        positions = self._position + np.cumsum(counted)
        gap = counted > 1
        self.n_gaps += int(np.count_nonzero(gap))
        self.longest = max(self.longest, int(counted.max(initial=0)))
        for channel, slow in enumerate(self.slow):
            rows = np.flatnonzero(valid[:, channel])
            if not slow:
                self.n_missing += len(valid) - len(rows)
            row = np.concatenate([[self._last[channel][0]], rows + self._rows])
            position = np.concatenate([[self._last[channel][1]], positions[rows]])
            self._between(row, position, slow)
            self._last[channel] = int(row[-1]), int(position[-1])
        self._rows += len(counted)
        self._position = int(positions[-1])

    def _between(self, row: NDArray[np.int64], position: NDArray[np.int64], slow: int) -> None:
        """Look at the holes between the values of one channel, which lie at these rows and positions."""
        holes = np.diff(position) - 1
        usual = max(0, slow - 1)
        allowed = np.full(len(holes), slow * (self.bridged + 1) - 1 if slow else self.bridged)
        if len(holes) and row[0] < 0:
            allowed[0] = usual
        self.n_bridged += int(holes[(holes > usual) & (holes <= allowed)].sum())
        for i in np.flatnonzero(holes > allowed):
            self._breaks.append((int(row[i]), int(position[i]), int(row[i + 1]), int(position[i + 1])))

    def runs(self) -> list[Run]:
        """Return what lies between the breaks."""
        breaks = list(self._breaks)
        for (row, position), slow in zip(self._last, self.slow, strict=True):
            if self._position - position > max(0, slow - 1):
                breaks.append((row, position, self._rows, self._position + 1))
        breaks.sort()
        runs = []
        start, first = 0, 0
        for before, last, behind, next_position in [*breaks, (self._rows - 1, self._position, self._rows, 0)]:
            if before >= start:
                runs.append(Run(start, before + 1, last - first + 1))
            if behind > start:
                start, first = behind, next_position
        return runs

    @property
    def text(self) -> str:
        """What was found."""
        gaps = f"{self.n_gaps} gap{'s' * (self.n_gaps != 1)} in its timestamps"
        missing = f"{self.n_missing} missing value{'s' * (self.n_missing != 1)}"
        found = [text for text, n in ((gaps, self.n_gaps), (missing, self.n_missing)) if n]
        return " and ".join(found)

    def notes(self, n_runs: int, rate: float) -> Iterator[str]:
        """Yield what is to be told."""
        if self.n_gaps or self.n_missing:
            longest = f" (the longest of {(self.longest - 1) / rate:.4g} s)" if self.n_gaps else ""
            parts = f"cut into {n_runs} parts" if n_runs > 1 else ""
            bridged = f"{self.n_bridged} values are bridged by straight lines" if self.n_bridged else ""
            done = " and ".join(filter(None, (parts, bridged))) or "cut off at the ends"
            yield f"it has {self.text}{longest}: {done}"
        for channel, slow in zip(self.channels, self.slow, strict=True):
            if slow:
                yield (
                    f"{channel!r} is sampled {slow} times more slowly and was brought to {rate_text(rate)} "
                    "by straight lines"
                )


def run_blocks(recorded: Recorded, cut_: Cut, run: Run) -> Iterator[Array]:
    """Yield the samples of a run (n_channels, n)."""
    if cut_.is_plain:
        for start, stop in row_blocks(run.start, run.stop):
            yield np.ascontiguousarray(recorded.samples(start, stop).T)
        return
    n_channels = len(recorded.channels)
    positions, values = np.empty(0, np.int64), np.empty((0, n_channels), np.float32)
    position, done = -1, 0
    for start, stop in row_blocks(run.start, run.stop):
        counted = _counted(recorded, cut_.timing, start, stop, start == run.start)
        new = position + np.cumsum(counted)
        position = int(new[-1])
        fresh = counted > 0
        positions = np.concatenate([positions, new[fresh]])
        values = np.concatenate([values, recorded.samples(start, stop)[fresh]])
        valid = np.isfinite(values)
        last = [positions[valid[:, channel]].max(initial=-1) for channel in range(n_channels)]
        ready = run.n_samples if stop == run.stop else int(min(last)) + 1
        while done < ready:
            end = min(ready, done + BLOCK_ROWS)
            yield _between(positions, values, valid, done, end)
            done = end
        needed = [
            np.flatnonzero(valid[:, channel] & (positions < done)).max(initial=0) for channel in range(n_channels)
        ]
        positions, values = positions[min(needed) :], values[min(needed) :]


def _between(positions: NDArray[np.int64], values: Array, valid: NDArray[np.bool_], start: int, stop: int) -> Array:
    """Return the samples (n_channels, stop - start) on straight lines between those that are there."""
    grid = np.arange(start, stop)
    samples = np.empty((values.shape[1], stop - start), np.float32)
    for channel in range(len(samples)):
        there = valid[:, channel]
        samples[channel] = np.interp(grid, positions[there], values[there, channel])
    return samples

"""Recordings are cut where samples are missing; short holes and slow channels are bridged by straight lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import ReadError
from offkey.signals.holes import Holes, Run, slow_channels
from offkey.signals.reading import Reading
from offkey.signals.sampling import JITTER_STATED, NEAR_WHOLE, Timing, plain_rate, rate_text, steps, timing_of
from offkey.signals.store import BLOCK_ROWS, Recorded, row_blocks
from offkey.signals.timestamps import as_datetime

__all__ = ["Cut", "cut", "run_blocks", "time_text"]

NEAR_GIVEN = 0.005
NEAR_COARSE = 0.1
"""A rate that is given stands for one that a file tells if it is this near (relative); less near for coarse clocks."""

MOST_RUNS = 100_000
Array = NDArray[np.float32]


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
    if timing is not None:
        _check_even(source, timing)
    rate, notes = _rate(source, recorded, timing, reading)
    gaps = Holes(slow_channels(recorded), reading.bridged, recorded.channels)
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
    if reading.missing == "refuse" and gaps.refused:
        raise ReadError(source, f"has {gaps.refused}. Cut it there, or bridge short holes (missing, longest_hole).")
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


def _check_even(source: str, timing: Timing) -> None:
    """Refuse times of several rates, and of none."""
    if timing.unlike:
        shortest, longest = (rate_text(plain_rate(1e9 / interval)) for interval in timing.unlike)
        raise ReadError(
            source, f"changes its rate: parts of it have {shortest}, others {longest}. Put each in its own file, "
            "or bring it to one rate first."
        )  # fmt: skip
    if timing.is_irregular:
        raise ReadError(
            source, f"has irregular timestamps: over half of the intervals are more than 20 % off the usual "
            f"{timing.interval / 1e9:.4g} s. Bring it to regular times first, or name another time column."
        )  # fmt: skip


def _rate(source: str, recorded: Recorded, timing: Timing | None, reading: Reading) -> tuple[float, list[str]]:
    """Return the rate, and notes on the timestamps."""
    own = recorded.rate if timing is None else timing.rate
    if own is None and reading.rate is None:
        raise ReadError(source, "has no timestamps and states no rate. Give the rate, in samples per second.")
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

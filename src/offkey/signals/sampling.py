"""The rate that timestamps tell, how far they jitter, and where samples are missing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.signals.store import Store, row_blocks

__all__ = ["JITTER_STATED", "NEAR_WHOLE", "Timing", "plain_rate", "rate_text", "steps", "timing_of"]

GAP = 1.5
"""Intervals over this many usual ones are gaps."""

NEAR_WHOLE = 1e-3
"""Rates this near (relative) to a whole number of hertz, and intervals to one of seconds, are taken as that."""

JITTER_STATED = 0.01
IRREGULAR = 0.2
MOST_IRREGULAR = 0.5
"""Times are irregular if over half of the intervals are over 20 % off the usual one."""

TICKS = tuple(10**power for power in range(9, 0, -1))
"""Resolutions of clocks that are looked for, in nanoseconds."""

FEWEST_SLIPS = 5
EVEN_SLIPS = 0.6
SLIPS_THROUGHOUT = 0.7
"""Longer intervals of a coarse clock are slips, not gaps, if they are some, at distances that vary less than this, and
such distances cover this share of the recording."""

MOST_PARTS = 4
FEWEST_IN_PART = 20
REGULAR_PART = 0.8
"""A part of a recording has its own rate if this share of its intervals is near their median."""

BLOCKS_LOOKED_AT = 32
"""Of longer recordings, blocks of rows spread over them tell the interval."""


@final
@dataclass(frozen=True)
class Timing:
    """What timestamps tell.

    Attributes
    ----------
    interval : float
        The usual interval, in nanoseconds.
    longest : float
        Longer intervals are gaps, in nanoseconds.
    tick : int
        Resolution of the clock, in nanoseconds; 1 if none is seen.
    jitter : float
        The 99th percentile of how far intervals are off the usual one beyond a tick, relative to it.
    is_irregular : bool
        Whether samples are not evenly spaced.
    is_coarse : bool
        Whether the clock's tick is about as long as the interval, so that only the mean rate is told.
    unlike : tuple of float
        The shortest and the longest interval of parts, in nanoseconds, if parts have rates of their own; else empty.
    """

    interval: float
    longest: float
    tick: int = 1
    jitter: float = 0.0
    is_irregular: bool = False
    is_coarse: bool = False
    unlike: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        """Samples per second."""
        return plain_rate(1e9 / self.interval)


def plain_rate(rate: float) -> float:
    """Return a rate as a whole number of hertz, or one in a whole number of seconds, where it is near to that."""
    if rate >= 1:
        return float(round(rate)) if abs(rate - round(rate)) <= NEAR_WHOLE * rate else rate
    seconds = 1 / rate
    return 1 / round(seconds) if abs(seconds - round(seconds)) <= NEAR_WHOLE * seconds else rate


def rate_text(rate: float) -> str:
    """Name a rate: ``"25600 Hz"``, ``"1 sample in 300 s"``."""
    return f"{rate:.6g} Hz" if rate >= 0.5 else f"1 sample in {1 / rate:.6g} s"


def steps(intervals: NDArray[np.int64], timing: Timing) -> NDArray[np.int64]:
    """Return how many samples each interval goes on: 1, more where some are missing, 0 where a row is repeated."""
    counted = np.rint(intervals / timing.interval).astype(np.int64)
    return np.where(intervals <= timing.longest, np.minimum(intervals, 1), np.maximum(counted, 2))


def timing_of(store: Store, start: int, stop: int) -> Timing:
    """Infer the timing of rows of a store whose times ascend; at least two times differ."""
    blocks = row_blocks(start, stop)
    if len(blocks) > BLOCKS_LOOKED_AT:
        blocks = [blocks[round(i)] for i in np.linspace(0, len(blocks) - 1, BLOCKS_LOOKED_AT)]
    times = [store.times(first, min(last + 1, stop)) for first, last in blocks]
    times = [each[np.concatenate([[True], np.diff(each) > 0])] for each in times]
    return timing_of_times([each for each in times if len(each) > 1])


def timing_of_times(times: list[NDArray[np.int64]]) -> Timing:
    """Infer the timing of stretches of ascending times (n,), in nanoseconds."""
    intervals = np.concatenate([np.diff(each) for each in times])
    median = float(np.median(intervals))
    tick = _tick(intervals)
    longest, is_coarse = GAP * median, False
    if tick >= median / 2 and _are_slips(intervals, median, tick):
        longest, is_coarse = median + 1.5 * tick, True
    interval = _fit(times, longest)
    if not is_coarse:
        longest = max(GAP * interval, interval + 0.75 * tick if tick < interval / 2 else 0.0)
    usual = intervals[intervals <= longest]
    off = np.maximum(np.abs(usual - interval) - (tick if tick > 1 else 0), 0) / interval
    rate = plain_rate(1e9 / interval)
    return Timing(
        1e9 / rate, longest, tick, float(np.quantile(off, 0.99)) if len(off) else 0.0,
        bool(np.mean(np.abs(intervals - interval) - tick > IRREGULAR * interval) > MOST_IRREGULAR), is_coarse,
        () if is_coarse else _unlike(intervals),
    )  # fmt: skip


def _tick(intervals: NDArray[np.int64]) -> int:
    """Return the largest decimal resolution that all intervals are multiples of."""
    shared = int(np.gcd.reduce(intervals))
    return next((tick for tick in TICKS if shared % tick == 0), 1)


def _are_slips(intervals: NDArray[np.int64], median: float, tick: int) -> bool:
    """Say whether intervals one tick longer come at even distances from the beginning to the end.

    A clock of whole seconds that stamps a sample each 1.05 s shows 1 s, and 2 s each 20 samples or so: no sample is
    missing. Samples that get lost do so at uneven distances, or for a while only.
    """
    at = np.flatnonzero(np.abs(intervals - median - tick) < tick / 2)
    if len(at) < FEWEST_SLIPS:
        return False
    distances = np.diff(at)
    middle = float(np.median(distances))
    spread = float(np.median(np.abs(distances - middle)))
    is_throughout = len(at) * middle >= SLIPS_THROUGHOUT * len(intervals)
    return middle >= 2 and spread < EVEN_SLIPS / 2 * middle and is_throughout


def _unlike(intervals: NDArray[np.int64]) -> tuple[float, ...]:
    """Return the shortest and the longest median of parts of a recording, if they are no longer near to each other."""
    n_parts = min(MOST_PARTS, len(intervals) // FEWEST_IN_PART)
    medians = []
    for part in np.array_split(intervals, n_parts) if n_parts > 1 else []:
        median = float(np.median(part))
        if np.mean(np.abs(part - median) <= IRREGULAR * median) >= REGULAR_PART:
            medians.append(median)
    if not medians or max(medians) <= (1 + IRREGULAR) * min(medians):
        return ()
    return min(medians), max(medians)


def _fit(times: list[NDArray[np.int64]], longest: float) -> float:
    """Return the slope of a line through unbroken runs of times, by least squares over all of them."""
    covariance = variance = 0.0
    for stretch in times:
        edges = np.concatenate([[0], np.flatnonzero(np.diff(stretch) > longest) + 1, [len(stretch)]])
        for first, last in pairwise(edges):
            if last - first < 2:
                continue
            index = np.arange(last - first) - (last - first - 1) / 2
            since = (stretch[first:last] - stretch[first]).astype(np.float64)
            covariance += float(index @ (since - since.mean()))
            variance += float(index @ index)
    return covariance / variance if variance else float(np.median(np.concatenate([np.diff(each) for each in times])))

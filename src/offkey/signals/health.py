"""What is measured of a signal that tells whether its sensor is well: flat tops, standstills, offset, mains hum."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["HELD_S", "MAINS_HZ", "Health", "HealthMeter"]

Array = NDArray[np.float64]

MAINS_HZ = (50, 60)
N_HARMONICS = 4
LINE_HZ = 5
"""Distance of the lines of the spectrum that hum is looked for in."""
NEIGHBOUR_LINES = (-3, -2, 2, 3)
LOWEST_RATE_OF_HUM = 8 * 60

FULL_SCALE = 1 - 2.0**-14
NEAR_TOP, FLAT, FEWEST_CLIPPED = 0.03, 0.6, 8
"""A second is clipped if so many samples are at its extreme, and are that part of all within 3 % of it, but not all, as
of a tone whose period is a whole number of samples."""
SHORTEST_PIECE, LONGEST_PIECE = 256, 2**20
"""Samples of a second, at least and at most, whatever the rate that is stated."""
NEARLY = 0.99
LEAST_STEP = 2.0**-15

LOOK_S, HELD_S, FEWEST_HELD = 0.001, 0.02, 16
"""Distance of the samples that are looked at for a signal that stands still; how long it must: seconds, samples."""


@final
@dataclass(frozen=True)
class Health:
    """What was measured of the samples of a recording.

    Attributes
    ----------
    duration_s : float
        Length in seconds.
    level : array, shape (n_channels,)
        Root mean square less the offset, in the samples' unit.
    offset, peak : array, shape (n_channels,)
        Mean, and largest magnitude.
    clipped : array, shape (n_channels,)
        Part of the samples that lie on a flat top.
    held_s, held_at_s : array, shape (n_channels,)
        Longest time that the signal stands still (20 ms or more, else 0), and when that begins.
    hum_db, hum_rise_db : array, shape (n_channels, 2)
        Of mains at 50 and at 60 Hz: power of the first 4 harmonics over that of the signal; how far the fundamental and
        at least one more rise over what is beside them. -inf where the rate is too low or no multiple of 5 Hz.
    """

    duration_s: float
    level: Array
    offset: Array
    peak: Array
    clipped: Array
    held_s: Array
    held_at_s: Array
    hum_db: Array
    hum_rise_db: Array


@final
class HealthMeter:
    """Measures a signal that comes in blocks, in memory for a second of it; block sizes do not matter.

    Parameters
    ----------
    rate : float
        In hertz.
    n_channels : int
        Number of channels.
    full_scale : bool
        Whether samples end at -1 and 1, as those of sound files do.

    Examples
    --------
    >>> meter = HealthMeter(16000, 1)
    >>> meter.push(np.clip(np.random.default_rng(0).normal(0, 0.5, (1, 32000)), -1, 1).astype(np.float32))
    >>> bool(meter.health().clipped[0] > 0.01)
    True
    """

    def __init__(self, rate: float, n_channels: int, full_scale: bool = True) -> None:
        self._rate, self._n_channels, self._full_scale = rate, n_channels, full_scale
        self._start: NDArray[np.float32] | None = None
        self._held = np.empty((n_channels, 0), np.float32)
        self._n_samples = 0
        self._sums = np.zeros((2, n_channels))
        self._peaks = np.zeros((2, n_channels))
        self._seconds: list[Array] = []
        self._stands: list[tuple[int, int, int]] = []
        self._piece = min(max(round(rate), SHORTEST_PIECE), LONGEST_PIECE)
        self._lines: Array = np.zeros(())
        self._n_windows = 0

    def push(self, block: NDArray[np.float32]) -> None:
        """Take up samples (n_channels, n)."""
        signal = np.concatenate([self._held, block], axis=1) if self._held.shape[1] else block
        whole = signal.shape[1] // self._piece * self._piece
        if whole:
            self._measure(signal[:, :whole].reshape(self._n_channels, -1, self._piece))
        self._held = signal[:, whole:]

    def health(self) -> Health:
        """Return what was measured; the meter is to be thrown away then."""
        if self._held.shape[1]:
            self._measure(self._held[:, None])
        n = max(1, self._n_samples)
        above_start = self._sums[0] / n
        level = np.sqrt(np.maximum(self._sums[1] / n - above_start**2, 0))
        mean = above_start if self._start is None else above_start + self._start
        tops = np.concatenate(self._seconds, axis=2) if self._seconds else np.zeros((4, self._n_channels, 0))
        held_s, held_at_s = self._longest_stand()
        return Health(
            self._n_samples / self._rate, level, mean, np.abs(tops[:2]).max(axis=(0, 2), initial=0.0),
            _clipped(tops) / n, held_s, held_at_s, *self._hum(level),
        )  # fmt: skip

    def _measure(self, seconds: NDArray[np.float32]) -> None:
        """Measure whole seconds (n_channels, n_seconds, rate), or what is left at the end."""
        if self._start is None:
            self._start = seconds[:, 0, 0].copy()
        shifted = seconds - self._start[:, None, None]  # so that a large offset does not swallow the signal
        sums = shifted.sum(axis=2)
        self._sums[0] += sums.sum(axis=1, dtype=np.float64)
        self._sums[1] += np.einsum("csn,csn->cs", shifted, shifted).sum(axis=1, dtype=np.float64)
        middle = sums / seconds.shape[2] + self._start[:, None]
        tops = [seconds.max(axis=2), seconds.min(axis=2)]
        self._peaks = np.maximum(self._peaks, np.abs(tops).max(axis=2))
        as_high = np.abs(tops) >= NEARLY * self._peaks[:, :, None]
        counts = [_flat_samples(seconds, *side, middle, self._full_scale) for side in zip(tops, as_high, strict=True)]
        self._seconds.append(np.stack([*tops, *counts]).astype(np.float64))
        self._find_stands(seconds.reshape(self._n_channels, -1))
        if seconds.shape[2] == self._rate:
            self._add_lines(seconds)
        self._n_samples += seconds.shape[1] * seconds.shape[2]

    def _find_stands(self, signal: NDArray[np.float32]) -> None:
        step = max(1, round(LOOK_S * self._rate))
        fewest = max(4, math.ceil(HELD_S * self._rate / step) - 1)
        for channel, own in enumerate(signal):
            looked, last = own[::step], len(own) - 1
            runs = [run for run in _runs(looked[1:] == looked[:-1]) if run[1] - run[0] >= fewest or run[0] == 0]
            places = [(0, step), (last, last), *((first * step, (stop + 1) * step) for first, stop in runs)]
            found = dict(_run_around(own, *place, step) for place in places)
            self._stands += [(channel, self._n_samples + a, self._n_samples + b) for a, b in sorted(found.items())]

    def _longest_stand(self) -> tuple[Array, Array]:
        longest, begins = np.zeros(self._n_channels), np.zeros(self._n_channels)
        open_at: dict[int, tuple[int, int]] = {}
        for channel, start, stop in self._stands:
            before = open_at.get(channel)
            if before is not None and start <= before[1]:
                start, stop = before[0], max(stop, before[1])
            open_at[channel] = start, stop
            if stop - start >= FEWEST_HELD and (stop - start) / self._rate > max(longest[channel], HELD_S):
                longest[channel], begins[channel] = (stop - start) / self._rate, start / self._rate
        return longest, begins

    def _add_lines(self, seconds: NDArray[np.float32]) -> None:
        """Add up the power of lines 5 Hz apart: a second, faded in and out and laid over itself, has no others."""
        if self._rate % LINE_HZ or self._rate < LOWEST_RATE_OF_HUM:
            return
        from scipy.fft import rfft

        faded = seconds * _fade(self._piece)
        folded = faded.reshape(*seconds.shape[:2], LINE_HZ, -1).sum(axis=2)
        n_lines = (N_HARMONICS * max(MAINS_HZ)) // LINE_HZ + max(NEIGHBOUR_LINES) + 1
        lines = rfft(folded, axis=2)[:, :, :n_lines]
        power = np.square(np.abs(lines)).sum(axis=1, dtype=np.float64)
        self._lines = self._lines + power
        self._n_windows += seconds.shape[1]

    def _hum(self, level: Array) -> tuple[Array, Array]:
        """Return the power of mains hum over that of the signal, and how far it rises over its neighbours, in dB."""
        nothing = np.full((self._n_channels, len(MAINS_HZ)), -math.inf)
        if not self._n_windows:
            return nothing, nothing
        power = 2 * self._lines / self._n_windows / _fade(self._piece).sum(dtype=np.float64) ** 2 + 1e-30
        hum, rise = nothing.copy(), nothing.copy()
        for column, mains in enumerate(MAINS_HZ):
            at = np.arange(1, N_HARMONICS + 1) * mains // LINE_HZ
            at = at[at + max(NEIGHBOUR_LINES) < power.shape[1]]
            if len(at) < 2:
                continue
            beside = np.median([power[:, at + line] for line in NEIGHBOUR_LINES], axis=0)
            rises = 10 * np.log10(power[:, at] / beside)
            hum[:, column] = 10 * np.log10(power[:, at].sum(axis=1) / np.maximum(level**2, 1e-30))
            rise[:, column] = np.minimum(rises[:, 0], rises[:, 1:].max(axis=1))
        return hum, rise


def _flat_samples(
    seconds: NDArray[np.float32],
    top: NDArray[np.float32],
    as_high: NDArray[np.bool_],
    middle: NDArray[np.float32],
    full_scale: bool,
) -> NDArray[np.int64]:
    """Count the samples at the extreme (n_channels, n_seconds) on one side of seconds in which that is a flat top.

    Seconds that are not ``as_high`` as the highest so far are passed over.
    """
    at = np.zeros(top.shape, np.int64)
    for channel, second in zip(*np.nonzero(as_high), strict=True):
        is_at = seconds[channel, second] == top[channel, second]
        at[channel, second] = np.count_nonzero(is_at)
        n, height = at[channel, second], float(top[channel, second] - middle[channel, second])
        is_full = full_scale and abs(top[channel, second]) >= FULL_SCALE and bool((is_at[1:] & is_at[:-1]).any())
        if not is_full and n >= FEWEST_CLIPPED and height:
            distance = np.abs(seconds[channel, second] - top[channel, second])
            n_near = np.count_nonzero(distance <= max(NEAR_TOP * abs(height), 2.5 * LEAST_STEP))
            is_full = n_near > n > FLAT * n_near
        at[channel, second] = n if is_full else 0
    return at


def _clipped(tops: Array) -> Array:
    """Return the clipped samples (n_channels,): those on flat tops as high as the highest, of both sides."""
    heights, counts = tops[:2], tops[2:]
    highest = np.abs(heights).max(axis=2, keepdims=True, initial=0.0)
    as_high = np.abs(heights) >= NEARLY * highest
    return np.asarray((counts * as_high).sum(axis=(0, 2)))


def _run_around(signal: NDArray[np.float32], place: int, until: int, reach: int) -> tuple[int, int]:
    """Return where a signal takes the value at a place, and the sample behind that; no further than ``reach`` off."""
    begin = max(0, place - reach)
    same = signal[begin : until + reach] == signal[place]
    return next((begin + first, begin + stop) for first, stop in _runs(same) if first <= place - begin < stop)


@lru_cache(maxsize=4)
def _fade(n_samples: int) -> NDArray[np.float32]:
    """Return a window that fades a second in and out."""
    return np.hanning(n_samples).astype(np.float32)


def _runs(same: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield where runs of True begin, and the places behind their last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)

"""Whether the sensor is well: clipping, dropouts, a dead or lost channel, offset, mains hum; not the machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Finding", "Health", "HealthMeter", "NormalHealth", "find_faults", "gain_finding"]

Array = NDArray[np.float64]

MAINS_HZ = (50, 60)
N_HARMONICS = 4
LINE_HZ = 5
"""Distance of the lines of the spectrum that hum is looked for in."""
NEIGHBOUR_LINES = (-3, -2, 2, 3)
LOWEST_RATE_OF_HUM = 8 * 60
HUM_RISES_DB, HUM_ABOVE_NORMAL_DB = 10.0, 6.0

FULL_SCALE = 1 - 2.0**-14
NEAR_TOP, FLAT, FEWEST_CLIPPED = 0.03, 0.6, 8
"""A second is clipped if so many samples are at its extreme, and are that part of all within 3 % of it, but not all, as
of a tone whose period is a whole number of samples."""
NEARLY = 0.99
LEAST_STEP = 2.0**-15

LOOK_S, HELD_S = 0.001, 0.02
"""Distance of the samples that are looked at for a signal that stands still, and how long it must."""
FAR_DB, LOST_DB = 10.0, 30.0
"""Softer or louder than all normal recordings by so much is remarkable; softer by that, the sensor is hardly there."""


@final
@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a sensor or a recording, not with the machine.

    Attributes
    ----------
    kind : str
        ``"constant"``, ``"silent"``, ``"dropout"``, ``"clipping"``, ``"level"``, ``"offset"``, ``"hum"`` or ``"gain"``.
    channel : int
        Which channel.
    sentence : str
        What was measured, and what to check.
    """

    kind: str
    channel: int
    sentence: str


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
    rate : int
        In hertz.
    n_channels : int
        Number of channels.

    Examples
    --------
    >>> meter = HealthMeter(16000, 1)
    >>> meter.push(np.clip(np.random.default_rng(0).normal(0, 0.5, (1, 32000)), -1, 1).astype(np.float32))
    >>> [finding.kind for finding in find_faults(meter.health())]
    ['clipping']
    """

    def __init__(self, rate: int, n_channels: int) -> None:
        self._rate, self._n_channels = rate, n_channels
        self._held = np.empty((n_channels, 0), np.float32)
        self._n_samples = 0
        self._sums = np.zeros((2, n_channels))
        self._peaks = np.zeros((2, n_channels))
        self._seconds: list[Array] = []
        self._stands: list[tuple[int, int, int]] = []
        self._fade = _fade(rate)
        self._lines = np.zeros((n_channels, 0))
        self._n_windows = 0

    def push(self, block: NDArray[np.float32]) -> None:
        """Take up samples (n_channels, n)."""
        signal = np.concatenate([self._held, block], axis=1) if self._held.shape[1] else block
        whole = signal.shape[1] // self._rate * self._rate
        if whole:
            self._measure(signal[:, :whole].reshape(self._n_channels, -1, self._rate))
        self._held = signal[:, whole:]

    def health(self) -> Health:
        """Return what was measured; the meter is to be thrown away then."""
        if self._held.shape[1]:
            self._measure(self._held[:, None])
        n = max(1, self._n_samples)
        mean = self._sums[0] / n
        level = np.sqrt(np.maximum(self._sums[1] / n - mean**2, 0))
        tops = np.concatenate(self._seconds, axis=2) if self._seconds else np.zeros((4, self._n_channels, 0))
        held_s, held_at_s = self._longest_stand()
        return Health(
            self._n_samples / self._rate, level, mean, np.abs(tops[:2]).max(axis=(0, 2), initial=0.0),
            _clipped(tops) / n, held_s, held_at_s, *self._hum(level),
        )  # fmt: skip

    def _measure(self, seconds: NDArray[np.float32]) -> None:
        """Measure whole seconds (n_channels, n_seconds, rate), or what is left at the end."""
        sums = seconds.sum(axis=2)
        self._sums[0] += sums.sum(axis=1, dtype=np.float64)
        self._sums[1] += np.einsum("csn,csn->cs", seconds, seconds).sum(axis=1, dtype=np.float64)
        middle = sums / seconds.shape[2]
        tops = [seconds.max(axis=2), seconds.min(axis=2)]
        self._peaks = np.maximum(self._peaks, np.abs(tops).max(axis=2))
        as_high = np.abs(tops) >= NEARLY * self._peaks[:, :, None]
        counts = [_flat_samples(seconds, *side, middle) for side in zip(tops, as_high, strict=True)]
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
            if (stop - start) / self._rate > max(longest[channel], HELD_S):
                longest[channel], begins[channel] = (stop - start) / self._rate, start / self._rate
        return longest, begins

    def _add_lines(self, seconds: NDArray[np.float32]) -> None:
        """Add up the power of lines 5 Hz apart: a second, faded in and out and laid over itself, has no others."""
        if self._rate % LINE_HZ or self._rate < LOWEST_RATE_OF_HUM:
            return
        from scipy.fft import rfft

        faded = seconds * self._fade
        folded = faded.reshape(*seconds.shape[:2], LINE_HZ, -1).sum(axis=2)
        n_lines = (N_HARMONICS * max(MAINS_HZ)) // LINE_HZ + max(NEIGHBOUR_LINES) + 1
        lines = rfft(folded, axis=2)[:, :, :n_lines]
        power = np.square(np.abs(lines)).sum(axis=1, dtype=np.float64)
        self._lines = self._lines + power if self._n_windows else power
        self._n_windows += seconds.shape[1]

    def _hum(self, level: Array) -> tuple[Array, Array]:
        """Return the power of mains hum over that of the signal, and how far it rises over its neighbours, in dB."""
        nothing = np.full((self._n_channels, len(MAINS_HZ)), -math.inf)
        if not self._n_windows:
            return nothing, nothing
        power = 2 * self._lines / self._n_windows / self._fade.sum(dtype=np.float64) ** 2 + 1e-30
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


@final
@dataclass(frozen=True)
class NormalHealth:
    """What is usual of the recordings that a pipeline was fitted on; arrays (n_channels,) unless said otherwise.

    Attributes
    ----------
    softest, loudest : array
        Least and largest level that is not zero, in the samples' unit.
    offset, offset_range : array
        Median, and largest distance from it.
    clipped, held_s : array
        Largest of all.
    hum_db : array, shape (n_channels, 2)
        Largest of all.
    """

    softest: Array
    loudest: Array
    offset: Array
    offset_range: Array
    clipped: Array
    held_s: Array
    hum_db: Array

    @classmethod
    def of(cls, healths: Sequence[Health]) -> Self:
        """Sum up the health of recordings, at least one."""
        levels = np.stack([each.level for each in healths])
        offsets = np.stack([each.offset for each in healths])
        offset = np.median(offsets, axis=0)
        largest = {
            name: np.stack([getattr(each, name) for each in healths]).max(axis=0)
            for name in ("clipped", "held_s", "hum_db")
        }
        softest = np.where(levels > 0, levels, np.inf).min(axis=0)
        return cls(softest, levels.max(axis=0), offset, np.abs(offsets - offset).max(axis=0), **largest)

    @property
    def state(self) -> dict[str, Any]:
        """All arrays, by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def find_faults(health: Health, normal: NormalHealth | None = None) -> tuple[Finding, ...]:
    """Return what is wrong with the sensors, as far as normal recordings do not have it too.

    Parameters
    ----------
    health : Health
        Of a recording.
    normal : NormalHealth, optional
        Of normal recordings; without it, level, offset and hum have nothing to be held against.
    """
    return tuple(finding for channel in range(len(health.level)) for finding in _of_channel(health, normal, channel))


def gain_finding(shift_db: Array, spread_db: Array, usual_db: Array) -> tuple[Finding, ...]:
    """Return the channels in which all bands alike are louder or softer than normal.

    Parameters
    ----------
    shift_db : array, shape (n_channels,)
        Median over bands of the level less the normal one.
    spread_db : array, shape (n_channels,)
        How far bands differ in that: half the distance of their quartiles.
    usual_db : array, shape (n_channels,)
        Largest shift of normal windows.
    """
    return tuple(
        Finding(
            "gain",
            channel,
            f"{_subject(channel, len(shift_db), 'the whole spectrum')} is {shift:+.0f} dB off, all bands alike "
            f"(normal: up to {usual:.0f} dB): gain changed, microphone moved or covered?",
        )
        for channel, (shift, spread, usual) in enumerate(zip(shift_db, spread_db, usual_db, strict=True))
        if abs(shift) > max(FAR_DB / 2, usual + FAR_DB / 4) and spread < abs(shift) / 4
    )


def _of_channel(health: Health, normal: NormalHealth | None, channel: int) -> Iterator[Finding]:
    n_channels = len(health.level)
    level, held = float(health.level[channel]), float(health.held_s[channel])
    subject = _subject(channel, n_channels, "the signal")
    if level == 0 or held >= 0.99 * health.duration_s > 0:
        value = float(health.offset[channel])
        others = np.delete(health.level, channel)
        lost = " (the other channels are not)" if n_channels > 1 and (others > 0).all() else ""
        yield Finding("constant", channel, f"{subject} is constant at {value:.3g}{lost}: dead or unplugged sensor?")
        return
    if normal is not None:
        yield from _against_normal(health, normal, channel, subject)
    if held > (normal.held_s[channel] if normal is not None else 0) + HELD_S / 2:
        at = float(health.held_at_s[channel])
        yield Finding("dropout", channel, f"{subject} stands still for {held:.3g} s from {at:.2f} s on: dropout?")
    clipped = float(health.clipped[channel])
    if clipped > 2 * (normal.clipped[channel] if normal is not None else 0):
        yield Finding(
            "clipping",
            channel,
            f"{subject} is clipped at {health.peak[channel]:.2g} ({_percent(clipped)} of the samples): lower the gain.",
        )


def _against_normal(health: Health, normal: NormalHealth, channel: int, subject: str) -> Iterator[Finding]:
    level, softest, loudest = (
        20 * math.log10(max(float(value), 1e-30))
        for value in (health.level[channel], min(normal.softest[channel], 1e30), normal.loudest[channel])
    )
    if level < softest - LOST_DB:
        lost = f"{subject} is nearly silent, {softest - level:.0f} dB below the softest normal recording"
        yield Finding("silent", channel, f"{lost}: dead or unplugged microphone?")
    elif not softest - FAR_DB <= level <= loudest + FAR_DB:
        off = level - loudest if level > loudest else level - softest
        word = "louder than the loudest" if off > 0 else "softer than the softest"
        yield Finding(
            "level", channel, f"{subject} is {abs(off):.0f} dB {word} normal recording: check gain and position."
        )
    offset = float(health.offset[channel] - normal.offset[channel])
    if abs(offset) > max(3 * float(normal.offset_range[channel]), float(normal.loudest[channel])):
        yield Finding("offset", channel, f"{subject} has an offset of {offset:+.2g} against normal: check the input.")
    for column, mains in enumerate(MAINS_HZ):
        hum, usual = float(health.hum_db[channel, column]), float(normal.hum_db[channel, column])
        if health.hum_rise_db[channel, column] > HUM_RISES_DB and hum > usual + HUM_ABOVE_NORMAL_DB:
            yield Finding(
                "hum",
                channel,
                f"{subject} holds mains hum of {mains} Hz and its harmonics, {hum:.0f} dB of its power (normal: at "
                f"most {usual:.0f} dB): check grounding and cable.",
            )


def _flat_samples(
    seconds: NDArray[np.float32], top: NDArray[np.float32], as_high: NDArray[np.bool_], middle: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Count the samples at the extreme (n_channels, n_seconds) on one side of seconds in which that is a flat top.

    Seconds that are not ``as_high`` as the highest so far are passed over.
    """
    at = np.zeros(top.shape, np.int64)
    for channel, second in zip(*np.nonzero(as_high), strict=True):
        at[channel, second] = np.count_nonzero(seconds[channel, second] == top[channel, second])
        n, height = at[channel, second], float(top[channel, second] - middle[channel, second])
        is_full = n >= FEWEST_CLIPPED // 2 and abs(top[channel, second]) >= FULL_SCALE
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
def _fade(rate: int) -> NDArray[np.float32]:
    """Return a window that fades a second in and out."""
    return np.hanning(rate).astype(np.float32)


def _runs(same: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield where runs of True begin, and the places behind their last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _subject(channel: int, n_channels: int, alone: str) -> str:
    return alone if n_channels == 1 else f"channel {channel}: {alone}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"

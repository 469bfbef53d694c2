"""Order tracking: samples at equal angles of a shaft instead of equal times, so that a changed speed is no change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError, ShapeError

__all__ = ["OrderTracker", "angle_resample", "count_by_angle", "speed_from_tacho"]

Array = NDArray[np.float64]

LARGEST_RATIO = 256
"""How many samples of the one rate may come upon one of the other."""
ZERO_CROSSINGS, CUTOFF = 16, 0.9
"""Of the kernel on each side; where it has fallen by 6 dB, as part of the highest frequency that both rates hold."""
PRODUCTS_AT_ONCE = 2**20
HYSTERESIS = 0.1
"""A pulse counts once the signal was so much of its range below the threshold."""


@final
class OrderTracker:
    """Resamples a stream by angle; the samples are the same for any block sizes.

    A line that follows the shaft, such as an imbalance, stays in one place of the spectrum by orders (multiples of the
    shaft speed), whatever the speed. The angle is the integrated speed, 0 at the first sample. Samples between those
    that were taken come from a windowed sinc kernel (Smith and Gossett 1984, "A flexible sampling-rate conversion
    method") whose cutoff follows the speed. Up to order 0.37 ``per_revolution``, and 0.37 of the rate, what comes
    out is exact to 0.1 %; orders from 0.55 ``per_revolution`` on are damped by 80 dB, and do not fold back. Beyond the
    ends of a recording nothing is known, so half a kernel there is less exact; a constant stays what it is.

    Parameters
    ----------
    rate : float
        Samples per second of what comes in.
    n_channels : int
        Number of channels.
    per_revolution : int
        Samples per revolution of what comes out, its rate: frequencies become orders, seconds become revolutions.

    Examples
    --------
    >>> tracker = OrderTracker(1000, 1, per_revolution=16)
    >>> speed_hz = np.linspace(5, 15, 2000)
    >>> pieces = [*tracker.feed(np.zeros((1, 2000), np.float32), speed_hz), tracker.finish()]
    >>> sum(piece.shape[1] for piece in pieces) / 16  # 2 s at 10 Hz on average: 20 revolutions
    20.0
    """

    def __init__(self, rate: float, n_channels: int, per_revolution: int = 64) -> None:
        if per_revolution < 2:
            raise InputError(f"per_revolution={per_revolution} was given. It must be at least 2.")
        self._rate, self._n_channels, self._per_revolution = rate, n_channels, per_revolution
        self._samples = np.empty((n_channels, 0), np.float32)
        self._angles, self._speeds = np.empty(0), np.empty(0)
        self._first = 0
        self._n_out = 0

    def feed(self, block: NDArray[np.float32], speed_hz: ArrayLike) -> Iterator[NDArray[np.float32]]:
        """Take up samples (n_channels, n) with the speed (n,) at each, and yield those that became certain, in pieces.

        Parameters
        ----------
        block : array, shape (n_channels, n)
            In any unit.
        speed_hz : array, shape (n,)
            Revolutions per second.

        Raises
        ------
        ShapeError
            If there is not one speed for each sample.
        InputError
            If the shaft stands still, turns backwards, or so slowly or fast that the ratio of the rates exceeds 256.
        """
        speeds = np.asarray(speed_hz, np.float64)
        if speeds.shape != block.shape[1:]:
            raise ShapeError(
                f"Samples {block.shape} and speeds {speeds.shape} were given. Give one speed for each sample."
            )
        self._check(speeds)
        known = self._speeds[-1:], self._angles[-1:]
        steps = np.concatenate([known[0], speeds])
        steps = (steps[1:] + steps[:-1]) / (2 * self._rate)
        start = known[1] if len(known[1]) else np.zeros(min(1, len(speeds)))
        angles = np.cumsum(np.concatenate([start, steps]))[len(known[1]) :]
        self._samples = np.concatenate([self._samples, block], axis=1)
        self._angles, self._speeds = np.concatenate([self._angles, angles]), np.concatenate([self._speeds, speeds])
        yield from self._ready(is_last=False)

    def finish(self) -> NDArray[np.float32]:
        """Return the samples that remain."""
        nothing = np.empty((self._n_channels, 0), np.float32)
        return np.concatenate([nothing, *self._ready(is_last=True)], axis=1)

    def _check(self, speeds: Array) -> None:
        ratios = speeds * self._per_revolution / self._rate
        is_sound = (ratios >= 1 / LARGEST_RATIO) & (ratios <= LARGEST_RATIO)
        if is_sound.all():
            return
        at = int(np.flatnonzero(~is_sound)[0])
        speed, at_s = float(speeds[at]), (self._first + len(self._angles) + at) / self._rate
        if not speed > 0:
            what = "stands still" if speed == 0 else "turns backwards" if speed < 0 else "has no known speed"
            raise InputError(
                f"the shaft {what} at {at_s:.2f} s ({speed:g} Hz), where angles tell nothing. "
                "Cut the recording to where it turns."
            )
        slowest, fastest = (self._rate / self._per_revolution * limit for limit in (1 / LARGEST_RATIO, LARGEST_RATIO))
        raise InputError(
            f"the shaft turns at {speed:.3g} Hz at {at_s:.2f} s, and {self._per_revolution} samples per revolution "
            f"go with {slowest:.3g} to {fastest:.3g} Hz at a rate of {self._rate:g} Hz. Check the speed and its unit."
        )

    def _ready(self, is_last: bool) -> Iterator[NDArray[np.float32]]:
        """Yield what can be computed of the samples so far, and let go of those that no later one needs."""
        n_held = len(self._angles)
        if n_held < 2:
            return
        stop = _n_out(float(self._angles[-1]), self._per_revolution)
        while self._n_out < stop:
            numbers = np.arange(self._n_out, min(stop, self._n_out + self._n_at_once))
            bases, fractions, cutoffs, halves = self._places(numbers)
            is_ready = np.full(len(numbers), is_last) | (bases + halves < n_held)
            n_ready = len(numbers) if is_ready.all() else int(is_ready.argmin())
            if n_ready:
                kept = slice(0, n_ready)
                yield self._interpolated(bases[kept], fractions[kept], cutoffs[kept], halves[kept])
                self._n_out += n_ready
            if n_ready < len(numbers):
                break
        self._let_go()

    @property
    def _n_at_once(self) -> int:
        """How many samples may come out at once, however slow the shaft is."""
        slowest = max(CUTOFF * float(self._speeds.min()) * self._per_revolution / self._rate, 1 / LARGEST_RATIO)
        return max(1, int(PRODUCTS_AT_ONCE * min(1.0, slowest) / (4 * ZERO_CROSSINGS * self._n_channels)))

    def _places(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], Array, Array, NDArray[np.int64]]:
        """Return of each sample to come the held one before it, the distance from that, the cutoff, and half its taps.

        Half the taps is a power of two, and so depends on the speed there alone.
        """
        wanted = numbers / self._per_revolution
        bases = np.clip(np.searchsorted(self._angles, wanted, "right") - 1, 0, len(self._angles) - 2)
        steps = self._angles[bases + 1] - self._angles[bases]
        fractions = (wanted - self._angles[bases]) / steps
        cutoffs = CUTOFF * np.minimum(1.0, steps * self._per_revolution)
        halves = 2 ** np.ceil(np.log2(ZERO_CROSSINGS / cutoffs + 1)).astype(np.int64)
        return bases, fractions, cutoffs, halves

    def _interpolated(
        self, bases: NDArray[np.int64], fractions: Array, cutoffs: Array, halves: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        found = np.empty((self._n_channels, len(bases)), np.float32)
        for half in np.unique(halves):
            own = halves == half
            taps = np.arange(1 - half, half + 1)
            at = bases[own, None] + taps
            is_known = (at >= 0) & (at < len(self._angles))
            weights = _kernel((taps - fractions[own, None]) * cutoffs[own, None]) * is_known
            weights /= weights.sum(axis=1, keepdims=True)
            for channel in range(self._n_channels):
                near = self._samples[channel][np.where(is_known, at, 0)].astype(np.float64)
                found[channel, own] = np.einsum("nt,nt->n", weights, near)
        return found

    def _let_go(self) -> None:
        reach = 2 * ZERO_CROSSINGS * LARGEST_RATIO
        n_gone = np.searchsorted(self._angles, self._n_out / self._per_revolution) - 2 - reach
        if n_gone > reach:
            self._samples = self._samples[:, n_gone:].copy()
            self._angles, self._speeds = self._angles[n_gone:].copy(), self._speeds[n_gone:].copy()
            self._first += int(n_gone)


def angle_resample(
    samples: NDArray[np.float32], speed_hz: ArrayLike, rate: float, per_revolution: int = 64
) -> NDArray[np.float32]:
    """Return samples at equal angles of the shaft: see `OrderTracker`.

    Parameters
    ----------
    samples : array, shape (n_channels, n)
        At equal times.
    speed_hz : array, shape (n,)
        Revolutions per second.
    rate : float
        Samples per second.
    per_revolution : int
        Samples per revolution of what is returned.

    Raises
    ------
    InputError
        As `OrderTracker.feed`.

    Examples
    --------
    >>> times = np.arange(2000) / 1000
    >>> speed_hz = 10 + 5 * times
    >>> third = np.cos(2 * np.pi * 3 * (10 * times + 2.5 * times**2))  # three times per revolution
    >>> turned = angle_resample(third[None].astype(np.float32), speed_hz, 1000, per_revolution=12)
    >>> turned[0, 60:68].round(2) + 0.0
    array([ 1.,  0., -1.,  0.,  1.,  0., -1.,  0.], dtype=float32)
    """
    samples = np.atleast_2d(np.asarray(samples, np.float32))
    tracker = OrderTracker(rate, len(samples), per_revolution)
    return np.concatenate([*tracker.feed(samples, speed_hz), tracker.finish()], axis=1)


def count_by_angle(speeds_hz: Iterable[ArrayLike], rate: float, per_revolution: int) -> int:
    """Count the samples that an `OrderTracker` gives for speeds that come in blocks (n,), in hertz."""
    angle, last, n_in = 0.0, 0.0, 0
    for block in speeds_hz:
        speeds = np.asarray(block, np.float64)
        if len(speeds):
            before = np.concatenate([[last if n_in else speeds[0]], speeds[:-1]])
            steps = (speeds + before) / (2 * rate)
            if not n_in:
                steps[0] = 0.0
            angle = float(np.cumsum(np.concatenate([[angle], steps]))[-1])
            last, n_in = float(speeds[-1]), n_in + len(speeds)
    return _n_out(angle, per_revolution) if n_in > 1 else 0


def speed_from_tacho(
    pulses: ArrayLike, rate: float, pulses_per_revolution: int = 1, threshold: float | None = None
) -> Array:
    """Return the speed of a shaft (n,) in hertz from the pulses (n,) of a tachometer.

    Pulses are counted where they rise through the threshold, between samples by a straight line. The angle between
    them is a monotonic cubic (Fritsch and Carlson 1980), whose slope is the speed; before the first and behind the last
    pulse the speed is that at the pulse.

    Parameters
    ----------
    pulses : array, shape (n,)
        Signal of the sensor.
    rate : float
        Samples per second.
    pulses_per_revolution : int
        How many pulses one turn gives.
    threshold : float, optional
        Half way between the lowest and the highest value if not given.

    Raises
    ------
    InputError
        If there are fewer than two pulses.

    Examples
    --------
    >>> pulses = np.sin(2 * np.pi * 25 * np.arange(1000) / 1000) > 0.9
    >>> speed_from_tacho(pulses, 1000)[[0, 500, 999]].round(1)
    array([25., 25., 25.])
    """
    signal = np.asarray(pulses, np.float64)
    if signal.ndim != 1:
        raise ShapeError(f"Pulses of shape {signal.shape} were given. Give (n,).")
    low, high = (float(signal.min()), float(signal.max())) if len(signal) else (0.0, 0.0)
    level = (low + high) / 2 if threshold is None else threshold
    at = _rises(signal, level, level - HYSTERESIS * (high - low))
    if len(at) < 2:
        raise InputError(
            f"The tachometer gives {len(at)} pulses above {level:.3g}; a speed needs two. Check the channel, or set "
            "the threshold."
        )
    from scipy.interpolate import PchipInterpolator

    slope = PchipInterpolator(at / rate, np.arange(len(at)) / pulses_per_revolution).derivative()
    return np.asarray(slope(np.clip(np.arange(len(signal)), at[0], at[-1]) / rate), np.float64)


def _n_out(angle: float, per_revolution: int) -> int:
    return int(np.floor(angle * per_revolution + 1e-9)) + 1


def _rises(signal: Array, level: float, armed_below: float) -> Array:
    """Return where a signal (n,) rises through a level, in samples; each time only after it was low enough."""
    is_up, is_low = signal >= level, signal < armed_below
    states = np.where(is_up, 1, np.where(is_low, -1, 0))
    decided = np.flatnonzero(states)
    changes = np.flatnonzero((states[decided][1:] == 1) & (states[decided][:-1] == -1))
    after = decided[changes + 1]
    before = after - 1
    return np.asarray(before + (level - signal[before]) / (signal[after] - signal[before]), np.float64)


def _kernel(places: Array) -> Array:
    """Return a sinc under Blackman's window; its zero crossings are at whole numbers."""
    turn = np.cos(np.pi / ZERO_CROSSINGS * places)
    window = 0.34 + 0.5 * turn + 0.16 * turn**2
    return np.asarray(np.sinc(places) * np.where(np.abs(places) < ZERO_CROSSINGS, window, 0.0))

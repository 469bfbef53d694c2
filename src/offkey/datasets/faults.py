"""Faults of synthetic machines: what is added to, or taken from, the sound of a healthy one.

They are caricatures for demos and tests, not evidence of what a detector would hear on a real machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAULTS", "Running", "band_noise", "impulses"]

Samples = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Running:
    """A machine while it runs: ``shaft_hz`` turns or strokes each second, ``n_samples`` at ``rate`` hertz."""

    shaft_hz: float
    rate: int
    n_samples: int
    rng: np.random.Generator

    @property
    def times(self) -> Samples:
        """Time of each sample in seconds."""
        return np.arange(self.n_samples) / self.rate


def imbalance(sound: Samples, running: Running) -> Samples:
    """Let the sound swell once a turn, as with a heavy spot, and its low harmonics grow."""
    turn = 2 * np.pi * running.shaft_hz * running.times
    swelling = sound * (1 + 0.4 * np.sin(turn))
    return np.asarray(swelling + 0.7 * _rms(sound) * sum(np.sin(n * turn + n) / n for n in (1, 2, 3)))


def bearing(sound: Samples, running: Running) -> Samples:
    """Add the impacts of a pitted bearing: some five a turn with a little slip, each ringing at a few kilohertz."""
    ringing = impulses(
        running, 5.12 * running.shaft_hz, 0.015, running.rng.uniform(2500, min(4500, 0.45 * running.rate)), 0.003
    )
    return sound + 0.3 * _rms(sound) / _rms(ringing) * ringing


def whine(sound: Samples, running: Running) -> Samples:
    """Add a tone with a little vibrato."""
    hz = running.rng.uniform(1500, min(5000, 0.45 * running.rate))
    phase = 2 * np.pi * hz * running.times + 3 * np.sin(2 * np.pi * 1.5 * running.times)
    return np.asarray(sound + 0.18 * _rms(sound) * np.sin(phase))


def rattle(sound: Samples, running: Running) -> Samples:
    """Add the rattle of a loose part: bursts of noise at irregular times."""
    n_bursts = max(3, round(6 * running.n_samples / running.rate))
    noise = band_noise(running, 1000, 6000)
    envelope = np.zeros(running.n_samples)
    decay = np.exp(-np.arange(running.rate // 20) / (0.008 * running.rate))
    for start in running.rng.integers(0, running.n_samples, n_bursts):
        stop = min(running.n_samples, start + len(decay))
        envelope[start:stop] += decay[: stop - start] * running.rng.uniform(0.5, 1.5)
    return sound + 1.0 * _rms(sound) * envelope * noise


def leak(sound: Samples, running: Running) -> Samples:
    """Add a leak: a steady hiss in the upper half of the spectrum."""
    return sound + 0.25 * _rms(sound) * band_noise(running, 0.25 * running.rate, 0.48 * running.rate)


def missing_stroke(sound: Samples, running: Running) -> Samples:
    """Let every third stroke fail."""
    stroke = np.floor(running.times * running.shaft_hz).astype(int)
    return sound * np.where(stroke % 3 == 2, 0.1, 1.0)


FAULTS: dict[str, Callable[[Samples, Running], Samples]] = {
    "imbalance": imbalance,
    "bearing": bearing,
    "whine": whine,
    "rattle": rattle,
    "leak": leak,
    "missing_stroke": missing_stroke,
}


def band_noise(running: Running, low_hz: float, high_hz: float, slope: float = 0.0) -> Samples:
    """Return Gaussian noise of RMS 1 between two frequencies; amplitude falls with frequency to the ``slope``."""
    hz = np.fft.rfftfreq(running.n_samples, 1 / running.rate)
    spectrum = running.rng.normal(size=len(hz)) + 1j * running.rng.normal(size=len(hz))
    spectrum *= (hz >= low_hz) & (hz <= min(high_hz, running.rate / 2)) & (hz > 0)
    spectrum[1:] *= hz[1:] ** -slope
    noise = np.fft.irfft(spectrum, running.n_samples)
    return noise / max(_rms(noise), 1e-12)


def impulses(running: Running, every_hz: float, jitter: float, ring_hz: float, decay_s: float) -> Samples:
    """Return damped oscillations that start ``every_hz`` times a second, each up to a fraction ``jitter`` off."""
    period = running.rate / every_hz
    starts = np.arange(running.rng.uniform(0, period), running.n_samples, period)
    starts = starts + running.rng.normal(0, jitter * period, len(starts))
    train = np.zeros(running.n_samples)
    inside = starts[(starts >= 0) & (starts < running.n_samples)].astype(int)
    np.add.at(train, inside, running.rng.uniform(0.7, 1.3, len(inside)))
    length = int(8 * decay_s * running.rate)
    time = np.arange(length) / running.rate
    ring = np.exp(-time / decay_s) * np.sin(2 * np.pi * ring_hz * time)
    from scipy.signal import fftconvolve

    return np.asarray(fftconvolve(train, ring)[: running.n_samples])


def _rms(sound: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))

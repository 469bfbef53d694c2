"""The sounds of faults, each alone and of no set level: `simulate` and `inject` put them into other sound.

They are caricatures: shapes that a fault is known for, not recordings of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Running", "Samples", "band_noise", "bearing", "impulses", "rattle", "rms", "whine"]

Samples = NDArray[np.float64]

BEARING_ORDER = 5.12
"""Impacts of a pitted bearing in one turn of the shaft: a usual number of rollers and geometry."""


@final
@dataclass(frozen=True)
class Running:
    """A machine while it runs: ``shaft_hz`` turns or strokes each second, ``n_samples`` at ``rate`` hertz."""

    shaft_hz: float
    rate: float
    n_samples: int
    rng: np.random.Generator

    @property
    def times(self) -> Samples:
        """Time of each sample in seconds."""
        return np.arange(self.n_samples) / self.rate


def bearing(running: Running, ring_hz: float, decay_s: float) -> Samples:
    """Return the impacts of a pitted bearing: some five a turn with a little slip, each ringing at ``ring_hz``.

    Impacts at a defect frequency with random slip, each exciting a resonance: McFadden and Smith 1984, "Model for the
    vibration produced by a single point defect in a rolling element bearing".
    """
    return impulses(running, BEARING_ORDER * running.shaft_hz, 0.015, ring_hz, decay_s)


def whine(running: Running, hz: float, phase: float = 0.0) -> Samples:
    """Return a tone with a little vibrato, of amplitude 1; it starts at ``phase`` (radians)."""
    vibrato = 3 * np.sin(2 * np.pi * 1.5 * running.times)
    return np.asarray(np.sin(2 * np.pi * hz * running.times + vibrato + phase))


def rattle(running: Running, low_hz: float, high_hz: float) -> Samples:
    """Return the rattle of a loose part: bursts of noise between two frequencies, at irregular times."""
    n_bursts = max(3, round(6 * running.n_samples / running.rate))
    noise = band_noise(running, low_hz, high_hz)
    envelope = np.zeros(running.n_samples)
    decay = np.exp(-np.arange(running.rate // 20) / (0.008 * running.rate))
    for start in running.rng.integers(0, running.n_samples, n_bursts):
        stop = min(running.n_samples, start + len(decay))
        envelope[start:stop] += decay[: stop - start] * running.rng.uniform(0.5, 1.5)
    return envelope * noise


def band_noise(running: Running, low_hz: float, high_hz: float, slope: float = 0.0) -> Samples:
    """Return Gaussian noise of RMS 1 between two frequencies; amplitude falls with frequency to the ``slope``."""
    hz = np.fft.rfftfreq(running.n_samples, 1 / running.rate)
    spectrum = running.rng.normal(size=len(hz)) + 1j * running.rng.normal(size=len(hz))
    spectrum *= (hz >= low_hz) & (hz <= min(high_hz, running.rate / 2)) & (hz > 0)
    spectrum[1:] *= hz[1:] ** -slope
    noise = np.fft.irfft(spectrum, running.n_samples)
    return noise / max(rms(noise), 1e-12)


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


def rms(sound: Samples) -> float:
    """Return the root mean square of samples."""
    return float(np.sqrt(np.mean(np.square(sound))))

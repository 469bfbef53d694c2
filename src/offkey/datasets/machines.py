"""Synthetic machines: what healthy ones sound like, and what each fault does to that sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.datasets.faults import Running, Samples, band_noise, bearing, impulses, rattle, rms, whine

__all__ = ["FAULTS", "MACHINES", "Machine"]


def _harmonics(running: Running, hz: float, amplitudes: NDArray[np.float64]) -> Samples:
    wander = 0.3 * np.cumsum(running.rng.normal(0, 1, running.n_samples)) / running.rate
    phase = 2 * np.pi * hz * running.times + wander
    starts = running.rng.uniform(0, 2 * np.pi, len(amplitudes))
    orders = [n for n in range(1, len(amplitudes) + 1) if n * hz < 0.45 * running.rate]
    return np.asarray(sum(amplitudes[n - 1] * np.sin(n * phase + starts[n - 1]) for n in orders))


def _fan(running: Running, unit: np.random.Generator) -> Samples:
    """Return a blade passing tone with harmonics, and flow noise."""
    blades = int(unit.integers(5, 9))
    tones = _harmonics(running, blades * running.shaft_hz, unit.uniform(0.3, 1.0, 12) / np.arange(1, 13))
    return 0.5 * tones + band_noise(running, 40, running.rate / 2, slope=unit.uniform(0.6, 0.9))


def _pump(running: Running, unit: np.random.Generator) -> Samples:
    """Return shaft and vane harmonics, and flow noise that swells with each turn."""
    vanes = int(unit.integers(3, 6))
    shaft = _harmonics(running, running.shaft_hz, unit.uniform(0.2, 1.0, 6) / np.arange(1, 7))
    vane = _harmonics(running, vanes * running.shaft_hz, unit.uniform(0.2, 0.8, 8) / np.arange(1, 9))
    swell = 1 + 0.3 * np.sin(2 * np.pi * running.shaft_hz * running.times)
    return 0.5 * shaft + 0.5 * vane + swell * band_noise(running, 100, running.rate / 2, slope=unit.uniform(0.4, 0.7))


def _valve(running: Running, unit: np.random.Generator) -> Samples:
    """Sound of a solenoid that opens and closes once a stroke, a short breath of air after each opening."""
    opening = impulses(running, running.shaft_hz, 0.01, unit.uniform(1200, 2200), 0.006)
    closing = np.roll(
        impulses(running, running.shaft_hz, 0.01, unit.uniform(2500, 3500), 0.004),
        int(0.4 * running.rate / running.shaft_hz),
    )
    breath = np.clip(np.sin(2 * np.pi * running.shaft_hz * running.times), 0, 1) ** 4
    return 8 * opening + 6 * closing + 0.3 * breath * band_noise(running, 1500, 7000)


def _gearbox(running: Running, unit: np.random.Generator) -> Samples:
    """Sound of meshing teeth: harmonics of the mesh frequency with side bands of the shaft, and low rumble."""
    teeth = int(unit.integers(17, 32))
    mesh = _harmonics(running, teeth * running.shaft_hz, unit.uniform(0.3, 1.0, 6) / np.arange(1, 7))
    side_bands = 1 + 0.3 * np.sin(2 * np.pi * running.shaft_hz * running.times + 1.0)
    return side_bands * mesh + 0.8 * band_noise(running, 30, running.rate / 2, slope=unit.uniform(0.5, 0.8))


@final
@dataclass(frozen=True)
class Machine:
    """A kind of machine: its sound, turns or strokes per second, and the faults it can have."""

    sound: Callable[[Running, np.random.Generator], Samples]
    shaft_hz: float
    faults: tuple[str, ...]


MACHINES: dict[str, Machine] = {
    "fan": Machine(_fan, 24.0, ("imbalance", "bearing", "whine", "rattle")),
    "pump": Machine(_pump, 29.0, ("imbalance", "bearing", "whine", "leak")),
    "valve": Machine(_valve, 1.6, ("missing_stroke", "leak", "rattle")),
    "gearbox": Machine(_gearbox, 17.0, ("imbalance", "bearing", "whine", "rattle")),
}


def _imbalance(sound: Samples, running: Running) -> Samples:
    """Let the sound swell once a turn, as with a heavy spot, and its low harmonics grow."""
    turn = 2 * np.pi * running.shaft_hz * running.times
    swelling = sound * (1 + 0.4 * np.sin(turn))
    return np.asarray(swelling + 0.7 * rms(sound) * sum(np.sin(n * turn + n) / n for n in (1, 2, 3)))


def _bearing(sound: Samples, running: Running) -> Samples:
    """Add impacts that ring at a few kilohertz."""
    ringing = bearing(running, running.rng.uniform(2500, min(4500, 0.45 * running.rate)), 0.003)
    return sound + 0.3 * rms(sound) / rms(ringing) * ringing


def _whine(sound: Samples, running: Running) -> Samples:
    """Add a tone of a few kilohertz."""
    return sound + 0.18 * rms(sound) * whine(running, running.rng.uniform(1500, min(5000, 0.45 * running.rate)))


def _rattle(sound: Samples, running: Running) -> Samples:
    """Add the rattle of a loose part."""
    return sound + rms(sound) * rattle(running, 1000, 6000)


def _leak(sound: Samples, running: Running) -> Samples:
    """Add a leak: a steady hiss in the upper half of the spectrum."""
    return sound + 0.25 * rms(sound) * band_noise(running, 0.25 * running.rate, 0.48 * running.rate)


def _missing_stroke(sound: Samples, running: Running) -> Samples:
    """Let every third stroke fail."""
    stroke = np.floor(running.times * running.shaft_hz).astype(int)
    return sound * np.where(stroke % 3 == 2, 0.1, 1.0)


FAULTS: dict[str, Callable[[Samples, Running], Samples]] = {
    "imbalance": _imbalance,
    "bearing": _bearing,
    "whine": _whine,
    "rattle": _rattle,
    "leak": _leak,
    "missing_stroke": _missing_stroke,
}

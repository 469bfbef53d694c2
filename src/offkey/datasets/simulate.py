"""Synthetic machines with named faults, for demos and tests. Never quote them as evidence of quality."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.datasets.faults import FAULTS, Running, band_noise, impulses
from offkey.datasets.table import make_table
from offkey.errors import InputError
from offkey.progress import track
from offkey.signals import Clip, write

__all__ = ["MACHINES", "Machine", "simulate", "simulate_clip"]

Samples = NDArray[np.float64]

LOWEST_RATE = 8000


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


def simulate_clip(
    machine: str,
    fault: str | None = None,
    *,
    unit: int = 0,
    number: int = 0,
    duration_s: float = 10.0,
    rate: int = 16_000,
    snr_db: float = 0.0,
    seed: int = 0,
) -> Clip:
    """Return one recording of a synthetic machine in a factory hall.

    Parameters
    ----------
    machine : str
        One of `MACHINES`.
    fault : str, optional
        One of that machine's faults; healthy if not given.
    unit, number : int
        Which machine of its kind, and which recording of it.
    duration_s, rate : float, int
        Length in seconds, and rate in hertz.
    snr_db : float
        Level of the healthy machine over the noise around it.
    seed : int
        The same seed gives the same clip.

    Raises
    ------
    InputError
        If the machine or fault is unknown, or the rate below 8 kHz.
    """
    if machine not in MACHINES:
        raise InputError(f"The machine {machine!r} was asked for. There are: {', '.join(MACHINES)}.")
    if rate < LOWEST_RATE:
        raise InputError(f"A rate of {rate} Hz was asked for. Synthetic machines need at least {LOWEST_RATE} Hz.")
    kind = MACHINES[machine]
    if fault is not None and fault not in kind.faults:
        raise InputError(f"The fault {fault!r} was asked for. A {machine} can have: {', '.join(kind.faults)}.")
    name = zlib.crc32(machine.encode())
    unit_rng = np.random.default_rng([seed, name, unit])
    rng = np.random.default_rng([seed, name, unit, number, zlib.crc32((fault or "").encode())])
    shaft_hz = kind.shaft_hz * unit_rng.uniform(0.9, 1.1) * rng.normal(1, 0.003)
    running = Running(shaft_hz, rate, round(duration_s * rate), rng)
    healthy = kind.sound(running, unit_rng)
    sound = FAULTS[fault](healthy, running) if fault else healthy
    sound = _in_a_room(sound, rate, unit_rng)
    noise = band_noise(running, 30, running.rate / 2, slope=0.5) + _clanks(running)
    noise *= 10 ** (-snr_db / 20) * _rms(healthy) / _rms(noise)
    level = 0.05 * 10 ** (rng.normal(0, 0.5) / 20) / _rms(healthy)
    samples = np.clip(level * (sound + noise), -1, 1).astype(np.float32)
    label = f"{machine} {unit}" + (f" with {fault}" if fault else "")
    return Clip(samples, rate, source=f"synthetic {label}, recording {number}")


def simulate(
    out: str | os.PathLike[str],
    machines: list[str] | None = None,
    *,
    n_units: int = 1,
    n_train: int = 60,
    n_test_normal: int = 30,
    n_test_anomaly: int = 30,
    duration_s: float = 10.0,
    rate: int = 16_000,
    snr_db: float = 0.0,
    seed: int = 0,
) -> Any:
    """Write a synthetic data set in DCASE 2020 layout, and its table (with a column ``fault``) as ``table.csv``.

    Parameters
    ----------
    out : path
        Folder to write to; made if needed.
    machines : list of str, optional
        Some of `MACHINES`; all if not given.
    n_units, n_train, n_test_normal, n_test_anomaly : int
        Machines of each kind, and clips of each machine. Faults take turns.
    duration_s, rate, snr_db, seed
        As for `simulate_clip`.

    Returns
    -------
    recordings table

    Raises
    ------
    InputError
        If a machine is unknown, or the folder cannot be written.
    """
    chosen = machines or list(MACHINES)
    for machine in chosen:
        if machine not in MACHINES:
            raise InputError(f"The machine {machine!r} was asked for. There are: {', '.join(MACHINES)}.")
    rows = [
        row
        for machine in chosen
        for unit in range(n_units)
        for row in _plan(Path(out), machine, unit, n_train, n_test_normal, n_test_anomaly)
    ]
    for row in track(rows, "simulating", len(rows)):
        path, number = Path(row["path"]), row.pop("number")
        clip = simulate_clip(
            row["machine"], row["fault"] or None, unit=int(row["section"][3:]), number=number,
            duration_s=duration_s, rate=rate, snr_db=snr_db, seed=seed,
        )  # fmt: skip
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path.parent}: cannot be made ({error.strerror}). Choose another folder.") from error
        write(clip, path)
    table = make_table(rows)
    relative = table.assign(path=[os.path.relpath(path, out) for path in table["path"]])
    relative.to_csv(Path(out, "table.csv"), index=False)
    return table


def _plan(
    out: Path, machine: str, unit: int, n_train: int, n_test_normal: int, n_test_anomaly: int
) -> list[dict[str, Any]]:
    section = f"id_{unit:02d}"
    faults = MACHINES[machine].faults
    clips = [
        *(("train", "normal", i, i, "") for i in range(n_train)),
        *(("test", "normal", i, n_train + i, "") for i in range(n_test_normal)),
        *(("test", "anomaly", i, n_train + n_test_normal + i, faults[i % len(faults)]) for i in range(n_test_anomaly)),
    ]
    return [
        {
            "path": str(out / machine / split / f"{kind}_{section}_{i:08d}.wav"),
            "machine": machine,
            "section": section,
            "split": split,
            "label": int(kind == "anomaly"),
            "fault": fault,
            "number": number,
        }
        for split, kind, i, number, fault in clips
    ]


def _harmonics(running: Running, hz: float, amplitudes: NDArray[np.float64]) -> Samples:
    wander = 0.3 * np.cumsum(running.rng.normal(0, 1, running.n_samples)) / running.rate
    phase = 2 * np.pi * hz * running.times + wander
    starts = running.rng.uniform(0, 2 * np.pi, len(amplitudes))
    orders = [n for n in range(1, len(amplitudes) + 1) if n * hz < 0.45 * running.rate]
    return np.asarray(sum(amplitudes[n - 1] * np.sin(n * phase + starts[n - 1]) for n in orders))


def _in_a_room(sound: Samples, rate: int, unit: np.random.Generator) -> Samples:
    """Add the reverberation of a hall: direct sound, and a decaying tail of echoes that is the machine's own."""
    from scipy.signal import fftconvolve

    time = np.arange(int(0.25 * rate)) / rate
    tail = 0.02 * unit.normal(size=len(time)) * np.exp(-time / 0.06)
    tail[0] = 1.0
    return np.asarray(fftconvolve(sound, tail)[: len(sound)])


def _clanks(running: Running) -> Samples:
    """Return the odd clank from elsewhere in the hall, about one in five seconds."""
    n_clanks = running.rng.poisson(0.2 * running.n_samples / running.rate)
    sound = np.zeros(running.n_samples)
    for start in running.rng.integers(0, running.n_samples, n_clanks):
        time = np.arange(running.n_samples - start) / running.rate
        hz = running.rng.uniform(400, 2500)
        sound[start:] += running.rng.uniform(0.5, 2.0) * np.exp(-time / 0.08) * np.sin(2 * np.pi * hz * time)
    return sound


def _rms(sound: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))

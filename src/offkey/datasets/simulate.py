"""Synthetic machines with named faults, for demos and tests. Never quote them as evidence of quality."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from offkey.datasets.faults import Running, Samples, band_noise, rms
from offkey.datasets.machines import FAULTS, MACHINES
from offkey.datasets.table import make_table
from offkey.errors import InputError
from offkey.progress import track
from offkey.signals import Clip, write

__all__ = ["simulate", "simulate_clip"]

LOWEST_RATE = 8000


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
    noise *= 10 ** (-snr_db / 20) * rms(healthy) / rms(noise)
    level = 0.05 * 10 ** (rng.normal(0, 0.5) / 20) / rms(healthy)
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

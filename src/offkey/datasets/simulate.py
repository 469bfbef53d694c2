"""Synthetic machines with named faults, for demos and tests. Never quote them as evidence of quality."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
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
SPEEDS = (95, 100, 125)
"""Speeds in layout ``dcase2023``, in percent: two of the source domain, one of the target domain."""
FASTEST = 1.25
LOUDNESS_EXPONENT = 2.5
"""Amplitude goes with this power of speed, sound power by 50 log10: the fan law (Madison 1949), used for all kinds."""


def simulate_clip(
    machine: str,
    fault: str | None = None,
    *,
    unit: int = 0,
    number: int = 0,
    duration_s: float = 10.0,
    rate: int = 16_000,
    snr_db: float = 0.0,
    speed: float = 1.0,
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
        Level of the healthy machine at its usual speed over the noise around it, which does not depend on speed.
    speed : float
        How fast it runs: 1 is its usual speed; half as fast it is 15 dB quieter. At 0 it is off: the noise alone.
    seed : int
        The same seed gives the same clip.

    Raises
    ------
    InputError
        If the machine or fault is unknown, the rate below 8 kHz, the speed not from 0 to 1.25, or a fault asked for in
        a machine that is off.
    """
    if machine not in MACHINES:
        raise InputError(f"The machine {machine!r} was asked for. There are: {', '.join(MACHINES)}.")
    if rate < LOWEST_RATE:
        raise InputError(f"A rate of {rate} Hz was asked for. Synthetic machines need at least {LOWEST_RATE} Hz.")
    kind = MACHINES[machine]
    if fault is not None and fault not in kind.faults:
        raise InputError(f"The fault {fault!r} was asked for. A {machine} can have: {', '.join(kind.faults)}.")
    _check_speed(speed)
    if fault and speed == 0:
        raise InputError(f"The fault {fault!r} was asked for in a machine that is off. Give a speed above 0.")
    name = zlib.crc32(machine.encode())
    unit_rng = np.random.default_rng([seed, name, unit])
    rng = np.random.default_rng([seed, name, unit, number, zlib.crc32((fault or "").encode())])
    shaft_hz = (speed or 1.0) * (kind.shaft_hz * unit_rng.uniform(0.9, 1.1) * rng.normal(1, 0.003))
    running = Running(shaft_hz, rate, round(duration_s * rate), rng)
    healthy = kind.sound(running, unit_rng)
    sound = FAULTS[fault](healthy, running) if fault else healthy
    sound = _in_a_room(sound, rate, unit_rng)
    noise = band_noise(running, 30, running.rate / 2, slope=0.5) + _clanks(running)
    noise *= 10 ** (-snr_db / 20) * rms(healthy) / rms(noise)
    level = 0.05 * 10 ** (rng.normal(0, 0.5) / 20) / rms(healthy)
    samples = np.clip(level * (speed**LOUDNESS_EXPONENT * sound + noise), -1, 1).astype(np.float32)
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
    layout: str = "dcase2020",
    speeds: Sequence[float] | None = None,
) -> Any:
    """Write a synthetic data set in a DCASE layout, and its table (with a column ``fault``) as ``table.csv``.

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
    layout : str
        ``"dcase2020"``, or ``"dcase2023"``: sections with a source domain, and a target domain of another speed that a
        twentieth of the training clips (at least one) and half of the test clips are of, and attribute files.
    speeds : sequence of float, optional
        Operating states, which clips of ``"dcase2020"`` take turns in, as for `simulate_clip`: ``(1, 0.7)`` is a
        machine of two speeds, ``(1, 0)`` one that is on and off (faulty clips are of machines that are on). The table
        tells them. One usual speed if not given.

    Returns
    -------
    recordings table

    Raises
    ------
    InputError
        If a machine or the layout is unknown, speeds make no sense, or the folder cannot be written.
    """
    chosen = machines or list(MACHINES)
    for machine in chosen:
        if machine not in MACHINES:
            raise InputError(f"The machine {machine!r} was asked for. There are: {', '.join(MACHINES)}.")
    if layout not in LAYOUTS:
        raise InputError(f"The layout {layout!r} was asked for. There are: {', '.join(LAYOUTS)}.")
    if layout != "dcase2020" and speeds is not None:
        raise InputError(f"Speeds were given for the layout {layout!r}, which has its own. Leave out one of the two.")
    rows = [
        row
        for machine in chosen
        for unit in range(n_units)
        for row in LAYOUTS[layout](Path(out), machine, unit, n_train, n_test_normal, n_test_anomaly)
    ]
    if speeds is not None:
        _set_speeds(rows, speeds)
    for row in track(rows, "simulating", len(rows)):
        path, number = Path(row["path"]), row.pop("number")
        clip = simulate_clip(
            row["machine"], row["fault"] or None, unit=int(row["section"][-2:]), number=number,
            duration_s=duration_s, rate=rate, snr_db=snr_db, speed=row.get("speed", 1.0), seed=seed,
        )  # fmt: skip
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path.parent}: cannot be made ({error.strerror}). Choose another folder.") from error
        write(clip, path)
    table = make_table(rows)
    if "d1p" in table.columns:
        _write_attributes(table)
    relative = table.assign(path=[os.path.relpath(path, out) for path in table["path"]])
    relative.to_csv(Path(out, "table.csv"), index=False)
    return table


def _plan_2020(
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


def _plan_2023(
    out: Path, machine: str, unit: int, n_train: int, n_test_normal: int, n_test_anomaly: int
) -> list[dict[str, Any]]:
    """List the clips of a machine as in the first-shot task; in the target domain it runs a quarter faster."""
    section = f"section_{unit:02d}"
    n_target = max(1, n_train // 20)
    rows = []
    for row in _plan_2020(out, machine, unit, n_train, n_test_normal, n_test_anomaly):
        i, label = int(row["path"][-12:-4]), "anomaly" if row["label"] else "normal"
        is_target = i >= n_train - n_target if row["split"] == "train" else i % 2 == 1
        domain, speed = ("target", SPEEDS[-1]) if is_target else ("source", SPEEDS[i // 2 % 2])
        name = f"{section}_{domain}_{row['split']}_{label}_{i:04d}_spd_{speed}"
        path = str(out / machine / row["split"] / f"{name}.wav")
        own = {"path": path, "section": section, "domain": domain, "attributes": f"spd_{speed}", "speed": speed / 100}
        rows.append(row | own | {"d1p": "spd", "d1v": str(speed)})
    return rows


def _set_speeds(rows: list[dict[str, Any]], speeds: Sequence[float]) -> None:
    """Let clips take turns in speeds; each fault is heard at all of those at which the machine runs."""
    for speed in speeds:
        _check_speed(speed)
    running = [speed for speed in speeds if speed > 0]
    if not running:
        raise InputError(f"The speeds {tuple(speeds)} were given. At least one must be above 0.")
    for row in rows:
        i = int(row["path"][-12:-4])
        if row["fault"]:
            row["speed"] = running[i // len(MACHINES[row["machine"]].faults) % len(running)]
        else:
            row["speed"] = speeds[i % len(speeds)]


def _write_attributes(table: Any) -> None:
    """Write the attribute file of each machine and section: ``attributes_00.csv`` beside ``train`` and ``test``."""
    for (machine, section), own in table.groupby(["machine", "section"]):
        folder = Path(own["path"].iloc[0]).parents[1]
        names = [f"{machine}/{Path(path).parent.name}/{Path(path).name}" for path in own["path"]]
        columns = own.assign(file_name=names)[["file_name", "d1p", "d1v"]]
        columns.to_csv(folder / f"attributes_{section[-2:]}.csv", index=False, lineterminator="\n")


def _check_speed(speed: float) -> None:
    if not 0 <= speed <= FASTEST:
        raise InputError(f"The speed {speed:g} was asked for. Give one from 0 (off) to {FASTEST}; 1 is the usual one.")


LAYOUTS = {"dcase2020": _plan_2020, "dcase2023": _plan_2023}


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

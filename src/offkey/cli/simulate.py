"""``offkey simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offkey.cli.console import print_json, progress, say
from offkey.cli.options import parse_duration
from offkey.errors import InputError

__all__ = ["simulate"]

LONGEST_CLIP_SAMPLES = 10_000_000


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    machine: Annotated[
        list[str] | None, typer.Option(help="fan, pump, valve or gearbox; repeat for several. All if not given.")
    ] = None,
    units: Annotated[int, typer.Option(help="Machines of each kind.", min=1)] = 1,
    train: Annotated[int, typer.Option(help="Normal clips to train on, of each machine.", min=1)] = 60,
    normal: Annotated[int, typer.Option(help="Normal clips to test on.", min=0)] = 30,
    anomalies: Annotated[int, typer.Option(help="Faulty clips to test on.", min=0)] = 30,
    duration: Annotated[str, typer.Option(help="Length of a clip.")] = "10s",
    rate: Annotated[int, typer.Option(help="Rate in hertz.", min=8000)] = 16_000,
    snr: Annotated[float, typer.Option(help="Machine over noise, in dB.")] = 0.0,
    layout: Annotated[
        str, typer.Option(help="dcase2020, or dcase2023: source and target domains (another speed), attribute files.")
    ] = "dcase2020",
    speed: Annotated[
        list[float] | None,
        typer.Option(
            help="Clips take turns in speeds; repeat. 1 and 0.7: a machine of two speeds; 1 and 0: on and off."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Write recordings of synthetic machines with named faults, in a DCASE layout. For demos and tests only.

    Example: offkey simulate machines/ --machine pump --speed 1 --speed 0.7
    """
    from offkey.datasets import simulate as run

    duration_s = parse_duration(duration) or 10.0
    if duration_s * rate > LONGEST_CLIP_SAMPLES:
        raise InputError(
            f"Clips of {duration} at {rate} Hz were asked for. "
            f"Ask for at most {LONGEST_CLIP_SAMPLES / rate / 60:.0f}min."
        )
    with progress():
        table = run(
            out, machine, n_units=units, n_train=train, n_test_normal=normal, n_test_anomaly=anomalies,
            duration_s=duration_s, rate=rate, snr_db=snr, seed=seed, layout=layout, speeds=speed,
        )  # fmt: skip
    if as_json:
        print_json({"folder": str(out), "n_recordings": len(table), "table": str(out / "table.csv")})
    else:
        say(f"Wrote {len(table)} synthetic recordings and table.csv to {out}.")
        first = table["machine"].iloc[0]
        if layout == "dcase2020":
            detector = "" if speed is None else " --detector per-state"
            say(f"Next: offkey fit {out / first / 'train'} -o {first}.offkey{detector}")
        else:
            say(f"Next: offkey dcase {out} -o results")

"""``offkey sensitivity``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offkey.cli.console import note, print_json, progress, say, write_table
from offkey.cli.detectors import load_pipeline
from offkey.cli.options import given_recordings, parse_group

if TYPE_CHECKING:
    from offkey.evaluation import FaultSensitivity, SensitivityReport

__all__ = ["sensitivity"]


def sensitivity(
    normal: Annotated[list[Path], typer.Argument(help="Normal recordings that were not fitted on: files or folders.")],
    model: Annotated[Path, typer.Option("--model", "-m", help="The bundle that offkey fit wrote.")],
    fault: Annotated[
        list[str] | None, typer.Option(help="bearing, whine, rattle, leak, modulation, ...; repeat for several.")
    ] = None,
    band: Annotated[
        list[int] | None, typer.Option(help="Centre of an octave band in hertz, such as 4000; repeat for several.")
    ] = None,
    shaft_hz: Annotated[float, typer.Option(help="Turns of the shaft each second.")] = 25.0,
    clips: Annotated[int, typer.Option(help="Recordings to use, drawn at random where there are more.", min=5)] = 20,
    picture: Annotated[Path | None, typer.Option(help="Draw the figures to this file, such as heard.png.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the figures to this CSV file too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures and the ladders as JSON.")] = False,
    group: Annotated[
        list[str] | None, typer.Option(help="Whose boundaries decide, where the bundle has groups: section=id_00.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the faults and of the draw.", min=0)] = 0,
    detector: Annotated[str | None, typer.Option(help="Your own class, if the bundle needs it: file.py:Class.")] = None,
) -> None:
    """Say how strong a fault must be to be heard: puts faults of rising strength into normal recordings.

    Example: offkey sensitivity recordings/held-out -m pump.offkey --picture heard.png
    """
    from offkey.evaluation import sensitivity as run

    pipeline = load_pipeline(model, detector)
    is_table = any(path.suffix.lower() == ".csv" for path in normal)
    recordings = given_recordings(normal) if is_table else _normal_only(normal)
    with progress():
        report = run(
            pipeline, recordings, faults=fault, bands=band, shaft_hz=shaft_hz, n_clips=clips,
            group=parse_group(group, pipeline), seed=seed,
        )  # fmt: skip
    if as_json:
        print_json({"model": str(model), **json.loads(report.to_json())})
    else:
        _tell(report)
    if csv is not None:
        write_table(report.to_rows(), csv)
    if picture is not None:
        from offkey.plots import save_sensitivity

        save_sensitivity(report, picture)
    if not as_json:
        if picture is not None:
            say(f"Picture: {picture}")
        say(_conclusion(report))
    for line in report.notes:
        note(f"warning: {line}")
    for failure in report.failures:
        note(f"not used: {failure}")
    if report.failures:
        note(f"{len(report.failures)} recordings could not be used; they are in no figure.")
        raise typer.Exit(2)


def _normal_only(paths: list[Path]) -> list[Path]:
    from offkey.datasets import is_named_anomaly
    from offkey.signals import find

    found = find(paths)
    kept = [path for path in found if not is_named_anomaly(path)]
    if len(kept) < len(found):
        note(f"{len(found) - len(kept)} recordings are named as anomalies and were left out.")
    return kept


def _tell(report: SensitivityReport) -> None:
    from offkey.datasets import band_name

    say(f"{report.detector}, {report.n_clips} normal recordings. Strength from which so many are caught, and its 90 %")
    say("interval; dB SNR: power of the fault over that of the machine, within the octave band.")
    say()
    say(f"{'fault':10}  {'band':>8}  {'half caught':24}  {'90 % caught':24}  unit")
    for row in report.rows:
        band = "" if row.band_hz is None else band_name(row.band_hz)
        say(f"{row.fault:10}  {band:>8}  {row.text_50:24}  {row.text_90:24}  {row.unit}")
    say()
    interval = f"[{report.false_alarm_rate_low:.1%}, {report.false_alarm_rate_high:.1%}]"
    say(f"Without a fault {report.n_alarms} of {report.n_clips} alarm: {report.false_alarm_rate:.1%} {interval}.")
    say("The faults are caricatures: a real one may be easier or harder to hear.")


def _conclusion(report: SensitivityReport) -> str:
    """Say of the first fault where it is heard best."""
    from offkey.datasets import band_name

    at = f"At {report.promise or 'this threshold'}"
    fault = report.rows[0].fault
    rows = [row for row in report.rows if row.fault == fault and not math.isnan(row.strength_50)]
    if not rows:
        return f"Nothing can be said of {fault}: fewer than 5 recordings have sound that it could be set against."
    best: FaultSensitivity = min(rows, key=lambda row: row.strength_50)
    where = "" if best.band_hz is None else f" in the octave at {band_name(best.band_hz)}, where it is heard best,"
    if best.strength_50 == math.inf:
        return f"{at}, less than half of the recordings with the fault {fault} are caught at the strongest tried."
    on = "" if best.strength_50 == -math.inf else " on"
    known = f"below {best.ladder[0]:g}" if best.strength_50 == -math.inf else f"from {best.text_50}"
    return f"{at}, half of the recordings with the fault {fault}{where} are caught {known} {best.unit}{on}."

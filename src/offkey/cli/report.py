"""``offkey report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from offkey.cli.console import note, print_json, progress, say
from offkey.cli.detectors import load_pipeline
from offkey.cli.options import parse_group
from offkey.cli.signals import BEARING, make_shaft

__all__ = ["report"]


def report(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Recordings (files, folders, a labelled folder), one CSV table, or results that offkey score wrote."
        ),
    ],
    model: Annotated[Path, typer.Option("--model", "-m", help="The bundle that offkey fit wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file to write.")] = Path("report.html"),
    top: Annotated[int, typer.Option(help="So many of the strangest are shown; all are in the table.", min=0)] = 50,
    audio_mb: Annotated[
        float, typer.Option("--audio-mb", help="Sound of the strangest, at most so many megabytes; 0 for none.", min=0)
    ] = 3.0,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "",
    group: Annotated[
        list[str] | None, typer.Option(help="Whose boundaries decide, where the bundle has groups: section=id_00.")
    ] = None,
    shaft_hz: Annotated[
        float | None, typer.Option(help="Revolutions per second of the machine's shaft: its lines are named.", min=1e-6)
    ] = None,
    bearing: Annotated[list[str] | None, BEARING] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    detector: Annotated[str | None, typer.Option(help="Your own class, if the bundle needs it: file.py:Class.")] = None,
) -> None:
    """Write one HTML page to hand on: the strangest recordings with picture, sound and sentence, and how sure that is.

    Example: offkey report today/ -m pump.offkey -o report.html
    """
    from offkey.report import read_given, write_report

    pipeline = load_pipeline(model, detector)
    recordings = read_given(paths)
    with progress():
        batch = write_report(
            pipeline, recordings, out, group=parse_group(group, pipeline), top=top, audio_mb=audio_mb, title=title,
            shaft=make_shaft(shaft_hz, bearing or []),
        )  # fmt: skip
    n_anomalies = sum(decision.is_anomaly for decision in batch.decisions)
    size_mb = out.stat().st_size / 1e6
    if as_json:
        outcome: dict[str, Any] = {
            "report": str(out),
            "n_recordings": len(batch.decisions),
            "n_anomalies": n_anomalies,
            "failures": [{"path": failure.source, "reason": failure.reason} for failure in batch.failures],
        }
        print_json(outcome)
    else:
        say(f"{n_anomalies} of {len(batch.decisions)} recordings are anomalies. Report: {out} ({size_mb:.1f} MB)")
    for failure in batch.failures:
        note(f"not in the report: {failure}")
    if batch.failures:
        raise typer.Exit(2)

"""``offkey info``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offkey.cli.console import load_pipeline, print_json, say

if TYPE_CHECKING:
    from offkey.decisions import Calibration
    from offkey.pipeline import Pipeline

__all__ = ["info"]


def info(
    model: Annotated[Path, typer.Argument(help="A bundle.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    detector: Annotated[str | None, typer.Option(help="Your own class, if the bundle needs it: file.py:Class.")] = None,
) -> None:
    """Say what is inside a bundle: detector, front end, window, provenance, calibration.

    Example: offkey info pump.offkey
    """
    pipeline = load_pipeline(model, detector)
    document = _describe(pipeline)
    if as_json:
        print_json(document)
        return
    provenance, clips, windows = document["provenance"], document["clips"], document["windows"]
    say(f"detector    {document['detector']}")
    say(f"front end   {document['features']}")
    say(f"signal      {document['rate']} Hz, {document['n_channels']} channel(s)")
    say(f"window      {document['window_s']:.3f} s, every {document['hop_s']:.3f} s; pooled by {document['pooling']}")
    say(_calibration_line("clips", clips, f"{clips['unit_windows']} window(s) each"))
    say(_calibration_line("windows", windows, "in streams"))
    minutes = provenance["duration_s"] / 60
    say(f"trained on  {provenance['n_recordings']} recordings, {minutes:.1f} min; seed {provenance['seed']}")
    say(f"made        {provenance['created']} by offkey {provenance['offkey']}, Python {provenance['python']}")
    say(f"samples     sha256 {provenance['samples_sha256']}")
    for line in document["notes"]:
        say(f"note        {line}")
    for failure in document["failures"]:
        say(f"left out    {failure['source']}: {failure['reason']}")
    say("strangest training recordings:")
    for entry in document["training"][:5]:
        say(f"  {entry['score']:10.4g}  {entry['source']}")


def _describe(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "detector": repr(pipeline.detector_),
        "features": repr(pipeline.features_),
        "rate": pipeline.rate_,
        "n_channels": pipeline.n_channels_,
        "window_s": pipeline.window_duration_s,
        "hop_s": pipeline.grid_.hop * pipeline.features_.hop_length / pipeline.rate_,
        "pooling": pipeline.pooling,
        "clips": _describe_calibration(pipeline.clip_calibration_),
        "windows": _describe_calibration(pipeline.window_calibration_),
        "provenance": pipeline.provenance_,
        "notes": pipeline.notes_,
        "failures": [asdict(failure) for failure in pipeline.failures_],
        "training": [asdict(entry) for entry in pipeline.training_],
    }


def _describe_calibration(calibration: Calibration) -> dict[str, Any]:
    state = calibration.threshold.fitted_state
    return {
        "threshold": state["threshold_"],
        "rule": repr(calibration.threshold),
        "supported_false_alarm_rate": state["supported_rate_"],
        "unit_windows": calibration.unit_windows,
        "n_recordings": calibration.n_recordings,
    }


def _calibration_line(name: str, calibration: dict[str, Any], unit: str) -> str:
    rate = calibration["supported_false_alarm_rate"]
    promise = f", false-alarm rate {rate:.2%}" if rate == rate else ""  # NaN: none is promised
    return (
        f"{name:10}  threshold {calibration['threshold']:.4g} by {calibration['rule']}{promise}; {unit}; "
        f"{calibration['n_recordings']} held-out recordings"
    )

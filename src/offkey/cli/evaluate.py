"""``offkey evaluate``."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offkey.cli.console import note, print_json, progress, say, write_table
from offkey.cli.detectors import load_pipeline

if TYPE_CHECKING:
    from offkey.evaluation import Report

__all__ = ["evaluate", "tell_figures"]


def evaluate(
    labelled: Annotated[
        Path,
        typer.Argument(help="A folder of DCASE, MIMII, ToyADMOS, one with folders normal and anomaly, or a CSV table."),
    ],
    model: Annotated[Path, typer.Option("--model", "-m", help="The bundle that offkey fit wrote.")],
    csv: Annotated[Path | None, typer.Option(help="Write the figures to this CSV file too.")] = None,
    clips: Annotated[bool, typer.Option("--clips", help="Show each recording too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures and clips as JSON.")] = False,
    detector: Annotated[str | None, typer.Option(help="Your own class, if the bundle needs it: file.py:Class.")] = None,
) -> None:
    """Compare with labels: AUC, pAUC, precision and recall at the threshold, false-alarm rate, with 95 % intervals.

    Example: offkey evaluate dev_data/pump -m pump.offkey
    """
    from offkey.datasets import read_labelled
    from offkey.evaluation import evaluate as run

    pipeline = load_pipeline(model, detector)
    table = read_labelled(labelled)
    with progress():
        report = run(pipeline, table)
    if as_json:
        print_json(json.loads(report.to_json()))
    else:
        if clips:
            _tell_clips(report)
        tell_figures(report)
    if csv is not None:
        write_table([asdict(row) for row in report.rows], csv)
    if not (report.rows[0].n_normal and report.rows[0].n_anomaly):
        note("Only one kind of recording is labelled: there is no AUC without normal and anomalous ones.")
    if report.n_unlabelled:
        note(f"{report.n_unlabelled} recordings have no label; they are in no figure.")
    for failure in report.failures:
        note(f"not scored: {failure}")
    if report.failures:
        note(f"{len(report.failures)} recordings could not be scored; they are in no figure.")
        raise typer.Exit(2)


def _tell_clips(report: Report) -> None:
    say(f"{'label':7}  {'decision':8}  {'score':>10}  {'p-value':>8}  {'events':>6}  recording")
    for clip in sorted(report.clips, key=lambda clip: -clip["score"]):
        label, decision = ("anomaly" if clip["label"] else "normal"), ("ANOMALY" if clip["is_anomaly"] else "normal")
        figures = f"{clip['score']:10.4g}  {clip['p_value']:8.3g}  {clip['n_events']:6}"
        say(f"{label:7}  {decision:8}  {figures}  {clip['path']}")


def tell_figures(report: Report) -> None:
    """Print the figures of each group."""
    for row in report.rows:
        say(f"{row.group}: {row.n_normal} normal, {row.n_anomaly} anomalous recordings")
        say(f"  AUC               {_with_interval(row.auc, row.auc_low, row.auc_high)}")
        say(f"  pAUC (FPR < 0.1)  {_with_interval(row.pauc, row.pauc_low, row.pauc_high)}")
        alarms = row.false_alarm_rate, row.false_alarm_rate_low, row.false_alarm_rate_high
        say(f"  false-alarm rate  {_with_interval(*alarms)}")
        say(f"  recall            {_with_interval(row.recall, row.recall_low, row.recall_high)}")
        say(f"  precision         {_figure(row.precision)}   F1 {_figure(row.f1)}")


def _with_interval(value: float, low: float, high: float) -> str:
    return _figure(value) + (f"  [{low:.3f}, {high:.3f}]" if math.isfinite(low) else "")


def _figure(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"

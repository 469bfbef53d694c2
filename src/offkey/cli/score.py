"""``offkey score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offkey.cli.console import load_pipeline, note, print_json, progress, say, write_table

if TYPE_CHECKING:
    from offkey.pipeline import Decision, Pipeline

__all__ = ["score"]


def score(
    paths: Annotated[list[Path], typer.Argument(help="Recordings: files or folders.")],
    model: Annotated[Path, typer.Option("--model", "-m", help="The bundle that offkey fit wrote.")],
    windows: Annotated[bool, typer.Option("--windows", help="Show each window, not only each recording.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write the results to this CSV file too.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write the results to this Parquet file too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    fail_on_anomaly: Annotated[bool, typer.Option(help="Exit with status 1 if an anomaly was found.")] = False,
    detector: Annotated[str | None, typer.Option(help="Your own class, if the bundle needs it: file.py:Class.")] = None,
) -> None:
    """Say of recordings how strange they sound, and whether that is an anomaly.

    Example: offkey score today/ -m pump.offkey --fail-on-anomaly
    """
    from offkey.pipeline import Failure
    from offkey.pipeline.sources import list_recordings
    from offkey.progress import track

    pipeline = load_pipeline(model, detector)
    recordings = list_recordings(paths)
    decisions: list[Decision] = []
    failures: list[Failure] = []
    if not as_json:
        say(f"{'decision':8}  {'score':>10}  {'p-value':>8}  recording")
    with progress():
        for result in track(pipeline.score(recordings), "scoring", len(recordings)):
            if isinstance(result, Failure):
                failures.append(result)
                note(f"not scored: {result}")
                continue
            decisions.append(result)
            if not as_json:
                _tell(result, windows)
    rows = [row for decision in decisions for row in _rows(decision, windows)]
    for path in (csv, parquet):
        if path is not None:
            write_table(rows, path)
    n_anomalies = sum(decision.is_anomaly for decision in decisions)
    if as_json:
        print_json(_document(model, decisions, failures, windows))
    else:
        _tell_sum(pipeline, decisions, windows)
    n_resampled = sum(decision.source_rate != pipeline.rate_ for decision in decisions)
    if n_resampled:
        note(f"{n_resampled} of {len(recordings)} recordings were resampled to {pipeline.rate_} Hz.")
    if failures:
        note(f"{len(failures)} of {len(recordings)} recordings could not be scored.")
    if fail_on_anomaly and n_anomalies:
        raise typer.Exit(1)
    if failures:
        raise typer.Exit(2)


def _tell_sum(pipeline: Pipeline, decisions: list[Decision], windows: bool) -> None:
    if not decisions:
        say("No recording could be scored.")
        return
    n_anomalies = sum(decision.is_anomaly for decision in decisions)
    thresholds = f"threshold {pipeline.clip_calibration_.threshold.fitted_state['threshold_']:.4g}"
    if windows:
        thresholds += f", of single windows {pipeline.window_calibration_.threshold.fitted_state['threshold_']:.4g}"
    say(f"{n_anomalies} of {len(decisions)} recordings are anomalies ({thresholds}).")


def _tell(decision: Decision, windows: bool) -> None:
    mark = "  (shorter than the calibration clips: false alarms may be more frequent)" if decision.is_short else ""
    say(_line(decision, decision.source + mark))
    if windows:
        if len(decision.segments) > 1:
            for segment in decision.segments:
                say(_line(segment, f"  segment {segment.start_s:.2f}-{segment.stop_s:.2f} s"))
        for window in decision.scored_windows:
            say(_line(window, f"  window {window.start_s:.2f}-{window.stop_s:.2f} s"))


def _line(scored: Any, name: str) -> str:
    return f"{'ANOMALY' if scored.is_anomaly else 'normal':8}  {scored.score:10.4g}  {scored.p_value:8.3g}  {name}"


def _rows(decision: Decision, windows: bool) -> list[dict[str, Any]]:
    head = {"path": decision.source}
    if not windows:
        return [head | _clip(decision)]
    return [head | window for window in _timeline(decision)]


def _clip(decision: Decision) -> dict[str, Any]:
    names = ("score", "p_value", "threshold", "is_anomaly", "duration_s", "is_short")
    return {name: getattr(decision, name) for name in names}


def _timeline(decision: Decision) -> list[dict[str, Any]]:
    names = ("start_s", "stop_s", "score", "p_value", "is_anomaly")
    return [{name: getattr(window, name) for name in names} for window in decision.scored_windows]


def _document(model: Path, decisions: list[Decision], failures: list[Any], windows: bool) -> dict[str, Any]:
    return {
        "model": str(model),
        "clips": [
            {"path": decision.source, **_clip(decision), **({"windows": _timeline(decision)} if windows else {})}
            for decision in decisions
        ],
        "failures": [{"path": failure.source, "reason": failure.reason} for failure in failures],
        "n_scored": len(decisions),
        "n_anomalies": sum(decision.is_anomaly for decision in decisions),
    }

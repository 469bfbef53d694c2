"""``offkey score``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offkey.cli.console import note, print_json, progress, say, write_table
from offkey.cli.detectors import load_pipeline
from offkey.cli.options import given_recordings, parse_group, parse_rate
from offkey.errors import InputError

if TYPE_CHECKING:
    from offkey.pipeline import Decision, Failure, Pipeline

__all__ = ["score"]


def score(
    paths: Annotated[list[Path], typer.Argument(help="Recordings: files, folders or one CSV table of paths.")],
    model: Annotated[Path, typer.Option("--model", "-m", help="The bundle that offkey fit wrote.")],
    windows: Annotated[bool, typer.Option("--windows", help="Show each window, not only each recording.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Show each event, not only each recording.")] = False,
    fdr: Annotated[
        str | None,
        typer.Option(help="Decide about the batch: at most this share of what is reported is expected to be false."),
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Whose boundaries decide, where the bundle has groups: section=id_00.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the results to this CSV file too.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write the results to this Parquet file too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    fail_on_anomaly: Annotated[bool, typer.Option(help="Exit with status 1 if an anomaly was found.")] = False,
    detector: Annotated[str | None, typer.Option(help="Your own class, if the bundle needs it: file.py:Class.")] = None,
) -> None:
    """Say of recordings how strange they sound, and whether that is an anomaly.

    Example: offkey score today/ -m pump.offkey --fail-on-anomaly
    """
    from offkey.decisions import Event
    from offkey.signals.lengths import sampling_text

    if windows and events:
        raise InputError("Both --windows and --events were given. Give one of them.")
    rate = None if fdr is None else parse_rate(fdr, "false-discovery rate")
    pipeline = load_pipeline(model, detector)
    tell = None if as_json else partial(_tell, windows=windows, events=events, by_angle=pipeline.reading_.by_angle)
    decisions, failures = _score(pipeline, paths, parse_group(group, pipeline), rate, tell)
    rows = [row for decision in decisions for row in _rows(decision, windows, events)]
    for path in (csv, parquet):
        if path is not None:
            write_table(rows, path, None if not events else ["path", *(field.name for field in fields(Event))])
    n_anomalies = sum(decision.is_anomaly for decision in decisions)
    if as_json:
        print_json(_document(model, decisions, failures, windows))
    else:
        _tell_sum(pipeline, decisions, rate, windows)
    n_resampled = sum(decision.source_rate != pipeline.rate_ for decision in decisions)
    n_recordings = len(decisions) + len(failures)
    n_ill = sum(bool(decision.health) for decision in decisions)
    if n_ill:
        note(f"The sensor may be at fault in {n_ill} of {n_recordings} recordings: check that first.")
    if n_resampled:
        sampled = sampling_text(pipeline.rate_, pipeline.reading_.by_angle)
        note(f"{n_resampled} of {n_recordings} recordings were resampled to {sampled}.")
    n_groups, n_pooled = len(pipeline.boundaries_) - 1, sum(not decision.group for decision in decisions)
    if n_groups and n_pooled:
        note(
            f"{n_pooled} recordings were decided by the boundary of all together: the bundle has one for each of "
            f"{n_groups} groups (name theirs with {' '.join(f'--group {name}=...' for name in pipeline.group_by)})."
        )
    if failures:
        note(f"{len(failures)} of {n_recordings} recordings could not be scored.")
    if fail_on_anomaly and n_anomalies:
        raise typer.Exit(1)
    if failures:
        raise typer.Exit(2)


def _score(
    pipeline: Pipeline,
    paths: list[Path],
    group: dict[str, str],
    rate: float | None,
    tell: Callable[[Decision], None] | None,
) -> tuple[list[Decision], list[Failure]]:
    """Decide about all recordings, and tell of them as they come; with a false-discovery rate once all are known."""
    from offkey.pipeline import Failure
    from offkey.pipeline.gather import notes_on_files
    from offkey.pipeline.sources import list_recordings
    from offkey.progress import track
    from offkey.signals import Piece

    recordings = given_recordings(paths, () if group else pipeline.group_by)
    listed = list_recordings(recordings, pipeline.reading_)
    given = recordings if hasattr(recordings, "columns") else listed
    decisions: list[Decision] = []
    failures: list[Failure] = []
    if tell:
        say(f"{'decision':8}  {'score':>10}  {'p-value':>8}  recording")
    with progress():
        for result in track(pipeline.score(given, group), "scoring", len(listed)):
            if isinstance(result, Failure):
                failures.append(result)
                note(f"not scored: {result}")
                continue
            decisions.append(result)
            if tell and rate is None:
                tell(result)
    if rate is not None:
        decisions = _discovered(decisions, rate)
        if tell:
            for decision in decisions:
                tell(decision)
    for line in notes_on_files((each.path, each.notes) for each in listed if isinstance(each, Piece)):
        note(line)
    return decisions, failures


def _discovered(decisions: list[Decision], rate: float) -> list[Decision]:
    """Return the decisions as the false-discovery rate makes them, with the p-value that it goes by."""
    from offkey.pipeline import discoveries

    reported = {id(decision) for decision in discoveries(decisions, rate)}
    return [
        replace(decision, is_anomaly=id(decision) in reported, p_value=decision.batch_p_value) for decision in decisions
    ]


def _tell_sum(pipeline: Pipeline, decisions: list[Decision], rate: float | None, windows: bool) -> None:
    if not decisions:
        say("No recording could be scored.")
        return
    n_anomalies = sum(decision.is_anomaly for decision in decisions)
    if rate is not None:
        say(
            f"{n_anomalies} of {len(decisions)} recordings are reported; "
            f"at most {100 * rate:.3g}% of those are expected to be false alarms."
        )
        _tell_resolution(pipeline, decisions, rate)
        return
    pooled = pipeline.boundaries_[""]
    thresholds = sorted({f"{decision.threshold:.4g}" for decision in decisions})
    said = f"threshold {thresholds[0]}" if len(thresholds) == 1 else f"{len(thresholds)} thresholds"
    if windows:
        groups = {decision.group for decision in decisions}
        of_windows = {
            f"{pipeline.boundaries_[each].windows.threshold.fitted_state['threshold_']:.4g}" for each in groups
        }
        said += f", of single windows {', '.join(sorted(of_windows))}"
    if pooled.budget is not None:
        said += f"; at most {pooled.budget.budget} false alarms are expected"
    say(f"{n_anomalies} of {len(decisions)} recordings are anomalies ({said}).")


def _tell_resolution(pipeline: Pipeline, decisions: list[Decision], rate: float) -> None:
    """Say if few calibration recordings keep a batch's decisions from being fine enough."""
    counts = [pipeline.boundaries_[decision.group].clips.n_recordings for decision in decisions]
    least = sorted(len(each.segments) / (count + 1) for each, count in zip(decisions, counts, strict=True))
    n = len(least)
    n_needed = next((k for k, p_value in enumerate(least, 1) if p_value <= rate * k / n + 1e-12), None)
    if n_needed == 1:
        return
    many = max(len(decision.segments) for decision in decisions)
    why = f"With {min(counts)} calibration recordings no p-value is below {least[0]:.2g}"
    if many > 1:
        why += f" (a recording of {many} segments counts {many} times)"
    if n_needed is None:
        say(f"{why}: none of these could be reported, however strange.")
    else:
        say(f"{why}: at least {n_needed} of {n} must be so strange for any to be reported.")
    say(f"{math.ceil(n * many / rate - 1e-9) - 1} calibration recordings would do for a single one.")


def _tell(decision: Decision, windows: bool, events: bool, by_angle: bool) -> None:
    from offkey.signals.lengths import time_scale

    unit, size = time_scale(decision.duration_s, by_angle)

    def span(start_s: float, stop_s: float) -> str:
        return f"{start_s / size:.2f}-{stop_s / size:.2f} {unit}"

    mark = "  (shorter than the calibration clips: false alarms may be more frequent)" if decision.is_short else ""
    say(_line(decision, decision.source + mark))
    for finding in decision.health:
        say(f"{'sensor':8}  {finding.sentence}")
    if windows and len(decision.segments) > 1:
        for segment in decision.segments:
            say(_line(segment, f"  segment {span(segment.start_s, segment.stop_s)}"))
    if windows:
        for window in decision.scored_windows:
            say(_line(window, f"  window {span(window.start_s, window.stop_s)}"))
    if events or (decision.is_anomaly and len(decision.segments) > 1):
        for event in decision.events:
            say(
                f"{'event':8}  {event.peak_score:10.4g}  {event.p_value:8.3g}    {span(event.start_s, event.stop_s)}, "
                f"peak at {event.peak_s / size:.2f} {unit}, mean p-value of windows {event.mean_p_value:.2g}"
            )


def _line(scored: Any, name: str) -> str:
    return f"{'ANOMALY' if scored.is_anomaly else 'normal':8}  {scored.score:10.4g}  {scored.p_value:8.3g}  {name}"


def _rows(decision: Decision, windows: bool, events: bool) -> list[dict[str, Any]]:
    head = {"path": decision.source}
    if windows:
        return [head | window for window in _timeline(decision)]
    if events:
        return [head | asdict(event) for event in decision.events]
    return [head | _clip(decision)]


def _clip(decision: Decision) -> dict[str, Any]:
    names = ("score", "p_value", "threshold", "is_anomaly", "duration_s", "is_short", "group")
    sensor = "; ".join(finding.sentence for finding in decision.health)
    return {name: getattr(decision, name) for name in names} | {"n_events": len(decision.events), "sensor": sensor}


def _timeline(decision: Decision) -> list[dict[str, Any]]:
    names = ("start_s", "stop_s", "score", "p_value", "is_anomaly")
    return [{name: getattr(window, name) for name in names} for window in decision.scored_windows]


def _document(model: Path, decisions: list[Decision], failures: list[Failure], windows: bool) -> dict[str, Any]:
    return {
        "model": str(model),
        "clips": [
            {
                "path": decision.source,
                **_clip(decision),
                "notes": list(decision.notes),
                "events": [asdict(event) for event in decision.events],
                **({"windows": _timeline(decision)} if windows else {}),
            }
            for decision in decisions
        ],
        "failures": [{"path": failure.source, "reason": failure.reason} for failure in failures],
        "n_scored": len(decisions),
        "n_anomalies": sum(decision.is_anomaly for decision in decisions),
    }

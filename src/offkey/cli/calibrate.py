"""``offkey calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offkey.cli.console import note, print_json, progress, say
from offkey.cli.detectors import load_pipeline
from offkey.cli.fit import promise_of, warn_of_anomalies
from offkey.cli.options import (
    COOLDOWN,
    HYSTERESIS,
    MERGE_GAP,
    MIN_DURATION,
    event_rules,
    given_recordings,
    parse_boundary,
    parse_group,
)

if TYPE_CHECKING:
    from offkey.pipeline import Pipeline

__all__ = ["calibrate"]

ALL = "all"


def calibrate(
    model: Annotated[Path, typer.Option("--model", "-m", help="The bundle that offkey fit wrote.")],
    normal: Annotated[
        list[Path] | None, typer.Argument(help="More recordings of normal sound: files, folders or one CSV table.")
    ] = None,
    mark_normal: Annotated[
        list[Path] | None, typer.Option(help="A recording that gave a false alarm, to count as normal from now on.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Whose recordings these are, where the bundle has groups: section=id_00.")
    ] = None,
    false_alarms: Annotated[
        str | None, typer.Option(help="A rate of clips, such as 1%, or a budget of events, such as 1/week.")
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="conformal, pareto, robust, empirical, gamma, or a number.")
    ] = None,
    hysteresis: Annotated[float | None, HYSTERESIS] = None,
    min_duration: Annotated[str | None, MIN_DURATION] = None,
    merge_gap: Annotated[str | None, MERGE_GAP] = None,
    cooldown: Annotated[str | None, COOLDOWN] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write here, and leave the bundle as it is.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    detector: Annotated[str | None, typer.Option(help="Your own class, if the bundle needs it: file.py:Class.")] = None,
) -> None:
    """Refit the decision boundary alone, with more normal sound, marked false alarms or another false-alarm rate.

    Example: offkey calibrate -m pump.offkey this-week/ --mark-normal alarm.wav --false-alarms 1/week
    """
    pipeline = load_pipeline(model, detector)
    boundary, budget = parse_boundary(false_alarms, threshold, pipeline.threshold)
    rules = event_rules(hysteresis, min_duration, merge_gap, cooldown, pipeline.events)
    before, n_before = _thresholds(pipeline), len(pipeline.evidence_)
    warn_of_anomalies([path for path in [*(normal or []), *(mark_normal or [])] if path.suffix.lower() != ".csv"])
    with progress():
        failures = pipeline.calibrate(
            given_recordings(normal, pipeline.group_by) if normal else (),
            mark_normal=given_recordings(mark_normal) if mark_normal else (),
            group=parse_group(group, pipeline),
            threshold=boundary,
            budget=budget,
            events=rules,
        )
    pipeline.save(out or model)
    after = _thresholds(pipeline)
    outcome = {
        "bundle": str(out or model),
        "thresholds_before": before,
        "thresholds": after,
        "n_recordings": len(pipeline.evidence_),
        "n_added": len(pipeline.evidence_) - n_before,
        "notes": pipeline.notes_,
        "failures": [{"source": failure.source, "reason": failure.reason} for failure in failures],
    }
    if as_json:
        print_json(outcome)
    else:
        say(f"{n_before} calibration recordings and {outcome['n_added']} more: threshold {before[ALL]:.4g}, now "
            f"{after[ALL]:.4g}{promise_of(pipeline)}.")  # fmt: skip
        for name in sorted((before.keys() | after.keys()) - {ALL}):
            was, now = (f"{each[name]:.4g}" if name in each else "none of its own" for each in (before, after))
            if was != now:
                say(f"  {name}: threshold {was}, now {now}")
        for line in pipeline.notes_[len(pipeline.fit_notes_) :]:
            say(line)
        say(f"Wrote {out or model}.")
    for failure in failures:
        note(f"left out: {failure}")
    if failures:
        raise typer.Exit(2)


def _thresholds(pipeline: Pipeline) -> dict[str, float]:
    """Return the boundary of clips of each group, and that of all together."""
    return {
        group or ALL: float(each.clips.threshold.fitted_state["threshold_"])
        for group, each in pipeline.boundaries_.items()
    }

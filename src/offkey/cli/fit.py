"""``offkey fit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offkey.cli.console import note, print_json, progress, say
from offkey.cli.detectors import DETECTOR_HELP, RECIPE_HELP, columns_asked, make_pipeline
from offkey.cli.options import (
    COOLDOWN,
    HYSTERESIS,
    MERGE_GAP,
    MIN_DURATION,
    event_rules,
    given_recordings,
    parse_boundary,
    parse_duration,
)
from offkey.cli.signals import (
    CHANNELS,
    FEATURES,
    JOIN,
    MISSING,
    PULSES,
    SPEED,
    SPLIT_BY,
    TIME,
    UNIT,
    make_reading,
    parse_features,
)
from offkey.errors import InputError

if TYPE_CHECKING:
    from offkey.pipeline import Pipeline

__all__ = ["fit", "n_kept_back", "promise_of", "warn_of_anomalies"]


def fit(
    normal: Annotated[list[Path], typer.Argument(help="Normal recordings: files, folders or one CSV table of paths.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The bundle to write.")],
    detector: Annotated[
        str | None,
        typer.Option(help=DETECTOR_HELP),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help=RECIPE_HELP),
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the detector, such as epochs=20.")
    ] = None,
    encoder: Annotated[
        Path | None,
        typer.Option(help="Embeddings by a frozen encoder (.tflite, .onnx, .keras) of YAMNet's log-mel patches."),
    ] = None,
    features: Annotated[str | None, FEATURES] = None,
    channels: Annotated[str | None, CHANNELS] = None,
    unit: Annotated[str | None, UNIT] = None,
    time: Annotated[str | None, TIME] = None,
    split_by: Annotated[str | None, SPLIT_BY] = None,
    missing: Annotated[str | None, MISSING] = None,
    join: Annotated[bool, JOIN] = False,
    speed: Annotated[str | None, SPEED] = None,
    pulses: Annotated[int | None, PULSES] = None,
    window: Annotated[str | None, typer.Option(help="Length of the windows, such as 10s.")] = None,
    hop: Annotated[str | None, typer.Option(help="Distance of the windows, such as 5s.")] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="Rate in hertz that everything is resampled to; of sensor files that state none.", min=1e-9),
    ] = None,
    pooling: Annotated[str | None, typer.Option(help="mean (if not given), max or a quantile such as q0.9.")] = None,
    false_alarms: Annotated[
        str | None,
        typer.Option(
            help="A rate of clips, such as 1% (if neither this nor a recipe is given), or a budget of events, such "
            "as 1/week."
        ),
    ] = None,
    threshold: Annotated[
        str | None, typer.Option(help="conformal (if not given), pareto, robust, empirical, gamma, or a number.")
    ] = None,
    hysteresis: Annotated[float | None, HYSTERESIS] = None,
    min_duration: Annotated[str | None, MIN_DURATION] = None,
    merge_gap: Annotated[str | None, MERGE_GAP] = None,
    cooldown: Annotated[str | None, COOLDOWN] = None,
    group_by: Annotated[
        list[str] | None, typer.Option(help="A column of the table whose groups get boundaries of their own.")
    ] = None,
    hold_out: Annotated[
        str | None,
        typer.Option(
            help="Where calibration scores come from: folds, split or auto (if not given), a split for networks."
        ),
    ] = None,
    exclude: Annotated[list[Path] | None, typer.Option(help="A recording to leave out.")] = None,
    drop_strangest: Annotated[
        int, typer.Option(help="Leave out so many of the strangest recordings and fit again.", min=0)
    ] = 0,
    seed: Annotated[
        int | None, typer.Option(help="Of splits and networks; 0, or the recipe's, if not given.", min=0)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Learn from recordings of normal sound, and write a bundle.

    Example: offkey fit recordings/normal -o pump.offkey --false-alarms 1%
    """
    from offkey.networks import yamnet_embedding

    if out.is_dir():
        raise InputError(f"{out} is a folder. Name the bundle's file, such as {out / 'pump.offkey'}.")
    if not out.parent.is_dir():
        raise InputError(f"The folder {out.parent} does not exist. Make it, or write the bundle elsewhere.")
    if encoder is not None and features is not None:
        raise InputError(
            "An encoder and features were given. Embeddings are a front end of their own; give one of both."
        )
    options = {
        "features": parse_features(features) if encoder is None else yamnet_embedding(encoder),
        "reading": make_reading(channels, unit, time, split_by, missing, join, speed, pulses),
        "rate": int(rate) if rate is not None and rate == int(rate) else rate,
        "window_s": parse_duration(window),
        "hop_s": parse_duration(hop),
        "pooling": pooling,
        "events": event_rules(hysteresis, min_duration, merge_gap, cooldown),
        "group_by": tuple(group_by) if group_by else None,
        "hold_out": hold_out,
        "seed": seed,
    }
    given = {name: value for name, value in options.items() if value is not None}
    pipeline = make_pipeline(detector, recipe, setting or [], given)
    boundary, pipeline.budget = parse_boundary(false_alarms, threshold, pipeline.threshold)
    pipeline.threshold = boundary or pipeline.threshold
    recordings = given_recordings(normal, columns_asked(pipeline))
    if recordings is normal:
        warn_of_anomalies(normal)
    with progress():
        pipeline.fit(recordings, exclude=exclude or [], drop_strangest=drop_strangest)
    pipeline.save(out)
    if as_json:
        print_json(_outcome(pipeline, out))
    else:
        _tell(pipeline, out)
    for failure in pipeline.failures_:
        note(f"left out: {failure}")
    if pipeline.failures_:
        note(f"{len(pipeline.failures_)} recordings could not be used; the bundle was fitted on the others.")
        raise typer.Exit(2)


def warn_of_anomalies(normal: list[Path]) -> None:
    """Say if recordings are named as anomalies: fitting takes whatever it is given as normal."""
    from offkey.datasets import is_named_anomaly
    from offkey.signals import find

    odd = [path for path in find(normal) if is_named_anomaly(path)]
    if odd:
        note(f"warning: {len(odd)} recordings are named as anomalies and are taken as normal, such as {odd[0]}.")


def _outcome(pipeline: Pipeline, out: Path) -> dict[str, Any]:
    state = pipeline.boundaries_[""].clips.threshold.fitted_state
    return {
        "bundle": str(out),
        "detector": repr(pipeline.detector),
        "n_recordings": pipeline.provenance_["n_recordings"],
        "duration_s": pipeline.provenance_["duration_s"],
        "threshold": state["threshold_"],
        "supported_false_alarm_rate": state["supported_rate_"],
        "n_kept_back": n_kept_back(pipeline),
        "groups": sorted(set(pipeline.boundaries_) - {""}),
        "notes": pipeline.notes_,
        "strangest": [
            {"source": entry.source, "score": entry.score, "is_held_out": entry.is_held_out}
            for entry in pipeline.training_[:5]
        ],
        "failures": [{"source": failure.source, "reason": failure.reason} for failure in pipeline.failures_],
    }


def n_kept_back(pipeline: Pipeline) -> int:
    """Return how many of the recordings the detector was not trained on: none, where it was refitted on all."""
    n_held_out = sum(entry.is_held_out for entry in pipeline.training_)
    return 0 if n_held_out == len(pipeline.training_) else n_held_out


def promise_of(pipeline: Pipeline) -> str:
    """Return what the boundary of clips promises, in brackets."""
    boundaries = pipeline.boundaries_[""]
    if boundaries.budget is not None:
        return f" ({boundaries.budget.budget} false alarms)"
    rate = boundaries.clips.threshold.fitted_state["supported_rate_"]
    return f" (false-alarm rate {rate:.2%})" if rate == rate else " (no false-alarm rate is promised)"


def _tell(pipeline: Pipeline, out: Path) -> None:
    from offkey.decisions import Fixed
    from offkey.pipeline.story import length_in_all

    outcome = _outcome(pipeline, out)
    n_back = n_kept_back(pipeline)
    of = f"{outcome['n_recordings'] - n_back} of " if n_back else ""
    say(
        f"{outcome['detector']} learned from {of}{outcome['n_recordings']} recordings ({length_in_all(pipeline)} "
        "in all)."
    )
    for line in outcome["notes"]:
        say(line)
    is_given = isinstance(pipeline.threshold, Fixed) and pipeline.budget is None
    source = "as given" if is_given else f"from {len(pipeline.evidence_)} recordings that were held out"
    say(f"Threshold {outcome['threshold']:.4g}{promise_of(pipeline)}, {source}.")
    if outcome["groups"]:
        say(f"{len(outcome['groups'])} groups have boundaries of their own: {', '.join(outcome['groups'][:5])}"
            + (", ..." if len(outcome["groups"]) > 5 else "."))  # fmt: skip
    say("Strangest training recordings (check them; --drop-strangest N leaves them out):")
    for entry in outcome["strangest"]:
        say(f"  {entry['score']:10.4g}  {entry['source']}" + ("" if entry["is_held_out"] else "  (trained on)"))
    say(f"Wrote {out}. Next: offkey score RECORDINGS -m {out}")

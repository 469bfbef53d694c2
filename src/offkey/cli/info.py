"""``offkey info``."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offkey.cli.console import print_json, say
from offkey.cli.detectors import load_pipeline
from offkey.cli.fit import n_kept_back

if TYPE_CHECKING:
    from offkey.decisions import Calibration
    from offkey.pipeline import Boundaries, Pipeline

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
    provenance = document["provenance"]
    say(f"detector    {document['detector']}")
    say(f"front end   {document['features']}")
    if document["encoder"]:
        say(f"encoder     {document['encoder']['name']}, sha256 {document['encoder']['sha256']}")
    say(f"signal      {document['rate']} Hz, {document['n_channels']} channel(s)")
    say(f"window      {document['window_s']:.3f} s, every {document['hop_s']:.3f} s")
    minutes = provenance["duration_s"] / 60
    n_back = n_kept_back(pipeline)
    n_learned, more = provenance["n_recordings"] - n_back, f" ({n_back} more kept back)" if n_back else ""
    say(f"trained on  {n_learned} recordings{more}, {minutes:.1f} min in all; seed {provenance['seed']}")
    say(f"made        {provenance['created']} by offkey {provenance['offkey']}, Python {provenance['python']}")
    say(f"samples     sha256 {provenance['samples_sha256']}")
    budgets = [each.budget.sentence for each in pipeline.boundaries_.values() if each.budget]
    for line in document["notes"]:
        if line not in budgets:  # told with the calibration
            say(f"note        {line}")
    _tell_calibration(pipeline)
    for failure in document["failures"]:
        say(f"left out    {failure['source']}: {failure['reason']}")
    say("strangest training recordings:")
    for entry in document["training"][:5]:
        say(f"  {entry['score']:10.4g}  {entry['source']}" + ("" if entry["is_held_out"] else "  (trained on)"))


def _describe(pipeline: Pipeline) -> dict[str, Any]:
    encoder = pipeline.features_.fitted_state.get("encoder_")
    return {
        "detector": repr(pipeline.detector_),
        "features": repr(pipeline.features_),
        "encoder": None if encoder is None else {"name": encoder.name, "sha256": encoder.sha256},
        "rate": pipeline.rate_,
        "n_channels": pipeline.n_channels_,
        "window_s": pipeline.window_duration_s,
        "hop_s": pipeline.grid_.hop * pipeline.features_.hop_length / pipeline.rate_,
        "boundaries": {group or "all": _describe_boundaries(each) for group, each in pipeline.boundaries_.items()},
        "events": asdict(pipeline.boundaries_[""].rules),
        "calibration_recordings": dict(Counter(each.origin for each in pipeline.evidence_)),
        "provenance": pipeline.provenance_,
        "notes": pipeline.notes_,
        "failures": [asdict(failure) for failure in pipeline.failures_],
        "training": [asdict(entry) for entry in pipeline.training_],
    }


def _describe_boundaries(boundaries: Boundaries) -> dict[str, Any]:
    budget = boundaries.budget
    return {
        "clips": _describe_calibration(boundaries.clips),
        "windows": _describe_calibration(boundaries.windows),
        "pooling": boundaries.pooling,
        "budget": None if budget is None else asdict(budget) | {"sentence": budget.sentence},
    }


def _describe_calibration(calibration: Calibration) -> dict[str, Any]:
    state = calibration.threshold.fitted_state
    low, high = calibration.rate_interval()
    return {
        "threshold": state["threshold_"],
        "rule": repr(calibration.threshold),
        "supported_false_alarm_rate": state["supported_rate_"],
        "rate_low": low,
        "rate_high": high,
        "unit_windows": calibration.unit_windows,
        "n_recordings": calibration.n_recordings,
    }


def _tell_calibration(pipeline: Pipeline) -> None:
    """Tell on what data the boundaries rest, by what method, what they promise and what they cannot."""
    origins = Counter(each.origin for each in pipeline.evidence_)
    parts = [f"{origins['fit']} of the fit, scored by a detector that had not seen them"]
    if origins["added"]:
        parts.append(f"{origins['added']} added later")
    if origins["marked"]:
        parts.append(f"{origins['marked']} false alarms marked as normal")
    say(f"calibrated  on {len(pipeline.evidence_)} recordings: {'; '.join(parts)}")
    for record in pipeline.provenance_.get("calibrations", []):
        more = [
            f"{len(record[key])} {what}"
            for key, what in (("added", "added"), ("marked_normal", "marked"))
            if record[key]
        ]
        basis = f" on {record['chosen_on']}" if record["chosen_on"] else ""
        say(f"{'':10}  {record['created']} {record['rule']}{basis}{''.join(f', {each}' for each in more)}")
    for group, boundaries in pipeline.boundaries_.items():
        name = group or ("all" if len(pipeline.boundaries_) > 1 else "clips")
        if boundaries.budget is not None:
            say(f"{name:10}  {boundaries.budget.sentence}")
            continue
        clips, windows = (_describe_calibration(each) for each in (boundaries.clips, boundaries.windows))
        say(f"{name:10}  threshold {clips['threshold']:.4g} by {clips['rule']}{_basis(pipeline, boundaries)}, of "
            f"{clips['unit_windows']} window(s) pooled by {boundaries.pooling}")  # fmt: skip
        say(f"{'':10}  {_promise(clips)}")
        say(f"{'':10}  windows: threshold {windows['threshold']:.4g} by {windows['rule']}, in streams and for events")
    rules = pipeline.boundaries_[""].rules
    if rules != type(rules)():
        say(f"events      {rules}")
    say("no promise  for sound unlike these recordings: other loads, seasons, rooms or microphones; and none about "
        "which faults are heard (offkey sensitivity tells).")  # fmt: skip


def _basis(pipeline: Pipeline, boundaries: Boundaries) -> str:
    """Say what the boundary of clips was drawn from: held-out recordings, or labelled ones."""
    chosen_on = [record["chosen_on"] for record in pipeline.provenance_.get("calibrations", []) if record["chosen_on"]]
    if boundaries.is_chosen:
        return f", chosen on {chosen_on[-1]}" if chosen_on else ", as given"
    return f" on {boundaries.clips.n_recordings} recordings"


def _promise(clips: dict[str, Any]) -> str:
    rate, low, high = clips["supported_false_alarm_rate"], clips["rate_low"], clips["rate_high"]
    promised = (
        f"false-alarm rate {rate:.2%} on average over calibrations" if math.isfinite(rate) else "no rate promised"
    )
    return f"{promised}; for this one, 90 % sure between {low:.2%} and {high:.2%}"

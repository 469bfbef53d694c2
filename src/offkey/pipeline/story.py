"""How a pipeline's decisions were calibrated, in words: on what data, by what method, with what promise."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from offkey.decisions import Calibration
from offkey.pipeline.boundaries import Boundaries
from offkey.pipeline.pipeline import Pipeline
from offkey.pipeline.sources import POOLED
from offkey.signals.lengths import length_text

__all__ = ["calibration_story", "describe_calibration", "length_in_all"]

NO_PROMISE = (
    "for sound unlike these recordings: other loads, seasons, rooms or microphones; and none about which faults are "
    "heard (offkey sensitivity tells)."
)


def calibration_story(pipeline: Pipeline) -> list[tuple[str, str]]:
    """Return the story of a fitted pipeline's boundaries: lines of what each is about (may be empty), and a text."""
    origins = Counter(each.origin for each in pipeline.evidence_)
    parts = [f"{origins['fit']} of the fit, scored by a detector that had not seen them"]
    if origins["added"]:
        parts.append(f"{origins['added']} added later")
    if origins["marked"]:
        parts.append(f"{origins['marked']} false alarms marked as normal")
    lines = [("calibrated", f"on {len(pipeline.evidence_)} recordings: {'; '.join(parts)}")]
    for record in pipeline.provenance_.get("calibrations", []):
        more = [
            f"{len(record[key])} {what}"
            for key, what in (("added", "added"), ("marked_normal", "marked"))
            if record[key]
        ]
        basis = f" on {record['chosen_on']}" if record["chosen_on"] else ""
        lines.append(("", f"{record['created']} {record['rule']}{basis}{''.join(f', {each}' for each in more)}"))
    for group, boundaries in pipeline.boundaries_.items():
        lines += _of_group(pipeline, group, boundaries)
    rules = pipeline.boundaries_[POOLED].rules
    if rules != type(rules)():
        lines.append(("events", str(rules)))
    return [*lines, ("no promise", NO_PROMISE)]


def describe_calibration(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration's figures by name."""
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


def length_in_all(pipeline: Pipeline) -> str:
    """Return how much normal signal a pipeline was fitted on."""
    return length_text(pipeline.provenance_["duration_s"], pipeline.reading_.by_angle)


def _of_group(pipeline: Pipeline, group: str, boundaries: Boundaries) -> list[tuple[str, str]]:
    name = group or ("all" if len(pipeline.boundaries_) > 1 else "clips")
    if boundaries.budget is not None:
        return [(name, boundaries.budget.sentence)]
    clips, windows = (describe_calibration(each) for each in (boundaries.clips, boundaries.windows))
    return [
        (
            name,
            f"threshold {clips['threshold']:.4g} by {clips['rule']}{_basis(pipeline, boundaries)}, of "
            f"{clips['unit_windows']} window(s) pooled by {boundaries.pooling}",
        ),
        ("", _promise(clips)),
        ("", f"windows: threshold {windows['threshold']:.4g} by {windows['rule']}, in streams and for events"),
    ]


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

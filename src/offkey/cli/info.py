"""``offkey info``."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offkey.cli.console import print_json, say
from offkey.cli.detectors import load_pipeline
from offkey.cli.fit import n_kept_back

if TYPE_CHECKING:
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
    from offkey.pipeline.story import calibration_story, length_in_all
    from offkey.signals.lengths import length_text, sampling_text

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
    by_angle = pipeline.reading_.by_angle
    window, hop = (length_text(document[name], by_angle) for name in ("window_s", "hop_s"))
    say(f"signal      {sampling_text(document['rate'], by_angle)}, {document['n_channels']} channel(s)")
    say(f"window      {window}, every {hop}")
    n_back = n_kept_back(pipeline)
    n_learned, more = provenance["n_recordings"] - n_back, f" ({n_back} more kept back)" if n_back else ""
    say(f"trained on  {n_learned} recordings{more}, {length_in_all(pipeline)} in all; seed {provenance['seed']}")
    say(f"made        {provenance['created']} by offkey {provenance['offkey']}, Python {provenance['python']}")
    say(f"samples     sha256 {provenance['samples_sha256']}")
    budgets = [each.budget.sentence for each in pipeline.boundaries_.values() if each.budget]
    for line in document["notes"]:
        if line not in budgets:  # told with the calibration
            say(f"note        {line}")
    for about, line in calibration_story(pipeline):
        say(f"{about:10}  {line}")
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
        "n_channels": len(pipeline.channels_),
        "channels": list(pipeline.channels_),
        "units": list(pipeline.units_),
        "window_s": pipeline.window_duration_s,
        "hop_s": pipeline.grid_.hop * pipeline.features_.hop_samples / pipeline.rate_,
        "boundaries": {group or "all": _describe_boundaries(each) for group, each in pipeline.boundaries_.items()},
        "events": asdict(pipeline.boundaries_[""].rules),
        "calibration_recordings": dict(Counter(each.origin for each in pipeline.evidence_)),
        "provenance": pipeline.provenance_,
        "notes": pipeline.notes_,
        "failures": [asdict(failure) for failure in pipeline.failures_],
        "training": [asdict(entry) for entry in pipeline.training_],
    }


def _describe_boundaries(boundaries: Boundaries) -> dict[str, Any]:
    from offkey.pipeline.story import describe_calibration

    budget = boundaries.budget
    return {
        "clips": describe_calibration(boundaries.clips),
        "windows": describe_calibration(boundaries.windows),
        "pooling": boundaries.pooling,
        "budget": None if budget is None else asdict(budget) | {"sentence": budget.sentence},
    }

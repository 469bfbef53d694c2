"""A fitted pipeline to and from a bundle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from typing import Any

import numpy as np

from offkey import decisions, detectors, features
from offkey.bundle import Bundle
from offkey.decisions import BudgetFit, Calibration, Conformal, EventRules, Threshold
from offkey.detectors import Detector
from offkey.errors import BundleError, MissingExtraError, OffkeyError
from offkey.features import Feature
from offkey.parameters import Parameterized
from offkey.pipeline.boundaries import Boundaries, Evidence
from offkey.pipeline.decision import TrainingScore
from offkey.pipeline.normal import NormalSound
from offkey.pipeline.sources import POOLED, Failure
from offkey.pipeline.state import Packer, Unpacker
from offkey.signals import Reading
from offkey.windows import WindowGrid, parse_pooling

__all__ = ["from_bundle", "to_bundle"]

PARAMS = ("rate", "window_s", "hop_s", "pooling", "budget", "hold_out", "seed")
CALIBRATIONS = ("clips", "windows")
LARGEST_WINDOW = 2**28
"""Samples of a window, over all channels."""


def to_bundle(params: Mapping[str, Any], state: Mapping[str, Any]) -> Bundle:
    """Return what a bundle keeps of a pipeline's parameters and fitted state.

    Raises
    ------
    BundleError
        If the detector learned something that a bundle cannot hold.
    """
    packer = Packer()
    document = {
        "provenance": state["provenance_"],
        "notes": state["notes_"],
        "fit_notes": state["fit_notes_"],
        "training": [astuple(entry) for entry in state["training_"]],
        "failures": [astuple(failure) for failure in state["failures_"]],
        "channels": list(state["channels_"]),
        "units": list(state["units_"]),
        "reading": packer.pack("reading", state["reading_"]),
        "grid": asdict(state["grid_"]),
        "params": {name: params[name] for name in PARAMS},
        "group_by": list(params["group_by"]),
        "events": asdict(params["events"] or EventRules()),
        "features": packer.pack("features", state["features_"]),
        "detector": packer.pack("detector", state["detector_"]),
        "threshold": _pack_threshold(packer, "threshold", (params["threshold"] or Conformal()).unfitted()),
        "boundaries": {
            group: _pack_boundaries(packer, f"boundaries.{i}", boundaries)
            for i, (group, boundaries) in enumerate(state["boundaries_"].items())
        },
        "evidence": _pack_evidence(packer, state["evidence_"]),
        "normal": {
            part: {name: packer.value(f"normal.{part}.{name}", each) for name, each in arrays.items()}
            for part, arrays in state["normal_"].state.items()
        },
    }
    return Bundle(document, packer.arrays, packer.blobs)


def from_bundle(content: Bundle, own: Sequence[type[Detector]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the fitted state of the pipeline in a bundle; ``own`` are detector classes of the user.

    Raises
    ------
    BundleError
        If the bundle needs a class that is not known, or makes no sense.
    MissingExtraError
        If what runs its encoder is not installed.
    """
    try:
        return _from_bundle(content, own)
    except (BundleError, MissingExtraError):
        raise
    except (
        ArithmeticError, AttributeError, LookupError, MemoryError, OffkeyError, RecursionError, TypeError, ValueError
    ) as error:  # fmt: skip
        raise BundleError(f"The file is damaged or was not written by offkey ({error!r}). Use a fresh copy.") from error


def _from_bundle(content: Bundle, own: Sequence[type[Detector]]) -> tuple[dict[str, Any], dict[str, Any]]:
    document = content.document
    if "features" not in document:
        raise BundleError("The file holds no pipeline. A drift reference is loaded with offkey.drift.load.")
    known = _types(detectors, Detector) | {kind.__name__: kind for kind in own}
    front_ends = _types(features, Feature)
    unpacker = Unpacker(content.arrays, content.blobs, known | front_ends)
    feature = unpacker.unpack(document["features"], front_ends)
    detector = unpacker.unpack(document["detector"], known)
    boundaries = {str(group): _unpack_boundaries(unpacker, each) for group, each in document["boundaries"].items()}
    parse_pooling(document["params"]["pooling"])
    reading = unpacker.unpack(document["reading"], {"Reading": Reading})
    params = {name: document["params"][name] for name in PARAMS} | {
        "detector": detector.unfitted(),
        "features": feature.unfitted(),
        "threshold": unpacker.unpack(document["threshold"], _types(decisions, Threshold)),
        "events": EventRules(**document["events"]),
        "group_by": tuple(str(column) for column in document["group_by"]),
        "reading": reading,
    }
    state = {
        "features_": feature,
        "detector_": detector,
        "grid_": WindowGrid(**document["grid"]),
        "channels_": tuple(str(name) for name in document["channels"]),
        "units_": tuple(str(unit) for unit in document["units"]),
        "reading_": reading,
        "training_": [
            TrainingScore(str(source), float(score), bool(out), str(digest))
            for source, score, out, digest in document["training"]
        ],
        "failures_": [Failure(*entry) for entry in document["failures"]],
        "notes_": list(document["notes"]),
        "fit_notes_": list(document["fit_notes"]),
        "provenance_": dict(document["provenance"]),
        "boundaries_": boundaries,
        "evidence_": _unpack_evidence(unpacker, document["evidence"]),
        "normal_": NormalSound.from_state(
            {
                part: {name: unpacker.value(each) for name, each in arrays.items()}
                for part, arrays in document["normal"].items()
            }
        ),
    }
    _try(state)
    return params, state


def _try(state: Mapping[str, Any]) -> None:
    """Score one silent window, and decide: what does not fit together fails here, not at the first recording.

    Raises
    ------
    BundleError
        If a number is out of its range.
    """
    grid, feature = state["grid_"], state["features_"]
    n_channels, rate = len(state["channels_"]), feature.fitted_state["rate_"]
    if not 0 < rate < math.inf or len(state["units_"]) != n_channels:
        raise BundleError("The bundle holds numbers that make no sense. Use a fresh copy.")
    state["reading_"].check()
    counts = [grid.n_frames, grid.hop, n_channels, feature.hop_samples, feature.frame_samples]
    calibrations = [getattr(each, name) for each in state["boundaries_"].values() for name in CALIBRATIONS]
    counts += [each.unit_windows for each in calibrations] + [len(each.scores) for each in state["evidence_"]]
    thresholds = [each.threshold.threshold_ for each in calibrations]
    n_samples = feature.n_samples(grid.n_frames)
    if min(counts) < 1 or n_samples * n_channels > LARGEST_WINDOW or not all(map(math.isfinite, thresholds)):
        raise BundleError("The bundle holds numbers that make no sense. Use a fresh copy.")
    frames = feature.transform(np.zeros((n_channels, n_samples + 2 * feature.padding), np.float32))
    scores = state["detector_"].anomaly_score(frames[None])
    for each in calibrations:
        each.is_anomaly(scores), each.p_value(scores)
    state["normal_"].check(feature, n_channels)
    if POOLED not in state["boundaries_"]:
        raise BundleError("The bundle holds no boundaries of all recordings together. Use a fresh copy.")


def _types(room: Any, base: type[Parameterized]) -> dict[str, type[Parameterized]]:
    named = {name: getattr(room, name) for name in room.__all__}
    return {name: thing for name, thing in named.items() if isinstance(thing, type) and issubclass(thing, base)}


def _pack_threshold(packer: Packer, name: str, threshold: Threshold) -> dict[str, Any]:
    kind = type(threshold)
    if _types(decisions, Threshold).get(kind.__name__) is not kind:
        raise BundleError(f"A bundle cannot hold the threshold {kind.__name__}. Use one of offkey.decisions, or Fixed.")
    return packer.pack(name, threshold)


def _pack_calibration(packer: Packer, name: str, calibration: Calibration) -> dict[str, Any]:
    return {
        "threshold": _pack_threshold(packer, f"{name}.threshold", calibration.threshold),
        "reference": packer.value(f"{name}.reference", calibration.reference),
        "unit_windows": calibration.unit_windows,
    }


def _unpack_calibration(unpacker: Unpacker, packed: dict[str, Any]) -> Calibration:
    return Calibration(
        unpacker.value(packed["reference"]),
        unpacker.unpack(packed["threshold"], _types(decisions, Threshold)),
        int(packed["unit_windows"]),
    )


def _pack_boundaries(packer: Packer, name: str, boundaries: Boundaries) -> dict[str, Any]:
    return {
        **{each: _pack_calibration(packer, f"{name}.{each}", getattr(boundaries, each)) for each in CALIBRATIONS},
        "peaks": packer.value(f"{name}.peaks", boundaries.peaks),
        "pooling": boundaries.pooling,
        "rules": asdict(boundaries.rules),
        "median": boundaries.median,
        "is_chosen": boundaries.is_chosen,
        "budget": asdict(boundaries.budget) if boundaries.budget else None,
    }


def _unpack_boundaries(unpacker: Unpacker, packed: dict[str, Any]) -> Boundaries:
    parse_pooling(packed["pooling"])
    budget = BudgetFit(**packed["budget"]) if packed["budget"] else None
    calibrations = {name: _unpack_calibration(unpacker, packed[name]) for name in CALIBRATIONS}
    return Boundaries(
        **calibrations,
        peaks=np.asarray(unpacker.value(packed["peaks"]), np.float64),
        pooling=packed["pooling"],
        rules=EventRules(**packed["rules"]),
        median=float(packed["median"]),
        budget=budget,
        is_chosen=bool(packed["is_chosen"]),
    )


def _pack_evidence(packer: Packer, evidence: Sequence[Evidence]) -> dict[str, Any]:
    return {
        "recordings": [[each.source, len(each.scores), each.group, each.digest, each.origin] for each in evidence],
        "scores": packer.value("evidence.scores", np.concatenate([each.scores for each in evidence])),
    }


def _unpack_evidence(unpacker: Unpacker, packed: dict[str, Any]) -> list[Evidence]:
    scores, start, evidence = unpacker.value(packed["scores"]), 0, []
    for source, n_windows, group, digest, origin in packed["recordings"]:
        evidence.append(Evidence(source, scores[start : start + n_windows], group, digest, origin))
        start += n_windows
    if start != len(scores) or not np.isfinite(scores).all():
        raise BundleError("The bundle's calibration scores make no sense. Use a fresh copy.")
    return evidence

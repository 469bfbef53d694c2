"""A fitted pipeline to and from a bundle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from typing import Any

import numpy as np

from offkey import decisions, detectors, features
from offkey.bundle import Bundle
from offkey.decisions import Calibration, Threshold
from offkey.detectors import Detector
from offkey.errors import BundleError, OffkeyError
from offkey.features import Feature
from offkey.parameters import Parameterized
from offkey.pipeline.decision import TrainingScore
from offkey.pipeline.sources import Failure
from offkey.pipeline.state import Packer, Unpacker
from offkey.windows import WindowGrid, parse_pooling

__all__ = ["from_bundle", "to_bundle"]

PARAMS = ("rate", "window_s", "hop_s", "pooling", "seed")
CALIBRATIONS = ("clip_calibration", "window_calibration")
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
        "training": [astuple(entry) for entry in state["training_"]],
        "failures": [astuple(failure) for failure in state["failures_"]],
        "n_channels": state["n_channels_"],
        "grid": asdict(state["grid_"]),
        "params": {name: params[name] for name in PARAMS},
        "features": packer.pack("features", state["features_"]),
        "detector": packer.pack("detector", state["detector_"]),
        **{name: _pack_calibration(packer, name, state[f"{name}_"]) for name in CALIBRATIONS},
    }
    return Bundle(document, packer.arrays, packer.blobs)


def from_bundle(content: Bundle, own: Sequence[type[Detector]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the fitted state of the pipeline in a bundle; ``own`` are detector classes of the user.

    Raises
    ------
    BundleError
        If the bundle needs a class that is not known, or makes no sense.
    """
    try:
        return _from_bundle(content, own)
    except BundleError:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, OffkeyError, TypeError, ValueError) as error:
        raise BundleError(f"The file is damaged or was not written by offkey ({error!r}). Use a fresh copy.") from error


def _from_bundle(content: Bundle, own: Sequence[type[Detector]]) -> tuple[dict[str, Any], dict[str, Any]]:
    document, unpacker = content.document, Unpacker(content.arrays, content.blobs)
    known = _types(detectors, Detector) | {kind.__name__: kind for kind in own}
    feature = unpacker.unpack(document["features"], _types(features, Feature))
    detector = unpacker.unpack(document["detector"], known)
    calibrations = {f"{name}_": _unpack_calibration(unpacker, document[name]) for name in CALIBRATIONS}
    parse_pooling(document["params"]["pooling"])
    params = {name: document["params"][name] for name in PARAMS} | {
        "detector": detector.unfitted(),
        "features": feature.unfitted(),
        "threshold": calibrations["clip_calibration_"].threshold.unfitted(),
    }
    state = {
        "features_": feature,
        "detector_": detector,
        "grid_": WindowGrid(**document["grid"]),
        "n_channels_": int(document["n_channels"]),
        "training_": [TrainingScore(*entry) for entry in document["training"]],
        "failures_": [Failure(*entry) for entry in document["failures"]],
        "notes_": list(document["notes"]),
        "provenance_": dict(document["provenance"]),
        **calibrations,
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
    counts = (grid.n_frames, grid.hop, state["n_channels_"], feature.hop_length, feature.n_fft, feature.rate_)
    counts += tuple(state[f"{name}_"].unit_windows for name in CALIBRATIONS)
    thresholds = [state[f"{name}_"].threshold.threshold_ for name in CALIBRATIONS]
    n_samples = feature.n_samples(grid.n_frames)
    if min(counts) < 1 or n_samples * state["n_channels_"] > LARGEST_WINDOW or not all(map(math.isfinite, thresholds)):
        raise BundleError("The bundle holds numbers that make no sense. Use a fresh copy.")
    frames = feature.transform(np.zeros((state["n_channels_"], n_samples + 2 * feature.padding), np.float32))
    scores = state["detector_"].anomaly_score(frames[None])
    for name in CALIBRATIONS:
        state[f"{name}_"].is_anomaly(scores), state[f"{name}_"].p_value(scores)


def _types(room: Any, base: type[Parameterized]) -> dict[str, type[Parameterized]]:
    named = {name: getattr(room, name) for name in room.__all__}
    return {name: thing for name, thing in named.items() if isinstance(thing, type) and issubclass(thing, base)}


def _pack_calibration(packer: Packer, name: str, calibration: Calibration) -> dict[str, Any]:
    return {
        "threshold": packer.pack(f"{name}.threshold", calibration.threshold),
        "reference": packer.value(f"{name}.reference", calibration.reference),
        "unit_windows": calibration.unit_windows,
    }


def _unpack_calibration(unpacker: Unpacker, packed: dict[str, Any]) -> Calibration:
    return Calibration(
        unpacker.value(packed["reference"]),
        unpacker.unpack(packed["threshold"], _types(decisions, Threshold)),
        int(packed["unit_windows"]),
    )

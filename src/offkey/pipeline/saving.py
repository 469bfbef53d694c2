"""A fitted pipeline to and from a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from typing import Any

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

CALIBRATIONS = ("clip_calibration", "window_calibration")


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
        "params": {name: params[name] for name in ("rate", "window_s", "hop_s", "pooling", "seed")},
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
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, OffkeyError) as error:
        raise BundleError(f"The file is damaged or was not written by offkey ({error!r}). Use a fresh copy.") from error


def _from_bundle(content: Bundle, own: Sequence[type[Detector]]) -> tuple[dict[str, Any], dict[str, Any]]:
    document, unpacker = content.document, Unpacker(content.arrays, content.blobs)
    known = _types(detectors, Detector) | {kind.__name__: kind for kind in own}
    feature = unpacker.unpack(document["features"], _types(features, Feature))
    detector = unpacker.unpack(document["detector"], known)
    calibrations = {f"{name}_": _unpack_calibration(unpacker, document[name]) for name in CALIBRATIONS}
    parse_pooling(document["params"]["pooling"])
    params = document["params"] | {
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
    return params, state


def _types(room: Any, base: type[Parameterized]) -> dict[str, type[Parameterized]]:
    named = {name: getattr(room, name) for name in room.__all__}
    return {name: thing for name, thing in named.items() if isinstance(thing, type) and issubclass(thing, base)}


def _pack_calibration(packer: Packer, name: str, calibration: Calibration) -> dict[str, Any]:
    return {
        "threshold": packer.pack(f"{name}.threshold", calibration.threshold),
        "reference": packer.value(f"{name}.reference", calibration.reference),
        "unit_windows": calibration.unit_windows,
        "n_recordings": calibration.n_recordings,
    }


def _unpack_calibration(unpacker: Unpacker, packed: dict[str, Any]) -> Calibration:
    return Calibration(
        unpacker.value(packed["reference"]),
        unpacker.unpack(packed["threshold"], _types(decisions, Threshold)),
        int(packed["unit_windows"]),
        int(packed["n_recordings"]),
    )

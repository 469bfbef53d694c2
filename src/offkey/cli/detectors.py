"""Detectors, recipes and pipelines by what they are called on the command line."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offkey.cli.calls import kebab
from offkey.errors import InputError

if TYPE_CHECKING:
    from offkey.detectors import Detector
    from offkey.pipeline import Pipeline

__all__ = [
    "DETECTOR_HELP",
    "RECIPE_HELP",
    "columns_asked",
    "known_detectors",
    "load_pipeline",
    "make_detector",
    "make_pipeline",
    "parse_settings",
]

DETECTOR_HELP = (
    "auto (if not given), gaussian, nearest-neighbors, autoencoder, ... (docs/detectors.md), an estimator such as "
    "sklearn.svm.OneClassSVM or pyod.models.knn.KNN, or my_file.py:MyDetector."
)
RECIPE_HELP = (
    "A published pipeline in place of a detector: dcase2020-autoencoder, dcase2021-autoencoder, "
    "dcase2021-mobilenet-v2, dcase2023-mse, dcase2023-selective or dcase2023-mahalanobis. Other options change it."
)


def known_detectors() -> dict[str, type[Detector]]:
    """Return offkey's detector classes by their names on the command line."""
    from offkey import detectors

    known = {kebab(each): getattr(detectors, each) for each in detectors.__all__ if each != "Detector"}
    return {"auto" if name == "ensemble" else name: kind for name, kind in known.items()}


def make_detector(name: str, settings: Mapping[str, Any], seed: int = 0) -> Detector:
    """Make a detector by name, from ``my_file.py:MyDetector``, or of an estimator such as ``sklearn.svm.OneClassSVM``.

    Parameters
    ----------
    name : str
        As above.
    settings : mapping of str to object
        Its parameters, or the estimator's.
    seed : int
        Its seed, if it has one and the settings do not name it.

    Raises
    ------
    InputError
        If the detector or a parameter is unknown, or a parameter that it needs is not given.
    """
    from offkey.pipeline.estimators import LIBRARIES

    package, dot, _ = name.partition(".")
    if package in LIBRARIES and dot and ":" not in name:
        from offkey.detectors import Adapter

        return Adapter(_made(name, _estimator_class(name), settings), seed=seed)
    kind = _detector_in_file(name) if ":" in name else known_detectors().get(name.lower())
    if kind is None:
        known = ", ".join(sorted(known_detectors()))
        raise InputError(f"The detector {name!r} was asked for. There are: {known}, or my_file.py:MyDetector.")
    its_own = inspect.signature(kind).parameters
    detector: Detector = _made(name, kind, {key: value for key, value in settings.items() if key in its_own})
    for key, value in settings.items():
        if isinstance(value, str) and key in its_own and isinstance(its_own[key].default, int | float):
            what = "whole number" if isinstance(its_own[key].default, int) else "number"
            raise InputError(f"The setting {key}={value} was given. It must be a {what}, such as {key}=2.")
    if "seed" in its_own and "seed" not in settings:
        detector.set_params(seed=seed)
    return detector.set_params(**settings)


def make_pipeline(detector: str | None, recipe: str | None, settings: list[str], given: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline of a detector, or of a recipe, with other parameters as ``given``.

    Raises
    ------
    InputError
        If both are named, or one of them is not known.
    """
    from offkey.pipeline import Pipeline
    from offkey.recipes import recipe as named

    if recipe is None:
        chosen = make_detector(detector or "auto", parse_settings(settings), given.get("seed", 0))
        return Pipeline(chosen, **given)
    if detector is not None:
        raise InputError("A detector and a recipe were given. A recipe has a detector of its own; give one of both.")
    return named(recipe, **{**given, **parse_settings(settings)})


def columns_asked(pipeline: Pipeline) -> list[str]:
    """Return the columns of the recordings table that a pipeline makes use of."""
    from offkey.detectors import Detector

    params = pipeline.detector.get_params() if isinstance(pipeline.detector, Detector) else {}
    asked = [params[name] for name in ("column", "domain_column") if params.get(name)]
    return [*pipeline.group_by, *asked, *(params.get("class_columns") or ())]


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """Read parameters that are given as ``name=value``.

    Raises
    ------
    InputError
        If one is not written so.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"The setting {setting!r} was given. Write it as epochs=20.")
        try:
            values[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            values[key] = value
    return values


def load_pipeline(model: Path, detector: str | None) -> Pipeline:
    """Load a bundle, with the user's own detector class if one is named."""
    from offkey.pipeline import load

    return load(model, detectors=[_detector_in_file(detector)] if detector else ())


def _made(name: str, kind: Any, settings: Mapping[str, Any]) -> Any:
    try:
        return kind(**settings)
    except TypeError as error:
        raise InputError(f"The detector {name!r} cannot be made so ({error}). Look up its parameters.") from error


def _estimator_class(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), kind, None)
    except ImportError as error:
        raise InputError(
            f"The estimator {name!r} cannot be imported ({error}). Check its name, or install it."
        ) from error
    if not isinstance(found, type):
        raise InputError(f"The estimator {name!r} was asked for; {module} has no class {kind}. Check its name.")
    return found


def _detector_in_file(name: str) -> type[Detector]:
    from offkey.detectors import Detector

    path, _, class_name = name.rpartition(":")
    if not os.path.isfile(path):
        raise InputError(f"The file {path} of the detector {name!r} does not exist. Write my_file.py:MyDetector.")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file. Write my_file.py:MyDetector.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kind = getattr(module, class_name, None)
    if not (isinstance(kind, type) and issubclass(kind, Detector)):
        raise InputError(f"{path} has no Detector class named {class_name!r}. Write my_file.py:MyDetector.")
    return kind

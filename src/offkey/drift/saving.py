"""A fitted reference to and from one file, in the form of a bundle: no pickle, and nothing in it is executed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from offkey import bundle, detectors
from offkey.detectors import Detector
from offkey.drift.encoding import Encoding
from offkey.drift.scores import RowScores
from offkey.drift.stream import N_BINS
from offkey.drift.table import Table
from offkey.drift.values import MISSING, Column
from offkey.errors import BundleError, OffkeyError
from offkey.parameters import Parameterized
from offkey.pipeline.state import Packer, Unpacker
from offkey.version import __version__

if TYPE_CHECKING:
    from offkey.drift.reference import Reference

__all__ = ["load", "save"]

KIND = "drift reference"
NEW = "\0"
"""A category that no table has."""


def save(reference: Reference, path: str | os.PathLike[str]) -> None:
    """Write a fitted reference to a file.

    Raises
    ------
    BundleError
        If it cannot be written, or the detector cannot be kept.
    """
    packer, state = Packer(), reference.fitted_state
    scores: RowScores = state["scores_"]
    document = {
        "kind": KIND,
        "offkey": __version__,
        "params": {
            "detector": None if reference.detector is None else packer.pack("params", reference.detector.unfitted()),
            "categorical": list(map(str, reference.categorical)),
            "drop": list(map(str, reference.drop)),
            "group": None if reference.group is None else str(reference.group),
            "seed": reference.seed,
        },
        "columns": [[column.name, column.levels] for column in state["sample_"].columns],
        "n_rows": state["n_rows_"],
        "n_units": state["n_units_"],
        "detector": packer.pack("detector", scores.detector),
        "known": scores.encoding.known,
        "levels": scores.encoding.levels,
        "frequencies": scores.frequencies,
    }
    arrays = {
        **{f"sample.{i}": column.values for i, column in enumerate(state["sample_"].columns)},
        "calibration": state["calibration_"],
        "counts": state["counts_"],
        "edges": scores.edges,
        "centers": scores.encoding.centers,
        "scales": scores.encoding.scales,
        "has_missing": scores.encoding.has_missing,
    }
    bundle.write(bundle.Bundle(document, packer.arrays | arrays, packer.blobs), path)


def load(path: str | os.PathLike[str], detectors: Sequence[type[Detector]] = ()) -> Reference:
    """Load a reference that `Reference.save` or ``offkey drift fit`` wrote.

    Parameters
    ----------
    path : path
        The file.
    detectors : sequence of type
        Your own detector classes, where it needs one.

    Raises
    ------
    BundleError
        If the file is missing, damaged, something else, or of a newer format.
    """
    content = bundle.read(path)
    if content.document.get("kind") != KIND:
        raise BundleError(
            f"{path}: is a bundle, but holds no drift reference. Give what offkey drift fit wrote; "
            "a pipeline is loaded by offkey.load."
        )
    try:
        return _unpacked(content, detectors)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    except (
        ArithmeticError, AttributeError, LookupError, MemoryError, OffkeyError, RecursionError, TypeError, ValueError
    ) as error:  # fmt: skip
        raise BundleError(f"{path}: is damaged or was not written by offkey ({error!r}). Use a fresh copy.") from error


def _unpacked(content: bundle.Bundle, own: Sequence[type[Detector]]) -> Reference:
    from offkey.drift.reference import Reference

    document, arrays = content.document, content.arrays
    known: dict[str, type[Parameterized]] = {
        name: kind for name in detectors.__all__ if issubclass(kind := getattr(detectors, name), Detector)
    } | {kind.__name__: kind for kind in own}
    unpacker = Unpacker(arrays, content.blobs, known)
    params = document["params"]
    asked = None if params["detector"] is None else unpacker.unpack(params["detector"], known)
    reference = Reference(
        asked,
        tuple(map(str, params["categorical"])),
        tuple(map(str, params["drop"])),
        None if params["group"] is None else str(params["group"]),
        int(params["seed"]),
    )
    columns = tuple(
        _column(str(name), levels, arrays[f"sample.{i}"]) for i, (name, levels) in enumerate(document["columns"])
    )
    sample = Table(columns, len(columns[0].values))
    encoding = Encoding(
        np.asarray(arrays["centers"], np.float64),
        np.asarray(arrays["scales"], np.float64),
        tuple(tuple(map(str, each)) for each in document["levels"]),
        tuple(tuple(map(str, each)) for each in document["known"]),
        np.asarray(arrays["has_missing"], np.bool_),
    )
    scores = RowScores(
        unpacker.unpack(document["detector"], known),
        encoding,
        tuple(tuple(map(float, each)) for each in document["frequencies"]),
        np.asarray(arrays["edges"], np.float64),
        *RowScores.named(sample),
    )
    state = {
        "scores_": scores,
        "calibration_": np.asarray(arrays["calibration"], np.float64),
        "counts_": np.asarray(arrays["counts"], np.int64),
        "sample_": sample,
        "n_rows_": int(document["n_rows"]),
        "n_units_": int(document["n_units"]),
    }
    _try(state)
    return reference.restore(state)


def _column(name: str, levels: Any, values: Any) -> Column:
    """Return a column of the sample.

    Raises
    ------
    BundleError
        If it makes no sense.
    """
    if levels is None:
        column = Column(name, np.asarray(values, np.float64))
    else:
        column = Column(name, np.asarray(values, np.int64), tuple(map(str, levels)))
    is_sound = values.ndim == 1 and len(values) > 0 and values.dtype.kind in "iuf"
    if is_sound and levels is not None:
        is_sound = values.min() >= -1 and values.max() < len(levels) and len(set(map(str, levels))) == len(levels)
    if not is_sound or (levels is None and np.isinf(column.values).any()):
        raise BundleError(f"The column {name!r} makes no sense. Use a fresh copy.")
    return column


def _try(state: dict[str, Any]) -> None:
    """Score and rank a few rows: what does not fit together fails here, not at the first batch.

    Raises
    ------
    BundleError
        If an array has another shape or holds numbers that make no sense.
    """
    scores, counts, calibration, sample = (state[name] for name in ("scores_", "counts_", "calibration_", "sample_"))
    n = len(sample.columns)
    encoding = scores.encoding
    numbers = (calibration, scores.edges, encoding.centers, encoding.scales, *map(np.array, scores.frequencies))
    is_sound = (
        counts.shape == (n + 1, N_BINS)
        and scores.edges.shape == (n + 1, N_BINS - 1)
        and all(np.isfinite(each).all() for each in numbers)
        and calibration.ndim == 1 and len(calibration) > 0
        and (np.diff(calibration) >= 0).all() and (np.diff(scores.edges) >= 0).all()
        and (encoding.scales > 0).all()
        and counts.min() >= 0 and (counts.sum(axis=1) == len(calibration)).all()
        and len({len(column.values) for column in sample.columns}) == 1
        and len(set(sample.names)) == n
        and state["n_rows_"] >= state["n_units_"] >= max(sample.n_rows, len(calibration))
    )  # fmt: skip
    if not is_sound or not all(_fits(*each) for each in _by_column(sample, scores)):
        raise BundleError("It holds numbers that make no sense. Use a fresh copy.")
    some = sample.take(np.arange(min(3, sample.n_rows)))
    for table in (some, *_odd(some)):
        if not np.isfinite(scores.strangeness(table)).all():
            raise BundleError("Its detector gives scores that make no sense. Use a fresh copy.")
        scores.bins(table)


def _by_column(sample: Table, scores: RowScores) -> Iterator[tuple[Any, ...]]:
    """Give each column with its part of the encoding; an error where there are more or fewer.

    Raises
    ------
    ValueError
        If so.
    """
    encoding = scores.encoding
    parts = (
        encoding.centers,
        encoding.scales,
        encoding.has_missing,
        encoding.levels,
        encoding.known,
        scores.frequencies,
    )
    return zip(sample.columns, *parts, strict=True)


def _fits(column: Column, center: Any, scale: Any, has_missing: Any, levels: Any, known: Any, frequencies: Any) -> bool:
    """Say whether the encoding of a column can be one of it."""
    is_plain = not np.shape(center) and not np.shape(scale) and not np.shape(has_missing)
    is_alike = set(levels) <= set(known) and len(set(known)) == len(known) == len(frequencies)
    return is_plain and is_alike and len(set(levels)) == len(levels) and not (column.levels is None and known)


def _odd(some: Table) -> Iterator[Table]:
    """Give tables that hold what rows of the sample may not: missing values only, and categories that are new."""
    n = np.zeros(some.n_rows, np.int64)
    for code in (MISSING, 0):
        yield Table(
            tuple(
                Column(column.name, n + np.nan if code == MISSING else column.values)
                if column.levels is None
                else Column(column.name, n + code, (NEW,))
                for column in some.columns
            ),
            some.n_rows,
        )

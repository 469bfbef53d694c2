"""The threshold's contract: fitted on scores, it says yes or no."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError, ShapeError
from offkey.parameters import Parameterized

__all__ = ["LabelledThreshold", "NormalThreshold", "Threshold", "checked_fraction", "checked_scores"]


class Threshold(Parameterized, ABC):
    """A decision boundary: a score above ``threshold_`` is an anomaly.

    Attributes
    ----------
    threshold_ : float
        The boundary, in the unit of the scores; finite.
    supported_rate_ : float
        The false-alarm rate that the calibration scores support: the one asked for, or the finest they can show; NaN
        where nothing is promised.
    """

    @final
    def fit(self, scores: ArrayLike, labels: ArrayLike | None = None) -> Self:
        """Set the boundary from calibration scores.

        Parameters
        ----------
        scores : array, shape (n,)
            Scores of recordings that the detector was not trained on, one for each recording.
        labels : array, shape (n,), optional
            0 for normal, 1 for anomaly; without them all scores are taken as normal. Thresholds for normal sound use
            the scores with label 0 only; the others need both kinds.

        Raises
        ------
        ShapeError
            If there are no scores, or scores and labels are not two arrays of the same length and one axis.
        InputError
            If scores are not finite, a label is neither 0 nor 1, or a needed kind is missing.
        """
        normal, anomalous = checked_scores(scores, labels)
        with np.errstate(all="ignore"):
            boundary, supported_rate = self._fit(np.sort(normal), np.sort(anomalous))
        if not math.isfinite(boundary):
            raise InputError(f"{type(self).__name__} finds no boundary for these scores. Use another threshold.")
        self.threshold_, self.supported_rate_ = float(boundary), float(supported_rate)
        return self

    @abstractmethod
    def _fit(self, normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> tuple[float, float]:
        """Return boundary and supported rate for sorted, finite scores (n,) and (m,); either may be empty."""

    @final
    def is_anomaly(self, scores: ArrayLike) -> Any:
        """Say whether scores lie above the boundary: a bool, or an array of them."""
        self._require_fitted()
        above = np.asarray(scores) > self.threshold_
        return above if above.ndim else bool(above)


class NormalThreshold(Threshold):
    """A threshold that normal sound alone sets."""

    @final
    def _fit(self, normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> tuple[float, float]:
        if len(normal) == 0:
            raise InputError(
                f"Labels of anomalies only were given, and {type(self).__name__} needs normal sound. "
                "Add recordings with label 0."
            )
        return self._boundary(normal), self._supported_rate(len(normal))

    @abstractmethod
    def _boundary(self, scores: NDArray[np.float64]) -> float:
        """Return the boundary for sorted, finite scores (n,) of normal sound; at least one."""

    @abstractmethod
    def _supported_rate(self, n: int) -> float:
        """Return the false-alarm rate that n scores support."""


class LabelledThreshold(Threshold):
    """A threshold that a labelled set with both kinds sets. It promises no false-alarm rate."""

    @final
    def _fit(self, normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> tuple[float, float]:
        if len(normal) == 0 or len(anomalous) == 0:
            raise InputError(
                f"Labels of one class only were given, and {type(self).__name__} needs normal sound (0) and "
                "anomalies (1). Add the other class, or use a threshold for normal sound, such as Conformal."
            )
        return self._boundary(normal, anomalous), math.nan

    @abstractmethod
    def _boundary(self, normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> float:
        """Return the boundary for sorted, finite scores (n,) of normal sound and (m,) of anomalies."""


def checked_scores(scores: ArrayLike, labels: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores of normal sound (n,) and of anomalies (m,); without labels all are normal.

    Raises
    ------
    ShapeError
        If there are no scores, or scores and labels are not two arrays of the same length and one axis.
    InputError
        If scores are not finite, or a label is neither 0 nor 1.
    """
    array = np.asarray(scores, np.float64)
    if array.ndim != 1 or len(array) == 0:
        raise ShapeError(f"Scores of shape {array.shape} were given. Give (n,), at least one.")
    if not np.isfinite(array).all():
        raise InputError("Scores that are not finite were given. Leave those recordings out.")
    if labels is None:
        return array, array[:0]
    try:
        kinds = np.asarray(labels, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Labels that are no numbers were given ({error}). Give 0 for normal, 1 for anomaly."
        ) from error
    if kinds.shape != array.shape:
        raise ShapeError(f"Labels of shape {kinds.shape} were given for scores of shape {array.shape}. Give one each.")
    if not np.isin(kinds, (0, 1)).all():
        raise InputError("Labels other than 0 (normal) and 1 (anomaly) were given. Leave those recordings out.")
    return array[kinds == 0], array[kinds == 1]


def checked_fraction(value: float, what: str) -> float:
    """Return a number that lies between 0 and 1, both excluded.

    Raises
    ------
    InputError
        If it does not; ``what`` names it, such as "A false-alarm rate".
    """
    if not 0 < value < 1:
        raise InputError(f"{what} of {value} was given. It must lie between 0 and 1, such as 0.01 for 1 %.")
    return value

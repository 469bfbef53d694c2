"""What every boundary would have done on a labelled set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.decisions.base import checked_scores
from offkey.errors import InputError

__all__ = ["DecisionCurve", "decision_curve"]


@final
@dataclass(frozen=True)
class DecisionCurve:
    """One entry for each boundary, from the lowest (everything is called an anomaly) to the highest (nothing is).

    Attributes
    ----------
    threshold : array, shape (n_boundaries,)
        Below the smallest score, midway between neighbouring distinct ones, and the largest; ascending and finite.
    precision : array, shape (n_boundaries,)
        Fraction of the alarms that are anomalies; 1 where there are no alarms.
    recall : array, shape (n_boundaries,)
        Fraction of the anomalies that are called so.
    false_alarm_rate : array, shape (n_boundaries,)
        Fraction of normal recordings that are called anomalies.
    """

    threshold: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    false_alarm_rate: NDArray[np.float64]


def decision_curve(scores: ArrayLike, labels: ArrayLike) -> DecisionCurve:
    """Return precision, recall and false-alarm rate at every boundary that decides differently.

    Parameters
    ----------
    scores : array, shape (n,)
        Higher is stranger.
    labels : array, shape (n,)
        0 for normal, 1 for anomaly; both kinds.

    Raises
    ------
    ShapeError
        If scores and labels are not two arrays of the same length and one axis.
    InputError
        If scores are not finite, a label is neither 0 nor 1, or a kind is missing.

    Examples
    --------
    >>> curve = decision_curve([1, 2, 2, 4], labels=[0, 0, 1, 1])
    >>> curve.threshold[1:].tolist()
    [1.5, 3.0, 4.0]
    >>> curve.recall.tolist()
    [1.0, 1.0, 0.5, 0.0]
    >>> curve.false_alarm_rate.tolist()
    [1.0, 0.5, 0.0, 0.0]
    """
    normal, anomalous = (np.sort(each) for each in checked_scores(scores, labels))
    if len(normal) == 0 or len(anomalous) == 0:
        raise InputError("Labels of one class only were given. Give normal sound (0) and anomalies (1).")
    values = np.union1d(normal, anomalous)
    false_alarms = len(normal) - np.append(0, np.searchsorted(normal, values, side="right"))
    hits = len(anomalous) - np.append(0, np.searchsorted(anomalous, values, side="right"))
    alarms = false_alarms + hits
    return DecisionCurve(
        _boundaries(values),
        np.where(alarms > 0, hits / np.maximum(alarms, 1), 1.0),
        hits / len(anomalous),
        false_alarms / len(normal),
    )


def _boundaries(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where distinct, ascending values (n,) can be cut (n + 1,)."""
    lower, upper = values[:-1], values[1:]
    middle = lower / 2 + upper / 2
    middle = np.where((lower <= middle) & (middle < upper), middle, lower)  # neighbouring floats have no middle
    return np.concatenate([[np.nextafter(values[0], -np.inf)], middle, values[-1:]])

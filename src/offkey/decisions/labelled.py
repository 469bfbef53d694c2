"""Boundaries from a labelled set: normal sound and anomalies."""

from __future__ import annotations

import math
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.decisions.base import LabelledThreshold, checked_fraction
from offkey.decisions.curve import DecisionCurve, decision_curve  # a pure function
from offkey.errors import InputError

__all__ = ["FBeta", "FixedRecall", "MinimumCost"]


@final
class FBeta(LabelledThreshold):
    """The boundary of the best F-beta on the labelled set: (1 + beta²) P R / (beta² P + R), precision P and recall R.

    Guarantees nothing on new recordings, and is optimistic on few. It assumes that anomalies are as frequent, and of
    the same kinds, in the field as in the set: precision depends on it. Of equally good boundaries the highest is
    taken, midway between its neighbouring scores.

    van Rijsbergen 1979, "Information retrieval", ch. 7; Lipton et al. 2014, "Optimal thresholding of classifiers to
    maximize F1 measure" (arXiv 1402.1892).

    Parameters
    ----------
    beta : float
        How many times as much recall counts as precision.

    Examples
    --------
    >>> FBeta().fit([1, 2, 3, 10], labels=[0, 0, 1, 1]).threshold_
    2.5
    """

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta

    def _boundary(self, normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> float:
        weight = _positive(self.beta, "A beta") ** 2
        curve = _curve(normal, anomalous)
        above = (1 + weight) * curve.precision * curve.recall
        below = weight * curve.precision + curve.recall
        return _best(curve, above / np.where(below > 0, below, 1))  # no anomaly found: 0


@final
class FixedRecall(LabelledThreshold):
    """Conformal on the anomalies: new ones are found with at least ``recall`` on average over labelled sets.

    Guarantees it if new anomalies are exchangeable with the labelled ones, whatever their distribution; kinds of
    faults that the set does not hold are outside of the promise, and false alarms come as they come. Of m anomalies the
    boundary lies just below the k-th smallest score, k = floor((m + 1) (1 - recall)); a recall above 1 - 1 / (m + 1)
    cannot be promised: then it lies just below the smallest, and ``supported_recall_`` says so.

    Papadopoulos et al. 2002; Bates et al. 2023 (arXiv 2104.08279), with anomalies in the place of normal sound.

    Parameters
    ----------
    recall : float
        Fraction of new anomalies that shall be found.

    Attributes
    ----------
    supported_recall_ : float
        The recall asked for, or the highest that m anomalies can promise.

    Examples
    --------
    >>> threshold = FixedRecall(recall=0.9).fit([0, 5, 6, 7, 8], labels=[0, 1, 1, 1, 1])
    >>> threshold.is_anomaly([4.9, 5]).tolist(), threshold.supported_recall_
    ([False, True], 0.8)
    """

    def __init__(self, recall: float = 0.95) -> None:
        self.recall = recall

    def _boundary(self, normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> float:
        missed = 1 - checked_fraction(self.recall, "A recall")
        rank = max(1, math.floor((len(anomalous) + 1) * missed + 1e-9))
        self.supported_recall_ = min(self.recall, 1 - 1 / (len(anomalous) + 1))
        return float(np.nextafter(anomalous[rank - 1], -np.inf))


@final
class MinimumCost(LabelledThreshold):
    """The boundary of the least mean cost: misses and false alarms, each at its price.

    Guarantees nothing on new recordings, and is optimistic on few. It assumes that the kinds of anomalies in the field
    are those of the set, as frequent as ``anomaly_fraction`` says. Of equally good boundaries the highest is taken,
    midway between its neighbouring scores.

    Elkan 2001, "The foundations of cost-sensitive learning".

    Parameters
    ----------
    miss_cost : float
        Cost of an anomaly that is not found, in any unit.
    false_alarm_cost : float
        Cost of a false alarm, in the same unit.
    anomaly_fraction : float, optional
        Fraction of recordings in the field that are anomalies; that of the labelled set if not given.

    Examples
    --------
    >>> scores, labels = [1, 2, 3, 4, 5, 6], [0, 0, 1, 0, 0, 1]
    >>> MinimumCost(miss_cost=50).fit(scores, labels).threshold_
    2.5
    >>> MinimumCost(miss_cost=50, anomaly_fraction=0.001).fit(scores, labels).threshold_
    5.5
    """

    def __init__(
        self, miss_cost: float = 50.0, false_alarm_cost: float = 1.0, anomaly_fraction: float | None = None
    ) -> None:
        self.miss_cost = miss_cost
        self.false_alarm_cost = false_alarm_cost
        self.anomaly_fraction = anomaly_fraction

    def _boundary(self, normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> float:
        fraction = len(anomalous) / (len(anomalous) + len(normal))
        if self.anomaly_fraction is not None:
            fraction = checked_fraction(self.anomaly_fraction, "An anomaly fraction")
        curve = _curve(normal, anomalous)
        misses = _positive(self.miss_cost, "A cost") * fraction * (1 - curve.recall)
        false_alarms = _positive(self.false_alarm_cost, "A cost") * (1 - fraction) * curve.false_alarm_rate
        return _best(curve, -(misses + false_alarms))


def _curve(normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> DecisionCurve:
    return decision_curve(np.append(normal, anomalous), np.arange(len(normal) + len(anomalous)) >= len(normal))


def _best(curve: DecisionCurve, gain: NDArray[np.float64]) -> float:
    """Return the highest boundary of the largest gain, up to rounding."""
    return float(curve.threshold[np.flatnonzero(gain >= gain.max() - 1e-12 * np.abs(gain).max())[-1]])


def _positive(value: float, what: str) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise InputError(f"{what} of {value} was given. It must lie above zero, such as 1.")
    return value

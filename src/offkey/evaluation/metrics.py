"""Pure functions from labels and scores to figures. Labels: 0 normal, 1 anomaly; scores: higher is stranger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError, ShapeError

__all__ = [
    "Confusion",
    "auc",
    "bootstrap_interval",
    "confusion",
    "jackknife_interval",
    "partial_auc",
    "roc_curve",
    "wilson_interval",
]


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return false and true positive rates at the corners of the ROC curve, from (0, 0) to (1, 1).

    The points are those of scikit-learn's ``roc_curve``, so that areas agree to the last digit.

    Parameters
    ----------
    labels : array, shape (n,)
        0 or 1.
    scores : array, shape (n,)
        Finite.

    Raises
    ------
    ShapeError
        If the shapes differ.
    InputError
        If a label is neither 0 nor 1, one of the two is missing, or a score is not finite.
    """
    is_anomaly, values = _checked(labels, scores)
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(is_anomaly[order])
    alarms = np.arange(1, len(order) + 1) - hits
    last_of_ties = np.append(np.diff(values[order]) != 0, True)
    hits, alarms = hits[last_of_ties], alarms[last_of_ties]
    is_bend = (np.diff(hits, 2) != 0) | (np.diff(alarms, 2) != 0)
    corners = np.concatenate([[True], is_bend, [True]])[: len(hits)]
    return np.append(0.0, alarms[corners] / alarms[-1]), np.append(0.0, hits[corners] / hits[-1])


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve: how often an anomaly scores above a normal clip (ties count half).

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return _area(*roc_curve(labels, scores))


def partial_auc(labels: ArrayLike, scores: ArrayLike, max_fpr: float = 0.1) -> float:
    """Return the standardised area under the ROC curve up to a false positive rate: 0.5 is chance, 1 is perfect.

    As the DCASE challenge computes it (``sklearn.metrics.roc_auc_score(..., max_fpr=0.1)``); McClish 1989, "Analyzing a
    portion of the ROC curve".

    Examples
    --------
    >>> partial_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.7368421052631579
    """
    if not 0 < max_fpr <= 1:
        raise InputError(f"max_fpr={max_fpr} was given. It must lie in (0, 1].")
    false_rate, true_rate = roc_curve(labels, scores)
    if max_fpr == 1:
        return _area(false_rate, true_rate)
    stop = int(np.searchsorted(false_rate, max_fpr, side="right"))
    end = np.interp(max_fpr, false_rate[stop - 1 : stop + 1], true_rate[stop - 1 : stop + 1])
    area = _area(np.append(false_rate[:stop], max_fpr), np.append(true_rate[:stop], end))
    chance = 0.5 * max_fpr**2
    return float(0.5 * (1 + (area - chance) / (max_fpr - chance)))


@final
@dataclass(frozen=True)
class Confusion:
    """Counts of decisions, and the rates made of them; NaN where a rate has no cases."""

    true_alarms: int
    false_alarms: int
    missed: int
    passed: int

    @property
    def precision(self) -> float:
        """Fraction of alarms that are anomalies."""
        return _ratio(self.true_alarms, self.true_alarms + self.false_alarms)

    @property
    def recall(self) -> float:
        """Fraction of anomalies that gave an alarm."""
        return _ratio(self.true_alarms, self.true_alarms + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.true_alarms, 2 * self.true_alarms + self.false_alarms + self.missed)

    @property
    def false_alarm_rate(self) -> float:
        """Fraction of normal clips that gave an alarm."""
        return _ratio(self.false_alarms, self.false_alarms + self.passed)


def confusion(labels: ArrayLike, decisions: ArrayLike) -> Confusion:
    """Count decisions against labels, shape (n,) each.

    Examples
    --------
    >>> confusion([0, 0, 1, 1], [False, True, True, True]).precision
    0.6666666666666666
    """
    is_anomaly, is_alarm = np.asarray(labels) == 1, np.asarray(decisions, bool)
    if is_anomaly.shape != is_alarm.shape or is_anomaly.ndim != 1:
        raise ShapeError(f"Labels {is_anomaly.shape} and decisions {is_alarm.shape} were given. Give (n,) each.")
    return Confusion(
        true_alarms=int((is_anomaly & is_alarm).sum()),
        false_alarms=int((~is_anomaly & is_alarm).sum()),
        missed=int((is_anomaly & ~is_alarm).sum()),
        passed=int((~is_anomaly & ~is_alarm).sum()),
    )


def wilson_interval(k: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval for a fraction k / n (Wilson 1927); (nan, nan) for n = 0.

    Examples
    --------
    >>> low, high = wilson_interval(1, 10)
    >>> round(low, 3), round(high, 3)
    (0.018, 0.404)
    """
    if n == 0:
        return float("nan"), float("nan")
    from statistics import NormalDist

    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = k / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap_interval(
    metric: Callable[[NDArray[np.int64], NDArray[np.float64]], float],
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    n_repeats: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of a metric over resampled recordings, normal and anomalous ones apart.

    Efron and Tibshirani 1993, "An introduction to the bootstrap". Each score must be of a recording of its own.
    """
    is_anomaly, values = _checked(labels, scores)
    rng = np.random.default_rng(seed)
    normal, anomalous = np.flatnonzero(~is_anomaly), np.flatnonzero(is_anomaly)
    drawn_labels = np.repeat([0, 1], [len(normal), len(anomalous)])
    figures = []
    for _ in range(n_repeats):
        drawn = np.concatenate([rng.choice(normal, len(normal)), rng.choice(anomalous, len(anomalous))])
        figures.append(metric(drawn_labels, values[drawn]))
    low, high = np.quantile(figures, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def jackknife_interval(estimate: float, left_out: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return the jackknife interval of a figure between 0 and 1, from that figure without each recording.

    Half of it is the standard error of the pseudo-values ``n * estimate - (n - 1) * left_out`` times Student's t:
    Mesaros et al. 2019, "Sound event detection in the DCASE 2017 challenge", section IV. They put it around the mean of
    the pseudo-values, here it lies around the figure: the partial AUC is not smooth, and its pseudo-values correct
    twice too much (on 400 sets of 2 x 100 normal draws around .602: figure .607, their mean .597; the interval covers
    .93 around the figure, .90 around their mean). It has no width where no single recording matters, as with
    perfect separation.

    Parameters
    ----------
    estimate : float
        The figure of all recordings.
    left_out : array, shape (n,)
        The figure without each recording; (nan, nan) is returned if n < 2 or one of them is NaN.

    Examples
    --------
    >>> low, high = jackknife_interval(0.5, [0.4, 0.5, 0.6])
    >>> round(low, 3), round(high, 3)
    (0.003, 0.997)
    """
    without = np.asarray(left_out, np.float64)
    n = len(without)
    if n < 2 or np.isnan(without).any():
        return float("nan"), float("nan")
    from scipy.special import stdtrit

    pseudo = n * estimate - (n - 1) * without
    half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * float(pseudo.std(ddof=1)) / n**0.5
    return max(0.0, estimate - half), min(1.0, estimate + half)


def _area(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(np.trapezoid(y, x))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    kinds, values = np.asarray(labels), np.asarray(scores, np.float64)
    if kinds.shape != values.shape or kinds.ndim != 1:
        raise ShapeError(f"Labels {kinds.shape} and scores {values.shape} were given. Give (n,) each.")
    if not np.isin(kinds, (0, 1)).all():
        raise InputError("Labels other than 0 and 1 were given. Use 0 for normal and 1 for anomaly.")
    if not np.isfinite(values).all():
        raise InputError("Scores that are not finite were given. Leave those recordings out.")
    is_anomaly = kinds == 1
    if is_anomaly.all() or not is_anomaly.any():
        raise InputError("Only one kind of clip was given. A ROC curve needs normal and anomalous ones.")
    return is_anomaly, values

"""Thresholds: what turns scores into decisions. Fitted on scores of normal sound the detector was not trained on."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError, ShapeError
from offkey.parameters import Parameterized

__all__ = ["Conformal", "EmpiricalQuantile", "Fixed", "GammaTail", "Threshold", "conformal_p_value"]


class Threshold(Parameterized, ABC):
    """A decision boundary: a score above ``threshold_`` is an anomaly.

    Attributes
    ----------
    threshold_ : float
        The boundary, in the unit of the scores.
    supported_rate_ : float
        The false-alarm rate that the calibration scores support: the one asked for, or the finest they can show; NaN
        where nothing is promised.
    """

    @final
    def fit(self, scores: ArrayLike) -> Self:
        """Set the boundary from calibration scores.

        Parameters
        ----------
        scores : array, shape (n,)
            Scores of normal sound that the detector was not trained on, one for each recording.

        Raises
        ------
        ShapeError
            If there are no scores, or they have more than one axis.
        InputError
            If scores are not finite.
        """
        array = np.sort(np.asarray(scores, np.float64))
        if array.ndim != 1 or len(array) == 0:
            raise ShapeError(f"Scores of shape {array.shape} were given. Give (n,), at least one.")
        if not np.isfinite(array).all():
            raise InputError("Scores that are not finite were given. Leave those recordings out.")
        self.threshold_ = float(self._boundary(array))
        self.supported_rate_ = float(self._supported_rate(len(array)))
        return self

    @abstractmethod
    def _boundary(self, scores: NDArray[np.float64]) -> float:
        """Return the boundary for sorted, finite scores (n,)."""

    @abstractmethod
    def _supported_rate(self, n: int) -> float:
        """Return the false-alarm rate that n scores support."""

    @final
    def is_anomaly(self, scores: ArrayLike) -> Any:
        """Say whether scores lie above the boundary: a bool, or an array of them."""
        self._require_fitted()
        above = np.asarray(scores) > self.threshold_
        return above if above.ndim else bool(above)


@final
class Conformal(Threshold):
    """Split-conformal boundary: the k-th smallest of n calibration scores, k = ceil((n + 1) (1 - rate)).

    Guarantees a false-alarm rate of at most ``rate`` on average over calibration sets, if calibration and new normal
    scores are exchangeable, whatever their distribution. With k > n (``rate`` below 1 / (n + 1)) nothing finer than
    1 / (n + 1) can be promised: the boundary is the largest calibration score and ``supported_rate_`` says so.

    Papadopoulos et al. 2002; Bates et al. 2023, "Testing for outliers with conformal p-values" (arXiv 2104.08279).

    Parameters
    ----------
    rate : float
        False-alarm rate: fraction of normal clips above the boundary.

    Examples
    --------
    >>> Conformal(rate=0.1).fit(range(1, 20)).threshold_
    18.0
    """

    def __init__(self, rate: float = 0.01) -> None:
        self.rate = rate

    def _boundary(self, scores: NDArray[np.float64]) -> float:
        n_above = math.floor((len(scores) + 1) * _checked(self.rate) + 1e-9)
        return float(scores[len(scores) - max(1, n_above)])

    def _supported_rate(self, n: int) -> float:
        return max(self.rate, 1 / (n + 1))


@final
class EmpiricalQuantile(Threshold):
    """The (1 - rate) quantile of the calibration scores; nothing is guaranteed, it errs to both sides.

    Parameters
    ----------
    rate : float
        False-alarm rate that is aimed at.

    Examples
    --------
    >>> EmpiricalQuantile(rate=0.5).fit([1, 2, 3]).threshold_
    2.0
    """

    def __init__(self, rate: float = 0.01) -> None:
        self.rate = rate

    def _boundary(self, scores: NDArray[np.float64]) -> float:
        return float(np.quantile(scores, 1 - _checked(self.rate)))

    def _supported_rate(self, n: int) -> float:
        return math.nan


@final
class GammaTail(Threshold):
    """The (1 - rate) quantile of a gamma distribution with free location, by maximum likelihood: the DCASE recipe.

    The DCASE baselines fit it to training scores, with ``rate=0.1``. It assumes the form of the distribution and is
    biased on real scores; it is here for comparison. Degenerate scores (all equal) give that score.

    Parameters
    ----------
    rate : float
        False-alarm rate that is aimed at.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.random.default_rng(0).gamma(5, 2, 500)
    >>> 14 < GammaTail(rate=0.1).fit(scores).threshold_ < 18
    True
    """

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate

    def _boundary(self, scores: NDArray[np.float64]) -> float:
        from scipy.stats import gamma

        rate = _checked(self.rate)
        if np.ptp(scores) == 0:
            return float(scores[0])
        with np.errstate(all="ignore"):
            boundary = float(gamma.ppf(1 - rate, *gamma.fit(scores)))
        if not math.isfinite(boundary):
            raise InputError(f"No gamma distribution fits the {len(scores)} scores. Use the conformal threshold.")
        return boundary

    def _supported_rate(self, n: int) -> float:
        return math.nan


@final
class Fixed(Threshold):
    """A boundary you name.

    Parameters
    ----------
    value : float
        The boundary.

    Examples
    --------
    >>> Fixed(3.5).fit([1, 2]).is_anomaly(4)
    True
    """

    def __init__(self, value: float) -> None:
        self.value = value

    def _boundary(self, scores: NDArray[np.float64]) -> float:
        return float(self.value)

    def _supported_rate(self, n: int) -> float:
        return math.nan


def conformal_p_value(scores: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """Return conformal p-values: how often normal sound scores as high.

    ``(1 + number of reference scores >= score) / (n + 1)``: for a fresh normal score that is exchangeable with the
    reference, P(p <= a) <= a (Bates et al. 2023, arXiv 2104.08279).

    Parameters
    ----------
    scores : array, shape (m,)
        New scores.
    reference : array, shape (n,)
        Calibration scores, in ascending order.

    Returns
    -------
    array, shape (m,)
        In (0, 1].

    Examples
    --------
    >>> conformal_p_value([0.5, 3.0], [1.0, 2.0, 3.0]).tolist()
    [1.0, 0.5]
    """
    reference = np.asarray(reference, np.float64)
    n_below = np.searchsorted(reference, np.asarray(scores, np.float64), side="left")
    return np.asarray((1 + len(reference) - n_below) / (len(reference) + 1))


def _checked(rate: float) -> float:
    if not 0 < rate < 1:
        raise InputError(f"A false-alarm rate of {rate} was given. It must lie between 0 and 1, such as 0.01 for 1 %.")
    return rate

"""Conformal decisions: what the rank of a score among normal ones can promise."""

from __future__ import annotations

import math
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.decisions.base import NormalThreshold, checked_fraction

__all__ = ["Conformal", "conformal_p_value"]


@final
class Conformal(NormalThreshold):
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
        n_above = math.floor((len(scores) + 1) * checked_fraction(self.rate, "A false-alarm rate") + 1e-9)
        return float(scores[len(scores) - min(max(1, n_above), len(scores))])

    def _supported_rate(self, n: int) -> float:
        return max(self.rate, 1 / (n + 1))


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

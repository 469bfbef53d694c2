"""A boundary from median and spread that strange recordings among the normal ones hardly move."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.decisions.base import NormalThreshold, checked_fraction
from offkey.errors import InputError

__all__ = ["RobustZScore"]

MEDIAN_DEVIATION = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
MEAN_DEVIATION = 1.2533
"""Standard deviation of a normal distribution over its mean absolute deviation."""


@final
class RobustZScore(NormalThreshold):
    """Median plus k robust standard deviations: 1.4826 times the median absolute deviation (MAD).

    Guarantees nothing. Up to half of the calibration scores may be anomalies without the boundary running away, but
    the rate holds for normally distributed scores only: scores have heavier right tails as a rule, which gives more
    false alarms than asked for. Where more than half of the scores are equal the MAD is 0, and 1.2533 times the mean
    absolute deviation stands in for it.

    Iglewicz and Hoaglin 1993, "How to detect and handle outliers" (who take k near 3.5); Leys et al. 2013,
    "Detecting outliers: do not use standard deviation around the mean, use absolute deviation around the median".

    Parameters
    ----------
    rate : float
        False-alarm rate that is aimed at; sets k by the normal distribution where k is not given.
    k : float, optional
        Number of robust standard deviations above the median.

    Examples
    --------
    >>> RobustZScore(k=3.5).fit([1, 2, 3, 4, 100]).threshold_
    8.1891
    """

    def __init__(self, rate: float = 0.01, k: float | None = None) -> None:
        self.rate = rate
        self.k = k

    def _boundary(self, scores: NDArray[np.float64]) -> float:
        k = NormalDist().inv_cdf(1 - checked_fraction(self.rate, "A false-alarm rate")) if self.k is None else self.k
        if not math.isfinite(k):
            raise InputError(f"{k} standard deviations were asked for. Give a finite number, such as 3.5.")
        median = float(np.median(scores))
        deviations = np.abs(scores - median)
        spread = MEDIAN_DEVIATION * np.median(deviations) or MEAN_DEVIATION * np.mean(deviations)
        return median + k * float(spread)

    def _supported_rate(self, n: int) -> float:
        return math.nan

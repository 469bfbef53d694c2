"""Boundaries that assume nothing and promise nothing: a quantile, or a number you name."""

from __future__ import annotations

import math
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.decisions.base import NormalThreshold, checked_fraction
from offkey.errors import InputError

__all__ = ["EmpiricalQuantile", "Fixed"]


@final
class EmpiricalQuantile(NormalThreshold):
    """The (1 - rate) quantile of the calibration scores; nothing is guaranteed, it errs to both sides.

    With few scores it gives more false alarms than asked for, and for rates rarer than 1 / n as many as the largest
    score does. Interpolated linearly (type 7 of Hyndman and Fan 1996, "Sample quantiles in statistical packages"), as
    in PyOD's contamination threshold.

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
        return float(np.quantile(scores, 1 - checked_fraction(self.rate, "A false-alarm rate")))

    def _supported_rate(self, n: int) -> float:
        return math.nan


@final
class Fixed(NormalThreshold):
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
        if not math.isfinite(self.value):
            raise InputError(f"A boundary of {self.value} was given. Give a finite number.")
        return float(self.value)

    def _supported_rate(self, n: int) -> float:
        return math.nan

"""Boundaries from a distribution that is fitted to the scores, for rates rarer than the scores can show."""

from __future__ import annotations

import math
import warnings
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.decisions.base import NormalThreshold, checked_fraction
from offkey.decisions.conformal import Conformal  # the body of the scores needs no tail
from offkey.decisions.pareto import predictive_excess  # pure functions
from offkey.errors import InputError

__all__ = ["GammaTail", "ParetoTail"]

FEWEST_SCORES = 20
FEWEST_EXCESSES = 10
MOST_EXCESSES = 500
"""More would tell little, and begin where the scores are no tail yet."""


@final
class GammaTail(NormalThreshold):
    """The (1 - rate) quantile of a gamma distribution with free location, by maximum likelihood: the DCASE recipe.

    The DCASE baselines fit it to training scores, with ``rate=0.1`` (Koizumi et al. 2020, arXiv 2006.05822). Guarantees
    nothing: it assumes the form of the distribution and is biased on real scores; it is here for comparison.
    Degenerate scores (all equal) give that score.

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

        rate = checked_fraction(self.rate, "A false-alarm rate")
        if np.ptp(scores) == 0:
            return float(scores[0])
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            try:
                boundary = float(gamma.ppf(1 - rate, *gamma.fit(scores)))
            except (ArithmeticError, RuntimeError, ValueError):  # scipy's search gave up
                boundary = math.nan
        if not math.isfinite(boundary):
            raise InputError(f"No gamma distribution fits the {len(scores)} scores. Use the conformal threshold.")
        return boundary

    def _supported_rate(self, n: int) -> float:
        return math.nan


@final
class ParetoTail(NormalThreshold):
    """Peaks over threshold: a generalised Pareto tail over the largest scores, for rates they cannot show themselves.

    Of n scores the m largest are the tail, m = ``tail_fraction`` of them (at least 10, at most 500). A new score goes
    beyond the next one, u, with probability (m + 1) / (n + 1), whatever the distribution; how far beyond, the Pareto
    tail says, averaged over all tails that the excesses allow (`predictive_excess`). Rates above (m + 1) / (n + 1) need
    no tail: the boundary is that of `Conformal`.

    Guarantees nothing beyond the scores: it assumes that new sound is like the old far out too, and that the tail is
    of a smooth kind with finite variance. One stray recording, or a second kind of normal sound that none of the
    calibration recordings shows, goes beyond any boundary drawn from the others. With 175 simulated gamma, lognormal,
    normal or Student t (3) scores the mean false-alarm rate was within a factor of 1.2 of 1 % and of 1.7 of 0.2 %; with
    50 or fewer the boundary is too high for short tails (``benchmarks/thresholds.py``).

    Pickands 1975; Balkema and de Haan 1974; Siffer et al. 2017, "Anomaly detection in streams with extreme value
    theory" (SPOT), who estimate the tail by maximum likelihood, which overruns rare rates with few excesses.

    Parameters
    ----------
    rate : float
        False-alarm rate that is aimed at.
    tail_fraction : float
        Fraction of the scores that is taken as tail.

    Raises
    ------
    InputError
        On fitting, with fewer than 20 scores.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.random.default_rng(0).exponential(size=200)
    >>> boundary = ParetoTail(rate=0.001).fit(scores).threshold_  # -log(0.001) is 6.9
    >>> scores.max() < boundary < 12
    True
    """

    def __init__(self, rate: float = 0.01, tail_fraction: float = 0.1) -> None:
        self.rate = rate
        self.tail_fraction = tail_fraction

    def _boundary(self, scores: NDArray[np.float64]) -> float:
        rate = checked_fraction(self.rate, "A false-alarm rate")
        wanted = math.ceil(checked_fraction(self.tail_fraction, "A tail fraction") * len(scores))
        if np.ptp(scores) == 0:
            return float(scores[0])
        if len(scores) < FEWEST_SCORES:
            raise InputError(
                f"{len(scores)} scores were given and a Pareto tail needs {FEWEST_SCORES}. "
                "Record more normal sound, or use the conformal threshold."
            )
        n_excesses = min(max(wanted, FEWEST_EXCESSES), MOST_EXCESSES, len(scores) - 1)
        share = (n_excesses + 1) / (len(scores) + 1)
        if rate >= share:
            return Conformal(rate).fit(scores).threshold_
        start = float(scores[-n_excesses - 1])
        excesses = scores[-n_excesses:] - start
        return start + predictive_excess(rate / share, excesses) if excesses[-1] > 0 else start

    def _supported_rate(self, n: int) -> float:
        return math.nan

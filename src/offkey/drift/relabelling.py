"""P-values by random relabelling: how often a statistic is as large when chance says which sample a row is of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["relabelled_p_value"]

ENOUGH = 100
"""As many statistics as large as the one observed settle the p-value to a tenth of itself."""
AT_ONCE = 500


def relabelled_p_value(observed: float, draw: Callable[[int], NDArray[np.float64]], most: int) -> float:
    """Return the p-value of a statistic by relabellings, drawn until enough are as large, or that many were drawn.

    ``ENOUGH / draws`` where it ends early (Besag and Clifford 1991, "Sequential Monte Carlo p-values"), and else
    ``(1 + as large) / (1 + draws)``, never below ``1 / (1 + most)`` (Phipson and Smyth 2010): exact, in that a share
    of a at most is below a, whatever the statistic and the samples. Rounding makes no statistic smaller.

    Parameters
    ----------
    observed : float
        The statistic of the labels as they are; large speaks for a difference.
    draw : callable
        Takes a number, and returns the statistics of that many random relabellings.
    most : int
        Relabellings that are drawn, at most.
    """
    n_drawn = n_as_large = 0
    least = observed - 1e-9 * abs(observed) - 1e-13
    while n_drawn < most:
        statistics = draw(min(AT_ONCE, most - n_drawn))
        as_large = np.flatnonzero(statistics >= least)
        if n_as_large + len(as_large) >= ENOUGH:
            return ENOUGH / (n_drawn + int(as_large[ENOUGH - n_as_large - 1]) + 1)
        n_drawn, n_as_large = n_drawn + len(statistics), n_as_large + len(as_large)
    return (1 + n_as_large) / (1 + most)

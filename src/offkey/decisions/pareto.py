"""The generalised Pareto distribution: how far scores go beyond a high one. Pure functions.

P(excess > x) = (1 + shape * x / scale) ** (-1 / shape), exp(-x / scale) at shape 0. Excesses over a high score follow
it more closely the higher that score is (Balkema and de Haan 1974; Pickands 1975).

From few excesses the maximum likelihood and the moment estimates make the tail too short, so that rare rates are
overrun several times. Here nothing is estimated for good: every scale and shape on a grid is weighted by its likelihood
(prior: flat in the logarithm of the scale, and in shapes from -1/2, a tail that ends, to 1/2, the last one with a
finite variance), and tails are averaged by these weights. For an exponential tail of known shape the average is exact:
a new excess goes beyond it as often as said, however few there were (Geisser 1993, "Predictive inference"; for Pareto
tails Coles and Tawn 1996, "A Bayesian analysis of extreme rainfall data"). ``benchmarks/thresholds.py`` compares them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError, ShapeError

__all__ = [
    "inverse_survival",
    "log_densities",
    "misfit",
    "predictive_excess",
    "survival",
    "tail_grid",
    "tail_posterior",
]

Array = NDArray[np.float64]

SHAPES = np.linspace(-0.5, 0.5, 41)
RELATIVE_SCALES = np.exp(np.linspace(-2, 3, 101))
"""Over the scale that each shape would have by the mean excess. Fine enough for some thousand excesses."""
SMALLEST_SHAPE = 1e-9
"""Below it the tail is taken as exponential."""


def survival(excess: ArrayLike, scale: ArrayLike, shape: ArrayLike) -> Array:
    """Return the probability that an excess is larger.

    Parameters
    ----------
    excess, scale, shape : array
        Of shapes that broadcast. Excess and scale in the unit of the scores.

    Examples
    --------
    >>> float(survival(2.0, scale=2.0, shape=0.5).round(3))
    0.444
    """
    ratio = np.maximum(np.asarray(excess, np.float64), 0) / np.asarray(scale, np.float64)
    is_exponential = np.abs(shape) < SMALLEST_SHAPE
    own = np.where(is_exponential, 1.0, shape)
    with np.errstate(divide="ignore"):  # the end of a short tail
        exponent = np.where(is_exponential, -ratio, -np.log1p(np.maximum(own * ratio, -1)) / own)
    return np.asarray(np.exp(exponent))


def inverse_survival(probability: ArrayLike, scale: ArrayLike, shape: ArrayLike) -> Array:
    """Return the excess that is gone beyond with a probability in (0, 1], in the unit of the scale.

    Examples
    --------
    >>> float(inverse_survival(0.25, scale=2.0, shape=0.5))
    4.0
    """
    is_exponential = np.abs(shape) < SMALLEST_SHAPE
    own = np.where(is_exponential, 1.0, shape)
    depth = -np.log(np.asarray(probability, np.float64))
    return np.asarray(scale * np.where(is_exponential, depth, np.expm1(own * depth) / own))


def tail_grid(mean_excess: float) -> tuple[Array, Array]:
    """Return scales and shapes (n_tails,) that are possible where excesses have a mean above zero."""
    scales = mean_excess * (1 - SHAPES[:, None]) * RELATIVE_SCALES
    return scales.ravel(), np.repeat(SHAPES, len(RELATIVE_SCALES))


def log_densities(excesses: Array, scales: Array, shapes: Array) -> Array:
    """Return log-densities (n, n_tails); minus infinity where a tail ends before an excess."""
    is_exponential = np.abs(shapes) < SMALLEST_SHAPE
    own = np.where(is_exponential, 1.0, shapes)
    ratios = excesses[:, None] / scales
    with np.errstate(divide="ignore"):
        logs = np.log1p(np.maximum(own * ratios, -1))
    return np.asarray(-np.log(scales) - np.where(is_exponential, ratios, (1 + 1 / own) * logs))


def tail_posterior(excesses: ArrayLike) -> tuple[Array, Array, Array]:
    """Return weights, scales and shapes (n_tails,) of the tails that excesses leave possible; weights sum to one.

    Parameters
    ----------
    excesses : array, shape (n,)
        Zero or more, in the unit of the scores; not all zero.

    Raises
    ------
    ShapeError
        If there are none, or they have more than one axis.
    InputError
        If they are not finite, negative or all zero.
    """
    array = np.asarray(excesses, np.float64)
    if array.ndim != 1 or len(array) == 0:
        raise ShapeError(f"Excesses of shape {array.shape} were given. Give (n,), at least one.")
    if not np.isfinite(array).all() or array.min() < 0 or array.max() == 0:
        raise InputError("Excesses that are negative, not finite or all zero were given. Take them over a lower score.")
    scales, shapes = tail_grid(float(array.mean()))
    fits = log_densities(array, scales, shapes).sum(axis=0)
    weights = np.exp(fits - fits.max())
    return weights / weights.sum(), scales, shapes


def misfit(excesses: ArrayLike) -> float:
    """Return how far excesses (n,) are from following one tail: Kolmogorov's distance times the root of n.

    Examples
    --------
    >>> one = inverse_survival(np.arange(0.5, 100) / 100, scale=3.0, shape=0.1)
    >>> misfit(one) < 0.5 < 1.0 < misfit(np.append(one, one + 30))
    True
    """
    array = np.sort(np.asarray(excesses, np.float64))
    weights, scales, shapes = tail_posterior(array)
    below = 1 - survival(array[:, None], scales, shapes) @ weights
    n = len(array)
    distance = max(np.abs(below - np.arange(n) / n).max(), np.abs(below - np.arange(1, n + 1) / n).max())
    return float(distance * np.sqrt(n))


def predictive_excess(probability: float, excesses: ArrayLike) -> float:
    """Return the excess that a new one goes beyond with ``probability`` in (0, 1], averaged over all possible tails.

    Examples
    --------
    >>> excesses = inverse_survival(np.arange(0.5, 10) / 10, scale=1.0, shape=0.0)
    >>> float(inverse_survival(0.01, scale=1.0, shape=0.0).round(1))
    4.6
    >>> 5 < predictive_excess(0.01, excesses) < 8  # ten excesses may mislead
    True
    """
    weights, scales, shapes = tail_posterior(excesses)
    possible = weights > weights.max() * 1e-12
    weights, scales, shapes = weights[possible], scales[possible], shapes[possible]
    low, high = 0.0, float(scales.max())
    while weights @ survival(high, scales, shapes) > probability:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if weights @ survival(middle, scales, shapes) > probability:
            low = middle
        else:
            high = middle
    return high

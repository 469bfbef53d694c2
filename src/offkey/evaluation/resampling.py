"""Areas under ROC curves of many resamples at once: each resample is a row of weights, how often it draws each clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_weights", "interval", "weighted_area"]

N_RESAMPLES = 1000


def draw_weights(strata: NDArray[np.int64], seed: int, n_resamples: int = N_RESAMPLES) -> NDArray[np.float64]:
    """Return how often each of n recordings is drawn, (n_resamples, n); each stratum is resampled by itself."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((n_resamples, len(strata)))
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        weights[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=n_resamples)
    return weights


def weighted_area(
    labels: NDArray[np.int64], scores: NDArray[np.float64], weights: NDArray[np.float64], max_fpr: float = 1.0
) -> NDArray[np.float64]:
    """Return the AUC, or for ``max_fpr`` below 1 the standardised partial one, of each resample.

    As `auc` and `partial_auc` of clips that are repeated as often as their weight says.

    Parameters
    ----------
    labels, scores : array, shape (n,)
        Labels 0 and 1; higher scores are stranger.
    weights : array, shape (n_resamples, n)
        Whole numbers.

    Returns
    -------
    array, shape (n_resamples,)
        NaN where a resample has drawn clips of one kind only.
    """
    order = np.argsort(-scores, kind="stable")
    is_last_of_ties = np.append(np.diff(scores[order]) != 0, True)
    rates = []
    for kind in (0, 1):
        counts = np.cumsum(weights[:, order] * (labels[order] == kind), axis=1)[:, is_last_of_ties]
        with np.errstate(invalid="ignore"):
            rates.append(np.pad(counts / counts[:, -1:], ((0, 0), (1, 0))))
    false_rate, true_rate = rates
    width = np.diff(false_rate, axis=1)
    kept = np.clip(max_fpr - false_rate[:, :-1], 0, width)  # the part of each step that lies below max_fpr
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(width > 0, np.diff(true_rate, axis=1) / width, 0.0)
    area = np.sum(kept * (true_rate[:, :-1] + slope * kept / 2), axis=1)
    area[np.isnan(false_rate[:, 1:]).any(axis=1) | np.isnan(true_rate[:, 1:]).any(axis=1)] = np.nan
    if max_fpr == 1:
        return np.asarray(area)
    chance = 0.5 * max_fpr**2
    return np.asarray(0.5 * (1 + (area - chance) / (max_fpr - chance)))


def interval(resampled: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile interval of a resampled figure (n_resamples,)."""
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return float(low), float(high)

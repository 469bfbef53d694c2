"""Tests of all columns together: do two samples come from one distribution? Exact, however small they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["classifier_test", "mean_discrepancy_test"]

Array = NDArray[np.float64]

MOST_ROWS = 500
"""Rows of each sample that are compared, drawn at random: the kernel matrix grows with their square."""
N_PERMUTATIONS = 1999
N_TREES = 100
FEWEST_ROWS = 4
"""Of each sample: half of them train the classifier."""


def mean_discrepancy_test(first: Array, second: Array, rng: np.random.Generator) -> tuple[float, float]:
    """Return the maximum mean discrepancy (squared) and its permutation p-value.

    Gaussian kernel, its width the median distance of all rows together (Gretton et al. 2012, "A kernel two-sample
    test"). The p-value counts, of `N_PERMUTATIONS` random relabellings and the labels as they are, those with as large
    a discrepancy (Phipson and Smyth 2010): exact for exchangeable rows.

    Parameters
    ----------
    first, second : array, shape (n_rows, n_values)
        Encoded without regard to which is which; at least one row each.
    rng : Generator
        Draws rows and relabellings.
    """
    first, second = _some(first, rng), _some(second, rng)
    rows, n = np.concatenate([first, second]), len(first)
    squared = np.einsum("nd,nd->n", rows, rows)
    distances = np.maximum(squared[:, None] + squared - 2 * rows @ rows.T, 0)
    apart = distances[np.triu_indices(len(rows), 1)]
    width = float(np.median(apart)) or float(apart.mean()) or 1.0
    kernel = np.exp(-distances / width)
    weights = np.full((N_PERMUTATIONS + 1, len(rows)), -1 / len(second))
    weights[0, :n] = 1 / n
    orders = rng.permuted(np.tile(np.arange(len(rows)), (N_PERMUTATIONS, 1)), axis=1)[:, :n]
    np.put_along_axis(weights[1:], orders, 1 / n, axis=1)
    discrepancies = np.einsum("bn,bn->b", weights @ kernel, weights)
    return max(0.0, float(discrepancies[0])), _share_as_large(discrepancies)


def classifier_test(first: Array, second: Array, rng: np.random.Generator) -> tuple[float, float]:
    """Return how well a classifier tells two samples apart (AUC on rows it has not seen), and its p-value.

    A random forest learns on half of each sample, and scores the other half; where nothing differs the scores of both
    are exchangeable, and the p-value counts random relabellings with as large an AUC (Lopez-Paz and Oquab 2017,
    "Revisiting classifier two-sample tests"; the permutation makes it exact for few rows and tied scores).

    Parameters
    ----------
    first, second : array, shape (n_rows, n_values)
        As for `mean_discrepancy_test`. With fewer than `FEWEST_ROWS` rows in one the answer is (0.5, 1.0).
    rng : Generator
        Draws rows, halves, trees and relabellings.
    """
    if min(len(first), len(second)) < FEWEST_ROWS:
        return 0.5, 1.0
    from sklearn.ensemble import RandomForestClassifier

    first, second = (each[rng.permutation(len(each))] for each in (_some(first, rng, 2), _some(second, rng, 2)))
    halves = [np.concatenate([first[i::2], second[i::2]]) for i in (0, 1)]
    labels = [np.repeat([0, 1], [len(first[i::2]), len(second[i::2])]) for i in (0, 1)]
    forest = RandomForestClassifier(
        N_TREES, min_samples_leaf=3, class_weight="balanced", random_state=int(rng.integers(2**31))
    )
    scores = forest.fit(halves[0], labels[0]).predict_proba(halves[1])[:, 1]
    ordered = np.sort(scores)
    ranks = (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right") + 1) / 2
    n_first, n_second = np.bincount(labels[1])
    orders = rng.permuted(np.tile(ranks, (N_PERMUTATIONS, 1)), axis=1)[:, n_first:]
    sums = np.concatenate([[ranks[n_first:].sum()], orders.sum(axis=1)])
    areas = (sums - n_second * (n_second + 1) / 2) / (n_first * n_second)
    return float(areas[0]), _share_as_large(areas)


def _some(rows: Array, rng: np.random.Generator, times: int = 1) -> Array:
    most = times * MOST_ROWS
    return rows if len(rows) <= most else rows[np.sort(rng.choice(len(rows), most, replace=False))]


def _share_as_large(statistics: Array) -> float:
    """Return the share that is as large as the first, itself counted; rounding makes none smaller."""
    tolerance = 1e-9 * max(1e-12, float(np.abs(statistics).max()))
    return float(np.mean(statistics >= statistics[0] - tolerance))

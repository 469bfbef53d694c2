"""Tests of all columns together: do two samples come from one distribution? Exact, however small they are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from offkey.drift.relabelling import relabelled_p_value

__all__ = ["classifier_test", "mean_discrepancy_test", "n_permutations"]

Array = NDArray[np.float64]

MOST_ROWS = 500
"""Rows of each sample that are compared, drawn at random: the kernel matrix grows with their square."""
N_PERMUTATIONS, MOST_PERMUTATIONS = 1999, 99_999
N_TREES = 100
FEWEST_ROWS = 4
"""Of each sample: half of them train the classifier."""


def n_permutations(level: float) -> int:
    """Return how many relabellings, at most, let a p-value come down to a level; there is an end to it."""
    return min(MOST_PERMUTATIONS, max(N_PERMUTATIONS, math.ceil(1 / level)))


def mean_discrepancy_test(first: Array, second: Array, rng: np.random.Generator, most: int) -> tuple[float, float]:
    """Return the maximum mean discrepancy (squared) and its permutation p-value.

    Gaussian kernel, its width the median distance of all rows together (Gretton et al. 2012, "A kernel two-sample
    test"). Its p-value comes from relabellings (`relabelled_p_value`).

    Parameters
    ----------
    first, second : array, shape (n_rows, n_values)
        Encoded without regard to which is which; at least one row each.
    rng : Generator
        Draws rows and relabellings.
    most : int
        Relabellings, at most.
    """
    first, second = _some(first, rng), _some(second, rng)
    rows, n = np.concatenate([first, second]), len(first)
    squared = np.einsum("nd,nd->n", rows, rows)
    distances = np.maximum(squared[:, None] + squared - 2 * rows @ rows.T, 0)
    apart = distances[np.triu_indices(len(rows), 1)]
    width = float(np.median(apart)) or float(apart.mean()) or 1.0
    kernel = np.exp(-distances / width)
    as_is = np.arange(len(rows))

    def discrepancies(orders: NDArray[np.int64]) -> Array:
        weights = np.full((len(orders), len(rows)), -1 / len(second))
        np.put_along_axis(weights, orders[:, :n], 1 / n, axis=1)
        return np.asarray(np.einsum("bn,bn->b", weights @ kernel, weights))

    def drawn(size: int) -> Array:
        return discrepancies(rng.permuted(np.tile(as_is, (size, 1)), axis=1))

    observed = float(discrepancies(as_is[None])[0])
    return max(0.0, observed), relabelled_p_value(observed, drawn, most)


def classifier_test(first: Array, second: Array, rng: np.random.Generator, most: int) -> tuple[float, float]:
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
    most : int
        Relabellings, at most.
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

    def areas(ranks_of_second: Array) -> Array:
        sums = ranks_of_second.sum(axis=1)
        return np.asarray((sums - n_second * (n_second + 1) / 2) / (n_first * n_second))

    def drawn(size: int) -> Array:
        return areas(rng.permuted(np.tile(ranks, (size, 1)), axis=1)[:, n_first:])

    observed = float(areas(ranks[None, n_first:])[0])
    return observed, relabelled_p_value(observed, drawn, most)


def _some(rows: Array, rng: np.random.Generator, times: int = 1) -> Array:
    most = times * MOST_ROWS
    return rows if len(rows) <= most else rows[np.sort(rng.choice(len(rows), most, replace=False))]

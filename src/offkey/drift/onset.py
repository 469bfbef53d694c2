"""Since when: the row of a batch, in the order of time, from which a column is no longer as in the reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offkey.drift.encoding import frequent_levels
from offkey.drift.table import Column

__all__ = ["onset"]

N_BINS = 50
MOST_STARTS = 1000
FEWEST_ROWS = 5
"""Rows that a change must last."""


def onset(reference: Column, batch: Column) -> int:
    """Return the row of a batch from which it differs most from all that came before, the reference first.

    The reference and the batch are read as one series, with a change at row k of the batch (0: from its beginning on).
    The distributions before and after k are compared by the largest difference of their cumulative shares (of numbers,
    missing ones last) or of the shares of their categories, times the root of their harmonic size: the usual scan for
    one change of a distribution (Carlstein 1988, "Nonparametric change-point estimation").

    Parameters
    ----------
    reference, batch : Column
        Rows of the batch in the order of time.
    """
    before, after = _binned(reference, batch)
    n_bins = int(max(before.max(initial=0), after.max(initial=0))) + 1
    n, m = len(before), len(after)
    starts = np.unique(np.linspace(0, max(0, m - FEWEST_ROWS), MOST_STARTS).astype(int))
    flags = np.zeros((m + 1, n_bins), np.int32)
    flags[np.arange(m) + 1, after] = 1
    so_far = flags.cumsum(axis=0)  # counts of the batch before each row
    counts_after = so_far[-1] - so_far[starts]
    counts_before = np.bincount(before, minlength=n_bins) + so_far[starts]
    sizes_after, sizes_before = m - starts, n + starts
    difference = counts_after / sizes_after[:, None] - counts_before / sizes_before[:, None]
    if reference.levels is None:
        difference = difference.cumsum(axis=1)
    weight = np.sqrt(sizes_after * sizes_before / (n + m))
    return int(starts[np.argmax(weight * np.abs(difference).max(axis=1))])


def _binned(reference: Column, batch: Column) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the bins of both, missing values in the last."""
    if reference.levels is not None:
        levels = frequent_levels([reference, batch])
        first, second = (np.where(c.is_missing, len(levels) + 1, c.coded(levels)) for c in (reference, batch))
        return first, second
    there = np.concatenate([each.values[~each.is_missing] for each in (reference, batch)])
    edges = np.unique(np.quantile(there, np.arange(1, N_BINS) / N_BINS)) if len(there) else np.empty(0)
    first, second = (
        np.where(each.is_missing, len(edges) + 1, np.searchsorted(edges, each.values)) for each in (reference, batch)
    )
    return first, second

"""Since when: the row of a batch, in the order of time, from which a column is no longer as in the reference."""

from __future__ import annotations

import numpy as np

from offkey.drift.encoding import frequent_levels, level_bins, number_bins
from offkey.drift.values import Column

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
    both = (reference, batch)
    before, after = (
        number_bins(both, both, N_BINS) if reference.levels is None else level_bins(both, frequent_levels(both))
    )
    n_bins = int(max(before.max(initial=0), after.max(initial=0))) + 1
    n, m = len(before), len(after)
    starts = np.unique(np.linspace(0, max(0, m - FEWEST_ROWS), MOST_STARTS).astype(int))
    places = np.searchsorted(starts, np.arange(m), "right") * n_bins + after
    so_far = np.bincount(places, minlength=(len(starts) + 1) * n_bins).reshape(-1, n_bins).cumsum(axis=0)
    counts_after = so_far[-1] - so_far[:-1]  # of the batch, from each start on; so_far is what comes before it
    counts_before = np.bincount(before, minlength=n_bins) + so_far[:-1]
    sizes_after, sizes_before = m - starts, n + starts
    difference = counts_after / sizes_after[:, None] - counts_before / sizes_before[:, None]
    if reference.levels is None:
        difference = difference.cumsum(axis=1)
    weight = np.sqrt(sizes_after * sizes_before / (n + m))
    return int(starts[np.argmax(weight * np.abs(difference).max(axis=1))])

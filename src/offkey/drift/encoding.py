"""Tables as rows of numbers: for detectors, and for tests that compare two samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.drift.table import Table
from offkey.drift.values import MISSING, Column

__all__ = ["Encoding", "fit_encoding", "frequent_levels", "level_bins", "number_bins", "pooled_rows"]

MOST_LEVELS = 30
"""Categories of a column that are told apart; the rarer ones are one."""
LARGEST = 1e6
"""Standard deviations from the mean that a number is limited to."""


@final
@dataclass(frozen=True)
class Encoding:
    """How the rows of a table become numbers: what the training rows were like.

    A number is standardised, and the median where it is missing. A category is one of the `MOST_LEVELS` most frequent,
    each a value of its own, or none. Two more values count what the training rows never showed: missing values
    where there were none, and categories that there were not.

    Parameters
    ----------
    centers, scales : array, shape (n_columns,)
        Median and standard deviation of numbers; 0 and 1 for categories.
    levels : tuple of tuple of str
        Categories of each column that are told apart; empty for numbers.
    known : tuple of tuple of str
        All categories of each column.
    has_missing : array of bool, shape (n_columns,)
        Whether values were missing in the training rows.
    """

    centers: NDArray[np.float64]
    scales: NDArray[np.float64]
    levels: tuple[tuple[str, ...], ...]
    known: tuple[tuple[str, ...], ...]
    has_missing: NDArray[np.bool_]

    def rows(self, table: Table) -> NDArray[np.float64]:
        """Return rows (n_rows, n_values) of numbers."""
        values: list[NDArray[Any]] = []
        n_missing, n_unknown = np.zeros(table.n_rows), np.zeros(table.n_rows)
        for i, column in enumerate(table.columns):
            is_missing = column.is_missing
            if column.levels is None:
                offsets = np.where(is_missing, 0.0, column.values - self.centers[i]) / self.scales[i]
                values.append(np.clip(offsets, -LARGEST, LARGEST)[:, None])
            else:
                values.append(column.coded(self.levels[i])[:, None] == np.arange(len(self.levels[i])))
                n_unknown += column.coded(self.known[i]) == len(self.known[i])
            if self.has_missing[i]:
                values.append(is_missing[:, None])
            else:
                n_missing += is_missing
        return np.concatenate([*values, n_missing[:, None], n_unknown[:, None]], axis=1, dtype=np.float64)


def fit_encoding(table: Table) -> Encoding:
    """Learn from training rows how to encode others."""
    n = len(table.columns)
    centers, scales = np.zeros(n), np.ones(n)
    for i, column in enumerate(table.columns):
        there = column.values[~column.is_missing]
        if column.levels is None and len(there):
            spread, centers[i] = float(there.std()), np.median(there)
            scales[i] = spread if spread > 1e-12 * max(1.0, abs(centers[i])) else max(1.0, abs(centers[i]))
    return Encoding(
        centers,
        scales,
        tuple(() if column.levels is None else frequent_levels([column]) for column in table.columns),
        tuple(column.levels or () for column in table.columns),
        np.array([column.is_missing.any() for column in table.columns]),
    )


def frequent_levels(columns: Sequence[Column], most: int | None = MOST_LEVELS) -> tuple[str, ...]:
    """Return the most frequent categories of columns together, or all, in the order of their names."""
    counts: dict[str, int] = {}
    for column in columns:
        levels = column.levels or ()
        found = np.bincount(column.values[column.values != MISSING], minlength=len(levels))
        for level, count in zip(levels, found.tolist(), strict=True):
            if count:
                counts[level] = counts.get(level, 0) + count
    return tuple(sorted(sorted(counts, key=lambda level: (-counts[level], level))[:most]))


def level_bins(columns: Sequence[Column], levels: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return the place of each value among categories: ``len(levels)`` of all others, one more where missing."""
    return [np.where(each.is_missing, len(levels) + 1, each.coded(levels)) for each in columns]


def number_bins(columns: Sequence[Column], like: Sequence[Column], n_bins: int) -> list[NDArray[np.int64]]:
    """Return the bin of each number by quantiles of some columns; the one after the last where missing."""
    there = np.concatenate([each.values[~each.is_missing] for each in like])
    edges = np.unique(np.quantile(there, np.arange(1, n_bins) / n_bins)) if len(there) else np.empty(0)
    return [np.where(each.is_missing, len(edges) + 1, np.searchsorted(edges, each.values)) for each in columns]


def pooled_rows(first: Table, second: Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rows (n_rows, n_values) of two tables by what both together are like.

    Numbers become their ranks among all, from -1 to 1; the encoding does not know which rows are of which table, so
    that tests that swap rows between them are exact. Columns that do not vary are left out.
    """
    n, values = first.n_rows, []
    for one, other in zip(first.columns, second.columns, strict=True):
        is_missing = np.concatenate([one.is_missing, other.is_missing])
        if one.levels is None:
            values.append(_ranks(np.concatenate([one.values, other.values]), is_missing)[:, None])
        else:
            levels = frequent_levels([one, other])
            codes = np.concatenate([one.coded(levels), other.coded(levels)])
            values.append((codes[:, None] == np.arange(len(levels))).astype(np.float64))
        values.append(is_missing[:, None].astype(np.float64))
    rows = np.concatenate(values, axis=1)
    rows = rows[:, np.ptp(rows, axis=0) > 0] if len(rows) else rows[:, :0]
    return rows[:n], rows[n:]


def _ranks(values: NDArray[np.float64], is_missing: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return mid-ranks of what is there, from -1 to 1, and 0 where values are missing."""
    ranks, there = np.zeros(len(values)), values[~is_missing]
    if len(there):
        ordered = np.sort(there)
        middle = (np.searchsorted(ordered, there, "left") + np.searchsorted(ordered, there, "right")) / 2
        ranks[~is_missing] = 2 * middle / len(there) - 1
    return ranks

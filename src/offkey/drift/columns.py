"""Tests of one column: whether its values moved, or the share of those that are missing."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.drift.encoding import frequent_levels, level_bins, number_bins
from offkey.drift.relabelling import relabelled_p_value
from offkey.drift.values import Column, shortened

__all__ = ["ColumnDrift", "compare_columns", "stability_index"]

N_BINS = 10
FEWEST_ROWS = 6
"""Of a batch, for its spread to be told."""
MOST_RELABELLINGS = 20_000


@final
@dataclass(frozen=True)
class ColumnDrift:
    """What became of one column.

    Attributes
    ----------
    name, kind : str
        The column; ``"numeric"`` or ``"categorical"``.
    test : str
        What its values were compared by, and whether the p-value is exact.
    statistic : float
        Kolmogorov-Smirnov distance, or chi-squared.
    p_value : float
        Of the values and of the missing ones together.
    adjusted_p_value : float
        After Benjamini and Hochberg, over all columns: of the columns that are reported at this
        value, at most this share is expected to be false.
    psi : float
        Population stability index: a size, not a test.
    psi_expected : float
        Its mean for batches of this length without drift.
    change : str
        How it moved, in words.
    is_moved : bool
        Whether it is reported.
    since : str
        From where on in the batch, if rows have an order; else empty.
    since_row : int
        The same as the number of a row in the order of time; -1 if not known.
    """

    name: str
    kind: str
    test: str
    statistic: float
    p_value: float
    adjusted_p_value: float
    psi: float
    psi_expected: float
    change: str
    is_moved: bool = False
    since: str = ""
    since_row: int = -1


def compare_columns(reference: Column, batch: Column, rng: np.random.Generator) -> ColumnDrift:
    """Compare a column of a batch with the same column of a reference.

    Numbers by the two-sample Kolmogorov-Smirnov test, exact up to 10,000 rows each (and conservative where values are
    tied); categories, missing ones being one of them, by Fisher's exact test if there are two, and by chi-squared if
    there are more. Its p-value comes from random relabellings: the chi-squared distribution is far off at the small
    levels that many columns call for. Where numbers are missing, Fisher's exact test compares their shares, and the
    smaller of both p-values is doubled.
    """
    psi, expected = stability_index(reference, batch)
    if reference.levels is None:
        test, statistic, p_value = _kolmogorov_smirnov(reference, batch)
        changes = [*_numeric_change(reference, batch), *_missing_change(reference, batch)]
        if reference.is_missing.any() or batch.is_missing.any():
            p_of_missing = _fisher(np.array([[c.is_missing.sum(), (~c.is_missing).sum()] for c in (reference, batch)]))
            changes = changes[::-1] if p_of_missing < p_value else changes
            p_value = min(1.0, 2 * min(p_value, p_of_missing))
            test += "; Fisher for missing values"
        change = ", ".join(changes)
    else:
        test, statistic, p_value = _chi_squared(reference, batch, rng)
        change = _categorical_change(reference, batch)
    return ColumnDrift(reference.name, reference.kind, test, statistic, p_value, p_value, psi, expected, change)


def stability_index(reference: Column, batch: Column) -> tuple[float, float]:
    """Return the population stability index and its mean without drift.

    The sum over bins of (batch share - reference share) times the logarithm of their ratio; bins are tenths of the
    reference's numbers, or categories, and missing values are one. Half a row is added to each bin, so that empty ones
    have a logarithm. Without drift the index is near chi-squared over the harmonic size of both samples (Yurdakul and
    Naranjo 2020, "Statistical properties of the population stability index"), with a mean of (bins - 1) (1/n + 1/m):
    the usual limits of 0.1 and 0.25 are passed by chance where batches are small.
    """
    counts = _counts(
        number_bins([reference, batch], [reference], N_BINS)
        if reference.levels is None
        else level_bins([reference, batch], frequent_levels([reference, batch]))
    )
    n, m = counts.sum(axis=1)
    smooth = counts + 0.5
    shares = smooth / smooth.sum(axis=1, keepdims=True)
    index = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    return index, float((counts.shape[1] - 1) * (1 / n + 1 / m))


def _kolmogorov_smirnov(reference: Column, batch: Column) -> tuple[str, float, float]:
    from scipy.stats import ks_2samp

    first, second = reference.values[~reference.is_missing], batch.values[~batch.is_missing]
    if len(first) == 0 or len(second) == 0:
        return "Kolmogorov-Smirnov", 0.0, 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy tells that it leaves exactness where p underflows
        result = ks_2samp(first, second)
    kind = "exact" if max(len(first), len(second)) <= 10_000 else "asymptotic"
    return f"Kolmogorov-Smirnov ({kind})", float(result.statistic), float(min(1.0, max(0.0, result.pvalue)))


def _counts(bins: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return how often each of two samples has each bin (2, n_bins), of those that occur."""
    n_bins = 1 + max(int(each.max(initial=0)) for each in bins)
    counts = np.stack([np.bincount(each, minlength=n_bins) for each in bins])
    return counts[:, counts.sum(axis=0) > 0]


def _fisher(counts: NDArray[np.int64]) -> float:
    """Return the p-value of Fisher's exact test of two samples (2,) or (2, 2): how many are of a kind, how many not."""
    from scipy.stats import fisher_exact

    return float(min(1.0, fisher_exact(counts)[1]))


def _chi_squared(reference: Column, batch: Column, rng: np.random.Generator) -> tuple[str, float, float]:
    counts = _counts(level_bins([reference, batch], frequent_levels([reference, batch])))
    if counts.shape[1] < 2:
        return "chi-squared", 0.0, 1.0
    total, n = counts.sum(axis=0), counts.sum(axis=1)
    statistic = float(_chi_squared_of(counts[1], total, n))
    if counts.shape[1] == 2:
        return "chi-squared (Fisher)", statistic, _fisher(counts)

    def drawn(size: int) -> Any:
        return _chi_squared_of(rng.multivariate_hypergeometric(total, n[1], size, method="marginals"), total, n)

    p_value = relabelled_p_value(statistic, drawn, MOST_RELABELLINGS)
    if p_value * MOST_RELABELLINGS < 1:  # none was as large: categories by themselves can say how far below that it is
        p_value = min(p_value, _smallest_of_each(counts))
    return "chi-squared (relabelled)", statistic, p_value


def _smallest_of_each(counts: NDArray[np.int64]) -> float:
    """Return the smallest p-value by Fisher of one category against all others, times their number (Bonferroni)."""
    others = counts.sum(axis=1, keepdims=True) - counts
    return len(counts.T) * min(_fisher(np.stack(pair, axis=1)) for pair in zip(counts.T, others.T, strict=True))


def _chi_squared_of(counts: NDArray[Any], total: NDArray[Any], n: NDArray[Any]) -> Any:
    """Return chi-squared of the second sample's counts (..., n_levels), given those of both together."""
    expected = total * n[1] / n.sum()
    return (np.square(counts - expected) / expected).sum(axis=-1) * n.sum() / n[0]


def _numeric_change(reference: Column, batch: Column) -> list[str]:
    """Say how numbers moved: by the middle or by the spread, whichever moved more."""
    samples = [column.values[~column.is_missing] for column in (reference, batch)]
    if not all(map(len, samples)):
        return []
    (low, middle, high), (new_low, new_middle, new_high) = (np.quantile(each, [0.25, 0.5, 0.75]) for each in samples)
    width, new_width = high - low, new_high - new_low
    shift = abs(new_middle - middle) / (max(width, new_width) or 1.0)
    growth = abs(math.log(new_width / width)) if min(width, new_width) > 0 else 0.0
    if len(samples[1]) >= FEWEST_ROWS and growth > 2 * shift:
        halves = [f"{_figure(each[0])} to {_figure(each[1])}" for each in ((low, high), (new_low, new_high))]
        return ["middle half " + _arrow(*halves)]
    return ["median " + _arrow(_figure(middle), _figure(new_middle))]


def _categorical_change(reference: Column, batch: Column) -> str:
    """Say which category's share moved most, how many values are of categories that are new, and how many missing."""
    levels = frequent_levels([reference, batch], most=None)
    counts = [np.bincount(c.coded(levels)[~c.is_missing], minlength=len(levels)) for c in (reference, batch)]
    shares = [each / max(1, len(column.values)) for each, column in zip(counts, (reference, batch), strict=True)]
    parts = []
    if levels:
        most = int(np.argmax(np.abs(shares[1] - shares[0])))
        parts.append(f"{_quoted(levels[most])} {_arrow(*(_percent(each[most]) for each in shares))}")
        is_new = (counts[0] == 0) & (counts[1] > 0)
        others = [levels[i] for i in np.flatnonzero(is_new) if i != most]
        if others:
            parts.append(f"new {', '.join(map(_quoted, others[:3]))}{', ...' if len(others) > 3 else ''}")
    return ", ".join([*parts, *_missing_change(reference, batch)])


def _missing_change(reference: Column, batch: Column) -> list[str]:
    shares = [float(column.is_missing.mean()) for column in (reference, batch)]
    return [f"missing {_arrow(*map(_percent, shares))}"] if any(shares) else []


def _figure(value: float) -> str:
    """Write four digits of a number, as far as can be without an exponent."""
    is_large = 1e4 <= abs(value) < 1e9
    return f"{value:,.0f}" if is_large else f"{value:.4g}"


def _arrow(before: str, now: str) -> str:
    return f"{before} → {now}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _quoted(level: str) -> str:
    return f"'{shortened(level)}'"

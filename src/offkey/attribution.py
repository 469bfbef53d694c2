"""Where a score comes from: from the shares of a window's values to those of its frames and bands."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.statistics import band_group_size, ranked_weights, time_statistics

__all__ = ["mahalanobis_shares", "norm_shares", "over_cells", "over_frames"]

Array = NDArray[np.float64]


def norm_shares(offsets: Array) -> Array:
    """Return the share of each value (n, d) in the Euclidean norm of its row; they add up to the norm."""
    norms = np.sqrt(np.square(offsets).sum(axis=1, keepdims=True))
    return np.asarray(np.square(offsets) / np.where(norms > 0, norms, 1))


def mahalanobis_shares(offsets: Array, whitener: Array) -> Array:
    """Return the share of each value (n, d) in the Mahalanobis distance of its row; they add up to the distance.

    The corr-max transformation: of all that make the values uncorrelated, the one whose values are most like the
    original ones (Garthwaite and Koch 2016, "Evaluating the contributions of individual variables to a quadratic
    form", doi 10.1111/anzs.12144). So no share is negative, and a value's share is hardly another one's.

    Parameters
    ----------
    offsets : array, shape (n, d)
        Rows less their mean.
    whitener : array, shape (d, d)
        W, where W'W is the inverse covariance.
    """
    mixing = np.linalg.inv(whitener)
    covariance = mixing @ mixing.T
    spread = np.sqrt(np.diag(covariance))
    variances, directions = np.linalg.eigh(covariance / np.outer(spread, spread))
    root = (directions / np.sqrt(np.maximum(variances, 1e-15))) @ directions.T
    shares = norm_shares(offsets / spread @ root)
    distances = np.sqrt(np.square(offsets @ whitener.T).sum(axis=1, keepdims=True))
    total = shares.sum(axis=1, keepdims=True)
    return np.asarray(shares * distances / np.where(total > 0, total, 1))


def over_cells(
    windows: NDArray[np.floating[Any]],
    names: Sequence[str],
    shares: Array,
    references: Array,
) -> Array:
    """Spread the shares of windows' statistics over time over the cells that made them.

    A share goes to the frames that moved the statistic away from its reference: of ``"mean"`` those on its side of it,
    of ``"std"`` those far from the reference of ``"mean"`` (or the mean, where that is no statistic), of ``"delta"``
    those that fluctuate most, of ``"gwrp"`` by rank. Where a statistic is too low because nothing happens, all frames
    share alike. ``"modulation"`` is one of all frames and of a group of bands.

    Parameters
    ----------
    windows : array, shape (n_windows, n_frames, n_bands, n_channels)
        What the statistics are of.
    names : sequence of str
        As for `offkey.statistics.time_statistics`.
    shares, references : array, shape (n_windows, n_values)
        What is spread; what the statistics are held against.

    Returns
    -------
    array, shape (n_windows, n_frames, n_bands, n_channels)
        The mean over a window is the sum of its shares.
    """
    values = [time_statistics(windows, [name]) for name in names]
    edges = np.cumsum([0, *(each.shape[1] for each in values)])
    parts = [slice(start, stop) for start, stop in pairwise(edges)]
    middles = references[:, parts[list(names).index("mean")]] if "mean" in names else time_statistics(windows)
    cells = np.zeros(windows.shape)
    for name, own_values, part in zip(names, values, parts, strict=True):
        spread = _over_band_groups if name == "modulation" else _over_own_band
        own = own_values, shares[:, part], references[:, part], middles
        for window, cell, *of_window in zip(windows, cells, *own, strict=True):
            cell += spread(window, name, *of_window)
    return cells


def over_frames(rows: Array, shares: Array, references: Array) -> Array:
    """Spread shares (n_values,) over the rows (n, n_values) that lie on their mean's side of the references.

    The mean over the result (n, n_values) is the sum of the shares.
    """
    towards = np.sign(rows.mean(axis=0) - references) * (rows - references)
    return _spread(np.maximum(towards, 0), shares) * shares.size


def _over_own_band(
    window: NDArray[np.floating[Any]], name: str, values: Array, shares: Array, references: Array, middles: Array
) -> Array:
    shape = window.shape[1:]
    share, reference = shares.reshape(shape), references.reshape(shape)
    rose = values.reshape(shape) > reference
    frames = np.asarray(window, np.float64)
    if name == "mean":
        return over_frames(frames, share, reference)
    if name == "std":
        weights = np.square(frames - middles.reshape(shape)) * rose
    elif name == "delta":
        steps = np.square(np.diff(frames, axis=0, prepend=frames[:1]))
        weights = (steps + np.roll(steps, -1, axis=0)) * rose
    else:
        order = np.argsort(np.argsort(-frames, axis=0, kind="stable"), axis=0)
        weights = ranked_weights(name, len(frames))[order] * rose
    return _spread(weights, share) * share.size


def _over_band_groups(
    window: NDArray[np.floating[Any]], name: str, values: Array, shares: Array, references: Array, middles: Array
) -> Array:
    n_frames, n_bands, n_channels = window.shape
    frames = np.asarray(window, np.float64)
    weights = np.square(frames - frames.mean(axis=0))
    group = np.arange(n_bands) // band_group_size(n_bands)
    per_group = shares.reshape(-1, group[-1] + 1, n_channels).sum(axis=0)
    total = np.zeros(per_group.shape)
    np.add.at(total, group, weights.sum(axis=0))
    n_cells = n_frames * np.bincount(group)[:, None]
    even = np.where(total > 0, 0, 1 / n_cells)[group]
    scaled = weights / np.where(total > 0, total, 1)[group] + even
    return np.asarray(scaled * per_group[group] * window.size)


def _spread(weights: Array, shares: Array) -> Array:
    """Share values out over the first axis by weights, evenly where all are 0; the mean over that axis is the value."""
    total = weights.sum(axis=0)
    return np.asarray(np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / len(weights))) * (
        shares * len(weights)
    )

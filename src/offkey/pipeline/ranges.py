"""The range that named values, such as a kurtosis or a temperature, have in windows of normal recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.attribution import mahalanobis_shares
from offkey.statistics import Windows, mahalanobis, time_statistics, whitening
from offkey.windows import WindowArray

__all__ = ["STATISTICS", "NormalRanges"]

Array = NDArray[np.float64]

STATISTICS = ("mean", "std")
"""Over a window."""
ENDS = (0.01, 0.5, 0.99)
N_FOLDS = 5
LIMIT = 0.9
"""Part of normal recordings whose largest departure is below 1."""
MOST_CHANNELS = 64
"""Whose values are looked at together."""
TOGETHER = 0.5
"""Correlation from which on two channels go together."""
LEAST_HALF = 0.01
"""No range reaches less far from its median, in units of what is usual of the value."""


@final
@dataclass(frozen=True)
class NormalRanges:
    """Mean and standard deviation over normal windows, of front ends without decibels over bands in hertz.

    Attributes
    ----------
    quantiles : array, shape (3, 2, n_bands, n_channels)
        1 %, 50 % and 99 % of the windows' means and standard deviations, as scaled by the front end.
    limit : float
        How far, in half ranges, the largest departure of nine in ten normal recordings goes, by ranges of others.
    centre, whitener : array, shape (n_channels,), (n_channels, n_channels)
        Mean of the windows' means, and W, where W'W is their inverse covariance: where there is one band and several
        channels; else empty.
    joint_limit : float
        How far from the centre nine in ten normal recordings go, by the Mahalanobis distance.
    """

    quantiles: Array
    limit: float
    centre: Array
    whitener: Array
    joint_limit: float

    @classmethod
    def fit(cls, windows: WindowArray) -> Self:
        """Learn from windows of at least two normal recordings."""
        values, groups = _values(windows), windows.groups
        is_joint = windows.shape[2] == 1 and 2 <= windows.shape[3] <= MOST_CHANNELS
        largest, furthest = np.zeros(len(windows.segments)), np.zeros(len(windows.segments))
        for fold in np.array_split(np.arange(len(largest)), min(N_FOLDS, len(largest))):
            is_out = np.isin(groups, fold)
            if is_out.all() or not is_out.any():
                continue
            far = np.abs(_departures(values[is_out], np.quantile(values[~is_out], ENDS, axis=0)))
            np.maximum.at(largest, groups[is_out], far.max(axis=(1, 2, 3)))
            if is_joint:
                centre, whitener = _relation(values[~is_out], groups[~is_out])
                np.maximum.at(furthest, groups[is_out], mahalanobis(values[is_out, 0, 0], centre, whitener))
        centre, whitener = _relation(values, groups) if is_joint else (np.empty(0), np.empty((0, 0)))
        limits = [max(1.0, float(np.quantile(each, LIMIT))) for each in (largest, furthest)]
        return cls(np.quantile(values, ENDS, axis=0), limits[0], centre, whitener, limits[1])

    def fits(self, n_bands: int, n_channels: int) -> bool:
        """Say whether all numbers make sense, for frames of so many bands and channels."""
        shape, n_joint = (3, len(STATISTICS), n_bands, n_channels), len(self.centre)
        arrays = (self.quantiles, self.centre, self.whitener)
        return (
            np.shape(self.quantiles) == shape
            and (n_joint, n_bands) in ((0, n_bands), (n_channels, 1))
            and np.shape(self.whitener) == (n_joint, n_joint)
            and all(bool(np.isfinite(each).all()) for each in arrays)
            and 1 <= min(self.limit, self.joint_limit) <= max(self.limit, self.joint_limit) < np.inf
        )

    def departures(self, windows: Windows) -> Array:
        """Return how far windows lie from the median (n_windows, 2, n_bands, n_channels): beyond -1 and 1 is unusual.

        The first is of their mean, the second of their standard deviation. Nine in ten normal recordings have none
        beyond.
        """
        return _departures(_values(windows), self.quantiles) / self.limit

    def joint_departures(self, windows: Windows) -> tuple[Array, Array]:
        """Return how far the channels' means lie from what they are together (n_windows,), and each one's share in it.

        Beyond 1 is unusual: nine in ten normal recordings do not go there. Shares (n_windows, n_channels) add up to
        that; there are none where the channels are not looked at together.
        """
        if len(self.centre) == 0:
            return np.zeros(len(windows)), np.empty((len(windows), 0))
        means = _values(windows)[:, 0, 0]
        far = mahalanobis(means, self.centre, self.whitener) / self.joint_limit
        return far, mahalanobis_shares(means - self.centre, self.whitener) / self.joint_limit

    def partner(self, channel: int) -> int | None:
        """Return the channel whose mean goes most with that of another, if it clearly does."""
        covariance = np.linalg.inv(self.whitener.T @ self.whitener)
        together = np.abs(covariance[channel]) / np.sqrt(np.diag(covariance) * covariance[channel, channel])
        together[channel] = 0.0
        return int(together.argmax()) if together.max() >= TOGETHER else None


def _relation(values: Array, groups: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return centre and whitener of the means of windows; channels count alike, however far they move."""
    means = values[:, 0, 0]
    spread = np.maximum(means.std(axis=0), LEAST_HALF)
    centre, whitener = whitening(means / spread, groups)
    return centre * spread, whitener / spread


def _values(windows: Windows) -> Array:
    values = time_statistics(windows, STATISTICS)
    return values.reshape(len(windows), len(STATISTICS), *windows.shape[2:])


def _departures(values: Array, quantiles: Array) -> Array:
    low, median, high = quantiles
    off = values - median
    half = np.where(off > 0, high - median, median - low)
    return np.asarray(off / np.maximum(half, LEAST_HALF), np.float64)

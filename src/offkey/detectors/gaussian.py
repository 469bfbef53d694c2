"""A Gaussian over time-pooled spectra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.attribution import mahalanobis_shares, over_cells
from offkey.detectors.base import Localizer, groups_of
from offkey.errors import ShapeError
from offkey.statistics import Windows, mahalanobis, time_statistics, whitening

__all__ = ["Gaussian"]


@final
class Gaussian(Localizer):
    """Mahalanobis distance of a window's time-pooled spectrum from the normal ones, with a Ledoit-Wolf covariance.

    Hears any lasting change of the spectrum, tones and bands alike, and of how much each band fluctuates; deaf to
    changes that leave both as they are (a rhythm that stumbles). Fits in milliseconds. Channels are seen together.

    Parameters
    ----------
    statistics : sequence of str
        What is pooled over time: see `offkey.statistics.time_statistics`.

    Attributes
    ----------
    mean_ : array, shape (n_values,)
        Normal pooled spectrum; ``n_values`` is statistics times bands times channels.
    whitening_ : array, shape (n_values, n_values)
        Inverse Cholesky factor of the covariance (Ledoit and Wolf 2004): the distance is the norm of
        ``whitening_ @ (spectrum - mean_)``.

    Examples
    --------
    >>> import numpy as np
    >>> normal = np.random.default_rng(0).normal(-60, 1, (40, 30, 16, 1))
    >>> whining = normal[:2].copy()
    >>> whining[:, :, 5] += 10
    >>> detector = Gaussian().fit(normal)
    >>> bool(detector.anomaly_score(whining).min() > detector.anomaly_score(normal).max())
    True
    """

    def __init__(self, statistics: Sequence[str] = ("mean", "std")) -> None:
        self.statistics = statistics

    def _fit(self, windows: Windows) -> None:
        if len(windows) < 2:
            raise ShapeError(f"1 sample (shape={windows.shape}) was given; a covariance needs at least 2. Give more.")
        self.mean_, self.whitening_ = whitening(self._pooled(windows), groups_of(windows))

    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return mahalanobis(self._pooled(windows), self.mean_, self.whitening_)

    def _map(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        values = self._pooled(windows)
        shares = mahalanobis_shares(values - self.mean_, self.whitening_)
        return over_cells(windows, self.statistics, shares, np.broadcast_to(self.mean_, values.shape))

    def _pooled(self, windows: Windows) -> NDArray[np.float64]:
        return time_statistics(windows, self.statistics)

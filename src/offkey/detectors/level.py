"""The null baseline: how far the level is from normal."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.detectors.base import Localizer
from offkey.statistics import Windows, time_statistics

__all__ = ["Level"]


@final
class Level(Localizer):
    """Distance of a window's level from the normal level; what any other detector has to beat.

    The level is the mean of the window over frames and bands (of log-mel frames: the mean level in dB), for each
    channel. The score is the largest over the channels of ``abs(level - median) / spread``, where the spread is
    1.4826 times the median absolute deviation of the training windows.

    Attributes
    ----------
    median_, spread_ : array, shape (n_channels,)
        Normal level and its spread, in the unit of the frames.

    Examples
    --------
    >>> import numpy as np
    >>> quiet = np.random.default_rng(0).normal(-60, 1, (20, 30, 64, 1))
    >>> loud = quiet[:2] + 20
    >>> bool(Level().fit(quiet).anomaly_score(loud).min() > 50)
    True
    """

    def __init__(self) -> None:
        pass

    def _fit(self, windows: Windows) -> None:
        levels = _levels(windows)
        self.median_ = np.median(levels, axis=0)
        spread = 1.4826 * np.median(np.abs(levels - self.median_), axis=0)
        self.spread_ = np.maximum(spread, 1e-6 * np.maximum(1.0, np.abs(self.median_)))

    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        distance = np.abs(_levels(windows) - self.median_) / self.spread_
        return np.asarray(distance.max(axis=1))

    def _map(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        offsets = (_levels(windows) - self.median_) / self.spread_
        rows, loudest = np.arange(len(windows)), np.abs(offsets).argmax(axis=1)
        cells = np.zeros(windows.shape)
        own = (windows[rows, :, :, loudest] - self.median_[loudest, None, None]) / self.spread_[loudest, None, None]
        cells[rows, :, :, loudest] = own * (np.sign(offsets[rows, loudest]) * windows.shape[3])[:, None, None]
        return cells


def _levels(windows: Windows) -> NDArray[np.float64]:
    n_bands, n_channels = windows.shape[2:]
    return np.asarray(time_statistics(windows).reshape(-1, n_bands, n_channels).mean(axis=1))

"""A Gaussian over time-pooled spectra."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.detectors.base import Detector, Windows, mahalanobis, time_mean, whitening
from offkey.errors import ShapeError

__all__ = ["Gaussian"]


@final
class Gaussian(Detector):
    """Mahalanobis distance of a window's mean spectrum from the normal ones, with a Ledoit-Wolf covariance.

    Hears any lasting change of the spectrum, tones and bands alike; deaf to changes that leave the mean spectrum as it
    is (a rhythm that stumbles). Fits in milliseconds. Ledoit and Wolf 2004; channels are seen together.

    Attributes
    ----------
    mean_ : array, shape (n_bands * n_channels,)
        Normal mean spectrum.
    whitening_ : array, shape (n_bands * n_channels, n_bands * n_channels)
        Inverse Cholesky factor of the covariance: the distance is the norm of ``whitening_ @ (spectrum - mean_)``.

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

    def __init__(self) -> None:
        pass

    def _fit(self, windows: Windows) -> None:
        if len(windows) < 2:
            raise ShapeError(f"1 sample (shape={windows.shape}) was given; a covariance needs at least 2. Give more.")
        self.mean_, self.whitening_ = whitening(time_mean(windows))

    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return mahalanobis(time_mean(windows), self.mean_, self.whitening_)

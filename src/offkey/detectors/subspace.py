"""What the principal components of normal sound leave over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.attribution import norm_shares, over_cells
from offkey.detectors.base import Localizer
from offkey.errors import InputError, ShapeError
from offkey.statistics import Windows, standardisation, time_statistics

__all__ = ["PrincipalComponents"]


@final
class PrincipalComponents(Localizer):
    """Distance of a window's statistics over time from the subspace that normal ones vary in.

    The residual of a principal component analysis, in process monitoring the squared prediction error or Q statistic
    (Jackson and Mudholkar 1979, "Control procedures for residuals associated with principal component analysis").
    Deaf to what only goes further in directions in which normal sound varies too, such as its level.

    Parameters
    ----------
    statistics : sequence of str
        What is pooled over time: see `offkey.statistics.time_statistics`. Values are standardised first.
    variance : float
        Part of the variance that the subspace explains; above 0, below 1.

    Attributes
    ----------
    mean_, scale_ : array, shape (n_values,)
        Standardisation.
    components_ : array, shape (n_components, n_values)
        Orthonormal directions of the subspace.

    Examples
    --------
    >>> import numpy as np
    >>> normal = np.random.default_rng(0).normal(-60, 1, (40, 30, 16, 1))
    >>> detector = PrincipalComponents().fit(normal)
    >>> bool(detector.anomaly_score(normal[:1] + 3)[0] > detector.anomaly_score(normal).max())
    True
    """

    def __init__(self, statistics: Sequence[str] = ("mean", "std"), variance: float = 0.8) -> None:
        self.statistics = statistics
        self.variance = variance

    def _fit(self, windows: Windows) -> None:
        if not 0 < self.variance < 1:
            raise InputError(f"variance={self.variance} was given. It must lie between 0 and 1.")
        if len(windows) < 2:
            raise ShapeError(f"1 sample (shape={windows.shape}) was given; a subspace needs at least 2. Give more.")
        values = time_statistics(windows, self.statistics)
        self.mean_, self.scale_ = standardisation(values)
        _, lengths, directions = np.linalg.svd((values - self.mean_) / self.scale_, full_matrices=False)
        explained = np.cumsum(lengths**2) / max(float(np.sum(lengths**2)), 1e-300)
        n_components = int(np.searchsorted(explained, self.variance)) + 1 if explained[-1] > 0 else 0
        self.components_ = directions[:n_components]

    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        residuals = self._residuals(time_statistics(windows, self.statistics))
        return np.asarray(np.sqrt(np.einsum("nd,nd->n", residuals, residuals, optimize=False)))

    def _map(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        values = time_statistics(windows, self.statistics)
        residuals = self._residuals(values)
        return over_cells(windows, self.statistics, norm_shares(residuals), values - residuals * self.scale_)

    def _residuals(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the subspace leaves over of statistics (n, n_values), standardised."""
        rows = (values - self.mean_) / self.scale_
        within = np.einsum("nd,cd->nc", rows, self.components_, optimize=False)
        return np.asarray(rows - np.einsum("nc,cd->nd", within, self.components_, optimize=False))

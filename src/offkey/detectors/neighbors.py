"""Distance to the nearest normal spectra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.detectors.base import Detector, Windows, time_statistics
from offkey.errors import InputError, ShapeError

__all__ = ["NearestNeighbors"]

BLOCK_BYTES = 32_000_000


@final
class NearestNeighbors(Detector):
    """Mean Euclidean distance of a window's time-pooled spectrum to its nearest normal ones.

    Each value is standardised by its mean and standard deviation over the training windows.

    Parameters
    ----------
    statistics : sequence of str
        What is pooled over time: of ``"mean"``, ``"std"`` and ``"max"``.
    n_neighbors : int
        How many neighbours are averaged.
    density_neighbors : int, optional
        Divide the distance to each normal spectrum by that spectrum's own mean distance to so many neighbours (local
        density normalisation; Wilkinghoff et al. 2025, arXiv 2509.10951, where it is 4): helps where some kinds of
        normal sound are rarer or more spread than others. It needs many recordings: of a few dozen, one that is alone
        in its kind is divided by its large distances, and lets everything pass.

    Attributes
    ----------
    mean_, scale_ : array, shape (n_values,)
        Standardisation.
    references_ : array, shape (n_windows, n_values)
        Standardised normal spectra.
    density_ : array, shape (n_windows,)
        What distances to each reference are divided by.
    training_scores_ : array, shape (n_windows,)
        Leave-one-out scores of the training windows. ``anomaly_score`` itself never leaves anything out: a training
        window given to it finds itself.

    Examples
    --------
    >>> import numpy as np
    >>> normal = np.random.default_rng(0).normal(-60, 1, (40, 30, 16, 1))
    >>> detector = NearestNeighbors().fit(normal)
    >>> bool(detector.anomaly_score(normal[:1] + 3)[0] > detector.training_scores_.max())
    True
    """

    def __init__(
        self,
        statistics: Sequence[str] = ("mean", "std"),
        n_neighbors: int = 1,
        density_neighbors: int | None = None,
    ) -> None:
        self.statistics = statistics
        self.n_neighbors = n_neighbors
        self.density_neighbors = density_neighbors

    def _fit(self, windows: Windows) -> None:
        for name, value in (("n_neighbors", self.n_neighbors), ("density_neighbors", self.density_neighbors)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InputError(f"{name}={value!r} was given. It must be a whole number of at least 1.")
        if len(windows) < 2:
            raise ShapeError(f"1 sample (shape={windows.shape}) was given; neighbours need at least 2. Give more.")
        spectra = time_statistics(windows, self.statistics)
        self.mean_ = spectra.mean(axis=0)
        scale = spectra.std(axis=0)
        self.scale_ = np.where(scale > 1e-9 * np.maximum(1.0, np.abs(self.mean_)), scale, 1.0)
        self.references_ = (spectra - self.mean_) / self.scale_
        self.density_ = np.ones(len(spectra))
        if self.density_neighbors is not None:
            self.density_ = np.maximum(self._leave_one_out(self.density_neighbors), 1e-9)
        self.training_scores_ = self._leave_one_out(self.n_neighbors)

    def _leave_one_out(self, n_neighbors: int) -> NDArray[np.float64]:
        """Return each reference's mean distance to its nearest others, some references at a time."""
        from scipy.spatial.distance import cdist

        n = len(self.references_)
        means = np.empty(n)
        n_at_once = max(1, BLOCK_BYTES // (8 * n))
        for start in range(0, n, n_at_once):
            rows = np.arange(start, min(start + n_at_once, n))
            distances = cdist(self.references_[rows], self.references_) / self.density_
            distances[rows - start, rows] = np.inf
            means[rows] = _smallest(distances, min(n_neighbors, n - 1)).mean(axis=1)
        return means

    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        spectra = (time_statistics(windows, self.statistics) - self.mean_) / self.scale_
        return np.array([self._distance(spectrum) for spectrum in spectra])

    def _distance(self, spectrum: NDArray[np.float64]) -> float:
        offsets = self.references_ - spectrum
        distances = np.sqrt(np.einsum("rd,rd->r", offsets, offsets, optimize=False)) / self.density_
        n_neighbors = min(self.n_neighbors, len(distances))
        return float(_smallest(distances[None], n_neighbors).mean())


def _smallest(distances: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the n smallest values of each row, in ascending order."""
    return np.sort(np.partition(distances, n - 1, axis=1)[:, :n], axis=1)

"""Distance to the nearest normal sounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.attribution import over_cells
from offkey.detectors.base import Localizer, require_counts
from offkey.errors import InputError, ShapeError
from offkey.statistics import Windows, batches, standardisation, time_statistics

__all__ = ["NearestNeighbors"]

BLOCK_BYTES = 32_000_000
METRICS = ("euclidean", "cosine")


@final
class NearestNeighbors(Localizer):
    """Mean distance of a window's statistics over time to the nearest normal ones.

    Parameters
    ----------
    statistics : sequence of str
        What is pooled over time: see `offkey.statistics.time_statistics`.
    n_neighbors : int
        How many neighbours are averaged.
    metric : {"euclidean", "cosine"}
        ``"euclidean"``: each value is standardised by its mean and standard deviation over the training windows.
        ``"cosine"``: one less the cosine of the angle between the values as they are, usual for embeddings.
    n_references : int, optional
        Keep so many k-means centres in place of all training windows: less memory, and rare sounds weigh less.
    density_neighbors : int, optional
        Divide the distance to each reference by that reference's own mean distance to so many neighbours (local
        density normalisation; Wilkinghoff et al. 2025, arXiv 2509.10951, where it is 4): helps where some kinds of
        normal sound are rarer or more spread than others. It needs many recordings: of a few dozen, one that is alone
        in its kind is divided by its large distances, and lets everything pass.
    n_subbands : int
        Look neighbours up in so many parts of the band axis each on its own, and average their distances: a fault in a
        few bands is then not drowned by the others, and parts may be like different recordings.
    seed : int
        Of k-means.

    Attributes
    ----------
    mean_, scale_ : array, shape (n_values,)
        Standardisation; zeros and ones for ``"cosine"``.
    references_ : array, shape (n_references, n_values)
        Normal statistics, standardised or of unit length.
    edges_ : array of int, shape (n_subbands + 1,)
        Where the values of each sub-band begin and end.
    density_ : array, shape (n_subbands, n_references)
        What distances to each reference are divided by.
    training_scores_ : array, shape (n_windows,)
        Leave-one-out scores of the training windows (with ``n_references`` nothing is left out). ``anomaly_score``
        itself never leaves anything out: a training window given to it finds itself.

    Notes
    -----
    The minimum over source and target domains is `PerState` around this detector.

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
        metric: str = "euclidean",
        n_references: int | None = None,
        density_neighbors: int | None = None,
        n_subbands: int = 1,
        seed: int = 0,
    ) -> None:
        self.statistics = statistics
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.n_references = n_references
        self.density_neighbors = density_neighbors
        self.n_subbands = n_subbands
        self.seed = seed

    def _fit(self, windows: Windows) -> None:
        self._check(windows)
        values = self._values(windows)
        parts = [batch.shape[1] for batch in self._of_subbands(windows[:1])]
        self.edges_ = np.cumsum([0, *parts])
        self.mean_, self.scale_ = np.zeros(values.shape[1]), np.ones(values.shape[1])
        if self.metric == "euclidean":
            self.mean_, self.scale_ = standardisation(values)
        rows = self._prepared(values)
        is_reduced = self.n_references is not None and self.n_references < len(rows)
        self.references_ = self._centres(rows) if is_reduced else rows
        self.density_ = np.ones((self.n_subbands, len(self.references_)))
        if self.density_neighbors is not None and len(self.references_) > 1:
            self.density_ = np.maximum(self._nearest(self.references_, self.density_neighbors, leave_out=True), 1e-9)
        nearest = self._nearest(rows, self.n_neighbors, leave_out=not is_reduced)
        self.training_scores_ = nearest.mean(axis=0)

    def _check(self, windows: Windows) -> None:
        optional = {"n_references": self.n_references, "density_neighbors": self.density_neighbors}
        given = {name: value for name, value in optional.items() if value is not None}
        require_counts(n_neighbors=self.n_neighbors, n_subbands=self.n_subbands, **given)
        if self.metric not in METRICS:
            raise InputError(f"metric={self.metric!r} was given. Use one of {', '.join(map(repr, METRICS))}.")
        if self.n_subbands > windows.shape[2]:
            raise InputError(f"n_subbands={self.n_subbands} was given for {windows.shape[2]} bands. Use fewer.")
        if len(windows) < 2:
            raise ShapeError(f"1 sample (shape={windows.shape}) was given; neighbours need at least 2. Give more.")

    def _values(self, windows: Windows) -> NDArray[np.float64]:
        if self.n_subbands == 1:
            return time_statistics(windows, self.statistics)
        return np.concatenate([np.concatenate(self._of_subbands(batch), axis=1) for batch in batches(windows)])

    def _of_subbands(self, batch: NDArray[np.floating[Any]]) -> list[NDArray[np.float64]]:
        parts = np.array_split(np.arange(batch.shape[2]), self.n_subbands)
        return [time_statistics(batch[:, :, part], self.statistics) for part in parts]

    def _prepared(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardise values, or bring those of each sub-band to unit length."""
        rows = (values - self.mean_) / self.scale_
        if self.metric == "cosine":
            for start, stop in zip(self.edges_, self.edges_[1:], strict=False):
                part = rows[:, start:stop]
                part /= np.maximum(np.sqrt(np.einsum("nd,nd->n", part, part, optimize=False)), 1e-30)[:, None]
        return rows

    def _centres(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        from sklearn.cluster import KMeans

        n_centres = min(self.n_references or 1, len(np.unique(rows, axis=0)))
        centres = KMeans(n_centres, n_init=1, random_state=self.seed).fit(rows).cluster_centers_
        return self._prepared(centres) if self.metric == "cosine" else np.asarray(centres)

    def _nearest(self, rows: NDArray[np.float64], n_neighbors: int, leave_out: bool) -> NDArray[np.float64]:
        """Return mean distances (n_subbands, n_rows) to the nearest references, some rows at a time.

        With ``leave_out`` the rows are the references themselves, and none finds itself.
        """
        n = len(self.references_)
        nearest = np.empty((self.n_subbands, len(rows)))
        for part, (start, stop) in enumerate(zip(self.edges_, self.edges_[1:], strict=False)):
            references = self.references_[:, start:stop]
            for first in range(0, len(rows), max(1, BLOCK_BYTES // (8 * n))):
                some = np.arange(first, min(first + max(1, BLOCK_BYTES // (8 * n)), len(rows)))
                distances = self._from_squared(_squared(rows[some, start:stop], references)) / self.density_[part]
                if leave_out:
                    distances[some - first, some] = np.inf
                nearest[part, some] = _smallest(distances, min(n_neighbors, n - leave_out)).mean(axis=1)
        return nearest

    def _from_squared(self, squared: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return distances of squared Euclidean ones: of unit vectors, half of it is one less their cosine."""
        return np.asarray(squared / 2 if self.metric == "cosine" else np.sqrt(squared))

    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return np.array([self._distance(row) for row in self._prepared(self._values(windows))])

    def _distance(self, row: NDArray[np.float64]) -> float:
        distances = self._distances(self.references_ - row)
        return float(_smallest(distances, min(self.n_neighbors, distances.shape[1])).mean())

    def _distances(self, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return distances (n_subbands, n_references) from offsets (n_references, n_values)."""
        parts = [offsets[:, start:stop] for start, stop in zip(self.edges_, self.edges_[1:], strict=False)]
        squared = np.stack([np.einsum("rd,rd->r", part, part, optimize=False) for part in parts])
        return self._from_squared(squared) / self.density_

    def _map(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        values = self._values(windows)
        rows = self._prepared(values)
        shares, nearest = np.zeros(rows.shape), np.zeros(rows.shape)
        for row, share, reference in zip(rows, shares, nearest, strict=True):
            self._explain(row, share, reference)
        references = values + (nearest - rows) * self._units(values)
        bands = np.array_split(np.arange(windows.shape[2]), self.n_subbands)
        parts = [slice(*edges) for edges in zip(self.edges_, self.edges_[1:], strict=False)]
        cells = [
            over_cells(windows[:, :, own], self.statistics, shares[:, part], references[:, part])
            for own, part in zip(bands, parts, strict=True)
        ]
        sizes = [windows.shape[2] / len(own) for own in bands]
        return np.concatenate([cell * size for cell, size in zip(cells, sizes, strict=True)], axis=2)

    def _explain(self, row: NDArray[np.float64], share: NDArray[np.float64], reference: NDArray[np.float64]) -> None:
        """Write to ``share`` (n_values,) what each value adds to the score, to ``reference`` its mean neighbour."""
        offsets = self.references_ - row
        distances = self._distances(offsets)
        n_neighbors = min(self.n_neighbors, distances.shape[1])
        for each, (start, stop) in enumerate(zip(self.edges_, self.edges_[1:], strict=False)):
            near = np.argpartition(distances[each], n_neighbors - 1)[:n_neighbors]
            squared = np.square(offsets[near, start:stop])
            total = squared.sum(axis=1)
            parts = squared * (distances[each, near] / np.where(total > 0, total, 1))[:, None]
            share[start:stop] = parts.mean(axis=0) / self.n_subbands
            reference[start:stop] = self.references_[near, start:stop].mean(axis=0)

    def _units(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what prepared values must be multiplied by to be in the unit of the values (n, n_values)."""
        if self.metric == "euclidean":
            return np.broadcast_to(self.scale_, values.shape)
        lengths = [
            np.sqrt(np.square(values[:, start:stop]).sum(axis=1, keepdims=True)).repeat(stop - start, axis=1)
            for start, stop in zip(self.edges_, self.edges_[1:], strict=False)
        ]
        return np.concatenate(lengths, axis=1)


def _squared(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return squared Euclidean distances (n_a, n_b) between rows, by one matrix product: for fitting only."""
    squared = np.einsum("nd,nd->n", a, a)[:, None] + np.einsum("nd,nd->n", b, b) - 2 * (a @ b.T)
    return np.asarray(np.maximum(squared, 0))


def _smallest(distances: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the n smallest values of each row, in ascending order."""
    return np.sort(np.partition(distances, n - 1, axis=1)[:, :n], axis=1)

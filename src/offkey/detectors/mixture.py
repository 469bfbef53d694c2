"""A mixture of Gaussians over time-pooled spectra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.attribution import mahalanobis_shares, over_cells
from offkey.detectors.base import Localizer, require_counts
from offkey.errors import InputError, ShapeError
from offkey.statistics import Windows, mahalanobis, standardisation, time_statistics

__all__ = ["GaussianMixture"]


@final
class GaussianMixture(Localizer):
    """Negative log-likelihood of a window's pooled spectrum under a mixture of Gaussians.

    With global weighted ranking pooling (``"gwrp0.99"``) this is TWFR-GMM: Guan et al. 2023, "Time-weighted frequency
    domain audio representation with GMM estimator for anomalous sound detection" (arXiv 2305.03328). There the decay
    was chosen for each machine on labelled recordings; here it stays as it is given. Values are standardised first.

    Where normal sound has several kinds (speeds, loads), each can have a Gaussian of its own. It needs many windows of
    each kind: with fewer than values, the regularisation decides.

    `anomaly_map` spreads half the squared Mahalanobis distance from the likeliest Gaussian; what the score is besides
    lies evenly on all cells.

    Parameters
    ----------
    statistics : sequence of str
        What is pooled over time: see `offkey.statistics.time_statistics`.
    n_components : int
        Gaussians; fewer where there are fewer windows.
    covariance_type : {"full", "tied", "diag"}
        As in scikit-learn.
    reg_covar : float
        Added to the variances of the standardised values, whose own are 1: less where there are hundreds of windows.
    seed : int
        Of the start by k-means.

    Attributes
    ----------
    mean_, scale_ : array, shape (n_values,)
        Standardisation.
    centres_ : array, shape (n_components, n_values)
        Means of the Gaussians.
    whitening_ : array, shape (n_components, n_values, n_values), or (n_components, n_values) for ``"diag"``
        Transposed Cholesky factors of the inverse covariances.
    log_norms_ : array, shape (n_components,)
        Logarithm of weight and density at each centre.

    Examples
    --------
    >>> import numpy as np
    >>> normal = np.random.default_rng(0).normal(-60, 1, (40, 30, 16, 1))
    >>> detector = GaussianMixture().fit(normal)
    >>> bool(detector.anomaly_score(normal[:1] + 3)[0] > detector.anomaly_score(normal).max())
    True
    """

    def __init__(
        self,
        statistics: Sequence[str] = ("gwrp0.99",),
        n_components: int = 2,
        covariance_type: str = "full",
        reg_covar: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.statistics = statistics
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.reg_covar = reg_covar
        self.seed = seed

    def _fit(self, windows: Windows) -> None:
        from sklearn.mixture import GaussianMixture as Mixture

        require_counts(n_components=self.n_components)
        if self.covariance_type not in ("full", "tied", "diag"):
            raise InputError(f"covariance_type={self.covariance_type!r} was given. Use 'full', 'tied' or 'diag'.")
        if not self.reg_covar > 0:
            raise InputError(f"reg_covar={self.reg_covar} was given. It must be above 0.")
        if len(windows) < 2:
            raise ShapeError(f"1 sample (shape={windows.shape}) was given; a mixture needs at least 2. Give more.")
        values = time_statistics(windows, self.statistics)
        self.mean_, self.scale_ = standardisation(values)
        rows = (values - self.mean_) / self.scale_
        n_components = min(self.n_components, len(np.unique(rows, axis=0)))
        mixture = Mixture(
            n_components, covariance_type=self.covariance_type, reg_covar=self.reg_covar, random_state=self.seed
        ).fit(rows)
        self.centres_ = mixture.means_
        factors = mixture.precisions_cholesky_
        if self.covariance_type == "diag":
            self.whitening_ = factors
        else:
            upper = np.broadcast_to(factors, (n_components, *factors.shape[-2:]))
            self.whitening_ = np.ascontiguousarray(upper.transpose(0, 2, 1))
        diagonals = factors if self.covariance_type == "diag" else np.einsum("kdd->kd", self.whitening_)
        log_determinants = np.log(diagonals).sum(axis=1)
        self.log_norms_ = np.log(mixture.weights_) + log_determinants - rows.shape[1] / 2 * np.log(2 * np.pi)

    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        logs = self._log_densities(self._rows(windows))
        largest = logs.max(axis=0)
        return np.asarray(-largest - np.log(np.exp(logs - largest).sum(axis=0)))

    def _map(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        rows = self._rows(windows)
        nearest = self._log_densities(rows).argmax(axis=0)
        shares = np.empty(rows.shape)
        for each, (centre, whitener) in enumerate(zip(self.centres_, self.whitening_, strict=True)):
            own = nearest == each
            offsets, matrix = rows[own] - centre, np.diag(whitener) if whitener.ndim == 1 else whitener
            distances = mahalanobis(rows[own], centre, matrix)
            shares[own] = mahalanobis_shares(offsets, matrix) * distances[:, None] / 2
        cells = over_cells(windows, self.statistics, shares, self.centres_[nearest] * self.scale_ + self.mean_)
        rest = self._score(windows) - shares.sum(axis=1)
        return np.asarray(cells + rest[:, None, None, None])

    def _rows(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return (time_statistics(windows, self.statistics) - self.mean_) / self.scale_

    def _log_densities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithm of weight times density (n_components, n) of standardised rows."""
        logs = np.empty((len(self.centres_), len(rows)))
        for log, centre, whitener, norm in zip(logs, self.centres_, self.whitening_, self.log_norms_, strict=True):
            offsets = rows - centre
            if whitener.ndim == 1:
                white = offsets * whitener
            else:
                white = np.einsum("nd,wd->nw", offsets, whitener, optimize=False)
            log[:] = norm - 0.5 * np.einsum("nw,nw->n", white, white, optimize=False)
        return logs

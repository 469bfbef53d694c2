"""What every detector is: `fit`, `anomaly_score`, and scikit-learn's view of both.

A new detector is one file: subclass `Detector`, write ``__init__`` (which only stores its parameters), ``_fit`` and
``_score``, and import it in ``detectors/__init__.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError, ShapeError
from offkey.parameters import Parameterized
from offkey.windows import WindowArray

__all__ = ["Detector", "Windows", "batches", "bounded", "groups_of", "mahalanobis", "time_statistics", "whitening"]

Windows = NDArray[np.floating[Any]] | WindowArray
"""Windows (n_windows, n_frames, n_bands, n_channels), in memory or read when asked for."""

BATCH_BYTES = 32_000_000
N_OFFSET_WINDOWS = 1000
LARGEST_VALUE = 1e100
LARGEST_SCORE = 1e300
"""Larger scores (of absurd input) are limited to this, so that all scores are finite."""


class Detector(Parameterized, ABC):
    """Says how strange windows are, after it was fitted on normal ones. Knows nothing of files, thresholds or time.

    X is an array (n_windows, n_frames, n_bands, n_channels), or an array-like with ``shape``, ``len`` and indexing. An
    X of two dimensions (n, n_features) is read as n windows of one frame, n_features bands and one channel.

    To scikit-learn, a detector is an outlier estimator: ``score_samples`` is ``-anomaly_score`` and ``offset_`` the
    10 % quantile of that over (at most 1,000 of) the training windows. Real decisions need a threshold from sound that
    the detector was not trained on: see `offkey.Pipeline`.

    Attributes
    ----------
    window_shape_ : tuple of int
        (n_frames, n_bands, n_channels) of the windows it was fitted on; None where any number will do.
    offset_ : float
        Where ``decision_function`` is zero.
    """

    cross_fit: ClassVar[bool] = True
    """Whether it is cheap enough to be fitted anew on parts of the recordings, for out-of-fold scores."""

    @final
    def fit(self, X: ArrayLike | WindowArray, y: object = None) -> Self:
        """Learn what is normal.

        Parameters
        ----------
        X : array, shape (n_windows, n_frames, n_bands, n_channels) or (n, n_features)
            Windows of normal sound.
        y : ignored

        Raises
        ------
        ShapeError
            If X has another number of dimensions, or too few windows.
        InputError
            If X is not made of finite numbers.
        """
        self._note_columns(X)
        windows, is_table = _as_windows(X)
        if len(windows) == 0:
            raise ShapeError(f"Found array with 0 sample(s) (shape={windows.shape}). Give windows to fit on.")
        vars(self).pop("n_features_in_", None)
        if is_table:
            self.n_features_in_ = windows.shape[2]
        self.window_shape_: tuple[int | None, ...] = windows.shape[1:]
        try:
            self._fit(windows)
        except BaseException:
            for name in self.fitted_state:
                delattr(self, name)
            raise
        some = np.linspace(0, len(windows) - 1, min(len(windows), N_OFFSET_WINDOWS)).astype(int)
        self.offset_ = -float(np.quantile(self._training_scores(windows, some), 0.9))
        return self

    @final
    def anomaly_score(self, X: ArrayLike | WindowArray) -> NDArray[np.float64]:
        """Say how strange windows are: higher is stranger.

        Pure, and the score of a window does not depend on what other windows there are.

        Parameters
        ----------
        X : array, shape (n_windows, n_frames, n_bands, n_channels) or (n, n_features)
            Windows of the shape that the detector was fitted on.

        Returns
        -------
        array, shape (n_windows,)
            Finite scores.

        Raises
        ------
        NotFittedError
            If the detector was not fitted.
        ShapeError
            If the windows have another shape than those it was fitted on.
        InputError
            If X is not made of finite numbers.
        """
        self._require_fitted()
        windows, is_table = _as_windows(X)
        self._check_shape(windows, is_table)
        if len(windows) == 0:
            return np.empty(0)
        return self._bounded_scores(windows)

    @abstractmethod
    def _fit(self, windows: Windows) -> None:
        """Learn from windows (n_windows, n_frames, n_bands, n_channels); what is learned ends in ``_``."""

    @abstractmethod
    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Score windows in memory, each on its own (no BLAS: its rounding depends on the batch)."""

    def _training_scores(self, windows: Windows, some: NDArray[np.int64]) -> NDArray[np.float64]:
        """Score some of the windows that were just fitted on, as fairly as the detector can."""
        own = self.fitted_state.get("training_scores_")
        return np.asarray(own[some]) if own is not None else self._bounded_scores(windows[some])

    @final
    def _bounded_scores(self, windows: Windows) -> NDArray[np.float64]:
        with np.errstate(over="ignore"):
            scores = np.concatenate([self._score(batch) for batch in batches(windows)])
        return np.minimum(np.asarray(scores, np.float64), LARGEST_SCORE)

    @final
    def _check_shape(self, windows: Windows, is_table: bool) -> None:
        expected, given = self.window_shape_, windows.shape[1:]
        if all(want in (None, have) for want, have in zip(expected, given, strict=True)):
            return
        if is_table and hasattr(self, "n_features_in_"):
            raise ShapeError(  # scikit-learn's sentence
                f"X has {given[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} features "
                "as input."
            )
        raise ShapeError(
            f"Windows of shape {given} (n_frames, n_bands, n_channels) were given to a {type(self).__name__} that was "
            f"fitted on {expected}. Give windows of that shape."
        )

    @final
    def _note_columns(self, X: object) -> None:
        columns = getattr(X, "columns", None)
        if columns is not None and all(isinstance(name, str) for name in columns):
            self.feature_names_in_ = np.asarray(columns, dtype=object)
        else:
            vars(self).pop("feature_names_in_", None)

    # scikit-learn's view, with scikit-learn's own signs

    @final
    def score_samples(self, X: ArrayLike | WindowArray) -> NDArray[np.float64]:
        """Return ``-anomaly_score(X)``: higher is more normal."""
        return -self.anomaly_score(X)

    @final
    def decision_function(self, X: ArrayLike | WindowArray) -> NDArray[np.float64]:
        """Return ``score_samples(X) - offset_``: below zero is an outlier."""
        return self.score_samples(X) - self.offset_

    @final
    def predict(self, X: ArrayLike | WindowArray) -> NDArray[np.int64]:
        """Return -1 for outliers and 1 for inliers."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    @final
    def fit_predict(self, X: ArrayLike | WindowArray, y: object = None) -> NDArray[np.int64]:
        """Fit on X and return -1 for its outliers and 1 for its inliers."""
        return self.fit(X).predict(X)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type="outlier_detector",
            target_tags=TargetTags(required=False),
            input_tags=InputTags(one_d_array=False, two_d_array=True, three_d_array=False),
        )


def batches(windows: Windows) -> Iterator[NDArray[np.floating[Any]]]:
    """Yield windows in memory, some at a time."""
    size = max(1, BATCH_BYTES // max(1, 8 * int(np.prod(windows.shape[1:]))))
    for start in range(0, len(windows), size):
        yield np.ascontiguousarray(windows[start : start + size])


def time_statistics(windows: Windows, names: Sequence[str] = ("mean",)) -> NDArray[np.float64]:
    """Return statistics over time of each band and channel, (n_windows, n_names * n_bands * n_channels).

    Parameters
    ----------
    windows : array, shape (n_windows, n_frames, n_bands, n_channels)
        Read some at a time.
    names : sequence of str
        Of ``"mean"``, ``"std"`` and ``"max"``.

    Raises
    ------
    InputError
        If a name is none of these.
    """
    kinds: dict[str, Callable[[NDArray[np.floating[Any]]], Any]] = {
        "mean": lambda batch: batch.mean(axis=1, dtype=np.float64),
        "std": lambda batch: batch.std(axis=1, dtype=np.float64),
        "max": lambda batch: batch.max(axis=1),
    }
    if not names or not set(names) <= set(kinds):
        raise InputError(f"The statistics {names!r} were given. Use some of {', '.join(map(repr, kinds))}.")
    with np.errstate(over="ignore", invalid="ignore"):
        rows = [
            np.concatenate([kinds[name](batch).reshape(len(batch), -1) for name in names], axis=1)
            for batch in batches(windows)
        ]
    return bounded(np.concatenate(rows).astype(np.float64, copy=False))


def bounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Limit values to what can be squared and added up; what overflowed before becomes the limit."""
    return np.clip(np.nan_to_num(values, copy=False, nan=LARGEST_VALUE), -LARGEST_VALUE, LARGEST_VALUE)


def whitening(
    rows: NDArray[np.float64], groups: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean (d,) and whitening matrix (d, d) of rows (n, d), by the Ledoit-Wolf covariance.

    Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices". Their amount of
    shrinkage assumes independent rows; windows of one recording are not, so where ``groups`` (n,) tells them apart, it
    is that of the groups' means.
    """
    from scipy.linalg import cholesky, solve_triangular
    from sklearn.covariance import ledoit_wolf_shrinkage

    mean = rows.mean(axis=0)
    centred = rows - mean
    independent = centred if groups is None else _group_means(centred, groups)
    shrinkage = ledoit_wolf_shrinkage(independent, assume_centered=True) if len(independent) > 1 else 1.0
    size = len(mean)
    covariance = centred.T @ centred / len(rows)
    variance = float(np.trace(covariance)) / size
    covariance *= 1 - shrinkage
    covariance += (shrinkage * variance + max(1e-9 * variance, 1e-12)) * np.eye(size)
    return mean, solve_triangular(cholesky(covariance, lower=True), np.eye(size), lower=True)


def groups_of(windows: Windows) -> NDArray[np.int64] | None:
    """Return which recording each window comes from, where that is known."""
    return windows.groups if isinstance(windows, WindowArray) else None


def _group_means(rows: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    order = np.argsort(groups, kind="stable")
    _, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    means = np.add.reduceat(rows[order], starts, axis=0) / counts[:, None]
    return np.asarray(means - means.mean(axis=0))


def mahalanobis(
    rows: NDArray[np.float64], mean: NDArray[np.float64], whitener: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the Mahalanobis distance (n,) of rows (n, d), row by row."""
    white = np.einsum("nd,wd->nw", rows - mean, whitener, optimize=False)
    return np.asarray(np.sqrt(np.einsum("nw,nw->n", white, white, optimize=False)))


def _as_windows(X: Any) -> tuple[Windows, bool]:
    """Return windows of four dimensions, and whether they were given as a table of two."""
    if isinstance(X, WindowArray):
        return X, False
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise InputError("A sparse array was given; sparse input is not supported. Give a dense one (X.toarray()).")
    array = np.asarray(X)
    if array.dtype.kind == "c":
        raise InputError("Complex data not supported. Give real numbers.")
    if array.dtype.kind not in "fiub":
        try:
            array = array.astype(np.float64)
        except TypeError as error:
            raise TypeError(f"{error}; argument must be a string or a number, not mixed objects.") from error
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if array.ndim not in (2, 4):
        raise ShapeError(
            f"Windows of shape {array.shape} were given. Give (n_windows, n_frames, n_bands, n_channels) or "
            "(n, n_features). Reshape your data."
        )
    if 0 in array.shape[1:]:
        raise ShapeError(f"0 feature(s) (shape={array.shape}) while a minimum of 1 is required. Give some features.")
    if not np.isfinite(array).all():
        raise InputError("Input X contains NaN or infinity. Remove or fill those windows.")
    is_table = array.ndim == 2
    return array[:, None, :, None] if is_table else array, is_table

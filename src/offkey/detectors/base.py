"""What every detector is: `fit`, `anomaly_score`, and scikit-learn's view of both.

A new detector is one file: subclass `Detector`, write ``__init__`` (which only stores its parameters), ``_fit`` and
``_score``, and import it in ``detectors/__init__.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError, ShapeError
from offkey.parameters import Parameterized
from offkey.statistics import Windows, batches
from offkey.windows import WindowArray, WindowGrid

__all__ = [
    "Detector",
    "Localizer",
    "groups_of",
    "known_of",
    "part_of",
    "pieces_of",
    "require_counts",
]

N_OFFSET_WINDOWS = 1000
LARGEST_FRAME_VALUE = 1e30
LARGEST_SCORE = 1e300
"""Scores (of absurd input) are limited to this, above and below zero, so that all are finite."""


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
    notes_ : list of str
        What whoever fitted it should be told; of detectors that have something to say.
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
        y : mapping of str to array, shape (n_windows,), optional
            What is known of the windows, by column, such as ``{"domain": domains}``, for detectors that ask for it (a
            pipeline tells them itself); anything else is ignored, as in scikit-learn.

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
        if isinstance(y, Mapping):
            windows = _with_known(windows, y)
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
        return np.clip(np.asarray(scores, np.float64), -LARGEST_SCORE, LARGEST_SCORE)

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


class Localizer(Detector, ABC):
    """A detector that can also say where in a window its score comes from."""

    @final
    def anomaly_map(self, X: ArrayLike | WindowArray) -> NDArray[np.float64]:
        """Say where in windows the score comes from: higher is stranger.

        Parameters
        ----------
        X : array, shape (n_windows, n_frames, n_bands, n_channels) or (n, n_features)
            As for `anomaly_score`.

        Returns
        -------
        array, shape of X
            The mean over a window is that window's score, to rounding.

        Raises
        ------
        NotFittedError, ShapeError, InputError
            As `anomaly_score`.
        """
        self._require_fitted()
        windows, is_table = _as_windows(X)
        self._check_shape(windows, is_table)
        if len(windows) == 0:
            return np.empty(np.shape(X))
        with np.errstate(over="ignore"):
            maps = np.concatenate([self._map(batch) for batch in batches(windows)])
        maps = np.asarray(np.clip(maps, -LARGEST_SCORE, LARGEST_SCORE))
        return maps.reshape(len(windows), -1) if is_table else maps

    @abstractmethod
    def _map(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Spread the scores of windows in memory over their cells."""


def groups_of(windows: Windows) -> NDArray[np.int64] | None:
    """Return which recording each window comes from, where that is known."""
    return windows.recordings[windows.groups] if isinstance(windows, WindowArray) else None


def part_of(windows: Windows, rows: NDArray[np.int64]) -> Windows:
    """Return some of the windows, by ascending index, as lazy as they were."""
    return windows.take(rows) if isinstance(windows, WindowArray) else windows[rows]


def known_of(windows: Windows, column: str) -> NDArray[np.str_]:
    """Return what is known of each window (n_windows,) in a column of the recordings table.

    Raises
    ------
    InputError
        If the column is not known.
    """
    known = windows.known if isinstance(windows, WindowArray) else {}
    if column not in known or not isinstance(windows, WindowArray):
        there = f"known are {', '.join(known)}" if known else "nothing is known of them"
        raise InputError(
            f"The detector asks for the column {column!r} of the recordings; {there}. "
            "Fit on a recordings table with that column, or give the detector another one."
        )
    return np.array(known[column], np.str_)[windows.groups]


def pieces_of(window: NDArray[np.floating[Any]], size: int, hop: int) -> NDArray[np.float32]:
    """Return pieces (n_pieces, size, n_bands, n_channels) of a window, ``hop`` frames apart; the last ends with it."""
    starts = WindowGrid(size, hop).starts(len(window))
    frames = np.clip(window, -LARGEST_FRAME_VALUE, LARGEST_FRAME_VALUE).astype(np.float32, copy=False)
    return np.stack([frames[start : start + size] for start in starts])


def require_counts(**counts: object) -> None:
    """Check parameters, by name, that must be whole numbers of at least 1.

    Raises
    ------
    InputError
        If one is not.
    """
    for name, value in counts.items():
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{name}={value!r} was given. It must be a whole number of at least 1.")


def _with_known(windows: Windows, known: Mapping[str, Any]) -> WindowArray:
    """Attach what is known of each window to windows in memory."""
    if isinstance(windows, WindowArray):
        raise InputError("Stored windows were given with labels of their own. Put what is known into the WindowArray.")
    n_windows, n_frames = windows.shape[:2]
    for column, values in known.items():
        if len(values) != n_windows:
            raise ShapeError(
                f"{len(values)} values of {column!r} were given for {n_windows} windows. Give one for each."
            )
    frames = windows.reshape(n_windows * n_frames, *windows.shape[2:])
    segments = [(start, start + n_frames) for start in range(0, len(frames), n_frames)]
    texts = {str(column): [str(value) for value in values] for column, values in known.items()}
    return WindowArray(frames, segments, WindowGrid(n_frames, n_frames), texts)


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

"""Detectors made comparable on normal sound that they were not fitted on: what composite detectors are built with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.detectors.base import LARGEST_SCORE, Detector, Localizer, groups_of, part_of
from offkey.statistics import Windows

__all__ = ["Comparable", "comparable", "is_cheap", "map_of", "out_of_fold", "relative"]

N_FOLDS = 5
KEPT_BACK = 0.2
FEWEST_WINDOWS = 3
"""Fewer windows are not split by recording, but each on its own."""


def is_cheap(detector: Detector) -> bool:
    """Say whether a detector, with all detectors among its parameters, is cheap enough to be fitted several times."""
    values = list(detector.get_params().values())
    within = [each for value in values for each in (value if isinstance(value, list | tuple) else [value])]
    return detector.cross_fit and all(is_cheap(each) for each in within if isinstance(each, Detector))


def out_of_fold(detector: Detector, windows: Windows, folds: Iterable[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Score windows (n_windows,) by copies of a detector, each fitted without the recordings that it scores.

    Parameters
    ----------
    detector : Detector
        Only its parameters are used.
    windows : array, shape (n_windows, n_frames, n_bands, n_channels)
        All windows.
    folds : iterable of array of int
        Recordings (windows, where no or too few recordings are known) of each fold; together all of them.
    """
    units = _units(windows)
    scores = np.empty(len(windows))
    for fold in folds:
        is_out = np.isin(units, fold)
        fitted = detector.unfitted().fit(part_of(windows, np.flatnonzero(~is_out)))
        scores[is_out] = fitted.anomaly_score(part_of(windows, np.flatnonzero(is_out)))
    return scores


@final
@dataclass(frozen=True)
class Comparable:
    """A fitted detector, and what its scores of normal sound are like.

    Attributes
    ----------
    detector : Detector
        Fitted.
    center, spread : float
        Of scores of normal sound that it was not fitted on: the median, and the median absolute deviation times 1.4826
        (where more than half of the scores are alike, the standard deviation; 1 where all are).
    scores : array, shape (n_windows,)
        Of the windows, less the center and over the spread: by a detector that was not fitted on them, where there is
        one.
    """

    detector: Detector
    center: float
    spread: float
    scores: NDArray[np.float64]


def comparable(detector: Detector, windows: Windows, seed: int) -> Comparable:
    """Fit a detector, and say how its scores compare with those of others.

    Cheap detectors score by 5 folds of recordings and are fitted on all; networks keep a fifth of them back.
    """
    units = _units(windows)
    order = np.random.default_rng(seed).permutation(np.unique(units))
    is_out = np.ones(len(windows), bool)
    if is_cheap(detector):
        scores = out_of_fold(detector, windows, np.array_split(order, min(N_FOLDS, len(order))))
        fitted = detector.unfitted().fit(windows)
    else:
        is_out = np.isin(units, order[: max(1, round(KEPT_BACK * len(order)))])
        fitted = detector.unfitted().fit(part_of(windows, np.flatnonzero(~is_out)))
        scores = fitted.anomaly_score(windows)
    center, spread = _center_and_spread(scores[is_out])
    return Comparable(fitted, center, spread, relative(scores, center, spread))


def _center_and_spread(scores: NDArray[np.float64]) -> tuple[float, float]:
    center = float(np.median(scores))
    with np.errstate(over="ignore"):
        spread = 1.4826 * float(np.median(np.abs(scores - center))) or float(scores.std()) or 1.0
    return center, min(spread, LARGEST_SCORE)


def relative(scores: NDArray[np.float64], center: float, spread: float) -> NDArray[np.float64]:
    """Return scores less a center and over a spread; finite, however absurd they are."""
    with np.errstate(over="ignore"):
        return np.clip((scores - center) / spread, -LARGEST_SCORE, LARGEST_SCORE)


def _units(windows: Windows) -> NDArray[np.int64]:
    """Return what splits keep together: the recording of each window (n_windows,), or itself where they are too few."""
    groups = groups_of(windows)
    if groups is not None:
        counts = np.unique(groups, return_counts=True)[1]
        if len(counts) > 1 and len(groups) - counts.max() >= FEWEST_WINDOWS:
            return groups
    return np.arange(len(windows))


def map_of(detector: Detector, windows: Windows) -> NDArray[np.float64]:
    """Return where the scores of windows come from; evenly from everywhere, if a detector cannot say."""
    if isinstance(detector, Localizer):
        return detector.anomaly_map(windows)
    return np.broadcast_to(detector.anomaly_score(windows)[:, None, None, None], windows.shape)

"""A detector for each operating state or domain."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.detectors.base import Detector, Localizer, groups_of, known_of, part_of, require_counts
from offkey.detectors.comparable import comparable, map_of, relative
from offkey.detectors.gaussian import Gaussian
from offkey.errors import InputError, ShapeError
from offkey.statistics import Windows, time_statistics

__all__ = ["PerState"]

FEWEST_RECORDINGS = 4
"""A state in fewer recordings has no detector of its own: none of its sound would be left to make scores comparable."""
FEWEST_TO_FIT = 3
"""Windows of a state that are left, at least, without any one of its recordings."""
MOST_STATES = 6
N_COMPONENTS = 5
CLEAR_SILHOUETTE = 0.65
"""Above what one state comes to whose level varies: two halves of a normal or uniform distribution have .59 and .62."""
N_SILHOUETTE_WINDOWS = 1000


@final
class PerState(Localizer):
    """One detector for each operating state or domain; a window's score is that of the state it fits best.

    A machine with two speeds, or that is on and off, has normal sounds of two kinds: to one detector all that lies
    between them is normal too. Here each state has its own, and their scores are made comparable as in an `Ensemble`
    (robust z-scores of held-out normal sound of the state) before the smallest is taken, so that a state that is rare
    or varies more does not cost sensitivity in the others. With ``column="domain"`` it is the minimum over source and
    target of DCASE baselines. A fault that makes one state sound as another one when healthy is not heard.
    `anomaly_map` is that of the state a window fits best.

    Parameters
    ----------
    detector : Detector, optional
        `Gaussian` if not given.
    column : str, optional
        Column of the recordings table that tells the state, such as ``"domain"`` or ``"speed"``. The state of what is
        scored need not be known. If not given, states are clusters (k-means) of the windows' mean spectra and their
        standard deviations over time, in decibels, by their first 5 principal components.
    n_states : int, optional
        How many clusters; if not given, the number from 2 to 6 with the largest mean silhouette (Rousseeuw 1987), or
        one where none is above 0.65.
    normalize : bool
        Whether scores are made comparable before the smallest is taken.
    seed : int
        Of clusters and folds.

    Attributes
    ----------
    detectors_ : list of Detector
        As fitted, of each state.
    states_ : list of str
        Their names; numbers of clusters. Windows of a state in fewer than 4 recordings (windows, where no recordings
        are known), or of which nothing is known, count to the state that sounds most alike.
    center_, scale_ : array, shape (n_states,)
        Of the held-out scores of each state.
    training_scores_ : array, shape (n_windows,)
        With ``normalize``: scores of the training windows by detectors of their own state that were not fitted on them.
    notes_ : list of str
        How many states there are.

    Examples
    --------
    >>> import numpy as np
    >>> slow, fast = np.random.default_rng(0).normal(0, 1, (2, 40, 30, 16, 1)) + [[[[[-60]]]], [[[[-50]]]]]
    >>> detector = PerState().fit(np.concatenate([slow, fast]))
    >>> len(detector.states_)
    2
    >>> bool(detector.anomaly_score((slow[:1] + fast[:1]) / 2) > detector.anomaly_score(fast).max())
    True
    """

    def __init__(
        self,
        detector: Detector | None = None,
        column: str | None = None,
        n_states: int | None = None,
        normalize: bool = True,
        seed: int = 0,
    ) -> None:
        self.detector = detector
        self.column = column
        self.n_states = n_states
        self.normalize = normalize
        self.seed = seed

    def _fit(self, windows: Windows) -> None:
        if self.n_states is not None:
            require_counts(n_states=self.n_states)
        detector = Gaussian() if self.detector is None else self.detector
        if not isinstance(detector, Detector):
            raise InputError(f"detector={detector!r} was given. Give a detector, such as Gaussian().")
        if len(windows) < 3:
            raise ShapeError(
                f"{len(windows)} sample(s) (shape={windows.shape}) were given; states need at least 3. Give more."
            )
        states = self._found(windows)
        self.states_ = [str(state) for state in np.unique(states)]
        counts = ", ".join(f"{name or 'all'}: {(states == name).sum()}" for name in self.states_)
        self.notes_ = [f"Detectors of {len(self.states_)} operating state(s) were fitted (windows of {counts})."]
        rows = [np.flatnonzero(states == state) for state in self.states_]
        parts = [part_of(windows, own) for own in rows]
        if not self.normalize:
            self.detectors_ = [detector.unfitted().fit(part) for part in parts]
            self.center_, self.scale_ = np.zeros(len(parts)), np.ones(len(parts))
            return
        made = [comparable(detector, part, self.seed) for part in parts]
        self.detectors_ = [each.detector for each in made]
        self.center_, self.scale_ = np.array([each.center for each in made]), np.array([each.spread for each in made])
        self.training_scores_ = np.empty(len(windows))
        for own, each in zip(rows, made, strict=True):
            self.training_scores_[own] = each.scores

    def _found(self, windows: Windows) -> NDArray[np.str_]:
        """Return the state of each window (n_windows,)."""
        places = _principal_components(time_statistics(windows, ("mean", "std")))
        groups = groups_of(windows)
        if groups is None or len(np.unique(groups)) < 2:
            groups = np.arange(len(windows))
        if self.column is None:
            return _clusters(places, groups, self.n_states, self.seed)
        states = known_of(windows, self.column)
        if not np.any(states != ""):
            raise InputError(
                f"The column {self.column!r} is empty for all recordings. Fill it in, or leave it out: states are then "
                "found by clustering."
            )
        return _without_rare(states, places, groups)

    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return np.asarray(self._of_states(windows).min(axis=0))

    def _of_states(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        each = zip(self.detectors_, self.center_, self.scale_, strict=True)
        return np.stack([relative(own.anomaly_score(windows), *of) for own, *of in each])

    def _map(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        nearest, cells = self._of_states(windows).argmin(axis=0), np.empty(windows.shape)
        for state in np.unique(nearest):
            own = nearest == state
            maps = map_of(self.detectors_[state], windows[own])
            cells[own] = relative(maps, self.center_[state], self.scale_[state])
        return cells


def _principal_components(spectra: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores (n_windows, n_components) of spectra (n_windows, n_values) in the unit of the spectra.

    Standardised bands would each count alike, and few of them tell one state from another.
    """
    centred = spectra - spectra.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return np.asarray(centred @ axes[:, -N_COMPONENTS:])


def _clusters(
    places: NDArray[np.float64], groups: NDArray[np.int64], n_states: int | None, seed: int
) -> NDArray[np.str_]:
    """Return the state (n_windows,) of each window by k-means."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    n_different = len(np.unique(places, axis=0))

    def cluster(n: int) -> NDArray[np.str_]:
        found = KMeans(min(n, n_different), n_init=5, random_state=seed).fit_predict(places)
        return _without_rare(found.astype(np.str_), places, groups)

    if n_states is not None:
        return cluster(n_states)
    best, best_silhouette = np.full(len(places), "0"), CLEAR_SILHOUETTE
    some = np.linspace(0, len(places) - 1, min(len(places), N_SILHOUETTE_WINDOWS)).astype(int)
    for n in range(2, min(MOST_STATES, n_different) + 1):
        found = cluster(n)
        if 1 < len(np.unique(found[some])) < len(some):
            silhouette = float(silhouette_score(places[some], found[some]))
            if silhouette > best_silhouette:
                best, best_silhouette = found, silhouette
    return best


def _without_rare(states: NDArray[np.str_], places: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.str_]:
    """Let windows of no state, or one that is too rare for a detector of its own, count to the nearest that is not."""
    n_recordings = len(np.unique(groups))

    def is_common(state: str) -> bool:
        counts = np.unique(groups[states == state], return_counts=True)[1]
        return len(counts) >= min(FEWEST_RECORDINGS, n_recordings) and counts.sum() - counts.max() >= FEWEST_TO_FIT

    kept = [state for state in np.unique(states) if state and is_common(state)]
    if not kept:
        return np.full_like(states, "")
    centres = np.stack([places[states == state].mean(axis=0) for state in kept])
    changed = states.copy()
    for row in np.flatnonzero(~np.isin(states, kept)):
        changed[row] = kept[np.argmin(np.square(centres - places[row]).sum(axis=1))]
    return changed

"""Several detectors as one: scores made comparable on normal sound that they were not fitted on, then averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.detectors.base import Detector, Localizer
from offkey.detectors.comparable import comparable, map_of, relative
from offkey.detectors.gaussian import Gaussian
from offkey.detectors.neighbors import NearestNeighbors
from offkey.errors import InputError, ShapeError
from offkey.statistics import Windows

__all__ = ["Ensemble"]


@final
class Ensemble(Localizer):
    """Mean of its members' robust z-scores: ``"auto"`` on the command line, and what a pipeline uses by default.

    No family of detectors hears everything: a Gaussian over spectra hears tones, neighbours hear sounds of many kinds,
    fluctuations from frame to frame give away rattles and hiss, and the modulation spectrum rhythms. The members'
    scores have other units and spreads; each is centred and divided by the median and the median absolute deviation
    (times 1.4826) of its own scores of normal recordings that it was not fitted on (by 5 folds of recordings; networks
    keep a fifth of them back). The members are fixed: nothing is chosen by looking at anomalies. In `anomaly_map`, a
    member that cannot say where its score comes from adds the same to all cells.

    Parameters
    ----------
    members : sequence of Detector, optional
        If not given: `Gaussian`, and `NearestNeighbors` on mean and standard deviation, on ``"delta"`` and on
        ``"modulation"``. None of them needs TensorFlow.
    seed : int
        Of the folds.

    Attributes
    ----------
    members_ : list of Detector
        As fitted.
    center_, scale_ : array, shape (n_members,)
        Of the held-out scores of each member.
    training_scores_ : array, shape (n_windows,)
        Scores of the training windows by members that were not fitted on them; networks were on four fifths.

    Examples
    --------
    >>> import numpy as np
    >>> normal = np.random.default_rng(0).normal(-60, 1, (40, 30, 16, 1))
    >>> detector = Ensemble().fit(normal)
    >>> bool(detector.anomaly_score(normal[:1] + 3)[0] > detector.anomaly_score(normal).max())
    True
    """

    def __init__(self, members: Sequence[Detector] | None = None, seed: int = 0) -> None:
        self.members = members
        self.seed = seed

    def _fit(self, windows: Windows) -> None:
        given = self.members if self.members is None or isinstance(self.members, Sequence) else ()
        members = _default_members() if given is None else list(given)
        if not members or not all(isinstance(each, Detector) for each in members):
            raise InputError(f"members={self.members!r} was given. Give a sequence of detectors.")
        if len(windows) < 3:
            raise ShapeError(
                f"{len(windows)} sample(s) (shape={windows.shape}) were given; an ensemble needs at least 3. Give more."
            )
        made = [comparable(each, windows, self.seed) for each in members]
        self.members_ = [each.detector for each in made]
        self.center_, self.scale_ = np.array([each.center for each in made]), np.array([each.spread for each in made])
        self.training_scores_ = np.mean([each.scores for each in made], axis=0)

    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        total = np.zeros(len(windows))
        for member, center, scale in zip(self.members_, self.center_, self.scale_, strict=True):
            total += relative(member.anomaly_score(windows), center, scale) / len(self.members_)
        return total

    def _map(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        total = np.zeros(windows.shape)
        for member, center, scale in zip(self.members_, self.center_, self.scale_, strict=True):
            total += relative(map_of(member, windows), center, scale) / len(self.members_)
        return total


def _default_members() -> list[Detector]:
    return [
        Gaussian(),
        NearestNeighbors(),
        NearestNeighbors(statistics=("delta",)),
        NearestNeighbors(statistics=("modulation",)),
    ]

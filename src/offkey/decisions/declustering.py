"""Independent peaks of scores that depend on their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Peaks", "declustered_peaks"]


@final
@dataclass(frozen=True)
class Peaks:
    """The highest score of each cluster above a base (n_peaks,), and the block it lies in (n_peaks,)."""

    scores: NDArray[np.float64]
    blocks: NDArray[np.int64]


def declustered_peaks(blocks: Sequence[NDArray[np.float64]], base: float) -> Peaks:
    """Return the highest score of each cluster of scores above ``base``.

    The run length between clusters is that of Ferro and Segers (2003): as many of the longest distances between
    exceedances stand between clusters as the extremal index says.
    """
    above = [np.flatnonzero(block > base) for block in blocks]
    run = _run_length(np.concatenate([np.diff(each) for each in above]).astype(float))
    scores, owners = [], []
    for i, (block, own) in enumerate(zip(blocks, above, strict=True)):
        if len(own):
            starts = np.flatnonzero(np.append(True, np.diff(own) > run))
            peaks = np.maximum.reduceat(block[own], starts)
            scores.append(peaks)
            owners.append(np.full(len(peaks), i))
    if not scores:
        return Peaks(np.empty(0), np.empty(0, np.int64))
    return Peaks(np.concatenate(scores), np.concatenate(owners))


def _run_length(distances: NDArray[np.float64]) -> float:
    """Return the distance (in windows) up to which exceedances are of one cluster."""
    n = len(distances)
    if n == 0:
        return 1.0
    if distances.max() <= 2:
        index = 2 * distances.sum() ** 2 / (n * np.square(distances).sum())
    else:
        rest = distances - 1
        index = 2 * rest.sum() ** 2 / (n * (rest * (distances - 2)).sum())
    n_between = min(n, max(1, int(min(1.0, index) * n)))
    return max(1.0, float(np.sort(distances)[-n_between] - 1)) if n_between < n else 1.0

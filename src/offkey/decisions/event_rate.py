"""The rate of events above a level, as far as the data goes and beyond: a generalised Pareto tail and its doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.decisions.pareto import log_densities, survival, tail_grid

__all__ = ["EventRate", "level_of"]

IMPOSSIBLE = -1e5
"""Log-density of an excess that a tail does not reach: finite, as blocks that are not drawn count zero times."""


@final
@dataclass(frozen=True)
class EventRate:
    """Peaks over a base with a generalised Pareto tail, on a grid of tails; blocks of recordings can be drawn again.

    Attributes
    ----------
    base : float
        Score that the tail begins at.
    n_peaks : int
        Independent peaks above it.
    hours : array, shape (n_blocks,)
        Normal sound in each block.
    n_per_block : array, shape (n_blocks,)
        Peaks in each block.
    scale, shape : array, shape (n_tails,)
        The grid.
    log_likelihood : array, shape (n_blocks, n_tails)
        Of each block's excesses.
    levels : array, shape (n_levels,)
        Ascending; where events were counted.
    events, clusters : array, shape (n_blocks, n_levels)
        Events above each level, and clusters that reach above it.
    """

    base: float
    n_peaks: int
    hours: NDArray[np.float64]
    n_per_block: NDArray[np.int64]
    scale: NDArray[np.float64]
    shape: NDArray[np.float64]
    log_likelihood: NDArray[np.float64]
    levels: NDArray[np.float64]
    events: NDArray[np.int64]
    clusters: NDArray[np.int64]

    @classmethod
    def fit(
        cls,
        peaks: NDArray[np.float64],
        blocks: NDArray[np.int64],
        base: float,
        hours: NDArray[np.float64],
        levels: NDArray[np.float64],
        events: NDArray[np.int64],
    ) -> EventRate:
        """Fit to peaks (n_peaks,) above ``base``, of the blocks (n_peaks,)."""
        excess = peaks - base
        scale, shape = tail_grid(float(excess.mean()))
        each = np.maximum(log_densities(excess, scale, shape), IMPOSSIBLE)
        likelihood = np.zeros((len(hours), len(shape)))
        np.add.at(likelihood, blocks, each)
        reached = peaks[:, None] > levels
        clusters = np.zeros((len(hours), len(levels)), np.int64)
        np.add.at(clusters, blocks, reached)
        n_per_block = np.bincount(blocks, minlength=len(hours))
        return cls(base, len(peaks), hours, n_per_block, scale, shape, likelihood, levels, events, clusters)

    def rate(self, level: float) -> float:
        """Return the expected events per hour above a level: the mean over all tails by how well they fit."""
        n_clusters = self.n_peaks / self.hours.sum()
        whole = np.ones((1, len(self.hours)))
        surviving = survival(level - self.base, self.scale, self.shape) @ self._posterior(whole)[0]
        return float(n_clusters * self._events_of_a_cluster(level, whole)[0] * surviving)

    def draw_rates(self, level: float, rng: np.random.Generator, n_draws: int) -> NDArray[np.float64]:
        """Return events per hour above a level (n_draws,): blocks drawn again, each time with a tail that fits them."""
        n_blocks = len(self.hours)
        draws = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), n_draws).astype(float)
        cumulated = np.cumsum(self._posterior(draws), axis=1)
        tails = (rng.random((n_draws, 1)) > cumulated).sum(axis=1).clip(max=len(self.shape) - 1)
        clusters = draws @ self.n_per_block / (draws @ self.hours)
        surviving = survival(level - self.base, self.scale[tails], self.shape[tails])
        return np.asarray(clusters * self._events_of_a_cluster(level, draws) * surviving)

    def _posterior(self, draws: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights of tails (n_draws, n_tails) for blocks drawn so often (n_draws, n_blocks)."""
        log = draws @ self.log_likelihood
        weight = np.exp(log - log.max(axis=1, keepdims=True))
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def _events_of_a_cluster(self, level: float, draws: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the events that the rules make of a cluster above a level (n_draws,); the highest known beyond."""
        i = max(0, int(np.searchsorted(self.levels, level, side="right")) - 1)
        return np.asarray(np.maximum(draws @ self.events[:, i], 1) / np.maximum(draws @ self.clusters[:, i], 1))


def level_of(tails: Sequence[EventRate], per_hour: float) -> float:
    """Return the level above which so many events per hour are expected, on average over the tails."""

    def rate(level: float) -> float:
        return sum(tail.rate(level) for tail in tails) / len(tails)

    low = min(tail.base for tail in tails)
    high = low + max(float(tail.scale.max()) for tail in tails)
    while rate(high) > per_hour:
        high += 2 * (high - low)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rate(middle) > per_hour else (low, middle)
    return high

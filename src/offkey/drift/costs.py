"""How many rows there is time to watch."""

from __future__ import annotations

import math
import time
from typing import final

import numpy as np

from offkey.drift.reference import Reference

__all__ = ["Costs"]


@final
class Costs:
    """What watching takes, learned as it goes, and what it may take.

    Parameters
    ----------
    share : float
        Of the model's own time that watching may take.
    call_s, row_s : float
        Seconds that a watched call takes, and each of its rows.
    """

    def __init__(self, share: float, call_s: float, row_s: float) -> None:
        self.share, self.call_s, self.row_s = share, call_s, row_s

    @classmethod
    def measured(cls, reference: Reference, share: float) -> Costs:
        """Return the costs of a stream of a reference, by one that is thrown away."""
        sample, times = reference.sample_, []
        n_rows = min(50, sample.n_rows)
        stream = reference.stream()
        for n in (1, 1, n_rows):
            table = sample.take(np.arange(n))
            start = time.perf_counter()
            stream.trace(table)
            times.append(time.perf_counter() - start)
        return cls(share, max(times[1], 1e-4), max((times[2] - times[1]) / n_rows, 1e-6))

    def affordable(self, model_s: float, watching_s: float) -> float:
        """Return how many rows can be watched now, given the seconds that the model and the watching took so far."""
        if self.share == math.inf:
            return math.inf
        return (self.share * model_s - watching_s - self.call_s) // self.row_s

    def learn(self, taken_s: float, n_rows: int) -> None:
        """Learn slowly from what a call took."""
        expected = self.call_s + n_rows * self.row_s
        ratio = min(10.0, max(0.1, taken_s / expected)) ** 0.2
        self.call_s, self.row_s = self.call_s * ratio, self.row_s * ratio

"""On-line drift: alarms on a stream of rows, with a mean time between false alarms that is chosen beforehand.

Every row is ranked among all that came before it, the calibration rows first; ties are broken at random. While rows are
exchangeable the shares of those that rank as high are independent and uniform on (0, 1), whatever the distribution and
however few calibration rows there are (Vovk, Gammerman and Shafer 2022, "Algorithmic learning in a random world",
theorem 11.1). A bet on such a share, a density f, is worth 1 on average, and

    R(n) = (1 + R(n - 1)) f(p(n)),  R(0) = 0        (Shiryaev 1963, Roberts 1966)

less n is a martingale. So is the weighted mean of any number of such statistics, of different bets and columns, however
they depend on each other. An alarm is given when it reaches the limit A; by optional stopping the mean number of
rows until then is the mean of the statistic at that time, which is A at least (Vovk et al. 2021, "Retrain or not
retrain: conformal test martingales for change-point detection"; Shin, Ramdas and Rinaldo 2024, "E-detectors"). The
statistic then begins anew at 0, and the ranks go on, so that the same holds from each alarm to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError

__all__ = ["N_BINS", "Alarm", "Betting", "Ranks", "bin_edges"]

N_BINS = 512
"""Values of one bin count as tied: memory does not grow with the stream, and the ranks stay exact."""
EXPONENTS = (0.5, 0.7, 0.85)
"""Of the bets: a p^(a - 1), and the same of 1 - p. The smaller, the more is put on extreme rows; the larger, the more
on many that are a little off. Smaller ones than these would let single outliers bring about alarms."""
LARGEST_BET = 1e6
TELLING = 0.1
"""Of the limit: a column that comes so near to it by itself is named as the cause."""


@final
@dataclass(frozen=True)
class Alarm:
    """A drift that a stream found.

    Attributes
    ----------
    row : int
        Number of the row at which it was found, from 0.
    since : int
        Number of the row that it seems to have begun with.
    cause : str
        The column that says most, or ``"all columns together"`` where none alone says much.
    direction : str
        ``"higher"`` or ``"lower"`` for numbers, ``"rarer"`` or ``"more frequent"`` for categories, ``"stranger"`` or
        ``"more usual"`` for all columns together.
    statistic, limit : float
        What the evidence came to, and from where on it is an alarm: the mean number of rows between false alarms.
    goes_on : bool
        Whether it begins where the alarm before was given, and so tells of the same drift.
    """

    row: int
    since: int
    cause: str
    direction: str
    statistic: float
    limit: float
    goes_on: bool = False

    def __str__(self) -> str:
        return f"row {self.row}: {self.cause} {self.direction} since row {self.since} (evidence {self.statistic:.3g})"


def bin_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges (N_BINS - 1,) of the bins of a score: quantiles of training rows, and steps beyond them."""
    there = values[np.isfinite(values)]
    if len(there) == 0:
        return np.zeros(N_BINS - 1)
    n_beyond = 16
    inner = np.quantile(there, np.linspace(0, 1, N_BINS - 1 - 2 * n_beyond))
    width = float(np.subtract(*np.quantile(there, [0.75, 0.25])))
    width = max(width, 1e-3 * float(np.ptp(there)), 1e-9 * float(np.abs(inner).max())) or 1.0
    steps = width * np.geomspace(0.05, 50, n_beyond)
    return np.concatenate([inner[0] - steps[::-1], inner, inner[-1] + steps])


@final
class Ranks:
    """Counts of what came before, by score and bin: where a new row ranks among it.

    Parameters
    ----------
    counts : array of int, shape (n_scores, N_BINS)
        Of the calibration rows.
    """

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self._at_least = np.zeros((len(counts), N_BINS + 1), np.int64)  # rows in a bin or a higher one
        self._at_least[:, :-1] = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
        self._scores, self._bins = np.arange(len(counts)), np.arange(N_BINS + 1)

    def push(self, bins: NDArray[np.int64], breaks: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take up a row by the bins (n_scores,) of its scores, and return its p-values; ``breaks`` settle ties."""
        self._at_least += self._bins <= bins[:, None]
        at_least, above = self._at_least[self._scores, bins], self._at_least[self._scores, bins + 1]
        return np.asarray((above + breaks * (at_least - above)) / self._at_least[:, 0])


@final
class Betting:
    """Shiryaev-Roberts statistics of several bets on several p-values, as one.

    Parameters
    ----------
    weights : sequence of float, shape (n_scores,)
        What part of all each score is; they add up to 1.
    shares_low : sequence of float, shape (n_scores,)
        What part of that is bet on small p-values (high scores); the rest is bet on large ones.
    limit : float
        Where the statistic gives an alarm.

    Raises
    ------
    InputError
        If the limit is not above 1.
    """

    def __init__(self, weights: Sequence[float], shares_low: Sequence[float], limit: float) -> None:
        if not 1 < limit < np.inf:
            raise InputError(f"A mean of {limit} rows between false alarms was given. Give more than 1, such as 10000.")
        low, part = np.asarray(shares_low)[:, None], np.asarray(weights)[:, None] / len(EXPONENTS)
        self._weights = np.concatenate([part * low * np.ones(len(EXPONENTS)),
                                        part * (1 - low) * np.ones(len(EXPONENTS))], axis=1)  # fmt: skip
        self._exponents = np.asarray(EXPONENTS)
        self.limit = float(limit)
        self._begin(0)

    def _begin(self, row: int) -> None:
        self._statistics = np.zeros(self._weights.shape)
        self._gains = np.zeros(self._weights.shape)  # logarithms, since each bet last stood at nothing
        self._since = np.full(self._weights.shape, row)

    def push(self, row: int, p_values: NDArray[np.float64]) -> tuple[float, int, int, bool]:
        """Bet on the p-values (n_scores,) of a row.

        Returns
        -------
        float
            The statistic.
        int
            The row since which the bet that says most has been gaining.
        int
            The score it is on; the first is that of all columns together.
        bool
            Whether it is on small p-values.
        """
        p = np.clip(np.stack([p_values, 1 - p_values], axis=1), 1e-12, 1)[:, :, None]
        factors = np.minimum(self._exponents * p ** (self._exponents - 1), LARGEST_BET).reshape(self._weights.shape)
        self._statistics = (1 + self._statistics) * factors
        self._since[self._gains <= 0] = row
        self._gains = np.maximum(self._gains, 0) + np.log(factors)
        parts = self._weights * self._statistics
        total = float(parts.sum())
        score = self._most_telling(parts)
        bet = int(parts[score].argmax())
        since = int(self._since[score, bet])
        if total >= self.limit:
            self._begin(row + 1)
        return total, since, score, bet < len(EXPONENTS)

    def _most_telling(self, parts: NDArray[np.float64]) -> int:
        """Return the score that says most: a column, if one alone comes near the limit, before all of them together."""
        own = parts.sum(axis=1) / self._weights.sum(axis=1)
        column = 1 + int(own[1:].argmax()) if len(own) > 1 else 0
        return column if own[column] >= TELLING * self.limit else int(parts.sum(axis=1).argmax())

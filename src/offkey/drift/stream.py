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

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError

__all__ = ["N_BINS", "Alarm", "Bet", "Betting", "Ranks", "bin_edges"]

N_BINS = 512
"""Values of one bin count as tied: memory does not grow with the stream, and the ranks stay exact."""
EXPONENTS = (0.5, 0.7, 0.85)
"""Of the bets: a p^(a - 1), and the same of 1 - p. The smaller, the more is put on extreme rows; the larger, the more
on many that are a little off. Smaller ones than these would let single outliers bring about alarms."""
N_PLACES, STAKE = 8, 0.25
"""Of the bets that rows keep to one place, wherever it is (a value that is frozen): 3/4, and 2 more in one eighth."""
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
        ``"more usual"`` for all columns together; ``"less varied"`` where values keep to one place (frozen ones, for
        example), and ``"missing"``.
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
@dataclass(frozen=True)
class Bet:
    """The bet that says most.

    Attributes
    ----------
    score : int
        What it is on; the first is that of all columns together.
    since : int
        The row since which it has been gaining.
    kind : int
        0, 1 or 2: on small p-values (or a place in the first quarter), on large ones (or a place in the last), on a
        place between.
    is_of_missing : bool
        Whether it gained most of that from missing values.
    """

    score: int
    since: int
    kind: int
    is_of_missing: bool


@final
class Betting:
    """Shiryaev-Roberts statistics of several bets on several p-values, as one.

    Parameters
    ----------
    weights : array, shape (n_scores, 3)
        What part of all is bet on small p-values of each score (high scores), on large ones, and on some place between;
        they add up to 1.
    limit : float
        Where the statistic gives an alarm.

    Raises
    ------
    InputError
        If the limit is not above 1.
    """

    def __init__(self, weights: ArrayLike, limit: float) -> None:
        if not 1 < limit < np.inf:
            raise InputError(f"A mean of {limit} rows between false alarms was given. Give more than 1, such as 10000.")
        n_bets = np.array([len(EXPONENTS), len(EXPONENTS), N_PLACES])
        self._weights = np.repeat(np.asarray(weights) / n_bets, n_bets, axis=1)
        outer, inner = N_PLACES // 4, N_PLACES - 2 * (N_PLACES // 4)
        self._kinds = np.repeat([0, 1, 0, 2, 1], [len(EXPONENTS), len(EXPONENTS), outer, inner, outer])
        self._exponents, self._places = np.asarray(EXPONENTS), np.arange(N_PLACES)
        self.limit = float(limit)
        self._begin(0)

    def _begin(self, row: int) -> None:
        self._statistics = np.zeros(self._weights.shape)
        self._gains = np.zeros(self._weights.shape)  # logarithms, since each bet last stood at nothing
        self._gains_of_missing = np.zeros(self._weights.shape)
        self._since = np.full(self._weights.shape, row)

    def push(self, row: int, p_values: NDArray[np.float64], is_missing: NDArray[np.bool_]) -> tuple[float, Bet | None]:
        """Bet on the p-values (n_scores,) of a row.

        Returns
        -------
        float
            The statistic.
        Bet, optional
            At the limit, the bet that says most; all bets then begin anew.
        """
        factors = self._factors(p_values)
        self._statistics = (1 + self._statistics) * factors
        is_nothing = self._gains <= 0
        gains = np.log(factors)
        self._since[is_nothing] = row
        self._gains = np.where(is_nothing, gains, self._gains + gains)
        self._gains_of_missing = np.where(is_nothing, 0, self._gains_of_missing) + gains * is_missing[:, None]
        parts = self._weights * self._statistics
        total = float(parts.sum())
        if total < self.limit:
            return total, None
        bet = self._most_telling(parts)
        self._begin(row + 1)
        return total, bet

    def _factors(self, p_values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each bet (n_scores, n_bets) is worth: densities on (0, 1), the largest values cut off."""
        p = np.clip(np.stack([p_values, 1 - p_values], axis=1), 1e-12, 1)[:, :, None]
        at_the_ends = np.minimum(self._exponents * p ** (self._exponents - 1), LARGEST_BET)
        is_there = self._places == np.minimum(p_values * N_PLACES, N_PLACES - 1).astype(int)[:, None]
        return np.concatenate([at_the_ends.reshape(len(p), -1), 1 - STAKE + STAKE * N_PLACES * is_there], axis=1)

    def _most_telling(self, parts: NDArray[np.float64]) -> Bet:
        """Return the best bet on the score that says most: a column, if one comes near the limit, before all others."""
        own = parts.sum(axis=1) / self._weights.sum(axis=1)
        column = 1 + int(own[1:].argmax()) if len(own) > 1 else 0
        score = column if own[column] >= TELLING * self.limit else int(parts.sum(axis=1).argmax())
        kind = int(np.argmax([parts[score, self._kinds == kind].sum() for kind in range(3)]))
        bet = score, int(np.where(self._kinds == kind, parts[score], -1).argmax())
        is_of_missing = bool(self._gains_of_missing[bet] > self._gains[bet] / 2 > 0)
        return Bet(score, int(self._since[bet]), kind, is_of_missing)

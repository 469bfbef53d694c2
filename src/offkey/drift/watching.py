"""A stream of rows watched for drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.drift.scores import TOGETHER, RowScores
from offkey.drift.stream import Alarm, Betting, Ranks
from offkey.drift.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DriftStream"]

WORDS = {
    "numeric": ("higher", "lower"),
    "categorical": ("rarer", "more frequent"),
    TOGETHER: ("stranger", "more usual"),
}
FEWEST_BETWEEN = 10
"""Rows as usual between two drifts that are not one."""


@final
class DriftStream:
    """Takes rows one at a time or many at once, and says when they are no longer as before.

    Made by `Reference.stream`. After an alarm evidence is collected anew; a drift that stays gives one alarm after the
    other, and all but the first say that it ``goes_on``. The stream goes on with all that it has seen, so that in the
    long run what has come to stay becomes normal; how far a batch is from the reference says `Reference.check`.

    Attributes
    ----------
    n_rows : int
        Rows so far; of groups, if rows have them, only the first row of each counts.
    statistic : float
        Evidence for a drift since the last alarm: an alarm at the limit.
    alarms : list of Alarm
        So far.
    """

    def __init__(
        self,
        scores: RowScores,
        counts: NDArray[np.int64],
        limit: float,
        seed: int,
        read: Callable[[Any], tuple[Table, Column | None]],
    ) -> None:
        n_columns = len(scores.names) - 1
        together = 0.5 if n_columns > 1 else 0.2
        self._betting = Betting(
            [together, *[(1 - together) / n_columns] * n_columns],
            [{TOGETHER: 0.8, "numeric": 0.5, "categorical": 0.8}[kind] for kind in scores.kinds],
            limit,
        )
        self._ranks, self._scores, self._read = Ranks(counts), scores, read
        self._rng = np.random.default_rng(seed)
        self._seen: set[str] = set()
        self.n_rows, self.statistic = 0, 0.0
        self.alarms: list[Alarm] = []

    @property
    def limit(self) -> float:
        """Mean number of rows between false alarms, at least."""
        return self._betting.limit

    def push(self, rows: Any) -> list[Alarm]:
        """Take one row or many, and return the alarms that they gave; the same in whatever pieces rows come.

        Parameters
        ----------
        rows : DataFrame, array (n_rows, n_columns), or mapping of str to value or array
            With the columns of the reference.

        Raises
        ------
        InputError, ShapeError
            If the columns are others.
        """
        table, group = self._read(rows)
        if group is not None:
            table = table.take(np.array(self._first_of_groups(group), np.int64))
        before = len(self.alarms)
        self.trace(table)
        return self.alarms[before:]

    def trace(self, table: Table) -> list[float]:
        """Take independent rows, with the columns of the reference in their order; return the evidence after each."""
        return [self._push(bins) for bins in self._scores.bins(table)]

    def _first_of_groups(self, group: Column) -> list[int]:
        """Return the rows that are the first of their group."""
        first = []
        for row, code in enumerate(group.values):
            name = (group.levels or ())[code]
            if name not in self._seen:
                self._seen.add(name)
                first.append(row)
        return first

    def _push(self, bins: NDArray[np.int64]) -> float:
        p_values = self._ranks.push(bins, 1 - self._rng.random(len(bins)))
        row = self.n_rows
        total, since, score, is_low = self._betting.push(row, p_values)
        self.n_rows += 1
        if total < self.limit:
            self.statistic = total
            return total
        self.statistic = 0.0
        cause = self._scores.names[score]
        direction = WORDS[self._scores.kinds[score]][not is_low]
        goes_on = bool(self.alarms) and _goes_on(self.alarms[-1], since)
        self.alarms.append(Alarm(row, since, cause, direction, total, self.limit, goes_on))
        return total


def _goes_on(before: Alarm, since: int) -> bool:
    """Say whether a drift that began with a row goes on from an earlier alarm: no gap longer than that took, twice."""
    return since - before.row <= max(FEWEST_BETWEEN, 2 * (before.row - before.since))

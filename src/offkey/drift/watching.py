"""A stream of rows watched for drift."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.drift.scores import TOGETHER, RowScores
from offkey.drift.stream import Alarm, Betting, Ranks
from offkey.drift.table import Table
from offkey.drift.values import Column

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DriftStream"]

WORDS = {
    "numeric": ("higher", "lower", "less varied"),
    "categorical": ("rarer", "more frequent", "less varied"),
    TOGETHER: ("stranger", "more usual", "less varied"),
}
STAKES = {"numeric": (0.4, 0.4, 0.2), "categorical": (0.65, 0.15, 0.2), TOGETHER: (0.7, 0.15, 0.15)}
"""What part is bet on each of these words."""
FEWEST_BETWEEN = 10
"""Rows as usual between two drifts that are not one."""
MOST_ALARMS, MOST_GROUPS = 1000, 100_000
"""That are remembered."""


@final
class DriftStream:
    """Takes rows one at a time or many at once, and says when they are no longer as before.

    Made by `Reference.stream`. After an alarm evidence is collected anew; a drift that stays gives one alarm after the
    other, and all but the first say that it ``goes_on``. The stream goes on with all that it has seen, so that in the
    long run what has come to stay becomes normal; how far a batch is from the reference says `Reference.check`.

    Attributes
    ----------
    n_rows : int
        Rows so far; of groups, if rows have them, only the first row of each counts (of the latest 100,000 groups).
    statistic : float
        Evidence for a drift since the last alarm: an alarm at the limit.
    alarms : deque of Alarm
        The latest thousand.
    """

    def __init__(
        self,
        scores: RowScores,
        counts: NDArray[np.int64],
        limit: float,
        rng: np.random.Generator,
        read: Callable[[Any], tuple[Table, Column | None]],
    ) -> None:
        n_columns = len(scores.names) - 1
        together = 0.5 if n_columns > 1 else 0.2
        shares = np.array([together, *[(1 - together) / n_columns] * n_columns])
        self._betting = Betting(shares[:, None] * [STAKES[kind] for kind in scores.kinds], limit)
        self._ranks, self._scores, self._read = Ranks(counts), scores, read
        self._rng = rng
        self._seen: dict[str, None] = {}
        self.n_rows, self.statistic = 0, 0.0
        self.alarms: deque[Alarm] = deque(maxlen=MOST_ALARMS)

    @property
    def limit(self) -> float:
        """Mean number of rows between false alarms, at least."""
        return self._betting.limit

    def push(self, rows: Any) -> list[Alarm]:
        """Take one row or many, and return the alarms that they gave; the same in whatever pieces rows come.

        Parameters
        ----------
        rows : DataFrame, array (n_rows, n_columns), or mapping of str to array
            With the columns of the reference. One row may also be a list or a Series of its values, or a mapping of
            str to value, or to vector (k,) for columns ``name[0]``, ``name[1]``, ...

        Raises
        ------
        InputError, ShapeError
            If the columns are others.
        """
        table, group = self._read(rows)
        if group is not None:
            table = table.take(np.array(self._first_of_groups(group), np.int64))
        return [alarm for _, alarm in self.trace(table) if alarm is not None]

    def trace(self, table: Table) -> list[tuple[float, Alarm | None]]:
        """Take independent rows, with the columns of the reference in their order.

        Returns
        -------
        list of tuple
            After each row: the evidence, and the alarm if it gave one.
        """
        n = table.n_rows
        is_missing = np.column_stack([np.zeros(n, bool), *(column.is_missing for column in table.columns)])
        return [self._push(*each) for each in zip(self._scores.bins(table), is_missing, strict=True)]

    def _first_of_groups(self, group: Column) -> list[int]:
        """Return the rows that are the first of their group."""
        first = []
        for row, code in enumerate(group.values):
            name = (group.levels or ())[code]
            if name not in self._seen:
                self._seen[name] = None
                first.append(row)
            if len(self._seen) > MOST_GROUPS:
                del self._seen[next(iter(self._seen))]
        return first

    def _push(self, bins: NDArray[np.int64], is_missing: NDArray[np.bool_]) -> tuple[float, Alarm | None]:
        p_values = self._ranks.push(bins, 1 - self._rng.random(len(bins)))
        row = self.n_rows
        total, bet = self._betting.push(row, p_values, is_missing)
        self.n_rows += 1
        self.statistic = total if bet is None else 0.0
        if bet is None:
            return total, None
        direction = "missing" if bet.is_of_missing else WORDS[self._scores.kinds[bet.score]][bet.kind]
        goes_on = bool(self.alarms) and _goes_on(self.alarms[-1], bet.since)
        alarm = Alarm(row, bet.since, self._scores.names[bet.score], direction, total, self.limit, goes_on)
        self.alarms.append(alarm)
        return total, alarm


def _goes_on(before: Alarm, since: int) -> bool:
    """Say whether a drift that began with a row goes on from an earlier alarm: no gap longer than that took, twice."""
    return since - before.row <= max(FEWEST_BETWEEN, 2 * (before.row - before.since))

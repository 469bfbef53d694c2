"""A batch as a stream sees it: row by row, with the alarms that it would have given."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.drift.reference import Reference
from offkey.drift.stream import Alarm

__all__ = ["OnLine", "follow"]


@final
@dataclass(frozen=True)
class OnLine:
    """What a stream saw.

    Parameters
    ----------
    evidence : tuple of float
        After each row.
    alarms : tuple of Alarm
        All; they number rows as the stream took them.
    limit : float
        Mean number of rows between false alarms, at least.
    rows : array of int, shape (n_rows,)
        The number of each row in the table, from 0.
    times : list of str, optional
        When each was.
    """

    evidence: tuple[float, ...]
    alarms: tuple[Alarm, ...]
    limit: float
    rows: NDArray[np.int64]
    times: list[str] | None

    def told(self) -> list[dict[str, Any]]:
        """Return the alarms of drifts that are new, with the rows of the table and, if that is known, their times."""
        return [
            {**asdict(alarm), **{name: int(self.rows[getattr(alarm, name)]) for name in ("row", "since")},
             **({} if self.times is None else {
                 "row_time": self.times[alarm.row], "since_time": self.times[alarm.since]})}
            for alarm in self.alarms if not alarm.goes_on
        ]  # fmt: skip


def follow(
    reference: Reference,
    batch: Any,
    mean_time_between_false_alarms: float = 10_000,
    time: str | None = None,
    seed: int = 0,
) -> OnLine:
    """Watch a batch row by row; the parameters are those of `Reference.check` and `Reference.stream`.

    Raises
    ------
    InputError, ShapeError
        If the columns are others than the reference's, there are no rows, or the limit promises nothing.
    """
    stream = reference.stream(mean_time_between_false_alarms, seed)
    table, rows, times = reference.first_rows(batch, time)
    traced = stream.trace(table)
    alarms = tuple(alarm for _, alarm in traced if alarm is not None)
    return OnLine(tuple(evidence for evidence, _ in traced), alarms, stream.limit, rows, times)

"""The check of a batch: a test of each column, tests of all together, and one decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from offkey.decisions import adjusted_p_values
from offkey.drift.columns import ColumnDrift, compare_columns
from offkey.drift.encoding import pooled_rows
from offkey.drift.multivariate import FEWEST_ROWS, classifier_test, mean_discrepancy_test, n_permutations
from offkey.drift.onset import onset
from offkey.drift.result import DriftReport, TogetherTest
from offkey.drift.table import Table
from offkey.drift.units import generator

__all__ = ["check_table"]

ROUNDING = 1e-12
LARGE = 2
"""Times the rows of the reference: a batch of more rows finds out where the reference is off by chance."""


def check_table(
    reference: Table, batch: Table, rate: float, seed: int, times: Sequence[str] | None = None
) -> DriftReport:
    """Compare a batch with the rows of a reference; see `Reference.check`.

    Parameters
    ----------
    reference, batch : Table
        The same columns; independent rows, one of each at least.
    rate : float
        False-alarm rate of the decision.
    seed : int
        Of samples and relabellings.
    times : sequence of str, optional
        When each row of the batch was; its rows are then in that order.
    """
    rng = generator(seed, 1)
    columns = [compare_columns(*pair, rng) for pair in zip(reference.columns, batch.columns, strict=True)]
    together = _together(reference, batch, rate, rng)
    level = rate / (1 + len(together))
    values = adjusted_p_values(np.array([each.p_value for each in columns]))
    p_value = min(1.0, (1 + len(together)) * min([float(values.min()), *(p for _, _, p in together)]))
    told = []
    for each, value, *pair in zip(columns, values.tolist(), reference.columns, batch.columns, strict=True):
        now = replace(each, adjusted_p_value=value, is_moved=value <= level + ROUNDING)
        if now.is_moved and times is not None:
            row = onset(*pair)
            now = replace(now, since=times[row], since_row=row)
        told.append(now)
    return DriftReport(
        is_drift=p_value <= rate + ROUNDING,
        p_value=p_value,
        rate=rate,
        columns=tuple(sorted(told, key=lambda each: (each.p_value, -each.psi))),
        tests=tuple(TogetherTest(name, value, p, p <= level + ROUNDING) for name, value, p in together),
        n_reference=reference.n_rows,
        n_batch=batch.n_rows,
        notes=_notes(reference, batch, level, told),
    )


def _together(reference: Table, batch: Table, rate: float, rng: np.random.Generator) -> list[tuple[str, float, float]]:
    """Return name, statistic and p-value of the tests of all columns; of none, where there is one column."""
    if len(reference.columns) < 2:
        return []
    rows = pooled_rows(reference, batch)
    if rows[0].shape[1] == 0:
        return []
    most = n_permutations(rate / 3)
    return [
        ("maximum mean discrepancy", *mean_discrepancy_test(*rows, rng, most)),
        ("classifier two-sample test", *classifier_test(*rows, rng, most)),
    ]


def _notes(reference: Table, batch: Table, level: float, columns: Sequence[ColumnDrift]) -> tuple[str, ...]:
    notes = []
    if len(columns) > 1 and (1 + n_permutations(level)) * level < 1:
        notes.append("The rate is too small for the tests of all columns together: they say nothing.")
    if batch.n_rows > LARGE * reference.n_rows:
        notes.append(
            f"The batch has {batch.n_rows:,} rows, and {reference.n_rows:,} of the reference are compared: so many see "
            "where the reference itself is off by chance. The rate holds on average over references, not for each."
        )
    if batch.n_rows < FEWEST_ROWS and len(columns) > 1:
        notes.append(f"{batch.n_rows} rows are too few for the classifier two-sample test: it says nothing (p = 1).")
    gone = [each.name for each, column in zip(columns, batch.columns, strict=True) if column.is_missing.all()]
    if gone:
        notes.append(f"Nothing of {', '.join(gone[:5])}{' and others' if len(gone) > 5 else ''} is there in the batch.")
    return tuple(notes)

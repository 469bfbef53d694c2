"""What each row is ranked by: how strange it is in all columns together, and the value of each column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.detectors import Detector
from offkey.drift.encoding import Encoding
from offkey.drift.stream import N_BINS, bin_edges
from offkey.drift.table import Table

__all__ = ["TOGETHER", "RowScores", "column_scores"]

TOGETHER = "all columns together"


@final
@dataclass(frozen=True)
class RowScores:
    """Scores of rows by what training rows were like: the detector's, and one of each column.

    Parameters
    ----------
    detector : Detector
        Fitted on the encoded training rows.
    encoding : Encoding
        Of the training rows.
    frequencies : tuple of tuple of float
        How rare each known category is in the training rows, by column: -share. Empty for numbers.
    edges : array, shape (n_columns + 1, N_BINS - 1)
        Of the bins of each score.
    names, kinds : tuple of str
        Of each score.
    """

    detector: Detector
    encoding: Encoding
    frequencies: tuple[tuple[float, ...], ...]
    edges: NDArray[np.float64]
    names: tuple[str, ...]
    kinds: tuple[str, ...]

    def strangeness(self, table: Table) -> NDArray[np.float64]:
        """Return the detector's scores (n_rows,)."""
        return self.detector.anomaly_score(self.encoding.rows(table))

    def bins(self, table: Table) -> NDArray[np.int64]:
        """Return the bins (n_rows, n_columns + 1) of all scores, the detector's first."""
        own = column_scores(table, self.encoding, self.frequencies)
        scores = np.column_stack([self.strangeness(table), own])
        return np.stack([np.searchsorted(e, s, "right") for e, s in zip(self.edges, scores.T, strict=True)], axis=1)

    def counts(self, table: Table) -> NDArray[np.int64]:
        """Return how many rows there are in each bin (n_columns + 1, N_BINS)."""
        return np.stack([np.bincount(bins, minlength=N_BINS) for bins in self.bins(table).T])

    @classmethod
    def learn(cls, detector: Detector, encoding: Encoding, training: Table) -> RowScores:
        """Return the scores of a fitted detector, with bins by training rows."""
        n = training.n_rows
        frequencies = tuple(
            ()
            if column.levels is None
            else tuple((-np.bincount(column.coded(known)[~column.is_missing], minlength=len(known)) / n).tolist())
            for column, known in zip(training.columns, encoding.known, strict=True)
        )
        held_out = detector.fitted_state.get("training_scores_")  # where it has such, fairer than those it learned on
        strangeness = detector.anomaly_score(encoding.rows(training)) if held_out is None else np.asarray(held_out)
        scores = np.column_stack([strangeness, column_scores(training, encoding, frequencies)])
        edges = np.stack([bin_edges(each) for each in scores.T])
        return cls(detector, encoding, frequencies, edges, *cls.named(training))

    @staticmethod
    def named(table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return names and kinds of the scores of a table's rows."""
        return (TOGETHER, *table.names), (TOGETHER, *(column.kind for column in table.columns))


def column_scores(table: Table, encoding: Encoding, frequencies: tuple[tuple[float, ...], ...]) -> NDArray[np.float64]:
    """Return a score of each column (n_rows, n_columns): numbers as they are, categories by how rare they are.

    What is missing comes last: above all numbers, and rarer than all categories but new ones.
    """
    scores = []
    for column, known, rare in zip(table.columns, encoding.known, frequencies, strict=True):
        if column.levels is None:
            scores.append(np.where(column.is_missing, np.inf, column.values))
        else:
            values = np.array([*rare, 1.0, 0.5])  # of categories that are new, and of missing ones (code -1)
            scores.append(values[column.coded(known)])
    return np.column_stack(scores) if scores else np.empty((table.n_rows, 0))

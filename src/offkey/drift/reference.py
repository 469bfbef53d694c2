"""The reference: what a table is like when nothing drifts, and whether others still are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.decisions import conformal_p_value
from offkey.decisions.base import checked_fraction
from offkey.detectors import Detector, NearestNeighbors
from offkey.drift.checking import check_table
from offkey.drift.encoding import fit_encoding
from offkey.drift.result import DriftReport
from offkey.drift.scores import RowScores
from offkey.drift.table import Table, as_row, as_table, matched, names_of
from offkey.drift.units import first_of_each, generator, one_of_each, rows_of, split_group, time_order
from offkey.drift.values import Column
from offkey.drift.watching import DriftStream
from offkey.errors import InputError
from offkey.parameters import Parameterized

__all__ = ["Reference"]

MOST_TRAINING, MOST_CALIBRATION, MOST_COMPARED = 2000, 5000, 5000
"""Rows of the reference that train the detector, calibrate it, and are compared with a batch; drawn at random."""
FEWEST_UNITS = 10
MOST_REPEATED = 0.95
"""Share of training rows that must differ for distances to be put in relation to local density."""


@final
class Reference(Parameterized):
    """What the rows of a table are like: learned once, then other rows, batches and streams are held against it.

    Half of the rows train a detector, the other half calibrate it, so that p-values and alarms keep what they promise
    exactly, as long as rows are exchangeable: none depends on another or on time. Where rows belong together (of a
    session, a patient, a machine), ``group`` names the column that says which; then one row of each group counts.

    Parameters
    ----------
    detector : Detector, optional
        Says how strange a row is in all columns together. If not given, `NearestNeighbors`: five of them,
        with local density normalisation.
    categorical : sequence of str
        Columns of numbers that are categories. Texts and truth values are categories anyhow.
    drop : sequence of str
        Columns that are left out, here and in every batch: identifiers, times.
    group : str, optional
        Column that says which rows belong together: a row of each group that is drawn at random counts; in streams,
        the first one.
    seed : int
        Of halves, samples and ties.

    Attributes
    ----------
    sample_ : Table
        Rows that batches are compared with: at most 5,000, kept in the file.
    scores_ : RowScores
        The fitted detector, and how rows are encoded for it.
    calibration_ : array, shape (n_calibration,)
        Its scores of rows that it was not trained on, ascending.
    counts_ : array of int, shape (n_scores, n_bins)
        Where calibration rows rank in every score of a stream.
    n_rows_, n_units_ : int
        Rows, and independent ones among them, that it was fitted on.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> reference = Reference().fit({"age": rng.normal(40, 9, 400), "city": rng.choice(["Ghent", "Lille"], 400)})
    >>> report = reference.check({"age": rng.normal(47, 9, 200), "city": rng.choice(["Ghent", "Lille"], 200)})
    >>> report.is_drift, [column.name for column in report.moved]
    (True, ['age'])
    """

    def __init__(
        self,
        detector: Detector | None = None,
        categorical: Sequence[str] = (),
        drop: Sequence[str] = (),
        group: str | None = None,
        seed: int = 0,
    ) -> None:
        self.detector = detector
        self.categorical = categorical
        self.drop = drop
        self.group = group
        self.seed = seed

    def fit(self, table: Any, names: Sequence[str] | None = None) -> Self:
        """Learn what is normal.

        Parameters
        ----------
        table : DataFrame, array (n_rows, n_columns), or mapping of str to array
            Features, embeddings, logits, predictions. None, NaN and infinite numbers are missing, and how many are is
            tested too. Arrays of a mapping may have the shape (n_rows, k), for k columns ``name[0]``, ``name[1]``, ...
        names : sequence of str, optional
            Names of the columns of a bare array.

        Raises
        ------
        InputError, ShapeError
            If it is no table, lacks a column that was named, or has no columns or fewer than 10 rows (or groups) left.
        """
        rng = generator(self.seed)
        self._require_named(names_of(table, names))
        whole, group = split_group(as_table(table, self._named, self.drop, names), self.group)
        units = rng.permutation(one_of_each(group, whole.n_rows, rng))
        if not whole.columns:
            raise InputError("The reference has no columns left. Give some, or drop fewer.")
        if len(units) < FEWEST_UNITS:
            what = "rows" if self.group is None else f"groups in {self.group!r}"
            raise InputError(f"The reference has {len(units)} {what}. Give at least {FEWEST_UNITS}.")
        half = len(units) // 2
        training = whole.take(rows_of(group, units[:half], MOST_TRAINING, rng))
        held_out = np.sort(units[half:][:MOST_CALIBRATION])
        encoding = fit_encoding(training)
        rows = encoding.rows(training)
        detector = _default_detector(rows) if self.detector is None else self.detector.unfitted()
        self.scores_ = RowScores.learn(detector.fit(rows), encoding, training)
        self.calibration_ = np.sort(self.scores_.strangeness(whole.take(held_out)))
        self.counts_ = self.scores_.counts(
            whole.take(first_of_each(group, rows_of(group, held_out, whole.n_rows, rng)))
        )
        self.sample_ = whole.take(np.sort(rng.permutation(units)[:MOST_COMPARED]))
        self.n_rows_, self.n_units_ = whole.n_rows, len(units)
        return self

    def p_values(self, table: Any) -> NDArray[np.float64]:
        """Say of each row how often one of the reference is as strange: out of distribution, where that is rare.

        ``(1 + calibration rows as strange) / (n_calibration + 1)``: of rows that are as in the reference, at most a
        share of a has a p-value of at most a, whatever the detector (`offkey.decisions.conformal_p_value`).

        Returns
        -------
        array, shape (n_rows,)

        Raises
        ------
        InputError, ShapeError
            If the columns are others than those of the reference.
        """
        return conformal_p_value(self.strangeness(table), self.calibration_)

    def strangeness(self, table: Any) -> NDArray[np.float64]:
        """Return the scores (n_rows,) behind `p_values`: higher is stranger, beyond what calibration rows can tell."""
        return self.scores_.strangeness(self._like_reference(table)[0])

    def check(self, batch: Any, rate: float = 0.01, time: str | None = None, seed: int = 0) -> DriftReport:
        """Say whether a batch has drifted, which columns moved, how, and since when.

        The rate is shared equally by three questions: did any column move (each by its own test, all together by
        Benjamini and Hochberg), and does either of two tests of all columns together (maximum mean discrepancy,
        classifier) tell the batch from the reference? A single column gets all of it.

        Parameters
        ----------
        batch : DataFrame, array (n_rows, n_columns), or mapping of str to array
            With the columns of the reference; one row at least.
        rate : float
            False-alarm rate: at most this share of batches without drift is called one, on average over references
            (a batch that is much larger than the reference sees where that one is off by chance).
            Of columns that depend on each other that is Simes's inequality (1986), which holds for those that rise
            and fall together (Sarkar 1998).
        time : str, optional
            Column that tells the order of the rows: moved columns then say since when.
        seed : int
            Of relabellings.

        Raises
        ------
        InputError, ShapeError
            If the columns are others, or the batch has no rows.
        """
        checked_fraction(rate, "A false-alarm rate")
        table, times = self.independent_rows(batch, time, seed)
        return check_table(self.sample_, table, rate, seed, times)

    def independent_rows(self, batch: Any, time: str | None = None, seed: int = 0) -> tuple[Table, list[str] | None]:
        """Return the rows of a batch that `check` compares: one of each group, in the order of time if that is told.

        Returns
        -------
        Table
            With the columns of the reference.
        list of str, optional
            When each row was.

        Raises
        ------
        InputError, ShapeError
            If the columns are others, or there are no rows.
        """
        table, group, order, times = self._in_order(batch, time)
        rows = order[np.isin(order, one_of_each(group, table.n_rows, generator(seed, 2)))]
        return table.take(rows), times and [times[row] for row in rows]

    def first_rows(self, batch: Any, time: str | None = None) -> tuple[Table, NDArray[np.int64], list[str] | None]:
        """Return the rows of a batch that a `stream` watches: the first of each group, as `independent_rows` does.

        Returns
        -------
        Table
            With the columns of the reference.
        array of int, shape (n_rows,)
            The number of each row in the batch.
        list of str, optional
            When each row was.

        Raises
        ------
        InputError, ShapeError
            If the columns are others, or there are no rows.
        """
        table, group, order, times = self._in_order(batch, time)
        rows = first_of_each(group, order)
        return table.take(rows), rows, times and [times[row] for row in rows]

    def stream(self, mean_time_between_false_alarms: float = 10_000, seed: int = 0) -> DriftStream:
        """Return what takes rows as they come, and gives alarms.

        Parameters
        ----------
        mean_time_between_false_alarms : float
            In rows (with groups, in groups), at least, as long as nothing drifts.
        seed : int
            Of how ties are broken.
        """
        self._require_fitted()
        return DriftStream(
            self.scores_, self.counts_, mean_time_between_false_alarms, generator(seed), self._like_reference
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to one file, without pickle; what is there is replaced at the end.

        Raises
        ------
        BundleError
            If it cannot be written, or the detector cannot be kept.
        """
        from offkey.drift.saving import save

        self._require_fitted()
        save(self, path)

    @property
    def _named(self) -> list[str]:
        return [*map(str, self.categorical), *([] if self.group is None else [str(self.group)])]

    def _require_named(self, there: Sequence[str]) -> None:
        """Refuse names of columns that the table lacks, and a single text in place of them.

        Raises
        ------
        InputError
            If there are such.
        """
        for what, named in (("categorical", self.categorical), ("drop", self.drop)):
            if isinstance(named, str):
                raise InputError(f"{what}={named!r} was given. Give a list of names, such as [{named!r}].")
            if unknown := [name for name in map(str, named) if name not in there]:
                raise InputError(f"The column {unknown[0]!r} was named ({what}), and the table lacks it. Name another.")

    def _in_order(
        self, batch: Any, time: str | None
    ) -> tuple[Table, Column | None, NDArray[np.int64], list[str] | None]:
        """Return rows with the columns of the reference, what group each is of, their order, and when each was.

        Raises
        ------
        InputError, ShapeError
            If the columns are others, or there are no rows.
        """
        table, group = self._like_reference(batch, time)
        if table.n_rows == 0:
            raise InputError("The batch has no rows. Give one at least.")
        return table, group, *((np.arange(table.n_rows), None) if time is None else time_order(batch, time))

    def _like_reference(self, data: Any, time: str | None = None) -> tuple[Table, Column | None]:
        """Return rows with the columns of the reference, and what group each belongs to."""
        self._require_fitted()
        if time is not None and str(time) in self.sample_.names:
            raise InputError(f"The column {time!r} tells the order, and is in the reference. Fit with it dropped.")
        data = as_row(data, self.sample_.names)
        left_out = [*self.drop, *([] if time is None else [time])]
        is_bare = isinstance(data, np.ndarray) and data.dtype.names is None
        names = self.sample_.names if is_bare and data.shape[1:] == (len(self.sample_.names),) else None
        table, group = split_group(as_table(data, self._named, left_out, names), self.group)
        return matched(table, self.sample_), group


def _default_detector(rows: NDArray[np.float64]) -> Detector:
    """Return what says how strange a row is, in the midst of others of many kinds.

    Tables of an ML pipeline hold kinds of rows (classes, customers) of different spread: distances to neighbours are
    put in relation to how close those are to theirs, as long as rows are not mere repetitions, which have no distance.
    """
    n_different = len(np.unique(rows, axis=0))
    is_fine = n_different > MOST_REPEATED * len(rows)
    return NearestNeighbors(("mean",), n_neighbors=5, density_neighbors=8 if is_fine else None)

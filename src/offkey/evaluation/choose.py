"""A boundary chosen on a labelled set, without training anew, and what it will really do."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.decisions import DecisionCurve, FBeta, LabelledThreshold, MinimumCost, Threshold, decision_curve
from offkey.errors import InputError
from offkey.evaluation.evaluate import Report, evaluate, n_fitted_on, without_nan
from offkey.evaluation.metrics import wilson_interval
from offkey.pipeline import POOLED, Pipeline
from offkey.recordings import check_table

__all__ = ["BoundaryFigures", "Choice", "choose_threshold"]

N_FOLDS = 5
N_REPEATS = 10


@final
@dataclass(frozen=True)
class BoundaryFigures:
    """What a boundary does on a labelled set; NaN where a figure has no cases.

    Intervals are 95 % (Wilson's). Precision and the criterion are those of a set with as many anomalies as this one; a
    cost is that of ``anomaly_fraction``, if the threshold has one.

    Attributes
    ----------
    threshold : float
        The boundary; NaN where there is not one but several.
    recall, recall_low, recall_high : float
        Fraction of the anomalies that are called so.
    false_alarm_rate, false_alarm_rate_low, false_alarm_rate_high : float
        Fraction of the normal recordings that are called anomalies.
    precision, precision_low, precision_high : float
        Fraction of the alarms that are anomalies.
    criterion : float
        F-beta, or expected cost of a recording.
    """

    threshold: float
    recall: float
    recall_low: float
    recall_high: float
    false_alarm_rate: float
    false_alarm_rate_low: float
    false_alarm_rate_high: float
    precision: float
    precision_low: float
    precision_high: float
    criterion: float


@final
@dataclass(frozen=True)
class Choice:
    """A boundary that labelled recordings chose.

    Attributes
    ----------
    threshold : Threshold
        Fitted on all of the recordings: what `Pipeline.use_threshold` takes.
    criterion : str
        What the figures of that name are: ``"F1"``, ``"F0.5"``, ... or ``"cost"``.
    curve : DecisionCurve
        What every boundary does on the recordings.
    criterion_curve : array, shape (n_boundaries,)
        F-beta or cost at every boundary.
    chosen : BoundaryFigures
        Of the boundary on the recordings that chose it: flattering.
    cross_validated : BoundaryFigures
        On recordings that did not choose the boundary: repeated, stratified cross-validation. What to expect of new
        recordings of the same kinds. The intervals leave out that another set would choose another boundary.
    not_cross_validated : str
        Why those figures are NaN; empty if they are not.
    before : BoundaryFigures
        What the pipeline decided about the recordings until now.
    report : Report
        The evaluation: scores, labels, failures, recordings without label.
    notes : list of str
        What to know before the boundary is used.
    """

    threshold: Threshold
    criterion: str
    curve: DecisionCurve
    criterion_curve: NDArray[np.float64]
    chosen: BoundaryFigures
    cross_validated: BoundaryFigures
    not_cross_validated: str
    before: BoundaryFigures
    report: Report
    notes: list[str]

    def rows(self) -> list[dict[str, float]]:
        """Return the curve as one dict for each boundary, the lowest first."""
        columns = {
            "threshold": self.curve.threshold,
            "recall": self.curve.recall,
            "false_alarm_rate": self.curve.false_alarm_rate,
            "precision": self.curve.precision,
            "cost" if self.criterion == "cost" else "f_beta": self.criterion_curve,
        }
        return [dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True)]

    @property
    def scores(self) -> NDArray[np.float64]:
        """Scores of the recordings, shape (n,), in the order of ``labels``."""
        return np.array([clip["score"] for clip in self.report.clips])

    @property
    def labels(self) -> NDArray[np.int64]:
        """0 for normal, 1 for anomaly, shape (n,)."""
        return np.array([clip["label"] for clip in self.report.clips])

    def place(self, boundary: float) -> int:
        """Return the index of the boundary of the curve that decides as another one."""
        return int(np.searchsorted(np.unique(self.scores), boundary, side="right"))

    def to_json(self) -> str:
        """Return everything but the scores as JSON; figures that do not exist are null."""
        document = {
            "rule": repr(self.threshold),
            "criterion": self.criterion,
            "threshold": self.chosen.threshold,
            "n_normal": self.report.rows[0].n_normal,
            "n_anomaly": self.report.rows[0].n_anomaly,
            "chosen": asdict(self.chosen),
            "cross_validated": asdict(self.cross_validated),
            "not_cross_validated": self.not_cross_validated,
            "before": asdict(self.before),
            "curve": self.rows(),
            "notes": self.notes,
            "failures": [asdict(failure) for failure in self.report.failures],
            "n_unlabelled": self.report.n_unlabelled,
        }
        return json.dumps(without_nan(document), indent=1)


def choose_threshold(pipeline: Pipeline, table: Any, threshold: Threshold, *, seed: int = 0) -> Choice:
    """Fit a threshold on the scores of labelled recordings; the pipeline stays as it is.

    The figures on the recordings that chose a boundary flatter it. Those to expect come from cross-validation: of five
    parts with their share of both kinds, four choose the boundary and the fifth is decided by it, in turn and ten times
    over; the decisions are counted together, and figures made of the counts (Forman and Scholz 2010, "Apples-to-apples
    in cross-validation studies"). Pieces of one long recording flatter all figures: they are not recordings of their
    own.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    table : recordings table
        As for `evaluate`: columns ``path`` and ``label``, with both kinds.
    threshold : Threshold
        `FBeta`, `MinimumCost`, `FixedRecall` or another one; not changed.
    seed : int
        Of the parts.

    Raises
    ------
    InputError
        If no recording is labelled or can be scored, a kind is missing, or a parameter of the threshold makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> from offkey import Clip, Pipeline, write
    >>> from offkey.datasets import make_table
    >>> from offkey.decisions import Conformal, FBeta
    >>> rng = np.random.default_rng(0)
    >>> clips = [Clip(rng.normal(0, 0.1, 16000), 16000) for _ in range(30)]
    >>> pipeline = Pipeline(threshold=Conformal(rate=0.1)).fit(clips[:20])
    >>> hum = 0.1 * np.sin(2 * np.pi * 3000 * np.arange(16000) / 16000)
    >>> with TemporaryDirectory() as folder:
    ...     rows = [{"path": f"{folder}/{i}.wav", "label": i % 2} for i in range(10)]
    ...     for row, clip in zip(rows, clips[20:]):
    ...         write(Clip(clip.samples + row["label"] * hum, 16000), row["path"])
    ...     choice = choose_threshold(pipeline, make_table(rows), FBeta())
    >>> choice.chosen.recall, choice.cross_validated.false_alarm_rate
    (1.0, 0.0)
    >>> pipeline.use_threshold(choice.threshold)
    """
    _check(table, threshold)
    report = evaluate(pipeline, table)
    labels = np.array([clip["label"] for clip in report.clips])
    scores = np.array([clip["score"] for clip in report.clips])
    curve = decision_curve(scores, labels)
    fitted = threshold.unfitted().fit(scores, labels)
    boundary = float(fitted.fitted_state["threshold_"])
    alarms, reason = _cross_validate(threshold, scores, labels, seed)
    before = {float(clip["threshold"]) for clip in report.clips}
    return Choice(
        fitted,
        _criterion_name(threshold),
        curve,
        _criterion(threshold, curve.recall, curve.false_alarm_rate, labels.mean()),
        _figures(threshold, boundary, labels, fitted.is_anomaly(scores)),
        _figures(threshold, boundary, labels, alarms),
        reason,
        _figures(
            threshold,
            before.pop() if len(before) == 1 else math.nan,
            labels,
            np.array([clip["is_anomaly"] for clip in report.clips]),
        ),
        report,
        _notes(pipeline, report),
    )


def _check(table: Any, threshold: Threshold) -> None:
    """Try the labels and the threshold's parameters before anything is scored."""
    rows = check_table(table)
    if "split" in rows.columns:
        rows = rows[rows["split"] != "train"]
    labels = rows["label"].dropna().to_numpy(int)
    if len(labels) == 0:
        return  # `evaluate` says so
    decision_curve(np.arange(len(labels)), labels)
    if isinstance(threshold, LabelledThreshold):
        threshold.unfitted().fit(np.arange(len(labels)), labels)


def _cross_validate(
    threshold: Threshold, scores: NDArray[np.float64], labels: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float64], str]:
    """Return how often each recording (n,) is called an anomaly by boundaries that others chose, in 0..1.

    NaN and a reason where that cannot be said.
    """
    nothing = np.full(len(scores), math.nan)
    fewest = int(min(labels.sum(), (1 - labels).sum()))
    if fewest < N_FOLDS:
        kind = "anomalous" if labels.sum() == fewest else "normal"
        return nothing, f"{N_FOLDS} recordings of each kind are needed, and there are {fewest} {kind} ones"
    rng = np.random.default_rng(seed)
    alarms = np.zeros(len(scores))
    for _ in range(N_REPEATS):
        folds = np.zeros(len(scores), int)
        for label in (0, 1):
            folds[labels == label] = rng.permutation((labels == label).sum()) % N_FOLDS
        for fold in range(N_FOLDS):
            held_out = folds == fold
            try:
                fitted = threshold.unfitted().fit(scores[~held_out], labels[~held_out])
            except InputError as error:  # such as a tail that needs more scores
                return nothing, str(error).rstrip(".")
            alarms[held_out] += fitted.is_anomaly(scores[held_out])
    return alarms / N_REPEATS, ""


def _figures(threshold: Threshold, boundary: float, labels: NDArray[np.int64], alarms: ArrayLike) -> BoundaryFigures:
    """Return the figures of decisions, or of how often each recording (n,) was called an anomaly."""
    alarm = np.asarray(alarms, np.float64)
    if np.isnan(alarm).any():
        return BoundaryFigures(boundary, *[math.nan] * 10)
    hits, false_alarms = float(alarm[labels == 1].sum()), float(alarm[labels == 0].sum())
    n_anomaly, n_normal = int(labels.sum()), int((1 - labels).sum())
    recall, false_alarm_rate = hits / n_anomaly, false_alarms / n_normal
    return BoundaryFigures(
        boundary,
        recall,
        *wilson_interval(hits, n_anomaly),
        false_alarm_rate,
        *wilson_interval(false_alarms, n_normal),
        hits / (hits + false_alarms) if hits + false_alarms else math.nan,
        *wilson_interval(hits, hits + false_alarms),
        float(_criterion(threshold, recall, false_alarm_rate, n_anomaly / len(labels))),
    )


def _criterion(threshold: Threshold, recall: Any, false_alarm_rate: Any, anomaly_fraction: float) -> Any:
    """Return F-beta, or the expected cost of a recording, of rates (n,) at a fraction of anomalies."""
    if isinstance(threshold, MinimumCost):
        fraction = anomaly_fraction if threshold.anomaly_fraction is None else threshold.anomaly_fraction
        misses, false_alarms = fraction * (1 - recall), (1 - fraction) * false_alarm_rate
        return threshold.miss_cost * misses + threshold.false_alarm_cost * false_alarms
    weight = threshold.beta**2 if isinstance(threshold, FBeta) else 1.0
    hits = anomaly_fraction * recall
    alarms = hits + (1 - anomaly_fraction) * false_alarm_rate
    return (1 + weight) * hits / (weight * anomaly_fraction + alarms)


def _criterion_name(threshold: Threshold) -> str:
    if isinstance(threshold, MinimumCost):
        return "cost"
    return f"F{threshold.beta:g}" if isinstance(threshold, FBeta) else "F1"


def _notes(pipeline: Pipeline, report: Report) -> list[str]:
    notes = []
    n_fitted = n_fitted_on(pipeline, (clip["path"] for clip in report.clips))
    if n_fitted:
        notes.append(
            f"{n_fitted} of {len(report.clips)} recordings are among those the pipeline was fitted "
            "on: they score too low, and flatter the false-alarm rate. Give others."
        )
    n_groups = len(pipeline.boundaries_) - 1
    if n_groups:
        notes.append(f"{n_groups} groups have boundaries of their own: the chosen one takes the place of them all.")
    budget = pipeline.boundaries_[POOLED].budget
    if budget is not None:
        notes.append(
            f"The budget of {pipeline.budget} decided by events until now: the chosen boundary takes its place, and "
            "decides by the strangest window."
        )
    return notes

"""Evaluation on a labelled recordings table: figures with intervals, for all and for each group."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError, ReadError
from offkey.evaluation.metrics import auc, bootstrap_interval, confusion, partial_auc, wilson_interval
from offkey.pipeline import Decision, Failure, Pipeline
from offkey.pipeline.gather import digest_of
from offkey.pipeline.sources import Recording, open_source
from offkey.progress import track
from offkey.recordings import check_table

__all__ = ["Figures", "Report", "evaluate", "figures", "figures_by_group", "n_fitted_on", "without_nan"]

GROUPS = ("machine", "section", "domain")


@final
@dataclass(frozen=True)
class Figures:
    """Figures of one group of recordings; NaN where a figure needs clips that are not there.

    Intervals are 95 %: bootstrap by recording for AUC and pAUC, Wilson's for rates.
    """

    group: str
    n_normal: int
    n_anomaly: int
    auc: float
    auc_low: float
    auc_high: float
    pauc: float
    pauc_low: float
    pauc_high: float
    precision: float
    recall: float
    recall_low: float
    recall_high: float
    f1: float
    false_alarm_rate: float
    false_alarm_rate_low: float
    false_alarm_rate_high: float


@final
@dataclass(frozen=True)
class Report:
    """The outcome of an evaluation.

    Attributes
    ----------
    rows : list of Figures
        All recordings first, then each group.
    clips : list of dict
        For each scored recording: the table's columns, score, p_value, threshold, is_anomaly and n_events.
    failures : list of Failure
        Recordings that could not be scored; they are in no figure.
    n_unlabelled : int
        Recordings without label; they are in no figure.
    """

    rows: list[Figures]
    clips: list[dict[str, Any]]
    failures: list[Failure] = field(default_factory=list)
    n_unlabelled: int = 0

    def to_frame(self) -> Any:
        """Return the figures as a pandas DataFrame, one row for each group."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows], columns=[item.name for item in fields(Figures)])

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the figures as CSV."""
        self.to_frame().to_csv(path, index=False)

    def to_json(self) -> str:
        """Return everything as JSON; figures that do not exist are null."""
        document = {
            "figures": [asdict(row) for row in self.rows],
            "clips": self.clips,
            "failures": [asdict(failure) for failure in self.failures],
            "n_unlabelled": self.n_unlabelled,
        }
        return json.dumps(without_nan(document), indent=1)


def evaluate(pipeline: Pipeline, table: Any) -> Report:
    """Score a labelled recordings table and compare with its labels.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    table : recordings table
        Columns ``path`` and ``label`` (0 normal, 1 anomaly); of the columns ``machine``, ``section`` and ``domain``
        each value becomes a group. Rows with split ``train`` and rows without label are left out.

    Raises
    ------
    InputError
        If no row is labelled.
    """
    rows = check_table(table)
    if "split" in rows.columns:
        rows = rows[rows["split"] != "train"]
    n_unlabelled = int(rows["label"].isna().sum())
    rows = rows[rows["label"].notna()]
    if len(rows) == 0:
        raise InputError("No labelled recording to evaluate on was given. Give rows with label 0 and 1.")
    clips: list[dict[str, Any]] = []
    failures: list[Failure] = []
    records = rows.to_dict("records")
    for record in track(records, "scoring", len(records)):
        for decision in pipeline.score(record["path"], {name: record.get(name) for name in pipeline.group_by}):
            if isinstance(decision, Failure):
                failures.append(decision)
            else:
                clips.append(_clip(record, decision))
    if not clips:
        raise InputError(f"None of the {len(failures)} labelled recordings could be scored. The first: {failures[0]}")
    return Report(figures_by_group(clips), clips, failures, n_unlabelled)


def figures(
    group: str, labels: NDArray[np.int64], scores: NDArray[np.float64], decisions: NDArray[np.bool_]
) -> Figures:
    """Return the figures of one group; labels, scores and decisions have shape (n,)."""
    counts = confusion(labels, decisions)
    n_anomaly = int(labels.sum())
    n_normal = len(labels) - n_anomaly
    nothing = (math.nan,) * 3
    area = partial = nothing
    if n_normal and n_anomaly:
        area = (auc(labels, scores), *bootstrap_interval(auc, labels, scores))
        partial = (partial_auc(labels, scores), *bootstrap_interval(partial_auc, labels, scores))
    recall = wilson_interval(counts.true_alarms, n_anomaly)
    alarms = wilson_interval(counts.false_alarms, n_normal)
    return Figures(
        group, n_normal, n_anomaly, *area, *partial, counts.precision, counts.recall, *recall, counts.f1,
        counts.false_alarm_rate, *alarms,
    )  # fmt: skip


def figures_by_group(clips: list[dict[str, Any]]) -> list[Figures]:
    """Return the figures of all clips, and of each machine, section and domain; ``clips`` as in a `Report`."""
    members: dict[str, list[dict[str, Any]]] = {"all": clips}
    for column in GROUPS:
        values = {str(clip[column]) for clip in clips if clip.get(column) not in (None, "")}
        if len(values) > 1:
            for value in sorted(values):
                members[f"{column} {value}"] = [clip for clip in clips if str(clip.get(column)) == value]
    return [
        figures(
            name,
            np.array([clip["label"] for clip in own]),
            np.array([clip["score"] for clip in own]),
            np.array([clip["is_anomaly"] for clip in own]),
        )
        for name, own in members.items()
    ]


def _clip(record: dict[Any, Any], decision: Decision) -> dict[str, Any]:
    plain = {str(key): None if value != value else value for key, value in record.items()}
    plain["label"], plain["path"] = int(record["label"]), decision.source
    return plain | {
        "score": decision.score,
        "p_value": decision.p_value,
        "threshold": decision.threshold,
        "is_anomaly": decision.is_anomaly,
        "n_events": len(decision.events),
    }


def n_fitted_on(pipeline: Pipeline, recordings: Iterable[Recording]) -> int:
    """Return how many recordings hold the samples of one that a pipeline was fitted on."""
    fitted_on = {entry.digest for entry in pipeline.training_}
    n_fitted_on = 0
    for recording in recordings:
        with contextlib.suppress(ReadError):
            n_fitted_on += digest_of(open_source(recording, pipeline.reading_), pipeline.rate_) in fitted_on
    return n_fitted_on


def without_nan(thing: Any) -> Any:
    """Return a structure of dicts and lists with None in place of numbers that are not finite, as JSON wants it."""
    if isinstance(thing, dict):
        return {key: without_nan(value) for key, value in thing.items()}
    if isinstance(thing, list):
        return [without_nan(value) for value in thing]
    return None if isinstance(thing, float) and not math.isfinite(thing) else thing

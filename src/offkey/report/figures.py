"""The pictures of a report that are of all recordings together."""

from __future__ import annotations

from typing import Any

import numpy as np

from offkey.pipeline import POOLED, Pipeline
from offkey.plots import BLUE, ORANGE, plot_det, plot_roc, plot_scores
from offkey.plots.base import clean, has_far_outliers, make_logarithmic_beyond, new_figure
from offkey.report.batch import Batch

__all__ = ["evaluation_figures", "overview_figure"]

MOST_DOTS = 1500


def overview_figure(pipeline: Pipeline, batch: Batch) -> Any:
    """Draw the scores of all recordings in their order, with the boundary, beside those of the calibration."""
    figure = new_figure(9, 3.3)
    scores, calibration = figure.subplots(1, 2, sharey=True, width_ratios=(4, 1))
    values = np.array([decision.score for decision in batch.decisions])
    is_anomaly = np.array([decision.is_anomaly for decision in batch.decisions])
    places = np.arange(1, len(values) + 1)
    for kind, colour, marker, name in (
        (~is_anomaly, BLUE, "o", "decided normal"),
        (is_anomaly, ORANGE, "D", "decided anomalous"),
    ):
        scores.plot(places[kind], values[kind], marker, color=colour, ms=4.5 if len(values) < 200 else 2.5, mew=0,
                    label=f"{name} ({kind.sum():,})", rasterized=len(values) > MOST_DOTS)  # fmt: skip
    thresholds = [decision.threshold for decision in batch.decisions]
    edges = np.arange(len(values) + 1) + 0.5
    scores.stairs(thresholds, edges, baseline=None, color="black", ls="--", lw=1.2, label="threshold")
    scores.set(xlabel="recording, in the order of the names", ylabel="anomaly score", xlim=(0.3, len(values) + 0.7))
    scores.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize="small")
    reference = pipeline.boundaries_[POOLED].clips.reference
    calibration.hist(reference, min(30, max(5, len(reference) // 3)), orientation="horizontal", color="0.6")
    calibration.set(xlabel="recordings")
    calibration.set_title("calibration (normal)", fontsize="small")
    if has_far_outliers(np.concatenate([values, reference])):
        make_logarithmic_beyond(scores, np.concatenate([values, reference]), "y")
        scores.set_ylabel("anomaly score (logarithmic far out)")
    for ax in (scores, calibration):
        clean(ax)
    return figure


def evaluation_figures(batch: Batch) -> list[tuple[str, Any]]:
    """Draw the labelled recordings: distributions of scores, ROC and DET; each with what it is called."""
    clips = batch.labelled
    labels, scores = [clip["label"] for clip in clips], [clip["score"] for clip in clips]
    thresholds = {clip["threshold"] for clip in clips}
    threshold = thresholds.pop() if len(thresholds) == 1 else None
    figures = [new_figure(4.6, 3.8) for _ in range(3)]
    plot_scores(labels, scores, threshold, figures[0].subplots())
    plot_roc(labels, scores, figures[1].subplots())
    plot_det(labels, scores, figures[2].subplots())
    names = ("scores by label", "receiver operating characteristic", "detection error trade-off")
    return list(zip(names, figures, strict=True))

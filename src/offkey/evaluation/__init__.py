"""Evaluation on labelled sets."""

from offkey.evaluation.evaluate import Figures, Report, evaluate
from offkey.evaluation.metrics import (
    Confusion,
    auc,
    bootstrap_interval,
    confusion,
    partial_auc,
    roc_curve,
    wilson_interval,
)

__all__ = [
    "Confusion",
    "Figures",
    "Report",
    "auc",
    "bootstrap_interval",
    "confusion",
    "evaluate",
    "partial_auc",
    "roc_curve",
    "wilson_interval",
]

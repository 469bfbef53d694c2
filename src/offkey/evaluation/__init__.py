"""Evaluation on labelled sets, boundaries chosen on them, and sensitivity to faults put into normal recordings."""

from offkey.evaluation.choose import BoundaryFigures, Choice, choose_threshold
from offkey.evaluation.evaluate import Figures, Report, evaluate
from offkey.evaluation.ladder import FaultSensitivity
from offkey.evaluation.metrics import (
    Confusion,
    auc,
    bootstrap_interval,
    confusion,
    partial_auc,
    roc_curve,
    wilson_interval,
)
from offkey.evaluation.sensitivity import SensitivityReport, sensitivity

__all__ = [
    "BoundaryFigures",
    "Choice",
    "Confusion",
    "FaultSensitivity",
    "Figures",
    "Report",
    "SensitivityReport",
    "auc",
    "bootstrap_interval",
    "choose_threshold",
    "confusion",
    "evaluate",
    "partial_auc",
    "roc_curve",
    "sensitivity",
    "wilson_interval",
]

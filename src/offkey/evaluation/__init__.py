"""Evaluation on labelled sets: figures, comparisons, boundaries chosen on them; and sensitivity to injected faults."""

from offkey.evaluation.choose import BoundaryFigures, Choice, choose_threshold
from offkey.evaluation.compare import compare
from offkey.evaluation.comparison import Comparison, DetectorFigures, Difference
from offkey.evaluation.dcase import Estimate, MeanScores, OfficialScores, ScoredClip, SectionScores, official_scores
from offkey.evaluation.dcase_files import read_scores, with_ground_truth, write_results, write_summary
from offkey.evaluation.evaluate import Figures, Report, evaluate
from offkey.evaluation.ladder import FaultSensitivity
from offkey.evaluation.metrics import (
    Confusion,
    auc,
    bootstrap_interval,
    confusion,
    jackknife_interval,
    partial_auc,
    roc_curve,
    wilson_interval,
)
from offkey.evaluation.sensitivity import SensitivityReport, sensitivity

__all__ = [
    "BoundaryFigures",
    "Choice",
    "Comparison",
    "Confusion",
    "DetectorFigures",
    "Difference",
    "Estimate",
    "FaultSensitivity",
    "Figures",
    "MeanScores",
    "OfficialScores",
    "Report",
    "ScoredClip",
    "SectionScores",
    "SensitivityReport",
    "auc",
    "bootstrap_interval",
    "choose_threshold",
    "compare",
    "confusion",
    "evaluate",
    "jackknife_interval",
    "official_scores",
    "partial_auc",
    "read_scores",
    "roc_curve",
    "sensitivity",
    "wilson_interval",
    "with_ground_truth",
    "write_results",
    "write_summary",
]

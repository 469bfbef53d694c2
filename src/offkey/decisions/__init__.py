"""Decisions: thresholds, p-values, events and false-alarm budgets."""

from offkey.decisions.base import LabelledThreshold, NormalThreshold, Threshold
from offkey.decisions.batch import adjusted_p_values, benjamini_hochberg
from offkey.decisions.budget import Budget, BudgetFit, Timeline, check_budget, parse_budget
from offkey.decisions.calibration import Calibration, segments
from offkey.decisions.conformal import Conformal, conformal_p_value
from offkey.decisions.curve import DecisionCurve, decision_curve
from offkey.decisions.empirical import EmpiricalQuantile, Fixed
from offkey.decisions.events import Event, EventFinder, EventRules
from offkey.decisions.labelled import FBeta, FixedRecall, MinimumCost
from offkey.decisions.robust import RobustZScore
from offkey.decisions.tails import GammaTail, ParetoTail

__all__ = [
    "Budget",
    "BudgetFit",
    "Calibration",
    "Conformal",
    "DecisionCurve",
    "EmpiricalQuantile",
    "Event",
    "EventFinder",
    "EventRules",
    "FBeta",
    "Fixed",
    "FixedRecall",
    "GammaTail",
    "LabelledThreshold",
    "MinimumCost",
    "NormalThreshold",
    "ParetoTail",
    "RobustZScore",
    "Threshold",
    "Timeline",
    "adjusted_p_values",
    "benjamini_hochberg",
    "check_budget",
    "conformal_p_value",
    "decision_curve",
    "parse_budget",
    "segments",
]

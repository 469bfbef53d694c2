"""Pictures, with matplotlib: functions that draw on axes and return them."""

from offkey.plots.base import BLUE, GREEN, ORANGE
from offkey.plots.boundary import plot_decision_curve, save_decision_curve
from offkey.plots.clips import plot_log_mel, plot_scores, plot_timeline, save_comparison
from offkey.plots.detectors import plot_comparison, save_detector_comparison
from offkey.plots.faults import plot_sensitivity, save_sensitivity

__all__ = [
    "BLUE",
    "GREEN",
    "ORANGE",
    "plot_comparison",
    "plot_decision_curve",
    "plot_log_mel",
    "plot_scores",
    "plot_sensitivity",
    "plot_timeline",
    "save_comparison",
    "save_decision_curve",
    "save_detector_comparison",
    "save_sensitivity",
]

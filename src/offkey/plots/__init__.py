"""Pictures, with matplotlib: functions that draw on axes and return them.

Functions that take ``ax`` draw on these axes, or on pyplot's current ones if none are given, and return them; those
that take ``figure`` need a whole, empty one.
"""

from offkey.plots.base import BLUE, GREEN, ORANGE
from offkey.plots.boundary import plot_decision_curve, save_decision_curve
from offkey.plots.calibration import plot_calibration
from offkey.plots.clips import plot_log_mel, plot_spectrogram, plot_waveform
from offkey.plots.curves import plot_det, plot_roc
from offkey.plots.detectors import plot_areas, plot_comparison, save_detector_comparison
from offkey.plots.explanation import plot_explanation, plot_profile
from offkey.plots.faults import plot_ladder, plot_sensitivity, save_sensitivity
from offkey.plots.scores import plot_scores, plot_timeline
from offkey.plots.training import plot_training

__all__ = [
    "BLUE",
    "GREEN",
    "ORANGE",
    "plot_areas",
    "plot_calibration",
    "plot_comparison",
    "plot_decision_curve",
    "plot_det",
    "plot_explanation",
    "plot_ladder",
    "plot_log_mel",
    "plot_profile",
    "plot_roc",
    "plot_scores",
    "plot_sensitivity",
    "plot_spectrogram",
    "plot_timeline",
    "plot_training",
    "plot_waveform",
    "save_decision_curve",
    "save_detector_comparison",
    "save_sensitivity",
]

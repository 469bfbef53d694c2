"""Decisions: thresholds and p-values."""

from offkey.decisions.calibration import Calibration, segments
from offkey.decisions.thresholds import (
    Conformal,
    EmpiricalQuantile,
    Fixed,
    GammaTail,
    Threshold,
    conformal_p_value,
)

__all__ = [
    "Calibration",
    "Conformal",
    "EmpiricalQuantile",
    "Fixed",
    "GammaTail",
    "Threshold",
    "conformal_p_value",
    "segments",
]

"""Why a decision: where in time, frequency and channel a recording differs from normal sound, and in words."""

from offkey.explain.describing import Peculiarity
from offkey.explain.explanation import BandProfile, Explanation, explain

__all__ = ["BandProfile", "Explanation", "Peculiarity", "explain"]

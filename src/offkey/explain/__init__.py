"""Why a decision: where in time, frequency and channel a recording differs from normal sound, and in words."""

from offkey.explain.describing import Peculiarity
from offkey.explain.explanation import BandProfile, Explanation, explain
from offkey.explain.values import BrokenRelation, OddValue, ValueProfile
from offkey.explain.wording import Wording

__all__ = [
    "BandProfile",
    "BrokenRelation",
    "Explanation",
    "OddValue",
    "Peculiarity",
    "ValueProfile",
    "Wording",
    "explain",
]

"""Features: what turns samples into frames."""

from offkey.features.base import Feature, Framer, frames_of
from offkey.features.logmel import LogMel

__all__ = ["Feature", "Framer", "LogMel", "frames_of"]

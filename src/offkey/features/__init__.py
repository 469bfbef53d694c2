"""Features: what turns samples into frames."""

from offkey.features.base import Feature, Framer, frames_of
from offkey.features.embedding import Embedding
from offkey.features.logmel import LogMel

__all__ = ["Embedding", "Feature", "Framer", "LogMel", "frames_of"]

"""Features: what turns samples into frames."""

from offkey.features.base import Feature, Framer, frames_of
from offkey.features.concatenate import Concatenate
from offkey.features.correlation import Correlation
from offkey.features.embedding import Embedding
from offkey.features.envelope import Envelope
from offkey.features.logmel import LogMel
from offkey.features.raw import Raw
from offkey.features.spectrum import Spectrum
from offkey.features.waveform import Statistics

__all__ = [
    "Concatenate",
    "Correlation",
    "Embedding",
    "Envelope",
    "Feature",
    "Framer",
    "LogMel",
    "Raw",
    "Spectrum",
    "Statistics",
    "frames_of",
]

"""Signals: clips, and the files they come from."""

from offkey.signals.clip import Clip
from offkey.signals.files import SUFFIXES, SoundFile, blocks, find, read, write
from offkey.signals.findings import Finding, NormalHealth, find_faults
from offkey.signals.health import Health, HealthMeter
from offkey.signals.resample import Resampler

__all__ = [
    "SUFFIXES",
    "Clip",
    "Finding",
    "Health",
    "HealthMeter",
    "NormalHealth",
    "Resampler",
    "SoundFile",
    "blocks",
    "find",
    "find_faults",
    "read",
    "write",
]

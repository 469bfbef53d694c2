"""Signals: clips, and the files they come from."""

from offkey.signals.clip import Clip
from offkey.signals.files import SUFFIXES, SoundFile, blocks, find, read, write
from offkey.signals.resample import Resampler

__all__ = ["SUFFIXES", "Clip", "Resampler", "SoundFile", "blocks", "find", "read", "write"]

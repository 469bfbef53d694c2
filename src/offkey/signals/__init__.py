"""Signals: clips, and the files they come from."""

from offkey.signals.clip import Clip
from offkey.signals.files import SENSOR_SUFFIXES, SUFFIXES, SoundFile, blocks, find, read, write
from offkey.signals.findings import Finding, NormalHealth, find_faults
from offkey.signals.health import Health, HealthMeter
from offkey.signals.orders import OrderTracker, angle_resample, speed_from_tacho
from offkey.signals.reading import Reading
from offkey.signals.resample import Resampler
from offkey.signals.sensors import Piece, find_pieces, is_sensor_file, pieces_of, read_all

__all__ = [
    "SENSOR_SUFFIXES",
    "SUFFIXES",
    "Clip",
    "Finding",
    "Health",
    "HealthMeter",
    "NormalHealth",
    "OrderTracker",
    "Piece",
    "Reading",
    "Resampler",
    "SoundFile",
    "angle_resample",
    "blocks",
    "find",
    "find_faults",
    "find_pieces",
    "is_sensor_file",
    "pieces_of",
    "read",
    "read_all",
    "speed_from_tacho",
    "write",
]

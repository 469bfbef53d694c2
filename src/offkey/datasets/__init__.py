"""Data sets: recordings tables, folder layouts, and synthetic machines."""

from offkey.datasets.dcase import is_dcase2020, read_dcase2020
from offkey.datasets.faults import FAULTS
from offkey.datasets.folder import is_named_anomaly, read_labelled, read_normal_and_abnormal
from offkey.datasets.simulate import MACHINES, simulate, simulate_clip
from offkey.datasets.table import make_table, read_table
from offkey.recordings import check_table

__all__ = [
    "FAULTS",
    "MACHINES",
    "check_table",
    "is_dcase2020",
    "is_named_anomaly",
    "make_table",
    "read_dcase2020",
    "read_labelled",
    "read_normal_and_abnormal",
    "read_table",
    "simulate",
    "simulate_clip",
]

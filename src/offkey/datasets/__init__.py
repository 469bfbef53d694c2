"""Data sets: recordings tables, folder layouts, synthetic machines, and faults put into normal recordings."""

from offkey.datasets.dcase import is_dcase2020, read_dcase2020
from offkey.datasets.folder import is_named_anomaly, read_labelled, read_normal_and_abnormal
from offkey.datasets.inject import INJECTIONS, Injection, inject, injector
from offkey.datasets.machines import FAULTS, MACHINES
from offkey.datasets.octaves import band_edges, band_name, octave_bands
from offkey.datasets.simulate import simulate, simulate_clip
from offkey.datasets.table import make_table, read_table
from offkey.recordings import check_table

__all__ = [
    "FAULTS",
    "INJECTIONS",
    "MACHINES",
    "Injection",
    "band_edges",
    "band_name",
    "check_table",
    "inject",
    "injector",
    "is_dcase2020",
    "is_named_anomaly",
    "make_table",
    "octave_bands",
    "read_dcase2020",
    "read_labelled",
    "read_normal_and_abnormal",
    "read_table",
    "simulate",
    "simulate_clip",
]

"""Data sets: recordings tables, layouts, downloads, synthetic machines, and faults put into normal recordings."""

from offkey.datasets.archives import ARCHIVES, Archive
from offkey.datasets.check import check_folder
from offkey.datasets.dcase import dcase_family, read_dcase
from offkey.datasets.dcase_names import ClipName, is_dcase, parse_name
from offkey.datasets.download import download
from offkey.datasets.folder import is_named_anomaly, read_labelled, read_normal_and_abnormal
from offkey.datasets.ground_truth import put_ground_truth, read_ground_truth
from offkey.datasets.inject import INJECTIONS, Injection, inject, injector
from offkey.datasets.machines import FAULTS, MACHINES
from offkey.datasets.mimii import is_mimii, read_mimii
from offkey.datasets.octaves import band_edges, band_name, octave_bands
from offkey.datasets.simulate import simulate, simulate_clip
from offkey.datasets.table import make_table, read_table
from offkey.datasets.toyadmos import is_toyadmos, read_toyadmos
from offkey.recordings import check_table

__all__ = [
    "ARCHIVES",
    "FAULTS",
    "INJECTIONS",
    "MACHINES",
    "Archive",
    "ClipName",
    "Injection",
    "band_edges",
    "band_name",
    "check_folder",
    "check_table",
    "dcase_family",
    "download",
    "inject",
    "injector",
    "is_dcase",
    "is_mimii",
    "is_named_anomaly",
    "is_toyadmos",
    "make_table",
    "octave_bands",
    "parse_name",
    "put_ground_truth",
    "read_dcase",
    "read_ground_truth",
    "read_labelled",
    "read_mimii",
    "read_normal_and_abnormal",
    "read_table",
    "read_toyadmos",
    "simulate",
    "simulate_clip",
]

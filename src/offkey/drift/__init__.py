"""Watching an ML pipeline: rows out of distribution, batches that have drifted, and alarms on a stream of rows."""

from offkey.drift.columns import ColumnDrift
from offkey.drift.files import read_columns
from offkey.drift.findings import DriftFinding, WatchingError
from offkey.drift.monitor import Monitored
from offkey.drift.outputs import with_outputs
from offkey.drift.page import write_drift_report
from offkey.drift.reference import Reference
from offkey.drift.result import DriftReport, TogetherTest
from offkey.drift.saving import load
from offkey.drift.stream import Alarm
from offkey.drift.watching import DriftStream

__all__ = [
    "Alarm",
    "ColumnDrift",
    "DriftFinding",
    "DriftReport",
    "DriftStream",
    "Monitored",
    "Reference",
    "TogetherTest",
    "WatchingError",
    "load",
    "read_columns",
    "with_outputs",
    "write_drift_report",
]

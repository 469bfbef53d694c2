"""A report to hand on: one HTML file with pictures, sound, sentences, and how sure they are."""

from offkey.report.batch import Batch, decide_batch, read_given
from offkey.report.write import write_report

__all__ = ["Batch", "decide_batch", "read_given", "write_report"]

"""The pipeline: front end, windows, detector, pooling and calibration, fitted, saved and shipped as one."""

from offkey.pipeline.boundaries import Boundaries, Evidence
from offkey.pipeline.decision import Decision, ScoredSegment, ScoredWindow, TrainingScore, discoveries
from offkey.pipeline.pipeline import Pipeline, load
from offkey.pipeline.sources import POOLED, Failure
from offkey.pipeline.stream import Stream

__all__ = [
    "POOLED",
    "Boundaries",
    "Decision",
    "Evidence",
    "Failure",
    "Pipeline",
    "ScoredSegment",
    "ScoredWindow",
    "Stream",
    "TrainingScore",
    "discoveries",
    "load",
]

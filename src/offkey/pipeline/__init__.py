"""The pipeline: front end, windows, detector, pooling and calibration, fitted, saved and shipped as one."""

from offkey.pipeline.decision import Decision, ScoredSegment, ScoredWindow, TrainingScore
from offkey.pipeline.pipeline import Pipeline, load
from offkey.pipeline.sources import Failure
from offkey.pipeline.stream import Stream

__all__ = ["Decision", "Failure", "Pipeline", "ScoredSegment", "ScoredWindow", "Stream", "TrainingScore", "load"]

"""What comes out: scored windows, and the decision about a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Decision", "ScoredSegment", "ScoredWindow", "TrainingScore"]


@final
@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """One analysis window: its samples (at the pipeline's rate), times, score, p-value and decision of its own."""

    start_sample: int
    stop_sample: int
    start_s: float
    stop_s: float
    score: float
    p_value: float
    is_anomaly: bool


@final
@dataclass(frozen=True, slots=True)
class ScoredSegment:
    """As much of a recording as is decided at once."""

    start_s: float
    stop_s: float
    score: float
    p_value: float
    is_anomaly: bool


@final
@dataclass(frozen=True)
class Decision:
    """Whether a recording sounds wrong.

    A recording of as many windows as the calibration clips had is decided as one. A longer one is decided segment by
    segment of that length, and its score and p-value are those of its strangest segment: the false-alarm rate holds for
    each segment.

    Attributes
    ----------
    source : str
        The recording.
    score : float
        Pooled anomaly score; higher is stranger.
    p_value : float
        How often normal sound scores as high, by the calibration recordings.
    threshold : float
        Scores above it are anomalies.
    is_anomaly : bool
        The decision.
    duration_s : float
        Length of the recording in seconds.
    source_rate : int
        Rate of the recording in hertz; if it is not the pipeline's, the recording was resampled.
    is_short : bool
        Whether it has fewer windows than the calibration clips: its score averages fewer, so the false-alarm rate may
        not hold.
    segments : tuple of ScoredSegment
        What was decided, in order of time.
    scored_windows : tuple of ScoredWindow
        All windows, in order of time.
    """

    source: str
    score: float
    p_value: float
    threshold: float
    is_anomaly: bool
    duration_s: float
    source_rate: int
    is_short: bool
    segments: tuple[ScoredSegment, ...]
    scored_windows: tuple[ScoredWindow, ...]

    @property
    def window_scores(self) -> NDArray[np.float64]:
        """Scores of the windows, shape (n_windows,)."""
        return np.array([window.score for window in self.scored_windows])

    @property
    def windows(self) -> Any:
        """The windows as a pandas DataFrame with columns start_s, stop_s, score, p_value, is_anomaly."""
        import pandas as pd

        columns = ("start_s", "stop_s", "score", "p_value", "is_anomaly")
        return pd.DataFrame([{name: getattr(window, name) for name in columns} for window in self.scored_windows])


@final
@dataclass(frozen=True, slots=True)
class TrainingScore:
    """How strange a training recording is; fairly so only if it was held out from the detector that scored it."""

    source: str
    score: float
    is_held_out: bool

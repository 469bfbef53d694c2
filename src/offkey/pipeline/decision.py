"""What comes out: scored windows, the decision about a recording, and what to report of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.decisions import Event, benjamini_hochberg
from offkey.signals import Finding

__all__ = ["Decision", "ScoredSegment", "ScoredWindow", "TrainingScore", "discoveries"]


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
    each segment. Under a false-alarm budget the score is that of the strangest window, and a recording that holds an
    event is an anomaly.

    Attributes
    ----------
    source : str
        The recording.
    score : float
        Pooled anomaly score; higher is stranger.
    p_value : float
        How often normal sound scores as high, by the calibration recordings.
    threshold : float
        Scores above it are anomalies; under a budget if an event comes of them.
    is_anomaly : bool
        The decision.
    duration_s : float
        Length of the recording in seconds.
    source_rate : int
        Rate of the recording in hertz; if it is not the pipeline's, the recording was resampled.
    is_short : bool
        Whether it has fewer windows than the calibration clips: its score averages fewer, so the false-alarm rate may
        not hold.
    group : str
        The group whose boundaries decided; empty if those of all together did.
    segments : tuple of ScoredSegment
        What was decided, in order of time.
    events : tuple of Event
        Stretches of windows above the boundary of single windows, in order of time.
    scored_windows : tuple of ScoredWindow
        All windows, in order of time.
    health : tuple of Finding
        What is wrong with the sensor or the recording (clipping, dropouts, a lost channel, hum, gain); it does not
        enter the decision, but may be the reason for it.
    notes : tuple of str
        What was assumed, left out, cut or bridged in its file on reading.
    """

    source: str
    score: float
    p_value: float
    threshold: float
    is_anomaly: bool
    duration_s: float
    source_rate: float
    is_short: bool
    group: str
    segments: tuple[ScoredSegment, ...]
    events: tuple[Event, ...]
    scored_windows: tuple[ScoredWindow, ...]
    health: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def batch_p_value(self) -> float:
        """P-value of the whole recording: that of its strangest segment, times their number (Bonferroni), at most 1."""
        return min(1.0, self.p_value * len(self.segments))

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
    digest: str = ""


def discoveries(decisions: Sequence[Decision], rate: float) -> list[Decision]:
    """Return the recordings of a batch to report, so that at most ``rate`` of them are expected to be false alarms.

    Benjamini and Hochberg's procedure on `Decision.batch_p_value`; the pipeline's own boundary plays no part.

    Parameters
    ----------
    decisions : sequence of Decision
        All of the batch: leaving some out would change what is promised.
    rate : float
        False-discovery rate, such as 0.05.

    Raises
    ------
    InputError
        If the rate lies outside 0 to 1.
    """
    is_reported = benjamini_hochberg([decision.batch_p_value for decision in decisions], rate)
    return [decision for decision, yes in zip(decisions, is_reported, strict=True) if yes]

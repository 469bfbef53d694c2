"""Events: stretches of time decided anomalous, found window by window, in files and live alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from offkey.decisions.conformal import conformal_p_value
from offkey.errors import InputError

if TYPE_CHECKING:
    from typing import Protocol

    class _Window(Protocol):
        """What the finder needs of a scored window."""

        @property
        def start_sample(self) -> int: ...
        @property
        def stop_sample(self) -> int: ...
        @property
        def score(self) -> float: ...
        @property
        def p_value(self) -> float: ...


__all__ = ["Event", "EventFinder", "EventRules"]


@final
@dataclass(frozen=True)
class EventRules:
    """How windows above the boundary become events.

    Parameters
    ----------
    hysteresis : float
        An event goes on until a score falls to the *off* boundary, which lies this fraction of the way from the *on*
        boundary down to the median normal score: 0 (the same boundary) to below 1.
    min_duration_s : float
        Shorter events are dropped. An event lasts from the start of its first window to the end of its last, so it is
        at least one window long.
    merge_gap_s : float
        Events at most so far apart are one. At 0 those that touch are: windows overlap.
    cooldown_s : float
        After an event none opens for so long.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    hysteresis: float = 0.0
    min_duration_s: float = 0.0
    merge_gap_s: float = 0.0
    cooldown_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.hysteresis < 1:
            raise InputError(f"A hysteresis of {self.hysteresis} was given. It must be at least 0 and below 1.")
        for name in ("min_duration_s", "merge_gap_s", "cooldown_s"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"{name}={getattr(self, name)} was given. It must be at least 0.")
        for name, value in vars(self).items():
            object.__setattr__(self, name, float(value))

    def off(self, on: float, median: float) -> float:
        """Return the off boundary to an on boundary, where normal scores have this median."""
        return on - self.hysteresis * max(0.0, on - median)


@final
@dataclass(frozen=True, slots=True)
class Event:
    """A stretch of time that was decided anomalous.

    Attributes
    ----------
    start_sample, stop_sample : int
        From the first sample of its first window to behind the last sample of its last, at the pipeline's rate.
    start_s, stop_s : float
        The same in seconds.
    peak_score, peak_s : float
        Its highest window score, and the middle of that window in seconds.
    p_value : float
        How often normal sound as long as a calibration clip peaks as high, by the calibration recordings.
    mean_p_value : float
        Mean p-value of its windows.
    n_windows : int
        Windows above the boundary in it.
    """

    start_sample: int
    stop_sample: int
    start_s: float
    stop_s: float
    peak_score: float
    peak_s: float
    p_value: float
    mean_p_value: float
    n_windows: int


@dataclass
class _Draft:
    """An event that may still grow."""

    start: int
    stop: int
    peak: _Window
    p_sum: float = 0.0
    n_windows: int = 0

    def add(self, window: _Window) -> None:
        self.stop = max(self.stop, window.stop_sample)
        if window.score > self.peak.score:
            self.peak = window
        self.p_sum += window.p_value
        self.n_windows += 1


@final
class EventFinder:
    """Finds events in scored windows, pushed in order of time: the same in files and live.

    An event opens at a score above ``on``, goes on while scores stay above ``off``, takes up the next if that opens
    within the merge gap, and is given out once it can no longer grow.

    Parameters
    ----------
    on, off : float
        Boundaries; off is at most on.
    rate : int
        Samples per second.
    rules : EventRules
        Durations, in seconds.
    peaks : array, shape (n_recordings,), optional
        Highest window scores of calibration clips, ascending: they give an event its p-value; NaN without.

    Examples
    --------
    >>> from offkey.decisions import EventRules
    >>> from offkey.pipeline import ScoredWindow
    >>> finder = EventFinder(on=5.0, off=4.5, rate=1, rules=EventRules())
    >>> scores = [1, 9, 4.8, 1, 1]
    >>> windows = [ScoredWindow(i, i + 1, i, i + 1, score, 0.5, score > 5) for i, score in enumerate(scores)]
    >>> [(event.start_s, event.stop_s, event.peak_score) for window in windows for event in finder.push(window)]
    [(1.0, 3.0, 9)]
    """

    def __init__(
        self, on: float, off: float, rate: float, rules: EventRules, peaks: NDArray[np.float64] | None = None
    ) -> None:
        self._on, self._off, self._rate, self._peaks = on, off, rate, peaks
        self._min_duration = round(rules.min_duration_s * rate)
        self._merge_gap = round(rules.merge_gap_s * rate)
        self._cooldown = round(rules.cooldown_s * rate)
        self._draft: _Draft | None = None
        self._is_running = False
        self._may_open_from = 0

    @property
    def current(self) -> Event | None:
        """The event that is going on, or may yet go on, as far as it is known; None if there is none."""
        return self._event() if self._draft is not None and self._is_long_enough() else None

    def push(self, window: _Window) -> list[Event]:
        """Take up the next window, and return the events that can no longer grow: at most one."""
        self._is_running = self._is_running and window.score > self._off
        ended = []
        if self._draft and not self._is_running and window.start_sample > self._draft.stop + self._merge_gap:
            ended = self.flush()
        if not self._is_running and window.score > self._on:
            if self._draft is None and window.start_sample >= self._may_open_from:
                self._draft = _Draft(window.start_sample, window.stop_sample, window)
            self._is_running = self._draft is not None
        if self._is_running and self._draft:
            self._draft.add(window)
        return ended

    def flush(self) -> list[Event]:
        """End the signal, and return its last event, if one is left."""
        ended = [self._event()] if self._draft is not None and self._is_long_enough() else []
        for event in ended:
            self._may_open_from = event.stop_sample + self._cooldown
        self._draft, self._is_running = None, False
        return ended

    def _is_long_enough(self) -> bool:
        return self._draft is not None and self._draft.stop - self._draft.start >= self._min_duration

    def _event(self) -> Event:
        draft = self._draft
        assert draft is not None
        middle = (draft.peak.start_sample + draft.peak.stop_sample) / 2
        return Event(
            start_sample=draft.start,
            stop_sample=draft.stop,
            start_s=draft.start / self._rate,
            stop_s=draft.stop / self._rate,
            peak_score=draft.peak.score,
            peak_s=middle / self._rate,
            p_value=math.nan if self._peaks is None else float(conformal_p_value([draft.peak.score], self._peaks)[0]),
            mean_p_value=draft.p_sum / draft.n_windows,
            n_windows=draft.n_windows,
        )

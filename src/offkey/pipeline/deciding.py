"""From the scored windows of a recording to the decision about it."""

from __future__ import annotations

import numpy as np

from offkey.decisions import Event, EventFinder, segments
from offkey.pipeline.boundaries import Boundaries
from offkey.pipeline.decision import Decision, ScoredSegment, ScoredWindow
from offkey.pipeline.hearing import Heard
from offkey.pipeline.sources import Source
from offkey.windows import parse_pooling

__all__ = ["find_events", "make_decision"]


def make_decision(
    source: Source,
    heard: Heard,
    boundaries: Boundaries,
    rate: float,
    group: str,
) -> Decision:
    """Decide about a recording by its windows (at ``rate`` hertz), and the boundaries of its group."""
    windows = heard.windows
    calibration, pool = boundaries.clips, parse_pooling(boundaries.pooling)
    scores = np.array([window.score for window in windows])
    units = segments(len(windows), calibration.unit_windows)
    pooled = np.array([pool(scores[unit]) for unit in units])
    events = find_events(boundaries.finder(rate), windows)
    spans = [(windows[unit.start].start_s, windows[unit.stop - 1].stop_s) for unit in units]
    if boundaries.budget is None:
        is_anomaly = calibration.is_anomaly(pooled)
    else:
        is_anomaly = [any(each.start_s < stop and start < each.stop_s for each in events) for start, stop in spans]
    decided = tuple(
        ScoredSegment(*span, float(score), float(p), bool(yes))
        for span, score, p, yes in zip(spans, pooled, calibration.p_value(pooled), is_anomaly, strict=True)
    )
    strangest = max(decided, key=lambda segment: segment.score)
    return Decision(
        source=source.name,
        score=strangest.score,
        p_value=strangest.p_value,
        threshold=calibration.threshold.fitted_state["threshold_"],
        is_anomaly=any(segment.is_anomaly for segment in decided),
        duration_s=heard.duration_s,
        source_rate=source.rate,
        is_short=len(windows) < calibration.unit_windows,
        group=group,
        segments=decided,
        events=events,
        scored_windows=tuple(windows),
        health=heard.findings,
        notes=source.notes,
    )


def find_events(finder: EventFinder, windows: list[ScoredWindow]) -> tuple[Event, ...]:
    """Return all events of a recording's windows."""
    events = [event for window in windows for event in finder.push(window)]
    return (*events, *finder.flush())

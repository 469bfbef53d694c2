"""What a report shows of one recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import final

import numpy as np

from offkey.explain import Explanation, OddValue
from offkey.pipeline import Decision
from offkey.plots.explanation import band_ticks, marked_bands, marked_lines
from offkey.plots.values import shown_band, value_label, value_limits
from offkey.report.media import picture_of
from offkey.signals import Clip
from offkey.signals.lengths import length_text, span_text

__all__ = ["Box", "Card", "Mark", "card_of"]

N_TIME_TICKS, N_VALUE_TICKS = 6, 4
MOST_EVENTS = 8
"""That are named; of the others, their number."""


@final
@dataclass(frozen=True)
class Mark:
    """A mark on an axis: its place in per cent from left or bottom, and its text."""

    place: float
    text: str


@final
@dataclass(frozen=True)
class Box:
    """A frame upon the spectrogram, in per cent from left and top, and its number."""

    x: float
    y: float
    width: float
    height: float
    number: int


@final
@dataclass(frozen=True)
class Card:
    """One recording, as the page shows it; addresses are ``data:`` addresses, places are in per cent."""

    number: int
    name: str
    folder: str
    is_anomaly: bool
    score: str
    threshold: str
    p_value: str
    how_often: str
    sentences: tuple[str, ...]
    sensor: tuple[str, ...]
    label: str
    facts: tuple[tuple[str, str], ...]
    picture: str
    alternative: str
    boxes: tuple[Box, ...]
    times: tuple[Mark, ...]
    frequencies: tuple[Mark, ...]
    lines: tuple[Mark, ...]
    caption: str
    start_s: float
    duration_s: float
    normal_area: str
    median_line: str
    level_line: str
    level_ticks: tuple[Mark, ...]
    audio: str


def card_of(explanation: Explanation, number: int, label: object, audio: str, n_calibration: int) -> Card:
    """Return what is shown of a recording; its channel is that of the first thing told of it."""
    decision = explanation.decision
    channel = explanation.shown_channel
    path, by_angle = PurePath(decision.source), explanation.wording.by_angle
    facts = [
        ("length", length_text(decision.duration_s, by_angle)),
        ("windows", str(len(decision.scored_windows))),
        ("events", _events(decision, by_angle)),
    ]
    if explanation.clip.duration_s < 0.99 * decision.duration_s:
        stop_s = explanation.start_s + explanation.clip.duration_s
        shown = span_text(explanation.start_s, stop_s, decision.duration_s, by_angle)
        facts.append(("shown", f"{shown}, around the strangest part"))
    if explanation.clip.n_channels > 1:
        facts.append(("shown channel", explanation.channel_name(channel).removeprefix("channel ")))
    if decision.is_short:
        facts.append(("note", "shorter than the calibration clips: false alarms may be more frequent"))
    if decision.group:
        facts.append(("group", decision.group))
    facts += [("on reading", note) for note in decision.notes]
    area, median, level, ticks = _profile_lines(explanation, channel)
    return Card(
        number, path.name, "" if str(path.parent) == "." else str(path.parent), decision.is_anomaly,
        f"{decision.score:.4g}", f"{decision.threshold:.4g}", f"{decision.batch_p_value:.2g}",
        _how_often(decision, n_calibration),
        tuple(_begun(each, explanation.clip) for each in explanation.sentences),
        tuple(finding.sentence for finding in decision.health),
        {0: "labelled normal", 1: "labelled anomalous"}.get(label if isinstance(label, int) else -1, ""),
        tuple(facts), picture_of(explanation, channel),
        f"{'Spectrogram' if explanation.is_spectral else 'Signal'}: {'; '.join(explanation.sentences)}",
        _boxes(explanation, channel), _time_marks(explanation),
        _heights(explanation, channel), _lines(explanation), _caption(explanation, channel),
        explanation.start_s, explanation.clip.duration_s, area, median, level, ticks, audio,
    )  # fmt: skip


def _events(decision: Decision, by_angle: bool) -> str:
    """Say when events are, the strongest of many."""
    events = sorted(decision.events, key=lambda event: -event.peak_score)
    spans = [
        span_text(each.start_s, each.stop_s, decision.duration_s, by_angle)
        for each in sorted(events[:MOST_EVENTS], key=lambda event: event.start_s)
    ]
    more = [f"and {len(events) - MOST_EVENTS} weaker ones"] if len(events) > MOST_EVENTS else []
    return ", ".join([*spans, *more]) or "none"


def _begun(sentence: str, clip: Clip) -> str:
    """Begin a sentence with a capital, but for one that begins with the name of a channel."""
    if clip.n_channels > 1 and sentence.startswith(tuple(clip.channels)):
        return sentence
    return sentence[:1].upper() + sentence[1:]


def _how_often(decision: Decision, n_calibration: int) -> str:
    p_value, n_segments = decision.batch_p_value, len(decision.segments)
    if n_segments == 1 and p_value * (n_calibration + 1) <= 1 + 1e-9:
        return f"stranger than all {n_calibration} calibration recordings"
    of = f", counting its {n_segments} segments" if n_segments > 1 else ""
    if p_value > 0.5:
        return f"quite usual{of}"
    return f"about 1 in {round(1 / p_value):,} normal recordings scores as high{of}"


def _boxes(explanation: Explanation, channel: int) -> tuple[Box, ...]:
    """Return a box for each stretch that is told of: around its bands; of values, from top to bottom."""
    n_bands, duration_s, boxes = len(explanation.band_hz), explanation.clip.duration_s, []
    band = shown_band(explanation, channel)
    for number, each in enumerate(explanation.told, 1):
        if each.channel != channel or each.strength <= 1:
            continue
        if isinstance(each, OddValue):
            low, high, n_bands = 0.0, 1.0, 1
            if each.band != band:
                continue
        else:
            low, high = marked_bands(explanation, each)
        for start, stop in each.spans_s:
            x, width = 100 * (start - explanation.start_s) / duration_s, 100 * (stop - start) / duration_s
            boxes.append(Box(x, 100 * (1 - high / n_bands), width, 100 * (high - low) / n_bands, number))
    return tuple(boxes)


def _heights(explanation: Explanation, channel: int) -> tuple[Mark, ...]:
    """Return the marks beside the picture: frequencies, or values."""
    if explanation.is_spectral:
        return tuple(Mark(100 * place, text) for place, text in band_ticks(explanation, 5))
    low, high = value_limits(explanation, channel)
    step = _round_step((high - low) / N_VALUE_TICKS)
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    return tuple(Mark(100 * (i * step - low) / (high - low), f"{i * step:.6g}") for i in range(first, last + 1))


def _lines(explanation: Explanation) -> tuple[Mark, ...]:
    """Return the marks of the machine's lines."""
    return tuple(Mark(100 * place, line.short) for place, line in marked_lines(explanation))


def _caption(explanation: Explanation, channel: int) -> str:
    """Say what the axes of the picture are."""
    times = explanation.wording.time_label(explanation.start_s + explanation.clip.duration_s)
    heights = explanation.wording.frequency_label if explanation.is_spectral else value_label(explanation, channel)
    return f"{heights}, {times}"


def _time_marks(explanation: Explanation) -> tuple[Mark, ...]:
    size = explanation.wording.time_scale(explanation.start_s + explanation.clip.duration_s)[1]
    start, duration = explanation.start_s / size, explanation.clip.duration_s / size
    step = _round_step(duration / N_TIME_TICKS)
    first = np.ceil(start / step - 1e-9)
    ticks = step * np.arange(first, (start + duration) / step + 1e-9)
    return tuple(Mark(100 * float(tick - start) / duration, f"{tick + 0.0:g}") for tick in ticks)


def _round_step(rough: float) -> float:
    digit = 10.0 ** np.floor(np.log10(rough))
    return next(float(each * digit) for each in (1, 2, 5, 10) if each * digit >= rough * (1 - 1e-9))


def _profile_lines(explanation: Explanation, channel: int) -> tuple[str, str, str, tuple[Mark, ...]]:
    """Return the points of the band profile (level to the right, bands upwards, 0 to 100), and marks of levels."""
    profile = explanation.profile
    if profile is None:
        return "", "", "", ()
    rows = [each[:, channel] for each in (profile.low, profile.high, profile.median, profile.level)]
    low, high = min(row.min() for row in rows), max(row.max() for row in rows)
    low, high = low - 0.04 * (high - low) - 0.5, high + 0.04 * (high - low) + 0.5
    heights = 100 * (1 - (np.arange(len(rows[0])) + 0.5) / len(rows[0]))
    places = [100 * (row - low) / (high - low) for row in rows]
    step = next(each for each in (5, 10, 20, 50, 100, 200) if (high - low) / each <= 4)
    ticks = range(step * int(np.ceil(low / step)), int(high) + 1, step)
    marks = tuple(Mark(100 * (tick - low) / (high - low), str(tick)) for tick in ticks)
    area = _points(places[0], heights) + " " + _points(places[1][::-1], heights[::-1])
    return area, _points(places[2], heights), _points(places[3], heights), marks


def _points(x: object, y: object) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(np.asarray(x), np.asarray(y), strict=True))

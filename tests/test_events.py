"""Events: hysteresis, durations, merging and cooldown on integer samples; the same in files and live."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracles
from offkey import Clip
from offkey.decisions import EventFinder, EventRules
from offkey.errors import InputError


class Window(NamedTuple):
    start_sample: int
    stop_sample: int
    score: float
    p_value: float = 0.5


def windows_of(scores, length=10, hop=5):
    return [Window(i * hop, i * hop + length, float(score)) for i, score in enumerate(scores)]


def events_of(scores, on=5.0, off=5.0, rules=None, length=10, hop=5):
    finder = EventFinder(on, off, rate=1, rules=rules or EventRules())
    found = [event for window in windows_of(scores, length, hop) for event in finder.push(window)]
    return found + finder.flush()


def spans(events):
    return [(event.start_sample, event.stop_sample) for event in events]


scores_lists = st.lists(st.integers(0, 10).map(float), max_size=40)


@given(
    scores_lists, st.integers(2, 8), st.integers(0, 3), st.sampled_from([0, 5, 12, 30]), st.sampled_from([0, 11, 25])
)
def test_events_are_those_of_the_slow_obvious_way(scores, on, lower, merge_gap, min_duration):
    off = float(on - lower)
    rules = EventRules(merge_gap_s=merge_gap, min_duration_s=min_duration)
    expected = oracles.events(windows_of(scores), float(on), off, merge_gap, min_duration)
    assert spans(events_of(scores, float(on), off, rules)) == expected


@given(scores_lists, st.sampled_from([0, 7, 20, 60]))
def test_no_event_opens_while_it_cools_down(scores, cooldown):
    found = events_of(scores, rules=EventRules(cooldown_s=cooldown))
    for before, after in itertools.pairwise(found):
        assert after.start_sample >= before.stop_sample + cooldown
    loud = [window for window in windows_of(scores) if window.score > 5]
    assert bool(found) == bool(loud)


def test_a_fault_that_outlasts_the_cooldown_is_an_event_again():
    assert spans(events_of([9, 0, 0, 0, 9, 9, 9], rules=EventRules(cooldown_s=15))) == [(0, 10), (25, 40)]


@given(scores_lists)
def test_an_event_tells_its_peak_and_its_windows(scores):
    for event in events_of(scores):
        inside = [
            window
            for window in windows_of(scores)
            if window.score > 5 and event.start_sample <= window.start_sample < event.stop_sample
        ]
        peak = max(inside, key=lambda window: window.score)
        assert event.peak_score == peak.score
        assert event.peak_s == (peak.start_sample + peak.stop_sample) / 2
        assert event.n_windows == len(inside)
        assert event.mean_p_value == 0.5
        assert math.isnan(event.p_value)


def test_the_p_value_of_an_event_is_that_of_its_peak():
    finder = EventFinder(5.0, 5.0, 1, EventRules(), np.arange(9.0))
    assert [event.p_value for window in windows_of([7, 6, 0, 0, 0]) for event in finder.push(window)] == [0.3]


def test_what_goes_on_is_told_before_it_ends():
    finder = EventFinder(5.0, 5.0, 1, EventRules(min_duration_s=15))
    first, second, third = windows_of([9, 8, 9])
    finder.push(first)
    assert finder.current is None, "it is not long enough yet"
    finder.push(second)
    assert spans([finder.current]) == [(0, 15)]
    finder.push(third)
    assert spans([finder.current]) == [(0, 20)]
    assert spans(finder.flush()) == [(0, 20)]
    assert finder.current is None
    assert finder.flush() == []


@pytest.mark.parametrize(
    "wrong", [{"hysteresis": 1.0}, {"hysteresis": -0.1}, {"merge_gap_s": -1}, {"cooldown_s": math.inf}]
)
def test_rules_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        EventRules(**wrong)


def test_the_off_boundary_lies_between_the_on_boundary_and_the_median():
    assert EventRules(hysteresis=0.25).off(on=10.0, median=2.0) == 8.0
    assert EventRules(hysteresis=0.25).off(on=1.0, median=2.0) == 1.0, "never above the on boundary"


def test_live_finds_the_events_of_the_file(pipeline, pump_clips, whining_pump):
    samples = np.concatenate([pump_clips[0].samples, whining_pump.samples, pump_clips[1].samples], axis=1)
    clip = Clip(samples, whining_pump.rate)
    decision = pipeline.decide(clip)
    assert decision.events, "the whine is heard"
    first = decision.events[0]
    assert 1.0 < first.start_s < 2.5
    assert first.peak_score == decision.window_scores.max()
    assert first.p_value == 1 / (len(pipeline.boundaries_[""].peaks) + 1)
    for size in (333, 5000, 50_000):
        stream, finder = pipeline.stream(), pipeline.event_finder()
        blocks = [samples[:, i : i + size] for i in range(0, samples.shape[1], size)]
        scored = [window for block in blocks for window in stream.push(block)] + stream.flush()
        live = [event for window in scored for event in finder.push(window)] + finder.flush()
        assert tuple(live) == decision.events


def test_a_timeline_shows_every_window_where_it_lies_both_boundaries_and_the_events():
    from matplotlib.figure import Figure

    from offkey.pipeline import ScoredWindow
    from offkey.plots import plot_timeline

    scores = [1, 2, 9, 7, 4.8, 1]
    windows = [ScoredWindow(i, i + 2, i, i + 2, score, 0.5, score > 5) for i, score in enumerate(scores)]
    finder = EventFinder(5.0, 4.5, rate=1, rules=EventRules())
    events = [event for window in windows for event in finder.push(window)] + finder.flush()
    ax = plot_timeline(windows, events, 5.0, 4.5, Figure().subplots())
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert drawn["window above on"] == [[3, 9], [4, 7]]  # times are the middles of windows
    assert drawn["window"] == [[1, 1], [2, 2], [5, 4.8], [6, 1]]
    heights = {label: xy[0][1] for label, xy in drawn.items() if "boundary" in label}
    assert heights == {"on boundary": 5, "off boundary": 4.5}
    (band,) = ax.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == (events[0].start_s, events[0].stop_s) == (2, 6)


def test_a_timeline_without_hysteresis_shows_one_boundary_and_without_windows_none_of_them():
    from matplotlib.figure import Figure

    from offkey.plots import plot_timeline

    ax = plot_timeline([], [], 5.0, 5.0, Figure().subplots())
    assert [line.get_label() for line in ax.lines if "boundary" in line.get_label()] == ["on boundary"]
    assert not ax.patches

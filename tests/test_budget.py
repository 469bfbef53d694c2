"""False-alarm budgets: events in a time, counted where there is data, extrapolated beyond, refused beyond that."""

import math
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from offkey.decisions import EventFinder, EventRules, Timeline, parse_budget
from offkey.decisions.budget_fit import count_events, fit_budget
from offkey.decisions.declustering import declustered_peaks
from offkey.errors import InputError
from offkey.pipeline import ScoredWindow

TIMELINE = Timeline(window=10, hop=5, rate=1)  # seconds
RULES = EventRules()


def ar1(rng, n, coefficient=0.9):
    return lfilter([1], [1, -coefficient], rng.standard_normal(n) * math.sqrt(1 - coefficient**2))


STREAMS = {
    "independent": lambda rng, n: rng.gamma(4, 1, n),
    "ar1": ar1,
    "heavy": lambda rng, n: ar1(rng, n) / np.sqrt(rng.chisquare(4, n) / 4),
    "plateau": lambda rng, n: np.tile(np.repeat([1.0, 5.0, 2.0, 3.0], [20, 5, 40, 10]), n // 75)
    + rng.normal(size=n // 75 * 75) / 9,
}  # fmt: skip
HOURS = 2.8


def found_events(scores, on, off, rules):
    finder = EventFinder(on, off, rate=1, rules=rules)
    spans = [(5 * i, 5 * i + 10) for i in range(len(scores))]
    windows = [ScoredWindow(*span, *span, score, 0.5, score > on) for span, score in zip(spans, scores, strict=True)]
    return [event for window in windows for event in finder.push(window)] + finder.flush()


def fresh_rate(scores, threshold):
    hours = TIMELINE.hours(len(scores))
    return count_events(scores, threshold, float(np.median(scores)), TIMELINE, RULES) / hours


@pytest.mark.slow
@pytest.mark.parametrize("budget", ["10/h", "1/h", "1/day"])
@pytest.mark.parametrize("stream", STREAMS)
def test_fresh_streams_realise_the_stated_interval(stream, budget):
    rng = np.random.default_rng(0)
    asked = parse_budget(budget)
    n_fit, n_fresh = int(HOURS * 720), int(20 * max(HOURS, 24) * 720)
    fresh = STREAMS[stream](rng, n_fresh)
    inside, ratios = [], []
    for i in range(50):
        fit = fit_budget([STREAMS[stream](rng, n_fit)], asked, TIMELINE, RULES, seed=i)
        rate = fresh_rate(fresh, fit.threshold)
        inside.append(fit.low_per_hour <= rate <= fit.high_per_hour)
        ratios.append(rate / asked.per_hour)
    assert np.mean(inside) >= 0.8
    assert np.mean(ratios) < 2, "on average not many more than were asked for"


some_scores = st.lists(st.integers(0, 9).map(float), max_size=60)


@given(some_scores, st.floats(0, 9), st.sampled_from([0.0, 0.5]), st.integers(0, 30))
def test_events_are_counted_as_if_every_window_were_pushed(scores, on, hysteresis, gap):
    rules = EventRules(hysteresis=hysteresis, merge_gap_s=gap, cooldown_s=gap)
    off = rules.off(on, 2.0)
    assert count_events(np.array(scores), on, 2.0, TIMELINE, rules) == len(found_events(scores, on, off, rules))


def test_within_the_data_events_are_counted():
    scores = np.random.default_rng(0).gamma(4, 1, 7200)  # 10 h
    fit = fit_budget([scores], parse_budget("10/h"), TIMELINE, RULES)
    assert fit.n_peaks == 0
    assert fresh_rate(scores, fit.threshold) == pytest.approx(9.9), "one less than 100 in 10 h"
    assert fit.low_per_hour < 10 < fit.high_per_hour
    assert "10 h of normal sound hold about 100 events above it; 90 % interval" in fit.sentence


def test_a_rarer_budget_needs_a_higher_threshold():
    scores = ar1(np.random.default_rng(1), 4000)
    fits = [fit_budget([scores], parse_budget(budget), TIMELINE, RULES) for budget in ("20/h", "2/h", "1/h", "2/day")]
    thresholds = [fit.threshold for fit in fits]
    assert thresholds == sorted(thresholds)
    assert len(set(thresholds)) == 4


def test_a_minimum_duration_lowers_the_threshold():
    scores = ar1(np.random.default_rng(1), 4000)
    plain = fit_budget([scores], parse_budget("2/h"), TIMELINE, RULES)
    patient = fit_budget([scores], parse_budget("2/h"), TIMELINE, EventRules(min_duration_s=30))
    assert patient.threshold < plain.threshold


def test_the_scale_of_the_scores_does_not_matter():
    scores = ar1(np.random.default_rng(2), 4000)
    budget = parse_budget("1/h")
    plain = fit_budget([scores], budget, TIMELINE, RULES)
    scaled = fit_budget([1e6 * scores + 5e6], budget, TIMELINE, RULES)
    assert scaled.threshold == pytest.approx(1e6 * plain.threshold + 5e6)
    assert scaled.high_per_hour == pytest.approx(plain.high_per_hour)


def test_the_sentence_says_what_is_known():
    fit = fit_budget([ar1(np.random.default_rng(3), 2016)], parse_budget("1/day"), TIMELINE, RULES)
    assert fit.extrapolation == pytest.approx(24 / 2.8)
    for words in (
        f"One false alarm a day needs a threshold of {fit.threshold:.4g}",
        "extrapolates 8.6 times beyond your 2.8 h of normal sound",
        "90 % interval less than 0.01 to",
        "Record 21.2 h more to about halve its upper margin.",
    ):
        assert words in fit.sentence


class TestRefusals:
    scores: ClassVar = np.random.default_rng(0).gamma(4, 1, 720)  # 1 h

    def refuse(self, match, budget="1/h", scores=None, rules=RULES):
        with pytest.raises(InputError, match=match):
            fit_budget([self.scores if scores is None else scores], parse_budget(budget), TIMELINE, rules)

    def test_a_budget_far_beyond_the_data(self):
        self.refuse("1/week false alarms cannot be supported by 1 h of normal sound", "1/week")

    def test_more_than_the_hop_allows(self):
        self.refuse("windows start every 5 s, which is 720 an hour at most", "1000/h")

    def test_more_than_the_rules_allow(self):
        self.refuse("normal sound gives .* an hour at most", "500/h")

    def test_scores_that_are_all_equal(self):
        self.refuse("All 720 window scores of normal sound are equal", scores=np.ones(720))
        self.refuse("All 720 window scores of normal sound are equal", "20/h", scores=np.ones(720))

    def test_too_few_scores(self):
        self.refuse("Too few peaks stand out", scores=np.arange(9.0))

    def test_scores_that_are_not_finite(self):
        self.refuse("not finite", scores=np.append(self.scores, np.nan))

    def test_events_longer_than_any_recording(self):
        rules = EventRules(min_duration_s=7200)
        self.refuse("no recording of normal sound is longer than 3,605 s", rules=rules)

    def test_no_recordings(self):
        with pytest.raises(InputError, match="cannot be supported"):
            fit_budget([], parse_budget("1/h"), TIMELINE, RULES)

    @pytest.mark.parametrize("text", ["0/week", "0/h", "1e-320/week"])
    def test_no_false_alarm_at_all(self, text):
        with pytest.raises(InputError, match="cannot be promised"):
            parse_budget(text)

    @pytest.mark.parametrize("text", [5, "week", "-1/week", "x/week", "1/", "inf/day", "1/fortnightt", "nan/h", ""])
    def test_what_is_no_budget(self, text):
        with pytest.raises(InputError, match="budget"):
            parse_budget(text)


@pytest.mark.parametrize(
    ("text", "per_hour"), [("10/h", 10), ("1 / week", 1 / 168), ("2/days", 1 / 12), ("0.5/min", 30)]
)
def test_budgets_are_read(text, per_hour):
    assert parse_budget(text).per_hour == pytest.approx(per_hour)


def test_peaks_are_one_of_each_cluster():
    quiet = np.zeros(50)
    block = np.concatenate([quiet, [5, 6, 5], quiet, [7], quiet, [5, 8], quiet])
    peaks = declustered_peaks([block, quiet, block], 4.0)
    assert peaks.scores.tolist() == [6, 7, 8, 6, 7, 8]
    assert peaks.blocks.tolist() == [0, 0, 0, 2, 2, 2]


def test_clusters_of_dependent_scores_are_told_apart():
    rng = np.random.default_rng(0)
    scores = ar1(rng, 200_000, 0.95)
    base = float(np.quantile(scores, 0.95))
    exceedances = int((scores > base).sum())
    n_runs = int((np.diff(np.flatnonzero(scores > base)) > 1).sum()) + 1
    assert len(declustered_peaks([scores], base).scores) < 0.7 * n_runs < exceedances, "runs that belong together merge"

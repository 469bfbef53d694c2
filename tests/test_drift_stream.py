"""On-line drift: what the mean time between false alarms rests on, and that it is kept."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from offkey.detectors import Level
from offkey.drift import Reference
from offkey.drift.stream import EXPONENTS, N_BINS, Betting, Ranks, bin_edges
from offkey.errors import InputError


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(0)
    return Reference().fit({"x": rng.normal(size=400), "y": rng.normal(size=400), "c": rng.choice(list("aab"), 400)})


def rows(n, seed, *, shift=0.0, letters="aab"):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"x": rng.normal(shift, 1, n), "y": rng.normal(size=n), "c": rng.choice(list(letters), n)})


@given(st.lists(st.integers(0, N_BINS - 1), min_size=1, max_size=30), st.integers(0, 2**32 - 1))
def test_ranks_are_those_of_counting_all_that_came_before(bins, seed):
    rng = np.random.default_rng(seed)
    before = rng.integers(0, N_BINS, 7)
    ranks, past = Ranks(np.bincount(before, minlength=N_BINS)[None]), before.tolist()
    for each in bins:
        tie = 1 - rng.random()
        past.append(each)
        slow = (sum(other > each for other in past) + tie * sum(other == each for other in past)) / len(past)
        assert ranks.push(np.array([each]), np.array([tie]))[0] == pytest.approx(slow)


def test_ranks_are_uniform_and_independent_however_few_came_before_and_however_tied():
    rng, p_values = np.random.default_rng(0), []
    for _ in range(400):
        scores = rng.integers(0, 4, 6)  # three calibration rows, three others, and few values
        ranks = Ranks(np.bincount(scores[:3], minlength=N_BINS)[None])
        p_values.append([ranks.push(scores[i : i + 1], 1 - rng.random(1))[0] for i in (3, 4, 5)])
    p_values = np.array(p_values)
    assert all(kstest(p, "uniform").pvalue > 1e-4 for p in p_values.T)
    assert np.abs(np.corrcoef(p_values.T)[np.triu_indices(3, 1)]).max() < 4 / math.sqrt(400)


@pytest.mark.parametrize("shares_low", [[1.0, 0.0], [0.3, 0.8]])
def test_a_bet_is_worth_one_on_average(shares_low):
    edges = np.concatenate([[0.0], np.geomspace(1e-12, 0.5, 1500)])
    middles, widths = np.sqrt(edges[1:] * np.maximum(edges[:-1], 1e-13)), np.diff(edges)
    total = 0.0
    for p, width in zip([*middles, *(1 - middles)], [*widths, *widths], strict=True):
        total += width * Betting([0.4, 0.6], shares_low, 1e30).push(0, np.array([p, p]))[0]
    assert 0.9 < total < 1.001  # less than one by what is cut off of the largest bets


def test_the_statistic_is_shiryaev_and_roberts_recursion():
    betting, slow = Betting([0.25, 0.75], [0.5, 1.0], 1e9), np.zeros((2, 2 * len(EXPONENTS)))
    shares = np.array([[0.5, 0.5], [1.0, 0.0]])
    for row, p in enumerate(np.random.default_rng(0).random((20, 2))):
        total = betting.push(row, p)[0]
        for score in range(2):
            for k, value in enumerate((p[score], 1 - p[score])):
                for j, a in enumerate(EXPONENTS):
                    i = k * len(EXPONENTS) + j
                    slow[score, i] = (1 + slow[score, i]) * a * value ** (a - 1)
        parts = [
            weight * shares[score, i // len(EXPONENTS)] / len(EXPONENTS) * slow[score, i]
            for score, weight in enumerate((0.25, 0.75))
            for i in range(2 * len(EXPONENTS))
        ]
        assert total == pytest.approx(sum(parts))


@pytest.mark.parametrize("n_reference", [10, 80])
def test_the_mean_time_between_false_alarms_is_at_least_as_stated(n_reference):
    limit, first, second = 25, [], []
    for repeat in range(80):
        rng = np.random.default_rng([n_reference, repeat])
        stream = Reference(Level(), seed=repeat).fit(rng.standard_cauchy((n_reference, 2))).stream(limit, seed=repeat)
        while len(stream.alarms) < 2:
            stream.push(rng.standard_cauchy((20, 2)))
        first.append(stream.alarms[0].row + 1)
        second.append(stream.alarms[1].row - stream.alarms[0].row)
    for times in (first, second):
        assert np.mean(times) + 3 * np.std(times) / math.sqrt(len(times)) >= limit
        assert np.mean(times) < 4 * limit  # and it is no empty promise


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_rows_in_any_pieces_give_the_same_alarms_as_all_at_once(reference, sizes):
    n = sum(sizes)
    whole, pieces = reference.stream(30), reference.stream(30)
    batch = rows(n, 1, shift=1.0)
    alarms = whole.push(batch)
    found, start = [], 0
    for size in sizes:
        found += pieces.push(batch.iloc[start : start + size])
        start += size
    assert found == alarms == whole.alarms == pieces.alarms
    assert (pieces.n_rows, pieces.statistic) == (whole.n_rows, whole.statistic)


def test_a_single_row_can_be_a_mapping_of_values(reference):
    one, other = reference.stream(50, seed=1), reference.stream(50, seed=1)
    batch = rows(20, 2)
    one.push(batch)
    for record in batch.to_dict("records"):
        other.push(record)
    assert one.statistic == other.statistic


@pytest.mark.parametrize(
    ("change", "cause", "direction"),
    [({"shift": 2.0}, "x", "higher"), ({"shift": -2.0}, "x", "lower"), ({"letters": "abbbb"}, "c", "rarer")],
)
def test_a_drift_is_found_soon_with_its_column_and_since_when(reference, change, cause, direction):
    stream = reference.stream(1000)
    assert stream.push(rows(300, 3)) == []
    alarm = stream.push(rows(200, 4, **change))[0]
    assert (alarm.cause, alarm.direction, alarm.goes_on) == (cause, direction, False)
    assert 300 <= alarm.row < 350
    assert abs(alarm.since - 300) <= 25
    assert alarm.statistic >= alarm.limit == 1000
    assert str(alarm).startswith(f"row {alarm.row}: {cause} {direction} since row {alarm.since} (evidence ")


def test_a_drift_of_missing_values_is_found(reference):
    stream = reference.stream(1000)
    stream.push(rows(200, 3))
    alarms = stream.push(rows(100, 4).assign(y=None))
    assert (alarms[0].cause, alarms[0].direction) in {("y", "higher"), ("all columns together", "stranger")}
    assert alarms[0].row < 215


def test_a_drift_that_stays_goes_on_and_is_new_only_once(reference):
    stream = reference.stream(1000)
    stream.push(rows(200, 3))
    alarms = stream.push(rows(300, 4, shift=2.0))
    assert len(alarms) > 2
    assert [alarm.goes_on for alarm in alarms] == [False] + [True] * (len(alarms) - 1)


def test_a_drift_that_comes_back_after_a_while_is_new_again(reference):
    stream = reference.stream(1000)
    for seed, shift in ((3, 0.0), (4, 3.0), (5, 0.0), (6, -3.0)):
        stream.push(rows(200 if shift == 0 else 12, seed, shift=shift))
    fresh = [alarm for alarm in stream.alarms if not alarm.goes_on]
    assert [(alarm.cause, alarm.direction) for alarm in fresh] == [("x", "higher"), ("x", "lower")]


def test_only_the_first_row_of_a_group_counts():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"who": np.repeat(np.arange(60), 5), "x": rng.normal(size=300)})
    reference = Reference(group="who").fit(frame)
    alike, single = reference.stream(100), reference.stream(100)
    alike.push(frame.assign(who=frame["who"] + 100).iloc[:33])
    alike.push(frame.assign(who=frame["who"] + 100).iloc[33:])
    single.push(frame.assign(who=frame["who"] + 100).iloc[::5])
    assert (alike.n_rows, alike.statistic) == (single.n_rows, single.statistic)


@pytest.mark.parametrize("limit", [1, 0, -5, math.inf, math.nan])
def test_a_limit_that_promises_nothing_is_refused(reference, limit):
    with pytest.raises(InputError, match="rows between false alarms"):
        reference.stream(limit)


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=40))
def test_bins_have_ascending_edges_and_reach_beyond_what_was_seen(values):
    edges = bin_edges(np.array(values))
    assert edges.shape == (N_BINS - 1,)
    assert (np.diff(edges) >= 0).all()
    assert edges[0] < min(values)
    assert edges[-1] > max(values)

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
from offkey.drift.stream import EXPONENTS, N_BINS, N_PLACES, STAKE, Betting, Ranks, bin_edges
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


PRESENT = np.zeros(2, bool)


@pytest.mark.parametrize("kinds", [[1.0, 0.0, 0.0], [0.3, 0.5, 0.2], [0.0, 0.0, 1.0]])
def test_a_bet_is_worth_one_on_average(kinds):
    edges = np.concatenate([[0.0], np.geomspace(1e-12, 0.5, 1500)])
    middles, widths = np.sqrt(edges[1:] * np.maximum(edges[:-1], 1e-13)), np.diff(edges)
    total = 0.0
    for p, width in zip([*middles, *(1 - middles)], [*widths, *widths], strict=True):
        betting = Betting(np.outer([0.4, 0.6], kinds), 1e30)
        total += width * betting.push(0, np.array([p, p]), PRESENT)[0]
    assert 0.9 < total < 1.01  # less than one by what is cut off of the largest bets; more by the width of a step


def test_the_statistic_is_shiryaev_and_roberts_recursion():
    weights = np.outer([0.25, 0.75], [0.5, 0.3, 0.2])
    betting, slow = Betting(weights, 1e9), np.zeros((2, 2 * len(EXPONENTS) + N_PLACES))
    for row, p in enumerate(np.random.default_rng(0).random((20, 2))):
        total = betting.push(row, p, PRESENT)[0]
        expected = 0.0
        for score in range(2):
            densities = [a * value ** (a - 1) for value in (p[score], 1 - p[score]) for a in EXPONENTS]
            densities += [1 + STAKE * (N_PLACES * (k <= N_PLACES * p[score] < k + 1) - 1) for k in range(N_PLACES)]
            parts = [*[0] * len(EXPONENTS), *[1] * len(EXPONENTS), *[2] * N_PLACES]
            for i, (density, kind) in enumerate(zip(densities, parts, strict=True)):
                slow[score, i] = (1 + slow[score, i]) * density
                expected += weights[score, kind] / parts.count(kind) * slow[score, i]
        assert total == pytest.approx(expected)


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
    assert found == alarms == list(whole.alarms) == list(pieces.alarms)
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
    assert (alarms[0].cause, alarms[0].direction) == ("y", "missing")
    assert alarms[0].row < 215


def test_missing_values_that_were_there_before_do_not_name_a_drift_of_the_others():
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    x[rng.random(2000) < 0.2] = np.nan
    table = pd.DataFrame({"x": x, "y": rng.normal(size=2000), "z": rng.normal(size=2000)})
    stream = Reference().fit(table.iloc[:1000]).stream(1000)
    assert stream.push(table.iloc[1000:1200]) == []
    alarm = stream.push(table.iloc[1200:].assign(x=x[1200:] + 2))[0]
    assert (alarm.cause, alarm.direction) == ("x", "higher")


@pytest.mark.parametrize("value", [0.03, -0.6, 0.4, 1.1])
def test_a_value_that_freezes_is_found_wherever_it_stands(reference, value):
    stream = reference.stream(1000)
    stream.push(rows(200, 3))
    alarm = stream.push(rows(100, 4).assign(y=value))[0]
    assert (alarm.cause, alarm.row < 225) == ("y", True)
    if abs(value) < 1:
        assert alarm.direction == "less varied"


def test_a_category_that_takes_all_rows_is_found_though_it_is_neither_rare_nor_frequent():
    rng = np.random.default_rng(0)
    reference = Reference().fit({"c": rng.choice(list("abc"), 1000, p=[0.36, 0.33, 0.31])})
    assert reference.stream().push({"c": ["b"] * 200})[0].row < 60


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


def visits(n, seed):
    rng = np.random.default_rng(seed)
    number = np.tile(np.arange(5), n)
    frame = pd.DataFrame({"who": np.repeat(np.arange(n), 5) + 1000 * seed, "y": rng.normal(size=5 * n)})
    return frame.assign(x=rng.normal(size=5 * n) + number)


def test_an_order_within_groups_is_no_drift():
    first = [Reference(group="who").fit(visits(120, 0)).stream(300, seed).push(visits(150, 1)) for seed in range(8)]
    assert sum(bool(alarms) for alarms in first) <= 5  # of 150 groups half of the time to a false alarm; eight without


def test_a_stream_remembers_the_latest_groups_and_alarms_only(monkeypatch):
    monkeypatch.setattr("offkey.drift.watching.MOST_GROUPS", 3)
    stream = Reference(group="who").fit(visits(20, 0)).stream(100)
    for who in (1, 2, 1, 3, 1, 4, 1):
        stream.push({"who": who, "x": 0.0, "y": 0.0})
    assert stream.n_rows == 5  # 1, 2, 3, 4, and 1 again once it is forgotten
    assert stream.alarms.maxlen == 1000


@pytest.mark.parametrize(
    "make",
    [list, tuple, pd.Series, np.array, lambda row: {"v": np.array(row)}, lambda row: {"v": row}],
    ids=["list", "tuple", "series", "array", "vector", "list under a name"],
)
def test_a_live_row_may_be_a_list_a_series_or_a_vector(make):
    table = {"v": np.random.default_rng(0).normal(size=(50, 3))}
    reference = Reference().fit(table)
    row = [0.1, 5.0, -0.3]
    given = make(row)
    live = pd.Series(row, index=["v[0]", "v[1]", "v[2]"]) if isinstance(given, pd.Series) else given
    one, other = reference.stream(50), reference.stream(50)
    one.push(live)
    other.push({"v": np.array([row])})
    assert (one.n_rows, one.statistic) == (1, other.statistic)
    assert reference.p_values(live) == reference.p_values({"v": np.array([row])})


def test_a_live_row_of_another_length_is_refused(reference):
    with pytest.raises(InputError):
        reference.stream(50).push([1.0, 2.0])


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

"""Drift of batches: tables, tests of columns and of all together, p-values of rows, files."""

import json
import math
import zipfile
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, false_discovery_control, fisher_exact, hypergeom, ks_2samp, kstest

import offkey
from offkey import bundle, drift
from offkey.decisions import adjusted_p_values, benjamini_hochberg
from offkey.detectors import Gaussian, Level
from offkey.drift import Reference, multivariate
from offkey.drift.columns import compare_columns, stability_index
from offkey.drift.encoding import fit_encoding, pooled_rows
from offkey.drift.multivariate import classifier_test, mean_discrepancy_test, n_permutations
from offkey.drift.onset import onset
from offkey.drift.relabelling import relabelled_p_value
from offkey.drift.table import as_table, matched
from offkey.drift.units import time_order
from offkey.drift.values import Column
from offkey.errors import BundleError, InputError, NotFittedError, ShapeError

SURELY = 1e-4
"""A test of a rate fails by chance this rarely."""


def customers(n, seed, *, shift=0.0, metz=0.1, missing=0.0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.normal(40 + shift, 9, n),
            "visits": rng.poisson(3, n),
            "city": rng.choice(["Ghent", "Lille", "Metz"], n, p=[0.6, 0.4 - metz, metz]),
            "member": rng.random(n) < 0.4,
            "constant": 1.0,
        }
    )
    table.loc[rng.random(n) < missing, "age"] = np.nan
    return table


@pytest.fixture(scope="module")
def reference():
    return Reference().fit(customers(600, 0))


@pytest.fixture
def few_relabellings(monkeypatch):
    monkeypatch.setattr(multivariate, "N_PERMUTATIONS", 99)
    monkeypatch.setattr(multivariate, "N_TREES", 10)


def numbers(values):
    return Column("x", np.asarray(values, float))


def categories(values):
    return as_table({"x": list(values)}).columns[0]


def most_alarms(n, rate):
    """Return how many of n tests may give an alarm, at a rate each, without the test being wrong."""
    return int(binom.ppf(1 - SURELY, n, rate))


# tables


def test_a_table_reads_the_same_from_a_frame_a_mapping_and_an_array():
    frame = pd.DataFrame({"x0": [1.0, np.nan, 3.0], "x1": [4, 5, 6]})
    for data in (frame, dict(frame), {name: frame[name].tolist() for name in frame}, frame.to_numpy(),
                 frame.to_records(index=False), frame.convert_dtypes()):  # fmt: skip
        table = as_table(data)
        assert table.names == ["x0", "x1"]
        assert [column.kind for column in table.columns] == ["numeric", "numeric"]
        assert np.array_equal(table.columns[0].values, [1, np.nan, 3], equal_nan=True)


def test_texts_truth_values_and_named_numbers_are_categories():
    frame = pd.DataFrame(
        {
            "text": ["a", None, "b"],
            "truth": [True, False, True],
            "code": [1.0, np.nan, 2.0],
            "factor": pd.Categorical(["u", "v", None]),
            "maybe": pd.array([True, None, False], dtype="boolean"),
        }
    )
    columns = as_table(frame, categorical=["code"]).columns
    told = {
        column.name: [None if code < 0 else column.levels[code] for code in column.values.tolist()]
        for column in columns
    }
    assert told == {
        "text": ["a", None, "b"],
        "truth": ["True", "False", "True"],
        "code": ["1", None, "2"],
        "factor": ["u", "v", None],
        "maybe": ["True", None, "False"],
    }


def test_wide_arrays_of_a_mapping_become_a_column_each_and_single_values_one_row():
    assert as_table({"logit": np.zeros((4, 2)), "age": np.zeros(4)}).names == ["logit[0]", "logit[1]", "age"]
    row = as_table({"age": 3, "city": "Metz"})
    assert (row.n_rows, [column.kind for column in row.columns]) == (1, ["numeric", "categorical"])


def test_infinite_numbers_are_missing():
    assert as_table({"x": [np.inf, 1.0, -np.inf]}).columns[0].is_missing.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pd.DataFrame({"t": pd.to_datetime(["2026-01-01"])}), "'t' holds times"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "more than one column 'a'"),
        (np.zeros(5), "shape (5,)"),
        (np.zeros((2, 3, 4)), "shape (2, 3, 4)"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, "2 and 3 rows"),
        ({"a": np.zeros((2, 2, 2))}, "'a' has the shape (2, 2, 2)"),
        ({"a": np.array([1j])}, "'a' holds complex numbers"),
        (pd.DataFrame({"a": [np.zeros(2), np.zeros(2)]}), "'a' holds lists or arrays"),
        ({"a": [[1, 2], [3]]}, "'a' is ragged"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence_and_advice(data, words):
    with pytest.raises(InputError) as caught:
        as_table(data)
    assert words in str(caught.value)
    assert str(caught.value).count(". ") == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="age"), "lacks the column 'age'"),
        (lambda t: t.drop(columns=["age", "city"]), "lacks the columns 'age', 'city'"),
        (lambda t: t.assign(new=1), "has the column 'new', which the reference lacks"),
        (lambda t: t.assign(age="old"), "'age' holds categories (texts or truth values), but numbers"),
        (lambda t: t.assign(city=3.5), "'city' holds numbers, but categories"),
        (lambda t: t.iloc[:0], "no rows"),
    ],
)
def test_other_columns_than_the_reference_has_are_told_in_one_sentence(reference, change, words):
    batch = change(customers(30, 5))
    with pytest.raises(InputError) as caught:
        reference.check(batch)
    assert words in str(caught.value)
    assert str(caught.value).count(". ") == 1


def test_columns_may_come_in_another_order_and_a_column_may_be_all_missing(reference):
    batch = customers(40, 5)
    assert reference.check(batch[batch.columns[::-1]]) == reference.check(batch)
    report = reference.check(batch.assign(city=np.nan, age=None))
    assert {column.name for column in report.moved} == {"city", "age"}
    assert any("Nothing of age, city is there" in note for note in report.notes)


def test_whole_numbers_as_categories_read_the_same_from_numbers_and_from_texts():
    for values in ([1, 2, 10], [1.0, 2.0, 10.0], ["1", "2", "10"], ["1.0", "2.0", "10.0"], [b"1", b"2.0", b"10"]):
        assert as_table({"c": values}, categorical=["c"]).columns[0].levels == ("1", "10", "2")
    assert as_table({"c": ["007", "08.0", "1.5", "v1.0"]}).columns[0].levels == ("007", "08", "1.5", "v1.0")


def test_decimals_fractions_and_huge_numbers_are_numbers():
    column = as_table({"x": np.array([Decimal("1.5"), None, Fraction(1, 4), 10**400, -(10**400)], object)}).columns[0]
    assert column.kind == "numeric"
    assert np.array_equal(column.values, [1.5, np.nan, 0.25, 1e150, -1e150], equal_nan=True)


def test_pandas_marks_of_missing_values_are_missing_alone_and_in_lists():
    for values in ([1.0, pd.NA], [1.0, pd.NaT], [1.0, None]):
        assert as_table({"x": values}).columns[0].is_missing.tolist() == [False, True]
    assert as_table({"x": pd.NA, "c": "a"}).columns[0].is_missing.tolist() == [True]
    assert as_table({"c": ["a", pd.NA]}).columns[0].is_missing.tolist() == [False, True]


def test_halves_of_characters_are_spelt_out(tmp_path):
    table = {"n\ud800": ["a\ud800", "b"] * 10}
    Reference().fit(table).save(tmp_path / "m")
    assert drift.load(tmp_path / "m").sample_.columns[0].levels == ("a\\ud800", "b")


def test_names_may_be_numbers():
    frame = pd.DataFrame({0: np.repeat(np.arange(20), 2), 1: np.arange(40.0), 2: np.arange(40), 3: np.zeros(40)})
    reference = Reference(group=0, drop=[1], categorical=[2]).fit(frame)
    assert reference.sample_.names == ["2", "3"]
    assert reference.sample_.columns[0].kind == "categorical"
    assert reference.check(frame, time=1).n_batch == 20


def test_a_column_of_which_the_reference_has_nothing_may_hold_anything_and_that_is_told():
    reference = Reference().fit({"new": [None] * 60, "x": np.arange(60.0)})
    for values in (["a"] * 30, [1.0] * 30):
        (moved,) = reference.check({"new": values, "x": np.arange(0, 60, 2.0)}).moved
        assert (moved.name, moved.change) == ("new", "missing 100 % → 0 %")


# tests of one column


def test_numbers_are_compared_by_the_exact_test_of_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=40), rng.normal(0.5, size=7)
    found = compare_columns(numbers(first), numbers(second), rng)
    assert found.p_value == ks_2samp(first, second, method="exact").pvalue
    assert found.test == "Kolmogorov-Smirnov (exact)"


@pytest.mark.parametrize("n", [2, 3, 5, 60])
@pytest.mark.parametrize("kind", ["numbers", "ties", "missing", "categories", "rare categories"])
def test_columns_without_drift_are_reported_no_more_often_than_stated(kind, n, monkeypatch):
    monkeypatch.setattr("offkey.drift.columns.MOST_RELABELLINGS", 400)
    rng, p_values = np.random.default_rng(3), []
    for _ in range(200):
        values = {
            "numbers": lambda: rng.normal(size=40 + n),
            "ties": lambda: rng.integers(0, 4, 40 + n).astype(float),
            "missing": lambda: np.where(rng.random(40 + n) < 0.2, np.nan, rng.normal(size=40 + n)),
            "categories": lambda: rng.choice(list("abc"), 40 + n),
            "rare categories": lambda: rng.choice(list("abcdefghijk"), 40 + n, p=[0.5, *[0.05] * 10]),
        }[kind]()
        make = categories if "categories" in kind else numbers
        p_values.append(compare_columns(make(values[:40]), make(values[40:]), rng).p_value)
    for rate in (0.05, 0.2):
        assert sum(p <= rate for p in p_values) <= most_alarms(200, rate)


def test_two_categories_are_judged_by_fisher_and_more_by_relabelling_as_exactly():
    first, second = "a" * 30 + "b" * 2, "a" * 3 + "b" * 3
    found = compare_columns(categories(first), categories(second), np.random.default_rng(0))
    exact = fisher_exact([[30, 2], [3, 3]])[1]
    assert (found.test, found.p_value) == ("chi-squared (Fisher)", pytest.approx(exact))
    rng = np.random.default_rng(0)
    relabelled = relabelled_p_value(3, lambda n: rng.hypergeometric(5, 33, 6, n), 50_000)
    assert relabelled == pytest.approx(hypergeom.sf(2, 38, 5, 6), rel=0.3)


def test_rare_flags_are_reported_no_more_often_than_stated_at_the_small_levels_of_many_columns():
    n, m, level = 1000, 100, 0.01 / 3 / 200
    probability = 0.0
    for k in range(15, 35):  # of the batch's flags, given 80 in all: those that are reported at this level
        first, second = (np.repeat(["a", "b"], counts) for counts in ([n - 80 + k, 80 - k], [m - k, k]))
        p = compare_columns(categories(first), categories(second), np.random.default_rng(0)).p_value
        probability += hypergeom.pmf(k, n + m, 80, m) * (p <= level)
    assert 0 < probability <= level


def test_categories_that_are_all_new_are_reported_among_many_columns():
    found = compare_columns(categories("abc" * 100), categories("z" * 30), np.random.default_rng(0))
    assert found.p_value < 1e-30  # no relabelling is as large: their number is no floor
    rng, p_values = np.random.default_rng(1), []
    for _ in range(200):
        rows = rng.permutation(list("aabbccd" * 9))
        p_values.append(compare_columns(categories(rows[:50]), categories(rows[50:]), rng).p_value)
    assert sum(p <= 0.05 for p in p_values) <= most_alarms(200, 0.05)
    assert min(p_values) < 0.1


def test_relabelling_ends_early_and_is_exact_all_the_same():
    rng, drawn = np.random.default_rng(0), []

    def draw(size):
        drawn.append(size)
        return rng.random(size)

    p_values = np.array([relabelled_p_value(rng.random(), draw, 2000) for _ in range(400)])
    assert sum(drawn) < 0.6 * 400 * 2000
    assert kstest(p_values, "uniform").pvalue > SURELY
    assert relabelled_p_value(2.0, draw, 999) == 1 / 1000
    assert relabelled_p_value(0.0, lambda size: np.full(size, -1e-15), 999) == 1.0  # rounding makes none smaller


def test_an_unseen_category_and_missing_values_are_told():
    found = compare_columns(categories("aaaabbbb" * 5), categories("ccccaaab" * 5), np.random.default_rng(0))
    assert found.p_value < 0.001
    assert found.change == "'c' 0 % → 50 %"
    found = compare_columns(numbers(range(100)), numbers([*range(60), *[np.nan] * 40]), np.random.default_rng(0))
    assert found.p_value < 1e-10
    assert found.change.startswith("missing 0 % → 40 %")


def test_a_change_is_told_by_the_middle_or_the_spread_whichever_is_larger():
    rng = np.random.default_rng(0)
    base = rng.normal(10, 1, 500)
    assert compare_columns(numbers(base), numbers(base + 2), rng).change == (
        f"median {np.median(base):.4g} → {np.median(base) + 2:.4g}"
    )
    assert compare_columns(numbers(base), numbers(10 + 3 * (base - 10)), rng).change.startswith("middle half 9.")


def test_a_constant_column_does_not_move_until_it_does():
    same = compare_columns(numbers(np.ones(50)), numbers(np.ones(20)), np.random.default_rng(0))
    assert (same.p_value, same.psi) == (1.0, 0.0)
    assert compare_columns(numbers(np.ones(50)), numbers(np.full(20, 2.0)), np.random.default_rng(0)).p_value < 1e-12


def test_adjusted_p_values_are_scipys_and_report_what_benjamini_and_hochberg_do():
    p_values = np.random.default_rng(0).random(50) ** 3
    assert adjusted_p_values(p_values) == pytest.approx(false_discovery_control(p_values))
    for rate in (0.01, 0.1, 0.3):
        assert np.array_equal(adjusted_p_values(p_values) <= rate, benjamini_hochberg(p_values, rate))


def test_the_stability_index_is_its_formula_and_its_mean_without_drift_is_as_said():
    first, second = categories("a" * 60 + "b" * 40), categories("a" * 10 + "b" * 40)
    then, now = np.array([60.5, 40.5]) / 101, np.array([10.5, 40.5]) / 51
    assert stability_index(first, second)[0] == pytest.approx(((now - then) * np.log(now / then)).sum())
    rng = np.random.default_rng(1)
    found = [stability_index(numbers(rng.normal(size=400)), numbers(rng.normal(size=300))) for _ in range(200)]
    assert np.mean([each[0] for each in found]) == pytest.approx(found[0][1], rel=0.15)


# tests of all columns together


def test_the_mean_discrepancy_is_that_of_the_slow_formula(few_relabellings):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(9, 3)), rng.normal(0.4, 1, size=(6, 3))
    rows = np.concatenate([first, second])
    squared = [[float(((a - b) ** 2).sum()) for b in rows] for a in rows]
    width = np.median([squared[i][j] for i in range(15) for j in range(i)])
    kernel = np.exp(-np.array(squared) / width)
    slow = kernel[:9, :9].mean() + kernel[9:, 9:].mean() - 2 * kernel[:9, 9:].mean()
    assert mean_discrepancy_test(first, second, rng, 99)[0] == pytest.approx(slow)


@pytest.mark.parametrize("test", [mean_discrepancy_test, classifier_test])
@pytest.mark.parametrize("n", [4, 30])
def test_all_columns_together_are_reported_no_more_often_than_stated(test, n, few_relabellings):
    rng, p_values = np.random.default_rng(5), []
    for _ in range(100):
        table = as_table({"x": np.round(rng.normal(size=(40 + n, 2)), 1), "c": rng.choice(list("ab"), 40 + n).tolist()})
        rows = pooled_rows(table.take(np.arange(40)), table.take(np.arange(40, 40 + n)))
        p_values.append(test(*rows, rng, 99)[1])
    for rate in (0.1, 0.3):
        assert sum(p <= rate for p in p_values) <= most_alarms(100, rate)
    assert min(p_values) < 0.2  # and they do vary


@pytest.mark.parametrize("test", [mean_discrepancy_test, classifier_test])
def test_columns_that_only_move_against_each_other_are_found_together(test, few_relabellings):
    rng = np.random.default_rng(0)
    first = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], 300)
    second = rng.multivariate_normal([0, 0], [[1, -0.9], [-0.9, 1]], 300)
    rows = pooled_rows(as_table(first), as_table(second))
    assert test(*rows, rng, 99)[1] == pytest.approx(1 / 100)
    moved = [compare_columns(numbers(a), numbers(b), rng).p_value for a, b in zip(first.T, second.T, strict=True)]
    assert min(moved) > 0.01


def test_the_pooled_encoding_does_not_know_which_rows_are_of_which_table():
    first, second = as_table(customers(20, 1)), as_table(customers(15, 2, metz=0.0))
    swapped = pooled_rows(second, first)
    assert all(np.array_equal(a, b) for a, b in zip(pooled_rows(first, second), swapped[::-1], strict=True))


# the check


@pytest.mark.slow
def test_a_batch_without_drift_is_called_one_no_more_often_than_stated(few_relabellings):
    population, n_alarms = customers(20_000, 9), 0
    for repeat in range(60):
        rows = np.random.default_rng(repeat).permutation(len(population))
        whole = as_table(population).take(rows[:220])
        reference = drift.checking.check_table(whole.take(np.arange(150)), whole.take(np.arange(150, 220)), 0.2, repeat)
        n_alarms += reference.is_drift
        assert reference.is_drift == (bool(reference.moved) or any(test.is_drift for test in reference.tests))
    assert n_alarms <= most_alarms(60, 0.2)


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ({"shift": 5}, "age", "median"),
        ({"metz": 0.3}, "city", "'Lille' 2"),
        ({"missing": 0.15}, "age", "missing 0 %"),
    ],
)
def test_the_column_that_moved_is_named_and_how(reference, change, name, words):
    report = reference.check(customers(300, 7, **change))
    assert report.is_drift
    assert [column.name for column in report.moved] == [name]
    assert words in report.moved[0].change
    assert report.sentence.startswith("Drift (p = ")
    assert report.sentence.endswith(f"1 of 5 columns moved: {name}.")


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_a_few_rows_are_checked_safely(reference, n):
    assert not reference.check(customers(n, 3)).is_drift
    report = reference.check(customers(n, 3))
    assert all(0 < column.p_value <= 1 for column in report.columns)
    assert all(math.isfinite(value) for column in report.columns for value in (column.psi, column.statistic))
    assert reference.p_values(customers(n, 3)).shape == (n,)


def test_five_rows_far_away_are_found(reference):
    report = reference.check(customers(5, 3, shift=60))
    assert [column.name for column in report.moved] == ["age"]


def test_a_single_column_gets_the_whole_rate():
    rng = np.random.default_rng(0)
    report = Reference().fit(rng.normal(size=(200, 1))).check(rng.normal(1, 1, (100, 1)))
    assert report.tests == ()
    assert report.p_value == report.columns[0].p_value


@pytest.mark.parametrize("start", [0, 150])
def test_since_when_is_told_to_within_a_few_rows(reference, start):
    batch = pd.concat([customers(start, 4), customers(300 - start, 5, shift=12, metz=0.4)])
    times = pd.date_range("2026-03-01", periods=300, freq="h")
    shuffled = batch.assign(time=times).sample(frac=1, random_state=0)
    report = reference.check(shuffled, time="time")
    moved = {column.name: column for column in report.moved}
    assert set(moved) >= {"age", "city"}
    assert abs(moved["age"].since_row - start) <= 8
    assert abs(moved["city"].since_row - start) <= 25
    assert moved["age"].since == str(times[moved["age"].since_row])


@pytest.mark.parametrize("kind", ["numbers", "categories"])
def test_since_when_is_found_as_by_trying_every_row(kind):
    rng = np.random.default_rng(2)
    then, now = rng.integers(0, 4, 60), np.concatenate([rng.integers(0, 4, 30), rng.integers(2, 5, 25)])
    series, best = np.concatenate([then, now]), []
    for k in range(len(now) - 4):
        before, after = series[: 60 + k], series[60 + k :]
        shares = [np.bincount(each, minlength=5) / len(each) for each in (before, after)]
        difference = shares[1] - shares[0]
        difference = difference.cumsum() if kind == "numbers" else difference
        best.append(np.abs(difference).max() * math.sqrt(len(before) * len(after) / len(series)))
    make = numbers if kind == "numbers" else lambda values: categories([f"c{value}" for value in values])
    assert onset(make(then), make(now)) == np.argmax(best)


@pytest.mark.parametrize(
    "times",
    [
        ["2026-03-01", "2026-03-02 14:00", "2026-03-10"],
        ["1", "2", "10"],
        np.array([1, 2, 10], object),
        pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-10"]),
        pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-10"]).tz_localize("Europe/Paris"),
        pd.to_timedelta([1, 2, 10], unit="h"),
    ],
    ids=["text", "numbers as text", "objects", "dates", "zoned", "spans"],
)
def test_the_order_of_times_is_that_of_time_not_of_letters(times):
    frame = pd.DataFrame({"t": times}).iloc[[2, 0, 1]]
    order, told = time_order(frame, "t")
    assert order.tolist() == [1, 2, 0]
    assert len(set(told)) == 3


@pytest.mark.parametrize("times", [["31/03/2026", "01/04/2026"], ["monday", "tuesday"], [1, "2026-03-01"], [{}, {}]])
def test_times_that_tell_no_order_are_refused(times):
    with pytest.raises(InputError, match="'t' tells no order"):
        time_order({"t": np.array(times, object)}, "t")


def test_since_when_of_missing_values_and_new_categories():
    rng = np.random.default_rng(0)
    then = numbers(rng.normal(size=300))
    now = rng.normal(size=200)
    now[120:][rng.random(80) < 0.5] = np.nan
    assert abs(onset(then, numbers(now)) - 120) <= 6
    assert abs(onset(categories("ab" * 100), categories("ab" * 40 + "c" * 30)) - 80) <= 1


def test_an_order_that_cannot_be_told_is_refused(reference):
    with pytest.raises(InputError, match="no column 'when'"):
        reference.check(customers(20, 1), time="when")
    with pytest.raises(InputError, match="does not tell the time of all rows"):
        reference.check(customers(20, 1).assign(when=[None, *["2026"] * 19]), time="when")
    with pytest.raises(InputError, match="'age' tells the order, and is in the reference"):
        reference.check(customers(20, 1), time="age")
    with pytest.raises(InputError, match="no column 't'"):
        Reference().fit(np.random.default_rng(0).normal(size=(20, 2))).check(np.zeros((3, 2)), time="t")


# rows


def test_p_values_of_rows_are_as_frequent_as_they_say_over_references():
    low = []
    for repeat in range(60):
        rng = np.random.default_rng(repeat)
        rows = rng.standard_t(3, size=(60, 3))
        low.append(Reference(Gaussian(("mean",)), seed=repeat).fit(rows[:50]).p_values(rows[50:]))
    assert np.mean(np.array(low) <= 0.2) < 0.2 + 4 * np.std(np.mean(np.array(low) <= 0.2, axis=1)) / np.sqrt(60)


def test_strange_rows_have_small_p_values_and_each_kind_of_strangeness_counts(reference):
    usual = customers(200, 11)
    assert np.median(reference.p_values(usual)) > 0.3
    for odd in (usual.assign(age=400.0), usual.assign(city="Paris"), usual.assign(age=np.nan)):
        assert np.median(reference.p_values(odd)) < 0.02


def test_a_row_scores_the_same_alone_and_among_others(reference):
    rows = customers(30, 12, missing=0.2)
    alone = [reference.strangeness(rows.iloc[[i]])[0] for i in range(30)]
    assert np.array_equal(reference.strangeness(rows), alone)
    assert reference.p_values(rows.iloc[:0]).shape == (0,)


def test_rows_of_one_group_count_once():
    rng = np.random.default_rng(0)
    people = rng.normal(size=40)
    frame = pd.DataFrame({"who": np.repeat(np.arange(40), 25), "x": np.repeat(people, 25), "y": rng.normal(size=1000)})
    reference = Reference(group="who").fit(frame)
    assert (reference.n_rows_, reference.n_units_, len(reference.calibration_)) == (1000, 40, 20)
    four = frame[frame["who"].isin([0, 1, 2, 3])].assign(x=lambda t: t["x"] * 0 + np.repeat(rng.normal(size=4), 25))
    assert reference.check(four).n_batch == 4
    assert not reference.check(four).is_drift
    alike = Reference(drop=["who"]).fit(frame)
    assert alike.check(four).is_drift  # a hundred rows that are four: what the group is for
    with pytest.raises(InputError, match="lacks the column 'who'"):
        reference.check(frame.drop(columns="who"))


# the reference


@pytest.mark.parametrize(
    ("reference", "data", "words"),
    [
        (Reference(), np.zeros((9, 2)), "9 rows"),
        (Reference(drop=["a"]), {"a": np.zeros(20)}, "no columns left"),
        (Reference(categorical=["b"]), {"a": np.zeros(20)}, "'b' was named .categorical."),
        (Reference(drop=["b"]), {"a": np.zeros(20)}, "'b' was named .drop."),
        (Reference(drop="ab"), {"a": np.zeros(20)}, "drop='ab' was given"),
        (Reference(categorical="a"), {"a": np.zeros(20)}, "categorical='a' was given"),
        (Reference(seed=-1), {"a": np.zeros(20)}, "seed -1 was given"),
        (Reference(group="g"), {"a": np.zeros(20), "g": [1] * 20}, "1 groups in 'g'"),
        (Reference(group="g"), {"a": np.zeros(20)}, "lacks the column 'g'"),
    ],
)
def test_a_reference_that_teaches_nothing_is_refused(reference, data, words):
    with pytest.raises(InputError, match=words):
        reference.fit(data)
    with pytest.raises(NotFittedError):
        reference.check(data)


def test_identifiers_are_kept_as_few_as_the_rows_that_are_kept(monkeypatch):
    from offkey.drift import reference as module

    monkeypatch.setattr(module, "MOST_COMPARED", 60)
    n = 4000
    reference = Reference().fit({"id": [f"user {i}" for i in range(n)], "x": np.arange(float(n))})
    assert len(reference.sample_.columns[0].levels) == 60
    assert reference.scores_.frequencies[0] == pytest.approx([-1 / 2000] * 2000)


def test_the_shares_of_categories_count_missing_ones_in():
    rng = np.random.default_rng(0)
    table = {"c": rng.choice(["a", "b", None], 400, p=[0.5, 0.2, 0.3])}
    scores = Reference().fit(table).scores_
    a, b = scores.frequencies[0]
    assert (a < b < 0, -0.8 < a + b < -0.6) == (True, True)


def test_a_rate_however_small_can_be_reported_by_the_tests_of_all_columns():
    assert (1 + n_permutations(0.0001 / 3)) * 0.0001 / 3 >= 1
    rng = np.random.default_rng(0)
    first, second = rng.multivariate_normal([0, 0], [[1, 0.95], [0.95, 1]], 100), rng.normal(size=(100, 2))
    report = Reference().fit(first).check(second, rate=0.0008)
    assert report.is_drift
    assert not report.moved
    tiny = Reference().fit(first).check(first, rate=1e-7)
    assert any("too small for the tests of all columns" in note for note in tiny.notes)


def test_a_batch_much_larger_than_the_reference_is_told_what_that_means():
    rng = np.random.default_rng(0)
    reference = Reference().fit(rng.normal(size=(40, 1)))
    assert any("on average over references" in note for note in reference.check(rng.normal(size=(500, 1))).notes)
    assert reference.check(rng.normal(size=(40, 1))).notes == ()


def test_ten_rows_are_enough_to_begin_with():
    reference = Reference().fit(customers(10, 0))
    assert (reference.p_values(customers(5, 1)) >= 1 / 6).all()


def test_constant_empty_and_repeated_rows_give_finite_scores():
    table = {"empty": [None] * 30, "same": np.ones(30), "one": ["a"] * 30, "huge": np.full(30, 1e300)}
    reference = Reference().fit(table)
    assert np.isfinite(reference.strangeness(table)).all()
    assert (reference.p_values(table) == 1).all()
    assert not reference.check(table).is_drift
    assert np.isfinite(reference.strangeness({**table, "same": np.full(30, -1e300)})).all()


def test_the_largest_numbers_there_are_can_be_kept_in_files(tmp_path):
    most = np.finfo(float).max
    table = {"x": np.array([-most, most, 0.0, 1.0] * 10), "y": np.arange(40.0)}
    reference = Reference().fit(table)
    reference.save(tmp_path / "m")
    assert np.array_equal(drift.load(tmp_path / "m").p_values(table), reference.p_values(table))
    assert reference.stream(100).push(table) is not None


def test_a_large_reference_is_kept_in_bounded_size(monkeypatch):
    from offkey.drift import reference as module

    for name, most in (("MOST_TRAINING", 40), ("MOST_CALIBRATION", 50), ("MOST_COMPARED", 60)):
        monkeypatch.setattr(module, name, most)
    reference = Reference().fit(customers(400, 0))
    assert len(reference.scores_.detector.references_) == 40
    assert (len(reference.calibration_), reference.sample_.n_rows) == (50, 60)


def test_bare_arrays_take_the_names_of_the_reference():
    rng = np.random.default_rng(0)
    reference = Reference().fit(rng.normal(size=(50, 2)), names=["left", "right"])
    assert reference.check(rng.normal(size=(5, 2))) == reference.check(
        dict(zip(("left", "right"), np.random.default_rng(0).normal(size=(55, 2))[50:].T, strict=True))
    )
    with pytest.raises(InputError, match="lacks the columns 'left', 'right'"):
        reference.check(rng.normal(size=(5, 3)))
    with pytest.raises(ShapeError, match="3 names were given for 2 columns"):
        Reference().fit(rng.normal(size=(50, 2)), names=["a", "b", "c"])


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True), st.integers(-5, 5)), min_size=1, max_size=30))
def test_any_numbers_can_be_compared_and_placed(values):
    column = as_table({"x": np.array([np.nan if value is None else value for value in values], float)}).columns[0]
    then = numbers(np.arange(20.0))
    found = compare_columns(then, column, np.random.default_rng(0))
    assert 0 <= found.p_value <= 1
    assert math.isfinite(found.psi)
    assert 0 <= onset(then, column) < len(values)
    table = as_table({"x": column.values})
    assert np.isfinite(fit_encoding(table).rows(table)).all()


def test_a_batch_that_matches_is_put_in_order_and_keeps_its_values():
    table = as_table({"b": [1.0, 2.0], "a": ["u", "v"]})
    found = matched(table, as_table({"a": ["w"], "b": [0.0]}))
    assert found.names == ["a", "b"]
    assert found.columns[0].levels == ("u", "v")


# files


def test_a_reference_is_the_same_after_saving_and_loading(reference, tmp_path):
    reference.save(tmp_path / "model.drift")
    loaded = drift.load(tmp_path / "model.drift")
    batch = customers(50, 3, shift=2, missing=0.1)
    assert np.array_equal(loaded.p_values(batch), reference.p_values(batch))
    assert loaded.check(batch) == reference.check(batch)
    streams = [each.stream(100) for each in (reference, loaded)]
    assert streams[0].push(batch) == streams[1].push(batch)


def test_parameters_and_the_detector_are_kept(tmp_path):
    rng = np.random.default_rng(0)
    table = {"code": rng.integers(0, 3, 50), "x": rng.normal(size=50), "id": np.arange(50), "g": np.arange(50)}
    given = Reference(Gaussian(("mean",)), ("code",), ("id",), "g", 3).fit(table)
    given.save(tmp_path / "model.drift")
    loaded = drift.load(tmp_path / "model.drift")
    assert repr(loaded) == repr(given)
    assert np.array_equal(loaded.p_values(table), given.p_values(table))


def test_each_loader_refuses_the_other_kind_of_file(reference, tmp_path):
    reference.save(tmp_path / "model.drift")
    with pytest.raises(BundleError):
        offkey.load(tmp_path / "model.drift")
    bundle.write(bundle.Bundle({"features": {}}), tmp_path / "pump.offkey")
    with pytest.raises(BundleError, match="holds no drift reference"):
        drift.load(tmp_path / "pump.offkey")


def test_hostile_and_damaged_files_are_refused(reference, tmp_path):
    path = tmp_path / "model.drift"
    reference.save(path)
    whole = bundle.read(path)
    rng = np.random.default_rng(0)
    content = path.read_bytes()
    for cut in (0, 10, len(content) // 2, len(content) - 1):
        (tmp_path / "cut").write_bytes(content[:cut])
        with pytest.raises(BundleError):
            drift.load(tmp_path / "cut")
    for name in whole.arrays:
        for odd in (np.zeros((2, 2, 2)), np.full(3, np.inf), np.full_like(whole.arrays[name], -7)):
            bundle.write(bundle.Bundle(whole.document, {**whole.arrays, name: odd}, whole.blobs), tmp_path / "odd")
            try:
                loaded = drift.load(tmp_path / "odd")
            except BundleError:
                continue
            assert np.isfinite(loaded.p_values(customers(3, 1))).all()
    for key in set(whole.document) - {"format", "members", "offkey"}:
        for odd in (None, [], {}, "x", -1, [[1]], rng.random()):
            document = {**whole.document, key: odd}
            if document == whole.document:
                continue
            bundle.write(bundle.Bundle(document, whole.arrays, whole.blobs), tmp_path / "odd")
            try:
                loaded = drift.load(tmp_path / "odd")
            except BundleError:
                continue
            assert np.isfinite(loaded.p_values(customers(3, 1))).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda document, _: document["levels"][2].append("Paris"),
        lambda document, _: document["known"][2].pop(),
        lambda document, _: document["frequencies"].__setitem__(2, [float("nan")] * 3),
        lambda document, _: document["columns"][1].__setitem__(0, "age"),
        lambda document, _: document["columns"][2].__setitem__(1, ["Ghent"] * 3),
        lambda document, _: document.__setitem__("n_units", 5),
        lambda document, _: document.__setitem__("n_rows", 5),
        lambda _, arrays: arrays.__setitem__("centers", arrays["centers"][:-1]),
        lambda _, arrays: arrays.__setitem__("has_missing", ~arrays["has_missing"]),
    ],
)
def test_files_whose_parts_do_not_fit_together_are_refused(change, reference, tmp_path):
    reference.save(tmp_path / "m")
    content = bundle.read(tmp_path / "m")
    document, arrays = json.loads(json.dumps(content.document)), dict(content.arrays)
    change(document, arrays)
    bundle.write(bundle.Bundle(document, arrays, content.blobs), tmp_path / "odd")
    with pytest.raises(BundleError):
        drift.load(tmp_path / "odd")


def test_a_file_holds_no_pickle(reference, tmp_path):
    reference.save(tmp_path / "model.drift")
    with zipfile.ZipFile(tmp_path / "model.drift") as archive:
        assert archive.namelist() == ["pipeline.json", "arrays.npz"]
        assert json.loads(archive.read("pipeline.json"))["kind"] == "drift reference"


def test_a_file_that_needs_another_detector_says_so(reference, tmp_path):
    Reference(Level()).fit(np.random.default_rng(0).normal(size=(30, 2))).save(tmp_path / "model.drift")
    content = bundle.read(tmp_path / "model.drift")
    content.document["detector"]["type"] = "Loudest"
    bundle.write(content, tmp_path / "model.drift")
    with pytest.raises(BundleError, match="Loudest"):
        drift.load(tmp_path / "model.drift")


def test_saving_to_nowhere_leaves_nothing(reference, tmp_path):
    with pytest.raises(BundleError, match="cannot be written"):
        reference.save(tmp_path / "nowhere" / "model.drift")
    assert list(tmp_path.iterdir()) == []


def test_importing_drift_loads_nothing_heavy():
    from test_imports import HEAVY, loaded_after

    assert not loaded_after("import offkey.drift") & (HEAVY | {"scipy"})


@pytest.mark.real_data
@pytest.mark.slow
def test_gas_sensors_drift_and_their_shuffled_rows_do_not(data):
    arrays = np.load(data / "series" / "gas-drift" / "gas_drift.npz")
    one, two = ({"x": arrays[f"b{number}_X"], "gas": arrays[f"b{number}_gas"]} for number in (1, 2))
    assert Reference().fit(one).check(two).is_drift
    both = {name: np.concatenate([one[name], two[name]]) for name in one}
    order = np.random.default_rng(0).permutation(len(both["gas"]))
    halves = [{name: values[rows] for name, values in both.items()} for rows in (order[:800], order[800:])]
    assert not Reference().fit(halves[0]).check(halves[1]).is_drift

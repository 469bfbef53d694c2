"""Figures from labels and scores, and the report."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

import oracles
from offkey import write
from offkey.datasets import make_table
from offkey.errors import InputError, ShapeError
from offkey.evaluation import (
    auc,
    bootstrap_interval,
    confusion,
    evaluate,
    partial_auc,
    roc_curve,
    wilson_interval,
)

labelled = st.lists(st.tuples(st.booleans(), st.integers(-5, 5)), min_size=2, max_size=40).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


@given(labelled)
def test_auc_counts_pairs(rows):
    labels, scores = zip(*rows, strict=True)
    assert auc(labels, scores) == pytest.approx(oracles.auc(labels, scores))


@given(labelled, st.sampled_from([0.1, 0.05, 0.5, 1.0]))
def test_areas_are_scikit_learns(rows, max_fpr):
    labels, scores = zip(*rows, strict=True)
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
    assert partial_auc(labels, scores, max_fpr) == pytest.approx(roc_auc_score(labels, scores, max_fpr=max_fpr))


def test_roc_curve_runs_from_corner_to_corner():
    false_rate, true_rate = roc_curve([0, 1, 0, 1], [1, 2, 2, 3])
    assert false_rate.tolist() == [0, 0, 0.5, 1]
    assert true_rate.tolist() == [0, 0.5, 1, 1]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_rates_are_scikit_learns(rows):
    labels, decisions = zip(*rows, strict=True)
    counts = confusion(labels, decisions)
    expected = precision_recall_fscore_support(labels, decisions, average="binary", zero_division=np.nan)
    np.testing.assert_allclose((counts.precision, counts.recall, counts.f1), expected[:3])
    normal = [decision for label, decision in rows if not label]
    assert counts.false_alarm_rate == pytest.approx(np.mean(normal) if normal else np.nan, nan_ok=True)


def test_wilson_interval_holds_its_confidence():
    rng = np.random.default_rng(0)
    for p in (0.05, 0.3):
        covered = [low <= p <= high for low, high in (wilson_interval(int(k), 40) for k in rng.binomial(40, p, 3000))]
        assert np.mean(covered) > 0.92
    assert all(np.isnan(wilson_interval(0, 0)))


def test_bootstrap_interval_is_about_as_wide_as_it_should_be():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    spread = np.std([auc(labels, rng.normal(labels, 1)) for _ in range(300)])
    low, high = bootstrap_interval(auc, labels, rng.normal(labels, 1))
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.35)
    assert bootstrap_interval(auc, labels, labels.astype(float)) == (1, 1)


@pytest.mark.parametrize("metric", [auc, partial_auc])
def test_what_has_no_curve_is_refused(metric):
    for labels, scores, error in (
        ([0, 0], [1, 2], InputError),
        ([1, 1], [1, 2], InputError),
        ([0, 2], [1, 2], InputError),
        ([0, 1], [1, np.nan], InputError),
        ([0, 1], [1, 2, 3], ShapeError),
        ([], [], InputError),
    ):
        with pytest.raises(error):
            metric(labels, scores)


@pytest.mark.real_data
@pytest.mark.parametrize("prefix", ["", "tflite_", "tflite_quant_fullint_"])
def test_published_figures_are_met_to_every_digit(prefix, data):
    folder = data / "reference" / "mlperf-tiny-toycar"
    published = [line.split(",") for line in (folder / f"{prefix}result.csv").read_text().splitlines()]
    published = {row[0]: row[1:3] for row in published if row[0].isdigit()}
    assert set(published) == {"01", "02", "03", "04"}
    n_clips = 0
    for machine, (published_auc, published_pauc) in published.items():
        name = f"{prefix}anomaly_score_ToyCar_id_{machine}.csv"
        rows = [line.split(",") for line in (folder / name).read_text().splitlines() if line]
        labels = [int(row[0].startswith("anomaly")) for row in rows]
        scores = [float(row[1]) for row in rows]
        n_clips += len(rows)
        assert f"{auc(labels, scores)!r}" == published_auc
        assert f"{partial_auc(labels, scores)!r}" == published_pauc
    assert n_clips == 2459


@pytest.fixture
def table(pump_clips, whining_pump, tmp_path):
    rows = []
    clips = [(clip, 0) for clip in pump_clips[:6]] + [(whining_pump, 1)] * 2
    for i, (clip, label) in enumerate(clips):
        path = tmp_path / f"{i}.wav"
        write(clip, path)
        rows.append({"path": str(path), "label": label, "section": f"id_{i % 2:02d}", "split": "test"})
    rows.append({"path": str(tmp_path / "gone.wav"), "label": 1, "split": "test"})
    rows.append({"path": str(tmp_path / "train.wav"), "label": 0, "split": "train"})
    rows.append({"path": str(tmp_path / "unknown.wav"), "split": "test"})
    return make_table(rows)


def test_a_report_has_figures_for_all_and_for_each_group(pipeline, table, tmp_path):
    report = evaluate(pipeline, table)
    assert [row.group for row in report.rows] == ["all", "section id_00", "section id_01"]
    everything = report.rows[0]
    assert (everything.n_normal, everything.n_anomaly) == (6, 2)
    assert everything.auc == 1
    assert everything.recall == 1
    assert 0 <= everything.false_alarm_rate_low <= everything.false_alarm_rate <= everything.false_alarm_rate_high
    assert [failure.reason for failure in report.failures] == ["does not exist."]
    document = json.loads(report.to_json())
    assert len(document["clips"]) == 8
    assert document["clips"][0]["machine"] is None
    report.to_csv(tmp_path / "figures.csv")
    assert (tmp_path / "figures.csv").read_text().startswith("group,n_normal,n_anomaly,auc,")


def test_figures_without_cases_are_nan_and_null(pipeline, table):
    report = evaluate(pipeline, table[table["label"] == 0])
    assert np.isnan(report.rows[0].auc)
    assert np.isnan(report.rows[0].recall)
    assert json.loads(report.to_json())["figures"][0]["auc"] is None
    with pytest.raises(InputError, match="No labelled"):
        evaluate(pipeline, table[table["label"].isna()])
    with pytest.raises(InputError, match="None of the 1 labelled"):
        evaluate(pipeline, table[table["path"].str.contains("gone")])

"""Boundaries chosen on labelled recordings: the best there is, and no promise that it does not keep."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from offkey import Pipeline, load, write
from offkey.datasets import make_table
from offkey.decisions import Conformal, FBeta, FixedRecall, MinimumCost, ParetoTail
from offkey.errors import InputError
from offkey.evaluation import choose, choose_threshold, evaluate
from offkey.evaluation.evaluate import Report, figures
from offkey.plots import save_decision_curve
from offkey.signals import Reading

CRITERIA = [FBeta(), FBeta(0.5), FBeta(3), MinimumCost(50), MinimumCost(5, 2, 0.01), FixedRecall(0.9), Conformal(0.1)]


def labelled(scores, labels):
    """Return a pipeline's stand-in and a table, so that recordings have the scores that are given."""
    rows = [
        {"path": str(i), "label": int(label), "score": score}
        for i, (score, label) in enumerate(zip(scores, labels, strict=True))
    ]
    boundaries = {"": SimpleNamespace(budget=None)}
    pipeline = SimpleNamespace(
        training_=[],
        group_by=("score",),
        boundaries_=boundaries,
        reading_=Reading(),
        budget=None,
        score=lambda path, record: [
            SimpleNamespace(
                source=path,
                score=float(record["score"]),
                p_value=0.5,
                threshold=0.5,
                is_anomaly=record["score"] > 0.5,
                events=(),
            )
        ],
    )
    return pipeline, make_table(rows)


def drawn(seed, shift, n_normal=30, n_anomaly=20):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [n_normal, n_anomaly])
    return rng.normal(shift * labels, 1).round(1), labels  # rounded: some are equal


def criterion_by_hand(threshold, decisions, labels):
    """F-beta or minus the cost, from counts of decisions."""
    hits, false_alarms = sum(decisions & (labels == 1)), sum(decisions & (labels == 0))
    misses, n = sum(labels == 1) - hits, len(labels)
    if isinstance(threshold, FBeta):
        weight = threshold.beta**2
        return (1 + weight) * hits / ((1 + weight) * hits + weight * misses + false_alarms)
    miss, alarm = misses / sum(labels == 1), false_alarms / sum(labels == 0)
    fraction = threshold.anomaly_fraction or sum(labels) / n
    return -(threshold.miss_cost * fraction * miss + threshold.false_alarm_cost * (1 - fraction) * alarm)


@pytest.mark.parametrize("threshold", CRITERIA[:5], ids=repr)
@pytest.mark.parametrize("seed", range(2))
def test_no_other_boundary_would_have_been_better(threshold, seed):
    scores, labels = drawn(seed, 1.0)
    choice = choose_threshold(*labelled(scores, labels), threshold)
    tried = [criterion_by_hand(threshold, scores > at, labels) for at in [*scores, scores.min() - 1]]
    sign = -1 if isinstance(threshold, MinimumCost) else 1
    assert sign * choice.chosen.criterion == pytest.approx(max(tried))
    assert criterion_by_hand(threshold, scores > choice.chosen.threshold, labels) == pytest.approx(max(tried))
    assert sign * choice.criterion_curve[choice.place(choice.chosen.threshold)] == pytest.approx(max(tried))


@pytest.mark.parametrize("threshold", CRITERIA, ids=repr)
def test_figures_are_those_of_the_decisions(threshold):
    scores, labels = drawn(0, 1.0)
    choice = choose_threshold(*labelled(scores, labels), threshold)
    for row, boundary in ((choice.chosen, choice.threshold.threshold_), (choice.before, 0.5)):
        expected = figures("all", labels, scores, scores > boundary)
        assert row.threshold == boundary
        for name in ("recall", "recall_low", "recall_high", "false_alarm_rate", "false_alarm_rate_high", "precision"):
            assert getattr(row, name) == pytest.approx(getattr(expected, name)), name
        at = choice.rows()[choice.place(boundary)]
        assert (at["recall"], at["false_alarm_rate"]) == pytest.approx((row.recall, row.false_alarm_rate))
    assert not hasattr(threshold, "threshold_")


@pytest.mark.slow
def test_where_there_is_no_signal_cross_validation_says_so():
    gaps = []
    for seed in range(20):
        choice = choose_threshold(*labelled(*drawn(seed, 0.0)), FBeta())
        gaps.append(choice.chosen.criterion - choice.cross_validated.criterion)
    assert min(gaps) > 0
    assert np.mean(gaps) > 0.03


@pytest.mark.slow
def test_cross_validated_figures_are_those_of_new_recordings():
    expected, found = [], []
    for seed in range(20):
        choice = choose_threshold(*labelled(*drawn(seed, 1.0)), MinimumCost(1.5))
        expected.append(choice.cross_validated.criterion)
        scores, labels = drawn(1000 + seed, 1.0, 3000, 2000)
        found.append(-criterion_by_hand(MinimumCost(1.5), scores > choice.chosen.threshold, labels))
    assert np.mean(expected) == pytest.approx(np.mean(found), abs=0.03)


def test_no_recording_chooses_the_boundary_that_decides_about_it(monkeypatch):
    scores, labels = np.arange(20.0), np.tile([0, 1], 10)
    seen = []

    class Spy(SimpleNamespace):
        def unfitted(self):
            return self

        def fit(self, scores, labels):
            seen.append((set(scores), labels))
            return self

        def is_anomaly(self, scores):
            assert not set(scores) & seen[-1][0]
            return np.ones(len(scores), bool)

    alarms, reason = choose._cross_validate(Spy(), scores, labels, 0)
    assert len(seen) == 50
    assert all(sum(kinds) == 8 for _, kinds in seen)  # of 10: each part has its share
    assert (alarms == 1).all()
    assert reason == ""


def test_the_seed_decides():
    given = labelled(*drawn(0, 0.5))
    once, again, other = (choose_threshold(*given, FBeta(), seed=seed).cross_validated for seed in (0, 0, 1))
    assert once == again
    assert once != other


def test_where_cross_validation_cannot_be_the_reason_is_said():
    choice = choose_threshold(*labelled(*drawn(0, 1.0, 20, 4)), FBeta())
    assert choice.not_cross_validated == "5 recordings of each kind are needed, and there are 4 anomalous ones"
    assert np.isnan(choice.cross_validated.recall)
    assert np.isnan(choice.cross_validated.recall_low)
    assert json.loads(choice.to_json())["cross_validated"]["criterion"] is None
    assert choice.chosen.recall > 0
    choice = choose_threshold(*labelled(*drawn(0, 1.0, 22, 6)), ParetoTail(0.01))
    assert choice.not_cross_validated.startswith("17 scores were given and a Pareto tail needs 20")
    assert np.isnan(choice.cross_validated.recall)


def never(path, record):
    raise AssertionError("scored before the labels were looked at")


@pytest.mark.parametrize("threshold", [FBeta(), MinimumCost(), FixedRecall(), Conformal()], ids=repr)
@pytest.mark.parametrize("label", [0, 1])
def test_labels_of_one_class_are_refused_before_anything_is_scored(threshold, label):
    pipeline, table = labelled([1.0, 2.0], [label, label])
    pipeline.decide = never
    with pytest.raises(InputError, match="one class only"):
        choose_threshold(pipeline, table, threshold)


@pytest.mark.parametrize(
    "threshold",
    [FBeta(0), FBeta(-1), FBeta(np.nan), MinimumCost(np.nan), MinimumCost(-1), MinimumCost(50, -1), MinimumCost(np.inf),
     MinimumCost(50, 1, 1.5), FixedRecall(0), FixedRecall(1), FixedRecall(np.nan)], ids=repr,
)  # fmt: skip
def test_parameters_without_sense_are_refused_before_anything_is_scored(threshold):
    pipeline, table = labelled([1.0, 2.0], [0, 1])
    pipeline.decide = never
    with pytest.raises(InputError, match="was given"):
        choose_threshold(pipeline, table, threshold)


def test_without_labels_there_is_nothing_to_choose_by():
    pipeline, table = labelled([1.0, 2.0], [0, 1])
    table["label"] = None
    with pytest.raises(InputError, match="No labelled"):
        choose_threshold(pipeline, table, FBeta())


@pytest.fixture
def table(pump_clips, whining_pump, tmp_path):
    """8 normal recordings and 6 whining ones of sinking level, one that is not there, one without label."""
    clips = [(clip, 0) for clip in pump_clips[:8]]
    clips += [
        (type(whining_pump)(whining_pump.samples * level, whining_pump.rate), 1) for level in np.linspace(1, 0.9, 6)
    ]
    rows = []
    for i, (clip, label) in enumerate(clips):
        write(clip, tmp_path / f"{i}.wav")
        rows.append({"path": str(tmp_path / f"{i}.wav"), "label": label, "section": f"id_{i % 2:02d}"})
    rows.append({"path": str(tmp_path / "gone.wav"), "label": 1})
    rows.append({"path": str(tmp_path / "unknown.wav"), "label": None})
    return make_table(rows)


def test_the_pipeline_stays_until_it_is_told_and_then_decides_as_promised(pipeline, table, tmp_path):
    pipeline.save(tmp_path / "pump.offkey")
    pipeline = load(tmp_path / "pump.offkey")
    before = pipeline.boundaries_
    choice = choose_threshold(pipeline, table, FBeta())
    assert pipeline.boundaries_ is before
    assert [failure.reason for failure in choice.report.failures] == ["does not exist."]
    assert choice.report.n_unlabelled == 1
    assert choice.before.threshold == before[""].clips.threshold.threshold_
    assert choice.chosen.criterion == choice.cross_validated.criterion == 1
    pipeline.use_threshold(choice.threshold)
    pipeline.save(tmp_path / "chosen.offkey")
    row = evaluate(load(tmp_path / "chosen.offkey"), table).rows[0]
    assert (row.recall, row.false_alarm_rate) == (choice.chosen.recall, choice.chosen.false_alarm_rate)


@pytest.mark.slow
def test_budgets_groups_and_recordings_that_were_fitted_on_are_noted(pump_clips, table, tmp_path):
    normal = table[table["label"] == 0]
    budgeted = Pipeline(window_s=0.5, budget="20/hour").fit(list(normal["path"]))
    choice = choose_threshold(budgeted, table, FBeta())
    assert "8 of 14 recordings are among those the pipeline was fitted on" in choice.notes[0]
    assert "The budget of 20/hour" in choice.notes[1]
    budgeted.use_threshold(choice.threshold)
    row = evaluate(budgeted, table).rows[0]
    assert (row.recall, row.false_alarm_rate) == (choice.chosen.recall, choice.chosen.false_alarm_rate)


@pytest.mark.slow
def test_boundaries_of_groups_are_noted(pump_clips, table, tmp_path):
    rows = []
    for i, clip in enumerate(pump_clips[:20]):
        write(clip, tmp_path / f"train{i}.wav")
        rows.append({"path": str(tmp_path / f"train{i}.wav"), "section": f"id_{i % 2:02d}"})
    grouped = Pipeline(window_s=0.5, threshold=Conformal(0.1), group_by=["section"]).fit(make_table(rows))
    choice = choose_threshold(grouped, table, FBeta())
    assert "2 groups have boundaries of their own: the chosen one takes the place of them all." in choice.notes
    assert np.isnan(choice.before.threshold)
    assert choice.before.recall == evaluate(grouped, table).rows[0].recall
    save_decision_curve(choice, tmp_path / "curve.png")


def curve_of(choice):
    from matplotlib.figure import Figure

    from offkey.plots import plot_decision_curve

    return plot_decision_curve(choice, Figure(figsize=(9, 7.5)))


@pytest.mark.parametrize("threshold", CRITERIA, ids=repr)
def test_the_picture_shows_the_curve_and_both_boundaries(threshold):
    choice = choose_threshold(*labelled(*drawn(0, 1.0)), threshold)
    rates, criterion, recordings = curve_of(choice).axes
    drawn_recall = next(patch.get_data() for patch in rates.patches if patch.get_label().startswith("recall"))
    np.testing.assert_allclose(drawn_recall.values, 100 * choice.curve.recall)
    np.testing.assert_allclose(drawn_recall.edges[1:-1], np.unique(choice.scores))
    for ax in (rates, criterion, recordings):
        lines = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1]
        assert {choice.chosen.threshold, 0.5} <= set(lines)
    assert [text.get_text() for text in rates.texts] == [
        f"{name}: {at:.4g}" for at, name in sorted([(choice.chosen.threshold, "chosen"), (0.5, "until now")])
    ]


@pytest.mark.parametrize(
    ("scores", "labels"),
    [([1.0, 1.0], [0, 1]), ([1e-9, 1e9], [0, 1]), ([-1e300, 1e300], [0, 1]), ([0.0, 5e-324, 1.0], [0, 0, 1])],
)
def test_the_picture_stands_scores_of_any_size(scores, labels, tmp_path):
    save_decision_curve(choose_threshold(*labelled(scores, labels), FBeta()), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 10_000


def test_a_picture_that_cannot_be_written_is_one_clear_error(tmp_path):
    choice = choose_threshold(*labelled(*drawn(0, 1.0)), FBeta())
    for name in ("gone/curve.png", "curve.docx"):
        with pytest.raises(InputError, match="cannot be written"):
            save_decision_curve(choice, tmp_path / name)


def test_a_report_is_made_of_plain_parts():
    choice = choose_threshold(*labelled(*drawn(0, 1.0)), MinimumCost(50, 1, 0.01))
    assert isinstance(choice.report, Report)
    document = json.loads(choice.to_json())
    assert pd.DataFrame(document["curve"])["cost"].min() == pytest.approx(document["chosen"]["criterion"])
    assert document["rule"] == "MinimumCost(anomaly_fraction=0.01)"

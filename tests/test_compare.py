"""Comparing detectors: nothing that is tested was fitted on, and what is resumed or shared out comes out the same."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offkey import Clip, Pipeline, write
from offkey.cli.compare import parse_detectors, usual_detectors
from offkey.datasets import make_table, read_labelled, simulate
from offkey.decisions import Conformal
from offkey.detectors import Detector, Gaussian, Level, NearestNeighbors
from offkey.detectors.base import known_of
from offkey.errors import InputError
from offkey.evaluation import Comparison, auc, compare, partial_auc
from offkey.evaluation.comparison import MachineTrials, conclude
from offkey.evaluation.journal import Journal
from offkey.evaluation.resampling import draw_weights, weighted_area
from offkey.evaluation.splits import Split, cross_validated, given_split
from offkey.evaluation.trials import Outcome, Trial
from test_cli import offkey

TIMES = {"fit_s", "clip_s", "times_real_time"}
FAST = {"window_s": 0.5, "folds": 4, "seeds": 2}


class Memoriser(Detector):
    """Scores 0 for windows that it was fitted on, and 1 for all others."""

    def __init__(self):
        pass

    def _fit(self, windows):
        self.rows_ = windows[:].reshape(len(windows), -1)

    def _score(self, windows):
        rows = windows.reshape(len(windows), -1)
        return np.array([float(not (self.rows_ == row).all(axis=1).any()) for row in rows])


class Brittle(Detector):
    """Fails where it is fitted on an odd number of windows, or as it is told to; counts how often it is fitted."""

    n_fits = 0

    def __init__(self, failure=None, after=0):
        self.failure = failure
        self.after = after

    def _fit(self, windows):
        type(self).n_fits += 1
        self.level_ = float(windows[:].mean())
        if self.failure and type(self).n_fits > self.after:
            raise self.failure

    def _score(self, windows):
        return np.abs(windows.mean(axis=(1, 2, 3)) - self.level_)


class DomainAsker(Detector):
    """Notes which domains it was told of."""

    def __init__(self):
        pass

    def _fit(self, windows):
        self.domains_ = sorted(set(known_of(windows, "domain")))
        assert self.domains_ == ["source", "target"]

    def _score(self, windows):
        return windows.mean(axis=(1, 2, 3)).astype(float)


def write_noises(folder, n, louder=1.0, first=0, duration_s=1.0):
    """Write recordings of noise, no two alike, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i in range(first, first + n):
        rng = np.random.default_rng(i)
        level = louder * 0.1 * np.exp(rng.normal(0, 0.3))
        paths.append(folder / f"{i:03}.wav")
        write(Clip(level * rng.normal(size=round(8000 * duration_s)), 8000), paths[-1])
    return [str(path) for path in paths]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """24 normal recordings of noise, and 10 louder ones."""
    folder = tmp_path_factory.mktemp("noises")
    rows = [{"path": path, "label": 0} for path in write_noises(folder / "normal", 24)]
    rows += [{"path": path, "label": 1} for path in write_noises(folder / "anomaly", 10, louder=1.6, first=100)]
    return make_table(rows)


@pytest.fixture(scope="module")
def compared(table) -> Comparison:
    return compare(table, [NearestNeighbors(), Gaussian(), Level()], **FAST)


def figures(comparison):
    """All figures but times."""
    return [{k: v for k, v in row.items() if k not in TIMES} for row in comparison.to_frame().to_dict("records")]


# splits


def rows_of(labels, sessions=None):
    sessions = sessions or [None] * len(labels)
    return [{"label": label, "session": session} for label, session in zip(labels, sessions, strict=True)]


sessions_and_labels = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1]), st.sampled_from([None, "a", "b", "c", "d", "e", "f", "g"])),
    min_size=30,
    max_size=60,
)


@given(sessions_and_labels, st.integers(2, 6))
def test_no_recording_and_no_session_is_on_both_sides(pairs, n_folds):
    rows = rows_of(*zip(*pairs, strict=True))
    try:
        splits = cross_validated(rows, n_folds, [0, 1])
    except InputError:
        return
    n_normal = sum(row["label"] == 0 for row in rows)
    for split in splits:
        assert not set(split.train) & set(split.test)
        assert all(rows[i]["label"] == 0 for i in split.train)
        assert {rows[i]["label"] for i in split.test} == {0, 1}
        trained = {rows[i]["session"] for i in split.train} - {None}
        assert not trained & {rows[i]["session"] for i in split.test}
    for seed in (0, 1):
        tested = [i for split in splits if split.seed == seed for i in split.test if rows[i]["label"] == 0]
        assert sorted(tested) == [i for i, row in enumerate(rows) if row["label"] == 0]
        assert len(tested) == n_normal


def test_folds_are_of_about_the_same_size_and_other_seeds_deal_otherwise():
    splits = cross_validated(rows_of([0] * 23 + [1] * 3), 5, [0, 1])
    sizes = [len(split.test) - 3 for split in splits]
    assert sorted(sizes) == [4] * 4 + [5] * 6
    assert {tuple(split.test) for split in splits[:5]} != {tuple(split.test) for split in splits[5:]}


def test_anomalies_of_a_session_that_is_fitted_on_are_not_tested():
    rows = rows_of([0] * 12 + [1] * 4, ["a"] * 6 + ["b"] * 6 + ["a", "b", "c", None])
    first, second = cross_validated(rows, 5, [0])
    assert {tuple(first.test[-3:]), tuple(second.test[-3:])} == {(12, 14, 15), (13, 14, 15)}


def test_a_given_split_is_kept_and_its_anomalies_are_not_fitted_on():
    rows = [{"label": label, "split": split} for label, split in ((0, "train"), (None, "train"), (1, "train"))]
    rows += [{"label": label, "split": split} for label, split in ((0, "test"), (1, None), (None, "test"))]
    splits = given_split(rows, [0, 1])
    assert [(split.seed, split.train, split.test) for split in splits] == [(0, [0, 1], [3, 4]), (1, [0, 1], [3, 4])]


def test_a_given_split_that_tears_sessions_apart_is_told_of(table):
    torn = table.assign(split=["train"] * 12 + ["test"] * 22, session=["a"] * 13 + ["b"] * 21)
    comparison = compare(torn, [Level()], window_s=0.5, seeds=1)
    assert any(note.startswith("1 sessions are on both sides") for note in comparison.notes)
    whole = compare(torn.assign(session=["a"] * 12 + ["b"] * 22), [Level()], window_s=0.5, seeds=1)
    assert not any("both sides" in note for note in whole.notes)


@pytest.mark.parametrize(
    ("labels", "sessions", "said"),
    [
        ([0] * 20, None, "20 usable normal and 0 usable anomalous"),
        ([1] * 20, None, "0 usable normal and 20 usable anomalous"),
        ([0, 0, 1], None, "one leaves 1 to fit on, and 5 are needed"),
        ([0] * 20 + [1], ["a"] * 20 + ["b"], "are of one session"),
        ([0] * 20 + [1], ["a"] * 10 + ["b"] * 10 + ["b"], "no anomaly to test on"),
    ],
)
def test_what_cannot_be_split_is_said(labels, sessions, said):
    with pytest.raises(InputError, match=said):
        cross_validated(rows_of(labels, sessions), 5, [0])


# figures


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=8, max_size=30), st.integers(0, 99))
def test_weighted_areas_are_those_of_repeated_clips(pairs, seed):
    labels = np.array([0, 1, *(label for label, _ in pairs)])
    scores = np.array([3.0, 3.0, *(score for _, score in pairs)])
    weights = draw_weights(labels, seed, n_resamples=4)
    for max_fpr, area in ((1.0, auc), (0.1, partial_auc)):
        found = weighted_area(labels, scores, weights, max_fpr)
        slow = [area(np.repeat(labels, row.astype(int)), np.repeat(scores, row.astype(int))) for row in weights]
        np.testing.assert_allclose(found, slow, rtol=0, atol=1e-12)


def test_resamples_keep_the_number_of_each_kind():
    labels = np.array([0] * 7 + [1] * 3)
    weights = draw_weights(labels, 0)
    assert (weights[:, :7].sum(axis=1) == 7).all()
    assert (weights[:, 7:].sum(axis=1) == 3).all()


def test_figures_are_those_of_the_scores(compared):
    scores = compared.scores
    for row in compared.rows:
        own = scores[scores["detector"] == row.detector]
        folds = [fold for _, fold in own.groupby(["seed", "fold"])]
        assert len(folds) == 8
        assert row.auc == pytest.approx(np.mean([auc(fold["label"], fold["score"]) for fold in folds]), abs=1e-12)
        assert row.pauc == pytest.approx(
            np.mean([partial_auc(fold["label"], fold["score"]) for fold in folds]), abs=1e-12
        )
        assert row.recall == pytest.approx(own[own["label"] == 1]["is_anomaly"].mean(), abs=1e-12)
        assert row.false_alarm_rate == pytest.approx(own[own["label"] == 0]["is_anomaly"].mean(), abs=1e-12)
        assert row.auc_low <= row.auc <= row.auc_high
        assert row.n_bytes > 1000
    assert [row.auc for row in compared.rows] == sorted((row.auc for row in compared.rows), reverse=True)


def test_scores_are_those_of_a_pipeline_that_was_fitted_on_the_training_files(table, compared):
    labels = dict(zip(table["path"], table["label"], strict=True))
    scores = compared.scores
    for detector in (NearestNeighbors(), Gaussian()):
        own = scores[(scores["detector"] == repr(detector)) & (scores["seed"] == 1) & (scores["fold"] == 2)]
        train = [path for path in table["path"] if labels[path] == 0 and path not in set(own["path"])]
        assert len(train) == 18
        pipeline = Pipeline(detector, window_s=0.5, threshold=Conformal(0.1), seed=1).fit(train)
        decisions = [pipeline.decide(path) for path in own["path"]]
        np.testing.assert_allclose(own["score"], [decision.score for decision in decisions], rtol=1e-9)
        assert list(own["is_anomaly"]) == [decision.is_anomaly for decision in decisions]


@pytest.mark.slow
def test_differences_are_paired(table):
    """Slowly: the same recordings drawn for both, each fold's AUC of what was drawn, and the mean over folds."""
    same = {"one": Level(), "another": Level(), "neighbors": NearestNeighbors()}
    comparison = compare(table, same, against="one", **FAST)
    by_name = {gap.detector: gap for gap in comparison.differences}
    assert (by_name["another"].low, by_name["another"].auc_difference, by_name["another"].high) == (0, 0, 0)
    assert not by_name["another"].is_clear
    scores = comparison.scores
    paths = list(dict.fromkeys(table["path"]))
    weights = draw_weights(table["label"].to_numpy(int), 0)
    gaps = []
    for drawn in weights[:200]:
        times = dict(zip(paths, drawn.astype(int), strict=True))
        means = []
        for name in ("neighbors", "one"):
            areas = []
            for _, fold in scores[scores["detector"] == name].groupby(["seed", "fold"]):
                again = fold.loc[np.repeat(fold.index, [times[path] for path in fold["path"]])]
                if again["label"].nunique() == 2:
                    areas.append(auc(again["label"], again["score"]))
            means.append(np.mean(areas))
        gaps.append(means[0] - means[1])
    gap = by_name["neighbors"]
    assert gap.auc_difference == pytest.approx(
        next(row.auc for row in comparison.rows if row.detector == "neighbors")
        - next(row.auc for row in comparison.rows if row.detector == "one")
    )
    low, high = np.quantile(gaps, [0.025, 0.975])
    assert gap.low == pytest.approx(low, abs=0.02)
    assert gap.high == pytest.approx(high, abs=0.02)


# honesty


def test_what_is_tested_was_never_fitted_on(table):
    comparison = compare(table, [Memoriser()], **FAST)
    assert set(comparison.scores["score"]) == {1.0}


@pytest.mark.slow
def test_labels_that_mean_nothing_give_chance(tmp_path):
    paths = write_noises(tmp_path, 60)
    labels = np.random.default_rng(3).permutation([0, 1] * 30)
    table = make_table([{"path": path, "label": int(label)} for path, label in zip(paths, labels, strict=True)])
    for row in compare(table, [NearestNeighbors(), Gaussian(), Level()], **FAST).rows:
        assert row.auc_low < 0.5 < row.auc_high
        assert abs(row.auc - 0.5) < 0.12


@pytest.mark.slow
def test_false_alarms_are_as_asked_for_on_recordings_that_set_no_threshold(tmp_path):
    rows = [{"path": path, "label": 0} for path in write_noises(tmp_path, 120, duration_s=0.5)]
    rows += [{"path": path, "label": 1} for path in write_noises(tmp_path / "loud", 2, louder=9.0, first=500)]
    comparison = compare(make_table(rows), [NearestNeighbors(), Level()], false_alarms=0.2, **FAST)
    for row in comparison.rows:
        assert row.false_alarm_rate_low < 0.2 < row.false_alarm_rate_high
        assert row.supported_rate == pytest.approx(0.2)


def test_a_rate_that_the_training_parts_do_not_support_is_said(table):
    comparison = compare(table, [Level()], false_alarms=0.01, window_s=0.5, seeds=1)
    assert comparison.rows[0].supported_rate == pytest.approx(1 / 20)
    assert any("0.01 was asked for; the smallest training part supports 0.05" in note for note in comparison.notes)


def test_labels_of_tested_recordings_change_no_score(table):
    swapped = table.assign(split="test")
    swapped.loc[:11, "split"] = "train"
    first = compare(swapped, [NearestNeighbors()], window_s=0.5, seeds=1)
    swapped.loc[12:, "label"] = 1 - swapped.loc[12:, "label"]
    second = compare(swapped, [NearestNeighbors()], window_s=0.5, seeds=1)
    assert list(first.scores["score"]) == list(second.scores["score"])
    assert first.rows[0].auc == pytest.approx(1 - second.rows[0].auc)


def test_detectors_are_told_what_the_table_says(table):
    told = table.assign(domain=["source", "target"] * 17)
    comparison = compare(told, [DomainAsker()], window_s=0.5, seeds=1, folds=2)
    assert not comparison.broken


# resuming, and several at a time


@pytest.mark.slow
def test_a_resumed_comparison_is_that_which_was_never_interrupted(table, compared, tmp_path):
    journal = tmp_path / "done.jsonl"
    detectors = [NearestNeighbors(), Gaussian(), Level()]
    whole = compare(table, detectors, resume=journal, **FAST)
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3 * 8
    journal.write_bytes(b"".join(lines[:5]) + lines[5][:40])
    resumed = compare(table, detectors, resume=journal, **FAST)
    assert resumed.records == whole.records == compared.records
    assert figures(resumed) == figures(whole) == figures(compared)
    assert resumed.differences == compared.differences
    again = journal.read_bytes()
    assert again.startswith(b"".join(lines[:5]))
    assert sorted(line["key"] for line in map(json.loads, again.splitlines())) == sorted(
        json.loads(line)["key"] for line in lines
    )
    assert compare(table, detectors, resume=journal, **FAST).to_json() == resumed.to_json()
    assert journal.read_bytes() == again


def test_what_is_finished_when_somebody_interrupts_is_kept(table, tmp_path):
    journal = tmp_path / "done.jsonl"
    Brittle.n_fits = 0
    with pytest.raises(KeyboardInterrupt):
        compare(table, [Level(), Brittle(KeyboardInterrupt(), after=30)], resume=journal, **FAST)
    n_done = len(journal.read_text(encoding="utf-8").splitlines())
    assert n_done == 8 + 2  # eleven fits each: the third does not come to its end


@pytest.mark.parametrize("change", [{"window_s": 0.25}, {"false_alarms": 0.2}, {"pooling": "max"}, {"rate": 4000}])
def test_a_run_with_other_settings_does_not_take_from_the_journal(change, table, tmp_path):
    journal = tmp_path / "done.jsonl"
    settings = {"window_s": 0.5, "seeds": 1, "folds": 2}
    compare(table, [Level()], resume=journal, **settings)
    fresh = compare(table, [Level()], **(settings | change))
    assert compare(table, [Level()], resume=journal, **(settings | change)).records == fresh.records
    assert len(Journal(journal).found) == 4


def test_a_changed_detector_or_recording_is_tried_anew(table, tmp_path):
    journal = tmp_path / "done.jsonl"
    settings = {"window_s": 0.5, "seeds": 1, "folds": 2, "resume": journal}
    compare(table, [NearestNeighbors()], **settings)
    compare(table, [NearestNeighbors(n_neighbors=2)], **settings)
    assert len(Journal(journal).found) == 4
    compare(table.iloc[1:], [NearestNeighbors()], **settings)
    assert len(Journal(journal).found) == 8 - 2  # other normal recordings: other parts


def test_a_file_that_is_no_journal_is_left_as_it_is(table, tmp_path):
    for content in (b"path,label\na.wav,0\n", b"no line ends here", b'{"key": 1}\n', b"\xff\xfe"):
        other = tmp_path / "other"
        other.write_bytes(content)
        with pytest.raises(InputError, match="is not a file that a comparison wrote"):
            compare(table, [Level()], resume=other)
        assert other.read_bytes() == content
    with pytest.raises(InputError, match="cannot be opened"):
        compare(table, [Level()], resume=tmp_path / "gone" / "done.jsonl")


OWN = """
from offkey.detectors import Detector

class Loudest(Detector):
    def __init__(self, offset=0.0):
        self.offset = offset

    def _fit(self, windows):
        self.level_ = self.offset

    def _score(self, windows):
        return windows.max(axis=(1, 2, 3)).astype(float) - self.level_
"""


@pytest.mark.slow
def test_two_processes_find_what_one_does(table, tmp_path):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    detectors = parse_detectors(f"gaussian, {tmp_path / 'own.py'}:Loudest(offset=2.5)")
    alone = compare(table, detectors, jobs=1, **FAST)
    shared_out = compare(table, detectors, jobs=2, **FAST)
    assert shared_out.records == alone.records
    assert figures(shared_out) == figures(alone)


# bad input


def test_a_detector_that_fails_has_no_figures_and_the_others_go_on(table):
    Brittle.n_fits = 0
    comparison = compare(table, {"level": Level(), "brittle": Brittle(ValueError("odd"), after=40)}, **FAST)
    assert [row.detector for row in comparison.rows] == ["level"]
    assert str(comparison.broken[0]) == "brittle: failed in 5 of 8 trials; fold 3, seed 0: ValueError: odd"
    with pytest.raises(InputError, match=r"Every detector failed\. brittle: failed in 8 of 8"):
        compare(table, {"brittle": Brittle(ValueError("odd"))}, **FAST)


def test_what_cannot_be_read_is_told_once(table, tmp_path):
    (tmp_path / "bad.wav").write_text("no sound", encoding="utf-8")
    copy = tmp_path / "copy.wav"
    copy.write_bytes(Path(table["path"][0]).read_bytes())
    more = pd.DataFrame({"path": [str(tmp_path / "bad.wav"), str(copy), "gone.wav", "?"], "label": [0, 1, 1, None]})
    comparison = compare(pd.concat([table, more]), [Level(), Gaussian()], window_s=0.5, seeds=1)
    assert len(comparison.failures) == 3
    assert any("holds the same samples as" in failure.reason for failure in comparison.failures)
    assert "1 recordings have no label; they were not used." in comparison.notes
    assert "24 normal and 10 anomalous" in comparison.protocol


def test_a_machine_with_three_recordings_is_left_out(table):
    machines = table.assign(machine=["small"] * 3 + ["large"] * 31)
    comparison = compare(machines, [Level()], window_s=0.5, seeds=1)
    (failure,) = comparison.failures
    assert failure.source == "machine small"
    assert "3 usable normal and 0 usable anomalous" in failure.reason
    assert set(comparison.scores["machine"]) == {"large"}


@pytest.mark.slow
def test_machines_have_detectors_of_their_own_and_count_the_same(table):
    machines = table.assign(machine=["a"] * 8 + ["b"] * 16 + ["a"] * 3 + ["b"] * 7)
    comparison = compare(machines, [Level(), Gaussian()], window_s=0.5, seeds=1)
    areas = {(row.detector, row.machine): row.auc for row in comparison.machine_rows}
    for row in comparison.rows:
        assert row.auc == pytest.approx((areas[row.detector, "a"] + areas[row.detector, "b"]) / 2)
    assert "of 2 machines" in comparison.protocol


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"against": "nothing"}, "Differences to 'nothing' were asked for"),
        ({"folds": 1}, "folds=1 was given. It must be at least 2"),
        ({"seeds": 0}, "seeds=0"),
        ({"jobs": 0}, "jobs=0"),
        ({"false_alarms": 2.0}, "rate"),
        ({"pooling": "median"}, "pooling 'median'"),
        ({"detectors": []}, "Give objects"),
        ({"detectors": ["gaussian"]}, "Give objects"),
        ({"detectors": [Level(), Level()]}, r"Level\(\) was given twice"),
        ({"window_s": 1e-4}, "shorter than one frame"),
        ({"window_s": 30.0}, "None of the 34 recordings"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, said, table):
    settings = {"detectors": [Level()]} | change
    with pytest.raises(InputError, match=said):
        compare(table, settings.pop("detectors"), **settings)


# the command line, and the picture


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Two synthetic machines with a split of their own."""
    folder = tmp_path_factory.mktemp("machines")
    simulate(
        folder, ["pump", "fan"], n_train=20, n_test_normal=6, n_test_anomaly=6, duration_s=1.0, rate=8000, snr_db=10
    )
    return folder


@pytest.mark.slow
def test_the_command_line_compares_all_cheap_detectors(machines, tmp_path):
    csv, scores, picture = tmp_path / "c.csv", tmp_path / "s.csv", tmp_path / "c.png"
    done = offkey("compare", machines, "--window", "0.5s", "--csv", csv, "--scores", scores, "--picture", picture)
    assert done.returncode == 0, done.stderr
    assert (
        "12 normal and 12 anomalous recordings of 2 machines to test on; fitted on those of split 'train'"
        in done.stdout
    )
    names = [line.split()[0] for line in done.stdout.split("false alarms\n")[1].splitlines()[:8]]
    assert sorted(names) == sorted(usual_detectors(cheap=True, networks=False))
    figures = pd.read_csv(csv)
    assert list(figures["detector"][:8]) == names
    assert set(figures["machine"].dropna()) == {"pump", "fan"}
    assert len(pd.read_csv(scores)) == 8 * 3 * 24
    assert picture.stat().st_size > 10_000


def test_the_command_line_prints_json_and_exits_with_2_where_something_failed(machines, tmp_path):
    table = read_labelled(machines)
    (tmp_path / "own.py").write_text(OWN.replace("windows.max", "windows.nonsense"), encoding="utf-8")
    table.loc[len(table)] = dict.fromkeys(table.columns) | {"path": "gone.wav", "label": 1, "machine": "fan"}
    table.to_csv(tmp_path / "table.csv", index=False)
    done = offkey(
        "compare", tmp_path / "table.csv", "--window", "0.5s", "--seeds", "1", "--json", "--detectors",
        f"nearest-neighbors(n_neighbors=2, statistics=('mean', 'max')),level,{tmp_path / 'own.py'}:Loudest",
    )  # fmt: skip
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert {row["detector"] for row in document["rows"]} == {
        "nearest-neighbors(n_neighbors=2, statistics=('mean', 'max'))", "level",
    }  # fmt: skip
    assert document["settings"]["false_alarms"] == 0.1
    assert document["differences"][0]["is_clear"] in (True, False)
    assert done.stderr.count("gone.wav") == 1
    assert done.stderr.count("no figures: ") == 1
    assert "Loudest: failed in 2 of 2 trials; pump, fold 0, seed 0: AttributeError:" in done.stderr.replace(
        "fan", "pump"
    )
    assert "Traceback" not in done.stderr


def test_a_mistyped_label_and_one_class_are_one_sentence(table, tmp_path):
    for labels, said in (([0, "anomlay"], "The label 'anomlay' was given"), ([1, 1], "A comparison needs both")):
        pd.DataFrame({"path": table["path"][:2], "label": labels}).to_csv(tmp_path / "t.csv", index=False)
        done = offkey("compare", tmp_path / "t.csv", "--detectors", "level")
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    done = offkey("compare", tmp_path / "t.csv", "--picture", tmp_path / "gone" / "c.png")
    assert done.returncode == 2
    assert "gone does not exist" in done.stderr


def test_detectors_are_read_with_their_parameters():
    found = parse_detectors(
        "level, nearest-neighbors(n_neighbors=3,statistics=('mean',)), autoencoder(score=mahalanobis)"
    )
    assert list(found) == [
        "level", "nearest-neighbors(n_neighbors=3,statistics=('mean',))", "autoencoder(score=mahalanobis)",
    ]  # fmt: skip
    neighbors, network = list(found.values())[1:]
    assert (neighbors.n_neighbors, neighbors.statistics) == (3, ("mean",))
    assert network.score == "mahalanobis"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("levl", "'levl' was asked for"),
        ("level,level", "was given twice"),
        ("level(3)", "Write its parameters as"),
        ("level(x=3", "Write its parameters as"),
        ("level(x=__import__('os'))", "Write its parameters as"),
        ("level(**{})", "Write its parameters as"),
        ("level(x=3)", "has no parameter 'x'"),
        ("level(x=3)+level(x=3)", "Write its parameters as"),
    ],
)
def test_detectors_that_cannot_be_read_are_said(text, said):
    with pytest.raises(InputError) as raised:
        parse_detectors(text)
    assert said in str(raised.value)


def test_detectors_that_need_parameters_are_left_out_and_said_when_asked_for(monkeypatch):
    from offkey import detectors

    class Needy(Detector):
        def __init__(self, estimator):
            self.estimator = estimator

        def _fit(self, windows):
            raise NotImplementedError

        def _score(self, windows):
            raise NotImplementedError

    monkeypatch.setattr(detectors, "Needy", Needy, raising=False)
    monkeypatch.setattr(detectors, "__all__", [*detectors.__all__, "Needy"])
    cheap, networks = usual_detectors(cheap=True, networks=False), usual_detectors(cheap=False, networks=True)
    assert {"gaussian", "level", "nearest-neighbors"} <= set(cheap)
    assert {"autoencoder", "interpolation-autoencoder"} <= set(networks)
    assert not set(cheap) & set(networks)
    assert "needy" not in cheap | networks
    with pytest.raises(InputError, match=r"'needy' cannot be made so .*estimator"):
        parse_detectors("needy")


def test_the_picture_shows_what_was_found(compared):
    from matplotlib.figure import Figure

    from offkey.plots import plot_comparison

    figure = plot_comparison(compared, Figure())
    areas, decisions, costs = figure.axes
    dots = [line for line in areas.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [row.auc for row in compared.rows]
    clear = {gap.detector for gap in compared.differences if gap.is_clear}
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [row.detector in clear for row in compared.rows]
    caught = [line.get_xdata()[0] for line in decisions.lines if line.get_marker() == "D"]
    assert caught == [100 * row.recall for row in compared.rows]
    assert [text.get_text() for text in costs.texts if text.get_text().endswith(("kB", "MB"))] == [
        f"{row.n_bytes / 1e6:.1f} MB" if row.n_bytes >= 1e6 else f"{row.n_bytes / 1e3:.0f} kB" for row in compared.rows
    ]


def test_a_comparison_as_json_has_null_for_what_is_not_known(compared):
    from dataclasses import replace

    unknown = replace(compared, rows=[replace(compared.rows[0], n_bytes=math.nan)])
    document = json.loads(unknown.to_json())
    assert document["rows"][0]["n_bytes"] is None
    assert "records" not in document
    assert document["protocol"].startswith("24 normal and 10 anomalous recordings to test on; normal ones in 4 folds")


def test_machines_are_resampled_by_themselves():
    labels = np.array([0] * 20 + [1] * 20)
    scores = np.random.default_rng(0).normal(labels, 1.0)
    trials = [Trial("level", Level(), "", Split(0, 0, [], list(range(40))))]
    outcomes = [Outcome(list(scores), [False] * 40)]
    machines = [MachineTrials(str(i), [""] * 40, labels, trials, outcomes, seed=i) for i in range(4)]
    widths = []
    for some in (machines[:1], machines):
        row = conclude(some, None, "", {"false_alarms": 0.1}, [], []).rows[0]
        widths.append(row.auc_high - row.auc_low)
    assert widths[1] == pytest.approx(widths[0] / 2, rel=0.15)  # of the mean of four that are independent

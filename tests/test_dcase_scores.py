"""The official scores of DCASE Task 2 and its result files, against figures worked out by hand and slow oracles."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hmean, t
from sklearn.metrics import roc_auc_score

from offkey.datasets import make_table, read_ground_truth
from offkey.errors import InputError
from offkey.evaluation import (
    ScoredClip,
    official_scores,
    read_scores,
    with_ground_truth,
    write_results,
    write_summary,
)


def clips_of(machine, section, **scores):
    """Clips by domain and label: ``source_normal=[...]``; without domain ``normal=[...]``. Alarms are scores over 4."""
    clips = []
    for kind, values in scores.items():
        domain, _, label = kind.rpartition("_")
        for value in values:
            start = f"{section}_{domain}_test" if domain else section
            name = f"{start}_{label}_{len(clips):04d}.wav" if domain else f"{label}_{section}_{len(clips):08d}.wav"
            clips.append(ScoredClip(machine, section, name, value, value > 4, domain or None, int(label == "anomaly")))
    return clips


def test_scores_of_2020_are_arithmetic_means_over_ids_then_over_types():
    # id_01: 3 of 4 pairs are in order. Up to a false-positive rate of .1 half the anomalies are found: an area of .05,
    # standardised (1 + (.05 - .005) / (.1 - .005)) / 2 = .736842. id_02: all in order. fan: none, (1 - .005/.095) / 2.
    clips = [
        *clips_of("ToyCar", "id_01", normal=[1, 3], anomaly=[2, 4]),
        *clips_of("ToyCar", "id_02", normal=[1, 2], anomaly=[3, 4]),
        *clips_of("fan", "id_00", normal=[3, 4], anomaly=[1, 2]),
    ]
    scores = official_scores(clips, 2020)
    by_id = {(each.machine, each.section): each.figures for each in scores.sections}
    assert by_id["ToyCar", "id_01"]["AUC"].value == 0.75
    assert by_id["ToyCar", "id_01"]["pAUC"].value == pytest.approx(0.736842, abs=1e-6)
    assert by_id["fan", "id_00"]["pAUC"].value == pytest.approx(0.473684, abs=1e-6)
    toy_car = scores.machines[0]
    assert (toy_car.name, toy_car.figures["AUC"].value) == ("ToyCar", 0.875)
    assert toy_car.figures["pAUC"].value == pytest.approx(0.868421, abs=1e-6)
    assert scores.overall.figures["AUC"].value == pytest.approx(0.4375)  # (.875 + 0) / 2, not (.75 + 1 + 0) / 3
    assert scores.overall.figures["pAUC"].value == pytest.approx(0.671053, abs=1e-6)
    assert scores.overall.score.value == pytest.approx((0.4375 + 0.671053) / 2, abs=1e-6)


def test_scores_of_2021_are_harmonic_means_over_sections_and_domains():
    # source: AUC .75 and pAUC .736842 as above; target: both 1. 4 / (1/.75 + 1/.736842 + 1 + 1) = .852792
    clips = clips_of(
        "fan", "section_00", source_normal=[1, 3], source_anomaly=[2, 4], target_normal=[1, 2], target_anomaly=[8, 9]
    )
    scores = official_scores(clips, 2021)
    assert [(each.domain, each.n_normal, each.n_anomaly) for each in scores.sections] == [
        ("source", 2, 2),
        ("target", 2, 2),
    ]
    assert scores.overall.figures["AUC"].value == pytest.approx(2 / (1 / 0.75 + 1))
    assert scores.overall.score.value == pytest.approx(0.852792, abs=1e-6)
    assert scores.sections[0].decisions == {"precision": 0, "recall": 0, "F1 score": 0}
    assert scores.sections[1].decisions == {"precision": 1, "recall": 1, "F1 score": 1}


TWO_DOMAINS = {"source_normal": [1, 2], "target_normal": [3, 6], "source_anomaly": [4], "target_anomaly": [5, 7]}


@pytest.mark.parametrize("year", [2022, 2023, 2026])
def test_scores_since_2022_set_normals_of_each_domain_against_anomalies_of_both(year):
    # source normals 1, 2 against 4, 5, 7: all 6 pairs in order. Target normals 3, 6: 3 + 1 of 6. All together: before
    # the first false alarm (6) one of three anomalies is found: area .1/3, standardised .649123.
    # 3 / (1/1 + 6/4 + 1/.649123) = .742475; with a machine of ones 6 / (1 + 1.5 + 1.540541 + 3) = .852207
    scores = official_scores(clips_of("fan", "section_00", **TWO_DOMAINS), year)
    figures = {name: each.value for name, each in scores.sections[0].figures.items()}
    assert figures == pytest.approx({"AUC (source)": 1, "AUC (target)": 4 / 6, "pAUC": 0.649123}, abs=1e-6)
    assert scores.overall.score.value == pytest.approx(0.742475, abs=1e-6)
    perfect = clips_of(
        "pump", "section_00", source_normal=[1, 2], target_normal=[1, 2], source_anomaly=[3], target_anomaly=[4]
    )
    both = official_scores([*clips_of("fan", "section_00", **TWO_DOMAINS), *perfect], year)
    assert both.overall.score.value == pytest.approx(0.852207, abs=1e-6)
    assert [each.score.value for each in both.machines] == pytest.approx([0.742475, 1], abs=1e-6)


def test_decisions_are_compared_within_each_domain():
    decisions = official_scores(clips_of("fan", "section_00", **TWO_DOMAINS), 2024).sections[0].decisions
    assert decisions == {
        "precision (source)": 0, "precision (target)": pytest.approx(2 / 3), "recall (source)": 0,
        "recall (target)": 1, "F1 score (source)": 0, "F1 score (target)": pytest.approx(0.8),
    }  # fmt: skip


def test_a_section_where_all_is_wrong_counts_as_next_to_nothing_in_a_harmonic_mean():
    clips = clips_of("fan", "section_00", source_normal=[8], source_anomaly=[1], target_normal=[8], target_anomaly=[9])
    assert 0 < official_scores(clips, 2021).overall.score.value < 1e-14


def slow_official_score(clips, family):
    """The official score from its definition, with scikit-learn and scipy."""

    def figures(own):
        labels, scores = [clip.label for clip in own], [clip.score for clip in own]
        return roc_auc_score(labels, scores), roc_auc_score(labels, scores, max_fpr=0.1)

    machines = sorted({clip.machine for clip in clips})
    if family == 2020:
        means = []
        for machine in machines:
            sections = sorted({clip.section for clip in clips if clip.machine == machine})
            of = [figures([c for c in clips if (c.machine, c.section) == (machine, section)]) for section in sections]
            means.append(np.mean(of, axis=0))
        return float(np.mean(np.mean(means, axis=0)))
    values = []
    for machine, section in sorted({(clip.machine, clip.section) for clip in clips}):
        own = [clip for clip in clips if (clip.machine, clip.section) == (machine, section)]
        for domain in ("source", "target"):
            if family == 2021:
                values += figures([clip for clip in own if clip.domain == domain])
            else:
                values.append(figures([clip for clip in own if clip.domain == domain or clip.label == 1])[0])
        if family == 2022:
            values.append(figures(own)[1])
    return float(hmean(np.maximum(values, np.finfo(float).eps)))


def random_clips(seed, family):
    rng = np.random.default_rng(seed)
    start = "id" if family == 2020 else "section"
    sections = [("fan", "00"), ("fan", "01"), ("pump", "00")]
    return [
        ScoredClip(machine, f"{start}_{number}", f"{i}", float(np.round(rng.normal() + label, 1)), None, domain, label)
        for machine, number in sections
        for domain in ("source", "target")
        for label in (0, 1)
        for i in range(int(rng.integers(3, 9)))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("family", [2020, 2021, 2022])
@given(seed=st.integers(0, 10_000))
def test_official_scores_equal_their_definition(family, seed):
    clips = random_clips(seed, family)
    assert official_scores(clips, family).overall.score.value == pytest.approx(
        slow_official_score(clips, family), rel=1e-9
    )


@pytest.mark.slow
@pytest.mark.parametrize("family", [2020, 2021, 2022])
def test_intervals_are_those_of_the_plain_jackknife_over_all_clips(family):
    clips = random_clips(7, family)
    score = official_scores(clips, family).overall.score
    left_out = [slow_official_score(clips[:i] + clips[i + 1 :], family) for i in range(len(clips))]
    n = len(clips)
    error = math.sqrt((n - 1) / n * np.sum((np.array(left_out) - np.mean(left_out)) ** 2))
    half = t.ppf(0.975, n - 1) * error
    assert score.value == pytest.approx(slow_official_score(clips, family))
    assert (score.low, score.high) == pytest.approx((score.value - half, score.value + half))


@pytest.mark.slow
def test_intervals_cover_the_truth_about_as_often_as_they_say():
    truth, rng, hits = 0.7602499389, np.random.default_rng(0), 0  # of normal scores a standard deviation apart
    for _ in range(200):
        clips = [
            ScoredClip("fan", "id_00", str(i), float(rng.normal() + label), None, None, label)
            for i in range(30)
            for label in (0, 1)
        ]
        interval = official_scores(clips, 2020).overall.figures["AUC"]
        hits += interval.low <= truth <= interval.high
    assert 0.9 <= hits / 200 <= 0.99


def test_a_single_clip_of_its_kind_gives_figures_without_interval():
    figures = official_scores(clips_of("fan", "id_00", normal=[1, 2], anomaly=[3]), 2020).overall
    assert figures.score.value == 1
    assert math.isnan(figures.score.low)


@pytest.mark.parametrize(
    ("year", "scores", "reason"),
    [
        (2020, {"normal": [1, 2]}, "fan section_00: has only normal clips"),
        (2021, {"source_anomaly": [1]}, r"fan section_00 \(source\): has only anomalous clips"),
        (2022, {"source_normal": [1], "source_anomaly": [2]}, "fan section_00: has no normal clips of the target"),
        (2024, {"normal": [1], "source_anomaly": [2]}, "fan section_00: 1 of 2 clips have no domain"),
        (2019, {"normal": [1]}, "year 2019"),
        (2022, {}, "No scored clip"),
    ],
)
def test_sections_that_cannot_be_scored_are_named(year, scores, reason):
    with pytest.raises(InputError, match=reason):
        official_scores(clips_of("fan", "section_00", **scores), year)


def test_clips_without_label_are_named():
    clips = [ScoredClip("fan", "section_00", "section_00_0000.wav", 1.0, domain="source")]
    with pytest.raises(InputError, match="fan section_00: 1 of 1 clips have no label"):
        official_scores(clips, 2024)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_result_files_of_2020_hold_scores_alone(tmp_path):
    written = write_results(clips_of("fan", "id_00", normal=[0.1], anomaly=[12]), tmp_path / "new", 2020)
    assert [path.name for path in written] == ["anomaly_score_fan_id_00.csv"]
    assert contents(tmp_path / "new") == {
        "anomaly_score_fan_id_00.csv": b"anomaly_id_00_00000001.wav,12.0\nnormal_id_00_00000000.wav,0.1\n"
    }


def test_result_files_of_2021_are_by_domain(tmp_path):
    write_results(clips_of("fan", "section_03", source_normal=[1], target_anomaly=[np.float64(5)]), tmp_path, 2021)
    assert contents(tmp_path) == {
        "anomaly_score_fan_section_03_source_test.csv": b"section_03_source_test_normal_0000.wav,1.0\n",
        "anomaly_score_fan_section_03_target_test.csv": b"section_03_target_test_anomaly_0001.wav,5.0\n",
        "decision_result_fan_section_03_source_test.csv": b"section_03_source_test_normal_0000.wav,0\n",
        "decision_result_fan_section_03_target_test.csv": b"section_03_target_test_anomaly_0001.wav,1\n",
    }


def test_result_files_since_2022_hold_both_domains(tmp_path):
    clips = [ScoredClip("ToyDrone", "section_00", f"section_00_000{i}.wav", i + 0.5, i > 0) for i in (1, 0)]
    write_results(clips, tmp_path, 2026)
    assert contents(tmp_path) == {
        "anomaly_score_ToyDrone_section_00_test.csv": b"section_00_0000.wav,0.5\nsection_00_0001.wav,1.5\n",
        "decision_result_ToyDrone_section_00_test.csv": b"section_00_0000.wav,0\nsection_00_0001.wav,1\n",
    }


@pytest.mark.parametrize("year", [2020, 2021, 2023])
def test_result_files_come_back_as_they_were(tmp_path, year):
    given = {"normal": [0.1, 1 / 3], "anomaly": [4, 7e-9]} if year == 2020 else TWO_DOMAINS
    clips = clips_of("fan", "id_00" if year == 2020 else "section_00", **given)
    write_results(clips, tmp_path, year)
    back, family = read_scores(tmp_path)
    assert family == min(year, 2022)
    expected = {(each.name, each.score, each.domain, each.label) for each in clips}
    assert {(each.name, each.score, each.domain, each.label) for each in back} == expected
    assert {each.is_anomaly for each in back} == ({None} if year == 2020 else {False, True})


def test_files_that_the_baseline_writes_are_read(tmp_path):
    for kind, value in (("anomaly_score", "1.5"), ("decision_result", "1")):
        file = tmp_path / f"{kind}_DCASE2023T2ToyDrone_section_00_test_seed13711_id(0_)_Eval.csv"
        file.write_text(f"section_00_0000.wav,{value}\n", encoding="utf-8")
    clips, family = read_scores(tmp_path)
    assert clips == [ScoredClip("ToyDrone", "section_00", "section_00_0000.wav", 1.5, True)]
    assert family == 2022


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("anomaly_score_fan_section_00_test.csv", "section_00_0000.wav,high\n", "holds the line"),
        ("anomaly_score_fan_section_00_test.csv", "section_00_0000.wav\n", "holds the line"),
        ("anomaly_score_fan_section_00_test.csv", "section_00_0000.wav,nan\n", "holds the line"),
        ("anomaly_score_fan_section_00_test.csv", "a.wav,1\n", "no DCASE name"),
        ("anomaly_score_fan_section_00_test.csv", "section_00_0000.wav,1\n" * 2, "twice"),
        ("anomaly_score_fan_section_00_test.csv", "", "is empty"),
        ("decision_result_fan_section_00_test.csv", "section_00_0000.wav,1\n", "holds no file such as"),
        ("notes.csv", "a\n", "holds no file such as"),
    ],
)
def test_damaged_result_files_are_refused(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=reason):
        read_scores(tmp_path)


def test_result_files_that_contradict_each_other_are_refused(tmp_path):
    write_results(clips_of("fan", "section_00", **TWO_DOMAINS), tmp_path, 2023)
    decisions = tmp_path / "decision_result_fan_section_00_test.csv"
    whole = decisions.read_text(encoding="utf-8")
    decisions.write_text(whole.replace("normal", "anomaly", 1), encoding="utf-8")
    with pytest.raises(InputError, match="is of other clips"):
        read_scores(tmp_path)
    decisions.write_text(whole.replace(",1", ",2", 1), encoding="utf-8")
    with pytest.raises(InputError, match="Decisions are 0 and 1"):
        read_scores(tmp_path)
    decisions.unlink()
    scores = tmp_path / "anomaly_score_fan_section_00_test.csv"
    (tmp_path / "anomaly_score_fan_section_00_test_seed1.csv").write_bytes(scores.read_bytes())
    with pytest.raises(InputError, match="Keep one"):
        read_scores(tmp_path)
    write_results(clips_of("fan", "id_00", normal=[1]), tmp_path / "b", 2020)
    write_results(clips_of("fan", "section_00", **TWO_DOMAINS), tmp_path / "b", 2023)
    with pytest.raises(InputError, match="several years"):
        read_scores(tmp_path / "b")


def test_two_clips_of_one_name_are_not_written(tmp_path):
    clips = clips_of("fan", "section_00", **TWO_DOMAINS)
    with pytest.raises(InputError, match="fan section_00: two test clips are named"):
        write_results(clips * 2, tmp_path, 2023)
    assert contents(tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_results(clips_of("fan", "section_00", **TWO_DOMAINS), tmp_path / "file", 2023)


def test_ground_truth_labels_what_names_do_not(tmp_path):
    lines = [f"section_00_{i:04d}.wav,section_00_{kind}_{i:04d}_x.wav" for i, kind in enumerate(
        ["source_test_normal", "source_test_normal", "target_test_normal", "target_test_normal", "source_test_anomaly",
         "target_test_anomaly", "target_test_anomaly"]
    )]  # fmt: skip
    (tmp_path / "list.csv").write_text("\n".join(["ToyDrone", *lines]), encoding="utf-8")
    truth = read_ground_truth(tmp_path / "list.csv")
    values = [1, 2, 3, 6, 4, 5, 7]
    clips = [ScoredClip("ToyDrone", "section_00", f"section_00_{i:04d}.wav", v) for i, v in enumerate(values)]
    assert official_scores(with_ground_truth(clips, truth), 2023).overall.score.value == pytest.approx(0.742475)
    with pytest.raises(InputError, match="ToyDrone section_00: the ground truth lists 2 clips that have no score"):
        with_ground_truth(clips[:-2], truth)
    others = [ScoredClip("fan", "section_00", "section_00_0000.wav", 1.0)]
    assert with_ground_truth(others, truth) == others
    own = make_table([{"path": "fan/x.wav", "machine": "fan", "label": 1}])
    assert with_ground_truth(others, own) == others


def test_the_summary_of_2021_is_laid_out_as_the_evaluator_does(tmp_path):
    clips = clips_of(
        "fan", "section_00", source_normal=[1, 3], source_anomaly=[2, 6], target_normal=[1, 2], target_anomaly=[8, 9]
    )
    path = write_summary(official_scores(clips, 2021), tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert path.name == "result.csv"
    assert lines[:2] == ["fan", "section,domain,AUC,pAUC,precision,recall,F1 score"]
    assert lines[2].startswith("00,source,0.75,0.73684")
    assert lines[3] == "00,target,1.0,1.0,1.0,1.0,1.0"
    assert lines[4].startswith("arithmetic mean,,0.875,")
    assert lines[5].startswith("harmonic mean,,0.857142857142857")
    assert lines[7] == ",,AUC,pAUC,precision,recall,F1 score"
    assert lines[8].startswith('"arithmetic mean over all machine types, sections, and domains",,0.875,')
    assert lines[9].startswith('"harmonic mean over all machine types, sections, and domains",,0.857142857142857')


def test_the_summary_since_2022_ends_in_the_official_score(tmp_path):
    clips = clips_of("fan", "section_00", **{name: values * 3 for name, values in TWO_DOMAINS.items()})
    scores = official_scores(clips, 2023)
    lines = write_summary(scores, tmp_path).read_text(encoding="utf-8").splitlines()
    assert lines[1].startswith("section,AUC (source),AUC (target),pAUC,precision (source),precision (target),recall")
    assert lines[-2] == f"official score,,{scores.overall.score.value}"
    assert lines[-1] == f"official score ci95,,{scores.overall.score.value - scores.overall.score.low}"
    assert "target harmonic mean,,0.66666" in "\n".join(lines)
    without = official_scores([ScoredClip(**(vars(clip) | {"is_anomaly": None})) for clip in clips], 2023)
    assert "precision" not in write_summary(without, tmp_path).read_text(encoding="utf-8")


@pytest.mark.real_data
def test_published_results_of_the_2020_baseline_come_out_byte_for_byte(data, tmp_path):
    published = data / "reference" / "mlperf-tiny-toycar"
    clips, family = read_scores(published)
    assert len(clips) == 2459
    write_summary(official_scores(clips, family), tmp_path)
    assert (tmp_path / "result.csv").read_bytes() == (published / "result.csv").read_bytes()
    for path in write_results(clips, tmp_path, 2020):
        assert sorted(path.read_bytes().splitlines()) == sorted((published / path.name).read_bytes().splitlines())

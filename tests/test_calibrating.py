"""Evidence and boundaries: p-values of fresh normal sound, groups, later calibrations, budgets, batches."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import offkey
from offkey import Clip, Pipeline
from offkey.datasets import simulate_clip
from offkey.decisions import Conformal, EventRules, FBeta, Fixed, NormalThreshold, benjamini_hochberg, conformal_p_value
from offkey.detectors import Gaussian, Level
from offkey.errors import BundleError, InputError, ShapeError
from offkey.pipeline import POOLED, discoveries
from offkey.pipeline.sources import group_key


@pytest.fixture(scope="module")
def many_clips():
    """120 recordings of 2 s of a synthetic fan at 8 kHz."""
    return [simulate_clip("fan", number=i, duration_s=2.0, rate=8000) for i in range(120)]


@pytest.fixture
def own(pump_clips):
    """A pipeline of this test's own, which it may change."""
    return Pipeline(Level(), window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips[:16])


@pytest.fixture
def loud(pump_clips):
    """A normal recording that alarms: twice as loud."""
    return Clip(2 * pump_clips[20].samples, 8000, source="loud but normal")


class TestPValues:
    def test_those_of_fresh_normal_sound_are_uniform(self, many_clips):
        """Of clips, windows and peaks; over many splits of calibration and fresh sound."""
        p_values = {"clips": [], "windows": [], "peaks": []}
        for seed in range(8):
            order = np.random.default_rng(seed).permutation(120)
            learn, fresh = ([many_clips[i] for i in part] for part in (order[:60], order[60:]))
            pipeline = Pipeline(Gaussian(), window_s=0.5, hold_out="split", seed=seed).fit(learn)
            peaks = pipeline.boundaries_[POOLED].peaks
            rng = np.random.default_rng(seed)
            for clip in fresh:
                decision = pipeline.decide(clip)
                p_values["clips"].append(decision.p_value)
                p_values["windows"].append(rng.choice(decision.scored_windows).p_value)
                p_values["peaks"].append(float(conformal_p_value([decision.window_scores.max()], peaks)[0]))
        for name, values in p_values.items():
            for level in (0.1, 0.25, 0.5, 0.75, 0.9):
                assert np.mean(np.array(values) <= level) == pytest.approx(level, abs=0.08), (name, level)

    def test_an_event_has_that_of_its_peak(self, own, loud):
        peaks = own.boundaries_[POOLED].peaks
        (event,) = own.decide(loud).events
        assert event.p_value == conformal_p_value([event.peak_score], peaks)[0] == 1 / 17
        assert 0 < event.mean_p_value <= 0.5

    def test_a_recording_of_many_segments_has_them_counted_in_a_batch(self, own, pump_clips):
        long = Clip(np.concatenate([clip.samples for clip in pump_clips[16:20]], axis=1), 8000)
        decision = own.decide(long)
        assert decision.batch_p_value == min(1.0, decision.p_value * len(decision.segments))
        assert len(decision.segments) > 3
        short = own.decide(pump_clips[16])
        assert short.batch_p_value == short.p_value


class TestBatches:
    def test_of_what_is_reported_few_are_false(self):
        """Conformal p-values share their calibration scores, and still it holds."""
        rng = np.random.default_rng(0)
        false = []
        for _ in range(300):
            reference = np.sort(rng.normal(size=200))
            scores = np.concatenate([rng.normal(size=80), rng.normal(3, 1, size=20)])
            p_values = (1 + 200 - np.searchsorted(reference, scores)) / 201
            reported = benjamini_hochberg(p_values, 0.2)
            false.append(reported[:80].sum() / max(1, reported.sum()))
        assert np.mean(false) == pytest.approx(0.2 * 0.8, abs=0.03)

    def test_the_largest_k_counts(self):
        assert benjamini_hochberg([0.04, 0.03, 0.9], 0.06).tolist() == [True, True, False]
        assert benjamini_hochberg([0.04, 0.05, 0.9], 0.05).tolist() == [False, False, False]
        assert benjamini_hochberg([], 0.05).tolist() == []

    def test_wrong_input_is_refused(self):
        with pytest.raises(ShapeError):
            benjamini_hochberg([[0.1]], 0.05)
        for p_values, rate in (([1.1], 0.05), ([np.nan], 0.05), ([0.1], 0.0), ([0.1], 1.0)):
            with pytest.raises(InputError):
                benjamini_hochberg(p_values, rate)

    def test_discoveries_are_recordings(self, own, loud, pump_clips):
        decisions = [own.decide(clip) for clip in [loud, *pump_clips[16:19]]]
        assert discoveries(decisions, 0.25) == [decisions[0]]
        assert discoveries(decisions, 0.05) == []


class TestGroups:
    def table(self, folder, n_quiet):
        rows = []
        for i in range(20 + n_quiet):
            section, level = ("loud", 1.0) if i < 20 else ("quiet", 0.1)
            clip = simulate_clip("pump", number=i, duration_s=1.0, rate=8000)
            path = folder / f"{i}.wav"
            offkey.write(Clip(level * clip.samples, 8000), path)
            rows.append({"path": str(path), "section": section, "label": 0})
        return pd.DataFrame(rows)

    def test_each_has_its_own_boundary_and_the_promise_holds_in_it(self, tmp_path):
        table = self.table(tmp_path, n_quiet=20)
        pipeline = Pipeline(Level(), window_s=0.5, threshold=Conformal(0.1), group_by=("section",)).fit(table)
        assert set(pipeline.boundaries_) == {POOLED, "section loud", "section quiet"}
        assert pipeline.boundaries_["section quiet"].clips.n_recordings == 20
        for group in ("section loud", "section quiet"):
            clips = pipeline.boundaries_[group].clips
            assert np.mean(clips.is_anomaly(clips.reference)) == 0.05, "the second highest of 20 is the boundary"
        decision = pipeline.decide(table["path"][30], {"section": "quiet"})
        assert decision.group == "section quiet"
        assert decision.threshold == pipeline.boundaries_["section quiet"].clips.threshold.threshold_
        scored = list(pipeline.score(table))
        assert [each.group for each in scored] == ["section loud"] * 20 + ["section quiet"] * 20
        unknown = pipeline.decide(table["path"][30], {"section": "new"})
        assert unknown.group == POOLED
        assert pipeline.stream(group={"section": "quiet"}).push(np.zeros(8000)), "a stream is of a group too"
        pipeline.save(tmp_path / "groups.offkey")
        loaded = offkey.load(tmp_path / "groups.offkey")
        assert loaded.decide(table["path"][30], {"section": "quiet"}) == decision

    def test_one_with_too_few_recordings_is_calibrated_with_all_and_that_is_said(self, tmp_path):
        pipeline = Pipeline(Level(), window_s=0.5, threshold=Conformal(0.1), group_by=("section",))
        pipeline.fit(self.table(tmp_path, n_quiet=6))
        assert set(pipeline.boundaries_) == {POOLED, "section loud"}
        assert any("have section quiet (6); 10 are needed" in note for note in pipeline.notes_)

    def test_a_column_that_is_missing_is_said(self, tmp_path):
        pipeline = Pipeline(Level(), window_s=0.5, threshold=Conformal(0.2), group_by=("domain",))
        pipeline.fit(self.table(tmp_path, n_quiet=1))
        assert set(pipeline.boundaries_) == {POOLED}
        assert any("no domain to group by" in note for note in pipeline.notes_)


class TestCalibrating:
    def test_more_normal_sound_is_more_evidence(self, own, pump_clips):
        detector = own.detector_
        assert own.calibrate(pump_clips[16:22]) == []
        assert own.detector_ is detector
        assert own.boundaries_[POOLED].clips.n_recordings == len(own.evidence_) == 22
        assert [each.origin for each in own.evidence_[-6:]] == ["added"] * 6
        assert own.provenance_["calibrations"][-1]["added"] == [clip.source for clip in pump_clips[16:22]]

    def test_a_false_alarm_that_is_marked_is_none_any_more(self, own, loud):
        assert own.decide(loud).is_anomaly
        before = own.boundaries_[POOLED].clips.threshold.threshold_
        own.calibrate(mark_normal=loud)
        assert own.boundaries_[POOLED].clips.threshold.threshold_ > before
        assert own.decide(loud).p_value == 2 / 18
        assert own.provenance_["calibrations"][-1]["marked_normal"] == ["loud but normal"]
        assert own.evidence_[-1].origin == "marked"

    def test_the_rate_changes_without_a_recording(self, own, pump_clips):
        own.calibrate(threshold=Conformal(0.5))
        assert own.threshold.rate == 0.5
        expected = Pipeline(Level(), window_s=0.5, threshold=Conformal(0.5)).fit(pump_clips[:16])
        calibrated, fitted = (each.boundaries_[POOLED].clips for each in (own, expected))
        assert calibrated.threshold.threshold_ == fitted.threshold.threshold_

    def test_what_is_known_does_not_count_twice(self, own, pump_clips):
        failures = own.calibrate([*pump_clips[15:17], pump_clips[16]], mark_normal=pump_clips[16])
        assert [failure.source for failure in failures] == [pump_clips[i].source for i in (15, 16, 16)]
        assert all("counts already" in failure.reason for failure in failures)
        assert len(own.evidence_) == 17

    def test_what_was_trained_on_is_refused(self, pump_clips):
        pipeline = Pipeline(Level(), window_s=0.5, threshold=Conformal(0.2), hold_out="split").fit(pump_clips[:16])
        trained = next(entry for entry in pipeline.training_ if not entry.is_held_out)
        clip = next(clip for clip in pump_clips if clip.source == trained.source)
        (failure,) = pipeline.calibrate([clip], threshold=Conformal(0.25))
        assert "was trained on" in failure.reason

    def test_a_calibration_that_fails_changes_nothing(self, own):
        before = dict(vars(own))
        both = {"budget": "1/h", "threshold": Conformal(0.2)}
        for wrong in ({"budget": "1/year"}, {"budget": "1/fortnightt"}, {"threshold": FBeta()}, {}, both):
            with pytest.raises(InputError):
                own.calibrate(**wrong)
            assert vars(own) == before

    def test_it_is_saved(self, own, pump_clips, tmp_path):
        own.calibrate(pump_clips[16:20], events=EventRules(hysteresis=0.3, cooldown_s=2.0))
        own.save(tmp_path / "pump.offkey")
        loaded = offkey.load(tmp_path / "pump.offkey")
        assert loaded.provenance_ == own.provenance_
        assert loaded.events == own.events
        for mine, theirs in zip(own.evidence_, loaded.evidence_, strict=True):
            assert np.array_equal(mine.scores, theirs.scores)
            assert dataclasses.replace(mine, scores=theirs.scores) == theirs
        assert loaded.decide(pump_clips[22]) == own.decide(pump_clips[22])
        assert len(loaded.calibrate(pump_clips[16:20], threshold=Conformal(0.2))) == 4, "known from the file too"

    def test_a_false_alarm_in_a_long_recording_counts_by_its_strangest_part(self, pump_clips):
        samples = np.concatenate([clip.samples for clip in pump_clips[:4]], axis=1)
        pipeline = Pipeline(Level(), window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips[:16])
        samples[:, 20_000:36_000] *= 2
        alarm = Clip(samples, 8000, source="alarm")
        before = pipeline.decide(alarm)
        assert before.is_anomaly
        pipeline.calibrate(mark_normal=alarm)
        assert pipeline.boundaries_[POOLED].clips.reference.max() == before.score
        assert pipeline.decide(alarm).p_value == 2 / 18

    def test_what_labels_chose_stays_when_evidence_or_rules_change(self, own, pump_clips):
        chosen = FBeta().fit([1.0, 2.0, 8.0, 9.0], [0, 0, 1, 1])
        own.use_threshold(chosen, "4 recordings")
        chosen.fit([100.0, 200.0], [0, 1])
        assert own.boundaries_[POOLED].clips.threshold.threshold_ == 5.0, "a copy, which the user cannot change"
        own.calibrate(pump_clips[16:20], events=EventRules(hysteresis=0.3))
        assert own.boundaries_[POOLED].clips.threshold.threshold_ == 5.0
        assert own.boundaries_[POOLED].clips.n_recordings == 20
        assert own.boundaries_[POOLED].rules.hysteresis == 0.3
        assert own.boundaries_[POOLED].windows.threshold.get_params() == {"rate": 0.1}
        assert [record["chosen_on"] for record in own.provenance_["calibrations"]] == ["4 recordings", ""]
        own.calibrate(threshold=Conformal(0.2))
        assert own.boundaries_[POOLED].clips.threshold.get_params() == {"rate": 0.2}

    def test_what_was_set_by_hand_stays_too_and_so_does_the_pooling_of_a_budget(self, many_clips, tmp_path):
        pipeline = Pipeline(Level(), window_s=0.5, budget="60/h").fit(many_clips[:60])
        pipeline.use_threshold(Fixed(3.0).fit([1.0]))
        pipeline.save(tmp_path / "chosen.offkey")
        for each in (pipeline, offkey.load(tmp_path / "chosen.offkey")):
            each.calibrate(many_clips[60:70], events=EventRules(cooldown_s=1.0))
            boundaries = each.boundaries_[POOLED]
            assert (boundaries.pooling, boundaries.is_chosen, boundaries.budget) == ("max", True, None)
            assert boundaries.clips.threshold.threshold_ == boundaries.windows.threshold.threshold_ == 3.0
            assert boundaries.clips.n_recordings == 70

    def test_what_labels_chose_after_a_budget_stays_in_a_bundle_too(self, many_clips, tmp_path):
        pipeline = Pipeline(Level(), window_s=0.5, budget="60/h").fit(many_clips[:60])
        pipeline.use_threshold(FBeta().fit([1.0, 2.0, 8.0, 9.0], [0, 0, 1, 1]))
        pipeline.save(tmp_path / "chosen.offkey")
        loaded = offkey.load(tmp_path / "chosen.offkey")
        loaded.calibrate(many_clips[60:70], events=EventRules(hysteresis=0.3))
        boundaries = loaded.boundaries_[POOLED]
        assert boundaries.pooling == "max"
        assert boundaries.clips.threshold.threshold_ == boundaries.windows.threshold.threshold_ == 5.0
        assert boundaries.clips.n_recordings == boundaries.windows.n_recordings == 70

    def test_wrong_kinds_of_things_are_refused(self, own, pump_clips):
        before = dict(vars(own))
        for wrong in (
            {"events": {"hysteresis": 0.5}},
            {"threshold": 5.0},
            {"recordings": 5},
            {"group": {"sektion": 1}},
        ):
            with pytest.raises(InputError):
                own.calibrate(**{"recordings": pump_clips[20:21]} | wrong)
            assert vars(own) == before
        with pytest.raises(InputError, match="sektion"):
            own.decide(pump_clips[0], {"sektion": "a"})

    def test_the_notes_of_the_fit_stay(self, pump_clips):
        pipeline = Pipeline(Level(), window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips, drop_strangest=3)
        pipeline.calibrate(threshold=Conformal(0.2))
        assert any("3 strangest recordings were left out" in note for note in pipeline.notes_)

    def test_a_labelled_threshold_is_not_fitted_on_normal_sound(self, pump_clips):
        with pytest.raises(InputError, match="chosen on labelled recordings"):
            Pipeline(Level(), window_s=0.5, threshold=FBeta()).fit(pump_clips)


class TestFits:
    def test_a_fit_that_is_refused_leaves_the_last_one_whole(self, own, pump_clips):
        before, decision = dict(own.fitted_state), own.decide(pump_clips[20])
        own.set_params(budget="1/year")
        with pytest.raises(InputError, match="cannot be supported"):
            own.fit([Clip(10 * clip.samples, 8000) for clip in pump_clips])
        assert own.fitted_state == before
        assert own.decide(pump_clips[20]) == decision

    @pytest.mark.parametrize(
        "wrong", [{"threshold": Conformal(0.0)}, {"threshold": Fixed(np.nan)}, {"budget": 5}, {"pooling": "sum"}]
    )
    def test_wrong_parameters_are_refused_before_anything_is_read(self, wrong):
        with pytest.raises(InputError, match="given"):
            Pipeline(**wrong).fit("no such folder")

    def test_group_columns_are_a_sequence(self, pump_clips):
        with pytest.raises(InputError, match="sequence of columns"):
            Pipeline(group_by="section").fit(pump_clips)

    @pytest.mark.parametrize(
        ("value", "name"),
        [(1, "unit 1"), (1.0, "unit 1"), ("1", "unit 1"), (1234567.0, "unit 1234567"), (1.5, "unit 1.5"),
         ("ü, 日本", "unit ü, 日本"), (None, ""), (np.nan, ""), (pd.NA, "")],
    )  # fmt: skip
    def test_groups_are_named_alike_wherever_they_come_from(self, value, name):
        assert group_key({"unit": value}, ["unit"]) == name

    def test_paths_of_a_table_need_not_be_tidy(self, pump_clips, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for i, clip in enumerate(pump_clips[:12]):
            offkey.write(clip, f"{i}.wav")
        table = pd.DataFrame({"path": [f"./{i}.wav" for i in range(12)], "section": "a", "label": 0})
        pipeline = Pipeline(Level(), window_s=0.5, threshold=Conformal(0.2), group_by=("section",)).fit(table)
        assert set(pipeline.boundaries_) == {POOLED, "section a"}
        assert {decision.group for decision in pipeline.score(table)} == {"section a"}

    def test_a_threshold_of_ones_own_is_not_saved(self, pump_clips, tmp_path):
        class Own(NormalThreshold):
            def _boundary(self, scores):
                return scores[-1]

            def _supported_rate(self, n):
                return np.nan

        pipeline = Pipeline(Level(), window_s=0.5, threshold=Own()).fit(pump_clips)
        with pytest.raises(BundleError, match="cannot hold the threshold Own"):
            pipeline.save(tmp_path / "own.offkey")
        pipeline.calibrate(budget="1000/h")
        with pytest.raises(BundleError, match="cannot hold the threshold Own"):
            pipeline.save(tmp_path / "own.offkey")


class TestBudgets:
    def test_groups_under_a_budget_need_no_more_than_ten_recordings(self, many_clips, tmp_path):
        rows = []
        for i, clip in enumerate(many_clips[:40]):
            offkey.write(clip, tmp_path / f"{i}.wav")
            rows.append({"path": str(tmp_path / f"{i}.wav"), "section": "ab"[i % 2], "label": 0})
        pipeline = Pipeline(Level(), window_s=0.5, budget="300/h", group_by=("section",)).fit(pd.DataFrame(rows))
        assert set(pipeline.boundaries_) == {POOLED, "section a", "section b"}

    def test_a_recording_that_holds_an_event_is_an_anomaly(self, many_clips):
        pipeline = Pipeline(Level(), window_s=0.5, budget="60/h").fit(many_clips[:90])
        boundaries = pipeline.boundaries_[POOLED]
        assert boundaries.pooling == "max"
        assert boundaries.windows.threshold.threshold_ == boundaries.budget.threshold
        assert boundaries.budget.sentence in pipeline.notes_
        decisions = [pipeline.decide(clip) for clip in many_clips]
        for decision in decisions:
            assert decision.is_anomaly == bool(decision.events)
            assert decision.score == decision.window_scores.max()
        assert sum(decision.is_anomaly for decision in decisions) <= 0.1 * len(decisions)
        loud = Clip(3 * many_clips[100].samples, 8000)
        assert pipeline.decide(loud).is_anomaly

    def test_a_minimum_duration_decides_too(self, many_clips):
        click = many_clips[100].samples.copy()
        click[:, 4000:8000] *= 2
        rules = EventRules(min_duration_s=1.5)
        hasty = Pipeline(Level(), window_s=0.5, budget="60/h").fit(many_clips[:90])
        patient = Pipeline(Level(), window_s=0.5, budget="60/h", events=rules).fit(many_clips[:90])
        assert hasty.decide(Clip(click, 8000)).is_anomaly
        assert not patient.decide(Clip(click, 8000)).is_anomaly
        assert patient.decide(Clip(2 * many_clips[100].samples, 8000)).is_anomaly

    def test_one_that_makes_no_sense_is_refused_before_anything_is_read(self):
        with pytest.raises(InputError, match="fortnightt"):
            Pipeline(budget="1/fortnightt").fit("no such folder")


@pytest.mark.parametrize("hold_out", ["folds", "split", "auto"])
def test_evidence_is_held_out_as_asked(pump_clips, hold_out):
    pipeline = Pipeline(Level(), window_s=0.5, threshold=Conformal(0.2), hold_out=hold_out).fit(pump_clips)
    assert len(pipeline.evidence_) == (5 if hold_out == "split" else 24)
    assert sum(entry.is_held_out for entry in pipeline.training_) == len(pipeline.evidence_)


def test_an_unknown_way_to_hold_out_is_refused(pump_clips):
    with pytest.raises(InputError, match="folds"):
        Pipeline(Level(), window_s=0.5, hold_out="half").fit(pump_clips)


@pytest.mark.slow
@pytest.mark.real_data
def test_the_promise_holds_on_real_recordings_however_calibrated(fan_files):
    clips = [offkey.read(path) for path in fan_files]
    alarms = []
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(45)
        pipeline = Pipeline(Gaussian(), window_s=2.0, threshold=Conformal(0.2), hold_out="split", seed=seed)
        pipeline.fit([clips[i] for i in order[:25]])
        pipeline.calibrate([clips[i] for i in order[25:35]])
        alarms += [pipeline.decide(clips[i]).is_anomaly for i in order[35:]]
    assert 0.1 < np.mean(alarms) < 0.25

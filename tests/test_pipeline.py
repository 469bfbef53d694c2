"""From recordings to decisions: live equals file, saved equals fitted, and calibration is honest."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import offkey
from offkey import Clip, Decision, Failure, Pipeline, write
from offkey.datasets import simulate_clip
from offkey.decisions import Conformal, Fixed
from offkey.detectors import Autoencoder, Detector, Gaussian, Level, NearestNeighbors
from offkey.detectors.base import known_of
from offkey.errors import InputError, NotFittedError, OffkeyError, ReadError, ShapeError
from offkey.features import LogMel, frames_of
from offkey.pipeline import POOLED

PIPELINES = [
    "pipeline",
    *(pytest.param(f"{kind}_pipeline", marks=pytest.mark.slow) for kind in ("network", "embedding")),
]


@pytest.fixture(params=PIPELINES)
def any_pipeline(request):
    return request.getfixturevalue(request.param)


def as_rows(windows):
    return [(w.start_sample, w.stop_sample, w.score, w.p_value, w.is_anomaly) for w in windows]


def test_it_hears_the_fault(any_pipeline, pump_clips, whining_pump):
    assert any_pipeline.decide(whining_pump).is_anomaly
    assert sum(any_pipeline.decide(clip).is_anomaly for clip in pump_clips) <= 3


@settings(max_examples=15)
@given(sizes=st.lists(st.integers(0, 9000), max_size=6), rate=st.sampled_from([8000, 11025]))
def test_live_equals_file_for_any_blocks(any_pipeline, sizes, rate):
    rng = np.random.default_rng(1)
    clip = Clip(rng.normal(0, 0.1, 20_000), rate)
    whole = any_pipeline.decide(clip)
    stream = any_pipeline.stream(rate)
    windows = []
    for block in np.split(clip.samples, np.minimum(np.cumsum(sizes), 20_000) if sizes else [], axis=1):
        windows += stream.push(block)
    windows += stream.flush()
    assert as_rows(windows) == as_rows(whole.scored_windows)
    assert stream.duration_s == whole.duration_s


def test_live_equals_file_with_centred_frames(pump_clips):
    pipeline = Pipeline(features=LogMel(center=True), window_s=0.5).fit(pump_clips)
    clip = pump_clips[0]
    stream = pipeline.stream()
    windows = [w for block in np.array_split(clip.samples, 37, axis=1) for w in stream.push(block)] + stream.flush()
    assert as_rows(windows) == as_rows(pipeline.decide(clip).scored_windows)
    assert windows[0].start_s == 0
    assert windows[-1].stop_s == clip.duration_s


def test_a_file_a_clip_and_a_window_alone_score_the_same(any_pipeline, pump_clips, tmp_path):
    path = tmp_path / "pump.wav"
    write(pump_clips[3], path, subtype="FLOAT")
    clip = offkey.read(path)
    from_file, from_clip = any_pipeline.decide(path), any_pipeline.decide(clip)
    assert as_rows(from_file.scored_windows) == as_rows(from_clip.scored_windows)
    window = from_file.scored_windows[1]
    part = Clip(clip.samples[:, window.start_sample : window.stop_sample], clip.rate)
    assert any_pipeline.decide(part).window_scores.tolist() == [window.score]


def test_saving_and_loading_changes_no_bit(any_pipeline, pump_clips, tmp_path):
    path = tmp_path / "pumpe größe.offkey"
    any_pipeline.save(path)
    loaded = offkey.load(path)
    for clip in pump_clips[:4]:
        before, after = any_pipeline.decide(clip), loaded.decide(clip)
        assert before == after
    assert loaded.training_ == any_pipeline.training_
    assert loaded.provenance_ == any_pipeline.provenance_
    assert loaded.get_params()["pooling"] == "mean"
    again = tmp_path / "again.offkey"
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_the_timeline_is_on_the_sample_grid_and_ends_with_the_clip(pipeline, pump_clips):
    decision = pipeline.decide(pump_clips[0])
    starts = [window.start_sample for window in decision.scored_windows]
    grid, hop_length = pipeline.grid_, pipeline.features_.hop_length
    n_frames = pipeline.features_.n_frames(pump_clips[0].n_samples)
    assert starts == [int(frame) * hop_length for frame in grid.starts(n_frames)]
    table = decision.windows
    assert list(table.columns) == ["start_s", "stop_s", "score", "p_value", "is_anomaly"]
    assert len(table) == len(starts)
    assert decision.score == pytest.approx(decision.window_scores.mean())


def test_a_long_recording_is_decided_segment_by_segment(pipeline, pump_clips, whining_pump):
    long = Clip(
        np.concatenate([clip.samples for clip in (*pump_clips[:3], whining_pump, *pump_clips[3:5])], axis=1), 8000
    )
    decision = pipeline.decide(long)
    assert decision.is_anomaly
    unit = pipeline.boundaries_[POOLED].clips.unit_windows
    strangest = max(decision.segments, key=lambda segment: segment.score)
    assert decision.score == strangest.score
    assert 5.0 < (strangest.start_s + strangest.stop_s) / 2 < 9.0
    assert len(decision.segments) == -(-len(decision.scored_windows) // unit)


@pytest.mark.parametrize(("pooling", "expected"), [("max", np.max), ("q0.5", np.median)])
def test_pooling_is_of_the_window_scores(pooling, expected, pump_clips):
    pipeline = Pipeline(Level(), window_s=0.5, pooling=pooling).fit(pump_clips)
    decision = pipeline.decide(pump_clips[0])
    assert decision.score == pytest.approx(expected(decision.window_scores))


def test_many_recordings_go_on_after_a_failure(pipeline, pump_clips, tmp_path):
    (tmp_path / "text.wav").write_text("no sound", encoding="utf-8")
    good = tmp_path / "good.wav"
    write(pump_clips[0], good)
    short = Clip(np.zeros(100), 8000, source="short")
    stereo = Clip(np.zeros((2, 20_000)), 8000, source="stereo")
    results = list(pipeline.score([tmp_path / "text.wav", short, stereo, good]))
    assert [type(result) for result in results] == [Failure, Failure, Failure, Decision]
    reasons = [result.reason for result in results[:3]]
    assert "not a readable sound file" in reasons[0]
    assert "shorter than a window" in reasons[1]
    assert "2 channels" in reasons[2]


def test_fit_reports_what_it_leaves_out(pump_clips, tmp_path, caplog):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    stereo = Clip(np.zeros((2, 20_000)), 8000, source="stereo")
    short = Clip(np.zeros(1000), 8000, source="short")
    pipeline = Pipeline(window_s=0.5).fit([*pump_clips, broken, stereo, short])
    assert {failure.source for failure in pipeline.failures_} == {str(broken), "stereo", "short"}
    assert pipeline.provenance_["n_recordings"] == len(pump_clips)
    assert "stereo" in caplog.text


def test_fit_needs_recordings(tmp_path, pump_clips):
    with pytest.raises(InputError, match="No recordings"):
        Pipeline().fit([])
    with pytest.raises(InputError, match="None of the 1 recordings"):
        Pipeline().fit([tmp_path / "gone.wav"])
    with pytest.raises(InputError, match="Give at least 5 recordings"):
        Pipeline().fit(pump_clips[:3])
    with pytest.raises(InputError, match="recordings"):
        Pipeline().fit(3)
    with pytest.raises(InputError, match="pooling"):
        Pipeline(pooling="sum").fit(pump_clips)
    with pytest.raises(InputError, match="unheard"):
        Pipeline(window_s=0.5, hop_s=1.0).fit(pump_clips)
    with pytest.raises(InputError, match="shorter than one frame"):
        Pipeline(window_s=0.01).fit(pump_clips)


def test_the_window_is_10_s_or_the_shortest_clip_but_at_least_1_s(pump_clips):
    def window_of(*lengths):
        clips = [Clip(np.random.default_rng(i).normal(size=n), 1000, source=str(i)) for i, n in enumerate(lengths)]
        pipeline = Pipeline(features=LogMel(n_fft=100, hop_length=50, n_mels=8)).fit(clips)
        assert any("Windows of" in note for note in pipeline.notes_)
        return pipeline.window_duration_s, len(pipeline.failures_)

    assert window_of(*[12_000] * 6) == (10.0, 0)
    assert window_of(*[4_000] * 6) == (4.0, 0)
    assert window_of(500, *[4_000] * 6) == (1.0, 1)


def test_recordings_of_another_rate_are_resampled_with_a_notice(pump_clips):
    odd = Clip(np.random.default_rng(0).normal(0, 0.1, 33_075), 11_025)
    pipeline = Pipeline(window_s=0.5).fit([*pump_clips, odd])
    assert pipeline.rate_ == 8000
    assert any("resampled to 8000 Hz" in note for note in pipeline.notes_)
    assert Pipeline(window_s=0.5, rate=4000).fit(pump_clips).rate_ == 4000


def test_one_long_recording_is_cut_into_blocks_with_gaps(pump_clips):
    long = Clip(np.concatenate([clip.samples for clip in pump_clips], axis=1), 8000, source="long")
    pipeline = Pipeline(window_s=0.5, threshold=Conformal(0.2)).fit(long)
    assert any("cut into" in note for note in pipeline.notes_)
    spans = sorted(
        tuple(float(t) for t in entry.source.split("[")[1].rstrip(" s]").split("-")) for entry in pipeline.training_
    )
    assert len(spans) == 20
    assert all(later[0] - earlier[1] >= 0.2 for earlier, later in itertools.pairwise(spans))


def test_a_rate_finer_than_the_data_supports_is_reported(pump_clips):
    pipeline = Pipeline(window_s=0.5, threshold=Conformal(0.001)).fit(pump_clips)
    threshold = pipeline.boundaries_[POOLED].clips.threshold
    assert threshold.supported_rate_ == 1 / 25
    assert threshold.threshold_ == pipeline.boundaries_[POOLED].clips.reference.max()
    assert any("support 0.04" in note and "999 recordings would do" in note for note in pipeline.notes_)


def test_cheap_detectors_are_scored_out_of_fold(pump_clips):
    pipeline = Pipeline(NearestNeighbors(), window_s=0.5).fit(pump_clips)
    assert all(entry.is_held_out for entry in pipeline.training_)
    assert min(entry.score for entry in pipeline.training_) > 0  # a training window finds itself at distance 0
    assert pipeline.boundaries_[POOLED].clips.n_recordings == 24


@pytest.mark.slow
def test_networks_hold_recordings_out(network_pipeline):
    held_out = [entry for entry in network_pipeline.training_ if entry.is_held_out]
    assert len(held_out) == max(np.ceil(0.2 * 24), np.ceil(1 / 0.1) - 1) == 9
    assert network_pipeline.boundaries_[POOLED].clips.n_recordings == 9


def test_dropping_the_strangest_makes_up_for_hidden_anomalies():
    normal = [simulate_clip("fan", number=i, duration_s=2.0, rate=8000) for i in range(38)]
    hidden = [simulate_clip("fan", "bearing", number=100 + i, duration_s=2.0, rate=8000) for i in range(2)]
    faults = [simulate_clip("fan", "bearing", number=200 + i, duration_s=2.0, rate=8000) for i in range(10)]

    def caught(**options):
        pipeline = Pipeline(Gaussian(), window_s=1.0, threshold=Conformal(0.05)).fit([*normal, *hidden], **options)
        return pipeline, sum(pipeline.decide(clip).is_anomaly for clip in faults)

    contaminated, before = caught()
    assert {entry.source for entry in contaminated.training_[:2]} == {clip.source for clip in hidden}
    cleaned, after = caught(drop_strangest=2)
    assert after > before
    assert cleaned.provenance_["n_recordings"] == 38
    assert any("left out" in note for note in cleaned.notes_)


def test_named_files_are_left_out(pump_clips, tmp_path):
    paths = []
    for i, clip in enumerate(pump_clips[:8]):
        paths.append(tmp_path / f"{i}.wav")
        write(clip, paths[-1])
    pipeline = Pipeline(window_s=0.5).fit(tmp_path, exclude=[paths[2]])
    assert {entry.source for entry in pipeline.training_} == {str(path) for path in paths if path != paths[2]}


def test_a_recordings_table_gives_its_normal_training_rows(pump_clips, tmp_path):
    import pandas as pd

    rows = []
    for i, clip in enumerate(pump_clips[:10]):
        path = tmp_path / f"{i}.wav"
        write(clip, path)
        rows.append({"path": path, "split": "test" if i == 0 else "train", "label": 1 if i == 1 else None})
    pipeline = Pipeline(window_s=0.5).fit(pd.DataFrame(rows))
    assert pipeline.provenance_["n_recordings"] == 8
    with pytest.raises(InputError, match="path"):
        Pipeline().fit(pd.DataFrame({"file": ["a.wav"]}))


def test_detectors_are_told_what_the_table_says_of_each_recording(pump_clips, tmp_path):
    import pandas as pd

    heard = {}

    class Listening(Detector):
        def _fit(self, windows):
            for window, domain, speed in zip(
                windows, known_of(windows, "domain"), known_of(windows, "speed"), strict=True
            ):
                heard.setdefault((domain, speed), set()).add(window[0, 0, 0])
            self.nothing_ = 0.0

        def _score(self, windows):
            return windows.mean(axis=(1, 2, 3))

    rows = []
    for i, clip in enumerate(pump_clips[:10]):
        write(clip, tmp_path / f"{i}.wav")
        rows.append({"path": tmp_path / f"{i}.wav", "label": 0, "domain": "ab"[i % 2], "speed": i + 1})
    rows[3]["speed"] = None
    pipeline = Pipeline(Listening(), window_s=0.5).fit(pd.DataFrame(rows))
    assert set(heard) == {("ab"[i % 2], "" if i == 3 else str(i + 1)) for i in range(10)}
    for i, clip in enumerate(pump_clips[:10]):
        first = frames_of(pipeline.features_, clip)[0, 0, 0]
        assert any(abs(value - first) < 0.01 for value in heard["ab"[i % 2], "" if i == 3 else str(i + 1)])


@pytest.mark.slow
def test_fitting_twice_gives_the_same_pipeline(pump_clips):
    first, second = (Pipeline(window_s=0.5).fit(pump_clips) for _ in range(2))
    assert first.training_ == second.training_
    assert first.boundaries_[POOLED].clips.threshold.threshold_ == second.boundaries_[POOLED].clips.threshold.threshold_
    assert first.provenance_["samples_sha256"] == second.provenance_["samples_sha256"]


def test_stereo_recordings_work_and_mono_is_refused(pump_clips):
    def stereo(clip, seed):
        other = np.random.default_rng(seed).normal(0, 0.01, clip.n_samples)
        return Clip(np.stack([clip.samples[0], other]), clip.rate, source=f"stereo {seed}")

    clips = [stereo(clip, i) for i, clip in enumerate(pump_clips[:12])]
    pipeline = Pipeline(window_s=0.5, threshold=Conformal(0.1)).fit(clips)
    humming = clips[0].samples.copy()
    humming[1] += 0.05 * np.sin(2 * np.pi * 1500 * np.arange(clips[0].n_samples) / 8000)
    assert pipeline.decide(Clip(humming, 8000)).is_anomaly
    with pytest.raises(ReadError, match="1 channels"):
        pipeline.decide(pump_clips[0])


def test_using_it_before_fit_says_so():
    for use in (lambda p: p.decide("x.wav"), lambda p: p.stream(), lambda p: p.save("x.offkey")):
        with pytest.raises(NotFittedError, match="Call fit"):
            use(Pipeline())


def test_a_stream_checks_its_blocks(pipeline):
    stream = pipeline.stream()
    with pytest.raises(ShapeError, match=r"\(1, n\)"):
        stream.push(np.zeros((2, 10)))
    with pytest.raises(InputError, match="NaN"):
        stream.push([np.nan])
    assert stream.push([]) == []
    assert stream.flush() == []
    assert stream.flush() == []
    with pytest.raises(OffkeyError, match="flushed"):
        stream.push([0.0])


def test_a_fixed_threshold_is_used_as_given(pump_clips):
    pipeline = Pipeline(Gaussian(), window_s=0.5, threshold=Fixed(-1.0)).fit(pump_clips)
    assert all(pipeline.decide(clip).is_anomaly for clip in pump_clips[:3])


@pytest.mark.slow
def test_a_keras_model_is_only_calibrated(pump_clips, tmp_path):
    keras = pytest.importorskip("keras")
    inputs = keras.Input((5 * 128,))
    detector = Autoencoder.from_keras(keras.Model(inputs, keras.layers.Dense(5 * 128)(inputs)))
    pipeline = Pipeline(detector, window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips)
    assert pipeline.detector_ is detector
    assert all(entry.is_held_out for entry in pipeline.training_)
    pipeline.save(tmp_path / "keras.offkey")
    assert offkey.load(tmp_path / "keras.offkey").decide(pump_clips[0]) == pipeline.decide(pump_clips[0])


def test_the_same_recording_twice_counts_once(pump_clips, tmp_path):
    for i, clip in enumerate(pump_clips[:8]):
        write(clip, tmp_path / f"{i}.wav")
    write(pump_clips[0], tmp_path / "copy.wav")
    pipeline = Pipeline(window_s=0.5).fit([tmp_path, tmp_path / "3.wav"])
    assert pipeline.provenance_["n_recordings"] == 8
    assert [failure.reason for failure in pipeline.failures_] == [f"holds the same samples as {tmp_path / '0.wav'}."]


def test_the_same_clip_twice_counts_once_though_both_have_one_name(pump_clips):
    pipeline = Pipeline(window_s=0.5).fit([Clip(clip.samples, 8000) for clip in (*pump_clips, *pump_clips)])
    assert pipeline.provenance_["n_recordings"] == 24
    assert len(pipeline.failures_) == 24
    with pytest.raises(InputError, match="at least 0"):
        Pipeline().fit(pump_clips, drop_strangest=-1)


def test_windows_of_one_recording_do_not_count_as_recordings():
    rng = np.random.default_rng(0)
    clips = [Clip(rng.normal(0, 0.1, n), 8000, source=str(i)) for i, n in enumerate([4000, 4000, 4000, 80_000, 80_000])]
    pipeline = Pipeline(window_s=0.5, threshold=Conformal(0.01)).fit(clips)
    for calibration in (pipeline.boundaries_[POOLED].clips, pipeline.boundaries_[POOLED].windows):
        assert calibration.n_recordings == len(calibration.reference) == 5
        assert calibration.threshold.supported_rate_ == 1 / 6


@pytest.mark.slow
def test_clips_without_names_are_dropped_one_by_one(pump_clips):
    clips = [Clip(clip.samples, clip.rate) for clip in pump_clips]
    pipeline = Pipeline(window_s=0.5).fit(clips, drop_strangest=2)
    assert pipeline.provenance_["n_recordings"] == 22


def test_scoring_a_table_scores_every_row(pipeline, pump_clips, tmp_path):
    import pandas as pd

    rows = []
    for i, split in enumerate(["train", "test", "test"]):
        write(pump_clips[i], tmp_path / f"{i}.wav")
        rows.append({"path": str(tmp_path / f"{i}.wav"), "split": split, "label": "1"})
    assert len(list(pipeline.score(pd.DataFrame(rows)))) == 3
    with pytest.raises(InputError, match="no normal recordings"):
        Pipeline().fit(pd.DataFrame(rows))


def test_excluding_what_is_not_there_is_a_mistake(pump_clips, tmp_path):
    for i, clip in enumerate(pump_clips[:6]):
        write(clip, tmp_path / f"{i}.wav")
    with pytest.raises(InputError, match="not among the recordings"):
        Pipeline(window_s=0.5).fit(tmp_path, exclude=[tmp_path / "typo.wav"])


def test_rates_far_apart_are_refused_and_long_low_rates_stay_small(pipeline):
    far = Clip(np.random.default_rng(0).normal(0, 0.1, 100_000), 8)
    (failure,) = pipeline.score([far])
    assert "more than 256 times" in failure.reason
    low = Clip(np.random.default_rng(0).normal(0, 0.1, 3000), 100)
    assert pipeline.decide(low).duration_s == pytest.approx(30)


def test_a_short_recording_is_marked(pipeline, pump_clips):
    assert not pipeline.decide(pump_clips[0]).is_short
    part = Clip(pump_clips[0].samples[:, :5000], 8000)
    assert pipeline.decide(part).is_short

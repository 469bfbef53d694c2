"""Published pipelines: their settings, and their scores against an oracle of the published definitions."""

import math

import numpy as np
import pandas as pd
import pytest

import offkey
import oracles
from offkey import Clip, Pipeline, read, write
from offkey.datasets import simulate_clip
from offkey.decisions import Conformal, GammaTail
from offkey.detectors import Autoencoder, Level
from offkey.errors import InputError, ReadError, ShapeError
from offkey.features import LogMel, frames_of
from offkey.recipes import dcase2023_autoencoder, recipe

RATE = 16_000
SMALL = {"units": (16, 16), "bottleneck": 4, "epochs": 20, "batch_size": 64, "learning_rate": 1e-2}
SCORES = ("mse", "selective-mahalanobis", "row-mahalanobis")


def sound(number, duration_s=2.0):
    return simulate_clip("pump", number=number, duration_s=duration_s, rate=RATE).samples[0]


@pytest.fixture(scope="module")
def two_domains(tmp_path_factory):
    """16 stereo recordings, nine of the source domain and seven of the target, which is quieter and hums."""
    folder = tmp_path_factory.mktemp("domains")
    hum = 0.02 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
    rows = []
    for number in range(16):
        domain = "source" if number < 9 else "target"
        near = sound(number) if domain == "source" else 0.5 * sound(number) + hum
        far = np.random.default_rng(number).normal(0, 0.1, len(near))
        path = folder / f"section_00_{domain}_train_normal_{number:04}.wav"
        write(Clip(np.stack([near, far]), RATE), path)
        rows.append({"path": str(path), "label": 0, "domain": domain})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def first_shot(two_domains):
    """The recipe of 2023, with a small network."""
    pytest.importorskip("tensorflow")
    return recipe("dcase2023-selective", **SMALL).fit(two_domains)


def scored_by(pipeline, score):
    """The fitted network of a pipeline, with another score."""
    detector = pipeline.detector_
    return detector.unfitted().set_params(score=score).restore(detector.fitted_state)


def covariances_of(residuals, table, pipeline):
    """Covariance of the residual rows of each domain's training recordings; ``residuals`` by path."""
    trained_on = {entry.source for entry in pipeline.training_ if not entry.is_held_out}
    assert len(trained_on) == 12
    covariances = []
    for domain in ("source", "target"):
        paths = [row.path for row in table.itertuples() if row.domain == domain and row.path in trained_on]
        covariances.append(np.cov(np.concatenate([residuals[path].reshape(-1, 128) for path in paths]), rowvar=False))
    return covariances


@pytest.mark.slow
def test_clip_scores_are_the_published_ones_of_2023(first_shot, two_domains):
    """From the samples on, in single precision: measured 7e-7 (mse), 1.0e-6 (selective) and 2.5e-7 (textbook).

    The 32-bit logarithm and the 32-bit network have about equal parts in that. The score itself is held to 1e-9 in
    the next test.
    """
    model = first_shot.detector_.network_.to_keras()
    residuals = {}
    for path in two_domains["path"]:
        log_mel = oracles.baseline_log_mel(read(path).samples[0], RATE, "max")
        residuals[path] = oracles.baseline_residuals(log_mel, model)
    covariances = covariances_of(residuals, two_domains, first_shot)
    for path, own in residuals.items():
        frames = frames_of(first_shot.features_, read(path))
        for score in SCORES:
            expected = oracles.baseline_score(own, score, covariances)
            assert scored_by(first_shot, score).anomaly_score(frames[None])[0] == pytest.approx(expected, rel=4e-6)
        decision = first_shot.decide(path)
        expected = oracles.baseline_score(own, "selective-mahalanobis", covariances)
        assert len(decision.scored_windows) == 1
        assert decision.score == pytest.approx(expected, rel=4e-6)


@pytest.mark.slow
@pytest.mark.parametrize("score", SCORES)
def test_scores_of_given_residuals_are_the_published_ones(first_shot, two_domains, score):
    detector = scored_by(first_shot, score)
    frames = {path: frames_of(first_shot.features_, read(path)) for path in two_domains["path"]}
    residuals = {path: detector._residuals(each).reshape(-1, 640) for path, each in frames.items()}
    covariances = covariances_of(residuals, two_domains, first_shot)
    for path, each in frames.items():
        expected = oracles.baseline_score(residuals[path], score, covariances)
        assert detector.anomaly_score(each[None])[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
def test_each_domains_covariance_is_the_nearest_to_its_training_recordings(first_shot, two_domains):
    assert first_shot.detector_.domains_.tolist() == ["source", "target"]
    detector = scored_by(first_shot, "row-mahalanobis")
    held_out = {entry.source for entry in first_shot.training_ if entry.is_held_out}
    for row in two_domains.itertuples():
        distances = detector._by_domain(detector._residuals(frames_of(first_shot.features_, read(row.path))))
        assert row.path in held_out or detector.domains_[np.argmin(distances)] == row.domain


@pytest.mark.slow
@pytest.mark.parametrize(("name", "floor"), [("dcase2020-autoencoder", "add"), ("dcase2021-autoencoder", "max")])
def test_clip_scores_are_the_published_ones_of_2020_and_2021(name, floor):
    pytest.importorskip("tensorflow")
    clips = [Clip(sound(number), RATE, source=str(number)) for number in range(8)]
    fading = [np.geomspace(1, 1e-7, 2 * RATE) * sound(number) for number in range(8, 12)]  # down to eps and below
    clips += [Clip(each, RATE, source=str(8 + i)) for i, each in enumerate(fading)]
    pipeline = recipe(name, **SMALL).fit(clips)
    model = pipeline.detector_.network_.to_keras()
    for clip in clips:
        residuals = oracles.baseline_residuals(oracles.baseline_log_mel(clip.samples[0], RATE, floor), model)
        expected = oracles.baseline_score(residuals, "mse", [])
        assert pipeline.decide(clip).score == pytest.approx(expected, rel=4e-6)


@pytest.mark.real_data
@pytest.mark.slow
def test_the_recipe_of_2020_gives_the_published_score_of_a_real_clip(data, fan_files, tmp_path):
    """MLPerf Tiny's network, which is that of the recipe, on its real ToyCar clip: 9.49129."""
    keras = pytest.importorskip("keras")
    folder = data / "reference" / "mlperf-tiny-toycar"
    model = keras.models.load_model(folder / "ad01.h5", compile=False)
    pipeline = recipe("dcase2020-autoencoder", detector=Autoencoder.from_keras(model)).fit(fan_files[:10])
    pipeline.save(tmp_path / "toycar.offkey")
    frames = np.fromfile(folder / "normal_id_01_00000000_hist_librosa.bin", "<f4").reshape(1, 200, 128, 1)
    scores = offkey.load(tmp_path / "toycar.offkey").detector_.anomaly_score(frames)
    assert scores[0] == pytest.approx(9.4912913, rel=1e-6)
    log_mel = oracles.baseline_log_mel(read(fan_files[20]).samples[0], RATE, "add")
    expected = oracles.baseline_score(oracles.baseline_residuals(log_mel, model), "mse", [])
    assert pipeline.decide(fan_files[20]).score == pytest.approx(expected, rel=4e-6)


def settings_of(pipeline):
    return pipeline.get_params() | pipeline.features.get_params() | pipeline.detector.get_params()


@pytest.mark.parametrize(
    ("name", "batch_size", "floor", "score", "threshold", "seed"),
    [
        ("dcase2020-autoencoder", 512, "add", "mse", None, 0),
        ("dcase2021-autoencoder", 512, "max", "mse", 0.1, 0),
        ("dcase2023-mse", 256, "max", "mse", 0.1, 13711),
        ("dcase2023-selective", 256, "max", "selective-mahalanobis", 0.1, 13711),
        ("dcase2023-mahalanobis", 256, "max", "row-mahalanobis", 0.1, 13711),
    ],
)
def test_settings_are_the_published_ones(name, batch_size, floor, score, threshold, seed):
    pipeline = recipe(name)
    expected = {
        "n_fft": 1024, "hop_length": 512, "win_length": None, "n_mels": 128, "power": 2.0, "fmin": 0.0, "fmax": None,
        "center": True, "eps": 2.0**-52, "floor": floor, "channels": (0,), "context": 5, "units": (128,) * 4,
        "bottleneck": 8, "batch_norm": True, "epochs": 100, "batch_size": batch_size, "learning_rate": 1e-3,
        "score": score, "seed": seed, "pooling": "mean", "window_s": math.inf,
    }  # fmt: skip
    given = settings_of(pipeline)
    assert {key: given[key] for key in expected} == expected
    assert pipeline.seed == seed
    assert (pipeline.threshold is None) == (threshold is None)
    if threshold is not None:
        assert isinstance(pipeline.threshold, GammaTail)
        assert pipeline.threshold.rate == threshold


def test_a_recipe_can_be_changed_by_name():
    changed = recipe("dcase2023-mse", epochs=3, window_s=1.0, seed=7, threshold=Conformal(0.05))
    assert (changed.detector.epochs, changed.window_s, changed.threshold.rate) == (3, 1.0, 0.05)
    assert changed.seed == changed.detector.seed == 7
    with pytest.raises(
        InputError, match="There are: dcase2020-autoencoder, dcase2021-autoencoder, dcase2021-mobilenet-v2"
    ):
        recipe("dcase2019")
    with pytest.raises(InputError, match="no parameter 'layers'"):
        recipe("dcase2023-mse", layers=3)
    with pytest.raises(InputError, match="'mse', 'selective-mahalanobis', 'mahalanobis'"):
        dcase2023_autoencoder("row-mahalanobis")


def test_a_window_may_be_as_long_as_most_recordings():
    lengths = [2.0] * 8 + [1.0] * 2 + [3.0]
    clips = [Clip(sound(i, length), RATE, source=f"{length} s, {i}") for i, length in enumerate(lengths)]
    pipeline = Pipeline(Level(), LogMel(center=True), window_s=math.inf, threshold=Conformal(0.2)).fit(clips)
    assert pipeline.grid_.n_frames == 63
    assert [failure.source[:5] for failure in pipeline.failures_] == ["1.0 s", "1.0 s"]
    assert len(pipeline.decide(clips[0]).scored_windows) == 1
    assert len(pipeline.decide(clips[-1]).scored_windows) == 2
    with pytest.raises(ReadError, match="shorter than a window of 1"):
        pipeline.decide(clips[9])
    each_once = [Clip(sound(i, 1.0 + i / 8), RATE, source=str(i)) for i in range(6)]
    pipeline = Pipeline(Level(), LogMel(center=True), window_s=math.inf, threshold=Conformal(0.2)).fit(each_once)
    assert pipeline.grid_.n_frames == 32
    assert pipeline.failures_ == []


@pytest.mark.slow
def test_windows_of_one_context_average_all_contexts_of_a_clip_of_any_length(first_shot, two_domains):
    detector = Autoencoder.from_keras(first_shot.detector_.network_.to_keras())
    pipeline = recipe("dcase2023-mse", detector=detector, window_s=0.128, hop_s=0.032).fit(two_domains)
    noise = np.random.default_rng(0).normal(0, 0.01, 2 * RATE + 7777)
    clip = Clip(np.stack([noise, noise]), RATE)
    frames = frames_of(pipeline.features_, clip)
    windows = pipeline.decide(clip).scored_windows
    assert len(windows) == len(frames) - 4
    assert np.mean([window.score for window in windows]) == pytest.approx(
        np.square(detector._residuals(frames)).mean(), rel=1e-9
    )


@pytest.mark.slow
def test_stereo_is_heard_by_its_first_channel_saved_and_live(first_shot, two_domains, tmp_path):
    clip = read(two_domains["path"][0])
    decision = first_shot.decide(clip)
    muted = Clip(clip.samples * np.array([[1], [0]]), RATE)
    assert first_shot.decide(muted).score == decision.score
    assert len(first_shot.channels_) == 2
    with pytest.raises(ReadError, match="has 1 channels"):
        first_shot.decide(Clip(clip.samples[:1], RATE))
    first_shot.save(tmp_path / "pump.offkey")
    loaded = offkey.load(tmp_path / "pump.offkey")
    assert loaded.window_s == math.inf
    assert loaded.detector_.domains_.tolist() == ["source", "target"]
    stream = loaded.stream()
    windows = [window for block in np.array_split(clip.samples, 7, axis=1) for window in stream.push(block)]
    assert tuple(windows + stream.flush()) == decision.scored_windows


def test_a_channel_that_is_not_there_is_an_error():
    clips = [Clip(sound(number), RATE) for number in range(6)]
    with pytest.raises(ShapeError, match="signal of 1 channel"):
        Pipeline(Level(), LogMel(channels=(1,))).fit(clips)


def test_the_classifier_of_2021_scores_a_clip_by_the_log_odds_of_its_section():
    """313 frames as in a clip of 10 s: pieces of 64 frames begin every 8, and the last frame is in none."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(64 * 128, 5)) / 5000

    def network(pieces, rows_at_once):
        return pieces.reshape(len(pieces), -1).astype(np.float64) @ weights

    centres, bias = rng.normal(size=(3, 1, 5)), rng.normal(size=3)
    pipeline = recipe("dcase2021-mobilenet-v2")
    state = {
        "network_": network, "centres_": centres, "bias_": bias, "scale_": 1.0, "context_": 64,
        "classes_": np.array(["00", "01", "02"]), "window_shape_": (313, 128, 1),
    }  # fmt: skip
    detector = pipeline.detector.restore(state)
    clips = rng.normal(-60, 10, (3, 313, 128, 1))
    expected = []
    for clip in clips.astype(np.float32):
        odds = []
        for start in range(0, 313 - 64 + 1, 8):
            embedding = clip[start : start + 64].astype(float).ravel() @ weights
            powers = [math.exp(centre[0] @ embedding + b) for centre, b in zip(centres, bias, strict=True)]
            odds.append([math.log((1 - q / sum(powers)) / (q / sum(powers))) for q in powers])
        assert len(odds) == 32
        expected.append(np.mean(odds, axis=0))
    for section, name in enumerate(detector.classes_):
        found = detector.set_params(own_class=name).anomaly_score(clips)
        np.testing.assert_allclose(found, np.array(expected)[:, section], rtol=1e-6)
    best = detector.set_params(own_class=None).anomaly_score(clips)
    np.testing.assert_allclose(best, np.min(expected, axis=1), rtol=1e-6)

"""Golden values and real recordings."""

import numpy as np
import pytest

import offkey
from offkey import Pipeline, read
from offkey.decisions import Conformal
from offkey.detectors import Autoencoder, Gaussian
from offkey.features import LogMel

pytestmark = [pytest.mark.real_data, pytest.mark.slow]


def test_the_reference_autoencoder_gives_its_published_score(data, fan_files, tmp_path):
    """MLPerf Tiny's model on its real ToyCar clip: 9.49129, by Keras and by LiteRT, before and after saving."""
    keras = pytest.importorskip("keras")
    folder = data / "reference" / "mlperf-tiny-toycar"
    model = keras.models.load_model(folder / "ad01.h5", compile=False)
    frames = np.fromfile(folder / "normal_id_01_00000000_hist_librosa.bin", "<f4").reshape(1, 200, 128, 1)
    contexts = np.stack([frames[0, i : i + 5].reshape(-1) for i in range(196)])
    by_keras = float(np.mean((np.asarray(model([contexts], training=False)) - contexts) ** 2))
    assert by_keras == pytest.approx(9.49129, abs=1e-4)

    detector = Autoencoder.from_keras(model, context=5)
    assert detector.anomaly_score(frames)[0] == pytest.approx(9.49129, abs=1e-4)

    pipeline = Pipeline(detector, LogMel(center=True), threshold=Conformal(0.1)).fit(fan_files[:10])
    pipeline.save(tmp_path / "toycar.offkey")
    loaded = offkey.load(tmp_path / "toycar.offkey")
    assert loaded.detector_.anomaly_score(frames)[0] == detector.anomaly_score(frames)[0]
    again = loaded.detector_.network_.to_keras()
    after = float(np.mean((np.asarray(again([contexts], training=False)) - contexts) ** 2))
    assert after == pytest.approx(9.49129, abs=1e-4)


def test_false_alarms_on_a_real_machine_are_as_rare_as_promised(fan_files):
    clips = [read(path) for path in fan_files]
    rng = np.random.default_rng(0)
    realised = []
    for _ in range(100):
        order = rng.permutation(len(clips))
        pipeline = Pipeline(Gaussian(), threshold=Conformal(0.1)).fit([clips[i] for i in order[:30]])
        realised.append(np.mean([pipeline.decide(clips[i]).is_anomaly for i in order[30:]]))
    assert np.mean(realised) <= 0.10


def test_what_is_no_fan_is_caught(fan_files, esc10):
    pipeline = Pipeline(Gaussian(), window_s=4.0, threshold=Conformal(0.1)).fit(fan_files[:30])
    others = [
        path for name in ("002 - Rain", "007 - Helicopter", "008 - Chainsaw") for path in (esc10 / name).glob("*")
    ]
    assert len(others) == 120
    assert all(pipeline.decide(path).is_anomaly for path in others)


def test_live_equals_file_on_real_recordings(fan_files, esc10, tmp_path):
    pipeline = Pipeline(Gaussian(), window_s=2.0).fit(fan_files[:10])
    for path in (fan_files[20], sorted((esc10 / "007 - Helicopter").glob("*"))[0]):
        clip = read(path)
        stream = pipeline.stream(clip.rate)
        windows = []
        for start in range(0, clip.n_samples, 777):
            windows += stream.push(clip.samples[:, start : start + 777])
        windows += stream.flush()
        assert tuple(windows) == pipeline.decide(path).scored_windows

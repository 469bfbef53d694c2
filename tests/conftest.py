"""Shared by all tests: real recordings where they are, small signals, and one trained network for the whole session."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from offkey import Clip, Pipeline
from offkey.datasets import simulate_clip
from offkey.decisions import Conformal
from offkey.detectors import (
    Autoencoder,
    Classifier,
    ConvolutionalAutoencoder,
    Gaussian,
    InterpolationAutoencoder,
)
from offkey.features import Embedding, LogMel

settings.register_profile(
    "offkey", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("offkey")

DATA = Path(os.environ.get("OFFKEY_DATA", Path(__file__).parents[2] / "shared" / "data"))
BY_DOMAIN = {Autoencoder: "selective-mahalanobis", InterpolationAutoencoder: "row-mahalanobis"}
SMALL_NETWORK = {"units": (16, 16), "bottleneck": 4, "epochs": 60, "batch_size": 64, "learning_rate": 1e-2}
SMALL_CONVOLUTIONAL = {"piece": 8, "hop": 4, "filters": (8,), "bottleneck": 8, "epochs": 20}
SMALL_CLASSIFIER = {"context": 8, "hop": 4, "embedding": 16, "n_subclusters": 4, "epochs": 6}


def pytest_collection_modifyitems(items):
    if not DATA.is_dir():
        skip = pytest.mark.skip(reason="real recordings are not here; set OFFKEY_DATA to their folder")
        for item in items:
            if "real_data" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def data() -> Path:
    return DATA


@pytest.fixture(scope="session")
def fan_files() -> list[Path]:
    """45 recordings of one real machine, all normal."""
    return sorted((DATA / "sounds" / "fan-id00" / "normal").glob("*.wav"))


@pytest.fixture(scope="session")
def esc10() -> Path:
    return DATA / "sounds" / "esc10"


@pytest.fixture(scope="session")
def pump_clips() -> list[Clip]:
    """24 recordings of 2 s of a synthetic pump at 8 kHz."""
    return [simulate_clip("pump", number=i, duration_s=2.0, rate=8000) for i in range(24)]


@pytest.fixture(scope="session")
def whining_pump() -> Clip:
    clip = simulate_clip("pump", "whine", number=99, duration_s=2.0, rate=8000)
    tone = 0.05 * np.sin(2 * np.pi * 2500 * np.arange(clip.n_samples) / clip.rate)
    return Clip(clip.samples + tone, clip.rate, source="whining pump")


@pytest.fixture(scope="session")
def pipeline(pump_clips) -> Pipeline:
    return Pipeline(window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips)


@pytest.fixture(scope="session")
def network_pipeline(pump_clips) -> Pipeline:
    pytest.importorskip("tensorflow")
    detector = Autoencoder(**SMALL_NETWORK)
    return Pipeline(detector, window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips)


@pytest.fixture(scope="session")
def encoder_files(tmp_path_factory) -> dict[str, Path]:
    """A small untrained encoder, (n, 10, 16) log-mel patches to (n, 6), as a Keras and as a LiteRT file."""
    pytest.importorskip("tensorflow")
    import keras

    inputs = keras.Input((10, 16))
    hidden = keras.layers.Conv1D(8, 3, activation="tanh", kernel_initializer=keras.initializers.GlorotUniform(1))(
        inputs
    )
    hidden = keras.layers.GlobalAveragePooling1D()(hidden)
    outputs = keras.layers.Dense(6, kernel_initializer=keras.initializers.GlorotUniform(2))(hidden)
    model = keras.Model(inputs, outputs)
    folder = tmp_path_factory.mktemp("encoders")
    files = {"keras": folder / "small.keras", "tflite": folder / "small.tflite"}
    model.save(files["keras"])
    model.export(files["tflite"], format="litert", verbose=False)
    return files


@pytest.fixture(scope="session")
def embedding(encoder_files) -> Embedding:
    """Patches of 10 frames, 5 apart, for 8 kHz."""
    front_end = LogMel(n_fft=256, hop_length=128, n_mels=16)
    return Embedding(
        encoder_files["tflite"], 8000, n_fft=front_end.n_samples(10), hop_length=640, front_end=front_end,
        input_scale=0.02, input_offset=1.0,
    )  # fmt: skip


@pytest.fixture(scope="session")
def embedding_pipeline(embedding, pump_clips) -> Pipeline:
    return Pipeline(Gaussian(), embedding, window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips)


@pytest.fixture(scope="session")
def classifier_pipeline(pump_clips) -> Pipeline:
    pytest.importorskip("tensorflow")
    return Pipeline(Classifier(**SMALL_CLASSIFIER), window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips)


@pytest.fixture(scope="session")
def normal_windows() -> np.ndarray:
    """60 windows of 12 frames, 10 bands and 2 channels, with structure across bands."""
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(20, 20))
    frames = rng.normal(size=(60, 12, 20)) @ mixing - 50
    return frames.reshape(60, 12, 10, 2).astype(np.float32)


@pytest.fixture(scope="session")
def fitted_networks(normal_windows):
    """One fitted network of each kind for each way to score; those by domain once each."""
    pytest.importorskip("tensorflow")
    dense = {
        f"{kind.__name__}-{score}": kind(**SMALL_NETWORK, score=score).fit(normal_windows)
        for kind in (Autoencoder, InterpolationAutoencoder)
        for score in ("mse", "mahalanobis", BY_DOMAIN[kind])
    }
    images = {}
    convolutional = ConvolutionalAutoencoder(**SMALL_CONVOLUTIONAL, score="mahalanobis").fit(normal_windows)
    classifier = Classifier(**SMALL_CLASSIFIER, n_pseudo_classes=3).fit(normal_windows)
    for fitted, scores in ((convolutional, ("mse", "mahalanobis")), (classifier, ("neighbors", "softmax"))):
        for score in scores:
            copy = fitted.unfitted().set_params(score=score).restore(fitted.fitted_state)
            images[f"{type(fitted).__name__}-{score}"] = copy
    return dense | images

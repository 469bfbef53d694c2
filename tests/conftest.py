"""Shared by all tests: real recordings where they are, small signals, and one trained network for the whole session."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from offkey import Clip, Pipeline
from offkey.datasets import simulate_clip
from offkey.decisions import Conformal
from offkey.detectors import Autoencoder, InterpolationAutoencoder

settings.register_profile(
    "offkey", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("offkey")

DATA = Path(os.environ.get("OFFKEY_DATA", Path(__file__).parents[2] / "shared" / "data"))
SMALL_NETWORK = {"units": (16, 16), "bottleneck": 4, "epochs": 60, "batch_size": 64, "learning_rate": 1e-2}


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
def normal_windows() -> np.ndarray:
    """60 windows of 12 frames, 10 bands and 2 channels, with structure across bands."""
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(20, 20))
    frames = rng.normal(size=(60, 12, 20)) @ mixing - 50
    return frames.reshape(60, 12, 10, 2).astype(np.float32)


@pytest.fixture(scope="session")
def fitted_networks(normal_windows):
    """One fitted network of each kind and each way to score."""
    pytest.importorskip("tensorflow")
    return {
        f"{kind.__name__}-{score}": kind(**SMALL_NETWORK, score=score).fit(normal_windows)
        for kind in (Autoencoder, InterpolationAutoencoder)
        for score in ("mse", "mahalanobis")
    }

"""Contexts, training and conversion of networks."""

import _thread
import importlib.util
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from offkey.detectors import Autoencoder
from offkey.errors import TrainingError
from offkey.networks import Contexts, training
from offkey.progress import reporting
from offkey.windows import WindowArray, WindowGrid

FRAMES = np.arange(700, dtype=np.float32).reshape(350, 2)
SEGMENTS = ((0, 200), (200, 203), (203, 350))


def all_contexts(segments, size):
    return sorted(start for a, b in segments for start in range(a, b - size + 1))


@pytest.mark.parametrize("n_contexts", [1, 50, 64, 200, 1000])
@pytest.mark.parametrize("seed", [None, 0])
def test_groups_hold_each_context_once_and_have_one_shape(n_contexts, seed):
    contexts = Contexts(FRAMES, SEGMENTS, 5)
    rng = None if seed is None else np.random.default_rng(seed)
    seen, shapes, sizes = [], set(), []
    for frames, starts, _ in contexts.groups(n_contexts, rng):
        shapes.add(frames.shape)
        sizes.append(len(starts))
        for start in starts:
            context = frames[start : start + 5]
            first = int(context[0, 0] // 2)
            np.testing.assert_array_equal(context, FRAMES[first : first + 5])
            seen.append(first)
    assert sorted(seen) == all_contexts(SEGMENTS, 5)
    assert len(contexts) == len(seen)
    assert len(shapes) == 1
    assert all(n_contexts <= size <= n_contexts + 64 for size in sizes[:-1])


@pytest.mark.parametrize("hop", [3, 40, 400])
@pytest.mark.parametrize("n_contexts", [1, 7, 1000])
def test_contexts_at_a_hop_keep_their_class_and_reach_the_last_frame(hop, n_contexts):
    contexts = Contexts(FRAMES, SEGMENTS, 5, hop, labels=(2, 0, 1))
    seen, shapes = [], set()
    for frames, starts, labels in contexts.groups(n_contexts, np.random.default_rng(0)):
        shapes.add(frames.shape)
        for start, label in zip(starts, labels, strict=True):
            first = int(frames[start, 0] // 2)
            np.testing.assert_array_equal(frames[start : start + 5], FRAMES[first : first + 5])
            seen.append((first, int(label)))
    expected = [(first, 2) for first in sorted({*range(0, 196, hop), 195})]
    expected += [(first, 1) for first in sorted({*range(203, 346, hop), 345})]
    assert sorted(seen) == sorted(expected)
    assert len(contexts) == len(seen)
    assert len(shapes) == 1


def test_moments_are_of_the_frames_in_segments():
    frames = np.random.default_rng(0).normal([-50, 3], [1, 1e-3], (10_000, 2)).astype(np.float32)
    mean, variance = Contexts(frames, ((0, 9000), (9500, 10_000)), 5).moments()
    used = np.concatenate([frames[:9000], frames[9500:]]).astype(float)
    np.testing.assert_allclose(mean, used.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(variance, used.var(axis=0), rtol=1e-6)


def test_groups_are_shuffled_and_repeat_with_the_seed():
    contexts = Contexts(FRAMES, SEGMENTS, 5)

    def order(seed):
        rng = np.random.default_rng(seed)
        return [int(f[s, 0]) for f, starts, _ in contexts.groups(1000, rng) for s in starts]

    assert order(0) == order(0)
    assert order(0) != order(1)
    assert order(0) != sorted(order(0))


def test_overlapping_windows_give_each_frame_once():
    frames = FRAMES.reshape(350, 2, 1)
    windows = WindowArray(frames, [(0, 100), (100, 350)], WindowGrid(50, 10))
    assert len(Contexts.of(windows, 5)) == 96 + 246
    assert len(Contexts.of(windows[:3], 5)) == 3 * 46


def test_a_split_is_by_segment():
    segments = tuple((i, i + 10) for i in range(0, 350, 10))
    kept, held_out = Contexts(FRAMES, segments, 5).split(0.2, seed=0)
    assert len(held_out.segments) == 7
    assert set(kept.segments) | set(held_out.segments) == set(segments)
    assert not set(kept.segments) & set(held_out.segments)


@pytest.mark.slow
def test_training_repeats_with_the_seed_and_learns(normal_windows):
    pytest.importorskip("tensorflow")
    settings = {"units": (16,), "bottleneck": 4, "epochs": 15, "batch_size": 64, "score": "mse"}
    first = Autoencoder(**settings).fit(normal_windows)
    again = Autoencoder(**settings).fit(normal_windows)
    other = Autoencoder(**settings, seed=1).fit(normal_windows)
    np.testing.assert_array_equal(first.loss_, again.loss_)
    np.testing.assert_array_equal(first.anomaly_score(normal_windows), again.anomaly_score(normal_windows))
    assert not np.array_equal(first.loss_, other.loss_)
    assert first.loss_[-1] < first.loss_[0]


@pytest.mark.slow
def test_the_plain_path_trains_as_the_compiled_one(normal_windows, monkeypatch):
    pytest.importorskip("tensorflow")
    settings = {"units": (16,), "bottleneck": 4, "epochs": 4, "batch_size": 64, "score": "mse", "validation": 0.2}
    compiled = Autoencoder(**settings).fit(normal_windows)
    monkeypatch.setattr(training, "_compiled", training._plain)
    plain = Autoencoder(**settings).fit(normal_windows)
    np.testing.assert_allclose(plain.loss_, compiled.loss_, rtol=1e-4)
    np.testing.assert_allclose(plain.validation_loss_, compiled.validation_loss_, rtol=1e-4)


ON_JAX = """
import numpy as np
from offkey.detectors import Classifier
windows = np.random.default_rng(0).normal(-50, 1, (40, 12, 16, 1)).astype(np.float32)
windows[::2, :, :4] += 6
detector = Classifier(context=8, hop=4, embedding=8, n_subclusters=2, epochs=3)
detector.fit(windows, {"section": np.arange(40) % 2})
import keras
assert keras.backend.backend() == "jax"
assert np.isfinite(detector.anomaly_score(windows)).all()
assert detector.loss_[-1] < detector.loss_[0]
"""


@pytest.mark.slow
def test_a_classifier_trains_on_jax_and_is_converted_by_tensorflow():
    pytest.importorskip("tensorflow")
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", ON_JAX], env=environment, check=True)


@pytest.mark.slow
def test_early_stopping_keeps_the_best_epoch(normal_windows):
    pytest.importorskip("tensorflow")
    detector = Autoencoder(
        units=(64,),
        bottleneck=16,
        epochs=200,
        batch_size=32,
        learning_rate=0.05,
        validation=0.3,
        patience=3,
        score="mse",
    ).fit(normal_windows)
    losses = detector.validation_loss_
    assert len(losses) == np.argmin(losses) + 1 + 3
    held_out = Contexts.of(normal_windows, 5).split(0.3, 0)[1]
    rows = np.concatenate(
        [f[s[:, None] + np.arange(5)].reshape(len(s), -1) for f, s, _ in held_out.groups(10_000, None)]
    )
    loss = np.mean((rows - detector.network_(rows)) ** 2)
    assert loss == pytest.approx(losses.min(), rel=1e-3)


class InterruptAfter:
    """Presses Ctrl-C after some epochs."""

    def __init__(self, epochs):
        self.left = epochs

    def start(self, name, total):
        return 0

    def advance(self, task, steps, note):
        self.left -= 1
        if self.left == 0:
            _thread.interrupt_main()

    def finish(self, task):
        pass


@pytest.mark.slow
def test_ctrl_c_stops_training_and_keeps_what_was_learned(normal_windows, caplog):
    pytest.importorskip("tensorflow")
    assert threading.current_thread() is threading.main_thread()
    with reporting(InterruptAfter(4)):
        detector = Autoencoder(units=(16,), bottleneck=4, epochs=10_000, batch_size=64).fit(normal_windows)
    assert 4 <= len(detector.loss_) <= 6
    assert np.isfinite(detector.anomaly_score(normal_windows)).all()
    assert "kept" in caplog.text


@pytest.mark.slow
def test_a_loss_that_explodes_is_an_error():
    pytest.importorskip("tensorflow")
    windows = np.full((20, 8, 4, 1), 1e25, np.float32)
    with pytest.raises(TrainingError, match="loss"):
        Autoencoder(units=(8,), bottleneck=2, epochs=3, batch_norm=False, learning_rate=1e3).fit(windows)


@pytest.mark.slow
def test_nothing_to_train_on_is_an_error():
    pytest.importorskip("tensorflow")
    with pytest.raises(TrainingError, match="as long as one context"):
        training.train(
            None, Contexts(FRAMES, ((0, 3),), 5), lambda x, _: (x, x), epochs=1, batch_size=8, learning_rate=1e-3
        )

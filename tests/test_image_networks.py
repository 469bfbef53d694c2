"""Losses that tell classes apart, and the detectors whose networks see images: each against a slow oracle."""

import logging
import math

import numpy as np
import pytest

import offkey
from offkey import Pipeline
from offkey.datasets import simulate
from offkey.decisions import Conformal
from offkey.detectors import Classifier, ConvolutionalAutoencoder
from offkey.errors import InputError, ShapeError
from offkey.networks import Network, class_loss, losses, mixup, mobilenet_v2

SMALL = {"context": 16, "hop": 8, "embedding": 16, "n_subclusters": 4, "epochs": 8}


def slow_cosine(x, y):
    return float(np.dot(x, y) / math.sqrt(np.dot(x, x) * np.dot(y, y)))


def slow_loss(embedding, centres, scale, target):
    """Sub-cluster AdaCos: the softmax over all centres, added up by class."""
    powers = [[math.exp(scale * slow_cosine(embedding, centre)) for centre in own] for own in centres]
    everything = sum(sum(own) for own in powers)
    return -sum(share * math.log(sum(own) / everything) for share, own in zip(target, powers, strict=True))


def slow_scale(cosines, targets, scale):
    """AdaCos: log of the mean sum over what is not the own class, over the cosine of the median angle."""
    sums, angles = [], []
    for of_example, target in zip(cosines, targets, strict=True):
        pairs = list(zip(of_example, target, strict=True))
        sums.append(sum((1 - share) * math.exp(scale * cosine) for own, share in pairs for cosine in own))
        angles.append(sum(share * min(math.acos(cosine) for cosine in own) for own, share in pairs))
    return math.log(np.mean(sums)) / math.cos(min(math.pi / 4, np.median(angles)))


@pytest.fixture
def batch():
    rng = np.random.default_rng(3)
    targets = np.eye(3)[rng.integers(0, 3, 20)]
    targets[::2] = 0.7 * targets[::2] + 0.3 * targets[1::2]
    return rng.normal(size=(20, 10)), rng.normal(size=(3, 4, 10)), targets


def test_sub_cluster_adacos_is_the_papers_formula(batch):
    embeddings, centres, targets = batch
    cosines = losses.cosines(np, embeddings, centres, "sub-cluster-adacos")
    expected = [[[slow_cosine(x, centre) for centre in own] for own in centres] for x in embeddings]
    np.testing.assert_allclose(cosines, expected, rtol=1e-9)
    found = losses.cross_entropy(np, losses.class_logits(np, cosines, 6.0), targets)
    expected = [slow_loss(x, centres, 6.0, target) for x, target in zip(embeddings, targets, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_scale_is_adapted_as_in_adacos(batch):
    embeddings, centres, targets = batch
    cosines = losses.cosines(np, embeddings, centres, "sub-cluster-adacos")
    for scale in (2.0, 6.0):
        expected = slow_scale(cosines, targets, scale)
        assert expected > losses.SMALLEST_SCALE
        assert losses.adapted_scale(np, cosines, targets, scale) == pytest.approx(expected, rel=1e-6)
    assert losses.first_scale(12) == pytest.approx(math.sqrt(2) * math.log(11))
    assert losses.first_scale(2) == losses.adapted_scale(np, -(cosines**2), targets * 0 + 1, 1.0) == 1


def test_adaproj_is_the_length_of_the_projection(batch):
    embeddings, centres, _ = batch
    bases = np.stack([np.linalg.qr(own.T)[0].T for own in centres])
    found = losses.cosines(np, embeddings, bases, "adaproj")
    for i, x in enumerate(embeddings):
        for j, basis in enumerate(bases):
            solution = np.linalg.lstsq(basis.T, x, rcond=None)[0]
            projected = basis.T @ solution
            assert found[i, j, 0] == pytest.approx(slow_cosine(x, projected), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_the_layer_that_trains_computes_the_same(batch, loss):
    pytest.importorskip("tensorflow")
    embeddings, _, targets = (each.astype(np.float32) for each in batch)
    layer = class_loss(loss, 3, 4, 10, seed=0)
    before = np.asarray(layer(embeddings, targets))
    centres, scale = np.asarray(layer.centres, float), float(layer.scale)
    if loss == "softmax":
        logits = embeddings @ centres[:, 0].T
        assert scale == pytest.approx(losses.first_scale(12))
    else:
        cosines = losses.cosines(np, embeddings.astype(float), centres, loss)
        logits = losses.class_logits(np, cosines, scale)
        layer(embeddings, targets, training=True)
        assert float(layer.scale) == pytest.approx(losses.adapted_scale(np, cosines, targets, scale), rel=1e-5)
    np.testing.assert_allclose(before, losses.cross_entropy(np, logits, targets), rtol=1e-5)
    if loss == "adaproj":
        np.testing.assert_allclose(np.einsum("csd,ctd->cst", centres, centres), [np.eye(4)] * 3, atol=1e-6)
    assert len(layer.trainable_variables) == {"adaproj": 0, "sub-cluster-adacos": 1, "softmax": 2}[loss]


@pytest.mark.slow
def test_mixup_mixes_examples_and_targets_alike_and_only_while_training():
    pytest.importorskip("tensorflow")
    images = np.arange(200, dtype=np.float32)[:, None, None, None] * np.ones((200, 2, 3, 1), np.float32)
    targets = np.eye(200, dtype=np.float32)
    layer = mixup(0.5, seed=0)
    plain, plain_targets = layer(images, targets)
    np.testing.assert_array_equal(plain, images)
    np.testing.assert_array_equal(plain_targets, targets)
    mixed, mixed_targets = (np.asarray(each) for each in layer(images, targets, training=True))
    np.testing.assert_allclose(mixed[:, 0, 0, 0], mixed_targets @ np.arange(200), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(mixed_targets.sum(axis=1), 1, rtol=1e-6)
    assert 60 < np.count_nonzero(mixed_targets.max(axis=1) < 1) < 140


def windows_of(bands, n, seed=0, n_frames=24):
    """Noise with energy in one place."""
    windows = np.random.default_rng(seed).normal(-50, 1, (n, n_frames, 32, 1)).astype(np.float32)
    windows[:, :, bands] += 6
    return windows


PLACES = (slice(0, 4), slice(8, 12), slice(16, 20))


@pytest.fixture(scope="module")
def three_classes():
    windows = np.concatenate([windows_of(place, 20, i) for i, place in enumerate(PLACES)])
    known = {"section": np.repeat(["a", "b", "c"], 20), "domain": ["source"] * 58 + ["target"] * 2}
    return windows, known


@pytest.fixture(scope="module")
def classifier(three_classes):
    pytest.importorskip("tensorflow")
    return Classifier(**SMALL, domain_column="domain", n_references=4).fit(*three_classes)


@pytest.mark.slow
@pytest.mark.parametrize("score", ["neighbors", "softmax"])
def test_a_classifier_hears_what_is_of_no_class(classifier, score):
    detector = classifier.unfitted().set_params(score=score).restore(classifier.fitted_state)
    normal = np.concatenate([windows_of(place, 10, 10 + i) for i, place in enumerate(PLACES)])
    unseen = windows_of(slice(26, 30), 20, 20)
    assert detector.anomaly_score(unseen).min() > detector.anomaly_score(normal).max()


@pytest.mark.slow
def test_neighbors_are_cosine_distances_of_mean_embeddings(classifier, three_classes):
    model = classifier.network_.to_keras()
    window = windows_of(slice(4, 8), 1, 5, n_frames=24)
    pieces = np.stack([window[0, start : start + 16] for start in (0, 8)])
    embeddings = np.asarray(model(pieces, training=False), float)
    mean = np.mean([each / np.linalg.norm(each) for each in embeddings], axis=0)
    expected = min(1 - slow_cosine(reference, mean) for reference in classifier.references_)
    assert classifier.anomaly_score(window)[0] == pytest.approx(expected, rel=1e-4)
    assert (
        classifier.reference_classes_.tolist() == [0] * 4 + [1] * 4 + [2] * 6
    )  # the two of the target domain are kept


@pytest.mark.slow
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_the_softmax_score_is_the_mean_log_odds_of_the_best_class_or_of_the_named_one(three_classes, loss):
    pytest.importorskip("tensorflow")
    windows, known = three_classes
    detector = Classifier(**SMALL | {"epochs": 1}, loss=loss, score="softmax").fit(windows, known)
    model = detector.network_.to_keras()
    window = windows[25:26]
    log_odds = []
    for start in (0, 8):
        embedding = np.asarray(model(window[:, start : start + 16], training=False), float)[0]
        if loss == "sub-cluster-adacos":
            cosines = [[slow_cosine(embedding, centre) for centre in own] for own in detector.centres_]
            powers = [sum(math.exp(detector.scale_ * cosine) for cosine in own) for own in cosines]
        elif loss == "adaproj":
            lengths = [np.linalg.norm(basis @ embedding) / np.linalg.norm(embedding) for basis in detector.centres_]
            powers = [math.exp(detector.scale_ * length) for length in lengths]
        else:
            powers = [
                math.exp(np.dot(own[0], embedding) + bias)
                for own, bias in zip(detector.centres_, detector.bias_, strict=True)
            ]
        p = np.array(powers) / sum(powers)
        log_odds.append(np.log((1 - p) / p))
    expected = np.mean(log_odds, axis=0)
    assert detector.anomaly_score(window)[0] == pytest.approx(expected.min(), rel=1e-4)
    detector.set_params(own_class="c")
    assert detector.anomaly_score(window)[0] == pytest.approx(expected[2], rel=1e-4)


@pytest.mark.slow
def test_a_named_class_makes_the_others_strange(classifier):
    own = classifier.unfitted().set_params(own_class="a").restore(classifier.fitted_state)
    a, b = windows_of(PLACES[0], 10, 30), windows_of(PLACES[1], 10, 31)
    assert own.anomaly_score(b).min() > own.anomaly_score(a).max()
    assert classifier.anomaly_score(b).max() < own.anomaly_score(b).min()
    with pytest.raises(InputError, match="There are 'a', 'b', 'c'"):
        own.set_params(own_class="d").anomaly_score(a)


@pytest.mark.slow
def test_training_a_classifier_repeats_with_the_seed(three_classes):
    pytest.importorskip("tensorflow")
    settings = SMALL | {"epochs": 2}
    first, again, other = (Classifier(**settings, seed=seed).fit(*three_classes) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.loss_, again.loss_)
    np.testing.assert_array_equal(first.anomaly_score(three_classes[0]), again.anomaly_score(three_classes[0]))
    assert not np.array_equal(first.loss_, other.loss_)


@pytest.mark.slow
def test_recordings_of_one_class_are_clustered_with_a_warning(three_classes, caplog):
    pytest.importorskip("tensorflow")
    windows, _ = three_classes
    with caplog.at_level(logging.WARNING):
        detector = Classifier(**SMALL | {"epochs": 1}, n_pseudo_classes=3).fit(windows, {"section": ["a"] * 60})
    assert "which is weak" in caplog.text
    assert detector.notes_[0] in caplog.text
    assert len(detector.classes_) == 3
    by_place = detector.reference_classes_.reshape(3, -1)
    assert len({tuple(row) for row in by_place}) == 3


@pytest.mark.slow
def test_a_pipeline_tells_a_classifier_the_sections_of_its_table(tmp_path):
    pytest.importorskip("tensorflow")
    table = simulate(
        tmp_path / "set", ["pump"], n_units=2, n_train=8, n_test_normal=1, n_test_anomaly=1, duration_s=2.0, rate=8000
    )
    pipeline = Pipeline(Classifier(**SMALL | {"epochs": 1}), window_s=2.0, threshold=Conformal(0.2)).fit(table)
    assert pipeline.detector_.classes_.tolist() == ["pump, id_00", "pump, id_01"]
    assert not any("weak" in note for note in pipeline.notes_)
    pipeline.save(tmp_path / "pump.offkey")
    again = offkey.load(tmp_path / "pump.offkey")
    path = table["path"].iloc[-1]
    assert again.decide(path).score == pipeline.decide(path).score


@pytest.mark.slow
def test_what_should_be_known_of_a_classifier_stands_in_the_notes(classifier_pipeline):
    assert any("which is weak" in note for note in classifier_pipeline.notes_)


@pytest.mark.slow
def test_mobilenet_takes_one_channel_or_several_and_is_converted_exactly():
    pytest.importorskip("tensorflow")
    windows = np.random.default_rng(0).normal(-50, 1, (12, 40, 32, 1)).astype(np.float32)
    known = {"section": np.arange(12) % 2}
    settings = {"architecture": "mobilenet-v2", "loss": "softmax", "epochs": 1, "context": 32, "hop": 8}
    detector = Classifier(**settings).fit(windows, known)
    assert np.isfinite(detector.anomaly_score(windows)).all()
    assert detector.references_.shape[1] == 1280
    model = mobilenet_v2((40, 32, 2), (np.zeros(64), np.ones(64)), seed=0)
    assert model.output_shape == (None, 1280)
    with pytest.raises(ShapeError, match="at least 32"):
        Classifier(**settings | {"context": 16}).fit(windows, known)


def test_a_classifier_refuses_what_makes_no_sense(three_classes):
    windows, known = three_classes
    for detector, reason in (
        (Classifier(architecture="transformer"), "mobilenet-v2"),
        (Classifier(loss="arcface"), "adaproj"),
        (Classifier(score="mse"), "softmax"),
        (Classifier(mixup=2), "mixup=2"),
        (Classifier(n_subclusters=0), "n_subclusters=0"),
        (Classifier(class_columns="section"), "sequence"),
        (Classifier(own_class="d"), "'a', 'b', 'c'"),
    ):
        with pytest.raises(InputError, match=reason):
            detector.fit(windows, known)
    with pytest.raises(InputError, match="no two clusters"):
        Classifier().fit(np.ones((8, 4, 4, 1)))
    with pytest.raises(ShapeError, match="no images"):
        Classifier().fit(np.ones((8, 4)))
    with pytest.raises(InputError, match="Use fewer"):
        class_loss("adaproj", 2, 16, 16, seed=0)


@pytest.mark.slow
def test_a_convolutional_autoencoder_scores_as_keras_would(fitted_networks, normal_windows):
    detector = fitted_networks["ConvolutionalAutoencoder-mse"]
    model = detector.network_.to_keras()
    for window, score in zip(normal_windows[:3], detector.anomaly_score(normal_windows[:3]), strict=True):
        errors = []
        for start in (0, 4):
            piece = window[start : start + 8]
            errors.append(np.mean((np.asarray(model(piece[None], training=False))[0] - piece) ** 2))
        assert score == pytest.approx(np.mean(errors), rel=1e-4)


@pytest.mark.slow
def test_the_mahalanobis_score_is_of_the_mean_residual_spectrum(fitted_networks, normal_windows):
    from sklearn.covariance import LedoitWolf

    detector = fitted_networks["ConvolutionalAutoencoder-mahalanobis"]
    pieces = np.stack([[window[start : start + 8] for start in (0, 4)] for window in normal_windows])
    model = detector.network_.to_keras()
    residuals = np.stack([own - np.asarray(model(own, training=False)) for own in pieces]).astype(float)
    rows = residuals.mean(axis=(1, 2)).reshape(60, -1)
    expected = LedoitWolf().fit(rows).mahalanobis(rows)
    np.testing.assert_allclose(detector.anomaly_score(normal_windows) ** 2, expected, rtol=1e-2)


@pytest.mark.slow
def test_odd_sizes_train_repeatably_and_every_frame_is_heard():
    pytest.importorskip("tensorflow")
    windows = np.random.default_rng(0).normal(-50, 1, (30, 13, 11, 3)).astype(np.float32)
    settings = {"piece": 7, "hop": 5, "filters": (4, 8), "bottleneck": 4, "epochs": 3, "score": "mse"}
    first, again = (ConvolutionalAutoencoder(**settings).fit(windows) for _ in range(2))
    np.testing.assert_array_equal(first.loss_, again.loss_)
    np.testing.assert_array_equal(first.anomaly_score(windows), again.anomaly_score(windows))
    for frame in range(13):
        changed = windows[:1].copy()
        changed[:, frame] += 30
        assert first.anomaly_score(changed)[0] > first.anomaly_score(windows[:1])[0]


def test_a_convolutional_autoencoder_refuses_what_makes_no_sense(normal_windows):
    for detector, reason in (
        (ConvolutionalAutoencoder(), "12 frames"),
        (ConvolutionalAutoencoder(piece=8, score="sum"), "mahalanobis"),
        (ConvolutionalAutoencoder(piece=8, filters=()), "filters=0"),
        (ConvolutionalAutoencoder(piece=8, hop=0), "hop=0"),
    ):
        with pytest.raises(InputError, match=reason):
            detector.fit(normal_windows)
    with pytest.raises(ShapeError, match="1 frames"):
        ConvolutionalAutoencoder().fit(np.ones((8, 16)))


@pytest.mark.slow
def test_images_are_scored_alike_in_any_batch():
    keras = pytest.importorskip("keras")
    inputs = keras.Input((8, 8, 1))
    images = np.random.default_rng(0).normal(size=(20, 8, 8, 1)).astype(np.float32)
    network = Network.convert(keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs)), images)
    whole = network(images, rows_at_once=3)
    assert whole.shape == (20, 6, 6, 4)
    alone = np.concatenate([network(image[None], rows_at_once=3) for image in images])
    np.testing.assert_array_equal(alone, whole)
    np.testing.assert_allclose(network(images), whole, rtol=1e-4, atol=1e-5)

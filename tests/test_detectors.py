"""The contract of all detectors, and what each of them computes."""

import pickle

import numpy as np
import pytest
from sklearn.svm import OneClassSVM

import oracles
from offkey import detectors
from offkey.detectors import (
    Adapter,
    Autoencoder,
    Classifier,
    ConvolutionalAutoencoder,
    Detector,
    Ensemble,
    Gaussian,
    GaussianMixture,
    InterpolationAutoencoder,
    Level,
    NearestNeighbors,
    PerState,
    PrincipalComponents,
)
from offkey.detectors.base import Localizer
from offkey.detectors.reconstruction import FrameNetwork
from offkey.errors import InputError, NotFittedError, ShapeError, TrainingError
from offkey.windows import WindowArray, WindowGrid

NETWORKS = {
    Autoencoder: ("mse", "mahalanobis"),
    InterpolationAutoencoder: ("mse", "mahalanobis"),
    ConvolutionalAutoencoder: ("mse", "mahalanobis"),
    Classifier: ("neighbors", "softmax"),
}
CLASSICAL = [
    Level(),
    Gaussian(),
    NearestNeighbors(),
    NearestNeighbors(n_neighbors=3),
    NearestNeighbors(density_neighbors=4),
    Gaussian(statistics=("mean",)),
    NearestNeighbors(statistics=("mean", "max")),
    NearestNeighbors(statistics=("gwrp0.9", "delta", "modulation")),
    NearestNeighbors(metric="cosine", n_references=8),
    NearestNeighbors(n_subbands=3, density_neighbors=4),
    GaussianMixture(),
    GaussianMixture(n_components=3, covariance_type="tied"),
    GaussianMixture(covariance_type="diag"),
    PrincipalComponents(),
    Ensemble(),
    Ensemble(members=[Level(), PrincipalComponents()]),
    PerState(),
    PerState(NearestNeighbors(), n_states=2),
    Adapter(),
    Adapter(OneClassSVM(nu=0.1)),
]
HEAR_NO_LEVEL = ("NearestNeighbors(metric='cosine', n_references=8)", "Adapter()")
"""Angles do not change with level; trees cannot split what is constant."""
NETWORK_NAMES = [
    *(f"{kind.__name__}-{score}" for kind, scores in NETWORKS.items() for score in scores),
    "Autoencoder-selective-mahalanobis",
    "InterpolationAutoencoder-row-mahalanobis",
]


@pytest.fixture(
    scope="module",
    params=[*CLASSICAL, *(pytest.param(name, marks=pytest.mark.slow) for name in NETWORK_NAMES)],
    ids=lambda each: each if isinstance(each, str) else repr(each),
)
def fitted(request, normal_windows) -> Detector:
    if isinstance(request.param, str):
        return request.getfixturevalue("fitted_networks")[request.param]
    return request.param.unfitted().fit(normal_windows)


def test_every_detector_is_under_contract():
    concrete = {getattr(detectors, name) for name in detectors.__all__} - {Detector}
    assert concrete == {type(each) for each in CLASSICAL} | set(NETWORKS)


def test_scores_are_finite_floats_one_for_each_window(fitted, normal_windows):
    scores = fitted.anomaly_score(normal_windows + 0.5)
    assert scores.shape == (60,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert np.ptp(scores) > 0


def test_stranger_windows_score_higher(fitted, normal_windows):
    if isinstance(fitted, Classifier) and fitted.score == "softmax":
        pytest.skip("a softmax may be sure of a class far from all of them; its docstring says so")
    strange = normal_windows[:20].copy()
    strange[:, :, ::2] += 40
    assert np.median(fitted.anomaly_score(strange)) > fitted.anomaly_score(normal_windows).max()


def test_a_windows_score_depends_on_nothing_else(fitted, normal_windows):
    scores = fitted.anomaly_score(normal_windows)
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_array_equal(fitted.anomaly_score(normal_windows[order]), scores[order])
    alone = np.concatenate([fitted.anomaly_score(normal_windows[i : i + 1]) for i in range(60)])
    np.testing.assert_array_equal(alone, scores)
    fortran = np.asfortranarray(normal_windows)
    np.testing.assert_array_equal(fitted.anomaly_score(fortran), scores)
    np.testing.assert_array_equal(fitted.anomaly_score(fortran[3:4]), scores[3:4])


def test_a_map_says_where_the_score_comes_from(fitted, normal_windows):
    if not isinstance(fitted, Localizer):
        assert isinstance(fitted, Adapter | Classifier)
        assert not hasattr(fitted, "anomaly_map")
        return
    strange = normal_windows[:12].astype(np.float64)
    strange[:, 3:9, 6, 1] += 60
    scores, maps = fitted.anomaly_score(strange), fitted.anomaly_map(strange)
    assert maps.shape == strange.shape
    np.testing.assert_allclose(maps.mean(axis=(1, 2, 3)), scores, rtol=1e-9, atol=1e-9 * np.abs(scores).max())
    if isinstance(fitted, FrameNetwork):  # also in bands that the network confuses with the strange one
        own, rest = maps[:, 3:9].mean(axis=(0, 1)), maps[:, [0, 11]].mean(axis=(0, 1))
        assert own[6, 1] > rest[6, 1]
    else:
        hottest = maps.mean(axis=(0, 1)).argmax()
        assert np.unravel_index(hottest, maps.shape[2:]) == (6, 1) or isinstance(fitted, ConvolutionalAutoencoder)
    alone = np.concatenate([fitted.anomaly_map(strange[i : i + 1]) for i in range(12)])
    np.testing.assert_allclose(alone, maps, rtol=1e-6, atol=1e-9 * np.abs(maps).max())


def test_a_statistic_may_be_named_twice_and_its_map_still_adds_up(normal_windows):
    detector = NearestNeighbors(statistics=("mean", "std", "mean")).fit(normal_windows)
    strange = normal_windows[:5] + 3
    np.testing.assert_allclose(detector.anomaly_map(strange).mean(axis=(1, 2, 3)), detector.anomaly_score(strange))


def test_scoring_changes_nothing(fitted, normal_windows):
    before = pickle.dumps(fitted)
    copy = normal_windows.copy()
    fitted.anomaly_score(normal_windows)
    assert pickle.dumps(fitted) == before
    np.testing.assert_array_equal(copy, normal_windows)


def test_a_pickled_copy_scores_the_same(fitted, normal_windows):
    copy = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    np.testing.assert_array_equal(copy.anomaly_score(normal_windows), fitted.anomaly_score(normal_windows))


def test_labels_for_other_detectors_change_nothing(normal_windows):
    known = {"domain": ["source"] * 40 + ["target"] * 20}
    for detector in CLASSICAL:
        plain, told = (detector.unfitted().fit(normal_windows, y) for y in (None, known))
        np.testing.assert_allclose(told.anomaly_score(normal_windows), plain.anomaly_score(normal_windows), rtol=1e-9)
    with pytest.raises(ShapeError, match="59 values of 'domain' were given for 60"):
        Gaussian().fit(normal_windows, {"domain": ["source"] * 59})


def test_absurd_windows_give_finite_scores(fitted, normal_windows):
    shape = normal_windows.shape[1:]
    for value in (0.0, -156.5, 1e30, -1e30, 3e38, 1e308):
        assert np.isfinite(fitted.anomaly_score(np.full((1, *shape), value))).all()
        mixed = np.full((1, *shape), value)
        mixed[:, ::2] *= -1
        assert np.isfinite(fitted.anomaly_score(mixed)).all()


def test_lazy_windows_score_as_those_in_memory(fitted, normal_windows):
    frames = normal_windows.reshape(-1, 10, 2)
    lazy = WindowArray(frames, [(i, i + 12) for i in range(0, len(frames), 12)], WindowGrid(12, 6))
    np.testing.assert_array_equal(fitted.anomaly_score(lazy), fitted.anomaly_score(normal_windows))


def test_another_shape_is_refused_with_both_shapes(fitted, normal_windows):
    for wrong in (normal_windows[:, :-1], normal_windows[:, :, :-1], normal_windows[..., :1]):
        with pytest.raises(ShapeError) as caught:
            fitted.anomaly_score(wrong)
        assert str(wrong.shape[1:]) in str(caught.value)
        assert "(12, 10, 2)" in str(caught.value)
    with pytest.raises(ShapeError):
        fitted.anomaly_score(normal_windows[0, 0, 0])


def test_what_is_not_finite_is_refused(fitted, normal_windows):
    wrong = normal_windows.copy()
    wrong[3, 2, 1] = np.nan
    with pytest.raises(InputError, match="NaN"):
        fitted.anomaly_score(wrong)


def test_no_windows_give_no_scores(fitted, normal_windows):
    assert fitted.anomaly_score(normal_windows[:0]).shape == (0,)


def test_scikit_learn_sees_an_outlier_estimator_with_its_own_signs(fitted, normal_windows):
    scores = fitted.anomaly_score(normal_windows)
    np.testing.assert_array_equal(fitted.score_samples(normal_windows), -scores)
    np.testing.assert_array_equal(fitted.decision_function(normal_windows), -scores - fitted.offset_)
    assert set(fitted.predict(normal_windows)) <= {-1, 1}
    assert fitted.__sklearn_tags__().estimator_type == "outlier_detector"


def test_parameters_are_stored_as_given_and_cloned():
    from sklearn.base import clone

    for kind in {type(each) for each in CLASSICAL} | set(NETWORKS):
        detector = kind()
        params = detector.get_params()
        assert all(getattr(detector, name) is value for name, value in params.items())
        assert clone(detector).get_params() == params
        assert detector.set_params(**params) is detector
        with pytest.raises(InputError, match="no parameter"):
            detector.set_params(nonsense=1)
        with pytest.raises(NotFittedError, match="Call fit"):
            kind().anomaly_score(np.zeros((1, 12, 10, 2)))
    assert repr(NearestNeighbors(n_neighbors=3)) == "NearestNeighbors(n_neighbors=3)"


@pytest.mark.parametrize("detector", CLASSICAL, ids=repr)
def test_two_dimensional_input_is_windows_of_one_frame(detector):
    table = np.random.default_rng(0).normal(size=(50, 6))
    flat = detector.unfitted().fit(table).anomaly_score(table)
    cube = table[:, None, :, None]
    np.testing.assert_array_equal(detector.unfitted().fit(cube).anomaly_score(cube), flat)


@pytest.mark.parametrize("detector", CLASSICAL, ids=repr)
def test_constant_training_data_gives_finite_scores(detector):
    constant = np.full((10, 4, 3, 1), -20.0)
    fitted = detector.unfitted().fit(constant)
    assert np.isfinite(fitted.anomaly_score(constant)).all()
    if repr(detector) not in HEAR_NO_LEVEL:
        assert fitted.anomaly_score(constant + 1)[0] > fitted.anomaly_score(constant)[0]


def test_level_is_the_robust_distance_of_the_mean(normal_windows):
    detector = Level().fit(normal_windows)
    levels = normal_windows.astype(float).mean(axis=(1, 2))
    median = np.median(levels, axis=0)
    spread = 1.4826 * np.median(np.abs(levels - median), axis=0)
    expected = (np.abs(levels - median) / spread).max(axis=1)
    np.testing.assert_allclose(detector.anomaly_score(normal_windows), expected, rtol=1e-6)


def test_gaussian_is_scikit_learns_mahalanobis_distance(normal_windows):
    from sklearn.covariance import LedoitWolf

    both = [pool(normal_windows.astype(float), axis=1).reshape(60, -1) for pool in (np.mean, np.std)]
    spectra = np.concatenate(both, axis=1)
    reference = LedoitWolf().fit(spectra)
    scores = Gaussian().fit(normal_windows).anomaly_score(normal_windows)
    np.testing.assert_allclose(scores**2, reference.mahalanobis(spectra), rtol=1e-5)


def test_windows_of_one_recording_do_not_count_as_independent(normal_windows):
    from sklearn.covariance import ledoit_wolf_shrinkage

    frames = normal_windows.reshape(-1, 10, 2)
    lazy = WindowArray(frames, [(i, i + 24) for i in range(0, len(frames), 24)], WindowGrid(12, 6))
    spectra = lazy[:].astype(float).mean(axis=1).reshape(len(lazy), -1)
    per_recording = spectra.reshape(30, 3, -1).mean(axis=1)
    shrinkage = ledoit_wolf_shrinkage(per_recording)
    covariance = np.cov(spectra.T, bias=True)
    covariance = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / 20 * np.eye(20)
    off = spectra - spectra.mean(axis=0)
    expected = np.sqrt(np.einsum("nd,de,ne->n", off, np.linalg.inv(covariance), off))
    np.testing.assert_allclose(Gaussian(statistics=("mean",)).fit(lazy).anomaly_score(lazy), expected, rtol=1e-5)


def test_neighbors_are_the_nearest_spectra(normal_windows):
    spectra = normal_windows.astype(float).mean(axis=1).reshape(60, -1)
    train, test = spectra[:40], spectra[40:]
    mean, scale = train.mean(axis=0), train.std(axis=0)
    detector = NearestNeighbors(("mean",), n_neighbors=3).fit(normal_windows[:40])
    z, query = (train - mean) / scale, (test - mean) / scale
    expected = [np.mean(oracles.neighbor_distances(z, q)[:3]) for q in query]
    np.testing.assert_allclose(detector.anomaly_score(normal_windows[40:]), expected, rtol=1e-6)
    left_out = [np.mean(oracles.neighbor_distances(np.delete(z, i, axis=0), z[i])[:3]) for i in range(40)]
    np.testing.assert_allclose(detector.training_scores_, left_out, rtol=1e-6)
    assert NearestNeighbors().fit(normal_windows).anomaly_score(normal_windows[:1])[0] == 0


def test_neighbors_are_found_in_blocks_as_in_one(normal_windows, monkeypatch):
    whole = NearestNeighbors(density_neighbors=4).fit(normal_windows)
    monkeypatch.setattr("offkey.detectors.neighbors.BLOCK_BYTES", 8 * 60 * 7)
    in_blocks = NearestNeighbors(density_neighbors=4).fit(normal_windows)
    np.testing.assert_allclose(whole.training_scores_, in_blocks.training_scores_, rtol=1e-12)


def test_a_failed_fit_leaves_nothing_behind(normal_windows):
    detector = Gaussian()
    with pytest.raises(ShapeError):
        detector.fit(normal_windows[:1])
    with pytest.raises(NotFittedError):
        detector.anomaly_score(normal_windows)


def test_density_normalisation_divides_by_each_references_own_distances(normal_windows):
    spectra = normal_windows.astype(float).mean(axis=1).reshape(60, -1)
    z = (spectra - spectra.mean(axis=0)) / spectra.std(axis=0)
    density = [np.mean(oracles.neighbor_distances(np.delete(z, i, axis=0), z[i])[:4]) for i in range(60)]
    query = normal_windows[:5] + 1
    q = (query.astype(float).mean(axis=1).reshape(5, -1) - spectra.mean(axis=0)) / spectra.std(axis=0)
    expected = [min(np.sqrt(((z - each) ** 2).sum(axis=1)) / density) for each in q]
    scores = NearestNeighbors(("mean",), density_neighbors=4).fit(normal_windows).anomaly_score(query)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_too_few_windows_are_refused(normal_windows):
    for detector in (Gaussian(), NearestNeighbors()):
        with pytest.raises(ShapeError, match="at least 2"):
            detector.fit(normal_windows[:1])
        with pytest.raises(ShapeError, match="0 sample"):
            detector.fit(normal_windows[:0])
    with pytest.raises(InputError, match="'std'"):
        Gaussian(statistics=("median",)).fit(normal_windows)
    with pytest.raises(InputError, match="n_neighbors"):
        NearestNeighbors(n_neighbors=0).fit(normal_windows)


@pytest.mark.slow
def test_autoencoder_scores_as_keras_would(fitted_networks, normal_windows):
    detector = fitted_networks["Autoencoder-mse"]
    model = detector.network_.to_keras()
    for window, score in zip(normal_windows[:3], detector.anomaly_score(normal_windows[:3]), strict=True):
        flat = window.reshape(12, -1)
        assert score == pytest.approx(oracles.autoencoder_score(flat, 5, lambda x: model(x, training=False)), rel=1e-4)


@pytest.mark.slow
def test_interpolation_predicts_the_centre_from_its_neighbours(fitted_networks, normal_windows):
    detector = fitted_networks["InterpolationAutoencoder-mse"]
    model = detector.network_.to_keras()
    assert model.input_shape[-1] == 4 * 20
    window = normal_windows[0].reshape(12, -1)
    errors = []
    for start in range(8):
        piece = window[start : start + 5]
        predicted = np.asarray(model(piece[[0, 1, 3, 4]].reshape(1, -1), training=False))
        errors.append(np.mean((predicted[0] - piece[2]) ** 2))
    assert detector.anomaly_score(normal_windows[:1])[0] == pytest.approx(np.mean(errors), rel=1e-4)


@pytest.mark.slow
def test_mahalanobis_is_of_the_mean_residual(fitted_networks, normal_windows):
    from sklearn.covariance import LedoitWolf

    detector = fitted_networks["Autoencoder-mahalanobis"]
    model = detector.network_.to_keras()

    def mean_residual(window):
        contexts = np.stack([window.reshape(12, -1)[i : i + 5].reshape(-1) for i in range(8)])
        residuals = contexts - np.asarray(model(contexts, training=False))
        return residuals.reshape(-1, 20).astype(float).mean(axis=0)

    rows = np.stack([mean_residual(window) for window in normal_windows])
    expected = LedoitWolf().fit(rows).mahalanobis(rows)
    np.testing.assert_allclose(detector.anomaly_score(normal_windows) ** 2, expected, rtol=1e-2)


def with_domains(windows, domains):
    """Windows in memory as stored ones, of which the domain is known."""
    n, n_frames = windows.shape[:2]
    segments = [(i * n_frames, (i + 1) * n_frames) for i in range(n)]
    frames = windows.reshape(n * n_frames, *windows.shape[2:])
    return WindowArray(frames, segments, WindowGrid(n_frames, n_frames), {"domain": domains})


@pytest.mark.slow
def test_each_domain_has_a_covariance_and_the_nearest_counts(normal_windows):
    pytest.importorskip("tensorflow")
    settings = {"units": (8,), "bottleneck": 2, "epochs": 1, "batch_size": 64, "score": "row-mahalanobis"}
    domains = ["source"] * 45 + ["target"] * 15
    both = Autoencoder(**settings).fit(with_domains(normal_windows, domains))
    assert both.domains_.tolist() == ["source", "target"]
    assert both.notes_ == []
    rows = [both._residuals(window).reshape(-1, 20) for window in normal_windows]
    covariances = [np.cov(np.concatenate(some), rowvar=False) for some in (rows[:45], rows[45:])]
    expected = [
        min(np.mean([row @ np.linalg.inv(each) @ row for row in own]) for each in covariances) for own in rows[:5]
    ]
    np.testing.assert_allclose(both.anomaly_score(normal_windows[:5]), expected, rtol=1e-9)

    one = Autoencoder(**settings).fit(normal_windows)
    assert len(one.domain_whitening_) == 1
    assert "Nothing tells the domain" in one.notes_[0]
    named = Autoencoder(**settings, domain_column="site").fit(with_domains(normal_windows, domains))
    assert "Nothing tells the site" in named.notes_[0]
    np.testing.assert_array_equal(named.anomaly_score(normal_windows), one.anomaly_score(normal_windows))


@pytest.mark.slow
@pytest.mark.parametrize("score", ["selective-mahalanobis", "row-mahalanobis"])
def test_a_domain_with_fewer_rows_than_bands_has_finite_scores_and_hides_nothing(normal_windows, score):
    pytest.importorskip("tensorflow")
    windows = normal_windows[:, :6]  # two contexts of five rows of 20 values
    detector = Autoencoder(units=(8,), bottleneck=2, epochs=1, batch_size=64, score=score)
    detector.fit(with_domains(windows, ["source"] * 59 + ["target"]))
    scores = detector.anomaly_score(windows)
    assert np.isfinite(scores).all()
    assert np.isfinite(detector.anomaly_score(np.full_like(windows, 1e30))).all()
    source = detector.domain_whitening_[:1]
    detector.domain_whitening_ = source
    np.testing.assert_array_equal(scores[:59], detector.anomaly_score(windows[:59]))
    constant = Autoencoder(units=(8,), bottleneck=2, epochs=1, batch_size=64, score=score)
    assert np.isfinite(constant.fit(np.zeros((4, 6, 3, 1))).anomaly_score(np.ones((2, 6, 3, 1)))).all()


@pytest.mark.slow
def test_autoencoder_takes_tables_and_interpolation_says_why_not():
    pytest.importorskip("tensorflow")
    table = np.random.default_rng(0).normal(size=(200, 6))
    detector = Autoencoder(units=(8,), bottleneck=2, epochs=2, score="mse").fit(table)
    assert detector.context_ == 1
    assert np.isfinite(detector.anomaly_score(table)).all()
    with pytest.raises(ShapeError, match="6 features"):
        detector.anomaly_score(table[:, :5])
    with pytest.raises(ShapeError, match="no neighbouring frames"):
        InterpolationAutoencoder().fit(table)


def test_networks_refuse_parameters_that_make_no_sense(normal_windows):
    for detector, reason in (
        (InterpolationAutoencoder(context=4), "odd"),
        (Autoencoder(score="sum"), "mahalanobis"),
        (Autoencoder(context=20), "12 frames"),
        (Autoencoder(epochs=0), "epochs=0"),
        (Autoencoder(validation=1.0), "validation"),
    ):
        with pytest.raises(InputError, match=reason):
            detector.fit(normal_windows)


@pytest.mark.slow
def test_a_keras_model_becomes_a_detector(normal_windows):
    keras = pytest.importorskip("keras")
    frames = normal_windows[..., :1]
    inputs = keras.Input((50,))
    model = keras.Model(inputs, keras.layers.Dense(50)(inputs))
    detector = Autoencoder.from_keras(model, context=5)
    expected = oracles.autoencoder_score(frames[0].reshape(12, -1), 5, lambda x: model(x, training=False))
    assert detector.anomaly_score(frames[:1])[0] == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ShapeError):
        detector.anomaly_score(normal_windows)
    with pytest.raises(ShapeError, match="set context"):
        Autoencoder.from_keras(model, context=7)


@pytest.mark.slow
def test_a_model_that_cannot_be_converted_exactly_is_refused():
    keras = pytest.importorskip("keras")
    from offkey.networks import Network

    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(4, kernel_initializer=keras.initializers.Constant(np.nan))(inputs)
    with pytest.raises(TrainingError, match="differs"):
        Network.convert(keras.Model(inputs, outputs), np.ones((3, 4), np.float32))

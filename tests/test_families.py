"""What the classical families and the detectors made of others compute, against slow oracles."""

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture as Mixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, OneClassSVM

import oracles
from offkey import Pipeline, load
from offkey.detectors import (
    Adapter,
    Detector,
    Ensemble,
    Gaussian,
    GaussianMixture,
    Level,
    NearestNeighbors,
    PerState,
    PrincipalComponents,
)
from offkey.detectors.comparable import Comparable, comparable
from offkey.errors import InputError
from offkey.statistics import time_statistics
from offkey.windows import WindowArray, WindowGrid

SHAPES = [(1, 1, 1), (2, 3, 1), (3, 1, 2), (7, 17, 1), (30, 33, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["gwrp0", "gwrp0.9", "gwrp1", "delta", "modulation"])
def test_statistics_over_time_are_those_of_their_definition(name, shape):
    windows = np.random.default_rng(0).normal(-60, 5, (3, *shape))
    found = time_statistics(windows, (name,))
    np.testing.assert_allclose(found, [oracles.time_statistic(window, name) for window in windows], rtol=1e-9)


@pytest.mark.parametrize("name", ["mean", "std", "max", "gwrp1", "delta", "modulation"])
@pytest.mark.parametrize("shape", [(1, 3, 1), (40, 1, 1), (40, 17, 3), (9001, 1, 1)], ids=str)
def test_statistics_of_a_window_do_not_depend_on_the_others(name, shape):
    windows = np.random.default_rng(0).normal(-60, 5, (6, *shape))
    together = time_statistics(windows, (name,))
    for i in range(len(windows)):
        np.testing.assert_array_equal(time_statistics(windows[i : i + 1], (name,))[0], together[i])


def rows_of(normal_windows, names=("mean", "std")):
    values = time_statistics(normal_windows, names)
    return (values - values.mean(axis=0)) / values.std(axis=0)


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
def test_a_mixture_is_scikit_learns_negative_log_likelihood(normal_windows, kind):
    rows = rows_of(normal_windows, ("gwrp0.9",))
    theirs = Mixture(3, covariance_type=kind, reg_covar=0.1, random_state=0).fit(rows)
    detector = GaussianMixture(("gwrp0.9",), 3, covariance_type=kind, reg_covar=0.1).fit(normal_windows)
    np.testing.assert_allclose(detector.anomaly_score(normal_windows), -theirs.score_samples(rows), rtol=1e-9)


def test_principal_components_leave_the_distance_from_their_subspace(normal_windows):
    rows = rows_of(normal_windows)
    _, lengths, directions = np.linalg.svd(rows)
    n = next(n for n in range(1, 60) if np.sum(lengths[:n] ** 2) >= 0.8 * np.sum(lengths**2))
    residuals = rows - rows @ directions[:n].T @ directions[:n]
    detector = PrincipalComponents().fit(normal_windows)
    assert len(detector.components_) == n
    np.testing.assert_allclose(detector.anomaly_score(normal_windows), np.linalg.norm(residuals, axis=1), rtol=1e-7)


def test_cosine_neighbors_look_at_angles(normal_windows):
    values = time_statistics(normal_windows, ("mean", "std"))
    cosines = [[a @ b / np.sqrt((a @ a) * (b @ b)) for b in values[:-1]] for a in values[-1:]]
    detector = NearestNeighbors(metric="cosine").fit(normal_windows[:-1])
    assert detector.anomaly_score(normal_windows[-1:])[0] == pytest.approx(1 - np.max(cosines), rel=1e-6)


def test_sub_bands_are_looked_up_each_on_its_own(normal_windows):
    parts = [slice(0, 4), slice(4, 7), slice(7, 10)]
    detector = NearestNeighbors(n_subbands=3).fit(normal_windows[:-1])
    each = [NearestNeighbors().fit(normal_windows[:-1, :, part]) for part in parts]
    expected = [own.anomaly_score(normal_windows[-1:, :, part])[0] for own, part in zip(each, parts, strict=True)]
    assert detector.anomaly_score(normal_windows[-1:])[0] == pytest.approx(np.mean(expected), rel=1e-9)


def test_windows_that_are_all_alike_have_one_reference_and_no_density():
    detector = NearestNeighbors(n_references=4, density_neighbors=2).fit(np.full((12, 3, 4, 1), -60.0))
    assert len(detector.references_) == 1
    assert detector.anomaly_score(np.full((1, 3, 4, 1), -50.0))[0] > 1


def held_out_scores(detector, windows, groups, seed=0):
    """Each recording scored by a detector fitted without its fold: 5 of recordings in random order."""
    order = np.random.default_rng(seed).permutation(np.unique(groups))
    scores = np.empty(len(windows))
    for fold in np.array_split(order, 5):
        is_out = np.isin(groups, fold)
        scores[is_out] = detector.unfitted().fit(windows[~is_out]).anomaly_score(windows[is_out])
    return scores


def recorded(windows, n_each, known=None):
    """Windows as an array of recordings with ``n_each`` windows."""
    n_frames = windows.shape[1]
    length = n_each * n_frames
    frames = windows.reshape(-1, *windows.shape[2:])
    segments = [(first, first + length) for first in range(0, len(frames), length)]
    return WindowArray(frames, segments, WindowGrid(n_frames, n_frames), known)


def test_an_ensemble_is_the_mean_of_robust_z_scores_of_held_out_recordings(normal_windows):
    stored, groups = recorded(normal_windows, 4), np.repeat(np.arange(15), 4)
    members = [Level(), NearestNeighbors()]
    detector = Ensemble(members).fit(stored)
    expected, of_training = [], []
    for member in members:
        held_out = held_out_scores(member, normal_windows, groups)
        spread = 1.4826 * np.median(np.abs(held_out - np.median(held_out)))
        of_training.append((held_out - np.median(held_out)) / spread)
        expected.append((member.unfitted().fit(stored).anomaly_score(stored) - np.median(held_out)) / spread)
    np.testing.assert_allclose(detector.anomaly_score(stored), np.mean(expected, axis=0), rtol=1e-9)
    np.testing.assert_allclose(detector.training_scores_, np.mean(of_training, axis=0), rtol=1e-9)


@pytest.mark.parametrize(
    "detector", [Ensemble(), PerState(NearestNeighbors(), n_states=2), PerState(NearestNeighbors())], ids=repr
)
def test_fresh_normal_windows_are_inliers_of_detectors_made_of_others(detector):
    rng = np.random.default_rng(0)
    windows = rng.normal(0, 2, (300, 1, 16, 1)) + rng.normal(-60, 1, (300, 30, 16, 1))
    fitted = detector.unfitted().fit(windows[:150])
    assert np.mean(fitted.predict(windows[150:]) == -1) < 0.3
    assert np.all(fitted.predict(windows[:5] + 20) == -1)


class Overflowing(Detector):
    """Scores at the end of what numbers can say: below zero for quiet windows, above it for loud ones."""

    def __init__(self):
        pass

    def _fit(self, windows):
        self.learned_ = True

    def _score(self, windows):
        return np.sign(time_statistics(windows)[:, 0]) * np.inf


def test_scores_without_end_are_limited_on_both_sides_and_cancel_in_no_ensemble(normal_windows):
    zeros = np.random.default_rng(0).normal(0, 1, (12, 3, 2, 1))
    loud = np.full((1, 3, 2, 1), 5.0)
    detector = Overflowing().fit(zeros)
    assert detector.anomaly_score(np.concatenate([loud, -loud])).tolist() == [1e300, -1e300]
    fitted = Ensemble([Overflowing(), Level()]).fit(zeros)
    assert np.isfinite(fitted.anomaly_score(np.concatenate([loud * 1e38, -loud * 1e38]))).all()


@pytest.mark.parametrize("counts", [(2, 1), (1, 2), (4, 1), (3, 2)], ids=str)
def test_few_windows_of_two_recordings_are_compared_window_by_window(counts):
    frames = np.random.default_rng(0).normal(-60, 1, (sum(counts) * 4, 5, 1)).astype(np.float32)
    stored = WindowArray(frames, [(0, counts[0] * 4), (counts[0] * 4, len(frames))], WindowGrid(4, 4))
    made = comparable(Gaussian(), stored, 0)
    assert isinstance(made, Comparable)
    assert np.isfinite(made.scores).all()


def test_a_state_is_scored_by_its_own_detector_and_the_best_fit_counts(normal_windows):
    windows = np.concatenate([normal_windows[:30], normal_windows[30:] + 40])
    speeds = ["slow"] * 30 + ["fast"] * 30
    detector = PerState(Level(), column="speed", normalize=False).fit(windows, {"speed": speeds})
    assert detector.states_ == ["fast", "slow"]
    each = [Level().fit(own).anomaly_score(windows) for own in (windows[:30], windows[30:])]
    np.testing.assert_allclose(detector.anomaly_score(windows), np.min(each, axis=0), rtol=1e-12)
    found = PerState(Level(), normalize=False).fit(windows)
    np.testing.assert_allclose(found.anomaly_score(windows), np.min(each, axis=0), rtol=1e-12)


def test_a_column_that_says_nothing_is_refused_and_one_that_says_little_is_told_of(normal_windows):
    with pytest.raises(InputError, match="'speed' is empty for all recordings"):
        PerState(column="speed").fit(normal_windows, {"speed": [""] * 60})
    detector = PerState(column="speed").fit(normal_windows, {"speed": ["slow"] * 60})
    assert detector.notes_ == ["Detectors of 1 operating state(s) were fitted (windows of slow: 60)."]


@pytest.mark.parametrize(
    ("detector", "said"),
    [
        (Ensemble(members=3), "members=3"),
        (Ensemble(members=["gaussian"]), "sequence of detectors"),
        (PerState("gaussian"), "detector='gaussian'"),
        (PerState(n_states=0), "n_states=0"),
        (Adapter(SVC()), "cannot be fitted"),
        (Adapter(OneClassSVM(nu=5)), "'nu' parameter"),
        (NearestNeighbors(n_references=0), "n_references=0"),
    ],
    ids=str,
)
def test_parameters_that_make_no_sense_are_refused_in_a_sentence(normal_windows, detector, said):
    with pytest.raises(InputError, match=said):
        detector.fit(normal_windows)


def test_estimators_within_an_estimator_draw_by_the_seed_and_come_back_from_a_bundle(pump_clips, tmp_path):
    forest = make_pipeline(StandardScaler(), IsolationForest(n_estimators=5))
    fitted = Pipeline(Adapter(forest), window_s=2.0).fit(pump_clips)
    fitted.save(tmp_path / "forest.offkey")
    loaded = load(tmp_path / "forest.offkey")
    assert loaded.decide(pump_clips[0]).score == fitted.decide(pump_clips[0]).score


@pytest.mark.slow
def test_detectors_within_detectors_come_back_from_a_bundle_and_fit_again(pump_clips, tmp_path):
    members = [PerState(Adapter(OneClassSVM()), n_states=2), Ensemble([Level(), PrincipalComponents()])]
    fitted = Pipeline(Ensemble(members), window_s=1.0).fit(pump_clips)
    fitted.save(tmp_path / "nested.offkey")
    loaded = load(tmp_path / "nested.offkey")
    expected = fitted.decide(pump_clips[0]).window_scores
    np.testing.assert_array_equal(loaded.decide(pump_clips[0]).window_scores, expected)
    assert loaded.detector.get_params()["members"][0].n_states == 2
    np.testing.assert_array_equal(loaded.fit(pump_clips).decide(pump_clips[0]).window_scores, expected)


def test_what_a_detector_within_has_to_say_is_said_once(pump_clips, tmp_path):
    class Speaking(Detector):
        def __init__(self):
            pass

        def _fit(self, windows):
            self.notes_ = ("Listen.",)

        def _score(self, windows):
            return time_statistics(windows)[:, 0]

    for detector in (Speaking(), Ensemble([Speaking(), Level(), Speaking()])):
        fitted = Pipeline(detector, window_s=2.0).fit(pump_clips)
        assert fitted.notes_.count("Listen.") == 1


def test_a_picture_of_scores_below_zero_has_a_linear_axis():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    from offkey.plots import plot_scores

    for shift, scale in ((-2.0, "linear"), (0.0, "linear"), (0.5, "log")):
        scores = [shift + i for i in range(6)]
        assert plot_scores([0, 1] * 3, scores, 1.0, figure.add_subplot()).get_xscale() == scale

"""Estimators of other libraries as detectors, k-means centres, and the default by name."""

import numpy as np
import pytest

import offkey
from offkey import Pipeline
from offkey.decisions import Conformal
from offkey.detectors import (
    Adapter,
    Ensemble,
    NearestNeighbors,
)
from offkey.errors import BundleError, InputError
from offkey.statistics import time_statistics


def test_centres_stand_for_all_windows(normal_windows):
    two = np.concatenate([normal_windows, normal_windows + 30])
    detector = NearestNeighbors(n_references=2).fit(two)
    assert detector.references_.shape == (2, 40)
    middle = (two[:1] + two[60:61]) / 2
    assert detector.anomaly_score(middle)[0] > detector.anomaly_score(two).max()


def test_an_adapted_estimator_scores_as_itself_with_our_sign(normal_windows):
    from sklearn.ensemble import IsolationForest

    values = time_statistics(normal_windows, ("mean", "std"))
    reference = IsolationForest(random_state=5).fit(values)
    scores = Adapter(seed=5).fit(normal_windows).anomaly_score(normal_windows)
    np.testing.assert_allclose(scores, -reference.decision_function(values), rtol=1e-9)


class Spread:
    """An estimator as PyOD's: higher is stranger, and fit returns nothing."""

    def __init__(self, power=2):
        self.power = power

    def get_params(self, deep=True):
        return {"power": self.power}

    def set_params(self, **params):
        vars(self).update(params)
        return self

    def fit(self, X, y=None):
        self.mean_ = X.mean(axis=0)

    def decision_function(self, X):
        return (np.abs(X - self.mean_) ** self.power).sum(axis=1)


def test_pyods_scores_keep_their_sign_and_others_are_turned(normal_windows, monkeypatch):
    values = time_statistics(normal_windows, ("mean", "std"))
    expected = ((values - values.mean(axis=0)) ** 2).sum(axis=1)
    turned = Adapter(Spread()).fit(normal_windows).anomaly_score(normal_windows)
    np.testing.assert_allclose(turned, -expected, rtol=1e-9)
    monkeypatch.setattr(Spread, "__module__", "pyod.models.spread")
    kept = Adapter(Spread()).fit(normal_windows).anomaly_score(normal_windows)
    np.testing.assert_allclose(kept, expected, rtol=1e-9)


def test_what_cannot_score_new_data_is_refused(normal_windows):
    from sklearn.neighbors import LocalOutlierFactor

    with pytest.raises(InputError, match="novelty=True"):
        Adapter(LocalOutlierFactor()).fit(normal_windows)
    assert np.isfinite(
        Adapter(LocalOutlierFactor(novelty=True)).fit(normal_windows).anomaly_score(normal_windows)
    ).all()


def test_an_adapted_estimator_is_fitted_again_and_checked_when_it_comes_back(pump_clips, tmp_path):
    from sklearn.svm import OneClassSVM

    pipeline = Pipeline(Adapter(OneClassSVM(nu=0.2)), window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips)
    pipeline.save(tmp_path / "p.offkey")
    loaded = offkey.load(tmp_path / "p.offkey")
    assert loaded.decide(pump_clips[0]).score == pytest.approx(pipeline.decide(pump_clips[0]).score, rel=1e-9)
    again = Adapter(OneClassSVM(nu=0.2)).restore(pipeline.detector_.fitted_state | {"checks_": np.ones(16)})
    with pytest.raises(BundleError, match="Fit the pipeline again"):
        again.anomaly_score(np.zeros((1, *pipeline.detector_.window_shape_)))


def test_the_pipeline_takes_auto_by_name_and_no_other(pump_clips):
    assert isinstance(Pipeline("auto", window_s=0.5).fit(pump_clips[:8]).detector_, Ensemble)
    with pytest.raises(InputError, match='or "auto"'):
        Pipeline("best", window_s=0.5).fit(pump_clips[:8])

"""Thresholds, p-values and calibrated units."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracles
from offkey import decisions
from offkey.decisions import (
    Calibration,
    Conformal,
    EmpiricalQuantile,
    Fixed,
    GammaTail,
    Threshold,
    conformal_p_value,
    segments,
)
from offkey.errors import InputError, NotFittedError, ShapeError

THRESHOLDS = [Conformal(0.1), EmpiricalQuantile(0.1), GammaTail(0.1), Fixed(2.0)]
SCORES = np.random.default_rng(0).gamma(3, 1, 200)
finite = st.floats(-1e6, 1e6)


def test_every_threshold_is_tested():
    kinds = {thing for thing in vars(decisions).values() if isinstance(thing, type) and issubclass(thing, Threshold)}
    assert kinds - {Threshold} == {type(each) for each in THRESHOLDS}


@pytest.mark.parametrize("threshold", THRESHOLDS, ids=repr)
class TestContract:
    def test_a_score_above_the_boundary_is_an_anomaly(self, threshold):
        fitted = threshold.unfitted().fit(SCORES)
        assert fitted.is_anomaly(np.nextafter(fitted.threshold_, np.inf)) is True
        assert fitted.is_anomaly(fitted.threshold_) is False
        assert fitted.is_anomaly([0.0, 1e9]).tolist() == [False, True]

    def test_order_does_not_matter(self, threshold):
        expected = threshold.unfitted().fit(SCORES).threshold_
        assert threshold.unfitted().fit(SCORES[::-1]).threshold_ == expected

    def test_wrong_scores_are_refused(self, threshold):
        with pytest.raises(ShapeError):
            threshold.unfitted().fit([])
        with pytest.raises(ShapeError):
            threshold.unfitted().fit([[1.0, 2.0]])
        with pytest.raises(InputError, match="finite"):
            threshold.unfitted().fit([1.0, np.nan])
        with pytest.raises(NotFittedError):
            threshold.unfitted().is_anomaly(1.0)

    def test_equal_scores_are_their_own_boundary(self, threshold):
        assert threshold.unfitted().fit([2.0] * 20).threshold_ == 2.0


@given(st.lists(finite, min_size=1, max_size=60), st.sampled_from([0.5, 0.2, 0.1, 0.05, 0.01, 1 / 3, 0.999]))
def test_conformal_is_the_smallest_score_that_keeps_the_promise(scores, rate):
    fitted = Conformal(rate).fit(scores)
    assert fitted.threshold_ == oracles.conformal_threshold(scores, rate)
    assert fitted.supported_rate_ == max(rate, 1 / (len(scores) + 1))


@given(st.lists(finite, min_size=1, max_size=40), finite, st.sampled_from([0.5, 0.1, 0.05]))
def test_an_anomaly_is_what_has_a_small_p_value(scores, score, rate):
    if rate < 1 / (len(scores) + 1):
        return
    p_value = conformal_p_value([score], np.sort(scores))[0]
    assert Conformal(rate).fit(scores).is_anomaly(score) == (p_value <= rate + 1e-12)
    assert p_value == (1 + sum(each >= score for each in scores)) / (len(scores) + 1)


def test_conformal_keeps_its_promise_and_p_values_are_uniform():
    rng = np.random.default_rng(0)
    realised, p_values = [], []
    for _ in range(4000):
        scores = rng.gamma(2, 1, 30)
        realised.append(Conformal(0.1).fit(scores[:29]).is_anomaly(scores[29]))
        p_values.append(conformal_p_value(scores[29:], np.sort(scores[:29]))[0])
    assert np.mean(realised) == pytest.approx(0.1, abs=0.015)  # 3 standard errors
    for level in (0.1, 0.3, 0.5, 0.9):
        assert np.mean(np.array(p_values) <= level + 1e-9) == pytest.approx(level, abs=0.025)


def test_gamma_tail_is_scipys_quantile():
    from scipy.stats import gamma

    assert GammaTail(0.1).fit(SCORES).threshold_ == pytest.approx(gamma.ppf(0.9, *gamma.fit(np.sort(SCORES))))


def test_empirical_quantile_and_fixed():
    assert EmpiricalQuantile(0.25).fit([1, 2, 3, 4, 5]).threshold_ == 4
    fitted = Fixed(7).fit([1, 2])
    assert fitted.threshold_ == 7
    assert np.isnan(fitted.supported_rate_)


@pytest.mark.parametrize("rate", [0, 1, -0.1, 5, np.nan])
@pytest.mark.parametrize("kind", [Conformal, EmpiricalQuantile, GammaTail])
def test_rates_lie_between_0_and_1(kind, rate):
    with pytest.raises(InputError, match="between 0 and 1"):
        kind(rate).fit(SCORES)


def test_a_calibration_leaves_the_given_threshold_alone():
    given_threshold = Conformal(0.1)
    calibration = Calibration.on(SCORES, given_threshold, 3)
    assert given_threshold.fitted_state == {}
    assert calibration.is_anomaly(1e9) is True
    assert calibration.p_value([1e9])[0] == 1 / 201


@given(st.integers(1, 50), st.integers(1, 20))
def test_segments_cover_a_recording(n_windows, unit):
    cut = segments(n_windows, unit)
    assert {i for each in cut for i in range(each.start, each.stop)} == set(range(n_windows))
    assert {each.stop - each.start for each in cut} == {min(unit, n_windows)}

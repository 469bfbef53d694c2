"""Thresholds, p-values and calibrated units."""

import inspect

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import oracles
from offkey import decisions
from offkey.decisions import (
    Calibration,
    Conformal,
    EmpiricalQuantile,
    FBeta,
    Fixed,
    FixedRecall,
    GammaTail,
    MinimumCost,
    ParetoTail,
    RobustZScore,
    Threshold,
    conformal_p_value,
    decision_curve,
    pareto,
    segments,
)
from offkey.errors import InputError, NotFittedError, ShapeError

FOR_A_RATE = [Conformal(0.1), EmpiricalQuantile(0.1), GammaTail(0.1), RobustZScore(0.1), ParetoTail(0.02)]
UNLABELLED = [*FOR_A_RATE, RobustZScore(k=3.5), ParetoTail(0.3), Fixed(2.0)]
LABELLED = [FBeta(), FBeta(2.0), MinimumCost(), MinimumCost(10.0, 2.0, 0.01), FixedRecall(0.9)]
THRESHOLDS = UNLABELLED + LABELLED
SCORES = np.random.default_rng(0).gamma(3, 1, 200)
LABELS = np.arange(200) % 4 == 3
LABELLED_SCORES = np.where(LABELS, SCORES + 3, SCORES)
finite = st.floats(-1e6, 1e6)


def test_every_threshold_is_tested():
    kinds = {thing for thing in vars(decisions).values() if isinstance(thing, type) and issubclass(thing, Threshold)}
    assert {kind for kind in kinds if not inspect.isabstract(kind)} == {type(each) for each in THRESHOLDS}


@pytest.mark.parametrize("threshold", THRESHOLDS, ids=repr)
class TestContract:
    def test_a_score_above_the_boundary_is_an_anomaly(self, threshold):
        fitted = threshold.unfitted().fit(LABELLED_SCORES, LABELS)
        assert fitted.is_anomaly(np.nextafter(fitted.threshold_, np.inf)) is True
        assert fitted.is_anomaly(fitted.threshold_) is False
        assert fitted.is_anomaly([-1e9, 1e9]).tolist() == [False, True]

    def test_order_does_not_matter(self, threshold):
        expected = threshold.unfitted().fit(LABELLED_SCORES, LABELS).threshold_
        assert threshold.unfitted().fit(LABELLED_SCORES[::-1], LABELS[::-1]).threshold_ == expected

    def test_what_was_given_is_left_alone(self, threshold):
        scores, labels = LABELLED_SCORES.copy(), LABELS.copy()
        assert threshold.unfitted().fit(scores, labels).get_params() == threshold.get_params()
        assert np.array_equal(scores, LABELLED_SCORES)
        assert np.array_equal(labels, LABELS)

    def test_wrong_scores_are_refused(self, threshold):
        with pytest.raises(ShapeError):
            threshold.unfitted().fit([])
        with pytest.raises(ShapeError):
            threshold.unfitted().fit([[1.0, 2.0]])
        with pytest.raises(InputError, match="finite"):
            threshold.unfitted().fit([1.0, np.nan])
        with pytest.raises(NotFittedError):
            threshold.unfitted().is_anomaly(1.0)

    def test_wrong_labels_are_refused(self, threshold):
        with pytest.raises(ShapeError, match="Labels of shape"):
            threshold.unfitted().fit([1.0, 2.0], [0])
        for wrong in (2, -1, np.nan):
            with pytest.raises(InputError, match="other than 0"):
                threshold.unfitted().fit([1.0, 2.0], [0, wrong])
        with pytest.raises(InputError, match=r"only were given.*\. Add"):
            threshold.unfitted().fit([1.0, 2.0], [1, 1])

    def test_the_state_is_finite_numbers_that_restore_the_decisions(self, threshold):
        fitted = threshold.unfitted().fit(LABELLED_SCORES, LABELS)
        assert all(type(value) is float for value in fitted.fitted_state.values())
        assert np.isfinite(fitted.threshold_)
        restored = type(threshold)(**fitted.get_params()).restore(fitted.fitted_state)
        assert np.array_equal(restored.is_anomaly(SCORES), fitted.is_anomaly(SCORES))

    @pytest.mark.parametrize("n", [2, 3, 4, 5, 19, 20, 21])
    @pytest.mark.parametrize(
        "change", [lambda s: s, np.round, lambda s: 1e-12 * s, lambda s: 1e12 * s, lambda s: s - 1e6]
    )
    def test_few_scores_give_a_finite_boundary_or_one_clear_error(self, threshold, n, change):
        given = change(SCORES[:n]), np.arange(n) % 2
        if isinstance(threshold, ParetoTail) and np.ptp(given[0][::2]) > 0:  # half of them are anomalies
            with pytest.raises(InputError, match=r"^[^.]+ needs 20\. [^.]+\.$"):
                threshold.unfitted().fit(*given)
            return
        assert np.isfinite(threshold.unfitted().fit(*given).threshold_)


@pytest.mark.parametrize("threshold", UNLABELLED, ids=repr)
class TestContractOfThresholdsForNormalSound:
    def test_equal_scores_are_their_own_boundary(self, threshold):
        assert threshold.unfitted().fit([2.0] * 20).threshold_ == 2.0
        assert threshold.unfitted().fit([2.0]).threshold_ == 2.0

    def test_anomalies_are_left_out(self, threshold):
        expected = threshold.unfitted().fit(SCORES[~LABELS])
        assert threshold.unfitted().fit(LABELLED_SCORES, LABELS).fitted_state == pytest.approx(
            expected.fitted_state, nan_ok=True
        )


@pytest.mark.parametrize("threshold", LABELLED, ids=repr)
class TestContractOfLabelledThresholds:
    @pytest.mark.parametrize("labels", [None, np.zeros(200), np.ones(200)], ids=["none", "normal", "anomalous"])
    def test_one_class_is_refused(self, threshold, labels):
        with pytest.raises(InputError, match="Labels of one class only"):
            threshold.unfitted().fit(SCORES, labels)

    def test_kinds_that_lie_apart_are_told_apart(self, threshold):
        fitted = threshold.unfitted().fit(np.where(LABELS, SCORES + 100, SCORES), LABELS)
        assert not fitted.is_anomaly(SCORES[~LABELS]).any()
        assert fitted.is_anomaly(SCORES[LABELS] + 100).mean() >= 0.9

    def test_equal_scores_give_a_finite_boundary(self, threshold):
        fitted = threshold.unfitted().fit([2.0] * 20, [0, 1] * 10)
        assert fitted.threshold_ == pytest.approx(2.0)
        assert np.isnan(fitted.supported_rate_)


@pytest.mark.parametrize(  # the search of GammaTail ends elsewhere
    "threshold", [each for each in THRESHOLDS if not isinstance(each, Fixed | GammaTail)], ids=repr
)
@settings(max_examples=15, deadline=None)
@given(factor=st.floats(1e-3, 1e3), offset=st.floats(-100, 100))
def test_the_boundary_moves_with_the_unit_of_the_scores(threshold, factor, offset):
    expected = factor * threshold.unfitted().fit(LABELLED_SCORES, LABELS).threshold_ + offset
    moved = threshold.unfitted().fit(factor * LABELLED_SCORES + offset, LABELS).threshold_
    assert moved == pytest.approx(expected, rel=1e-6, abs=1e-6 * max(factor, 1))


@pytest.mark.parametrize("kind", [type(each) for each in FOR_A_RATE])
def test_rarer_alarms_have_higher_boundaries(kind):
    boundaries = [kind(rate).fit(SCORES).threshold_ for rate in (0.5, 0.2, 0.12, 0.1, 0.09, 0.05, 0.01, 0.002)]
    assert boundaries == sorted(boundaries)
    assert boundaries[0] < boundaries[-1]


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


def test_robust_z_score_is_median_and_mad():
    scores = [1.0, 2.0, 3.0, 4.0, 100.0]
    assert RobustZScore(k=2).fit(scores).threshold_ == pytest.approx(3 + 2 * 1.4826)
    assert RobustZScore(0.05).fit(scores).threshold_ == pytest.approx(3 + 1.644854 * 1.4826)
    mostly_equal = [1.0] * 8 + [2.0, 3.0]
    assert RobustZScore(k=1).fit(mostly_equal).threshold_ == pytest.approx(1 + 1.2533 * 0.3)


def test_robust_z_score_is_hardly_moved_by_strange_recordings_among_the_normal_ones():
    clean = RobustZScore(0.01).fit(SCORES).threshold_
    soiled = RobustZScore(0.01).fit(np.append(SCORES, [1e6] * 20)).threshold_
    assert soiled < 1.3 * clean
    assert EmpiricalQuantile(0.01).fit(np.append(SCORES, [1e6] * 20)).threshold_ == 1e6


def test_numbers_that_make_no_boundary_are_refused():
    for wrong in (Fixed(np.nan), Fixed(np.inf), RobustZScore(k=np.nan), ParetoTail(0.01, tail_fraction=0)):
        with pytest.raises(InputError, match=r"given|asked for"):
            wrong.fit(SCORES)
    for wrong in (FBeta(0), FBeta(np.nan), MinimumCost(0), MinimumCost(1, -1), MinimumCost(1, 1, 0), FixedRecall(1)):
        with pytest.raises(InputError, match="given"):
            wrong.fit(LABELLED_SCORES, LABELS)


def predicted_survival(excess, excesses):
    weights, scales, shapes = pareto.tail_posterior(excesses)
    return weights @ pareto.survival(excess, scales, shapes)


class TestParetoTail:
    @pytest.mark.parametrize("shape", [-0.5, -0.2, 0.0, 1e-12, 0.3, 0.5])
    def test_survival_and_its_inverse_are_scipys(self, shape):
        from scipy.stats import genpareto

        excesses = np.array([0.0, 0.1, 1.0, 3.9, 4.0, 50.0])
        assert pareto.survival(excesses, 2.0, shape) == pytest.approx(genpareto.sf(excesses, shape, scale=2.0))
        probabilities = np.array([1.0, 0.9, 0.1, 1e-6])
        found = pareto.inverse_survival(probabilities, 2.0, shape)
        assert found == pytest.approx(genpareto.isf(probabilities, shape, scale=2.0))

    @pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
    def test_a_pareto_distribution_is_found_again(self, shape):
        excesses = pareto.inverse_survival(np.random.default_rng(0).uniform(size=2000), 3.0, shape)
        weights, scales, shapes = pareto.tail_posterior(excesses)
        scale, found = np.exp(weights @ np.log(scales)), weights @ shapes
        assert scale == pytest.approx(3.0, rel=0.1)
        assert found == pytest.approx(shape, abs=0.06)

    @pytest.mark.parametrize("n", [4, 40])
    def test_predictions_are_those_of_a_slow_average_over_all_tails(self, n):
        excesses = np.random.default_rng(n).exponential(5.0, n)
        for excess in (1.0, 20.0, 60.0):
            expected = oracles.predictive_survival(excess, excesses)
            assert predicted_survival(excess, excesses) == pytest.approx(expected, rel=0.03)

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(st.floats(0, 1e3), min_size=1, max_size=30),
        st.sampled_from([0.9, 0.3, 0.05, 1e-3, 1e-9]),
    )
    def test_the_predicted_excess_is_gone_beyond_as_often_as_said(self, excesses, probability):
        assume(max(excesses) > 1e-3)
        excess = pareto.predictive_excess(probability, excesses)
        assert predicted_survival(excess, excesses) == pytest.approx(probability, rel=1e-6)

    def test_few_excesses_are_trusted_less_than_many(self):
        few, many = (pareto.inverse_survival(np.arange(0.5, n) / n, 1.0, 0.0) for n in (10, 400))
        assert pareto.predictive_excess(0.001, few) > 1.2 * pareto.predictive_excess(0.001, many)
        assert pareto.predictive_excess(0.001, many) == pytest.approx(-np.log(0.001), rel=0.15)

    def test_wrong_excesses_are_refused(self):
        with pytest.raises(ShapeError):
            pareto.tail_posterior([])
        for wrong in ([0.0, 0.0], [1.0, -1.0], [1.0, np.inf]):
            with pytest.raises(InputError, match="Excesses"):
                pareto.tail_posterior(wrong)

    @pytest.mark.parametrize("name", ["gamma", "lognormal", "normal", "student"])
    @pytest.mark.parametrize(("n", "rate", "factor"), [(175, 0.01, 1.4), (1000, 0.01, 1.25), (1000, 0.002, 1.5)])
    def test_known_tails_are_gone_beyond_as_often_as_asked_for(self, name, n, rate, factor):
        from scipy import stats

        known = {
            "gamma": stats.gamma(3),
            "lognormal": stats.lognorm(0.5),
            "normal": stats.norm(),
            "student": stats.t(3),
        }
        draws = known[name].rvs((120, n), random_state=np.random.default_rng(n))
        realised = np.mean([known[name].sf(ParetoTail(rate).fit(scores).threshold_) for scores in draws])
        assert rate / factor < realised < rate * factor

    def test_the_boundary_is_that_of_the_definition(self):
        scores = np.sort(SCORES[:100])
        start, excesses = scores[89], scores[90:] - scores[89]
        for rate in (0.09, 0.01, 0.001):
            excess = ParetoTail(rate).fit(scores).threshold_ - start
            assert 11 / 101 * oracles.predictive_survival(excess, excesses) == pytest.approx(rate, rel=0.02)

    def test_rates_that_the_scores_show_need_no_tail(self):
        for rate in (0.5, 0.2, 21 / 201):
            assert ParetoTail(rate).fit(SCORES).threshold_ == Conformal(rate).fit(SCORES).threshold_
        assert ParetoTail(20.9 / 201).fit(SCORES).threshold_ == pytest.approx(np.sort(SCORES)[-21], rel=0.01)

    def test_too_few_scores_are_refused_and_ties_at_the_top_are_the_boundary(self):
        with pytest.raises(InputError, match="19 scores were given and a Pareto tail needs 20"):
            ParetoTail(0.01).fit(SCORES[:19])
        assert ParetoTail(0.001).fit([0.0, 1.0] + [2.0] * 30).threshold_ == 2.0


labelled_sets = st.lists(
    st.tuples(st.one_of(finite, st.integers(0, 4).map(float)), st.integers(0, 1)), min_size=2, max_size=25
).filter(lambda pairs: {label for _, label in pairs} == {0, 1})


class TestLabelledThresholds:
    @given(labelled_sets)
    def test_the_curve_counts_what_each_boundary_does(self, pairs):
        scores, labels = zip(*pairs, strict=True)
        curve = decision_curve(scores, labels)
        assert len(curve.threshold) == len(set(scores)) + 1
        assert np.isfinite(curve.threshold).all()
        assert (np.diff(curve.threshold) > 0).all()
        for i, boundary in enumerate(curve.threshold):
            hits, misses, false_alarms, quiet = oracles.decisions_at(scores, labels, boundary)
            assert curve.recall[i] == pytest.approx(hits / (hits + misses))
            assert curve.false_alarm_rate[i] == pytest.approx(false_alarms / (false_alarms + quiet))
            assert curve.precision[i] == pytest.approx(hits / (hits + false_alarms) if hits + false_alarms else 1)

    def test_the_curve_needs_both_kinds(self):
        with pytest.raises(InputError, match="one class only"):
            decision_curve([1, 2], [0, 0])

    @given(labelled_sets, st.sampled_from([0.5, 1.0, 3.0]))
    def test_no_boundary_has_a_better_f_beta(self, pairs, beta):
        scores, labels = zip(*pairs, strict=True)
        found = oracles.f_beta(scores, labels, FBeta(beta).fit(scores, labels).threshold_, beta)
        best = max(oracles.f_beta(scores, labels, boundary, beta) for boundary in oracles.every_boundary(scores))
        assert found == pytest.approx(best)

    @given(labelled_sets, st.sampled_from([(1.0, 1.0), (50.0, 1.0), (1.0, 7.0)]), st.sampled_from([None, 0.01, 0.5]))
    def test_no_boundary_costs_less(self, pairs, costs, fraction):
        scores, labels = zip(*pairs, strict=True)
        boundary = MinimumCost(*costs, fraction).fit(scores, labels).threshold_
        in_field = np.mean(labels) if fraction is None else fraction
        every = [oracles.mean_cost(scores, labels, each, *costs, in_field) for each in oracles.every_boundary(scores)]
        assert oracles.mean_cost(scores, labels, boundary, *costs, in_field) == pytest.approx(min(every))

    def test_boundaries_lie_midway_and_of_equals_the_highest_counts(self):
        assert FBeta().fit([1, 2, 4, 8], [0, 0, 1, 1]).threshold_ == 3
        assert MinimumCost(1, 1).fit([1, 3, 5, 9], [0, 1, 0, 1]).threshold_ == 7

    def test_dear_misses_lower_the_boundary_and_rare_anomalies_raise_it(self):
        def boundary(*parameters):
            return MinimumCost(*parameters).fit(LABELLED_SCORES, LABELS).threshold_

        assert boundary(500) < boundary(1) < boundary(1, 50)
        assert boundary(50, 1, 0.001) > boundary(50, 1, 0.5)

    @given(st.lists(finite, min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
    def test_fixed_recall_is_the_highest_boundary_that_keeps_the_promise(self, anomalies, recall):
        fitted = FixedRecall(recall).fit([0.0, *anomalies], [0] + [1] * len(anomalies))
        missed_at_most = max(1 - recall, 1 / (len(anomalies) + 1))
        kept = [
            s for s in anomalies if (1 + sum(a < s for a in anomalies)) / (len(anomalies) + 1) <= missed_at_most + 1e-9
        ]
        assert fitted.threshold_ == np.nextafter(max(kept), -np.inf)
        assert fitted.supported_recall_ == pytest.approx(1 - missed_at_most)

    def test_fixed_recall_keeps_its_promise(self):
        rng = np.random.default_rng(0)
        for m, recall, expected in ((29, 0.9, 0.9), (40, 0.9, 37 / 41), (5, 0.95, 5 / 6)):
            found = []
            for _ in range(3000):
                scores = rng.gamma(2, 1, m + 1)
                found.append(FixedRecall(recall).fit(np.append(scores[:m], 0), [1] * m + [0]).is_anomaly(scores[m]))
            assert np.mean(found) == pytest.approx(expected, abs=0.02)  # 3 standard errors


@pytest.mark.parametrize("rate", [0, 1, -0.1, 5, np.nan])
@pytest.mark.parametrize("kind", [type(each) for each in FOR_A_RATE])
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

"""A monitored predictor: what it gives is the model's own, whatever happens to the watching."""

import copy
import pickle
import threading

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from offkey.drift import Monitored, Reference, with_outputs
from offkey.drift.costs import Costs
from offkey.errors import InputError, NotFittedError

ALL = float("inf")
RNG = np.random.default_rng(0)
X, NEW = RNG.normal(size=(2, 400, 3))  # rows that were learned from are not as strange as others
FRAME, NEW_FRAME = (pd.DataFrame(rows, columns=["a", "b", "c"]) for rows in (X, NEW))
MODEL = LogisticRegression().fit(X, (X[:, 0] > 0).astype(int))


class Kept:
    """A predictor that gives one and the same object, and takes more than its input, as Keras's does."""

    name = "kept"

    def __init__(self):
        self.given = np.zeros((5, 1))
        self.told = None

    def predict(self, X, verbose="auto"):
        """Predict."""
        self.told = verbose
        return self.given

    def __call__(self, X):
        return "called"


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
@pytest.mark.parametrize("data", [NEW[:50], pd.DataFrame(NEW[:50], columns=["x0", "x1", "x2"])])
def test_what_passes_through_is_the_same_bit_for_bit(method, data):
    model = LogisticRegression().fit(data, NEW[:50, 0] > 0)
    monitored = Monitored(model, Reference().fit(X), share=ALL)
    assert np.array_equal(getattr(monitored, method)(data), getattr(model, method)(data))
    assert monitored.n_watched == 50
    assert not monitored.findings


def test_the_very_object_that_the_model_gives_reaches_the_caller_with_all_arguments():
    model = Kept()
    monitored = Monitored(model, Reference().fit(X), share=ALL)
    assert monitored.predict(X[:5], verbose=0) is model.given
    assert model.told == 0
    assert monitored.predict(X=X[:5]) is model.given
    assert monitored.n_watched == 10
    assert (monitored.name, monitored(X), monitored.predict.__doc__) == ("kept", "called", "Predict.")
    assert repr(monitored).startswith("Monitored(")
    with pytest.raises(AttributeError, match="transmogrify"):
        monitored.transmogrify  # noqa: B018


def test_errors_of_the_model_are_the_models():
    monitored = Monitored(MODEL, Reference().fit(X), share=ALL)
    with pytest.raises(ValueError, match="features"):
        monitored.predict(X[:, :2])
    assert (monitored.n_calls, len(monitored.findings)) == (0, 0)


def test_drift_of_the_inputs_becomes_one_finding_with_the_alarm():
    monitored = Monitored(LogisticRegression().fit(FRAME, X[:, 0] > 0), Reference().fit(FRAME), share=ALL)
    for start in range(0, 400, 50):
        monitored.predict(NEW_FRAME.iloc[start : start + 50] + np.array([0, 3 * (start >= 200), 0]))
    (finding,) = monitored.findings
    assert (finding.kind, finding.call, finding.alarm.cause) == ("drift", 5, "b")
    assert finding.alarm.since in range(195, 210)
    assert len(monitored.stream.alarms) > 1  # it goes on


def test_drift_of_outputs_alone_is_found():
    table = with_outputs(MODEL, X, "predict_proba", inputs=False)
    assert list(table) == ["predict_proba"]
    reference = Reference().fit(table)
    assert reference.sample_.names == ["predict_proba[0]", "predict_proba[1]"]
    monitored = Monitored(MODEL, reference, share=ALL)
    monitored.predict(NEW)
    assert monitored.n_rows == 0  # the reference holds what another method gives
    monitored.predict_proba(NEW)
    assert (monitored.n_watched, list(monitored.findings)) == (400, [])
    monitored.predict_proba(NEW + np.array([2, 0, 0]))
    assert monitored.findings[0].kind == "drift"


@pytest.mark.parametrize("data", [X, FRAME, {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}])
def test_inputs_and_outputs_are_watched_together(data):
    class Threshold:
        def predict(self, data):
            first = data["a"] if isinstance(data, dict | pd.DataFrame) else data[:, 0]
            return np.where(np.asarray(first) > 0, "high", "low")

    reference = Reference().fit(with_outputs(Threshold(), data))
    assert [column.kind for column in reference.sample_.columns] == ["numeric"] * 3 + ["categorical"]
    monitored = Monitored(Threshold(), reference, share=ALL)
    monitored.predict(data)
    assert monitored.n_watched == 400
    assert not monitored.errors


@pytest.mark.parametrize("odd", [FRAME.rename(columns={"a": "z"}), FRAME.assign(d=1), FRAME.assign(a="text"), 7])
def test_whatever_is_wrong_with_the_watching_the_prediction_is_given(odd, caplog):
    monitored = Monitored(Kept(), Reference().fit(FRAME), share=ALL)
    for _ in range(3):
        assert monitored.predict(odd) is monitored.given
    ((kind, error),) = monitored.errors.items()
    assert (error.n, error.call, kind in error.sentence) == (3, 3, True)
    assert caplog.text.count("watching failed") == 1
    assert "watching failed" in caplog.text
    assert monitored.predict(FRAME.iloc[:5]) is monitored.given
    assert monitored.n_watched == 5


def test_watching_keeps_to_its_share_of_the_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("offkey.drift.monitor.time.perf_counter", lambda: now[0])

    class Slow(Kept):
        def predict(self, X):
            now[0] += 1.0
            return self.given

    monitored = Monitored(Slow(), Reference().fit(X), share=0.1)
    monitored._costs = Costs(0.1, 0.2, 0.01)
    push = monitored.stream.push

    def costly(table):
        now[0] += 0.2 + 0.01 * len(table)
        return push(table)

    monkeypatch.setattr(monitored.stream, "push", costly)
    for _ in range(50):
        monitored.predict(X)
    assert monitored.model_s == pytest.approx(50)
    assert 0.05 < monitored.overhead <= 0.1
    assert (monitored.n_calls, monitored.n_rows) == (50, 20_000)
    assert 0 < monitored.n_watched < 1000


def test_of_many_rows_no_more_than_said_are_watched():
    monitored = Monitored(MODEL, Reference().fit(X), share=ALL, most_rows=30)
    monitored.predict(X)
    assert (monitored.n_rows, monitored.n_watched) == (400, 30)


def test_calls_from_threads_all_get_their_answer():
    monitored, answers = Monitored(MODEL, Reference().fit(X), share=ALL), []
    threads = [threading.Thread(target=lambda: answers.append(monitored.predict(X))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(np.array_equal(answer, MODEL.predict(X)) for answer in answers)
    assert not monitored.errors


def test_regressors_and_transformers_are_watched_too():
    regressor = LinearRegression().fit(X, X[:, 0])
    monitored = Monitored(regressor, Reference().fit(with_outputs(regressor, X)), share=ALL)
    assert np.array_equal(monitored.predict(X[:9]), regressor.predict(X[:9]))
    assert monitored.coef_ is regressor.coef_
    transformer = PCA(2).fit(X)
    reference = Reference().fit(with_outputs(transformer, X, "transform", inputs=False))
    assert reference.sample_.names == ["transform[0]", "transform[1]"]
    watched = Monitored(transformer, reference, share=ALL)
    watched.transform(X)
    assert watched.n_watched == 400


def test_images_can_be_watched_by_what_the_model_makes_of_them():
    class Bright:
        def predict(self, images):
            return images.mean(axis=(1, 2))[:, None]

    images, others = RNG.normal(size=(2, 300, 4, 4))
    monitored = Monitored(Bright(), Reference().fit(with_outputs(Bright(), images, inputs=False)), share=ALL)
    monitored.predict(others)
    assert not monitored.findings
    monitored.predict(others + 1)
    assert [finding.kind for finding in monitored.findings] == ["drift"]


@pytest.mark.parametrize("options", [{"share": 0}, {"share": -1}, {"most_rows": 0}])
def test_no_time_or_no_rows_to_watch_are_refused(options):
    with pytest.raises(InputError, match="above zero"):
        Monitored(MODEL, Reference().fit(X), **options)


def test_a_reference_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError):
        Monitored(MODEL, Reference())


def test_asking_for_a_copy_does_not_run_in_circles():
    monitored = Monitored(MODEL, Reference().fit(X))
    assert copy.copy(MODEL).coef_ is monitored.coef_
    with pytest.raises(AttributeError):
        Monitored.__new__(Monitored).predict  # noqa: B018


def test_errors_of_all_kinds_do_not_push_out_what_was_found():
    monitored = Monitored(MODEL, Reference().fit(X), share=ALL)
    monitored.predict(NEW + 2)
    found = list(monitored.findings)
    for k in range(1, 30):
        with pytest.raises(ValueError, match="features"):
            monitored.predict(np.zeros((2, 3 + k)))
        monitored._keep(ValueError(f"of its own: {k}"))
    assert list(monitored.findings) == found != []
    assert [(error.n, error.sentence) for error in monitored.errors.values()] == [(29, "ValueError: of its own: 29")]


def test_a_row_that_two_methods_see_counts_once():
    monitored = Monitored(MODEL, Reference().fit(X), share=ALL)
    for start in range(0, 40, 10):
        rows = NEW[start : start + 10]
        assert np.array_equal(monitored.predict_proba(rows), MODEL.predict_proba(rows))
        assert np.array_equal(monitored.predict(rows), MODEL.predict(rows))
    assert (monitored.n_calls, monitored.n_watched) == (4, 40)


def test_the_method_that_is_watched_can_be_named_whatever_columns_are_called():
    table = {"transform": X[:, 0], "b": X[:, 1], "c": X[:, 2]}
    model = Kept()
    watched = Monitored(model, Reference().fit(table), method="predict", share=ALL)
    watched.predict(table)
    assert (watched.n_watched, watched.errors) == (400, {})
    with pytest.raises(InputError, match="no method 'generate'"):
        Monitored(model, Reference().fit(table), method="generate")
    with pytest.raises(InputError, match="'predict' is called as an output"):
        with_outputs(model, {"predict": np.zeros(5)})


class Keywords:
    """A predictor whose first argument has its own name, and which changes what it is given."""

    def predict(self, rows=None, verbose=1):
        if rows is None:
            return "nothing"
        rows *= 0
        return np.zeros(len(rows))


def test_the_input_is_found_among_named_arguments_and_read_before_the_model_changes_it():
    monitored = Monitored(Keywords(), Reference().fit(X), share=ALL)
    same = Reference().fit(X).stream(10_000)
    monitored.predict(verbose=0, rows=NEW[:60].copy())
    same.push(NEW[:60])
    assert (monitored.n_watched, monitored.stream.statistic) == (60, same.statistic)
    assert monitored.predict() == "nothing"
    assert monitored.errors["InputError"].sentence.endswith("Give it rows.")


def test_a_watched_model_can_be_copied_and_kept_in_files_with_what_it_saw():
    monitored = Monitored(MODEL, Reference().fit(X), share=ALL)
    monitored.predict(NEW[:50])
    for twin in (copy.deepcopy(monitored), pickle.loads(pickle.dumps(monitored))):  # noqa: S301  it is our own
        assert (twin.n_watched, twin.stream.n_rows) == (50, 50)
        assert np.array_equal(twin.predict(NEW[50:90]), MODEL.predict(NEW[50:90]))
        assert (twin.n_watched, monitored.n_watched) == (90, 50)


def test_a_method_is_wrapped_once_and_asks_for_the_models_own_each_time():
    model = Kept()
    monitored = Monitored(model, Reference().fit(X), share=ALL)
    assert monitored.predict is monitored.predict
    model.predict = lambda X: "another"
    assert monitored.predict(X[:5]) == "another"


def test_what_gives_the_model_itself_gives_the_watched_one():
    model = LogisticRegression()
    monitored = Monitored(model, Reference().fit(X), share=ALL)
    assert monitored.set_params(C=3.0).fit(X, X[:, 0] > 0) is monitored
    assert model.C == 3.0
    monitored.predict(NEW[:7])
    assert monitored.n_watched == 7


def test_a_pipeline_can_be_looked_into_as_before():
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X[:, 0] > 0)
    monitored = Monitored(model, Reference().fit(X), share=ALL)
    assert (len(monitored), monitored[-1], list(monitored)) == (2, model[-1], list(model))
    assert Monitored(MODEL, Reference().fit(X))  # a model without a length is true as ever


def test_sparse_inputs_are_watched():
    sparse = csr_array(X)
    assert list(with_outputs(MODEL, sparse))[-1] == "predict"
    monitored = Monitored(MODEL, Reference().fit(X), share=ALL)
    monitored.predict(csr_array(NEW))
    assert (monitored.n_rows, monitored.n_watched, monitored.errors) == (400, 400, {})


def test_all_calls_of_threads_are_counted():
    monitored = Monitored(MODEL, Reference().fit(X), share=ALL)

    def work():
        for _ in range(20):
            monitored.predict(X[:5])

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (monitored.n_calls, monitored.n_rows) == (120, 600)
    assert monitored.n_watched == monitored.stream.n_rows <= 600


@pytest.mark.slow
def test_a_keras_model_passes_through_with_its_options():
    pytest.importorskip("tensorflow")
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    reference = Reference().fit(with_outputs(model, X, inputs=True))
    assert reference.sample_.names == ["x0", "x1", "x2", "predict[0]", "predict[1]"]
    monitored = Monitored(model, reference, share=ALL)
    assert np.array_equal(monitored.predict(NEW, verbose=0), model.predict(NEW, verbose=0))
    assert np.array_equal(monitored(NEW[:3]), model(NEW[:3]))
    assert (monitored.n_watched, list(monitored.findings)) == (400, [])
    monitored.predict(NEW + 2, verbose=0)
    assert monitored.findings[0].kind == "drift"

"""Any outlier estimator of scikit-learn or PyOD as a detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.detectors.base import Detector
from offkey.errors import BundleError, InputError
from offkey.statistics import Windows, time_statistics

__all__ = ["Adapter"]

N_CHECKED = 16
LARGEST_VALUE = 1e30
"""Trees and libraries that compute in single precision take no larger ones; nor do scores go further."""
TOLERANCE = 1e-6


@final
class Adapter(Detector):
    """An outlier estimator of scikit-learn or PyOD, fitted on windows' statistics over time.

    Their signs are made ours here: scikit-learn's scores are higher for what is more normal, PyOD's for what is
    stranger. Each window is scored by a call of its own, so that no score depends on what else there is.

    A bundle holds no pickles: it keeps the estimator's name and parameters and the statistics that it was fitted on. A
    loaded detector fits it again when it first scores, and refuses to go on if its scores have changed, as they may
    with another version of the library.

    Parameters
    ----------
    estimator : object, optional
        With ``fit`` and ``decision_function`` or ``score_samples``; scikit-learn's ``IsolationForest`` if not given. A
        parameter ``random_state`` that is None becomes ``seed``, in estimators within it too.
    statistics : sequence of str
        What is pooled over time: see `offkey.statistics.time_statistics`.
    seed : int
        For estimators that draw.

    Attributes
    ----------
    rows_ : array, shape (n_windows, n_values)
        What the estimator was fitted on.
    checks_ : array, shape (n_checked,)
        Scores of the first of them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.svm import OneClassSVM
    >>> normal = np.random.default_rng(0).normal(-60, 1, (40, 30, 16, 1))
    >>> detector = Adapter(OneClassSVM(nu=0.1)).fit(normal)
    >>> bool(detector.anomaly_score(normal[:1] + 3)[0] > detector.anomaly_score(normal).max())
    True
    """

    def __init__(self, estimator: Any = None, statistics: Sequence[str] = ("mean", "std"), seed: int = 0) -> None:
        self.estimator = estimator
        self.statistics = statistics
        self.seed = seed

    def _fit(self, windows: Windows) -> None:
        self.rows_ = self._rows(windows)
        self._model = self._fitted_model()
        self.checks_ = self._scores(self.rows_[:N_CHECKED])

    def _fitted_model(self) -> Any:
        from sklearn.base import clone

        if self.estimator is None:
            from sklearn.ensemble import IsolationForest

            model = IsolationForest()
        else:
            model = clone(self.estimator)
        if not any(callable(getattr(model, name, None)) for name in ("decision_function", "score_samples")):
            raise InputError(
                f"{_shown(model)} was given; it has neither decision_function nor score_samples for new data. Give an "
                "outlier estimator (LocalOutlierFactor: with novelty=True)."
            )
        params = model.get_params()
        draws = [name for name in params if name.endswith("random_state") and params[name] is None]
        model.set_params(**dict.fromkeys(draws, self.seed))
        try:
            fitted: Any = model.fit(self.rows_)
        except (TypeError, ValueError) as error:  # a parameter out of its range, or an estimator that asks for labels
            raise InputError(
                f"{_shown(model)} cannot be fitted ({str(error).rstrip('.')}). Change its parameters, or use another."
            ) from error
        return model if fitted is None else fitted

    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        if not hasattr(self, "_model"):
            self._model = self._fitted_model()
            again = self._scores(self.rows_[: len(self.checks_)])
            if not np.allclose(again, self.checks_, rtol=TOLERANCE, atol=TOLERANCE * np.abs(self.checks_).max()):
                raise BundleError(
                    f"{_shown(self._model)} gives other scores than when the bundle was written, as with another "
                    "version of its library. Fit the pipeline again."
                )
        return self._scores(self._rows(windows))

    def _rows(self, windows: Windows) -> NDArray[np.float64]:
        return np.clip(time_statistics(windows, self.statistics), -LARGEST_VALUE, LARGEST_VALUE)

    def _scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        sign = 1 if type(self._model).__module__.partition(".")[0] == "pyod" else -1
        score = getattr(self._model, "decision_function", None) or self._model.score_samples
        scores = sign * np.array([float(np.ravel(score(row[None]))[0]) for row in rows])
        return np.clip(np.where(np.isnan(scores), LARGEST_VALUE, scores), -LARGEST_VALUE, LARGEST_VALUE)


def _shown(model: Any) -> str:
    return " ".join(repr(model).split())

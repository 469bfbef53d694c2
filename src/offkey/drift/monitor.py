"""A predictor that is watched while it works."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.drift.reference import Reference
from offkey.drift.stream import Alarm
from offkey.drift.table import Table, as_table
from offkey.errors import InputError

__all__ = ["DriftFinding", "Monitored", "with_outputs"]

WATCHED = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")
MOST_FINDINGS = 1000
FEWEST_AT_ONCE = 50
"""Rows of a large call that are watched, or none: many at once cost less each."""
log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class DriftFinding:
    """Something that watching a predictor brought to light.

    Attributes
    ----------
    kind : str
        ``"drift"``; or ``"error"``, of the watching itself: the prediction was given all the same.
    sentence : str
        What it is.
    call : int
        Number of the call at which it was found, from 1.
    alarm : Alarm, optional
        The drift; its rows are numbered as they were watched.
    """

    kind: str
    sentence: str
    call: int
    alarm: Alarm | None = None


@final
class Monitored:
    """Wraps a predictor: everything passes through unchanged, and rows that pass are watched for drift.

    ``predict``, ``predict_proba``, ``predict_log_proba``, ``decision_function`` and ``transform`` give what the model
    gives, the very same object; all other attributes are the model's. Rows go to a stream of the reference. If the
    reference was fitted on outputs too (`with_outputs`), calls of that method are watched with what they gave.

    Watching takes at most ``share`` of the time that the model itself takes, on average over calls (and at most one
    watched call more, and the microseconds that finding that out takes): rows are taken at random as long as that
    lasts, and others are let pass. What goes wrong in watching becomes a finding, and never reaches the caller of the
    model.

    Parameters
    ----------
    model : object
        Of scikit-learn, Keras or anything else with one of these methods.
    reference : Reference
        Fitted on a table with the columns that the model is given; a bare array takes their names. Rows that it was
        fitted on are less strange to it than others: do not watch them again.
    mean_time_between_false_alarms : float
        In watched rows.
    share : float
        Of the model's own time that watching may take; ``inf`` watches every row.
    most_rows : int
        Rows of one call that are watched, at most.
    seed : int
        Of which rows are taken.

    Attributes
    ----------
    findings : deque of DriftFinding
        The latest thousand; drifts that go on are told once.
    stream : DriftStream
        What watches; ``stream.alarms`` are all alarms.
    n_calls, n_rows, n_watched : int
        Calls and rows so far, and rows of them that were watched.
    model_s, watching_s : float
        Seconds that the model and the watching took so far.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 3))
    >>> model = LogisticRegression().fit(X, X[:, 0] > 0)
    >>> monitored = Monitored(model, Reference().fit(X), share=float("inf"))
    >>> bool((monitored.predict(X[:9] + 5) == model.predict(X[:9] + 5)).all())
    True
    >>> _ = monitored.predict(X[:200] + 1)
    >>> [finding.kind for finding in monitored.findings]
    ['drift']
    """

    def __init__(
        self,
        model: Any,
        reference: Reference,
        *,
        mean_time_between_false_alarms: float = 10_000,
        share: float = 0.1,
        most_rows: int = 1000,
        seed: int = 0,
    ) -> None:
        if not share > 0 or most_rows < 1:
            raise InputError(f"share={share} and most_rows={most_rows} were given. Give numbers above zero.")
        self._model = model
        self._share, self._most_rows = share, most_rows
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._method, self._has_inputs = _outputs_in(reference)
        self.stream = reference.stream(mean_time_between_false_alarms, seed)
        self.findings: deque[DriftFinding] = deque(maxlen=MOST_FINDINGS)
        self.n_calls = self.n_rows = self.n_watched = 0
        self.model_s = self.watching_s = 0.0
        self._call_s, self._row_s = self._measured(reference)

    def __getattr__(self, name: str) -> Any:
        if name in ("_model", "__deepcopy__", "__getstate__", "__setstate__"):  # asked for before there is a model
            raise AttributeError(name)
        found = getattr(self._model, name)
        if name in WATCHED and callable(found) and self._method in ("", name):
            return self._watched(name, found)
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model, unwatched: as Keras's models are within others."""
        return self._model(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Monitored({self._model!r})"

    @property
    def overhead(self) -> float:
        """Time that watching took so far, over the time that the model took."""
        return self.watching_s / self.model_s if self.model_s else 0.0

    def _watched(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            outputs = method(*args, **kwargs)
            stop = time.perf_counter()
            if self._lock.acquire(blocking=False):  # another thread is watching: this call passes unwatched
                try:
                    self.n_calls += 1
                    self.model_s += stop - start
                    self._watch(name, args[0] if args else next(iter(kwargs.values())), outputs)
                finally:
                    self.watching_s += time.perf_counter() - stop
                    self._lock.release()
            return outputs

        call.__name__, call.__doc__ = name, getattr(method, "__doc__", None)
        return call

    def _watch(self, name: str, inputs: Any, outputs: Any) -> None:
        """Watch as many rows as there is time for; whatever goes wrong becomes a finding, once."""
        try:
            n_rows = _n_rows(inputs)
            self.n_rows += n_rows
            n_wanted = min(n_rows, self._most_rows, self._affordable())
            if n_wanted >= min(n_rows, self._most_rows, FEWEST_AT_ONCE):
                start = time.perf_counter()
                self._watch_rows(name, inputs, outputs, np.sort(self._rng.choice(n_rows, n_wanted, replace=False)))
                self._learn_costs(time.perf_counter() - start, n_wanted)
        except Exception as error:  # noqa: BLE001  the model's answer must reach its caller whatever happens here
            sentence = f"{type(error).__name__}: {error}"
            if not self.findings or self.findings[-1].sentence != sentence:
                log.warning("watching failed: %s", sentence)
                self.findings.append(DriftFinding("error", sentence, self.n_calls))

    def _watch_rows(self, name: str, inputs: Any, outputs: Any, rows: NDArray[np.int64]) -> None:
        table = _outputs_table(name, _some(outputs, rows)) if self._method else {}
        if self._has_inputs:
            table = _joined(_some(inputs, rows), table)
        fresh = [alarm for alarm in self.stream.push(table) if not alarm.goes_on]
        self.n_watched += len(rows)
        self.findings.extend(DriftFinding("drift", str(alarm), self.n_calls, alarm) for alarm in fresh)

    def _affordable(self) -> int:
        if self._share == float("inf"):
            return self._most_rows
        left = self._share * self.model_s - self.watching_s
        return int((left - self._call_s) / self._row_s)

    def _learn_costs(self, taken: float, n_rows: int) -> None:
        """Learn slowly what watching costs."""
        expected = self._call_s + n_rows * self._row_s
        ratio = min(10.0, max(0.1, taken / expected)) ** 0.2
        self._call_s, self._row_s = self._call_s * ratio, self._row_s * ratio

    def _measured(self, reference: Reference) -> tuple[float, float]:
        """Return seconds that watching a call and a row of it take, by a stream that is thrown away."""
        sample, times = reference.sample_, []
        n_rows = min(50, sample.n_rows)
        stream = reference.stream() if reference.group is None else None
        for n in (1, 1, n_rows):
            table = sample.take(np.arange(n))
            start = time.perf_counter()
            if stream is not None:
                stream.push(table)
            times.append(time.perf_counter() - start)
        return max(times[1], 1e-4), max((times[2] - times[1]) / n_rows, 1e-6)


def with_outputs(model: Any, X: Any, method: str = "predict", inputs: bool = True) -> dict[str, Any]:
    """Return a table of what a model is given and what it gives: to fit the reference of a `Monitored` on.

    Parameters
    ----------
    model : object
        With that method.
    X : DataFrame, array (n_rows, n_columns), or mapping of str to array
        What it is given.
    method : str
        What is called; the columns of its output are called by it: ``predict``, or ``predict_proba[0]`` and so on.
    inputs : bool
        Whether the inputs are columns too; images and sequences cannot be.

    Returns
    -------
    dict of str to array
    """
    outputs = _outputs_table(method, getattr(model, method)(X))
    return _joined(X, outputs) if inputs else outputs


def _outputs_table(method: str, outputs: Any) -> dict[str, Any]:
    array = np.asarray(outputs)
    return {method: array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array}


def _joined(inputs: Any, outputs: dict[str, Any]) -> Any:
    if not outputs:
        return inputs
    if hasattr(inputs, "iloc"):
        return {str(name): inputs.iloc[:, i] for i, name in enumerate(inputs.columns)} | outputs
    table: Table = as_table(inputs)
    return {column.name: column for column in table.columns} | outputs


def _n_rows(inputs: Any) -> int:
    return len(next(iter(inputs.values()))) if isinstance(inputs, dict) else len(inputs)


def _some(values: Any, rows: Any) -> Any:
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if isinstance(values, dict):
        return {name: _some(each, rows) for name, each in values.items()}
    return (values if hasattr(values, "shape") else np.asarray(values))[rows]


def _outputs_in(reference: Reference) -> tuple[str, bool]:
    """Return the method whose outputs a reference holds (or nothing), and whether it holds inputs."""
    reference.stream()  # raises where it is not fitted
    tops = [name.partition("[")[0] for name in reference.sample_.names]
    method = next((name for name in WATCHED if name in tops), "")
    return method, any(top != method for top in tops)

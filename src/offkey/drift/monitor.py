"""A predictor that is watched while it works."""

from __future__ import annotations

import inspect
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.drift.costs import Costs
from offkey.drift.findings import DriftFinding, WatchingError
from offkey.drift.outputs import WATCHED, joined, n_rows_of, outputs_table, some_of
from offkey.drift.reference import Reference
from offkey.drift.units import generator
from offkey.errors import InputError

__all__ = ["Monitored"]

FLUENT = ("fit", "partial_fit", "set_params")
"""What gives the model itself back gives the watched one."""
MOST_FINDINGS = 1000
FEWEST_AT_ONCE = 50
"""Rows of a large call that are watched, or none: many at once cost less each."""
log = logging.getLogger(__name__)


@final
@dataclass
class _Taken:
    """Rows of a call that are to be watched: copies of what the model was given, before it could change it."""

    n_rows: int = 0
    rows: NDArray[np.int64] | None = None
    inputs: Any = None
    error: Exception | None = None
    seconds: float = 0.0


@final
class Monitored:
    """Wraps a predictor: its answers pass through unchanged, and rows that pass are watched for drift.

    All methods give what the model gives, the very same object (but what gives the model itself, as ``fit`` does, gives
    this), and all other attributes are the model's. Attributes that are set are set here, not on the model. Copies and
    files hold the model, the reference and what was seen.

    The calls of one method are watched, so that no row counts twice: with what it gave, if the reference was fitted on
    that too (`with_outputs`). Watching takes about ``share`` of the time that the model itself takes, on average over
    calls, and at most one watched call and a few microseconds of each call more: rows are taken at random as long as
    that lasts, and others are let pass. So are calls while another thread is watching. What goes wrong in watching is
    kept in ``errors``, and never reaches the caller of the model.

    Parameters
    ----------
    model : object
        Of scikit-learn, Keras or anything else.
    reference : Reference
        Fitted on a table with the columns that the model is given; a bare array takes their names. Rows that it was
        fitted on are less strange to it than others: do not watch them again.
    method : str, optional
        Whose calls are watched. If not given: the one that columns of the reference are called by, else the first of
        ``predict``, ``predict_proba``, ``predict_log_proba``, ``decision_function`` and ``transform`` that is called.
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
    errors : dict of str to WatchingError
        By the kind of exception.
    stream : DriftStream
        What watches; ``stream.alarms`` are the latest alarms.
    n_calls, n_rows, n_watched : int
        Calls of the watched method and rows so far, and rows of them that were watched.
    model_s, watching_s : float
        Seconds that the model and the watching took so far.

    Raises
    ------
    InputError
        If there is no time or there are no rows to watch, or the model lacks the method.
    NotFittedError
        If the reference is not fitted.

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
        method: str | None = None,
        mean_time_between_false_alarms: float = 10_000,
        share: float = 0.1,
        most_rows: int = 1000,
        seed: int = 0,
    ) -> None:
        if not share > 0 or most_rows < 1:
            raise InputError(f"share={share} and most_rows={most_rows} were given. Give numbers above zero.")
        if method is not None and not callable(getattr(model, method, None)):
            raise InputError(f"The model has no method {method!r}. Name one that it has.")
        self._model = model
        self._most_rows = most_rows
        self._rng = generator(seed)
        self.stream = reference.stream(mean_time_between_false_alarms, seed)
        self._method = method or _named_in(reference)
        names = reference.sample_.names
        self._has_outputs = any(_is_output(name, self._method) for name in names)
        self._has_inputs = not all(_is_output(name, self._method) for name in names)
        self._make_locks()
        self.findings: deque[DriftFinding] = deque(maxlen=MOST_FINDINGS)
        self.errors: dict[str, WatchingError] = {}
        self.n_calls = self.n_rows = self.n_watched = 0
        self.model_s = self.watching_s = 0.0
        self._costs = Costs.measured(reference, share)

    def __getattr__(self, name: str) -> Any:
        if name in ("_model", "__deepcopy__"):  # asked for before there is a model; copies are made by __getstate__
            raise AttributeError(name)
        found = getattr(self._model, name)
        if not callable(found) or name not in (*WATCHED, *FLUENT, self._method):
            return found
        wrapped = self._fluent(name) if name in FLUENT else self._watched(name)
        wrapped.__name__, wrapped.__doc__ = name, getattr(found, "__doc__", None)
        self.__dict__[name] = wrapped  # found at once from now on: looking it up again would take its time
        return wrapped

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model, unwatched: as Keras's models are within others."""
        return self._model(*args, **kwargs)

    def __len__(self) -> int:
        return len(self._model)

    def __getitem__(self, key: Any) -> Any:
        return self._model[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._model)

    def __bool__(self) -> bool:
        return bool(self._model)

    def __repr__(self) -> str:
        return f"Monitored({self._model!r})"

    def __getstate__(self) -> dict[str, Any]:
        left_out = ("_watching", "_counting", *WATCHED, *FLUENT, self._method)
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_locks()

    @property
    def overhead(self) -> float:
        """Time that watching took so far, over the time that the model took."""
        return self.watching_s / self.model_s if self.model_s else 0.0

    def _make_locks(self) -> None:
        self._watching, self._counting = threading.Lock(), threading.Lock()

    def _fluent(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            given = getattr(self._model, name)(*args, **kwargs)
            return self if given is self._model else given

        return call

    def _watched(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            entered = time.perf_counter()
            method = getattr(self._model, name)
            if not self._is_watched(name):
                return method(*args, **kwargs)
            taken = self._take(method, args, kwargs)
            start = time.perf_counter()
            outputs = method(*args, **kwargs)
            stop = time.perf_counter()
            self._count(taken, stop - start)
            self._watch(taken, outputs)
            with self._counting:
                self.watching_s += start - entered + time.perf_counter() - stop
            return outputs

        return call

    def _is_watched(self, name: str) -> bool:
        """Say whether calls of a method are watched: where none was named, the first that is called is it."""
        with self._counting:
            self._method = self._method or name
        return self._method == name

    def _take(self, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Taken:
        """Copy as many rows as there is time for."""
        taken = _Taken()
        try:
            inputs = args[0] if args else _first_of(method, kwargs)
            taken.n_rows = n_rows = n_rows_of(inputs)
            n_wanted = min(n_rows, self._most_rows, self._costs.affordable(self.model_s, self.watching_s))
            if n_wanted >= min(n_rows, self._most_rows, FEWEST_AT_ONCE):
                start = time.perf_counter()
                rows = np.sort(self._rng.choice(n_rows, int(n_wanted), replace=False))
                taken.inputs = some_of(inputs, rows) if self._has_inputs else None
                taken.rows, taken.seconds = rows, time.perf_counter() - start
        except Exception as error:  # noqa: BLE001  the model must be asked whatever happens here
            taken.error = error
        return taken

    def _count(self, taken: _Taken, seconds: float) -> None:
        with self._counting:
            self.n_calls += 1
            self.n_rows += taken.n_rows
            self.model_s += seconds

    def _watch(self, taken: _Taken, outputs: Any) -> None:
        """Watch what was taken, unless another thread is watching; whatever goes wrong is kept."""
        if (taken.rows is None and taken.error is None) or not self._watching.acquire(blocking=False):
            return
        try:
            if taken.error is not None:
                raise taken.error
            if taken.rows is not None:
                start = time.perf_counter()
                self._watch_rows(taken.rows, taken.inputs, outputs)
                self._costs.learn(taken.seconds + time.perf_counter() - start, len(taken.rows))
        except Exception as error:  # noqa: BLE001  the model's answer must reach its caller whatever happens here
            self._keep(error)
        finally:
            self._watching.release()

    def _watch_rows(self, rows: NDArray[np.int64], inputs: Any, outputs: Any) -> None:
        table = outputs_table(self._method, some_of(outputs, rows)) if self._has_outputs else {}
        alarms = self.stream.push(joined(inputs, table) if self._has_inputs else table)
        self.n_watched += len(rows)
        fresh = [alarm for alarm in alarms if not alarm.goes_on]
        self.findings.extend(DriftFinding("drift", str(alarm), self.n_calls, alarm) for alarm in fresh)

    def _keep(self, error: Exception) -> None:
        kind, sentence = type(error).__name__, f"{type(error).__name__}: {error}"
        if kind not in self.errors:
            log.warning("watching failed: %s", sentence)
        before = self.errors.get(kind, WatchingError(sentence, 0, 0))
        self.errors[kind] = replace(before, sentence=sentence, call=self.n_calls, n=before.n + 1)


def _first_of(method: Callable[..., Any], named: dict[str, Any]) -> Any:
    """Return of named arguments the one that is the model's input.

    Raises
    ------
    InputError
        If there is none.
    """
    parameters = list(inspect.signature(method).parameters)
    name = next((name for name in ("X", "x", *parameters[:1]) if name in named), None)
    if name is None:
        raise InputError("The model was called without input. Give it rows.")
    return named[name]


def _named_in(reference: Reference) -> str:
    """Return the method that columns of a reference are called by, or nothing."""
    return next((method for method in WATCHED if any(_is_output(n, method) for n in reference.sample_.names)), "")


def _is_output(name: str, method: str) -> bool:
    return bool(method) and re.fullmatch(re.escape(method) + r"(\[\d+\])?", name) is not None

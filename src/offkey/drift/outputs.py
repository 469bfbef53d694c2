"""Tables of what a model is given and what it gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.drift.table import as_table, names_of
from offkey.errors import InputError

__all__ = ["WATCHED", "joined", "n_rows_of", "outputs_table", "some_of", "with_outputs"]

WATCHED = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")


def with_outputs(model: Any, X: Any, method: str = "predict", inputs: bool = True) -> dict[str, Any]:
    """Return a table of what a model is given and what it gives: to fit the reference of a `Monitored` on.

    Parameters
    ----------
    model : object
        With that method.
    X : DataFrame, array or sparse matrix (n_rows, n_columns), or mapping of str to array
        What it is given.
    method : str
        What is called; the columns of its output are called by it: ``predict``, or ``predict_proba[0]`` and so on.
    inputs : bool
        Whether the inputs are columns too; images and sequences cannot be.

    Returns
    -------
    dict of str to array

    Raises
    ------
    InputError
        If an input is called by the method too.
    """
    outputs = outputs_table(method, getattr(model, method)(X))
    if not inputs:
        return outputs
    table = X.toarray() if hasattr(X, "toarray") else X
    taken = next((name for name in names_of(table) if name.partition("[")[0] == method), None)
    if taken is not None:
        raise InputError(f"The input {taken!r} is called as an output of {method} would be. Give it another name.")
    return dict(joined(table, outputs))


def outputs_table(method: str, outputs: Any) -> dict[str, Any]:
    """Return outputs (n_rows,) or (n_rows, k) as a table."""
    array = outputs.toarray() if hasattr(outputs, "toarray") else np.asarray(outputs)
    return {method: array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array}


def joined(inputs: Any, outputs: dict[str, Any]) -> Any:
    """Return inputs and outputs as one table; inputs alone as they are."""
    if not outputs:
        return inputs
    if hasattr(inputs, "iloc"):
        return {str(name): inputs.iloc[:, i] for i, name in enumerate(inputs.columns)} | outputs
    return {column.name: column for column in as_table(inputs).columns} | outputs


def n_rows_of(inputs: Any) -> int:
    """Return how many rows a table or an array has."""
    if isinstance(inputs, dict):
        return len(next(iter(inputs.values())))
    return int(inputs.shape[0]) if hasattr(inputs, "shape") else len(inputs)


def some_of(values: Any, rows: NDArray[np.int64]) -> Any:
    """Return a copy of some rows of a table, an array or a sparse matrix (dense), by number."""
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if isinstance(values, dict):
        return {name: some_of(each, rows) for name, each in values.items()}
    if hasattr(values, "toarray"):
        return values.tocsr()[rows].toarray()
    return np.asarray(values)[rows]

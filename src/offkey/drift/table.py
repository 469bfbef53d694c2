"""Tables as drift looks at them: columns of numbers or of categories, each with missing values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.drift.values import MISSING, Column, is_gone, make_column, readable
from offkey.errors import InputError, ShapeError

__all__ = ["Table", "as_row", "as_table", "matched", "names_of"]


@final
@dataclass(frozen=True)
class Table:
    """Columns of the same length."""

    columns: tuple[Column, ...]
    n_rows: int

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    def take(self, rows: NDArray[Any]) -> Table:
        """Return some of its rows, by number or mask."""
        columns = tuple(column.take(rows) for column in self.columns)
        return Table(columns, len(np.arange(self.n_rows)[rows]))


def as_table(
    data: Any, categorical: Iterable[str] = (), drop: Iterable[str] = (), names: Sequence[str] | None = None
) -> Table:
    """Read a table.

    Parameters
    ----------
    data : DataFrame, array (n_rows, n_columns), or mapping of str to array
        Arrays of a mapping have the shape (n_rows,), or (n_rows, k) for k columns ``name[0]``, ``name[1]``, ...; single
        values are one row. The columns of a bare array are called ``x0``, ``x1``, ... Numbers are numeric, texts and
        truth values categorical; None, NaN and infinite numbers are missing.
    categorical : iterable of str
        Columns of numbers that are categories.
    drop : iterable of str
        Columns that are left out.
    names : sequence of str, optional
        Names of the columns of a bare array.

    Raises
    ------
    InputError, ShapeError
        If it is no table, or a column is of another kind.
    """
    left_out, named = set(map(str, drop)), set(map(str, categorical))
    pairs = [(name, values) for name, values in _pairs(data, names) if name not in left_out]
    given = [name for name, _ in pairs]
    twice = next((name for name in given if given.count(name) > 1), None) if len(set(given)) < len(given) else None
    if twice is not None:
        raise InputError(f"The table has more than one column {twice!r}. Give each column a name of its own.")
    columns = tuple(make_column(name, values, name in named) for name, values in pairs)
    lengths = {len(column.values) for column in columns}
    if len(lengths) > 1:
        numbers = " and ".join(map(str, sorted(lengths)))
        raise ShapeError(f"Columns of {numbers} rows were given. Give the same number of each.")
    return Table(columns, lengths.pop() if lengths else 0)


def names_of(data: Any, names: Sequence[str] | None = None) -> list[str]:
    """Return the names of the columns of what `as_table` takes.

    Raises
    ------
    ShapeError
        If it is no table.
    """
    return [name for name, _ in _pairs(data, names)]


def as_row(data: Any, names: Sequence[str]) -> Any:
    """Return what one live row came in as a table of one row, and anything else as it is.

    A list, a tuple or an array with a value of each column; a pandas Series by its index; and in mappings, arrays (k,)
    under the name of k columns ``name[0]``, ``name[1]``, ...

    Parameters
    ----------
    data : object
        What was given.
    names : sequence of str
        The columns of the reference.
    """
    if hasattr(data, "iloc") and hasattr(data, "index") and not hasattr(data, "columns"):
        data = dict(data.items())
    if isinstance(data, Mapping):
        return {name: _wide(str(name), value, names) for name, value in data.items()}
    is_row = isinstance(data, list | tuple) or (isinstance(data, np.ndarray) and data.ndim == 1)
    if is_row and len(data) == len(names) and all(map(_is_single, data)):
        return dict(zip(names, data, strict=True))
    return data


def _wide(name: str, value: Any, names: Sequence[str]) -> Any:
    """Return a vector as a row of the columns that it fills, and other values as they are."""
    if name in names or f"{name}[0]" not in names or isinstance(value, Column):
        return value
    array = _array(name, value)
    return array[None] if array.ndim == 1 else array


def matched(table: Table, reference: Table) -> Table:
    """Return a table with its columns in the order of a reference's.

    Raises
    ------
    InputError
        If a column is missing, there is one more, or one holds something else.
    """
    given = {column.name: column for column in table.columns}
    missing = [name for name in reference.names if name not in given]
    extra = [name for name in given if name not in set(reference.names)]
    if missing:
        raise InputError(f"The table lacks {_listed(missing)} of the reference. Add what is missing, or fit without.")
    if extra:
        raise InputError(
            f"The table has {_listed(extra)}, which the reference lacks. Leave out what is new, or fit again with it."
        )
    return Table(tuple(_as_kind(given[column.name], column) for column in reference.columns), table.n_rows)


def _as_kind(column: Column, reference: Column) -> Column:
    if column.kind == reference.kind:
        return column
    if reference.levels is None and reference.is_missing.all():  # what it would hold nobody knows: it is there or not
        return Column(column.name, np.where(column.is_missing, np.nan, 0.0))
    if column.is_missing.all():
        n = len(column.values)
        empty: NDArray[Any] = np.full(n, np.nan) if reference.levels is None else np.full(n, MISSING)
        return Column(column.name, empty, None if reference.levels is None else ())
    held = {"numeric": "numbers", "categorical": "categories (texts or truth values)"}
    raise InputError(
        f"The column {column.name!r} holds {held[column.kind]}, but {held[reference.kind]} in the reference. "
        "Give it as it was, or fit again."
    )


def _listed(names: list[str]) -> str:
    some = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"the column {some}" if len(names) == 1 else f"the columns {some}"


def _pairs(data: Any, names: Sequence[str] | None) -> list[tuple[str, Any]]:
    """Return the columns of what was given, by name."""
    if isinstance(data, Table):
        return [(column.name, column) for column in data.columns]
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return [(readable(name), data.iloc[:, i]) for i, name in enumerate(data.columns)]
    if isinstance(data, Mapping):
        return [pair for name, values in data.items() for pair in _expanded(readable(name), values)]
    array = np.asarray(data)
    if array.dtype.names:
        return [(readable(name), array[name]) for name in array.dtype.names]
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(f"A table of shape {array.shape} was given. Give (n_rows, n_columns), with a column at least.")
    called = [f"x{i}" for i in range(array.shape[1])] if names is None else [readable(name) for name in names]
    if len(called) != array.shape[1]:
        raise ShapeError(f"{len(called)} names were given for {array.shape[1]} columns. Give one for each.")
    return [(name, array[:, i]) for i, name in enumerate(called)]


def _expanded(name: str, values: Any) -> list[tuple[str, Any]]:
    if isinstance(values, Column) or (hasattr(values, "dtype") and not isinstance(values, np.ndarray | np.generic)):
        return [(name, values)]
    array = np.atleast_1d(_array(name, values))
    if array.ndim == 2:
        return [(f"{name}[{k}]", array[:, k]) for k in range(array.shape[1])]
    if array.ndim > 2:
        raise ShapeError(f"The column {name!r} has the shape {array.shape}. Give (n_rows,) or (n_rows, k).")
    return [(name, array)]


def _array(name: str, values: Any) -> NDArray[Any]:
    """Return an array of values; texts and None in a list stay: numpy would turn numbers beside them into texts.

    Raises
    ------
    ShapeError
        If it is a list of lists of several lengths.
    """
    is_mixed = isinstance(values, list | tuple) and any(
        is_gone(v) or isinstance(v, str) for v in values if _is_single(v)
    )
    try:
        return np.asarray(values, object if is_mixed else None)
    except ValueError as error:
        raise ShapeError(f"The column {name!r} is ragged. Give (n_rows,) or (n_rows, k).") from error


def _is_single(value: Any) -> bool:
    return isinstance(value, str) or not hasattr(value, "__len__")

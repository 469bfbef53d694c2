"""Tables as drift looks at them: columns of numbers or of categories, each with missing values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError, ShapeError

__all__ = ["Column", "Table", "as_table", "matched"]

MISSING = -1
"""Code of a missing category."""


@final
@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
        Its name.
    values : array, shape (n_rows,)
        Numbers, NaN where missing; or the codes of categories, -1 where missing.
    levels : tuple of str, optional
        The categories by code; None for numbers.
    """

    name: str
    values: NDArray[Any]
    levels: tuple[str, ...] | None = None

    @property
    def kind(self) -> str:
        """``"numeric"`` or ``"categorical"``."""
        return "numeric" if self.levels is None else "categorical"

    @property
    def is_missing(self) -> NDArray[np.bool_]:
        """Whether each value (n_rows,) is missing."""
        return np.asarray(np.isnan(self.values) if self.levels is None else self.values == MISSING)

    def take(self, rows: NDArray[Any]) -> Column:
        """Return some of its rows, by number or mask."""
        return Column(self.name, self.values[rows], self.levels)

    def coded(self, levels: Sequence[str]) -> NDArray[np.int64]:
        """Return codes (n_rows,) by other levels: -1 where missing, ``len(levels)`` where they lack the category."""
        place = {level: code for code, level in enumerate(levels)}
        codes = np.array([*(place.get(level, len(levels)) for level in self.levels or ()), MISSING], np.int64)
        return np.asarray(codes[self.values])


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
    left_out, named = set(drop), {str(name) for name in categorical}
    pairs = [(name, values) for name, values in _pairs(data, names) if name not in left_out]
    given = [name for name, _ in pairs]
    twice = next((name for name in given if given.count(name) > 1), None) if len(set(given)) < len(given) else None
    if twice is not None:
        raise InputError(f"The table has more than one column {twice!r}. Give each column a name of its own.")
    columns = tuple(_column(name, values, name in named) for name, values in pairs)
    lengths = {len(column.values) for column in columns}
    if len(lengths) > 1:
        numbers = " and ".join(map(str, sorted(lengths)))
        raise ShapeError(f"Columns of {numbers} rows were given. Give the same number of each.")
    return Table(columns, lengths.pop() if lengths else 0)


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
        return [(str(name), data.iloc[:, i]) for i, name in enumerate(data.columns)]
    if isinstance(data, Mapping):
        return [pair for name, values in data.items() for pair in _expanded(str(name), values)]
    array = np.asarray(data)
    if array.dtype.names:
        return [(name, array[name]) for name in array.dtype.names]
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(f"A table of shape {array.shape} was given. Give (n_rows, n_columns), with a column at least.")
    called = [f"x{i}" for i in range(array.shape[1])] if names is None else [str(name) for name in names]
    if len(called) != array.shape[1]:
        raise ShapeError(f"{len(called)} names were given for {array.shape[1]} columns. Give one for each.")
    return [(name, array[:, i]) for i, name in enumerate(called)]


def _expanded(name: str, values: Any) -> list[tuple[str, Any]]:
    if isinstance(values, Column) or (hasattr(values, "dtype") and not isinstance(values, np.ndarray | np.generic)):
        return [(name, values)]
    array = np.atleast_1d(np.asarray(values, None if not isinstance(values, list | tuple) else _list_type(values)))
    if array.ndim == 2:
        return [(f"{name}[{k}]", array[:, k]) for k in range(array.shape[1])]
    if array.ndim > 2:
        raise ShapeError(f"The column {name!r} has the shape {array.shape}. Give (n_rows,) or (n_rows, k).")
    return [(name, array)]


def _list_type(values: Sequence[Any]) -> type | None:
    """Keep texts and None in a list as they are: numpy would turn numbers beside them into texts."""
    return object if any(value is None or isinstance(value, str) for value in values) else None


def _column(name: str, values: Any, is_categorical: bool) -> Column:
    if isinstance(values, Column):
        return values if values.levels is not None or not is_categorical else _categories(name, values.values)
    kind = getattr(values.dtype, "kind", "O")
    if kind in "Mmc":
        raise InputError(
            f"The column {name!r} holds {'complex numbers' if kind == 'c' else 'times'}. "
            "Turn them into numbers, or leave the column out (drop)."
        )
    if kind in "iuf" and not is_categorical:
        array = values.to_numpy(np.float64, na_value=np.nan) if hasattr(values, "to_numpy") else values
        return _numbers(name, array)
    array = np.asarray(values, object)
    if hasattr(values, "isna"):
        array = array.copy()
        array[values.isna().to_numpy()] = None
    if not is_categorical and kind == "O" and str(values.dtype) != "category" and _is_numeric(array):
        return _numbers(name, np.array([np.nan if value is None else value for value in array], np.float64))
    return _categories(name, array)


def _is_numeric(array: NDArray[Any]) -> bool:
    numbers = (int, float, np.integer, np.floating)
    return all(value is None or (isinstance(value, numbers) and not isinstance(value, bool)) for value in array)


def _numbers(name: str, values: Any) -> Column:
    array = np.array(values, np.float64)
    array[~np.isfinite(array)] = np.nan
    return Column(name, array)


def _categories(name: str, values: NDArray[Any]) -> Column:
    texts = [_text(value) for value in values]
    levels = tuple(sorted({text for text in texts if text is not None}))
    place = {level: code for code, level in enumerate(levels)}
    return Column(name, np.array([MISSING if text is None else place[text] for text in texts], np.int64), levels)


def _text(value: Any) -> str | None:
    """Return a category as text; whole numbers read the same whether missing values made them floating or not."""
    if value is None or value != value:
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)

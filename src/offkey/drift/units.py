"""Which rows are independent of each other, and in which order they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.drift.table import Column, Table
from offkey.errors import InputError

__all__ = ["one_of_each", "rows_of", "split_group", "time_order"]


def split_group(table: Table, group: str | None) -> tuple[Table, Column | None]:
    """Return a table without the column that says which rows belong together, and that column.

    Raises
    ------
    InputError
        If there is none, or it does not say of all rows.
    """
    if group is None:
        return table, None
    own = next((column for column in table.columns if column.name == group), None)
    if own is None:
        raise InputError(f"The table lacks the column {group!r}, which says what rows belong together. Add it.")
    if own.is_missing.any():
        raise InputError(f"The column {group!r} does not say of all rows what they belong to. Fill it.")
    return Table(tuple(each for each in table.columns if each is not own), table.n_rows), own


def one_of_each(group: Column | None, n_rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return one row of each group, drawn at random, in their order; all rows where there are no groups."""
    if group is None:
        return np.arange(n_rows)
    order = rng.permutation(n_rows)
    return np.sort(order[np.unique(group.values[order], return_index=True)[1]])


def rows_of(group: Column | None, units: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return all rows that belong with some rows, in their order; at most so many, drawn at random."""
    rows = units if group is None else np.flatnonzero(np.isin(group.values, group.values[units]))
    return np.sort(rng.permutation(rows)[:most])


def time_order(table: Any, time: str) -> tuple[NDArray[np.int64], list[str]]:
    """Return the rows of a table in the order of a column, and what that says of each row, as text.

    Raises
    ------
    InputError
        If the column is not there, or some of it is missing.
    """
    if isinstance(table, Mapping) or hasattr(table, "columns"):
        there = list(getattr(table, "columns", table))
    else:
        there = list(getattr(getattr(table, "dtype", None), "names", None) or ())
    if time not in there:
        raise InputError(f"The batch has no column {time!r} to tell its order. Name one that it has.")
    values = np.asarray(table[time])
    if any(value is None or value != value for value in values.tolist()):
        raise InputError(f"The column {time!r} does not tell the time of all rows. Fill it.")
    is_date = values.dtype.kind == "M"
    texts = [str(value) for value in (np.datetime_as_string(values, unit="s") if is_date else values)]
    texts = [text.replace("T", " ") for text in texts] if is_date else texts
    order = np.argsort(values if values.dtype.kind in "iufM" else np.array(texts), kind="stable")
    return order, texts

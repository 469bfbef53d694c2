"""Which rows are independent of each other, and in which order they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.drift.table import Table
from offkey.drift.values import Column, is_gone, readable
from offkey.errors import InputError

__all__ = ["first_of_each", "generator", "one_of_each", "rows_of", "split_group", "time_order"]


def generator(seed: int, *purpose: int) -> np.random.Generator:
    """Return random numbers by a seed, others for each purpose.

    Raises
    ------
    InputError
        If the seed is no whole number, or below zero.
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"The seed {seed!r} was given. Give a whole number, 0 or more.")
    return np.random.default_rng([seed, *purpose] if purpose else seed)


def split_group(table: Table, group: str | None) -> tuple[Table, Column | None]:
    """Return a table without the column that says which rows belong together, and that column.

    Raises
    ------
    InputError
        If there is none, or it does not say of all rows.
    """
    if group is None:
        return table, None
    own = next((column for column in table.columns if column.name == str(group)), None)
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


def first_of_each(group: Column | None, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return of the groups that some rows belong to the first row in the order of the rows; all without groups."""
    return rows if group is None else rows[np.sort(np.unique(group.values[rows], return_index=True)[1])]


def rows_of(group: Column | None, units: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return all rows that belong with some rows, in their order; at most so many, drawn at random."""
    rows = units if group is None else np.flatnonzero(np.isin(group.values, group.values[units]))
    return np.sort(rng.permutation(rows)[:most])


def time_order(table: Any, time: str) -> tuple[NDArray[np.int64], list[str]]:
    """Return the rows of a table in the order of a column, and what that says of each row, as text.

    Raises
    ------
    InputError
        If the column is not there, some of it is missing, or it tells no order.
    """
    if isinstance(table, Mapping) or hasattr(table, "columns"):
        there = list(getattr(table, "columns", table))
    else:
        there = list(getattr(getattr(table, "dtype", None), "names", None) or ())
    name = next((name for name in there if str(name) == str(time)), None)
    if name is None:
        raise InputError(f"The batch has no column {time!r} to tell its order. Name one that it has.")
    values = np.asarray(table[name])
    if values.ndim != 1 or any(map(is_gone, values)):
        raise InputError(f"The column {time!r} does not tell the time of all rows. Fill it.")
    return np.array(_ordered(values, time), np.int64), [_told(value) for value in values]


def _ordered(values: NDArray[Any], time: str) -> Any:
    """Return the order of values: of numbers and times, also as text; of whatever else can be compared.

    Raises
    ------
    InputError
        If it cannot, or is text that is neither a number nor a date of ISO 8601: that would be sorted by its letters.
    """
    if values.dtype.kind in "iufMm":
        return np.argsort(values, kind="stable")
    told: list[Any] = values.tolist()
    if any(isinstance(value, str) for value in told):
        told = _read(told, float) or _read(told, datetime.fromisoformat)
    try:
        return sorted(range(len(values)), key=told.__getitem__)
    except (TypeError, IndexError):
        raise InputError(
            f"The column {time!r} tells no order. Give numbers or times, or text such as 2026-03-31 14:00."
        ) from None


def _read(texts: list[Any], kind: Callable[[str], Any]) -> list[Any]:
    """Return what all of some texts say, or nothing."""
    try:
        return [kind(str(text)) for text in texts]
    except ValueError:
        return []


def _told(value: Any) -> str:
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value, unit="s")).replace("T", " ")
    return f"{value / np.timedelta64(1, 's'):g} s" if isinstance(value, np.timedelta64) else readable(value)

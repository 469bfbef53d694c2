"""One column of a table: numbers or categories, whatever form they came in, and which of them are missing."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError

__all__ = ["MISSING", "Column", "is_gone", "make_column", "readable", "shortened"]

MISSING = -1
"""Code of a missing category."""
LARGEST = 1e150
"""Numbers further from zero count as this: squares of numbers, and sums of them, stay finite."""
WHOLE = re.compile(r"([+-]?\d+)\.0*")


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
        """Return some of its rows, by number or mask, with the categories that occur in them."""
        values = self.values[rows]
        if self.levels is None:
            return Column(self.name, values)
        present = np.unique(values[values != MISSING])
        codes = np.where(values == MISSING, MISSING, np.searchsorted(present, values))
        return Column(self.name, codes, tuple(self.levels[code] for code in present.tolist()))

    def coded(self, levels: Sequence[str]) -> NDArray[np.int64]:
        """Return codes (n_rows,) by other levels: -1 where missing, ``len(levels)`` where they lack the category."""
        place = {level: code for code, level in enumerate(levels)}
        codes = np.array([*(place.get(level, len(levels)) for level in self.levels or ()), MISSING], np.int64)
        return np.asarray(codes[self.values])


def make_column(name: str, values: Any, is_categorical: bool) -> Column:
    """Return a column of numbers or of categories, as its values are; of categories in any case, if that is said.

    Raises
    ------
    InputError
        If it holds times, complex numbers, or lists.
    """
    if isinstance(values, Column):
        return (
            values
            if values.levels is not None or not is_categorical
            else _categories(name, _objects(name, values.values))
        )
    kind = getattr(values.dtype, "kind", "O")
    if kind in "Mmc":
        raise InputError(
            f"The column {name!r} holds {'complex numbers' if kind == 'c' else 'times'}. "
            "Turn them into numbers, or leave the column out (drop)."
        )
    if kind in "iuf" and not is_categorical:
        return _numbers(name, values.to_numpy(np.float64, na_value=np.nan) if hasattr(values, "to_numpy") else values)
    array = _objects(name, values)
    if not is_categorical and kind == "O" and str(values.dtype) != "category" and all(map(_is_number, array)):
        return _numbers(name, np.array([_number(value) for value in array], np.float64))
    return _categories(name, array)


def is_gone(value: Any) -> bool:
    """Say whether a single value is missing: None, NaN, or one of pandas' marks for that."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def readable(text: Any) -> str:
    """Return something as text that can be written to any file: halves of characters are spelt out."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def shortened(text: str, most: int = 40) -> str:
    """Return a text, cut off where it is longer than so many letters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _objects(name: str, values: Any) -> NDArray[np.object_]:
    """Return single values (n_rows,), None where they are missing.

    Raises
    ------
    InputError
        If some are lists or arrays.
    """
    array = np.empty(len(values), object)
    for row, value in enumerate(values):
        if isinstance(value, str):
            array[row] = value
            continue
        if hasattr(value, "__len__") and not isinstance(value, bytes):
            raise InputError(
                f"The column {name!r} holds lists or arrays. Give single values, or an array (n_rows, k) instead."
            )
        array[row] = None if is_gone(value) else value
    return array


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, Real | Decimal) and not isinstance(value, bool))


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return LARGEST if value > 0 else -LARGEST


def _numbers(name: str, values: Any) -> Column:
    array = np.array(values, np.float64)
    array[~np.isfinite(array)] = np.nan
    return Column(name, np.clip(array, -LARGEST, LARGEST))


def _categories(name: str, values: NDArray[Any]) -> Column:
    kinds = list(zip(map(type, values), values, strict=True))  # True is not 1
    texts = {kind: _text(kind[1]) for kind in set(kinds) if kind[1] is not None}
    levels = tuple(sorted(set(texts.values())))
    place = {level: code for code, level in enumerate(levels)}
    codes = {kind: place[text] for kind, text in texts.items()}
    return Column(name, np.array([codes.get(kind, MISSING) for kind in kinds], np.int64), levels)


def _text(value: Any) -> str:
    """Return a category as text.

    Whole numbers read the same (``1``) where missing values beside them made them floating (``1.0``), here or in the
    program that wrote a file; leading zeros stay.
    """
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else readable(value)
    whole = WHOLE.fullmatch(text)
    return text if whole is None else whole[1]

"""Numbers in text tables: decimal marks, marks between thousands, and what stands for no value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError

__all__ = ["NO_VALUE", "Numbers", "is_number"]

NO_VALUE = frozenset({"", "na", "nan", "n/a", "#n/a", "null", "none", "-", "--", "---", "?", "nat", "inf", "-inf"})
TRUTH = {"true": 1.0, "false": 0.0}

_PLAIN = r"[+-]?(?:\d+(?:{0}\d*)?|{0}\d+)(?:[eE][+-]?\d+)?"
_NUMBER = {mark: re.compile(_PLAIN.format(re.escape(mark))) for mark in ".,"}
_GROUPED = {
    mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+(?:{re.escape(other)}\d+)?")
    for mark, other in ((".", ","), (",", "."))
}


@final
@dataclass(frozen=True)
class Numbers:
    """How numbers are written.

    Attributes
    ----------
    decimal : str
        Decimal mark.
    thousands : str or None
        Mark between thousands.
    note : str
        What had to be assumed.
    """

    decimal: str = "."
    thousands: str | None = None
    note: str = ""

    def of(self, text: str) -> float | None:
        """Return the number that a text holds: NaN for one without a value, None for other text."""
        text = text.strip()
        if _NUMBER[self.decimal].fullmatch(text):
            return float(text.replace(self.decimal, "."))
        if self.thousands and _GROUPED[self.thousands].fullmatch(text):
            return float(text.replace(self.thousands, "").replace(self.decimal, "."))
        text = text.casefold()
        return float("nan") if text in NO_VALUE else TRUTH.get(text)

    def of_column(self, column: Any) -> NDArray[np.float64]:
        """Return the numbers of a pandas column of text (n,); NaN for what is none."""
        found = np.full(len(column), np.nan)
        there = np.flatnonzero(column.notna().to_numpy())
        for i, value in zip(there, column.to_numpy(object)[there], strict=True):
            number = self.of(str(value))
            found[i] = np.nan if number is None else number
        return found

    @classmethod
    def as_in(cls, rows: Sequence[Sequence[str]], delimiter: str) -> Numbers:
        """See from rows of fields how their numbers are written: each column tells for itself, and all have to agree.

        Raises
        ------
        InputError
            If one column has decimal points, and another decimal commas.
        """
        if not rows:
            return cls()
        width = max(Counter(map(len, rows)).items(), key=lambda item: (item[1], item[0]))[0]
        columns = zip(*(row for row in rows if len(row) == width), strict=True)
        fields = [{field.strip() for field in column} for column in columns]
        marks = [_decimal_of(each) for each in fields]
        everything = set[str]().union(*fields)
        if "." in marks and "," in marks:
            raise InputError("has decimal points in one column, and decimal commas in another. Write all alike.")
        for mark, other in ((",", "."), (".", ",")):
            if mark not in marks and any(_is_surely_grouped(field, mark) for field in everything):
                return cls(other, mark)
        grouped = {mark: sorted(f for f in everything if _GROUPED[mark].fullmatch(f)) for mark in ".,"}
        if "," in marks:
            return cls(",", "." if grouped["."] else None, _note(grouped["."], "."))
        if "." in marks:
            return cls(".", "," if grouped[","] else None, _note(grouped[","], ","))
        is_comma = delimiter != "," and any("," in field and _NUMBER[","].fullmatch(field) for field in everything)
        return cls("," if is_comma else ".")


def is_number(text: str, marks: str = ".,") -> bool:
    """Say whether a text is a number with one of these decimal marks."""
    return any(_NUMBER[mark].fullmatch(text) or _GROUPED[mark].fullmatch(text) for mark in marks)


def _decimal_of(fields: set[str]) -> str:
    """Return the decimal mark of the fields of a column; empty if no field is sure of it."""
    sure = {
        mark: sum(mark in f and bool(_NUMBER[mark].fullmatch(f)) and not _GROUPED[mark].fullmatch(f) for f in fields)
        for mark in ".,"
    }
    most = max(sure, key=lambda mark: sure[mark])
    return most if sure[most] else ""


def _is_surely_grouped(field: str, mark: str) -> bool:
    other = "," if mark == "." else "."
    return _GROUPED[mark].fullmatch(field) is not None and (field.count(mark) > 1 or other in field)


def _note(grouped: Sequence[str], mark: str) -> str:
    return f"{mark!r} is read as a mark between thousands, such as in {grouped[0]}" if grouped else ""

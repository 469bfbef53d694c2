"""Rates that the text before a table states: ``Sample rate: 25.6 kHz``."""

from __future__ import annotations

import csv
import re

from offkey.signals.numerals import Numbers

__all__ = ["stated_rate"]

_UNIT = r"(?P<{0}>[kKM]?)(?:[hH][zZ]|(?:[sS]a?|[sS]amples?)/(?:s|sec|second)|[sS][pP][sS]|1/s)"
_LABEL = re.compile(
    r"(?<!\w)(?:sampl(?:e|es|ing)?[ _-]*(?:rate|freq(?:uency|\.)?)|abtast(?:rate|frequenz)|fs|f_s)(?!\w)", re.IGNORECASE
)
_BESIDE_LABEL = re.compile(rf"\s*[\[(]\s*{_UNIT.format('scale')}\s*[\])]")
_SEPARATOR = re.compile(r"[\"']?\s*[:=,;\t| ]\s*")
_RATE = re.compile(
    rf"(?P<number>[+]?\d[\d.,]*(?:[eE][+]?\d+)?)\s*[\[(]?(?:{_UNIT.format('scale')})?[\])]?\s*(?:$|[,;|\t]\s)"
)
_SCALES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6}


def stated_rate(lines: list[str], numbers: Numbers) -> tuple[float, str] | None:
    """Return the first rate that lines state, in hertz, and the line; None if none does.

    What is not all of it understood (a word between, an unknown unit) is no rate. ``numbers`` says what ``25.600`` is,
    where the line does not.
    """
    for line in lines:
        for label in _LABEL.finditer(line):
            rate = _rate_of(line[label.end() :], numbers)
            if rate:
                return rate, line.strip()
    return None


def _rate_of(text: str, numbers: Numbers) -> float | None:
    beside = _BESIDE_LABEL.match(text)
    text = text[beside.end() :] if beside else text
    separator = _SEPARATOR.match(text)
    if separator is None:
        return None
    mark, text = separator[0].strip("\"' "), text[separator.end() :]
    if mark in (",", ";", "\t", "|"):  # cells of a table
        text = " ".join(next(csv.reader([text], delimiter=mark), [])[:2])
    found = _RATE.match(text.strip().strip("\"'"))
    if found is None or (beside and found["scale"]):
        return None
    number = _number(found["number"].rstrip(",."), numbers)
    scale = (beside or found)["scale"] or ""
    return None if number is None else number * _SCALES[scale]


def _number(text: str, numbers: Numbers) -> float | None:
    """Return a number by the marks of the table, or by the only ones that it can have."""
    marks = [(".", ","), (",", ".")]
    for decimal, thousands in marks if numbers.decimal == "." else reversed(marks):
        number = Numbers(decimal, thousands).of(text)
        if number is not None:
            return number
    return None

"""Names and units of channels, from the headers of tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["SPEEDS", "is_unit", "plain_unit", "split_headers", "split_unit"]

SPEEDS = {"rpm": 1 / 60, "1/min": 1 / 60, "r/min": 1 / 60, "min-1": 1 / 60, "Hz": 1.0, "1/s": 1.0, "rps": 1.0}
"""Units of speeds, in revolutions per second."""

LETTERS = frozenset("-%°gmAVWNKCF")
UNITS = frozenset({
    "mg", "m/s2", "mm/s", "mm/s2", "m/s", "mm", "µm", "um", "ma", "mv", "kw", "kwh", "pa", "kpa", "mpa", "bar", "mbar",
    "psi", "°c", "°f", "degc", "degf", "khz", "kn", "nm", "db", "l/min", "l/s", "l/h", "m3/h", "kg", "kg/h", "ohm",
    "deg", "rad/s", "%rh", *(unit.lower() for unit in SPEEDS),
})  # fmt: skip
"""What is known as a unit, and not a name: single letters as they are, others in lower case."""

_IN_BRACKETS = re.compile(
    r"(?P<name>.*?)\s*(?:\[(?P<square>[^\[\]]*)\]|\((?P<round>[^()]*(?:\([^()]*\)[^()]*)*)\))", re.DOTALL
)
_SQUARE = re.compile(r"(?:\^|\*\*)(?=\d)")
_LONGEST_UNIT = 16


def split_unit(header: str) -> tuple[str, str]:
    """Return the name and the unit of a header; the unit is what stands in brackets at its end.

    Examples
    --------
    >>> split_unit("x [g]"), split_unit("acc (m/s²)"), split_unit("speed")
    (('x', 'g'), ('acc', 'm/s2'), ('speed', ''))
    """
    match = _IN_BRACKETS.fullmatch(header.strip())
    if match is None:
        return header.strip(), ""
    unit = (match["square"] if match["square"] is not None else match["round"]).strip()
    if not match["name"] or len(unit) > _LONGEST_UNIT or unit.isdecimal():
        return header.strip(), ""
    return match["name"], plain_unit(unit)


def plain_unit(unit: str) -> str:
    """Write a unit in one way: ``m/s²``, ``m/s^2`` and ``m/s**2`` are ``m/s2``."""
    unit = unit.translate({ord("²"): "2", ord("³"): "3", ord("μ"): "µ"})
    return "" if unit in ("-", "1") else _SQUARE.sub("", unit)


def is_unit(text: str) -> bool:
    """Say whether a text is known as a unit."""
    text = text.strip()
    return text in LETTERS if len(text) < 2 else plain_unit(text).lower() in UNITS


def split_headers(headers: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names and units of columns; no two names are equal.

    Where headers differ only in what stands in brackets, that belongs to the name.

    Examples
    --------
    >>> split_headers(["x [g]", "acc (left)", "acc (right)", "T [C]", "T [F]", "y", "y"])[0]
    ['x', 'acc (left)', 'acc (right)', 'T [C]', 'T [F]', 'y', 'y.1']
    """
    split = [split_unit(header) for header in headers]
    whole: dict[str, set[str]] = {}
    for header, (name, _) in zip(headers, split, strict=True):
        whole.setdefault(name, set()).add(header.strip())
    differ = [len(whole[name]) > 1 for name, _ in split]
    names = [header.strip() if yes else name for header, (name, _), yes in zip(headers, split, differ, strict=True)]
    units = [unit if not yes or is_unit(unit) else "" for (_, unit), yes in zip(split, differ, strict=True)]
    return _numbered(names), units


def _numbered(names: list[str]) -> list[str]:
    """Put a number to names that stand for several columns: ``x, x.1, x.2``."""
    taken = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        own, n = name, 0
        while own in seen or (n and own in taken):
            n += 1
            own = f"{name}.{n}"
        seen.add(own)
        result.append(own)
    return result

"""Names and units of channels, from the headers of tables."""

from __future__ import annotations

import re

__all__ = ["plain_unit", "split_unit", "unique_names"]

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


def unique_names(names: list[str]) -> list[str]:
    """Put a number to names that stand for several columns: ``x, x.1, x.2``."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        n = seen.get(name, 0)
        seen[name] = n + 1
        result.append(f"{name}.{n}" if n else name)
    return result

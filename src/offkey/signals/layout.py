"""How a text table is written: encoding, delimiter, decimal mark, and where its header and its first row are."""

from __future__ import annotations

import codecs
import csv
import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final

from offkey.errors import ReadError
from offkey.signals.timestamps import is_time_text

__all__ = ["DELIMITERS", "Layout", "layout_of", "number_of"]

DELIMITERS = (",", ";", "\t", "|", " ")

LOOKED_AT = 65_536
"""Bytes at the beginning, in the middle and at the end of a file that tell its layout."""

MOST_ROWS_LOOKED_AT = 400
FEWEST_ALIKE = 0.8
"""Share of lines that have as many fields as most."""

LONGEST_PREAMBLE = 200
"""Lines before the first row of numbers, at most."""

NO_VALUE = frozenset({"", "na", "nan", "n/a", "#n/a", "null", "none", "-", "--", "---", "?", "nat", "inf", "-inf"})

_SPACED = re.compile(r'"[^"]*"|\S+')
_LINE_END = re.compile(r"\r\n|\r|\n")
_PLAIN = r"[+-]?(?:\d+(?:{0}\d*)?|{0}\d+)(?:[eE][+-]?\d+)?"
_NUMBER = {mark: re.compile(_PLAIN.format(re.escape(mark))) for mark in ".,"}
_GROUPED = {
    mark: re.compile(rf"[+-]?\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+(?:{re.escape(other)}\d+)?")
    for mark, other in ((".", ","), (",", "."))
}
_RATE = re.compile(
    r"(?:sampl\w*[ _-]*(?:rate|freq\w*)|abtastrate|\bfs\b|\bf_s\b)"
    r"[^\d\n]{0,20}(\d+(?:\.\d+)?(?:[eE][+]?\d+)?)\s*(k?hz)?",
    re.IGNORECASE,
)


@final
@dataclass(frozen=True)
class Layout:
    """How a text table is written.

    Attributes
    ----------
    encoding : str
        Of its text.
    delimiter, decimal : str
        Between fields (``" "`` is any white space), and in numbers.
    thousands : str or None
        Between thousands.
    n_lines : int
        Lines before the first row.
    names, units : list of str
        Of columns; names are empty where there is no header, units where the header has no line of them.
    comment : str or None
        Mark that begins comments between rows.
    sample : list of list of str
        Rows from the beginning, the middle and the end.
    n_first : int
        How many of them are from the beginning, one after the other.
    rate : float or None
        Samples per second that lines before the header state.
    """

    encoding: str
    delimiter: str
    decimal: str
    thousands: str | None
    n_lines: int
    names: list[str]
    units: list[str]
    comment: str | None
    sample: list[list[str]]
    n_first: int
    rate: float | None


def number_of(text: str, decimal: str, thousands: str | None) -> float | None:
    """Return the number that a field holds: NaN for one without a value, None for other text."""
    text = text.strip()
    if text.casefold() in NO_VALUE:
        return float("nan")
    if thousands and _GROUPED[thousands].fullmatch(text):
        text = text.replace(thousands, "")
    return float(text.replace(decimal, ".")) if _NUMBER[decimal].fullmatch(text) else None


def layout_of(path: str | os.PathLike[str]) -> Layout:
    """Look at a text table.

    Raises
    ------
    ReadError
        If it is no text, or holds no rows of numbers.
    """
    head, others = _texts(path)
    encoding, head_text = head
    lines = _LINE_END.split(head_text)
    comment = next((line[0] for line in lines[:LONGEST_PREAMBLE] if line[:1] in ("#", "%")), None)
    delimiter = _delimiter(path, [line for line in lines if line.strip() and line[:1] != comment])
    rows = [_fields(line, delimiter) for line in lines]
    decimal, thousands = _marks(rows, delimiter)
    is_row = [
        bool(line.strip()) and line[:1] != comment and _is_row(row, decimal, thousands)
        for line, row in zip(lines, rows, strict=True)
    ]
    width = Counter(len(row) for row, good in zip(rows, is_row, strict=True) if good).most_common(1)
    if not width:
        raise ReadError(path, _no_rows(lines))
    n_columns = width[0][0]
    candidates = [i for i, good in enumerate(is_row) if good and len(rows[i]) == n_columns]
    first = candidates[_n_header_like([rows[i] for i in candidates[:MOST_ROWS_LOOKED_AT]], decimal, thousands)]
    names, units = _header(rows[:first], lines[:first], n_columns, comment)
    if len(names) < n_columns:  # either the rows end in a delimiter, or their first fields have no name
        nameless = [""] * (n_columns - len(names))
        names = [*nameless, *names] if rows[first][-1].strip() else [*names, *nameless]
    sample = [
        row for row, good in zip(rows[first:], lines[first:], strict=True) if good.strip() and good[:1] != comment
    ]
    sample = [row for row in sample if len(row) == n_columns][:MOST_ROWS_LOOKED_AT]
    n_first = len(sample)
    for text in others:
        middle = [_fields(line, delimiter) for line in _LINE_END.split(text)[1:-1] if line[:1] != comment]
        sample += [row for row in middle if len(row) == n_columns][:MOST_ROWS_LOOKED_AT]
    rate = _RATE.search("\n".join(lines[:first]))
    stated = float(rate[1]) * (1000 if (rate[2] or "").lower() == "khz" else 1) if rate else None
    return Layout(
        encoding, delimiter, decimal, thousands, first, names, units, comment, sample, n_first, stated or None
    )


def _texts(path: str | os.PathLike[str]) -> tuple[tuple[str, str], list[str]]:
    """Return the encoding and the text at the beginning, and texts from the middle and the end (cut lines included)."""
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        head = file.read(LOOKED_AT)
        encoding = _encoding(path, head)
        others = []
        for start in (size // 2, size - LOOKED_AT):
            if start > LOOKED_AT and not encoding.startswith("utf-16"):
                file.seek(start)
                others.append(file.read(LOOKED_AT).decode(encoding, "replace"))
    text = head.decode(encoding, "replace")
    if size > LOOKED_AT:
        whole = max(text.rfind("\n"), text.rfind("\r")) + 1
        if not whole:
            raise ReadError(path, f"is no text table: its first line is longer than {LOOKED_AT} bytes.")
        text = text[:whole]
    return (encoding, text), others


def _encoding(path: str | os.PathLike[str], head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head or sum(byte < 9 or 13 < byte < 32 for byte in head) > 0.01 * len(head):
        raise ReadError(path, "is no text table: it holds binary data.")
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _fields(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return [field.strip('"') for field in _SPACED.findall(line)]
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def _delimiter(path: str | os.PathLike[str], lines: list[str]) -> str:
    """Return the delimiter that cuts most lines into as many fields, most of them numbers or times.

    The last lines count: those before the header are no table.
    """
    tail = lines[-min(len(lines), max(1, len(lines) * 3 // 4), 100) :]
    best, best_score = "", 0.0
    for delimiter in DELIMITERS:
        cut, is_plain = partial(_fields, delimiter=delimiter), partial(_is_plain, delimiter=delimiter)
        rows = [cut(line) for line in tail]
        widths = Counter(map(len, rows))
        if not widths:
            break
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        fields = [field for row in rows for field in row if len(row) == width]
        plain = sum(map(is_plain, fields))
        score = plain / max(1, len(fields)) * count / len(tail) * (1 + 0.01 * min(width, 10) * (width > 1))
        header = next((row for row in map(cut, reversed(lines)) if not any(map(is_plain, row))), [])
        if header:  # its names are cut as often
            is_like = abs(len(header) - width) <= 1 and (len(header) > 1 or width == 1)
            score *= 1 + (len(header) == width > 1) if is_like else 0.5
        if score > best_score:
            best, best_score = delimiter, score
    if not best:
        raise ReadError(path, _no_rows(lines))
    return best


def _no_rows(lines: list[str]) -> str:
    n_lines = len([line for line in lines if line.strip()])
    return "holds no row of numbers: nothing but a header." if n_lines == 1 else "holds no rows of numbers."


def _is_plain(field: str, delimiter: str) -> bool:
    field = field.strip()
    marks = "." if delimiter == "," else ".,"
    return field == "" or is_time_text(field) or any(
        _NUMBER[mark].fullmatch(field) or _GROUPED[mark].fullmatch(field) for mark in marks
    )  # fmt: skip


def _marks(rows: list[list[str]], delimiter: str) -> tuple[str, str | None]:
    """Return the decimal mark, and that between thousands."""
    fields = [field.strip() for row in rows[-MOST_ROWS_LOOKED_AT:] for field in row if "," in field or "." in field]
    grouped = {mark: [field for field in fields if _GROUPED[mark].fullmatch(field)] for mark in ".,"}
    plain = {mark: [f for f in fields if mark in f and _NUMBER[mark].fullmatch(f)] for mark in ".,"}
    surely = {mark: len(plain[mark]) > len(set(plain[mark]) & set(grouped[mark])) for mark in ".,"}
    if any(field.count(",") > 1 or "." in field for field in grouped[","]):
        return ".", ","
    if any(field.count(".") > 1 or "," in field for field in grouped["."]):
        return ",", "."
    if plain[","] and not surely["."] and (delimiter != "," or surely[","]):
        return ",", None
    if plain[","] and surely["."]:
        return ".", ","
    return ".", None


def _is_row(row: list[str], decimal: str, thousands: str | None) -> bool:
    """Say whether there is a number or a time."""
    return any(field.strip() and _is_value(field, decimal, thousands) for field in row)


def _is_value(field: str, decimal: str, thousands: str | None) -> bool:
    return number_of(field, decimal, thousands) is not None or is_time_text(field)


def _n_header_like(rows: list[list[str]], decimal: str, thousands: str | None) -> int:
    """Count the first rows that are none: names that are numbers, or text where all other rows have values."""
    names = [field.strip() for field in rows[0]]
    if names[1:] == [str(i) for i in range(len(names) - 1)] and names[0] == "" and len(rows) > 1:
        return 1  # as pandas writes columns without names
    for n, row in enumerate(rows[:3]):
        others = list(zip(*rows[n + 1 :], strict=True)) or [()] * len(row)
        texts = [i for i, field in enumerate(row) if not _is_value(field, decimal, thousands)]
        if not any(others[i] and all(_is_value(field, decimal, thousands) for field in others[i]) for i in texts):
            return n
    return 0


def _header(
    rows: list[list[str]], lines: list[str], n_columns: int, comment: str | None
) -> tuple[list[str], list[str]]:
    """Return the names and units of columns: of the last one or two lines before the first row that are as wide."""
    as_wide: list[list[str]] = []
    for row, line in zip(reversed(rows[-LONGEST_PREAMBLE:]), reversed(lines[-LONGEST_PREAMBLE:]), strict=False):
        if not line.strip():
            continue
        if comment and line.startswith(comment):
            delimiter = next((mark for mark in DELIMITERS if mark in line.strip(comment + " ")), " ")
            row = [field.strip() for field in _fields(line.lstrip(comment + " "), delimiter)]
        if not n_columns - 1 <= len(row) <= n_columns or (len(row) < 2 and n_columns > 2):
            break
        as_wide.append([field.strip() for field in row])
        if len(as_wide) == 2:
            break
    if not as_wide:
        return [""] * n_columns, [""] * n_columns
    names, units = as_wide[-1], as_wide[0] if len(as_wide) == 2 else []
    if units and not _are_units(names, units):
        names, units = as_wide[0], []
    padded = [field.strip("[]()") for field in units] + [""] * (n_columns - len(units))
    return names, padded


def _are_units(names: list[str], units: list[str]) -> bool:
    """Say whether a line below the names holds units: short texts, some of them written in brackets or known."""
    known = {
        "s",
        "ms",
        "g",
        "m/s2",
        "m/s²",
        "m/s^2",
        "mm/s",
        "a",
        "v",
        "pa",
        "bar",
        "°c",
        "hz",
        "rpm",
        "1/min",
        "n",
        "-",
    }
    texts = [unit for unit in units if unit]
    return (
        len(names) == len(units)
        and all(len(unit) <= 10 for unit in texts)
        and any(unit.lower().strip("[]()") in known or unit[0] + unit[-1] in ("[]", "()") for unit in texts)
    )

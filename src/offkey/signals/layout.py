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
from offkey.signals.numerals import Numbers, is_number
from offkey.signals.rates import stated_rate
from offkey.signals.timestamps import is_time_text, nanoseconds_in, time_name
from offkey.signals.units import is_unit

__all__ = ["DELIMITERS", "Layout", "layout_of"]

DELIMITERS = (",", ";", "\t", "|", " ")

LOOKED_AT = 65_536
"""Bytes at the beginning, in the middle and at the end of a file that tell its layout."""

MOST_ROWS_LOOKED_AT = 400
FEWEST_ALIKE = 0.8
"""Share of lines that have as many fields as most."""

LONGEST_UNIT = 10
LONGEST_HEADER = 20
"""Rows before those of numbers that hold numbers, too, and are as wide."""

LONGEST_PREAMBLE = 200
"""Lines before the first row of numbers, at most."""

_SPACED = re.compile(r'"[^"]*"|\S+')
_LINE_END = re.compile(r"\r\n|\r|\n")


@final
@dataclass(frozen=True)
class Layout:
    """How a text table is written.

    Attributes
    ----------
    encoding : str
        Of its text.
    delimiter : str
        Between fields; ``" "`` is any white space.
    numbers : Numbers
        How numbers are written.
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
    rate : tuple of (float, str), or None
        Samples per second that lines before the header state, and the line that does.
    """

    encoding: str
    delimiter: str
    numbers: Numbers
    n_lines: int
    names: list[str]
    units: list[str]
    comment: str | None
    sample: list[list[str]]
    n_first: int
    rate: tuple[float, str] | None


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
    numbers = Numbers.as_in([row for row in rows[-MOST_ROWS_LOOKED_AT:] if row], delimiter)
    is_row = [
        bool(line.strip()) and line[:1] != comment and _is_row(row, numbers)
        for line, row in zip(lines, rows, strict=True)
    ]
    width = Counter(len(row) for row, good in zip(rows, is_row, strict=True) if good).most_common(1)
    if not width:
        raise ReadError(path, _no_rows(lines))
    n_columns = width[0][0]
    candidates = [i for i, good in enumerate(is_row) if good and len(rows[i]) == n_columns]
    first = candidates[_n_header_like([rows[i] for i in candidates[:MOST_ROWS_LOOKED_AT]], numbers)]
    names, units = _header(rows[:first], lines[:first], n_columns, comment, delimiter)
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
    rate = stated_rate(lines[:first], numbers)
    return Layout(encoding, delimiter, numbers, first, names, units, comment, sample, n_first, rate)


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
    return field == "" or is_time_text(field) or is_number(field, "." if delimiter == "," else ".,")


def _is_row(row: list[str], numbers: Numbers) -> bool:
    """Say whether there is a number or a time."""
    return any(field.strip() and _is_value(field, numbers) for field in row)


def _is_value(field: str, numbers: Numbers) -> bool:
    return numbers.of(field) is not None or is_time_text(field)


def _n_header_like(rows: list[list[str]], numbers: Numbers) -> int:
    """Count the first rows that are none: names that are numbers, or text where all other rows have values."""
    names = [field.strip() for field in rows[0]]
    if names[1:] == [str(i) for i in range(len(names) - 1)] and names[0] == "" and len(rows) > 1:
        return 1  # as pandas writes columns without names
    texts = [[i for i, field in enumerate(row) if not _is_value(field, numbers)] for row in rows[:LONGEST_HEADER]]
    n_first = next((n for n, row in enumerate(texts) if not row), len(texts))
    for n in range(min(n_first, len(rows) - 1), 0, -1):
        of_values = {i for i in set().union(*texts[:n]) if all(_is_value(row[i], numbers) for row in rows[n:])}
        if all(of_values & set(row) for row in texts[:n]):
            return n
    return 0


def _header(
    rows: list[list[str]], lines: list[str], n_columns: int, comment: str | None, delimiter: str
) -> tuple[list[str], list[str]]:
    """Return the names and units of columns: of the last one or two lines before the first row that are as wide.

    Comments with another delimiter than the table's are looked at only if there are no others.
    """
    cut, alike = [], []
    for row, line in list(zip(rows, lines, strict=True))[-LONGEST_PREAMBLE:]:
        fields, own = row, delimiter
        if comment and line.startswith(comment):
            text = line.lstrip(f"{comment} ")
            own = next((mark for mark in DELIMITERS if mark in text), " ")
            fields = _fields(text, own)
        if line.strip():
            cut.append(fields)
            alike += [fields] if own == delimiter else []
    as_wide = _last_as_wide(alike, n_columns) or _last_as_wide(cut, n_columns)
    if not as_wide:
        return [""] * n_columns, [""] * n_columns
    names, units = as_wide[-1], as_wide[0] if len(as_wide) == 2 else []
    if units and not _are_units(names, units):
        names, units = as_wide[0], []
    padded = [field.strip("[]()") for field in units] + [""] * (n_columns - len(units))
    return names, padded


def _last_as_wide(rows: list[list[str]], n_columns: int) -> list[list[str]]:
    """Return the last two rows that are as wide as the table, or one column less, from the last on."""
    as_wide: list[list[str]] = []
    for row in reversed(rows):
        if len(as_wide) == 2 or not n_columns - 1 <= len(row) <= n_columns or (len(row) < 2 and n_columns > 2):
            break
        as_wide.append([field.strip() for field in row])
    return as_wide


def _are_units(names: list[str], units: list[str]) -> bool:
    """Say whether a line below the names holds units: short texts, half of them at least in brackets or known."""
    texts = [unit for unit in units if unit]
    n_known = sum(_is_unit(unit) for unit in texts)
    is_of_names = any(time_name(unit) and not _is_unit(unit) for unit in texts)
    is_short = all(len(unit) <= LONGEST_UNIT for unit in texts)
    return len(names) == len(units) and is_short and not is_of_names and 0 < len(texts) <= 2 * n_known


def _is_unit(text: str) -> bool:
    return text[0] + text[-1] in ("[]", "()") or is_unit(text) or nanoseconds_in(text) is not None

"""Tables of sensor values: text tables and Parquet, in pieces, into a store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from offkey.errors import InputError, ReadError
from offkey.extras import import_pyarrow
from offkey.signals.columns import Column, Plan, choose_columns
from offkey.signals.comments import WithoutComments
from offkey.signals.frames import frame_columns, read_frames
from offkey.signals.layout import Layout, layout_of
from offkey.signals.numerals import NO_VALUE
from offkey.signals.reading import Reading
from offkey.signals.sampling import rate_text
from offkey.signals.store import Recorded
from offkey.signals.units import plain_unit, split_headers

__all__ = ["read_parquet", "read_text_table"]

VALUES_AT_ONCE = 500_000
"""Values of a table that are parsed at once, about."""

NO_VALUES = sorted((NO_VALUE | {name.upper() for name in NO_VALUE}) - {"inf", "-inf", "INF", "-INF"})

_TOO_WIDE = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")


def read_text_table(path: str, reading: Reading) -> list[Recorded]:
    """Read a text table.

    Raises
    ------
    ReadError
        If it is none, or lacks what the reading asks for.
    """
    layout = layout_of(path)
    columns = _text_columns(layout)
    plan = choose_columns(path, columns, reading, layout.numbers.decimal)
    rate, notes = _rate(layout, reading) if plan.clock is None else (None, [])
    if layout.numbers.note:
        notes.insert(0, layout.numbers.note)
    frames = _text_frames(path, layout, plan, len(columns))
    return read_frames(path, columns, plan, frames, reading, layout.numbers, rate, notes)


def read_parquet(path: str, reading: Reading) -> list[Recorded]:
    """Read a Parquet file.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    ReadError
        If it is none, or lacks what the reading asks for.
    """
    parquet = import_pyarrow()
    try:
        with parquet.ParquetFile(path) as file:
            if file.metadata.num_rows == 0:
                raise ReadError(path, "holds no rows.")
            names = list(file.schema_arrow.names)
            units = [(each.metadata or {}).get(b"unit", b"").decode("utf-8", "replace") for each in file.schema_arrow]
            at_once = max(1, VALUES_AT_ONCE // max(1, len(names)))
            first = next(file.iter_batches(400), None)
            if first is None:
                raise ReadError(path, "is not a readable Parquet file (its rows are not there).")
            columns = frame_columns(first.to_pandas(ignore_metadata=True), units)
            plan = choose_columns(path, columns, reading)
            wanted = [names[i] for i in _used(plan)]
            frames = (
                batch.to_pandas(ignore_metadata=True).rename(columns={name: i for i, name in enumerate(names)})
                for batch in file.iter_batches(at_once, columns=wanted)
            )
            return read_frames(path, columns, plan, frames, reading)
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        NotImplementedError,
        MemoryError,
    ) as error:  # Arrow's are of these
        if isinstance(error, InputError):
            raise
        raise ReadError(path, f"is not a readable Parquet file ({_first_line(error)}).") from error


def _text_columns(layout: Layout) -> list[Column]:
    columns = []
    for i, (name, stated) in enumerate(zip(*split_headers(layout.names), strict=True)):
        texts, numbers = [], np.full(len(layout.sample), np.nan)
        for row, fields in enumerate(layout.sample):
            number = layout.numbers.of(fields[i])
            if number is None:
                texts.append(fields[i].strip())
            else:
                numbers[row] = number
        is_unnamed = not layout.names[i]
        columns.append(
            Column(
                str(i) if is_unnamed else name, plain_unit(layout.units[i]) or stated, numbers, tuple(texts),
                layout.n_first, is_unnamed,
            )
        )  # fmt: skip
    return columns


def _rate(layout: Layout, reading: Reading) -> tuple[float | None, list[str]]:
    """Return the rate that the text before a table states, if none is given, and notes."""
    if layout.rate is None:
        return None, []
    rate, line = layout.rate
    told = f"the line {line!r} before the table states {rate_text(rate)}"
    if reading.rate is None:
        return rate, [told]
    return None, [f"{told}; taken as {rate_text(reading.rate)}, as given"] if reading.rate != rate else []


def _used(plan: Plan) -> list[int]:
    return sorted({*plan.time, *plan.channels, *(() if plan.group is None else (plan.group,))})


def _text_frames(path: str, layout: Layout, plan: Plan, n_columns: int) -> Iterator[Any]:
    """Yield the rows, some at a time, with columns named by their numbers."""
    import pandas as pd

    as_text = [i for i in plan.time if plan.clock is not None and plan.clock.kind != "number"]
    as_text += [] if plan.group is None else [plan.group]
    try:
        with open(path, encoding=layout.encoding, errors="replace") as file:
            for _ in range(layout.n_lines):
                file.readline()
            with pd.read_csv(
                WithoutComments(file, layout.comment) if layout.comment else file,
                sep=r"\s+" if layout.delimiter == " " else layout.delimiter, decimal=layout.numbers.decimal,
                header=None, names=range(n_columns), index_col=False, dtype=dict.fromkeys(as_text, str),
                na_values=NO_VALUES, chunksize=max(1, VALUES_AT_ONCE // n_columns), low_memory=False, engine="c",
            ) as frames:  # fmt: skip
                yield from frames  # all columns: with some, pandas would not notice rows that are too long
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OSError) as error:
        if isinstance(error, InputError):
            raise
        wide = _TOO_WIDE.search(str(error))
        if wide:
            raise ReadError(
                path, f"has {wide[3]} fields in line {int(wide[2]) + layout.n_lines}, not {wide[1]}. "
                "Check its delimiter and decimal mark, and put text in quotes."
            ) from error  # fmt: skip
        raise ReadError(path, f"breaks off as a table ({_first_line(error)}).") from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().removeprefix("Error tokenizing data. ").removeprefix("C error: ")
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__

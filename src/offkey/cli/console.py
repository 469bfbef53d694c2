"""The two outputs of the commands: results and notes; progress bars; tables."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from offkey.errors import InputError
from offkey.progress import reporting

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["note", "print_json", "progress", "say", "write_table"]


READER_GONE = 141
"""Exit status where the reader of our output has gone (as in ``offkey score ... | head``): that of SIGPIPE."""


def say(text: str = "") -> None:
    """Print a result."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(READER_GONE) from None


def note(text: str) -> None:
    """Print what is no result: notices, failures."""
    typer.echo(text, err=True)


def print_json(thing: Any) -> None:
    """Print a result for machines; values that are not finite become null."""
    say(json.dumps(_finite(thing), indent=1, ensure_ascii=False))


def _finite(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {key: _finite(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [_finite(value) for value in thing]
    return None if isinstance(thing, float) and not math.isfinite(thing) else thing


@contextmanager
def progress() -> Iterator[None]:
    """Show progress bars on standard error, where somebody can see them."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars, reporting(_Bars(bars)):
        yield


class _Bars:
    """Shows tasks as rich progress bars."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars

    def start(self, name: str, total: int | None) -> int:
        return self._bars.add_task(name, total=total, note="")

    def advance(self, task: int, steps: int, note: str) -> None:
        self._bars.update(task, advance=steps, note=note)  # type: ignore[arg-type]

    def finish(self, task: int) -> None:
        self._bars.remove_task(task)  # type: ignore[arg-type]


def write_table(rows: list[dict[str, Any]], path: Path, columns: list[str] | None = None) -> None:
    """Write rows as CSV or Parquet, by the ending; ``columns`` name those of a table that may have no rows.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    import pandas as pd

    table = pd.DataFrame(rows, columns=columns)
    try:
        if path.suffix.lower() == ".parquet":
            table.to_parquet(path, index=False)
        else:
            table.to_csv(path, index=False)
    except ImportError as error:
        raise InputError("Writing Parquet needs pyarrow, which is not installed. Run: pip install pyarrow") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}). Choose another place.") from error

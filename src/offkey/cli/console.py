"""What the commands share: the two outputs, progress bars, and the reading of times, rates and detectors."""

from __future__ import annotations

import ast
import importlib.util
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

    from offkey.detectors import Detector
    from offkey.pipeline import Pipeline

__all__ = [
    "detector_class",
    "load_pipeline",
    "make_detector",
    "note",
    "parse_duration",
    "parse_rate",
    "print_json",
    "progress",
    "say",
    "write_table",
]


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


def parse_duration(text: str | None) -> float | None:
    """Read a time: ``10s``, ``500ms``, ``2min`` or plain seconds.

    Raises
    ------
    InputError
        If it is no positive time.
    """
    if text is None:
        return None
    units = {"ms": 1e-3, "min": 60.0, "s": 1.0}
    unit = next((unit for unit in units if text.endswith(unit)), "")
    try:
        seconds = float(text.removesuffix(unit)) * units.get(unit, 1.0)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InputError(f"The time {text!r} was given. It must be above zero, such as 10s, 500ms or 2min.")
    return seconds


def parse_rate(text: str) -> float:
    """Read a false-alarm rate: ``1%`` or ``0.01``.

    Raises
    ------
    InputError
        If it does not lie between 0 and 1.
    """
    try:
        rate = float(text.removesuffix("%")) * (0.01 if text.endswith("%") else 1.0)
    except ValueError:
        rate = math.nan
    if not 0 < rate < 1:
        raise InputError(
            f"The false-alarm rate {text!r} was given. It must lie between 0 and 100%, such as 1% or 0.01."
        )
    return rate


def detector_class(name: str) -> type[Detector]:
    """Return a detector class by its name on the command line, or from ``my_file.py:MyDetector``.

    Raises
    ------
    InputError
        If there is none.
    """
    from offkey import detectors

    if ":" in name:
        return _detector_in_file(name)
    known = {_kebab(each): getattr(detectors, each) for each in detectors.__all__ if each != "Detector"}
    if name.lower() not in known:
        raise InputError(
            f"The detector {name!r} was asked for. There are: {', '.join(sorted(known))}, or my_file.py:MyDetector."
        )
    kind: type[Detector] = known[name.lower()]
    return kind


def make_detector(name: str, settings: list[str]) -> Detector:
    """Make a detector with parameters given as ``name=value``.

    Raises
    ------
    InputError
        If the detector or a parameter is unknown.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"The setting {setting!r} was given. Write it as epochs=20.")
        try:
            values[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            values[key] = value
    return detector_class(name)().set_params(**values)


def load_pipeline(model: Path, detector: str | None) -> Pipeline:
    """Load a bundle, with the user's own detector class if one is named."""
    from offkey.pipeline import load

    return load(model, detectors=[detector_class(detector)] if detector else ())


def write_table(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows as CSV or Parquet, by the ending.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    import pandas as pd

    table = pd.DataFrame(rows)
    try:
        if path.suffix.lower() == ".parquet":
            table.to_parquet(path, index=False)
        else:
            table.to_csv(path, index=False)
    except ImportError as error:
        raise InputError("Writing Parquet needs pyarrow, which is not installed. Run: pip install pyarrow") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}). Choose another place.") from error


def _detector_in_file(name: str) -> type[Detector]:
    from offkey.detectors import Detector

    path, _, class_name = name.rpartition(":")
    if not os.path.isfile(path):
        raise InputError(f"The file {path} of the detector {name!r} does not exist. Write my_file.py:MyDetector.")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file. Write my_file.py:MyDetector.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kind = getattr(module, class_name, None)
    if not (isinstance(kind, type) and issubclass(kind, Detector)):
        raise InputError(f"{path} has no Detector class named {class_name!r}. Write my_file.py:MyDetector.")
    return kind


def _kebab(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")

"""Recordings in sensor files: tables and arrays, cut at gaps, read in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError, ReadError
from offkey.signals.clip import Clip
from offkey.signals.cutting import Cut, cut, run_blocks, time_text
from offkey.signals.files import SENSOR_SUFFIXES, find
from offkey.signals.holes import Run
from offkey.signals.reading import Reading
from offkey.signals.store import Recorded
from offkey.signals.timestamps import as_datetime
from offkey.signals.turning import Turning

__all__ = ["Piece", "find_pieces", "is_sensor_file", "pieces_of", "read_all"]

Path_ = str | os.PathLike[str]


@final
@dataclass(frozen=True)
class Piece:
    """One recording: an unbroken run of rows of a sensor file, or of several. It holds no samples and no open file.

    Attributes
    ----------
    name : str
        The file, and which part of it: ``"log.csv [2 of 3, from 2020-02-08 13:30:47]"``, ``"log.csv [machine A]"``.
    path : str
        The file; the first of several.
    rate : float
        Samples per second; per revolution, where the reading names a speed.
    n_samples : int
        Number of samples of each channel.
    channels, units : tuple of str
        Names and units of the channels; unknown units are empty.
    start : datetime or None
        When the first sample was taken, if the file states dates; in UTC if it states offsets.
    notes : tuple of str
        What was assumed, left out, cut or bridged in the file.
    """

    name: str
    path: str
    rate: float
    n_samples: int
    channels: tuple[str, ...]
    units: tuple[str, ...]
    start: datetime | None
    notes: tuple[str, ...]
    _place: _Place = field(repr=False, compare=False)

    @property
    def whole(self) -> str:
        """Names what it was cut out of at gaps: pieces of one recording have the same."""
        return f"{self.path} {self._place.number}"

    @property
    def by_angle(self) -> bool:
        """Whether samples are at equal angles of a shaft, and not at equal times."""
        return self._place.turning is not None

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the samples from the start, as arrays (n_channels, n), in bounded memory.

        Raises
        ------
        ReadError
            If the file changed meanwhile.
        """
        place = self._place
        recorded = _recorded(place.paths, place.reading)
        if place.number >= len(recorded) or recorded[place.number].n_rows != place.n_rows:
            raise ReadError(self.path, "has changed since it was looked at. Start again.")
        blocks = run_blocks(recorded[place.number], place.cut, place.run)
        if place.turning is None:
            yield from blocks
            return
        try:
            yield from place.turning.by_angle(blocks)
        except InputError as error:
            raise ReadError(self.name, str(error)) from error

    def clip(self) -> Clip:
        """Read it whole."""
        samples = np.concatenate(list(self.blocks()), axis=1)
        return Clip(samples, self.rate, self.channels, self.units, self.start, self.name)


@final
@dataclass(frozen=True)
class _Place:
    """Where the rows of a piece are."""

    paths: tuple[str, ...]
    reading: Reading
    number: int
    n_rows: int
    cut: Cut
    run: Run
    turning: Turning | None


def is_sensor_file(path: Path_) -> bool:
    """Say whether a path names a sensor file, by its ending."""
    return Path(path).suffix.lower() in SENSOR_SUFFIXES


def pieces_of(path: Path_, reading: Reading | None = None) -> list[Piece]:
    """List the recordings in a sensor file.

    Raises
    ------
    ReadError
        If the file, or one recording in it, cannot be read; `find_pieces` lists the others.
    """
    pieces, failures = _pieces((os.fspath(path),), reading or Reading())
    if failures:
        raise failures[0]
    return pieces


def find_pieces(paths: Path_ | Iterable[Path_], reading: Reading | None = None) -> tuple[list[Piece], list[ReadError]]:
    """List the recordings in sensor files and folders of them; what cannot be read comes back as errors."""
    reading = reading or Reading()
    files = [os.fspath(path) for path in find(paths)]
    sets: list[tuple[str, ...]] = [(path,) for path in files]
    if reading.join:
        folders: dict[str, list[str]] = {}
        for path in files:
            folders.setdefault(os.path.dirname(path), []).append(path)
        sets = [tuple(inside) for inside in folders.values()]
    pieces: list[Piece] = []
    failures: list[ReadError] = []
    for each in sets:
        try:
            found, failed = _pieces(each, reading)
        except ReadError as error:
            failures.append(error)
            continue
        pieces += found
        failures += failed
    return pieces, failures


def read_all(path: Path_, reading: Reading | None = None) -> list[Clip]:
    """Read all recordings in a sensor file.

    Raises
    ------
    ReadError
        If one of them cannot be read.
    """
    return [piece.clip() for piece in pieces_of(path, reading)]


def _pieces(paths: tuple[str, ...], reading: Reading) -> tuple[list[Piece], list[ReadError]]:
    pieces: list[Piece] = []
    failures: list[ReadError] = []
    for number, recorded in enumerate(_recorded(paths, reading)):
        source = f"{paths[0]} [{recorded.label}]" if recorded.label else paths[0]
        try:
            cut_ = cut(source, recorded, reading)
        except ReadError as error:
            failures.append(error)
            continue
        for which, run in enumerate(cut_.runs):
            name = _name(paths[0], recorded, which, cut_)
            try:
                turning = _turning(recorded, reading, cut_.rate)
                place = _Place(paths, reading, number, recorded.n_rows, cut_, run, turning)
                pieces.append(_piece(name, recorded, place))
            except InputError as error:
                failures.append(ReadError(name, str(error)))
    if not pieces and len(failures) > 1 and len({error.reason for error in failures}) == 1:
        failures = [ReadError(paths[0], failures[0].reason)]
    return pieces, failures


def _turning(recorded: Recorded, reading: Reading, rate: float) -> Turning | None:
    if reading.speed is None:
        return None
    return Turning.of(reading, recorded.channels, recorded.units, rate)


def _name(path: str, recorded: Recorded, which: int, cut_: Cut) -> str:
    parts = [recorded.label] if recorded.label else []
    if len(cut_.runs) > 1:
        run = cut_.runs[which]
        begin = time_text(recorded, _start(recorded, run)) if recorded.store.has_times else f"row {run.start + 1}"
        parts += [f"{which + 1} of {len(cut_.runs)}", f"from {begin}"]
    return f"{path} [{', '.join(parts)}]" if parts else path


def _start(recorded: Recorded, run: Run) -> int:
    return int(recorded.times(run.start, run.start + 1)[0])


def _piece(name: str, recorded: Recorded, place: _Place) -> Piece:
    start = as_datetime(_start(recorded, place.run), recorded.has_zone) if recorded.is_absolute else None
    rate, n_samples = place.cut.rate, place.run.n_samples
    channels, units, turning = recorded.channels, recorded.units, place.turning
    if turning is not None:
        channels, units = turning.others(channels), turning.others(units)
        rate, n_samples = turning.per_revolution, turning.n_samples(run_blocks(recorded, place.cut, place.run))
    return Piece(name, place.paths[0], rate, n_samples, channels, units, start, place.cut.notes, place)


_last: tuple[tuple[object, ...], list[Recorded]] | None = None
"""What was parsed last, so that the pieces of a file are read without parsing it again."""


def _recorded(paths: tuple[str, ...], reading: Reading) -> list[Recorded]:
    """Parse files, or take them from memory."""
    from offkey.signals.joining import join  # dear to import; sound does without
    from offkey.signals.parsing import parse

    global _last
    key = (*map(_state, paths), *reading.key)
    last = _last
    if last is not None and last[0] == key:
        return last[1]
    _last = None  # what is held is let go first
    try:
        reading.check()
        recorded = (
            join([(path, parse(path, reading)) for path in paths]) if len(paths) > 1 else parse(paths[0], reading)
        )
    except ReadError:
        raise
    except InputError as error:
        raise ReadError(paths[0], str(error)) from error
    _last = key, recorded
    return recorded


def _state(path: str) -> tuple[str, int, int]:
    """Tell a file and what is in it from others."""
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path), -1, -1
    return os.path.realpath(path), state.st_size, state.st_mtime_ns

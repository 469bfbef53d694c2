"""Where recordings come from: files and clips, looked at before they are read, and read block by block."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError, ReadError
from offkey.recordings import check_table
from offkey.signals import Clip, Piece, Reading, Resampler, SoundFile, find, find_pieces, is_sensor_file, pieces_of
from offkey.signals.files import LENGTH_UNKNOWN
from offkey.signals.health import HealthMeter

__all__ = [
    "POOLED",
    "SOUND",
    "Failure",
    "Recording",
    "Source",
    "group_key",
    "known_columns",
    "list_normal",
    "list_recordings",
    "name_groups",
    "name_of",
    "open_source",
    "own_name",
    "same_name",
    "survey",
    "wholes_of",
    "without",
]

Recording = str | os.PathLike[str] | Clip | Piece | ReadError
"""What one recording may be given as; what is listed of a sensor file that cannot be read is the error."""

SOUND = "FS"
"""The unit of sound files: full scale."""

POOLED = ""
"""The group of recordings that have none, and of what decides about all together."""

LONGEST_COMPRESSION = 2_000
"""Samples of a channel that one byte of a file may stand for, at most: headers may lie about lengths."""


@final
@dataclass(frozen=True)
class Failure:
    """A recording that could not be used, and why."""

    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


@final
@dataclass(frozen=True)
class Source:
    """One recording that can be read; ``n_samples`` is what its header states.

    ``path`` is the file it is in, ``channels`` and ``units`` (one for each channel) say what was measured, ``notes``
    what was done on reading, and ``content`` is what it was given as.
    """

    name: str
    path: str
    rate: float
    n_samples: int
    channels: tuple[str, ...]
    units: tuple[str, ...]
    content: Recording
    notes: tuple[str, ...] = ()

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return len(self.channels)

    @property
    def whole(self) -> str:
        """Names what it may have been cut out of at gaps; empty if it is no piece."""
        return self.content.whole if isinstance(self.content, Piece) else ""

    @property
    def by_angle(self) -> bool:
        """Whether samples are at equal angles of a shaft, and not at equal times."""
        return isinstance(self.content, Piece) and self.content.by_angle

    @property
    def is_full_scale(self) -> bool:
        """Whether samples end at -1 and 1."""
        return set(self.units) == {SOUND}

    def blocks(self, rate: float, meter: HealthMeter | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield the samples (n_channels, n) at another rate, in hertz; a meter measures them as they were recorded.

        Raises
        ------
        ReadError
            If the file turns out to be damaged.
        """
        try:
            resampler = Resampler(self.rate, rate, self.n_channels)
        except InputError as error:
            raise ReadError(self.name, str(error)) from error
        for block in self._own_blocks():
            if meter is not None:
                meter.push(block)
            yield from resampler.feed(block)
        yield resampler.finish()

    def _own_blocks(self) -> Iterator[NDArray[np.float32]]:
        if isinstance(self.content, Clip):
            yield self.content.samples
        elif isinstance(self.content, Piece):
            yield from self.content.blocks()
        else:
            with SoundFile(self.name) as file:
                yield from file.blocks()

    def n_samples_at(self, rate: float) -> int:
        """Return the number of samples at another rate."""
        return self.n_samples if rate == self.rate else int(self.n_samples * rate // self.rate)


def open_source(recording: Recording, reading: Reading | None = None) -> Source:
    """Look at a recording without reading it.

    ``reading`` says how sensor files are read, and of sound files the unit, where that is not full scale.

    Raises
    ------
    ReadError
        If it is missing, empty, not readable, or a sensor file that holds several recordings.
    """
    reading = reading or Reading()
    if isinstance(recording, ReadError):
        raise recording
    if isinstance(recording, Clip):
        if recording.n_samples == 0:
            raise ReadError(recording.source, "holds no samples.")
        name, n_samples = recording.source, recording.n_samples
        return Source(name, name, recording.rate, n_samples, tuple(recording.channels), recording.units, recording)
    if isinstance(recording, Piece):
        told = recording.rate, recording.n_samples, recording.channels, recording.units
        return Source(recording.name, recording.path, *told, recording, recording.notes)
    if is_sensor_file(recording):
        return open_source(_only(pieces_of(recording, reading), recording))
    name = os.fspath(recording)
    with SoundFile(name) as file:
        n_samples = file.n_samples
        if n_samples >= LENGTH_UNKNOWN:
            n_samples = sum(block.shape[1] for block in file.blocks())
        elif n_samples > LONGEST_COMPRESSION * Path(name).stat().st_size:
            raise ReadError(name, f"states {n_samples} samples, more than a file of its size can hold.")
        channels = tuple(str(channel) for channel in range(file.n_channels))
        try:
            units = reading.units(channels, (SOUND,) * len(channels))
        except InputError as error:
            raise ReadError(name, str(error)) from error
        return Source(name, name, file.rate, n_samples, channels, units, name)


def _only(pieces: Sequence[Piece], path: str | os.PathLike[str]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    raise ReadError(
        path,
        f"holds {len(pieces)} recordings, such as {pieces[1].name}. Decide about them one by one: score() does.",
    )


def wholes_of(sources: Sequence[Source]) -> list[str]:
    """Name what recordings were cut out of, or themselves: those of the same name are on one side of a split."""
    return [source.whole or f"recording {number}" for number, source in enumerate(sources)]


def survey(recordings: Sequence[Recording], reading: Reading) -> tuple[list[Source], list[Failure]]:
    """Look at all recordings; those that cannot be read come back as failures."""
    sources: list[Source] = []
    failures: list[Failure] = []
    for recording in recordings:
        try:
            sources.append(open_source(recording, reading))
        except ReadError as error:
            failures.append(Failure(error.source, error.reason))
    return sources, failures


def list_recordings(recordings: Any, reading: Reading | None = None) -> list[Recording]:
    """List what was given: a path, a clip, a recordings table, or an iterable of paths and clips; each file once.

    A sensor file becomes the recordings that it holds, if it can be read; ``reading`` says how.

    Raises
    ------
    InputError
        If nothing was given, or a table is not sound.
    """
    if hasattr(recordings, "columns"):
        recordings = list(check_table(recordings)["path"])
    if isinstance(recordings, str | os.PathLike | Clip | Piece | ReadError):
        recordings = [recordings]
    if not isinstance(recordings, Iterable):
        raise InputError(f"{recordings!r} was given as recordings. Give a folder, files, clips or a recordings table.")
    listed: list[Recording] = []
    seen: set[str] = set()
    for recording in recordings:
        if isinstance(recording, Clip | Piece | ReadError):
            listed.append(recording)
            continue
        for path in find(recording):
            if os.path.realpath(path) not in seen:
                listed.append(path)
            seen.add(os.path.realpath(path))
    if not listed:
        raise InputError("No recordings were given. Give a folder, files, clips or a recordings table.")
    return _with_pieces(listed, reading or Reading())


def _with_pieces(listed: Sequence[Recording], reading: Reading) -> list[Recording]:
    """Put behind all others the recordings that sensor files hold, and errors of what in them cannot be read."""
    files: list[str | os.PathLike[str]] = []
    others: list[Recording] = []
    for each in listed:
        if isinstance(each, str | os.PathLike) and is_sensor_file(each):
            files.append(each)
        else:
            others.append(each)
    pieces, errors = find_pieces(files, reading) if files else ([], [])
    return [*others, *pieces, *errors]


def list_normal(recordings: Any, reading: Reading | None = None) -> list[Recording]:
    """List what is to be fitted on: of a recordings table the rows of split ``train`` (if any), less those of label 1.

    Raises
    ------
    InputError
        As `list_recordings`, or if a table has no such row.
    """
    if hasattr(recordings, "columns"):
        recordings = check_table(recordings)
        if "split" in recordings.columns and (recordings["split"] == "train").any():
            recordings = recordings[recordings["split"] == "train"]
        recordings = recordings[~(recordings["label"] == 1).fillna(False)]
        if len(recordings) == 0:
            raise InputError("The table holds no normal recordings to fit on. Give rows with label 0 or without label.")
    return list_recordings(recordings, reading)


def group_key(group: Mapping[str, Any] | str | None, columns: Sequence[str]) -> str:
    """Name a group by its values in some columns: ``"machine pump, section id_00"``; missing ones are left out.

    Raises
    ------
    InputError
        If it has values in other columns.
    """
    if isinstance(group, str):
        return group
    others = [column for column in group or {} if column not in columns]
    if others:
        known = ", ".join(columns) or "nothing"
        raise InputError(f"A group by {', '.join(others)} was named; the pipeline groups by {known}. Name those.")
    values = [(column, (group or {}).get(column)) for column in columns]
    return ", ".join(f"{column} {_plain(value)}" for column, value in values if not _is_missing(value))


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def _plain(value: Any) -> Any:
    """Return a whole number as such: a column of numbers becomes one of floats where a value is missing."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def same_name(path: str | os.PathLike[str]) -> str:
    """Return a path as recordings are listed by: without needless dots and slashes."""
    return str(Path(path))


def name_of(recording: Recording) -> str:
    """Return the file of a recording by its `same_name`; of a clip nothing."""
    if isinstance(recording, Clip):
        return ""
    if isinstance(recording, ReadError):
        return same_name(recording.source)
    return same_name(recording.path if isinstance(recording, Piece) else recording)


def own_name(recording: Recording) -> str:
    """Return what a recording is called by its `same_name`: a piece by more than its file, a clip by nothing."""
    return same_name(recording.name) if isinstance(recording, Piece) else name_of(recording)


def name_groups(recordings: Any, columns: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the group of each recording of a table, by `same_name`, and notes where columns are missing.

    Parameters
    ----------
    recordings : recordings table, or anything else
        What is no table has no groups.
    columns : sequence of str
        That make the groups.

    Raises
    ------
    InputError
        If the columns are given as one text.
    """
    if isinstance(columns, str):
        raise InputError(f"group_by={columns!r} was given. Give a sequence of columns, such as ({columns!r},).")
    if not columns:
        return {}, []
    known = [column for column in columns if column in getattr(recordings, "columns", ())]
    missing = [column for column in columns if column not in known]
    notes = []
    if missing:
        notes.append(
            f"The recordings have no {' or '.join(missing)} to group by (a recordings table, or the names of a data "
            "set, tell them): all are calibrated together."
        )
    if not known:
        return {}, notes
    rows = recordings[["path", *known]].to_dict("records")
    return {same_name(row["path"]): group_key({name: row[name] for name in known}, known) for row in rows}, notes


def known_columns(recordings: Any) -> dict[str, dict[str, str]]:
    """Return what a table says of its recordings besides label and split, by column and `same_name`.

    What is no table says nothing; missing values are left out.
    """
    columns = [name for name in getattr(recordings, "columns", ()) if name not in ("path", "label", "split")]
    names = [same_name(path) for path in recordings["path"]] if columns else []
    return {
        str(column): {
            name: str(_plain(value))
            for name, value in zip(names, recordings[column], strict=True)
            if not _is_missing(value)
        }
        for column in columns
    }


def without(recordings: list[Recording], exclude: Iterable[str | os.PathLike[str]]) -> list[Recording]:
    """Leave out files, or pieces of them, by name.

    Raises
    ------
    InputError
        If one of the names is not among the recordings.
    """
    unwanted = {os.path.realpath(path): path for path in exclude}
    names = [{os.path.realpath(name) for name in (name_of(each), own_name(each)) if name} for each in recordings]
    for real, path in unwanted.items():
        if not any(real in own for own in names):
            raise InputError(f"{path} was to be excluded, but is not among the recordings. Check the name.")
    return [each for each, own in zip(recordings, names, strict=True) if not own & set(unwanted)]

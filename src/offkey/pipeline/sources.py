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
from offkey.signals import Clip, Resampler, SoundFile, find
from offkey.signals.files import LENGTH_UNKNOWN
from offkey.signals.health import HealthMeter

__all__ = [
    "POOLED",
    "Failure",
    "Recording",
    "Source",
    "group_key",
    "known_columns",
    "list_normal",
    "list_recordings",
    "name_groups",
    "open_source",
    "same_name",
    "survey",
    "without",
]

Recording = str | os.PathLike[str] | Clip
"""What one recording may be given as."""

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
    """One recording that can be read; ``n_samples`` is what its header states."""

    name: str
    rate: int
    n_channels: int
    n_samples: int
    clip: Clip | None = None

    @property
    def is_full_scale(self) -> bool:
        """Whether samples end at -1 and 1."""
        return self.clip is None or self.clip.unit == "FS"

    def blocks(self, rate: int, meter: HealthMeter | None = None) -> Iterator[NDArray[np.float32]]:
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
        if self.clip is not None:
            yield self.clip.samples
            return
        with SoundFile(self.name) as file:
            yield from file.blocks()

    def n_samples_at(self, rate: int) -> int:
        """Return the number of samples at another rate."""
        return self.n_samples * rate // self.rate


def open_source(recording: Recording) -> Source:
    """Look at a recording without reading it.

    Raises
    ------
    ReadError
        If it is missing, empty or not a readable sound file.
    """
    if isinstance(recording, Clip):
        if recording.n_samples == 0:
            raise ReadError(recording.source, "holds no samples.")
        return Source(recording.source, recording.rate, recording.n_channels, recording.n_samples, recording)
    name = os.fspath(recording)
    with SoundFile(name) as file:
        if file.n_samples >= LENGTH_UNKNOWN:
            n_samples = sum(block.shape[1] for block in file.blocks())
            return Source(name, file.rate, file.n_channels, n_samples)
        if file.n_samples > LONGEST_COMPRESSION * Path(name).stat().st_size:
            raise ReadError(name, f"states {file.n_samples} samples, more than a file of its size can hold.")
        return Source(name, file.rate, file.n_channels, file.n_samples)


def survey(recordings: Sequence[Recording]) -> tuple[list[Source], list[Failure]]:
    """Look at all recordings; those that cannot be read come back as failures."""
    sources: list[Source] = []
    failures: list[Failure] = []
    for recording in recordings:
        try:
            sources.append(open_source(recording))
        except ReadError as error:
            failures.append(Failure(error.source, error.reason))
    return sources, failures


def list_recordings(recordings: Any) -> list[Recording]:
    """List what was given: a path, a clip, a recordings table, or an iterable of paths and clips; each file once.

    Raises
    ------
    InputError
        If nothing was given, or a table is not sound.
    """
    if hasattr(recordings, "columns"):
        recordings = list(check_table(recordings)["path"])
    if isinstance(recordings, str | os.PathLike | Clip):
        recordings = [recordings]
    if not isinstance(recordings, Iterable):
        raise InputError(f"{recordings!r} was given as recordings. Give a folder, files, clips or a recordings table.")
    listed: list[Recording] = []
    seen: set[str] = set()
    for recording in recordings:
        for item in [recording] if isinstance(recording, Clip) else find(recording):
            name = "" if isinstance(item, Clip) else os.path.realpath(item)
            if name not in seen:
                listed.append(item)
            if name:
                seen.add(name)
    if not listed:
        raise InputError("No recordings were given. Give a folder, files, clips or a recordings table.")
    return listed


def list_normal(recordings: Any) -> list[Recording]:
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
    return list_recordings(recordings)


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
    """Leave out files by name.

    Raises
    ------
    InputError
        If one of the names is not among the recordings.
    """
    unwanted = {os.path.realpath(path): path for path in exclude}
    files = {os.path.realpath(item): item for item in recordings if isinstance(item, str | os.PathLike)}
    for real, path in unwanted.items():
        if real not in files:
            raise InputError(f"{path} was to be excluded, but is not among the recordings. Check the name.")
    return [
        item for item in recordings if not isinstance(item, str | os.PathLike) or os.path.realpath(item) not in unwanted
    ]

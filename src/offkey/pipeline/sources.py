"""Where recordings come from: files and clips, looked at before they are read, and read block by block."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError, OffkeyError, ReadError
from offkey.signals import Clip, Resampler, SoundFile, find

__all__ = ["Failure", "Recording", "Source", "list_recordings", "open_source", "survey"]

Recording = str | os.PathLike[str] | Clip
"""What one recording may be given as."""

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

    @classmethod
    def of(cls, source: object, error: OffkeyError) -> Failure:
        """Make a failure of an error."""
        reason = error.reason if isinstance(error, ReadError) else str(error).removeprefix(f"{source}: ")
        return cls(str(source), reason)


@final
@dataclass(frozen=True)
class Source:
    """One recording that can be read; ``n_samples`` is what its header states."""

    name: str
    rate: int
    n_channels: int
    n_samples: int
    clip: Clip | None = None

    def blocks(self, rate: int) -> Iterator[NDArray[np.float32]]:
        """Yield the samples (n_channels, n) at another rate, in hertz.

        Raises
        ------
        ReadError
            If the file turns out to be damaged.
        """
        resampler = Resampler(self.rate, rate, self.n_channels)
        if self.clip is not None:
            yield resampler.push(self.clip.samples)
        else:
            with SoundFile(self.name) as file:
                for block in file.blocks():
                    yield resampler.push(block)
        yield resampler.push(np.empty((self.n_channels, 0), np.float32), last=True)

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
    """List what was given: a path, a clip, a recordings table, or an iterable of paths and clips.

    Of a recordings table, rows with another split than ``train`` and rows with label 1 (anomaly) are left out.

    Raises
    ------
    InputError
        If nothing is left, or a folder holds no sound file.
    """
    if hasattr(recordings, "columns"):
        return _from_table(recordings)
    if isinstance(recordings, str | os.PathLike | Clip):
        recordings = [recordings]
    if not isinstance(recordings, Iterable):
        raise InputError(f"{recordings!r} was given as recordings. Give a folder, files, clips or a recordings table.")
    listed: list[Recording] = []
    for recording in recordings:
        listed.extend([recording] if isinstance(recording, Clip) else find(recording))
    if not listed:
        raise InputError("No recordings were given. Give a folder, files, clips or a recordings table.")
    return listed


def _from_table(table: Any) -> list[Recording]:
    if "path" not in table.columns:
        raise InputError(f"A table with the columns {list(table.columns)} was given. It needs a column 'path'.")
    if "split" in table.columns and (table["split"] == "train").any():
        table = table[table["split"] == "train"]
    if "label" in table.columns:
        table = table[~(table["label"] == 1).fillna(False)]
    if len(table) == 0:
        raise InputError("The table holds no normal recordings to fit on. Give rows with label 0 or without label.")
    return list(table["path"])

"""Analysis windows: the grid they lie on, the frame store they are read from, and the pooling of their scores."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final, overload

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError, ShapeError

__all__ = ["FrameStore", "WindowArray", "WindowGrid", "parse_pooling", "pool"]


@final
@dataclass(frozen=True)
class WindowGrid:
    """Windows of ``n_frames`` frames that start every ``hop`` frames; the last ends at the recording's last frame.

    Examples
    --------
    >>> WindowGrid(n_frames=4, hop=2).starts(9).tolist()
    [0, 2, 4, 5]
    """

    n_frames: int
    hop: int

    def starts(self, n_frames: int) -> NDArray[np.int64]:
        """Return the first frame of each window in a recording of ``n_frames`` frames; none if it is too short."""
        last = n_frames - self.n_frames
        if last < 0:
            return np.empty(0, np.int64)
        starts = np.arange(0, last + 1, self.hop, dtype=np.int64)
        return starts if starts[-1] == last else np.append(starts, last)


@final
class FrameStore:
    """Frames of many recordings in one temporary file, read through a memory map.

    The file has no name where the system allows that (Linux, macOS) and is marked to be deleted on close elsewhere,
    so that nothing is left behind by a crash. It lies on a disk: ``directory``, or ``$OFFKEY_TMPDIR``, or the
    system's temporary folder if that is not a memory file system, or the user's cache folder.

    Parameters
    ----------
    n_bands, n_channels : int
        Shape of a frame.
    directory : path, optional
        Where the file lies.
    expected_bytes : int
        Size that the file will have, as far as is known; checked against the free space.

    Raises
    ------
    InputError
        If the disk has not enough free space.
    """

    def __init__(
        self,
        n_bands: int,
        n_channels: int,
        directory: str | os.PathLike[str] | None = None,
        expected_bytes: int = 0,
    ) -> None:
        import shutil  # dear to import; scoring does without
        import tempfile

        self.directory = Path(directory) if directory else _disk_folder()
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.directory).free
            self._file = tempfile.TemporaryFile(prefix="offkey-", suffix=".frames", dir=self.directory)  # noqa: SIM115
        except OSError as error:
            raise InputError(
                f"The frames cannot be kept in {self.directory} ({error.strerror}). "
                "Name a folder that can be written with the variable OFFKEY_TMPDIR."
            ) from error
        if expected_bytes > free:
            self._file.close()
            raise InputError(
                f"The frames need {expected_bytes / 1e9:.1f} GB, {self.directory} has {free / 1e9:.1f} GB free. "
                "Free some space, or name another disk with the variable OFFKEY_TMPDIR."
            )
        self._shape = (n_bands, n_channels)
        self._bounds = [0]

    def close(self) -> None:
        """Close the file, which deletes it; frames that are mapped already stay readable."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def append(self, pieces: Iterator[NDArray[np.float32]]) -> int:
        """Write one recording, given as pieces (n_frames, n_bands, n_channels); return its number of frames.

        A recording that fails while its pieces are made leaves no trace.
        """
        n_frames = 0
        n_bytes = math.prod(self._shape) * 4
        try:
            for piece in pieces:
                if piece.shape[1:] != self._shape:
                    raise ShapeError(f"Frames of shape {piece.shape[1:]} were given. The store's are {self._shape}.")
                self._file.write(np.ascontiguousarray(piece, np.float32).data)
                n_frames += len(piece)
        except OSError as error:
            raise InputError(
                f"The frames could not be written to {self.directory} ({error.strerror}). "
                "Free some space, or name another disk with the variable OFFKEY_TMPDIR."
            ) from error
        except BaseException:
            self._file.seek(self._bounds[-1] * n_bytes)
            self._file.truncate()
            raise
        self._bounds.append(self._bounds[-1] + n_frames)
        return n_frames

    @property
    def recordings(self) -> list[tuple[int, int]]:
        """First frame of each recording, and the one behind its last."""
        return list(zip(self._bounds, self._bounds[1:], strict=False))

    @property
    def frames(self) -> NDArray[np.float32]:
        """All frames (n_frames, n_bands, n_channels), mapped read-only."""
        shape = (self._bounds[-1], *self._shape)
        if shape[0] == 0:
            return np.empty(shape, np.float32)
        self._file.flush()
        return np.memmap(self._file, np.float32, "r", shape=shape)


@final
class WindowArray:
    """Windows over stored frames, read when they are asked for: an array (n_windows, n_frames, n_bands, n_channels).

    Parameters
    ----------
    frames : array, shape (n_stored_frames, n_bands, n_channels)
        Such as `FrameStore.frames`.
    segments : sequence of (int, int)
        First frame of each recording (or part of one), and the one behind its last.
    grid : WindowGrid
        Length and distance of the windows.
    known : mapping of str to sequence of str, optional
        What is known of each recording, by column, such as its machine or domain; empty texts where it is not.

    Attributes
    ----------
    starts : array of int, shape (n_windows,)
        First stored frame of each window.
    groups : array of int, shape (n_windows,)
        Index of the segment that each window lies in.
    recordings : array of int, shape (n_segments,)
        Which recording each segment is of: their numbers, but in a part that `take` returned, or a `select` of one.
    """

    def __init__(
        self,
        frames: NDArray[np.float32],
        segments: Sequence[tuple[int, int]],
        grid: WindowGrid,
        known: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._whole: tuple[WindowArray, NDArray[np.int64]] | None = None
        self._memory: dict[str, NDArray[np.float64]] = {}
        per_segment = [grid.starts(stop - start) + start for start, stop in segments]
        self.frames = frames
        self.segments = list(segments)
        self.grid = grid
        self.known = {column: list(values) for column, values in (known or {}).items()}
        self.starts = np.concatenate([np.empty(0, np.int64), *per_segment])
        self.groups = np.repeat(np.arange(len(segments)), [len(starts) for starts in per_segment])
        self.recordings = np.arange(len(segments))
        self.shape = (len(self.starts), grid.n_frames, *frames.shape[1:])
        self.ndim = len(self.shape)
        self.dtype = frames.dtype

    def select(self, segments: Sequence[int]) -> WindowArray:
        """Return the windows of some segments, by index."""
        first = np.searchsorted(self.groups, np.arange(len(self.segments) + 1))
        rows = np.concatenate([np.empty(0, np.int64), *(np.arange(*first[i : i + 2]) for i in segments)])
        part = self._part(rows, segments)
        part.groups = np.repeat(np.arange(len(segments)), [first[i + 1] - first[i] for i in segments])
        part.segments = [self.segments[i] for i in segments]
        numbers = {number: i for i, number in enumerate(dict.fromkeys(part.recordings.tolist()))}
        part.recordings = np.array([numbers[number] for number in part.recordings.tolist()], np.int64)
        return part

    def take(self, rows: NDArray[np.int64]) -> WindowArray:
        """Return some windows, by ascending index; a segment is then a stretch of a recording that they cover."""
        starts, before = self.starts[rows], self.groups[rows]
        is_new = np.ones(len(rows), bool)
        is_new[1:] = (np.diff(before) > 0) | (np.diff(starts) > self.grid.n_frames)
        first = np.flatnonzero(is_new)
        part = self._part(rows, before[first].tolist())
        part.groups = np.cumsum(is_new) - 1
        stops = part.starts[np.append(first[1:], len(rows))[: len(first)] - 1] + self.grid.n_frames
        part.segments = list(zip(part.starts[first].tolist(), stops.tolist(), strict=True))
        return part

    def _part(self, rows: NDArray[np.int64], segments: Sequence[int]) -> WindowArray:
        """Return some windows that lie in some segments, and note which windows of which array they are."""
        part = copy.copy(self)
        part.starts = self.starts[rows]
        part.shape = (len(rows), *self.shape[1:])
        part.recordings = self.recordings[list(segments)]
        part.known = {column: [values[i] for i in segments] for column, values in self.known.items()}
        root, indices = self._whole or (self, np.arange(len(self)))
        part._whole, part._memory = (root, indices[rows]), {}
        return part

    def remembered(self, name: str, compute: Callable[[WindowArray], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return what ``compute`` makes of each window (n_windows, n_values), once for all parts of one array.

        Parameters
        ----------
        name : str
            The same name stands for the same values.
        compute : callable
            Makes values of windows, each on its own.
        """
        if self._whole is not None:
            whole, indices = self._whole
            return whole.remembered(name, compute)[indices]
        if name not in self._memory:
            self._memory[name] = compute(self)
        return self._memory[name]

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | NDArray[Any]) -> NDArray[np.float32]: ...
    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        """Return one window (n_frames, n_bands, n_channels) or several (n, n_frames, n_bands, n_channels)."""
        starts = self.starts[index]
        if np.ndim(starts) == 0:
            return np.array(self.frames[starts : starts + self.grid.n_frames])
        windows = np.empty((len(starts), *self.shape[1:]), self.dtype)
        for window, start in zip(windows, starts, strict=True):
            window[:] = self.frames[start : start + self.grid.n_frames]
        return windows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)


def parse_pooling(pooling: str) -> Callable[[NDArray[np.float64]], float]:
    """Return the function that a pooling's name stands for.

    Parameters
    ----------
    pooling : str
        ``"mean"``, ``"max"`` or a quantile such as ``"q0.9"``.

    Raises
    ------
    InputError
        If the name is none of these.
    """
    if pooling == "mean":
        return lambda scores: float(np.mean(scores))
    if pooling == "max":
        return lambda scores: float(np.max(scores))
    try:
        quantile = float(pooling.removeprefix("q")) if pooling.startswith("q") else math.nan
    except ValueError:
        quantile = math.nan
    if not 0 <= quantile <= 1:
        raise InputError(f"The pooling {pooling!r} was given. Use 'mean', 'max' or a quantile such as 'q0.9'.")
    return lambda scores: float(np.quantile(scores, quantile))


def pool(scores: NDArray[np.float64], pooling: str = "mean") -> float:
    """Turn the scores (n_windows,) of a clip's windows into the clip's score."""
    return parse_pooling(pooling)(np.asarray(scores, np.float64))


def _disk_folder() -> Path:
    """Return a folder for large temporary files that is not in memory."""
    import tempfile

    named = os.environ.get("OFFKEY_TMPDIR")
    if named:
        return Path(named)
    default = Path(tempfile.gettempdir())
    if _file_system(default) not in ("tmpfs", "ramfs"):
        return default
    cache = os.environ.get("XDG_CACHE_HOME")
    candidates = [Path("/var/tmp"), Path(cache) if cache else Path.home() / ".cache"]
    for folder in candidates:
        if folder.is_dir() and os.access(folder, os.W_OK) and _file_system(folder) not in ("tmpfs", "ramfs"):
            return folder
    return default


def _file_system(folder: Path) -> str:
    """Return the type of the file system a folder lies on, where the system tells (Linux); else an empty string."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    resolved = folder.resolve()
    mounts = [(line.split()[1].replace("\\040", " "), line.split()[2]) for line in lines if len(line.split()) > 2]
    holding = [(point, kind) for point, kind in mounts if resolved.is_relative_to(point)]
    return max(holding, key=lambda mount: len(mount[0]))[1] if holding else ""

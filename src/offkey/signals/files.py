"""Reading and writing sound files: everything libsndfile reads, in bounded memory, and the same samples always.

A file is always decoded in blocks of one size, because decoders of compressed formats may round differently
for other sizes; `blocks` cuts those anew where another size is asked for.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError, ReadError
from offkey.signals.clip import Clip, check_samples
from offkey.signals.resample import Resampler

if TYPE_CHECKING:
    from offkey.signals.reading import Reading

__all__ = ["SENSOR_SUFFIXES", "SUFFIXES", "SoundFile", "blocks", "check_is_file", "find", "read", "write"]

logger = logging.getLogger(__name__)

SUFFIXES = frozenset(
    {
        ".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3",
        ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".voc", ".sph", ".nist"
    }
)  # fmt: skip
"""Endings of the files that are taken from a folder."""

SENSOR_SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".dat", ".parquet", ".npy", ".npz", ".mat", ".h5", ".hdf5"})
"""Endings of sensor files: taken from a folder without sound files."""

TEXT_SUFFIXES = frozenset({".txt", ".dat"})
"""Endings of sensor files that may as well be anything: taken from a folder without others."""

DECODED_VALUES = 65_536
"""Values (samples times channels) decoded at once."""

LENGTH_UNKNOWN = 2**62
"""libsndfile states such numbers of samples where a header gives none."""

_DATA_SIZE = re.compile(r"^\s*(?:data|SSND)\s*:\s*(\d+)\s*\(should be (\d+)\)", re.MULTILINE)
_SIZE_UNKNOWN = 0x7FFFF000
"""Writers that stream put sizes from here up into the header: they mean 'until the end'."""


@final
class SoundFile:
    """An open sound file.

    Raises
    ------
    ReadError
        If the file is missing, unreadable, empty or truncated; while reading also for values that are not finite.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import soundfile

        self.path = str(path)
        check_is_file(Path(path))
        try:
            self._file = soundfile.SoundFile(self.path)
        except soundfile.LibsndfileError as error:
            raise ReadError(path, f"is not a readable sound file ({_sentence(error.error_string)}).") from error
        except (TypeError, ValueError, OSError) as error:  # headerless formats ask for parameters
            raise ReadError(path, f"is not a readable sound file ({error}).") from error
        self.rate = int(self._file.samplerate)
        self.n_channels = int(self._file.channels)
        self.n_samples = int(self._file.frames)
        self._is_used = False
        try:
            self._check_header()
        except ReadError:
            self._file.close()
            raise

    def _check_header(self) -> None:
        if self.rate <= 0:
            raise ReadError(self.path, "states no sample rate.")
        if self.n_samples == 0:
            raise ReadError(self.path, "holds no samples; it is empty or was cut off.")
        size = _DATA_SIZE.search(self._file.extra_info)
        if size and int(size[2]) < int(size[1]) < _SIZE_UNKNOWN:
            raise ReadError(
                self.path, f"is truncated: its header states {size[1]} bytes of sound, the file holds {size[2]}."
            )

        if self._file.format == "OGG" and not _ogg_ends(Path(self.path)):
            raise ReadError(self.path, "is truncated: its last page does not end the stream.")

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the samples from the start, as arrays (n_channels, n) of full scale [-1, 1]."""
        import soundfile

        n_decoded = max(1, DECODED_VALUES // self.n_channels)
        n_read = 0
        while True:
            try:
                if self._is_used:
                    self._file.seek(0)
                    self._is_used = False
                block = self._file.read(n_decoded, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise ReadError(
                    self.path, f"breaks off after {n_read / self.rate:.1f} s ({_sentence(error.error_string)})."
                ) from error
            if len(block) == 0:
                break
            samples = np.ascontiguousarray(block.T)
            try:
                check_samples(samples)
            except InputError as error:
                raise ReadError(self.path, str(error).removeprefix("samples: ")) from error
            n_read += len(block)
            yield samples
        self._is_used = True
        if n_read < self.n_samples < LENGTH_UNKNOWN:
            raise ReadError(
                self.path, f"is truncated: its header states {self.n_samples} samples, the file holds {n_read}."
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def blocks(
    path: str | os.PathLike[str], block_samples: int | None = None, *, rate: int | None = None
) -> Iterator[Clip]:
    """Yield a sound file as consecutive clips, in memory for a few blocks only.

    Parameters
    ----------
    path : path
        A sound file.
    block_samples : int, optional
        Samples of each clip (the last may be shorter); as decoded if not given.
    rate : int, optional
        Resample to this rate, in hertz.

    Raises
    ------
    ReadError
        If the file is missing, unreadable, empty, truncated or holds values that are not finite.
    """
    if block_samples is not None and block_samples < 1:
        raise InputError(f"A block of {block_samples} samples was asked for. It needs at least one.")
    with SoundFile(path) as file:
        rate_out = rate or file.rate
        for samples in _cut(_resampled(file, rate_out), block_samples):
            yield Clip(samples, rate_out, source=str(path))


def read(path: str | os.PathLike[str], *, rate: float | None = None, reading: Reading | None = None) -> Clip:
    """Read a whole sound file, or a sensor file that holds one recording.

    Parameters
    ----------
    path : path
        A sound file of any rate, sample format and number of channels, or a sensor file.
    rate : number, optional
        Resample to this rate, in hertz (what a sensor file is sampled at, if it does not tell, is in ``reading``).
    reading : Reading, optional
        How a sensor file is to be read.

    Returns
    -------
    Clip
        Samples (n_channels, n_samples): of sound files of full scale [-1, 1], of sensor files in their units.

    Raises
    ------
    ReadError
        If the file is missing, unreadable, empty, truncated or holds values that are not finite.
    InputError
        If a sensor file holds several recordings.
    """
    if Path(path).suffix.lower() in SENSOR_SUFFIXES:
        return _read_sensor_file(path, rate, reading)
    with SoundFile(path) as file:
        rate_out = rate or file.rate
        samples = np.concatenate(list(_resampled(file, rate_out)), axis=1)
        return Clip(samples, rate_out, source=str(path))


def _read_sensor_file(path: str | os.PathLike[str], rate: float | None, reading: Reading | None) -> Clip:
    from offkey.signals.sensors import pieces_of

    pieces = pieces_of(path, reading)
    if len(pieces) > 1:
        why = next((note for note in pieces[0].notes if " parts" in note), "")
        raise InputError(
            f"{path} holds {len(pieces)} recordings{f': {why}' if why else ''}. Read them with read_all, or bridge "
            "short gaps: Reading(missing='interpolate')."
        )
    clip = pieces[0].clip()
    if rate is None or rate == clip.rate:
        return clip
    try:
        resampler = Resampler(clip.rate, rate, clip.n_channels)
    except InputError as error:
        raise ReadError(path, str(error)) from error
    samples = np.concatenate([*resampler.feed(clip.samples), resampler.finish()], axis=1)
    return Clip(samples, rate, clip.channels, clip.unit, clip.start, clip.source)


def write(clip: Clip, path: str | os.PathLike[str], *, subtype: str | None = None) -> None:
    """Write a clip; the ending names the format.

    Parameters
    ----------
    clip : Clip
        Samples outside [-1, 1] are clipped by the integer sample formats.
    path : path
        The file to write.
    subtype : str, optional
        libsndfile's sample format, such as ``"PCM_16"`` or ``"FLOAT"``; the format's usual one if not given.

    Raises
    ------
    InputError
        If the format is unknown or cannot hold this clip.
    """
    import soundfile

    if not isinstance(clip.rate, int):
        raise InputError(f"{path}: a rate of {clip.rate:g} Hz cannot be written. Sound files need whole hertz.")
    try:
        soundfile.write(str(path), clip.samples.T, clip.rate, subtype=subtype)
    except (soundfile.LibsndfileError, TypeError, ValueError, OSError) as error:
        raise InputError(f"{path}: cannot be written ({error}). Choose another folder, ending or subtype.") from error


def find(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """List recordings: files as they are given, folders searched through and sorted by name.

    Of a folder its sound files are taken; only if it has none, its sensor files (a table beside sound files tells of
    them); and only if it has no others, those that end in ``.txt`` or ``.dat`` (a text beside tables is about them). A
    warning is logged that says how many are passed over. Hidden files and folders (a leading dot) do not count. What
    is neither a file nor a folder with recordings is kept, so that reading it gives the reason. A file that is found
    twice is listed once.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found: list[Path] = []
    for path in map(Path, given):
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(_walk(path), key=_natural)
        found.extend(_of_one_kind(path, inside) or [path])
    first: dict[str, Path] = {}
    for path in found:
        first.setdefault(os.path.realpath(path), path)
    return list(first.values())


def _of_one_kind(folder: Path, inside: list[Path]) -> list[Path]:
    """Leave out files beside those that are surely recordings, and say how many."""
    kinds = (("sound", SUFFIXES), ("sensor", SENSOR_SUFFIXES - TEXT_SUFFIXES), ("text", TEXT_SUFFIXES))
    by_kind = {name: [file for file in inside if file.suffix.lower() in endings] for name, endings in kinds}
    kind = next((name for name, files in by_kind.items() if files), "")
    others = [file for name, files in by_kind.items() if name != kind for file in files]
    if others:
        logger.warning(
            "%s: %d sensor file%s such as %s passed over beside %d %s file%s. Name what else is to be read.",
            folder, len(others), "s" * (len(others) > 1), others[0].name, len(by_kind[kind]), kind,
            "s" * (len(by_kind[kind]) > 1),
        )  # fmt: skip
    return [file for file in inside if file not in set(others)]


def _walk(folder: Path) -> Iterator[Path]:
    unreadable: list[Path] = []
    for root, folders, names in os.walk(folder, onerror=lambda error: unreadable.append(Path(error.filename))):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES | SENSOR_SUFFIXES:
                yield Path(root, name)
    yield from unreadable


def _natural(path: Path) -> list[list[tuple[int, int, str]]]:
    """Sort key that puts ``pump2`` before ``pump10``."""
    return [
        [(0, int(run), "") if run.isdecimal() else (1, 0, run.casefold()) for run in re.split(r"(\d+)", part)]
        for part in path.parts
    ]


def _resampled(file: SoundFile, rate: float) -> Iterator[NDArray[np.float32]]:
    try:
        resampler = Resampler(file.rate, rate, file.n_channels)
    except InputError as error:
        raise ReadError(file.path, str(error)) from error
    for samples in file.blocks():
        yield from resampler.feed(samples)
    yield resampler.finish()


def _cut(pieces: Iterable[NDArray[np.float32]], size: int | None) -> Iterator[NDArray[np.float32]]:
    if size is None:
        yield from (piece for piece in pieces if piece.shape[1])
        return
    held: NDArray[np.float32] | None = None
    for piece in pieces:
        held = piece if held is None else np.concatenate([held, piece], axis=1)
        whole = held.shape[1] // size * size
        for start in range(0, whole, size):
            yield held[:, start : start + size]
        held = held[:, whole:]
    if held is not None and held.shape[1]:
        yield held


def check_is_file(path: Path, kind: str = "sound file") -> None:
    """Refuse what is no file, or empty.

    Raises
    ------
    ReadError
        With the reason.
    """
    try:
        if path.is_dir():
            raise ReadError(path, f"is a folder without a {kind} that can be read.")
        if path.is_symlink() and not path.exists():
            raise ReadError(path, f"is a broken link to {os.readlink(path)}.")
        if not path.exists():
            raise ReadError(path, "does not exist.")
        if not path.is_file():
            raise ReadError(path, f"is a device or pipe, not a {kind}.")
        if path.stat().st_size == 0:
            raise ReadError(path, "is empty (0 bytes).")
    except (OSError, ValueError) as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(path, f"cannot be opened ({_sentence(getattr(error, 'strerror', None) or error)}).") from error


def _ogg_ends(path: Path) -> bool:
    """Say whether the last page of an Ogg file ends its stream and is whole (RFC 3533, section 6)."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65_307))  # the longest page
        tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    return len(page) >= 27 and bool(page[5] & 4) and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])


def _sentence(reason: Any) -> str:
    return str(reason).removeprefix("Error : ").strip().rstrip(".")

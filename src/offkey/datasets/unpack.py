"""Unpacking zips that others made: nothing is written outside the folder, over files of others, or half.

Names are checked before anything is written. What a member unpacks to is bounded by what the zip's directory states
(`zipfile` stops there), and that is held against the free space first.
"""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections.abc import Container
from pathlib import Path, PurePosixPath
from typing import IO

from offkey.datasets.web import bytes_text
from offkey.errors import DownloadError, InputError
from offkey.progress import track

__all__ = ["Members", "crc_of", "unpack"]

Members = dict[str, tuple[int, int]]
"""Unpacked files: path inside the folder (with ``/``), to size and CRC-32."""

MOST_UNPACKED = 100
"""A zip that unpacks to more than so many times its size holds no recordings."""

BLOCK = 1 << 20
TEMPORARY = ".offkey-unpacking"


def unpack(archive: Path, folder: Path, into: str, may_replace: Container[str]) -> Members:
    """Unpack a zip and return what is there now.

    Files that are there already, and the same, are left alone.

    Parameters
    ----------
    archive : Path
        The zip.
    folder : Path
        The data set's folder.
    into : str
        Folder inside that one, or nothing.
    may_replace : container of str
        Paths inside ``folder`` that may be written over.

    Raises
    ------
    DownloadError
        If the zip is damaged, or would write elsewhere.
    InputError
        If there is no space, or other files are in the way.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            members = _members(source, archive, into)
            held = {name: (info.file_size, info.CRC) for name, info in members.items()}
            missing = [name for name in members if not _is_same(folder / name, *held[name])]
            for name in missing:
                if os.path.lexists(folder / name) and name not in may_replace:
                    raise InputError(
                        f"{folder / name}: is there already, and is not what {archive.name} holds. Move it away, or "
                        "choose another folder."
                    )
            _check_space(folder, archive, sum(held[name][0] for name in missing))
            for name in track(missing, f"unpacking {archive.name}", len(missing)):
                with source.open(members[name]) as member:
                    _write(member, folder / name)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        if isinstance(error, DownloadError):
            raise
        raise DownloadError(
            f"{archive}: cannot be unpacked ({error}), though it is what the archive states. Use --no-unpack and "
            "another program."
        ) from error
    return held


def crc_of(path: Path) -> int:
    """Return the CRC-32 of a file, as zips use it."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            crc = zlib.crc32(block, crc)
    return crc


def _members(source: zipfile.ZipFile, archive: Path, into: str) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in source.infolist():
        if info.is_dir():
            continue
        name = info.filename.replace("\\", "/")
        parts = name.split("/")
        if any(character < " " or character == ":" for character in name) or any(
            part in ("", ".", "..") for part in parts
        ):
            raise DownloadError(
                f"{archive}: holds {info.filename!r}, which would be written elsewhere. Nothing was unpacked; "
                "report it to the keepers of the archive."
            )
        path = str(PurePosixPath(into, name))
        if path in members:
            raise DownloadError(f"{archive}: holds {name} twice. Use --no-unpack and another program.")
        members[path] = info
    unpacked = sum(info.file_size for info in members.values())
    if unpacked > MOST_UNPACKED * archive.stat().st_size:
        raise DownloadError(
            f"{archive}: would unpack to {bytes_text(unpacked)}, far more than recordings do. Nothing was unpacked; "
            "report it to the keepers of the archive."
        )
    return members


def _is_same(path: Path, size: int, crc: int) -> bool:
    return path.is_file() and path.stat().st_size == size and crc_of(path) == crc


def _check_space(folder: Path, archive: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{folder}: {bytes_text(free)} are free, and {archive.name} unpacks to {bytes_text(needed)} more. Free "
            "some space and give the same command again; the archive is kept."
        )


def _write(member: IO[bytes], path: Path) -> None:
    """Write a file under another name first: whoever finds it under its own finds it whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(TEMPORARY)
    try:
        with temporary.open("wb") as file:
            shutil.copyfileobj(member, file, BLOCK)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

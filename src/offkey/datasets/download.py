"""Downloading the public data sets, so that whatever breaks off goes on at the next call."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from offkey.datasets.archives import SERVER, Archive, find_archive
from offkey.datasets.inventory import DataSet, Holding, read_inventory, write_inventory
from offkey.datasets.unpack import unpack as unpack_zip
from offkey.datasets.web import TIMEOUT_S, Server, bytes_text
from offkey.datasets.zenodo import Record, RecordFile, choose_files, digest_of, read_record
from offkey.errors import DownloadError, InputError
from offkey.progress import task

__all__ = ["Downloaded", "download"]

_log = logging.getLogger(__name__)

UNPACKED_OVER_ZIP = 1.5
"""Recordings are packed to no less than about two thirds: MIMII's 10.8 GB of samples to 8.2 GB."""

MB = 1_000_000


@final
@dataclass(frozen=True)
class Downloaded:
    """What a download did: the archive's record, and the names of files that were whole already, and that came."""

    record: Record
    complete: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)


def download(
    name: str,
    dest: str | os.PathLike[str],
    *,
    only: Sequence[str] | None = None,
    unpack: bool = True,
    keep_archives: bool = False,
    server: str = SERVER,
    timeout_s: float = TIMEOUT_S,
    tell: Callable[[str], None] = _log.info,
) -> Downloaded:
    """Download a public data set into a folder; call it again to go on, to repair, or to find that all is there.

    Files, sizes, checksums and the licence are asked of the archive. Each zip is checked, unpacked and removed before
    the next one comes.

    Parameters
    ----------
    name : str
        One of `ARCHIVES`, such as ``"dcase2020-dev"``.
    dest : path
        Folder to write to; made if needed. The parts of one year may share it.
    only : list of str, optional
        Machines, or other words of the names of files, such as ``["fan", "pump"]``; all if not given.
    unpack : bool
        Whether to unpack zips; what is not unpacked is kept.
    keep_archives : bool
        Whether to keep the zips that were unpacked.
    server : str
        Address of Zenodo or a mirror of it.
    timeout_s : float
        Longest wait for the next bytes.
    tell : callable
        Gets lines of text: title and licence before anything is fetched, then each file that is done.

    Returns
    -------
    Downloaded

    Raises
    ------
    InputError
        If the name or a word is unknown, the folder cannot be used, or space is short.
    DownloadError
        If the archive cannot be reached, or what comes is not what it states.
    """
    archive, folder, source = find_archive(name), Path(dest), Server(server, timeout_s)
    _check_is_no_file(folder)
    sets = read_inventory(folder)
    _check_family(archive, sets, folder)
    record = read_record(source, archive.record)
    files = choose_files(record, only)
    tell(f"{archive.name}: {record.title}")
    tell(f"licence: {record.licence}; page: {archive.page}")
    ours = sets.setdefault(archive.name, DataSet(record.number, record.title, record.licence, archive.page))
    ways = _Ways(source, folder, archive, sets, unpack, keep_archives, tell)
    wanted = ways.not_complete(files)
    done = Downloaded(record, complete=[file.name for file in files if file not in wanted])
    if not wanted:
        tell(f"{len(files)} of {len(files)} files are there and whole: nothing to do.")
        return done
    tell(f"{len(wanted)} of {len(files)} files to get, {bytes_text(sum(file.size for file in wanted))}")
    _check_space(folder, wanted, ours, unpack, keep_archives)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ours.expect(record, wanted)
        write_inventory(folder, sets)
        for file in wanted:
            ways.get(file)
            done.fetched.append(file.name)
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: cannot be written ({error.strerror or error}). Choose another folder, or "
            "make room; what has come is kept."
        ) from error
    return done


@final
@dataclass(frozen=True)
class _Ways:
    """How the files of one data set are got."""

    server: Server
    folder: Path
    archive: Archive
    sets: dict[str, DataSet]
    unpack: bool
    keep_archives: bool
    tell: Callable[[str], None]

    def not_complete(self, files: list[RecordFile]) -> list[RecordFile]:
        """Return the files that are not there and whole in the form that was asked for."""
        held = self.sets[self.archive.name].files
        n_files = sum(held[file.name].n_files for file in files if file.name in held)
        with task("checking what is there", n_files) as progress:

            def is_whole(file: RecordFile) -> bool:
                if file.name not in held or not self._is_as_asked(file, held[file.name]):
                    return False
                is_good = True
                for problem in held[file.name].problems(self.folder, file.name):
                    progress.advance()
                    is_good &= problem is None
                return is_good

            return [file for file in files if not is_whole(file)]

    def get(self, file: RecordFile) -> None:
        """Bring one file, unpack it, and note it in the inventory."""
        held = self.sets[self.archive.name].files
        path = self.folder / file.name
        self._bring(file, path)
        members = held[file.name].members
        is_to_unpack = file.is_zip and self.unpack
        if is_to_unpack:
            members = unpack_zip(path, self.folder, self.archive.folder_of(file.name), members or {})
        is_kept = self.keep_archives or not is_to_unpack
        held[file.name] = Holding(file.size, file.checksum, is_kept, members)
        write_inventory(self.folder, self.sets)
        if not is_kept:
            path.unlink()
        self.tell(f"{file.name}: checked" + (f", {len(members or ())} files unpacked" if is_to_unpack else ""))

    def _is_as_asked(self, file: RecordFile, held: Holding) -> bool:
        is_to_unpack = file.is_zip and self.unpack
        is_to_keep = not is_to_unpack or self.keep_archives
        return held.is_of(file) and held.is_kept >= is_to_keep and (held.members is not None) >= is_to_unpack

    def _bring(self, file: RecordFile, path: Path) -> None:
        """Have the file under its name, with the checksum that the archive states; try twice."""
        if path.is_file() and path.stat().st_size == file.size and digest_of(path, file.checksum) == file.checksum:
            return
        part = path.with_name(f"{file.name}.part")
        came = ""
        for _ in range(2):
            self._receive(file, part)
            came = digest_of(part, file.checksum)
            if came == file.checksum:
                os.replace(part, path)
                return
            part.unlink()
            self.tell(f"{file.name}: came with the wrong checksum and was removed")
        raise DownloadError(
            f"{self.server.url(file.link)}: came twice with the wrong checksum ({came}, the archive states "
            f"{file.checksum}). Try again later, or by another network."
        )

    def _receive(self, file: RecordFile, part: Path) -> None:
        with task(f"{file.name}, MB", max(1, file.size // MB)) as progress:
            shown = 0

            def told(n: int) -> None:
                nonlocal shown
                progress.advance(n // MB - shown)
                shown = n // MB

            self.server.receive(file.link, part, file.size, told)


def _check_is_no_file(folder: Path) -> None:
    try:
        is_file = folder.exists() and not folder.is_dir()
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: cannot be used ({error}). Choose another folder.") from error
    if is_file:
        raise InputError(f"{folder}: is a file. Name a folder to download to.")


def _check_family(archive: Archive, sets: dict[str, DataSet], folder: Path) -> None:
    """Keep years apart: their machines and file names are the same."""
    for name in sets:
        if name.partition("-")[0] != archive.family:
            raise InputError(
                f"{folder}: holds {name}, whose names would mix with those of {archive.name}. Choose another folder."
            )


def _check_space(folder: Path, files: list[RecordFile], ours: DataSet, unpack: bool, keep_archives: bool) -> None:
    """Hold what will be written against the free space.

    Zips that are not kept are on disk one at a time; what was unpacked before is mended in its place.
    """
    zips = [_left(folder, file) for file in files if file.is_zip and unpack]
    archives = sum(_left(folder, file) for file in files if not (file.is_zip and unpack))
    archives += sum(zips) if keep_archives else max(zips, default=0)
    is_known = {name for name, holding in ours.files.items() if holding.members}
    new = sum(file.size for file in files if file.is_zip and unpack and file.name not in is_known)
    unpacked = round(UNPACKED_OVER_ZIP * new)
    there = next((parent for parent in (folder, *folder.absolute().parents) if parent.exists()), folder)
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        raise InputError(f"{folder}: cannot be used ({error.strerror or error}). Choose another folder.") from error
    if archives + unpacked > free:
        raise InputError(
            f"{folder}: {bytes_text(free)} are free, and about {bytes_text(archives + unpacked)} are needed "
            f"({bytes_text(archives)} for archives, about {bytes_text(unpacked)} unpacked). Free some space, choose "
            "another folder, or take some machines with --only."
        )


def _left(folder: Path, file: RecordFile) -> int:
    """Return the bytes of a file that are still to come."""
    there = (path for path in (folder / file.name, folder / f"{file.name}.part") if path.exists())
    return max(0, file.size - sum(path.stat().st_size for path in there))

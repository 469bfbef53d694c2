"""Records of Zenodo: what a data set's archive says of itself, at the time of asking.

``/api/records/<number>`` answers with ``metadata.title``, ``metadata.license.id`` and ``files``, each with ``key``,
``size``, ``checksum`` (``md5:...``) and ``links.self`` (https://developers.zenodo.org).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from offkey.datasets.web import Server
from offkey.errors import DownloadError, InputError

__all__ = ["Record", "RecordFile", "choose_files", "digest_of", "read_record"]

BLOCK = 1 << 20
_PLAIN_NAME = re.compile(r"[^/\\:*?\"<>|\x00-\x1f]+")


@final
@dataclass(frozen=True)
class RecordFile:
    """One file of a record: ``checksum`` is ``algorithm:hexadecimal``."""

    name: str
    size: int
    checksum: str
    link: str

    @property
    def is_zip(self) -> bool:
        """Whether offkey can unpack it."""
        return self.name.lower().endswith(".zip")


@final
@dataclass(frozen=True)
class Record:
    """A record: its number, title, licence and files."""

    number: int
    title: str
    licence: str
    files: tuple[RecordFile, ...]


def read_record(server: Server, number: int) -> Record:
    """Ask a server for a record.

    Raises
    ------
    DownloadError
        If it cannot be had, or does not say what is needed.
    """
    link = f"/api/records/{number}"
    said = server.read_json(link)
    try:
        metadata = said["metadata"]
        files = tuple(_file(entry) for entry in said["files"])
        title = str(metadata["title"])
    except (KeyError, TypeError, ValueError) as error:
        raise DownloadError(
            f"{server.url(link)}: is not a record as offkey knows them ({type(error).__name__}: {error}). Upgrade "
            "offkey, or download in a browser."
        ) from error
    if not files:
        raise DownloadError(f"{server.url(link)}: lists no files. Look at its page: they may be restricted.")
    licence = metadata.get("license")
    name = licence.get("id") if isinstance(licence, dict) else licence
    return Record(number, title, str(name or "not stated"), files)


def choose_files(record: Record, only: Sequence[str] | None) -> list[RecordFile]:
    """Choose files of a record by machine or other words of their names, all if ``only`` is not given.

    ``fan`` means ``dev_fan.zip`` and ``0_dB_fan.zip``, ``0_dB_fan`` the latter alone.

    Raises
    ------
    InputError
        If a word fits no file.
    """
    if only is None:
        return list(record.files)
    if not only:
        raise InputError("Some files were asked for, and none was named. Name machines, such as fan.")
    chosen = set()
    for word in only:
        fitting = [file.name for file in record.files if _is_said(word, file.name)]
        if not fitting:
            raise InputError(
                f"Files of {word!r} were asked for, and this data set has none. It has: "
                f"{', '.join(file.name for file in record.files)}."
            )
        chosen.update(fitting)
    return [file for file in record.files if file.name in chosen]


def digest_of(path: Path, checksum: str) -> str:
    """Return a file's checksum in the algorithm of another one, as ``algorithm:hexadecimal``."""
    algorithm = checksum.partition(":")[0]
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return f"{algorithm}:{digest.hexdigest()}"


def _file(entry: Any) -> RecordFile:
    name, size, checksum = entry["key"], entry["size"], str(entry["checksum"]).lower()
    if not isinstance(name, str) or not _PLAIN_NAME.fullmatch(name) or name.startswith("."):
        raise ValueError(f"the file name {name!r} is not a plain one")
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"{name} has the size {size!r}")
    if not re.fullmatch(r"(md5|sha1|sha256|sha512):[0-9a-f]+", checksum):
        raise ValueError(f"{name} has the checksum {checksum!r}")
    return RecordFile(name, size, checksum, str(entry["links"]["self"]))


def _is_said(word: str, name: str) -> bool:
    """Say whether a word is one or more whole words of a file's name, which ``_`` and ``.`` part."""
    asked, words = (re.split(r"[_.]", text.strip().casefold()) for text in (word, name))
    return any(words[i : i + len(asked)] == asked for i in range(len(words)))

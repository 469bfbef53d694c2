"""What a folder of downloads should hold: one JSON file in it, and the check against it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from offkey.datasets.unpack import Members, crc_of
from offkey.datasets.zenodo import Record, RecordFile, digest_of
from offkey.errors import InputError

__all__ = ["INVENTORY", "DataSet", "Holding", "read_inventory", "write_inventory"]

INVENTORY = "offkey-datasets.json"
FORMAT = 1


@final
@dataclass
class Holding:
    """What is held of one file of a record.

    Parameters
    ----------
    size : int
        Of the file.
    checksum : str
        As the archive states it.
    is_kept : bool
        Whether the file itself is there.
    members : dict, optional
        What was unpacked from it; None if nothing was.
    """

    size: int
    checksum: str
    is_kept: bool = False
    members: Members | None = None

    @property
    def n_files(self) -> int:
        """Number of files to check."""
        return max(1, self.is_kept + len(self.members or {}))

    def is_of(self, file: RecordFile) -> bool:
        """Say whether the record still states the same."""
        return (self.size, self.checksum) == (file.size, file.checksum)

    def problems(self, folder: Path, name: str) -> Iterator[str | None]:
        """Check every file: yield what is wrong with it, or None."""
        if not self.is_kept and self.members is None:
            yield f"{name}: has not been downloaded to its end"
            return
        if self.is_kept:
            yield _problem(folder, name, self.size, self.checksum)
        for path, (size, crc) in (self.members or {}).items():
            yield _problem(folder, path, size, crc)


@final
@dataclass
class DataSet:
    """What is held of one data set: its archive's record, and its files by name."""

    record: int
    title: str
    licence: str
    page: str
    files: dict[str, Holding] = field(default_factory=dict)

    def expect(self, record: Record, files: list[RecordFile]) -> None:
        """Note what will be there; what is there already stays noted."""
        self.record, self.title, self.licence = record.number, record.title, record.licence
        for file in files:
            self.files.setdefault(file.name, Holding(file.size, file.checksum))


def read_inventory(folder: Path) -> dict[str, DataSet]:
    """Read what a folder should hold, by the names of data sets; nothing if it has no inventory.

    Raises
    ------
    InputError
        If the inventory is damaged or of a newer offkey.
    """
    path = folder / INVENTORY
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']}, and this offkey knows {FORMAT}")
        return {name: _data_set(entry) for name, entry in document["data_sets"].items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: cannot be read ({type(error).__name__}: {error}). Remove it and download again: what is "
            "whole already is left as it is."
        ) from error


def write_inventory(folder: Path, data_sets: dict[str, DataSet]) -> None:
    """Write what a folder should hold, all or nothing."""
    document = {"format": FORMAT, "data_sets": {name: _json(data_set) for name, data_set in data_sets.items()}}
    temporary = folder / f"{INVENTORY}.tmp"
    try:
        temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
        os.replace(temporary, folder / INVENTORY)
    finally:
        temporary.unlink(missing_ok=True)


def _problem(folder: Path, name: str, size: int, expected: str | int) -> str | None:
    """Compare a file with its size, and its checksum or CRC-32."""
    path = folder / name
    try:
        if not path.is_file():
            return f"{name}: is missing"
        found = path.stat().st_size
        if found != size:
            return f"{name}: has {found} bytes, not {size}"
        same = (crc_of(path) if isinstance(expected, int) else digest_of(path, expected)) == expected
        return None if same else f"{name}: is damaged (another checksum)"
    except OSError as error:
        return f"{name}: cannot be read ({error.strerror or error})"


def _json(data_set: DataSet) -> dict[str, Any]:
    files = {
        name: {"size": held.size, "checksum": held.checksum, "kept": held.is_kept, "members": held.members}
        for name, held in data_set.files.items()
    }
    return {**vars(data_set), "files": files}


def _data_set(entry: Any) -> DataSet:
    files = {name: _holding(held) for name, held in entry["files"].items()}
    return DataSet(int(entry["record"]), str(entry["title"]), str(entry["licence"]), str(entry["page"]), files)


def _holding(held: Any) -> Holding:
    members = held["members"]
    if members is not None:
        members = {str(path): (int(size), int(crc)) for path, (size, crc) in members.items()}
    checksum = str(held["checksum"])
    if not checksum.startswith(("md5:", "sha1:", "sha256:", "sha512:")):
        raise ValueError(f"the checksum {checksum!r} is of no known kind")
    return Holding(int(held["size"]), checksum, bool(held["kept"]), members)

"""Checking a folder of recordings: against its inventory if offkey downloaded it, else by opening every file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

from offkey.datasets.folder import read_labelled
from offkey.datasets.inventory import INVENTORY, DataSet, read_inventory
from offkey.errors import InputError, ReadError
from offkey.progress import task, track
from offkey.signals import SoundFile, find

__all__ = ["Checked", "check_folder"]


@final
@dataclass(frozen=True)
class Checked:
    """The outcome: what was done, the number of files, and what is wrong, one line a file."""

    what: str
    n_files: int
    problems: list[str]


def check_folder(path: str | os.PathLike[str]) -> Checked:
    """Check a folder of recordings.

    One that `download` filled: that every file is there with its size, and its CRC-32 (of zip members) or the archive's
    checksum (of files that are kept). Another one: that each sound file opens, is as long as its header states, and is
    named, or lies in folders, as data sets have it.

    Parameters
    ----------
    path : path
        The folder.

    Returns
    -------
    Checked

    Raises
    ------
    InputError
        If it is no folder, or holds no recordings.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"{path}: is not a folder. Name one that offkey downloaded, or one of recordings.")
    data_sets = read_inventory(folder)
    return _against_inventory(folder, data_sets) if data_sets else _by_opening(folder)


def _against_inventory(folder: Path, data_sets: dict[str, DataSet]) -> Checked:
    held = [entry for data_set in data_sets.values() for entry in data_set.files.items()]
    n_files = sum(holding.n_files for _, holding in held)
    problems = []
    with task("checking", n_files) as progress:
        for name, holding in held:
            for problem in holding.problems(folder, name):
                progress.advance()
                problems.extend([problem] if problem else [])
    what = f"{' and '.join(data_sets)}: presence, size and checksum of each file that {INVENTORY} lists"
    return Checked(what, n_files, problems)


def _by_opening(folder: Path) -> Checked:
    files = find(folder)
    if files == [folder]:
        raise InputError(f"{folder}: holds no sound files. Name a folder that offkey downloaded, or one of recordings.")
    problems = []
    for file in track(files, "opening", len(files)):
        try:
            SoundFile(file).close()
        except ReadError as error:
            problems.append(f"{file.relative_to(folder)}: {error.reason}")
    problems.extend(_named_wrong(folder))
    what = f"{folder}, which has no {INVENTORY}: that each sound file opens and is whole, and its name or folders"
    return Checked(what, len(files), problems)


def _named_wrong(folder: Path) -> list[str]:
    try:
        table = read_labelled(folder)
    except InputError as error:
        return [str(error)]
    is_unknown = table["section"].isna() & table["label"].isna()
    return [
        f"{os.path.relpath(path, folder)}: neither its name nor its folders say what it is, as those of others do"
        for path in table["path"][is_unknown]
    ]

"""DCASE Task 2 data sets, 2020 to 2026: folders, names and attribute files.

Koizumi et al. 2020 (arXiv 2006.05822); Kawaguchi et al. 2021 (2106.04492); Dohi et al. 2022 (2206.05876) and 2023
(2305.07828); Nishida et al. 2024 (2406.07250) and 2025 (2506.10097).
"""

from __future__ import annotations

import csv
import logging
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from offkey.datasets.dcase_names import (
    check_year,
    clips_of,
    family_of,
    is_dcase,
    looks_like_dcase,
    parse_name,
    years_of,
)
from offkey.datasets.table import make_table
from offkey.errors import InputError
from offkey.signals import find

__all__ = ["dcase_family", "read_dcase"]

logger = logging.getLogger(__name__)

_SPLITS = {"train": "train", "test": "test", "source_test": "test", "target_test": "test", "supplemental": "extra"}
_DOMAINS = {"source_test": "source", "target_test": "target"}


def read_dcase(path: str | os.PathLike[str], year: int | None = None) -> Any:
    """Read a folder of DCASE Task 2 as a recordings table.

    Parameters
    ----------
    path : path
        The data set's folder, a machine's, or ``train`` or ``test`` within one.
    year : int, optional
        2020 to 2026; if not given, what names and folders tell is enough.

    Returns
    -------
    recordings table
        ``section`` is ``section_00``, or the machine id such as ``id_00`` in 2020; ``split`` is ``train``, ``test`` or
        ``extra`` (clips of the machine or of noise alone); ``domain`` is ``source``, ``target`` or missing;
        ``attributes`` is the text at the end of the name, missing where it is hidden. What ``attributes_00.csv`` says
        stands in its own columns (``d1p``, ``d1v``, ...). Files with other names have no section and no label, and
        are warned of.

    Raises
    ------
    InputError
        If no file is named so, the year is not known or not that of the names, or an attribute file is damaged.
    """
    check_year(year)
    files = find(path)
    rows = [_row(file) for file in files]
    named = [row for row in rows if row["section"] is not None]
    if not named:
        raise InputError(
            f"{path}: holds no file with a DCASE name. Give <machine>/train/normal_id_00_00000000.wav (2020) or "
            "<machine>/train/section_00_source_train_normal_0000.wav (later years)."
        )
    _warn_of_names([row["path"] for row in rows if row["section"] is None])
    _add_attributes(named)
    table = make_table(rows)
    dcase_family(table, year)
    return table


def dcase_family(table: Any, year: int | None = None) -> int | None:
    """Return the year whose rules of scoring hold for a table: 2020, 2021 or 2022 (and later); None if it is open.

    Parameters
    ----------
    table : recordings table
        Of `read_dcase`.
    year : int, optional
        Where it is known.

    Raises
    ------
    InputError
        If the year is unknown or the clips are named as in others.
    """
    check_year(year)
    years = years_of(clips_of(table))
    if year is None:
        return family_of(years)
    if min(year, 2022) not in {min(each, 2022) for each in years}:
        named = f"{years[0]}" if len(years) == 1 else f"{years[0]} to {years[-1]}"
        raise InputError(f"The year {year} was given, but the clips are named as in {named}. Give that year, or none.")
    return min(year, 2022)


def _row(file: Path) -> dict[str, Any]:
    folder = Path(os.path.abspath(file)).parent
    split = _SPLITS.get(folder.name)
    name = parse_name(file) if is_dcase(file) else None
    is_extra = split == "extra"
    return {
        "path": str(file),
        "machine": (folder.parent if split else folder).name,
        "section": name.section if name else None,
        "domain": (name.domain or _DOMAINS.get(folder.name)) if name else None,
        "split": split or (name.split if name else None),
        "label": name.label if name and not is_extra else None,
        "attributes": name.attributes if name else None,
    }


def _warn_of_names(paths: list[str]) -> None:
    odd = [path for path in paths if Path(os.path.abspath(path)).parent.name != "supplemental"]
    mistyped = [path for path in odd if looks_like_dcase(path)]
    if odd:
        logger.warning(
            "%d files have no DCASE name, such as %s. They have no label and are not used; check their names.",
            len(odd),
            (mistyped or odd)[0],
        )


def _folder_of(row: dict[str, Any]) -> Path:
    return Path(os.path.abspath(row["path"])).parent


def _add_attributes(rows: list[dict[str, Any]]) -> None:
    """Add the columns of the attribute files to rows, and say what is missing."""
    by_folder: dict[Path, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        folder = _folder_of(row)
        if folder.name in _SPLITS:
            by_folder[folder.parent].append(row)
    for folder, own in by_folder.items():
        sections = sorted({row["section"] for row in own if row["section"].startswith("section_")})
        for section in sections:
            _add_attributes_of(folder, section, [row for row in own if row["section"] == section])


def _add_attributes_of(folder: Path, section: str, rows: list[dict[str, Any]]) -> None:
    path = folder / f"attributes_{section.removeprefix('section_')}.csv"
    splits = {_folder_of(row).name for row in rows}
    if not path.is_file():
        if splits.isdisjoint(_DOMAINS):  # 2021 had none
            logger.info("%s is not there: attributes are what the names of %s tell.", path, section)
        return
    listed = _read_attributes(path)
    known = {(_folder_of(row).name, Path(row["path"]).name): row for row in rows}
    gone = []
    for file, values in listed.items():
        split, name = Path(file).parent.name, Path(file).name
        if (split, name) in known:
            known[split, name].update(values)
        elif split in splits:
            gone.append(file)
    if gone:
        logger.warning("%s names %d files that are not there, such as %s. Is the data whole?", path, len(gone), gone[0])


def _read_attributes(path: Path) -> dict[str, dict[str, str]]:
    """Return the columns of an attribute file by the file that they are of; empty cells are left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a table ({error}). Remove it, or copy it again.") from error
    if lines and "file_name" not in lines[0]:
        raise InputError(f"{path}: has no column file_name. Its first line must be file_name,d1p,d1v.")
    taken = {"path", "machine", "section", "domain", "split", "label", "attributes"}
    return {
        line["file_name"].replace("\\", "/"): {
            key: value for key, value in line.items() if key and key != "file_name" and key not in taken and value
        }
        for line in lines
        if line["file_name"]
    }

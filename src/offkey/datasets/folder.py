"""Labelled folders: which layout a folder has, and its recordings as a table."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from offkey.datasets.dcase import read_dcase
from offkey.datasets.dcase_names import is_dcase, parse_name
from offkey.datasets.mimii import is_mimii, read_mimii
from offkey.datasets.table import make_table, read_table
from offkey.datasets.toyadmos import is_toyadmos, read_toyadmos
from offkey.errors import InputError
from offkey.signals import find

__all__ = ["is_named_anomaly", "read_labelled", "read_normal_and_abnormal"]

_LABELS = {"normal": 0, "abnormal": 1, "anomaly": 1, "anomalies": 1, "anomalous": 1, "faulty": 1, "fault": 1}


def read_labelled(path: str | os.PathLike[str]) -> Any:
    """Read labelled recordings: a CSV table, folders ``normal`` and ``anomaly``, DCASE Task 2, MIMII or ToyADMOS.

    Folders named ``normal`` and ``anomaly`` outrank the names of the files in them.

    Raises
    ------
    InputError
        If it is none of these.
    """
    source = Path(path)
    if source.suffix.lower() == ".csv":
        return read_table(source)
    if not source.is_dir():
        raise InputError(f"{path}: is neither a folder nor a .csv table. Give labelled recordings.")
    files = find(source)
    labelled = [file for file in files if _labels_of(file, source)]
    if labelled and all(map(is_mimii, labelled)):
        return read_mimii(source)
    if any(map(is_toyadmos, files)):
        return read_toyadmos(source)
    if not labelled and any(map(is_dcase, files)):
        return read_dcase(source)
    return read_normal_and_abnormal(source)


def read_normal_and_abnormal(path: str | os.PathLike[str]) -> Any:
    """Read a folder whose recordings lie in folders ``normal`` and ``anomaly`` (or ``abnormal``, ``fault``).

    Recordings elsewhere have no label.

    Raises
    ------
    InputError
        If there are no such folders.
    """
    root = Path(path)
    rows = []
    for file in find(root):
        labels = _labels_of(file, root)
        section = next((part for part in file.parts if re.fullmatch(r"id_\d+", part)), None)
        rows.append({"path": str(file), "label": labels.pop() if len(labels) == 1 else None, "section": section})
    if all(row["label"] is None for row in rows):
        raise InputError(
            f"{path}: holds no labelled recordings. Put them into folders named 'normal' and 'anomaly', give them "
            "DCASE names (normal_id_00_00000000.wav), or write a CSV with the columns path and label."
        )
    return make_table(rows)


def is_named_anomaly(path: str | os.PathLike[str]) -> bool:
    """Say whether a file's name or its folder's says that it is an anomaly."""
    file = Path(path)
    name = parse_name(file)
    is_named = file.stem.startswith("anomaly_") or (name is not None and name.label == 1)
    return is_named or file.parent.name == "AnomalousSound_IND" or _LABELS.get(file.parent.name.lower()) == 1


def _labels_of(file: Path, root: Path) -> set[int]:
    """Return the labels that the folders between ``root`` and a file stand for."""
    inside = file.parts[len(root.parts) : -1]
    return {_LABELS[part.lower()] for part in inside if part.lower() in _LABELS}

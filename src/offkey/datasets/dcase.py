"""DCASE Task 2 data sets; so far the names and folders of 2020 (Koizumi et al. 2020, arXiv 2006.05822)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from offkey.datasets.table import make_table
from offkey.errors import InputError
from offkey.signals import find

__all__ = ["is_dcase2020", "read_dcase2020"]

_NAME_2020 = re.compile(r"(?:(?P<label>normal|anomaly)_)?(?P<section>id_\d{2})_(?P<number>\d{8})(?:_hist_librosa)?$")
_LABELS = {"normal": 0, "anomaly": 1, None: None}


def is_dcase2020(path: str | os.PathLike[str]) -> bool:
    """Say whether a file is named as in DCASE 2020: ``normal_id_01_00000000.wav``, or ``id_05_00000000.wav``."""
    return _NAME_2020.match(Path(path).stem) is not None


def read_dcase2020(path: str | os.PathLike[str]) -> Any:
    """Read a folder in DCASE 2020 layout, ``<machine>/{train,test}/normal_id_00_00000000.wav``, as a recordings table.

    Parameters
    ----------
    path : path
        The data set's folder, a machine's, or ``train`` or ``test`` within one.

    Returns
    -------
    recordings table
        ``section`` is the machine id, such as ``id_00``; ``split`` the folder. Files with other names have no label.

    Raises
    ------
    InputError
        If no file is named so.
    """
    rows = []
    for file in find(path):
        name = _NAME_2020.match(file.stem)
        split = file.parent.name if file.parent.name in ("train", "test") else None
        machine = file.parent.parent.name if split else file.parent.name
        rows.append(
            {
                "path": str(file),
                "machine": machine,
                "section": name["section"] if name else None,
                "split": split,
                "label": _LABELS[name["label"]] if name else None,
            }
        )
    if all(row["section"] is None for row in rows):
        raise InputError(
            f"{path}: holds no file with a DCASE 2020 name. Give <machine>/train/normal_id_00_00000000.wav."
        )
    return make_table(rows)

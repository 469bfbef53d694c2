"""MIMII: fans, pumps, sliders and valves in factory noise (Purohit et al. 2019, arXiv 1909.09347)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from offkey.datasets.table import make_table
from offkey.errors import InputError
from offkey.signals import find

__all__ = ["is_mimii", "read_mimii"]

_SECTION = re.compile(r"id_\d{2}$")
_TOP = re.compile(r"(?P<snr>-?\d+)_dB_(?P<machine>\w+)$")
_LABELS = {"normal": 0, "abnormal": 1}


def is_mimii(path: str | os.PathLike[str]) -> bool:
    """Say whether a file lies as in MIMII: ``fan/id_00/abnormal/00000000.wav``."""
    file = Path(os.path.abspath(path))
    return (
        file.parent.name in _LABELS
        and _SECTION.match(file.parent.parent.name) is not None
        and re.fullmatch(r"\d{8}", file.stem) is not None
    )


def read_mimii(path: str | os.PathLike[str]) -> Any:
    """Read MIMII, ``6_dB_fan/fan/id_00/{normal,abnormal}/00000000.wav`` or the folders within, as a recordings table.

    Parameters
    ----------
    path : path
        The data set's folder, a machine's, or a machine id's.

    Returns
    -------
    recordings table
        ``section`` is the machine id, such as ``id_00``; ``snr_db`` the level over the noise, where a folder tells it.
        There is no split: MIMII has none. Its clips have 8 channels. Other files have no label.

    Raises
    ------
    InputError
        If no file lies so.
    """
    rows = [_row(file) for file in find(path)]
    if all(row["label"] is None for row in rows):
        raise InputError(f"{path}: holds no file that lies as in MIMII. Give fan/id_00/normal/00000000.wav.")
    return make_table(rows)


def _row(file: Path) -> dict[str, Any]:
    if not is_mimii(file):
        return {"path": str(file)}
    folder = Path(os.path.abspath(file)).parent
    above = folder.parents[1:3]
    found = next((match for each in above if (match := _TOP.match(each.name))), None)
    return {
        "path": str(file),
        "machine": found["machine"] if found else above[0].name,
        "section": folder.parent.name,
        "label": _LABELS[folder.name],
        "snr_db": int(found["snr"]) if found else None,
    }

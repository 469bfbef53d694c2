"""ToyADMOS: toy cars, conveyors and trains, damaged on purpose (Koizumi et al. 2019, arXiv 1908.03299)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from offkey.datasets.table import make_table
from offkey.errors import InputError
from offkey.signals import find

__all__ = ["is_toyadmos", "read_toyadmos"]

_FOLDERS = {"NormalSound_IND": 0, "NormalSound_CNT": 0, "AnomalousSound_IND": 1, "EnvironmentalNoise_CNT": None}
_NAME = re.compile(
    r"\d+_(?P<machine>Toy[A-Za-z]+)_(?P<case>case\w+?)_(?P<state>\w+?)_(?P<kind>IND|CNT)_(?P<channel>ch\d)_\d+$"
)


def is_toyadmos(path: str | os.PathLike[str]) -> bool:
    """Say whether a file lies as in ToyADMOS: ``ToyCar/case1/NormalSound_IND/....wav``."""
    return _folder_of(Path(os.path.abspath(path))) is not None


def read_toyadmos(path: str | os.PathLike[str]) -> Any:
    """Read ToyADMOS, ``ToyCar/case1/{NormalSound_IND,AnomalousSound_IND}/...``, as a recordings table.

    Parameters
    ----------
    path : path
        The data set's folder, a machine's, a case's, or a folder of sounds within.

    Returns
    -------
    recordings table
        ``section`` is the case; ``kind`` is ``IND`` (one run of the toy) or ``CNT`` (ten minutes of running);
        ``channel`` the microphone, ``attributes`` the state in the name (``normal``, ``ab01``, ...). The four
        microphones heard the same run: use one channel. Environmental noise has split ``extra`` and no label; there is
        no other split.

    Raises
    ------
    InputError
        If no file lies so.
    """
    rows = [_row(file) for file in find(path)]
    if all(row.get("kind") is None for row in rows):
        raise InputError(f"{path}: holds no file that lies as in ToyADMOS. Give ToyCar/case1/NormalSound_IND/.")
    return make_table(rows)


def _folder_of(file: Path) -> Path | None:
    """Return the folder of a file that says what sounds it holds: its own, or the one above."""
    return next((folder for folder in file.parents[:2] if folder.name in _FOLDERS), None)


def _row(file: Path) -> dict[str, Any]:
    folder = _folder_of(Path(os.path.abspath(file)))
    if folder is None:
        return {"path": str(file)}
    name = _NAME.match(file.stem)
    has_case = folder.parent.name.startswith("case")
    is_noise = _FOLDERS[folder.name] is None
    return {
        "path": str(file),
        "machine": name["machine"] if name else (folder.parents[1] if has_case else folder.parent).name,
        "section": folder.parent.name if has_case else (name["case"] if name and not is_noise else None),
        "split": "extra" if is_noise else None,
        "label": _FOLDERS[folder.name],
        "attributes": name["state"] if name else None,
        "kind": folder.name.rpartition("_")[2],
        "channel": name["channel"] if name else None,
    }

"""The recordings table: a pandas DataFrame ``path, machine, section, domain, split, label, attributes...``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from offkey.errors import InputError

__all__ = ["TEXT_TABLES", "check_table", "is_recordings_table"]

TEXT_TABLES = frozenset({".csv", ".tsv", ".txt", ".dat"})
"""Endings of tables as text, of recordings or of what sensors gave."""
LONGEST_HEADER = 65_536


def is_recordings_table(path: str | os.PathLike[str]) -> bool:
    """Say whether a file is a table of recordings as text, by its header: a column ``path``."""
    if Path(path).suffix.lower() not in TEXT_TABLES or not Path(path).is_file():
        return False
    with open(path, "rb") as file:
        line = file.readline(LONGEST_HEADER).decode("utf-8-sig", "replace").strip()
    return any("path" in [name.strip().strip("\"'").lower() for name in line.split(mark)] for mark in ",;\t|")


def check_table(table: Any) -> Any:
    """Check a recordings table and return it with ``label`` as 0, 1 or missing (pandas ``Int64``).

    Raises
    ------
    InputError
        If it is empty, lacks paths, names a recording twice, or has labels other than 0 and 1.
    """
    import pandas as pd

    if "path" not in table.columns:
        raise InputError(f"A table with the columns {list(table.columns)} was given. It needs a column 'path'.")
    if len(table) == 0:
        raise InputError("An empty recordings table was given. Give at least one row.")
    if table["path"].isna().any():
        raise InputError(f"{int(table['path'].isna().sum())} rows of the table have no path. Fill or remove them.")
    twice = table["path"][table["path"].astype(str).duplicated()]
    if len(twice):
        raise InputError(f"The table names {twice.iloc[0]} more than once. Name each recording once.")
    table = table.copy()
    if "label" not in table.columns:
        table["label"] = None
    labels = pd.to_numeric(table["label"], errors="coerce")
    wrong = table["label"].notna() & ~labels.isin((0, 1))
    if wrong.any():
        raise InputError(
            f"The label {table['label'][wrong].iloc[0]!r} was given. Use 0 for normal, 1 for anomaly, "
            "nothing if unknown."
        )
    table["label"] = labels.astype("Int64")
    return table

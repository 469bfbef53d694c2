"""Making and reading recordings tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from offkey.errors import InputError
from offkey.recordings import check_table

__all__ = ["COLUMNS", "make_table", "read_table"]

COLUMNS = ("path", "machine", "section", "domain", "split", "label")


def make_table(rows: list[dict[str, Any]]) -> Any:
    """Make a recordings table of rows; columns of `COLUMNS` that a row lacks are missing values.

    Raises
    ------
    InputError
        If the table is not sound: see `check_table`.
    """
    import pandas as pd

    table = pd.DataFrame(rows)
    for column in COLUMNS:
        if column not in table.columns:
            table[column] = None
    others = [column for column in table.columns if column not in COLUMNS]
    table = table[[*COLUMNS, *others]]
    return check_table(table)


def read_table(path: str | os.PathLike[str]) -> Any:
    """Read a recordings table from CSV; relative paths are relative to the file.

    Raises
    ------
    InputError
        If the file cannot be read as a table or the table is not sound.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read as a table ({error}). Give a CSV with columns path, label."
        ) from error
    table = check_table(table)
    folder = Path(path).parent
    table["path"] = [str(folder / name) for name in table["path"].astype(str)]
    return table

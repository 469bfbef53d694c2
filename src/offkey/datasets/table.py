"""The recordings table: a pandas DataFrame ``path, machine, section, domain, split, label, attributes...``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from offkey.errors import InputError

__all__ = ["COLUMNS", "check_table", "make_table", "read_table"]

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

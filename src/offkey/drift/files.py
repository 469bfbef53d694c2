"""Tables from files: CSV, Parquet and npz."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from offkey.errors import InputError

__all__ = ["read_columns"]

ENDINGS = (".csv", ".parquet", ".npz")
UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, OverflowError, RuntimeError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
"""What damaged and hostile files raise: huge shapes, broken, encrypted or unknown compression."""


def read_columns(path: str | os.PathLike[str], categorical: Iterable[str] = ()) -> Any:
    """Read a table: a DataFrame from CSV or Parquet, a dict of arrays from npz.

    Parameters
    ----------
    path : path
        Ends in .csv, .parquet or .npz.
    categorical : iterable of str
        Columns that are read as text, so that ``007`` stays what it is.

    Raises
    ------
    InputError
        If it cannot be read, or has another ending.
    """
    source = Path(path)
    suffix = source.suffix.lower()
    if suffix not in ENDINGS:
        raise InputError(f"{path}: is no table by its ending. Give one of {', '.join(ENDINGS)}.")
    if not source.is_file():
        raise InputError(f"{path}: is no file. Name a table ({', '.join(ENDINGS)}).")
    try:
        if suffix == ".npz":
            with zipfile.ZipFile(source):  # whatever else numpy reads is no table
                pass
            with open(source, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                return _same_length({name: arrays[name] for name in arrays.files}, path)
        import pandas as pd

        if suffix == ".parquet":
            return pd.read_parquet(source)
        return pd.read_csv(source, dtype=dict.fromkeys(categorical, str), low_memory=False)
    except InputError:
        raise
    except ImportError as error:
        raise InputError("Reading Parquet needs pyarrow, which is not installed. Run: pip install pyarrow") from error
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as a table ({error}). Give a whole one.") from error


def _same_length(arrays: dict[str, Any], path: object) -> dict[str, Any]:
    """Return arrays of an npz that are the columns of one table.

    Raises
    ------
    InputError
        If they are not.
    """
    odd = [name for name, array in arrays.items() if array.ndim not in (1, 2)]
    lengths = {name: len(array) for name, array in arrays.items() if name not in odd}
    if odd or len(set(lengths.values())) != 1:
        found = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:5])
        raise InputError(
            f"{path}: holds arrays that are not columns of one table ({found or 'none'}). "
            "Store arrays (n_rows,) or (n_rows, k) only, with the same number of rows."
        )
    return arrays

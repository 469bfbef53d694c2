"""From a sensor file to the rows of the recordings in it: each format by its own reader."""

from __future__ import annotations

from pathlib import Path

from offkey.errors import InputError, ReadError
from offkey.recordings import TEXT_TABLES
from offkey.signals.files import check_is_file
from offkey.signals.reading import Reading
from offkey.signals.store import Recorded
from offkey.signals.tables import read_parquet, read_text_table

__all__ = ["parse"]


def parse(path: str, reading: Reading) -> list[Recorded]:
    """Read the rows of all recordings in a sensor file into a store.

    Raises
    ------
    MissingExtraError
        If the format needs a package that is not installed.
    ReadError
        If the file is missing, of another format than its ending says, damaged, or not what the reading asks for.
    """
    check_is_file(Path(path), "sensor file")
    try:
        return _read(path, reading)
    except ReadError:
        raise
    except InputError as error:
        raise ReadError(path, str(error)) from error


def _read(path: str, reading: Reading) -> list[Recorded]:
    suffix = Path(path).suffix.lower()
    if suffix in TEXT_TABLES:
        return read_text_table(path, reading)
    if suffix == ".parquet":
        return read_parquet(path, reading)
    from offkey.signals.arrays import read_arrays

    return read_arrays(path, reading)

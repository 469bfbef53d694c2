"""The data sets that can be downloaded: names, and where their archives are.

Only what does not change is written here. Files, sizes, checksums and the licence are asked of the archive itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import final

from offkey.errors import InputError

__all__ = ["ARCHIVES", "SERVER", "Archive", "find_archive"]

SERVER = "https://zenodo.org"
"""Where all of them are."""

_DCASE_RECORDS = {
    2020: (3678171, 3727685, 3841772),
    2021: (4562016, 4660992, 4884786),
    2022: (6355122, 6462969, 6586456),
    2023: (7882613, 7830345, 7860847),
    2024: (10902294, 11259435, 11363076),
    2025: (15097779, 15392814, 15519362),
    2026: (19336329, 20151556, 20437238),
}
_DCASE_PARTS = {
    "dev": "development set: normal clips to train on, labelled clips to test on",
    "train": "additional training set: normal clips of the machines of the evaluation set",
    "eval": "evaluation set: clips without labels",
}


@final
@dataclass(frozen=True)
class Archive:
    """A data set and its record at Zenodo.

    Parameters
    ----------
    name : str
        As it is asked for, such as ``"dcase2020-dev"``.
    what : str
        What it is, for people.
    year : int
        Year of publication.
    record : int
        Number of the record.

    Examples
    --------
    >>> find_archive("mimii").page
    'https://zenodo.org/records/3384388'
    """

    name: str
    what: str
    year: int
    record: int

    @property
    def page(self) -> str:
        """Address of the page for people."""
        return f"{SERVER}/records/{self.record}"

    @property
    def family(self) -> str:
        """What may lie in one folder: the parts of one year's data set have different machines or sections."""
        return self.name.partition("-")[0]

    def folder_of(self, file: str) -> str:
        """Return the folder that an archive is unpacked into, inside the data set's.

        Those of MIMII hold the same names for three signal-to-noise ratios: ``-6_dB_fan.zip`` goes to ``min6dB``.
        """
        level = re.match(r"(-?)(\d+)_dB_", file) if self.name == "mimii" else None
        return f"{'min' if level[1] else ''}{level[2]}dB" if level else ""


ARCHIVES: tuple[Archive, ...] = (
    *(
        Archive(f"dcase{year}-{part}", f"DCASE {year} Task 2, {what}", year, record)
        for year, records in _DCASE_RECORDS.items()
        for (part, what), record in zip(_DCASE_PARTS.items(), records, strict=True)
    ),
    Archive(
        "mimii", "MIMII: fan, pump, slider, valve; normal and faulty; 8 microphones, 3 noise levels", 2019, 3384388
    ),
    Archive("toyadmos", "ToyADMOS: toy car, conveyor, train; normal and faulty (7z volumes)", 2019, 3351307),
)
"""All data sets."""


def find_archive(name: str) -> Archive:
    """Return the data set of a name.

    Raises
    ------
    InputError
        If there is none; the message names the nearest.
    """
    by_name = {archive.name: archive for archive in ARCHIVES}
    asked = name.strip().lower()
    if asked in by_name:
        return by_name[asked]
    nearest = get_close_matches(asked, by_name, n=3)
    advice = f"Did you mean {' or '.join(nearest)}?" if nearest else "See: offkey datasets list"
    raise InputError(f"The data set {name!r} was asked for, and offkey knows none of that name. {advice}")

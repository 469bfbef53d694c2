"""The file names of DCASE Task 2, 2020 to 2026, and what they tell of the year."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from offkey.errors import InputError

__all__ = [
    "YEARS",
    "ClipName",
    "check_year",
    "clips_of",
    "family_of",
    "is_dcase",
    "looks_like_dcase",
    "parse_name",
    "years_of",
]

YEARS = range(2020, 2027)

_NAME_2020 = re.compile(r"(?:(?P<label>normal|anomaly)_)?(?P<section>id_\d{2})_(?P<number>\d{8})(?:_hist_librosa)?$")
_NAME = re.compile(
    r"(?P<section>section_\d{2})(?:_(?P<domain>source|target))?(?:_(?P<split>train|test))?"
    r"(?:_(?P<label>normal|anomaly))?_(?P<number>\d{3,8})(?:_(?P<attributes>.+))?$"
)
_LOOKS = re.compile(r"(?:^|_)(?:id|section)_\d{2}(?!\d)")
_LABELS = {"normal": 0, "anomaly": 1, None: None}
_HIDDEN = "noAttribute"

_TOYS = {"ToyCar", "ToyTrain"}
_DEVELOPMENT = _TOYS | {"fan", "gearbox", "bearing", "slider", "valve"}
_MACHINES: dict[int, set[str]] = {
    2020: {"ToyCar", "ToyConveyor", "fan", "pump", "slider", "valve"},
    2021: _TOYS | {"fan", "gearbox", "pump", "slider", "valve"},
    2022: _DEVELOPMENT,
    2023: _DEVELOPMENT | {"ToyDrone", "ToyNscale", "ToyTank", "Vacuum", "bandsaw", "grinder", "shaker"},
    2024: _DEVELOPMENT
    | {"3DPrinter", "AirCompressor", "Scanner", "ToyCircuit", "HoveringDrone", "HairDryer", "ToothBrush", "RoboticArm"}
    | {"BrushlessMotor"},
    2025: _DEVELOPMENT
    | {"ToyRCCar", "ToyPet", "HomeCamera", "AutoTrash", "Polisher", "ScrewFeeder", "BandSealer", "CoffeeGrinder"},
    2026: {"ToyCarEmu", "ToyCar", "bearingEmu", "fan", "gearboxEmu", "sliderEmu", "valveEmu"}
    | {"ToyDrone", "ToothBrush", "SewingMachine", "BlowerDustCollector", "Sander"},
}


@final
@dataclass(frozen=True)
class ClipName:
    """What a file name tells; None where it does not.

    ``section`` is ``section_00`` or ``id_00``, ``attributes`` the text at the end, None where it is hidden.
    """

    section: str
    number: str
    domain: str | None = None
    split: str | None = None
    label: int | None = None
    attributes: str | None = None


def parse_name(path: str | os.PathLike[str]) -> ClipName | None:
    """Read a file name of any year; None if it is none of these.

    Examples
    --------
    >>> parse_name("section_00_source_train_normal_0000_car_A1_spd_28V.wav").attributes
    'car_A1_spd_28V'
    >>> parse_name("anomaly_id_01_00000000.wav").label
    1
    """
    stem = Path(path).stem
    found = _NAME_2020.match(stem)
    if found:
        return ClipName(found["section"], found["number"], label=_LABELS[found["label"]])
    found = _NAME.match(stem)
    if not found:
        return None
    attributes = None if found["attributes"] == _HIDDEN else found["attributes"]
    label = _LABELS[found["label"]]
    return ClipName(found["section"], found["number"], found["domain"], found["split"], label, attributes)


def is_dcase(path: str | os.PathLike[str]) -> bool:
    """Say whether a file is named as in DCASE Task 2 of any year."""
    return parse_name(path) is not None


def looks_like_dcase(path: str | os.PathLike[str]) -> bool:
    """Say whether a file's name holds a section or machine id, be the rest of it right or mistyped."""
    return _LOOKS.search(Path(path).stem) is not None


def check_year(year: int | None) -> None:
    """Refuse years without such a data set.

    Raises
    ------
    InputError
        If the year is before 2020 or after 2026.
    """
    if year is not None and year not in YEARS:
        raise InputError(
            f"The year {year} was given. DCASE Task 2 is known from {YEARS[0]} to {YEARS[-1]}; give one of these."
        )


def years_of(clips: Iterable[tuple[str, str]]) -> list[int]:
    """Return the years that a data set can be of, from the machine type and the path of each clip.

    Several years share machine types and names: then all of these are returned. Machine types that no year has, such
    as your own, tell nothing.

    Raises
    ------
    InputError
        If some clips are named as in 2020 and others as in later years.
    """
    machines: set[str] = set()
    years = set(YEARS)
    for machine, path in clips:
        name = parse_name(path)
        if name is not None:
            machines.add(machine)
            years &= _years_of_name(name, Path(os.path.abspath(path)).parent.name)
    if not years:
        raise InputError(
            "The clips are named as in several years of DCASE Task 2, which have other rules. "
            "Give the data set of one year."
        )
    narrowed = {year for year in years if machines & _MACHINES[year] and machines <= _MACHINES[year]}
    return sorted(narrowed or years)


def _years_of_name(name: ClipName, folder: str) -> set[int]:
    if name.section.startswith("id_"):
        return {2020}
    years = set(YEARS) - {2020}
    if folder in ("source_test", "target_test"):
        return {2021}
    if folder == "test":
        years -= {2021}
    if name.section != "section_00":
        years &= {2021, 2022}
    if folder == "test" and name.split is None and name.label is None:
        return years - {2022} or years
    return years


def family_of(years: Iterable[int]) -> int | None:
    """Return the year whose rules of scoring hold: 2020, 2021, or 2022 for that and all later; None if it is open.

    Examples
    --------
    >>> family_of([2023, 2024, 2025]), family_of([2021]), family_of([2021, 2022])
    (2022, 2021, None)
    """
    families = {min(year, 2022) for year in years}
    return families.pop() if len(families) == 1 else None


def clips_of(table: Any) -> list[tuple[str, str]]:
    """Return machine and path of each row of a recordings table."""
    return [(str(machine), str(path)) for machine, path in zip(table["machine"], table["path"], strict=True)]

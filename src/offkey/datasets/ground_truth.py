"""Ground truth of DCASE evaluation sets, published after each challenge: labels and domains of clips without names.

Two formats are read: lists of one file (``eval_data_list_2024.csv``: the line of a machine, then ``eval name,full
name[,label]`` for each clip), and the folders of the official evaluators (``ground_truth_data`` and
``ground_truth_domain``, with ``ground_truth_<machine>_section_00_test.csv``).
"""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import Any

from offkey.datasets.dcase_names import parse_name
from offkey.datasets.table import make_table
from offkey.errors import InputError

__all__ = ["ClipKey", "clip_key", "put_ground_truth", "read_ground_truth"]

ClipKey = tuple[str, str, str | None, int]
"""What tells clips of an evaluation set apart: machine, section, domain (where the name has one), number."""

_FILE = re.compile(r"ground_truth_(?P<machine>.+)_section_\d{2}_(?:(?P<domain>source|target)_)?test\.csv$")
_DOMAINS = {"0": "source", "1": "target"}
_LABELS = {"0": 0, "1": 1}


def clip_key(machine: str, path: str | os.PathLike[str]) -> ClipKey | None:
    """Return what tells a clip without label in its name from others; None for names that have one, or are others.

    By number rather than name: lists of 2022 write ``section_03_0000.wav`` for ``section_03_test_0000.wav``.
    """
    name = parse_name(path)
    if name is None or name.label is not None:
        return None
    return machine, name.section, name.domain, int(name.number)


def read_ground_truth(path: str | os.PathLike[str]) -> Any:
    """Read labels and domains of an evaluation set.

    Parameters
    ----------
    path : path
        A list, or the folder that holds ``ground_truth_data``, or that folder itself.

    Returns
    -------
    recordings table
        ``path`` is ``<machine>/<eval name>``; with machine, section, domain, label and attributes.

    Raises
    ------
    InputError
        If it is none of these, or a line makes no sense.
    """
    source = Path(path)
    rows = _read_folder(source) if source.is_dir() else _read_list(source)
    if not rows:
        raise InputError(f"{path}: holds no ground truth. Give eval_data_list_<year>.csv, or an evaluator's folder.")
    return make_table(rows)


def put_ground_truth(table: Any, truth: Any) -> Any:
    """Return a recordings table with labels, domains and attributes of evaluation clips filled in.

    Parameters
    ----------
    table, truth : recordings table
        Of `read_dcase` and `read_ground_truth`. Rows that have a label keep what they have.
    """
    known = {clip_key(row["machine"], row["path"]): row for row in truth.to_dict("records") if row["label"] in (0, 1)}
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    for row in rows:
        found = known.get(clip_key(row["machine"], row["path"])) if row["label"] is None else None
        if found is not None:
            row.update({name: found[name] for name in ("label", "domain", "attributes") if name in found})
    return make_table(rows)


def _read_lines(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return [[cell.strip() for cell in line] for line in csv.reader(stream) if any(line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}). Give a list of ground truth.") from error


def _read_list(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    machine = ""
    for line in _read_lines(path):
        cells = [cell for cell in line if cell]
        if len(cells) == 1 and not cells[0].lower().endswith(".wav"):
            machine = cells[0]
            continue
        name = parse_name(cells[1]) if len(cells) > 1 else None
        label = _LABELS.get(cells[2].removesuffix(".0")) if len(cells) > 2 else name.label if name else None
        if not machine or parse_name(cells[0]) is None or label is None:
            raise InputError(
                f"{path}: holds the line {','.join(line)!r}. It needs a line with the machine's name, then lines such "
                "as section_00_0000.wav,section_00_source_test_normal_0000.wav."
            )
        rows.append(_row(machine, cells[0], label, name.domain if name else None, name.attributes if name else None))
    return rows


def _read_folder(folder: Path) -> list[dict[str, Any]]:
    data = folder / "ground_truth_data" if (folder / "ground_truth_data").is_dir() else folder
    rows = []
    for path in sorted(data.glob("ground_truth_*_test.csv")):
        found = _FILE.match(path.name)
        if found is None:
            continue
        beside = data.parent / "ground_truth_domain" / path.name
        domains = {line[0]: line[1] for line in _read_lines(beside) if len(line) > 1} if beside.is_file() else {}
        for line in _read_lines(path):
            label = _LABELS.get(line[1].removesuffix(".0")) if len(line) > 1 else None
            if label is None or parse_name(line[0]) is None:
                raise InputError(f"{path}: holds the line {','.join(line)!r}. Lines are section_00_0000.wav,0.")
            domain = found["domain"] or _DOMAINS.get(domains.get(line[0], "").removesuffix(".0"))
            rows.append(_row(found["machine"], line[0], label, domain, None))
    return rows


def _row(machine: str, file: str, label: int, domain: str | None, attributes: str | None) -> dict[str, Any]:
    name = parse_name(file)
    section = name.section if name else None
    return {
        "path": f"{machine}/{file}",
        "machine": machine,
        "section": section,
        "domain": domain,
        "split": "test",
        "label": label,
        "attributes": attributes,
    }

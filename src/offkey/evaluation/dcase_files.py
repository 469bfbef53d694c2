"""Result files of DCASE Task 2, as the official evaluators read them: commas, newlines, no header."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from offkey.datasets.dcase_names import check_year, parse_name
from offkey.datasets.ground_truth import ClipKey, clip_key
from offkey.errors import InputError
from offkey.evaluation.dcase import EPSILON, OfficialScores, ScoredClip, SectionScores

__all__ = ["read_scores", "with_ground_truth", "write_results", "write_summary"]

_FILE = re.compile(
    r"(?P<kind>anomaly_score|decision_result)_(?:DCASE\d{4}T2)?(?P<machine>.+?)_"
    r"(?P<section>id_\d{2}|section_\d{2})(?:_(?P<domain>source|target))?(?P<test>_test)?(?:_seed.*)?\.csv"
)
SCORE, DECISION = "anomaly_score", "decision_result"

Group = tuple[str, str, str | None]


def write_results(clips: Iterable[ScoredClip], folder: str | os.PathLike[str], year: int) -> list[Path]:
    """Write the result files of scored clips, and return their paths; each file appears whole.

    ``anomaly_score_<machine>_<section>_test.csv``, and where clips are decided ``decision_result_...`` with 0 and 1; in
    2021 ``..._<section>_<domain>_test.csv``; in 2020 ``anomaly_score_<machine>_<id>.csv`` alone.

    Parameters
    ----------
    clips : iterable of ScoredClip
        All test clips of the machines that they are of.
    folder : path
        Made if needed.
    year : int
        2020 to 2026.

    Raises
    ------
    InputError
        If two clips of a section have one name, or a file cannot be written.
    """
    check_year(year)
    groups: dict[Group, list[ScoredClip]] = defaultdict(list)
    for clip in clips:
        groups[clip.machine, clip.section, clip.domain if year == 2021 else None].append(clip)
    written = []
    for (machine, section, domain), own in sorted(groups.items(), key=lambda item: [part or "" for part in item[0]]):
        own.sort(key=lambda clip: clip.name)
        for clip, following in pairwise(own):
            if clip.name == following.name:
                raise InputError(f"{machine} {section}: two test clips are named {clip.name}. Give one data set.")
        middle = f"_{domain}" if domain else ""
        end = f"{machine}_{section}.csv" if year == 2020 else f"{machine}_{section}{middle}_test.csv"
        _write(Path(folder, f"{SCORE}_{end}"), [[clip.name, float(clip.score)] for clip in own])
        written.append(Path(folder, f"{SCORE}_{end}"))
        if year > 2020 and all(clip.is_anomaly is not None for clip in own):
            _write(Path(folder, f"{DECISION}_{end}"), [[clip.name, int(bool(clip.is_anomaly))] for clip in own])
            written.append(Path(folder, f"{DECISION}_{end}"))
    return written


def read_scores(folder: str | os.PathLike[str]) -> tuple[list[ScoredClip], int]:
    """Read result files, those that the official baselines write too; labels and domains are what the names tell.

    Returns
    -------
    clips : list of ScoredClip
    family : int
        The year whose rules the files are named by: 2020, 2021 or 2022 (and later).

    Raises
    ------
    InputError
        If there are no such files, they are of several families, or a line makes no sense.
    """
    scores: dict[Group, tuple[Path, dict[str, float]]] = {}
    decisions: dict[Group, tuple[Path, dict[str, float]]] = {}
    families = set()
    for path in sorted(Path(folder).glob("*.csv")):
        found = _FILE.fullmatch(path.name)
        if found is None:
            continue
        group = found["machine"], found["section"], found["domain"]
        into = scores if found["kind"] == SCORE else decisions
        if group in into:
            raise InputError(f"{path} and {into[group][0].name} are of the same clips. Keep one of them.")
        into[group] = path, _read(path)
        families.add(2020 if found["section"].startswith("id_") else 2021 if found["domain"] else 2022)
    if not scores:
        raise InputError(f"{folder}: holds no file such as anomaly_score_fan_section_00_test.csv. Give result files.")
    if len(families) > 1:
        raise InputError(f"{folder}: holds result files of several years. Give those of one.")
    clips = [clip for group in scores for clip in _clips(group, scores[group], decisions.get(group))]
    return clips, families.pop()


def with_ground_truth(clips: Sequence[ScoredClip], truth: Any) -> list[ScoredClip]:
    """Return clips with the labels and domains of a ground truth, those that have labels as they are.

    Parameters
    ----------
    clips : sequence of ScoredClip
    truth : recordings table
        Of `offkey.datasets.read_ground_truth`.

    Raises
    ------
    InputError
        If a section is not scored whole: the ground truth lists clips that are not among these.
    """
    known: dict[ClipKey, tuple[int, str | None]] = {}
    for row in truth.to_dict("records"):
        key = clip_key(row["machine"], row["path"])
        if key is not None:
            known[key] = int(row["label"]), row["domain"] if isinstance(row["domain"], str) else None
    completed, used = [], set()
    for clip in clips:
        key = clip_key(clip.machine, clip.name)
        if clip.label is None and key in known:
            label, domain = known[key]
            completed.append(replace(clip, label=label, domain=domain or clip.domain))
            used.add(key)
        else:
            completed.append(clip)
    sections = {key[:2] for key in used}
    missing = sorted(f"{key[0]} {key[1]}" for key in known.keys() - used if key[:2] in sections)
    if missing:
        raise InputError(
            f"{missing[0]}: the ground truth lists {missing.count(missing[0])} clips that have no score. "
            "Score all test clips."
        )
    return completed


def write_summary(scores: OfficialScores, folder: str | os.PathLike[str]) -> Path:
    """Write ``result.csv`` as the official evaluator of the year does, and return its path.

    From 2022 on the last line is half of the jackknife interval of the official score.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    path = Path(folder, "result.csv")
    if scores.family == 2020:
        _write(path, list(_summary_2020(scores)))
    else:
        _write(path, list(_summary_by_domain(scores)))
    return path


def _summary_2020(scores: OfficialScores) -> Iterator[list[Any]]:
    for machine in scores.machines:
        yield [machine.name]
        yield ["id", "AUC", "pAUC"]
        for section in scores.sections:
            if section.machine == machine.name:
                yield [section.section.removeprefix("id_"), *(each.value for each in section.figures.values())]
        yield ["Average", *(each.value for each in machine.figures.values())]
        yield []


def _summary_by_domain(scores: OfficialScores) -> Iterator[list[Any]]:
    has_decisions = all(section.decisions for section in scores.sections)
    per_domain = ["AUC", "pAUC", *(["precision", "recall", "F1 score"] if has_decisions else [])]
    for machine in scores.machines:
        own = [section for section in scores.sections if section.machine == machine.name]
        yield [machine.name]
        columns = [*own[0].figures, *(own[0].decisions if has_decisions else ())]
        yield ["section", "domain", *columns] if scores.family == 2021 else ["section", *columns]
        for section in sorted(own, key=lambda section: (section.domain or "", section.section)):
            number = section.section.removeprefix("section_")
            figures = [each.value for each in section.figures.values()]
            rates = section.decisions.values() if has_decisions else ()
            yield [number, *([section.domain] if section.domain else []), *figures, *rates]
        if scores.family == 2022:
            yield ["", "", *per_domain]
        yield from _means(own, "", scores.family, has_decisions)
        yield []
    yield ["", "", *per_domain]
    everywhere = " over all machine types, sections, and domains"
    yield from _means(scores.sections, everywhere, scores.family, has_decisions)
    yield []
    if scores.family == 2022:
        score = scores.overall.score
        yield ["official score", "", score.value]
        yield ["official score ci95", "", max(score.high - score.value, score.value - score.low)]


def _means(sections: Sequence[SectionScores], over: str, family: int, has_decisions: bool) -> Iterator[list[Any]]:
    rows = [row for section in sections for row in _by_domain(section, has_decisions)]
    table = np.array([values for _, values in rows])
    domains = np.array([domain for domain, _ in rows])
    yield [f"arithmetic mean{over}", "", *table.mean(axis=0).tolist()]
    yield [f"harmonic mean{over}", "", *_harmonic(table)]
    if family == 2022:
        for domain in ("source", "target"):
            yield [f"{domain} harmonic mean{over}", "", *_harmonic(table[domains == domain])]


def _by_domain(section: SectionScores, has_decisions: bool) -> Iterator[tuple[str, list[float]]]:
    """Yield for each domain of a section its AUC, pAUC and, where all sections have them, decision figures."""
    for domain in [section.domain] if section.domain else ["source", "target"]:
        suffix = "" if section.domain else f" ({domain})"
        rates = [value for name, value in section.decisions.items() if name.endswith(suffix)] if has_decisions else []
        yield domain, [section.figures[f"AUC{suffix}"].value, section.figures["pAUC"].value, *rates]


def _harmonic(table: Any) -> list[float]:
    means: list[float] = (1 / (1 / np.maximum(table, EPSILON)).mean(axis=0)).tolist()
    return means


def _clips(
    group: Group, scored: tuple[Path, dict[str, float]], decided: tuple[Path, dict[str, float]] | None
) -> Iterator[ScoredClip]:
    machine, section, domain = group
    path, scores = scored
    decisions = decided[1] if decided else {}
    if decided and scores.keys() != decisions.keys():
        other = sorted(scores.keys() ^ decisions.keys())[0]
        raise InputError(f"{decided[0]}: is of other clips than {path.name}, such as {other}. Give both whole.")
    for clip, score in scores.items():
        name = parse_name(clip)
        if name is None:
            raise InputError(f"{path}: names {clip!r}, which is no DCASE name. Lines are section_00_0000.wav,0.5.")
        yield ScoredClip(
            machine,
            section,
            clip,
            score,
            is_anomaly=bool(decisions[clip]) if decided else None,
            domain=name.domain or domain,
            label=name.label,
        )


def _read(path: Path) -> dict[str, float]:
    values: dict[str, float] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = [line for line in csv.reader(stream) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}). Give result files.") from error
    for line in lines:
        try:
            name, value = line[0], float(line[1])
        except (IndexError, ValueError):
            value, name = math.nan, ""
        if not math.isfinite(value):
            raise InputError(f"{path}: holds the line {','.join(line)!r}. Lines are section_00_0000.wav,0.5.")
        if name in values:
            raise InputError(f"{path}: scores {name} twice. Score each clip once.")
        if path.name.startswith(DECISION) and value not in (0, 1):
            raise InputError(f"{path}: decides {name} by {value:g}. Decisions are 0 and 1.")
        values[name] = value
    if not values:
        raise InputError(f"{path}: is empty. Give result files with a line for each clip.")
    return values


def _write(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """Write rows as CSV: whoever looks meanwhile sees the old file or the new one, whole; the same on all systems."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(text.getvalue().encode("utf-8"))
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}). Choose another folder.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)

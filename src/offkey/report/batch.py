"""The recordings of a report: where they are listed, and the decisions about them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from offkey.datasets import read_labelled, read_table
from offkey.errors import InputError, ReadError
from offkey.extras import import_pyarrow
from offkey.pipeline import Decision, Failure, Pipeline
from offkey.pipeline.sources import Recording, list_recordings, name_groups, name_of, own_name, same_name
from offkey.progress import track
from offkey.recordings import check_table, is_recordings_table
from offkey.signals import Reading

__all__ = ["Batch", "decide_batch", "read_given"]

OF_RESULTS = (
    "score", "p_value", "threshold", "is_anomaly", "duration_s", "is_short", "n_events", "sensor", "events", "windows",
    "start_s", "stop_s", "notes",
)  # fmt: skip
"""Columns that `offkey score` adds."""


@final
@dataclass(frozen=True)
class Batch:
    """Decided recordings.

    Attributes
    ----------
    recordings : list of path or Clip
        Those that could be decided about, in the order they were listed.
    decisions : list of Decision
        About each of them.
    rows : list of dict
        What a recordings table says of each: label, machine and such; empty without one.
    failures : list of Failure
        Recordings that could not be decided about.
    """

    recordings: list[Recording]
    decisions: list[Decision]
    rows: list[dict[str, Any]]
    failures: list[Failure]

    @property
    def labelled(self) -> list[dict[str, Any]]:
        """The labelled recordings, as an evaluation's report has them."""
        return [
            row
            | {"label": int(row["label"]), "path": decision.source}
            | {name: getattr(decision, name) for name in ("score", "p_value", "threshold", "is_anomaly")}
            for row, decision in zip(self.rows, self.decisions, strict=True)
            if row.get("label") in (0, 1)
        ]


def read_given(paths: Sequence[str | os.PathLike[str]]) -> Any:
    """Return the recordings that files and folders stand for: a recordings table where one tells labels.

    Parameters
    ----------
    paths : sequence of path
        Folders, sound files and sensor files; or one folder of a labelled layout; or one table of recordings or of
        results, as ``offkey score`` writes them with ``--csv``, ``--parquet`` or (redirected) ``--json``.

    Raises
    ------
    InputError
        If a table cannot be read, or is given together with others.
    """
    named = [Path(path) for path in paths]
    tables = [path for path in named if _is_table(path)]
    if tables and len(named) > 1:
        raise InputError(f"{tables[0]} and other recordings were given. Give one table, or files and folders.")
    if tables:
        return _read_results(tables[0])
    if len(named) == 1 and named[0].is_dir():
        try:
            return _test_part(read_labelled(named[0]))
        except InputError:  # no layout that is known: recordings without labels
            return named
    return named


def decide_batch(pipeline: Pipeline, recordings: Any, group: Mapping[str, Any] | None = None) -> Batch:
    """Decide about all recordings; those that cannot be used are kept with their reason.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    recordings : path, Clip, iterable of both, or recordings table
        As for `Pipeline.score`.
    group : dict of str to str, optional
        As for `Pipeline.score`.

    Raises
    ------
    InputError
        If nothing was given, or a table is not sound.
    """
    listed = _listed(recordings, pipeline.reading_)
    known, groups = _known(recordings, pipeline)
    batch = Batch([], [], [], [])
    for recording in track(listed, "scoring", len(listed)):
        name = own_name(recording)
        name = name if name in known else name_of(recording)
        try:
            decision = pipeline.decide(recording, groups.get(name, group))
        except ReadError as error:
            batch.failures.append(Failure(error.source, error.reason))
            continue
        batch.recordings.append(recording)
        batch.decisions.append(decision)
        batch.rows.append(known.get(name, {}))
    return batch


def _listed(recordings: Any, reading: Reading) -> list[Recording]:
    """List recordings; where results name pieces of a sensor file, those of them alone."""
    if not hasattr(recordings, "columns"):
        return list_recordings(recordings, reading)
    files = {same_name(path): same_name(_file_of(path)) for path in check_table(recordings)["path"].astype(str)}
    found = {own_name(each): each for each in list_recordings(list(dict.fromkeys(files.values())), reading)}
    gone = [name for name, file in files.items() if name not in {*found, file}]
    why = "is no recording of that file, as the pipeline reads it. Score it again."
    in_parts = set(files.values()) - set(files)
    kept = [each for name, each in found.items() if name in files or _file_of(name) not in in_parts]
    return [*kept, *(ReadError(name, why) for name in gone)]


def _file_of(name: str) -> str:
    """Return the file that a recording is in: a piece of one is called ``"log.csv [1 of 2, from 0 s]"``."""
    end = len(name)
    while end > 0 and not os.path.exists(name[:end]):
        end = name.rfind(" [", 0, end)
    return name[:end] if end > 0 else name


def _known(recordings: Any, pipeline: Pipeline) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return what a table says of each recording by its name, and the group of each: results name it themselves."""
    if not hasattr(recordings, "columns"):
        return {}, {}
    records = [_plain(record) for record in check_table(recordings).to_dict("records")]
    known = {same_name(record["path"]): record for record in records}
    groups, _ = name_groups(recordings, pipeline.group_by)
    named = {name: str(record["group"]) for name, record in known.items() if record.get("group")}
    return known, groups | named


def _is_table(path: Path) -> bool:
    """Say whether a file holds results or a recordings table, and no values of sensors."""
    suffix = path.suffix.lower()
    if suffix != ".parquet" or not path.is_file():
        return suffix == ".json" or is_recordings_table(path)
    parquet = import_pyarrow()
    try:
        return "path" in parquet.read_schema(path).names
    except (OSError, ValueError):  # Arrow's errors are of these; reading it as recordings says what is wrong
        return False


def _read_results(path: Path) -> Any:
    """Read a recordings table, or the recordings that results name, each once.

    Relative names in results are looked for where this program runs, as those who wrote them did, then beside the file.
    """
    table = _read_frame(path)
    if not {"path", "score"} <= set(table.columns) or len(table) == 0:
        return _test_part(read_table(path) if path.suffix.lower() == ".csv" else check_table(table))
    if "peak_score" in table.columns:
        raise InputError(f"{path}: holds events, and says nothing of recordings without one. Score without --events.")
    table = table[table["path"].notna()].drop_duplicates("path")
    table = table[[column for column in table.columns if column not in OF_RESULTS]]
    table["path"] = [
        name if os.path.exists(_file_of(name)) else str(path.parent / name) for name in table["path"].astype(str)
    ]
    return check_table(table)


def _read_frame(path: Path) -> Any:
    import pandas as pd

    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            document = json.loads(path.read_text(encoding="utf-8"))
            return pd.DataFrame([*document["clips"], *({"path": each["path"]} for each in document["failures"])])
        return pd.read_parquet(path) if suffix == ".parquet" else pd.read_csv(path)
    except ImportError as error:
        raise InputError("Reading Parquet needs pyarrow, which is not installed. Run: pip install pyarrow") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read as results ({error!r}). Give what offkey score wrote.") from error


def _test_part(table: Any) -> Any:
    """Leave out what a data set means for training, unless that is all of it."""
    if "split" not in table.columns or not (table["split"] != "train").any():
        return table
    return table[table["split"] != "train"]


def _plain(record: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): None if value is None or value != value else value for key, value in record.items()}

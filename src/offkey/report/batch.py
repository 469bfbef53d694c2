"""The recordings of a report: where they are listed, and the decisions about them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from offkey.datasets import read_labelled, read_table
from offkey.errors import InputError
from offkey.pipeline import Decision, Failure, Pipeline
from offkey.pipeline.sources import Recording, list_recordings, same_name
from offkey.progress import track
from offkey.recordings import check_table
from offkey.signals import Clip

__all__ = ["Batch", "decide_batch", "read_given"]

RESULTS = (".csv", ".json", ".parquet")


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
        Folders and sound files; or one folder of a labelled layout; or one table of recordings or of results, as
        ``offkey score`` writes them with ``--csv``, ``--parquet`` or (redirected) ``--json``.

    Raises
    ------
    InputError
        If a table cannot be read, or is given together with others.
    """
    named = [Path(path) for path in paths]
    tables = [path for path in named if path.suffix.lower() in RESULTS]
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
    listed = list_recordings(recordings)
    known: dict[str, dict[str, Any]] = {}
    if hasattr(recordings, "columns"):
        records = check_table(recordings).to_dict("records")
        known = {same_name(record["path"]): _plain(record) for record in records}
    batch = Batch([], [], [], [])
    results = pipeline.score(recordings, group)
    for recording, result in zip(listed, track(results, "scoring", len(listed)), strict=True):
        if isinstance(result, Failure):
            batch.failures.append(result)
            continue
        batch.recordings.append(recording)
        batch.decisions.append(result)
        batch.rows.append({} if isinstance(recording, Clip) else known.get(same_name(recording), {}))
    return batch


def _read_results(path: Path) -> Any:
    """Read the recordings that a table or results name, each once; relative names are looked for here, or beside it."""
    import pandas as pd

    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            document = json.loads(path.read_text(encoding="utf-8"))
            table = pd.DataFrame({"path": [clip["path"] for clip in document["clips"]]})
        elif suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path)
    except ImportError as error:
        raise InputError("Reading Parquet needs pyarrow, which is not installed. Run: pip install pyarrow") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read as results ({error!r}). Give what offkey score wrote.") from error
    if "path" not in table.columns or len(table) == 0:
        return read_table(path) if suffix == ".csv" else check_table(table)
    table = table.drop_duplicates("path")
    own = ("score", "p_value", "threshold", "is_anomaly", "duration_s", "is_short", "n_events", "sensor")
    table = table[[column for column in table.columns if column not in own]]
    table["path"] = [name if Path(name).exists() else str(path.parent / name) for name in table["path"].astype(str)]
    return _test_part(check_table(table))


def _test_part(table: Any) -> Any:
    """Leave out what a data set means for training, unless that is all of it."""
    if "split" not in table.columns or not (table["split"] != "train").any():
        return table
    return table[table["split"] != "train"]


def _plain(record: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): None if value is None or value != value else value for key, value in record.items()}

"""The report: decisions, explanations, pictures and sound become one HTML file."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from offkey.errors import InputError, MissingExtraError, ReadError
from offkey.evaluation import Figures
from offkey.evaluation.evaluate import figures_by_group
from offkey.explain import explain
from offkey.files import atomic_write
from offkey.pipeline import Failure, Pipeline
from offkey.pipeline.story import calibration_story, length_in_all
from offkey.progress import track
from offkey.report.batch import Batch, decide_batch
from offkey.report.cards import Card, card_of
from offkey.report.media import audio_of, data_address, figure_address, gain_of
from offkey.report.summary import Told, changes, count, how_sure, in_order
from offkey.rotation import Shaft
from offkey.signals.findings import SOUND
from offkey.signals.lengths import length_text, sampling_text
from offkey.version import __version__

__all__ = ["write_report"]

MOST_ROWS = 1000
"""Rows of the table on the page; all are in the CSV behind its link."""
FIGURES = (("auc", "AUC"), ("pauc", "pAUC (false-alarm rate < 0.1)"), ("recall", "recall"),
           ("false_alarm_rate", "false-alarm rate"))  # fmt: skip


def write_report(
    pipeline: Pipeline,
    recordings: Any,
    path: str | os.PathLike[str],
    *,
    group: Mapping[str, Any] | None = None,
    top: int = 50,
    audio_mb: float = 3.0,
    title: str = "",
    shaft: Shaft | None = None,
) -> Batch:
    """Decide about recordings, explain the strangest, and write a page that needs nothing else.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    recordings : path, Clip, iterable of both, or recordings table
        As for `Pipeline.score`; with labels the report has an evaluation too.
    path : path
        The HTML file.
    group : dict of str to str, optional
        As for `Pipeline.score`.
    top : int
        How many recordings are shown with picture and sound; all are in the table.
    audio_mb : float
        Sound, at most, in megabytes: the strangest recordings first.
    title : str
        Heading; says how many recordings were looked at if not given.
    shaft : Shaft, optional
        What turns in the machine: its lines are named and marked.

    Returns
    -------
    Batch
        What was decided.

    Raises
    ------
    InputError
        If nothing was given, no recording can be used, or the file cannot be written.
    MissingExtraError
        If jinja2 or matplotlib is not installed.
    """
    template, target = _template(), Path(path)
    if top < 0:
        raise InputError(f"top={top} was given. It must be at least 0.")
    if target.is_dir() or not target.parent.is_dir():
        raise InputError(f"{path}: cannot be written there. Name a file in a folder that exists, such as report.html.")
    batch = decide_batch(pipeline, recordings, group)
    if not batch.decisions:
        raise InputError(f"None of the {len(batch.failures)} recordings can be used. The first: {batch.failures[0]}")
    shown = in_order(batch.decisions)[:top]
    cards, told = _cards(pipeline, batch, shown, audio_mb, shaft)
    page = template.render(**_context(pipeline, batch, told, title), cards=cards)
    with atomic_write(target) as file:
        file.write(page.encode("utf-8", errors="backslashreplace"))
    return batch


def _context(pipeline: Pipeline, batch: Batch, told: list[Told], title: str) -> dict[str, Any]:
    from offkey.report.figures import evaluation_figures, overview_figure

    script = _resource("script.js")
    decisions, labelled, order = batch.decisions, batch.labelled, in_order(batch.decisions)
    provenance, by_angle = pipeline.provenance_, pipeline.reading_.by_angle
    return {
        "title": title or f"{count(len(decisions), 'recording')}, {count(_n_anomalies(batch), 'anomaly', 'anomalies')}",
        "style": _resource("style.css"),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        "n_recordings": len(decisions),
        "n_anomalies": _n_anomalies(batch),
        "n_ill": sum(bool(decision.health) for decision in decisions),
        "how_sure": how_sure(pipeline, decisions),
        "changes": changes(told),
        "n_explained": len(told),
        "overview": figure_address(overview_figure(pipeline, batch)),
        "evaluation": [_figure_row(row) for row in figures_by_group(labelled)] if labelled else [],
        "figure_names": [name for _, name in FIGURES],
        "evaluation_figures": [(name, figure_address(each)) for name, each in evaluation_figures(batch)]
        if labelled
        else [],
        "is_spectral": pipeline.normal_.ranges is None,
        "is_sound": set(pipeline.units_) <= set(SOUND),
        "is_all_told": pipeline.normal_.is_told and _n_anomalies(batch) <= len(told),
        "n_unlabelled": len(decisions) - len(labelled),
        "story": calibration_story(pipeline),
        "notes": pipeline.notes_,
        "provenance": [
            ("detector", repr(pipeline.detector_)),
            ("front end", repr(pipeline.features_)),
            ("signal", f"{sampling_text(pipeline.rate_, by_angle)}, {count(len(pipeline.channels_), 'channel')}"),
            ("window", length_text(pipeline.window_duration_s, by_angle)),
            ("trained on", count(provenance["n_recordings"], "recording")),
            ("in all", length_in_all(pipeline)),
            ("training samples", f"sha256 {provenance['samples_sha256']}"),
            ("fitted", f"{provenance['created']} by offkey {provenance['offkey']}, Python {provenance['python']}"),
            ("seed", str(provenance["seed"])),
            ("report", f"{datetime.now(UTC).isoformat(timespec='seconds')} by offkey {__version__}"),
        ],
        "failures": batch.failures,
        "rows": [(rank, decisions[i]) for rank, i in enumerate(order[:MOST_ROWS], 1)],
        "table": data_address(_table(batch, order).encode("utf-8-sig"), "text/csv"),
    }  # fmt: skip


def _n_anomalies(batch: Batch) -> int:
    return sum(decision.is_anomaly for decision in batch.decisions)


def _cards(
    pipeline: Pipeline, batch: Batch, shown: list[int], audio_mb: float, shaft: Shaft | None
) -> tuple[list[Card], list[Told]]:
    """Return what is shown of the recordings with these numbers, one after the other, and what is told of them."""
    gain, room = gain_of(pipeline), round(1e6 * audio_mb)
    cards: list[Card] = []
    told: list[Told] = []
    for number, i in enumerate(track(shown, "explaining", len(shown)), 1):
        try:
            explanation = explain(pipeline, batch.recordings[i], decision=batch.decisions[i], shaft=shaft)
        except ReadError as error:  # it was there when it was scored
            batch.failures.append(Failure(error.source, error.reason))
            told.append(Told(batch.decisions[i]))
            continue
        sound = audio_of(explanation.clip, gain, explanation.signal_channel) if room > 0 else b""
        size = 4 * -(-len(sound) // 3)
        sound, room = (sound, room - size) if size <= room else (b"", 0)
        address = data_address(sound, "audio/mpeg") if sound else ""
        n_calibration = pipeline.boundaries_[batch.decisions[i].group].clips.n_recordings
        cards.append(card_of(explanation, number, batch.rows[i].get("label"), address, n_calibration))
        told.append(Told.of(explanation))
    return cards, told


def _figure_row(row: Figures) -> tuple[str, int, int, list[str]]:
    texts = []
    for name, _ in FIGURES:
        value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
        texts.append("–" if value != value else f"{value:.3f}" + ("" if low != low else f" [{low:.3f}, {high:.3f}]"))
    return row.group, row.n_normal, row.n_anomaly, texts


def _table(batch: Batch, order: list[int]) -> str:
    """Return all recordings as CSV, strangest first."""
    names = ("score", "p_value", "threshold", "is_anomaly", "duration_s", "group")
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["rank", "path", *names, "sensor", "label"])
    for rank, i in enumerate(order, 1):
        decision = batch.decisions[i]
        sensor = "; ".join(finding.sentence for finding in decision.health)
        label = batch.rows[i].get("label")
        values = [getattr(decision, name) for name in names]
        writer.writerow([rank, _no_formula(decision.source), *values, sensor, "" if label is None else label])
    return file.getvalue()


def _no_formula(name: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name


def _template() -> Any:
    """Return the page's template, once all that a report needs is known to be there."""
    try:
        import matplotlib  # noqa: F401
        import PIL  # noqa: F401
        from jinja2 import Environment
    except ImportError as error:
        raise MissingExtraError(error.name or "jinja2", "report", "Writing a report") from error
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_resource("page.html"))


def _resource(name: str) -> str:
    return files("offkey.report").joinpath(name).read_text(encoding="utf-8")

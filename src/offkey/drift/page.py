"""The drift report: one HTML file that needs nothing else."""

from __future__ import annotations

import os
import warnings
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from offkey.decisions import conformal_p_value
from offkey.drift.online import OnLine, follow
from offkey.drift.reference import Reference
from offkey.drift.result import DriftReport
from offkey.drift.table import Table
from offkey.errors import InputError, MissingExtraError
from offkey.files import atomic_write
from offkey.version import __version__

__all__ = ["require_page", "write_drift_report", "write_page"]

MOST_CARDS = 12
MOST_ALARMS = 20


def write_drift_report(
    reference: Reference,
    batch: Any,
    path: str | os.PathLike[str],
    *,
    rate: float = 0.01,
    time: str | None = None,
    mean_time_between_false_alarms: float = 10_000,
    title: str = "",
    seed: int = 0,
) -> DriftReport:
    """Check a batch, watch it row by row, and write a page about both.

    Parameters
    ----------
    reference : Reference
        Fitted.
    batch, rate, time, seed
        As for `Reference.check`.
    path : path
        The HTML file.
    mean_time_between_false_alarms : float
        As for `Reference.stream`.
    title : str
        Heading; how many columns moved if not given.

    Raises
    ------
    InputError, ShapeError
        If the columns are others than the reference's, or the file cannot be written.
    MissingExtraError
        If jinja2 or matplotlib is not installed.
    """
    require_page(path)
    report = reference.check(batch, rate, time, seed)
    online = follow(reference, batch, mean_time_between_false_alarms, time, seed)
    write_page(path, reference, reference.independent_rows(batch, time, seed)[0], report, online, title)
    return report


def write_page(
    path: str | os.PathLike[str],
    reference: Reference,
    rows: Table,
    report: DriftReport,
    online: OnLine,
    title: str = "",
) -> None:
    """Write a page about a batch that was checked and followed.

    Parameters
    ----------
    path : path
        The HTML file.
    reference : Reference
        Fitted.
    rows : Table
        The rows that were compared (`Reference.independent_rows`).
    report, online : DriftReport, OnLine
        What `Reference.check` and `follow` said of them.
    title : str
        Heading; how many columns moved if not given.

    Raises
    ------
    InputError
        If the file cannot be written.
    MissingExtraError
        If jinja2 or matplotlib is not installed.
    """
    template = require_page(path)
    p_values = conformal_p_value(reference.scores_.strangeness(rows), reference.calibration_)
    strange = max(report.rate, 1 / (len(reference.calibration_) + 1))  # no p-value is smaller than that
    context = {
        "title": title or f"{len(report.moved)} of {len(report.columns)} columns moved",
        "style": files("offkey.report").joinpath("style.css").read_text(encoding="utf-8"),
        "report": report,
        "share_strange": float(np.mean(p_values <= strange)),
        "share_expected": strange,
        "cards": _cards(reference, report, rows),
        "picture": _picture(online),
        "alarms": online.told()[:MOST_ALARMS],
        "online": online,
        "provenance": [
            ("reference", f"{reference.n_rows_:,} rows, {len(report.columns)} columns"),
            ("detector", repr(reference.scores_.detector)),
            ("report", f"{datetime.now(UTC).isoformat(timespec='seconds')} by offkey {__version__}"),
        ],
    }
    with atomic_write(Path(path)) as file:
        file.write(template.render(**context).encode("utf-8", errors="backslashreplace"))


def _cards(reference: Reference, report: DriftReport, rows: Table) -> list[tuple[Any, list[str]]]:
    """Return columns and their pictures: those that moved, or the three that came nearest."""
    from offkey.drift.figures import column_figures
    from offkey.report.media import figure_address

    now = {column.name: column for column in rows.columns}
    then = {column.name: column for column in reference.sample_.columns}
    shown = report.moved[:MOST_CARDS] or report.columns[:3]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # text stays text: the browser has fonts of its own
        return [
            (each, [figure_address(figure) for figure in column_figures(each, then[each.name], now[each.name])])
            for each in shown
        ]


def _picture(online: OnLine) -> str:
    from offkey.drift.figures import online_figure
    from offkey.report.media import figure_address

    label = "row of the batch, in the order of the table" if online.times is None else "row of the batch, by time"
    return figure_address(online_figure(online.evidence, online.alarms, online.limit, label))


def require_page(path: str | os.PathLike[str]) -> Any:
    """Return the template of a page, once all that it needs is known to be there: before the work, not after it.

    Raises
    ------
    InputError
        If the file cannot be written.
    MissingExtraError
        If jinja2 or matplotlib is not installed.
    """
    target = Path(path)
    if target.is_dir() or not target.parent.is_dir():
        raise InputError(f"{path}: cannot be written there. Name a file in a folder that exists, such as drift.html.")
    try:
        import matplotlib  # noqa: F401
        from jinja2 import Environment
    except ImportError as error:
        raise MissingExtraError(error.name or "jinja2", "report", "Writing a report") from error
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(files("offkey.drift").joinpath("page.html").read_text(encoding="utf-8"))

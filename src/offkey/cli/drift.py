"""``offkey drift``."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offkey.cli.console import note, print_json, progress, say, write_table
from offkey.cli.detectors import make_detector, parse_settings
from offkey.cli.options import parse_rate
from offkey.errors import InputError

if TYPE_CHECKING:
    from offkey.detectors import Detector
    from offkey.drift import DriftReport, Reference

__all__ = ["drift"]

drift = typer.Typer(no_args_is_help=True, help="Watch tables of an ML pipeline: learn a reference, check batches.")

AS_JSON = typer.Option("--json", help="Print the outcome as JSON.")
MOST_LINES = 20


@drift.command("fit")
def learn(
    table: Annotated[Path, typer.Argument(help="The reference: a table as CSV, Parquet or npz.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    categorical: Annotated[str, typer.Option(help="Columns of numbers that are categories: a,b.")] = "",
    drop: Annotated[str, typer.Option(help="Columns to leave out, here and in every batch: id,time.")] = "",
    group: Annotated[str | None, typer.Option(help="A column that says which rows belong together.")] = None,
    detector: Annotated[
        str | None, typer.Option(help="What says how strange a row is: gaussian, nearest-neighbors, ...; or both.")
    ] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="A parameter of the detector.")] = None,
    seed: Annotated[int, typer.Option(help="Of halves and samples.", min=0)] = 0,
    as_json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Learn what a table is like when nothing drifts, and write that to a file.

    Example: offkey drift fit reference.csv -o model.drift --drop id,time
    """
    from offkey.drift import Reference, read_columns

    if out.is_dir() or not out.parent.is_dir():
        raise InputError(f"{out}: cannot be written there. Name a file in a folder that exists, such as model.drift.")
    named = _names(categorical)
    reference = Reference(_detector(detector, setting or [], seed), named, _names(drop), group, seed)
    with progress():
        reference.fit(read_columns(table, named))
    reference.save(out)
    columns = reference.sample_.columns
    if as_json:
        print_json(
            {
                "reference": str(out),
                "n_rows": reference.n_rows_,
                "n_units": reference.n_units_,
                "columns": {column.name: column.kind for column in columns},
            }
        )
        return
    n_numeric = sum(column.kind == "numeric" for column in columns)
    what = "" if group is None else f" ({reference.n_units_:,} groups)"
    kinds = f"{n_numeric} numeric and {len(columns) - n_numeric} categorical columns"
    say(f"Learned {reference.n_rows_:,} rows{what} of {kinds}.")
    say(f"Wrote {out}. Next: offkey drift check BATCH -r {out}")


@drift.command("check")
def check(
    batch: Annotated[Path, typer.Argument(help="The batch: a table as CSV, Parquet or npz.")],
    reference: Annotated[Path, typer.Option("--reference", "-r", help="The file that offkey drift fit wrote.")],
    false_alarms: Annotated[str, typer.Option(help="Share of batches without drift that may be called one.")] = "1%",
    time: Annotated[str | None, typer.Option(help="A column that tells the order of rows: says since when.")] = None,
    between: Annotated[
        float, typer.Option(help="With --time or --report: rows between false alarms on line, on average, at least.")
    ] = 10_000,
    rows: Annotated[bool, typer.Option("--rows", help="Show each row's p-value too: out of distribution?")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write columns (with --rows: rows) to this CSV file too.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write them to this Parquet file too.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with pictures to this HTML file too.")] = None,
    as_json: Annotated[bool, AS_JSON] = False,
    fail_on_drift: Annotated[bool, typer.Option(help="Exit with status 1 if there is drift.")] = False,
    seed: Annotated[int, typer.Option(help="Of relabellings.", min=0)] = 0,
    detector: Annotated[
        str | None, typer.Option(help="Your own class, if the reference needs it: file.py:Class.")
    ] = None,
) -> None:
    """Say whether a batch has drifted: which columns moved, how, and since when.

    Example: offkey drift check today.csv -r model.drift --time time --report drift.html --fail-on-drift
    """
    from offkey.drift import load, read_columns
    from offkey.drift.online import follow
    from offkey.drift.page import require_page, write_page

    rate = parse_rate(false_alarms)
    if not 1 < between < math.inf:
        raise InputError(f"--between {between:g} was given. Give more than 1 row, such as 10000.")
    for path in (csv, parquet):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise InputError(f"{path}: cannot be written there. Name a file in a folder that exists.")
    if report is not None:
        require_page(report)
    own = [] if detector is None else [type(make_detector(detector, {}))]
    learned = load(reference, detectors=own)
    table = read_columns(batch, _as_text(learned))
    with progress():
        found = learned.check(table, rate, time, seed)
        online = None if time is None and report is None else follow(learned, table, between, time, seed)
        if report is not None and online is not None:
            write_page(report, learned, learned.independent_rows(table, time, seed)[0], found, online)
        alarms = online.told() if online is not None and time is not None else []
        p_values = learned.p_values(table).tolist() if rows else []
    lines: list[dict[str, Any]] = (
        [{"row": row, "p_value": p} for row, p in enumerate(p_values)]
        if rows
        else [asdict(column) for column in found.columns]
    )
    for path in (csv, parquet):
        if path is not None:
            write_table(lines, path)
    if as_json:
        print_json(
            {
                **found.to_dict(),
                **({} if time is None else {"alarms": alarms}),
                **({"p_values": p_values} if rows else {}),
            }
        )
    else:
        _tell(found, alarms, p_values, between if time is not None else None)
        if report is not None:
            say(f"Report: {report}")
    if fail_on_drift and found.is_drift:
        raise typer.Exit(1)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _as_text(reference: Reference) -> list[str]:
    """Return the columns that are read as text: those of categories, but not truth values."""
    categorical = [each for each in reference.sample_.columns if each.levels is not None]
    texts = [each.name for each in categorical if not set(each.levels or ()) <= {"True", "False"}]
    return [*texts, *([] if reference.group is None else [reference.group])]


def _detector(name: str | None, settings: list[str], seed: int) -> Detector | None:
    """Return a detector for rows of a table: of one frame there is nothing but the mean over time."""
    if name is None:
        return None
    given = parse_settings(settings)
    detector = make_detector(name, given, seed)
    if "statistics" in detector.get_params() and "statistics" not in given:
        detector.set_params(statistics=("mean",))
    return detector


def _tell(found: DriftReport, alarms: list[dict[str, Any]], p_values: list[float], between: float | None) -> None:
    say(found.sentence)
    shown = found.columns[: max(len(found.moved), 5)][:MOST_LINES]
    say(f"{'':8}  {'adjusted p':>10}  {'PSI':>6}  column: change")
    for column in shown:
        mark = "MOVED" if column.is_moved else ""
        since = f" (since {column.since})" if column.since else ""
        head = f"{mark:8}  {column.adjusted_p_value:10.2g}  {column.psi:6.2f}"
        say(f"{head}  {column.name}: {column.change}{since}")
    if len(found.columns) > len(shown):
        say(f"{'':8}  and {len(found.columns) - len(shown)} more (--csv, --json and --report have all)")
    for test in found.tests:
        say(f"{'DRIFT' if test.is_drift else '':8}  {test.p_value:10.2g}  {'':6}  {test.name}")
    for line in found.notes:
        note(line)
    for alarm in alarms:
        what = f"{alarm['cause']} {alarm['direction']} since {alarm['since_time']}"
        say(f"{'ALARM':8}  {what}, found at {alarm['row_time']} (row {alarm['row']} of the table)")
    if between is not None and not alarms:
        say(f"No alarm on line (at least {between:,.0f} rows between false alarms, on average).")
    for row, p_value in enumerate(p_values):
        say(f"row {row}  {p_value:.3g}")

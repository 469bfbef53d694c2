"""``offkey threshold``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from offkey.cli.console import note, print_json, progress, say, write_table
from offkey.cli.detectors import load_pipeline
from offkey.cli.options import parse_rate
from offkey.errors import InputError

if TYPE_CHECKING:
    from offkey.decisions import Threshold
    from offkey.evaluation import BoundaryFigures, Choice

__all__ = ["threshold"]


def threshold(
    labelled: Annotated[
        Path, typer.Argument(help="A DCASE 2020 folder, one with folders normal and anomaly, or a CSV table.")
    ],
    model: Annotated[Path, typer.Option("--model", "-m", help="The bundle that offkey fit wrote.")],
    beta: Annotated[
        float | None, typer.Option(help="Best F-beta: recall counts so many times as much as precision. [default: 1]")
    ] = None,
    miss_cost: Annotated[float | None, typer.Option(help="Least cost: that of an anomaly that is not found.")] = None,
    false_alarm_cost: Annotated[
        float | None, typer.Option(help="With --miss-cost: cost of a false alarm. [default: 1]")
    ] = None,
    anomaly_fraction: Annotated[
        str | None, typer.Option(help="With --miss-cost: how many recordings will be anomalies, such as 1%.")
    ] = None,
    recall: Annotated[str | None, typer.Option(help="Find so many of new anomalies of these kinds: 95%.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the curve to this file, such as curve.png.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the whole curve to this CSV file too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures and the whole curve as JSON.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be chosen, and write no bundle.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write here, and leave the bundle as it is.")] = None,
    detector: Annotated[str | None, typer.Option(help="Your own class, if the bundle needs it: file.py:Class.")] = None,
) -> None:
    """Choose the decision boundary on labelled recordings, by F-beta, cost or recall, and show what others would do.

    Example: offkey threshold labelled/ -m pump.offkey --miss-cost 50 --anomaly-fraction 1% --picture curve.png
    """
    from offkey.datasets import read_labelled
    from offkey.evaluation import choose_threshold

    asked = _asked(beta, miss_cost, false_alarm_cost, anomaly_fraction, recall)
    pipeline = load_pipeline(model, detector)
    table = read_labelled(labelled)
    with progress():
        choice = choose_threshold(pipeline, table, asked)
    if csv is not None:
        write_table(choice.rows(), csv)
    if picture is not None:
        from offkey.plots import save_decision_curve

        save_decision_curve(choice, picture)
    bundle = None if dry_run else out or model
    if bundle is not None:
        first = choice.report.rows[0]
        chosen_on = f"{first.n_normal} normal and {first.n_anomaly} anomalous recordings"
        pipeline.use_threshold(choice.threshold, chosen_on)
        pipeline.save(bundle)
    if as_json:
        print_json({"bundle": bundle and str(bundle), **json.loads(choice.to_json())})
    else:
        _tell_curve(choice)
        _tell_figures(choice)
        if picture is not None:
            say(f"Picture: {picture}")
        say(f"Wrote {bundle}." if bundle else "Nothing was written: a dry run.")
    _tell_problems(choice)
    if choice.report.failures:
        raise typer.Exit(2)


def _asked(
    beta: float | None,
    miss_cost: float | None,
    false_alarm_cost: float | None,
    anomaly_fraction: str | None,
    recall: str | None,
) -> Threshold:
    """Return the threshold that the options ask for."""
    from offkey.decisions import FBeta, FixedRecall, MinimumCost

    of_cost = {"--miss-cost": miss_cost, "--false-alarm-cost": false_alarm_cost, "--anomaly-fraction": anomaly_fraction}
    costs = [name for name, value in of_cost.items() if value is not None]
    others = [name for name, value in {"--beta": beta, "--recall": recall}.items() if value is not None]
    criteria = others + costs[:1]
    if len(criteria) > 1:
        raise InputError(f"{' and '.join(criteria)} were given. Choose by one of F-beta, cost and recall.")
    if costs and miss_cost is None:
        raise InputError(
            f"{costs[0]} was given without --miss-cost. Say what a miss costs too, such as --miss-cost 50."
        )
    if miss_cost is not None:
        fraction = None if anomaly_fraction is None else parse_rate(anomaly_fraction, "anomaly fraction")
        return MinimumCost(miss_cost, 1.0 if false_alarm_cost is None else false_alarm_cost, fraction)
    if recall is not None:
        return FixedRecall(parse_rate(recall, "recall", "95% or 0.95"))
    return FBeta(1.0 if beta is None else beta)


def _tell_curve(choice: Choice) -> None:
    """Show about a dozen boundaries, close together near the chosen one and further apart away from it."""
    rows, chosen = choice.rows(), choice.place(choice.chosen.threshold)
    first, n = choice.report.rows[0], len(rows)
    steps = np.geomspace(max(1, n / 100), max(6, n / 2), 6).round().astype(int)
    shown = {int(index): "" for index in np.clip(chosen + np.append(-steps, steps), 0, n - 1)}
    if not math.isnan(choice.before.threshold):
        before = choice.place(choice.before.threshold)
        shown[before], rows[before]["threshold"] = "until now", choice.before.threshold
    shown[chosen], rows[chosen]["threshold"] = "chosen", choice.chosen.threshold
    rows[-1]["precision"] = math.nan  # no alarms
    say(f"{first.n_normal} normal and {first.n_anomaly} anomalous recordings. What boundaries do on them:")
    say()
    say(f"  {'threshold':>10}  {'recall':>7}  {'false alarms':>12}  {'precision':>9}  {choice.criterion:>8}")
    for index, remark in sorted(shown.items()):
        boundary, recall, alarms, precision, criterion = rows[index].values()
        line = f"{boundary:10.6g}  {_percent(recall):>7}  {_percent(alarms):>12}  {_percent(precision):>9}"
        say(f"{'>' if index == chosen else ' '} {line}  {criterion:8.3g}  {remark}".rstrip())
    say()


def _tell_figures(choice: Choice) -> None:
    before = choice.before
    was = "the groups had their own" if math.isnan(before.threshold) else f"{before.threshold:.6g}"
    say(f"Chosen for {_aim(choice)}: a threshold of {choice.chosen.threshold:.6g}; until now {was}.")
    say(f"On these recordings: {_sentence(choice, choice.chosen)}.")
    if choice.not_cross_validated:
        say(f"On others it may do worse; how much cannot be said: {choice.not_cross_validated}.")
    else:
        say(f"On others, by cross-validation: {_sentence(choice, choice.cross_validated)}.")
    say(f"Until now, on these recordings: {_sentence(choice, before)}.")
    fraction = _percent(choice.report.rows[0].n_anomaly / len(choice.report.clips))
    say(f"Brackets are 95 % intervals. Precision is for {fraction} anomalies, as here: with fewer it is lower.")


def _aim(choice: Choice) -> str:
    """Say what the boundary was chosen for."""
    from offkey.decisions import FixedRecall, MinimumCost

    asked = choice.threshold
    if isinstance(asked, FixedRecall):
        few = f", of which so few anomalies can promise {_percent(asked.supported_recall_)}"
        return f"a recall of {_percent(asked.recall)}" + (few if asked.supported_recall_ < asked.recall else "")
    if isinstance(asked, MinimumCost):
        share = (
            "" if asked.anomaly_fraction is None else f", {100 * asked.anomaly_fraction:.3g} % of recordings anomalous"
        )
        prices = f"a miss {asked.miss_cost:g}, a false alarm {asked.false_alarm_cost:g}{share}"
        return f"the least cost of a recording ({prices})"
    return f"the best {choice.criterion}"


def _sentence(choice: Choice, row: BoundaryFigures) -> str:
    recall = _with_interval(row.recall, row.recall_low, row.recall_high)
    alarms = _with_interval(row.false_alarm_rate, row.false_alarm_rate_low, row.false_alarm_rate_high)
    precision = _with_interval(row.precision, row.precision_low, row.precision_high)
    return f"recall {recall}, false alarms {alarms}, precision {precision}, {choice.criterion} {row.criterion:.3g}"


def _with_interval(value: float, low: float, high: float) -> str:
    return _percent(value) + (f" [{_percent(low)}, {_percent(high)}]" if math.isfinite(low) else "")


def _percent(value: float) -> str:
    return f"{value:.1%}" if math.isfinite(value) else "-"


def _tell_problems(choice: Choice) -> None:
    report = choice.report
    for line in choice.notes:
        note(f"warning: {line}")
    if report.n_unlabelled:
        note(f"{report.n_unlabelled} recordings have no label; they are in no figure.")
    for failure in report.failures:
        note(f"not scored: {failure}")
    if report.failures:
        note(f"{len(report.failures)} recordings could not be scored; they are in no figure.")

"""The reading of options: times, rates, budgets, thresholds, groups, recordings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from offkey.errors import InputError

if TYPE_CHECKING:
    from offkey.decisions import EventRules, Threshold
    from offkey.pipeline import Pipeline

__all__ = [
    "COOLDOWN",
    "HYSTERESIS",
    "MERGE_GAP",
    "MIN_DURATION",
    "event_rules",
    "given_recordings",
    "parse_boundary",
    "parse_duration",
    "parse_false_alarms",
    "parse_group",
    "parse_rate",
    "parse_threshold",
]

HYSTERESIS = typer.Option(
    help="Events go on until scores fall this fraction of the way down to the median normal score.", min=0.0, max=0.99
)
MIN_DURATION = typer.Option(help="Shorter events are dropped, such as 20s.")
MERGE_GAP = typer.Option(help="Events at most so far apart are one, such as 10s.")
COOLDOWN = typer.Option(help="After an event none opens for so long, such as 1min.")


def parse_duration(text: str | None, least: float | None = None) -> float | None:
    """Read a time: ``10s``, ``500ms``, ``2min`` or plain seconds.

    Raises
    ------
    InputError
        If it is no time, below ``least``, or where no least is given not above zero.
    """
    if text is None:
        return None
    units = {"ms": 1e-3, "min": 60.0, "s": 1.0}
    unit = next((unit for unit in units if text.endswith(unit)), "")
    try:
        seconds = float(text.removesuffix(unit)) * units.get(unit, 1.0)
    except ValueError:
        seconds = math.nan
    if not (seconds > 0 if least is None else seconds >= least) or not seconds < math.inf:
        wanted = "above zero" if least is None else f"at least {least:g}"
        raise InputError(f"The time {text!r} was given. It must be {wanted}, such as 10s, 500ms or 2min.")
    return seconds


def parse_rate(text: str, what: str = "false-alarm rate", example: str = "1% or 0.01") -> float:
    """Read a rate: ``1%`` or ``0.01``; ``what`` and ``example`` are for the message.

    Raises
    ------
    InputError
        If it does not lie between 0 and 1.
    """
    try:
        rate = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        rate = math.nan
    if not 0 < rate < 1:
        raise InputError(f"The {what} {text!r} was given. It must lie between 0 and 100%, such as {example}.")
    return rate


def parse_false_alarms(text: str) -> float | str:
    """Read a false-alarm rate (``1%``) as a number, or a budget (``1/week``) as it is.

    Raises
    ------
    InputError
        If it is neither.
    """
    if "/" not in text:
        return parse_rate(text)
    from offkey.decisions import parse_budget

    return str(parse_budget(text))


def parse_threshold(name: str, rate: float) -> Threshold:
    """Return the threshold that a name (or a number) on the command line stands for.

    Raises
    ------
    InputError
        If it is neither.
    """
    from offkey import decisions

    kinds: dict[str, Any] = {
        "conformal": decisions.Conformal,
        "pareto": decisions.ParetoTail,
        "robust": decisions.RobustZScore,
        "empirical": decisions.EmpiricalQuantile,
        "gamma": decisions.GammaTail,
    }
    if name in kinds:
        chosen: Threshold = kinds[name](rate=rate)
        return chosen
    try:
        return decisions.Fixed(float(name))
    except ValueError:
        raise InputError(f"The threshold {name!r} was asked for. There are: {', '.join(kinds)}, or a number.") from None


def parse_boundary(
    false_alarms: str | None, threshold: str | None, current: Threshold | None = None
) -> tuple[Threshold | None, str | None]:
    """Read ``--false-alarms`` and ``--threshold`` as a threshold or a budget; none of both if neither is given.

    What is not given stays that of the ``current`` threshold, where it has a rate.

    Raises
    ------
    InputError
        If one makes no sense, or both set the boundary.
    """
    if false_alarms is None and threshold is None:
        return None, None
    params = current.get_params() if current is not None else {}
    asked = params.get("rate", 0.01) if false_alarms is None else parse_false_alarms(false_alarms)
    if isinstance(asked, str):
        if threshold is not None:
            raise InputError(f"A budget of {asked} and a threshold were given. A budget sets the threshold; give one.")
        return None, asked
    if threshold is None and current is not None and "rate" in params:
        return current.unfitted().set_params(rate=asked), None
    chosen = parse_threshold(threshold or "conformal", asked)
    if false_alarms is not None and "rate" not in chosen.get_params():
        raise InputError(
            f"The threshold {threshold} and a false-alarm rate were given. A number has no rate; give one."
        )
    return chosen, None


def event_rules(
    hysteresis: float | None,
    min_duration: str | None,
    merge_gap: str | None,
    cooldown: str | None,
    current: EventRules | None = None,
) -> EventRules | None:
    """Return the event rules that options stand for, others being those of ``current``; None if no option is given.

    Raises
    ------
    InputError
        If a value makes no sense.
    """
    from offkey.decisions import EventRules

    times = {"min_duration_s": min_duration, "merge_gap_s": merge_gap, "cooldown_s": cooldown}
    given: dict[str, Any] = {name: parse_duration(text, least=0.0) for name, text in times.items() if text is not None}
    if hysteresis is not None:
        given["hysteresis"] = hysteresis
    return replace(current or EventRules(), **given) if given else None


def parse_group(settings: list[str] | None, pipeline: Pipeline) -> dict[str, str]:
    """Read groups, given as ``section=id_00``.

    Raises
    ------
    InputError
        If one is not written so, or is of a column that the pipeline does not group by.
    """
    group: dict[str, str] = {}
    for setting in settings or []:
        column, _, value = setting.partition("=")
        if not (column and value):
            raise InputError(f"The group {setting!r} was given. Write it as section=id_00.")
        if column not in pipeline.group_by:
            known = ", ".join(pipeline.group_by) or "nothing (fit with --group-by)"
            raise InputError(f"The group {setting!r} was given. The bundle groups by {known}.")
        if column in group:
            raise InputError(
                f"The group {setting!r} was given beside {column}={group[column]}. Give one of each column."
            )
        group[column] = value
    return group


def given_recordings(paths: list[Path], columns: Sequence[str] = ()) -> Any:
    """Return what was named on the command line: a recordings table if it is a CSV of paths, else files and folders.

    Where columns are asked for, one folder is read as a table too: by its layout, as for ``offkey evaluate``.

    Raises
    ------
    InputError
        If a table is named together with others.
    """
    if columns and len(paths) == 1 and paths[0].is_dir():
        from offkey.datasets import read_labelled

        try:
            return read_labelled(paths[0])
        except InputError:  # no layout that is known: nothing tells the columns
            return paths
    from offkey.recordings import is_recordings_table

    if not any(map(is_recordings_table, paths)):
        return paths
    if len(paths) > 1:
        raise InputError("A table and other recordings were given. Give one table, or files and folders.")
    from offkey.datasets import read_table

    return read_table(paths[0])

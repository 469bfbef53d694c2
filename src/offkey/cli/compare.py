"""``offkey compare``."""

from __future__ import annotations

import inspect
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offkey.cli.calls import parse_call, split_outside_brackets
from offkey.cli.console import note, print_json, progress, say, write_table
from offkey.cli.detectors import known_detectors, make_detector
from offkey.cli.options import parse_duration, parse_rate
from offkey.cli.signals import (
    CHANNELS,
    FEATURES,
    MISSING,
    PULSES,
    SPEED,
    SPLIT_BY,
    TIME,
    UNIT,
    make_reading,
    parse_features,
)
from offkey.errors import InputError

if TYPE_CHECKING:
    from offkey.detectors import Detector
    from offkey.evaluation import Comparison

__all__ = ["compare", "parse_detectors", "usual_detectors"]


def compare(
    labelled: Annotated[
        Path, typer.Argument(help="A DCASE 2020 folder, one with folders normal and anomaly, or a CSV table.")
    ],
    detectors: Annotated[
        str | None,
        typer.Option(
            help="Such as level,gaussian,nearest-neighbors(n_neighbors=3),mine.py:Mine; if not given all but networks."
        ),
    ] = None,
    with_networks: Annotated[bool, typer.Option("--with-networks", help="Take the networks too.")] = False,
    against: Annotated[str | None, typer.Option(help="Show differences to this one, the best if not given.")] = None,
    false_alarms: Annotated[str, typer.Option(help="Rate that thresholds are calibrated for, such as 10%.")] = "10%",
    folds: Annotated[int, typer.Option(help="Folds of the normal recordings.", min=2)] = 5,
    seeds: Annotated[int, typer.Option(help="How often the folds are dealt out.", min=1)] = 3,
    window: Annotated[str | None, typer.Option(help="Length of the windows, such as 10s.")] = None,
    hop: Annotated[str | None, typer.Option(help="Distance of the windows, such as 5s.")] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="Rate in hertz that everything is resampled to; of sensor files that state none.", min=1e-9),
    ] = None,
    features: Annotated[str | None, FEATURES] = None,
    channels: Annotated[str | None, CHANNELS] = None,
    unit: Annotated[str | None, UNIT] = None,
    time: Annotated[str | None, TIME] = None,
    split_by: Annotated[str | None, SPLIT_BY] = None,
    missing: Annotated[str | None, MISSING] = None,
    speed: Annotated[str | None, SPEED] = None,
    pulses: Annotated[int | None, PULSES] = None,
    pooling: Annotated[str, typer.Option(help="mean, max or a quantile such as q0.9.")] = "mean",
    resume: Annotated[
        Path | None, typer.Option(help="Keep what is finished in this file, and do only what it lacks: done.jsonl.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="How many to fit side by side.", min=1)] = 1,
    picture: Annotated[Path | None, typer.Option(help="Draw the figures to this file, such as compared.png.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the figures to this CSV file too.")] = None,
    scores: Annotated[Path | None, typer.Option(help="Write every score to this CSV file too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures and differences as JSON.")] = False,
) -> None:
    """Compare detectors on labelled recordings: same splits, thresholds from normal sound alone, paired differences.

    Example: offkey compare labelled/ --detectors gaussian,nearest-neighbors,level --picture compared.png
    """
    from offkey.datasets import read_labelled
    from offkey.evaluation import compare as run

    chosen = parse_detectors(detectors) if detectors is not None else {}
    if detectors is None or with_networks:
        chosen |= usual_detectors(cheap=detectors is None, networks=with_networks)
    for path in (picture, csv, scores):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"The folder {path.parent} does not exist. Make it, or write {path.name} elsewhere.")
    reading = make_reading(channels, unit, time, split_by, missing, False, speed, pulses)
    table = read_labelled(labelled)
    with progress():
        comparison = run(
            table, chosen, features=parse_features(features), rate=rate, window_s=parse_duration(window),
            hop_s=parse_duration(hop), reading=reading, pooling=pooling, false_alarms=parse_rate(false_alarms),
            folds=folds, seeds=seeds, against=against, resume=resume, jobs=jobs,
        )  # fmt: skip
    if as_json:
        print_json(json.loads(comparison.to_json()))
    else:
        _tell(comparison)
    if csv is not None:
        write_table([asdict(row) for row in (*comparison.rows, *comparison.machine_rows)], csv)
    if scores is not None:
        write_table(comparison.records, scores)
    if picture is not None:
        from offkey.plots import save_detector_comparison

        save_detector_comparison(comparison, picture)
        if not as_json:
            say(f"Picture: {picture}")
    _note(comparison)


def parse_detectors(text: str) -> dict[str, Detector]:
    """Read detectors, such as ``gaussian,nearest-neighbors(n_neighbors=3)``, by what they are called there.

    Raises
    ------
    InputError
        If the text cannot be read, a detector is unknown or named twice, or a parameter is.
    """
    found: dict[str, Detector] = {}
    for text_of_one in split_outside_brackets(text, ","):
        if text_of_one in found:
            raise InputError(f"The detector {text_of_one!r} was given twice. Give each once.")
        name, values = parse_call(text_of_one, "detector", "nearest-neighbors(n_neighbors=3)")
        found[text_of_one] = make_detector(name, values)
    return found


def usual_detectors(*, cheap: bool, networks: bool) -> dict[str, Detector]:
    """Return the detectors that need no parameters: cheap ones, networks, or both."""
    wanted = {True: cheap, False: networks}
    return {
        name: kind() for name, kind in sorted(known_detectors().items()) if wanted[kind.cross_fit] and not _needs(kind)
    }


def _needs(kind: type[Detector]) -> list[str]:
    """Return the parameters that a detector has no default for."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(kind).parameters.values()
    return [each.name for each in parameters if each.default is inspect.Parameter.empty and each.kind not in variadic]


def _tell(comparison: Comparison) -> None:
    against = comparison.differences[0].against if comparison.differences else comparison.rows[0].detector
    gaps = {gap.detector: gap for gap in comparison.differences}
    width = max(len("detector"), *(len(row.detector) for row in comparison.rows))
    rate = f"{comparison.settings['false_alarms']:.3g}"
    say(comparison.protocol)
    say(f"Areas are means over folds, with 95 % intervals; alarms at thresholds calibrated for {rate} false alarms.")
    say()
    say(f"{'detector':{width}}  {'AUC':20}  {'difference':26}  {'pAUC':20}  recall  false alarms")
    for row in comparison.rows:
        gap = gaps.get(row.detector)
        less = (
            ""
            if gap is None
            else f"{_interval(gap.auc_difference, gap.low, gap.high, '+.3f')}{' =' * (not gap.is_clear)}"
        )
        areas = _interval(row.auc, row.auc_low, row.auc_high), _interval(row.pauc, row.pauc_low, row.pauc_high)
        rates = f"{row.recall:6.3f}  {row.false_alarm_rate:12.3f}"
        say(f"{row.detector:{width}}  {areas[0]:20}  {less:26}  {areas[1]:20}  {rates}")
    if gaps:
        unclear = "; = cannot be told from it on these recordings" * (not all(gap.is_clear for gap in gaps.values()))
        say(f"Differences in AUC are to {against}{unclear}.")
    say()
    say(f"{'one core':{width}}  {'to fit':>9}  {'a clip':>9}  {'x real time':>11}  {'bundle':>9}")
    for row in comparison.rows:
        times = f"{_seconds(row.fit_s):>9}  {_seconds(row.clip_s):>9}  {row.times_real_time:11.0f}"
        say(f"{row.detector:{width}}  {times}  {_bytes(row.n_bytes):>9}")
    _tell_machines(comparison, width)


def _tell_machines(comparison: Comparison, width: int) -> None:
    if not comparison.machine_rows:
        return
    machines = list(dict.fromkeys(row.machine for row in comparison.machine_rows))
    found = {(row.detector, row.machine): row.auc for row in comparison.machine_rows}
    say()
    say(f"{'AUC':{width}}  " + "  ".join(f"{machine:>6}" for machine in machines))
    for row in comparison.rows:
        areas = (f"{found[row.detector, machine]:{max(6, len(machine))}.3f}" for machine in machines)
        say(f"{row.detector:{width}}  " + "  ".join(areas))


def _note(comparison: Comparison) -> None:
    for line in comparison.notes:
        note(line)
    for failure in comparison.failures:
        note(f"not used: {failure}")
    for failure in comparison.broken:
        note(f"no figures: {failure}")
    if comparison.failures or comparison.broken:
        raise typer.Exit(2)


def _interval(value: float, low: float, high: float, form: str = ".3f") -> str:
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def _seconds(value: float) -> str:
    return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


def _bytes(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.0f} kB"

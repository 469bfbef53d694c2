"""``offkey demo``."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offkey.cli.console import print_json, progress, say
from offkey.cli.evaluate import tell_figures

if TYPE_CHECKING:
    from offkey.evaluation import Report
    from offkey.pipeline import Pipeline

__all__ = ["demo"]

FALSE_ALARM_RATE = 0.02
N_SHOWN = 30
"""Recordings that the report shows."""


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path("offkey-demo"),
    machine: Annotated[str, typer.Option(help="fan, pump, valve or gearbox.")] = "pump",
    seed: Annotated[int, typer.Option(help="The same seed gives the same demo.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Do the whole job on a synthetic machine, report included, in about a minute and without a download.

    Example: offkey demo
    """
    from offkey import datasets

    with progress():
        table = datasets.simulate(
            out / "recordings", [machine], n_train=60, n_test_normal=40, n_test_anomaly=40, duration_s=5.0, seed=seed
        )
    outcomes: dict[str, Any] = {}
    if not as_json:
        say(f"A synthetic {machine}: 60 normal recordings of 5 s to learn from, 40 normal and 40 faulty to judge.")
        say(f"Three detectors, each at a false-alarm rate of {FALSE_ALARM_RATE:.0%}:")
    for name, detector in _detectors(seed).items():
        pipeline, report = _fit_and_evaluate(detector, table, out / f"{machine}-{name}.offkey", seed)
        outcomes[name] = {"figures": asdict(report.rows[0]), "recall_by_fault": _recall_by_fault(report)}
        if not as_json:
            say(f"\n{detector!r}")
            tell_figures(report)
            caught = ", ".join(f"{fault} {share:.0%}" for fault, share in outcomes[name]["recall_by_fault"].items())
            say(f"  caught            {caught}")
        if name == "auto":
            outcomes["report"] = _report(pipeline, table, machine, out / "report.html")
    if as_json:
        print_json({"folder": str(out), **outcomes})
        return
    if "autoencoder" not in outcomes:
        say("\nThe autoencoder was left out: it needs TensorFlow (pip install 'offkey[tensorflow]').")
    no_report = "No report: it needs jinja2 and matplotlib (pip install 'offkey[report]')."
    page = outcomes["report"]
    say(f"\nReport: {page} (open it in a browser: pictures, sound and sentences)" if page else f"\n{no_report}")
    say("Synthetic machines are easy to hear; your own are the test.")
    say(f"Next: offkey score {out}/recordings/{machine}/test -m {out}/{machine}-auto.offkey")


def _detectors(seed: int) -> dict[str, Any]:
    from offkey.detectors import Autoencoder, Ensemble, Level

    chosen: dict[str, Any] = {"level": Level(), "auto": Ensemble()}
    if importlib.util.find_spec("tensorflow"):
        chosen["autoencoder"] = Autoencoder(epochs=30, seed=seed)
    return chosen


def _fit_and_evaluate(detector: Any, table: Any, path: Path, seed: int) -> tuple[Pipeline, Report]:
    from offkey.decisions import Conformal
    from offkey.evaluation import evaluate
    from offkey.pipeline import Pipeline

    with progress():
        pipeline = Pipeline(detector, threshold=Conformal(FALSE_ALARM_RATE), seed=seed).fit(table)
        pipeline.save(path)
        return pipeline, evaluate(pipeline, table)


def _recall_by_fault(report: Report) -> dict[str, float]:
    faults = sorted({clip["fault"] for clip in report.clips if clip["label"] == 1})
    of_fault = {fault: [clip["is_anomaly"] for clip in report.clips if clip["fault"] == fault] for fault in faults}
    return {fault: sum(alarms) / len(alarms) for fault, alarms in of_fault.items()}


def _report(pipeline: Pipeline, table: Any, machine: str, path: Path) -> str | None:
    if not all(map(importlib.util.find_spec, ("jinja2", "matplotlib"))):
        return None
    from offkey.report import write_report

    judged = table[table["split"] == "test"]
    with progress():
        write_report(pipeline, judged, path, top=N_SHOWN, title=f"A synthetic {machine}: what is heard of its faults")
    return str(path)

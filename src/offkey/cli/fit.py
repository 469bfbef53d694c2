"""``offkey fit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offkey.cli.console import make_detector, note, parse_duration, parse_rate, print_json, progress, say
from offkey.errors import InputError

if TYPE_CHECKING:
    from offkey.decisions import Threshold
    from offkey.pipeline import Pipeline

__all__ = ["fit"]


def fit(
    normal: Annotated[list[Path], typer.Argument(help="Recordings of normal sound: files, folders or one CSV table.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The bundle to write.")],
    detector: Annotated[
        str, typer.Option(help="nearest-neighbors, gaussian, level, autoencoder, ..., or my_file.py:MyDetector.")
    ] = "nearest-neighbors",
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the detector, such as epochs=20.")
    ] = None,
    window: Annotated[str | None, typer.Option(help="Length of the windows, such as 10s.")] = None,
    hop: Annotated[str | None, typer.Option(help="Distance of the windows, such as 5s.")] = None,
    rate: Annotated[int | None, typer.Option(help="Rate in hertz that everything is resampled to.", min=1)] = None,
    pooling: Annotated[str, typer.Option(help="mean, max or a quantile such as q0.9.")] = "mean",
    false_alarms: Annotated[str, typer.Option(help="False-alarm rate, such as 1%.")] = "1%",
    threshold: Annotated[str, typer.Option(help="conformal, gamma, empirical, or a number.")] = "conformal",
    exclude: Annotated[list[Path] | None, typer.Option(help="A recording to leave out.")] = None,
    drop_strangest: Annotated[
        int, typer.Option(help="Leave out so many of the strangest recordings and fit again.", min=0)
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of splits and networks.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Learn from recordings of normal sound, and write a bundle.

    Example: offkey fit recordings/normal -o pump.offkey --false-alarms 1%
    """
    from offkey.pipeline import Pipeline

    chosen = make_detector(detector, setting or [])
    if "seed" in chosen.get_params() and not any(each.startswith("seed=") for each in setting or []):
        chosen.set_params(seed=seed)
    if out.is_dir():
        raise InputError(f"{out} is a folder. Name the bundle's file, such as {out / 'pump.offkey'}.")
    if not out.parent.is_dir():
        raise InputError(f"The folder {out.parent} does not exist. Make it, or write the bundle elsewhere.")
    pipeline = Pipeline(
        detector=chosen,
        rate=rate,
        window_s=parse_duration(window),
        hop_s=parse_duration(hop),
        pooling=pooling,
        threshold=_threshold(threshold, parse_rate(false_alarms)),
        seed=seed,
    )
    _warn_of_anomalies(normal)
    with progress():
        pipeline.fit(_recordings(normal), exclude=exclude or [], drop_strangest=drop_strangest)
    pipeline.save(out)
    if as_json:
        print_json(_outcome(pipeline, out))
    else:
        _tell(pipeline, out)
    for failure in pipeline.failures_:
        note(f"left out: {failure}")
    if pipeline.failures_:
        note(f"{len(pipeline.failures_)} recordings could not be used; the bundle was fitted on the others.")
        raise typer.Exit(2)


def _warn_of_anomalies(normal: list[Path]) -> None:
    """Say if recordings are named as anomalies: fitting takes whatever it is given as normal."""
    from offkey.datasets import is_named_anomaly
    from offkey.signals import find

    odd = [path for path in find(path for path in normal if path.suffix.lower() != ".csv") if is_named_anomaly(path)]
    if odd:
        note(f"warning: {len(odd)} recordings are named as anomalies and are taken as normal, such as {odd[0]}.")


def _recordings(normal: list[Path]) -> Any:
    tables = [path for path in normal if path.suffix.lower() == ".csv"]
    if not tables:
        return normal
    if len(normal) > 1:
        raise InputError("A table and other recordings were given. Give one table, or files and folders.")
    from offkey.datasets import read_table

    return read_table(tables[0])


def _threshold(name: str, rate: float) -> Threshold:
    from offkey import decisions

    kinds: dict[str, Any] = {
        "conformal": decisions.Conformal,
        "gamma": decisions.GammaTail,
        "empirical": decisions.EmpiricalQuantile,
    }
    if name in kinds:
        chosen: Threshold = kinds[name](rate=rate)
        return chosen
    try:
        return decisions.Fixed(float(name))
    except ValueError:
        raise InputError(f"The threshold {name!r} was asked for. There are: {', '.join(kinds)}, or a number.") from None


def _outcome(pipeline: Pipeline, out: Path) -> dict[str, Any]:
    state = pipeline.clip_calibration_.threshold.fitted_state
    return {
        "bundle": str(out),
        "detector": repr(pipeline.detector),
        "n_recordings": pipeline.provenance_["n_recordings"],
        "duration_s": pipeline.provenance_["duration_s"],
        "threshold": state["threshold_"],
        "supported_false_alarm_rate": state["supported_rate_"],
        "notes": pipeline.notes_,
        "strangest": [
            {"source": entry.source, "score": entry.score, "is_held_out": entry.is_held_out}
            for entry in pipeline.training_[:5]
        ],
        "failures": [{"source": failure.source, "reason": failure.reason} for failure in pipeline.failures_],
    }


def _tell(pipeline: Pipeline, out: Path) -> None:
    outcome = _outcome(pipeline, out)
    minutes = outcome["duration_s"] / 60
    say(f"{outcome['detector']} learned from {outcome['n_recordings']} recordings ({minutes:.1f} min of normal sound).")
    for line in outcome["notes"]:
        say(line)
    promise = ""
    if outcome["supported_false_alarm_rate"] == outcome["supported_false_alarm_rate"]:  # not NaN
        promise = f" (false-alarm rate {outcome['supported_false_alarm_rate']:.2%})"
    calibration = pipeline.clip_calibration_
    say(
        f"Threshold {outcome['threshold']:.4g}{promise}, from {calibration.n_recordings} recordings that were held out."
    )
    say("Strangest training recordings (listen to them; --drop-strangest N leaves them out):")
    for entry in outcome["strangest"]:
        say(f"  {entry['score']:10.4g}  {entry['source']}" + ("" if entry["is_held_out"] else "  (trained on)"))
    say(f"Wrote {out}. Next: offkey score RECORDINGS -m {out}")

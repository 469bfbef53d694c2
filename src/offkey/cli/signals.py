"""How signals are read and turned into frames, as it is said on the command line."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from offkey.cli.calls import kebab, parse_call, split_outside_brackets
from offkey.errors import InputError

if TYPE_CHECKING:
    from offkey.features import Feature
    from offkey.rotation import Bearing, Shaft
    from offkey.signals import Reading

__all__ = [
    "BEARING",
    "CHANNELS",
    "FEATURES",
    "JOIN",
    "MISSING",
    "PULSES",
    "SPEED",
    "SPLIT_BY",
    "TIME",
    "UNIT",
    "make_reading",
    "make_shaft",
    "parse_features",
]

TRIAL_HZ = 16_000.0
"""A rate that parameters are tried at."""

FEATURES = typer.Option(
    help="The front end: log-mel, spectrum, envelope, statistics, correlation, raw, with parameters as "
    "spectrum(fmin=10), several joined by +. By the signal's rate if not given."
)
CHANNELS = typer.Option(help="Columns of sensor files to use, such as x,y,z; all numbers if not given.")
UNIT = typer.Option(help="Unit of the channels, such as g, or one of each: g,g,A. As the header says if not given.")
TIME = typer.Option(help="Column of the timestamps; found if not given.")
SPLIT_BY = typer.Option(help="Column of sensor files whose rows of one value are a recording.")
MISSING = typer.Option(help="What becomes of missing values and rows: cut (if not given), interpolate or refuse.")
SPEED = typer.Option(help="Column of a shaft's speed (rpm or Hz, by its name): order tracking.")
PULSES = typer.Option(help="That column holds the pulses of a tachometer, so many per revolution.", min=1)
BEARING = typer.Option(
    help="A bearing on it: number, diameter and pitch diameter of its elements, contact angle and name if known, such "
    "as 9,7.94,39.04,0,drive-end. Its defect frequencies are named."
)
JOIN = typer.Option("--join", help="Take the sensor files of a folder as one recording.")


def parse_features(text: str | None) -> Feature | None:
    """Read a front end, such as ``spectrum(fmin=10)+statistics``.

    Raises
    ------
    InputError
        If a name or a parameter is not known.
    """
    if text is None:
        return None
    from offkey import features
    from offkey.features import Concatenate, Feature

    kinds = [getattr(features, name) for name in features.__all__ if name not in ("Concatenate", "Embedding")]
    known = {kebab(kind.__name__): kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Feature)}
    known.pop("feature")
    parts = tuple(_made(part, known) for part in split_outside_brackets(text, "+"))
    if not parts:
        raise InputError(f"The features {text!r} were given. There are: {', '.join(known)}.")
    return parts[0] if len(parts) == 1 else Concatenate(parts)


def make_reading(
    channels: str | None,
    unit: str | None,
    time: str | None,
    split_by: str | None,
    missing: str | None,
    join: bool,
    speed: str | None,
    pulses: int | None,
) -> Reading | None:
    """Return how sensor files are read, by options; None if none is given.

    Raises
    ------
    InputError
        If a value makes no sense.
    """
    from offkey.signals import Reading

    units = None if unit is None else [each.strip() for each in unit.split(",")]
    options: dict[str, Any] = {
        "channels": None if channels is None else tuple(name.strip() for name in channels.split(",")),
        "unit": units[0] if units and len(units) == 1 else units,
        "time": time,
        "group": split_by,
        "missing": missing,
        "join": join or None,
        "speed": speed,
        "pulses_per_revolution": pulses,
    }
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        return None
    reading = Reading(**given)
    reading.check()
    return reading


def make_shaft(shaft_hz: float | None, bearings: Sequence[str]) -> Shaft | None:
    """Return what turns in a machine, by options; None if nothing is known.

    Raises
    ------
    InputError
        If a bearing cannot be read, or one is given without the speed of its shaft.
    """
    from offkey.rotation import Shaft

    if shaft_hz is None:
        if bearings:
            raise InputError("A bearing was given without the speed of its shaft. Add --shaft-hz: rpm / 60.")
        return None
    return Shaft(shaft_hz, [_bearing(text) for text in bearings])


def _bearing(text: str) -> Bearing:
    from offkey.rotation import Bearing

    number, diameter, pitch, angle, name = [*(part.strip() for part in text.split(",", 4)), *[""] * 5][:5]
    try:
        geometry = int(number), float(diameter), float(pitch), float(angle or 0)
    except ValueError as error:
        raise InputError(
            f"The bearing {text!r} was given. Write number, diameter and pitch diameter of its elements: 9,7.94,39.04."
        ) from error
    return Bearing(*geometry, name)


def _made(text: str, known: dict[str, Any]) -> Any:
    name, values = parse_call(text, "front end", "spectrum(fmin=10)")
    kind = known.get(name.lower())
    if kind is None:
        raise InputError(f"The front end {name!r} was asked for. There are: {', '.join(known)}.")
    unknown = [key for key in values if key not in inspect.signature(kind).parameters]
    if unknown:
        parameters = ", ".join(inspect.signature(kind).parameters)
        raise InputError(f"The front end {name} has no parameter {unknown[0]!r}. It has: {parameters}.")
    made = kind(**values)
    try:
        made.unfitted().fit(TRIAL_HZ)
    except TypeError:
        raise InputError(
            f"The front end {text!r} was given. A parameter of it is not of the kind that is needed: write numbers as "
            "spectrum(fmin=10), channels as spectrum(channels=[0])."
        ) from None
    except InputError:  # at another rate it may fit
        pass
    return made

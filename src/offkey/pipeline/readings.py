"""How a pipeline reads sensor files, and which recordings go with it."""

from __future__ import annotations

from collections.abc import Sequence

from offkey.errors import InputError
from offkey.pipeline.sources import Source
from offkey.signals import Reading

__all__ = ["misfit", "rate_of_blocks", "reading_at", "reading_of"]


def reading_at(reading: Reading | None, rate: float | None) -> Reading:
    """Return how sensor files are read, with a rate in hertz for those that state none."""
    given = reading or Reading()
    return given if given.rate or rate is None else given.unfitted().set_params(rate=rate)


def reading_of(reading: Reading, channels: Sequence[str]) -> Reading:
    """Return a reading of just these channels, by name and in this order, whatever else a file holds."""
    if reading.channels or all(name.isdigit() for name in channels):
        return reading
    return reading.unfitted().set_params(channels=tuple(channels))


def rate_of_blocks(given: float | None, rate: float, reading: Reading) -> float:
    """Return the rate of the blocks of a stream: as given, or that of the pipeline.

    Raises
    ------
    InputError
        If the pipeline hears by angle, and blocks come by time.
    """
    if reading.by_angle and given not in (None, rate):
        raise InputError(
            f"A stream of {given:g} Hz was asked for; the pipeline hears by the angle of a shaft, {rate:g} samples a "
            "revolution. Push what an offkey.signals.OrderTracker gives, and leave the rate out."
        )
    return given or rate


def misfit(source: Source, channels: Sequence[str], units: Sequence[str], reading: Reading, others: str) -> str | None:
    """Say why a recording does not go with others that have these channels and units; None if it does.

    Names that are but numbers, and units that are not known, go with all. What is read by the angle of
    a shaft needs its speed.
    """
    n_channels = len(channels)
    if reading.by_angle and not source.by_angle:
        return "tells no speed of the shaft by whose angle signals are heard; give a sensor file that does."
    if source.n_channels != n_channels:
        return f"has {source.n_channels} channels, {others} {n_channels}."
    for own, usual, unit, usual_unit in zip(source.channels, channels, source.units, units, strict=True):
        if own != usual and not own.isdigit() and not usual.isdigit():
            return f"has the channels {', '.join(source.channels)}; {others} {', '.join(channels)}."
        if unit and usual_unit and unit != usual_unit:
            what = f"channel {own}" if own.isdigit() else own
            return f"measures {what} in {unit}, {others} it in {usual_unit}: convert it, or state the unit."
    return None

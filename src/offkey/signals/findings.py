"""What is wrong with a sensor or a recording, and not with the machine: findings, by what normal recordings show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.signals.health import HELD_S, MAINS_HZ, Health

__all__ = ["Finding", "NormalHealth", "channel_label", "find_faults", "gain_finding", "swapped_channels"]

Array = NDArray[np.float64]

HUM_RISES_DB, HUM_ABOVE_NORMAL_DB = 10.0, 6.0
LEAST_CLIPPED = 1e-5
"""Part of the samples that must be clipped."""
FAR_DB, LOST_DB = 10.0, 30.0
"""Softer or louder than all normal recordings by so much is remarkable; softer by that, the sensor is hardly there."""
USUALLY_CONSTANT = 0.2
"""A channel that is constant in so many normal recordings, such as a set point, may be."""
SWAPPED, TIMES_BETTER, LEAST_RANGE_DB = 3.0, 5.0, 1.0
"""A channel is off by so many of its normal ranges, and another's fit so many times better; no range is narrower."""
SLOW_HZ = 10.0
"""Of what is sampled more slowly, temperatures and such, the mean is what is measured, and no matter of the sensor."""
SOUND, SUPPLY = ("FS", "Pa"), ("A", "V", "mA", "mV", "kA", "kV")
"""Units of sound; and of currents and voltages, which hold the lines of mains anyway."""


@final
@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a sensor or a recording, not with the machine.

    Attributes
    ----------
    kind : str
        ``"constant"``, ``"silent"``, ``"dropout"``, ``"clipping"``, ``"level"``, ``"offset"``, ``"hum"``, ``"gain"`` or
        ``"swapped"``.
    channel : int
        Which channel.
    sentence : str
        What was measured, and what to check.
    """

    kind: str
    channel: int
    sentence: str


@final
@dataclass(frozen=True)
class NormalHealth:
    """What is usual of the recordings that a pipeline was fitted on; arrays (n_channels,) unless said otherwise.

    Attributes
    ----------
    softest, loudest : array
        Least and largest level that is not zero, in the samples' unit; infinite and 0 where the channel was dead.
    offset, offset_range : array
        Median, and largest distance from it.
    clipped, held_s : array
        Largest of all; of ``held_s`` those that were not silent throughout.
    constant : array
        Part of the recordings that are constant.
    hum_db : array, shape (n_channels, 2)
        Largest of all.
    """

    softest: Array
    loudest: Array
    offset: Array
    offset_range: Array
    clipped: Array
    held_s: Array
    constant: Array
    hum_db: Array

    @classmethod
    def of(cls, healths: Sequence[Health]) -> Self:
        """Sum up the health of recordings, at least one."""
        levels = np.stack([each.level for each in healths])
        offsets = np.stack([each.offset for each in healths])
        offset = np.median(offsets, axis=0)
        clipped, held_s, hum_db = (
            np.stack([getattr(each, name) for each in healths]) for name in ("clipped", "held_s", "hum_db")
        )
        return cls(
            np.where(levels > 0, levels, np.inf).min(axis=0), levels.max(axis=0), offset,
            np.abs(offsets - offset).max(axis=0), clipped.max(axis=0), np.where(levels > 0, held_s, 0).max(axis=0),
            np.mean([_is_constant(each) for each in healths], axis=0), hum_db.max(axis=0),
        )  # fmt: skip


def find_faults(
    health: Health,
    normal: NormalHealth | None = None,
    names: Sequence[str] = (),
    units: Sequence[str] = (),
    misfit: Array | None = None,
    rate: float = math.inf,
    by_angle: bool = False,
) -> tuple[Finding, ...]:
    """Return what is wrong with the sensors, as far as normal recordings do not have it too.

    Of a channel that was dead in all normal recordings nothing can be said.

    Parameters
    ----------
    health : Health
        Of a recording.
    normal : NormalHealth, optional
        Of normal recordings; without it, level, offset and hum have nothing to be held against.
    names, units : sequence of str
        Of all channels; numbered, and of sound at full scale, if not given.
    misfit : array, shape (n_channels, n_channels), optional
        As for `swapped_channels`.
    rate : float
        In hertz; of slow signals (below 10 Hz), level, offset and flat tops are no matter of the sensor.
    by_angle : bool
        Whether samples are at equal angles of a shaft: seconds are revolutions then, and nothing is the hum of mains.
    """
    swaps = swapped_channels(health, normal, misfit) if normal is not None else ()
    moved = {channel for swap in swaps for channel in swap}
    is_slow = rate < SLOW_HZ and not by_angle
    channels = [_Channel(i, health, normal, names, units, is_slow, by_angle) for i in range(len(health.level))]
    single = [each for channel in channels for each in channel.findings()]
    kept = [each for each in single if each.channel not in moved or each.kind not in ("level", "offset", "silent")]
    return (*kept, *(Finding("swapped", swap[0], _swapped_sentence(swap, names)) for swap in swaps))


def swapped_channels(health: Health, normal: NormalHealth, misfit: Array | None = None) -> tuple[tuple[int, ...], ...]:
    """Return sets of channels that have changed places: each fits the figures of another far better than its own.

    Figures are level and offset, and what ``misfit`` tells. Each of the channels must lie outside its own normal
    range by three times its width or more, and five times nearer to that of the one whose place it has. What all
    channels or one of them do does not look like that.

    Parameters
    ----------
    health, normal : Health, NormalHealth
        Of a recording, and of normal ones.
    misfit : array, shape (n_channels, n_channels), optional
        How far each channel (row) lies outside the normal range of each (column), over the width of that: of spectra.
    """
    n_channels = len(health.level)
    usable = (health.level > 0) & (normal.loudest > 0)
    off = _misfit(health, normal) if misfit is None else np.maximum(_misfit(health, normal), misfit)
    off = np.where(usable[:, None] & usable, off, np.inf)
    own, best = np.diag(off), off.argmin(axis=1)
    is_moved = usable & (own >= SWAPPED) & (off[np.arange(n_channels), best] <= own / TIMES_BETTER)
    found: list[tuple[int, ...]] = []
    for first in np.flatnonzero(is_moved).tolist():
        circle = [first]
        while is_moved[circle[-1]] and best[circle[-1]] not in circle:
            circle.append(int(best[circle[-1]]))
        closes = bool(is_moved[circle[-1]]) and best[circle[-1]] == first
        if closes and first == min(circle):
            found.append(tuple(sorted(circle)))
    return tuple(found)


def channel_label(channel: int, names: Sequence[str]) -> str:
    """Return what a channel is called in a sentence: its name, or "channel 0" where that is a number.

    Examples
    --------
    >>> channel_label(2, ("x", "y", "z")), channel_label(0, ("0", "1")), channel_label(1, ())
    ('z', 'channel 0', 'channel 1')
    """
    name = str(names[channel]) if channel < len(names) else ""
    return name if name and not name.isdigit() else f"channel {channel}"


def gain_finding(
    shift_db: Array,
    spread_db: Array,
    usual_db: Array,
    channels: Sequence[int],
    names: Sequence[str],
    units: Sequence[str] = (),
) -> tuple[Finding, ...]:
    """Return the channels in which all bands alike are louder or softer than normal.

    Parameters
    ----------
    shift_db : array, shape (n_heard,)
        Median over bands of the level less the normal one.
    spread_db : array, shape (n_heard,)
        How far bands differ in that: half the distance of their quartiles.
    usual_db : array, shape (n_heard,)
        Largest shift of normal recordings.
    channels : sequence of int
        Which channels of the signal these are.
    names, units : sequence of str
        Of all channels of the signal.
    """
    return tuple(
        Finding(
            "gain",
            channel,
            f"{_subject(channel, names, 'the whole spectrum')} is {shift:+.0f} dB off, all bands alike "
            f"(normal: up to {usual:.0f} dB): gain changed, {_sensor(channel, units)} moved or "
            f"{'covered' if _is_sound(channel, units) else 'loose'}?",
        )
        for channel, shift, spread, usual in zip(channels, shift_db, spread_db, usual_db, strict=True)
        if abs(shift) > max(FAR_DB / 2, usual + FAR_DB / 4) and spread < abs(shift) / 4
    )


@final
@dataclass(frozen=True)
class _Channel:
    """One channel of a recording, beside normal ones."""

    number: int
    health: Health
    normal: NormalHealth | None
    names: Sequence[str]
    units: Sequence[str]
    is_slow: bool
    by_angle: bool

    def findings(self) -> Iterator[Finding]:
        health, normal, channel = self.health, self.normal, self.number
        held = float(health.held_s[channel])
        if normal is not None and float(normal.loudest[channel]) == 0:
            return
        if _is_constant(health)[channel]:
            if normal is None or normal.constant[channel] < USUALLY_CONSTANT:
                others = np.delete(health.level, channel)
                lost = " (the other channels are not)" if len(others) and (others > 0).all() else ""
                value = self._value(health.offset[channel], ".3g")
                yield self._found("constant", f"is constant at {value}{lost}: dead or unplugged sensor?")
            return
        if normal is not None:
            yield from self._levels(normal) if not self.is_slow else ()
            yield from self._hum(normal)
        usual = float(normal.held_s[channel]) if normal is not None else 0.0
        if held > (2 * usual if self.is_slow else usual) + HELD_S / 2:
            at = float(health.held_at_s[channel])
            unit = "revolutions" if self.by_angle else "s"
            yield self._found("dropout", f"stands still for {held:.3g} {unit} from {at:.2f} {unit} on: dropout?")
        clipped = 0.0 if self.is_slow else float(health.clipped[channel])
        if clipped > max(LEAST_CLIPPED, 2 * float(normal.clipped[channel]) if normal is not None else 0.0):
            advice = "lower the gain" if self._is_sound else "use a wider range, or a lower gain"
            share = f"{_percent(clipped)} of the samples"
            yield self._found(
                "clipping", f"is clipped at {self._value(health.peak[channel], '.2g')} ({share}): {advice}."
            )

    def _levels(self, normal: NormalHealth) -> Iterator[Finding]:
        health, channel = self.health, self.number
        level, softest, loudest = (
            _decibels(each[channel]) for each in (health.level, normal.softest, normal.loudest)
        )  # fmt: skip
        soft, loud = ("softer than the softest", "louder than the loudest")
        if not self._is_sound:
            soft, loud = ("weaker than the weakest", "stronger than the strongest")
        if level < softest - LOST_DB:
            quiet = "nearly silent" if self._is_sound else "nearly still"
            lost = f"is {quiet}, {softest - level:.0f} dB below the {soft.split()[-1]} normal recording"
            yield self._found("silent", f"{lost}: dead or unplugged {_sensor(channel, self.units)}?")
        elif not softest - FAR_DB <= level <= loudest + FAR_DB:
            off, word = (level - loudest, loud) if level > loudest else (level - softest, soft)
            yield self._found("level", f"is {abs(off):.0f} dB {word} normal recording: check gain and position.")
        offset = float(health.offset[channel] - normal.offset[channel])
        if abs(offset) > max(3 * float(normal.offset_range[channel]), float(normal.loudest[channel])):
            advice = "check the input" if self._is_sound else "check the input, and whether the sensor was moved"
            yield self._found("offset", f"has an offset of {self._value(offset, '+.2g')} against normal: {advice}.")

    def _hum(self, normal: NormalHealth) -> Iterator[Finding]:
        if self.by_angle or (self.number < len(self.units) and self.units[self.number] in SUPPLY):
            return
        for column, mains in enumerate(MAINS_HZ):
            hum, usual = float(self.health.hum_db[self.number, column]), float(normal.hum_db[self.number, column])
            is_clear = self.health.hum_rise_db[self.number, column] > HUM_RISES_DB and math.isfinite(usual)
            if is_clear and hum > usual + HUM_ABOVE_NORMAL_DB:
                turning = "" if self._is_sound else ", if nothing turns at that speed"
                yield self._found(
                    "hum",
                    f"holds mains hum of {mains} Hz and its harmonics, {hum:.0f} dB of its power (normal: at most "
                    f"{usual:.0f} dB): check grounding and cable{turning}.",
                )

    def _found(self, kind: str, what: str) -> Finding:
        names = self.names or [str(i) for i in range(len(self.health.level))]
        return Finding(kind, self.number, f"{_subject(self.number, names, 'the signal')} {what}")

    def _value(self, value: float, digits: str) -> str:
        unit = self.units[self.number] if self.number < len(self.units) else ""
        return f"{float(value):{digits}} {'' if unit == 'FS' else unit}".rstrip()

    @property
    def _is_sound(self) -> bool:
        return _is_sound(self.number, self.units)


def _swapped_sentence(swap: Sequence[int], names: Sequence[str]) -> str:
    labels = [channel_label(channel, names) for channel in swap]
    return (
        f"{', '.join(labels[:-1])} and {labels[-1]} seem to be swapped, each is as another normally is: "
        "check the cables, or the order of the columns."
    )


def _misfit(health: Health, normal: NormalHealth) -> Array:
    """Return how far each channel (row) lies outside the normal range of each (column), over the width of that."""
    level, softest, loudest = (_decibels(each)[:, None] for each in (health.level, normal.softest, normal.loudest))
    outside = np.maximum(np.maximum(level - loudest.T, softest.T - level), 0)
    by_level = outside / np.maximum(loudest - softest, LEAST_RANGE_DB).T
    distance = np.maximum(np.abs(health.offset[:, None] - normal.offset) - normal.offset_range, 0)
    return np.asarray(np.maximum(by_level, distance / np.maximum(2 * normal.offset_range, normal.softest)))


def _is_constant(health: Health) -> NDArray[np.bool_]:
    """Return which channels stand still all the time."""
    return np.asarray((health.level == 0) | (health.held_s >= 0.99 * max(health.duration_s, 1e-30)))


def _decibels(value: Array | float) -> Any:
    return 20 * np.log10(np.clip(value, 1e-30, 1e30))


def _is_sound(channel: int, units: Sequence[str]) -> bool:
    return channel >= len(units) or units[channel] in SOUND


def _sensor(channel: int, units: Sequence[str]) -> str:
    return "microphone" if _is_sound(channel, units) else "sensor"


def _subject(channel: int, names: Sequence[str], alone: str) -> str:
    return alone if len(names) <= 1 else f"{channel_label(channel, names)}: {alone}"


def _percent(share: float) -> str:
    return f"{float(f'{100 * share:.2g}'):g} %"

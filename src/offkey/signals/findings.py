"""What is wrong with a sensor or a recording, and not with the machine: findings, by what normal recordings show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.signals.health import HELD_S, MAINS_HZ, Health

__all__ = ["Finding", "NormalHealth", "find_faults", "gain_finding"]

Array = NDArray[np.float64]

HUM_RISES_DB, HUM_ABOVE_NORMAL_DB = 10.0, 6.0
LEAST_CLIPPED = 1e-5
"""Part of the samples that must be clipped."""
FAR_DB, LOST_DB = 10.0, 30.0
"""Softer or louder than all normal recordings by so much is remarkable; softer by that, the sensor is hardly there."""


@final
@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a sensor or a recording, not with the machine.

    Attributes
    ----------
    kind : str
        ``"constant"``, ``"silent"``, ``"dropout"``, ``"clipping"``, ``"level"``, ``"offset"``, ``"hum"`` or ``"gain"``.
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
    hum_db : array, shape (n_channels, 2)
        Largest of all.
    """

    softest: Array
    loudest: Array
    offset: Array
    offset_range: Array
    clipped: Array
    held_s: Array
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
            hum_db.max(axis=0),
        )  # fmt: skip


def find_faults(health: Health, normal: NormalHealth | None = None) -> tuple[Finding, ...]:
    """Return what is wrong with the sensors, as far as normal recordings do not have it too.

    Of a channel that was dead in all normal recordings nothing can be said.

    Parameters
    ----------
    health : Health
        Of a recording.
    normal : NormalHealth, optional
        Of normal recordings; without it, level, offset and hum have nothing to be held against.
    """
    return tuple(finding for channel in range(len(health.level)) for finding in _of_channel(health, normal, channel))


def gain_finding(
    shift_db: Array, spread_db: Array, usual_db: Array, channels: Sequence[int], n_channels: int
) -> tuple[Finding, ...]:
    """Return the channels in which all bands alike are louder or softer than normal.

    Parameters
    ----------
    shift_db : array, shape (n_channels,)
        Median over bands of the level less the normal one.
    spread_db : array, shape (n_channels,)
        How far bands differ in that: half the distance of their quartiles.
    usual_db : array, shape (n_channels,)
        Largest shift of normal recordings.
    channels : sequence of int
        Which channels of the signal these are.
    n_channels : int
        How many channels the signal has.
    """
    return tuple(
        Finding(
            "gain",
            channel,
            f"{_subject(channel, n_channels, 'the whole spectrum')} is {shift:+.0f} dB off, all bands alike "
            f"(normal: up to {usual:.0f} dB): gain changed, microphone moved or covered?",
        )
        for channel, shift, spread, usual in zip(channels, shift_db, spread_db, usual_db, strict=True)
        if abs(shift) > max(FAR_DB / 2, usual + FAR_DB / 4) and spread < abs(shift) / 4
    )


def _of_channel(health: Health, normal: NormalHealth | None, channel: int) -> Iterator[Finding]:
    n_channels = len(health.level)
    level, held = float(health.level[channel]), float(health.held_s[channel])
    subject = _subject(channel, n_channels, "the signal")
    if normal is not None and float(normal.loudest[channel]) == 0:
        return
    if level == 0 or held >= 0.99 * health.duration_s > 0:
        value = float(health.offset[channel])
        others = np.delete(health.level, channel)
        lost = " (the other channels are not)" if n_channels > 1 and (others > 0).all() else ""
        yield Finding("constant", channel, f"{subject} is constant at {value:.3g}{lost}: dead or unplugged sensor?")
        return
    if normal is not None:
        yield from _against_normal(health, normal, channel, subject)
    if held > (normal.held_s[channel] if normal is not None else 0) + HELD_S / 2:
        at = float(health.held_at_s[channel])
        yield Finding("dropout", channel, f"{subject} stands still for {held:.3g} s from {at:.2f} s on: dropout?")
    clipped = float(health.clipped[channel])
    if clipped > max(LEAST_CLIPPED, 2 * float(normal.clipped[channel]) if normal is not None else 0.0):
        yield Finding(
            "clipping",
            channel,
            f"{subject} is clipped at {health.peak[channel]:.2g} ({_percent(clipped)} of the samples): lower the gain.",
        )


def _against_normal(health: Health, normal: NormalHealth, channel: int, subject: str) -> Iterator[Finding]:
    level, softest, loudest = (
        20 * math.log10(max(float(value), 1e-30))
        for value in (health.level[channel], normal.softest[channel], normal.loudest[channel])
    )
    if level < softest - LOST_DB:
        lost = f"{subject} is nearly silent, {softest - level:.0f} dB below the softest normal recording"
        yield Finding("silent", channel, f"{lost}: dead or unplugged microphone?")
    elif not softest - FAR_DB <= level <= loudest + FAR_DB:
        off = level - loudest if level > loudest else level - softest
        word = "louder than the loudest" if off > 0 else "softer than the softest"
        yield Finding(
            "level", channel, f"{subject} is {abs(off):.0f} dB {word} normal recording: check gain and position."
        )
    offset = float(health.offset[channel] - normal.offset[channel])
    if abs(offset) > max(3 * float(normal.offset_range[channel]), float(normal.loudest[channel])):
        yield Finding("offset", channel, f"{subject} has an offset of {offset:+.2g} against normal: check the input.")
    for column, mains in enumerate(MAINS_HZ):
        hum, usual = float(health.hum_db[channel, column]), float(normal.hum_db[channel, column])
        is_clear = health.hum_rise_db[channel, column] > HUM_RISES_DB and math.isfinite(usual)
        if is_clear and hum > usual + HUM_ABOVE_NORMAL_DB:
            yield Finding(
                "hum",
                channel,
                f"{subject} holds mains hum of {mains} Hz and its harmonics, {hum:.0f} dB of its power (normal: at "
                f"most {usual:.0f} dB): check grounding and cable.",
            )


def _subject(channel: int, n_channels: int, alone: str) -> str:
    return alone if n_channels == 1 else f"channel {channel}: {alone}"


def _percent(share: float) -> str:
    return f"{float(f'{100 * share:.2g}'):g} %"

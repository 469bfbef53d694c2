"""Named values, such as a kurtosis or a temperature, that lie outside their normal range, in words and units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.explain.wording import Spans, Wording
from offkey.features import Feature
from offkey.features.base import UNIT_OF_SIGNAL
from offkey.pipeline.ranges import STATISTICS, NormalRanges
from offkey.signals import Clip
from offkey.signals.findings import channel_label
from offkey.windows import WindowArray, WindowGrid

__all__ = ["BrokenRelation", "OddValue", "ValueDescriber", "ValueProfile", "band_name", "unit_of", "unscaled"]

Array = NDArray[np.float64]

ONE_OF_FRAME = "value "
"""So begin the names of bands that `Raw` has where frames hold several samples."""


@final
@dataclass(frozen=True)
class OddValue:
    """A value of a window that is not as in normal recordings.

    Attributes
    ----------
    sentence : str
        Channel, what it is, its value, the normal range and when.
    name : str
        What it is: ``"kurtosis"``, ``"standard deviation"``.
    channel, band : int
        Of the frames.
    statistic : str
        Over the window: ``"mean"`` or ``"std"``, standard deviation.
    value, low, high : float
        Of the strangest window; 1 % and 99 % of normal ones.
    unit : str
        Of these; ``""`` where there is none, or none is known.
    spans_s : tuple of (float, float)
        When, in seconds of the recording.
    strength : float
        How significant: nine in ten normal recordings have none above 1.
    """

    sentence: str
    name: str
    channel: int
    band: int
    statistic: str
    value: float
    low: float
    high: float
    unit: str
    spans_s: Spans
    strength: float


@final
@dataclass(frozen=True)
class BrokenRelation:
    """Channels that do not go together as in normal recordings, though each of them is in its range.

    Attributes
    ----------
    sentence : str
        Which, and when.
    channels : tuple of int
        Of the frames: the one that has the largest part in it, and the one that normally goes most with it.
    spans_s : tuple of (float, float)
        When, in seconds of the recording.
    strength : float
        How significant: nine in ten normal recordings have none above 1.
    """

    sentence: str
    channels: tuple[int, ...]
    spans_s: Spans
    strength: float


@final
@dataclass(frozen=True)
class ValueProfile:
    """What named values are like in windows of normal recordings.

    Attributes
    ----------
    names : tuple of str, length n_bands
        What they are called.
    units : tuple of (tuple of str), shape (n_bands, n_channels)
        Their units.
    quantiles : array, shape (3, 2, n_bands, n_channels)
        1 %, 50 % and 99 % of means and of standard deviations over a window.
    """

    names: tuple[str, ...]
    units: tuple[tuple[str, ...], ...]
    quantiles: Array

    @classmethod
    def of(cls, ranges: NormalRanges, feature: Feature, units: Sequence[str]) -> Self:
        """Return them for a fitted front end and a signal of these units."""
        n_bands, n_channels = ranges.quantiles.shape[2:]
        state, quantiles = feature.fitted_state, ranges.quantiles
        if "scale_" in state:
            centre = state["centre_"]
            quantiles = quantiles * state["scale_"] + np.stack([centre, np.zeros_like(centre)])
        named = tuple(tuple(unit_of(feature, units, b, c) for c in range(n_channels)) for b in range(n_bands))
        return cls(tuple(band_name(feature, band) for band in range(n_bands)), named, quantiles)


@final
@dataclass(frozen=True)
class ValueDescriber:
    """Finds the values of a recording that lie furthest outside their normal range.

    Parameters
    ----------
    ranges : NormalRanges
        Of normal windows.
    frames : array, shape (n_frames, n_bands, n_channels)
        Of the recording, as scaled by the front end.
    times : array, shape (n_frames,)
        Middle of each frame in seconds.
    feature : Feature
        The front end.
    grid : WindowGrid
        Of the pipeline.
    clip : Clip
        What was looked at.
    start_s : float
        Where in the recording the clip begins.
    is_whole : tuple of (bool, bool)
        Whether the clip begins where the recording does, and ends where it does.
    wording : Wording
        How times are told.
    """

    ranges: NormalRanges
    frames: NDArray[np.float32]
    times: Array
    feature: Feature
    grid: WindowGrid
    clip: Clip
    start_s: float
    is_whole: tuple[bool, bool]
    wording: Wording

    def odd_values(self, n: int) -> tuple[OddValue, ...]:
        """Return the values that lie furthest out, one of each channel, the most significant first, at most ``n``.

        A mean that is clearly outside normal goes before standard deviations, which tell of its steps too.
        """
        windows = WindowArray(self.frames, [(0, len(self.frames))], self.grid)
        far = self.ranges.departures(windows)
        furthest = np.abs(far).max(axis=0)
        chosen = []
        for channel in range(far.shape[3]):
            own = furthest[:1, :, channel] if furthest[0, :, channel].max() > 1 else furthest[:, :, channel]
            statistic, band = (int(i) for i in np.unravel_index(own.argmax(), own.shape))
            if own.max() > 0:  # a channel that stands still as it always does departs from nothing
                chosen.append((float(own.max()), channel, statistic, band))
        chosen.sort(key=lambda each: -each[0])
        return tuple(self._told(far, windows.starts, *each[1:]) for each in chosen[:n])

    def broken_relation(self) -> BrokenRelation | None:
        """Return what the channels' means are not together, where none of them is outside its own range."""
        windows = WindowArray(self.frames, [(0, len(self.frames))], self.grid)
        far, shares = self.ranges.joint_departures(windows)
        is_inside = np.abs(self.ranges.departures(windows)[:, 0]).max(axis=(1, 2)) <= 1
        inside = np.where(is_inside, far, 0.0)
        strangest = int(inside.argmax())
        if inside[strangest] <= 1:
            return None
        channel = int(shares[strangest].argmax())
        partner = self.ranges.partner(channel)
        channels = (channel,) if partner is None else (channel, partner)
        name, *other = (channel_label(self.feature.signal_channel(each), self.clip.channels) for each in channels)
        spans = self._spans(far, windows.starts, strangest, None, 0.0)
        when, _ = self.wording.when(spans, self.start_s, self.start_s + self.clip.duration_s, self.is_whole)
        with_what = other[0] if other else "the other channels"
        sentence = f"{name} does not go with {with_what} as it normally does, though each is in its range, {when}"
        return BrokenRelation(sentence, channels, spans, float(inside[strangest]))

    def _told(self, far: Array, starts: NDArray[np.int64], channel: int, statistic: int, band: int) -> OddValue:
        off = far[:, statistic, band, channel]
        strangest = int(np.abs(off).argmax())
        at = self.ranges.quantiles[:, statistic, band, channel]
        frames = self.frames[:, band, channel].astype(np.float64)
        inside = frames[starts[strangest] : starts[strangest] + self.grid.n_frames]
        made = float(inside.mean() if statistic == 0 else inside.std())
        value, low, high = self._in_unit(np.array([made, at[0], at[2]]), statistic, band, channel)
        spans = self._spans(off, starts, strangest, frames if statistic == 0 else None, float(at[1]))
        unit, strength = unit_of(self.feature, self.clip.units, band, channel), float(abs(off[strangest]))
        stop_s = self.start_s + self.clip.duration_s
        when, _ = self.wording.when(spans, self.start_s, stop_s, self.is_whole)
        own = self.feature.signal_channel(channel)
        label = f"{channel_label(own, self.clip.channels)}: " if self.clip.n_channels > 1 else ""
        numbers = _alike(value, low, high)
        measured = f"{numbers[0]} {unit}".rstrip()
        name = self._what(band, statistic)
        sentence = f"{label}{name} {measured}, normal {numbers[1]} to {numbers[2]}, {when}"
        return OddValue(
            sentence, name, channel, band, STATISTICS[statistic], value, low, high, unit, spans, strength
        )  # fmt: skip

    def _what(self, band: int, statistic: int) -> str:
        name = band_name(self.feature, band)
        if statistic == 0:
            return f"mean of {name}" if name.startswith("sample ") else name
        return "standard deviation" if name == "mean" else f"standard deviation of the {name}"

    def _in_unit(self, values: Array, statistic: int, band: int, channel: int) -> list[float]:
        state = self.feature.fitted_state
        if "scale_" not in state:
            return [float(value) for value in values]
        scale, centre = (float(state[name][band, channel]) for name in ("scale_", "centre_"))
        return [float(value * scale + (centre if statistic == 0 else 0.0)) for value in values]

    def _spans(
        self, off: Array, starts: NDArray[np.int64], strangest: int, frames: Array | None, median: float
    ) -> Spans:
        """Return when windows around the strangest are half as strange, or more; of means, by the frame."""
        is_odd = off * np.sign(off[strangest]) > max(abs(float(off[strangest])) / 2, 1e-12)
        first, last = strangest, strangest
        while first > 0 and is_odd[first - 1]:
            first -= 1
        while last + 1 < len(is_odd) and is_odd[last + 1]:
            last += 1
        start, stop = int(starts[first]), int(starts[last]) + self.grid.n_frames
        if frames is not None:
            towards = np.sign(off[strangest]) * (frames[start:stop] - median)
            window = towards[starts[strangest] - start :][: self.grid.n_frames]
            beyond = np.flatnonzero(towards > window.mean() / 2)
            if len(beyond):  # of what rounding alone moves there are none
                start, stop = start + int(beyond[0]), start + int(beyond[-1]) + 1
        half = float(self.times[1] - self.times[0]) / 2 if len(self.times) > 1 else self.clip.duration_s / 2
        begin_s = self.start_s if start == 0 else float(self.times[start]) - half
        end_s = self.start_s + self.clip.duration_s
        return ((begin_s, end_s if stop == len(self.times) else float(self.times[stop - 1]) + half),)


def unscaled(frames: NDArray[np.float32], feature: Feature) -> Array:
    """Return frames (n_frames, n_bands, n_channels) in the units that the front end made them in."""
    state = feature.fitted_state
    if "scale_" not in state:
        return frames.astype(np.float64)
    return np.asarray(frames * state["scale_"] + state["centre_"], np.float64)


def band_name(feature: Feature, band: int) -> str:
    """Return the name of a band; the samples themselves are told of by their mean."""
    name = str(feature.fitted_state["band_names_"][band])
    if name.startswith(ONE_OF_FRAME):
        return f"sample {name.removeprefix(ONE_OF_FRAME)} of each frame"
    return f"level at {name}" if name.endswith(" Hz") else "mean" if name == "value" else name


def unit_of(feature: Feature, units: Sequence[str], band: int, channel: int) -> str:
    """Return the unit of a value; of full scale none is told."""
    unit = str(feature.fitted_state["band_units_"][band])
    own = units[feature.signal_channel(channel)]
    return unit if unit != UNIT_OF_SIGNAL else "" if own == "FS" else own


def _alike(value: float, low: float, high: float) -> list[str]:
    """Write three numbers with as many decimals as tell the last two apart to a tenth of their distance."""
    step = (high - low) / 10 or abs(value - low) / 10 or 1.0
    decimals = min(8, max(0, -math.floor(math.log10(step))))
    return [f"{each:.{decimals}f}" for each in (value, low, high)]

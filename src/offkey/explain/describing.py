"""Deviations from normal sound, measured and put into words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.explain.wording import Spans, Wording
from offkey.features import Feature
from offkey.profile import FEWEST_PER_S, Deviation
from offkey.rotation import Line, Shaft
from offkey.signals import Clip
from offkey.signals.findings import channel_label

__all__ = ["Describer", "Peculiarity", "distinct"]

Array = NDArray[np.float64]

SMOOTHED_S, LONGEST_SMOOTHED_S, GAP_S = 0.2, 3.0, 0.3
"""How finely times are told."""
FLUCTUATION_DB = 22.0
"""Four times the standard deviation of the level of a line of noise (5.6 dB): over so many frames and bands is smoothed
that what is told of stands out of that."""
LEAST_DB = 1.0
"""Smaller changes are not told of."""
TONE_BANDS, TONE_WIDTH, TONE_SAMPLES = 4, 0.003, 16_384
"""A tone has half of the power of so few bands within so much of its frequency, in spectra of so many samples."""
LINE_BANDS = 2
"""A line of an envelope's spectrum is in so few bands."""
AGAINST = {
    "normal": "normal",
    "rest": "the rest of the recording",
    "spectrum": "what the other bands let expect",
}


@final
@dataclass(frozen=True)
class Peculiarity:
    """A stretch of time and frequency that is not as in normal sound.

    Attributes
    ----------
    sentence : str
        What was measured: kind, place, change and time.
    kind : str
        ``"tone"``, ``"hiss"``, ``"noise"``, ``"bursts"``, ``"modulation"`` (of an envelope) or ``"softer"``.
    channel : int
        Which channel of the frames.
    low_hz, high_hz : float
        Edges of the bands.
    spans_s : tuple of (float, float)
        When, in seconds of the recording.
    change_db : float
        Mean level less what it is held against; of a tone, in its own band.
    strength : float
        How significant: nine in ten normal recordings, of the length of those learned from, have none above 1.
    against : str
        ``"normal"``, or ``"rest"`` of the recording, or ``"spectrum"``: as of a `Deviation`.
    line : Line, optional
        Of the machine, where its shaft is known and one is clearly meant.
    """

    sentence: str
    kind: str
    channel: int
    low_hz: float
    high_hz: float
    spans_s: tuple[tuple[float, float], ...]
    change_db: float
    strength: float
    against: str
    line: Line | None = None


@final
@dataclass(frozen=True)
class Describer:
    """Measures deviations of a recording and puts them into words.

    Parameters
    ----------
    excess : array, shape (n_frames, n_bands, n_channels)
        Levels in dB over normal.
    times, edges_hz : array, shape (n_frames,), (n_bands + 1,)
        Middle of each frame in seconds, edges of the bands in hertz.
    clip : Clip
        The samples, that tones are told from noise by.
    start_s : float
        Where in the recording the clip begins.
    is_whole : tuple of (bool, bool)
        Whether the clip begins where the recording does, and ends where it does.
    feature : Feature
        The front end, which knows what channels of the signal it hears.
    wording : Wording
        How frequencies and times are told.
    shaft : Shaft, optional
        That lines are named by; by order, if frequencies are orders.
    """

    excess: Array
    times: Array
    edges_hz: Array
    clip: Clip
    start_s: float
    is_whole: tuple[bool, bool]
    feature: Feature
    wording: Wording
    shaft: Shaft | None = None

    def describe(self, found: Deviation) -> Peculiarity:
        """Return what is to be said of a deviation."""
        bands = slice(found.first_band, found.stop_band)
        active, change = self._when(found, bands)
        bands = self._which_bands(found, bands, active, change)
        active, change = self._when(found, bands)
        low, high = self._edges(bands)
        spans = self._spans(active)
        stop_s = self.start_s + self.clip.duration_s
        when, is_bursts = self.wording.when(spans, self.start_s, stop_s, self.is_whole)
        tone = None
        if change > 0 and bands.stop - bands.start <= TONE_BANDS and self.feature.spectrum_of == "signal":
            tone = self._tone(found.channel, low, high, spans)
            if tone:
                change = float(self._over_reference(found)[active, bands].mean(axis=0).max())
        line = self._line(found, bands, active, tone) if change > 0 else None
        kind = "tone" if tone else "bursts" if is_bursts else self._steady_kind(low, high)
        kind = "softer" if change < 0 else kind
        reference = AGAINST[found.against]
        level = f"{change:+.0f} dB over {reference}" if change > 0 else f"{-change:.0f} dB below {reference}"
        unit = "" if self.wording.by_angle else " Hz"
        name = f" ({line}{unit})" if line else ""
        sentence = f"{self._where(found, bands, active, kind, tone)}, {level}, {when}{name}"
        return Peculiarity(
            sentence, kind, found.channel, low, high, spans, change, found.strength, found.against, line
        )  # fmt: skip

    def _where(self, found: Deviation, bands: slice, active: NDArray[np.bool_], kind: str, tone: float | None) -> str:
        """Say in which channel and at what frequencies something is."""
        own, (low, high) = self.feature.signal_channel(found.channel), self._edges(bands)
        parts = [channel_label(own, self.clip.channels)] if self.clip.n_channels > 1 else []
        place = self.wording.tone(tone) if tone else self.wording.place(kind, low, high)
        if self.feature.spectrum_of == "envelope":
            parts.append(f"envelope{_passed(self.feature)}")
            if bands.stop - bands.start <= LINE_BANDS:
                middle = self._strongest_band(found, bands, active)
                place = self.wording.single((middle[0] + middle[1]) / 2)
        return f"{', '.join(parts)}: {place}" if parts else place

    def _line(self, found: Deviation, bands: slice, active: NDArray[np.bool_], tone: float | None) -> Line | None:
        """Return the line of the machine that a tone, or what is in few bands, is of."""
        if self.shaft is None:
            return None
        if tone:
            return self.shaft.name(tone, tone)
        if self.feature.spectrum_of == "envelope" and bands.stop - bands.start <= LINE_BANDS:
            return self.shaft.name(*self._strongest_band(found, bands, active))
        return self.shaft.name(*self._edges(bands))

    def _strongest_band(self, found: Deviation, bands: slice, active: NDArray[np.bool_]) -> tuple[float, float]:
        strongest = bands.start + int(self._over_reference(found)[active, bands].mean(axis=0).argmax())
        return self._edges(slice(strongest, strongest + 1))

    def _steady_kind(self, low: float, high: float) -> str:
        return "modulation" if self.feature.spectrum_of == "envelope" else self.wording.kind(low, high)

    def _over_reference(self, found: Deviation) -> Array:
        """Return levels (n_frames, n_bands) over what a deviation is held against."""
        excess, frames = self.excess[:, :, found.channel], slice(found.first_frame, found.stop_frame)
        if found.against == "rest":
            return np.asarray(excess - np.delete(excess, frames, axis=0).mean(axis=0))
        if found.against == "spectrum":
            return excess - float(excess[frames, found.first_band : found.stop_band].mean()) + found.change_db
        return excess

    def _when(self, found: Deviation, bands: slice) -> tuple[NDArray[np.bool_], float]:
        """Return in which frames a deviation is there, and its mean change there in dB."""
        change = self._over_reference(found)[:, bands].mean(axis=1)
        sign = 1.0 if found.change_db > 0 else -1.0
        n_needed = (FLUCTUATION_DB / max(abs(found.change_db), LEAST_DB)) ** 2 / (bands.stop - bands.start)
        frames_per_s = max(1 / self._frame_s, FEWEST_PER_S)
        size = round(np.clip(n_needed, SMOOTHED_S * frames_per_s, LONGEST_SMOOTHED_S * frames_per_s))
        size = max(1, min(size, len(change) // 4))
        padded = np.pad(sign * change, (size // 2, size - 1 - size // 2), "reflect")
        smooth = np.convolve(padded, np.full(size, 1 / size), "valid")
        inside = smooth[found.first_frame : found.stop_frame]
        half = max(float(np.quantile(inside, 0.9)), abs(found.change_db) / 2) / 2
        active = smooth > half
        if not active[found.first_frame : found.stop_frame].any():
            active[found.first_frame : found.stop_frame] = True
        return active, float(change[active].mean())

    def _which_bands(self, found: Deviation, bands: slice, active: NDArray[np.bool_], change: float) -> slice:
        """Return all neighbouring bands that change at least half as much while it is there."""
        if found.against == "spectrum":
            return bands
        size = self._over_reference(found)[active].mean(axis=0) * np.sign(change)
        enough = size >= abs(change) / 2
        first, stop = bands.start, bands.stop
        while first > 0 and enough[first - 1]:
            first -= 1
        while stop < len(enough) and enough[stop]:
            stop += 1
        while stop - first > 1 and not enough[first]:
            first += 1
        while stop - first > 1 and not enough[stop - 1]:
            stop -= 1
        return slice(first, stop)

    @property
    def _frame_s(self) -> float:
        return float(self.times[1] - self.times[0]) if len(self.times) > 1 else self.clip.duration_s

    def _edges(self, bands: slice) -> tuple[float, float]:
        return float(self.edges_hz[bands.start]), float(self.edges_hz[bands.stop])

    def _spans(self, active: NDArray[np.bool_]) -> Spans:
        """Return when frames are active, in seconds; what a short gap parts is one."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
        half = self._frame_s / 2
        ends = self.start_s, self.start_s + self.clip.duration_s
        spans: list[tuple[float, float]] = []
        for first, stop in zip(edges[::2], edges[1::2], strict=True):
            start = ends[0] if first == 0 else float(self.times[first] - half)
            end = ends[1] if stop == len(active) else float(self.times[stop - 1] + half)
            if spans and start - spans[-1][1] <= max(GAP_S, self._frame_s):
                spans[-1] = spans[-1][0], end
            else:
                spans.append((start, end))
        return tuple(spans)

    def _tone(self, channel: int, low: float, high: float, spans: Spans) -> float | None:
        """Return the frequency of a line that has most of the power in its bands, or None."""
        signal = self.clip.samples[self.feature.signal_channel(channel)]
        rate, longest = self.clip.rate, max(spans, key=lambda span: span[1] - span[0])
        part = signal[round((longest[0] - self.start_s) * rate) : round((longest[1] - self.start_s) * rate)]
        n_fft = min(TONE_SAMPLES, len(part))
        if low <= 0 or n_fft < 2 * rate / low:
            return None
        from scipy.fft import rfft, rfftfreq

        starts = np.arange(0, len(part) - n_fft + 1, max(1, n_fft // 2))
        pieces = np.stack([part[start : start + n_fft] for start in starts]) * np.hanning(n_fft)
        power, hz = np.square(np.abs(rfft(pieces, axis=1))).mean(axis=0), rfftfreq(n_fft, 1 / rate)
        inside = np.flatnonzero((hz >= low) & (hz <= high))
        peak = inside[power[inside].argmax()]
        near = inside[np.abs(inside - peak) <= max(2, TONE_WIDTH * peak)]
        return float(hz[peak]) if power[near].sum() > power[inside].sum() / 2 and len(near) < len(inside) else None


def _passed(feature: Feature) -> str:
    """Say which part of the signal an envelope is of."""
    state = feature.fitted_state
    if "pass_line_" not in state:
        return ""
    line_hz = state["rate_"] / feature.frame_samples
    low, high = (state["pass_line_"] + each for each in (0, len(state["pass_gain_"]) - 1))
    ends = [f"{float(f'{each * line_hz:.2g}'):g}" for each in (low, high)]
    if low * line_hz >= 995:
        ends = [f"{float(f'{each * line_hz / 1000:.2g}'):g}" for each in (low, high)]
        return f" of {'-'.join(ends)} kHz"
    return f" of {'-'.join(ends)} Hz"


def distinct(described: Iterable[Peculiarity]) -> tuple[Peculiarity, ...]:
    """Leave out what is too little to be told, or lies in bands that a stronger one has been told of."""
    told: list[Peculiarity] = []
    for each in described:
        is_new = all(
            each.channel != other.channel or each.high_hz <= other.low_hz or other.high_hz <= each.low_hz
            for other in told
        )
        if is_new and abs(each.change_db) >= LEAST_DB:
            told.append(each)
    return tuple(told)

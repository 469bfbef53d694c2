"""Why a recording was decided as it was: where in time and frequency it differs from normal sound, in words too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.detectors.base import Localizer
from offkey.explain.describing import Describer, Peculiarity, distinct
from offkey.explain.values import BrokenRelation, OddValue, ValueDescriber, ValueProfile, unscaled
from offkey.explain.wording import Wording
from offkey.features import Feature, LogMel, frames_of
from offkey.pipeline import Decision, Pipeline
from offkey.pipeline.ranges import NormalRanges
from offkey.pipeline.sources import Recording, open_source
from offkey.profile import NormalProfile
from offkey.rotation import Line, Shaft
from offkey.signals import Clip
from offkey.signals.findings import channel_label
from offkey.signals.lengths import span_text
from offkey.windows import WindowArray

__all__ = ["BandProfile", "Explanation", "explain"]

Array = NDArray[np.float64]

LONGEST_S = 60.0
LONGEST_WINDOWS = 6
"""Of longer recordings, so much around the strangest window is explained: seconds, or windows if that is longer."""
MAPS_AT_ONCE = 16
LOWEST_RATE_OF_MEL = 2000
"""Of signals of lower rates, log-mel spectrograms show nothing."""
N_DEVIATIONS, N_PECULIARITIES = 6, 3
"""What is looked at, and what is told: some deviations turn out to be parts of others, or little."""


@final
@dataclass(frozen=True)
class BandProfile:
    """Mean level of each band beside what is normal, in dB; arrays (n_bands, n_channels).

    Attributes
    ----------
    level : array
        Mean over the recording.
    median, low, high : array
        50 %, 5 % and 95 % of normal windows.
    """

    level: Array
    median: Array
    low: Array
    high: Array


@final
@dataclass(frozen=True)
class Explanation:
    """What can be seen of a decision. Frames, bands and channels are those of the pipeline's front end.

    Attributes
    ----------
    decision : Decision
        What is explained.
    clip : Clip
        What was looked at, at the pipeline's rate: the recording, or a minute around its strangest window.
    start_s : float
        Where in the recording it begins.
    frame_s : array, shape (n_frames,)
        Middle of each frame, in seconds of the recording.
    band_hz, band_edges_hz : array, shape (n_bands,), (n_bands + 1,)
        Centre of each band in hertz, and where one gives way to the next; empty where bands are named values. Of
        embeddings, those of `LogMel`.
    levels : array, shape (n_frames, n_bands, n_channels)
        In dB; of named values, in their unit.
    sentences : tuple of str
        What is said, in the light of what normal recordings show too.
    signal_channels : tuple of int
        Which channel of the clip each channel of the frames is of.
    wording : Wording
        How frequencies and times are told.
    excess_db : array, shape (n_frames, n_bands, n_channels), or None
        Over the median of normal windows; None where the front end has no bands in hertz.
    anomaly_map : array, shape (n_frames, n_bands, n_channels), or None
        Where the detector's score comes from, averaged over the windows that a frame is in; None where it cannot say,
        or the front end has no bands in hertz.
    profile : BandProfile, or None
        None where the front end has no bands in hertz.
    peculiarities : tuple of Peculiarity
        What differs most from normal sound, the most significant first.
    values : ValueProfile, or None
        Of front ends with named values, such as `Statistics` and `Raw`.
    odd_values : tuple of OddValue
        Which of them are furthest outside normal, the most significant first.
    relation : BrokenRelation, or None
        Channels that do not go together as they do in normal recordings, where no value alone is outside normal.
    lines : tuple of Line
        Of the machine's shaft, where that is known: those within the bands.
    """

    decision: Decision
    clip: Clip
    start_s: float
    frame_s: Array
    band_hz: Array
    band_edges_hz: Array
    levels: Array
    sentences: tuple[str, ...]
    signal_channels: tuple[int, ...]
    wording: Wording
    excess_db: Array | None = None
    anomaly_map: Array | None = None
    profile: BandProfile | None = None
    peculiarities: tuple[Peculiarity, ...] = ()
    values: ValueProfile | None = None
    odd_values: tuple[OddValue, ...] = ()
    relation: BrokenRelation | None = None
    lines: tuple[Line, ...] = ()

    @property
    def is_spectral(self) -> bool:
        """Whether bands are in hertz."""
        return len(self.band_hz) > 0

    @property
    def told(self) -> tuple[Peculiarity | OddValue, ...]:
        """What differs most, in the order of its numbers in pictures."""
        return self.peculiarities or self.odd_values

    @property
    def signal_channel(self) -> int:
        """The channel of the signal that `shown_channel` is of."""
        return self.signal_channels[self.shown_channel]

    @property
    def shown_channel(self) -> int:
        """The channel of the frames with what is clearly outside normal, or the first; the strangest of values."""
        clear = [each.channel for each in self.peculiarities if each.strength > 1]
        clear += [each.channel for each in self.odd_values if each.strength > 1]
        clear += self.relation.channels if self.relation else ()
        return next(iter([*clear, *(each.channel for each in self.odd_values)]), 0)

    def channel_name(self, channel: int) -> str:
        """Return what a channel of the frames is called: by its name, or "channel 0"."""
        return channel_label(self.signal_channels[channel], self.clip.channels)


def explain(
    pipeline: Pipeline,
    recording: Recording,
    group: Mapping[str, Any] | None = None,
    *,
    decision: Decision | None = None,
    shaft: Shaft | None = None,
) -> Explanation:
    """Explain the decision about a recording.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    recording : path or Clip
        As for `Pipeline.decide`. Memory is bounded, however long it is.
    group : dict of str to str, optional
        As for `Pipeline.decide`.
    decision : Decision, optional
        What `Pipeline.decide` said of the recording, if that is known already.
    shaft : Shaft, optional
        What turns in the machine, at what speed: by it, lines of spectra are named.

    Raises
    ------
    ReadError
        As `Pipeline.decide`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> clips = [Clip(rng.normal(0, 0.1, 48000), 16000) for _ in range(20)]
    >>> pipeline = Pipeline(window_s=1.0).fit(clips)
    >>> whine = 0.1 * np.sin(2 * np.pi * 3100 * np.arange(48000) / 16000)
    >>> explain(pipeline, Clip(clips[0].samples + whine, 16000)).sentences[0]
    '3.1 kHz tone, +16 dB over normal, throughout'
    """
    decision = pipeline.decide(recording, group) if decision is None else decision
    clip, start = _strangest_part(pipeline, recording, decision)
    seen = _Seen(pipeline, decision, clip, start / pipeline.rate_, start == 0)
    if pipeline.normal_.profile is not None:
        return _by_bands(seen, pipeline.normal_.profile, shaft)
    if pipeline.normal_.ranges is not None:
        return _by_values(seen, pipeline.normal_.ranges)
    return _by_time(seen)


@final
@dataclass(frozen=True)
class _Seen:
    """The part of a recording that is explained."""

    pipeline: Pipeline
    decision: Decision
    clip: Clip
    start_s: float
    is_start: bool

    @property
    def feature(self) -> Feature:
        return self.pipeline.features_

    @property
    def is_whole(self) -> tuple[bool, bool]:
        return self.is_start, self.start_s + self.clip.duration_s > self.decision.duration_s - 1e-6

    @property
    def by_angle(self) -> bool:
        """Whether samples are at equal angles of a shaft, and not at equal times."""
        return self.pipeline.reading_.by_angle

    def wording(self) -> Wording:
        return Wording.of(self.feature, self.clip.units, self.by_angle)


def _by_bands(seen: _Seen, profile: NormalProfile, shaft: Shaft | None) -> Explanation:
    """Explain by bands in decibels: which of them are louder or softer than normal, and when."""
    clip, start_s, feature, decision = seen.clip, seen.start_s, seen.feature, seen.decision
    heard, wording = frames_of(feature, clip), seen.wording()
    excess, times = profile.excess(heard), _times(heard, feature, start_s)
    band_hz, edges_hz = (feature.fitted_state[name] for name in ("band_hz_", "band_edges_hz_"))
    shaft = shaft.by_order if shaft and seen.by_angle else shaft
    found = Describer(excess, times, edges_hz, clip, start_s, seen.is_whole, feature, wording, shaft)
    told = distinct(found.describe(each) for each in profile.deviations(heard, N_DEVIATIONS))
    peculiarities = told[:N_PECULIARITIES]
    return Explanation(
        decision,
        clip,
        start_s,
        times,
        band_hz,
        edges_hz,
        heard.astype(np.float64),
        _sentences(peculiarities, decision, "no band or moment"),
        _heard_channels(feature, heard),
        wording,
        excess_db=excess,
        anomaly_map=_map(seen.pipeline, heard),
        profile=BandProfile(heard.mean(axis=0, dtype=np.float64), *profile.quantiles[[1, 0, 2]]),
        peculiarities=peculiarities,
        lines=shaft.marks(edges_hz[0], edges_hz[-1]) if shaft else (),
    )


def _by_values(seen: _Seen, ranges: NormalRanges) -> Explanation:
    """Explain by named values: which of them lie outside their normal range, and when."""
    clip, start_s, feature, decision = seen.clip, seen.start_s, seen.feature, seen.decision
    heard, wording = frames_of(feature, clip), seen.wording()
    times = _times(heard, feature, start_s)
    found = ValueDescriber(ranges, heard, times, feature, seen.pipeline.grid_, clip, start_s, seen.is_whole, wording)
    told = found.odd_values(N_PECULIARITIES)
    relation = None if any(each.strength > 1 for each in told) else found.broken_relation()
    return Explanation(
        decision,
        clip,
        start_s,
        times,
        np.empty(0),
        np.empty(0),
        unscaled(heard, feature),
        _sentences(told, decision, "no value", relation),
        _heard_channels(feature, heard),
        wording,
        values=ValueProfile.of(ranges, feature, clip.units),
        odd_values=told,
        relation=relation,
    )


def _by_time(seen: _Seen) -> Explanation:
    """Explain by the strangest window, where a front end's bands have no names; show what `LogMel` hears."""
    clip, decision = seen.clip, seen.decision
    shown = LogMel().fit(clip.rate) if clip.rate >= LOWEST_RATE_OF_MEL else seen.feature
    frames, is_mel = frames_of(shown, clip), shown is not seen.feature
    band_hz, edges_hz = (shown.band_hz_, shown.band_edges_hz_) if isinstance(shown, LogMel) else (np.empty(0),) * 2
    return Explanation(
        decision,
        clip,
        seen.start_s,
        _times(frames, shown, seen.start_s),
        band_hz,
        edges_hz,
        frames.astype(np.float64),
        (_timed_sentence(decision, seen.wording()),),
        tuple(range(clip.n_channels)) if is_mel else _heard_channels(shown, frames),
        seen.wording(),
    )


def _heard_channels(feature: Feature, frames: NDArray[np.float32]) -> tuple[int, ...]:
    return tuple(feature.signal_channel(channel) for channel in range(frames.shape[2]))


def _strangest_part(pipeline: Pipeline, recording: Recording, decision: Decision) -> tuple[Clip, int]:
    """Return a recording, or of a long one the part around its strangest window, and its first sample."""
    source, rate = open_source(recording, pipeline.reading_), pipeline.rate_
    start, stop = 0, round(decision.duration_s * rate)
    longest = round(max(LONGEST_S, LONGEST_WINDOWS * pipeline.window_duration_s) * rate)
    if stop > longest:
        alarms = [segment for segment in decision.segments if segment.is_anomaly] or decision.segments
        within = [
            window
            for window in decision.scored_windows
            if any(each.start_s <= window.start_s and window.stop_s <= each.stop_s for each in alarms)
        ]
        strangest = max(within, key=lambda window: window.score)
        middle = (strangest.start_sample + strangest.stop_sample) // 2
        step = pipeline.grid_.hop * pipeline.features_.hop_samples
        start = max(0, min(middle - longest // 2, stop - longest)) // step * step
        stop = start + longest
    pieces, at = [], 0
    for block in source.blocks(rate):
        first, last = max(start - at, 0), min(stop - at, block.shape[1])
        if first < last:
            pieces.append(block[:, first:last].copy())
        at += block.shape[1]
        if at >= stop:
            break
    return Clip(np.concatenate(pieces, axis=1), rate, source.channels, source.units, source=source.name), start


def _times(frames: NDArray[np.floating[Any]], feature: Feature, start_s: float) -> Array:
    """Return the middle of each frame in seconds."""
    middles = np.arange(len(frames)) * feature.hop_samples - feature.padding + feature.frame_samples / 2
    return np.asarray(start_s + middles / feature.fitted_state["rate_"])


def _map(pipeline: Pipeline, frames: NDArray[np.float32]) -> Array | None:
    """Return where the scores of all windows come from, averaged where they lie upon each other."""
    detector, grid = pipeline.detector_, pipeline.grid_
    if not isinstance(detector, Localizer):
        return None
    windows = WindowArray(frames, [(0, len(frames))], grid)
    total, n_windows = np.zeros(frames.shape), np.zeros(len(frames))
    for first in range(0, len(windows), MAPS_AT_ONCE):
        some = slice(first, first + MAPS_AT_ONCE)
        for start, one in zip(windows.starts[some], detector.anomaly_map(windows[some]), strict=True):
            total[start : start + grid.n_frames] += one
            n_windows[start : start + grid.n_frames] += 1
    return np.asarray(total / np.maximum(n_windows, 1)[:, None, None])


def _timed_sentence(decision: Decision, wording: Wording) -> str:
    strangest = max(decision.scored_windows, key=lambda window: window.score)
    when = span_text(strangest.start_s, strangest.stop_s, strangest.stop_s, wording.by_angle)
    return f"strangest from {when}; this front end has no bands in hertz that could be named"


def _sentences(
    told: tuple[Peculiarity, ...] | tuple[OddValue, ...],
    decision: Decision,
    what: str,
    relation: BrokenRelation | None = None,
) -> tuple[str, ...]:
    clear = tuple(each.sentence for each in told if each.strength > 1) or ((relation.sentence,) if relation else ())
    if clear:
        return clear
    most = f": {told[0].sentence}" if told else ""
    if not decision.is_anomaly:
        return (f"nothing stands out; most unlike normal{most}" if most else "nothing stands out",)
    return (f"{what} alone is clearly outside normal; most unlike it{most or ' is the whole'}",)

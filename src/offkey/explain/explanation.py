"""Why a recording was decided as it was: where in time and frequency it differs from normal sound, in words too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.detectors.base import Localizer
from offkey.explain.describing import Describer, Peculiarity, distinct
from offkey.features import Feature, LogMel, frames_of
from offkey.pipeline import Decision, Pipeline
from offkey.pipeline.sources import Recording, open_source
from offkey.signals import Clip
from offkey.windows import WindowArray

__all__ = ["BandProfile", "Explanation", "explain"]

Array = NDArray[np.float64]

LONGEST_S = 60.0
"""Of longer recordings, so much around the strangest window is explained (a window, if that is longer)."""
MAPS_AT_ONCE = 16
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
        Centre of each band in hertz, and where one gives way to the next. Where the front end has no bands, those of
        `LogMel`.
    levels : array, shape (n_frames, n_bands, n_channels)
        In dB.
    excess_db : array, shape (n_frames, n_bands, n_channels), or None
        Over the median of normal windows; None where the front end has no bands in hertz.
    anomaly_map : array, shape (n_frames, n_bands, n_channels), or None
        Where the detector's score comes from, averaged over the windows that a frame is in; None where it cannot say,
        or the front end has no bands in hertz.
    profile : BandProfile, or None
        None where the front end has no bands in hertz.
    peculiarities : tuple of Peculiarity
        What differs most from normal sound, the most significant first.
    sentences : tuple of str
        The same in words, in the light of what normal recordings show too.
    signal_channels : tuple of int
        Which channel of the clip each channel of the frames is of.
    """

    decision: Decision
    clip: Clip
    start_s: float
    frame_s: Array
    band_hz: Array
    band_edges_hz: Array
    levels: Array
    excess_db: Array | None
    anomaly_map: Array | None
    profile: BandProfile | None
    peculiarities: tuple[Peculiarity, ...]
    sentences: tuple[str, ...]
    signal_channels: tuple[int, ...]

    @property
    def signal_channel(self) -> int:
        """The channel of the signal that `shown_channel` is of."""
        return self.signal_channels[self.shown_channel]

    @property
    def shown_channel(self) -> int:
        """The channel of the frames with what is clearly outside normal, or the first."""
        return next((each.channel for each in self.peculiarities if each.strength > 1), 0)


def explain(
    pipeline: Pipeline,
    recording: Recording,
    group: Mapping[str, Any] | None = None,
    *,
    decision: Decision | None = None,
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
    feature, start_s = pipeline.features_, start / pipeline.rate_
    heard = frames_of(feature, clip)
    profile = pipeline.normal_.profile
    if profile is None:
        shown = LogMel().fit(pipeline.rate_)
        frames = frames_of(shown, clip)
        sentences = (_timed_sentence(decision),)
        return Explanation(
            decision, clip, start_s, _times(frames, shown, start_s), shown.band_hz_, shown.band_edges_hz_,
            frames.astype(np.float64), None, None, None, (), sentences, tuple(range(clip.n_channels)),
        )  # fmt: skip
    excess, times = profile.excess(heard), _times(heard, feature, start_s)
    band_hz, edges_hz = (feature.fitted_state[name] for name in ("band_hz_", "band_edges_hz_"))
    is_whole = start == 0, start_s + clip.duration_s > decision.duration_s - 1e-6
    found = Describer(excess, times, edges_hz, clip, start_s, is_whole, feature)
    told = distinct(found.describe(each) for each in profile.deviations(heard, N_DEVIATIONS))
    peculiarities = told[:N_PECULIARITIES]
    return Explanation(
        decision, clip, start_s, times, band_hz, edges_hz, heard.astype(np.float64), excess, _map(pipeline, heard),
        BandProfile(heard.mean(axis=0, dtype=np.float64), *profile.quantiles[[1, 0, 2]]), peculiarities,
        _sentences(peculiarities, decision), tuple(feature.signal_channel(i) for i in range(heard.shape[2])),
    )  # fmt: skip


def _strangest_part(pipeline: Pipeline, recording: Recording, decision: Decision) -> tuple[Clip, int]:
    """Return a recording, or of a long one the part around its strangest window, and its first sample."""
    source, rate = open_source(recording), pipeline.rate_
    start, stop = 0, round(decision.duration_s * rate)
    longest = round(max(LONGEST_S, pipeline.window_duration_s) * rate)
    if stop > longest:
        alarms = [segment for segment in decision.segments if segment.is_anomaly] or decision.segments
        within = [
            window
            for window in decision.scored_windows
            if any(each.start_s <= window.start_s and window.stop_s <= each.stop_s for each in alarms)
        ]
        strangest = max(within, key=lambda window: window.score)
        middle = (strangest.start_sample + strangest.stop_sample) // 2
        step = pipeline.grid_.hop * pipeline.features_.hop_length
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
    return Clip(np.concatenate(pieces, axis=1), rate, source=source.name), start


def _times(frames: NDArray[np.floating[Any]], feature: Feature, start_s: float) -> Array:
    """Return the middle of each frame in seconds."""
    middles = np.arange(len(frames)) * feature.hop_length - feature.padding + feature.n_fft / 2
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


def _timed_sentence(decision: Decision) -> str:
    strangest = max(decision.scored_windows, key=lambda window: window.score)
    return (
        f"strangest from {strangest.start_s:.1f} to {strangest.stop_s:.1f} s; this front end has no bands in hertz "
        "that could be named"
    )


def _sentences(peculiarities: tuple[Peculiarity, ...], decision: Decision) -> tuple[str, ...]:
    clear = tuple(each.sentence for each in peculiarities if each.strength > 1)
    if clear:
        return clear
    most = f": {peculiarities[0].sentence}" if peculiarities else ""
    if not decision.is_anomaly:
        return (f"nothing stands out; most unlike normal{most}" if most else "nothing stands out",)
    return (f"no band or moment alone is clearly outside normal; most unlike it{most or ' is the whole'}",)

"""Pictures of clips: the waveform and the spectrogram."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError, MissingExtraError
from offkey.features import LogMel, frames_of
from offkey.features.logmel import hz_to_mel, mel_to_hz
from offkey.pipeline import Pipeline
from offkey.plots.base import BLUE, axes_or_current, clean, make_logarithmic
from offkey.signals import Clip

__all__ = ["is_linear", "plot_log_mel", "plot_spectrogram", "plot_waveform"]

MOST_COLUMNS = 2000
"""Pieces of a long waveform that are drawn as the range from their lowest to their highest sample."""

LINEAR = 0.35
"""Part of their range that the lower half of bands takes up, from which on it is drawn linear."""

OCTAVES_HZ = (0, 500, 1000, 2000, 4000, 8000, 16000, 32000, 64000)


def plot_waveform(clip: Clip, ax: Any = None) -> Any:
    """Draw the samples of all channels over time.

    Several channels are drawn in lanes of one height, the first on top: those of sound on one scale, those of other
    sensors each on its own. A long clip is drawn as the range from the lowest to the highest sample in each of 2,000
    pieces, so that no peak is lost.

    Parameters
    ----------
    clip : Clip
        Its units stand on the y axis; ``"FS"`` is full scale.
    ax : matplotlib Axes, optional
        pyplot's current ones if not given.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_current(ax)
    times, samples = _outline(clip)
    if clip.n_channels > 1 and clip.unit != "FS":
        return _in_lanes(clip, times, samples, ax)
    limit = _round_up(float(np.abs(samples).max(initial=0)))
    bases = -2 * limit * np.arange(clip.n_channels)
    for base, channel in zip(bases, samples, strict=True):
        ax.plot(times, base + channel, "-" if clip.n_samples > 1 else "o", color=BLUE, lw=0.7, clip_on=len(times) > 1)
    ax.set(xlabel="time in s", ylabel=f"amplitude in {clip.unit}" if clip.unit else "amplitude")
    if clip.n_channels > 1:
        ax.hlines(bases[1:] + limit, 0, clip.duration_s or 1, color="0.8", lw=0.7)
        ax.set(yticks=bases, yticklabels=clip.channels, ylabel=f"channels, each ±{limit:.2g} {clip.unit}".rstrip())
    ax.set_ylim(bases[-1] - limit, limit)
    _show_duration(clip, ax)
    if clip.n_samples == 0:
        _say(ax, "no samples")
    clean(ax)
    return ax


def plot_log_mel(
    pipeline: Pipeline,
    clip: Clip,
    ax: Any = None,
    *,
    channel: int = 0,
    vmin: float | None = None,
    vmax: float | None = None,
) -> Any:
    """Draw the log-mel spectrogram of a clip as the pipeline hears it, with `librosa.display.specshow`.

    The y axis is the mel scale of the pipeline's front end, so its bands are equally high. For a colour bar, the mesh
    is ``ax.collections[-1]``: ``ax.figure.colorbar(ax.collections[-1], ax=ax, label="level in dB")``. Every value is
    drawn, so time and memory grow with the clip: some 10 s for an hour. Cut a piece out of long ones.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, with a `LogMel` front end.
    clip : Clip
        At the pipeline's rate.
    ax : matplotlib Axes, optional
        pyplot's current ones if not given.
    channel : int
        Of those that the front end hears.
    vmin, vmax : float, optional
        Levels in dB that the colours end at; if not given, 1 % of the clip's values are fainter and 0.1 % louder.

    Returns
    -------
    matplotlib Axes
        Without a mesh if the clip is shorter than a frame.

    Raises
    ------
    MissingExtraError
        If matplotlib or librosa is not installed.
    InputError
        If the pipeline hears embeddings, or there is no such channel.
    ShapeError
        If the clip has another rate than the pipeline.
    """
    feature = pipeline.features_
    if not isinstance(feature, LogMel):
        raise InputError(f"{type(feature).__name__} has no bands in hertz to draw. Draw a pipeline with LogMel.")
    frames = frames_of(feature, clip)
    if not 0 <= channel < frames.shape[2]:
        raise InputError(f"Channel {channel} was given, and {frames.shape[2]} are heard. Count them from 0.")
    ax = axes_or_current(ax)
    levels = frames[:, :, channel].T
    if levels.size:
        low, high = (float(level) for level in np.quantile(levels, [0.01, 0.999]))
        low, high = low if vmin is None else vmin, high if vmax is None else vmax
        _specshow(levels, feature, ax, vmin=low, vmax=max(high, low + 1e-3))
    else:
        _say(ax, f"shorter than a frame ({feature.frame_samples} samples)")
    _scale_to_mel(feature, clip.rate, ax)
    _show_duration(clip, ax)
    ax.set(xlabel="time in s", ylabel="frequency in Hz")
    return ax


def plot_spectrogram(
    pipeline: Pipeline,
    clip: Clip,
    ax: Any = None,
    *,
    channel: int = 0,
    vmin: float | None = None,
    vmax: float | None = None,
) -> Any:
    """Draw the spectrogram of a clip as the pipeline hears it: of `Spectrum`, `Envelope`, or as `plot_log_mel`.

    The y axis is linear where bands are equally wide in hertz, and logarithmic else. For a colour bar, the mesh is
    ``ax.collections[-1]``.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, with a front end that has bands in hertz.
    clip : Clip
        At the pipeline's rate.
    ax : matplotlib Axes, optional
        pyplot's current ones if not given.
    channel : int
        Of those that the front end hears.
    vmin, vmax : float, optional
        Levels in dB that the colours end at; if not given, 1 % of the clip's values are fainter and 0.1 % louder.

    Returns
    -------
    matplotlib Axes
        Without a mesh if the clip is shorter than a frame.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed, or librosa for a `LogMel`.
    InputError
        If the front end has no bands in hertz, or there is no such channel.
    ShapeError
        If the clip has another rate than the pipeline.
    """
    feature = pipeline.features_
    if isinstance(feature, LogMel):
        return plot_log_mel(pipeline, clip, ax, channel=channel, vmin=vmin, vmax=vmax)
    edges = feature.fitted_state.get("band_edges_hz_")
    if edges is None:
        raise InputError(f"{type(feature).__name__} has no bands in hertz to draw. Draw the waveform.")
    frames = frames_of(feature, clip)
    if not 0 <= channel < frames.shape[2]:
        raise InputError(f"Channel {channel} was given, and {frames.shape[2]} are heard. Count them from 0.")
    ax = axes_or_current(ax)
    levels = frames[:, :, channel].T
    if levels.size:
        low, high = (float(level) for level in np.quantile(levels, [0.01, 0.999]))
        low, high = low if vmin is None else vmin, high if vmax is None else vmax
        times = (feature.frame_samples / 2 + feature.hop_samples * (np.arange(len(frames) + 1) - 0.5)) / clip.rate
        ax.pcolormesh(times, edges, levels, cmap="magma", vmin=low, vmax=max(high, low + 1e-3), rasterized=True)
    else:
        _say(ax, f"shorter than a frame ({feature.frame_samples} samples)")
    if not is_linear(edges):
        lowest = float(edges[0]) or float(edges[1]) / 2
        make_logarithmic(ax, lowest, float(edges[-1]), "y")
        ax.set_ylim(lowest, edges[-1])
    _show_duration(clip, ax)
    of = "" if feature.spectrum_of == "signal" else f" of the {feature.spectrum_of}"
    ax.set(xlabel="time in s", ylabel=f"frequency{of} in Hz")
    return ax


def is_linear(edges: NDArray[np.float64]) -> bool:
    """Say whether bands with these edges (n_bands + 1,) are about equally wide: half of them take up half the range."""
    return bool(edges[len(edges) // 2] - edges[0] > LINEAR * (edges[-1] - edges[0]))


def _in_lanes(clip: Clip, times: NDArray[np.float64], samples: NDArray[np.float64], ax: Any) -> Any:
    """Draw each channel on its own scale, from its lowest to its highest sample, which stand beside it."""
    if clip.n_samples == 0:
        samples = np.zeros((clip.n_channels, 1))
    low, high = samples.min(axis=1), samples.max(axis=1)
    half = np.where(high > low, (high - low) / 2, 1.0)
    bases = -2.2 * np.arange(clip.n_channels)
    scaled = (samples - ((low + high) / 2)[:, None]) / half[:, None]
    for base, channel in zip(bases, scaled[:, : len(times)], strict=True):
        ax.plot(times, base + channel, "-" if clip.n_samples > 1 else "o", color=BLUE, lw=0.7)
    ax.hlines(bases[1:] + 1.1, 0, clip.duration_s or 1, color="0.8", lw=0.7)
    rows = zip(clip.channels, clip.units, low, high, strict=True)
    labels = [f"{name}\n{_short(a)} to {_short(b)} {unit}".rstrip() for name, unit, a, b in rows]
    ax.set(xlabel="time in s", yticks=bases, yticklabels=labels, ylim=(bases[-1] - 1.1, 1.1))
    _show_duration(clip, ax)
    if clip.n_samples == 0:
        _say(ax, "no samples")
    clean(ax)
    return ax


def _short(value: float) -> str:
    return f"{float(f'{value:.3g}') + 0.0:g}"


def _outline(clip: Clip) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times (n_points,) in seconds and samples (n_channels, n_points); of a long clip its lows and highs."""
    if clip.n_samples <= 2 * MOST_COLUMNS:
        return np.arange(clip.n_samples) / clip.rate, clip.samples.astype(np.float64)
    starts = np.linspace(0, clip.n_samples, MOST_COLUMNS, endpoint=False).astype(int)
    ends = [each.reduceat(clip.samples, starts, axis=1) for each in (np.minimum, np.maximum)]
    both = np.stack(ends, axis=2).reshape(clip.n_channels, -1).astype(np.float64)
    return np.repeat(starts + clip.n_samples / MOST_COLUMNS / 2, 2) / clip.rate, both


def _round_up(peak: float) -> float:
    """Return the next number of two digits that is not lower; 1 for 0."""
    if peak == 0:
        return 1.0
    digit = 10.0 ** (math.floor(math.log10(peak)) - 1)
    return math.ceil(peak / digit) * digit


def _specshow(levels: NDArray[np.float32], feature: LogMel, ax: Any, *, vmin: float, vmax: float) -> None:
    """Draw levels (n_bands, n_frames): each around the middle of its frame and the centre of its band."""
    from matplotlib.ticker import AutoLocator, ScalarFormatter

    try:
        from librosa.display import specshow
    except ImportError as error:
        raise MissingExtraError("librosa", "plots", "Drawing a spectrogram") from error
    n_frames, rate = levels.shape[1], feature.rate_
    middles = feature.frame_samples / 2 - feature.padding + feature.hop_samples * (np.arange(n_frames + 1) - 0.5)
    specshow(
        levels, x_coords=middles / rate, y_coords=feature.band_edges_hz_, ax=ax, cmap="magma", vmin=vmin, vmax=vmax
    )
    ax.xaxis.set_major_locator(AutoLocator())  # specshow leaves no ticks, or some with rounded labels
    ax.xaxis.set_major_formatter(ScalarFormatter())


def _scale_to_mel(feature: LogMel, rate: float, ax: Any) -> None:
    from matplotlib.ticker import MaxNLocator, NullLocator

    low, high = feature.fmin, feature.fmax or rate / 2
    ax.set_ylim(low, high)
    ax.set_yscale(
        "function",
        functions=(lambda hz: hz_to_mel(np.maximum(hz, 0), feature.htk), lambda mel: mel_to_hz(mel, feature.htk)),
    )
    octaves = [hz for hz in OCTAVES_HZ if low <= hz <= high]
    ticks = octaves if len(octaves) > 2 else MaxNLocator(5).tick_values(low, high)
    ax.set_yticks([hz for hz in ticks if low <= hz <= high], [f"{hz:g}" for hz in ticks if low <= hz <= high])
    ax.yaxis.set_minor_locator(NullLocator())


def _show_duration(clip: Clip, ax: Any) -> None:
    ax.set_xlim(0, clip.duration_s or 1)


def _say(ax: Any, text: str) -> None:
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color="0.35")

"""Pictures of why a recording was decided as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError
from offkey.explain import Explanation, Peculiarity
from offkey.plots.base import BLUE, ORANGE, add_legend, axes_or_current, clean
from offkey.plots.clips import is_linear
from offkey.plots.values import draw_values, label_values
from offkey.rotation import Line

__all__ = ["band_ticks", "lit_spectrogram", "marked_bands", "plot_explanation", "plot_profile"]

LIT = (1.0, 0.55, 0.05)
"""Colour of what is strange, at full level."""
PALE = 0.4
"""How far the strangest of a recording that is no anomaly is lit."""
SMOOTH_FRAMES, SMOOTH_BANDS = 5, 3
MARGIN = 1.5
"""Bands that a frame goes around what it marks."""
LEAST_APART = 0.036
"""Part of an axis that marked lines of a machine are apart."""


def plot_explanation(explanation: Explanation, ax: Any = None, *, channel: int | None = None) -> Any:
    """Draw the spectrogram of a recording in grey, with what the anomaly score comes from lit up.

    Frames mark what the explanation's sentences tell of, by their number. Bands are equally high. Lines of the machine,
    where its shaft is known, are marked at the right. Of front ends with named values, the one that is furthest outside
    normal is drawn over time, with the range of normal ones shaded.

    Parameters
    ----------
    explanation : Explanation
        Of `offkey.explain.explain`.
    ax : matplotlib Axes, optional
        pyplot's current ones if not given.
    channel : int, optional
        Of the front end's channels; the one with what is furthest outside normal if not given.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If there is no such channel.
    MissingExtraError
        If matplotlib is not installed.
    """
    channel = explanation.shown_channel if channel is None else channel
    _check(explanation, channel)
    start, stop = explanation.start_s, explanation.start_s + explanation.clip.duration_s
    if not explanation.is_spectral:
        ax = axes_or_current(ax)
        draw_values(explanation, channel, ax)
        label_values(explanation, channel, ax)
    else:
        picture = lit_spectrogram(explanation, channel)
        ax = axes_or_current(ax)
        _draw_spectrogram(explanation, picture, channel, ax)
    if explanation.clip.n_channels > 1:
        ax.set_title(explanation.channel_name(channel), loc="left", fontsize="medium")
    _scale_times(ax, start, stop, explanation.wording.time_scale(stop)[1])
    ax.set(xlabel=explanation.wording.time_label(stop), xlim=(start, stop))
    return ax


def _draw_spectrogram(explanation: Explanation, picture: NDArray[np.uint8], channel: int, ax: Any) -> None:
    n_bands, frame_s = len(explanation.band_hz), explanation.frame_s
    half = np.diff(frame_s).mean() / 2 if len(frame_s) > 1 else explanation.clip.duration_s / 2
    edges = frame_s[0] - half, frame_s[-1] + half
    ax.imshow(
        picture, origin="lower", aspect="auto", interpolation="nearest", extent=(*edges, 0, n_bands), rasterized=True
    )
    for number, each in enumerate(explanation.peculiarities, 1):
        if each.channel != channel or each.strength <= 1:
            continue
        low, high = marked_bands(explanation, each)
        for span in each.spans_s:
            ax.plot([*span, *span[::-1], span[0]], [low, low, high, high, low], color="white", lw=2.2)
            ax.plot([*span, *span[::-1], span[0]], [low, low, high, high, low], color="black", lw=0.9)
        ax.annotate(
            str(number), (each.spans_s[0][0], high), xytext=(2, 1), textcoords="offset points", fontsize="small",
            va="bottom", annotation_clip=True, bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none"},
        )  # fmt: skip
    ticks = band_ticks(explanation)
    ax.set_yticks([place * n_bands for place, _ in ticks], [text for _, text in ticks])
    ax.set(ylabel=explanation.wording.frequency_label, ylim=(0, n_bands))
    if explanation.lines:
        _mark_lines(explanation, ax.secondary_yaxis("right").yaxis)


def _mark_lines(explanation: Explanation, axis: Any, **look: Any) -> None:
    """Mark the lines of the machine on an axis of bands; harmonics and sidebands lighter."""
    kept, n_bands = marked_lines(explanation), len(explanation.band_edges_hz) - 1
    texts = [line.short for _, line in kept]
    axis.set_ticks([n_bands * place for place, _ in kept], texts, fontsize="x-small", **look)
    for tick, (_, line) in zip(axis.get_major_ticks(), kept, strict=False):
        grey = "0.6" if is_higher(line) else "0.1"
        tick.label2.set_color(grey)
        tick.label1.set_color(grey)


def marked_lines(explanation: Explanation) -> list[tuple[float, Line]]:
    """Return lines of the machine, and where on an axis of equally high bands they are, from 0 to 1.

    Fundamentals come first; those that would lie upon one before are left out.
    """
    bounds = explanation.band_edges_hz
    kept: list[tuple[float, Line]] = []
    for line in sorted(explanation.lines, key=lambda line: (is_higher(line), line.hz)):
        place = float(np.interp(line.hz, bounds, np.linspace(0, 1, len(bounds))))
        if all(abs(place - other) >= LEAST_APART for other, _ in kept):
            kept.append((place, line))
    return kept


def is_higher(line: Line) -> bool:
    """Say whether a line is a harmonic or a sideband."""
    return line.harmonic > 1 or line.offset_hz != 0


def _scale_times(ax: Any, start: float, stop: float, size: float) -> None:
    """Write times in units of ``size`` seconds."""
    if size == 1:
        return
    from matplotlib.ticker import MaxNLocator

    ticks = [tick for tick in MaxNLocator(7).tick_values(start / size, stop / size) if start <= tick * size <= stop]
    ax.set_xticks([tick * size for tick in ticks], [f"{tick:g}" for tick in ticks])


def plot_profile(explanation: Explanation, ax: Any = None, *, channel: int | None = None) -> Any:
    """Draw the mean level of each band of a recording, over what is normal (median, and 5 to 95 % of normal windows).

    Lines of the machine, where its shaft is known, are marked above.

    Parameters
    ----------
    explanation : Explanation
        Of `offkey.explain.explain`.
    ax : matplotlib Axes, optional
        pyplot's current ones if not given.
    channel : int, optional
        Of the front end's channels; the one with what is furthest outside normal if not given.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        If there is no such channel, or the front end has no bands in hertz.
    MissingExtraError
        If matplotlib is not installed.
    """
    channel = explanation.shown_channel if channel is None else channel
    _check(explanation, channel)
    profile = explanation.profile
    if profile is None:
        raise InputError("The pipeline's front end has no bands in hertz. Draw a pipeline with LogMel or Spectrum.")
    ax = axes_or_current(ax)
    bands = np.arange(len(explanation.band_hz)) + 0.5
    ax.fill_between(
        bands,
        profile.low[:, channel],
        profile.high[:, channel],
        color=BLUE,
        alpha=0.25,
        lw=0,
        label="normal, 5 to 95 %",
    )
    ax.plot(bands, profile.median[:, channel], color=BLUE, lw=1.2, ls="--", label="normal, median")
    ax.plot(bands, profile.level[:, channel], color=ORANGE, lw=1.6, label="this recording")
    ticks = band_ticks(explanation, 4)
    ax.set_xticks([place * len(bands) for place, _ in ticks], [text for _, text in ticks])
    ax.set(xlabel=explanation.wording.frequency_label, ylabel="mean level in dB", xlim=(0, len(bands)))
    if explanation.clip.n_channels > 1:
        ax.set_title(explanation.channel_name(channel), loc="left", fontsize="medium")
    if explanation.lines:
        _mark_lines(explanation, ax.secondary_xaxis("top").xaxis, rotation=90)
    add_legend(ax)
    clean(ax)
    return ax


def lit_spectrogram(explanation: Explanation, channel: int = 0) -> NDArray[np.uint8]:
    """Return the spectrogram as a picture (n_bands, n_frames, 3), lowest band first.

    Levels are shades of grey; orange is where the detector's score comes from or, where it cannot say, what is louder
    than normal. Of a recording that is no anomaly the orange is paler.

    Parameters
    ----------
    explanation : Explanation
        Of `offkey.explain.explain`.
    channel : int
        Of the front end's channels.

    Raises
    ------
    InputError
        If there is no such channel.
    """
    _check(explanation, channel)
    if not explanation.is_spectral:
        raise InputError("The pipeline's front end has no bands in hertz. Draw it with plot_explanation.")
    levels = explanation.levels[:, :, channel]
    low, high = np.quantile(levels, [0.02, 0.998])
    grey = np.clip((levels - low) / max(high - low, 1e-9), 0, 1)
    shown = explanation.anomaly_map if explanation.anomaly_map is not None else explanation.excess_db
    light = np.zeros(levels.shape)
    if shown is not None:
        smooth = _smoothed(shown[:, :, channel])
        everything = _smoothed(shown.max(axis=2)) if shown.shape[2] > 1 else smooth
        middle, strongest = np.quantile(everything, [0.5, 0.998])
        light = np.clip((smooth - middle) / max(strongest - middle, 1e-9), 0, 1)
        light *= 1.0 if explanation.decision.is_anomaly else PALE
    colour = np.array(LIT) * (0.45 + 0.55 * grey)[:, :, None]
    mixed = (1 - light[:, :, None]) * grey[:, :, None] * 0.92 + light[:, :, None] * colour
    return np.asarray(np.rint(255 * mixed), np.uint8).transpose(1, 0, 2)


def marked_bands(explanation: Explanation, told: Peculiarity) -> tuple[float, float]:
    """Return between which places on the axis of bands (0 to n_bands) a frame goes around what is told of."""
    bounds = explanation.band_edges_hz
    low, high = np.interp([told.low_hz, told.high_hz], bounds, np.arange(len(bounds)))
    return max(0.0, float(low) - MARGIN), min(len(bounds) - 1.0, float(high) + MARGIN)


def band_ticks(explanation: Explanation, n_most: int = 7) -> list[tuple[float, str]]:
    """Return marks for an axis of equally high bands: places from 0 to 1, and round frequencies in its unit."""
    bounds = explanation.band_edges_hz / explanation.wording.frequency_scale[1]
    rounds = _round_frequencies(bounds, n_most)
    places = np.interp(rounds, bounds, np.linspace(0, 1, len(bounds)))
    ticks: list[tuple[float, str]] = []
    for place, hz in zip(places, rounds, strict=True):
        is_free = not ticks or place - ticks[-1][0] >= 1 / (n_most + 1)
        if bounds[0] < hz <= bounds[-1] and 0 < place <= 1 and is_free:
            ticks.append((float(place), f"{hz / 1000:g}k" if hz >= 1000 else f"{hz:g}"))
    return ticks


def _round_frequencies(bounds: NDArray[np.float64], n_most: int) -> list[float]:
    """Return round frequencies: one step apart where bands are about equally wide, else 1, 2 and 5 of each decade."""
    top = float(bounds[-1])
    if is_linear(bounds):
        rough = top / n_most
        power = 10.0 ** np.floor(np.log10(rough))
        step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= 0.999 * rough)
        return [float(f"{step * i:.6g}") for i in range(1, int(top / step + 1e-9) + 1)]
    decades = range(int(np.floor(np.log10(max(bounds[1], 1e-9)))), int(np.ceil(np.log10(top))) + 1)
    return [float(f"{digit * 10.0**power:.3g}") for power in decades for digit in (1, 2, 5)]


def _smoothed(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(cells, (SMOOTH_FRAMES, SMOOTH_BANDS), mode="nearest"))


def _check(explanation: Explanation, channel: int) -> None:
    n_channels = explanation.levels.shape[2]
    if not 0 <= channel < n_channels:
        raise InputError(f"Channel {channel} was given, and {n_channels} are heard. Count them from 0.")

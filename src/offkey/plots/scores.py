"""Pictures of anomaly scores: over time, and of normal and anomalous recordings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.decisions import Event
from offkey.pipeline import ScoredWindow
from offkey.plots.base import (
    BLUE,
    ORANGE,
    add_legend_above,
    axes_or_current,
    clean,
    has_far_outliers,
    is_wide,
    labelled_scores,
    make_logarithmic,
    make_logarithmic_beyond,
    without_nan,
)

__all__ = ["plot_scores", "plot_timeline"]

FEW = 100
"""Up to so many recordings of a kind each is drawn, below the histogram."""

HISTOGRAMS: dict[str, dict[str, Any]] = {
    "normal": {"histtype": "stepfilled", "color": BLUE, "alpha": 0.45},
    "anomalous": {"histtype": "step", "color": ORANGE, "lw": 1.8, "hatch": "//"},
}
MARKS = {"normal": ("|", -0.04), "anomalous": ("x", -0.09)}
"""Marker of a recording, and its height over that of the axes."""


def plot_scores(labels: ArrayLike, scores: ArrayLike, threshold: float | None = None, ax: Any = None) -> Any:
    """Draw the distributions of the anomaly scores of normal and of anomalous recordings, with the threshold.

    Each histogram is in per cent of its kind, as the kinds may differ a hundredfold in number; marks below are the
    recordings of a kind that has no more than a hundred. The axis is logarithmic where all scores are above zero and
    the largest is at least ten times the smallest, and beyond most of them where a few lie far off.

    Parameters
    ----------
    labels : array, shape (n,)
        0 normal, 1 anomaly.
    scores : array, shape (n,)
        Anomaly scores; the picture says how many are left out because they are not finite.
    threshold : float, optional
        Scores above it are called anomalies.
    ax : matplotlib Axes, optional
        pyplot's current ones if not given.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ShapeError
        If the shapes differ.
    InputError
        If a label is neither 0 nor 1.
    MissingExtraError
        If matplotlib is not installed.
    """
    is_anomaly, values, notes = labelled_scores(labels, scores)
    ax = axes_or_current(ax)
    marked = [threshold] if threshold is not None and math.isfinite(threshold) else []
    drawn = np.append(values, marked)
    edges, is_log = _bins(drawn, is_anomaly)
    is_far = not is_log and has_far_outliers(drawn)
    if is_far:
        width = float(np.quantile(np.abs(drawn), 0.75)) or 1.0
        low, high = np.arcsinh(drawn.min() / width), np.arcsinh(drawn.max() / width)
        edges = width * np.sinh(np.linspace(low, high, len(edges)))
    kinds = {"normal": values[~is_anomaly], "anomalous": values[is_anomaly]}
    for name, own in kinds.items():
        if len(own):
            weights = np.full(len(own), 100 / len(own))
            ax.hist(own, edges, weights=weights, label=f"{name} ({len(own)})", **HISTOGRAMS[name])
    if marked:
        ax.axvline(threshold, color="black", ls="--", lw=1.3, label=f"threshold {threshold:.4g}")
    elif threshold is not None:
        notes.append(f"threshold is {threshold}, not shown")
    _mark_recordings(kinds, ax)
    quantity = f"anomaly score{' (logarithmic)' if is_log else ' (logarithmic far out)' if is_far else ''}"
    ax.set(xlabel="\n".join([quantity, *notes]), ylabel="recordings in % of their kind")
    if is_log:
        make_logarithmic(ax, edges[0], edges[-1])
    elif is_far:
        make_logarithmic_beyond(ax, drawn)
    add_legend_above(ax, 2)
    clean(ax)
    return ax


def plot_timeline(
    windows: Sequence[ScoredWindow], events: Sequence[Event], on: float, off: float, ax: Any = None
) -> Any:
    """Draw the scores of windows over time, with the boundaries that events open and end at, and the events.

    Each score stands in the middle of its window; bands reach from the start to the stop of an event. Where windows
    have no finite score the line has a gap, and the picture says how many.

    Parameters
    ----------
    windows : sequence of ScoredWindow
        In order of time.
    events : sequence of Event
        Such as `EventFinder` gives.
    on, off : float
        Scores that an event opens above, and goes on above; off is drawn where it is lower.
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
    middles = np.array([(window.start_s + window.stop_s) / 2 for window in windows])
    scores = np.array([window.score for window in windows], np.float64)
    is_shown, notes = without_nan(scores, "scores")
    for i, event in enumerate(events):
        ax.axvspan(event.start_s, event.stop_s, color=ORANGE, alpha=0.18, lw=0, label="_" * (i > 0) + "event")
    ax.plot(middles, np.where(is_shown, scores, math.nan), color="0.75", lw=1, zorder=1)
    for is_above, colour, marker, name in (
        (False, BLUE, "o", "window"),
        (True, ORANGE, "D", "window above on"),
    ):
        own = is_shown & ((scores > on) == is_above)
        ax.plot(middles[own], scores[own], marker, color=colour, ms=4, mew=0, label=name if own.any() else None)
    if math.isfinite(on):
        ax.axhline(on, color="black", lw=1.2, ls="--", label="on boundary")
    else:
        notes.append(f"on boundary is {on}, not shown")
    if math.isfinite(off) and off < on:
        ax.axhline(off, color="black", lw=1.2, ls=":", label="off boundary")
    if len(windows):
        ax.set_xlim(windows[0].start_s, windows[-1].stop_s)
    else:
        ax.set_xlim(0, 1)
        notes.append("no windows")
    ax.set(xlabel="\n".join(["time in s", *notes]), ylabel="anomaly score")
    add_legend_above(ax, 2)
    clean(ax)
    return ax


def _bins(values: NDArray[np.float64], is_anomaly: NDArray[np.bool_]) -> tuple[NDArray[np.float64], bool]:
    """Return the edges of bins, and whether they are logarithmic.

    There are about twice the cube root of n (Rice's rule), n being the geometric mean of how many there are of a kind.
    """
    n_anomalous = int(is_anomaly.sum())
    n = np.sqrt(max(1, n_anomalous) * max(1, len(is_anomaly) - n_anomalous))
    n_bins = int(np.clip(2 * np.cbrt(n), 8, 50))
    if is_wide(values):
        return np.geomspace(values.min(), values.max(), n_bins + 1), True
    return np.histogram_bin_edges(values, n_bins), False


def _mark_recordings(kinds: dict[str, NDArray[np.float64]], ax: Any) -> None:
    """Draw a mark for each recording, where they are few, in a strip below the histogram."""
    top = ax.get_ylim()[1] if ax.patches else 100
    ax.set_ylim(0, top)
    ticks = [tick for tick in ax.get_yticks() if 0 <= tick <= top]
    few = {name: own for name, own in kinds.items() if 0 < len(own) <= FEW}
    for name, own in few.items():
        marker, height = MARKS[name]
        ax.plot(own, np.full(len(own), height * top), marker, color=HISTOGRAMS[name]["color"], ms=5)
    ax.axhline(0, color="black", lw=0.8, zorder=2.5)
    ax.set_yticks(ticks)
    ax.set_ylim(-0.13 * top if few else 0, top)

"""Pictures of named values over time, beside the range they have in normal recordings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.explain import Explanation
from offkey.plots.base import BLUE, ORANGE, add_legend_above, clean, new_figure

__all__ = ["draw_values", "label_values", "shown_band", "value_label", "value_limits", "value_pixels"]

MOST_POINTS = 4000
"""Of longer series, the lowest and highest value of each of so many halves is drawn."""
N_SPREADS = 2.0
"""Standard deviations around the range of normal means that single values are usually within."""


def draw_values(explanation: Explanation, channel: int, ax: Any) -> None:
    """Draw the value that is furthest outside normal, or the first, over time, with what is normal of it shaded."""
    _draw_series(explanation, channel, ax)
    band = shown_band(explanation, channel)
    for number, each in enumerate(explanation.odd_values, 1):
        if each.channel == channel and each.band == band and each.strength > 1:
            for start, stop in each.spans_s:
                ax.axvspan(start, stop, color=ORANGE, alpha=0.15, lw=0)
                ax.annotate(
                    str(number), (start, value_limits(explanation, channel)[1]), xytext=(3, -3),
                    textcoords="offset points", fontsize="small", va="top",
                )  # fmt: skip


def _draw_series(explanation: Explanation, channel: int, ax: Any) -> None:
    values, band = explanation.values, shown_band(explanation, channel)
    times, series = _outline(explanation.frame_s, explanation.levels[:, band, channel])
    if values is not None:
        (low, usual, high), spread = values.quantiles[:, 0, band, channel], values.quantiles[1, 1, band, channel]
        ax.axhspan(low - N_SPREADS * spread, high + N_SPREADS * spread, color=BLUE, alpha=0.12, lw=0)
        ax.axhspan(low, high, color=BLUE, alpha=0.28, lw=0, label="normal means of a window, 1 to 99 %")
        ax.axhline(usual, color=BLUE, lw=1.0, ls="--")
    ax.plot(times, series, "-" if len(series) > 1 else "o", color="0.25", lw=0.8)
    ax.set(ylim=value_limits(explanation, channel))


def label_values(explanation: Explanation, channel: int, ax: Any) -> None:
    """Say on the axes what is drawn."""
    ax.set(ylabel=value_label(explanation, channel))
    add_legend_above(ax, 1)
    clean(ax)


def value_label(explanation: Explanation, channel: int) -> str:
    """Return what is drawn, and its unit."""
    band, values = shown_band(explanation, channel), explanation.values
    if values is None:
        return "value"
    unit, name = values.units[band][channel], values.names[band]
    name = "value" if name == "mean" else name
    return f"{name} in {unit}" if unit else name


def shown_band(explanation: Explanation, channel: int) -> int:
    """Return the band of a channel that is furthest outside normal, or the first."""
    return next((each.band for each in explanation.odd_values if each.channel == channel), 0)


def value_limits(explanation: Explanation, channel: int) -> tuple[float, float]:
    """Return between which values the y axis goes."""
    band = shown_band(explanation, channel)
    shown = [explanation.levels[:, band, channel]]
    if explanation.values is not None:
        shown.append(explanation.values.quantiles[::2, 0, band, channel])
    low, high = min(float(each.min()) for each in shown), max(float(each.max()) for each in shown)
    margin = 0.06 * (high - low) or max(0.05 * abs(high), 1e-9)
    return low - margin, high + margin


def value_pixels(explanation: Explanation, channel: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return the same picture without axes and marks, as pixels (height, width, 3), the highest value on top."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = new_figure(width / 100, height / 100)
    figure.set_layout_engine("none")
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1), frameon=False)
    _draw_series(explanation, channel, ax)
    start = explanation.start_s
    ax.set(xlim=(start, start + explanation.clip.duration_s), xticks=[], yticks=[])
    canvas.draw()
    return np.asarray(canvas.buffer_rgba(), np.uint8)[:, :, :3].copy()


def _outline(times: NDArray[np.float64], series: NDArray[np.float64]) -> tuple[Any, Any]:
    """Return a series as it is, or the lowest and highest of each piece of a long one."""
    if len(series) <= MOST_POINTS:
        return times, series
    starts = np.linspace(0, len(series), MOST_POINTS // 2, endpoint=False).astype(int)
    ends = [each.reduceat(series, starts) for each in (np.minimum, np.maximum)]
    return np.repeat(times[starts], 2), np.stack(ends, axis=1).ravel()

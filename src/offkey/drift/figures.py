"""The pictures of a drift report: a column then and now, and the evidence on line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.drift.columns import ColumnDrift
from offkey.drift.encoding import frequent_levels, level_bins
from offkey.drift.stream import Alarm
from offkey.drift.values import Column, shortened
from offkey.plots import BLUE, ORANGE
from offkey.plots.base import clean, has_far_outliers, make_logarithmic_beyond, new_figure

__all__ = ["column_figures", "online_figure"]

N_BINS = 30
MOST_BARS = 8
MOST_DOTS = 1500
LONGEST_NAME = 16


def column_figures(drift: ColumnDrift, reference: Column, batch: Column) -> list[Any]:
    """Draw the distribution of a column in the reference and in the batch; and numbers row by row, where told when."""
    figure = new_figure(4.4, 2.5)
    ax = figure.subplots()
    if reference.levels is None:
        _draw_numbers(ax, reference, batch)
    else:
        _draw_categories(ax, reference, batch)
    clean(ax, "y" if reference.levels is None else "x")
    if ax.get_legend_handles_labels()[0]:
        figure.legend(frameon=False, fontsize="small", loc="outside upper left", ncols=2)
    if drift.since_row < 0 or reference.levels is not None:
        return [figure]
    in_time = new_figure(4.4, 2.5)
    _draw_in_time(in_time, drift, reference, batch)
    return [figure, in_time]


def online_figure(statistics: Sequence[float], alarms: Sequence[Alarm], limit: float, label: str) -> Any:
    """Draw the evidence of a stream, row by row, with its alarms and since when they say that something drifts."""
    figure = new_figure(8, 2.8)
    ax = figure.subplots()
    rows, values = _thinned(np.asarray(statistics))
    ax.plot(rows, np.maximum(values, 0.1), color=BLUE, lw=1, label="evidence")
    ax.axhline(limit, color="black", ls="--", lw=1.2, label=f"alarm at {limit:,.0f}")
    fresh = [alarm for alarm in alarms if not alarm.goes_on]
    for i, alarm in enumerate(fresh):
        ax.axvspan(alarm.since, max(alarm.row, alarm.since + 1), color=ORANGE, alpha=0.3, lw=0,
                   label="since when" if i == 0 else None)  # fmt: skip
        ax.plot(alarm.row, alarm.statistic, "D", color=ORANGE, ms=6, label="alarm" if i == 0 else None)
    ax.set(yscale="log", xlabel=label, ylabel="evidence", xlim=(-0.5, max(1, len(statistics) - 0.5)))
    clean(ax)
    figure.legend(loc="outside upper left", ncols=4, frameon=False, fontsize="small")
    return figure


def _draw_numbers(ax: Any, reference: Column, batch: Column) -> None:
    samples = [column.values[~column.is_missing] for column in (reference, batch)]
    both = np.concatenate(samples)
    if len(both) == 0:
        return
    low, high = np.quantile(both, [0.002, 0.998])  # a few far ones would hide all others
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, N_BINS + 1)
    styles = ((BLUE, 0.35, "reference"), (ORANGE, 0.0, "batch"))
    for values, (colour, alpha, name) in zip(samples, styles, strict=True):
        shares = np.histogram(values, edges)[0] / max(1, len(values))
        ax.stairs(shares, edges, color=colour, lw=1.6, label=name)
        if alpha:
            ax.stairs(shares, edges, color=colour, alpha=alpha, fill=True)
    ax.set(ylabel="share of rows", ylim=(0, None), xlim=(low, high))


def _draw_categories(ax: Any, reference: Column, batch: Column) -> None:
    levels = frequent_levels([reference, batch], most=None)
    bins = level_bins([reference, batch], levels)
    shares = np.stack([np.bincount(each, minlength=len(levels) + 2) / max(1, len(each)) for each in bins])
    most = np.argsort(-np.abs(shares[1] - shares[0]), kind="stable")[:MOST_BARS]
    most = most[shares[:, most].any(axis=0)]
    names = [*levels, "(other)", "(missing)"]
    places = np.arange(len(most))
    for k, (colour, name) in enumerate(((BLUE, "reference"), (ORANGE, "batch"))):
        ax.barh(places + 0.4 * k - 0.2, shares[k, most], 0.38, color=colour, label=name)
    ax.set_yticks(places, [shortened(names[i], LONGEST_NAME) for i in most], parse_math=False)
    ax.invert_yaxis()
    ax.set(xlabel="share of rows")


def _draw_in_time(figure: Any, drift: ColumnDrift, reference: Column, batch: Column) -> None:
    """Draw the values of the batch row by row, over the middle of the reference, and since when they are others."""
    ax = figure.subplots()
    there = reference.values[~reference.is_missing]
    if len(there):
        low, middle, high = np.quantile(there, [0.05, 0.5, 0.95])
        ax.axhspan(low, high, color=BLUE, alpha=0.2, lw=0, label="reference, 5 to 95 %")
        ax.axhline(middle, color=BLUE, lw=1)
    rows = np.arange(len(batch.values))
    ax.plot(rows, batch.values, ".", color="0.45", ms=3, rasterized=len(rows) > MOST_DOTS)
    ax.axvline(drift.since_row - 0.5, color=ORANGE, lw=1.6, label="since when")
    now = batch.values[~batch.is_missing]
    if has_far_outliers(now):
        make_logarithmic_beyond(ax, now, "y")
    ax.set(xlabel="row of the batch, by time", xlim=(-0.5, max(1, len(rows) - 0.5)))
    figure.legend(frameon=False, fontsize="small", loc="outside upper left", ncols=2)
    clean(ax)


def _thinned(values: NDArray[np.float64], most: int = 2000) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return rows and values to draw: of many rows the largest of each few."""
    step = max(1, -(-len(values) // most))
    starts = np.arange(0, len(values), step)
    return starts, np.maximum.reduceat(values, starts) if len(values) else values

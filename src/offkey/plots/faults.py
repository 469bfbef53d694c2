"""Pictures of how strong faults must be to be caught."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from offkey.datasets import INJECTIONS, band_name
from offkey.evaluation import FaultSensitivity, SensitivityReport
from offkey.plots.base import BLUE, ORANGE, add_legend, axes_or_current, clean, new_figure, save

__all__ = ["plot_ladder", "plot_sensitivity", "save_sensitivity"]

LEVELS = ((50, BLUE, "o", -0.13, "half of the clips caught"), (90, ORANGE, "D", 0.13, "90 % caught"))
"""Percent of clips, colour, marker, shift to the side, and name."""


def plot_ladder(row: FaultSensitivity, ax: Any = None) -> Any:
    """Draw how many clips are caught at each strength of one fault.

    Dots are where half and 90 % of the clips are caught, bars their 90 % intervals; an open triangle at the edge stands
    for a strength beyond the ladder that was tried.

    Parameters
    ----------
    row : FaultSensitivity
        One of the rows of a `SensitivityReport`.
    ax : matplotlib Axes, optional
        pyplot's current ones if not given.

    Returns
    -------
    matplotlib Axes
        Without a curve, and saying so, if too few clips could hold the fault.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes_or_current(ax)
    _draw_ladder(row, ax)
    ax.set_ylabel("clips caught in %")
    if not math.isnan(row.strength_50):
        is_beyond = any(map(math.isinf, (row.strength_50, row.strength_90)))
        add_legend(ax, handles=_level_handles()[: None if is_beyond else -1])
    return ax


def plot_sensitivity(report: SensitivityReport, figure: Any) -> Any:
    """Draw from which strength on faults are caught: above over octave bands, below the fraction caught over strength.

    Dots are where half and 90 % of the clips are caught, bars their 90 % intervals; an open triangle at the edge stands
    for a strength beyond the ladder that was tried.
    """
    by_fault: dict[str, list[FaultSensitivity]] = {}
    for row in report.rows:
        by_fault.setdefault(row.fault, []).append(row)
    banded = [rows for rows in by_fault.values() if rows[0].band_hz is not None]
    others = [rows[0] for rows in by_fault.values() if rows[0].band_hz is None]
    parts = [part for part in (banded, others) if part]
    below_title = figure.subfigures(len(parts), 1, squeeze=False)[:, 0]
    if banded:
        axes = below_title[0].subplots(1, len(banded), sharey=True, squeeze=False)[0]
        limits = _limits([row for rows in banded for row in rows])
        for rows, ax in zip(banded, axes, strict=True):
            _plot_bands(rows, ax, *limits)
        axes[0].set_ylabel("fault over machine, within the\noctave band: SNR in dB")
    if others:
        axes = below_title[-1].subplots(1, len(others), sharey=True, squeeze=False)[0]
        for row, ax in zip(others, axes, strict=True):
            _draw_ladder(row, ax)
        axes[0].set_ylabel("clips caught in %")
    promise = f"{report.promise}; " if report.promise else ""
    figure.suptitle(
        f"How strong a fault must be for {report.detector.partition('(')[0]} to hear it\n"
        f"({promise}{report.n_alarms} of {report.n_clips} clips alarm without a fault)",
        fontsize="large",
    )
    figure.legend(handles=_level_handles(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _level_handles() -> list[Any]:
    """Return what stands in the legend; the last one is only of interest where something lies beyond the ladder."""
    from matplotlib.lines import Line2D

    return [
        *(Line2D([], [], ls="", marker=marker, color=colour, label=name) for _, colour, marker, _, name in LEVELS),
        Line2D([], [], color="0.3", lw=2, alpha=0.55, label="90 % interval"),
        Line2D([], [], ls="", marker="^", color="0.3", mfc="none", label="beyond the strengths tried"),
    ]


def save_sensitivity(report: SensitivityReport, path: str | os.PathLike[str]) -> None:
    """Write the picture of `plot_sensitivity`.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    InputError
        If the picture cannot be written.
    """
    n_banded = len({row.fault for row in report.rows if row.band_hz is not None})
    n_others = sum(row.band_hz is None for row in report.rows)
    figure = new_figure(max(8.5, 3.1 * max(n_banded, n_others)), 1.6 + 3.2 * ((n_banded > 0) + (n_others > 0)))
    plot_sensitivity(report, figure)
    save(figure, path)


def _limits(rows: list[FaultSensitivity]) -> tuple[float, float]:
    """Return the lowest strength to show, 6 dB below the faintest fault that is caught, and the strongest tried."""
    shown = [row.strength_50_low for row in rows if math.isfinite(row.strength_50_low)]
    weakest = min(row.ladder[0] for row in rows)
    is_below = any(row.strength_50_low == -math.inf for row in rows)
    strongest = max(row.ladder[-1] for row in rows)
    return weakest if is_below or not shown else max(weakest, 6 * math.floor(min(shown) / 6) - 6), strongest


def _plot_bands(rows: list[FaultSensitivity], ax: Any, weakest: float, strongest: float) -> None:
    margin = max(1.0, 0.07 * (strongest - weakest))
    edges = weakest - margin, strongest + margin
    ax.axhspan(strongest, edges[1] + margin, color="0.93", zorder=0)
    for percent, colour, marker, shift, _ in LEVELS:
        for place, row in enumerate(rows):
            value, low, high = (getattr(row, f"strength_{percent}{end}") for end in ("", "_low", "_high"))
            if math.isnan(value):
                ax.text(place, weakest, "not measured", rotation=90, ha="center", va="bottom", color="0.5", fontsize=8)
                continue
            x = place + shift
            ax.plot([x, x], np.clip([low, high], *edges), color=colour, lw=2, alpha=0.55, solid_capstyle="round")
            sign = marker if math.isfinite(value) else "^" if value > 0 else "v"
            ax.plot(x, np.clip(value, *edges), sign, color=colour, ms=6, mfc=None if sign == marker else "white")
    ax.set_xticks(range(len(rows)), [_short(row.band_hz) for row in rows])
    ax.set(xlim=(-0.6, len(rows) - 0.4), ylim=(edges[0] - margin, edges[1] + margin), xlabel="octave band in Hz")
    ax.set_title(f"{rows[0].fault}\n", fontweight="bold")
    _subtitle(ax, rows[0].fault)
    ax.set_yticks(np.arange(weakest, strongest + 1, 6))
    clean(ax)


def _draw_ladder(row: FaultSensitivity, ax: Any) -> None:
    is_db = "SNR" in row.unit
    ax.plot(row.ladder, [100 * each for each in row.caught], color="0.35", marker=".", lw=1.2)
    ax.update_datalim([(strength, 0) for strength in row.ladder])  # also where nothing was measured
    for percent, colour, marker, _, _ in LEVELS:
        ax.axhline(percent, color=colour, lw=0.8, ls=":", zorder=0)
        value, low, high = (getattr(row, f"strength_{percent}{end}") for end in ("", "_low", "_high"))
        if math.isnan(value):
            continue
        ends = np.clip([low, high], row.ladder[0], row.ladder[-1])
        ax.plot(ends, [percent] * 2, color=colour, lw=2, alpha=0.55, solid_capstyle="round")
        sign = marker if math.isfinite(value) else ">" if value > 0 else "<"
        place = np.clip(value, row.ladder[0], row.ladder[-1])
        ax.plot(place, percent, sign, color=colour, ms=6, mfc=None if sign == marker else "white")
    if not is_db:
        from matplotlib.ticker import FormatStrFormatter, NullFormatter

        ax.set_xscale("log")
        ax.set_xticks(row.ladder[:: 2 if len(row.ladder) > 6 else 1])
        ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.minorticks_off()
    if math.isnan(row.strength_50):
        said = f"not measured: {row.n_clips} clips\ncould hold the fault"
        ax.text(0.5, 0.3, said, transform=ax.transAxes, ha="center", color="0.35")
    ax.set(xlabel=_strength(row), ylim=(-4, 104))
    ax.set_title(f"{row.fault}{f', {band_name(row.band_hz)}' if row.band_hz else ''}\n", fontweight="bold")
    _subtitle(ax, row.fault)
    clean(ax)


def _strength(row: FaultSensitivity) -> str:
    if row.band_hz is not None:
        return "SNR within the octave band in dB"
    if row.fault == "dropout":
        return "time missing in %"
    return {"dB SNR": "change over sound: SNR in dB", "dB": "change in dB", "%": "change in %"}[row.unit]


def _subtitle(ax: Any, fault: str) -> None:
    ax.text(0.5, 1.025, INJECTIONS[fault].meaning, transform=ax.transAxes, ha="center", fontsize=8, color="0.35")


def _short(band_hz: int | None) -> str:
    return band_name(band_hz or 0).replace(" kHz", "k").replace(" Hz", "")

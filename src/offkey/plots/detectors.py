"""Pictures of detectors side by side."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from offkey.evaluation import Comparison
from offkey.plots.base import BLUE, GREEN, ORANGE, add_legend_above, axes_or_current, new_figure, save

__all__ = ["plot_areas", "plot_comparison", "save_detector_comparison"]


def _time(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _size(n_bytes: float) -> str:
    if math.isnan(n_bytes):
        return "none"
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"


COSTS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("fit_s", "to fit", _time),
    ("clip_s", "a clip", _time),
    ("n_bytes", "bundle", _size),
)
"""Attribute, heading, and how a value is written."""


def plot_areas(comparison: Comparison, ax: Any = None) -> Any:
    """Draw the AUC of detectors with its 95 % interval.

    Filled dots are the detector that the others are compared to, and those that cannot be told from it.

    Parameters
    ----------
    comparison : Comparison
        Of `offkey.evaluation.compare`.
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
    _draw_rows(comparison, ax)
    _draw_areas(comparison, ax)
    add_legend_above(ax, 1)
    return ax


def plot_comparison(comparison: Comparison, figure: Any) -> Any:
    """Draw the AUC of detectors (see `plot_areas`), what they decide at the threshold, and what they cost."""
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(5, 3.2, 2.8))
    for ax in axes:
        _draw_rows(comparison, ax)
    _draw_areas(comparison, axes[0])
    _draw_decisions(comparison, axes[1])
    _write_costs(comparison, axes[2])
    figure.suptitle(comparison.protocol.rstrip("."), fontsize="small", color="0.35")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    return figure


def save_detector_comparison(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Write the picture of `plot_comparison`.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    InputError
        If the picture cannot be written.
    """
    figure = new_figure(10, 1.9 + 0.48 * len(comparison.rows))
    plot_comparison(comparison, figure)
    save(figure, path)


def _draw_rows(comparison: Comparison, ax: Any) -> None:
    """Give each detector a row, from the top."""
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    for place in range(0, len(comparison.rows), 2):
        ax.axhspan(place - 0.5, place + 0.5, color="0.96", lw=0, zorder=0)
    ax.set_yticks(range(len(comparison.rows)), [_label(row.detector) for row in comparison.rows])
    ax.set_ylim(max(len(comparison.rows), 1) - 0.5, -0.5)


def _draw_areas(comparison: Comparison, ax: Any) -> None:
    clear = {gap.detector for gap in comparison.differences if gap.is_clear}
    against = {gap.against for gap in comparison.differences}
    for place, row in enumerate(comparison.rows):
        if math.isnan(row.auc):
            ax.text(0.5, place, " not measured", va="center", color="0.35", fontsize=9)
            continue
        fill = "white" if row.detector in clear else BLUE
        ax.plot([row.auc_low, row.auc_high], [place] * 2, color=BLUE, lw=3, alpha=0.4, solid_capstyle="round")
        ax.plot(row.auc, place, "o", color=BLUE, mfc=fill, ms=8, mew=1.6)
        ax.annotate(
            f"{row.auc:.3f}", (np.fmax(row.auc, row.auc_high), place), xytext=(7, 0), textcoords="offset points",
            va="center", fontsize=9,
        )  # fmt: skip
    if not comparison.rows:
        ax.plot([], [], " ", color="none", label="no detectors")
    else:
        other = "the best" if against <= {comparison.rows[0].detector} else against.pop()
        ax.plot([], [], "o", color=BLUE, ms=8, mew=1.6, label=f"{other}, or not told from it")
    if clear:
        ax.plot([], [], "o", color=BLUE, mfc="white", ms=8, mew=1.6, label="clearly different")
    low = float(np.nanmin([0.5, *(row.auc_low for row in comparison.rows), *(row.auc for row in comparison.rows)]))
    ax.axvline(0.5, color="0.6", lw=1, ls=":")
    ax.set_xlim(low - 0.02, 1 + 0.2 * (1 - low))
    ax.set_xticks([tick / 10 for tick in range(math.ceil(10 * low), 11)])
    ax.set_title("AUC, with 95 % interval", loc="left", fontsize="medium", fontweight="bold")
    ax.set_xlabel("AUC: 0.5 is chance, 1 is perfect")
    ax.grid(axis="x", color="0.88", lw=0.7)


def _draw_decisions(comparison: Comparison, ax: Any) -> None:
    """Draw how many anomalies and how many normal recordings give an alarm."""
    for name, colour, marker, said in (
        ("recall", ORANGE, "D", "anomalies caught"),
        ("false_alarm_rate", GREEN, "s", "false alarms"),
    ):
        for place, row in enumerate(comparison.rows):
            value, low, high = (100 * getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
            ax.plot([low, high], [place] * 2, color=colour, lw=2.5, alpha=0.35, solid_capstyle="round")
            ax.plot(value, place, marker, color=colour, ms=6.5, label=said if place == 0 else None)
    ax.axvline(100 * comparison.settings["false_alarms"], color=GREEN, lw=1, ls="--")
    ax.set(xlim=(-3, 103), xlabel="% of recordings; dashed: asked for")
    ax.set_title("alarms at the threshold", loc="left", fontsize="medium", fontweight="bold")
    ax.grid(axis="x", color="0.88", lw=0.7)


def _write_costs(comparison: Comparison, ax: Any) -> None:
    for column, (name, heading, written) in enumerate(COSTS):
        x = (column + 0.92) / len(COSTS)
        ax.text(x, 1.02, heading, transform=ax.transAxes, ha="right", va="bottom", fontweight="bold")
        for place, row in enumerate(comparison.rows):
            ax.text(
                x, place, written(getattr(row, name)), transform=ax.get_yaxis_transform(), ha="right", va="center",
                fontsize=9,
            )  # fmt: skip
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.set_xlabel("on one core")


def _label(name: str) -> str:
    """Set the parameters of a detector on lines of their own."""
    kind, bracket, parameters = name.partition("(")
    return kind if parameters in ("", ")") else f"{kind}\n{bracket}{parameters.replace(', ', ',' + chr(10))}"

"""What all pictures share: colours, axes, notes, a look, and how a figure is saved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError, MissingExtraError, ShapeError

__all__ = [
    "BLUE",
    "GREEN",
    "ORANGE",
    "STYLES",
    "add_legend",
    "add_legend_above",
    "axes_or_current",
    "clean",
    "curves",
    "has_far_outliers",
    "is_wide",
    "labelled_scores",
    "make_logarithmic",
    "make_logarithmic_beyond",
    "named",
    "new_figure",
    "next_style",
    "save",
    "without_nan",
]

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # Okabe and Ito's colours, told apart by colour-blind people too
STYLES = ((BLUE, "-", "o"), (ORANGE, "--", "D"), (GREEN, "-.", "s"), ("#CC79A7", ":", "^"), ("0.2", (0, (6, 1)), "v"))
"""Colour, line style and marker of the curves on one axes, in their order: different in grey as well."""

FAR = 12
"""Interquartile ranges from the median to a far outlier."""

CURVE = "curve"
"""Group name of the lines that `next_style` counts."""


def axes_or_current(ax: Any) -> Any:
    """Return the axes that were given, or pyplot's current ones if None were.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots", "Drawing a picture") from error
    return pyplot.gca()


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure, its size in inches.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots", "Drawing a picture") from error
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written ({error}). Choose another place, or the ending .png.") from error


def without_nan(values: NDArray[np.float64], what: str) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which of some values (n,) can be drawn, and what a picture must say of the others."""
    is_shown = np.isfinite(values)
    n, n_left_out = len(values), int((~is_shown).sum())
    kind = "NaN" if np.isnan(values[~is_shown]).all() else "not finite"
    verb = "is" if n_left_out == 1 else "are"
    return is_shown, [f"{n_left_out} of {n} {what} {verb} {kind}, not shown"] if n_left_out else []


def labelled_scores(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64], list[str]]:
    """Return which recordings are anomalous, their scores, and what a picture must say of those that are missing.

    Parameters
    ----------
    labels : array, shape (n,)
        0 normal, 1 anomaly.
    scores : array, shape (n,)
        Those that are not finite are left out.

    Raises
    ------
    ShapeError
        If the shapes differ.
    InputError
        If a label is neither 0 nor 1.
    """
    kinds, values = np.asarray(labels), np.asarray(scores, np.float64)
    if kinds.shape != values.shape or kinds.ndim != 1:
        raise ShapeError(f"Labels {kinds.shape} and scores {values.shape} were given. Give (n,) each.")
    if not np.isin(kinds, (0, 1)).all():
        raise InputError("Labels other than 0 and 1 were given. Use 0 for normal and 1 for anomaly.")
    is_shown, notes = without_nan(values, "scores")
    is_anomaly = kinds[is_shown] == 1
    missing = [name for name, own in (("normal", ~is_anomaly), ("anomalous", is_anomaly)) if not own.any()]
    if missing:
        notes.append(f"no {missing[0]} recordings" if len(missing) == 1 else "no recordings")
    return is_anomaly, values[is_shown], notes


def curves(ax: Any) -> list[Any]:
    """Return the lines on axes that were drawn in one of the `STYLES`."""
    return [line for line in ax.lines if line.get_gid() == CURVE]


def next_style(ax: Any) -> dict[str, Any]:
    """Return what the next curve on axes is drawn with, so that it differs from those that are there."""
    colour, style, marker = STYLES[len(curves(ax)) % len(STYLES)]
    return {"color": colour, "linestyle": style, "marker": marker, "gid": CURVE}


def named(name: str | None, text: str) -> str:
    """Return what is said in the legend of the curve of this name, if it has one."""
    return f"{name}: {text}" if name else text


def add_legend(ax: Any, notes: Sequence[str] = (), **options: Any) -> None:
    """Draw the legend, in place of an earlier one, with what else is to be said."""
    for text in notes:
        ax.plot([], [], " ", color="none", label=text)
    if "handles" in options or ax.get_legend_handles_labels()[0]:
        ax.legend(**{"loc": "best", "fontsize": "small", "framealpha": 0.85, "edgecolor": "none", **options})


def add_legend_above(ax: Any, n_columns: int) -> None:
    """Draw the legend above what is drawn: the y axis, which must be linear, is made longer by its height."""
    add_legend(ax, loc="upper left", ncols=n_columns, borderaxespad=0.2, columnspacing=1, handletextpad=0.5)
    n_rows = -(-len(ax.get_legend_handles_labels()[0]) // n_columns)
    share = min(0.6, (0.18 * n_rows + 0.1) * ax.figure.dpi / ax.bbox.height)
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / (1 - share))


def clean(ax: Any, grid: str = "y") -> None:
    """Leave of axes what is needed, with grid lines across ``"x"``, ``"y"`` or ``"both"``."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis=grid, color="0.9", lw=0.7)
    ax.set_axisbelow(True)


def is_wide(values: NDArray[np.float64]) -> bool:
    """Whether values (n,) are better drawn on a logarithmic axis: all above zero, and spanning a decade."""
    return len(values) > 0 and bool(0 < 10 * values.min() <= values.max())


def has_far_outliers(values: NDArray[np.float64]) -> bool:
    """Whether a few values (n,) lie so far off that nothing would be seen of the others on a linear axis."""
    if len(values) < 2:
        return False
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return bool(np.abs(values - middle).max() > FAR * max(high - low, 1e-12))


def make_logarithmic_beyond(ax: Any, values: NDArray[np.float64], which: str = "x") -> None:
    """Make the x or y axis linear where most values (n,) lie, and logarithmic beyond."""
    width = float(np.quantile(np.abs(values), 0.75)) or 1.0
    getattr(ax, f"set_{which}scale")("asinh", linear_width=width)
    powers = 10.0 ** np.arange(np.ceil(np.log10(width)), np.log10(np.abs(values).max()) + 1)
    ticks = [tick for tick in (*-powers[::-1], 0, *powers) if values.min() <= tick <= values.max()]
    axis = getattr(ax, f"{which}axis")
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def make_logarithmic(ax: Any, low: float, high: float, which: str = "x") -> None:
    """Make the x or y axis logarithmic, with plain numbers as suit a range."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    ax.set(**{f"{which}scale": "log"})
    axis = getattr(ax, f"{which}axis")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_formatter(NullFormatter())

"""Pictures of whether false alarms are as many as were asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError, ShapeError
from offkey.evaluation.metrics import wilson_interval
from offkey.plots.base import (
    add_legend,
    axes_or_current,
    clean,
    curves,
    is_wide,
    make_logarithmic,
    named,
    next_style,
    without_nan,
)

__all__ = ["plot_calibration"]


def plot_calibration(
    asked: ArrayLike, realised: ArrayLike, ax: Any = None, *, n: ArrayLike | None = None, name: str | None = None
) -> Any:
    """Draw the false-alarm rates that were realised on normal recordings against those that were asked for.

    Above the diagonal are more false alarms than were asked for. Axes are logarithmic where the rates asked for span
    a decade; a realised rate of zero is then an open triangle at the lower edge. Bars are Wilson's 95 % intervals
    (Wilson 1927). Call it again to add another calibration.

    Parameters
    ----------
    asked, realised : array, shape (n_rates,)
        Fractions from 0 to 1; pairs with NaN are left out, and the picture says how many.
    ax : matplotlib Axes, optional
        pyplot's current ones if not given.
    n : int or array, shape (n_rates,), optional
        Normal recordings that each realised rate was counted on; without it there are no intervals.
    name : str, optional
        In the legend.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ShapeError
        If the shapes differ.
    InputError
        If a rate is not from 0 to 1, or a number of recordings is negative.
    MissingExtraError
        If matplotlib is not installed.
    """
    rates, counts = _checked(asked, realised, n)
    is_shown, notes = without_nan(rates.sum(axis=0), "rates")
    order = np.flatnonzero(is_shown)[np.argsort(rates[0, is_shown], kind="stable")]
    rates, counts = 100 * rates[:, order], counts[order]
    ax = axes_or_current(ax)
    is_log = is_wide(rates[0])
    if len(order):
        _draw_rates(rates, counts, name, is_log, ax)
    else:
        notes.append("no rates")
    _draw_diagonal(rates, is_log, ax)
    ax.set(xlabel="false-alarm rate asked for in %", ylabel="realised in %")
    add_legend(ax, [named(name, text) for text in notes], loc="lower right")
    clean(ax, "both")
    return ax


def _checked(
    asked: ArrayLike, realised: ArrayLike, n: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rates (2, n_rates) and how many recordings each realised one rests on (n_rates,); 0 if not known."""
    x, y = np.asarray(asked, np.float64), np.asarray(realised, np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ShapeError(f"Rates asked for {x.shape} and realised {y.shape} were given. Give (n_rates,) each.")
    counts = np.asarray(0 if n is None else n, np.float64)
    if counts.shape not in ((), x.shape):
        raise ShapeError(f"n of shape {counts.shape} was given for {x.shape} rates. Give one number, or one for each.")
    rates = np.stack([x, y])
    if not (np.isnan(rates) | ((rates >= 0) & (rates <= 1))).all():
        raise InputError("Rates outside 0 to 1 were given. Give fractions, not per cent.")
    if not (counts >= 0).all():
        raise InputError("Negative numbers of recordings were given. Give how many each rate was counted on.")
    return rates, np.broadcast_to(counts, x.shape)


def _draw_rates(
    rates: NDArray[np.float64], counts: NDArray[np.float64], name: str | None, is_log: bool, ax: Any
) -> None:
    """Draw rates (2, n_rates) in per cent with their intervals; on a logarithmic axis those of zero at its end."""
    asked, realised = rates
    thickness = max(1.5, 4 - 1.25 * len(curves(ax)))  # so that bars at one rate are seen inside each other
    style = next_style(ax)
    ends = [wilson_interval(rate / 100 * n, n) for rate, n in zip(realised, counts, strict=True)]
    ax.vlines(asked, *(100 * np.transpose(ends)), color=style["color"], lw=thickness, alpha=0.4)
    is_zero = is_log & (realised == 0)
    ax.plot(asked, np.where(is_zero, np.nan, realised), lw=1.2, label=name or "realised", **style)
    if is_zero.any():
        said = f"{name}: none" if name else "none realised"
        at_the_edge = {"transform": ax.get_xaxis_transform(), "color": style["color"], "mfc": "white"}
        ax.plot(asked[is_zero], np.full(is_zero.sum(), 0.02), "v", ms=7, label=said, **at_the_edge)


def _draw_diagonal(rates: NDArray[np.float64], is_log: bool, ax: Any) -> None:
    """Draw where as many are realised as were asked for, over the rates in per cent, and scale the axes."""
    low, high = (rates[0].min(), rates[0].max()) if rates.size else (0, 100)
    ends = (low / 1.5, min(100, 1.5 * high)) if is_log else (0, min(100, 1.2 * high) or 100)
    is_new = "as asked for" not in ax.get_legend_handles_labels()[1]
    ax.plot(ends, ends, color="0.5", lw=1, ls=":", zorder=1, label="as asked for" if is_new else None)
    if is_log:
        for which in "xy":
            make_logarithmic(ax, low, high, which)

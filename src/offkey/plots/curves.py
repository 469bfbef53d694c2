"""Pictures of how well scores tell anomalous from normal recordings, whatever the threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError
from offkey.evaluation.metrics import auc, partial_auc, roc_curve
from offkey.plots.base import add_legend, axes_or_current, clean, curves, labelled_scores, named, next_style

__all__ = ["plot_det", "plot_roc"]

DEVIATE_TICKS = (0.001, 0.01, 0.1, 1, 5, 20, 50, 80, 95, 99, 99.9, 99.99, 99.999)
"""In per cent: about equally far apart on a normal-deviate axis."""


def plot_roc(
    labels: ArrayLike, scores: ArrayLike, ax: Any = None, *, max_fpr: float = 0.1, name: str | None = None
) -> Any:
    """Draw the receiver operating characteristic: recall against false-alarm rate, over all thresholds.

    The shade reaches up to ``max_fpr``: there the partial AUC looks at the curve. It is given as
    `offkey.evaluation.partial_auc` standardises it (0.5 is chance, 1 is perfect). Call it again to add another curve.

    Parameters
    ----------
    labels : array, shape (n,)
        0 normal, 1 anomaly.
    scores : array, shape (n,)
        Anomaly scores; the picture says how many are left out because they are not finite.
    ax : matplotlib Axes, optional
        pyplot's current ones if not given.
    max_fpr : float
        False-alarm rate that the partial AUC ends at, as a fraction.
    name : str, optional
        Of the curve, in the legend.

    Returns
    -------
    matplotlib Axes
        Without a curve, and saying so, if one of the kinds is missing.

    Raises
    ------
    ShapeError
        If the shapes differ.
    InputError
        If a label is neither 0 nor 1, or ``max_fpr`` makes no sense.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not 0 < max_fpr <= 1:
        raise InputError(f"max_fpr={max_fpr} was given. It must lie in (0, 1].")
    is_anomaly, values, notes = labelled_scores(labels, scores)
    has_both = is_anomaly.any() and not is_anomaly.all()
    said = f"AUC {auc(is_anomaly, values):.3f}, pAUC {partial_auc(is_anomaly, values, max_fpr):.3f}" if has_both else ""
    ax = axes_or_current(ax)
    _draw_chance(ax, [0, 100], [0, 100])
    region = f"pAUC: up to {100 * max_fpr:g} %"
    if region not in ax.get_legend_handles_labels()[1]:
        ax.axvspan(0, 100 * max_fpr, color="0.9", lw=0, zorder=0, label=region)
    if has_both:
        false_rate, true_rate = roc_curve(is_anomaly, values)
        style = {**next_style(ax), "marker": None}
        ax.plot(100 * false_rate, 100 * true_rate, lw=2, label=named(name, said), **style)
    ax.set(xlabel="false-alarm rate in %", ylabel="recall in %", xlim=(-2, 102), ylim=(-2, 102))
    add_legend(ax, [named(name, text) for text in notes], loc="lower right")
    clean(ax, "both")
    return ax


def plot_det(labels: ArrayLike, scores: ArrayLike, ax: Any = None, *, name: str | None = None) -> Any:
    """Draw the detection error trade-off: missed anomalies against false alarms, over all thresholds.

    Both axes are normal deviates, on which two normal distributions of scores give a straight line, and good detectors
    lie apart: Martin et al. 1997, "The DET curve in assessment of detection task performance". The mark is where both
    error rates are equal, between thresholds on a straight line. Rates of 0 and 100 %, which such an axis cannot show,
    are drawn half a recording away from them. Above 60 % false alarms nothing is shown, but for curves worse than
    chance. Call it again to add another curve.

    Parameters
    ----------
    labels : array, shape (n,)
        0 normal, 1 anomaly.
    scores : array, shape (n,)
        Anomaly scores; the picture says how many are left out because they are not finite.
    ax : matplotlib Axes, optional
        pyplot's current ones if not given.
    name : str, optional
        Of the curve, in the legend.

    Returns
    -------
    matplotlib Axes
        Without a curve, and saying so, if one of the kinds is missing.

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
    _draw_chance(ax, np.linspace(0.001, 99.999, 200), np.linspace(99.999, 0.001, 200))
    if is_anomaly.any() and not is_anomaly.all():
        false_rate, miss_rate, place = _errors(is_anomaly, values)
        said = named(name, f"equal error rate {100 * false_rate[place]:.1f} %")
        x, y = (
            _off_the_ends(rate, n) for rate, n in ((false_rate, (~is_anomaly).sum()), (miss_rate, is_anomaly.sum()))
        )
        ax.plot(100 * x, 100 * y, lw=2, markevery=[place], mec="white", ms=8, label=said, **next_style(ax))
    _scale_to_deviates(ax)
    ax.set(xlabel="false-alarm rate in %", ylabel="missed anomalies in %")
    add_legend(ax, [named(name, text) for text in notes], loc="upper right")
    clean(ax, "both")
    return ax


def _draw_chance(ax: Any, x: ArrayLike, y: ArrayLike) -> None:
    if "chance" not in ax.get_legend_handles_labels()[1]:
        ax.plot(x, y, color="0.5", lw=1, ls=":", zorder=1, label="chance")


def _errors(
    is_anomaly: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return false positive and miss rates along the curve, and where in them both are equal."""
    false_rate, true_rate = roc_curve(is_anomaly, scores)
    along = false_rate + true_rate
    equal, place = np.interp(1, along, false_rate), int(np.searchsorted(along, 1))
    return np.insert(false_rate, place, equal), np.insert(1 - true_rate, place, equal), place


def _off_the_ends(rates: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Move rates of 0 and 1 by half a recording of n."""
    return np.clip(rates, 0.5 / n, 1 - 0.5 / n)


def _scale_to_deviates(ax: Any) -> None:
    """Make both axes normal deviates, and show all curves."""
    from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator
    from scipy.special import ndtr, ndtri

    drawn = [line.get_xydata() for line in curves(ax)] or [np.array([[0.5, 0.5], [99.5, 99.5]])]
    points = np.concatenate(drawn)
    if not (points.min(axis=1) > 50).any():
        points = points[points[:, 0] <= 60]
    for which, rates in zip("xy", points.T, strict=True):
        limits = 100 * ndtr(ndtri([min(rates.min(), 5) / 100, max(rates.max(), 60) / 100]) + np.array([-0.1, 0.1]))
        functions = (lambda percent: ndtri(percent / 100)), (lambda deviate: 100 * ndtr(deviate))
        ax.set(**{f"{which}lim": limits})
        getattr(ax, f"set_{which}scale")("function", functions=functions)
        axis = getattr(ax, f"{which}axis")
        axis.set_major_locator(FixedLocator([tick for tick in DEVIATE_TICKS if limits[0] <= tick <= limits[1]]))
        axis.set_major_formatter(FormatStrFormatter("%g"))
        axis.set_minor_locator(NullLocator())

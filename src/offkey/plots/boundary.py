"""Pictures of what decision boundaries do."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.evaluation import BoundaryFigures, Choice
from offkey.plots.base import BLUE, GREEN, ORANGE, clean, make_logarithmic, new_figure, save

__all__ = ["plot_decision_curve", "save_decision_curve"]


def plot_decision_curve(choice: Choice, figure: Any) -> Any:
    """Draw what every boundary does: recall, false alarms and precision, F-beta or cost, and the recordings' scores.

    Lines are figures on the recordings that chose the boundary, diamonds those to expect on others.
    """
    rates, criterion, recordings = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1.6, 0.7))
    edges, is_log = _score_edges(choice)
    curve = choice.curve
    for values, colour, style, name in (
        (curve.recall, ORANGE, "-", "recall: anomalies that are found"),
        (curve.false_alarm_rate, BLUE, "-", "false alarms: normal recordings called anomalies"),
        (np.append(curve.precision[:-1], math.nan), GREEN, "--", "precision: alarms that are anomalies"),
    ):
        rates.stairs(100 * values, edges, baseline=None, color=colour, ls=style, lw=2, label=name)
    criterion.stairs(choice.criterion_curve, edges, baseline=None, color="0.25", lw=2)
    _plot_expected(choice.cross_validated, choice.chosen.threshold, rates, criterion)
    rng = np.random.default_rng(0)
    for label, colour in ((0, BLUE), (1, ORANGE)):
        own = choice.scores[choice.labels == label]
        height = label + rng.uniform(-0.25, 0.25, len(own))
        recordings.plot(own, height, "o", color=colour, ms=4, mew=0, alpha=0.6)
    for ax in (rates, criterion, recordings):
        ax.axvline(choice.chosen.threshold, color="black", lw=1)
        ax.axvline(choice.before.threshold, color="0.45", lw=1.3, ls=":")
        clean(ax)
    _name_boundaries(choice, rates)
    rates.set(ylim=(-3, 103), ylabel="recordings in %", xscale="log" if is_log else "linear", xlim=edges[[0, -1]])
    is_cost = choice.criterion == "cost"
    criterion.set(ylabel="cost of a recording" if is_cost else choice.criterion, ylim=(0, None if is_cost else 1.04))
    recordings.set(yticks=[0, 1], yticklabels=["normal", "anomalous"], ylim=(-0.6, 1.6))
    recordings.set_xlabel("threshold, and scores of the recordings" + (" (logarithmic)" if is_log else ""))
    if is_log:
        make_logarithmic(recordings, edges[0], edges[-1])
    first = choice.report.rows[0]
    figure.suptitle(
        f"What each threshold does on {first.n_normal} normal and {first.n_anomaly} anomalous recordings",
        fontsize="large",
    )
    figure.legend(*rates.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def save_decision_curve(choice: Choice, path: str | os.PathLike[str]) -> None:
    """Write the picture of `plot_decision_curve`.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    InputError
        If the picture cannot be written.
    """
    figure = new_figure(9, 7.5)
    plot_decision_curve(choice, figure)
    save(figure, path)


def _score_edges(choice: Choice) -> tuple[NDArray[np.float64], bool]:
    """Return where the curve jumps, with its ends (n_boundaries + 1,), and whether the axis is better logarithmic."""
    scores = np.unique(choice.scores)
    marked = [each for each in (choice.chosen.threshold, choice.before.threshold) if math.isfinite(each)]
    low, high = min(*marked, scores[0]), max(*marked, scores[-1])
    if low > 0 and high / low > 10:
        margin = (high / low) ** 0.04
        return np.concatenate([[low / margin], scores, [high * margin]]), True
    margin = 0.04 * (high - low) or 0.5
    return np.concatenate([[low - margin], scores, [high + margin]]), False


def _plot_expected(expected: BoundaryFigures, boundary: float, rates: Any, criterion: Any) -> None:
    """Draw the cross-validated figures at the chosen boundary."""
    from matplotlib.transforms import offset_copy

    for shift, name, colour in ((-7, "recall", ORANGE), (0, "precision", GREEN), (7, "false_alarm_rate", BLUE)):
        value, low, high = (100 * getattr(expected, f"{name}{end}") for end in ("", "_low", "_high"))
        beside = offset_copy(rates.transData, rates.figure, x=shift, units="points")
        rates.plot([boundary] * 2, [low, high], color=colour, lw=5, alpha=0.35, solid_capstyle="butt", transform=beside)
        rates.plot(boundary, value, "D", color=colour, mec="white", ms=8, zorder=3, transform=beside)
    criterion.plot(boundary, expected.criterion, "D", color="0.25", mec="white", ms=8, zorder=3)
    if math.isfinite(expected.recall):
        rates.plot([], [], "D", color="0.25", label="to expect on other recordings, with 95 % interval")


def _name_boundaries(choice: Choice, ax: Any) -> None:
    named = [(choice.chosen.threshold, "chosen", "black"), (choice.before.threshold, "until now", "0.45")]
    named = sorted(each for each in named if math.isfinite(each[0]))
    for place, (boundary, name, colour) in enumerate(named):
        ax.annotate(
            f"{name}: {boundary:.4g}",
            (boundary, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if place < len(named) - 1 else 4, 3),
            textcoords="offset points",
            ha="right" if place < len(named) - 1 else "left",
            color=colour,
        )

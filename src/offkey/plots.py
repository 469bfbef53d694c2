"""Pictures, with matplotlib: functions that draw on axes and return them."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.datasets import INJECTIONS, band_name
from offkey.decisions import Event
from offkey.errors import InputError, MissingExtraError
from offkey.evaluation import BoundaryFigures, Choice, FaultSensitivity, SensitivityReport
from offkey.features import frames_of
from offkey.pipeline import POOLED, Pipeline, ScoredWindow
from offkey.signals import Clip, read

__all__ = [
    "plot_decision_curve",
    "plot_log_mel",
    "plot_scores",
    "plot_sensitivity",
    "plot_timeline",
    "save_comparison",
    "save_decision_curve",
    "save_sensitivity",
]

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # Okabe and Ito's colours, told apart by colour-blind people too


LEVELS = ((50, BLUE, "o", -0.13, "half of the clips caught"), (90, ORANGE, "D", 0.13, "90 % caught"))
"""Percent of clips, colour, marker, shift to the side, and name."""


def plot_log_mel(pipeline: Pipeline, clip: Clip, ax: Any, *, vmin: float, vmax: float) -> Any:
    """Draw the log-mel spectrogram of a clip's first channel; levels from ``vmin`` to ``vmax`` in dB."""
    feature = pipeline.features_
    frames = frames_of(feature, clip)[:, :, 0]
    hz = feature.fitted_state["band_hz_"]
    times = np.arange(len(frames)) * feature.hop_length / clip.rate
    mesh = ax.pcolormesh(
        times, hz / 1000, frames.T, vmin=vmin, vmax=vmax, cmap="magma", shading="nearest", rasterized=True
    )
    ax.set(xlabel="time in s", ylabel="frequency in kHz", title=clip.source)
    return mesh


def plot_scores(clips: list[dict[str, Any]], threshold: float, ax: Any) -> Any:
    """Draw the scores of normal and faulty clips with the threshold; ``clips`` as in an evaluation's report."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    by_label = [[clip["score"] for clip in clips if clip["label"] == label] for label in (0, 1)]
    everything = np.array([score for scores in by_label for score in scores])
    bins = np.geomspace(everything.min(), everything.max() * 1.01, 40)
    ax.hist(by_label, bins, label=["normal", "faulty"], color=[BLUE, ORANGE], stacked=True)
    ax.axvline(threshold, color="black", linestyle="--", label="threshold")
    ax.set(xscale="log", xlabel="anomaly score (logarithmic)", ylabel="recordings")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend()
    return ax


def save_comparison(
    pipeline: Pipeline,
    normal: str,
    faulty: str,
    fault: str,
    clips: list[dict[str, Any]],
    path: str | os.PathLike[str],
) -> None:
    """Write a picture of a normal and a faulty recording, and of the scores of all.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure = _figure(15, 4)
    axes = figure.subplots(1, 3)
    loaded = [read(name, rate=pipeline.rate_) for name in (normal, faulty)]
    levels = frames_of(pipeline.features_, loaded[0])
    vmin, vmax = (float(level) for level in np.quantile(levels, [0.01, 0.999]))
    for clip, title, ax in zip(loaded, ("normal", f"faulty: {fault}"), axes, strict=False):
        mesh = plot_log_mel(pipeline, clip, ax, vmin=vmin, vmax=vmax)
        ax.set_title(title)
    figure.colorbar(mesh, ax=axes[:2], label="level in dB")
    detector = type(pipeline.detector_).__name__
    plot_scores(clips, pipeline.boundaries_[POOLED].clips.threshold.fitted_state["threshold_"], axes[2])
    axes[2].set_title(f"scores by {detector} of recordings not learned from")
    figure.savefig(path, dpi=110)


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
            _plot_curve(row, ax)
        axes[0].set_ylabel("clips caught in %")
    promise = f"{report.promise}; " if report.promise else ""
    figure.suptitle(
        f"How strong a fault must be for {report.detector.partition('(')[0]} to hear it\n"
        f"({promise}{report.n_alarms} of {report.n_clips} clips alarm without a fault)",
        fontsize="large",
    )
    _add_legend(figure)
    return figure


def _add_legend(figure: Any) -> None:
    ax = figure.axes[0]
    handles = [ax.plot([], [], marker, color=colour, label=name)[0] for _, colour, marker, _, name in LEVELS]
    handles.append(ax.plot([], [], color="0.3", lw=2, alpha=0.55, label="90 % interval")[0])
    handles.append(ax.plot([], [], "^", color="0.3", mfc="none", label="beyond the strengths tried")[0])
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)


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
    figure = _figure(max(8.5, 3.1 * max(n_banded, n_others)), 1.6 + 3.2 * ((n_banded > 0) + (n_others > 0)))
    plot_sensitivity(report, figure)
    _save(figure, path)


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
        _clean(ax)
    _name_boundaries(choice, rates)
    rates.set(ylim=(-3, 103), ylabel="recordings in %", xscale="log" if is_log else "linear", xlim=edges[[0, -1]])
    is_cost = choice.criterion == "cost"
    criterion.set(ylabel="cost of a recording" if is_cost else choice.criterion, ylim=(0, None if is_cost else 1.04))
    recordings.set(yticks=[0, 1], yticklabels=["normal", "anomalous"], ylim=(-0.6, 1.6))
    recordings.set_xlabel("threshold, and scores of the recordings" + (" (logarithmic)" if is_log else ""))
    if is_log:
        _plain_log_ticks(recordings, edges[-1] / edges[0])
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
    figure = _figure(9, 7.5)
    plot_decision_curve(choice, figure)
    _save(figure, path)


def plot_timeline(windows: Sequence[ScoredWindow], events: Sequence[Event], on: float, off: float, ax: Any) -> Any:
    """Draw the scores of windows over time, with the boundaries that events open and end at, and the events.

    Each score stands in the middle of its window; bands reach from the start to the stop of an event.
    """
    middles = [(window.start_s + window.stop_s) / 2 for window in windows]
    scores = np.array([window.score for window in windows])
    for event in events:
        ax.axvspan(event.start_s, event.stop_s, color=ORANGE, alpha=0.18, lw=0)
    ax.plot(middles, scores, color="0.75", lw=1, zorder=1)
    for is_above, colour, name in ((False, BLUE, "window"), (True, ORANGE, "window above the on boundary")):
        own = np.flatnonzero((scores > on) == is_above)
        ax.plot(np.take(middles, own), scores[own], "o", color=colour, ms=4, mew=0, label=name)
    ax.axhline(on, color="black", lw=1.2, ls="--", label="on boundary: an event opens above")
    if off < on:
        ax.axhline(off, color="black", lw=1.2, ls=":", label="off boundary: it goes on above")
    ax.fill_between([], [], color=ORANGE, alpha=0.18, lw=0, label="event")
    ax.set(xlabel="time in s", ylabel="anomaly score", xlim=(0, windows[-1].stop_s) if windows else None)
    _clean(ax)
    return ax


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


def _plain_log_ticks(ax: Any, ratio: float) -> None:
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio < 1000 else (1,)))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.xaxis.set_minor_formatter(NullFormatter())


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


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written ({error}). Choose another place, or the ending .png.") from error


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots", "Drawing a picture") from error
    return Figure(figsize=(width, height), layout="constrained")


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
    _clean(ax)


def _plot_curve(row: FaultSensitivity, ax: Any) -> None:
    is_db = "SNR" in row.unit
    ax.plot(row.ladder, [100 * each for each in row.caught], color="0.35", marker=".", lw=1.2)
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
    what = {"dB SNR": "change over sound: SNR in dB", "dB": "change in dB", "%": "change in %"}[row.unit]
    if row.fault == "dropout":
        what = "time missing in %"
    ax.set(xlabel=what, ylim=(-4, 104))
    ax.set_title(f"{row.fault}\n", fontweight="bold")
    _subtitle(ax, row.fault)
    _clean(ax)


def _subtitle(ax: Any, fault: str) -> None:
    ax.text(0.5, 1.025, INJECTIONS[fault].meaning, transform=ax.transAxes, ha="center", fontsize=8, color="0.35")


def _clean(ax: Any) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="0.9", lw=0.7)
    ax.set_axisbelow(True)


def _short(band_hz: int | None) -> str:
    return band_name(band_hz or 0).replace(" kHz", "k").replace(" Hz", "")

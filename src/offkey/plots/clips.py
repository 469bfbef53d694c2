"""Pictures of recordings, their scores and their events."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from offkey.decisions import Event
from offkey.errors import InputError
from offkey.features import frames_of
from offkey.pipeline import POOLED, Pipeline, ScoredWindow
from offkey.plots.base import BLUE, ORANGE, clean, new_figure, plain_log_ticks
from offkey.signals import Clip, read

__all__ = ["plot_log_mel", "plot_scores", "plot_timeline", "save_comparison"]


def plot_log_mel(pipeline: Pipeline, clip: Clip, ax: Any, *, vmin: float, vmax: float) -> Any:
    """Draw the log-mel spectrogram of a clip's first channel; levels from ``vmin`` to ``vmax`` in dB.

    Raises
    ------
    InputError
        If the pipeline hears embeddings.
    """
    feature = pipeline.features_
    if "band_hz_" not in feature.fitted_state:
        raise InputError(f"{type(feature).__name__} has no bands in hertz to draw. Draw a pipeline with LogMel.")
    frames = frames_of(feature, clip)[:, :, 0]
    hz = feature.fitted_state["band_hz_"]
    times = np.arange(len(frames)) * feature.hop_length / clip.rate
    mesh = ax.pcolormesh(
        times, hz / 1000, frames.T, vmin=vmin, vmax=vmax, cmap="magma", shading="nearest", rasterized=True
    )
    ax.set(xlabel="time in s", ylabel="frequency in kHz", title=clip.source)
    return mesh


def plot_scores(clips: list[dict[str, Any]], threshold: float, ax: Any) -> Any:
    """Draw the scores of normal and faulty clips with the threshold; ``clips`` as in an evaluation's report.

    The axis is logarithmic where all scores are above zero.
    """
    by_label = [[clip["score"] for clip in clips if clip["label"] == label] for label in (0, 1)]
    everything = np.array([score for scores in by_label for score in scores])
    low, high = everything.min(), everything.max()
    is_log = bool(low > 0)
    bins = np.geomspace(low, high * 1.01, 40) if is_log else 40
    ax.hist(by_label, bins, label=["normal", "faulty"], color=[BLUE, ORANGE], stacked=True)
    ax.axvline(threshold, color="black", linestyle="--", label="threshold")
    ax.set(xlabel="anomaly score" + " (logarithmic)" * is_log, ylabel="recordings")
    if is_log:
        plain_log_ticks(ax, (1, 1.5, 2, 3, 5, 7))
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
    figure = new_figure(15, 4)
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
    clean(ax)
    return ax

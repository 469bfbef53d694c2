"""Pictures, with matplotlib: functions that draw on axes and return them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from offkey.errors import MissingExtraError
from offkey.features import frames_of
from offkey.pipeline import Pipeline
from offkey.signals import Clip, read

__all__ = ["plot_log_mel", "plot_scores", "save_comparison"]

BLUE, ORANGE = "#0072B2", "#D55E00"  # Okabe and Ito's colours, told apart by colour-blind people too


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
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots", "Drawing a picture") from error
    figure = Figure(figsize=(15, 4), layout="constrained")
    axes = figure.subplots(1, 3)
    loaded = [read(name, rate=pipeline.rate_) for name in (normal, faulty)]
    levels = frames_of(pipeline.features_, loaded[0])
    vmin, vmax = (float(level) for level in np.quantile(levels, [0.01, 0.999]))
    for clip, title, ax in zip(loaded, ("normal", f"faulty: {fault}"), axes, strict=False):
        mesh = plot_log_mel(pipeline, clip, ax, vmin=vmin, vmax=vmax)
        ax.set_title(title)
    figure.colorbar(mesh, ax=axes[:2], label="level in dB")
    detector = type(pipeline.detector_).__name__
    plot_scores(clips, pipeline.clip_calibration_.threshold.fitted_state["threshold_"], axes[2])
    axes[2].set_title(f"scores by {detector} of recordings not learned from")
    figure.savefig(path, dpi=110)

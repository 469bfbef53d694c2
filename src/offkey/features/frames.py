"""Frames one by one: what front ends that make something of each on its own have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError
from offkey.features.base import Feature, are_channels

__all__ = [
    "decibels",
    "frame_by_frame",
    "frame_lengths",
    "frames_in",
    "is_whole",
    "long_frame",
    "require",
    "short_frame",
]

SAMPLES_AT_ONCE = 2**16
"""Samples of frames worked on at once: many enough that calls cost little, few enough for the processor's cache."""


def frames_in(samples: NDArray[np.float32], n_fft: int, hop: int) -> NDArray[np.float32]:
    """Return the complete frames of samples (n_channels, n_samples): a view (n_channels, n_frames, n_fft)."""
    if samples.shape[1] < n_fft:
        return np.empty((len(samples), 0, n_fft), np.float32)
    return np.lib.stride_tricks.sliding_window_view(samples, n_fft, axis=1)[:, ::hop]


def frame_by_frame(
    samples: NDArray[np.float32],
    n_fft: int,
    hop: int,
    n_bands: int,
    bands_of: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float32]:
    """Return the bands (n_frames, n_bands, n_channels) of all complete frames of samples (n_channels, n_samples).

    ``bands_of`` makes bands (n, n_bands) of frames (n, n_fft), which it may overwrite, each on its own. It works in
    double precision: in single, what is faint beside a loud tone or a constant offset would drown in rounding.
    """
    frames = frames_in(samples, n_fft, hop)
    n_channels, n_frames = frames.shape[:2]
    bands = np.empty((n_frames, n_bands, n_channels), np.float32)
    at_once = max(1, SAMPLES_AT_ONCE // (n_fft * n_channels))
    for start in range(0, n_frames, at_once):
        some = frames[:, start : start + at_once].astype(np.float64, order="C")
        found = bands_of(some.reshape(-1, n_fft)).reshape(n_channels, -1, n_bands)
        bands[start : start + at_once] = found.transpose(1, 2, 0)
    return bands


def decibels(power: NDArray[np.float64], eps: float) -> NDArray[np.float64]:
    """Return power in dB re 1; ``eps``, which is added, keeps silence finite."""
    return np.asarray(10 * np.log10(power + eps))


def short_frame(rate: float) -> int:
    """Return the length of frames that show how a signal changes: the power of two nearest to 12 * sqrt(rate)."""
    return max(16, _power_of_two(12 * math.sqrt(rate)))


def long_frame(rate: float) -> int:
    """Return the length of frames that resolve how often a shaft turns: the power of two nearest to half a second."""
    return max(64, _power_of_two(rate / 2))


def frame_lengths(feature: Feature, rate: float, usual: Callable[[float], int], least: int) -> tuple[int, int]:
    """Return the length and distance of frames, in samples: those given, or ``usual(rate)`` and a quarter of it.

    Raises
    ------
    InputError
        If one of them, the rate or the channels make no sense.
    """
    name = type(feature).__name__
    require(name, {f"rate={rate}: above 0": 0 < rate < math.inf})
    n_fft = usual(rate) if feature.n_fft is None else feature.n_fft
    require(name, {f"n_fft={n_fft}: a whole number from {least}": is_whole(n_fft, least)})
    hop = max(1, n_fft // 4) if feature.hop_length is None else feature.hop_length
    require(
        name,
        {
            f"hop_length={hop}: from 1 to n_fft": is_whole(hop, 1, n_fft),
            f"channels={feature.channels!r}: None or some numbers from 0, each once,": are_channels(feature.channels),
        },
    )
    return int(n_fft), int(hop)


def is_whole(value: Any, least: int, most: float = math.inf) -> bool:
    """Say whether a value is a whole number within these bounds."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(least <= value <= most)


def require(name: str, rules: Mapping[str, bool]) -> None:
    """Raise for the first rule of ``rules`` (what was given and what is needed: whether it holds) that is broken.

    Raises
    ------
    InputError
        If one is.
    """
    for rule, holds in rules.items():
        if not holds:
            raise InputError(f"{name} was given {rule} is needed. Change that parameter.")


def _power_of_two(samples: float) -> int:
    """Return the power of two nearest to a length, on a logarithmic scale."""
    return 1 << max(0, round(math.log2(samples)))

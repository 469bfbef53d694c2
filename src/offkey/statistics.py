"""What windows are summed up by: statistics over time of each band, and the covariance and distances of such rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError
from offkey.windows import WindowArray

__all__ = [
    "Windows",
    "band_group_size",
    "batches",
    "bounded",
    "mahalanobis",
    "parse_statistic",
    "ranked_weights",
    "shrunk_covariance",
    "standardisation",
    "time_statistics",
    "whitening",
]

Windows = NDArray[np.floating[Any]] | WindowArray
"""Windows (n_windows, n_frames, n_bands, n_channels), in memory or read when asked for."""

Batch = NDArray[np.floating[Any]]

BATCH_BYTES = 32_000_000
LARGEST_VALUE = 1e100
N_BAND_GROUPS = 16
"""Groups of neighbouring bands, at most, that the modulation spectrum is averaged over."""
N_MODULATION_OCTAVES = 6
LEAST_FLUCTUATION = 0.01
"""In the unit of the bands (dB): where the logarithm of fluctuations ends."""


def batches(windows: Windows) -> Iterator[Batch]:
    """Yield windows in memory, some at a time."""
    size = max(1, BATCH_BYTES // max(1, 8 * int(np.prod(windows.shape[1:]))))
    for start in range(0, len(windows), size):
        yield np.ascontiguousarray(windows[start : start + size])


def time_statistics(windows: Windows, names: Sequence[str] = ("mean",)) -> NDArray[np.float64]:
    """Return statistics over time of each band and channel, side by side (n_windows, n_values).

    Those of stored windows are made once, for all detectors that are fitted on parts of them.

    Parameters
    ----------
    windows : array, shape (n_windows, n_frames, n_bands, n_channels)
        Read some at a time.
    names : sequence of str
        ``"mean"``, ``"std"``, ``"max"``; ``"gwrp0.9"``: global weighted ranking pooling, the mean of a band's frames
        sorted from the loudest on with weights 1, 0.9, 0.9 ** 2, ... (Guan et al. 2023, arXiv 2305.03328);
        ``"delta"``: standard deviation of the differences of successive frames, in decibels; ``"modulation"``: the
        modulation spectrum (power of a band's fluctuations) in 6 octaves below half the frame rate, in decibels,
        averaged over at most 16 groups of bands.

    Raises
    ------
    InputError
        If a name is none of these.
    """
    if isinstance(names, str) or not names:
        raise InputError(f"The statistics {names!r} were given. Give a sequence of names, such as ('mean', 'std').")
    return np.concatenate([_statistic(windows, name) for name in names], axis=1)


def _statistic(windows: Windows, name: str) -> NDArray[np.float64]:
    make = parse_statistic(name)

    def compute(windows: Windows) -> NDArray[np.float64]:
        with np.errstate(over="ignore", invalid="ignore"):
            rows = [np.asarray(make(batch), np.float64).reshape(len(batch), -1) for batch in batches(windows)]
        return bounded(np.concatenate(rows))

    return windows.remembered(name, compute) if isinstance(windows, WindowArray) else compute(windows)


def parse_statistic(name: str) -> Callable[[Batch], Any]:
    """Return the function from windows (n_windows, n_frames, n_bands, n_channels) that a statistic's name stands for.

    Raises
    ------
    InputError
        If there is none.
    """
    plain: dict[str, Callable[[Batch], Any]] = {
        "mean": lambda batch: batch.mean(axis=1, dtype=np.float64),
        "std": lambda batch: batch.std(axis=1, dtype=np.float64),
        "max": lambda batch: batch.max(axis=1),
        "delta": _delta,
        "modulation": lambda batch: np.stack([_modulation(window) for window in batch]),
    }
    if name in plain:
        return plain[name]
    _decay(name, plain)
    return lambda batch: _ranked_mean(batch, ranked_weights(name, batch.shape[1]))


def ranked_weights(name: str, n_frames: int) -> NDArray[np.float64]:
    """Return the weights (n_frames,) of a band's frames, from the loudest on, in ``"max"`` or such as ``"gwrp0.9"``.

    Raises
    ------
    InputError
        If the name is neither.
    """
    weights = (0.0 if name == "max" else _decay(name, ())) ** np.arange(n_frames, dtype=np.float64)
    return np.asarray(weights / weights.sum())


def _decay(name: str, others: Iterable[str]) -> float:
    """Read the decay in a name such as ``"gwrp0.9"``; ``others`` are known too, for the message."""
    try:
        decay = float(str(name).removeprefix("gwrp")) if str(name).startswith("gwrp") else -1.0
    except ValueError:
        decay = -1.0
    if not 0 <= decay <= 1:
        known = ", ".join(map(repr, others))
        raise InputError(f"The statistic {name!r} was given. Use some of {known}, or such as 'gwrp0.9'.")
    return decay


def _delta(batch: Batch) -> NDArray[np.float64]:
    if batch.shape[1] < 2:
        return np.full((len(batch), *batch.shape[2:]), 20 * np.log10(LEAST_FLUCTUATION))
    return np.asarray(20 * np.log10(np.diff(batch, axis=1).std(axis=1, dtype=np.float64) + LEAST_FLUCTUATION))


def _modulation(window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the modulation spectrum (n_octaves, n_groups, n_channels) of a window (n_frames, n_bands, n_channels)."""
    from scipy.fft import next_fast_len, rfft

    n_frames, n_bands, n_channels = window.shape
    fluctuation = np.clip(window, -LARGEST_VALUE, LARGEST_VALUE) - window.mean(axis=0, dtype=np.float64)
    taper = np.hanning(n_frames + 2)[1:-1]
    length = next_fast_len(n_frames, real=True)
    lines = rfft(fluctuation * taper[:, None, None], length, axis=0)
    power = (lines.real**2 + lines.imag**2) / np.square(taper).sum()
    starts = np.arange(0, n_bands, band_group_size(n_bands))
    sizes = np.diff(np.append(starts, n_bands))
    power = np.add.reduceat(power, starts, axis=1) / sizes[:, None]
    edges = len(power) * 0.5 ** np.arange(N_MODULATION_OCTAVES + 1)
    octaves = np.zeros((N_MODULATION_OCTAVES, len(starts), n_channels))
    for octave, (stop, start) in zip(
        octaves, np.ceil(np.stack([edges[:-1], edges[1:]], axis=1)).astype(int), strict=True
    ):
        if start < stop:
            octave[:] = power[start:stop].mean(axis=0)
    return 10 * np.log10(octaves + LEAST_FLUCTUATION**2)


def _ranked_mean(batch: Batch, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    ranked = np.sort(batch, axis=1)[:, ::-1]
    return np.stack([np.einsum("fbc,f->bc", window, weights, optimize=False) for window in ranked])


def band_group_size(n_bands: int) -> int:
    """Return how many neighbouring bands one value of ``"modulation"`` is of."""
    return -(-n_bands // N_BAND_GROUPS)


def standardisation(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation (n_values,) of rows (n, n_values); 1 for values that do not vary."""
    mean, scale = values.mean(axis=0), values.std(axis=0)
    return mean, np.where(scale > 1e-9 * np.maximum(1.0, np.abs(mean)), scale, 1.0)


def bounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Limit values to what can be squared and added up; what overflowed before becomes the limit."""
    return np.clip(np.nan_to_num(values, copy=False, nan=LARGEST_VALUE), -LARGEST_VALUE, LARGEST_VALUE)


def whitening(
    rows: NDArray[np.float64], groups: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean (d,) and whitening matrix (d, d) of rows (n, d), by `shrunk_covariance`."""
    from scipy.linalg import cholesky, solve_triangular

    mean, covariance = shrunk_covariance(rows, groups)
    return mean, solve_triangular(cholesky(covariance, lower=True), np.eye(len(mean)), lower=True)


def shrunk_covariance(
    rows: NDArray[np.float64], groups: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean (d,) and the Ledoit-Wolf covariance (d, d) of rows (n, d).

    Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices". Their amount of
    shrinkage assumes independent rows; windows of one recording are not, so where ``groups`` (n,) tells them apart, it
    is that of the groups' means.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    mean = rows.mean(axis=0)
    centred = rows - mean
    independent = centred if groups is None else _group_means(centred, groups)
    shrinkage = ledoit_wolf_shrinkage(independent, assume_centered=True) if len(independent) > 1 else 1.0
    size = len(mean)
    covariance = centred.T @ centred / len(rows)
    variance = float(np.trace(covariance)) / size
    covariance *= 1 - shrinkage
    covariance += (shrinkage * variance + max(1e-9 * variance, 1e-12)) * np.eye(size)
    return mean, covariance


def mahalanobis(
    rows: NDArray[np.float64], mean: NDArray[np.float64], whitener: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the Mahalanobis distance (n,) of rows (n, d), row by row."""
    white = np.einsum("nd,wd->nw", rows - mean, whitener, optimize=False)
    return np.asarray(np.sqrt(np.einsum("nw,nw->n", white, white, optimize=False)))


def _group_means(rows: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    order = np.argsort(groups, kind="stable")
    _, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    means = np.add.reduceat(rows[order], starts, axis=0) / counts[:, None]
    return np.asarray(means - means.mean(axis=0))

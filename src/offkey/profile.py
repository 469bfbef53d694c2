"""What normal spectra are like, and where in time and frequency another one differs most from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.statistics import shrunk_covariance, time_statistics
from offkey.windows import WindowArray, WindowGrid

__all__ = ["FEWEST_PER_S", "Deviation", "NormalProfile"]

Array = NDArray[np.float64]

WIDTHS = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60)
"""Bands that are looked at together."""
N_STRETCHES = 60
"""Stretches of normal sound, at most, that spectra are learned from, of all recordings alike."""
LONGEST_STRETCH_S = 30.0
BLOCKS_S = (0.25, 1.0, 3.0)
"""Seconds of the blocks that are held against the rest of their stretch."""
FEWEST_PER_S = 6.0
"""Frames that are taken to make a second, at least: of slow signals, one may be minutes from the next."""
ODD_DB, ODD = 6.0, 8.0
"""Stretches are left out whose level lies further from the median than so much, and than so many median distances."""
N_FOLDS = 5
LIMIT = 0.9
"""Part of normal recordings whose largest deviation is below 1."""
LEAST_SPREAD_DB = 0.3
"""Bands that vary less from one recording to the next are taken to vary so much."""
N_SCANS = 2
"""For each deviation that is asked for: what was found is taken away, and what is left of it is skipped."""


@final
@dataclass(frozen=True)
class Deviation:
    """A stretch of time and frequency whose level is not what it is in normal sound.

    Attributes
    ----------
    channel : int
        Of the frames.
    first_band, stop_band, first_frame, stop_frame : int
        Where; the stops are behind the last.
    strength : float
        How significant it is, over what the largest deviation of nine in ten normal stretches comes to.
    change_db : float
        Mean level there less what it is held against, in dB; of what comes and goes the level while it is there.
    against : str
        ``"normal"``: the median of normal windows; ``"rest"``: the same bands in the rest of the recording, where there
        it is no more than normal; ``"spectrum"``: what the other bands let expect, likewise.
    """

    channel: int
    first_band: int
    stop_band: int
    first_frame: int
    stop_frame: int
    strength: float
    change_db: float
    against: str

    def meets(self, other: Deviation) -> bool:
        """Say whether two lie in the same or neighbouring bands of a channel."""
        in_bands = self.first_band <= other.stop_band and other.first_band <= self.stop_band
        return self.channel == other.channel and in_bands


@final
@dataclass(frozen=True)
class NormalProfile:
    """Spectra of normal sound: their levels by band, and how those vary together.

    A stretch of time and frequency that deviates is looked for by a scan: over all runs of neighbouring bands, the
    mean level of a whole recording (of its decibels, and of its power), and that of blocks of it less the rest of the
    recording, are held against a Gaussian of normal sound. A run of bands stands out by the generalised likelihood
    ratio of a change that is alike in all of them, so what all bands do together in normal sound, or from one
    recording to the next, counts little (the matched filter of Robey et al. 1992, "A CFAR adaptive matched filter
    detector"; scan statistics: Kulldorff 1997).

    Attributes
    ----------
    quantiles : array, shape (3, n_bands, n_channels)
        5 %, 50 % and 95 % of the mean levels of normal windows, in dB.
    stretch_frames : int
        Frames of the stretches that were learned from; longer recordings are looked at stretch by stretch.
    block_frames : array of int, shape (n_blocks,)
        Frames of the blocks.
    means : array, shape (2 + n_blocks, n_channels, n_bands)
        Of whole stretches (mean of decibels; decibels of the mean power) and of each size of blocks.
    precisions : array, shape (2 + n_blocks, n_channels, n_bands, n_bands)
        Inverse covariances, shrunk by Ledoit and Wolf's method.
    limits : array, shape (2 + n_blocks, n_channels)
        Of each the same part of normal recordings stays below, of all together nine in ten do: by stretches that the
        Gaussian was not fitted on.
    largest_shift : array, shape (n_channels,)
        Largest median over bands, up or down, of a normal window's levels less the usual ones, in dB.
    """

    quantiles: Array
    stretch_frames: int
    block_frames: NDArray[np.int64]
    means: Array
    precisions: Array
    limits: Array
    largest_shift: Array

    @classmethod
    def fit(cls, windows: WindowArray, frames_per_s: float) -> Self:
        """Learn from windows of normal sound in decibels.

        Parameters
        ----------
        windows : WindowArray
            Of at least two recordings.
        frames_per_s : float
            Frames in a second.
        """
        levels = time_statistics(windows).reshape(len(windows), *windows.shape[2:])
        quantiles = np.quantile(levels, [0.05, 0.5, 0.95], axis=0)
        lengths = [stop - start for start, stop in windows.segments]
        frames_per_s = max(frames_per_s, FEWEST_PER_S)
        usual = min(round(LONGEST_STRETCH_S * frames_per_s), int(np.median(lengths)))
        stretches = _stretches(windows, usual)
        spectra = _without_odd([np.asarray(windows.frames[a:b], np.float64) for a, b in stretches])
        shifts = np.abs([np.median(each.mean(axis=0) - quantiles[1], axis=0) for each in spectra]).max(axis=0)
        sizes = sorted({round(seconds * frames_per_s) for seconds in BLOCKS_S})
        blocks = np.array([size for size in sizes if 2 <= size <= usual // 2], np.int64)
        n_scales = 2 + len(blocks)
        n_bands, n_channels = windows.shape[2:]
        means, largest = np.empty((n_scales, n_channels, n_bands)), np.empty((n_scales, n_channels, len(spectra)))
        precisions = np.empty((n_scales, n_channels, n_bands, n_bands), np.float32)
        for channel in range(n_channels):
            for scale in range(n_scales):
                rows = [_rows(each[:, :, channel], scale, blocks)[1] for each in spectra]
                means[scale, channel], precisions[scale, channel] = _gaussian(rows)
                largest[scale, channel] = _largest(rows)
        limits = np.maximum(np.quantile(largest, LIMIT, axis=2), 1e-6)
        joint = np.quantile((largest / limits[:, :, None]).max(axis=(0, 1)), LIMIT)
        return cls(quantiles, usual, blocks, means, precisions, limits * max(joint, 1e-6), shifts)

    def fits(self, n_bands: int, n_channels: int) -> bool:
        """Say whether all numbers make sense, for frames of so many bands and channels."""
        n_scales = 2 + len(self.block_frames)
        shapes = {
            "quantiles": (3, n_bands, n_channels),
            "block_frames": (n_scales - 2,),
            "means": (n_scales, n_channels, n_bands),
            "precisions": (n_scales, n_channels, n_bands, n_bands),
            "limits": (n_scales, n_channels),
            "largest_shift": (n_channels,),
        }
        arrays = {name: np.asarray(getattr(self, name), np.float64) for name in shapes}
        return (
            all(each.shape == shapes[name] and bool(np.isfinite(each).all()) for name, each in arrays.items())
            and bool((arrays["limits"] > 0).all())
            and all(2 <= size < self.stretch_frames for size in self.block_frames)
            and self.stretch_frames >= 1
        )

    def shift(self, mean_frame: Array) -> tuple[Array, Array, Array]:
        """Return by how much all bands lie off together, how much they differ in that, and how far normal ones go.

        Parameters
        ----------
        mean_frame : array, shape (n_bands, n_channels)
            Mean levels of a recording in dB.

        Returns
        -------
        tuple of array, shape (n_channels,)
            In dB: median over bands of the level less the normal one; half the distance of the quartiles;
            ``largest_shift``.
        """
        low, middle, high = np.quantile(mean_frame - self.quantiles[1], [0.25, 0.5, 0.75], axis=0)
        return middle, (high - low) / 2, self.largest_shift

    def excess(self, frames: NDArray[np.floating[Any]]) -> Array:
        """Return frames (n_frames, n_bands, n_channels) in dB over the median of normal windows."""
        return np.asarray(frames - self.quantiles[1], np.float64)

    def deviations(self, frames: NDArray[np.floating[Any]], n: int = 3) -> list[Deviation]:
        """Return where frames (n_frames, n_bands, n_channels) deviate, the most significant first, at most ``n``."""
        found: list[Deviation] = []
        for channel in range(frames.shape[2]):
            left = np.asarray(frames[:, :, channel], np.float64).copy()
            own: list[Deviation] = []
            for _ in range(N_SCANS * n):
                each = self._strongest(left, channel)
                left[each.first_frame : each.stop_frame, each.first_band : each.stop_band] -= each.change_db
                if len(own) < n and not any(each.meets(known) for known in own):
                    own.append(each)
            found += own
        excess = self.excess(frames)
        measured = [_measured(each, excess[:, :, each.channel]) for each in found]
        return sorted(measured, key=lambda each: -each.strength)[:n]

    @cached_property
    def _corners(self) -> Array:
        return np.stack([[_corners(each) for each in channels] for channels in self.precisions])

    def _strongest(self, frames: Array, channel: int) -> Deviation:
        length = min(self.stretch_frames, len(frames))
        firsts = WindowGrid(length, length).starts(len(frames))
        best = Deviation(channel, 0, 1, 0, len(frames), 0.0, 0.0, "spectrum")
        for scale in range(len(self.means)):
            found = [_rows(frames[first : first + length], scale, self.block_frames) for first in firsts]
            rows = np.concatenate([own for _, own in found])
            if len(rows) == 0:
                continue
            starts = np.concatenate([own + first for (own, _), first in zip(found, firsts, strict=True)])
            size = length if scale < 2 else int(self.block_frames[scale - 2])
            z, row, first_band, width, change = _scan(
                rows - self.means[scale, channel], self.precisions[scale, channel], self._corners[scale, channel]
            )
            limit = np.sqrt(self.limits[scale, channel] ** 2 + 2 * np.log(len(firsts)))
            strength = float(abs(z) * self._steadiness(size, length) / limit)
            if strength > best.strength:
                start, against = int(starts[row]), "spectrum" if scale < 2 else "rest"
                place = first_band, first_band + width, start, start + size
                best = Deviation(channel, *place, strength, change, against)
        return best

    def _steadiness(self, size: int, length: int) -> float:
        """Return how steady the mean of ``size`` frames is in a shorter stretch, over that in one as learned from.

        As of independent frames, whose variance is 1 / size, and 1 / rest more against the rest of their stretch.
        """
        if size == length:
            return float(np.sqrt(length / self.stretch_frames))
        learned, here = (1 / size + 1 / (each - size) for each in (self.stretch_frames, length))
        return float(np.sqrt(learned / here))


def _stretches(windows: WindowArray, longest: int) -> list[tuple[int, int]]:
    """Return stretches (first frame, the one behind the last) of all recordings alike, each a piece of one."""
    n_each = max(1, N_STRETCHES // len(windows.segments))
    chosen = windows.segments
    if len(chosen) > N_STRETCHES:
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, N_STRETCHES).astype(int)]
    stretches = []
    for start, stop in chosen:
        size = min(longest, stop - start)
        firsts = np.unique(np.linspace(start, stop - size, min(n_each, max(1, (stop - start) // size))).astype(int))
        stretches += [(int(first), int(first) + size) for first in firsts]
    return stretches


def _without_odd(spectra: list[Array]) -> list[Array]:
    """Leave out stretches (n_frames, n_bands, n_channels) far louder or softer than most: one would hide all else."""
    levels = np.array([np.median(each.mean(axis=0)) for each in spectra])
    distance = np.abs(levels - np.median(levels))
    is_usual = distance <= max(ODD_DB, ODD * float(np.median(distance)))
    return [each for each, yes in zip(spectra, is_usual, strict=True) if yes]


def _rows(frames: Array, scale: int, blocks: NDArray[np.int64]) -> tuple[NDArray[np.int64], Array]:
    """Return what one scale compares (n_rows, n_bands) of a stretch's frames (n_frames, n_bands), and where it begins.

    Scale 0 is the mean of the decibels, 1 the decibels of the mean power, the others are blocks, half upon each other,
    less the mean of all other frames.
    """
    whole = np.zeros(1, np.int64)
    if scale == 0:
        return whole, frames.mean(axis=0, keepdims=True)
    if scale == 1:
        loudest = frames.max(axis=0)
        return whole, (loudest + 10 * np.log10(np.mean(10 ** ((frames - loudest) / 10), axis=0)))[None]
    size = int(blocks[scale - 2])
    last = len(frames) - size
    if last <= 0:
        return np.empty(0, np.int64), np.empty((0, frames.shape[1]))
    starts = np.unique(np.append(np.arange(0, last, max(1, size // 2)), last))
    sums = np.concatenate([np.zeros((1, frames.shape[1])), frames.cumsum(axis=0)])
    inside = sums[starts + size] - sums[starts]
    return starts, inside / size - (sums[-1] - inside) / last


def _gaussian(rows: Sequence[Array]) -> tuple[Array, Array]:
    """Return mean and precision of the rows of all stretches."""
    mean, covariance = shrunk_covariance(np.concatenate(rows))
    return mean, np.asarray(np.linalg.inv(covariance + LEAST_SPREAD_DB**2 * np.eye(len(mean))), np.float64)


def _largest(rows: Sequence[Array]) -> Array:
    """Return the largest z-value of each stretch (n_stretches,), by a Gaussian that was fitted on others."""
    largest = np.zeros(len(rows))
    for fold in np.array_split(np.arange(len(rows)), min(N_FOLDS, len(rows))):
        mean, precision = _gaussian([each for i, each in enumerate(rows) if i not in fold])
        corners = _corners(precision)
        for i in fold:
            largest[i] = abs(_scan(rows[i] - mean, precision, corners)[0]) if len(rows[i]) else 0.0
    return largest


def _corners(precision: Array) -> Array:
    """Return the sums (n_bands + 1, n_bands + 1) of all that lies above and left of each place of a matrix."""
    return np.pad(precision.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def _scan(offsets: Array, precision: Array, corners: Array) -> tuple[float, int, int, int, float]:
    """Return the run of bands that stands out most: z-value, row, first band, width, and the change in dB."""
    pulled = np.pad(np.cumsum(offsets @ precision, axis=1), ((0, 0), (1, 0)))
    best = (0.0, 0, 0, 1, 0.0)
    for width in WIDTHS:
        first = np.arange(offsets.shape[1] - width + 1)
        if len(first) == 0:
            break
        last = first + width
        information = corners[last, last] - corners[first, last] - corners[last, first] + corners[first, first]
        z = (pulled[:, last] - pulled[:, first]) / np.sqrt(np.maximum(information, 1e-12))
        row, band = np.unravel_index(np.abs(z).argmax(), z.shape)
        if abs(z[row, band]) > abs(best[0]):
            change = float(z[row, band] / np.sqrt(information[band]))
            best = float(z[row, band]), int(row), int(band), width, change
    return best


def _measured(found: Deviation, excess: Array) -> Deviation:
    """Return a deviation with the change that was measured (of the excess over normal), and what that is against."""
    bands, frames = slice(found.first_band, found.stop_band), slice(found.first_frame, found.stop_frame)
    inside = float(excess[frames, bands].mean())
    if inside * found.change_db > 0 and abs(inside) >= abs(found.change_db) / 2:
        return replace(found, change_db=inside, against="normal")
    if found.against == "spectrum":
        loud = float(np.quantile(excess[frames, bands].mean(axis=1), 0.95))
        return replace(found, change_db=loud, against="normal") if 0 < found.change_db < loud else found
    outside = float(np.delete(excess[:, bands], frames, axis=0).mean())
    if outside * found.change_db < 0 and abs(outside) >= abs(found.change_db) / 2:
        return replace(found, change_db=outside, first_frame=0, stop_frame=len(excess), against="normal")
    return replace(found, change_db=inside - outside)

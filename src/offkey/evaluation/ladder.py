"""How strong a fault must be to be caught, from the rung of a ladder of strengths at which each clip first is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["CONFIDENCE", "FEWEST_CLIPS", "FaultSensitivity", "climb", "crossing"]

FEWEST_CLIPS = 5
CONFIDENCE = 0.9
N_REPEATS = 1000


@final
@dataclass(frozen=True)
class FaultSensitivity:
    """How strong one fault, in one octave band, must be for half and for 90 % of the clips to be caught.

    Strengths are -inf where more are caught at the weakest rung already, inf where fewer are at the strongest one, and
    NaN where fewer than five clips could hold the fault. Intervals are 90 %, by bootstrap over the clips: what another
    choice of clips would give with the same pipeline. They end on rungs, because nothing was tried between those.

    Attributes
    ----------
    fault : str
        One of `offkey.datasets.INJECTIONS`.
    band_hz : int or None
        Nominal centre of the octave band in hertz.
    unit : str
        Of the strengths.
    n_clips : int
        Clips that could hold the fault.
    ladder, caught : tuple of float
        Strengths, and the fraction of clips that are caught at each: that alarm there or at a weaker rung.
    strength_50, strength_50_low, strength_50_high : float
        Where half are caught, and its interval.
    strength_90, strength_90_low, strength_90_high : float
        Where 90 % are caught, and its interval.
    """

    fault: str
    band_hz: int | None
    unit: str
    n_clips: int
    ladder: tuple[float, ...]
    caught: tuple[float, ...]
    strength_50: float
    strength_50_low: float
    strength_50_high: float
    strength_90: float
    strength_90_low: float
    strength_90_high: float

    @property
    def text_50(self) -> str:
        """Where half are caught, in words: ``-12.3 [-15, -9]``, ``> 12``, ``< -30`` or ``not measured``."""
        return self._text(self.strength_50, self.strength_50_low, self.strength_50_high)

    @property
    def text_90(self) -> str:
        """Where 90 % are caught, in words."""
        return self._text(self.strength_90, self.strength_90_low, self.strength_90_high)

    def _text(self, value: float, low: float, high: float) -> str:
        if math.isnan(value):
            return "not measured"
        if low == high:
            return self._figure(value)
        return f"{self._figure(value)} [{self._figure(low)}, {self._figure(high)}]"

    def _figure(self, strength: float) -> str:
        if math.isinf(strength):
            return f"> {self.ladder[-1]:g}" if strength > 0 else f"< {self.ladder[0]:g}"
        if strength in self.ladder:
            return f"{strength:g}"
        return f"{strength:.1f}" if abs(strength) >= 1 or "SNR" in self.unit else f"{strength:.2g}"


def climb(
    fault: str, band_hz: int | None, unit: str, ladder: tuple[float, ...], first_caught: list[int], seed: int = 0
) -> FaultSensitivity:
    """Return figures from the number of the rung at which each clip is first caught (``len(ladder)`` for never).

    Examples
    --------
    >>> row = climb("whine", 1000, "dB SNR", (-12.0, -6.0, 0.0), [1, 1, 1, 1, 2, 2])
    >>> row.caught[1], row.text_50
    (0.6666666666666666, '-7.5 [-12, 0]')
    """
    n_clips = len(first_caught)
    if n_clips < FEWEST_CLIPS:
        nothing = math.nan
        return FaultSensitivity(fault, band_hz, unit, n_clips, ladder, (nothing,) * len(ladder), *(nothing,) * 6)
    is_caught = np.array(first_caught)[:, np.newaxis] <= np.arange(len(ladder))
    drawn = np.random.default_rng(seed).multinomial(n_clips, np.full(n_clips, 1 / n_clips), N_REPEATS)
    repeats = drawn @ is_caught / n_clips
    caught = is_caught.mean(axis=0)
    figures: list[float] = []
    for level in (0.5, 0.9):
        figures += [float(crossing(ladder, caught, level)), *_interval(ladder, repeats, level)]
    return FaultSensitivity(fault, band_hz, unit, n_clips, ladder, tuple(caught.tolist()), *figures)


def crossing(ladder: ArrayLike, caught: ArrayLike, level: float) -> NDArray[np.float64]:
    """Return the strength at which a rising fraction reaches a level, on straight lines between the rungs.

    Parameters
    ----------
    ladder : array, shape (n_rungs,)
        Strengths, ascending.
    caught : array, shape (..., n_rungs)
        Fractions, not falling.
    level : float
        Fraction to reach.

    Returns
    -------
    array, shape (...)
        -inf where the first fraction lies above the level, inf where the last lies below it.

    Examples
    --------
    >>> crossing([0, 3, 6], [[0, 0.4, 0.6], [0.6, 1, 1], [0, 0, 0.4]], 0.5).tolist()
    [4.5, -inf, inf]
    """
    strengths, fractions = np.asarray(ladder, np.float64), np.asarray(caught, np.float64)
    is_reached = fractions >= level - 1e-9
    upper = is_reached.argmax(axis=-1)
    lower = np.maximum(upper - 1, 0)
    above, below = (np.take_along_axis(fractions, i[..., np.newaxis], -1)[..., 0] for i in (upper, lower))
    part = (level - below) / np.where(above > below, above - below, 1)
    found = np.where(upper > 0, strengths[lower] + part * (strengths[upper] - strengths[lower]), strengths[0])
    found = np.where(fractions[..., 0] > level + 1e-9, -np.inf, found)
    return np.where(is_reached.any(axis=-1), found, np.inf)


def _interval(ladder: tuple[float, ...], repeats: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Return percentiles, over ``repeats`` (n, n_rungs), of the rungs just below and just above the crossing.

    Percentiles are values that occur, so that infinite ones do no harm.
    """
    is_reached = repeats >= level - 1e-9
    upper = np.where(is_reached.any(axis=-1), is_reached.argmax(axis=-1), len(ladder))
    highs = np.where(repeats[:, 0] > level + 1e-9, -np.inf, np.append(ladder, np.inf)[upper])
    lows = np.where(upper < len(ladder), np.append(-np.inf, ladder)[upper], np.inf)
    last, tail = len(repeats) - 1, (1 - CONFIDENCE) / 2
    return float(np.sort(lows)[math.floor(tail * last)]), float(np.sort(highs)[math.ceil((1 - tail) * last)])

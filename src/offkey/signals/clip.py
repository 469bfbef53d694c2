"""`Clip`: one piece of signal with its rate, channel names, unit, start and source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError, ShapeError

__all__ = ["LARGEST_SAMPLE", "Clip", "check_samples"]

LARGEST_SAMPLE = 1e15
"""Larger sample values are refused: their power would overflow 32-bit floats."""


def check_samples(samples: NDArray[np.float32], source: object = "samples") -> None:
    """Refuse samples that no sensor gives.

    Raises
    ------
    InputError
        If a value is NaN or infinite, or larger than `LARGEST_SAMPLE`.
    """
    if samples.size == 0:
        return
    largest = max(float(samples.max()), -float(samples.min()))
    if not largest <= LARGEST_SAMPLE:  # also catches NaN
        wrong = "NaN or infinite values" if not np.isfinite(samples).all() else f"values up to {largest:.3g}"
        raise InputError(f"{source}: holds {wrong}. Export the recording again, or cut the damaged part away.")


@final
@dataclass(frozen=True, eq=False)
class Clip:
    """One piece of signal.

    Parameters
    ----------
    samples : array, shape (n_channels, n_samples) or (n_samples,)
        In ``unit``; kept as float32.
    rate : int or float
        Samples per second; kept as an int where it is whole (``1 / 300`` is one sample in five minutes).
    channels : sequence of str
        Channel names; ``"0", "1", ...`` if not given.
    unit : str or sequence of str
        Unit of the samples, or of each channel; ``"FS"`` is full scale, a sound file's [-1, 1], and ``""`` unknown.
    start : datetime or None
        When the first sample was taken.
    source : str
        Where the clip comes from, for messages and tables.

    Raises
    ------
    InputError
        If samples are not finite numbers or the rate is not a positive number.
    ShapeError
        If samples have more than two axes, or the names or units do not fit the channels.

    Examples
    --------
    >>> import numpy as np
    >>> clip = Clip(np.zeros(16000), rate=16000, source="silence")
    >>> clip.n_channels, clip.n_samples, clip.duration_s
    (1, 16000, 1.0)
    """

    samples: NDArray[np.float32]
    rate: int | float
    channels: Sequence[str] = ()
    unit: str | Sequence[str] = "FS"
    start: datetime | None = None
    source: str = "clip"

    def __post_init__(self) -> None:
        samples = _as_channels(self.samples)
        if isinstance(self.rate, bool) or not 0 < self.rate < math.inf:
            raise InputError(f"A rate of {self.rate!r} was given. It must be a positive number of hertz.")
        check_samples(samples, self.source)
        channels = tuple(self.channels) or tuple(str(i) for i in range(len(samples)))
        if len(channels) != len(samples):
            raise ShapeError(f"{len(channels)} channel names were given for {len(samples)} channels. Give one each.")
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "rate", int(self.rate) if self.rate == int(self.rate) else float(self.rate))
        object.__setattr__(self, "channels", channels)
        object.__setattr__(self, "unit", _unit(self.unit, len(samples)))

    @property
    def units(self) -> tuple[str, ...]:
        """The unit of each channel."""
        return (self.unit,) * self.n_channels if isinstance(self.unit, str) else tuple(self.unit)

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def n_samples(self) -> int:
        """Number of samples of each channel."""
        return int(self.samples.shape[1])

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.rate

    def __repr__(self) -> str:
        unit = self.unit if isinstance(self.unit, str) else ", ".join(self.unit)
        return (
            f"<Clip {self.source}: {self.duration_s:.3f} s, {self.rate:.9g} Hz, "
            f"{self.n_channels} channel{'s' * (self.n_channels != 1)}{f', {unit}' if unit else ''}>"
        )


def _unit(unit: str | Sequence[str], n_channels: int) -> str | tuple[str, ...]:
    """Return the unit of all channels where they have the same, else that of each."""
    if isinstance(unit, str):
        return unit
    units = tuple(unit)
    if len(units) != n_channels:
        raise ShapeError(f"{len(units)} units were given for {n_channels} channels. Give one for all, or one each.")
    return units[0] if len(set(units)) == 1 else units


def _as_channels(samples: ArrayLike) -> NDArray[np.float32]:
    array = np.asarray(samples)
    if array.dtype.kind not in "fiub":
        raise InputError(f"Samples of type {array.dtype} were given. Give real numbers.")
    with np.errstate(over="ignore"):
        array = np.atleast_2d(array).astype(np.float32)
    if array.ndim != 2:
        raise ShapeError(f"Samples of shape {array.shape} were given. Give (n_channels, n_samples) or (n_samples,).")
    return array

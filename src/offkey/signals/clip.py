"""`Clip`: one piece of signal with its rate, channel names, unit, start and source."""

from __future__ import annotations

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
    rate : int
        Samples per second.
    channels : sequence of str
        Channel names; ``"0", "1", ...`` if not given.
    unit : str
        Unit of the samples; ``"FS"`` is full scale, a sound file's [-1, 1].
    start : datetime or None
        When the first sample was taken.
    source : str
        Where the clip comes from, for messages and tables.

    Raises
    ------
    InputError
        If samples are not finite numbers or the rate is not a positive whole number.
    ShapeError
        If samples have more than two axes, or the names do not fit the channels.

    Examples
    --------
    >>> import numpy as np
    >>> clip = Clip(np.zeros(16000), rate=16000, source="silence")
    >>> clip.n_channels, clip.n_samples, clip.duration_s
    (1, 16000, 1.0)
    """

    samples: NDArray[np.float32]
    rate: int
    channels: Sequence[str] = ()
    unit: str = "FS"
    start: datetime | None = None
    source: str = "clip"

    def __post_init__(self) -> None:
        samples = _as_channels(self.samples)
        if isinstance(self.rate, bool) or int(self.rate) != self.rate or self.rate <= 0:
            raise InputError(f"A rate of {self.rate!r} was given. It must be a positive whole number of hertz.")
        check_samples(samples, self.source)
        channels = tuple(self.channels) or tuple(str(i) for i in range(len(samples)))
        if len(channels) != len(samples):
            raise ShapeError(f"{len(channels)} channel names were given for {len(samples)} channels. Give one each.")
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "rate", int(self.rate))
        object.__setattr__(self, "channels", channels)

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
        return (
            f"<Clip {self.source}: {self.duration_s:.3f} s, {self.rate} Hz, "
            f"{self.n_channels} channel{'s' * (self.n_channels != 1)}, {self.unit}>"
        )


def _as_channels(samples: ArrayLike) -> NDArray[np.float32]:
    array = np.asarray(samples)
    if array.dtype.kind not in "fiub":
        raise InputError(f"Samples of type {array.dtype} were given. Give real numbers.")
    with np.errstate(over="ignore"):
        array = np.atleast_2d(array).astype(np.float32)
    if array.ndim != 2:
        raise ShapeError(f"Samples of shape {array.shape} were given. Give (n_channels, n_samples) or (n_samples,).")
    return array

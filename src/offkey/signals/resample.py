"""Resampling that gives the same samples however the signal is cut into blocks, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError

__all__ = ["Resampler"]

LARGEST_RATIO = 256
SAMPLES_AT_ONCE = 65_536
"""Samples of a channel that come out at once, about."""


@final
class Resampler:
    """A stream from one rate to another (soxr's high quality), or straight through where the rates are equal.

    Parameters
    ----------
    rate_in, rate_out : float
        Samples per second.
    n_channels : int
        Number of channels.

    Raises
    ------
    InputError
        If one rate is more than 256 times the other.
    """

    def __init__(self, rate_in: float, rate_out: float, n_channels: int) -> None:
        self._stream = None
        if not 1 / LARGEST_RATIO <= rate_out / rate_in <= LARGEST_RATIO:
            raise InputError(
                f"has a rate of {rate_in} Hz, more than {LARGEST_RATIO} times off the {rate_out} Hz that are needed."
            )
        if rate_in != rate_out:
            import soxr

            self._stream = soxr.ResampleStream(rate_in, rate_out, n_channels, dtype="float32", quality="HQ")
        self._n_channels = n_channels
        self._n_at_once = max(1, int(SAMPLES_AT_ONCE * rate_in / max(rate_in, rate_out)))

    def feed(self, block: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Take up samples (n_channels, n) and yield those that became certain, in pieces."""
        if self._stream is None:
            yield block
            return
        for start in range(0, block.shape[1], self._n_at_once):
            yield self._resampled(block[:, start : start + self._n_at_once], last=False)

    def finish(self) -> NDArray[np.float32]:
        """Return the samples that remain."""
        nothing = np.empty((self._n_channels, 0), np.float32)
        return nothing if self._stream is None else self._resampled(nothing, last=True)

    def _resampled(self, block: NDArray[np.float32], last: bool) -> NDArray[np.float32]:
        assert self._stream is not None
        chunk = self._stream.resample_chunk(np.ascontiguousarray(block.T), last=last)
        return np.ascontiguousarray(chunk.reshape(-1, self._n_channels).T, dtype=np.float32)

"""Resampling that gives the same samples however the signal is cut into blocks."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Resampler"]


@final
class Resampler:
    """A stream from one rate to another (soxr's high quality), or straight through where the rates are equal.

    Parameters
    ----------
    rate_in, rate_out : int
        Samples per second.
    n_channels : int
        Number of channels.
    """

    def __init__(self, rate_in: int, rate_out: int, n_channels: int) -> None:
        self._stream = None
        if rate_in != rate_out:
            import soxr

            self._stream = soxr.ResampleStream(rate_in, rate_out, n_channels, dtype="float32", quality="HQ")
        self._n_channels = n_channels

    def push(self, block: NDArray[np.float32], last: bool = False) -> NDArray[np.float32]:
        """Return the samples (n_channels, n) that became certain; with ``last`` all that remain."""
        if self._stream is None:
            return block
        chunk = self._stream.resample_chunk(np.ascontiguousarray(block.T), last=last)
        return np.ascontiguousarray(chunk.reshape(-1, self._n_channels).T, dtype=np.float32)

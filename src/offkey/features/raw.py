"""The samples themselves: slow series such as temperatures, pressures and loads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.features.base import UNIT_OF_SIGNAL, Feature
from offkey.features.frames import frame_lengths, frames_in

__all__ = ["Raw"]


@final
class Raw(Feature):
    """The samples themselves, as they are: slow series of many channels, at any rate.

    A frame is ``n_fft`` consecutive samples, and each of them is a band. A pipeline gives each channel in units of what
    is usual of it in training recordings, so that bars and degrees can stand side by side.

    Parameters
    ----------
    n_fft, hop_length : int, optional
        Length and distance of frames, in samples. If not given, a frame is one sample (beside others in a
        `Concatenate`, as long as theirs), and a quarter of a frame is between two, at least one sample.
    channels : sequence of int, optional
        Channels of the signal that are looked at; all if not given.

    Attributes
    ----------
    rate_ : float
        The rate in hertz.
    n_fft_, hop_length_ : int
        Length and distance of frames, in samples.
    n_bands_ : int
        Samples of a frame.
    band_names_, band_units_ : tuple of str
        ``("value",)``, or ``("value 1", "value 2", ...)`` of a longer frame.

    Examples
    --------
    Temperature and pressure every five minutes:

    >>> import numpy as np
    >>> from offkey.features import Raw
    >>> samples = np.array([[71.0, 72, 73], [1.5, 1.6, 1.5]], np.float32)
    >>> Raw().fit(1 / 300).transform(samples)[:, 0].tolist()
    [[71.0, 1.5], [72.0, 1.600000023841858], [73.0, 1.5]]
    """

    is_scaled = True
    usual_frames = (10, 60)
    center = False

    def __init__(
        self, n_fft: int | None = None, hop_length: int | None = None, channels: Sequence[int] | None = None
    ) -> None:
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.channels = channels

    def fit(self, rate: float) -> Self:
        """Take up the rate, in hertz.

        Raises
        ------
        InputError
            If the parameters do not fit together.
        """
        n_fft, hop = frame_lengths(self, rate, lambda _: 1, 1)
        vars(self).pop("scale_", None)
        self.rate_, self.n_fft_, self.hop_length_, self.n_bands_ = rate, n_fft, hop, n_fft
        self.band_names_ = ("value",) if n_fft == 1 else tuple(f"value {i + 1}" for i in range(n_fft))
        self.band_units_ = (UNIT_OF_SIGNAL,) * n_fft
        return self

    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array(frames_in(samples, self.n_fft_, self.hop_length_).transpose(1, 2, 0), np.float32, order="C")

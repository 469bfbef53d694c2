"""What condition monitoring has always read off a waveform: level, peaks, and the shape of its distribution."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.features.base import UNIT_OF_SIGNAL, Feature
from offkey.features.frames import decibels, frame_by_frame, frame_lengths, require, short_frame

__all__ = ["STATISTICS", "Statistics"]


@final
@dataclass(frozen=True)
class _Waveform:
    """Frames, and what several statistics need of them."""

    mean: NDArray[np.float64]
    swing: NDArray[np.float64]
    """Samples less their frame's mean (n_frames, n_fft)."""
    square: NDArray[np.float64]
    power: NDArray[np.float64]
    """Mean square of the swing, and ``eps``."""
    eps: float
    rate: float


def _crossings(wave: _Waveform) -> NDArray[np.float64]:
    is_below = np.signbit(wave.swing)
    return np.asarray((is_below[:, 1:] != is_below[:, :-1]).mean(axis=1) * wave.rate)


STATISTICS: Mapping[str, Callable[[_Waveform], NDArray[np.float64]]] = MappingProxyType(
    {
        "mean": lambda wave: wave.mean,
        "RMS": lambda wave: np.asarray(10 * np.log10(wave.power)),
        "crest factor": lambda wave: np.sqrt(wave.square.max(axis=1) / wave.power),
        "kurtosis": lambda wave: np.square(wave.square).mean(axis=1) / wave.power**2,
        "skewness": lambda wave: (wave.square * wave.swing).mean(axis=1) / wave.power**1.5,
        "peak-to-peak": lambda wave: decibels(np.square(np.ptp(wave.swing, axis=1)), wave.eps),
        "zero crossings": _crossings,
    }
)
"""Each makes one number of each frame."""

UNITS = dict.fromkeys(STATISTICS, "") | {
    "mean": UNIT_OF_SIGNAL, "RMS": "dB", "peak-to-peak": "dB", "zero crossings": "Hz"
}  # fmt: skip


@final
class Statistics(Feature):
    """Statistics of each frame's waveform: RMS, crest factor, kurtosis and others, each a band of its own.

    All but ``"mean"`` are of the samples less their frame's mean:

    - ``"mean"``, in the signal's unit;
    - ``"RMS"``, ``"peak-to-peak"``: root of the mean square, and highest less lowest sample, in dB re 1 unit;
    - ``"crest factor"``: largest absolute value / RMS;
    - ``"kurtosis"``, ``"skewness"``: fourth and third moment / RMS ** 4 and ** 3 (`scipy.stats.kurtosis` with
      ``fisher=False``, 3 for Gaussian noise; `scipy.stats.skew`);
    - ``"zero crossings"``: changes of sign per second.

    A knocking machine has a high crest factor and kurtosis before it is any louder (Dyer & Stewart 1978, "Detection of
    rolling element bearing damage by statistical vibration analysis", J. Mechanical Design 100(2)). A pipeline gives
    each in units of what is usual of it in training recordings.

    Parameters
    ----------
    statistics : sequence of str
        Which, in this order; all but ``"mean"`` if not given, which tells how a sensor is mounted.
    n_fft : int, optional
        Length of frames, in samples. If not given, as of a `Spectrum`: the power of two nearest to
        ``12 * sqrt(rate)``.
    hop_length : int, optional
        Distance of frames, in samples; a quarter of their length if not given.
    eps : float
        Mean square that is added to that of each frame: with it a constant has levels, and shapes of 0.
    channels : sequence of int, optional
        Channels of the signal that are looked at; all if not given.

    Attributes
    ----------
    rate_ : float
        The rate in hertz.
    n_fft_, hop_length_ : int
        Length and distance of frames, in samples.
    n_bands_ : int
        Number of statistics.
    band_names_, band_units_ : tuple of str
        Their names and units.

    Examples
    --------
    >>> import numpy as np
    >>> from offkey.features import Statistics
    >>> time = np.arange(1000) / 1000
    >>> sine = 2 + np.sin(2 * np.pi * 50 * time)
    >>> feature = Statistics(("mean", "RMS", "crest factor", "kurtosis"), n_fft=1000).fit(1000)
    >>> [f"{value:.2f}" for value in feature.transform(sine[None].astype(np.float32))[0, :, 0]]
    ['2.00', '-3.01', '1.41', '1.50']
    """

    is_scaled = True
    usual_frames = (16, 32)
    center = False

    def __init__(
        self,
        statistics: Sequence[str] = tuple(STATISTICS)[1:],
        n_fft: int | None = None,
        hop_length: int | None = None,
        eps: float = 1e-20,
        channels: Sequence[int] | None = None,
    ) -> None:
        self.statistics = statistics
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.eps = eps
        self.channels = channels

    def fit(self, rate: float) -> Self:
        """Choose frames for this rate, in hertz, where they are not given.

        Raises
        ------
        InputError
            If the parameters do not fit together.
        """
        n_fft, hop = frame_lengths(self, rate, short_frame, 2)
        names = (self.statistics,) if isinstance(self.statistics, str) else tuple(self.statistics)
        require(
            "Statistics",
            {
                f"statistics={self.statistics!r}: some of {', '.join(map(repr, STATISTICS))}, each once,": 0
                < len(names)
                == len(set(names) & set(STATISTICS)),
                f"eps={self.eps}: from 1e-40": 1e-40 <= self.eps < math.inf,
            },
        )
        vars(self).pop("scale_", None)
        self.rate_, self.n_fft_, self.hop_length_ = rate, n_fft, hop
        self.band_names_, self.n_bands_ = names, len(names)
        self.band_units_ = tuple(UNITS[name] for name in names)
        return self

    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return frame_by_frame(samples, self.n_fft_, self.hop_length_, self.n_bands_, self._statistics)

    def _statistics(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the statistics of frames (n_frames, n_statistics); overwrites the frames."""
        mean = frames.mean(axis=1)
        frames -= mean[:, None]
        square = np.square(frames)
        wave = _Waveform(mean, frames, square, square.mean(axis=1) + self.eps, self.eps, self.rate_)
        return np.stack([STATISTICS[name](wave) for name in self.band_names_], axis=1)

"""Spectra of sensor signals: power spectral density in bands of lines, at any rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.features.bands import SPACINGS, band_centres_hz, band_edges_hz, band_limits, band_power, window_of
from offkey.features.base import Feature
from offkey.features.frames import decibels, frame_by_frame, frame_lengths, is_whole, require, short_frame

__all__ = ["Spectrum"]

LOG_ABOVE_HZ = 4000.0
"""Rates above this have logarithmic bands if nothing else is said."""
SCALINGS = ("density", "power")


@final
class Spectrum(Feature):
    """Power spectral density of each frame in bands, in dB: vibration, motor current, anything with a rate.

    ``10 * log10(mean + eps)``, where ``mean`` is the mean over a band's lines of the one-sided power spectral density
    of the windowed frame: that of ``scipy.signal.welch(scaling="density", detrend="constant")`` on one segment (Welch
    1967, IEEE Trans. Audio Electroacoustics 15(2)). Averaging over frames is the detector's business.

    Parameters
    ----------
    n_fft : int, optional
        Length of frames, in samples. If not given, the power of two nearest to ``12 * sqrt(rate)``: 32 at 10 Hz, 128 at
        200 Hz, 512 at 1 kHz, 2048 at 25.6 kHz, 16384 at 1 MHz.
    hop_length : int, optional
        Distance of frames, in samples; a quarter of their length if not given.
    window : str
        Name of a window of `scipy.signal.get_window`.
    n_bands : int
        Number of bands, at most: none is narrower than a line.
    spacing : {"linear", "log"}, optional
        Whether bands are equally wide in hertz or in octaves. If not given, in octaves above a rate of 4 kHz.
    fmin, fmax : float, optional
        Lowest and highest frequency in hertz. If not given, all lines; with ``detrend`` without that of 0 Hz.
    detrend : bool
        Whether each frame's mean is taken off first: gravity, or the offset of a sensor.
    scaling : {"density", "power"}
        Decibels of the density, re 1 unit ** 2 / Hz; or of the mean square of what lies in the band, re 1 unit ** 2: a
        tone's level then does not depend on the width of its band.
    eps : float
        What is added, in the same unit. The rounding of 32-bit samples of amplitude 1 at 10 kHz is as large.
    channels : sequence of int, optional
        Channels of the signal that are looked at; all if not given.

    Attributes
    ----------
    rate_ : float
        The rate in hertz.
    n_fft_, hop_length_ : int
        Length and distance of frames, in samples.
    n_bands_ : int
        Number of bands.
    band_hz_ : array, shape (n_bands,)
        The middle of each band in hertz.
    band_edges_hz_ : array, shape (n_bands + 1,)
        Where bands begin and end in hertz: midway between lines.
    band_limits_ : array, shape (n_bands + 1,)
        The first line of each band, and the one behind the last.
    window_ : array, shape (n_fft,)
        The window.

    Examples
    --------
    >>> import numpy as np
    >>> from offkey import Clip
    >>> from offkey.features import Spectrum, frames_of
    >>> time = np.arange(10_000) / 1000
    >>> acceleration = 9.81 + 0.2 * np.sin(2 * np.pi * 50 * time)
    >>> feature = Spectrum(scaling="power").fit(1000)
    >>> frames = frames_of(feature, Clip(acceleration, 1000, unit="m/s^2"))
    >>> loudest = frames[0, :, 0].argmax()
    >>> feature.band_edges_hz_[loudest : loudest + 2].round(1).tolist()
    [47.9, 51.8]
    """

    usual_frames = (16, 32)
    center = False

    def __init__(
        self,
        n_fft: int | None = None,
        hop_length: int | None = None,
        window: str = "hann",
        n_bands: int = 128,
        spacing: str | None = None,
        fmin: float | None = None,
        fmax: float | None = None,
        detrend: bool = True,
        scaling: str = "density",
        eps: float = 1e-20,
        channels: Sequence[int] | None = None,
    ) -> None:
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.window = window
        self.n_bands = n_bands
        self.spacing = spacing
        self.fmin = fmin
        self.fmax = fmax
        self.detrend = detrend
        self.scaling = scaling
        self.eps = eps
        self.channels = channels

    def fit(self, rate: float) -> Self:
        """Choose frames and bands for this rate, in hertz, where they are not given.

        Raises
        ------
        InputError
            If the parameters do not fit together or to the rate.
        """
        n_fft, hop = frame_lengths(self, rate, short_frame, 4)
        lowest = rate / n_fft if self.detrend else 0.0
        fmin = lowest if self.fmin is None else self.fmin
        fmax = rate / 2 if self.fmax is None else self.fmax
        spacing = self.spacing or ("log" if rate > LOG_ABOVE_HZ else "linear")
        require(
            "Spectrum",
            {
                f"n_bands={self.n_bands}: a whole number from 1": is_whole(self.n_bands, 1),
                f"spacing={self.spacing!r}: 'linear', 'log' or None": spacing in SPACINGS,
                f"fmin={fmin}, fmax={fmax}: 0 <= fmin < fmax <= {rate / 2:g} (half the rate)": 0
                <= fmin
                < fmax
                <= rate / 2,
                f"scaling={self.scaling!r}: 'density' or 'power'": self.scaling in SCALINGS,
                f"eps={self.eps}: above 0": 0 < self.eps < math.inf,
            },
        )
        limits = band_limits("Spectrum", rate, n_fft, fmin, fmax, self.n_bands, spacing)
        self.rate_, self.n_fft_, self.hop_length_ = rate, n_fft, hop
        self.window_ = window_of(self.window, n_fft)
        self.band_limits_, self.n_bands_ = limits, len(limits) - 1
        self.band_hz_, self.band_edges_hz_ = band_centres_hz(limits, rate, n_fft), band_edges_hz(limits, rate, n_fft)
        return self

    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return frame_by_frame(samples, self.n_fft_, self.hop_length_, self.n_bands_, self._levels)

    def _levels(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the bands of frames in dB (n_frames, n_bands); overwrites the frames."""
        if self.detrend:
            frames -= frames.mean(axis=1, keepdims=True)
        mean_square = band_power(frames, self.window_, self.band_limits_) / (
            self.n_fft_ * np.square(self.window_).sum()
        )
        if self.scaling == "density":
            mean_square /= np.diff(self.band_limits_) * (self.rate_ / self.n_fft_)
        return decibels(mean_square, self.eps)

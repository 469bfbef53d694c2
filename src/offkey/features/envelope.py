"""Spectra of the envelope: how the loudness of a frequency band fluctuates, which is where damaged bearings show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.features.bands import band_centres_hz, band_edges_hz, band_limits, band_power, window_of
from offkey.features.base import Feature
from offkey.features.frames import decibels, frame_by_frame, frame_lengths, is_whole, long_frame, require

__all__ = ["Envelope"]

USUAL_ENVELOPE_HZ = 500.0
TAPERED = 0.2
"""Part of the band-pass in which its gain rises and falls."""


@final
class Envelope(Feature):
    """Spectrum of the envelope of a frequency band, of each frame, in dB: bearings, gears, anything that knocks.

    Each knock of a damaged bearing rings at high frequencies; how often it knocks shows in the spectrum of the envelope
    of that ringing (Randall & Antoni 2011, "Rolling element bearing diagnostics: a tutorial", Mechanical Systems and
    Signal Processing 25(2)). Each frame is band-passed by its Fourier transform, the envelope is the magnitude of its
    analytic signal (`scipy.signal.hilbert`), and of that less its mean, with a Hann window, the mean square in each
    band is given: ``10 * log10(mean_square + eps)``, re 1 unit ** 2. Bands are equally wide in hertz.

    Parameters
    ----------
    fmin, fmax : float, optional
        The band-pass in hertz, where the ringing is: the resonances of the housing and the sensor's mounting. If not
        given, from an eighth of the rate to 0.45 times the rate.
    envelope_fmax : float, optional
        Highest frequency of the envelope in hertz. If not given, 500 Hz, or half the width of the band-pass if that is
        lower.
    n_fft : int, optional
        Length of frames, in samples. If not given, the power of two nearest to half a second (at least 64): it must
        resolve how often a shaft turns.
    hop_length : int, optional
        Distance of frames, in samples; a quarter of their length if not given.
    n_bands : int
        Number of bands, at most: none is narrower than a line.
    eps : float
        Mean square that is added.
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
        The middle of each band of the envelope's spectrum in hertz.
    band_edges_hz_ : array, shape (n_bands + 1,)
        Where they begin and end in hertz: midway between lines.
    band_limits_ : array, shape (n_bands + 1,)
        The first line of each band, and the one behind the last.
    pass_line_ : int
        First line of the signal's spectrum that the band-pass lets through.
    pass_gain_ : array, shape (n_lines,)
        Gain of the band-pass from that line on.
    window_ : array, shape (n_fft,)
        The window.

    Examples
    --------
    A ringing at 6 kHz that swells 97 times a second:

    >>> import numpy as np
    >>> from offkey.features import Envelope
    >>> time = np.arange(25_600) / 25_600
    >>> ringing = (1 + 0.5 * np.cos(2 * np.pi * 97 * time)) * np.sin(2 * np.pi * 6000 * time)
    >>> feature = Envelope().fit(25_600)
    >>> frames = feature.transform(ringing[None].astype(np.float32))
    >>> float(feature.band_hz_[frames[0, :, 0].argmax()].round())
    97.0
    """

    spectrum_of = "envelope"
    usual_frames = (16, 32)
    center = False

    def __init__(
        self,
        fmin: float | None = None,
        fmax: float | None = None,
        envelope_fmax: float | None = None,
        n_fft: int | None = None,
        hop_length: int | None = None,
        n_bands: int = 128,
        eps: float = 1e-20,
        channels: Sequence[int] | None = None,
    ) -> None:
        self.fmin = fmin
        self.fmax = fmax
        self.envelope_fmax = envelope_fmax
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_bands = n_bands
        self.eps = eps
        self.channels = channels

    def fit(self, rate: float) -> Self:
        """Choose frames, band-pass and bands for this rate, in hertz, where they are not given.

        Raises
        ------
        InputError
            If the parameters do not fit together or to the rate.
        """
        n_fft, hop = frame_lengths(self, rate, long_frame, 4)
        fmin = rate / 8 if self.fmin is None else self.fmin
        fmax = 0.45 * rate if self.fmax is None else self.fmax
        highest = min(USUAL_ENVELOPE_HZ, (fmax - fmin) / 2) if self.envelope_fmax is None else self.envelope_fmax
        require(
            "Envelope",
            {
                f"fmin={fmin}, fmax={fmax}: 0 < fmin < fmax < {rate / 2:g} (half the rate)": 0 < fmin < fmax < rate / 2,
                f"envelope_fmax={highest}: above 0, up to {rate / 2:g} (half the rate)": 0 < highest <= rate / 2,
                f"n_bands={self.n_bands}: a whole number from 1": is_whole(self.n_bands, 1),
                f"eps={self.eps}: above 0": 0 < self.eps < math.inf,
            },
        )
        first, stop = band_limits("Envelope", rate, n_fft, fmin, fmax, 1, "linear")
        limits = band_limits("Envelope", rate, n_fft, rate / n_fft, highest, self.n_bands, "linear")
        self.rate_, self.n_fft_, self.hop_length_ = rate, n_fft, hop
        self.pass_line_, self.pass_gain_ = int(first), _gain(int(stop - first))
        self.window_ = window_of("hann", n_fft)
        self.band_limits_, self.n_bands_ = limits, len(limits) - 1
        self.band_hz_, self.band_edges_hz_ = band_centres_hz(limits, rate, n_fft), band_edges_hz(limits, rate, n_fft)
        return self

    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return frame_by_frame(samples, self.n_fft_, self.hop_length_, self.n_bands_, self._levels)

    def _levels(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the bands of frames in dB (n_frames, n_bands)."""
        envelope = self._envelope(frames)
        envelope -= envelope.mean(axis=1, keepdims=True)
        power = band_power(envelope, self.window_, self.band_limits_)
        return decibels(power / (self.n_fft_ * np.square(self.window_).sum()), self.eps)

    def _envelope(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the magnitude of the analytic signal of band-passed frames (n_frames, n_fft); overwrites the frames.

        Where a frame does not end as it began, the band-pass rings at both ends; the window that follows is 0 there.
        """
        from scipy.fft import ifft, rfft

        passed = slice(self.pass_line_, self.pass_line_ + len(self.pass_gain_))
        analytic = np.zeros(frames.shape, np.complex128)
        analytic[:, passed] = rfft(frames, axis=1, overwrite_x=True)[:, passed] * (2 * self.pass_gain_)
        return np.asarray(np.abs(ifft(analytic, axis=1, overwrite_x=True)))


def _gain(n_lines: int) -> NDArray[np.float64]:
    """Return the gain (n_lines,) of a band-pass that rises and falls as half a period of a cosine."""
    from scipy.signal.windows import tukey

    return np.asarray(tukey(n_lines + 2, TAPERED)[1:-1], np.float64)

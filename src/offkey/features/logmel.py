"""Log-mel spectra: librosa's numbers, faster, and every frame the same whatever stands beside it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError
from offkey.features.base import Feature, are_channels

__all__ = ["LogMel", "hz_to_mel", "mel_filter_bank", "mel_to_hz"]

logger = logging.getLogger(__name__)

FRAMES_AT_ONCE = 320
"""Frames transformed at once: many enough that calls cost little, few enough for the processor's cache."""

MOST_WORKSPACES = 8

FLOORS = {"max": np.maximum, "add": np.add}
"""How the smallest value enters. A sum is rounded by 3e-7 dB at most."""

FAINT = 1e-6
"""Frames with a band fainter than this part of the power of their loudest are transformed in double precision, as
librosa does with all: below that the rounding of a 32-bit transform, which is spread over all bands, would be heard
(about 3e-4 dB at this contrast, ten times as much for each 20 dB more)."""


@final
class LogMel(Feature):
    """Log-mel spectrogram in decibels, with librosa's parameter names and numbers.

    ``20 / power * log10(max(mel, eps))``, where ``mel`` is ``librosa.feature.melspectrogram``: the formula of the DCASE
    Task 2 baselines since 2021 (https://github.com/y-kawagu/dcase2021_task2_baseline_ae); with ``floor="add"``
    ``20 / power * log10(mel + eps)``, that of 2020 (https://github.com/y-kawagu/dcase2020_task2_baseline).

    Parameters
    ----------
    n_fft, hop_length : int
        Length and distance of frames, in samples.
    win_length : int, optional
        Length of the window within a frame, in samples; ``n_fft`` if not given.
    window : str
        Name of a window of `scipy.signal.get_window`.
    n_mels : int
        Number of mel bands.
    fmin, fmax : float
        Lowest and highest frequency in hertz; ``fmax=None`` is half the rate.
    power : float
        Exponent of the magnitude: 2 for power, 1 for amplitude.
    center : bool
        Whether zeros are put before and behind the signal, so that frame n is centred on sample ``n * hop_length``
        (librosa's ``center=True, pad_mode="constant"``).
    htk : bool
        Use the HTK mel formula instead of Slaney's.
    norm : {"slaney", None}
        Whether mel filters have constant area.
    eps : float
        Smallest mel value.
    floor : {"max", "add"}
        How ``eps`` keeps silence finite: lower mel values are raised to it, or it is added to all.
    channels : sequence of int, optional
        Channels of the signal that are heard, such as ``(0,)`` for the first of a stereo recording; all if not given.
    triangles : {"hz", "mel"}
        Whether mel filters are triangles over hertz, as librosa's, or over mel, as those of TensorFlow, Kaldi and HTK.
    top_db : float, optional
        Raise everything below the loudest value of each frame less ``top_db`` to that. Off by default. librosa's
        own clips by the loudest value of the whole clip, so that a frame's value depends on the others.

    Attributes
    ----------
    rate_ : int
        The rate in hertz.
    n_bands_ : int
        Number of bands.
    n_empty_bands_ : int
        Bands narrower than a line of the spectrum: they stay at ``eps``.
    band_hz_ : array, shape (n_mels,)
        Centre frequencies of the bands in hertz.
    band_edges_hz_ : array, shape (n_mels + 1,)
        Where one band gives way to the next: midway between their centres, and ``fmin`` and ``fmax`` at the ends.
    window_ : array, shape (n_fft,)
        The window.
    filter_bank_ : array, shape (n_mels, 1 + n_fft // 2)
        The mel filter bank.

    Examples
    --------
    >>> import numpy as np
    >>> from offkey.features import LogMel, frames_of
    >>> from offkey.signals import Clip
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    >>> frames = frames_of(LogMel(n_mels=64).fit(16000), Clip(tone, 16000))
    >>> frames.shape
    (30, 64, 1)
    """

    def __init__(
        self,
        n_fft: int = 1024,
        hop_length: int = 512,
        win_length: int | None = None,
        window: str = "hann",
        n_mels: int = 128,
        fmin: float = 0.0,
        fmax: float | None = None,
        power: float = 2.0,
        center: bool = False,
        htk: bool = False,
        norm: str | None = "slaney",
        eps: float = float(np.finfo(np.float64).eps),
        floor: str = "max",
        channels: Sequence[int] | None = None,
        triangles: str = "hz",
        top_db: float | None = None,
    ) -> None:
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.win_length = win_length
        self.window = window
        self.n_mels = n_mels
        self.fmin = fmin
        self.fmax = fmax
        self.power = power
        self.center = center
        self.htk = htk
        self.norm = norm
        self.eps = eps
        self.floor = floor
        self.channels = channels
        self.triangles = triangles
        self.top_db = top_db

    def fit(self, rate: float) -> Self:
        """Make the window and the filter bank for this rate, in hertz.

        Raises
        ------
        InputError
            If the parameters do not fit together or to the rate.
        """
        self._check(rate)
        fmax = rate / 2 if self.fmax is None else self.fmax
        for cached in [name for name in vars(self) if name.startswith("_")]:
            delattr(self, cached)
        self.rate_ = rate
        self.n_bands_ = self.n_mels
        self.window_ = _padded_window(self.window, self.win_length or self.n_fft, self.n_fft)
        self.filter_bank_ = mel_filter_bank(
            rate, self.n_fft, self.n_mels, self.fmin, fmax, htk=self.htk, norm=self.norm, triangles=self.triangles
        )
        self.band_hz_ = _mel_points(self.n_mels, self.fmin, fmax, self.htk)[1:-1]
        between = (self.band_hz_[1:] + self.band_hz_[:-1]) / 2
        self.band_edges_hz_ = np.concatenate([[self.fmin], between, [fmax]])
        n_empty = self.n_empty_bands_ = int((self.filter_bank_.max(axis=1) == 0).sum())
        if n_empty == self.n_mels:
            raise InputError(f"All {n_empty} mel bands are narrower than a line of the spectrum. Use a longer n_fft.")
        if n_empty:
            logger.warning(
                "%d of %d mel bands are narrower than the spectrum's lines and stay empty. Use fewer bands "
                "(n_mels) or longer frames (n_fft).",
                n_empty,
                self.n_mels,
            )
        return self

    def _check(self, rate: float) -> None:
        win_length = self.n_fft if self.win_length is None else self.win_length
        fmax = rate / 2 if self.fmax is None else self.fmax
        wrong = {
            f"n_fft={self.n_fft}: at least 2": self.n_fft < 2,
            f"hop_length={self.hop_length}: from 1 to n_fft": not 1 <= self.hop_length <= self.n_fft,
            f"win_length={win_length}: from 1 to n_fft": not 1 <= win_length <= self.n_fft,
            f"n_mels={self.n_mels}: at least 1": self.n_mels < 1,
            f"fmin={self.fmin}, fmax={fmax}: 0 <= fmin < fmax <= {rate / 2:g} (half the rate)": not 0
            <= self.fmin
            < fmax
            <= rate / 2,
            f"power={self.power}: above 0": not self.power > 0,
            f"eps={self.eps}: above 1e-37": not self.eps > 1e-37,
            f"floor={self.floor!r}: 'max' or 'add'": self.floor not in FLOORS,
            f"channels={self.channels!r}: None or some numbers from 0, each once,": not are_channels(self.channels),
            f"triangles={self.triangles!r}: 'hz' or 'mel'": self.triangles not in ("hz", "mel"),
            f"norm={self.norm!r}: 'slaney' or None": self.norm not in ("slaney", None),
            f"top_db={self.top_db}: None or above 0": self.top_db is not None and not self.top_db > 0,
        }
        for rule, broken in wrong.items():
            if broken:
                raise InputError(f"LogMel was given {rule} is needed. Change that parameter.")

    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        n_frames = max(0, 1 + (samples.shape[1] - self.n_fft) // self.hop_length)
        decibels = np.empty((n_frames, self.n_mels, len(samples)), np.float32)
        if n_frames:
            for channel, signal in enumerate(samples):
                self._write_decibels(np.ascontiguousarray(signal, np.float32), decibels[:, :, channel])
        if self.top_db is not None:
            np.maximum(decibels, decibels.max(axis=1, keepdims=True) - np.float32(self.top_db), out=decibels)
        return decibels

    def _write_decibels(self, signal: NDArray[np.float32], decibels: NDArray[np.float32]) -> None:
        """Write the log-mel spectra of a signal (n_samples,) to ``decibels`` (n_frames, n_mels)."""
        step = signal.itemsize
        frames = np.ndarray((len(decibels), self.n_fft), np.float32, signal, 0, (self.hop_length * step, step))
        window = self.window_.astype(np.float32)
        for start in range(0, len(decibels), FRAMES_AT_ONCE):
            some = slice(start, start + FRAMES_AT_ONCE)
            spectrum = self._spectrum(frames[some], window)
            bands = self._sparse_bank @ spectrum
            faint = np.flatnonzero(self._is_faint(spectrum, bands))
            if len(faint):
                bands[:, faint] = self._sparse_bank @ self._spectrum(frames[some][faint], self.window_)
            FLOORS[self.floor](bands, np.float32(self.eps), out=bands)
            np.log10(bands, out=bands)
            np.multiply(bands.T, np.float32(20 / self.power), out=decibels[some])

    def _spectrum(self, frames: NDArray[np.float32], window: NDArray[Any]) -> NDArray[np.float32]:
        """Return spectra (n_lines, n_frames) of frames (n_frames, n_fft), computed as precisely as ``window`` is.

        The result lies in the workspace: it is valid until the next call.
        """
        from scipy.fft import rfft

        windowed, magnitude, spectrum = self._workspace(window.dtype, len(frames))
        lines = rfft(np.multiply(frames, window, out=windowed), axis=1, overwrite_x=True)
        np.abs(lines, out=magnitude)
        if self.power == 2.0:
            np.square(magnitude.T, out=spectrum, casting="same_kind")
        else:
            np.power(magnitude.T, self.power, out=spectrum, casting="same_kind")
        return spectrum

    def _workspace(self, dtype: Any, n_frames: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]]:
        """Return this thread's arrays for ``n_frames`` frames; the system may take long to hand out fresh ones."""
        key = (np.dtype(dtype).char, n_frames)
        arrays = self._of_thread.__dict__.setdefault("arrays", {})
        if key not in arrays:
            n_lines = 1 + self.n_fft // 2
            if len(arrays) >= MOST_WORKSPACES:
                arrays.clear()
            arrays[key] = (
                np.empty((n_frames, self.n_fft), dtype),
                np.empty((n_frames, n_lines), dtype),
                np.empty((n_lines, n_frames), np.float32),
            )
        workspace: tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]] = arrays[key]
        return workspace

    def _is_faint(self, spectrum: NDArray[np.float32], mel: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Say of each frame whether a band lies so far below the loudest that single precision would be heard."""
        bands = mel[self._has_lines] if self.n_empty_bands_ else mel
        loudest = bands.max(axis=0)
        outside = spectrum[self._lines_outside]
        if len(outside):
            np.maximum(loudest, outside.max(axis=0) * self._largest_weight, out=loudest)
        return np.asarray(bands.min(axis=0) < loudest * np.float32(FAINT ** (self.power / 2)))

    @cached_property
    def _of_thread(self) -> threading.local:
        return threading.local()

    @cached_property
    def _sparse_bank(self) -> Any:
        """The filter bank without its zeros: sums band by band, in the same order for every frame (BLAS does not)."""
        from scipy.sparse import csr_array

        return csr_array(self.filter_bank_)

    @cached_property
    def _has_lines(self) -> NDArray[np.bool_]:
        """Which bands are not empty, shape (n_mels,)."""
        return np.asarray(self.filter_bank_.max(axis=1) > 0)

    @cached_property
    def _largest_weight(self) -> np.float32:
        return np.float32(self.filter_bank_.max())

    @cached_property
    def _lines_outside(self) -> NDArray[np.intp]:
        """Lines of the spectrum that no band hears."""
        return np.flatnonzero(self.filter_bank_.max(axis=0) == 0)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


def mel_filter_bank(
    rate: float,
    n_fft: int,
    n_mels: int,
    fmin: float,
    fmax: float,
    *,
    htk: bool = False,
    norm: str | None = "slaney",
    triangles: str = "hz",
) -> NDArray[np.float32]:
    """Return triangular filters (n_mels, 1 + n_fft // 2), equal to ``librosa.filters.mel``.

    Slaney's Auditory Toolbox (1998): corners equally spaced in mel, each filter of area 2 / bandwidth. With
    ``triangles="mel"`` the sides are straight over mel, equal to ``tf.signal.linear_to_mel_weight_matrix``.
    """
    line_hz = np.fft.rfftfreq(n_fft, 1 / rate)
    corners = _mel_points(n_mels, fmin, fmax, htk)
    points, lines = corners, np.asarray(line_hz, np.float64)
    if triangles == "mel":
        points, lines = hz_to_mel(corners, htk), hz_to_mel(lines, htk)
    widths = np.diff(points)
    distances = points[:, None] - lines
    rising = -distances[:-2] / widths[:-1, None]
    falling = distances[2:] / widths[1:, None]
    bank = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    if norm == "slaney":
        bank *= (2.0 / (corners[2:] - corners[:-2]))[:, None]
    return bank


def _mel_points(n_mels: int, fmin: float, fmax: float, htk: bool) -> NDArray[np.float64]:
    low, high = hz_to_mel(np.array([fmin, fmax]), htk)
    return mel_to_hz(np.linspace(low, high, n_mels + 2), htk)


_LINEAR_HZ = 200.0 / 3  # Slaney's scale: linear up to 1 kHz, then 27 logarithmic steps for each factor 6.4
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = float(np.log(6.4)) / 27.0


def hz_to_mel(hz: NDArray[np.float64], htk: bool = False) -> NDArray[np.float64]:
    """Convert hertz to mel (Slaney's scale, or O'Shaughnessy's as in HTK)."""
    if htk:
        return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))
    with np.errstate(divide="ignore"):
        logarithmic = _BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP
    return np.where(hz >= _BREAK_HZ, logarithmic, hz / _LINEAR_HZ)


def mel_to_hz(mel: NDArray[np.float64], htk: bool = False) -> NDArray[np.float64]:
    """Convert mel to hertz."""
    if htk:
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    return np.where(mel >= _BREAK_MEL, _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL)), _LINEAR_HZ * mel)


def _padded_window(name: str, win_length: int, n_fft: int) -> NDArray[np.float64]:
    from scipy.signal import get_window

    try:
        window = get_window(name, win_length, fftbins=True)
    except ValueError as error:
        raise InputError(f"The window {name!r} was given. Use a name that scipy.signal.get_window knows.") from error
    before = (n_fft - win_length) // 2
    return np.pad(np.asarray(window, np.float64), (before, n_fft - win_length - before))

"""Octave bands, and what of a signal lies in them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError

__all__ = ["band_edges", "band_name", "band_power", "limit_to_band", "octave_bands"]

NOMINAL_HZ = (63, 125, 250, 500, 1000, 2000, 4000, 8000, 16_000, 31_500, 63_000)

OVER_NYQUIST = 1.02
"""The highest band may end so far above half the rate, and is cut there: 16 kHz ends at 22.4 kHz, a CD at 22.05."""

FADED = 0.05
"""Part of a signal at each end that `band_power` fades."""

ROLL_OFF = 0.1
"""Part of a band's lower edge over which `limit_to_band` fades in and out, inside the band."""


def octave_bands(rate: float) -> list[int]:
    """Return the nominal centre frequencies in hertz, from 63 up, of the octave bands that lie below half the rate.

    Examples
    --------
    >>> octave_bands(16000)
    [63, 125, 250, 500, 1000, 2000, 4000]
    """
    return [hz for hz in NOMINAL_HZ if band_edges(hz)[1] <= OVER_NYQUIST * rate / 2]


def band_edges(band_hz: int) -> tuple[float, float]:
    """Return the edges of an octave band in hertz.

    IEC 61260-1:2014, base ten: the exact centre is 1000 G^n with G = 10^0.3, the edges lie half an octave (G^0.5) off.

    Examples
    --------
    >>> [round(hz, 1) for hz in band_edges(1000)]
    [707.9, 1412.5]

    Raises
    ------
    InputError
        If ``band_hz`` is no nominal centre frequency.
    """
    if band_hz not in NOMINAL_HZ:
        known = ", ".join(str(hz) for hz in NOMINAL_HZ)
        raise InputError(f"An octave band at {band_hz} Hz was asked for. There are (centres in Hz): {known}.")
    n = NOMINAL_HZ.index(int(band_hz)) - NOMINAL_HZ.index(1000)
    return 1000 * 10 ** (0.3 * (n - 0.5)), 1000 * 10 ** (0.3 * (n + 0.5))


def band_name(band_hz: float) -> str:
    """Write a centre frequency as people do.

    Examples
    --------
    >>> band_name(31500), band_name(63)
    ('31.5 kHz', '63 Hz')
    """
    return f"{band_hz / 1000:g} kHz" if band_hz >= 1000 else f"{band_hz:g} Hz"


def band_power(samples: ArrayLike, rate: float, band_hz: int) -> NDArray[np.float64]:
    """Return the mean power within an octave band, in the samples' unit squared; shape (..., n_samples) to (...).

    By the cosine transform (DCT-II) of the signal faded in and out over a twentieth of its length, so that a strong hum
    that is cut off at the ends does not spill into the other bands.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    >>> [round(float(band_power(tone, 16000, hz)), 3) for hz in (500, 1000)]
    [0.0, 0.5]
    """
    from scipy.fft import dct
    from scipy.signal.windows import tukey

    array = np.asarray(samples, np.float64)
    inside, _ = _weights(array.shape[-1], rate, band_hz)
    fade = tukey(array.shape[-1], 2 * FADED)
    spectrum = dct(array * fade, norm="ortho")[..., inside]
    return np.asarray(np.square(spectrum).sum(axis=-1) / np.square(fade).sum())


def limit_to_band(samples: ArrayLike, rate: float, band_hz: int) -> NDArray[np.float64]:
    """Return what of a signal (..., n_samples) lies within an octave band, faded towards the edges from inside.

    Examples
    --------
    >>> click = np.eye(1, 16000, 8000)[0]
    >>> bool(band_power(limit_to_band(click, 16000, 1000), 16000, 4000) < 1e-30)
    True
    """
    from scipy.fft import dct, idct

    array = np.asarray(samples, np.float64)
    inside, weights = _weights(array.shape[-1], rate, band_hz)
    limited = np.zeros(array.shape)
    limited[..., inside] = dct(array, norm="ortho")[..., inside] * weights
    return np.asarray(idct(limited, norm="ortho"))


def _weights(n_samples: int, rate: float, band_hz: int) -> tuple[slice, NDArray[np.float64]]:
    """Return which DCT-II coefficients lie within a band, and their weights.

    The k-th coefficient is that of a cosine of ``k rate / (2 n_samples)`` hertz.
    """
    low, high = band_edges(band_hz)
    step = rate / (2 * n_samples)
    inside = slice(math.ceil(low / step), min(n_samples, math.floor(high / step) + 1))
    hz = step * np.arange(inside.start, inside.stop)
    inward = np.minimum(hz - low, high - hz) / (ROLL_OFF * low)
    return inside, np.sin(np.pi / 2 * np.clip(inward, 0, 1)) ** 2

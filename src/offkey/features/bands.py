"""Bands: neighbouring lines of a spectrum, taken together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError

__all__ = ["SPACINGS", "band_centres_hz", "band_edges_hz", "band_limits", "band_power", "window_of"]

SPACINGS = ("linear", "log")


def band_limits(
    name: str, rate: float, n_fft: int, fmin: float, fmax: float, n_bands: int, spacing: str
) -> NDArray[np.intp]:
    """Return the first line of each band, and the one behind the last, shape (n_bands + 1,), for lines of fmin to fmax.

    No band is narrower than a line: where as many as ``n_bands`` would be, there are fewer. With ``spacing="log"``
    bands are as wide as lines up to where a constant part of an octave is wider.

    Raises
    ------
    InputError
        If no line lies between fmin and fmax; its message begins with ``name``.
    """
    line_hz = rate / n_fft
    first, stop = math.ceil(fmin / line_hz - 1e-9), math.floor(fmax / line_hz + 1e-9) + 1
    if first >= stop:
        raise InputError(
            f"{name} was given the band from {fmin:g} to {fmax:g} Hz, which no line of a spectrum of {n_fft} samples "
            f"at {rate:g} Hz lies in (one every {line_hz:g} Hz). Use longer frames (n_fft) or a wider band."
        )
    n_bands = min(n_bands, stop - first)
    if spacing == "log":
        limits = np.geomspace(max(1, first), stop, n_bands + 1)
        limits[0] = first
    else:
        limits = np.linspace(first, stop, n_bands + 1)
    return np.unique(np.round(limits).astype(np.intp))


def band_centres_hz(limits: NDArray[np.intp], rate: float, n_fft: int) -> NDArray[np.float64]:
    """Return the middle of the lines of each band in hertz, shape (n_bands,)."""
    return np.asarray((limits[:-1] + limits[1:] - 1) / 2 * (rate / n_fft))


def band_edges_hz(limits: NDArray[np.intp], rate: float, n_fft: int) -> NDArray[np.float64]:
    """Return where bands begin and end in hertz, shape (n_bands + 1,): midway between lines."""
    return np.clip((limits - 0.5) * (rate / n_fft), 0, rate / 2)


def band_power(
    frames: NDArray[np.float64], window: NDArray[np.float64], limits: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the sum of the one-sided power of each band's lines (n_frames, n_bands), and overwrite the frames.

    Divided by ``n_fft * sum(window ** 2)`` it is the mean square of what lies in the band (Parseval's theorem).
    """
    from scipy.fft import rfft

    n_fft = frames.shape[1]
    frames *= window
    lines = rfft(frames, axis=1, overwrite_x=True)[:, limits[0] : limits[-1]]
    power = np.square(lines.real)
    power += np.square(lines.imag)
    numbers = np.arange(limits[0], limits[-1])
    power *= np.where((numbers == 0) | (2 * numbers == n_fft), 1.0, 2.0)  # these have no twin at negative frequencies
    return np.asarray(np.add.reduceat(power, limits[:-1] - limits[0], axis=1))


def window_of(name: str, n_fft: int) -> NDArray[np.float64]:
    """Return a window of `scipy.signal.get_window`, shape (n_fft,).

    Raises
    ------
    InputError
        If it has no such window.
    """
    from scipy.signal import get_window

    try:
        return np.asarray(get_window(name, n_fft, fftbins=True), np.float64)
    except ValueError as error:
        raise InputError(f"The window {name!r} was given. Use a name that scipy.signal.get_window knows.") from error

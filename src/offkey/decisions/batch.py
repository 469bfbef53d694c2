"""Decisions about a whole batch: which of many clips to report, so that few of those reported are false."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.errors import InputError, ShapeError

__all__ = ["adjusted_p_values", "benjamini_hochberg"]

ROUNDING = 1e-12


def benjamini_hochberg(p_values: ArrayLike, rate: float) -> NDArray[np.bool_]:
    """Say which of a batch to report, so that at most ``rate`` of those reported are expected to be false.

    The largest k with the k-th smallest p-value at most ``k rate / n``; those k are reported (Benjamini and Hochberg
    1995). It holds for independent p-values, and for conformal ones that share their calibration scores (Bates et al.
    2023, arXiv 2104.08279).

    Parameters
    ----------
    p_values : array, shape (n,)
        One of each clip.
    rate : float
        False-discovery rate, such as 0.05.

    Returns
    -------
    array of bool, shape (n,)

    Raises
    ------
    ShapeError, InputError
        If p-values have more than one axis or lie outside [0, 1], or the rate outside (0, 1).

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.5, 0.03, 0.02], rate=0.05).tolist()
    [True, False, True, True]
    """
    if not 0 < rate < 1:
        raise InputError(f"A false-discovery rate of {rate} was given. It must lie between 0 and 1, such as 0.05.")
    return np.asarray(adjusted_p_values(p_values) <= rate + ROUNDING)


def adjusted_p_values(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return the least false-discovery rate at which `benjamini_hochberg` would report each of a batch.

    Parameters
    ----------
    p_values : array, shape (n,)
        One of each clip, or of whatever is tested.

    Returns
    -------
    array, shape (n,)

    Raises
    ------
    ShapeError, InputError
        If p-values have more than one axis or lie outside [0, 1].

    Examples
    --------
    >>> adjusted_p_values([0.01, 0.5, 0.04]).round(3).tolist()
    [0.03, 0.5, 0.06]
    """
    array = np.asarray(p_values, np.float64)
    if array.ndim != 1:
        raise ShapeError(f"p-values of shape {array.shape} were given. Give (n,), one of each clip.")
    if not ((array >= 0) & (array <= 1)).all():
        raise InputError("p-values outside 0 to 1 were given. Leave those clips out.")
    n, order = len(array), np.argsort(array)
    scaled = array[order] * n / np.arange(1, n + 1)
    result = np.empty(n)
    result[order] = np.minimum(1, np.minimum.accumulate(scaled[::-1])[::-1])
    return result

"""Several front ends side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError
from offkey.features.base import Feature, are_channels

__all__ = ["Concatenate"]

LENGTHS = ("n_fft", "hop_length")


@final
class Concatenate(Feature):
    """The bands of several front ends, one after the other: spectra and statistics of the same frames, say.

    All have the same frames: parts that leave ``n_fft`` or ``hop_length`` open take what another part was given, or
    what the first chooses by the rate. A pipeline gives each band and channel in units of what is usual of it in
    training recordings, so that decibels and crest factors can stand side by side.

    Parameters
    ----------
    features : sequence of Feature
        The parts.
    n_fft, hop_length : int, optional
        Length and distance of frames, in samples, for parts that leave them open.
    channels : sequence of int, optional
        Channels of the signal that all parts look at; all if not given.

    Attributes
    ----------
    rate_ : float
        The rate in hertz.
    n_fft_, hop_length_ : int
        Length and distance of frames, in samples.
    n_bands_ : int
        Bands of all parts.
    band_names_, band_units_ : tuple of str
        Their names and units; a band of a spectrum is named by its edges, such as ``"48-52 Hz"``.
    parts_ : tuple of Feature
        The parts as fitted.

    Examples
    --------
    >>> from offkey.features import Concatenate, Spectrum, Statistics
    >>> feature = Concatenate([Spectrum(fmax=60, n_bands=3), Statistics(["RMS", "kurtosis"])]).fit(200)
    >>> feature.band_names_
    ('0.7812-21.09 Hz', '21.09-39.84 Hz', '39.84-60.16 Hz', 'RMS', 'kurtosis')
    """

    is_scaled = True
    usual_frames = (16, 32)
    center = False

    def __init__(
        self,
        features: Sequence[Feature],
        n_fft: int | None = None,
        hop_length: int | None = None,
        channels: Sequence[int] | None = None,
    ) -> None:
        self.features = features
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.channels = channels

    def fit(self, rate: float) -> Self:
        """Fit the parts to this rate, in hertz.

        Raises
        ------
        InputError
            If the parts do not fit together or to the rate.
        """
        self._check()
        lengths = {name: self._agreed(name) for name in LENGTHS}
        first, *others = (part.unfitted() for part in self.features)
        first.set_params(**lengths).fit(rate)
        lengths = {"n_fft": first.frame_samples, "hop_length": first.hop_samples}
        vars(self).pop("scale_", None)
        self.parts_ = (first, *(part.set_params(**lengths).fit(rate) for part in others))
        self.rate_, self.n_fft_, self.hop_length_ = rate, first.frame_samples, first.hop_samples
        self.band_names_ = tuple(name for part in self.parts_ for name in _band_names(part))
        self.band_units_ = tuple(unit for part in self.parts_ for unit in _band_units(part))
        self.n_bands_ = len(self.band_names_)
        return self

    def _check(self) -> None:
        parts = self.features if isinstance(self.features, Sequence) else ()
        if not parts or not all(isinstance(part, Feature) for part in parts):
            raise InputError(f"features={self.features!r} was given to Concatenate. Give a sequence of front ends.")
        if not are_channels(self.channels) or any(part.channels is not None for part in parts):
            raise InputError(
                f"Concatenate was given channels={self.channels!r}, and its parts "
                f"{[part.channels for part in parts]!r}. Name them, from 0 and each once, for Concatenate only."
            )
        centred = [type(part).__name__ for part in parts if part.center]
        if centred:
            raise InputError(
                f"{centred[0]}(center=True) was given to Concatenate, which does not pad. Set it to False."
            )

    def _agreed(self, name: str) -> Any:
        """Return the length of that name that was given, to this or a part; None if none was.

        Raises
        ------
        InputError
            If several were.
        """
        given = {getattr(each, name) for each in (self, *self.features)} - {None}
        if len(given) > 1:
            raise InputError(
                f"Concatenate was given parts of {name}={', '.join(map(str, sorted(given)))}; the same frames are "
                f"needed. Give all the same {name}, or leave it open where it can be None."
            )
        return given.pop() if given else None

    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([part.transform(samples) for part in self.parts_], axis=1)


def _band_units(part: Feature) -> list[str]:
    """Return units of a fitted front end's bands: decibels of a spectrum's."""
    state = part.fitted_state
    unit = "dB" if "band_edges_hz_" in state else ""
    return list(state.get("band_units_", (unit,) * state["n_bands_"]))


def _band_names(part: Feature) -> list[str]:
    """Return names of a fitted front end's bands."""
    state = part.fitted_state
    if "band_names_" in state:
        return list(state["band_names_"])
    if "band_edges_hz_" not in state:
        return [f"{type(part).__name__} {i + 1}" for i in range(state["n_bands_"])]
    edges = [np.format_float_positional(edge, 4, fractional=False, trim="-") for edge in state["band_edges_hz_"]]
    of = "" if part.spectrum_of == "signal" else f"{part.spectrum_of} "
    return [f"{of}{low}-{high} Hz" for low, high in pairwise(edges)]

"""What every front end has in common, and how one runs over a stream of blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import ShapeError
from offkey.parameters import Parameterized
from offkey.signals import Clip

__all__ = ["UNIT_OF_SIGNAL", "Feature", "Framer", "are_channels", "frames_of"]

UNIT_OF_SIGNAL = "signal"
"""The unit of a band that is in that of the signal."""

VALUES_LEARNED = 10_000_000
"""Values that a scale is learned from, about, at most: of frames all over the recordings."""
QUARTILES_APART = 1.349
"""Standard deviations between the quartiles of a Gaussian."""
RARELY = 20.0
"""Values whose quartiles are so many times closer than their standard deviation says move rarely."""


class Feature(Parameterized, ABC):
    """A front end: samples to frames, bound to a rate by `fit`.

    Frames start every `hop_samples` and are `frame_samples` long. `transform` never pads; with ``center`` the `Framer`
    puts half a frame of zeros before and behind the signal, as librosa does. A front end that works at one rate only
    names it in ``rate``; one that hears some channels only names them in ``channels``.

    Its bands are spectral, in dB, where fitting sets ``band_hz_`` (n_bands,) and ``band_edges_hz_`` (n_bands + 1,);
    others have ``band_names_`` and ``band_units_``.
    """

    n_fft: Any
    hop_length: Any
    """Whole numbers; None where `fit` chooses by the rate."""
    center: bool
    rate: float | None = None
    channels: Sequence[int] | None = None

    is_scaled: ClassVar[bool] = False
    """Whether frames are in units of what is usual of each band and channel, learned by `learn_scale`."""
    spectrum_of: ClassVar[str] = "signal"
    """What its bands are frequencies of: ``"signal"`` or ``"envelope"``."""
    usual_frames: ClassVar[tuple[int, int] | None] = None
    """Frames that make a window where no length is given: as few at high rates, as many at low ones."""

    @abstractmethod
    def fit(self, rate: float) -> Self:
        """Prepare for signals of this rate, in hertz; sets ``n_bands_`` among others."""

    @abstractmethod
    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn samples (n_channels, n_samples) into frames (n_frames, n_bands, n_channels), each on its own."""

    @final
    def transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn samples (n_channels, n_samples) into frames (n_frames, n_bands, n_channels); never pads.

        The frames do not depend on what else is in the array. With ``channels`` they have as many channels as are
        named there.

        Raises
        ------
        NotFittedError
            If the front end is bound to no rate.
        ShapeError
            If one of ``channels`` is not there.
        """
        self._require_fitted()
        if self.channels is not None:
            if max(self.channels) >= len(samples):
                raise ShapeError(
                    f"A signal of {len(samples)} channel(s) was given to {type(self).__name__}"
                    f"(channels={tuple(self.channels)}). Channels are counted from 0; name others."
                )
            samples = samples[list(self.channels)]
        return self.scaled(self._transform(samples))

    @final
    def learn_scale(self, recordings: Sequence[NDArray[np.float32]]) -> None:
        """Learn what is usual of each band and channel, from frames (n_frames, n_bands, n_channels) of recordings.

        From then on `transform` gives distances from the median in standard deviations, these by the middle half of
        the frames; of what hardly ever moves, by all of them.
        """
        step = max(1, sum(frames.size for frames in recordings) // VALUES_LEARNED)
        some = np.concatenate([np.asarray(frames[::step], np.float64) for frames in recordings])
        low, self.centre_, high = np.quantile(some, [0.25, 0.5, 0.75], axis=0)
        whole, scale = some.std(axis=0), (high - low) / QUARTILES_APART
        scale = np.where(scale > whole / RARELY, scale, whole)
        self.scale_ = np.where(scale > 1e-9 * np.maximum(np.abs(self.centre_), 1e-30), scale, 1.0)

    @final
    def scaled(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return frames (n_frames, n_bands, n_channels) in the units that were learned; as they are if none were."""
        if "scale_" not in vars(self):
            return frames
        return np.asarray((frames - self.centre_) / self.scale_, np.float32)

    @property
    def frame_samples(self) -> int:
        """Samples of a frame: ``n_fft``, or what `fit` chose by the rate."""
        return int(vars(self).get("n_fft_", self.n_fft))

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next: ``hop_length``, or what `fit` chose by the rate."""
        return int(vars(self).get("hop_length_", self.hop_length))

    def signal_channel(self, channel: int) -> int:
        """Return which channel of the signal a channel of the frames is of."""
        return channel if self.channels is None else int(self.channels[channel])

    def frame_shape(self, n_channels: int) -> tuple[int, int]:
        """Return the bands and channels of the frames of a signal with ``n_channels`` channels.

        Raises
        ------
        ShapeError
            If the front end needs other channels.
        """
        n_bands, n_frame_channels = self.transform(np.zeros((n_channels, 0), np.float32)).shape[1:]
        return n_bands, n_frame_channels

    @property
    def padding(self) -> int:
        """Zeros put before and behind the signal."""
        return self.frame_samples // 2 if self.center else 0

    def n_frames(self, n_samples: int) -> int:
        """Count the complete frames in a signal of ``n_samples``."""
        return max(0, 1 + (n_samples + 2 * self.padding - self.frame_samples) // self.hop_samples)

    def n_samples(self, n_frames: int) -> int:
        """Count the samples of the signal that ``n_frames`` frames span."""
        return (n_frames - 1) * self.hop_samples + self.frame_samples - 2 * self.padding

    def span(self, first: int, n_frames: int) -> tuple[int, int]:
        """Return the first sample and the one behind the last that these frames hear (padding left out)."""
        start = first * self.hop_samples - self.padding
        return max(0, start), start + (n_frames - 1) * self.hop_samples + self.frame_samples


@final
class Framer:
    """Runs a front end over consecutive blocks: the same frames for any block sizes.

    Parameters
    ----------
    feature : Feature
        A fitted front end.
    n_channels : int
        Number of channels of the signal.
    """

    def __init__(self, feature: Feature, n_channels: int) -> None:
        self._feature = feature
        self._held = np.zeros((n_channels, feature.padding), np.float32)

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the frames (n_frames, n_bands, n_channels) that ``block`` (n_channels, n) completes."""
        feature = self._feature
        signal = np.concatenate([self._held, block], axis=1) if self._held.shape[1] else block
        n_frames = max(0, 1 + (signal.shape[1] - feature.frame_samples) // feature.hop_samples)
        frames = feature.transform(signal)
        self._held = signal[:, n_frames * feature.hop_samples :].copy()
        return frames

    def flush(self) -> NDArray[np.float32]:
        """Return the frames that the padding behind the signal completes."""
        return self.push(np.zeros((len(self._held), self._feature.padding), np.float32))


def frames_of(feature: Feature, clip: Clip) -> NDArray[np.float32]:
    """Return all frames (n_frames, n_bands, n_channels) of a clip.

    Raises
    ------
    ShapeError
        If the clip has another rate than the one the front end was fitted for.
    """
    rate = feature.fitted_state.get("rate_")
    if clip.rate != rate:
        raise ShapeError(f"A clip of {clip.rate} Hz was given to a front end for {rate} Hz. Read it with rate={rate}.")
    framer = Framer(feature, clip.n_channels)
    return np.concatenate([framer.push(clip.samples), framer.flush()])


def are_channels(channels: Sequence[int] | None) -> bool:
    """Say whether this is None, or numbers of channels from 0 on, each once and at least one."""
    if channels is None:
        return True
    if isinstance(channels, str) or not isinstance(channels, Sequence):
        return False
    return 0 < len(set(channels)) == len(channels) and all(isinstance(each, int) and each >= 0 for each in channels)

"""What every front end has in common, and how one runs over a stream of blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import ShapeError
from offkey.parameters import Parameterized
from offkey.signals import Clip

__all__ = ["Feature", "Framer", "frames_of"]


class Feature(Parameterized, ABC):
    """A front end: samples to frames, bound to a rate by `fit`.

    Frames start every ``hop_length`` samples and are ``n_fft`` samples long. `transform` never pads; with ``center``
    the `Framer` puts ``n_fft // 2`` zeros before and behind the signal, as librosa does. A front end that works at one
    rate only names it in ``rate``.
    """

    n_fft: int
    hop_length: int
    center: bool
    rate: int | None = None

    @abstractmethod
    def fit(self, rate: int) -> Self:
        """Prepare for signals of this rate, in hertz; sets ``n_bands_`` among others."""

    @abstractmethod
    def transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn samples (n_channels, n_samples) into frames (n_frames, n_bands, n_channels).

        The frames do not depend on what else is in the array.
        """

    def signal_channel(self, channel: int) -> int:
        """Return which channel of the signal a channel of the frames is of."""
        heard = getattr(self, "channels", None)
        return channel if heard is None else int(heard[channel])

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
        return self.n_fft // 2 if self.center else 0

    def n_frames(self, n_samples: int) -> int:
        """Count the complete frames in a signal of ``n_samples``."""
        return max(0, 1 + (n_samples + 2 * self.padding - self.n_fft) // self.hop_length)

    def n_samples(self, n_frames: int) -> int:
        """Count the samples of the signal that ``n_frames`` frames span."""
        return (n_frames - 1) * self.hop_length + self.n_fft - 2 * self.padding

    def span(self, first: int, n_frames: int) -> tuple[int, int]:
        """Return the first sample and the one behind the last that these frames hear (padding left out)."""
        start = first * self.hop_length - self.padding
        return max(0, start), start + (n_frames - 1) * self.hop_length + self.n_fft


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
        n_frames = max(0, 1 + (signal.shape[1] - feature.n_fft) // feature.hop_length)
        frames = feature.transform(signal)
        self._held = signal[:, n_frames * feature.hop_length :].copy()
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

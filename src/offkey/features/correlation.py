"""How channels move together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import ShapeError
from offkey.features.base import Feature
from offkey.features.frames import SAMPLES_AT_ONCE, frame_lengths, frames_in, is_whole, require, short_frame

__all__ = ["Correlation"]


@final
class Correlation(Feature):
    """Correlation of each channel with the next, frame by frame; of the last with the first.

    Between phases of a motor's current it is the cosine of the angle between them, which a shorted winding shifts
    before it draws more current; between sensors of a plant it breaks when one of them sticks or a valve closes.
    Pearson's coefficient, from -1 to 1; 0 where a channel is constant. A pipeline gives it in units of what is usual in
    training recordings.

    Parameters
    ----------
    reach : int
        Each channel is held against so many of those that follow it, around the circle: half of all channels, rounded
        down, make all pairs.
    n_fft : int, optional
        Length of frames, in samples. If not given, as of a `Spectrum`: the power of two nearest to
        ``12 * sqrt(rate)``.
    hop_length : int, optional
        Distance of frames, in samples; a quarter of their length if not given.
    channels : sequence of int, optional
        Channels of the signal that are looked at; all if not given.

    Attributes
    ----------
    rate_ : float
        The rate in hertz.
    n_fft_, hop_length_ : int
        Length and distance of frames, in samples.
    n_bands_ : int
        ``reach``.
    band_names_, band_units_ : tuple of str
        Their names, and that they have no unit.

    Examples
    --------
    >>> import numpy as np
    >>> from offkey.features import Correlation
    >>> angle = 2 * np.pi * 50 * np.arange(1000) / 1000
    >>> phases = np.stack([np.sin(angle), np.sin(angle - 2 * np.pi / 3), np.sin(angle + 2 * np.pi / 3)])
    >>> Correlation(n_fft=1000).fit(1000).transform(phases.astype(np.float32)).round(3).tolist()
    [[[-0.5, -0.5, -0.5]]]
    """

    is_scaled = True
    usual_frames = (16, 32)
    center = False

    def __init__(
        self,
        reach: int = 1,
        n_fft: int | None = None,
        hop_length: int | None = None,
        channels: Sequence[int] | None = None,
    ) -> None:
        self.reach = reach
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.channels = channels

    def fit(self, rate: float) -> Self:
        """Choose frames for this rate, in hertz, where they are not given.

        Raises
        ------
        InputError
            If the parameters do not fit together.
        """
        n_fft, hop = frame_lengths(self, rate, short_frame, 2)
        require("Correlation", {f"reach={self.reach}: a whole number from 1": is_whole(self.reach, 1)})
        vars(self).pop("scale_", None)
        self.rate_, self.n_fft_, self.hop_length_ = rate, n_fft, hop
        self.n_bands_ = self.reach
        self.band_names_ = tuple(f"correlation with {_following(step)}" for step in range(1, self.reach + 1))
        self.band_units_ = ("",) * self.reach
        return self

    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(samples) <= self.reach:
            raise ShapeError(
                f"A signal of {len(samples)} channel(s) was given to Correlation(reach={self.reach}), which needs at "
                f"least {self.reach + 1}. Give more channels, or another front end."
            )
        frames = frames_in(samples, self.n_fft_, self.hop_length_)
        n_channels, n_frames = frames.shape[:2]
        bands = np.empty((n_frames, self.reach, n_channels), np.float32)
        at_once = max(1, SAMPLES_AT_ONCE // (self.n_fft_ * n_channels))
        for start in range(0, n_frames, at_once):
            swing = frames[:, start : start + at_once].astype(np.float64, order="C")
            swing -= swing.mean(axis=2, keepdims=True)
            size = np.sqrt(np.einsum("cfn,cfn->cf", swing, swing))
            unit = swing / np.where(size > 0, size, 1.0)[:, :, None]
            for step in range(self.reach):
                pairs = np.einsum("cfn,cfn->fc", unit, np.roll(unit, -1 - step, axis=0), optimize=False)
                bands[start : start + at_once, step] = pairs
        return bands


def _following(step: int) -> str:
    return "the next channel" if step == 1 else f"the channel {step} further on"

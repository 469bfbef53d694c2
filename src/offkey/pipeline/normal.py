"""What the recordings that a pipeline was fitted on are like, apart from their scores: spectra, and health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.features import Feature
from offkey.pipeline.ranges import NormalRanges
from offkey.profile import NormalProfile
from offkey.signals.findings import Finding, NormalHealth, find_faults, gain_finding, swapped_channels
from offkey.signals.health import Health
from offkey.windows import WindowArray

__all__ = ["NormalSound"]

FEWEST_BANDS = 8
"""In fewer, a single sound may well be all of the spectrum."""
LEAST_RANGE_DB = 1.0
"""No normal range of spectra is taken to be narrower, when channels are compared."""


@final
@dataclass(frozen=True)
class NormalSound:
    """What decisions are explained by, and sensors checked against.

    Attributes
    ----------
    health : NormalHealth
        Levels, offsets and such of whole recordings.
    profile : NormalProfile, optional
        Of spectra in decibels over bands in hertz; of other front ends there is none.
    ranges : NormalRanges, optional
        Of named values; of other front ends there are none.
    """

    health: NormalHealth
    profile: NormalProfile | None
    ranges: NormalRanges | None = None

    def check(self, feature: Feature, n_channels: int) -> None:
        """Refuse what does not fit a front end and the channels of its signals.

        Raises
        ------
        ValueError
            If a shape or a number makes no sense.
        """
        health = _parts(self.health)
        shapes = {name: (n_channels, 2) if name == "hum_db" else (n_channels,) for name in health}
        infinite = ("softest", "hum_db")
        sound = all(
            np.shape(each) == shapes[name]
            and not np.isnan(each).any()
            and (name in infinite or np.isfinite(each).all())
            for name, each in health.items()
        )
        learned = [each for each in (self.profile, self.ranges) if each is not None]
        if not sound or not all(each.fits(*feature.frame_shape(n_channels)) for each in learned):
            raise ValueError("what is kept of normal sound makes no sense")

    @classmethod
    def of(cls, windows: WindowArray, feature: Feature, healths: Sequence[Health]) -> Self:
        """Learn from windows of a fitted front end, and the health of the recordings they are of."""
        state = feature.fitted_state
        is_spectrum = "band_hz_" in state
        profile = NormalProfile.fit(windows, state["rate_"] / feature.hop_samples) if is_spectrum else None
        ranges = NormalRanges.fit(windows) if not is_spectrum and "band_names_" in state else None
        return cls(NormalHealth.of(healths), profile, ranges)

    def findings(
        self,
        health: Health,
        mean_frame: NDArray[np.float64],
        feature: Feature,
        names: Sequence[str] = (),
        units: Sequence[str] = (),
        by_angle: bool = False,
    ) -> tuple[Finding, ...]:
        """Return what is wrong with the sensors of a recording.

        Parameters
        ----------
        health : Health
            Of the recording.
        mean_frame : array, shape (n_bands, n_heard)
            Its mean frame.
        feature : Feature
            The front end.
        names, units : sequence of str
            Of all channels of the signal.
        by_angle : bool
            Whether samples are at equal angles of a shaft.
        """
        channels = [feature.signal_channel(channel) for channel in range(mean_frame.shape[1])]
        n_channels, rate = len(health.level), float(feature.fitted_state["rate_"])
        names = names or [str(i) for i in range(n_channels)]
        misfit = self._misfit(mean_frame, channels, n_channels)
        found = find_faults(health, self.health, names, units, misfit, rate, by_angle)
        if self.profile is None or len(mean_frame) < FEWEST_BANDS:
            return found
        without = {each.channel for each in found if each.kind in ("constant", "silent")}
        without |= {each for swap in swapped_channels(health, self.health, misfit) for each in swap}
        gains = gain_finding(*self.profile.shift(mean_frame), channels, names, units)
        return found + tuple(each for each in gains if each.channel not in without)

    def _misfit(
        self, mean_frame: NDArray[np.float64], channels: Sequence[int], n_channels: int
    ) -> NDArray[np.float64] | None:
        """Return how far the spectrum of each channel (row) lies outside the normal range of each (column).

        In quarters of that range, 5 to 95 % of windows, on average over bands.
        """
        if self.profile is None or len(channels) < 2:
            return None
        low, middle, high = self.profile.quantiles
        distance = np.abs(mean_frame[:, :, None] - middle[:, None]).mean(axis=0)
        width = (high - low).mean(axis=0) / 2
        misfit = np.zeros((n_channels, n_channels))
        misfit[np.ix_(channels, channels)] = np.maximum(distance - width, 0) / np.maximum(width / 2, LEAST_RANGE_DB)
        return misfit

    @property
    def is_told(self) -> bool:
        """Whether recordings can be told of by what they have that normal ones have not."""
        return self.profile is not None or self.ranges is not None

    @property
    def state(self) -> dict[str, Mapping[str, Any]]:
        """All arrays, by part and name."""
        return {name: {} if part is None else _parts(part) for name, part in _parts(self).items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return what `state` gave."""
        profile = NormalProfile(**state["profile"]) if state["profile"] else None
        ranges = NormalRanges(**state["ranges"]) if state["ranges"] else None
        return cls(NormalHealth(**state["health"]), profile, ranges)


def _parts(thing: NormalHealth | NormalProfile | NormalRanges | NormalSound) -> dict[str, Any]:
    return {each.name: getattr(thing, each.name) for each in fields(thing)}

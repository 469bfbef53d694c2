"""What the recordings that a pipeline was fitted on are like, apart from their scores: spectra, and health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.features import Feature
from offkey.profile import NormalProfile
from offkey.signals.findings import Finding, NormalHealth, find_faults, gain_finding
from offkey.signals.health import Health
from offkey.windows import WindowArray

__all__ = ["NormalSound"]

FEWEST_BANDS = 8
"""In fewer, a single sound may well be all of the spectrum."""


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
    """

    health: NormalHealth
    profile: NormalProfile | None

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
        if not sound or (self.profile is not None and not self.profile.fits(*feature.frame_shape(n_channels))):
            raise ValueError("what is kept of normal sound makes no sense")

    @classmethod
    def of(cls, windows: WindowArray, feature: Feature, healths: Sequence[Health]) -> Self:
        """Learn from windows of a fitted front end, and the health of the recordings they are of."""
        state = feature.fitted_state
        is_spectrum = "band_hz_" in state
        profile = NormalProfile.fit(windows, state["rate_"] / feature.hop_length) if is_spectrum else None
        return cls(NormalHealth.of(healths), profile)

    def findings(self, health: Health, mean_frame: NDArray[np.float64], feature: Feature) -> tuple[Finding, ...]:
        """Return what is wrong with the sensors of a recording of this health and mean frame (n_bands, n_channels)."""
        found = find_faults(health, self.health)
        if self.profile is None or len(mean_frame) < FEWEST_BANDS:
            return found
        silent = {each.channel for each in found if each.kind in ("constant", "silent")}
        channels = [feature.signal_channel(channel) for channel in range(mean_frame.shape[1])]
        gains = gain_finding(*self.profile.shift(mean_frame), channels, len(health.level))
        return found + tuple(each for each in gains if each.channel not in silent)

    @property
    def state(self) -> dict[str, Mapping[str, Any]]:
        """All arrays, by part and name."""
        return {"health": _parts(self.health), "profile": _parts(self.profile) if self.profile is not None else {}}

    @classmethod
    def from_state(cls, state: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return what `state` gave."""
        profile = NormalProfile(**state["profile"]) if state["profile"] else None
        return cls(NormalHealth(**state["health"]), profile)


def _parts(thing: NormalHealth | NormalProfile) -> dict[str, Any]:
    return {each.name: getattr(thing, each.name) for each in fields(thing)}

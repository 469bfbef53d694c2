"""What the recordings that a pipeline was fitted on are like, apart from their scores: spectra, and health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.features import Feature
from offkey.profile import NormalProfile
from offkey.signals.health import Finding, Health, NormalHealth, find_faults, gain_finding
from offkey.windows import WindowArray

__all__ = ["NormalSound"]


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

    @classmethod
    def of(cls, windows: WindowArray, feature: Feature, healths: Sequence[Health]) -> Self:
        """Learn from windows of a fitted front end, and the health of the recordings they are of."""
        state = feature.fitted_state
        is_spectrum = "band_hz_" in state
        profile = NormalProfile.fit(windows, state["rate_"] / feature.hop_length) if is_spectrum else None
        return cls(NormalHealth.of(healths), profile)

    def findings(self, health: Health, mean_frame: NDArray[np.float64]) -> tuple[Finding, ...]:
        """Return what is wrong with the sensors of a recording of this health and mean frame (n_bands, n_channels)."""
        found = find_faults(health, self.health)
        if self.profile is None:
            return found
        silent = {each.channel for each in found if each.kind in ("constant", "silent")}
        return found + tuple(
            each for each in gain_finding(*self.profile.shift(mean_frame)) if each.channel not in silent
        )

    @property
    def state(self) -> dict[str, Mapping[str, Any]]:
        """All arrays, by part and name."""
        return {"health": self.health.state, "profile": self.profile.state if self.profile is not None else {}}

    @classmethod
    def from_state(cls, state: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return what `state` gave."""
        profile = NormalProfile(**state["profile"]) if state["profile"] else None
        return cls(NormalHealth(**state["health"]), profile)

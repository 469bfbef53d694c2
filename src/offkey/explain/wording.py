"""How frequencies and times are told: of sound as one speaks of it, of other signals as precisely as they are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from offkey.features import Feature
from offkey.signals.findings import SOUND
from offkey.signals.lengths import time_scale

__all__ = ["LOWEST_HZ", "Spans", "Wording", "frequency"]

Spans = tuple[tuple[float, float], ...]

LOWEST_HZ = 20.0
"""Of sound."""
HISS_HZ, TO_TOP = 2000.0, 0.97
NARROW, BROAD = 1.15, 4.0
"""Up to which and from which ratio of its edges a run of bands is called so."""
THROUGHOUT = 0.85
"""Part of the time from which on something is there throughout."""
LOWEST_IN_HZ = 0.1
"""Lower frequencies are told in millihertz."""


@final
@dataclass(frozen=True)
class Wording:
    """Puts places in time and frequency into words.

    Parameters
    ----------
    top_hz : float
        The highest frequency there is: half the rate, or the upper edge of the last band.
    lowest_hz : float
        Below it, there is nothing; what begins there begins at the bottom.
    is_sound : bool
        Whether what is heard is sound.
    by_angle : bool
        Whether samples are at equal angles of a shaft: frequencies are orders then, and times are revolutions.
    spectrum_of : str
        ``"signal"`` or ``"envelope"``.
    """

    top_hz: float
    lowest_hz: float = LOWEST_HZ
    is_sound: bool = True
    by_angle: bool = False
    spectrum_of: str = "signal"

    @classmethod
    def of(cls, feature: Feature, units: Sequence[str], by_angle: bool = False) -> Wording:
        """Return how what a fitted front end hears, of channels with these units, is told of."""
        state = feature.fitted_state
        is_sound = set(units) <= set(SOUND) and feature.spectrum_of == "signal" and not by_angle
        edges = state.get("band_edges_hz_", (0.0, 0.0, state["rate_"] / 2))
        if is_sound:
            return cls(state["rate_"] / 2)
        return cls(float(edges[-1]), float(edges[1]), False, by_angle, feature.spectrum_of)

    @property
    def frequency_label(self) -> str:
        """What stands on an axis of frequencies."""
        of = " of the envelope" if self.spectrum_of == "envelope" else ""
        return f"order{of}" if self.by_angle else f"frequency{of} in {self.frequency_scale[0]}"

    @property
    def frequency_scale(self) -> tuple[str, float]:
        """The unit that stands on an axis of frequencies, and how many hertz (or orders) it has."""
        is_slow = not self.by_angle and self.top_hz < LOWEST_IN_HZ
        return ("mHz", 1e-3) if is_slow else ("Hz", 1.0)

    def time_scale(self, longest_s: float) -> tuple[str, float]:
        """Return the unit that times up to this one are told in, and how many seconds (or revolutions) it has."""
        return time_scale(longest_s, self.by_angle)

    def time_label(self, longest_s: float) -> str:
        """Return what stands on an axis of times up to this one."""
        return "revolutions" if self.by_angle else f"time in {self.time_scale(longest_s)[0]}"

    def tone(self, hz: float) -> str:
        """Name a tone."""
        if self.by_angle:
            return f"tone at order {hz:.3g}"
        return f"{frequency(hz, 2 if self.is_sound else 3)} tone"

    def single(self, hz: float) -> str:
        """Write one frequency."""
        return f"order {hz:.3g}" if self.by_angle else frequency(hz, 2 if self.is_sound else 3)

    def range(self, low_hz: float, high_hz: float) -> str:
        """Write a range of frequencies.

        Examples
        --------
        >>> sound = Wording(8000)
        >>> sound.range(5000, 8000), sound.range(700, 1400), sound.range(1980, 2020)
        ('above 5 kHz', '700 Hz to 1.4 kHz', 'around 2 kHz')
        >>> other = Wording(100, lowest_hz=2, is_sound=False)
        >>> other.range(48, 52), other.range(0, 16), other.range(0, 100)
        ('48-52 Hz', 'below 16 Hz', 'at all frequencies')
        """
        to_top, from_bottom = high_hz >= TO_TOP * self.top_hz, low_hz < self.lowest_hz
        if to_top and from_bottom:
            return f"at all {'orders' if self.by_angle else 'frequencies'}"
        if self.is_sound and high_hz < NARROW * low_hz:
            return f"around {frequency((low_hz + high_hz) / 2)}"
        if to_top and high_hz >= NARROW * low_hz:
            return f"above {self.single(low_hz)}"
        if from_bottom:
            return f"below {self.single(high_hz)}"
        if self.is_sound:
            return f"{frequency(low_hz)} to {frequency(high_hz)}"
        return self._precisely(low_hz, high_hz)

    def place(self, kind: str, low_hz: float, high_hz: float) -> str:
        """Say what is where: "broadband hiss above 5 kHz"; of other signals than sound just where."""
        where = self.range(low_hz, high_hz)
        if not self.is_sound:
            return where.removeprefix("at ")
        if where.startswith("at all"):
            return "everything"
        is_broad = high_hz > BROAD * max(low_hz, LOWEST_HZ) or (kind == "hiss" and high_hz >= TO_TOP * self.top_hz)
        return f"{'broadband ' if is_broad else ''}{'sound' if kind == 'softer' else kind} {where}"

    def kind(self, low_hz: float, high_hz: float) -> str:
        """Return whether what is between two frequencies is called a hiss or noise."""
        return "hiss" if self.is_sound and low_hz >= HISS_HZ and high_hz >= 1.6 * low_hz else "noise"

    def when(self, spans: Spans, start_s: float, stop_s: float, is_whole: tuple[bool, bool]) -> tuple[str, bool]:
        """Say when something is there, and whether that is in bursts; only of what was looked at.

        Parameters
        ----------
        spans : tuple of (float, float)
            When it is there, in seconds.
        start_s, stop_s : float
            What was looked at.
        is_whole : tuple of (bool, bool)
            Whether that is where the recording begins, and where it ends.
        """
        covered = sum(stop - start for start, stop in spans)
        if covered >= THROUGHOUT * (stop_s - start_s):
            text = "throughout" if all(is_whole) else f"throughout {self._times(start_s, stop_s, 0)}"
            return text, False
        first, last = spans[0][0], spans[-1][1]
        if len(spans) > 1:
            return f"{len(spans)} times between {self._times(first, last).replace(' to ', ' and ')}", True
        if last >= stop_s - 1e-9 and is_whole[1]:
            return f"since {self._times(first)}", False
        return (f"until {self._times(last)}" if first <= 0 else f"from {self._times(first, last)}"), False

    def _times(self, first: float, last: float | None = None, decimals: int = 1) -> str:
        unit, size = self.time_scale(first if last is None else last)
        both = [f"{each / size:.{decimals if size == 1 else 1}f}" for each in (first, last) if each is not None]
        return f"{' to '.join(both)} {unit}"

    def _precisely(self, low_hz: float, high_hz: float) -> str:
        """Write a range with so many digits that its width is told to a tenth or so."""
        unit, size = ("", 1.0) if self.by_angle else _unit_of(low_hz, 1000, high_hz)
        low, high = low_hz / size, high_hz / size
        decimals = max(0, 1 - math.floor(math.log10(max(high - low, 1e-9) * 2)))
        text = "-".join(f"{each:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{each:.0f}"
                        for each in (low, high))  # fmt: skip
        return f"orders {text}" if self.by_angle else f"{text} {unit}"


def frequency(hz: float, n_digits: int = 2) -> str:
    """Write a frequency with so many digits.

    Examples
    --------
    >>> frequency(3130), frequency(440), frequency(52.1), frequency(120_000), frequency(119.6, 3), frequency(0.00083)
    ('3.1 kHz', '440 Hz', '52 Hz', '120 kHz', '120 Hz', '0.83 mHz')
    """
    unit, size = _unit_of(hz, 995)
    return f"{float(f'{hz / size:.{n_digits}g}'):g} {unit}"


def _unit_of(low_hz: float, least_khz_in_hz: float, high_hz: float | None = None) -> tuple[str, float]:
    """Return the unit that frequencies are told in, and how many hertz it has."""
    if low_hz >= least_khz_in_hz:
        return "kHz", 1000.0
    return ("mHz", 1e-3) if 0 < (high_hz or low_hz) < LOWEST_IN_HZ else ("Hz", 1.0)

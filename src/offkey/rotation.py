"""What the geometry of a turning machine lets expect: the frequencies of its bearings and its shaft, by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

from offkey.errors import InputError

__all__ = ["Bearing", "Line", "Shaft"]

SLIP = 0.02
"""How far, as a part, defect frequencies lie off what geometry says, as rolling elements slip (Randall and Antoni)."""
SPEED, GRID = 0.01, 0.005
"""The same of what follows the shaft, as its speed is given roughly, and of mains."""
BY_CHANCE = 0.5
"""A name is not given where a band at random, within an octave around, would rather meet a line than not."""
N_SHAFT, N_PASSING, N_MAINS = 3, 3, 2
N_DEFECT = {"BPFO": 6, "BPFI": 6, "BSF": 2, "FTF": 2}
"""Harmonics that are looked for."""


@final
@dataclass(frozen=True)
class Bearing:
    """A rolling bearing, by its geometry; the inner ring turns, the outer one stands still.

    A fault on the outer ring is struck each time a rolling element passes it: `bpfo` times per revolution of the
    shaft. One on the inner ring is struck `bpfi` times, louder and softer as it turns in and out of the load. A rolling
    element with a fault spins `bsf` times, and strikes the rings twice in each. The cage that holds the elements goes
    round `ftf` times. Formulas: Randall and Antoni 2011, "Rolling element bearing diagnostics - a tutorial",
    doi 10.1016/j.ymssp.2010.07.017; without slip.

    Parameters
    ----------
    n_elements : int
        Balls or rollers in a row.
    element_diameter, pitch_diameter : float
        Of a ball or roller, and of the circle through the middles of all; in the same unit.
    contact_angle_deg : float
        Between the load and the plane of the bearing, in degrees.
    name : str
        Where it is, such as ``"drive-end"``.

    Raises
    ------
    InputError
        If no bearing can be built so.

    Examples
    --------
    >>> bearing = Bearing(9, 7.94, 39.04, name="drive-end")  # SKF 6205
    >>> {name: round(hz, 1) for name, hz in bearing.frequencies(29.95).items()}
    {'BPFO': 107.4, 'BPFI': 162.2, 'BSF': 70.6, 'FTF': 11.9}
    """

    n_elements: int
    element_diameter: float
    pitch_diameter: float
    contact_angle_deg: float = 0.0
    name: str = ""

    def __post_init__(self) -> None:
        fits = 0 < self.element_diameter < self.pitch_diameter and abs(self.contact_angle_deg) < 90
        if self.n_elements < 2 or not fits:
            raise InputError(
                f"A bearing with {self.n_elements} elements of {self.element_diameter:g} on a pitch circle of "
                f"{self.pitch_diameter:g}, at {self.contact_angle_deg:g} degrees, was given. It has 2 or more, smaller "
                "than the circle, at less than 90 degrees; look them up in the maker's table."
            )

    @property
    def _ratio(self) -> float:
        return self.element_diameter / self.pitch_diameter * math.cos(math.radians(self.contact_angle_deg))

    @property
    def ftf(self) -> float:
        """Revolutions of the cage per revolution of the shaft (fundamental train frequency)."""
        return (1 - self._ratio) / 2

    @property
    def bpfo(self) -> float:
        """Elements that pass a place of the outer ring per revolution (ball pass frequency, outer ring)."""
        return self.n_elements * (1 - self._ratio) / 2

    @property
    def bpfi(self) -> float:
        """Elements that pass a place of the inner ring per revolution (ball pass frequency, inner ring)."""
        return self.n_elements * (1 + self._ratio) / 2

    @property
    def bsf(self) -> float:
        """Turns of an element about itself per revolution (ball spin frequency).

        Some tables give twice that, as each turn strikes both rings: those of the Case Western Reserve data do.
        """
        return self.pitch_diameter / (2 * self.element_diameter) * (1 - self._ratio**2)

    def frequencies(self, shaft_hz: float) -> dict[str, float]:
        """Return the defect frequencies in hertz, for a shaft that turns ``shaft_hz`` times per second."""
        own = {"BPFO": self.bpfo, "BPFI": self.bpfi, "BSF": self.bsf, "FTF": self.ftf}
        return {name: shaft_hz * multiple for name, multiple in own.items()}


@final
@dataclass(frozen=True)
class Line:
    """A frequency at which a machine is expected to sound, or to sound once something is wrong.

    Attributes
    ----------
    name : str
        What it is, in words.
    short : str
        The same for a picture: ``"BPFO"``, ``"2 BPFO"``, ``"1x"``.
    base_hz : float
        The fundamental, in hertz (or orders).
    harmonic : int
        Which multiple of it.
    offset_hz : float
        Of a sideband, how far off.
    tolerance : float
        How far it may lie off, as a part of its frequency.
    """

    name: str
    short: str
    base_hz: float
    harmonic: int = 1
    offset_hz: float = 0.0
    tolerance: float = SLIP

    @property
    def hz(self) -> float:
        """Where it lies, in hertz (or orders)."""
        return self.harmonic * self.base_hz + self.offset_hz

    def __str__(self) -> str:
        times = f"{self.harmonic} x " if self.harmonic > 1 else ""
        side = f" {'-' if self.offset_hz < 0 else '+'} {abs(self.offset_hz):.4g}" if self.offset_hz else ""
        return f"{self.name}: {times}{self.base_hz:.4g}{side}"


@final
@dataclass(frozen=True)
class Shaft:
    """A shaft with what turns on it, by which lines of a spectrum are named.

    Parameters
    ----------
    hz : float
        Revolutions per second.
    bearings : sequence of Bearing
        That carry it.
    n_blades, n_teeth : int
        Of a fan or pump wheel, and of a gear, on this shaft; 0 for none.
    mains_hz : float
        Of the supply, 50 or 60, whose lines motors have; 0 for none.
    lines : dict of str to float
        Other frequencies in hertz, by name.

    Raises
    ------
    InputError
        If the shaft does not turn.

    Examples
    --------
    >>> shaft = Shaft(29.95, [Bearing(9, 7.94, 39.04, name="drive-end")])
    >>> str(shaft.name(213, 216)), shaft.name(1000, 1010)
    ('BPFO of the drive-end bearing: 2 x 107.4', None)
    """

    hz: float
    bearings: Sequence[Bearing] = ()
    n_blades: int = 0
    n_teeth: int = 0
    mains_hz: float = 0.0
    lines: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.hz < math.inf:
            raise InputError(f"A shaft at {self.hz} Hz was given. Give its revolutions per second: rpm / 60.")

    @property
    def by_order(self) -> Shaft:
        """The same for spectra by order, multiples of the shaft speed; without what does not follow the shaft."""
        return replace(self, hz=1.0, mains_hz=0.0, lines={})

    def marks(self, low_hz: float = 0.0, high_hz: float = math.inf) -> tuple[Line, ...]:
        """Return all lines from ``low_hz`` to ``high_hz``, the lowest first."""
        found = _harmonics("shaft", "{}x", self.hz, N_SHAFT, SPEED)
        for name, n in (("blade passing", self.n_blades), ("gear mesh", self.n_teeth)):
            if n:
                found += _harmonics(name, name.split()[0], n * self.hz, N_PASSING, SPEED)
        for bearing in self.bearings:
            found += self._of_bearing(bearing)
        if self.mains_hz:
            found += _harmonics("mains", "mains", self.mains_hz, N_MAINS, GRID)
        for name, hz in self.lines.items():
            found += _harmonics(name, name, hz, 1)
        return tuple(sorted((line for line in found if low_hz <= line.hz <= high_hz), key=lambda line: line.hz))

    def name(self, low_hz: float, high_hz: float) -> Line | None:
        """Return the line that a band, or a tone (low and high alike), is of; None where that is not clear.

        It is where the band, widened by how far a line may lie off (2 % of a bearing's, for slip; 1 % of others),
        holds one line alone; and where that would rarely be so by chance: lines widened by that, and by half the band,
        cover at most half of the octave around it.
        """
        if not 0 < low_hz <= high_hz:
            return None
        middle, half = math.sqrt(low_hz * high_hz), (high_hz - low_hz) / 2
        octave = middle / math.sqrt(2), middle * math.sqrt(2)
        near = self.marks(octave[0] * (1 - SLIP) - half, octave[1] * (1 + SLIP) + half)
        ranges = [(line.hz * (1 - line.tolerance), line.hz * (1 + line.tolerance)) for line in near]
        fitting = [line for line, (low, high) in zip(near, ranges, strict=True) if low <= high_hz and low_hz <= high]
        if len(fitting) != 1 or _covered([(low - half, high + half) for low, high in ranges], *octave) > BY_CHANCE:
            return None
        return fitting[0]

    def _of_bearing(self, bearing: Bearing) -> list[Line]:
        where = f" of the {bearing.name} bearing" if bearing.name else " of the bearing"
        own = bearing.frequencies(self.hz)
        found = [line for name, hz in own.items() for line in _harmonics(name + where, name, hz, N_DEFECT[name])]
        for sign in (-1, 1):
            label = f"BPFI{where}, sideband of the shaft"
            found.append(Line(label, f"BPFI{'-+'[sign > 0]}1x", own["BPFI"], 1, sign * self.hz))
        return found


def _harmonics(name: str, short: str, hz: float, n: int, tolerance: float = SLIP) -> list[Line]:
    found = []
    for number in range(1, n + 1):
        label = short.format(number) if "{}" in short else f"{number} {short}" if number > 1 else short
        found.append(Line(name, label, hz, number, 0.0, tolerance))
    return found


def _covered(ranges: Sequence[tuple[float, float]], low: float, high: float) -> float:
    """Return the part of an octave, from ``low`` to ``high`` on a logarithmic scale, that ranges cover."""
    total, at = 0.0, low
    for start, stop in sorted(ranges):
        start, stop = max(start, at), min(stop, high)
        if stop > start:
            total, at = total + math.log(stop / start), stop
    return total / math.log(high / low)

"""`Reading`: how sensor files are to be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

from offkey.errors import InputError
from offkey.parameters import Parameterized
from offkey.signals.units import plain_unit, split_unit

__all__ = ["Reading"]

MISSING = ("cut", "interpolate", "refuse")


@final
class Reading(Parameterized):
    """How sensor files are to be read: which columns, at which rate, and what becomes of missing values.

    Samples are single-precision: of whole numbers over 2^24 (16.7 million) the last digits are lost.

    Parameters
    ----------
    channels : sequence of str, optional
        Columns to use, in this order (of array files: data sets, or numbers of columns as text); all numeric ones if
        not given, less those of time and group. With or without the unit in its brackets.
    rate : float, optional
        Samples per second of files that have neither timestamps nor a rate of their own; ``1/300`` is one in five
        minutes. It is also taken, with a note, for files whose own rate is within 0.5 % of it, or within 10 % where
        timestamps are about as coarse as the interval: that is how a nominal rate is stated. Against a rate that only
        text before a table states (``Sample rate: 25.6 kHz``), the given one counts.
    unit : str or sequence of str, optional
        Of all channels, or of each; from the headers (``x [g]``, ``acc (m/s2)``) if not given, ``""`` is unknown.
    time : str, optional
        Column of timestamps; found by name and content if not given. ``""`` passes over all timestamps.
    group : str, optional
        Column whose values name recordings: rows of one value are one recording.
    missing : str
        What becomes of missing values and of missing rows (steps of time over 1.5 times the usual one): ``"cut"`` ends
        the recording there and begins another behind, ``"interpolate"`` bridges holes of at most ``longest_hole``
        samples by straight lines, with a note, and cuts at longer ones, ``"refuse"`` refuses the file. A channel that
        regularly has a value in one of several rows only is slow, not missing: it is brought to the rate of the others
        by straight lines, with a note; ``"refuse"`` refuses it, too.
    longest_hole : int
        Samples.
    join : bool
        Whether the files of a folder are one recording, in the order of their timestamps, else of their names.
    speed : str, optional
        Column of the speed of a shaft, in rpm or Hz as its unit or its name says. The other channels are then taken at
        equal angles of the shaft (order tracking): rates are samples per revolution, and what are frequencies and
        seconds otherwise are orders and revolutions.
    pulses_per_revolution : int, optional
        If given, that column holds the pulses of a tachometer, so many per revolution. Recordings are then held in
        memory whole while they are read.
    per_revolution : int
        Samples per revolution, where there is a speed.

    Raises
    ------
    InputError
        From `check`, if a parameter is not one of these.

    Examples
    --------
    >>> Reading(channels=["x", "y"], rate=1000, unit="g")
    Reading(channels=('x', 'y'), rate=1000, unit='g')
    """

    def __init__(
        self,
        channels: Sequence[str] | None = None,
        rate: float | None = None,
        unit: str | Sequence[str] | None = None,
        time: str | None = None,
        group: str | None = None,
        missing: str = "cut",
        longest_hole: int = 10,
        join: bool = False,
        speed: str | None = None,
        pulses_per_revolution: int | None = None,
        per_revolution: int = 64,
    ) -> None:
        self.channels = channels if channels is None or isinstance(channels, str) else tuple(channels)
        self.rate = rate
        self.unit = unit if unit is None or isinstance(unit, str) else tuple(unit)
        self.time = time
        self.group = group
        self.missing = missing
        self.longest_hole = longest_hole
        self.join = join
        self.speed = speed
        self.pulses_per_revolution = pulses_per_revolution
        self.per_revolution = per_revolution

    def check(self) -> None:
        """Refuse parameters that cannot be used."""
        if isinstance(self.channels, str) or self.channels == ():
            raise InputError(f"channels={self.channels!r} was given. Give a sequence of columns, such as ['x', 'y'].")
        if self.channels is not None and len(set(self.channels)) < len(self.channels):
            raise InputError(f"The channels {', '.join(self.channels)} were given. Name each once.")
        if self.rate is not None and (isinstance(self.rate, bool) or not 0 < self.rate < math.inf):
            raise InputError(f"A rate of {self.rate!r} was given. It must be a positive number of samples per second.")
        if self.missing not in MISSING:
            raise InputError(f"missing={self.missing!r} was given. Choose one of: {', '.join(MISSING)}.")
        for name, least in (("longest_hole", 1), ("pulses_per_revolution", 1), ("per_revolution", 2)):
            number = getattr(self, name)
            is_whole = isinstance(number, int) and not isinstance(number, bool) and number >= least
            if not is_whole and (name, number) != ("pulses_per_revolution", None):
                raise InputError(f"{name}={number!r} was given. Give a whole number, at least {least}.")
        if self.speed is None and self.pulses_per_revolution is not None:
            raise InputError("pulses_per_revolution was given without a speed. Name the tachometer's column (speed).")

    @property
    def by_angle(self) -> bool:
        """Whether signals are taken at equal angles of a shaft."""
        return self.speed is not None

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns that are read: the channels, and the speed if it is not one of them."""
        if self.channels is None:
            return None
        if self.speed is None:
            return tuple(self.channels)
        return (*(name for name in self.channels if name != self.speed), self.speed)

    @property
    def bridged(self) -> int:
        """Samples of the longest hole that is bridged."""
        return int(self.longest_hole) if self.missing == "interpolate" else 0

    def units(self, channels: Sequence[str], stated: Sequence[str]) -> tuple[str, ...]:
        """Return the unit of each channel, as given, or else as the file states it.

        Raises
        ------
        InputError
            If another number of units was given than there are channels.
        """
        if self.unit is None:
            return tuple(stated)
        speed = self.speed if self.speed in channels else split_unit(self.speed or "")[0]
        is_speed = [name == speed for name in channels]
        n_channels = len(channels) - sum(is_speed)
        given = (self.unit,) * n_channels if isinstance(self.unit, str) else self.unit
        if len(given) != n_channels:
            raise InputError(f"{len(given)} units were given for {n_channels} channels. Give one, or one each.")
        own = iter(given)
        return tuple(each if yes else plain_unit(next(own)) for each, yes in zip(stated, is_speed, strict=True))

    @property
    def key(self) -> tuple[object, ...]:
        """The parameters, to tell readings apart."""
        return tuple(self.get_params().values())

"""Recordings of a machine with a known speed, at equal angles of its shaft."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError
from offkey.signals.orders import OrderTracker, count_by_angle, speed_from_tacho
from offkey.signals.reading import Reading
from offkey.signals.units import SPEEDS, split_unit

__all__ = ["Turning"]

Array = NDArray[np.float32]


@final
@dataclass(frozen=True)
class Turning:
    """How a shaft's speed stands among the channels of a recording.

    Attributes
    ----------
    channel : int
        Which channel it is.
    per_second : float
        What a value of it is in revolutions per second.
    rate : float
        Samples per second of the recording.
    pulses_per_revolution : int or None
        Of a tachometer; None where the channel is the speed itself.
    per_revolution : int
        Samples per revolution that come out.
    """

    channel: int
    per_second: float
    rate: float
    pulses_per_revolution: int | None
    per_revolution: int

    @classmethod
    def of(cls, reading: Reading, channels: Sequence[str], units: Sequence[str], rate: float) -> Self:
        """Find the speed that a reading names among channels.

        Raises
        ------
        InputError
            If it is not there, is the only channel, or has no unit that is known.
        """
        speed = reading.speed or ""
        name, stated = (speed, "") if speed in channels else split_unit(speed)
        if name not in channels or len(channels) < 2:
            raise InputError(f"holds no speed {name!r} beside other channels, but {', '.join(channels)}.")
        channel = channels.index(name)
        unit = stated or units[channel]
        known = [each for each in SPEEDS if each == unit] or [
            each for each in ("rpm", "Hz") if not unit and name.lower().endswith(each.lower())
        ]
        if not known and reading.pulses_per_revolution is None:
            raise InputError(
                f"states no unit of speed for {name!r}{f', but {unit}' if unit else ''}. Name it with its unit: "
                f"'{name} [rpm]' or '{name} [Hz]'."
            )
        per_second = SPEEDS[known[0]] if known else 1.0
        return cls(channel, per_second, rate, reading.pulses_per_revolution, reading.per_revolution)

    def others(self, of_channels: Sequence[str]) -> tuple[str, ...]:
        """Return the names, or units, of the other channels."""
        return tuple(each for channel, each in enumerate(of_channels) if channel != self.channel)

    def by_angle(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Yield the other channels at equal angles, of blocks (n_channels, n) at equal times.

        Raises
        ------
        InputError
            If the shaft does not turn throughout.
        """
        tracker: OrderTracker | None = None
        for block, speed in self._with_speed(blocks):
            tracker = tracker or OrderTracker(self.rate, len(block) - 1, self.per_revolution)
            yield from tracker.feed(np.delete(block, self.channel, axis=0), speed)
        if tracker is not None:
            yield tracker.finish()

    def n_samples(self, blocks: Iterable[Array]) -> int:
        """Return how many samples these blocks make."""
        return count_by_angle((speed for _, speed in self._with_speed(blocks)), self.rate, self.per_revolution)

    def _with_speed(self, blocks: Iterable[Array]) -> Iterator[tuple[Array, NDArray[np.float64]]]:
        """Yield blocks with the speed (n,) in hertz at each sample; all at once where pulses tell it."""
        if self.pulses_per_revolution is not None:
            whole = np.concatenate(list(blocks), axis=1)
            yield whole, speed_from_tacho(whole[self.channel], self.rate, self.pulses_per_revolution)
            return
        for block in blocks:
            if block.shape[1]:
                yield block, self.per_second * block[self.channel].astype(np.float64)

"""Where values are missing, and which channels are slow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.signals.sampling import rate_text
from offkey.signals.store import Recorded, row_blocks

__all__ = ["Holes", "Run", "slow_channels"]

SLOW_SHARE = 0.9
"""A channel is slow if this share of its values are equally many rows apart."""

MOST_NAMED = 3
"""Channels that miss values, of which a note names so many."""


@final
@dataclass(frozen=True)
class Run:
    """Rows without a hole that is too long, and the number of samples that they make."""

    start: int
    stop: int
    n_samples: int


@final
@dataclass
class Holes:
    """Where values are missing, found block by block; ``slow`` as `slow_channels` gives it."""

    slow: list[int]
    bridged: int
    channels: tuple[str, ...]
    n_gaps: int = 0
    n_bridged: int = 0
    longest: int = 0
    n_missing: NDArray[np.int64] = field(init=False)  # of each channel that is not slow
    _rows: int = 0
    _position: int = -1
    _last: list[tuple[int, int]] = field(default_factory=list)  # row and position of each channel's last value
    _breaks: list[tuple[int, int, int, int]] = field(default_factory=list)  # row and position before, and behind

    def __post_init__(self) -> None:
        self.n_missing = np.zeros(len(self.slow), np.int64)

    def look(self, counted: NDArray[np.int64], valid: NDArray[np.bool_]) -> None:
        """Take up the rows that follow: how many samples each goes on, and which channels have a value in it."""
        self._last = self._last or [(-1, -1)] * len(self.slow)
        positions = self._position + np.cumsum(counted)
        gap = counted > 1
        self.n_gaps += int(np.count_nonzero(gap))
        self.longest = max(self.longest, int(counted.max(initial=0)))
        for channel, slow in enumerate(self.slow):
            rows = np.flatnonzero(valid[:, channel])
            if not slow:
                self.n_missing[channel] += len(valid) - len(rows)
            row = np.concatenate([[self._last[channel][0]], rows + self._rows])
            position = np.concatenate([[self._last[channel][1]], positions[rows]])
            self._between(row, position, slow)
            self._last[channel] = int(row[-1]), int(position[-1])
        self._rows += len(counted)
        self._position = int(positions[-1])

    def _between(self, row: NDArray[np.int64], position: NDArray[np.int64], slow: int) -> None:
        """Look at the holes between the values of one channel, which lie at these rows and positions."""
        holes = np.diff(position) - 1
        usual = max(0, slow - 1)
        allowed = np.full(len(holes), slow * (self.bridged + 1) - 1 if slow else self.bridged)
        if len(holes) and row[0] < 0:
            allowed[0] = usual
        self.n_bridged += int(holes[(holes > usual) & (holes <= allowed)].sum())
        for i in np.flatnonzero(holes > allowed):
            self._breaks.append((int(row[i]), int(position[i]), int(row[i + 1]), int(position[i + 1])))

    def runs(self) -> list[Run]:
        """Return what lies between the breaks."""
        breaks = list(self._breaks)
        for (row, position), slow in zip(self._last, self.slow, strict=True):
            if self._position - position > max(0, slow - 1):
                breaks.append((row, position, self._rows, self._position + 1))
        breaks.sort()
        runs = []
        start, first = 0, 0
        for before, last, behind, next_position in [*breaks, (self._rows - 1, self._position, self._rows, 0)]:
            if before >= start:
                runs.append(Run(start, before + 1, last - first + 1))
            if behind > start:
                start, first = behind, next_position
        return runs

    @property
    def text(self) -> str:
        """What was found; empty if nothing was."""
        gaps = f"{self.n_gaps} gap{'s' * (self.n_gaps != 1)} in its timestamps"
        n_missing = int(self.n_missing.sum())
        missing = f"{n_missing} missing value{'s' * (n_missing != 1)}{self._where}"
        return " and ".join(text for text, n in ((gaps, self.n_gaps), (missing, n_missing)) if n)

    @property
    def refused(self) -> str:
        """What was found, and which channels are slow."""
        slow = [f"a value of {channel!r} in one of {slow} rows only" for channel, slow in self._slow]
        return " and ".join(filter(None, (self.text, *slow)))

    @property
    def _where(self) -> str:
        """Which channels miss values, those that miss most first; of a single channel that goes without saying."""
        if len(self.channels) == 1:
            return ""
        order = [k for k in np.argsort(-self.n_missing, kind="stable") if self.n_missing[k]]
        named = [f"{self.n_missing[k]} in {self.channels[k]!r}" for k in order[:MOST_NAMED]]
        return f" ({', '.join(named)}{', ...' if len(order) > MOST_NAMED else ''})"

    @property
    def _slow(self) -> list[tuple[str, int]]:
        return [(channel, slow) for channel, slow in zip(self.channels, self.slow, strict=True) if slow]

    def notes(self, n_runs: int, rate: float) -> Iterator[str]:
        """Yield what is to be told."""
        if self.n_gaps or self.n_missing.any():
            longest = f" (the longest of {(self.longest - 1) / rate:.4g} s)" if self.n_gaps else ""
            parts = f"cut into {n_runs} parts" if n_runs > 1 else ""
            bridged = f"{self.n_bridged} values are bridged by straight lines" if self.n_bridged else ""
            done = " and ".join(filter(None, (parts, bridged))) or "cut off at the ends"
            yield f"it has {self.text}{longest}: {done}"
        for channel, slow in self._slow:
            yield (
                f"{channel!r} is sampled {slow} times more slowly and was brought to {rate_text(rate)} "
                "by straight lines"
            )


def slow_channels(recorded: Recorded) -> list[int]:
    """Return how many rows apart the values of each channel are at most, if they regularly are; else 0."""
    n_channels = len(recorded.channels)
    last = np.full(n_channels, -1)
    counts: list[dict[int, int]] = [{} for _ in range(n_channels)]
    for start, stop in row_blocks(0, recorded.n_rows):
        valid = np.isfinite(recorded.samples(start, stop))
        for channel in np.flatnonzero(~valid.all(axis=0) | (last < start - 1)):
            rows = np.flatnonzero(valid[:, channel]) + start
            if last[channel] >= 0:
                rows = np.concatenate([[last[channel]], rows])
            for apart, n in zip(*np.unique(np.diff(rows), return_counts=True), strict=True):
                counts[channel][int(apart)] = counts[channel].get(int(apart), 0) + int(n)
            if len(rows):
                last[channel] = rows[-1]
        whole = valid.all(axis=0)
        last[whole] = stop - 1
    return [_slowness(each) for each in counts]


def _slowness(counts: dict[int, int]) -> int:
    total = sum(counts.values())
    if total < 2:
        return 0
    usual = max(counts, key=lambda apart: counts[apart])
    for longest in (usual, usual + 1):
        near = sum(n for apart, n in counts.items() if usual - 1 <= apart <= longest)
        if usual >= 2 and near >= SLOW_SHARE * total:
            return longest
    return 0

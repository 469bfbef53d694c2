"""Contexts: the few neighbouring frames a frame-wise network sees at once, gathered when they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.windows import WindowArray

__all__ = ["Contexts"]

BLOCK = 64
"""Neighbouring contexts that are read together."""


@final
@dataclass(frozen=True)
class Contexts:
    """All contexts of ``size`` frames within segments of stored frames.

    Parameters
    ----------
    frames : array, shape (n_frames, n_values)
        Frames, flattened over bands and channels; a memory map is read piece by piece.
    segments : tuple of (int, int)
        First frame of each recording, and the one behind its last; no context crosses them.
    size : int
        Frames of a context.
    """

    frames: NDArray[np.float32]
    segments: tuple[tuple[int, int], ...]
    size: int

    @classmethod
    def of(cls, windows: NDArray[np.float32] | WindowArray, size: int) -> Contexts:
        """Gather the contexts of windows: each stored frame once, however windows overlap."""
        if isinstance(windows, WindowArray):
            frames, segments = windows.frames, windows.segments
        else:
            n_windows, n_frames = windows.shape[:2]
            frames = windows.reshape(n_windows * n_frames, *windows.shape[2:])
            segments = [(start, start + n_frames) for start in range(0, n_windows * n_frames, n_frames)]
        return cls(frames.reshape(len(frames), -1), tuple(segments), size)

    def __len__(self) -> int:
        return sum(max(0, stop - start - self.size + 1) for start, stop in self.segments)

    def split(self, fraction: float, seed: int) -> tuple[Contexts, Contexts]:
        """Split by segment: all but a random ``fraction`` (at least one), and that fraction."""
        n_held_out = min(max(1, round(fraction * len(self.segments))), len(self.segments) - 1)
        order = np.random.default_rng(seed).permutation(len(self.segments))
        held_out = [self.segments[i] for i in sorted(order[:n_held_out])]
        kept = [self.segments[i] for i in sorted(order[n_held_out:])]
        return Contexts(self.frames, tuple(kept), self.size), Contexts(self.frames, tuple(held_out), self.size)

    def blocks(self, largest: int = BLOCK) -> NDArray[np.int64]:
        """Return first frame and number of contexts (n_blocks, 2) of blocks of neighbouring contexts."""
        parts = [
            np.stack([starts, np.minimum(largest, last - starts)], axis=1)
            for start, stop in self.segments
            if (last := stop - self.size + 1) > start
            for starts in [np.arange(start, last, largest, dtype=np.int64)]
        ]
        return np.concatenate(parts) if parts else np.empty((0, 2), np.int64)

    def groups(
        self, n_contexts: int, rng: np.random.Generator | None
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32]]]:
        """Yield groups of about ``n_contexts`` contexts, in random order where a generator is given.

        Blocks are drawn at random, and the contexts of a group's blocks are mixed: a set that fits into one group is
        shuffled fully, a larger one is read in pieces of neighbouring frames.

        Yields
        ------
        frames : array, shape (n_group_frames, n_values)
            The group's frames; always of the same shape, zeros behind the last.
        starts : array of int, shape (n,)
            First frame of each context of the group within ``frames``: ``n_contexts`` of them up to `BLOCK` more, in
            the last group what remains.
        """
        blocks = self.blocks(min(BLOCK, n_contexts))
        n_frames = self._most_frames(blocks[:, 1], n_contexts)
        if rng is not None:
            blocks = blocks[rng.permutation(len(blocks))]
        first = 0
        while first < len(blocks):
            counts = np.cumsum(blocks[first:, 1])
            stop = first + min(int(np.searchsorted(counts, n_contexts)) + 1, len(counts))
            frames = np.zeros((n_frames, self.frames.shape[1]), np.float32)
            starts, filled = [], 0
            for start, count in blocks[first:stop]:
                piece = self.frames[start : start + count + self.size - 1]
                frames[filled : filled + len(piece)] = piece
                starts.append(filled + np.arange(count, dtype=np.int32))
                filled += len(piece)
            mixed = np.concatenate(starts)
            yield frames, rng.permutation(mixed) if rng is not None else mixed
            first = stop

    def _most_frames(self, counts: NDArray[np.int64], n_contexts: int) -> int:
        """Return the most frames a group can have: that of the smallest blocks, which overlap the most."""
        in_order = np.cumsum(np.sort(counts))
        n_blocks = min(int(np.searchsorted(in_order, n_contexts)) + 1, len(counts))
        return int(min(n_contexts + BLOCK, in_order[-1])) + n_blocks * (self.size - 1)

"""Contexts: the neighbouring frames that a network sees at once, gathered when they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.windows import WindowArray, WindowGrid

__all__ = ["Contexts"]

BLOCK = 64
"""Neighbouring contexts that are read together."""

FRAMES_AT_ONCE = 4096


@final
@dataclass(frozen=True)
class Contexts:
    """Contexts of ``size`` frames within segments of stored frames.

    Parameters
    ----------
    frames : array, shape (n_frames, n_values)
        Frames, flattened over bands and channels; a memory map is read piece by piece.
    segments : tuple of (int, int)
        First frame of each recording, and the one behind its last; no context crosses them.
    size : int
        Frames of a context.
    hop : int
        Frames from one context to the next; the last of a segment ends at its last frame.
    labels : tuple of int, optional
        Class of each segment; 0 for all if not given.
    """

    frames: NDArray[np.float32]
    segments: tuple[tuple[int, int], ...]
    size: int
    hop: int = 1
    labels: tuple[int, ...] | None = None

    @classmethod
    def of(
        cls,
        windows: NDArray[np.floating[Any]] | WindowArray,
        size: int,
        hop: int = 1,
        labels: NDArray[np.int64] | None = None,
    ) -> Contexts:
        """Gather the contexts of windows: each stored frame once, however windows overlap.

        ``labels`` (n_windows,) are the classes of the windows; those of a segment have the same.
        """
        if isinstance(windows, WindowArray):
            frames, segments, groups = windows.frames, windows.segments, windows.groups
        else:
            n_windows, n_frames = windows.shape[:2]
            frames = windows.reshape(n_windows * n_frames, *windows.shape[2:])
            segments = [(start, start + n_frames) for start in range(0, n_windows * n_frames, n_frames)]
            groups = np.arange(n_windows)
        frames = frames.reshape(len(frames), -1)
        if labels is None:
            return cls(frames, tuple(segments), size, hop)
        used, first = np.unique(groups, return_index=True)
        return cls(frames, tuple(segments[i] for i in used), size, hop, tuple(labels[first].tolist()))

    def __len__(self) -> int:
        return sum(len(starts) for starts in self._starts())

    def split(self, fraction: float, seed: int) -> tuple[Contexts, Contexts]:
        """Split by segment: all but a random ``fraction`` (at least one), and that fraction."""
        n_held_out = min(max(1, round(fraction * len(self.segments))), len(self.segments) - 1)
        order = np.random.default_rng(seed).permutation(len(self.segments))
        return self._select(sorted(order[n_held_out:])), self._select(sorted(order[:n_held_out]))

    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and variance (n_values,) of the frames in all segments."""
        shift = self.frames[self.segments[0][0]].astype(np.float64)
        total, squares, n = np.zeros_like(shift), np.zeros_like(shift), 0
        for start, stop in self.segments:
            for first in range(start, stop, FRAMES_AT_ONCE):
                piece = self.frames[first : min(first + FRAMES_AT_ONCE, stop)] - shift
                total += piece.sum(axis=0)
                squares += np.square(piece).sum(axis=0)
            n += stop - start
        return shift + total / n, np.maximum(squares / n - np.square(total / n), 0)

    def groups(
        self, n_contexts: int, rng: np.random.Generator | None
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]]:
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
        labels : array of int, shape (n,)
            Class of each context.
        """
        blocks = self._blocks(min(BLOCK, n_contexts))
        sizes = np.array([len(block) for block, _ in blocks])
        n_frames = self._most_frames(sizes, n_contexts)
        order = np.arange(len(blocks)) if rng is None else rng.permutation(len(blocks))
        first = 0
        while first < len(order):
            counts = np.cumsum(sizes[order[first:]])
            stop = first + min(int(np.searchsorted(counts, n_contexts)) + 1, len(counts))
            frames = np.zeros((n_frames, self.frames.shape[1]), np.float32)
            starts, labels, filled = [], [], 0
            for block, label in (blocks[i] for i in order[first:stop]):
                piece = self.frames[block[0] : block[-1] + self.size]
                frames[filled : filled + len(piece)] = piece
                starts.append((filled + block - block[0]).astype(np.int32))
                labels.append(np.full(len(block), label, np.int32))
                filled += len(piece)
            mixed = np.arange(int(counts[stop - first - 1]))
            if rng is not None:
                rng.shuffle(mixed)
            yield frames, np.concatenate(starts)[mixed], np.concatenate(labels)[mixed]
            first = stop

    def _starts(self) -> Iterator[NDArray[np.int64]]:
        """Yield the first frame of each context of each segment."""
        grid = WindowGrid(self.size, self.hop)
        for start, stop in self.segments:
            yield grid.starts(stop - start) + start

    def _blocks(self, largest: int) -> list[tuple[NDArray[np.int64], int]]:
        """Return first frames and class of blocks of at most ``largest`` neighbouring contexts."""
        labels = self.labels or (0,) * len(self.segments)
        return [
            (starts[i : i + largest], label)
            for starts, label in zip(self._starts(), labels, strict=True)
            for i in range(0, len(starts), largest)
        ]

    def _select(self, segments: Sequence[int]) -> Contexts:
        labels = self.labels and tuple(self.labels[i] for i in segments)
        return replace(self, segments=tuple(self.segments[i] for i in segments), labels=labels)

    def _most_frames(self, counts: NDArray[np.int64], n_contexts: int) -> int:
        """Return the most frames a group can have: that of the smallest blocks, which overlap the most."""
        in_order = np.cumsum(np.sort(counts))
        n_blocks = min(int(np.searchsorted(in_order, n_contexts)) + 1, len(counts))
        most = int(min(n_contexts + BLOCK, in_order[-1])) if len(counts) else 0
        return most * self.hop + n_blocks * max(0, self.size - self.hop)

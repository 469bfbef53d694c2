"""One recording in many files: their rows, one file after the other."""

from __future__ import annotations

from dataclasses import replace

from offkey.errors import ReadError
from offkey.signals.store import Recorded, Store, row_blocks

__all__ = ["join"]

Part = tuple[str, Recorded]


def join(files: list[tuple[str, list[Recorded]]]) -> list[Recorded]:
    """Join the recordings of files that have the same label.

    Files with timestamps come in their order, others as they are given.

    Raises
    ------
    ReadError
        If a file has other channels, units or another rate than the one before, or only some have timestamps.
    """
    parts: dict[str, list[Part]] = {}
    for path, recordings in files:
        for recorded in recordings:
            parts.setdefault(recorded.label, []).append((path, recorded))
    return [_joined(each) for each in parts.values()]


def _joined(parts: list[Part]) -> Recorded:
    path, first = parts[0]
    for other_path, other in parts[1:]:
        _check_alike(path, first, other_path, other)
    if first.store.has_times:
        parts = sorted(parts, key=lambda part: int(part[1].times(0, 1)[0]))
    store = Store(len(first.columns), has_times=first.store.has_times)
    for _, recorded in parts:
        for start, stop in row_blocks(0, recorded.n_rows):
            times = recorded.times(start, stop) if store.has_times else None
            store.append(recorded.samples(start, stop), times)
    notes = tuple(dict.fromkeys(note for _, recorded in parts for note in recorded.notes))
    return replace(
        first, store=store, start=0, stop=store.n_rows, columns=tuple(range(len(first.columns))), notes=notes
    )


def _check_alike(path: str, first: Recorded, other_path: str, other: Recorded) -> None:
    if other.channels != first.channels:
        raise ReadError(
            other_path,
            f"has the channels {', '.join(other.channels)}, but {path} has {', '.join(first.channels)}. "
            "Files that are joined need the same channels.",
        )
    for channel, unit, known in zip(first.channels, other.units, first.units, strict=True):
        if unit != known:
            raise ReadError(
                other_path,
                f"states {channel!r} in {unit or 'no unit'}, but {path} states it in {known or 'no unit'}. "
                "Convert one of them, or state the unit of all.",
            )
    if (other.store.has_times, other.rate) != (first.store.has_times, first.rate):
        raise ReadError(other_path, f"has another rate than {path}, or only one of them has timestamps. Join neither.")

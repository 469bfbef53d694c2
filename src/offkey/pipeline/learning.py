"""What a pipeline learns from gathered recordings: a fitted detector, and scores of normal sound it did not see."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import median_low
from typing import Any, final

import numpy as np

from offkey.decisions import segments
from offkey.detectors import Detector, Ensemble
from offkey.errors import InputError
from offkey.pipeline.boundaries import Evidence
from offkey.pipeline.decision import TrainingScore
from offkey.pipeline.gather import Gathered
from offkey.pipeline.held_out import FEWEST_RECORDINGS, cut_into_blocks, fit_and_score, one_thread, strangest_first
from offkey.pipeline.normal import NormalSound
from offkey.pipeline.provenance import provenance
from offkey.pipeline.sources import POOLED, same_name, wholes_of
from offkey.windows import WindowArray, parse_pooling

__all__ = ["Learned", "learn"]

logger = logging.getLogger(__name__)

Bounds = list[tuple[int, int]]
"""First stored frame of each recording, and the one behind its last."""


@final
@dataclass(frozen=True)
class Learned:
    """A fitted detector, the held-out scores, all training recordings from the strangest on, and what to say of it.

    ``normal`` is what the recordings are like.
    """

    detector: Detector
    normal: NormalSound
    evidence: list[Evidence]
    training: list[TrainingScore]
    provenance: dict[str, Any]
    notes: list[str]


def learn(
    gathered: Gathered,
    groups: Mapping[str, str],
    detector: Detector | str | None,
    *,
    n_wanted: float,
    pooling: str,
    hold_out: str,
    drop_strangest: int,
    seed: int,
) -> Learned:
    """Fit a detector on gathered recordings, without the ``drop_strangest`` strangest of them.

    Few long recordings are cut into blocks. Other parameters are those of `fit_and_score` and of the pipeline;
    ``groups`` are the recordings' by name.

    Raises
    ------
    InputError
        If there are too few recordings.
    """
    chosen = _detector(detector)
    bounds, evidence, wholes, notes = _recordings_or_blocks(gathered, groups)
    n_kept = len(bounds) - drop_strangest
    if n_kept < FEWEST_RECORDINGS:
        raise InputError(
            f"Without the {drop_strangest} strangest, {n_kept} recordings are left; "
            f"{FEWEST_RECORDINGS} are needed. Drop fewer."
        )

    path_of = dict(zip(gathered.digests, (same_name(source.path) for source in gathered.sources), strict=True))
    health_of = dict(zip(gathered.digests, gathered.healths, strict=True))
    known = gathered.known.items()
    columns = {column: [values.get(path_of[each.digest], "") for each in evidence] for column, values in known}

    def fit(kept: list[int]) -> tuple[list[int], Learned]:
        windows = WindowArray(gathered.store.frames, bounds, gathered.grid, columns).select(kept)
        fitted = fit_and_score(chosen, windows, n_wanted, seed, hold_out, [wholes[i] for i in kept])
        scored = [replace(evidence[i], scores=own) for i, own in zip(kept, fitted.scores, strict=True)]
        held_out = [each for each, is_out in zip(scored, fitted.is_held_out, strict=True) if is_out]
        scores = _clip_scores(scored, held_out, pooling)
        order = strangest_first(scores, fitted.is_held_out)
        training = [
            TrainingScore(scored[i].source, float(scores[i]), bool(fitted.is_held_out[i]), scored[i].digest)
            for i in order
        ]
        made = provenance(gathered, [bounds[i] for i in kept], seed)
        healths = [health_of[digest] for digest in {evidence[i].digest for i in kept}]
        with one_thread():
            normal = NormalSound.of(windows, gathered.feature, healths)
        return [kept[i] for i in order], Learned(fitted.detector, normal, held_out, training, made, notes)

    strangest, learned = fit(list(range(len(bounds))))
    if drop_strangest:
        dropped = [evidence[i].source for i in strangest[:drop_strangest]]
        notes.append(
            f"The {drop_strangest} strangest recordings were left out: {', '.join(dropped)}. "
            "The false-alarm rate holds for sound like that of the others."
        )
        _, learned = fit(sorted(strangest[drop_strangest:]))
    for each in _within(learned.detector):
        notes.extend(note for note in each.fitted_state.get("notes_", ()) if note not in notes)
        if each.fitted_state.get("is_interrupted_"):
            n_epochs = len(each.fitted_state["loss_"])
            notes.append(f"Training was stopped after {n_epochs} epochs; what was learned until then is kept.")
            logger.warning(notes[-1])
    return learned


def _within(detector: Detector) -> Iterator[Detector]:
    """Yield a fitted detector and all that were fitted within it."""
    yield detector
    for value in detector.fitted_state.values():
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, Detector):
                yield from _within(each)


def _detector(given: Detector | str | None) -> Detector:
    if isinstance(given, Detector):
        return given
    if given not in (None, "auto"):
        raise InputError(f'detector={given!r} was given. Give a detector of offkey.detectors, or "auto".')
    return Ensemble()


def _recordings_or_blocks(
    gathered: Gathered, groups: Mapping[str, str]
) -> tuple[Bounds, list[Evidence], list[str], list[str]]:
    """Return what stands for a recording: bounds, evidence yet without scores, what it was cut out of, and notes."""
    bounds = list(gathered.store.recordings)
    whole = [
        Evidence(source.name, np.empty(0), groups.get(same_name(source.path), POOLED), digest)
        for source, digest in zip(gathered.sources, gathered.digests, strict=True)
    ]
    wholes = wholes_of(gathered.sources)
    if len(bounds) >= FEWEST_RECORDINGS:
        n_wholes = len(set(wholes))
        notes = list(gathered.notes)
        if n_wholes < len(bounds):
            notes.append(
                f"{len(bounds)} pieces of {n_wholes} recordings stand for recordings: how sure the boundary is "
                "depends on these few. More recordings calibrate better."
            )
            logger.warning(notes[-1])
        return bounds, whole, wholes if n_wholes >= FEWEST_RECORDINGS else [each.source for each in whole], notes
    blocks = cut_into_blocks(bounds, gathered.grid)
    note = (
        f"{len(bounds)} recording(s) were cut into {len(blocks)} blocks that stand for recordings. Several "
        "recordings from different days calibrate better."
    )
    logger.warning(note)
    named = [_block(block, bounds, whole, gathered) for block in blocks]
    return blocks, named, [each.source for each in named], [*gathered.notes, note]


def _block(block: tuple[int, int], recordings: Bounds, whole: list[Evidence], gathered: Gathered) -> Evidence:
    """Name a block by its recording and its seconds in it."""
    i = next(i for i, (start, stop) in enumerate(recordings) if start <= block[0] and block[1] <= stop)
    rate = gathered.feature.fitted_state["rate_"]
    first, stop = gathered.feature.span(block[0] - recordings[i][0], block[1] - block[0])
    return replace(whole[i], source=f"{whole[i].source} [{first / rate:.1f}-{stop / rate:.1f} s]")


def _clip_scores(scored: list[Evidence], held_out: list[Evidence], pooling: str) -> Any:
    """Return the score of each recording (n_recordings,): that of its strangest unit."""
    unit, pool = median_low(len(each.scores) for each in held_out), parse_pooling(pooling)
    return np.array([max(pool(each.scores[one]) for one in segments(len(each.scores), unit)) for each in scored])

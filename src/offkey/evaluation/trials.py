"""Trials of a comparison: one detector fitted and tested on one split, alone or several at a time in processes."""

from __future__ import annotations

import hashlib
import inspect
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import final

import numpy as np

from offkey.decisions import Conformal, segments
from offkey.detectors import Detector
from offkey.errors import BundleError, OffkeyError
from offkey.evaluation.journal import Journal, digest
from offkey.evaluation.splits import Split
from offkey.pipeline import POOLED, Pipeline
from offkey.pipeline.gather import Gathered
from offkey.pipeline.sources import Recording, same_name
from offkey.progress import track
from offkey.version import __version__
from offkey.windows import WindowArray, parse_pooling

__all__ = ["Outcome", "Rules", "Trial", "run_trials"]

N_TIMED = 3
"""Recordings of a trial whose way from the file to the decision is timed."""


@final
@dataclass(frozen=True)
class Rules:
    """What all trials share: how windows become clips, and the false-alarm rate of the thresholds."""

    pooling: str
    false_alarms: float


@final
@dataclass(frozen=True)
class Trial:
    """A detector under a name, and what it is fitted and tested on."""

    name: str
    detector: Detector
    machine: str
    split: Split


@final
@dataclass(frozen=True)
class Outcome:
    """What a trial gave; ``failure`` says in a sentence why it gave nothing.

    Attributes
    ----------
    scores, alarms : list
        Of the recordings to test on, in their order.
    supported_rate : float
        False-alarm rate that the training part supports.
    fit_s : float
        Time to fit and to calibrate, from stored features on.
    clip_s, times_real_time : float
        Time to decide about a recording, from its file on; how many seconds of sound are decided in one.
    n_bytes : float
        Size of the bundle; NaN where none can be written.
    """

    scores: list[float]
    alarms: list[bool]
    supported_rate: float = math.nan
    fit_s: float = math.nan
    clip_s: float = math.nan
    times_real_time: float = math.nan
    n_bytes: float = math.nan
    failure: str = ""


def run_trials(gathered: Gathered, trials: Sequence[Trial], rules: Rules, journal: Journal, jobs: int) -> list[Outcome]:
    """Return the outcome of each trial on the recordings that were read: from the journal, or by running it.

    Each runs on one core. ``jobs`` of them run at a time, in processes of their own where that is more than one; the
    frames must then lie in a file with a name (see `shared`). Trials that fail are not written to the journal.
    """
    keys = [_key(gathered, trial, rules) for trial in trials]
    missing = [i for i, key in enumerate(keys) if key not in journal.found]
    failed: dict[int, Outcome] = {}
    for i, outcome in track(_run_all(gathered, trials, rules, missing, jobs), "comparing", len(missing)):
        if outcome.failure:
            failed[i] = outcome
        else:
            journal.add(keys[i], asdict(outcome))
    return [failed[i] if i in failed else Outcome(**journal.found[key]) for i, key in enumerate(keys)]


def _run_all(
    gathered: Gathered, trials: Sequence[Trial], rules: Rules, which: list[int], jobs: int
) -> Iterator[tuple[int, Outcome]]:
    if jobs == 1 or len(which) < 2:
        yield from (_run(i, gathered, trials[i], rules) for i in which)
        return
    from joblib import Parallel, delayed

    workers = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, max_nbytes=None)
    yield from workers(delayed(_run)(i, gathered, trials[i], rules) for i in which)


def _run(i: int, gathered: Gathered, trial: Trial, rules: Rules) -> tuple[int, Outcome]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), _quiet():  # more threads add up in another order, and give other last digits
        try:
            return i, _measure(gathered, trial, rules)
        except Exception as error:  # noqa: BLE001  a detector may raise anything, and the others go on
            said = str(error) if isinstance(error, OffkeyError) else f"{type(error).__name__}: {error}"
            return i, Outcome([], [], failure=said)


def _measure(gathered: Gathered, trial: Trial, rules: Rules) -> Outcome:
    pipeline = Pipeline(
        _seeded(trial.detector, trial.split.seed),
        features=gathered.feature,
        pooling=rules.pooling,
        threshold=Conformal(rules.false_alarms),
        seed=trial.split.seed,
    )
    begin = perf_counter()
    pipeline.fit(gathered.select(trial.split.train))
    fit_s = perf_counter() - begin
    clips = pipeline.boundaries_[POOLED].clips
    pool = parse_pooling(rules.pooling)
    scores, alarms = [], []
    for i in trial.split.test:
        start, stop = gathered.store.recordings[i]
        frames = pipeline.features_.scaled(gathered.store.frames[start:stop])
        own = pipeline.detector_.anomaly_score(WindowArray(frames, [(0, stop - start)], gathered.grid))
        units = [pool(own[unit]) for unit in segments(len(own), clips.unit_windows)]
        scores.append(max(units))
        alarms.append(bool(np.any(clips.is_anomaly(units))))
    if not np.isfinite(scores).all():
        raise OffkeyError("A score is not finite. Scores must be numbers, however strange the recording.")
    supported = float(clips.threshold.fitted_state["supported_rate_"])
    recordings = [gathered.sources[i].content for i in trial.split.test[: N_TIMED + 1]]
    return Outcome(scores, alarms, supported, fit_s, *_time(pipeline, recordings), _size(pipeline))


def _time(pipeline: Pipeline, recordings: list[Recording]) -> tuple[float, float]:
    """Return seconds for a recording and how many times real time; the first recording only warms up."""
    pipeline.decide(recordings[0])
    begin = perf_counter()
    heard_s = sum(pipeline.decide(recording).duration_s for recording in recordings[1:])
    taken_s = perf_counter() - begin
    return taken_s / len(recordings[1:]), heard_s / taken_s


def _size(pipeline: Pipeline) -> float:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        try:
            pipeline.save(Path(folder) / "bundle.offkey")
        except BundleError:
            return math.nan
        return float((Path(folder) / "bundle.offkey").stat().st_size)


def _seeded(detector: Detector, seed: int) -> Detector:
    fresh = detector.unfitted()
    return fresh.set_params(seed=seed) if "seed" in fresh.get_params() else fresh


def _key(gathered: Gathered, trial: Trial, rules: Rules) -> str:
    """Return a digest of all that the outcome depends on; labels are not among it."""
    feature, kind = gathered.feature, type(trial.detector)
    return digest(
        {
            "version": __version__,
            "detector": [kind.__qualname__, repr(trial.detector.get_params()), _source_digest(kind)],
            "feature": [repr(feature), feature.fitted_state["rate_"], asdict(gathered.grid), len(gathered.channels)],
            "rules": asdict(rules),
            "seed": trial.split.seed,
            "train": [[gathered.digests[i], _known(gathered, i)] for i in trial.split.train],
            "test": [gathered.digests[i] for i in trial.split.test],
        }
    )


def _known(gathered: Gathered, i: int) -> dict[str, str]:
    name = same_name(gathered.sources[i].path)
    return {column: values[name] for column, values in gathered.known.items() if name in values}


def _source_digest(kind: type[Detector]) -> str:
    """Return a digest of the file that a class was written in, so that a changed detector is tried anew."""
    try:
        return hashlib.sha256(Path(inspect.getfile(kind._score)).read_bytes()).hexdigest()
    except (OSError, TypeError):  # typed in by hand
        return ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what each of many fits would warn of again."""
    logger = logging.getLogger("offkey")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)

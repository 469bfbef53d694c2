"""Every detector under one protocol: same splits by recording, several seeds, nothing tuned on what is tested on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from offkey.decisions import Conformal
from offkey.detectors import Detector
from offkey.errors import InputError
from offkey.evaluation.comparison import Comparison, MachineTrials, conclude
from offkey.evaluation.journal import Journal
from offkey.evaluation.splits import SESSION, Row, Split, cross_validated, given_split, is_split, sessions_on_both_sides
from offkey.evaluation.trials import Rules, Trial, run_trials
from offkey.features import Feature
from offkey.pipeline import Failure
from offkey.pipeline.gather import gather, shared
from offkey.pipeline.readings import reading_at
from offkey.pipeline.sources import Source, known_columns, list_recordings, same_name
from offkey.recordings import check_table
from offkey.signals import Reading
from offkey.windows import parse_pooling

__all__ = ["compare"]

FEW = 10
"""Normal recordings to test on in a fold, below which the partial area is coarse."""


def compare(
    table: Any,
    detectors: Mapping[str, Detector] | Sequence[Detector],
    *,
    features: Feature | None = None,
    rate: float | None = None,
    window_s: float | None = None,
    hop_s: float | None = None,
    reading: Reading | None = None,
    pooling: str = "mean",
    false_alarms: float = 0.1,
    folds: int = 5,
    seeds: int = 3,
    against: str | None = None,
    resume: str | os.PathLike[str] | None = None,
    jobs: int = 1,
) -> Comparison:
    """Compare detectors on labelled recordings.

    Where the table has rows of split ``train``, detectors are fitted on these and tested on the others, once for each
    seed. Otherwise normal recordings are cross-validated: dealt out to ``folds`` parts, those of one ``session``
    together, each part tested by a pipeline that was fitted on the others; anew for each seed. Anomalies are only ever
    tested, and none of a session that is fitted on. Each ``machine`` has pipelines of its own. Thresholds come from the
    training part alone, by the pipeline's own cross-fitting; labels of tested recordings pick nothing.

    Recordings are read once, and their frames shared by all detectors: rate, channels and window length, where not
    given, are those of all of a machine's recordings.

    Parameters
    ----------
    table : recordings table
        Columns ``path`` and ``label``; ``machine``, ``split`` and ``session`` where there are such.
    detectors : mapping of str to Detector, or sequence of Detector
        Not changed. One with a parameter ``seed`` is given the seed of the split.
    features, rate, window_s, hop_s, reading, pooling
        As for `Pipeline`.
    false_alarms : float
        False-alarm rate that thresholds are calibrated for.
    folds, seeds : int
        At most so many folds, and so many repetitions.
    against : str, optional
        Detector that differences are taken to; the one with the highest AUC if not given.
    resume : path, optional
        A file that finished trials are kept in: another run with the same settings does only what is missing.
    jobs : int
        Trials that run side by side, in processes of their own. The figures are the same, but for times.

    Raises
    ------
    InputError
        If parameters make no sense, no machine has enough recordings of both kinds, or every detector fails.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from offkey.datasets import simulate
    >>> from offkey.detectors import Gaussian, Level
    >>> with TemporaryDirectory() as folder:
    ...     table = simulate(folder, ["pump"], n_train=10, n_test_normal=4, n_test_anomaly=4, duration_s=1.0, rate=8000)
    ...     comparison = compare(table, [Gaussian(), Level()], window_s=0.5, seeds=1)
    >>> [row.detector for row in comparison.rows]
    ['Gaussian()', 'Level()']
    """
    named, rules = _named(detectors), Rules(pooling, false_alarms)
    _check(named, against, rules, {"folds": folds, "seeds": seeds, "jobs": jobs})
    rows, n_unlabelled = _rows(table)
    split = _splitter(rows, folds, seeds)
    known, files = known_columns(table), reading_at(reading, rate)
    read = partial(gather, feature=features, rate=rate, window_s=window_s, hop_s=hop_s, known=known, reading=files)
    journal = Journal(resume)
    tested: list[MachineTrials] = []
    failures: list[Failure] = []
    unusable: list[Failure] = []
    noted: dict[str, list[str]] = {}
    for machine, own in _by_machine(rows).items():
        try:
            split(own)  # before anything is read
            gathered = read(list_recordings([row["path"] for row in own], files))
        except InputError as error:
            unusable.append(_unusable(machine, error))
            continue
        failures += gathered.failures
        for note in gathered.notes:
            noted.setdefault(note, []).append(machine)
        with gathered, shared(gathered) as frames:
            by_path = {same_name(row["path"]): row for row in own}
            heard = [_of_piece(by_path[same_name(source.path)], source) for source in frames.sources]
            try:
                splits = split(heard)
            except InputError as error:
                unusable.append(_unusable(machine, error))
                continue
            trials = [Trial(name, detector, machine, each) for name, detector in named.items() for each in splits]
            outcomes = run_trials(frames, trials, rules, journal, jobs)
        labels = np.array([-1 if row["label"] is None else row["label"] for row in heard])
        tested.append(
            MachineTrials(
                machine, [source.name for source in frames.sources], labels, trials, outcomes, seed=len(tested)
            )
        )
    if not tested:
        raise InputError(_nothing(unusable, failures))
    settings = {
        "detectors": {name: repr(detector) for name, detector in named.items()},
        "features": "by the recordings" if features is None else repr(features),
        "rate": rate,
        "window_s": window_s,
        "hop_s": hop_s,
        "pooling": pooling,
        "false_alarms": false_alarms,
        "folds": folds,
        "seeds": seeds,
        "against": against,
        "jobs": jobs,
    }
    notes = [f"{', '.join(filter(None, machines))}: {note}".removeprefix(": ") for note, machines in noted.items()]
    notes += _notes(tested, rows, n_unlabelled, jobs)
    return conclude(tested, against, _protocol(tested, rows, seeds), settings, unusable + failures, notes)


def _named(detectors: Mapping[str, Detector] | Sequence[Detector]) -> dict[str, Detector]:
    kinds = list(detectors.values()) if isinstance(detectors, Mapping) else list(detectors)
    if not kinds or not all(isinstance(detector, Detector) for detector in kinds):
        raise InputError(f"The detectors {kinds} were given. Give objects, such as [Gaussian()].")
    names = list(detectors) if isinstance(detectors, Mapping) else [repr(detector) for detector in kinds]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"The detector {twice[0]} was given twice. Give each once, or name them in a dict.")
    return {name: detector.unfitted() for name, detector in zip(names, kinds, strict=True)}


def _check(named: Mapping[str, Detector], against: str | None, rules: Rules, counts: Mapping[str, int]) -> None:
    """Try what can be tried before anything is read."""
    if against is not None and against not in named:
        raise InputError(
            f"Differences to {against!r} were asked for, which is not compared. There are: {', '.join(named)}."
        )
    for what, value in counts.items():
        least = 2 if what == "folds" else 1
        if value < least:
            raise InputError(f"{what}={value} was given. It must be at least {least}.")
    parse_pooling(rules.pooling)
    Conformal(rules.false_alarms).fit(np.arange(100.0))


def _rows(table: Any) -> tuple[list[dict[str, Any]], int]:
    """Return rows that a comparison uses, with None for what is missing, and how many others have no label."""
    checked = check_table(table).astype(object)
    rows = checked.where(checked.notna(), None).to_dict("records")
    used = [row | {"path": os.fspath(row["path"])} for row in rows if row["label"] is not None or _is_train(row)]
    if not used:
        raise InputError("No labelled recording was given. Give rows with label 0 and 1.")
    return used, len(rows) - len(used)


def _of_piece(row: Row, source: Source) -> Row:
    """Return what is known of a recording: pieces of a file without a session are of one session."""
    if not source.whole or row.get(SESSION) is not None:
        return row
    return {**row, SESSION: source.whole}


def _splitter(rows: Sequence[Row], folds: int, seeds: int) -> Callable[[Sequence[Row]], list[Split]]:
    repeats = list(range(seeds))
    if is_split(rows):
        return partial(given_split, seeds=repeats)
    return partial(cross_validated, n_folds=folds, seeds=repeats)


def _is_train(row: Row) -> bool:
    return bool(row.get("split") == "train")


def _by_machine(rows: Sequence[Row]) -> dict[str, list[Row]]:
    machines: dict[str, list[Row]] = {}
    for row in rows:
        machine = row.get("machine")
        machines.setdefault("" if machine is None else str(machine), []).append(row)
    return machines


def _unusable(machine: str, error: InputError) -> Failure:
    return Failure(f"machine {machine}" if machine else "the recordings", str(error))


def _nothing(unusable: Sequence[Failure], failures: Sequence[Failure]) -> str:
    """Say why no machine could be compared; where there is but one, its reason is all."""
    said = "\n  ".join(["No machine can be compared.", *map(str, unusable)])
    said = unusable[0].reason if len(unusable) == 1 else said
    return f"{said} ({len(failures)} could not be used, the first: {failures[0]})" if failures else said


def _protocol(tested: Sequence[MachineTrials], rows: Sequence[Row], seeds: int) -> str:
    n_normal, n_anomaly = sum(each.n_normal for each in tested), sum(each.n_anomaly for each in tested)
    machines = f" of {len(tested)} machines" if len(tested) > 1 else ""
    said = f"{n_normal} normal and {n_anomaly} anomalous recordings{machines} to test on"
    repeated = f"{seeds} times" if seeds > 1 else "once"
    if is_split(rows):
        return f"{said}; fitted on those of split 'train', {repeated}."
    n_folds = max(trial.split.fold for each in tested for trial in each.trials) + 1
    unit = SESSION if any(row.get(SESSION) is not None for row in rows) else "recording"
    return f"{said}; normal ones in {n_folds} folds by {unit}, dealt out {repeated}."


def _notes(tested: Sequence[MachineTrials], rows: Sequence[Row], n_unlabelled: int, jobs: int) -> list[str]:
    notes = []
    n_shared = len(sessions_on_both_sides(rows))
    if n_shared:
        notes.append(
            f"{n_shared} sessions are on both sides of the split that the table states: figures are flattered."
        )
    fewest = min(int(np.sum(each.labels[trial.split.test] == 0)) for each in tested for trial in each.trials)
    if fewest < FEW:
        notes.append(
            f"A fold has {fewest} normal recordings to test on: the partial AUC is coarse, its interval too high."
        )
    if n_unlabelled:
        notes.append(f"{n_unlabelled} recordings have no label; they were not used.")
    if jobs > 1:
        notes.append(f"Times were taken while {jobs} trials ran side by side.")
    return notes

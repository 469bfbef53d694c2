"""What a comparison found: figures of each detector, differences between them, and every score."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError
from offkey.evaluation.evaluate import without_nan
from offkey.evaluation.metrics import wilson_interval
from offkey.evaluation.resampling import draw_weights, interval, weighted_area
from offkey.evaluation.trials import Outcome, Trial
from offkey.pipeline import Failure

__all__ = ["Comparison", "DetectorFigures", "Difference", "MachineTrials", "conclude"]

MAX_FPR = 0.1
"""Up to where the partial area goes, as in the DCASE challenge."""


@final
@dataclass(frozen=True)
class DetectorFigures:
    """Figures of one detector, on one machine or as the mean over all (``machine`` is then empty).

    AUC and pAUC (up to a false positive rate of 0.1) are computed for each fold, as scores of different fits are not
    alike, and averaged; rates count the decisions of all folds. Intervals are 95 %: bootstrap by recording for areas,
    Wilson's for rates. They do not cover that other recordings to fit on would give other detectors.

    Attributes
    ----------
    recall, false_alarm_rate : float
        Of the anomalies and of the normal recordings, how many are called anomalies at the calibrated threshold.
    supported_rate : float
        False-alarm rate that the smallest training part supports: the one asked for, or the finest it can show.
    fit_s : float
        Mean time to fit and calibrate on one core, from stored features on.
    clip_s, times_real_time : float
        Median time to decide about a recording on one core, from the file on; how many times real time that is.
    n_bytes : float
        Mean size of the bundle; NaN where none can be written.
    """

    detector: str
    machine: str
    auc: float
    auc_low: float
    auc_high: float
    pauc: float
    pauc_low: float
    pauc_high: float
    recall: float
    recall_low: float
    recall_high: float
    false_alarm_rate: float
    false_alarm_rate_low: float
    false_alarm_rate_high: float
    supported_rate: float
    fit_s: float
    clip_s: float
    times_real_time: float
    n_bytes: float


@final
@dataclass(frozen=True)
class Difference:
    """AUC of a detector less that of another, on the same recordings, with its 95 % paired bootstrap interval."""

    detector: str
    against: str
    auc_difference: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return not self.low <= 0 <= self.high


@final
@dataclass(frozen=True)
class Comparison:
    """The outcome of a comparison.

    Attributes
    ----------
    rows : list of DetectorFigures
        Means over machines, the highest AUC first.
    machine_rows : list of DetectorFigures
        Of each machine, where there are several.
    differences : list of Difference
        Of the other detectors to one of them, in the order of the rows.
    protocol : str
        What was done, in a sentence.
    settings : dict
        Of the comparison.
    failures : list of Failure
        Recordings and machines that could not be used; they are in no figure.
    broken : list of Failure
        Detectors that failed on a split, and have no figures.
    notes : list of str
        What to know before the figures are believed.
    records : list of dict
        Every score: detector, machine, seed, fold, path, label, score, is_anomaly.
    """

    rows: list[DetectorFigures]
    machine_rows: list[DetectorFigures]
    differences: list[Difference]
    protocol: str
    settings: dict[str, Any]
    failures: list[Failure] = field(default_factory=list)
    broken: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list, repr=False)

    @property
    def scores(self) -> Any:
        """Every score as a pandas DataFrame: one row for each detector, split and recording to test on."""
        import pandas as pd

        return pd.DataFrame(self.records)

    def to_frame(self) -> Any:
        """Return the figures as a pandas DataFrame, one row for each detector."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def to_json(self) -> str:
        """Return everything but the scores as JSON; figures that do not exist are null."""
        document = asdict(self)
        document.pop("records")
        document["differences"] = [asdict(each) | {"is_clear": each.is_clear} for each in self.differences]
        return json.dumps(without_nan(document), indent=1)


@final
class MachineTrials:
    """All trials on the recordings of one machine, with how often each resample draws each recording.

    Parameters
    ----------
    machine : str
        Its name.
    paths : list of str
        The recordings.
    labels : array, shape (n,)
        0, 1, or -1 where unknown.
    trials, outcomes : list
        Of all detectors.
    seed : int
        Of the resamples; each machine has its own.
    """

    def __init__(
        self,
        machine: str,
        paths: list[str],
        labels: NDArray[np.int64],
        trials: list[Trial],
        outcomes: list[Outcome],
        seed: int,
    ) -> None:
        self.machine, self.paths, self.labels = machine, paths, labels
        self.trials, self.outcomes = trials, outcomes
        is_tested = np.zeros(len(labels), bool)
        is_tested[[i for trial in trials for i in trial.split.test]] = True
        strata = np.where(is_tested, labels, -1)
        self.n_normal, self.n_anomaly = int((strata == 0).sum()), int((strata == 1).sum())
        self._weights = draw_weights(strata, seed)

    def of(self, detector: str) -> list[tuple[Trial, Outcome]]:
        """Return the trials of a detector with their outcomes."""
        pairs = zip(self.trials, self.outcomes, strict=True)
        return [(trial, outcome) for trial, outcome in pairs if trial.name == detector]

    def areas(self, detector: str, max_fpr: float = 1.0) -> NDArray[np.float64]:
        """Return the mean area over folds (1 + n_resamples,): first of the recordings as they are, then resampled."""
        weights = np.concatenate([np.ones((1, len(self.labels))), self._weights])
        by_fold = []
        for trial, outcome in self.of(detector):
            test = trial.split.test
            by_fold.append(weighted_area(self.labels[test], np.array(outcome.scores), weights[:, test], max_fpr))
        return np.asarray(np.nanmean(by_fold, axis=0))

    def rate(self, detector: str, label: int) -> float:
        """Return how many of the recordings of a label are called anomalies, over all folds."""
        alarms = [
            alarm
            for trial, outcome in self.of(detector)
            for i, alarm in zip(trial.split.test, outcome.alarms, strict=True)
            if self.labels[i] == label
        ]
        return float(np.mean(alarms))

    def records(self) -> list[dict[str, Any]]:
        """Return every score with where it comes from."""
        return [
            {
                "detector": trial.name,
                "machine": self.machine,
                "seed": trial.split.seed,
                "fold": trial.split.fold,
                "path": self.paths[i],
                "label": int(self.labels[i]),
                "score": score,
                "is_anomaly": alarm,
            }
            for trial, outcome in zip(self.trials, self.outcomes, strict=True)
            for i, score, alarm in zip(
                trial.split.test if outcome.scores else [], outcome.scores, outcome.alarms, strict=True
            )
        ]


def conclude(
    tested: Sequence[MachineTrials],
    against: str | None,
    protocol: str,
    settings: dict[str, Any],
    failures: list[Failure],
    notes: list[str],
) -> Comparison:
    """Return the comparison that trials on some machines add up to.

    Raises
    ------
    InputError
        If every detector failed, or the one that differences were asked to.
    """
    names = list(dict.fromkeys(trial.name for trial in tested[0].trials))
    broken = [failure for name in names for failure in _broken(name, tested)]
    sound = [name for name in names if name not in {failure.source for failure in broken}]
    if not sound or (against is not None and against not in sound):
        which = "Every detector" if not sound else f"The detector {against}, to which differences were asked for,"
        raise InputError(f"{which} failed. {broken[0]}")
    rows = sorted((_figures(name, tested) for name in sound), key=lambda row: -row.auc)
    coarsest = max(row.supported_rate for row in rows)
    if coarsest > settings["false_alarms"] * (1 + 1e-9):
        notes = [
            *notes,
            f"A false-alarm rate of {settings['false_alarms']:.3g} was asked for; "
            f"the smallest training part supports {coarsest:.3g}.",
        ]
    return Comparison(
        rows,
        [_figures(row.detector, [each], each.machine) for each in tested for row in rows] if len(tested) > 1 else [],
        _differences([row.detector for row in rows], against or rows[0].detector, tested),
        protocol,
        settings,
        failures,
        broken,
        notes,
        [record for each in tested for record in each.records()],
    )


def _broken(detector: str, machines: Sequence[MachineTrials]) -> list[Failure]:
    """Return why and where a detector failed: nothing, or the first of its failures and how many there are."""
    trials = [(trial, outcome) for tested in machines for trial, outcome in tested.of(detector)]
    failed = [(trial, outcome) for trial, outcome in trials if outcome.failure]
    if not failed:
        return []
    trial, outcome = failed[0]
    where = f"{trial.machine}, " * bool(trial.machine) + f"fold {trial.split.fold}, seed {trial.split.seed}"
    return [Failure(detector, f"failed in {len(failed)} of {len(trials)} trials; {where}: {outcome.failure}")]


def _figures(detector: str, machines: Sequence[MachineTrials], machine: str = "") -> DetectorFigures:
    """Return the figures of a detector as means over machines, under the name ``machine``."""
    outcomes = [outcome for tested in machines for _, outcome in tested.of(detector)]

    def over(statistic: Callable[[list[float]], Any], name: str) -> float:
        return float(statistic([getattr(outcome, name) for outcome in outcomes]))

    return DetectorFigures(
        detector,
        machine,
        *_area(detector, machines, 1.0),
        *_area(detector, machines, MAX_FPR),
        *_rate(detector, machines, 1),
        *_rate(detector, machines, 0),
        over(max, "supported_rate"),
        over(np.mean, "fit_s"),
        over(np.median, "clip_s"),
        over(np.median, "times_real_time"),
        over(np.mean, "n_bytes"),
    )


def _differences(detectors: Sequence[str], against: str, machines: Sequence[MachineTrials]) -> list[Difference]:
    """Return the differences in AUC of detectors to one of them.

    The same resamples of the recordings are used for both (paired), each machine and each kind by itself.
    """
    reference = _mean_areas(against, machines)
    found = []
    for detector in detectors:
        if detector != against:
            gap = _mean_areas(detector, machines) - reference
            found.append(Difference(detector, against, float(gap[0]), *interval(gap[1:])))
    return found


def _mean_areas(detector: str, machines: Sequence[MachineTrials], max_fpr: float = 1.0) -> NDArray[np.float64]:
    return np.asarray(np.mean([tested.areas(detector, max_fpr) for tested in machines], axis=0))


def _area(detector: str, machines: Sequence[MachineTrials], max_fpr: float) -> tuple[float, float, float]:
    areas = _mean_areas(detector, machines, max_fpr)
    return (float(areas[0]), *interval(areas[1:]))


def _rate(detector: str, machines: Sequence[MachineTrials], label: int) -> tuple[float, float, float]:
    """Return a mean rate with Wilson's interval for as many recordings as there are, however often each is tested."""
    rate = float(np.mean([tested.rate(detector, label) for tested in machines]))
    n = sum(tested.n_anomaly if label else tested.n_normal for tested in machines)
    return (rate, *wilson_interval(rate * n, n)) if n else (math.nan,) * 3

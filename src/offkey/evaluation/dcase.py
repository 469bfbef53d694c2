"""The official scores of DCASE Task 2, 2020 to 2026, with jackknife intervals.

Three families of rules: of 2020, of 2021, and of 2022 and all later years.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from offkey.datasets.dcase_names import check_year
from offkey.errors import InputError
from offkey.evaluation.metrics import auc, confusion, jackknife_interval, partial_auc

__all__ = ["Estimate", "MeanScores", "OfficialScores", "ScoredClip", "SectionScores", "official_scores"]

EPSILON = float(np.finfo(np.float64).eps)
"""The least a figure counts in a harmonic mean, as in the official evaluators."""

NORMAL, ANOMALY = "normal", "anomalous"

Metric = Callable[[NDArray[np.int64], NDArray[np.float64]], float]
Measures = dict[str, tuple[NDArray[np.bool_], Metric]]
"""For each figure of a section the clips that it is of, and the function of their labels and scores."""


@final
@dataclass(frozen=True)
class ScoredClip:
    """A test clip of DCASE Task 2 with its score; ``label`` is 0 normal, 1 anomaly; None is what is not known."""

    machine: str
    section: str
    name: str
    score: float
    is_anomaly: bool | None = None
    domain: str | None = None
    label: int | None = None


@final
@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % jackknife interval; NaN where there are too few clips for one."""

    value: float
    low: float = math.nan
    high: float = math.nan


@final
@dataclass(frozen=True)
class SectionScores:
    """The figures of one section (machine id in 2020); in 2021 of one domain of it, else ``domain`` is None.

    Attributes
    ----------
    figures : dict of str to Estimate
        ``"AUC"`` and ``"pAUC"``; from 2022 on ``"AUC (source)"``, ``"AUC (target)"`` and ``"pAUC"``.
    decisions : dict of str to float
        ``"precision"``, ``"recall"``, ``"F1 score"``; from 2022 on of each domain, ``"precision (source)"``. Empty
        where clips were not decided.
    """

    machine: str
    section: str
    domain: str | None
    n_normal: int
    n_anomaly: int
    figures: dict[str, Estimate]
    decisions: dict[str, float] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class MeanScores:
    """The means of a machine type, or over all: of each figure of the sections, and the official score of them all."""

    name: str
    n_clips: int
    figures: dict[str, Estimate]
    score: Estimate


@final
@dataclass(frozen=True)
class OfficialScores:
    """The official scores; ``family`` is the year whose rules were used: 2020, 2021 or 2022 (and later)."""

    family: int
    sections: list[SectionScores]
    machines: list[MeanScores]
    overall: MeanScores


def official_scores(clips: Iterable[ScoredClip], year: int) -> OfficialScores:
    """Compute the official scores of a year.

    2020: AUC and pAUC of each machine id; the arithmetic mean over the ids of a type, then over types (Koizumi et al.
    2020); as one score their mean. 2021: AUC and pAUC of each section and domain, harmonic mean of all (Kawaguchi et
    al. 2021). From 2022 on: for each section the AUC of source normals against the anomalies of both domains, that of
    target normals against the same, and the pAUC of all clips, harmonic mean of all (Dohi et al. 2022). Intervals leave
    out one clip after the other (Mesaros et al. 2019, see `jackknife_interval`), of the figure itself; those that
    the official evaluators print are of the AUC of all machines' clips thrown together, and are smaller.

    Parameters
    ----------
    clips : iterable of ScoredClip
        With labels, and for years after 2020 domains.
    year : int
        2020 to 2026.

    Raises
    ------
    InputError
        If the year is unknown, there are no clips, or a section lacks labels, domains or one kind of clip.

    Examples
    --------
    >>> scores = [0.1, 0.6, 0.2, 0.5, 0.9, 0.7]
    >>> clips = [
    ...     ScoredClip("fan", "section_00", str(i), score, domain=domain, label=label)
    ...     for i, (score, domain, label) in enumerate(zip(scores, ["source", "target"] * 3, [0, 0, 0, 0, 1, 1]))
    ... ]
    >>> official_scores(clips, 2024).overall.score.value
    1.0
    """
    check_year(year)
    family = min(year, 2022)
    groups: dict[tuple[str, str, str | None], list[ScoredClip]] = defaultdict(list)
    for clip in clips:
        groups[clip.machine, clip.section, clip.domain if family == 2021 else None].append(clip)
    if not groups:
        raise InputError("No scored clip was given. Give scores of test clips.")
    keys = sorted(groups, key=lambda key: (key[0], key[1], key[2] or ""))
    sections, left_out = [], []
    for key in keys:
        section, without = _section(*key, groups[key], family)
        sections.append(section)
        left_out.append(without)
    machines = []
    for machine in dict.fromkeys(key[0] for key in keys):
        own = [i for i, section in enumerate(sections) if section.machine == machine]
        machines.append(_mean(machine, [sections[i] for i in own], [left_out[i] for i in own], family))
    return OfficialScores(family, sections, machines, _mean("all", sections, left_out, family))


def _section(
    machine: str, section: str, domain: str | None, clips: Sequence[ScoredClip], family: int
) -> tuple[SectionScores, NDArray[np.float64]]:
    """Return the figures of a section, and the same without each clip: shape (n_clips, n_figures)."""
    name = f"{machine} {section}" + (f" ({domain})" if domain else "")
    _check(name, clips, family)
    labels = np.array([clip.label for clip in clips], np.int64)
    scores = np.array([clip.score for clip in clips])
    domains = np.array([clip.domain or "" for clip in clips])
    measures = _measures(labels, domains, family)
    values = np.array([metric(labels[own], scores[own]) for own, metric in measures.values()])
    without = np.repeat(values[None], len(clips), axis=0)
    for column, (own, metric) in enumerate(measures.values()):
        without[own, column] = _leave_one_out(labels[own], scores[own], metric)
    figures = {
        figure: Estimate(float(values[i]), *jackknife_interval(float(values[i]), without[:, i]))
        for i, figure in enumerate(measures)
    }
    decisions = _decisions(clips, labels, domains, family)
    n_anomaly = int(labels.sum())
    return SectionScores(machine, section, domain, len(clips) - n_anomaly, n_anomaly, figures, decisions), without


def _check(name: str, clips: Sequence[ScoredClip], family: int) -> None:
    for what in ("label", "domain") if family > 2020 else ("label",):
        n_missing = sum(getattr(clip, what) is None for clip in clips)
        if n_missing:
            raise InputError(
                f"{name}: {n_missing} of {len(clips)} clips have no {what}. Give the ground truth of the evaluation "
                f"set, or clips whose names tell it."
            )
    there = {NORMAL if clip.label == 0 else ANOMALY for clip in clips}
    if len(there) == 1:
        raise InputError(f"{name}: has only {there.pop()} clips. An AUC needs normal and anomalous ones.")
    if family == 2022:
        normal = {clip.domain for clip in clips if clip.label == 0}
        for domain in ("source", "target"):
            if domain not in normal:
                raise InputError(
                    f"{name}: has no normal clips of the {domain} domain. AUC ({domain}) needs some; "
                    "give the whole test set."
                )


def _measures(labels: NDArray[np.int64], domains: NDArray[np.str_], family: int) -> Measures:
    everything = np.ones(len(labels), bool)
    if family < 2022:
        return {"AUC": (everything, auc), "pAUC": (everything, partial_auc)}
    return {
        "AUC (source)": ((domains == "source") | (labels == 1), auc),
        "AUC (target)": ((domains == "target") | (labels == 1), auc),
        "pAUC": (everything, partial_auc),
    }


def _leave_one_out(labels: NDArray[np.int64], scores: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    """Return a metric without each clip; NaN where one without it has no clip of its kind."""
    n_of = np.bincount(labels, minlength=2)
    keep = np.ones(len(labels), bool)
    values = np.full(len(labels), math.nan)
    for i, label in enumerate(labels):
        if n_of[label] > 1:
            keep[i] = False
            values[i] = metric(labels[keep], scores[keep])
            keep[i] = True
    return values


def _decisions(
    clips: Sequence[ScoredClip], labels: NDArray[np.int64], domains: NDArray[np.str_], family: int
) -> dict[str, float]:
    if any(clip.is_anomaly is None for clip in clips):
        return {}
    alarms = np.array([bool(clip.is_anomaly) for clip in clips])
    groups = (
        {f" ({domain})": domains == domain for domain in ("source", "target")}
        if family == 2022
        else {"": np.ones(len(clips), bool)}
    )
    counts = {suffix: confusion(labels[own], alarms[own]) for suffix, own in groups.items()}
    rates = {"precision": "precision", "recall": "recall", "F1 score": "f1"}
    return {
        name + suffix: _zero_if_none(getattr(count, rate))
        for name, rate in rates.items()
        for suffix, count in counts.items()
    }


def _zero_if_none(rate: float) -> float:
    """Return a rate as the official evaluators do: 0 where it has no cases."""
    return 0.0 if math.isnan(rate) else rate


def _mean(
    name: str, sections: Sequence[SectionScores], left_out: Sequence[NDArray[np.float64]], family: int
) -> MeanScores:
    """Return the means over sections; each clip that is left out changes its own section alone."""
    values = np.array([[figure.value for figure in section.figures.values()] for section in sections])
    weights = _weights(sections, family)
    full = _combined(values, weights, family)
    parts = []
    for i, without in enumerate(left_out):
        changed = np.repeat(values[None], len(without), axis=0)
        changed[:, i] = without
        parts.append(_combined(changed, weights, family))
    everything = np.concatenate(parts)
    estimates = [
        Estimate(float(value), *jackknife_interval(float(value), everything[:, i])) for i, value in enumerate(full)
    ]
    *of_figures, score = estimates
    return MeanScores(name, len(everything), dict(zip(sections[0].figures, of_figures, strict=True)), score)


def _weights(sections: Sequence[SectionScores], family: int) -> NDArray[np.float64]:
    """Return the weight of each section: in 2020 machine types weigh the same, later sections do."""
    machines = [section.machine for section in sections]
    n_of = [machines.count(machine) if family == 2020 else 1 for machine in machines]
    weights = 1 / np.array(n_of, np.float64)
    return np.asarray(weights / weights.sum())


def _combined(values: NDArray[np.float64], weights: NDArray[np.float64], family: int) -> NDArray[np.float64]:
    """Return means of figures (..., n_sections, n_figures): one for each figure, and last the score of all."""
    if family == 2020:
        means = np.einsum("...sf,s->...f", values, weights)
        return np.concatenate([means, means.mean(axis=-1, keepdims=True)], axis=-1)
    inverse = np.einsum("...sf,s->...f", 1 / np.maximum(values, EPSILON), weights)
    return 1 / np.concatenate([inverse, inverse.mean(axis=-1, keepdims=True)], axis=-1)

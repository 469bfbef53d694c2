"""From scores of normal sound to the boundaries of clips, windows and events: for all, and for each group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.decisions import (
    BudgetFit,
    Calibration,
    Conformal,
    EventFinder,
    EventRules,
    Fixed,
    LabelledThreshold,
    Threshold,
    Timeline,
    check_budget,
    parse_budget,
    segments,
)
from offkey.errors import InputError
from offkey.features import Feature
from offkey.pipeline.sources import POOLED
from offkey.windows import WindowGrid, parse_pooling

__all__ = ["Boundaries", "Evidence", "Policy", "make_boundaries", "timeline_of"]

FEWEST_OF_GROUP = 10
N_TRIAL = 100
"""Scores that a threshold is tried on before anything is read: wrong parameters show at once."""
SHORT_S = 30.0
"""Recordings must be longer to show how events follow each other."""


@final
@dataclass(frozen=True)
class Evidence:
    """Scores of the windows of a normal recording, by a detector that was not trained on it.

    Attributes
    ----------
    source : str
        The recording, or a block of one.
    scores : array, shape (n_windows,)
        In order of time.
    group : str
        As `group_key` names it.
    digest : str
        Beginning of the SHA-256 of its samples.
    origin : str
        ``"fit"``; ``"added"`` by a later calibration; ``"marked"``: a false alarm that was marked as normal.
    """

    source: str
    scores: NDArray[np.float64]
    group: str = POOLED
    digest: str = ""
    origin: str = "fit"


@final
@dataclass(frozen=True)
class Policy:
    """How scores of normal sound become boundaries: a pipeline's parameters; ``kept`` is a fitted threshold of clips.

    Raises
    ------
    InputError
        If a parameter makes no sense, or normal sound alone cannot set the threshold.
    """

    threshold: Threshold
    pooling: str
    budget: str | None
    rules: EventRules
    seed: int
    kept: Threshold | None = None

    @classmethod
    def of(cls, params: Mapping[str, Any], drawn: Boundaries | None = None) -> Policy:
        """Return the policy of a pipeline's parameters.

        A threshold that was chosen for clips stays, where boundaries are ``drawn`` already; windows keep their rule.
        """
        threshold, pooling, kept = params["threshold"] or Conformal(), params["pooling"], None
        rules, seed = params["events"] or EventRules(), params["seed"]
        if params["budget"] is not None:
            pooling = "max"
        elif drawn is not None and drawn.is_chosen:
            pooling, kept, threshold = drawn.pooling, drawn.clips.threshold, drawn.windows.threshold.unfitted()
        return cls(threshold, pooling, params["budget"], rules, seed, kept)

    def __repr__(self) -> str:
        return self.budget or repr(self.kept or self.threshold)

    def __post_init__(self) -> None:
        if not (isinstance(self.threshold, Threshold) and isinstance(self.rules, EventRules)):
            raise InputError(
                f"The threshold {self.threshold!r} and the event rules {self.rules!r} were given. "
                "Give objects, such as Conformal(0.01) and EventRules()."
            )
        parse_pooling(self.pooling)
        if self.budget is not None:
            parse_budget(self.budget)
        elif isinstance(self.threshold, LabelledThreshold):
            raise InputError(
                f"{self.threshold!r} is chosen on labelled recordings, and normal sound alone cannot set it. Give a "
                "false-alarm rate or budget, and choose it afterwards (offkey threshold, evaluation.choose_threshold)."
            )
        else:
            self.threshold.unfitted().fit(np.linspace(1, 2, N_TRIAL))

    def check(self, n_windows: Sequence[int], timeline: Timeline) -> None:
        """Refuse what recordings of so many windows each cannot support.

        Raises
        ------
        InputError
            As `check_budget`.
        """
        if self.budget is not None:
            check_budget(parse_budget(self.budget), n_windows, timeline, self.rules)

    @property
    def n_wanted(self) -> float:
        """Calibration recordings that are wanted: as many as a rate needs; all for a budget, as events are rare."""
        if self.budget is not None:
            return math.inf
        return math.ceil(1 / self.threshold.rate - 1e-9) - 1 if isinstance(self.threshold, Conformal) else 0


@final
@dataclass(frozen=True)
class Boundaries:
    """What decides about the recordings of one group.

    Attributes
    ----------
    clips, windows : Calibration
        Of clips of the calibrated length, and of single windows.
    peaks : array, shape (n_recordings,)
        Highest window scores of such clips, ascending: they give events their p-value.
    pooling : str
        How window scores become a clip's: ``"max"`` under a budget.
    rules : EventRules
        How windows become events.
    median : float
        Of all window scores of normal sound: hysteresis goes by it.
    budget : BudgetFit, optional
        If events in a time were asked for: then a recording is anomalous that holds an event.
    is_chosen : bool
        Whether the threshold of clips was set by hand or by labels, and stays when other boundaries are redrawn.
    """

    clips: Calibration
    windows: Calibration
    peaks: NDArray[np.float64]
    pooling: str
    rules: EventRules
    median: float
    budget: BudgetFit | None = None
    is_chosen: bool = False

    def finder(self, rate: float) -> EventFinder:
        """Return what finds events in windows of a signal of ``rate`` hertz."""
        on = float(self.windows.threshold.fitted_state["threshold_"])
        return EventFinder(on, self.rules.off(on, self.median), rate, self.rules, self.peaks)

    def decided_by(self, threshold: Threshold) -> Boundaries:
        """Return boundaries with another threshold of clips; a budget ends.

        Under a budget clips are decided by their strangest window, so windows then have the same boundary.
        """
        clips, windows = replace(self.clips, threshold=threshold), self.windows
        if self.budget is not None:
            windows = Calibration.on(windows.reference, Fixed(threshold.fitted_state["threshold_"]), 1)
        return replace(self, clips=clips, windows=windows, budget=None, is_chosen=True)


def timeline_of(feature: Feature, grid: WindowGrid, by_angle: bool) -> Timeline:
    """Return where the windows of a fitted front end lie, in samples; ``by_angle`` of a shaft, or in time."""
    window, hop = feature.n_samples(grid.n_frames), grid.hop * feature.hop_samples
    return Timeline(window, hop, feature.fitted_state["rate_"], by_angle)


def make_boundaries(
    evidence: Sequence[Evidence], policy: Policy, timeline: Timeline, unit_windows: int | None = None
) -> tuple[dict[str, Boundaries], list[str]]:
    """Return the boundaries of all together (`POOLED`), those of each group with enough recordings, and notes.

    Parameters
    ----------
    evidence : sequence of Evidence
        Of normal recordings.
    policy : Policy
        What to make of them.
    timeline : Timeline
        Of the windows.
    unit_windows : int, optional
        Windows of a clip; the usual number in the evidence (lower median) if not given.

    Raises
    ------
    InputError
        If the evidence does not suffice for what is asked.
    """
    unit = unit_windows or median_low(len(each.scores) for each in evidence)
    made = {POOLED: _boundaries_of(evidence, policy, timeline, unit)}
    notes = _notes(made[POOLED], timeline.seconds(max(len(each.scores) for each in evidence)))
    if policy.kept is not None:
        return {POOLED: made[POOLED].decided_by(policy.kept)}, notes
    needed = FEWEST_OF_GROUP if policy.budget is not None else max(FEWEST_OF_GROUP, policy.n_wanted)
    small: list[str] = []
    for group in sorted({each.group for each in evidence} - {POOLED}):
        own = [each for each in evidence if each.group == group]
        if len(own) < needed:
            small.append(f"{group} ({len(own)})")
            continue
        try:
            made[group] = _boundaries_of(own, policy, timeline, unit)
        except InputError as error:
            notes.append(f"{group} has no boundaries of its own, those of all together are used: {error}")
    if small:
        shown = ", ".join(small[:5]) + (f" and {len(small) - 5} more" if len(small) > 5 else "")
        notes.append(
            f"Too few calibration recordings for boundaries of their own have {shown}; {needed} are needed. "
            "Those of all together are used."
        )
    return made, notes


def _boundaries_of(evidence: Sequence[Evidence], policy: Policy, timeline: Timeline, unit: int) -> Boundaries:
    """Return the boundaries that some evidence gives.

    Each recording gives one clip and one window, drawn at random where it has several: so the scores are exchangeable
    with that of a new recording, and the promise holds exactly (Dunn, Wasserman and Ramdas 2022, "Distribution-free
    prediction sets for two-layer hierarchical models", arXiv 1809.07441, subsampling once). A recording that was marked
    as normal gives its strangest clip and window: those that alarmed.
    """
    rng = np.random.default_rng(policy.seed)
    pool = parse_pooling(policy.pooling)
    clips = []
    for each in evidence:
        parts = [each.scores[one] for one in segments(len(each.scores), unit)]
        drawn = parts[rng.integers(len(parts))]
        clips.append(max(parts, key=pool) if each.origin == "marked" else drawn)
    windows = []
    for each in evidence:
        drawn_score = float(rng.choice(each.scores))
        windows.append(float(each.scores.max()) if each.origin == "marked" else drawn_score)
    pooled, peaks = np.array([pool(clip) for clip in clips]), np.sort([clip.max() for clip in clips])
    median = float(np.median(np.concatenate([each.scores for each in evidence])))
    threshold, budget = policy.threshold, None
    if policy.budget is not None:
        from offkey.decisions.budget_fit import fit_budget  # dear to import; scoring does without

        scores = [each.scores for each in evidence]
        budget = fit_budget(scores, parse_budget(policy.budget), timeline, policy.rules, policy.seed)
        threshold = Fixed(budget.threshold)
    return Boundaries(
        Calibration.on(pooled, threshold, unit),
        Calibration.on(np.array(windows), threshold, 1),
        peaks,
        policy.pooling,
        policy.rules,
        median,
        budget,
    )


def _notes(boundaries: Boundaries, longest_s: float) -> list[str]:
    """Say what the evidence supports, where that is not what was asked for."""
    if boundaries.budget is not None:
        notes = [boundaries.budget.sentence]
        if longest_s < SHORT_S:
            notes.append(
                f"The longest calibration recording lasts {longest_s:.3g} s: how events go on for longer, "
                "or follow each other, is not known. Longer recordings tell."
            )
        return notes
    calibration = boundaries.clips
    asked = calibration.threshold.get_params().get("rate")
    supported = calibration.threshold.fitted_state["supported_rate_"]
    if asked is None or not supported > asked * (1 + 1e-9):
        return []
    return [
        f"A false-alarm rate of {asked:.3g} was asked for; {calibration.n_recordings} calibration recordings "
        f"support {supported:.3g}. The alarm needs a score above all of theirs; "
        f"{math.ceil(1 / asked - 1e-9) - 1} recordings would do."
    ]

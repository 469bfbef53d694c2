"""What a report says first: how many recordings, how sure, and what changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from offkey.explain import Peculiarity
from offkey.explain.describing import LOWEST_HZ, frequency_range
from offkey.pipeline import POOLED, Decision, Pipeline, discoveries

__all__ = ["Change", "changes", "count", "how_sure", "in_order"]

FALSE_DISCOVERIES = 0.1
ALIKE = 0.3
"""Changes are of one kind if their bands share so much of what both cover, on a logarithmic scale."""


@final
@dataclass(frozen=True)
class Change:
    """What several recordings have in common, and which: numbers of explained recordings, from 0."""

    sentence: str
    numbers: tuple[int, ...]


def in_order(decisions: Sequence[Decision]) -> list[int]:
    """Return the numbers of decisions, strangest first: anomalies, then by p-value and score."""
    return sorted(
        range(len(decisions)),
        key=lambda i: (not decisions[i].is_anomaly, decisions[i].batch_p_value, -decisions[i].score),
    )


def count(n: int, what: str, plural: str = "") -> str:
    """Write a number of things.

    Examples
    --------
    >>> count(1, "recording"), count(0, "anomaly", "anomalies")
    ('1 recording', '0 anomalies')
    """
    return f"{n:,} {what if n == 1 else plural or what + 's'}"


def how_sure(pipeline: Pipeline, decisions: Sequence[Decision]) -> list[str]:
    """Say what the number of anomalies is worth: false alarms to expect, and how many survive a stricter look."""
    n_anomalies = sum(decision.is_anomaly for decision in decisions)
    boundaries = [pipeline.boundaries_[decision.group] for decision in decisions]
    budgets = sorted({str(each.budget.budget) for each in boundaries if each.budget is not None})
    said = []
    if budgets:
        said.append(f"The boundary allows {' and '.join(budgets)} false alarms.")
    else:
        rates = [each.clips.threshold.fitted_state["supported_rate_"] for each in boundaries]
        units = [len(decision.segments) for decision in decisions]
        if all(map(math.isfinite, rates)):
            expected = sum(1 - (1 - rate) ** n for rate, n in zip(rates, units, strict=True))
            said.append(
                f"Were all of them normal, the boundary would call about {expected:.2g} of {len(decisions):,} "
                f"anomalies (false-alarm rate {max(rates):.2g})."
            )
    if n_anomalies:
        n_sure = len(discoveries(decisions, FALSE_DISCOVERIES))
        said.append(
            f"If at most {100 * FALSE_DISCOVERIES:g} % of what is reported may be false alarms, {n_sure or 'none'} of "
            f"the {count(len(decisions), 'recording')} can be reported (Benjamini and Hochberg)."
        )
    finest = 1 / (pipeline.boundaries_[POOLED].clips.n_recordings + 1)
    said.append(
        f"{count(round(1 / finest) - 1, 'calibration recording')} can give no p-value below {finest:.2g}; more make "
        "all of this finer."
    )
    return said


def changes(told: Sequence[tuple[Decision, Sequence[Peculiarity]]], top_hz: float) -> list[Change]:
    """Group what anomalies have that normal recordings do not, the most frequent first.

    Parameters
    ----------
    told : sequence of (Decision, sequence of Peculiarity)
        What is told of each explained recording.
    top_hz : float
        Half the rate, in hertz.
    """
    groups: list[list[tuple[int, Peculiarity]]] = []
    anomalies = [i for i, (decision, _) in enumerate(told) if decision.is_anomaly]
    for number in anomalies:
        for each in told[number][1]:
            if each.strength <= 1:
                continue
            group = next((own for own in groups if _alike(own[0][1], each)), None)
            if group is None:
                groups.append([(number, each)])
            else:
                group.append((number, each))
    said = [_change(group, len(anomalies), top_hz) for group in groups]
    return sorted(said, key=lambda change: -len(change.numbers))


def _change(group: Sequence[tuple[int, Peculiarity]], n_anomalies: int, top_hz: float) -> Change:
    numbers = tuple(dict.fromkeys(number for number, _ in group))
    sizes = sorted(abs(each.change_db) for _, each in group)
    low, high = min(each.low_hz for _, each in group), max(each.high_hz for _, each in group)
    first = group[0][1]
    kind = "softer" if first.change_db < 0 else "louder"
    size = f"{sizes[0]:.0f} dB" if round(sizes[0]) == round(sizes[-1]) else f"{sizes[0]:.0f} to {sizes[-1]:.0f} dB"
    kinds = sorted({each.kind for _, each in group} - {"softer"})
    what = f" ({', '.join(kinds)})" if kinds else ""
    where = frequency_range(low, high, top_hz)
    return Change(f"{len(numbers)} of {n_anomalies}: {size} {kind} {where}{what}", numbers)


def _alike(one: Peculiarity, other: Peculiarity) -> bool:
    if one.channel != other.channel or (one.change_db > 0) != (other.change_db > 0):
        return False
    shared = _octaves(max(one.low_hz, other.low_hz), min(one.high_hz, other.high_hz))
    both = _octaves(min(one.low_hz, other.low_hz), max(one.high_hz, other.high_hz))
    return shared >= ALIKE * both


def _octaves(low_hz: float, high_hz: float) -> float:
    return math.log2(max(high_hz, LOWEST_HZ) / max(low_hz, LOWEST_HZ))

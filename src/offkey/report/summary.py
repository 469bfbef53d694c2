"""What a report says first: how many recordings, how sure, and what changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from offkey.explain import Explanation, OddValue, Peculiarity, Wording
from offkey.pipeline import POOLED, Decision, Pipeline, discoveries

__all__ = ["Change", "Told", "changes", "count", "how_sure", "in_order"]

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


@final
@dataclass(frozen=True)
class Told:
    """What was said of an explained recording.

    ``found`` is the most significant first; ``channels`` are names of the front end's channels, where there are
    several; ``wording`` is None where an explanation failed.
    """

    decision: Decision
    found: tuple[Peculiarity | OddValue, ...] = ()
    channels: tuple[str, ...] = ()
    wording: Wording | None = None

    @classmethod
    def of(cls, explanation: Explanation) -> Told:
        """Keep of an explanation what is needed, without its arrays."""
        heard = explanation.signal_channels if explanation.clip.n_channels > 1 else ()
        names = tuple(explanation.channel_name(channel) for channel in range(len(heard)))
        return cls(explanation.decision, explanation.told, names, explanation.wording)


def changes(told: Sequence[Told]) -> list[Change]:
    """Group what anomalies have that normal recordings do not, the most frequent first."""
    groups: list[list[tuple[int, Peculiarity | OddValue]]] = []
    anomalies = [i for i, each in enumerate(told) if each.decision.is_anomaly]
    for number in anomalies:
        for each in told[number].found:
            if each.strength <= 1:
                continue
            group = next((own for own in groups if _alike(own[0][1], each)), None)
            if group is None:
                groups.append([(number, each)])
            else:
                group.append((number, each))
    said = [_change(group, len(anomalies), told[group[0][0]]) for group in groups]
    return sorted(said, key=lambda change: -len(change.numbers))


def _change(group: Sequence[tuple[int, Peculiarity | OddValue]], n_anomalies: int, first: Told) -> Change:
    numbers = tuple(dict.fromkeys(number for number, _ in group))
    spectral = [each for _, each in group if isinstance(each, Peculiarity)]
    values = [each for _, each in group if isinstance(each, OddValue)]
    what = _spectral_change(spectral, first.wording) if first.wording and spectral else _change_of_values(values)
    where = f"{first.channels[group[0][1].channel]}: " if first.channels else ""
    return Change(f"{len(numbers)} of {n_anomalies}: {where}{what}", numbers)


def _spectral_change(group: Sequence[Peculiarity], wording: Wording) -> str:
    sizes = sorted(abs(each.change_db) for each in group)
    low, high = min(each.low_hz for each in group), max(each.high_hz for each in group)
    words = ("softer", "louder") if wording.is_sound else ("lower", "higher")
    size = f"{sizes[0]:.0f} dB" if round(sizes[0]) == round(sizes[-1]) else f"{sizes[0]:.0f} to {sizes[-1]:.0f} dB"
    lines = sorted({f"{each.line}" for each in group if each.line})
    kinds = sorted({each.kind for each in group} - {"softer"}) if wording.is_sound else []
    what = f" ({', '.join([*kinds, *lines])})" if kinds or lines else ""
    where = wording.range(low, high)
    where = f"at {where}" if where[0].isdigit() or where.startswith("orders") else where
    return f"{size} {words[group[0].change_db > 0]} {where}{what}"


def _change_of_values(group: Sequence[OddValue]) -> str:
    ends = sorted(each.value for each in group)
    word = "above" if group[0].value > group[0].high else "below"
    values = f"{ends[0]:.3g}" if len(ends) == 1 else f"{ends[0]:.3g} to {ends[-1]:.3g}"
    return f"{group[0].name} {word} normal, {values} {group[0].unit}".rstrip()


def _alike(one: Peculiarity | OddValue, other: Peculiarity | OddValue) -> bool:
    if one.channel != other.channel or type(one) is not type(other):
        return False
    if isinstance(one, OddValue) and isinstance(other, OddValue):
        return one.name == other.name and (one.value > one.high) == (other.value > other.high)
    if isinstance(one, OddValue) or isinstance(other, OddValue) or (one.change_db > 0) != (other.change_db > 0):
        return False
    shared = _octaves(max(one.low_hz, other.low_hz), min(one.high_hz, other.high_hz))
    both = _octaves(min(one.low_hz, other.low_hz), max(one.high_hz, other.high_hz))
    return shared >= ALIKE * both


def _octaves(low_hz: float, high_hz: float) -> float:
    """Return how many octaves lie between two frequencies; one that begins at 0 is taken as two octaves wide."""
    lowest = max(high_hz, 1e-9) / 4
    return math.log2(max(high_hz, 1e-9) / max(low_hz, lowest)) if high_hz > low_hz else 0.0

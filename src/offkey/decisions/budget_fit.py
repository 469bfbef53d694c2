"""The threshold for a false-alarm budget: events are counted where there is data, and extrapolated beyond."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from offkey.decisions.budget import Budget, BudgetFit, Timeline, check_budget, plain
from offkey.decisions.declustering import Peaks, declustered_peaks
from offkey.decisions.event_rate import EventRate, level_of
from offkey.decisions.events import EventFinder, EventRules
from offkey.decisions.pareto import misfit
from offkey.errors import InputError

__all__ = ["count_events", "fit_budget"]

FEWEST_PEAKS = 10
"""Independent peaks that a tail is fitted to, at least."""
ENOUGH_PEAKS = 40
ENOUGH_EVENTS = 10
"""Events that must be expected in the normal sound for the threshold to be found by counting, without a tail."""
BASES = 1 - np.geomspace(0.0005, 0.5, 31)
"""Quantiles of the window scores that the tail may begin at."""
LARGEST_MISFIT = 1.0
"""Kolmogorov's distance times the root of n: about its 1 % point, as scale and shape are fitted."""
FEWEST_BLOCKS = 10
"""Recordings to draw from again; where there are fewer they are cut."""
N_BLOCKS = 20
N_BOOTSTRAPS = 1000
N_LEVELS = 12
N_STEPS = 60


class _Heard(NamedTuple):
    """A window, as far as counting events needs it."""

    start_sample: int
    stop_sample: int
    score: float
    p_value: float = math.nan


def fit_budget(
    recordings: Sequence[NDArray[np.float64]], budget: Budget, timeline: Timeline, rules: EventRules, seed: int = 0
) -> BudgetFit:
    """Return the threshold at which normal sound is expected to give so many events.

    Where the normal sound is long enough for ten such events, they are counted, whatever the scores' distribution.
    Rarer ones need a tail: peaks over a high base, one of each cluster (declustered with the run length of Ferro and
    Segers 2003, doi 10.1111/1467-9868.00401), get generalised Pareto tails; the number of events that the rules make of
    a cluster is counted as far as there is data, and taken as the same beyond. The threshold is where the expected
    rate, averaged over all tails by how well they fit, is the budget (as in `ParetoTail`). The interval draws
    recordings again (bootstrap), and with each draw a tail of those that fit it: it knows of both kinds of doubt.

    It assumes that the time to come is like the recordings: what they do not hold (a night, a season, a neighbour's
    press) is in no figure.

    Parameters
    ----------
    recordings : sequence of array, shape (n_windows,)
        Window scores of normal recordings, in order of time, that the detector was not trained on.
    budget : Budget
        Events in a time.
    timeline : Timeline
        Of the windows.
    rules : EventRules
        How windows become events.
    seed : int
        Of the bootstrap.

    Raises
    ------
    InputError
        As `check_budget`, or if scores are not finite, all equal, or too few stand out.
    """
    lengths = [len(each) for each in recordings]
    check_budget(budget, lengths, timeline, rules)
    everything = np.concatenate(recordings)
    if not np.isfinite(everything).all():
        raise InputError("Scores that are not finite were given. Leave those recordings out.")
    if np.ptp(everything) == 0:
        raise InputError(
            f"All {len(everything)} window scores of normal sound are equal: nothing tells how often they are high. "
            "Check the recordings, or use another detector."
        )
    hours, recorded = timeline.hours(len(everything)), sum(map(timeline.seconds, lengths)) / 3600
    sound = _NormalSound(_blocks(recordings), float(np.median(everything)), timeline, rules)
    rng = np.random.default_rng(seed)
    if budget.per_hour * hours >= ENOUGH_EVENTS:
        threshold = _count_down(sound, everything, budget)
        low, high = _counted_interval(sound, threshold, rng)
        return BudgetFit(str(budget), threshold, low, high, recorded, hours, 0)
    tails = _choose_tails(sound, everything, budget)
    threshold = level_of(tails, budget.per_hour)
    rates = np.concatenate([tail.draw_rates(threshold, rng, N_BOOTSTRAPS) for tail in tails])
    low, high = np.quantile(rates, [0.05, 0.95]).tolist()
    return BudgetFit(str(budget), threshold, low, high, recorded, hours, tails[0].n_peaks)


@final
@dataclass(frozen=True)
class _NormalSound:
    """Window scores in blocks that can be drawn again, and what makes events of them."""

    blocks: list[NDArray[np.float64]]
    median: float
    timeline: Timeline
    rules: EventRules

    @property
    def hours(self) -> NDArray[np.float64]:
        """Of each block (n_blocks,)."""
        return np.array([self.timeline.hours(len(block)) for block in self.blocks])

    def count(self, on: float) -> NDArray[np.int64]:
        """Return the events above a boundary in each block (n_blocks,)."""
        return np.array([count_events(block, on, self.median, self.timeline, self.rules) for block in self.blocks])


def _count_down(sound: _NormalSound, everything: NDArray[np.float64], budget: Budget) -> float:
    """Return the lowest level, coming from above, that events stay below the budget at.

    One event less than expected is allowed: then the rate is the budget on average, as for a conformal threshold.
    """
    allowed = math.floor(budget.per_hour * sound.hours.sum() + 1e-9) - 1
    high, most = float(everything.max()), 0
    for part in np.geomspace(1 / len(everything), 1, N_STEPS):
        low = float(np.quantile(everything, 1 - part))
        n_events = int(sound.count(low).sum())
        most = max(most, n_events)
        if n_events > allowed:
            break
        high = low
    else:
        raise _too_many(budget, most / sound.hours.sum())
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if sound.count(middle).sum() > allowed else (low, middle)
    return high


def _counted_interval(sound: _NormalSound, level: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the 90 % interval of the events per hour above a level.

    Limits of a Poisson count (Garwood 1936), for as many events as vary as much: blocks drawn again tell how much more
    than independent events they vary; less is not believed.
    """
    from scipy.special import gammaincinv

    hours, counts, n_blocks = sound.hours, sound.count(level), len(sound.blocks)
    total, n_events = hours.sum(), max(1, int(counts.sum()))
    draws = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), N_BOOTSTRAPS)
    variance = np.var(draws @ counts / (draws @ hours)) * n_blocks / (n_blocks - 1)
    dispersion = max(1.0, float(variance * total**2 / n_events))
    low = gammaincinv(n_events / dispersion, 0.05) * dispersion / total
    high = gammaincinv((n_events + 1) / dispersion, 0.95) * dispersion / total
    return float(low), float(high)


def _too_many(budget: Budget, most_per_hour: float) -> InputError:
    return InputError(
        f"{budget} false alarms were asked for; by these event rules normal sound gives {plain(most_per_hour)} an hour "
        "at most. Ask for fewer."
    )


def _choose_tails(sound: _NormalSound, everything: NDArray[np.float64], budget: Budget) -> list[EventRate]:
    """Return the tail with the highest base that leaves enough peaks, and more events than the budget.

    Where these peaks do not follow one tail (a recording that comes again and again makes a plateau), fewer over a
    higher base tell more of the rates that were heard. How the tail goes on beyond is then open: both are returned.
    """
    hours, most = sound.hours.sum(), 0.0
    candidates: list[tuple[float, float, Peaks]] = []
    for base in np.unique(np.quantile(everything, BASES))[::-1].tolist():
        peaks = declustered_peaks(sound.blocks, base)
        if len(peaks.scores) < FEWEST_PEAKS:
            continue
        per_hour = float(sound.count(base).sum() / hours)
        most = max(most, per_hour)
        if per_hour < 1.2 * budget.per_hour:
            continue
        candidates.append((misfit(peaks.scores - base), base, peaks))
        if len(peaks.scores) >= ENOUGH_PEAKS:
            break
    if candidates:
        fitting = [candidate for candidate in candidates if candidate[0] <= LARGEST_MISFIT]
        best = fitting[-1] if fitting else min(candidates, key=lambda candidate: candidate[0])
        is_open = best is not candidates[-1] and budget.per_hour * hours < 1
        return [_tail(sound, base, peaks) for _, base, peaks in ([best, candidates[-1]] if is_open else [best])]
    if most:
        raise _too_many(budget, most)
    raise InputError(
        f"Too few peaks stand out of the {len(everything)} window scores of normal sound for a tail; "
        f"{FEWEST_PEAKS} independent ones are needed. Give more recordings, or a rate of clips such as 1%."
    )


def _tail(sound: _NormalSound, base: float, peaks: Peaks) -> EventRate:
    """Return the tail of peaks over a base, with the events that the rules make of them as far as there is data."""
    highest = np.sort(peaks.scores)[-FEWEST_PEAKS]
    levels = np.quantile(peaks.scores, np.linspace(0, 1, N_LEVELS, endpoint=False))
    levels = np.unique([base, *levels[levels < highest]])
    events = np.stack([sound.count(level) for level in levels.tolist()], axis=1)
    return EventRate.fit(peaks.scores, peaks.blocks, base, sound.hours, levels, events)


def count_events(scores: NDArray[np.float64], on: float, median: float, timeline: Timeline, rules: EventRules) -> int:
    """Return how many events the rules make of a recording's window scores (n_windows,), as live."""
    off = rules.off(on, median)
    finder = EventFinder(on, off, timeline.rate, rules)
    is_loud = scores > off
    is_heard = is_loud | np.append(False, is_loud[:-1])  # other windows change nothing
    n_events = 0
    for i in np.flatnonzero(is_heard):
        start = int(i) * timeline.hop
        n_events += len(finder.push(_Heard(start, start + timeline.window, float(scores[i]))))
    return n_events + len(finder.flush())


def _blocks(recordings: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Return what is drawn again: recordings, or contiguous pieces of them where they are few."""
    if len(recordings) >= FEWEST_BLOCKS:
        return list(recordings)
    n_pieces = math.ceil(N_BLOCKS / max(1, len(recordings)))
    return [piece for each in recordings for piece in np.array_split(each, n_pieces) if len(piece)]

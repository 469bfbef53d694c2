"""False-alarm budgets: at most so many events in so much time, for live use and long recordings."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from offkey.decisions.events import EventRules
from offkey.errors import InputError

__all__ = ["Budget", "BudgetFit", "Timeline", "check_budget", "duration", "parse_budget", "plain"]

HOUR = (3600.0, "an hour")
DAY = (86_400.0, "a day")
WEEK = (604_800.0, "a week")
PERIODS = {
    "s": (1.0, "a second"), "second": (1.0, "a second"), "min": (60.0, "a minute"), "minute": (60.0, "a minute"),
    "h": HOUR, "hour": HOUR, "d": DAY, "day": DAY, "w": WEEK, "week": WEEK,
    "month": (2_629_800.0, "a month"), "year": (31_557_600.0, "a year"),
}  # fmt: skip
"""Seconds, and in words."""
FEWEST_EVENTS = 1e-6
MOST_EXTRAPOLATION = 100
"""How many times rarer than once in the calibration recordings a budget may be."""


@final
@dataclass(frozen=True)
class Budget:
    """A number of false alarms (events) in a time.

    Parameters
    ----------
    n_events : float
        Above zero.
    period : str
        One of the keys of `PERIODS`, such as ``"week"``.
    """

    n_events: float
    period: str

    @property
    def per_hour(self) -> float:
        """Events in an hour."""
        return self.n_events * 3600 / PERIODS[self.period][0]

    def __str__(self) -> str:
        return f"{self.n_events:g}/{self.period}"


def parse_budget(text: str) -> Budget:
    """Read a budget.

    Parameters
    ----------
    text : str
        Such as ``"1/week"``, ``"2/day"``, ``"10/h"``.

    Raises
    ------
    InputError
        If it is none, or zero.

    Examples
    --------
    >>> parse_budget("2/day").per_hour
    0.08333333333333333
    """
    if not isinstance(text, str):
        raise InputError(f"The false-alarm budget {text!r} was given. Write a number and a time, such as '1/week'.")
    number, slash, period = (part.strip() for part in text.partition("/"))
    try:
        n_events = float(number)
    except ValueError:
        n_events = math.nan
    if not slash or not 0 <= n_events < math.inf:
        raise InputError(f"The false-alarm budget {text!r} was given. Write a number and a time, such as 1/week.")
    if n_events < FEWEST_EVENTS:
        raise InputError(f"The false-alarm budget {text!r} was given. None at all cannot be promised; try 1/year.")
    singular = period if period in PERIODS else re.sub("s$", "", period)
    if singular not in PERIODS:
        raise InputError(f"The false-alarm budget {text!r} was given. Its time must be one of {', '.join(PERIODS)}.")
    return Budget(n_events, singular)


@final
@dataclass(frozen=True)
class Timeline:
    """Where the windows of a recording lie: each ``window`` samples long, every ``hop`` samples, ``rate`` a second.

    With ``by_angle`` samples are so many a revolution of a shaft, which tells no time.
    """

    window: int
    hop: int
    rate: float
    by_angle: bool = False

    def hours(self, n_windows: int) -> float:
        """Return the hours that ``n_windows`` windows stand for, each for a hop."""
        return n_windows * self.hop / self.rate / 3600

    def seconds(self, n_windows: int) -> float:
        """Return the seconds that ``n_windows`` windows cover; up to a hop more, as the last may lie off the grid."""
        return max(n_windows * self.hop, self.window) / self.rate

    @property
    def most_per_hour(self) -> float:
        """Windows that start in an hour: no rate of events is higher."""
        return 3600 * self.rate / self.hop


@final
@dataclass(frozen=True)
class BudgetFit:
    """A threshold for a budget, and how well it is known.

    Attributes
    ----------
    budget : str
        As it was asked for.
    threshold : float
        Window scores above it open an event; so that the expected rate of events of normal sound is the budget.
    low_per_hour, high_per_hour : float
        90 % interval of the rate of events at this threshold.
    hours : float
        Of normal sound it rests on.
    counted_hours : float
        What these count for: each window for a hop, as live, so that a clip of one window is one hop long.
    n_peaks : int
        Independent peaks that the tail was fitted to; 0 if events were counted.
    """

    budget: str
    threshold: float
    low_per_hour: float
    high_per_hour: float
    hours: float
    counted_hours: float
    n_peaks: int

    @property
    def extrapolation(self) -> float:
        """How many times longer than the normal sound the time is in which one event is expected."""
        return 1 / (parse_budget(self.budget).per_hour * self.counted_hours)

    @property
    def sentence(self) -> str:
        """All of it, in plain words."""
        budget = parse_budget(self.budget)
        each = PERIODS[budget.period][1]
        scale = budget.per_hour / budget.n_events  # of one event a period, in events an hour
        low, high = self.low_per_hour / scale, self.high_per_hour / scale
        alarms = "One false alarm" if budget.n_events == 1 else f"{budget.n_events:g} false alarms"
        needs = f"{alarms} {each} need{'s' * (budget.n_events == 1)} a threshold of {self.threshold:.4g}."
        heard = f"{duration(self.hours)} of normal sound"
        if self.hours > 1.1 * self.counted_hours:
            heard += f" (which count for {duration(self.counted_hours)}: a hop for each window)"
        if self.extrapolation > 1:
            rests = f"That extrapolates {plain(self.extrapolation)} times beyond your {heard}"
        else:
            rests = f"Your {heard} hold about {plain(1 / self.extrapolation)} events above it"
        interval = f"90 % interval {_number(low, budget.n_events)} to {_number(high, budget.n_events)} {each}."
        more = max(3.0, self.extrapolation - 1) * self.hours
        return f"{needs} {rests}; {interval} Record {duration(more)} more to about halve its upper margin."


def check_budget(budget: Budget, n_windows: Sequence[int], timeline: Timeline, rules: EventRules) -> None:
    """Refuse what no scores could support, for recordings of so many windows each.

    Raises
    ------
    InputError
        If windows do not come often enough for so many events, there is too little normal sound for so few, or no
        recording is as long as an event must be.
    """
    if timeline.by_angle:
        raise InputError(
            f"{budget} false alarms were asked for, and signals are heard by the angle of a shaft, which tells no "
            "time. Ask for a false-alarm rate."
        )
    if budget.per_hour > timeline.most_per_hour:
        raise InputError(
            f"{budget} false alarms were asked for; windows start every {timeline.hop / timeline.rate:g} s, which is "
            f"{plain(timeline.most_per_hour)} an hour at most. Ask for fewer, or fit with a shorter hop."
        )
    counted, recorded = timeline.hours(sum(n_windows)), sum(map(timeline.seconds, n_windows)) / 3600
    if budget.per_hour * counted * MOST_EXTRAPOLATION < 1:
        times = 1 / (budget.per_hour * counted) if counted else math.inf
        needed = recorded * times / MOST_EXTRAPOLATION if counted else 1 / (budget.per_hour * MOST_EXTRAPOLATION)
        raise InputError(
            f"{budget} false alarms cannot be supported by {duration(recorded)} of normal sound: one is expected in "
            f"{plain(times)} times as long, {MOST_EXTRAPOLATION} times is the most. "
            f"Give at least {duration(needed)}, or allow more false alarms."
        )
    longest_s = timeline.seconds(1 + max(n_windows, default=0))
    if rules.min_duration_s > longest_s:
        raise InputError(
            f"Events of at least {rules.min_duration_s:g} s were asked for; no recording of normal sound is longer "
            f"than {plain(longest_s)} s. Give longer recordings, or a shorter minimum duration."
        )


def duration(hours: float) -> str:
    """Write a time as people do."""
    if hours >= 48:
        return f"{hours / 24:.3g} days"
    return f"{hours:.3g} h" if hours >= 1 else f"{hours * 60:.3g} min"


def plain(value: float) -> str:
    """Write a number with two digits at least, and without an exponent."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _number(value: float, allowed: float) -> str:
    """Write a limit of a rate, where so many events are allowed."""
    return plain(value) if value >= 0.01 * allowed else f"less than {plain(0.01 * allowed)}"

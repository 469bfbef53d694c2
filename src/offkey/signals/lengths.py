"""How long things last, when they are and how often samples come, in words: by time, or by the angle of a shaft."""

from __future__ import annotations

from offkey.signals.sampling import rate_text

__all__ = ["length_text", "sampling_text", "span_text", "time_scale"]

LONGEST_S, LONGEST_H = 7200.0, 72.0
"""Longer times are told in hours, and in days."""
LONGEST_IN_SECONDS_S = 120.0
"""Longer lengths are told in minutes, up to `LONGEST_S`."""


def time_scale(longest_s: float, by_angle: bool = False) -> tuple[str, float]:
    """Return the unit that times up to this one are told in, and how many seconds (or revolutions) it has.

    Examples
    --------
    >>> time_scale(600), time_scale(86_400), time_scale(86_400, by_angle=True)
    (('s', 1.0), ('h', 3600.0), ('revolutions', 1.0))
    """
    if by_angle:
        return "revolutions", 1.0
    if longest_s <= LONGEST_S:
        return "s", 1.0
    return ("h", 3600.0) if longest_s <= 3600 * LONGEST_H else ("days", 86_400.0)


def length_text(length_s: float, by_angle: bool = False) -> str:
    """Write a length.

    Examples
    --------
    >>> length_text(0.96), length_text(400), length_text(42_000), length_text(1e6)
    ('0.96 s', '6.7 min', '11.7 h', '11.6 days')
    >>> length_text(64.0, by_angle=True)
    '64 revolutions'
    """
    unit, size = time_scale(length_s, by_angle)
    if unit == "s" and length_s > LONGEST_IN_SECONDS_S:
        unit, size = "min", 60.0
    value = length_s / size
    text = f"{value:.4g}" if size == 1 and value < 10_000 else f"{value:.1f}"
    return f"{text.removesuffix('.0')} {unit}"


def span_text(start_s: float, stop_s: float, longest_s: float, by_angle: bool = False) -> str:
    """Write from when to when something is, in a recording of a length.

    Examples
    --------
    >>> span_text(3, 4.5, 10), span_text(0, 120_000, 360_000), span_text(3, 4.5, 10, by_angle=True)
    ('3.0 to 4.5 s', '0.00 to 1.39 days', '3.0 to 4.5 revolutions')
    """
    unit, size = time_scale(longest_s, by_angle)
    decimals = 1 if size == 1 else 2
    return f"{start_s / size:.{decimals}f} to {stop_s / size:.{decimals}f} {unit}"


def sampling_text(rate: float, by_angle: bool = False) -> str:
    """Say how often samples come.

    Examples
    --------
    >>> sampling_text(16_000), sampling_text(1 / 300), sampling_text(64, by_angle=True)
    ('16000 Hz', '1 sample in 300 s', '64 samples per revolution')
    """
    return f"{rate:g} samples per revolution" if by_angle else rate_text(rate)

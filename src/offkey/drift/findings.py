"""What watching a predictor brings to light, and what goes wrong in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from offkey.drift.stream import Alarm

__all__ = ["DriftFinding", "WatchingError"]


@final
@dataclass(frozen=True)
class DriftFinding:
    """A drift that watching a predictor brought to light.

    Attributes
    ----------
    kind : str
        ``"drift"``.
    sentence : str
        What it is.
    call : int
        Number of the call at which it was found, from 1.
    alarm : Alarm
        The drift; its rows are numbered as they were watched.
    """

    kind: str
    sentence: str
    call: int
    alarm: Alarm


@final
@dataclass(frozen=True)
class WatchingError:
    """What went wrong in the watching itself: the caller of the model had his answer all the same.

    Attributes
    ----------
    sentence : str
        The latest of its kind.
    call : int
        Number of the call at which it was.
    n : int
        How often.
    """

    sentence: str
    call: int
    n: int

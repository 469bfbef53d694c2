"""Which recordings a detector is fitted on and which it is tested on: always split by recording, or by session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from offkey.errors import InputError
from offkey.pipeline.held_out import FEWEST_RECORDINGS

__all__ = ["SESSION", "Split", "cross_validated", "given_split", "is_split", "sessions_on_both_sides"]

SESSION = "session"
"""Column of the recordings table: recordings of one session are alike, and stay on one side of a split together."""

Row = Mapping[str, Any]
"""A row of a recordings table."""


@final
@dataclass(frozen=True)
class Split:
    """Indices of the recordings to fit on, all normal, and of those to test on; ``seed`` is the detector's too."""

    seed: int
    fold: int
    train: list[int]
    test: list[int]


def is_split(rows: Sequence[Row]) -> bool:
    """Say whether a table states what is to be fitted on: it has rows of split ``train``."""
    return any(row.get("split") == "train" for row in rows)


def given_split(rows: Sequence[Row], seeds: Sequence[int]) -> list[Split]:
    """Return the split that a table states, once for each seed: fit on ``train``, test on all others with a label.

    Raises
    ------
    InputError
        If there is nothing to fit on, or not both kinds to test on.
    """
    train = [i for i, row in enumerate(rows) if row.get("split") == "train" and _label(row) != 1]
    test = [i for i, row in enumerate(rows) if row.get("split") != "train" and _label(row) is not None]
    if not train:
        raise InputError("No usable normal recording of split 'train' was given. Give some, or no column 'split'.")
    kinds = Counter(_label(rows[i]) for i in test)
    _require_both(kinds[0], kinds[1], "to test on")
    return [Split(seed, 0, train, test) for seed in seeds]


def sessions_on_both_sides(rows: Sequence[Row]) -> set[Any]:
    """Return the sessions, with their machine, that a table's own split tears apart; none where it states no split."""
    sides: dict[bool, set[Any]] = {True: set(), False: set()}
    for i, row in enumerate(rows):
        sides[row.get("split") == "train"].add((row.get("machine"), _session(row, i)))
    return sides[True] & sides[False]


def cross_validated(rows: Sequence[Row], n_folds: int, seeds: Sequence[int]) -> list[Split]:
    """Return splits in which each normal recording is tested on once for each seed; anomalies are never fitted on.

    Normal recordings are dealt out at random to folds of about the same size, those of one session together. A fold is
    tested with its normal recordings and with all anomalies of sessions that are not fitted on.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of a recordings table; those without label are in no split.
    n_folds : int
        At most: there are no more folds than sessions (or recordings without one).
    seeds : sequence of int
        One draw for each.

    Raises
    ------
    InputError
        If a kind of recording is missing, or there are too few normal ones to fit on.
    """
    normal = [i for i, row in enumerate(rows) if _label(row) == 0]
    anomalous = [i for i, row in enumerate(rows) if _label(row) == 1]
    _require_both(len(normal), len(anomalous), "in all")
    units: dict[Any, list[int]] = {}
    for i in normal:
        units.setdefault(_session(rows[i], i), []).append(i)
    n_folds = min(n_folds, len(units))
    if n_folds < 2:
        raise InputError(
            f"All {len(normal)} normal recordings are of one session. Give recordings of at least two sessions, or "
            f"recordings without the column {SESSION!r}."
        )
    splits = []
    for seed in seeds:
        for fold, held_out in enumerate(_deal(list(units.values()), n_folds, seed)):
            train = [i for i in normal if i not in held_out]
            known = {_session(rows[i], i) for i in train}
            found = [i for i in anomalous if _session(rows[i], i) not in known]
            _check_fold(len(normal), len(train), len(found), n_folds)
            splits.append(Split(seed, fold, train, sorted([*held_out, *found])))
    return splits


def _deal(units: list[list[int]], n_folds: int, seed: int) -> list[set[int]]:
    """Deal units to folds: the largest first, each to the smallest fold; what is alike in size at random."""
    order = np.random.default_rng(seed).permutation(len(units))
    folds: list[set[int]] = [set() for _ in range(n_folds)]
    for place in sorted(order, key=lambda i: -len(units[i])):
        min(folds, key=len).update(units[place])
    return folds


def _check_fold(n_normal: int, n_train: int, n_found: int, n_folds: int) -> None:
    if n_train < FEWEST_RECORDINGS:
        raise InputError(
            f"{n_normal} usable normal recordings were given; of {n_folds} folds one leaves {n_train} to fit on, and "
            f"{FEWEST_RECORDINGS} are needed. Give more normal recordings, or shorter pieces of long ones."
        )
    if not n_found:
        raise InputError(
            "A fold has no anomaly to test on: all are of sessions that are fitted on. Give anomalies of more sessions."
        )


def _require_both(n_normal: int, n_anomaly: int, what: str) -> None:
    if not (n_normal and n_anomaly):
        raise InputError(
            f"{n_normal} usable normal and {n_anomaly} usable anomalous recordings were given {what}. "
            "A comparison needs both: label normal ones 0 and anomalies 1."
        )


def _session(row: Row, i: int) -> Any:
    """Return the session of a recording; one without is a session of its own."""
    session = row.get(SESSION)
    return ("alone", i) if session is None or session != session else ("session", str(session))


def _label(row: Row) -> int | None:
    label = row.get("label")
    return label if label in (0, 1) else None

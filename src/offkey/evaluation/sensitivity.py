"""Sensitivity without faults: how strong named faults must be, in the user's own normal recordings, to be caught."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, final

import numpy as np

from offkey.datasets.inject import INJECTIONS, injector
from offkey.datasets.octaves import octave_bands
from offkey.errors import InjectionError, InputError, ReadError
from offkey.evaluation.evaluate import n_fitted_on, without_nan
from offkey.evaluation.ladder import CONFIDENCE, FEWEST_CLIPS, FaultSensitivity, climb
from offkey.evaluation.metrics import wilson_interval
from offkey.pipeline import POOLED, Decision, Failure, Pipeline
from offkey.pipeline.sources import Recording, list_normal, list_recordings, open_source
from offkey.progress import task, track
from offkey.recordings import check_table
from offkey.signals import Clip, Reading

__all__ = ["SensitivityReport", "sensitivity"]

Decide = Callable[[Clip], Decision]
Cell = tuple[str, int | None]
"""A fault and its octave band."""


@final
@dataclass(frozen=True)
class SensitivityReport:
    """How strong faults must be to be caught.

    Attributes
    ----------
    rows : list of FaultSensitivity
        One for each fault and octave band.
    detector : str
        What scored.
    n_clips, n_alarms : int
        Clips, and those of them that alarm without any fault; they count as caught at every strength.
    false_alarm_rate_low, false_alarm_rate_high : float
        Wilson's 90 % interval of their fraction.
    promised_rate : float
        False-alarm rate of the pipeline's threshold; NaN where it promises none.
    budget : str, optional
        False-alarm budget of the pipeline, such as ``"1/week"``.
    failures : list of Failure
        Recordings that could not be used; they are in no figure.
    notes : list of str
        What to know before the figures are believed.
    """

    rows: list[FaultSensitivity]
    detector: str
    n_clips: int
    n_alarms: int
    false_alarm_rate_low: float
    false_alarm_rate_high: float
    promised_rate: float
    budget: str | None = None
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def promise(self) -> str:
        """The false alarms that the threshold allows, in words; empty where nothing is promised."""
        if self.budget is not None:
            return f"{self.budget} false alarms"
        return "" if math.isnan(self.promised_rate) else f"{100 * self.promised_rate:.3g} % false alarms"

    @property
    def false_alarm_rate(self) -> float:
        """Fraction of the clips that alarm without any fault."""
        return self.n_alarms / self.n_clips

    def to_frame(self) -> Any:
        """Return a pandas DataFrame, one row for each fault and band; ``text_50`` and ``text_90`` say it in words."""
        import pandas as pd

        return pd.DataFrame(self.to_rows())

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the rows of `to_frame` as dictionaries."""
        return [
            {name: value for name, value in _plain(row).items() if name not in ("ladder", "caught")}
            for row in self.rows
        ]

    def to_json(self) -> str:
        """Return everything as JSON; strengths that do not exist are null, and ``text_50``, ``text_90`` say why."""
        document = asdict(self) | {"rows": [_plain(row) for row in self.rows]}
        document["false_alarm_rate"] = self.false_alarm_rate
        return json.dumps(without_nan(document), indent=1)


def sensitivity(
    pipeline: Pipeline,
    recordings: Any,
    *,
    faults: Sequence[str] | None = None,
    bands: Sequence[int] | None = None,
    ladders: Mapping[str, Sequence[float]] | None = None,
    shaft_hz: float = 25.0,
    n_clips: int = 20,
    group: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> SensitivityReport:
    """Put faults of rising strength into normal recordings, and say from which strength on the pipeline catches them.

    A clip is caught from the weakest strength on at which it alarms; at its pipeline's threshold, so at the false-alarm
    rate that was chosen. Of a recording the first part is used, as long as the clips that the threshold was calibrated
    on. The faults are caricatures (see `offkey.datasets.inject`): a real one may be easier or harder to hear.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    recordings : path, Clip, iterable of both, or recordings table
        Normal sound that the pipeline was not fitted on; of a table the rows that are neither of split ``train`` nor
        of label 1.
    faults : sequence of str, optional
        Some of `offkey.datasets.INJECTIONS`; all if not given.
    bands : sequence of int, optional
        Centres in hertz of octave bands; all up to half the pipeline's rate if not given.
    ladders : mapping of str to sequence of float, optional
        Strengths to try in place of a fault's own, ascending.
    shaft_hz : float
        Turns of the shaft each second: what bearing impacts and modulation go by.
    n_clips : int
        Recordings to use, drawn at random where there are more.
    group : dict of str to str, optional
        Whose boundaries decide: see `Pipeline.decide`.
    seed : int
        Of that draw, of the faults and of the bootstrap.

    Raises
    ------
    InputError
        If a fault, band or ladder makes no sense, or fewer than five recordings are usable.

    Examples
    --------
    >>> import numpy as np
    >>> from offkey import Clip, Pipeline
    >>> rng = np.random.default_rng(0)
    >>> clips = [Clip(rng.normal(0, 0.1, 16000), 16000, source=f"clip {i}") for i in range(35)]
    >>> pipeline = Pipeline().fit(clips[:25])
    >>> report = sensitivity(pipeline, clips[25:], faults=["whine"], bands=[1000])
    >>> -20 < report.rows[0].strength_50 < 0
    True
    """
    cells = _cells(pipeline, faults, bands)
    own_ladders = {fault: _ladder(fault, (ladders or {}).get(fault)) for fault in dict(cells)}
    if n_clips < FEWEST_CLIPS:
        raise InputError(f"n_clips={n_clips} was given. It must be at least {FEWEST_CLIPS}.")
    decide = partial(pipeline.decide, group=group)
    clips, alarms, failures, notes = _usable(pipeline, decide, _listed(recordings, pipeline.reading_), n_clips, seed)
    if len(pipeline.boundaries_) > 1 and not group:
        notes.append("Groups have boundaries of their own; that of all together decides here. Name a group.")
    first_caught: dict[Cell, list[int]] = {cell: [] for cell in cells}
    with task("injecting", len(clips) * len(cells)) as current:
        for clip, is_alarm in zip(clips, alarms, strict=True):
            for cell in cells:
                try:
                    at = injector(clip, cell[0], band=cell[1], shaft_hz=shaft_hz, seed=seed)
                except InjectionError:  # this clip cannot hold this fault
                    pass
                else:
                    first_caught[cell].append(0 if is_alarm else _first_caught(decide, at, own_ladders[cell[0]]))
                current.advance()
    rows = [
        climb(fault, band, INJECTIONS[fault].unit, own_ladders[fault], rungs, seed)
        for (fault, band), rungs in first_caught.items()
    ]
    n_alarms = sum(alarms)
    return SensitivityReport(
        rows, repr(pipeline.detector_), len(clips), n_alarms, *wilson_interval(n_alarms, len(clips), CONFIDENCE),
        _promised_rate(pipeline), pipeline.budget, failures, notes,
    )  # fmt: skip


def _first_caught(decide: Decide, at: Callable[[float], Clip], ladder: tuple[float, ...]) -> int:
    """Return the number of the weakest rung at which a clip alarms, ``len(ladder)`` if at none.

    Stronger rungs need not be tried: the clip counts as caught there.
    """
    for rung, strength in enumerate(ladder):
        if decide(at(strength)).is_anomaly:
            return rung
    return len(ladder)


def _cells(pipeline: Pipeline, faults: Sequence[str] | None, bands: Sequence[int] | None) -> list[Cell]:
    possible = octave_bands(pipeline.rate_)
    for fault in faults or []:
        if fault not in INJECTIONS:
            raise InputError(f"The fault {fault!r} was asked for. There are: {', '.join(INJECTIONS)}.")
    for band in bands or []:
        if band not in possible:
            raise InputError(
                f"The octave band {band} was asked for. The pipeline hears {pipeline.rate_} Hz, which holds those at "
                f"{', '.join(map(str, possible)) or 'none'} (centres in Hz)."
            )
    cells: list[Cell] = []
    for fault in dict.fromkeys(faults or INJECTIONS):
        kind = INJECTIONS[fault]
        own: Iterable[int | None] = dict.fromkeys(bands or possible) if kind.in_band else (None,)
        cells += [(fault, band) for band in own]
    if not cells:
        raise InputError(f"At {pipeline.rate_} Hz there is no octave band to put these faults into. Ask for others.")
    return cells


def _ladder(fault: str, given: Sequence[float] | None) -> tuple[float, ...]:
    ladder = tuple(float(rung) for rung in given) if given is not None else INJECTIONS[fault].ladder
    nothing = INJECTIONS[fault].nothing
    if not ladder or not all(low < high for low, high in zip((nothing, *ladder), (*ladder, math.inf), strict=True)):
        raise InputError(
            f"The ladder {list(ladder)} was given for a {fault}. Give strengths above {nothing}, ascending."
        )
    return ladder


def _listed(recordings: Any, reading: Reading) -> list[Recording]:
    if hasattr(recordings, "columns"):
        recordings = check_table(recordings)
        if "split" in recordings.columns:
            recordings = recordings[recordings["split"] != "train"]
        return list_normal(recordings, reading)
    return list_recordings(recordings, reading)


def _usable(
    pipeline: Pipeline, decide: Decide, listed: list[Recording], n_clips: int, seed: int
) -> tuple[list[Clip], list[bool], list[Failure], list[str]]:
    """Read so many clips, and decide about them as they are."""
    order = np.random.default_rng(seed).permutation(len(listed))
    clips: list[Clip] = []
    alarms: list[bool] = []
    failures: list[Failure] = []
    used: list[Recording] = []
    n_short = 0
    for recording in _until(track((listed[i] for i in order), "reading", min(n_clips, len(listed))), clips, n_clips):
        try:
            clip = _first_unit(pipeline, recording)
            decision = decide(clip)
        except ReadError as error:
            failures.append(Failure(error.source, error.reason))
            continue
        clips.append(clip)
        alarms.append(decision.is_anomaly)
        used.append(recording)
        n_short += decision.is_short
    if len(clips) < FEWEST_CLIPS:
        first = f" The first that could not be used: {failures[0]}" if failures else ""
        raise InputError(
            f"{len(clips)} usable normal recordings were given, at least {FEWEST_CLIPS} are needed. "
            f"Give more that the pipeline was not fitted on.{first}"
        )
    return clips, alarms, failures, _notes(pipeline, used, sum(alarms), n_short)


def _until(recordings: Iterator[Recording], clips: list[Clip], n_clips: int) -> Iterator[Recording]:
    for recording in recordings:
        yield recording
        if len(clips) == n_clips:
            return


def _first_unit(pipeline: Pipeline, recording: Recording) -> Clip:
    """Read as much of a recording's start as the clips had that the threshold was calibrated on."""
    grid, unit = pipeline.grid_, pipeline.boundaries_[POOLED].clips.unit_windows
    n_wanted = pipeline.features_.n_samples((unit - 1) * grid.hop + grid.n_frames)
    source = open_source(recording, pipeline.reading_)
    blocks, n_read = [], 0
    for block in source.blocks(pipeline.rate_):
        blocks.append(block)
        n_read += block.shape[1]
        if n_read >= n_wanted:
            break
    samples = np.concatenate(blocks, axis=1)[:, :n_wanted]
    return Clip(samples, pipeline.rate_, source.channels, source.units, source=source.name)


def _notes(pipeline: Pipeline, used: list[Recording], n_alarms: int, n_short: int) -> list[str]:
    notes = []
    n_trained = n_fitted_on(pipeline, used)
    if n_trained:
        notes.append(
            f"{n_trained} of {len(used)} recordings are among those the pipeline was fitted on: they "
            "flatter the false-alarm rate and shift the strengths. Give others."
        )
    if n_short:
        notes.append(
            f"{n_short} of {len(used)} recordings are shorter than those the threshold was calibrated on: "
            "the false-alarm rate may not hold."
        )
    if n_alarms >= 0.5 * len(used):
        notes.append(
            f"{n_alarms} of {len(used)} recordings alarm without any fault, so that the strengths say nothing. "
            "Check that they are normal sound of this machine."
        )
    return notes


def _promised_rate(pipeline: Pipeline) -> float:
    threshold = pipeline.boundaries_[POOLED].clips.threshold
    supported = float(threshold.fitted_state["supported_rate_"])
    return float(threshold.get_params().get("rate", math.nan)) if math.isnan(supported) else supported


def _plain(row: FaultSensitivity) -> dict[str, Any]:
    return asdict(row) | {"text_50": row.text_50, "text_90": row.text_90}

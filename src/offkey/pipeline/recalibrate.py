"""More evidence of normal sound for a pipeline that is fitted already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import ReadError
from offkey.pipeline.boundaries import Evidence
from offkey.pipeline.decision import TrainingScore
from offkey.pipeline.gather import digest_of
from offkey.pipeline.sources import Failure, Source, group_key, list_normal, name_groups, open_source, same_name
from offkey.progress import track
from offkey.signals import Clip, Reading

__all__ = ["KnownRecordings"]


@final
class KnownRecordings:
    """What a pipeline rests on: the same samples do not count twice, and not those that its detector was trained on.

    Parameters
    ----------
    evidence : sequence of Evidence
        Of the pipeline.
    training : sequence of TrainingScore
        Of the pipeline.
    rate : float
        The pipeline's, in hertz.
    group_by : sequence of str
        Columns of a recordings table.
    group : dict of str to str, optional
        Of recordings that no table names.
    reading : Reading
        How sensor files are read.
    """

    def __init__(
        self,
        evidence: Sequence[Evidence],
        training: Sequence[TrainingScore],
        rate: float,
        group_by: Sequence[str],
        group: Mapping[str, Any] | None,
        reading: Reading,
    ) -> None:
        self._n_ungrouped = 0
        self._trained_on = {each.digest for each in training if not each.is_held_out}
        self._counted = {each.digest: each.source for each in evidence}
        self._rate, self._group_by, self._group = rate, group_by, group_key(group, group_by)
        self._reading = reading

    @property
    def notes(self) -> list[str]:
        """What is to be said of the groups of the recordings that were scored."""
        if not (self._group_by and self._n_ungrouped):
            return []
        return [
            f"{self._n_ungrouped} recordings name no {' or '.join(self._group_by)}: they count for the boundary of all "
            "together only."
        ]

    def more(
        self, recordings: Any, origin: str, score_windows: Callable[[Source], NDArray[np.float64]]
    ) -> tuple[list[Evidence], list[Failure]]:
        """Score recordings as evidence; those that cannot be used come back as failures.

        Parameters
        ----------
        recordings : path, Clip, iterable of both (maybe of none), or recordings table
            Normal sound.
        origin : str
            Of the evidence.
        score_windows : callable
            Returns the scores of a source's windows (n_windows,).
        """
        if not (hasattr(recordings, "columns") or isinstance(recordings, str | os.PathLike | Clip)):
            recordings = list(recordings) if isinstance(recordings, Iterable) else recordings
            if recordings == []:
                return [], []
        listed, (groups, _) = list_normal(recordings, self._reading), name_groups(recordings, self._group_by)
        found: list[Evidence] = []
        failures: list[Failure] = []
        for recording in track(listed, "calibrating", len(listed)):
            try:
                source = open_source(recording, self._reading)
                digest = self._new_digest(source)
                scores = score_windows(source)
            except ReadError as error:
                failures.append(Failure(error.source, error.reason))
                continue
            self._counted[digest] = source.name
            group = groups.get(same_name(source.path), self._group)
            self._n_ungrouped += not group
            found.append(Evidence(source.name, scores, group, digest, origin))
        return found, failures

    def _new_digest(self, source: Source) -> str:
        digest = digest_of(source, self._rate)
        if digest in self._trained_on:
            raise ReadError(source.name, "was trained on, so its scores are too low to calibrate with.")
        if digest in self._counted:
            raise ReadError(source.name, f"holds the same samples as {self._counted[digest]}, which counts already.")
        return digest

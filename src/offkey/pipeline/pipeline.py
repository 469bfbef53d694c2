"""`Pipeline`: from recordings of normal sound to decisions about new ones."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Self, final

import numpy as np
from numpy.typing import NDArray

from offkey import bundle
from offkey.decisions import EventFinder, EventRules, Threshold
from offkey.detectors import Detector
from offkey.errors import BundleError, InputError, NotFittedError, ReadError
from offkey.features import Feature
from offkey.parameters import Parameterized
from offkey.pipeline import readings, sources
from offkey.pipeline.boundaries import Boundaries, Policy, make_boundaries, timeline_of
from offkey.pipeline.deciding import make_decision
from offkey.pipeline.decision import Decision
from offkey.pipeline.gather import Gathered, gather, scaled
from offkey.pipeline.hearing import Heard, hear
from offkey.pipeline.learning import learn
from offkey.pipeline.provenance import with_calibration
from offkey.pipeline.recalibrate import KnownRecordings
from offkey.pipeline.saving import from_bundle, to_bundle
from offkey.pipeline.sources import POOLED, Failure, Recording, Source
from offkey.pipeline.stream import Stream
from offkey.signals import Reading

__all__ = ["Pipeline", "load"]

logger = logging.getLogger(__name__)


@final
class Pipeline(Parameterized):
    """Learns from recordings of normal sound, and decides about others.

    Parameters
    ----------
    detector : Detector, optional
        What scores windows; `Ensemble` if not given, or "auto".
    features : Feature, optional
        The front end; if not given, `LogMel` for sound, `Spectrum` for other signals, `Raw` for those below 10 Hz.
    rate : float, optional
        Rate in hertz that everything is resampled to; if not given, the front end's own or else the commonest there is.
    window_s : float, optional
        Seconds of a window; 10 or the shortest training recording (at least 1) if not given, ``inf``: the commonest.
    hop_s : float, optional
        Distance of the windows in seconds; half their length if not given.
    pooling : str
        How window scores become a clip's score: ``"mean"``, ``"max"`` or a quantile such as ``"q0.9"``.
    threshold : Threshold, optional
        The boundary of clips and of windows; `Conformal` at a false-alarm rate of 1 % if not given.
    budget : str, optional
        False alarms (events) in a time, such as ``"1/week"``, for live use and long recordings, in place of
        ``threshold`` and ``pooling``: a recording that holds an event is an anomaly, its strangest window its score.
    events : EventRules, optional
        How windows above the boundary become events.
    group_by : sequence of str
        Columns of the recordings table, such as ``("machine", "section")``: groups with enough recordings get
        boundaries of their own.
    reading : Reading, optional
        How sensor files are read; those that state no rate have ``rate``.
    hold_out : str
        Where calibration scores come from: ``"folds"`` (the detector is refitted on all), ``"split"`` (recordings kept
        back, with an exact guarantee) or ``"auto"`` (folds for cheap detectors, a split for networks).
    seed : int
        Of the split and of draws.

    Attributes
    ----------
    detector_, features_ : Detector, Feature
        As fitted.
    grid_ : WindowGrid
        Windows in frames.
    channels_, units_, reading_ : tuple of str, tuple of str, Reading
        Name and unit of each channel, and how sensor files are read.
    boundaries_ : dict of str to Boundaries
        Thresholds with the scores they rest on: under ``""`` of all together, and of each group that has its own.
    normal_ : NormalSound
        Spectra and health of the recordings: what decisions are explained by.
    evidence_ : list of Evidence
        The scores of normal sound that the boundaries rest on.
    training_ : list of TrainingScore
        The training recordings, strangest first: listen to the first few, as "the vast majority is normal" is assumed.
    failures_ : list of Failure
        Training recordings that could not be used, and why.
    fit_notes_, notes_ : list of str
        What was chosen on the way when fitting; the same and what is to be said of the boundaries.
    provenance_ : dict
        Versions, date, seed, number, duration and digest of the training recordings, and later calibrations.

    Examples
    --------
    >>> import numpy as np
    >>> from offkey import Clip, Pipeline
    >>> from offkey.decisions import Conformal
    >>> rng = np.random.default_rng(0)
    >>> clips = [Clip(rng.normal(0, 0.1, 32000), 16000) for _ in range(20)]
    >>> pipeline = Pipeline(threshold=Conformal(rate=0.1)).fit(clips)
    >>> hum = np.sin(2 * np.pi * 3000 * np.arange(32000) / 16000)
    >>> pipeline.decide(Clip(clips[0].samples + 0.1 * hum, 16000)).is_anomaly
    True
    """

    def __init__(
        self,
        detector: Detector | Literal["auto"] | None = None,
        features: Feature | None = None,
        rate: float | None = None,
        window_s: float | None = None,
        hop_s: float | None = None,
        pooling: str = "mean",
        threshold: Threshold | None = None,
        budget: str | None = None,
        events: EventRules | None = None,
        group_by: Sequence[str] = (),
        reading: Reading | None = None,
        hold_out: str = "auto",
        seed: int = 0,
    ) -> None:
        self.detector = detector
        self.features = features
        self.rate = rate
        self.window_s = window_s
        self.hop_s = hop_s
        self.pooling = pooling
        self.threshold = threshold
        self.budget = budget
        self.events = events
        self.group_by = group_by
        self.reading = reading
        self.hold_out = hold_out
        self.seed = seed

    def fit(
        self,
        recordings: Any,
        *,
        exclude: Iterable[str | os.PathLike[str]] = (),
        drop_strangest: int = 0,
    ) -> Self:
        """Learn what is normal, and calibrate the threshold on recordings the detector was not trained on.

        Parameters
        ----------
        recordings : path, Clip, iterable of both, recordings table, or what `gather` read
            Normal sound. At least 5 recordings; 15 short ones are a start. Fewer long ones are cut into blocks.
        exclude : iterable of path
            Files to leave out.
        drop_strangest : int
            Fit, leave out so many of the strangest recordings, and fit again.

        Raises
        ------
        InputError
            If there are too few usable recordings, or parameters make no sense.
        """
        policy = Policy.of(self.get_params())
        if drop_strangest < 0:
            raise InputError(f"drop_strangest={drop_strangest} was given. It must be at least 0.")
        if isinstance(recordings, Gathered):
            return self._learn(recordings, policy, {}, [], drop_strangest)
        reading = readings.reading_at(self.reading, self.rate)
        listed = sources.without(sources.list_normal(recordings, reading), exclude)
        groups, notes = sources.name_groups(recordings, self.group_by)
        known = sources.known_columns(recordings)
        with gather(listed, self.features, self.rate, self.window_s, self.hop_s, known, reading) as gathered:
            return self._learn(gathered, policy, groups, notes, drop_strangest)

    def _learn(
        self, gathered: Gathered, policy: Policy, groups: Mapping[str, str], notes: list[str], drop_strangest: int
    ) -> Self:
        timeline = timeline_of(gathered.feature, gathered.grid, gathered.reading.by_angle)
        policy.check([len(gathered.grid.starts(stop - start)) for start, stop in gathered.store.recordings], timeline)
        with scaled(gathered) as own:
            learned = learn(
                own, groups, self.detector, n_wanted=policy.n_wanted, pooling=policy.pooling,
                hold_out=self.hold_out, drop_strangest=drop_strangest, seed=self.seed,
            )  # fmt: skip
        boundaries, more = make_boundaries(learned.evidence, policy, timeline)
        self.features_, self.grid_ = own.feature, gathered.grid
        self.channels_, self.units_ = gathered.channels, gathered.units
        self.reading_ = readings.reading_of(gathered.reading, self.channels_)
        self.detector_, self.evidence_, self.training_ = learned.detector, learned.evidence, learned.training
        self.normal_ = learned.normal
        self.provenance_, self.failures_ = learned.provenance, gathered.failures
        self.fit_notes_ = notes + learned.notes
        self._take_up(boundaries, more)
        return self

    def _take_up(self, boundaries: dict[str, Boundaries], notes: list[str]) -> None:
        self.boundaries_, self.notes_ = boundaries, self.fit_notes_ + notes
        for note in notes:
            logger.log(logging.INFO if boundaries[POOLED].budget else logging.WARNING, note)

    def calibrate(
        self,
        recordings: Any = (),
        *,
        mark_normal: Any = (),
        group: Mapping[str, Any] | None = None,
        threshold: Threshold | None = None,
        budget: str | None = None,
        events: EventRules | None = None,
    ) -> list[Failure]:
        """Refit the boundaries alone, with more recordings of normal sound or another false-alarm rate.

        Parameters
        ----------
        recordings, mark_normal : path, Clip, iterable of both, or recordings table
            More normal sound, and false alarms that turned out to be normal: these are more extreme than others, and
            count by their strangest part, so that there are fewer false alarms than stated.
        group : dict of str to str, optional
            As for `decide`, of recordings whose group no table says: they count for it, and for all together.
        threshold, budget, events
            As for the pipeline, which keeps its own if not given.

        Returns
        -------
        list of Failure
            Recordings that could not be used, or are in the calibration already.

        Raises
        ------
        InputError
            If no recording is given that can be used and nothing else changes, or the evidence does not suffice.
        """
        self._require_fit()
        if threshold and budget:
            raise InputError("Both a threshold and a budget were given. A budget sets the threshold; give one.")
        changed = copy.copy(self)
        if threshold or budget:
            changed.threshold, changed.budget = threshold or self.threshold, budget
        changed.events = events or self.events
        pooled = self.boundaries_[POOLED]
        policy = Policy.of(changed.get_params(), None if threshold or budget else pooled)
        known = KnownRecordings(self.evidence_, self.training_, self.rate_, self.group_by, group, self.reading_)
        added, failures = known.more(recordings, "added", self._score_windows)
        marked, failed = known.more(mark_normal, "marked", self._score_windows)
        failures += failed
        if not (added or marked or threshold or budget or events):
            shown = f" The first: {failures[0]}" if failures else ""
            raise InputError(f"No recording that can be used was given, and nothing else to change.{shown}")
        changed.evidence_ = [*self.evidence_, *added, *marked]
        timeline = timeline_of(self.features_, self.grid_, self.reading_.by_angle)
        boundaries, notes = make_boundaries(changed.evidence_, policy, timeline, pooled.clips.unit_windows)
        changed.provenance_ = with_calibration(self.provenance_, repr(policy), added, marked)
        changed._take_up(boundaries, known.notes + notes)
        vars(self).update(vars(changed))
        return failures

    def use_threshold(self, threshold: Threshold, chosen_on: str = "") -> None:
        """Decide about clips by a fitted threshold, such as one chosen on labelled recordings, in all groups.

        It ends a budget: as clips are then decided by their strangest window, windows have the same boundary.

        Parameters
        ----------
        threshold : Threshold
            Fitted.
        chosen_on : str
            For the provenance.
        """
        self._require_fit()
        threshold.is_anomaly(0.0)
        own = threshold.unfitted().restore(threshold.fitted_state)
        self.threshold, self.budget = threshold.unfitted(), None
        self.provenance_ = with_calibration(self.provenance_, repr(own), chosen_on=chosen_on)
        self._take_up({POOLED: self.boundaries_[POOLED].decided_by(own)}, [])

    def decide(self, recording: Recording, group: Mapping[str, Any] | str | None = None) -> Decision:
        """Decide whether a recording sounds wrong.

        Parameters
        ----------
        recording : path or Clip
            Another rate is resampled; memory is bounded, however long a file is.
        group : dict of str to str, optional
            Values of the columns that the pipeline groups by, such as ``{"section": "id_00"}``; a group without
            boundaries of its own has those of all together.

        Raises
        ------
        ReadError
            If the recording cannot be read, has another number of channels, or is shorter than a window.
        NotFittedError
            If the pipeline was not fitted.
        """
        key, boundaries = self._boundaries_of(group)
        source = sources.open_source(recording, self.reading_)
        return make_decision(source, self._hear(source, boundaries), boundaries, self.rate_, key)

    def _boundaries_of(self, group: Mapping[str, Any] | str | None) -> tuple[str, Boundaries]:
        self._require_fit()
        key = sources.group_key(group, self.group_by)
        key = key if key in self.boundaries_ else POOLED
        return key, self.boundaries_[key]

    def _hear(self, source: Source, boundaries: Boundaries) -> Heard:
        reason = readings.misfit(source, self.channels_, self.units_, self.reading_, "the pipeline was fitted on")
        if reason:
            raise ReadError(source.name, reason)
        return hear(source, self._stream(boundaries, self.rate_), self.features_, self.grid_, self.normal_)

    def _score_windows(self, source: Source) -> NDArray[np.float64]:
        return np.array([window.score for window in self._hear(source, self.boundaries_[POOLED]).windows])

    def score(self, recordings: Any, group: Mapping[str, Any] | None = None) -> Iterator[Decision | Failure]:
        """Decide about many recordings, one after the other; one that cannot be used gives a `Failure`, and on it goes.

        Parameters
        ----------
        recordings : path, Clip, iterable of both, or recordings table
            Folders are searched through; a table's columns say which group a recording is of.
        group : dict of str to str, optional
            As for `decide`, of those that no table names.
        """
        self._require_fit()
        groups, _ = sources.name_groups(recordings, self.group_by)
        for recording in sources.list_recordings(recordings, self.reading_):
            try:
                yield self.decide(recording, groups.get(sources.name_of(recording), group))
            except ReadError as error:
                yield Failure(error.source, error.reason)

    def stream(self, rate: float | None = None, group: Mapping[str, Any] | None = None) -> Stream:
        """Return the live core: ``push(block)`` gives the windows that became complete, ``flush()`` the last.

        Parameters
        ----------
        rate : float, optional
            Rate of the blocks in hertz; the pipeline's if not given. By angle, blocks must be from an `OrderTracker`.
        group : dict of str to str, optional
            As for `decide`.
        """
        return self._stream(self._boundaries_of(group)[1], readings.rate_of_blocks(rate, self.rate_, self.reading_))

    def _stream(self, boundaries: Boundaries, rate: float) -> Stream:
        return Stream(self.features_, self.detector_, self.grid_, boundaries.windows, len(self.channels_), rate)

    def event_finder(self, group: Mapping[str, Any] | str | None = None) -> EventFinder:
        """Return what finds events, live as in files: ``push(window)`` each window that a stream gives."""
        return self._boundaries_of(group)[1].finder(self.rate_)

    @property
    def rate_(self) -> float:
        """Rate in hertz at which everything is heard."""
        rate: float = self.features_.fitted_state["rate_"]
        return rate

    @property
    def window_duration_s(self) -> float:
        """Length of a window in seconds, frame by frame."""
        return self.features_.n_samples(self.grid_.n_frames) / self.rate_

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save everything that decides in one file, atomically.

        Raises
        ------
        BundleError
            If the file cannot be written.
        """
        self._require_fit()
        bundle.write(to_bundle(self.get_params(), self.fitted_state), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, detectors: Sequence[type[Detector]] = ()) -> Pipeline:
        """Load a saved pipeline; nothing in the file is executed.

        Parameters
        ----------
        path : path
            A bundle.
        detectors : sequence of Detector types
            Your own detector classes, if the bundle needs one.

        Raises
        ------
        BundleError
            If the file is missing, damaged, of a newer format, or needs a class that is not known.
        """
        try:
            params, state = from_bundle(bundle.read(path), detectors)
            return cls(**params).restore(state)
        except BundleError as error:
            raise BundleError(f"{path}: " + str(error).removeprefix(f"{path}: ")) from error

    def _require_fit(self) -> None:
        if not hasattr(self, "boundaries_"):
            raise NotFittedError("This Pipeline is not fitted yet. Call fit, or offkey.load a saved one.")


load = Pipeline.load

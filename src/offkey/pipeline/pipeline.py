"""`Pipeline`: from recordings of normal sound to decisions about new ones."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Self, final

import numpy as np

from offkey import bundle
from offkey.decisions import Conformal, Threshold, segments
from offkey.detectors import Detector, NearestNeighbors
from offkey.errors import BundleError, InputError, NotFittedError, ReadError
from offkey.features import Feature, LogMel
from offkey.parameters import Parameterized
from offkey.pipeline.calibrate import (
    FEWEST_RECORDINGS,
    cut_into_blocks,
    fit_and_score,
    make_calibrations,
    strangest_first,
)
from offkey.pipeline.decision import Decision, ScoredSegment, ScoredWindow, TrainingScore
from offkey.pipeline.gather import Gathered, gather, too_short
from offkey.pipeline.saving import from_bundle, to_bundle
from offkey.pipeline.sources import Failure, Recording, Source, list_normal, list_recordings, open_source, without
from offkey.pipeline.stream import Stream
from offkey.version import __version__
from offkey.windows import WindowArray, parse_pooling

__all__ = ["Pipeline", "load"]

logger = logging.getLogger(__name__)


@final
class Pipeline(Parameterized):
    """Learns from recordings of normal sound, and decides about others.

    Parameters
    ----------
    detector : Detector, optional
        What scores windows; `NearestNeighbors` if not given.
    features : Feature, optional
        The front end; `LogMel` with its defaults if not given.
    rate : int, optional
        Rate in hertz that everything is resampled to; the commonest among the training recordings if not given.
    window_s : float, optional
        Length of the analysis windows in seconds; if not given 10 s, or the shortest training recording (at least 1 s).
    hop_s : float, optional
        Distance of the windows in seconds; half their length if not given.
    pooling : str
        How window scores become a clip's score: ``"mean"``, ``"max"`` or a quantile such as ``"q0.9"``.
    threshold : Threshold, optional
        The decision boundary; `Conformal` at a false-alarm rate of 1 % if not given.
    seed : int
        Of the split between training and calibration.

    Attributes
    ----------
    detector_, features_ : Detector, Feature
        As fitted.
    grid_ : WindowGrid
        Windows in frames.
    clip_calibration_, window_calibration_ : Calibration
        Thresholds and reference scores of clips, and of single windows.
    training_ : list of TrainingScore
        The training recordings, strangest first: "the vast majority is normal" is the assumption, look at the first
        few.
    failures_ : list of Failure
        Training recordings that could not be used, and why.
    notes_ : list of str
        What was chosen on the way.
    provenance_ : dict
        Versions, date, seed, number, duration and digest of the training recordings.

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
        detector: Detector | None = None,
        features: Feature | None = None,
        rate: int | None = None,
        window_s: float | None = None,
        hop_s: float | None = None,
        pooling: str = "mean",
        threshold: Threshold | None = None,
        seed: int = 0,
    ) -> None:
        self.detector = detector
        self.features = features
        self.rate = rate
        self.window_s = window_s
        self.hop_s = hop_s
        self.pooling = pooling
        self.threshold = threshold
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
        recordings : path, Clip, iterable of both, or recordings table
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
        parse_pooling(self.pooling)
        if drop_strangest < 0:
            raise InputError(f"drop_strangest={drop_strangest} was given. It must be at least 0.")
        listed = without(list_normal(recordings), exclude)
        gathered = gather(listed, self.features or LogMel(), self.rate, self.window_s, self.hop_s)
        with gathered.store:
            notes = self._fit_gathered(gathered, drop_strangest)
        self.failures_ = gathered.failures
        self.notes_ = notes + self._calibration_notes()
        return self

    def _fit_gathered(self, gathered: Gathered, drop_strangest: int) -> list[str]:
        chosen, names = list(gathered.store.recordings), list(gathered.names)
        notes = list(gathered.notes)
        if len(chosen) < FEWEST_RECORDINGS:
            blocks = cut_into_blocks(chosen, gathered.grid)
            notes.append(
                f"{len(chosen)} recording(s) were cut into {len(blocks)} blocks that stand for recordings. Several "
                "recordings from different days calibrate better."
            )
            logger.warning(notes[-1])
            names = [_block_name(block, chosen, names, gathered) for block in blocks]
            chosen = blocks
        n_kept = len(chosen) - drop_strangest
        if n_kept < FEWEST_RECORDINGS:
            raise InputError(
                f"Without the {drop_strangest} strangest, {n_kept} recordings are left; "
                f"{FEWEST_RECORDINGS} are needed. Drop fewer."
            )
        strangest = self._fit_chosen(chosen, names, gathered)
        if drop_strangest:
            dropped, kept = strangest[:drop_strangest], sorted(strangest[drop_strangest:])
            notes.append(
                f"The {drop_strangest} strangest recordings were left out: {', '.join(names[i] for i in dropped)}. "
                "The false-alarm rate holds for sound like that of the others."
            )
            self._fit_chosen([chosen[i] for i in kept], [names[i] for i in kept], gathered)
        return notes

    def _fit_chosen(self, chosen: list[tuple[int, int]], names: list[str], gathered: Gathered) -> list[int]:
        """Fit on some recordings, and return their indices, strangest first."""
        windows = WindowArray(gathered.store.frames, chosen, gathered.grid)
        threshold = self.threshold or Conformal()
        rate = threshold.get_params().get("rate", 0.01)
        fitted = fit_and_score(self.detector or NearestNeighbors(), windows, rate, self.seed)
        self.features_ = gathered.feature
        self.grid_ = gathered.grid
        self.n_channels_ = gathered.n_channels
        self.detector_ = fitted.detector
        self.clip_calibration_, self.window_calibration_ = make_calibrations(fitted, threshold, self.pooling, self.seed)
        pool = parse_pooling(self.pooling)
        scores = [
            max(pool(own[unit]) for unit in segments(len(own), self.clip_calibration_.unit_windows))
            for own in fitted.scores
        ]
        training = [
            TrainingScore(name, score, bool(out))
            for name, score, out in zip(names, scores, fitted.is_held_out, strict=True)
        ]
        order = strangest_first(np.array(scores), fitted.is_held_out)
        self.training_ = [training[i] for i in order]
        self.provenance_ = _provenance(gathered, chosen, self.seed)
        return order

    def _calibration_notes(self) -> list[str]:
        notes = []
        if self.detector_.fitted_state.get("is_interrupted_"):
            n_epochs = len(self.detector_.fitted_state["loss_"])
            notes.append(f"Training was stopped after {n_epochs} epochs; what was learned until then is kept.")
        calibration = self.clip_calibration_
        asked = calibration.threshold.get_params().get("rate")
        supported = calibration.threshold.fitted_state["supported_rate_"]
        if asked is not None and supported > asked * (1 + 1e-9):
            notes.append(
                f"A false-alarm rate of {asked:.3g} was asked for; {calibration.n_recordings} calibration recordings "
                f"support {supported:.3g}. The alarm needs a score above all of theirs; "
                f"{math.ceil(1 / asked - 1e-9) - 1} recordings would do."
            )
        for note in notes:
            logger.warning(note)
        return notes

    def decide(self, recording: Recording) -> Decision:
        """Decide whether a recording sounds wrong.

        Parameters
        ----------
        recording : path or Clip
            Another rate is resampled; memory is bounded however long a file is.

        Raises
        ------
        ReadError
            If the recording cannot be read, has another number of channels, or is shorter than a window.
        NotFittedError
            If the pipeline was not fitted.
        """
        self._require_fit()
        source = open_source(recording)
        if source.n_channels != self.n_channels_:
            raise ReadError(
                source.name, f"has {source.n_channels} channels, the pipeline was fitted on {self.n_channels_}."
            )
        stream = self.stream(self.rate_)
        windows: list[ScoredWindow] = []
        if source.rate != self.rate_:
            logger.info("%s: resampled from %d to %d Hz.", source.name, source.rate, self.rate_)
        for block in source.blocks(self.rate_):
            windows += stream.take(block)
        windows += stream.flush()
        if not windows:
            n_samples = round(stream.duration_s * self.rate_)
            raise ReadError(source.name, too_short(n_samples, self.features_, self.grid_))
        return self._decide(source, windows, stream.duration_s)

    def _decide(self, source: Source, windows: list[ScoredWindow], duration_s: float) -> Decision:
        calibration, pool = self.clip_calibration_, parse_pooling(self.pooling)
        scores = np.array([window.score for window in windows])
        units = segments(len(windows), calibration.unit_windows)
        pooled = np.array([pool(scores[unit]) for unit in units])
        p_values, decisions = calibration.p_value(pooled), calibration.is_anomaly(pooled)
        decided = tuple(
            ScoredSegment(windows[unit.start].start_s, windows[unit.stop - 1].stop_s, float(score), float(p), bool(yes))
            for unit, score, p, yes in zip(units, pooled, p_values, decisions, strict=True)
        )
        strangest = max(decided, key=lambda segment: segment.score)
        return Decision(
            source=source.name,
            score=strangest.score,
            p_value=strangest.p_value,
            threshold=calibration.threshold.fitted_state["threshold_"],
            is_anomaly=strangest.is_anomaly,
            duration_s=duration_s,
            source_rate=source.rate,
            is_short=len(windows) < calibration.unit_windows,
            segments=decided,
            scored_windows=tuple(windows),
        )

    def score(self, recordings: Any) -> Iterator[Decision | Failure]:
        """Decide about many recordings, one after the other; one that cannot be used gives a `Failure`, and on it goes.

        Parameters
        ----------
        recordings : path, Clip or iterable of both
            Folders are searched through.
        """
        self._require_fit()
        for recording in list_recordings(recordings):
            try:
                yield self.decide(recording)
            except ReadError as error:
                yield Failure(error.source, error.reason)

    def stream(self, rate: int | None = None) -> Stream:
        """Return the live core: ``push(block)`` gives the windows that became complete, ``flush()`` the last.

        Parameters
        ----------
        rate : int, optional
            Rate of the blocks in hertz; the pipeline's if not given.
        """
        self._require_fit()
        return Stream(
            self.features_,
            self.detector_,
            self.grid_,
            self.window_calibration_,
            self.n_channels_,
            rate or self.rate_,
        )

    @property
    def rate_(self) -> int:
        """The rate in hertz at which everything is heard."""
        return int(self.features_.fitted_state["rate_"])

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
        if not hasattr(self, "clip_calibration_"):
            raise NotFittedError("This Pipeline is not fitted yet. Call fit, or offkey.load a saved one.")


def load(path: str | os.PathLike[str], *, detectors: Sequence[type[Detector]] = ()) -> Pipeline:
    """Load a saved pipeline: see `Pipeline.load`."""
    return Pipeline.load(path, detectors=detectors)


def _provenance(gathered: Gathered, chosen: list[tuple[int, int]], seed: int) -> dict[str, Any]:
    import platform

    n_samples = sum(gathered.feature.n_samples(stop - start) for start, stop in chosen)
    return {
        "offkey": __version__,
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "n_recordings": len(chosen),
        "duration_s": round(n_samples / gathered.feature.fitted_state["rate_"], 3),
        "samples_sha256": gathered.digest,
    }


_PACKAGES = ("numpy", "scipy", "scikit-learn", "soundfile", "soxr", "ai-edge-litert", "keras", "tensorflow")


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # dear to import; scoring does without

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _block_name(block: tuple[int, int], recordings: list[tuple[int, int]], names: list[str], gathered: Gathered) -> str:
    """Name a block by its recording and its seconds in it."""
    i = next(i for i, (start, stop) in enumerate(recordings) if start <= block[0] and block[1] <= stop)
    feature, offset = gathered.feature, recordings[i][0]
    rate = feature.fitted_state["rate_"]
    first, stop = feature.span(block[0] - offset, block[1] - block[0])
    return f"{names[i]} [{first / rate:.1f}-{stop / rate:.1f} s]"

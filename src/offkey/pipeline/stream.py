"""The live core, without thread, clock or device; files are scored by it too, so that live equals file bit for bit."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offkey.decisions import Calibration
from offkey.detectors import Detector
from offkey.errors import OffkeyError, ShapeError
from offkey.features import Feature, Framer
from offkey.pipeline.decision import ScoredWindow
from offkey.signals import Resampler
from offkey.signals.clip import check_samples
from offkey.windows import WindowArray, WindowGrid

__all__ = ["Stream"]


@final
class Stream:
    """Scores a signal as it comes. Made by `Pipeline.stream`.

    Parameters
    ----------
    feature, detector, grid, calibration
        Of a fitted pipeline; the calibration is that of single windows.
    n_channels : int
        Channels of the signal.
    rate : int
        Rate of the signal, in hertz.
    """

    def __init__(
        self,
        feature: Feature,
        detector: Detector,
        grid: WindowGrid,
        calibration: Calibration,
        n_channels: int,
        rate: float,
    ) -> None:
        self._feature = feature
        self._detector = detector
        self._grid = grid
        self._calibration = calibration
        self._n_channels = n_channels
        self._rate: float = feature.fitted_state["rate_"]
        self._resampler = Resampler(rate, self._rate, n_channels)
        self._framer = Framer(feature, n_channels)
        self._held = np.empty((0, *feature.frame_shape(n_channels)), np.float32)
        self._first_held = 0  # frame number of the first held frame
        self._next_start = 0  # frame number at which the next window starts
        self._n_samples = 0  # at the pipeline's rate
        self._frame_sum = np.zeros(self._held.shape[1:])
        self._is_over = False

    @property
    def duration_s(self) -> float:
        """Seconds of signal that were heard so far."""
        return self._n_samples / self._rate

    @property
    def mean_frame(self) -> NDArray[np.float64]:
        """Mean of the frames so far (n_bands, n_channels)."""
        return self._frame_sum / max(1, self._first_held + len(self._held))

    def push(self, block: ArrayLike) -> list[ScoredWindow]:
        """Take up samples and return the windows that became complete.

        Parameters
        ----------
        block : array, shape (n_channels, n) or (n,)
            Any number of samples.

        Raises
        ------
        ShapeError
            If the block has another number of channels.
        InputError
            If samples are not finite.
        OffkeyError
            If the stream was flushed.
        """
        if self._is_over:
            raise OffkeyError("A block was pushed to a stream that was flushed. Make a new one with pipeline.stream().")
        samples = np.atleast_2d(np.asarray(block, np.float32))
        if samples.ndim != 2 or len(samples) != self._n_channels:
            raise ShapeError(
                f"A block of shape {np.shape(block)} was pushed. Give ({self._n_channels}, n): channels, samples."
            )
        check_samples(samples, "block")
        return [window for piece in self._resampler.feed(samples) for window in self.take(piece)]

    def take(self, samples: NDArray[np.float32]) -> list[ScoredWindow]:
        """Take up samples (n_channels, n) that are known to be sound and at the pipeline's rate."""
        self._n_samples += samples.shape[1]
        return self._score(self._framer.push(samples))

    def flush(self) -> list[ScoredWindow]:
        """End the stream and return its last window, if the signal's end is in none yet."""
        if self._is_over:
            return []
        windows = self.take(self._resampler.finish())
        windows += self._score(self._framer.flush())
        self._is_over = True
        last = self._first_held + len(self._held) - self._grid.n_frames
        heard_until = self._next_start - self._grid.hop + self._grid.n_frames
        if last >= 0 and heard_until < self._first_held + len(self._held):
            windows += self._score_windows(np.array([last]))
        return windows

    def _score(self, frames: NDArray[np.float32]) -> list[ScoredWindow]:
        self._held = np.concatenate([self._held, frames])
        self._frame_sum += frames.sum(axis=0, dtype=np.float64)
        n_seen = self._first_held + len(self._held)
        starts = np.arange(self._next_start, n_seen - self._grid.n_frames + 1, self._grid.hop)
        if len(starts) == 0:
            return []
        windows = self._score_windows(starts)
        self._next_start = int(starts[-1]) + self._grid.hop
        unneeded = min(self._next_start, n_seen - self._grid.n_frames) - self._first_held
        self._held = self._held[unneeded:].copy()
        self._first_held += unneeded
        return windows

    def _score_windows(self, starts: NDArray[np.int64]) -> list[ScoredWindow]:
        first = starts - self._first_held
        segments = [(int(start), int(start) + self._grid.n_frames) for start in first]
        scores = self._detector.anomaly_score(WindowArray(self._held, segments, self._grid))
        p_values = self._calibration.p_value(scores)
        decisions = self._calibration.is_anomaly(scores)
        return [
            self._window(int(start), float(score), float(p_value), bool(decision))
            for start, score, p_value, decision in zip(starts, scores, p_values, decisions, strict=True)
        ]

    def _window(self, start: int, score: float, p_value: float, is_anomaly: bool) -> ScoredWindow:
        first, stop = self._feature.span(start, self._grid.n_frames)
        stop = min(stop, max(first, self._n_samples))
        return ScoredWindow(first, stop, first / self._rate, stop / self._rate, score, p_value, is_anomaly)

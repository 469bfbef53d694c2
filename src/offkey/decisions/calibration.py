"""Calibration: a threshold together with the normal scores it rests on, for one calibrated unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.decisions.base import Threshold
from offkey.decisions.conformal import conformal_p_value

__all__ = ["Calibration", "segments"]


@final
@dataclass(frozen=True)
class Calibration:
    """Decides about scores of one unit: clips of ``unit_windows`` windows, or single windows.

    Parameters
    ----------
    reference : array, shape (n_recordings,)
        Calibration scores in ascending order, one of each recording (or block of a long one) that the detector was not
        trained on: those of one recording depend on each other, and would promise more than they know.
    threshold : Threshold
        Fitted on them.
    unit_windows : int
        Windows whose pooled score is decided as one.
    """

    reference: NDArray[np.float64]
    threshold: Threshold
    unit_windows: int

    @classmethod
    def on(cls, scores: NDArray[np.float64], threshold: Threshold, unit_windows: int) -> Calibration:
        """Fit a copy of ``threshold`` on scores (n_recordings,)."""
        return cls(np.sort(scores), threshold.unfitted().fit(scores), unit_windows)

    @property
    def n_recordings(self) -> int:
        """Number of recordings that the scores come from."""
        return len(self.reference)

    def p_value(self, scores: Any) -> NDArray[np.float64]:
        """Return conformal p-values of scores."""
        return conformal_p_value(scores, self.reference)

    def rate_interval(self, confidence: float = 0.9) -> tuple[float, float]:
        """Return the interval of the false-alarm rate at the threshold that the reference scores leave open.

        Clopper and Pearson's (1934), from how many of them lie above it.
        """
        from scipy.special import betaincinv

        n, n_above = len(self.reference), int(np.sum(self.reference > self.threshold.fitted_state["threshold_"]))
        tail = (1 - confidence) / 2
        low = betaincinv(n_above, n - n_above + 1, tail) if n_above else 0.0
        high = betaincinv(n_above + 1, n - n_above, 1 - tail) if n_above < n else 1.0
        return float(low), float(high)

    def is_anomaly(self, scores: Any) -> Any:
        """Say whether scores are anomalous."""
        return self.threshold.is_anomaly(scores)


def segments(n_windows: int, unit_windows: int) -> list[slice]:
    """Cut a recording's windows into units; the last unit ends at the last window, as windows do in a recording.

    A recording of fewer windows is one unit.

    Examples
    --------
    >>> segments(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(3, 5, None)]
    >>> segments(1, 2)
    [slice(0, 1, None)]
    """
    if n_windows <= unit_windows:
        return [slice(0, n_windows)]
    starts = list(range(0, n_windows - unit_windows + 1, unit_windows))
    if starts[-1] + unit_windows < n_windows:
        starts.append(n_windows - unit_windows)
    return [slice(start, start + unit_windows) for start in starts]

"""A recording as a pipeline hears it: scored windows, and how well its sensors are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from offkey.errors import ReadError
from offkey.features import Feature
from offkey.pipeline.decision import ScoredWindow
from offkey.pipeline.gather import too_short
from offkey.pipeline.normal import NormalSound
from offkey.pipeline.sources import Source
from offkey.pipeline.stream import Stream
from offkey.signals import Finding, HealthMeter
from offkey.windows import WindowGrid

__all__ = ["Heard", "hear"]


@final
@dataclass(frozen=True)
class Heard:
    """Scored windows, at least one, the length in seconds, and what is wrong with the sensors."""

    windows: list[ScoredWindow]
    duration_s: float
    findings: tuple[Finding, ...]


def hear(source: Source, stream: Stream, feature: Feature, grid: WindowGrid, normal: NormalSound) -> Heard:
    """Run a recording through a stream, and measure its health on the way.

    Raises
    ------
    ReadError
        If it is damaged, or shorter than a window.
    """
    rate = feature.fitted_state["rate_"]
    meter = HealthMeter(source.rate, source.n_channels, source.is_full_scale)
    windows = [window for block in source.blocks(rate, meter) for window in stream.take(block)]
    windows += stream.flush()
    if not windows:
        raise ReadError(source.name, too_short(round(stream.duration_s * rate), feature, grid, source.by_angle))
    own = source.channels, source.units, source.by_angle
    found = normal.findings(meter.health(), stream.mean_frame, feature, *own)
    return Heard(windows, stream.duration_s, found)

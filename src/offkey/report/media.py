"""What a report shows and plays of a recording, as data that lie inside the page."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.explain import Explanation
from offkey.pipeline import Pipeline
from offkey.signals import Clip, Resampler

__all__ = ["audio_of", "data_address", "figure_address", "gain_of", "picture_of"]

MP3_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000)
LOWEST_RATE = 4000
"""Signals of lower rates are nothing to listen to."""
LOUDNESS = 0.08
"""Root mean square that a normal recording is played at, of full scale."""
MOST_COLUMNS, VALUE_ROWS = 640, 240


def data_address(content: bytes, kind: str) -> str:
    """Return a ``data:`` address of this content; ``kind`` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def picture_of(explanation: Explanation, channel: int) -> str:
    """Return the lit spectrogram of one channel, highest band on top, as the address of a WebP picture.

    Of named values, the series of the one that is furthest outside normal.
    """
    from PIL import Image

    from offkey.plots.explanation import lit_spectrogram
    from offkey.plots.values import value_pixels

    if explanation.is_spectral:
        pixels = lit_spectrogram(explanation, channel)[::-1]
    else:
        pixels = value_pixels(explanation, channel, MOST_COLUMNS, VALUE_ROWS)
    n_columns = pixels.shape[1]
    if n_columns > MOST_COLUMNS:
        starts = np.linspace(0, n_columns, MOST_COLUMNS, endpoint=False).astype(int)
        sums = np.add.reduceat(pixels.astype(np.float64), starts, axis=1)
        pixels = np.rint(sums / np.diff(np.append(starts, n_columns))[:, None]).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(
        file, "WEBP", quality=55 if explanation.is_spectral else 80, method=4
    )
    return data_address(file.getvalue(), "image/webp")


def gain_of(pipeline: Pipeline) -> float:
    """Return the one factor that recordings are played with, by the level of normal ones: loudness can be compared."""
    normal = pipeline.normal_.health
    is_alive = normal.loudest > 0
    levels = np.sqrt(normal.softest[is_alive] * normal.loudest[is_alive])
    return LOUDNESS / float(levels.max()) if len(levels) else 1.0


def audio_of(clip: Clip, gain: float, channel: int) -> bytes:
    """Return one channel of a clip as an MP3 file; empty where its rate is too low to listen to."""
    import soundfile

    if clip.rate < LOWEST_RATE:
        return b""
    rate = max((each for each in MP3_RATES if each <= clip.rate), default=MP3_RATES[0])
    own = clip.samples[channel][None]
    samples = own if rate == clip.rate else _resampled(own, clip.rate, rate)
    file = io.BytesIO()
    soundfile.write(
        file, np.clip(gain * samples[0], -1, 1), rate, format="MP3", subtype="MPEG_LAYER_III",
        bitrate_mode="VARIABLE", compression_level=0.6,
    )  # fmt: skip
    return file.getvalue()


def figure_address(figure: Any) -> str:
    """Return a matplotlib figure as the address of an SVG picture, with text that stays text."""
    import matplotlib as mpl

    file = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "offkey", "font.family": "sans-serif"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return data_address(file.getvalue(), "image/svg+xml")


def _resampled(samples: NDArray[np.float32], rate: float, new_rate: float) -> NDArray[np.float32]:
    resampler = Resampler(rate, new_rate, len(samples))
    return np.concatenate([*resampler.feed(samples), resampler.finish()], axis=1)

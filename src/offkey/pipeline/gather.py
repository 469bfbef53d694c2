"""From recordings to stored frames: choose rate, channels and window, read everything once, report what fails."""

from __future__ import annotations

import copy
import hashlib
import logging
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError, ReadError
from offkey.features import Embedding, Feature, Framer, LogMel, Raw, Spectrum
from offkey.pipeline.held_out import FEWEST_RECORDINGS
from offkey.pipeline.readings import misfit
from offkey.pipeline.sources import SOUND, Failure, Recording, Source, open_source, survey, wholes_of
from offkey.progress import track
from offkey.signals import Piece, Reading, find_pieces
from offkey.signals.health import Health, HealthMeter
from offkey.signals.lengths import length_text, sampling_text
from offkey.windows import FrameStore, WindowGrid

__all__ = ["Gathered", "StoredFrames", "digest_of", "gather", "notes_on_files", "shared", "too_short"]

logger = logging.getLogger(__name__)

Value = TypeVar("Value")

USUAL_WINDOW_S = (1.0, 10.0)
WINDOWS_OF_FEW = 10
"""Windows that each of few recordings is to hold."""
MOSTLY = 0.9
"""Part of the time that lies in recordings which are at least as long as a window."""
FRAMES_AT_ONCE = 10_000
LOWEST_RATE_OF_SOUND, LOWEST_RATE_OF_SPECTRA = 2000, 10
"""In hertz: below them the front end that is chosen is another."""


@final
@dataclass(frozen=True)
class StoredFrames:
    """Frames (n_frames, n_bands, n_channels), and the first of each recording with the one behind its last."""

    frames: NDArray[np.float32]
    recordings: list[tuple[int, int]]


@final
@dataclass(frozen=True)
class Gathered:
    """Frames of all usable recordings, not scaled, and what was chosen on the way.

    ``sources``, ``digests`` (of samples, shortened), ``healths`` and ``store.recordings`` go together; ``digest`` is a
    SHA-256 over all samples; ``known`` is what a table says of recordings, by column and path; ``reading`` is how
    sensor files were read. The store is closed at the end of a ``with`` block.
    """

    feature: Feature
    grid: WindowGrid
    channels: tuple[str, ...]
    units: tuple[str, ...]
    reading: Reading
    store: FrameStore | StoredFrames
    sources: list[Source]
    digests: list[str]
    healths: list[Health]
    failures: list[Failure]
    notes: list[str]
    digest: str
    known: Mapping[str, Mapping[str, str]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if isinstance(self.store, FrameStore):
            self.store.close()

    def select(self, indices: Sequence[int]) -> Gathered:
        """Return some of the recordings, over the same frames; the store stays with whoever opened it."""
        digests = [self.digests[i] for i in indices]
        return replace(
            self,
            store=StoredFrames(self.store.frames, [self.store.recordings[i] for i in indices]),
            sources=[self.sources[i] for i in indices],
            digests=digests,
            healths=[self.healths[i] for i in indices],
            digest=hashlib.sha256("".join(digests).encode()).hexdigest(),
        )


def gather(
    recordings: Sequence[Recording],
    feature: Feature | None,
    rate: float | None,
    window_s: float | None,
    hop_s: float | None,
    known: Mapping[str, Mapping[str, str]] | None = None,
    reading: Reading | None = None,
) -> Gathered:
    """Read recordings into a frame store.

    ``feature`` is chosen by what they are if none is given, ``known`` is what a table says of them, by column and path,
    and ``reading`` says how sensor files are read.

    Raises
    ------
    InputError
        If no recording is usable, or parameters do not fit.
    """
    reading = reading or Reading()
    sources, failures = survey(recordings, reading)
    if not sources:
        raise InputError(_nothing_usable(failures))
    if rate is not None and not 0 < rate < math.inf:
        raise InputError(f"A rate of {rate} Hz was given. It must be above zero.")
    channels, units = _usual_channels(sources)
    sources = _reordered(sources, channels, reading)
    reasons = [misfit(source, channels, units, reading, "the other recordings have") for source in sources]
    failures += [Failure(each.name, reason) for each, reason in zip(sources, reasons, strict=True) if reason]
    sources = [source for source, reason in zip(sources, reasons, strict=True) if not reason]
    rate = None if reading.by_angle else rate or (feature.rate if feature else None)
    rate = rate or _commonest(source.rate for source in sources)
    notes = notes_on_files((source.path, source.notes) for source in sources)
    n_resampled = sum(source.rate != rate for source in sources)
    if n_resampled:
        notes.append(f"{n_resampled} of {len(sources)} recordings have another rate and are resampled to {rate:g} Hz.")
    feature = (feature or usual_feature(units, rate)).unfitted().fit(rate)
    if not isinstance(feature, LogMel | Embedding):
        notes.append(_front_end_in_words(feature, rate, reading.by_angle))
    grid = choose_grid(feature, rate, window_s, hop_s, _lengths(sources, rate), notes, reading.by_angle)
    shape = feature.frame_shape(len(channels))
    expected_frames = sum(feature.n_frames(source.n_samples_at(rate)) for source in sources)
    store = FrameStore(*shape, expected_bytes=4 * expected_frames * math.prod(shape))
    try:
        read, digests, healths, digest = _fill(store, sources, feature, grid, rate, failures)
        if not read:
            raise InputError(_nothing_usable(failures))
    except BaseException:
        store.close()
        raise
    for failure in failures:
        logger.warning("left out: %s", failure)
    for note in notes:
        logger.info(note)
    return Gathered(
        feature, grid, channels, units, reading, store, read, digests, healths, failures, notes, digest, known or {}
    )


@contextmanager
def scaled(gathered: Gathered) -> Iterator[Gathered]:
    """Return recordings with frames in units of what is usual in them, where the front end learns that.

    Their frames are then copied to a store of their own, which is there while this block runs.
    """
    if not gathered.feature.is_scaled:
        yield gathered
        return
    feature, frames, bounds = copy.copy(gathered.feature), gathered.store.frames, gathered.store.recordings
    feature.learn_scale([frames[start:stop] for start, stop in bounds])
    n_bands, n_channels = frames.shape[1:]
    n_frames = sum(stop - start for start, stop in bounds)
    with FrameStore(n_bands, n_channels, expected_bytes=4 * n_frames * n_bands * n_channels) as store:
        for start, stop in bounds:
            own = frames[start:stop]
            store.append(feature.scaled(own[at : at + FRAMES_AT_ONCE]) for at in range(0, len(own), FRAMES_AT_ONCE))
        yield replace(gathered, feature=feature, store=store)


def usual_feature(units: Sequence[str], rate: float) -> Feature:
    """Return the front end that is chosen for signals of these units and rate, in hertz, where none is given."""
    if set(units) == {SOUND} and rate >= LOWEST_RATE_OF_SOUND:
        return LogMel()
    return Spectrum() if rate >= LOWEST_RATE_OF_SPECTRA else Raw()


@contextmanager
def shared(gathered: Gathered) -> Iterator[Gathered]:
    """Keep frames in a file that has a name while this block runs, so that other processes can map it too."""
    import tempfile  # dear to import; scoring does without

    folder = gathered.store.directory if isinstance(gathered.store, FrameStore) else None
    with tempfile.TemporaryDirectory(prefix="offkey-", dir=folder, ignore_cleanup_errors=True) as place:
        path = Path(place) / "frames.npy"
        np.save(path, gathered.store.frames, allow_pickle=False)
        frames = np.load(path, mmap_mode="r", allow_pickle=False)
        yield replace(gathered, store=StoredFrames(frames, gathered.store.recordings))


def notes_on_files(noted: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Return what was noted on reading files, each kind once: with the first file, and the number of them."""
    kinds: dict[str, dict[str, str]] = {}
    for path, notes in noted:
        for note in notes:
            kinds.setdefault(re.sub(r"[\d.]+", "", note), {}).setdefault(path, note)
    return [
        f"{f'{len(found)} files, such as ' if len(found) > 1 else ''}{next(iter(found))}: {next(iter(found.values()))}."
        for found in kinds.values()
    ]


def _front_end_in_words(feature: Feature, rate: float, by_angle: bool) -> str:
    n_fft, hop, n_bands = feature.frame_samples, feature.hop_samples, feature.fitted_state["n_bands_"]
    bands = f"{n_bands} bands" if n_bands > 1 else "1 band"
    frames = f"frames of {n_fft} samples every {hop}" if n_fft > 1 else "each sample a frame"
    sampling = sampling_text(rate, by_angle)
    return f"The front end is {feature!r}: at {sampling} {frames}, {bands} (set the features to change that)."


def _fill(
    store: FrameStore, sources: list[Source], feature: Feature, grid: WindowGrid, rate: float, failures: list[Failure]
) -> tuple[list[Source], list[str], list[Health], str]:
    """Write all recordings to the store; return those that could be read, with their digests and health.

    The last is a digest of all.
    """
    read: list[Source] = []
    digests: list[str] = []
    healths: list[Health] = []
    seen: dict[bytes, str] = {}
    digest = hashlib.sha256()
    for source in track(sources, "reading", len(sources)):
        reader = _Reader(source, feature, grid, rate, seen)
        try:
            store.append(reader.frames())
        except ReadError as error:
            failures.append(Failure(error.source, error.reason))
        else:
            read.append(source)
            digests.append(shortened(reader.digest))
            healths.append(reader.meter.health())
            digest.update(reader.digest.digest())
    return read, digests, healths, digest.hexdigest()


class _Reader:
    """Turns one recording into frames, while it counts, digests and measures its samples.

    ``seen`` maps digests to names: a second copy of a recording would be on both sides of the split, and is refused.
    """

    def __init__(self, source: Source, feature: Feature, grid: WindowGrid, rate: float, seen: dict[bytes, str]) -> None:
        self._source, self._feature, self._grid, self._rate = source, feature, grid, rate
        self._seen = seen
        self.n_samples = 0
        self.digest = hashlib.sha256()
        self.meter = HealthMeter(source.rate, source.n_channels, source.is_full_scale)

    def frames(self) -> Iterator[NDArray[np.float32]]:
        framer = Framer(self._feature, self._source.n_channels)
        for block in self._source.blocks(self._rate, self.meter):
            self.digest.update(block.tobytes())
            self.n_samples += block.shape[1]
            yield framer.push(block)
        yield framer.flush()
        if self._feature.n_frames(self.n_samples) < self._grid.n_frames:
            raise ReadError(
                self._source.name, too_short(self.n_samples, self._feature, self._grid, self._source.by_angle)
            )
        digest = self.digest.digest()
        if digest in self._seen:
            raise ReadError(self._source.name, f"holds the same samples as {self._seen[digest]}.")
        self._seen[digest] = self._source.name


def digest_of(source: Source, rate: float) -> str:
    """Return the beginning of the SHA-256 of a recording's samples at a rate: the same samples give the same.

    Raises
    ------
    ReadError
        If the file is damaged.
    """
    digest = hashlib.sha256()
    for block in source.blocks(rate):
        digest.update(block.tobytes())
    return shortened(digest)


def shortened(digest: hashlib._Hash) -> str:
    """Return enough of a digest to tell recordings apart."""
    return digest.hexdigest()[:16]


def too_short(n_samples: int, feature: Feature, grid: WindowGrid, by_angle: bool) -> str:
    """Say that a recording of ``n_samples`` does not fill a window."""
    rate = feature.fitted_state["rate_"]
    own, window = (length_text(n / rate, by_angle) for n in (n_samples, feature.n_samples(grid.n_frames)))
    return f"lasts {own}, shorter than a window of {window}; fit with shorter windows to score it."


def choose_grid(
    feature: Feature,
    rate: float,
    window_s: float | None,
    hop_s: float | None,
    lengths: Sequence[int],
    notes: list[str],
    by_angle: bool = False,
) -> WindowGrid:
    """Return the window grid in whole frames; where no length is given, the shortest recording's, as far as is usual.

    Of few recordings it is a part of that where they could not be cut into blocks otherwise.

    An infinite length is the commonest of the recordings, the shortest of those that are as common.

    Raises
    ------
    InputError
        If the window is shorter than a frame, or the hop longer than the window.
    """
    if window_s is None:
        shortest, longest = (round(seconds * rate) for seconds in _usual_window_s(feature, rate))
        n_samples = min(longest, max(min(lengths), shortest))
        n_blocks = sum((length + n_samples) // (2 * n_samples) for length in lengths)
        if len(lengths) < FEWEST_RECORDINGS and n_blocks < FEWEST_RECORDINGS:
            n_samples = max(min(lengths) // WINDOWS_OF_FEW, shortest)
        n_samples = max(n_samples, feature.n_samples(1))
    elif window_s == math.inf:
        counts = Counter(feature.n_frames(length) for length in lengths)
        common = min(counts, key=lambda n_frames: (-counts[n_frames], n_frames))
        n_samples = min(length for length in lengths if feature.n_frames(length) == common)
    else:
        n_samples = round(window_s * rate)
    n_frames = feature.n_frames(n_samples)
    if n_frames < 1:
        raise InputError(
            f"A window of {n_samples / rate:g} s is shorter than one frame ({feature.frame_samples / rate:g} s at "
            f"{rate:g} Hz). Use a longer window or a smaller n_fft."
        )
    if hop_s is not None and round(hop_s * rate) > n_samples:
        raise InputError(
            f"A hop of {hop_s:g} s was given for windows of {n_samples / rate:g} s, which would leave sound unheard. "
            "Use a hop of at most the window's length."
        )
    hop = n_frames // 2 if hop_s is None else round(hop_s * rate / feature.hop_samples)
    hop = min(max(1, hop), n_frames)
    if window_s in (None, math.inf):
        notes.append(
            f"Windows of {length_text(n_samples / rate, by_angle)}, every "
            f"{length_text(hop * feature.hop_samples / rate, by_angle)} (set the window to change that)."
        )
    return WindowGrid(n_frames, hop)


def _reordered(sources: Sequence[Source], channels: tuple[str, ...], reading: Reading) -> list[Source]:
    """Return recordings with those columns of a file that the others have, in their order, where it has them all."""
    found: list[Source] = []
    for source in sources:
        if source.channels != channels and set(source.channels) >= set(channels) and isinstance(source.content, Piece):
            pieces, _ = find_pieces(source.path, reading.unfitted().set_params(channels=channels))
            found += [open_source(piece) for piece in pieces if piece.name == source.name]
        else:
            found.append(source)
    return found


def _lengths(sources: Sequence[Source], rate: float) -> list[int]:
    """Return the samples of recordings; where some were cut at gaps, without fragments that make up little."""
    lengths = sorted((source.n_samples_at(rate) for source in sources), reverse=True)
    if len(set(wholes_of(sources))) == len(sources):
        return lengths
    n_kept = int(np.searchsorted(np.cumsum(lengths), MOSTLY * sum(lengths))) + 1
    return lengths[:n_kept]


def _usual_window_s(feature: Feature, rate: float) -> tuple[float, float]:
    """Return the seconds of the shortest and the longest window that is chosen."""
    if feature.usual_frames is None:
        return USUAL_WINDOW_S
    few, many = (feature.n_samples(n_frames) / rate for n_frames in feature.usual_frames)
    return min(USUAL_WINDOW_S[0], few), max(USUAL_WINDOW_S[1], many)


def _usual_channels(sources: Sequence[Source]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names and the units of the channels that most recordings have."""
    n_channels = _commonest(source.n_channels for source in sources)
    return _commonest((source.channels, source.units) for source in sources if source.n_channels == n_channels)


def _commonest(values: Iterator[Value]) -> Value:
    return Counter(values).most_common(1)[0][0]


def _nothing_usable(failures: list[Failure]) -> str:
    shown = "\n".join(f"  {failure}" for failure in failures[:5])
    more = f"\n  and {len(failures) - 5} more" if len(failures) > 5 else ""
    return f"None of the {len(failures)} recordings can be used. Give recordings of normal sound.\n{shown}{more}"

"""Named faults of a known strength, put into recordings of a normal machine: what would be heard, without a fault."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from offkey.datasets.faults import Running, Samples, band_noise, bearing, rattle, rms, whine
from offkey.datasets.octaves import band_edges, band_name, band_power, limit_to_band, octave_bands
from offkey.errors import InjectionError, InputError
from offkey.signals import Clip

__all__ = ["INJECTIONS", "Injection", "inject", "injector"]

SNR = "dB SNR"
SILENT = 1e-12
"""A band with less than this part of a channel's power is silent: there is rounding in it, and nothing else."""
STRONGEST = {SNR: 120.0, "dB": 120.0, "%": 100.0}
SNR_LADDER = tuple(float(db) for db in range(-30, 25, 3))

Prepared = Callable[[float], Samples]
"""From a strength to samples (n_channels, n_samples); everything random is drawn already."""


@final
@dataclass(frozen=True)
class Injection:
    """A fault that can be put into a clip.

    Parameters
    ----------
    prepare : callable
        From samples (n_channels, n_samples), a `Running` and a band to a function of the strength.
    unit : str
        Of the strength: ``"dB SNR"`` (power of the fault, or of the change, over that of the clip), ``"dB"``, ``"%"``.
    ladder : tuple of float
        Strengths to try, weakest first.
    in_band : bool
        Whether it lies in an octave band.
    meaning : str
        In a few words.
    """

    prepare: Callable[[Samples, Running, int], Prepared]
    unit: str
    ladder: tuple[float, ...]
    in_band: bool
    meaning: str

    @property
    def nothing(self) -> float:
        """The strength at which there is no fault."""
        return -math.inf if self.unit == SNR else 0.0


def inject(
    clip: Clip, fault: str, strength: float, *, band: int | None = None, shaft_hz: float = 25.0, seed: int = 0
) -> Clip:
    """Return a clip with a fault in it.

    Parameters
    ----------
    clip : Clip
        Normal sound. Faults are the same in all channels, set against each channel's own power; a channel that is
        silent stays so. Samples may come to lie outside [-1, 1]; none is limited.
    fault : str
        One of `INJECTIONS`.
    strength : float
        In the fault's unit; an SNR is that within the octave band, over the whole clip. At -inf dB SNR, 0 dB or 0 %
        the clip comes back as it is.
    band : int, optional
        Nominal centre frequency of the octave band in hertz, for faults that lie in one.
    shaft_hz : float
        Turns of the shaft each second: what bearing impacts and modulation go by.
    seed : int
        The same seed gives the same fault in the same clip; other clips get other phases.

    Raises
    ------
    InputError
        If the fault or band is unknown, or the strength is out of range.
    InjectionError
        If the clip has no sound in the band, or is too short to hold the fault.

    Examples
    --------
    >>> clip = Clip(np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    >>> faulty = inject(clip, "whine", -10, band=1000)
    >>> added = band_power(faulty.samples - clip.samples, 16000, 1000) / band_power(clip.samples, 16000, 1000)
    >>> round(10 * float(np.log10(added[0])), 2)
    -10.0
    """
    return injector(clip, fault, band=band, shaft_hz=shaft_hz, seed=seed)(strength)


def injector(
    clip: Clip, fault: str, *, band: int | None = None, shaft_hz: float = 25.0, seed: int = 0
) -> Callable[[float], Clip]:
    """Return a function from a strength to the clip with that fault: the same fault, only stronger or weaker.

    Parameters and errors are those of `inject`.
    """
    kind = _checked(clip, fault, band, shaft_hz)
    digest = zlib.crc32(clip.samples.tobytes())
    rng = np.random.default_rng([seed, digest, zlib.crc32(fault.encode()), band or 0])
    prepared = kind.prepare(
        clip.samples.astype(np.float64), Running(shaft_hz, clip.rate, clip.n_samples, rng), band or 0
    )

    def at(strength: float) -> Clip:
        if strength == kind.nothing:
            return clip
        if not kind.nothing < strength <= STRONGEST[kind.unit]:
            raise InputError(
                f"A {fault} of {strength} {kind.unit} was asked for. "
                f"Give one above {kind.nothing:g}, up to {STRONGEST[kind.unit]:g}."
            )
        return replace(clip, samples=prepared(strength).astype(np.float32))

    return at


def _checked(clip: Clip, fault: str, band: int | None, shaft_hz: float) -> Injection:
    if fault not in INJECTIONS:
        raise InputError(f"The fault {fault!r} was asked for. There are: {', '.join(INJECTIONS)}.")
    kind = INJECTIONS[fault]
    bands = octave_bands(clip.rate)
    if kind.in_band and band not in bands:
        known = ", ".join(str(hz) for hz in bands) or "none"
        raise InputError(
            f"The octave band {band} was given for a {fault} at a rate of {clip.rate} Hz. "
            f"Name one by its centre in Hz: {known}."
        )
    if not kind.in_band and band is not None:
        raise InputError(f"The octave band {band} was given for the fault {fault!r}. It lies in no band; leave it out.")
    if not 0 < shaft_hz <= clip.rate / 20:
        raise InputError(
            f"A shaft of {shaft_hz:g} turns a second was given. At a rate of {clip.rate} Hz give one above 0, "
            f"up to {clip.rate / 20:g}."
        )
    return kind


def _add(generate: Callable[[Running, float, float], Samples]) -> Callable[[Samples, Running, int], Prepared]:
    """Make an injection of a generator (of low and high edge in hertz): limited to the band, and set by SNR."""

    def prepare(samples: Samples, running: Running, band: int) -> Prepared:
        own = band_power(samples, running.rate, band)
        own[own <= SILENT * np.square(samples).mean(axis=-1)] = 0
        if not own.any():
            raise InjectionError(
                f"The clip has no sound in the octave band at {band_name(band)}. Choose another band, or check it."
            )
        fault = limit_to_band(generate(running, *band_edges(band)), running.rate, band)
        if not fault.any():
            raise InjectionError(
                f"The clip lasts {running.n_samples / running.rate:.3g} s, too short for the fault to be in it. "
                "Use a longer one."
            )
        unit = np.sqrt(own)[:, np.newaxis] * fault / rms(fault)
        return lambda snr_db: samples + 10 ** (snr_db / 20) * unit

    return prepare


def _bearing(running: Running, low_hz: float, high_hz: float) -> Samples:
    """Impacts that ring at the band's centre for some ten periods."""
    centre = math.sqrt(low_hz * high_hz)
    return bearing(running, centre, 10 / centre)


def _whine(running: Running, low_hz: float, high_hz: float) -> Samples:
    return whine(running, math.sqrt(low_hz * high_hz), running.rng.uniform(0, 2 * np.pi))


def _modulation(samples: Samples, running: Running, band: int) -> Prepared:
    """Let the sound swell once a turn; depths above -3 dB SNR overmodulate."""
    swell = samples * np.sin(2 * np.pi * running.shaft_hz * running.times + running.rng.uniform(0, 2 * np.pi))
    own, change = np.square(samples).mean(axis=-1), np.square(swell).mean(axis=-1)
    unit = swell * np.sqrt(own / np.where(change > 0, change, 1))[:, np.newaxis]
    return lambda snr_db: samples + 10 ** (snr_db / 20) * unit


def _gain(sign: float) -> Callable[[Samples, Running, int], Prepared]:
    def prepare(samples: Samples, running: Running, band: int) -> Prepared:
        return lambda change_db: samples * 10 ** (sign * change_db / 20)

    return prepare


def _faster(samples: Samples, running: Running, band: int) -> Prepared:
    """Resample by the cosine transform, which keeps the level up to the highest frequency; the end is mirrored."""
    from scipy.fft import dct, idct

    spectrum = dct(samples, norm="ortho")

    def at(percent: float) -> Samples:
        n_left = max(1, round(running.n_samples / (1 + percent / 100)))
        faster = idct(spectrum[:, :n_left], norm="ortho") * math.sqrt(n_left / running.n_samples)
        return np.pad(faster, ((0, 0), (0, running.n_samples - n_left)), mode="symmetric")

    return at


def _dropout(samples: Samples, running: Running, band: int) -> Prepared:
    """Zero one stretch of the signal, as long as the strength says, at a random place."""
    place = running.rng.uniform()

    def at(percent: float) -> Samples:
        n_missing = max(1, round(percent / 100 * running.n_samples))
        start = round(place * (running.n_samples - n_missing))
        holed = samples.copy()
        holed[:, start : start + n_missing] = 0
        return holed

    return at


INJECTIONS: dict[str, Injection] = {
    "bearing": Injection(_add(_bearing), SNR, SNR_LADDER, True, "impacts of a pitted bearing, ringing in the band"),
    "whine": Injection(_add(_whine), SNR, SNR_LADDER, True, "a tone at the band's centre"),
    "rattle": Injection(_add(rattle), SNR, SNR_LADDER, True, "irregular bursts of noise in the band"),
    "leak": Injection(_add(band_noise), SNR, SNR_LADDER, True, "a steady hiss in the band"),
    "modulation": Injection(
        _modulation, SNR, tuple(float(db) for db in range(-36, 0, 3)), False, "the sound swells once a turn"
    ),
    "louder": Injection(_gain(1), "dB", (0.25, 0.5, 1.0, 2.0, 3.0, 6.0, 10.0, 20.0), False, "the whole sound louder"),
    "quieter": Injection(
        _gain(-1), "dB", (0.25, 0.5, 1.0, 2.0, 3.0, 6.0, 10.0, 20.0), False, "the whole sound quieter"
    ),
    "faster": Injection(_faster, "%", (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0), False, "the whole sound faster"),
    "dropout": Injection(
        _dropout, "%", (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0), False, "the signal is missing for a while"
    ),
}

"""How many times faster than real time each front end is, beside SciPy in the same run.

Usage: python benchmarks/features.py [--seconds 20] [--repeats 15] [--out results/features.json]

A stream of three channels at 25.6 kHz (a triaxial accelerometer) comes in blocks of a tenth of a second, of a second,
or at once; one core. SciPy gets the whole stream at once, in double precision as the front ends work in, and does part
of the job: no bands, no decibels. Both are timed in turns; the ratio is the median of ratios pair by pair.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import scipy.signal
import scipy.stats
from threadpoolctl import threadpool_limits

from offkey.features import Concatenate, Envelope, Framer, LogMel, Raw, Spectrum, Statistics

RATE, N_CHANNELS = 25_600, 3
BLOCKS_S = (0.1, 1.0)
FRONT_ENDS = {
    "Spectrum": Spectrum(),
    "Envelope": Envelope(),
    "Statistics": Statistics(),
    "Raw": Raw(),
    "Concatenate of Spectrum and Statistics": Concatenate((Spectrum(), Statistics())),
    "LogMel": LogMel(),
}


def stream(seconds):
    """Return vibration (n_channels, n_samples): gravity, a shaft and noise."""
    n = round(seconds * RATE)
    shaft = np.sin(2 * np.pi * 29.5 * np.arange(n) / RATE)
    noise = np.random.default_rng(0).normal(0, 0.1, (N_CHANNELS, n))
    return (np.array([[9.81], [0], [0]]) + shaft + noise).astype(np.float32)


def in_blocks(feature, samples, size):
    framer = Framer(feature, len(samples))
    for start in range(0, samples.shape[1], size):
        framer.push(samples[:, start : start + size])
    framer.flush()


def frames_in(feature, samples):
    views = np.lib.stride_tricks.sliding_window_view(samples, feature.frame_samples, axis=1)
    return views[:, :: feature.hop_samples].astype(np.float64)


def spectrogram(feature, samples):
    n_fft = feature.frame_samples
    scipy.signal.spectrogram(
        samples.astype(np.float64), RATE, "hann", n_fft, n_fft - feature.hop_samples, detrend="constant"
    )


def hilbert(feature, samples):
    band = scipy.signal.butter(4, [RATE / 8, 0.45 * RATE], "bandpass", fs=RATE, output="sos")
    envelope = np.abs(scipy.signal.hilbert(frames_in(feature, scipy.signal.sosfilt(band, samples))))
    scipy.signal.periodogram(envelope, RATE, "hann", detrend="constant")


def moments(feature, samples):
    frames = frames_in(feature, samples)
    frames.std(axis=2), scipy.stats.kurtosis(frames, axis=2), scipy.stats.skew(frames, axis=2), np.ptp(frames, axis=2)


PEERS = {
    "Spectrum": ("scipy.signal.spectrogram", spectrogram),
    "Envelope": ("scipy.signal.sosfilt, hilbert, periodogram", hilbert),
    "Statistics": ("scipy.stats.kurtosis, skew", moments),
}


def seconds_of(run):
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def measure(name, samples, repeats):
    """Return times real time in blocks and at once, and the peer's, medians."""
    feature = FRONT_ENDS[name].unfitted().fit(RATE)
    seconds = samples.shape[1] / RATE
    runs = {
        f"blocks of {each:g} s": lambda each=each: in_blocks(feature, samples, int(each * RATE)) for each in BLOCKS_S
    }
    runs["at once"] = lambda: feature.transform(samples)
    if name in PEERS:
        runs[PEERS[name][0]] = lambda: PEERS[name][1](feature, samples)
    times = np.array([[seconds_of(run) for run in runs.values()] for _ in range(repeats + 1)])[1:]
    found = {run: round(seconds / each) for run, each in zip(runs, np.median(times, axis=0), strict=True)}
    result = {"frame_samples": feature.frame_samples, "n_bands": feature.n_bands_, "times_real_time": found}
    if name in PEERS:
        result["times_faster_than_peer"] = round(float(np.median(times[:, -1] / times[:, -2])), 2)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "features.json")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    samples = stream(arguments.seconds)
    results = {}
    with threadpool_limits(1):
        for name in FRONT_ENDS:
            results[name] = measure(name, samples, arguments.repeats)
            print(name, json.dumps(results[name]), flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

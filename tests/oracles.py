"""Slow and obvious: what the fast code must equal."""

from itertools import pairwise

import numpy as np


def log_mel(samples, feature):
    """Log-mel of one channel in float64, frame by frame; samples are padded already."""
    bank = feature.filter_bank_.astype(np.float64)
    window = feature.window_.astype(np.float64)
    frames = []
    for start in range(0, len(samples) - feature.n_fft + 1, feature.hop_length):
        spectrum = np.fft.rfft(samples[start : start + feature.n_fft].astype(np.float64) * window)
        mel = bank @ np.abs(spectrum) ** feature.power
        frames.append(20 / feature.power * np.log10(np.maximum(mel, feature.eps)))
    return np.array(frames).reshape(-1, feature.n_mels)


def window_starts(n_frames, length, hop):
    """Every window that fits the grid, and the one that ends at the last frame."""
    starts = [start for start in range(0, n_frames, hop) if start + length <= n_frames]
    if n_frames >= length and n_frames - length not in starts:
        starts.append(n_frames - length)
    return starts


def auc(labels, scores):
    """Count the pairs that are ordered rightly; ties count half."""
    normal = [score for label, score in zip(labels, scores, strict=True) if label == 0]
    anomalous = [score for label, score in zip(labels, scores, strict=True) if label == 1]
    won = sum((a > n) + 0.5 * (a == n) for a in anomalous for n in normal)
    return won / (len(normal) * len(anomalous))


def conformal_threshold(scores, rate):
    """Find the smallest calibration score that at most a fraction ``rate`` of n + 1 exchangeable scores exceeds."""
    ordered = sorted(scores)
    n = len(ordered)
    for k in range(1, n + 1):
        if (n + 1 - k) / (n + 1) <= rate + 1e-12:
            return ordered[k - 1]
    return ordered[-1]


def decisions_at(scores, labels, boundary):
    """Count hits, misses, false alarms and quiet normal recordings, one by one."""
    pairs = list(zip(scores, labels, strict=True))
    hits = sum(label == 1 and score > boundary for score, label in pairs)
    misses = sum(label == 1 and score <= boundary for score, label in pairs)
    false_alarms = sum(label == 0 and score > boundary for score, label in pairs)
    return hits, misses, false_alarms, len(pairs) - hits - misses - false_alarms


def f_beta(scores, labels, boundary, beta):
    hits, misses, false_alarms, _ = decisions_at(scores, labels, boundary)
    return (1 + beta**2) * hits / ((1 + beta**2) * hits + beta**2 * misses + false_alarms)


def mean_cost(scores, labels, boundary, miss_cost, false_alarm_cost, fraction):
    hits, misses, false_alarms, quiet = decisions_at(scores, labels, boundary)
    per_anomaly = miss_cost * misses / (hits + misses)
    return fraction * per_anomaly + (1 - fraction) * false_alarm_cost * false_alarms / (false_alarms + quiet)


def every_boundary(scores):
    """Return a boundary between any two scores, and one below and above all."""
    ordered = sorted(set(scores))
    middles = [low / 2 + high / 2 for low, high in pairwise(ordered)]
    return [ordered[0] - 1, *middles, ordered[-1] + 1]


def predictive_survival(excess, excesses):
    """Average over generalised Pareto tails, tail by tail, with scipy's density and wider scales."""
    from scipy.stats import genpareto

    total = above = 0.0
    for shape in np.linspace(-0.5, 0.5, 31):
        for scale in np.exp(np.linspace(-4, 4, 101)) * np.mean(excesses):
            weight = np.exp(
                genpareto.logpdf(excesses, shape, scale=scale).sum() + len(excesses) * np.log(np.mean(excesses))
            )
            total += weight
            above += weight * genpareto.sf(excess, shape, scale=scale)
    return above / total


def neighbor_distances(references, query):
    return sorted(np.sqrt(((reference - query) ** 2).sum()) for reference in references)


def autoencoder_score(window, context, predict):
    """Mean squared error over all contexts of a window (n_frames, n_values)."""
    errors = []
    for start in range(len(window) - context + 1):
        piece = window[start : start + context].reshape(1, -1)
        errors.append(np.mean((np.asarray(predict(piece), np.float64) - piece) ** 2))
    return np.mean(errors)


def events(windows, on, off, merge_gap, min_duration):
    """Spans of events without cooldown: runs above ``off`` from their first window above ``on``, merged, sifted."""
    found = []
    run = []
    for window in [*windows, None]:
        if window is not None and window.score > off:
            run.append(window)
            continue
        while run and run[0].score <= on:
            run.pop(0)
        if run:
            found.append([run[0].start_sample, run[-1].stop_sample])
        run = []
    merged = []
    for start, stop in found:
        if merged and start <= merged[-1][1] + merge_gap:
            merged[-1][1] = stop
        else:
            merged.append([start, stop])
    return [(start, stop) for start, stop in merged if stop - start >= min_duration]


def octave_power(samples, rate, low_hz, high_hz):
    """Power between two frequencies, by a steep Butterworth filter: high pass, and low pass if it is below Nyquist."""
    from scipy.signal import butter, sosfilt

    filtered = sosfilt(butter(12, low_hz, "highpass", fs=rate, output="sos"), np.asarray(samples, np.float64))
    if high_hz < rate / 2:
        filtered = sosfilt(butter(12, high_hz, "lowpass", fs=rate, output="sos"), filtered)
    return np.mean(filtered**2)


def part_between(samples, rate, low_hz, high_hz):
    """Part of the power that lies between two frequencies, of a signal that is faded in and out."""
    spectrum = np.abs(np.fft.rfft(np.asarray(samples, np.float64) * np.hanning(len(samples)))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    return spectrum[(hz >= low_hz) & (hz <= high_hz)].sum() / spectrum.sum()

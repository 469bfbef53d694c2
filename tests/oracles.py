"""Slow and obvious: what the fast code must equal."""

import math
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
        floored = mel + feature.eps if feature.floor == "add" else np.maximum(mel, feature.eps)
        frames.append(20 / feature.power * np.log10(floored))
    return np.array(frames).reshape(-1, feature.n_mels)


def triangles_over_mel(rate, n_fft, n_mels, fmin, fmax):
    """Mel filters (n_mels, n_lines) as TensorFlow's documentation words them, one weight at a time."""

    def mel(hz):
        return 1127 * np.log(1 + hz / 700)

    corners = [mel(fmin) + i * (mel(fmax) - mel(fmin)) / (n_mels + 1) for i in range(n_mels + 2)]
    bank = np.zeros((n_mels, n_fft // 2 + 1))
    for band, (low, middle, high) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        for line in range(1, n_fft // 2 + 1):
            at = mel(line * rate / n_fft)
            bank[band, line] = max(0, min((at - low) / (middle - low), (high - at) / (high - middle)))
    return bank


def yamnet_log_mel(samples):
    """YAMNet's input (n_frames, 64) at 16 kHz: 400 samples at the beginning of 512, amplitudes, log(mel + 0.001)."""
    bank = triangles_over_mel(16000, 512, 64, 125.0, 7500.0)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    starts = range(0, len(samples) - 399, 160)
    frames = [np.abs(np.fft.rfft(samples[start : start + 400] * window, 512)) for start in starts]
    return np.log(np.array(frames) @ bank.T + 0.001)


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


def baseline_log_mel(samples, rate, floor):
    """Log-mel (n_frames, 128) of one channel as the DCASE baselines have it, in float64: librosa, then a logarithm."""
    import librosa

    mel = librosa.feature.melspectrogram(
        y=np.asarray(samples, np.float64), sr=rate, n_fft=1024, hop_length=512, n_mels=128, power=2.0
    )
    eps = np.finfo(np.float64).eps
    return (20 / 2.0 * np.log10({"add": mel + eps, "max": np.maximum(mel, eps)}[floor])).T


def dense_network(model, row):
    """Send one row through a Keras model of dense layers, batch normalisations and ReLUs, in float64."""
    value = np.asarray(row, np.float64)
    for layer in model.layers:
        weights = [np.asarray(each, np.float64) for each in layer.get_weights()]
        kind = type(layer).__name__
        if kind == "Dense":
            value = value @ weights[0] + weights[1]
        elif kind == "BatchNormalization":
            gamma, beta, mean, variance = weights
            value = gamma * (value - mean) / np.sqrt(variance + layer.epsilon) + beta
        elif kind == "Activation":
            value = np.maximum(value, 0)
        else:
            assert kind == "InputLayer", kind
    return value


def baseline_residuals(log_mel, model):
    """Residual of each vector of five frames, (n_vectors, 640)."""
    vectors = [np.concatenate([log_mel[start + i] for i in range(5)]) for start in range(len(log_mel) - 4)]
    return np.array([vector - dense_network(model, vector) for vector in vectors])


def baseline_score(residuals, score, covariances):
    """Clip score of residuals (n_vectors, 640); ``covariances`` (128, 128) of the residual rows of each domain."""
    if score == "mse":
        return np.mean(residuals**2)
    rows = residuals.reshape(-1, 128)
    scores = []
    for covariance in covariances:
        precision = np.linalg.inv(covariance)
        if score == "selective-mahalanobis":  # as coded: the mean of all entries, not of the diagonal
            scores.append(np.mean(rows @ precision @ rows.T))
        else:
            scores.append(np.mean([row @ precision @ row for row in rows]))
    return min(scores)


def time_statistic(window, name):
    """Return a statistic over time of a window (n_frames, n_bands, n_channels), written out."""
    n_frames, n_bands, n_channels = window.shape
    series = [[window[:, band, channel] for channel in range(n_channels)] for band in range(n_bands)]
    if name == "modulation":
        return modulation(series, n_frames)
    found = []
    for x in (x for of_band in series for x in of_band):
        if name == "delta":
            differences = [x[i + 1] - x[i] for i in range(n_frames - 1)]
            found.append(20 * math.log10((np.std(differences) if differences else 0) + 0.01))
        else:
            weights = [float(name.removeprefix("gwrp")) ** i for i in range(n_frames)]
            loudest_first = sorted(x, reverse=True)
            found.append(sum(w * y for w, y in zip(weights, loudest_first, strict=True)) / sum(weights))
    return found


def modulation(series, n_frames):
    """Return mean powers in six octaves below half the frame rate, of at most 16 groups of bands, in dB."""
    taper = [math.sin(math.pi * (i + 1) / (n_frames + 1)) ** 2 for i in range(n_frames)]
    length = next(n for n in range(n_frames, 2 * n_frames + 1) if is_5_smooth(n))
    lines = np.arange(length // 2 + 1)
    waves = np.exp(-2j * np.pi * np.outer(lines, np.arange(n_frames)) / length)
    powers = [
        [np.abs(waves @ ((x - np.mean(x)) * taper)) ** 2 / np.sum(np.square(taper)) for x in own] for own in series
    ]
    size = math.ceil(len(series) / 16)
    found = []
    for octave in range(6):
        within = [i for i in lines if len(lines) / 2 ** (octave + 1) <= i < len(lines) / 2**octave]
        for first in range(0, len(series), size):
            for channel in range(len(series[0])):
                group = [own[channel][within] for own in powers[first : first + size]]
                found.append(10 * math.log10((np.mean(group) if within else 0) + 0.01**2))
    return found


def is_5_smooth(n):
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n == 1

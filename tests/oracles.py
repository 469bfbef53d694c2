"""Slow and obvious: what the fast code must equal."""

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


def neighbor_distances(references, query):
    return sorted(np.sqrt(((reference - query) ** 2).sum()) for reference in references)


def autoencoder_score(window, context, predict):
    """Mean squared error over all contexts of a window (n_frames, n_values)."""
    errors = []
    for start in range(len(window) - context + 1):
        piece = window[start : start + context].reshape(1, -1)
        errors.append(np.mean((np.asarray(predict(piece), np.float64) - piece) ** 2))
    return np.mean(errors)

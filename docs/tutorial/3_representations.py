# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. Representations of sound
#
# *Part 3 of 7. 7 minutes to read.*
#
# After this part you can
#
# - turn samples into a spectrogram and say what each axis and each parameter means,
# - choose a frame length for the sound that you have,
# - make log-mel spectra by hand, with librosa and with offkey, and get the same numbers,
# - say what a detector is given in the end.
#
# The machines are **simulated**; a real one follows where you have recordings.

# %%
import os
from pathlib import Path

import librosa
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

import offkey
from offkey.datasets import simulate_clip

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
sns.set_theme(style="ticks", rc={"figure.figsize": (8, 3), "figure.constrained_layout.use": True})

# %% [markdown]
# ## Samples
#
# A microphone measures the pressure of the air many thousand times a second. Each measurement is a
# **sample**, and the number of samples in a second is the **rate**, in hertz (Hz). At 16,000 Hz it
# catches tones up to half of that, 8,000 Hz.

# %%
rate = 16_000
clip = simulate_clip("pump", "whine", number=3, duration_s=3.0, snr_db=6.0, rate=rate)
samples = clip.samples[0]  # the first and only channel

figure, axis = plt.subplots()
some = samples[:320]
axis.plot(1000 * np.arange(len(some)) / rate, some, ".-", color=BLUE, linewidth=0.8, markersize=3)
axis.set(xlabel="time (ms)", ylabel="sample value\n(1 is full scale)", title="320 samples, 20 ms")
plt.show()

# %% [markdown]
# ## One frame, one spectrum
#
# Samples say little to the eye. What we hear are tones, so we ask how much of each tone there is.
# That is the **spectrum**, and the Fourier transform computes it, from a short piece of `n_fft`
# samples: a **frame**.
#
# One thing comes before. Cutting a piece out makes hard edges, and edges sound like all tones at
# once. So the frame is faded in and out with a *Hann window*. Below, a pure tone of 1,008 Hz, with
# and without fading. (dB are decibels: ten times the power is 10 dB more.)

# %%
n_fft = 1024
hann = np.hanning(n_fft + 1)[:-1]
tone = np.sin(2 * np.pi * 1008 * np.arange(n_fft) / rate)
hertz = np.fft.rfftfreq(n_fft, 1 / rate)


def decibels(power):
    """Return decibels of powers; a floor keeps silence finite."""
    return 10 * np.log10(np.maximum(power, 1e-10))


figure, axes = plt.subplots(1, 2)
axes[0].plot(tone * hann, color=BLUE, linewidth=0.6)
axes[0].set(title="a tone, faded in and out", xlabel="sample", ylabel="sample value")
for window, colour, name in ((np.ones(n_fft), ORANGE, "as cut"), (hann, BLUE, "faded")):
    power = np.abs(np.fft.rfft(tone * window)) ** 2
    axes[1].plot(hertz, decibels(power / power.max()), color=colour, label=name)
axes[1].set(title="its spectrum", xlabel="frequency (Hz)", ylabel="power (dB)", ylim=(-100, 5))
axes[1].legend(frameon=False)
plt.show()

# %% [markdown]
# ## Many frames: the spectrogram
#
# Take a frame, go on by `hop_length` samples, take the next. Their spectra side by side are a
# **spectrogram**: time to the right, frequency upwards, colour for power. First with NumPy alone.

# %%
hop_length = 512
frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop_length]  # (n_frames, n_fft)
spectrogram = np.abs(np.fft.rfft(frames * hann)) ** 2  # power, shape (n_frames, 1 + n_fft // 2)
print(f"{len(samples)} samples, {spectrogram.shape[0]} frames of {spectrogram.shape[1]} lines each")
assert len(frames) == 1 + (len(samples) - n_fft) // hop_length

by_librosa = np.abs(librosa.stft(samples, n_fft=n_fft, hop_length=hop_length, center=False)) ** 2
assert np.allclose(spectrogram.T, by_librosa, rtol=1e-3, atol=1e-6)  # librosa's lines come first

# %%
seconds = hop_length / rate * np.arange(len(frames))
figure, axes = plt.subplots(1, 2, sharey=True)
for axis, values, title in (
    (axes[0], spectrogram, "power"),
    (axes[1], decibels(spectrogram), "power in dB"),
):
    image = axis.pcolormesh(seconds, hertz, values.T, cmap="magma")
    axis.set(title=title, xlabel="time (s)")
    figure.colorbar(image, ax=axis)
axes[0].set_ylabel("frequency (Hz)")
plt.show()

# %% [markdown]
# Left, hardly anything: a few low tones have nearly all the power. Right, the same in **decibels**.
# Ears work in decibels, too: what counts is how many *times* louder something is. Now there is a
# horizontal line a little above 3 kHz: a whining tone, and this pump's fault.
#
# ## Long frames or short ones
#
# Long frames tell tones apart, short ones moments. You cannot have both: a line of the spectrum is
# `rate / n_fft` hertz wide, and a frame is `n_fft / rate` seconds long. A valve's knocks show it.

# %%
valve = simulate_clip("valve", number=0, duration_s=1.5, snr_db=10.0, rate=rate).samples[0]
figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True)
for axis, length in zip(axes, (128, 1024, 8192), strict=True):
    power = np.abs(librosa.stft(valve, n_fft=length, hop_length=64, center=False)) ** 2
    librosa.display.specshow(
        librosa.power_to_db(power, ref=np.max), sr=rate, hop_length=64, n_fft=length,
        x_axis="time", y_axis="linear", cmap="magma", ax=axis,
    )  # fmt: skip
    axis.set(title=f"n_fft={length}: {1000 * length / rate:.0f} ms, {rate / length:.0f} Hz")
    axis.set(xlabel="time (s)", ylabel="", xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"])
axes[0].set_ylabel("frequency (Hz)")
plt.show()

# %% [markdown]
# 1,024 samples at 16 kHz (64 ms, 16 Hz) with a hop of half of that is what the DCASE baselines use,
# and a fair start for most machines.
#
# ## Mel: fewer bands, wider above
#
# 513 lines for each frame are many, and high up they say nearly the same. The ear is finer for low
# tones than for high ones, and the **mel scale** copies it: close to even steps up to 1 kHz, then
# ever wider ones. A **mel band** adds up all lines within a triangle.

# %%
n_mels = 64
bank = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels)  # (n_mels, 1 + n_fft // 2)
centres = librosa.mel_frequencies(n_mels + 2, fmax=rate / 2)[1:-1]

figure, axes = plt.subplots(1, 2)
axes[0].plot(np.arange(n_mels), centres, ".", color=BLUE, markersize=4)
axes[0].set(title="each dot is a band", xlabel="number of the band", ylabel="centre (Hz)")
for n in range(8, n_mels, 8):
    axes[1].plot(hertz, bank[n] / bank[n].max(), color=BLUE, linewidth=1)
axes[1].set(title="every eighth triangle", xlabel="frequency (Hz)", ylabel="weight")
plt.show()

# %% [markdown]
# ## Log-mel: the usual representation
#
# Spectrogram, times triangles, in decibels: that is the **log-mel spectrogram**. Here it is three
# times. By hand, with librosa, and with offkey's `LogMel`, which is what all of offkey's detectors
# are given by default.

# %%
eps = np.finfo(float).eps  # the floor
by_hand = 10 * np.log10(np.maximum(spectrogram @ bank.T, eps))  # (n_frames, n_mels)

mel = librosa.feature.melspectrogram(
    y=samples, sr=rate, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, center=False
)
by_librosa = 10 * np.log10(np.maximum(mel, eps)).T

front_end = offkey.features.LogMel(n_fft=n_fft, hop_length=hop_length, n_mels=n_mels).fit(rate)
by_offkey = offkey.features.frames_of(front_end, clip)[:, :, 0]  # (n_frames, n_bands, n_channels)

assert by_hand.shape == by_librosa.shape == by_offkey.shape == (92, 64)
assert np.abs(by_hand - by_offkey).max() < 1e-3  # dB
assert np.abs(by_librosa - by_offkey).max() < 1e-3
print(f"Largest difference: {np.abs(by_librosa - by_offkey).max():.1e} dB")

# %% [markdown]
# ## Healthy and faulty, seen
#
# What does a fault look like? The same pump four times, at one colour scale.

# %%
kinds = {"healthy": None, "bearing": "bearing", "whine": "whine", "leak": "leak"}


def log_mel(clip):
    """Return log-mel spectra (n_frames, n_bands) of a clip, in dB."""
    return offkey.features.frames_of(front_end, clip)[:, :, 0]


pumps = {
    name: log_mel(simulate_clip("pump", fault, number=7, duration_s=3.0, snr_db=6.0))
    for name, fault in kinds.items()
}
figure, axes = plt.subplots(1, 4, figsize=(9, 2.8), sharey=True)
for axis, (name, values) in zip(axes, pumps.items(), strict=True):
    image = librosa.display.specshow(
        values.T, sr=rate, hop_length=hop_length, x_axis="time", y_axis="mel", fmax=rate / 2,
        cmap="magma", vmin=-30, vmax=15, ax=axis,
    )  # fmt: skip
    axis.set(title=name, xlabel="time (s)", ylabel="")
axes[0].set_ylabel("frequency (Hz, mel)")
figure.colorbar(image, ax=axes, label="dB")
plt.show()

# %% [markdown]
# By eye it takes practice. So let numbers help: average over time, and compare with 30 healthy
# recordings. The mean and the spread of each band are 128 numbers for a clip, and the simplest good
# input of a detector (`Gaussian` in offkey).

# %%
healthy = np.stack(
    [
        log_mel(simulate_clip("pump", number=100 + i, duration_s=3.0, snr_db=6.0)).mean(axis=0)
        for i in range(30)
    ]
)
usual, spread = healthy.mean(axis=0), healthy.std(axis=0)

figure, axis = plt.subplots()
bands = np.arange(n_mels)
axis.fill_between(bands, -2 * spread, 2 * spread, color="grey", alpha=0.3, label="± 2 spreads")
for (name, values), colour in zip(pumps.items(), ("black", ORANGE, GREEN, BLUE), strict=True):
    axis.plot(bands, values.mean(axis=0) - usual, color=colour, label=name)
axis.set_xticks(bands[::9], [f"{hz:.0f}" for hz in centres[::9]])
axis.set(xlabel="centre of the band (Hz)", ylabel="difference (dB)")
axis.set_title("mean over time, less that of healthy recordings")
axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

furthest = {
    name: np.abs((values.mean(axis=0) - usual) / spread).max() for name, values in pumps.items()
}
assert furthest["healthy"] < min(furthest["bearing"], furthest["whine"], furthest["leak"])

# %% [markdown]
# ## Frames, windows, contexts
#
# Three words, for three lengths:
#
# - A **frame** is one short-time spectrum (64 ms here).
# - A **window** is a fixed number of consecutive frames, a second to ten. It is scored as one: the
#   unit that a detector calls strange or not.
# - A **context** is the few frames (often five) that a small network sees at once. It lives inside
#   such a detector; you will meet it in part 4.

# %%
grid = offkey.windows.WindowGrid(n_frames=30, hop=15)  # windows of about a second, half overlapping
figure, axis = plt.subplots()
axis.pcolormesh(np.arange(93), np.arange(65), by_offkey.T, cmap="magma")
for i, start in enumerate(grid.starts(92)):
    height = 67 + 4 * (i % 3)
    axis.hlines(height, start + 0.3, start + 29.7, color=BLUE, linewidth=4)
axis.axvspan(40, 45, color="white", alpha=0.5)
axis.text(42.5, 32, "context", rotation=90, ha="center", va="center")
axis.set(xlabel="frame", ylabel="band", title="blue: windows", ylim=(0, 78))
plt.show()
assert grid.starts(92).tolist() == [0, 15, 30, 45, 60, 62]  # the last ends with the clip

# %% [markdown]
# ## Real clips
#
# With `OFFKEY_DATA` (see part 2): a fan of DCASE 2020 Task 2 (Koizumi et al. 2020, CC BY-NC-SA 4.0)
# and sounds of ESC-10 (Piczak 2015, CC BY 3.0).

# %%
real = Path(os.environ.get("OFFKEY_DATA", "not-given"), "sounds")
if (real / "fan-id00" / "normal").is_dir() and (real / "esc10").is_dir():
    paths = {
        "fan": sorted(real.glob("fan-id00/normal/*.wav"))[0],
        "helicopter": sorted(real.glob("esc10/*Helicopter/*.ogg"))[0],
        "clock": sorted(real.glob("esc10/*Clock tick/*.ogg"))[0],
    }
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True)
    for axis, (name, path) in zip(axes, paths.items(), strict=True):
        heard = log_mel(offkey.read(path, rate=rate))[:150]
        librosa.display.specshow(
            heard.T, sr=rate, hop_length=hop_length, x_axis="time", y_axis="mel", fmax=rate / 2,
            cmap="magma", ax=axis,
        )  # fmt: skip
        axis.set(title=f"real: {name}", xlabel="time (s)", ylabel="")
    axes[0].set_ylabel("frequency (Hz, mel)")
    plt.show()
else:
    print("OFFKEY_DATA names no folder with real clips, so we go on with simulated sound.")

# %% [markdown]
# ## Exercises
#
# ### Exercise 1
#
# Somebody moves the microphone, and all samples become twice as large. By how many decibels does
# each log-mel value rise? Does it depend on the band?

# %% tags=["solution"]
# Solution 1
rise = log_mel(offkey.Clip(2 * clip.samples, rate)) - by_offkey
print(f"By {rise.min():.2f} to {rise.max():.2f} dB: twice the size is four times the power.")
assert np.allclose(rise, 10 * np.log10(4), atol=1e-3)

# %% [markdown]
# ### Exercise 2
#
# Two tones, 1,000 and 1,020 Hz. Which of `n_fft` = 512, 1024, 2048, 4096 shows them as two? Count
# the peaks of the spectrum within 10 dB of the largest value.

# %% tags=["solution"]
# Solution 2
time = np.arange(8192) / rate
two_tones = np.sin(2 * np.pi * 1000 * time) + np.sin(2 * np.pi * 1020 * time)
n_peaks = {}
for length in (512, 1024, 2048, 4096):
    power = decibels(np.abs(np.fft.rfft(two_tones[:length] * np.hanning(length))) ** 2)
    is_peak = (power[1:-1] > power[:-2]) & (power[1:-1] > power[2:])
    n_peaks[length] = int((is_peak & (power[1:-1] > power.max() - 10)).sum())
    print(f"n_fft={length}: lines {rate / length:.1f} Hz wide, {n_peaks[length]} peak(s)")
assert n_peaks[512] == n_peaks[1024] == 1
assert n_peaks[4096] == 2

# %% [markdown]
# A Hann window smears a tone over about four lines, so lines must be under half as wide as the
# distance of the tones.
#
# ### Exercise 3
#
# How many frames does a clip of 10 s have at 16 kHz, with `n_fft=1024, hop_length=512`? Find the
# formula, then ask `front_end.n_frames`.

# %% tags=["solution"]
# Solution 3
n_samples = 10 * rate
n_frames = 1 + (n_samples - 1024) // 512
print(n_frames)
assert n_frames == front_end.n_frames(n_samples) == 311

# %% [markdown]
# ## Takeaways
#
# - A spectrogram is a row of short-time spectra. Long frames separate tones, short ones moments.
# - Decibels make soft things visible, and a change of loudness a plain shift.
# - Mel bands keep few numbers for the many high frequencies. Log-mel is the usual representation.
# - librosa and offkey give the same log-mel values, so a detector does not care which made them.
# - A detector is given windows: some frames, scored as one.
#
# Next: part 4, an autoencoder (`4_autoencoder.py`).

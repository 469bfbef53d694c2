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
# # 7. Other signals: an outlook
#
# *Part 7 of 7. 5 minutes to read.*
#
# After this part you can
#
# - use the same pipeline for vibration, with several channels and another rate,
# - use a detector on a plain table, as an estimator of scikit-learn,
# - watch the inputs of another model for drift, with p-values.
#
# Nothing in the idea is about sound: learn what is normal, score what is new, decide with held-out
# normal data. This part is an **outlook**. Reading sensor files, spectra made for vibration, and
# tests made for drift are still to come in offkey; what follows works with what there is today. All
# data here is **simulated**.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

import offkey
from offkey.decisions import Conformal, conformal_p_value
from offkey.detectors import Gaussian
from offkey.evaluation import auc
from offkey.features import LogMel, frames_of

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
sns.set_theme(style="ticks", rc={"figure.figsize": (8, 3), "figure.constrained_layout.use": True})

# %% [markdown]
# ## Vibration
#
# An accelerometer on a motor measures along three axes, 1,600 times a second. That is a **clip**
# with three channels, a rate and a unit. Our motor turns 25 times a second. Its fault is a damaged
# bearing, whose impacts ring at 500 Hz, along z only.

# %%
RATE, AXES = 1600, ("x", "y", "z")


def shake(number, faulty=False):
    """Return a clip of 3 s from a simulated accelerometer."""
    rng = np.random.default_rng([number, faulty])
    time = np.arange(3 * RATE) / RATE
    turns = 25 * rng.normal(1, 0.005)
    tones = np.zeros((3, len(time)))
    for order, size in ((1, 1.0), (2, 0.4), (3, 0.2)):
        for axis, gain in enumerate((1.0, 0.8, 0.3)):
            start = rng.uniform(0, 2 * np.pi)
            tones[axis] += gain * size * np.sin(2 * np.pi * order * turns * time + start)
    signal = tones + 0.3 * rng.normal(size=tones.shape)
    if faulty:
        since_impact = (time * 5.12 * turns) % 1 / (5.12 * turns)  # seconds
        signal[2] += 0.3 * np.exp(-since_impact / 0.003) * np.sin(2 * np.pi * 500 * since_impact)
    return offkey.Clip(signal, RATE, channels=AXES, unit="m/s²", source=f"motor {number}")


good, bad = shake(0), shake(0, faulty=True)
print(good)

figure, axes = plt.subplots(1, 2, sharey=True)
for axis, clip, name in zip(axes, (good, bad), ("healthy", "damaged bearing"), strict=True):
    some = clip.samples[:, : RATE // 4]
    for channel, values, colour in zip(clip.channels, some, (BLUE, GREEN, ORANGE), strict=True):
        seconds = np.arange(len(values)) / RATE
        axis.plot(seconds, values, color=colour, linewidth=0.8, label=channel)
    axis.set(title=name, xlabel="time (s)")
axes[0].set_ylabel("acceleration (m/s²)")
axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# The front end needs other numbers: shorter frames, as the rate is lower, and fewer bands. Below 1
# kHz mel bands are evenly spaced, so nothing about them is special to the ear here. All else is as
# in part 6.

# %%
front_end = LogMel(n_fft=256, hop_length=128, n_mels=32)
motor = offkey.Pipeline(
    Gaussian(statistics=("mean",)), features=front_end, window_s=1.0, threshold=Conformal(rate=0.05)
).fit([shake(i) for i in range(60)])

healthy = [motor.decide(shake(1000 + i)) for i in range(60)]
damaged = [motor.decide(shake(2000 + i, faulty=True)) for i in range(60)]
labels = np.repeat([0, 1], 60)
area = auc(labels, [each.score for each in healthy + damaged])
print(f"AUC {area:.2f}, false alarms {np.mean([each.is_anomaly for each in healthy]):.0%}")
assert area > 0.9

front_end.fit(RATE)
figure, axes = plt.subplots(1, 3, sharey=True)
for clip, colour, name in ((good, BLUE, "healthy"), (bad, ORANGE, "damaged bearing")):
    mean = frames_of(front_end, clip).mean(axis=0)  # (n_bands, n_channels), in dB
    for axis, values in zip(axes, mean.T, strict=True):
        axis.plot(front_end.band_hz_, values, color=colour, label=name)
for axis, channel in zip(axes, good.channels, strict=True):
    axis.set(title=channel, xlabel="frequency (Hz)")
axes[0].set_ylabel("mean over time (dB)")
axes[2].legend(frameon=False)
plt.show()

# %% [markdown]
# ## A table
#
# Four readings of a water circuit, one row each minute. They rise and fall together, with the load.
# The strange rows have nothing unusual in any single column: it is the *combination* that does not
# fit. A limit on each column would find nothing.

# %%
rng = np.random.default_rng(0)
COLUMNS = ["flow (l/min)", "pressure (bar)", "current (A)", "temperature (°C)"]


def readings(n, clogged=False):
    """Return a table of n minutes; a clogged filter costs flow and raises pressure."""
    load = rng.uniform(0.3, 0.7, n) if clogged else rng.uniform(0, 1, n)
    values = np.outer(load, [60, 3, 4, 20])
    values += [30, 1, 1, 25]
    values += rng.normal(size=(n, 4)) * [0.8, 0.08, 0.05, 0.5]
    if clogged:
        values += [-8, 0.4, 0, 0]
    return pd.DataFrame(values, columns=COLUMNS)


usual, later, clogged = readings(500), readings(200), readings(40, clogged=True)
inside = (clogged >= usual.min()) & (clogged <= usual.max())
assert inside.all(axis=None)  # no column gives it away

detector = Gaussian().fit(usual)  # a table has no course of time: each row is a window of one frame
scores = np.concatenate([detector.anomaly_score(later), detector.anomaly_score(clogged)])
print(f"AUC {auc(np.repeat([0, 1], [200, 40]), scores):.2f}")
assert auc(np.repeat([0, 1], [200, 40]), scores) > 0.95

figure, axes = plt.subplots(1, 2)
for axis, y in zip(axes, COLUMNS[1:3], strict=True):
    axis.scatter(later[COLUMNS[0]], later[y], s=10, color=BLUE, label="normal")
    axis.scatter(clogged[COLUMNS[0]], clogged[y], s=14, color=ORANGE, marker="^", label="clogged")
    axis.set(xlabel=COLUMNS[0], ylabel=y)
axes[0].legend(frameon=False)
plt.show()

# %% [markdown]
# Every detector of offkey is an outlier estimator of **scikit-learn** as well, with its names and
# signs: `predict` gives -1 for outliers. So it fits into pipelines and searches that you have.

# %%
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

chain = make_pipeline(StandardScaler(), Gaussian()).fit(usual)
print(pd.Series(chain.predict(clogged)).value_counts().to_string())
assert (chain.predict(clogged) == -1).mean() > 0.9

# %% [markdown]
# ## Drift in an ML pipeline
#
# A model was trained on last month's table. Is today's like it? **Drift** means that inputs change
# while nobody tells the model. So: fit a detector on one half of the old rows, and turn the scores
# of new rows into p-values (part 6) with the other half. Without drift, about one row in twenty has
# a p-value below 0.05, every day. Here a flow meter starts to read too low after day 20, a little
# more each day.

# %%
reference = np.sort(Gaussian().fit(usual[:250]).anomaly_score(usual[250:]))
watcher = Gaussian().fit(usual[:250])
p_values = []
for day in range(40):
    today = readings(100)
    today[COLUMNS[0]] -= 0.25 * max(0, day - 20)
    p_values.append(conformal_p_value(watcher.anomaly_score(today), reference))
p_values = np.array(p_values)  # (n_days, n_rows)
share = (p_values <= 0.05).mean(axis=1)

figure, axes = plt.subplots(1, 3, figsize=(9, 3), gridspec_kw={"width_ratios": [2, 1, 1]})
axes[0].plot(100 * share, ".-", color=BLUE)
axes[0].axhline(5, color="grey", linestyle=":")
axes[0].axvline(20, color=ORANGE, linestyle="--", label="drift begins")
axes[0].set(xlabel="day", ylabel="rows with p ≤ 0.05 (%)", title="40 days")
axes[0].legend(frameon=False)
for axis, day in zip(axes[1:], (10, 35), strict=True):
    axis.hist(p_values[day], np.linspace(0, 1, 11), color=BLUE)
    axis.set(title=f"day {day}", xlabel="p-value", ylabel="number of rows")
plt.show()
assert share[:20].mean() < 0.1
assert share[35:].mean() > 0.3

# %% [markdown]
# A single small p-value is chance. A *pile* of them, day after day, is drift. A test of its own for
# that, with a false-alarm rate over time, is still to come in offkey.
#
# ## Exercises
#
# ### Exercise 1
#
# Somebody saves money and buys a sensor with one axis, x. Fit the motor's pipeline on that axis
# alone (`LogMel(..., channels=(0,))`). What becomes of the AUC, and why?

# %% tags=["solution"]
# Solution 1
one_axis = offkey.Pipeline(
    Gaussian(statistics=("mean",)),
    features=LogMel(n_fft=256, hop_length=128, n_mels=32, channels=(0,)),
    window_s=1.0,
    threshold=Conformal(rate=0.05),
).fit([shake(i) for i in range(60)])
clips = [shake(1000 + i) for i in range(60)] + [shake(2000 + i, faulty=True) for i in range(60)]
area_x = auc(labels, [one_axis.decide(clip).score for clip in clips])
print(f"AUC {area_x:.2f}: the impacts are along z, and x does not hear them.")
assert area_x < area - 0.2

# %% [markdown]
# ### Exercise 2
#
# On which day would you have noticed the drift? Test each day whether its p-values are spread
# evenly (`scipy.stats.kstest(p, "uniform")`), and sound the alarm when the test says less than
# 0.001.

# %% tags=["solution"]
# Solution 2
from scipy.stats import kstest

results = np.array([kstest(row, "uniform").pvalue for row in p_values])
alarm = int(np.flatnonzero(results < 0.001)[0])
print(f"On day {alarm}; the drift began after day 20.")
assert alarm > 20

# %% [markdown]
# With 40 days and a limit of 0.001, a false alarm is unlikely. It is a rough test all the same: the
# reference is finite, so p-values are not exactly even.
#
# ## Takeaways
#
# - The same line serves any signal with regular patterns: clip, frames, windows, score, decision.
# - For another rate choose other frames: long enough for the slowest thing that matters.
# - What no single reading shows, a combination of them may. Detectors take plain tables.
# - P-values of inputs show drift: look for piles of them, not for single ones.
# - For sensors and drift this is an outlook. Tools made for them are still to come.
#
# That was the tutorial. Now take ten minutes of your own machine, and start with `offkey fit`.

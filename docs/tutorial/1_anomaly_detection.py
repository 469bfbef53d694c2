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
# # 1. What is anomaly detection?
#
# *Part 1 of 7. 6 minutes to read.*
#
# After this part you can
#
# - say how anomaly detection differs from classification,
# - build a small detector that has heard nothing but normal sound,
# - explain why a detector that learns without labels cannot be judged without them.
#
# You need some Python and NumPy. You need no knowledge of sound: every term is explained where it
# comes up first.
#
# All machines in this part are **simulated**. They show how things work. They say nothing about
# how well anything works on a real machine.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from offkey.datasets import simulate_clip

BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"  # safe for colour-blind eyes
sns.set_theme(style="ticks", rc={"figure.figsize": (8, 3), "figure.constrained_layout.use": True})

# %% [markdown]
# ## A machine, and what may be wrong with it
#
# A **clip** is one piece of signal: numbers, and how many of them there are for each second (the
# *rate*). Here are two clips of a pump. One has a damaged bearing. Can you see which?

# %%
healthy = simulate_clip("pump", number=0, duration_s=2.0)
damaged = simulate_clip("pump", "bearing", number=1, duration_s=2.0)
print(healthy)

figure, axes = plt.subplots(1, 2, sharey=True)
for axis, clip, name in zip(axes, (healthy, damaged), ("clip A", "clip B"), strict=True):
    seconds = np.arange(clip.n_samples) / clip.rate
    axis.plot(seconds, clip.samples[0], color=BLUE, linewidth=0.3)
    axis.set(title=name, xlabel="time (s)")
axes[0].set_ylabel("sample value\n(1 is full scale)")
plt.show()

# %% [markdown]
# You cannot, and neither can a computer that looks at single samples. (It is clip B.) In a notebook
# you can listen to both:

# %%
try:
    from IPython.display import Audio, display
except ImportError:
    print("No IPython here, so nothing to listen to.")
else:
    for clip in (healthy, damaged):
        display(Audio(clip.samples[0], rate=clip.rate))

# %% [markdown]
# ## Two numbers for each clip
#
# So we sum each clip up. Two numbers will do for now: how loud are its low tones, and how loud are
# its high tones? Loudness is given in **decibels** (dB): ten times the power is 10 dB more.
# Part 3 shows where such numbers come from.


# %%
def low_and_high(clip):
    """Return the level below 1 kHz and above 2 kHz, in dB."""
    power = np.abs(np.fft.rfft(clip.samples[0])) ** 2 / clip.n_samples**2
    hertz = np.fft.rfftfreq(clip.n_samples, 1 / clip.rate)
    return 10 * np.log10([power[hertz < 1000].sum(), power[hertz > 2000].sum()])


def record(fault, numbers):
    """Return two numbers for each of some recordings, shape (n, 2)."""
    clips = [simulate_clip("pump", fault, number=i, duration_s=2.0) for i in numbers]
    return np.array([low_and_high(clip) for clip in clips])


normal = record(None, range(60))  # to learn from
held_out = record(None, range(60, 140))  # normal too, kept back
new = record(None, range(140, 240))  # normal too, to judge by
faults = {name: record(name, range(40)) for name in ("bearing", "leak", "imbalance")}

# %%
colours = {"bearing": ORANGE, "leak": GREEN, "imbalance": PINK}
marks = {"bearing": "^", "leak": "s", "imbalance": "D"}


def scatter(axis):
    axis.scatter(*new.T, s=12, color=BLUE, label="normal")
    for name, points in faults.items():
        axis.scatter(*points.T, s=12, color=colours[name], marker=marks[name], label=name)
    axis.set_xlabel("level of low tones (dB)")


figure, axis = plt.subplots(figsize=(6, 4))
scatter(axis)
axis.set(ylabel="level of high tones (dB)", title="each dot is a recording")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# Each dot is a recording. Normal ones lie in a narrow band: some recordings are louder than others,
# and then both numbers grow together. A fault moves a recording out of that band, each fault in a
# direction of its own.
#
# ## Classification: tell apart what you have seen
#
# A **classifier** learns from examples of each kind. Say that you have recordings of the damaged
# bearing, but none of the other faults, because they have not happened yet. That is the usual case:
# machines break rarely, and in new ways.

# %%
from sklearn.linear_model import LogisticRegression

examples = np.concatenate([normal, record("bearing", range(100, 160))])
labels = np.repeat([0, 1], 60)  # 0 is normal, 1 is an anomaly
classifier = LogisticRegression(C=100).fit(examples, labels)

caught = pd.Series(
    {name: classifier.predict(points).mean() for name, points in {"normal": new, **faults}.items()}
)
print("Called faulty by the classifier:")
print(caught.map("{:.0%}".format).to_string())
assert caught["bearing"] > 0.9
assert caught["imbalance"] < 0.1

# %% [markdown]
# It knows the bearing, and a leak that happens to look alike. The imbalance it misses: it has
# learned that *more high tones* are bad, and the imbalance has more low ones.
#
# ## Anomaly detection: know what is normal
#
# An anomaly detector turns the question round. It learns what *normal* is, and calls everything
# else strange. The **anomaly score** says how strange: higher is stranger.
#
# Our detector takes the mean and the spread of normal recordings, and measures the distance from
# the mean. The spread counts: a step along the band is shorter than a step out of it. This is the
# *Mahalanobis distance*, and these few lines are a complete detector.

# %%
mean = normal.mean(axis=0)
inverse_covariance = np.linalg.inv(np.cov(normal.T))


def distance(points):
    """Return how far points (n, 2) lie from normal, measured in spreads of normal sound."""
    away = points - mean
    return np.sqrt(np.einsum("ni,ij,nj->n", away, inverse_covariance, away))


# %% [markdown]
# A **threshold** turns scores into a yes or no. We put it so that 5 % of the normal recordings that
# we kept back lie above it. (Part 6 does this with more care.)

# %%
threshold = np.quantile(distance(held_out), 0.95)

low, high = np.linspace(-30.2, -25.2, 200), np.linspace(-32.7, -28.5, 200)
grid = np.stack(np.meshgrid(low, high), axis=-1)
points = grid.reshape(-1, 2)
beyond = {
    "classifier: beyond the line": classifier.decision_function(points),
    "detector: outside the ellipse": distance(points) - threshold,
}
figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharey=True)
for axis, (title, values) in zip(axes, beyond.items(), strict=True):
    scatter(axis)
    shape = grid[..., 0], grid[..., 1], values.reshape(200, 200)
    axis.contourf(*shape, levels=[0, np.inf], colors="black", alpha=0.08)
    axis.contour(*shape, levels=[0], colors="black")
    axis.set_title(f"grey is called faulty\n{title}", fontsize=11)
axes[0].set_ylabel("level of high tones (dB)")
axes[1].legend(frameon=False, fontsize=9)
plt.show()

# %%
found = pd.Series({name: (distance(each) > threshold).mean() for name, each in faults.items()})
print("Called strange by the detector:")
print(found.map("{:.0%}".format).to_string())
assert found["imbalance"] > caught["imbalance"] + 0.3

# %% [markdown]
# The detector has never heard a fault, and finds faults of all three kinds. It has a price: it
# cannot say *which* fault it is, and anything unusual counts, a passing tram too.
#
# | | classification | anomaly detection |
# |---|---|---|
# | learns from | examples of every class | normal sound alone |
# | question | which of these is it? | is it like what I know? |
# | a new kind of fault | goes to some known class | is strange |
# | answer | a class | a score, and by a threshold yes or no |
#
# ## Why labels all the same
#
# No label was needed to *learn*. To *judge* a detector you need them. Here are three detectors:
# our distance, the plain level of a recording, and a throw of dice. Each has its threshold where
# 5 % of held-out normal sound lies above.

# %%
rng = np.random.default_rng(0)
detectors = {
    "distance": distance,
    "level": lambda points: points.mean(axis=1),
    "dice": lambda points: rng.uniform(size=len(points)),
}
anomalies = np.concatenate(list(faults.values()))
rows, scores = {}, {}
for name, score in detectors.items():
    of_held_out, of_normal, of_anomalies = score(held_out), score(new), score(anomalies)
    limit = np.quantile(of_held_out, 0.95)
    rows[name] = {
        "false alarms": (of_normal > limit).mean(),
        "faults found": (of_anomalies > limit).mean(),
    }
    scores[name] = of_normal, of_anomalies
rates = pd.DataFrame(rows).T

figure, axes = plt.subplots(1, 2, sharey=True)
for axis, column, colour in zip(axes, rates.columns, (BLUE, ORANGE), strict=True):
    axis.bar(rates.index, 100 * rates[column], color=colour)
    axis.set_title(f"{column}, in %")
axes[0].set(ylim=(0, 100), ylabel="share of clips (%)")
plt.show()

assert rates["false alarms"].max() < 0.15  # nearly the same for all three
assert rates["faults found"]["distance"] > 0.8 > 0.3 > rates["faults found"]["dice"]

# %% [markdown]
# The left picture needs no labels beyond *this is normal*, and it cannot tell the three apart: dice
# keep a promise about false alarms about as well as anything. Only the right picture can, and it
# needs recordings that somebody has labelled as faulty. So keep the few faults you have **for the
# test**. They are too few to learn from, and enough to judge by.
#
# One figure sums all thresholds up: the **AUC**, the area under the ROC curve (part 4 draws it). It
# is the answer to a simple question. Take one anomaly and one normal clip at random: how often has
# the anomaly the higher score? 0.5 is chance, 1 is perfect.

# %%
from offkey.evaluation import auc

for name, (of_normal, of_anomalies) in scores.items():
    wins = (of_anomalies[:, None] > of_normal).mean()  # all pairs
    labels = np.repeat([0, 1], [len(of_normal), len(of_anomalies)])
    assert np.isclose(wins, auc(labels, np.concatenate([of_normal, of_anomalies])))
    print(f"{name:10} AUC {wins:.2f}")

# %% [markdown]
# ## Exercises
#
# ### Exercise 1
#
# Give the classifier recordings of a leak as well. Does it now find the imbalance?

# %% tags=["solution"]
# Solution 1
more = np.concatenate([examples, record("leak", range(100, 160))])
taught = LogisticRegression(C=100).fit(more, np.repeat([0, 1, 1], 60))
share = taught.predict(faults["imbalance"]).mean()
print(f"{share:.0%} of the imbalances are found: more of the known teaches nothing about the new.")
assert share < 0.2

# %% [markdown]
# ### Exercise 2
#
# A colleague's detector has an AUC of 0.2 and is about to be deleted. What do you tell them? Use
# the distance with its sign changed as an example.

# %% tags=["solution"]
# Solution 2
of_normal, of_anomalies = scores["distance"]
labels = np.repeat([0, 1], [len(of_normal), len(of_anomalies)])
upright = auc(labels, np.concatenate([of_normal, of_anomalies]))
upside_down = auc(labels, -np.concatenate([of_normal, of_anomalies]))
print(f"{upright:.2f} and {upside_down:.2f}: it knows something, with the wrong sign. Ask why.")
assert np.isclose(upright + upside_down, 1)

# %% [markdown]
# ### Exercise 3
#
# One clip in a hundred is faulty. How accurate is a detector that always says *normal*? And what
# share of the faults does it find?

# %% tags=["solution"]
# Solution 3
is_faulty = np.arange(1000) % 100 == 0
says_faulty = np.zeros(1000, bool)
accuracy = (is_faulty == says_faulty).mean()
recall = says_faulty[is_faulty].mean()
print(f"{accuracy:.0%} accurate, {recall:.0%} found: accuracy is no figure for rare things.")
assert accuracy == 0.99
assert recall == 0

# %% [markdown]
# ## Takeaways
#
# - A classifier tells apart what it has seen. Faults are rare and new, so learn *normal* instead.
# - An anomaly detector gives a score, higher is stranger. A threshold makes a decision of it.
# - Learning needs no labels. Judging does: dice, too, can keep a promise about false alarms.
# - AUC: how often an anomaly scores above a normal clip. Accuracy misleads where faults are rare.
#
# Next: part 2, the data (`2_data.py`).

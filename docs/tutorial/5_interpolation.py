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
# # 5. An autoencoder that interpolates
#
# *Part 5 of 7. 6 minutes to read.*
#
# After this part you can
#
# - say why sound that comes and goes troubles an autoencoder,
# - build a network in Keras that predicts a frame from its neighbours,
# - do the same with offkey, and get the same numbers,
# - measure whether it helps, and report it without adornment.
#
# The idea is from Suefusa et al. 2020, "Anomalous sound detection based on interpolation deep
# neural network" (arXiv 2005.09234). The valve here is **simulated**.

# %% tags=["remove-output"]
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # TensorFlow greets with a line or two all the same

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from keras import layers

from offkey.datasets import simulate_clip
from offkey.detectors import Autoencoder, InterpolationAutoencoder
from offkey.evaluation import auc
from offkey.features import LogMel, frames_of

# %%
BLUE, ORANGE = "#0072B2", "#D55E00"
sns.set_theme(style="ticks", rc={"figure.figsize": (8, 3), "figure.constrained_layout.use": True})
plt.rcParams["image.interpolation"] = "nearest"  # show values as they are
keras.utils.set_random_seed(0)

# %% [markdown]
# ## Sound that comes and goes
#
# A fan sounds the same from one moment to the next: its sound is *stationary*. A valve knocks,
# hisses and is quiet again. We take 40 normal clips of a valve to learn from, and to judge 42
# normal ones and 14 of each of three faults. Front end and network are those of part 4.

# %%
FAULTS = ("missing_stroke", "leak", "rattle")
front_end = LogMel(n_fft=1024, hop_length=512, n_mels=64).fit(16_000)


def record(machine, fault, numbers):
    """Return log-mel frames (n_clips, n_frames, n_bands, 1) of simulated clips, in dB."""
    clips = [simulate_clip(machine, fault, number=i, duration_s=3.0, snr_db=10.0) for i in numbers]
    return np.stack([frames_of(front_end, clip) for clip in clips])


training = record("valve", None, range(40))
normal = record("valve", None, range(100, 142))
faulty = [record("valve", fault, range(200, 214)) for fault in FAULTS]
test = np.concatenate([normal, *faulty])
kinds = np.repeat(["normal", *FAULTS], [42, 14, 14, 14])
labels = (kinds != "normal").astype(int)

# %%
SETTINGS = {"units": (64, 64), "bottleneck": 8, "epochs": 60, "batch_size": 128, "score": "mse"}
CONTEXT, BANDS = 5, 64


def contexts_of(clips):
    """Return contexts (n_clips, n_contexts, CONTEXT, n_bands) of frames."""
    return np.lib.stride_tricks.sliding_window_view(clips[..., 0], CONTEXT, axis=1).swapaxes(2, 3)


plain = Autoencoder(**SETTINGS).fit(training)
whole = contexts_of(normal)  # (42, 88, 5, 64)
came_back = plain.network_(whole.reshape(-1, CONTEXT * BANDS)).reshape(whole.shape)
error_plain = np.square(whole - came_back)[:, :, 2].mean(axis=-1)  # of each centre frame

figure, axes = plt.subplots(2, 1, figsize=(8, 4), sharex=True)
PICTURE = {"origin": "lower", "aspect": "auto", "cmap": "magma", "vmin": -40, "vmax": 10}
axes[0].imshow(normal[0, 2:-2, :, 0].T, **PICTURE)
axes[0].set(ylabel="band", title="a normal valve, and the autoencoder's error")
axes[1].plot(error_plain[0], color=ORANGE)
axes[1].set(xlabel="frame", ylabel="squared error (dB²)")
plt.show()

# %% [markdown]
# Each knock of a healthy valve makes a peak. So the score of a clip says above all how often the
# valve knocked, and that is not what we wanted to know. Worse: a valve that *misses* strokes has
# fewer peaks, and looks more normal than a normal one.
#
# ## The idea: leave the centre out
#
# Do not ask the network to squeeze five frames through the bottleneck. Show it four, and let it say
# what was between them. Two things follow. It need not give back the edges of a context, where a
# knock may begin without a warning. And it cannot copy: the frame that it is judged by is not in
# its input.

# %%
position = int(error_plain[0].argmax())  # where the autoencoder was most surprised
one = contexts_of(normal)[0, position]
hidden_centre = one.copy()
hidden_centre[2] = np.nan
figure, axes = plt.subplots(1, 2, figsize=(5, 3), sharey=True, gridspec_kw={"width_ratios": [5, 1]})
for axis, values, title in (
    (axes[0], hidden_centre, "input: four frames"),
    (axes[1], one[2:3], "target"),
):
    axis.imshow(values.T, **PICTURE)
    axis.set(title=title, xlabel="frame", xticks=range(len(values)))
axes[0].text(2, 32, "?", ha="center", va="center", fontsize=20)
axes[0].set_ylabel("band")
axes[1].set_xticklabels(["2"])
plt.show()

# %% [markdown]
# ## By hand, in Keras
#
# Only input and target change. The layers are those of part 4.


# %%
def inputs_and_targets(clips, left_out=CONTEXT // 2):
    """Return the other frames (n, 4 * n_bands) and the one that is left out (n, n_bands)."""
    each = contexts_of(clips).reshape(-1, CONTEXT, BANDS)
    others = np.delete(each, left_out, axis=1)
    return others.reshape(len(each), -1), each[:, left_out]


def train(x, y):
    """Return a trained network from x to y."""
    inputs = keras.Input((x.shape[1],))
    hidden = inputs
    for width in (64, 64, 8, 64, 64):
        hidden = layers.Dense(width)(hidden)
        hidden = layers.BatchNormalization()(hidden)
        hidden = layers.Activation("relu")(hidden)
    model = keras.Model(inputs, layers.Dense(y.shape[1])(hidden))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    model.fit(x, y, epochs=60, batch_size=128, verbose=0)
    return model


model = train(*inputs_and_targets(training))
x, y = inputs_and_targets(test)
errors = np.square(y - model.predict(x, batch_size=4096, verbose=0)).mean(axis=1)
scores = errors.reshape(len(test), -1).mean(axis=1)  # one for each clip
print(f"by hand: AUC {auc(labels, scores):.2f}")
assert auc(labels, scores) > 0.6

# %% [markdown]
# ## With offkey, equal numbers
#
# `InterpolationAutoencoder` is the detector. After `fit` its `network_` takes the same inputs as
# our model, so we can work out its scores ourselves.

# %%
detector = InterpolationAutoencoder(**SETTINGS).fit(training)
by_offkey = detector.anomaly_score(test)

by_hand = np.square(y - detector.network_(x)).reshape(len(test), -1).mean(axis=1)
difference = np.abs(by_hand / by_offkey - 1).max()
print(f"largest relative difference over {len(test)} clips: {difference:.0e}")
assert difference < 1e-5
print(f"with offkey: AUC {auc(labels, by_offkey):.2f} (other random weights)")

# %% [markdown]
# ## Does it cost less where the sound changes?
#
# Now judge both networks by the same frames, the centres, on normal clips that neither has heard.
# The autoencoder has *seen* each of these frames, the other one has not. We look at quiet stretches
# and at changes (the tenth of frames that differ most from the one before) apart.

# %%
x_normal, y_normal = inputs_and_targets(normal)
error_between = np.square(y_normal - detector.network_(x_normal)).mean(axis=1)
error_between = error_between.reshape(len(normal), -1)

step = np.abs(np.diff(normal[..., 0], axis=1)).mean(axis=2)[:, 1:-2]  # from the frame before
is_change = step > np.quantile(step, 0.9)
costs = pd.DataFrame(
    {
        name: {"quiet stretches": error[~is_change].mean(), "changes": error[is_change].mean()}
        for name, error in (("autoencoder", error_plain), ("interpolation", error_between))
    }
)
print(costs.round(1).to_string())

figure, axes = plt.subplots(1, 2, gridspec_kw={"width_ratios": [2, 1]})
axes[0].plot(error_plain[0], color=ORANGE, label="autoencoder")
axes[0].plot(error_between[0], color=BLUE, label="interpolation")
axes[0].set(xlabel="frame", ylabel="squared error (dB²)", title="the clip from above")
axes[0].legend(frameon=False)
costs.plot.bar(ax=axes[1], color=[ORANGE, BLUE], rot=0, legend=False)
axes[1].set(title="42 normal clips", ylabel="squared error (dB²)")
plt.show()
assert costs.loc["changes", "interpolation"] < costs.loc["changes", "autoencoder"]

# %% [markdown]
# Changes that it has not seen it predicts better than the autoencoder gives them back. Quiet noise
# it predicts a little worse, as noise cannot be foreseen. That is the effect of the paper, on one
# simulated valve.
#
# ## What it gains
#
# One training proves little, so three of each, with other random weights. And both ways to score:
# mean squared error, as in the paper, and the Mahalanobis distance of part 4. Each network is
# trained once, and its squared errors are worked out by hand.

# %%
x_whole = contexts_of(test).reshape(-1, CONTEXT * BANDS)
rows = []
for seed in range(3):
    for kind, given, wanted in (
        (Autoencoder, x_whole, x_whole),
        (InterpolationAutoencoder, x, y),
    ):
        each = kind(**SETTINGS | {"score": "mahalanobis", "seed": seed}).fit(training)
        of_frames = np.square(wanted - each.network_(given)).mean(axis=1)
        values = {
            "mse": of_frames.reshape(len(test), -1).mean(axis=1),
            "mahalanobis": each.anomaly_score(test),
        }
        for score in values:
            for fault in (*FAULTS, "all"):
                chosen = np.isin(kinds, ["normal", fault]) if fault != "all" else labels >= 0
                area = auc(labels[chosen], values[score][chosen])
                rows.append(
                    {"detector": kind.__name__, "score": score, "fault": fault, "AUC": area}
                )
table = pd.DataFrame(rows)

figure, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for axis, (score, own) in zip(axes, table.groupby("score", sort=False), strict=True):
    sns.stripplot(
        own, x="fault", y="AUC", hue="detector", palette=[ORANGE, BLUE], dodge=True, size=6,
        legend=score == "mahalanobis", ax=axis,
    )  # fmt: skip
    axis.axhline(0.5, color="grey", linestyle=":")
    axis.set(title=f'score="{score}"', xlabel="", ylim=(0, 1.03))
axes[1].legend(title="", frameon=False, loc="lower right", fontsize=9)
plt.show()

means = table.groupby(["score", "fault", "detector"], sort=False)["AUC"].mean().unstack()
print(means.round(2).to_string())

# %%
squared = means.loc["mse", "all"]
assert squared["InterpolationAutoencoder"] > squared["Autoencoder"]
assert means.loc[("mse", "missing_stroke"), "Autoencoder"] < 0.5

# %% [markdown]
# What was measured, no more:
#
# - With squared errors, interpolation ranks the clips of this valve better, all faults together. A
#   leak both hear well.
# - A missing stroke is still hard for it, and for the autoencoder it is *worse than chance*: fewer
#   knocks, fewer errors, a lower score.
# - With the Mahalanobis score there is no gain here, rather the reverse.
#
# On real valves the gain was seen too: a public re-implementation reports AUCs of .556 for the
# autoencoder and .821 for interpolation on the valves of DCASE 2020, and .695 and .754 on average
# over all six machine types (github.com/liuyoude/AE-ASD). Whether it helps *your* machine, only
# your recordings can tell.
#
# ## Exercises
#
# ### Exercise 1
#
# Leave out the *last* frame of the context in place of the centre one. That is prediction, not
# interpolation. Is it harder? Compare the errors on normal clips.

# %% tags=["solution"]
# Solution 1
forecaster = train(*inputs_and_targets(training, left_out=4))
error_of = {}
for name, network, left_out in (("centre", model, 2), ("last", forecaster, 4)):
    others, target = inputs_and_targets(normal, left_out)
    output = network.predict(others, batch_size=4096, verbose=0)
    error_of[name] = np.square(target - output).mean()
    print(f"the {name} frame: {error_of[name]:.1f} dB²")
print("Harder: nothing after it tells that a knock has come.")
assert error_of["last"] > error_of["centre"]

# %% [markdown]
# ### Exercise 2
#
# The plain autoencoder ranks missing strokes below chance. Somebody proposes to call a score
# strange that is *far from the usual* in either direction. Try it: take the distance from the
# median of 40 more normal clips (not the test clips, and not the training clips; why?).

# %% tags=["solution"]
# Solution 2
one_sided = plain.anomaly_score(test)
usual = np.median(plain.anomaly_score(record("valve", None, range(300, 340))))
two_sided = np.abs(one_sided - usual)
chosen = np.isin(kinds, ["normal", "missing_stroke"])
before = auc(labels[chosen], one_sided[chosen])
after = auc(labels[chosen], two_sided[chosen])
print(f"missing strokes: {before:.2f} before, {after:.2f} after")
print(f"all faults: {auc(labels, one_sided):.2f} before, {auc(labels, two_sided):.2f} after")
print("Training clips score too low, so their median would be off; test clips are for the test.")
assert after > before

# %% [markdown]
# ### Exercise 3
#
# Does interpolation help with a stationary machine? Train both on the pump and compare the AUC for
# the faults bearing, whine and leak, with squared errors.

# %% tags=["solution"]
# Solution 3
pumps = record("pump", None, range(40))
pump_test = np.concatenate(
    [record("pump", None, range(100, 130))]
    + [record("pump", fault, range(200, 210)) for fault in ("bearing", "whine", "leak")]
)
pump_labels = np.repeat([0, 1], 30)
for kind in (Autoencoder, InterpolationAutoencoder):
    values = kind(**SETTINGS).fit(pumps).anomaly_score(pump_test)
    print(f"{kind.__name__}: AUC {auc(pump_labels, values):.2f}")
print("One simulated pump, one training each: no reason to expect a gain, and no proof of none.")

# %% [markdown]
# ## Takeaways
#
# - An autoencoder is surprised by every change, normal ones too. Its score then counts changes.
# - Predicting the centre from its neighbours costs less there, and cannot be done by copying.
# - A fault that takes something *away* can lower the score. Look at each kind of fault on its own.
# - Train more than once before you believe a difference, and say what you measured on what.
#
# Next: part 6, choosing a boundary (`6_boundaries.py`).

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
# # 2. The data
#
# *Part 2 of 7. 6 minutes to read.*
#
# After this part you can
#
# - name the public sets of machine sounds, and say how they are split,
# - read one as a table, and check that table before you train anything,
# - find out whether a set can be solved by loudness alone,
# - say why recordings, never pieces of them, are split.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

import offkey
from offkey import datasets

BLUE, ORANGE = "#0072B2", "#D55E00"
sns.set_theme(style="ticks", rc={"figure.figsize": (8, 3), "figure.constrained_layout.use": True})

# %% [markdown]
# ## The public sets
#
# - **MIMII** (Purohit et al. 2019, arXiv 1909.09347): valves, pumps, fans and slide rails. Eight
#   microphones around a real machine, 16 kHz. Factory noise was added, so that the machine is 6, 0
#   or -6 dB louder than the noise. CC BY-SA 4.0.
# - **ToyADMOS** (Koizumi et al. 2019, arXiv 1908.03299): a toy car, a toy conveyor and a toy train.
#   Miniature machines were damaged on purpose, so that faults could be recorded in number. Its
#   licence is its own: see its page.
# - **DCASE Task 2** (Koizumi et al. 2020, arXiv 2006.05822, and every year since): a yearly
#   challenge. In 2020 its clips were chosen from both, one channel, about 10 s at 16 kHz, under
#   CC BY-NC-SA 4.0.
#
# The challenge's rule is that of practice: **training clips are all normal**, test clips are of
# both kinds. Since 2021 there are *domains* too: most training clips come from the *source* (one
# speed, say), a few from the *target* (another speed), and tests come from both.
#
# offkey knows where the archives are. The list needs no network, and nothing is downloaded here:

# %%
archives = pd.DataFrame(
    {"name": each.name, "year": each.year, "page": each.page} for each in datasets.ARCHIVES
)
print(archives.head(6).to_string(index=False))
print(f"... {len(archives)} in all. To get one: offkey datasets download NAME FOLDER")

# %% [markdown]
# ## A set to play with
#
# The archives are gigabytes. So we **simulate** a small set, with the folders and file names of
# DCASE 2020. Three machines, and for each of them 20 normal clips to learn from, 10 normal and 12
# faulty ones to test on.

# %%
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
counts = {"n_train": 20, "n_test_normal": 10, "n_test_anomaly": 12}
datasets.simulate(folder, ["fan", "pump", "valve"], **counts, duration_s=4.0)
for path in sorted(folder.glob("fan/*/*00000000.wav")):
    print(path.relative_to(folder), "->", datasets.parse_name(path.name))

# %% [markdown]
# The label is in the file's name, and so is the machine's number. Labels are 0 for normal and 1 for
# an anomaly. Everything else is a **recordings table**: one row for each file.

# %%
table = datasets.read_dcase(folder)
print(table.groupby(["machine", "split", "label"]).size().unstack("label", fill_value=0))
assert set(table.loc[table["split"] == "train", "label"]) == {0}  # no faults to learn from

# %%
table["kind"] = table["label"].map({0: "normal", 1: "anomaly"})
colours = {"normal": BLUE, "anomaly": ORANGE}
figure, axes = plt.subplots(1, 2, sharey=True)
for axis, split in zip(axes, ("train", "test"), strict=True):
    own = table[table["split"] == split]
    sns.countplot(
        own, x="machine", hue="kind", hue_order=list(colours), palette=colours, saturation=1,
        legend=split == "test", ax=axis,
    )  # fmt: skip
    axis.set(title=split, xlabel="", ylabel="number of clips")
axes[1].legend(title="", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# ## Look before you learn
#
# A second and a half of each machine. Fan and pump are *stationary*: each moment is like the next.
# The valve is not: it knocks with every stroke, and is quiet in between.

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 2.6))
for axis, machine in zip(axes, ("fan", "pump", "valve"), strict=True):
    first = table.query("machine == @machine and split == 'train'")["path"].iloc[0]
    clip = offkey.read(first)
    part = clip.samples[0, : int(1.5 * clip.rate)]
    axis.plot(np.arange(len(part)) / clip.rate, part, color=BLUE, linewidth=0.3)
    axis.set(title=f"{machine}, normal", xlabel="time (s)")
axes[0].set_ylabel("sample value\n(1 is full scale)")
plt.show()

# %% [markdown]
# ## Does loudness give it away?
#
# A set is too easy if faulty clips are simply louder: then anything works, and you learn nothing.
# So the first detector on any set is the **level** of the clip, and its AUC (part 1) is what all
# others have to beat.

# %%
from offkey.evaluation import auc


def level_db(clip):
    """Return the level of a clip in decibels; 0 is full scale."""
    return 10 * np.log10(np.mean(np.square(clip.samples)))


table["level_db"] = [level_db(offkey.read(path)) for path in table["path"]]
test = table[table["split"] == "test"]
figure, axis = plt.subplots()
sns.stripplot(
    test, x="level_db", y="machine", hue="kind", hue_order=list(colours), palette=colours,
    dodge=True, size=4, ax=axis,
)  # fmt: skip
axis.set(xlabel="level (dB, 0 is full scale)", ylabel="", title="level of the test clips")
axis.legend(title="", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

for machine, own in test.groupby("machine"):
    print(f"{machine:6} AUC of the level alone: {auc(own['label'], own['level_db']):.2f}")

# %% [markdown]
# With 22 clips of each machine such figures are rough. They say two things. Loudness helps and does
# not solve it, as it should be. And *louder* does not mean *strange*: a valve that misses strokes
# is quieter than a healthy one, so its area lies below 0.5.
#
# ## Split by recording
#
# You may be tempted to cut long recordings into **windows** (pieces of a second or so) and to put
# some windows into training, others into the test. Do not. Pieces of one recording are alike, in
# ways that have nothing to do with faults: where the microphone stood, how loud the hall was.

# %%
training = table[table["split"] == "train"].query("machine == 'pump'").head(10)
rows = []
for number, path in enumerate(training["path"]):
    clip = offkey.read(path)
    for start in range(0, clip.n_samples, clip.rate):
        part = offkey.Clip(clip.samples[:, start : start + clip.rate], clip.rate)
        rows.append({"recording": number, "level_db": level_db(part)})
pieces = pd.DataFrame(rows)

figure, axis = plt.subplots()
sns.stripplot(pieces, x="recording", y="level_db", color=BLUE, ax=axis)
axis.set(xlabel="number of the recording", ylabel="level (dB, 0 is full scale)")
axis.set_title("ten recordings, second by second")
plt.show()

within = pieces.groupby("recording")["level_db"].std().mean()
between = pieces.groupby("recording")["level_db"].mean().std()
print(f"Spread within a recording {within:.2f} dB, between recordings {between:.2f} dB.")
assert within < between

# %% [markdown]
# The pieces of a recording stand together. A detector that has heard three of them recognises the
# fourth, and looks better than it is. So whole recordings go to one side or the other, and better
# still whole days or whole machines. offkey splits by recording, too. Only where there
# is nothing but one long recording it cuts that into blocks, with gaps between, and warns.
#
# ## Real clips
#
# If the variable `OFFKEY_DATA` names a folder that holds `sounds/fan-id00/normal` (from the DCASE
# 2020 Task 2 development set, Koizumi et al. 2020, CC BY-NC-SA 4.0) and `sounds/esc10` (ESC-10,
# Piczak 2015, CC BY 3.0), the next picture is of real sound.

# %%
real = Path(os.environ.get("OFFKEY_DATA", "not-given"), "sounds")
if (real / "fan-id00" / "normal").is_dir() and (real / "esc10").is_dir():
    fans = [offkey.read(path) for path in sorted((real / "fan-id00" / "normal").glob("*.wav"))]
    helicopters = [
        offkey.read(path, rate=16_000) for path in sorted(real.glob("esc10/*Helicopter/*.ogg"))
    ]
    figure, axes = plt.subplots(1, 2, sharey=True)
    for axis, clip, name in zip(
        axes, (fans[0], helicopters[0]), ("fan (DCASE 2020)", "helicopter (ESC-10)"), strict=True
    ):
        samples = clip.samples[0, : 2 * clip.rate]
        axis.plot(np.arange(len(samples)) / clip.rate, samples, color=BLUE, linewidth=0.3)
        axis.set(title=f"real: {name}", xlabel="time (s)")
    axes[0].set_ylabel("sample value\n(1 is full scale)")
    plt.show()
    levels = {}
    for name, clips in {"fan": fans, "helicopter": helicopters}.items():
        levels[name] = [level_db(clip) for clip in clips]
        print(f"{len(clips)} clips of a {name}: {min(levels[name]):.1f}", end=" ")
        print(f"to {max(levels[name]):.1f} dB")
    kinds = np.repeat([0, 1], [len(fans), len(helicopters)])
    print(f"AUC of the level alone: {auc(kinds, np.concatenate(list(levels.values()))):.2f}.")
    print("Two sets, two microphones: loudness alone tells them apart. That makes an easy test.")
else:
    print("OFFKEY_DATA names no folder with real clips, so we go on with simulated sound.")

# %% [markdown]
# ## Exercises
#
# ### Exercise 1
#
# How many seconds of normal sound are there to learn from, for each machine? Do not trust the file
# sizes: read the clips.

# %% tags=["solution"]
# Solution 1
normal = table[table["split"] == "train"]
seconds = normal.assign(seconds=[offkey.read(path).duration_s for path in normal["path"]])
total = seconds.groupby("machine")["seconds"].sum()
print(total.to_string())
assert (total == 20 * 4.0).all()

# %% [markdown]
# ### Exercise 2
#
# `datasets.simulate(..., layout="dcase2023")` writes a set with domains. How many training clips
# are from the target domain? Why so few?

# %% tags=["solution"]
# Solution 2
shifted = datasets.simulate(
    folder / "shifted", ["pump"], n_train=20, n_test_normal=4, n_test_anomaly=4,
    duration_s=1.0, layout="dcase2023",
)  # fmt: skip
domains = shifted.groupby(["split", "domain"]).size()
print(domains.to_string())
print("Few, as in practice: the new condition (here a higher speed) has only just begun.")
assert domains["train", "target"] == 1

# %% [markdown]
# ### Exercise 3
#
# In which of the three machines do the faults change the *level* most, up or down? Compare the
# median levels of normal and faulty test clips. Why is that no reason to use the level?

# %% tags=["solution"]
# Solution 3
median = test.groupby(["machine", "label"])["level_db"].median().unstack("label")
difference = (median[1] - median[0]).abs()
print(difference.round(2).to_string())
print("A louder hall, or a microphone that was moved, changes it by more than that.")
assert difference.max() < 3  # dB

# %%
temporary.cleanup()  # the simulated files

# %% [markdown]
# ## Takeaways
#
# - MIMII, ToyADMOS and DCASE Task 2 are the public sets. Training clips are normal, test clips
#   both.
# - A recordings table has a row for each file: path, machine, split, label. Check it by eye first.
# - The level alone is the null baseline: what does not beat it has learned nothing.
# - Split by recording, never by window.
# - Simulated machines are for learning and for tests. They are evidence of nothing else.
#
# Next: part 3, representations of sound (`3_representations.py`).

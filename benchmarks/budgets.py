"""Do false-alarm budgets hold? Realised event rates on long fresh streams of normal sound, and the stated intervals.

Usage: OFFKEY_DATA=folder python benchmarks/budgets.py [--repeats 50] [--out results/budgets.json]

Each stream is normal sound, scored once. Thresholds for 10/h, 1/h and 1/day are fitted on one part of it, and the event
rate is counted on the rest, at least 20 times as long; 50 parts. Reported: how often the realised rate lies in the 90 %
interval, and the realised rate over the budget.

- ``ar1``, ``heavy``, ``slow``, ``gamma``: window scores alone, every 5 s, fitted on 2.8 h. AR(1) with coefficient .9;
  the same over a chi-square, so that it is Student's t with 4 degrees; AR(1) with .98; independent gamma scores.
- ``simulated fan``: recordings of a synthetic fan in random order, cross-faded.
- ``real fan``: 30 clips of a real fan in random order and from random starting points, cross-faded, scored by a
  detector that was fitted on the other 15; fitted on 1.5 h. The few clips come again and again: the tail ends with the
  strangest of them.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from offkey import Clip, Pipeline, read
from offkey.datasets import simulate_clip
from offkey.decisions import EventRules, Timeline, parse_budget
from offkey.decisions.budget_fit import count_events, fit_budget
from offkey.detectors import Gaussian
from offkey.errors import InputError

BUDGETS = ("10/h", "1/h", "1/day")
RULES = EventRules()
RATE, WINDOW_S, HOP_S, FADE_S = 16_000, 2.0, 1.0, 0.5
FRESH_TIMES = 20


def ar1(rng, n, coefficient=0.9):
    noise = rng.standard_normal(n) * np.sqrt(1 - coefficient**2)
    return lfilter([1], [1, -coefficient], noise)


SCORES = {
    "ar1": ar1,
    "heavy": lambda rng, n: ar1(rng, n) / np.sqrt(rng.chisquare(4, n) / 4),
    "slow": lambda rng, n: ar1(rng, n, 0.98),
    "gamma": lambda rng, n: rng.gamma(4, 1, n),
}


def stream_of(clips, rng, seconds):
    """Yield blocks of clips in random order, from random starting points, cross-faded at equal power."""
    n_fade = round(FADE_S * RATE)
    rise = np.sin(np.linspace(0, np.pi / 2, n_fade, dtype=np.float32))
    tail, n_left, order = None, round(seconds * RATE), []
    while n_left > 0:
        order = order or rng.permutation(len(clips)).tolist()
        samples = clips[order.pop()].samples[0]
        piece = samples[rng.integers(len(samples) // 2) :].copy()
        if tail is not None:
            piece[:n_fade] = piece[:n_fade] * rise + tail * rise[::-1]
        tail = piece[-n_fade:].copy()
        yield piece[:-n_fade][None]
        n_left -= len(piece) - n_fade


def scores_of(pipeline, clips, rng, hours):
    stream = pipeline.stream()
    return np.array([w.score for block in stream_of(clips, rng, hours * 3600) for w in stream.push(block)])


def recorded(clips, n_learn, hours, seed):
    """Return window scores of a long stream of clips, by a detector that learned from others, and their timeline."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = Pipeline(Gaussian(), window_s=WINDOW_S, hop_s=HOP_S).fit(clips[:n_learn])
    scores = scores_of(pipeline, clips[n_learn:], np.random.default_rng(seed), hours)
    hop = pipeline.grid_.hop * pipeline.features_.hop_length
    return scores, Timeline(pipeline.features_.n_samples(pipeline.grid_.n_frames), hop, RATE)


def streams(data, repeats):
    """Yield name, scores, timeline and the hours to fit on; long enough for parts that do not overlap."""
    seconds, hours = 5, 2.8
    for seed, (name, make) in enumerate(SCORES.items()):
        n = round(max(repeats * hours, 60 * 24) * 3600 / seconds)
        yield name, make(np.random.default_rng(seed), n), Timeline(2 * seconds, seconds, 1), hours
    fan = [simulate_clip("fan", number=i) for i in range(90)]
    yield "simulated fan", *recorded(fan, 30, 1.5 * repeats, 10), 1.5
    if data is not None:
        paths = sorted((data / "sounds" / "fan-id00" / "normal").glob("*.wav"))
        real = [Clip(read(path).samples, RATE) for path in paths]
        yield "real fan", *recorded(real, 15, 1.5 * repeats, 11), 1.5


def rehearse(name, scores, timeline, hours, repeats):
    """Fit on each part in turn, and count events on the rest."""
    n_part = round(hours * 3600 * timeline.rate / timeline.hop)
    parts = [slice(i * n_part, (i + 1) * n_part) for i in range(min(repeats, len(scores) // n_part))]
    assert len(scores) - n_part >= FRESH_TIMES * n_part, "the fresh stream is too short"
    rows = []
    for text in BUDGETS:
        budget, inside, ratios, highs, refused = parse_budget(text), [], [], [], 0
        for i, part in enumerate(parts):
            try:
                fit = fit_budget([scores[part]], budget, timeline, RULES, seed=i)
            except InputError:
                refused += 1
                continue
            median = float(np.median(scores[part]))
            fresh = [scores[: part.start], scores[part.stop :]]
            n_events = sum(count_events(each, fit.threshold, median, timeline, RULES) for each in fresh)
            rate = n_events / sum(timeline.hours(len(each)) for each in fresh)
            inside.append(fit.low_per_hour <= rate <= fit.high_per_hour)
            ratios.append(rate / budget.per_hour)
            highs.append(fit.high_per_hour / budget.per_hour)
        rows.append(
            {
                "stream": name,
                "budget": text,
                "repeats": len(ratios),
                "refused": refused,
                "inside": float(np.mean(inside)),
                "mean_ratio": float(np.mean(ratios)),
                "median_ratio": float(np.median(ratios)),
                "worst_ratio": float(np.max(ratios)),
                "median_high": float(np.median(highs)),
            }
        )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "budgets.json")
    options = parser.parse_args()
    data = Path(os.environ["OFFKEY_DATA"]) if "OFFKEY_DATA" in os.environ else None
    columns = f"{'realised / budget: mean':>24} {'median':>7} {'worst':>7}  high end"
    print(f"{'stream':14} {'budget':>7} {'inside':>7} {columns}")
    rows = []
    for name, scores, timeline, hours in streams(data, options.repeats):
        start = time.perf_counter()
        for row in rehearse(name, scores, timeline, hours, options.repeats):
            rows.append(row)
            figures = f"{row['mean_ratio']:24.2f} {row['median_ratio']:7.2f} {row['worst_ratio']:7.1f}"
            refused = f"  {row['refused']} refused" if row["refused"] else ""
            print(f"{name:14} {row['budget']:>7} {row['inside']:7.0%} {figures}  {row['median_high']:.2f}{refused}")
        print(f"  {timeline.hours(len(scores)):.0f} h, fitted on {hours} h ({time.perf_counter() - start:.0f} s)")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

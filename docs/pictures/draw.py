"""Draw the pictures of docs/decision-boundaries.md and docs/how-to/explain.md, by the pages' own code.

Usage: python docs/pictures/draw.py [FOLDER]     (this folder if none is given; or ``make pictures``)
"""

import io
import os
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, FuncFormatter, LogLocator
from PIL import Image
from scipy.signal import lfilter
from scipy.stats import beta as beta_distribution
from scipy.stats import lognorm

from offkey.decisions import (
    Budget,
    Conformal,
    EmpiricalQuantile,
    EventRules,
    GammaTail,
    ParetoTail,
    RobustZScore,
    Timeline,
)
from offkey.decisions.budget_fit import count_events, fit_budget
from offkey.plots import BLUE, GREEN, ORANGE, plot_decision_curve, plot_sensitivity, plot_timeline

HERE = Path(__file__).parent
PAGE, EXPLAINED = HERE.parent / "decision-boundaries.md", HERE.parent / "how-to" / "explain.md"
SKY, YELLOW, PURPLE = "#56B4E9", "#E69F00", "#CC79A7"  # Okabe and Ito's too


def names_of(page):
    """Run a page's code in a temporary folder, and return the names it made."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL))
    names, before = {"__name__": "page"}, Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            exec(compile(code, page.name, "exec"), names)
        finally:
            os.chdir(before)
    return names


def figure_of(width=9.0, height=3.9):
    """Return an empty figure, in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def clean(ax):
    """Take away what says nothing."""
    ax.spines[["top", "right"]].set_visible(False)


def per_cent(value, _=None):
    """Write a fraction as per cent, without zeros that say nothing."""
    return f"{100 * value:g} %"


def draw_conformal(page):
    """Section 2: the rank among held-out clips, and what a number of recordings supports."""
    figure = figure_of(height=4.1)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    draw_ranks(page["held_out"], page["boundary"], page["one"], left)
    draw_support(right)
    return figure


def draw_ranks(held_out, boundary, decision, ax):
    """Draw the held-out clips from the strangest down, the boundary and a new clip with its p-value."""
    rank = np.arange(len(held_out), 0, -1)
    above = held_out > boundary
    ax.plot(held_out[~above], rank[~above], "o", ms=3.5, mew=0, color=BLUE, label="held-out normal clip")
    ax.plot(held_out[above], rank[above], "o", ms=3.5, mew=0, color=ORANGE, label="above the boundary")
    ax.axvline(boundary, color="black", lw=1.2, ls="--")
    ax.annotate(" boundary for 5 %:\n the 8th from the top", (boundary, 1), (3, -2), xycoords=("data", "axes fraction"),
                textcoords="offset points", va="top")  # fmt: skip
    n_as_strange = int((held_out >= decision.score).sum())
    ax.plot(decision.score, n_as_strange + 1, "D", ms=8, color=GREEN, mec="white", label="a new clip", zorder=3)
    ax.annotate(
        f"a new clip: {n_as_strange} as strange,\np-value (1 + {n_as_strange}) / {len(held_out) + 1}"
        f"\n= {decision.p_value:.3f}",
        (decision.score, n_as_strange + 1), (0.99, 0.66), textcoords="axes fraction", ha="right", color=GREEN,
        arrowprops={"arrowstyle": "-", "color": GREEN},
    )  # fmt: skip
    ax.set(yscale="log", xlabel="anomaly score of a clip", ylabel="clips that are as strange or stranger",
           title=f"{len(held_out)} normal clips, the boundary, and a new clip")  # fmt: skip
    ax.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.legend(frameon=False, loc="lower left", fontsize=9)
    clean(ax)


def draw_support(ax):
    """Draw the false-alarm rates that a conformal boundary on n recordings may really have."""
    n = np.unique(np.geomspace(10, 3000, 400).astype(int))
    for rate, colour in ((0.1, BLUE), (0.01, ORANGE)):
        allowed = np.maximum(1, np.floor((n + 1) * rate + 1e-9))
        spread = beta_distribution(allowed, n + 1 - allowed)
        ax.fill_between(n, spread.ppf(0.05), spread.ppf(0.95), color=colour, alpha=0.2, lw=0,
                        label="in 90 % of calibrations" if rate == 0.1 else None)  # fmt: skip
        ax.plot(n, allowed / (n + 1), color=colour, lw=1.8, label="on average" if rate == 0.1 else None)
        ax.axhline(rate, color=colour, lw=1, ls=":")
        ax.annotate(
            f"{100 * rate:g} % asked for", (3000, rate), (-2, 4), textcoords="offset points", ha="right", color=colour
        )
    ax.annotate("99 are needed for 1 %", (99, 0.01), (0, -48), textcoords="offset points", ha="center",
                arrowprops={"arrowstyle": "->"})  # fmt: skip
    ax.set(xscale="log", yscale="log", ylim=(0.0009, 0.6), xlabel="calibration recordings",
           ylabel="false-alarm rate", title="How many recordings support what")  # fmt: skip
    ax.legend(frameon=False, loc="upper right", fontsize=9, ncols=2)
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.yaxis.set_major_formatter(FuncFormatter(per_cent))
    clean(ax)


def draw_tail(page):
    """Section 3: five rules on scores of a known distribution, and how they scatter over 200 sets."""
    truth, n, rate = lognorm(0.35, scale=10), 175, 0.002
    rng = np.random.default_rng(0)
    sets = [truth.rvs(n, random_state=rng) for _ in range(200)]
    rules = (
        (RobustZScore, PURPLE), (GammaTail, YELLOW), (EmpiricalQuantile, SKY), (Conformal, BLUE), (ParetoTail, GREEN),
    )  # fmt: skip
    figure = figure_of(height=5.4)
    tail, scatter = figure.subplots(2, 1, sharex=True, height_ratios=(1.25, 1))
    scores = np.sort(sorted(sets, key=np.max)[len(sets) // 2])  # the middle one, by its largest score
    tail.plot(scores, np.arange(n, 0, -1) / n, ".", color="0.4", ms=5, label=f"{n} scores")
    grid = np.linspace(15, 45, 300)
    tail.plot(grid, truth.sf(grid), color="0.6", lw=1.2, label="where they come from")
    tail.axhline(rate, color="black", lw=1, ls=":")
    tail.annotate("0.2 % asked for", (45, rate), (0, 3), textcoords="offset points", ha="right")
    for place, (rule, colour) in enumerate(rules):
        boundary = rule(rate=rate).fit(scores).threshold_
        tail.axvline(boundary, color=colour, lw=1.8)
        tail.plot(boundary, truth.sf(boundary), "D", color=colour, mec="white", ms=8, zorder=3)
        own = np.array([rule(rate=rate).fit(each).threshold_ for each in sets])
        scatter.plot(own, place + rng.uniform(-0.25, 0.25, len(own)), "o", color=colour, ms=3, mew=0, alpha=0.45)
        mean = f"{100 * truth.sf(own).mean():.2f} %"
        scatter.text(45.2, place, mean, va="center", color="black", fontsize=9)
    scatter.text(45.2, len(rules) - 0.35, "mean false\nalarms", va="bottom", fontsize=9)
    right = truth.isf(rate)
    for ax in (tail, scatter):
        ax.axvline(right, color="black", lw=1.2, ls="--")
        clean(ax)
    scatter.annotate("where 0.2 % lie beyond", (right, 0), (5, 2), xycoords=("data", "axes fraction"),
                     textcoords="offset points", va="bottom")  # fmt: skip
    tail.set(yscale="log", ylim=(3e-4, 0.2), xlim=(15, 45), ylabel="share of scores beyond")
    tail.yaxis.set_major_formatter(FuncFormatter(per_cent))
    tail.legend(frameon=False, loc="upper right")
    tail.set_title("Boundaries for 0.2 %, on 175 scores from a known (lognormal) curve; below, on 200 such sets")
    scatter.set(yticks=range(len(rules)), yticklabels=[rule.__name__ for rule, _ in rules], xlabel="anomaly score",
                ylim=(-0.5, len(rules) - 0.4))  # fmt: skip
    for label, (_, colour) in zip(scatter.get_yticklabels(), rules, strict=True):
        label.set_color(colour if colour not in (SKY, YELLOW) else "black")
    return figure


def ar1(rng, n, coefficient=0.9):
    """Return window scores (n,) that resemble their neighbours."""
    return lfilter([1], [1, -coefficient], rng.standard_normal(n) * np.sqrt(1 - coefficient**2))


def draw_budget(page):
    """Section 4: clumps of windows, and the rate of events over the threshold, heard, fitted and come true."""
    rng, timeline, rules = np.random.default_rng(3), Timeline(80_000, 40_000, 8000), EventRules()
    heard = [ar1(rng, 100) for _ in range(20)]  # 2,000 windows, every 5 s: 2.8 h
    later = ar1(rng, 20_000 * 20)
    everything = np.concatenate(heard)
    hours, later_hours = timeline.hours(len(everything)), timeline.hours(len(later))
    figure = figure_of(height=4.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    draw_clumps(later, timeline, left)
    rates = np.geomspace(0.012, 30, 27)
    fits = [fit_budget(heard, Budget(per_hour, "h"), timeline, rules) for per_hour in rates]
    levels = [fit.threshold for fit in fits]
    right.fill_between(levels, [fit.low_per_hour for fit in fits], [fit.high_per_hour for fit in fits], color=BLUE,
                       alpha=0.2, lw=0, label="its 90 % interval")  # fmt: skip
    right.plot(levels, rates, color=BLUE, lw=1.8, label="expected, so the boundary")
    steps = np.linspace(1.2, everything.max(), 60)
    counted = [sum(count_events(each, on, 0.0, timeline, rules) for each in heard) / hours for on in steps]
    right.step(steps, counted, where="post", color="black", lw=1.2, label=f"counted in the {hours:.1f} h")
    came = np.linspace(1.3, 4.1, 15)
    true = [count_events(later, on, 0.0, timeline, rules) / later_hours for on in came]
    right.plot(came, true, "D", color=ORANGE, mec="white", ms=6, label=f"what came in {later_hours:.0f} h after")
    for budget in (Budget(10, "h"), Budget(1, "h"), Budget(1, "day")):
        on = fit_budget(heard, budget, timeline, rules).threshold
        right.plot([1, on, on], [budget.per_hour, budget.per_hour, 0.001], color="0.35", lw=1, ls=":")
        right.annotate(f"{budget}", (on, budget.per_hour), (4, 3), textcoords="offset points")
    right.set(yscale="log", ylim=(0.01, 60), xlim=(1, 7.2), title="Rarer events need a higher boundary")
    right.set(xlabel="threshold (window score)", ylabel="events in an hour")
    right.yaxis.set_major_locator(LogLocator())
    right.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    right.legend(frameon=False, loc="upper right", fontsize=9)
    clean(right)
    return figure


def draw_clumps(scores, timeline, ax):
    """Draw the first 20 minutes, from a quiet start on, in which many windows make few events."""
    on, n = 1.6, 240
    for start in range(0, len(scores), n):
        own = scores[start : start + n]
        n_events = count_events(own, on, 0.0, timeline, EventRules())
        if 2 <= n_events <= 3 and (own > on).sum() >= 15 and own[:20].max() < on:
            break
    minutes = np.arange(n) * timeline.hop / timeline.rate / 60
    ax.plot(minutes, own, color="0.75", lw=1)
    ax.plot(minutes[own <= on], own[own <= on], ".", color=BLUE, ms=4)
    ax.plot(minutes[own > on], own[own > on], ".", color=ORANGE, ms=7)
    ax.axhline(on, color="black", lw=1.2, ls="--")
    ax.set(xlabel="time in min", ylabel="window score",
           title=f"{(own > on).sum()} windows above the boundary, {n_events} events")  # fmt: skip
    clean(ax)


def draw_events(page):
    """Section 5: the minute with three things in it."""
    figure = figure_of(height=4.0)
    ax = figure.subplots()
    boundaries = page["live"].boundaries_[""].windows
    on = boundaries.threshold.threshold_
    off = page["rules"].off(on, float(np.median(boundaries.reference)))
    plot_timeline(page["windows"], page["events"], on, off, ax)
    ax.set_ylim(15, 75)
    for at, top, text in ((11, 53, "rattle, 2 s"), (29.2, 31, "faint whine, 8 s:\none event, by hysteresis"),
                          (45.1, 65, "knock, 0.2 s:\ntoo short, dropped")):  # fmt: skip
        ax.text(at, top, text, ha="center", va="bottom")
    ax.get_legend().remove()
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure


def draw_batch(page):
    """Section 6: sorted p-values and the line of Benjamini and Hochberg."""
    batch, rate = sorted(page["batch"], key=lambda decision: decision.batch_p_value), 0.1
    p_values = np.array([decision.batch_p_value for decision in batch])
    is_faulty = np.array(["with" in decision.source for decision in batch])
    k, n_reported, n = np.arange(1, len(batch) + 1), len(page["reported"]), page["calibration"].n_recordings
    figure = figure_of(height=4.1)
    ax = figure.subplots()
    ax.axvspan(0.9, n_reported + 0.5, color="0.93", zorder=0)
    ax.text(n_reported - 0.2, 0.8, f"reported: {n_reported} of {len(batch)}", va="center", ha="right")
    ax.plot(k, rate * k / len(batch), color="black", lw=1.4)
    ax.annotate(f"the line: 10 % times place over {len(batch)}", (40, rate * 40 / len(batch)), (8, -2),
                textcoords="offset points", va="top")  # fmt: skip
    ax.axhline(1 / (n + 1), color="0.4", lw=1, ls=":")
    ax.annotate(f"no p-value is lower: 1 / {n + 1}", (1, 1 / (n + 1)), (0, -4), textcoords="offset points",
                va="top", color="0.3")  # fmt: skip
    for kind, colour, marker, name in ((False, BLUE, "o", "normal"), (True, ORANGE, "D", "with a fault")):
        ax.plot(k[is_faulty == kind], p_values[is_faulty == kind], marker, color=colour, ms=4.5, mew=0, label=name)
    ax.set(xscale="log", yscale="log", ylim=(0.0007, 1.2), xlim=(0.9, 150), xlabel="place in the order of p-values",
           ylabel="p-value", title=f"A batch of {len(batch)} clips at a false-discovery rate of 10 %")  # fmt: skip
    ax.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.legend(frameon=False, loc="lower right")
    clean(ax)
    return figure


def draw_labels(page):
    """Section 7: the decision curve."""
    figure = figure_of(height=7.0)
    plot_decision_curve(page["choice"], figure)
    return figure


def draw_sensitivity(page):
    """Section 8: from which strength on faults are caught."""
    figure = figure_of(height=7.4)
    plot_sensitivity(page["report"], figure)
    return figure


def draw_groups(page):
    """Section 9: two machines, one boundary or two."""
    groups, rng = page["groups"], np.random.default_rng(0)
    names = [name for name in groups.boundaries_ if name]
    pooled = groups.boundaries_[""].clips.threshold.threshold_
    figure = figure_of(height=3.1)
    ax = figure.subplots()
    for place, name in enumerate(names):
        own = groups.boundaries_[name].clips
        over = int((own.reference > pooled).sum())
        y = place + rng.uniform(-0.2, 0.2, own.n_recordings)
        is_over = own.reference > own.threshold.threshold_
        for which, colour in ((~is_over, BLUE), (is_over, ORANGE)):
            ax.plot(own.reference[which], y[which], "o", color=colour, ms=5, mew=0, alpha=0.7)
        ax.plot([own.threshold.threshold_] * 2, [place - 0.35, place + 0.35], color=GREEN, lw=2.5)
        ax.text(1.01, place, f"{over} of {own.n_recordings} above\nthat of both", va="center",
                transform=ax.get_yaxis_transform())  # fmt: skip
    ax.axvline(pooled, color="black", lw=1.4, ls="--", label="boundary of both together")
    ax.plot([], [], color=GREEN, lw=2.5, label="its own")
    ax.plot([], [], "o", color=ORANGE, ms=5, mew=0, label="above its own")
    ax.set(yticks=range(len(names)), yticklabels=[name.removeprefix("machine ") for name in names],
           ylim=(-0.6, len(names) - 0.4), xlabel="anomaly score of a held-out normal clip",
           title="10 % false alarms: of both together, or of each")  # fmt: skip
    ax.legend(frameon=False, loc="best")
    clean(ax)
    return figure


PICTURES = {
    "conformal": draw_conformal,
    "tail": draw_tail,
    "budget": draw_budget,
    "events": draw_events,
    "batch": draw_batch,
    "labels": draw_labels,
    "sensitivity": draw_sensitivity,
    "groups": draw_groups,
}


def main(folder=HERE):
    """Draw all pictures into a folder, 900 pixels wide."""
    page = names_of(PAGE)
    figures = {name: draw(page) for name, draw in PICTURES.items()}
    figures["explanation"] = names_of(EXPLAINED)["figure"]
    for name, figure in figures.items():
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=100)
        few_colours = Image.open(drawn).convert("RGB").quantize(96, dither=Image.Dither.NONE)  # a third of the size
        few_colours.save(Path(folder, f"{name}.png"), optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:2])

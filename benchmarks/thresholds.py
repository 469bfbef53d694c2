"""How often normal sound is called strange by each threshold, beside other tools' thresholds, in one run.

Usage: OFFKEY_DATA=folder python benchmarks/thresholds.py [--repeats 200] [--only toycar] [--out thresholds.json]

``simulated``: scores from known distributions, so that the false-alarm rate of a boundary is known exactly; beside
other estimators of a Pareto tail. Needs no recordings.

``toycar``: the published scores of MLPerf Tiny's autoencoder on normal ToyCar clips, 350 of each of four machines. Each
machine's clips are split at random in halves, to calibrate and to test. Two errors are given. *Splits*: Monte-Carlo
standard error of the mean over all splits of these clips; given the clips, repeats are drawn independently, so it is
their standard deviation over the root of their number. It says nothing of other clips, since all splits share these.
*Machines*: standard error over the four machines, which share no clip (three degrees of freedom). For the conformal
threshold the mean over all splits is known: k / (n + 1), whatever the scores.

``strangers``: 45 recordings of a real fan, split at random (30 to learn, 15 to test), ESC-10 rain, helicopter and
chainsaw as anomalies. Our thresholds are calibrated on out-of-fold scores, the peers' on training scores, as they do.
Labelled thresholds also get the anomalies of two of ESC-10's five folds; recall is counted on the other three. The
error is that over splits of these 45 clips; other clips of the fan may lie further off.
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np

from offkey import detectors, read
from offkey.decisions import (
    Conformal,
    EmpiricalQuantile,
    FBeta,
    FixedRecall,
    GammaTail,
    MinimumCost,
    ParetoTail,
    RobustZScore,
)
from offkey.decisions.pareto import inverse_survival
from offkey.features import LogMel, frames_of
from offkey.pipeline.held_out import fit_and_score
from offkey.windows import WindowArray, WindowGrid

RATES = (0.1, 0.05, 0.01, 0.002)
OURS = (Conformal, EmpiricalQuantile, RobustZScore, ParetoTail, GammaTail)
RATE, WINDOW_S = 16_000, 2.0
STRANGERS = ("002 - Rain", "007 - Helicopter", "008 - Chainsaw")


# Other tools' thresholds: scores and rate to a boundary


def mean_and_deviations(scores, rate):
    from scipy.stats import norm

    return scores.mean() + norm.isf(rate) * scores.std()


def gamma_recipe(scores, rate):
    """Fit and invert a gamma distribution, as the DCASE baselines do."""
    from scipy.stats import gamma

    shape, location, scale = gamma.fit(scores)
    return gamma.ppf(1 - rate, a=shape, loc=location, scale=scale)


def contamination(scores, rate):
    """PyOD's own code where it is installed, else what it does: a percentile."""
    try:
        from pyod.models.base import BaseDetector
    except ImportError:
        return np.percentile(scores, 100 * (1 - rate))

    class Given(BaseDetector):
        def __init__(self, contamination):
            super().__init__(contamination=contamination)

        def fit(self, X, y=None):
            self.decision_scores_ = X
            self._process_decision_scores()
            return self

        def decision_function(self, X):
            return X

    return Given(contamination=rate).fit(scores).threshold_


PEERS = {
    "mean + k sigma": mean_and_deviations,
    "PyOD contamination": contamination,
    "DCASE gamma": gamma_recipe,
}


# Other estimators of a Pareto tail: excesses and probability to an excess


def maximum_likelihood(excesses, probability):
    from scipy.stats import genpareto

    shape, _, scale = genpareto.fit(excesses, floc=0)
    return inverse_survival(probability, scale, shape)


def weighted_moments(excesses, probability):
    """Hosking and Wallis 1987."""
    ordered, n = np.sort(excesses), len(excesses)
    mean = ordered.mean()
    weighted = (ordered * (1 - (np.arange(1, n + 1) - 0.35) / n)).mean()
    shape = 2 - mean / (mean - 2 * weighted)
    return inverse_survival(probability, 2 * mean * weighted / (mean - 2 * weighted), shape)


def zhang_stephens(excesses, probability):
    """Zhang and Stephens 2009, with the shape drawn towards 1/2 as Vehtari et al. 2024 do for few excesses."""
    ordered, n = np.sort(excesses), len(excesses)
    m = 20 + int(n**0.5)
    ends = (1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (3 * ordered[int(n / 4 + 0.5) - 1]) + 1 / ordered[-1]
    shapes = np.log1p(-ends[:, None] * ordered).mean(axis=1)
    fits = n * (np.log(-ends / shapes) - shapes - 1)
    end = (ends / np.exp(fits - fits[:, None]).sum(axis=1)).sum()
    shape = np.log1p(-end * ordered).mean()
    return inverse_survival(probability, -shape / end, (n * shape + 5) / (n + 10))


ESTIMATORS = {
    "Pareto by maximum likelihood (SPOT)": maximum_likelihood,
    "Pareto by weighted moments": weighted_moments,
    "Pareto by Zhang and Stephens": zhang_stephens,
}


def with_tail(estimate):
    """Return peaks over threshold by the plain recipe: a tenth of the scores, at least ten."""

    def boundary(scores, rate):
        ordered, m = np.sort(scores), max(10, int(np.ceil(0.1 * len(scores))))
        start = ordered[-m - 1]
        with np.errstate(all="ignore"):
            return start + max(0.0, float(estimate(ordered[-m:] - start, min(1.0, rate * len(scores) / m))))

    return boundary


def of(kind):
    return lambda scores, rate: kind(rate).fit(scores).threshold_


def simulated(repeats):
    from scipy import stats

    known = {"gamma": stats.gamma(3), "lognormal": stats.lognorm(0.5), "normal": stats.norm(), "student": stats.t(3)}
    ways = {kind.__name__: of(kind) for kind in (Conformal, EmpiricalQuantile, ParetoTail)} | {
        name: with_tail(estimate) for name, estimate in ESTIMATORS.items()
    }
    results = {}
    for n in (20, 50, 175, 1000):
        draws = {name: each.rvs((repeats, n), random_state=np.random.default_rng(n)) for name, each in known.items()}
        for rate in (0.01, 0.002):
            print(f"\nsimulated, {n} scores, {100 * rate:g} %: mean false-alarm rate over the one asked for")
            print(f"{'':38}" + "".join(f"{name:>18}" for name in known) + f"{'typical factor':>18}")
            for way, boundary in ways.items():
                row = {}
                for name, distribution in known.items():
                    realised = np.array([distribution.sf(boundary(scores, rate)) for scores in draws[name]])
                    row[name] = [realised.mean() / rate, realised.std(ddof=1) / rate / repeats**0.5]
                off = np.abs(np.log([max(mean, 1e-9) for mean, _ in row.values()]))
                row["typical_factor"] = float(np.exp(off.mean()))
                cells = "".join(f"{row[name][0]:>11.2f} ±{row[name][1]:.2f}" for name in known)
                print(f"{way:38}{cells}{row['typical_factor']:>18.2f}", flush=True)
                results.setdefault(f"{n} scores", {}).setdefault(str(rate), {})[way] = row
    return results


def toycar(data, repeats):
    folder = data / "reference" / "mlperf-tiny-toycar"
    machines = []
    for path in sorted(folder.glob("anomaly_score_ToyCar_id_*.csv")):
        rows = [line.split(",") for line in path.read_text().splitlines()]
        machines.append(np.array([float(score) for name, score in rows if name.startswith("normal")]))
    ways = {kind.__name__: of(kind) for kind in OURS} | PEERS
    realised = {way: np.empty((len(RATES), repeats, len(machines))) for way in ways}
    rng = np.random.default_rng(0)
    for i in range(repeats):
        for j, scores in enumerate(machines):
            shuffled = rng.permutation(scores)
            calibration, test = np.split(shuffled, [len(scores) // 2])
            for way, boundary in ways.items():
                realised[way][:, i, j] = [np.mean(test > boundary(calibration, rate)) for rate in RATES]
    results = {way: toycar_figures(realised[way]) for way in ways}
    n = len(machines[0]) // 2
    results["Conformal"] |= {f"exact {rate:g}": max(1, int((n + 1) * rate)) / (n + 1) for rate in RATES}
    print_toycar(results, [len(scores) for scores in machines])
    return results | {"checks": checks(results)}


def toycar_figures(realised):
    """Figures from rates (n_rates, n_repeats, n_machines)."""
    figures = {}
    for rate, each in zip(RATES, realised, strict=True):
        figures[f"{rate:g}"] = {
            "mean": each.mean(),
            "error_splits": each.mean(axis=1).std(ddof=1) / len(each) ** 0.5,
            "error_machines": each.mean(axis=0).std(ddof=1) / each.shape[1] ** 0.5,
            "one_split": each.std(axis=0, ddof=1).mean(),
        }
    return figures


def print_toycar(results, counts):
    print(f"\ntoycar, {counts} clips, halves: false-alarm rate in % (± splits, ± machines)")
    print(f"{'':22}" + "".join(f"{f'{100 * rate:g} %':>28}" for rate in RATES))
    for way, figures in results.items():
        cells = [figures[f"{rate:g}"] for rate in RATES]
        text = "".join(
            f"{100 * c['mean']:>12.2f} ±{100 * c['error_splits']:5.3f} ±{100 * c['error_machines']:5.3f}" for c in cells
        )
        print(f"{way:22}{text}")
    exact = "".join(f"{100 * results['Conformal'][f'exact {rate:g}']:>12.3f}{'':16}" for rate in RATES)
    print(f"{'Conformal, known':22}{exact}")


def checks(results):
    def factor(way, rate):
        return abs(np.log(max(results[way][rate]["mean"], 1e-9) / float(rate)))

    kept = {
        "conformal is nowhere above the rate it supports, beyond its Monte-Carlo error": all(
            figure["mean"] <= max(rate, results["Conformal"][f"exact {rate:g}"]) + 2 * figure["error_splits"]
            for rate in RATES
            for figure in [results["Conformal"][f"{rate:g}"]]
        ),
        "ParetoTail is within a factor of 1.5 at 1 %": factor("ParetoTail", "0.01") <= np.log(1.5),
        "ParetoTail is no further off than any peer at 0.2 %": all(
            factor("ParetoTail", "0.002") <= factor(peer, "0.002") for peer in PEERS
        ),
        "the gamma recipe is off by more than two errors at 10 % and 0.2 %": all(
            abs(figure["mean"] - rate) > 2 * max(figure["error_splits"], figure["error_machines"])
            for rate in (0.1, 0.002)
            for figure in [results["DCASE gamma"][f"{rate:g}"]]
        ),
    }
    for what, holds in kept.items():
        print(f"{'yes' if holds else 'NO':4} {what}")
    return {what: bool(holds) for what, holds in kept.items()}


def windows_of(clips):
    feature = LogMel().fit(RATE)
    frames = [frames_of(feature, clip) for clip in clips]
    ends = np.cumsum([len(each) for each in frames]).tolist()
    n_frames = feature.n_frames(round(WINDOW_S * RATE))
    return WindowArray(
        np.concatenate(frames), list(zip([0, *ends[:-1]], ends, strict=True)), WindowGrid(n_frames, n_frames // 2)
    )


def strangers(data, repeats):
    fan = windows_of([read(path) for path in sorted((data / "sounds" / "fan-id00" / "normal").glob("*.wav"))])
    paths = [path for name in STRANGERS for path in sorted((data / "sounds" / "esc10" / name).glob("*.ogg"))]
    esc, folds = windows_of([read(path, rate=RATE) for path in paths]), np.array([int(path.name[0]) for path in paths])
    results = {}
    for detector in (detectors.Gaussian(), detectors.NearestNeighbors()):
        outcomes = {}
        for seed in range(repeats):
            for way, outcome in one_split(detector, fan, esc, folds, seed):
                outcomes.setdefault(way, []).append(outcome)
        results[repr(detector)] = print_strangers(repr(detector), outcomes)
    return results


def one_split(detector, fan, esc, folds, seed):
    """Yield way, false-alarm rate and recall of one random split."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(fan.segments))
    learn = fan.select(order[:30].tolist())
    fitted = fit_and_score(detector, learn, 19, seed)
    held_out = np.array([scores.mean() for scores in fitted.scores])
    normal = clip_scores(fitted.detector, fan, order[30:])
    strange = clip_scores(fitted.detector, esc, range(len(folds)))
    is_labelled = np.isin(folds, rng.permutation(np.arange(1, 6))[:2])

    def outcome(boundary):
        return np.mean(normal > boundary), np.mean(strange[~is_labelled] > boundary)

    for rate in (0.1, 0.05):
        for kind in OURS:
            yield f"{kind.__name__} {rate:g}", outcome(kind(rate).fit(held_out).threshold_)
        training = training_scores(fitted.detector, learn)
        for peer in ("PyOD contamination", "DCASE gamma"):
            yield f"{peer}, training scores {rate:g}", outcome(PEERS[peer](training, rate))
    scores = np.append(held_out, strange[is_labelled])
    labels = np.arange(len(scores)) >= len(held_out)
    for threshold in (FBeta(), MinimumCost(), MinimumCost(anomaly_fraction=0.01), FixedRecall()):
        yield repr(threshold), outcome(threshold.fit(scores, labels).threshold_)


def clip_scores(detector, windows, recordings):
    return np.array([detector.anomaly_score(windows.select([int(i)])).mean() for i in recordings])


def training_scores(detector, windows):
    """Clip scores of what the detector was trained on; neighbours leave each window itself out, or all would be 0."""
    recordings = range(len(windows.segments))
    if not isinstance(detector, detectors.NearestNeighbors):
        return clip_scores(detector, windows, recordings)
    lengths = [len(windows.select([i])) for i in recordings]
    return np.array([each.mean() for each in np.split(detector.training_scores_, np.cumsum(lengths)[:-1])])


def print_strangers(name, outcomes):
    print(f"\nstrangers, {name}: false-alarm rate and recall in % (± error over splits of these 45 clips)")
    figures = {}
    for way, each in outcomes.items():
        rates = np.array(each)
        means, errors = rates.mean(axis=0), rates.std(axis=0, ddof=1) / len(rates) ** 0.5
        figures[way] = {
            "false_alarm_rate": means[0], "error": errors[0], "recall": means[1], "recall_error": errors[1],
        }  # fmt: skip
        cells = "".join(f"{100 * mean:>10.1f} ±{100 * error:.1f}" for mean, error in zip(means, errors, strict=True))
        print(f"{way:45}{cells}")
    return figures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=200, help="of simulations and of ToyCar's splits")
    parser.add_argument("--fan-repeats", type=int, default=50, help="of the fan's splits")
    parser.add_argument("--only", choices=["simulated", "toycar", "strangers"])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "thresholds.json")
    arguments = parser.parse_args()
    if arguments.only != "simulated" and "OFFKEY_DATA" not in os.environ:
        raise SystemExit(
            "Set OFFKEY_DATA to the folder of real recordings (reference, sounds), or use --only simulated."
        )
    data = Path(os.environ.get("OFFKEY_DATA", "."))
    sections = {
        "simulated": lambda: simulated(arguments.repeats),
        "toycar": lambda: toycar(data, arguments.repeats),
        "strangers": lambda: strangers(data, arguments.fan_repeats),
    }
    results = {name: run() for name, run in sections.items() if arguments.only in (None, name)}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1, default=float) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

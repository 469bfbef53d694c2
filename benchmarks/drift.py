"""Drift: when it is first reported, how often falsely, and how well rows out of distribution are told.

Usage: OFFKEY_DATA=folder python benchmarks/drift.py [--repeats 200] [--only PART] [--out results/drift.json]

Parts:

``batches``       gas sensors over three years (Vergara et al. 2012, UCI 224; the batches that are there): a reference
                  of batch 1, or of batches 1 and 2, against each later batch. A random half of the reference against
                  the other half stands for no drift. And how often a few rows of batch 2 are enough, at 1 %.
``false alarms``  rows of batches 1 and 2 shuffled, so that nothing drifts: 300 for the reference, 200 for the batch,
                  200 times. Share of alarms of each test at 5 % and 1 %, with 95 % intervals (Clopper and Pearson),
                  beside usual rules without a rate: any column by Kolmogorov-Smirnov at 5 %, half of the columns, and
                  the stability index above 0.1 or 0.25 in any column.
``on line``       rows drawn from the same batches for ever: mean number of rows to the first false alarm, and from
                  that to the second, against what was stated, for references of 20 and 200 rows; and rows from the
                  beginning of batch 2 to the alarm. river's detectors, with their defaults, see the strangeness of
                  the same rows.
``unknown``       ESC-10: a logistic regression on pooled log-mel levels of five classes, the five others as unknown,
                  in five folds by source and six draws of classes. Area under the ROC curve of p-values from features,
                  from logits, and from both, beside the maximum softmax probability.
``overhead``      by the wall clock, how much longer calls take than those of the bare model, against the stated share,
                  and what a call takes that is not watched; scikit-learn's logistic regression and random forest on
                  batch 1, calls of 1 and of 100 rows.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np

from offkey import read
from offkey.decisions import adjusted_p_values
from offkey.drift import Monitored, Reference, with_outputs
from offkey.features import LogMel

PARTS = ("batches", "false alarms", "on line", "unknown", "overhead")
N_REFERENCE, N_BATCH = 300, 200
SOME_COLUMNS = slice(0, 128, 16)  # the steady-state response of eight sensors: on line they are enough


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "drift.json")
    arguments = parser.parse_args()
    data = Path(os.environ["OFFKEY_DATA"])
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for part in PARTS:
        if arguments.only in (None, part):
            start = time.perf_counter()
            results[part] = globals()[part.replace(" ", "_")](data, arguments.repeats)
            results[part]["seconds"] = round(time.perf_counter() - start, 1)
            show(part, results[part])
            arguments.out.parent.mkdir(exist_ok=True)
            arguments.out.write_text(json.dumps(results, indent=1) + "\n")


def gas_batches(data):
    """Return the batches that are there by number, each a table of 128 features and the gas."""
    arrays = np.load(data / "series" / "gas-drift" / "gas_drift.npz")
    numbers = sorted({int(name[1:].partition("_")[0]) for name in arrays.files})
    return {number: {"x": arrays[f"b{number}_X"], "gas": arrays[f"b{number}_gas"]} for number in numbers}


def stacked(*tables):
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def some(table, rows):
    return {name: values[rows] for name, values in table.items()}


def batches(data, _):
    there = gas_batches(data)
    rows = []
    for first in ([1], [1, 2]):
        known = stacked(*(there[number] for number in first))
        order = np.random.default_rng(0).permutation(len(known["gas"]))
        half = len(order) // 2
        control = Reference().fit(some(known, order[:half])).check(some(known, order[half:]))
        reference = Reference().fit(known)
        reports = {"no drift": control} | {
            number: reference.check(table) for number, table in there.items() if number not in first
        }
        for number, report in reports.items():
            together = {test.name: test.p_value for test in report.tests}
            psi = np.array([column.psi for column in report.columns])
            gas = next(column for column in report.columns if column.name == "gas")
            rows.append(
                {
                    "reference": "+".join(map(str, first)),
                    "batch": number,
                    "n_rows": report.n_batch,
                    "is_drift": report.is_drift,
                    "p_value": report.p_value,
                    "n_columns_moved": len(report.moved),
                    "surest": report.columns[0].name,
                    "change": report.columns[0].change,
                    "gas_adjusted_p_value": gas.adjusted_p_value,
                    "n_psi_above_0.25": int((psi > 0.25).sum()),
                    **together,
                    "share_of_rows_with_p_at_most_1%": None
                    if number == "no drift"
                    else float(np.mean(reference.p_values(there[number]) <= 0.01)),
                }
            )
    return {"rows": rows, "few rows of batch 2": few_rows(there[1], there[2])}


def few_rows(known, later, draws=20):
    """Return how often drift is reported, by each test at 1 %, of so many rows of a later batch, drawn at random."""
    reference, rows = Reference().fit(known), []
    for n in (3, 5, 10, 20, 50):
        found = {"overall": 0, "columns": 0, "maximum mean discrepancy": 0, "classifier two-sample test": 0}
        for draw in range(draws):
            chosen = np.random.default_rng([n, draw]).permutation(len(later["gas"]))[:n]
            report = reference.check(some(later, chosen), seed=draw)
            found["overall"] += report.is_drift
            found["columns"] += bool(report.moved)
            for test in report.tests:
                found[test.name] += test.is_drift
        rows.append({"n_rows": n, **{name: count / draws for name, count in found.items()}, "n": draws})
    return rows


def false_alarms(data, repeats):
    from scipy.stats import kstest

    there = gas_batches(data)
    known = stacked(there[1], there[2])
    p_values = {"any column (Benjamini and Hochberg)": [], "one column": [], "gas, chi-squared": [], "overall": []}
    p_values |= {"maximum mean discrepancy": [], "classifier two-sample test": [], "rows out of distribution": []}
    rules = {"any column at 5 %": 0, "half of the columns at 5 %": 0, "PSI > 0.1": 0, "PSI > 0.25": 0}
    for repeat in range(repeats):
        order = np.random.default_rng([7, repeat]).permutation(len(known["gas"]))
        reference = Reference(seed=repeat).fit(some(known, order[:N_REFERENCE]))
        batch = some(known, order[N_REFERENCE:][:N_BATCH])
        report = reference.check(batch, seed=repeat)
        of_columns = np.array([column.p_value for column in report.columns])
        psi = np.array([column.psi for column in report.columns])
        own = {column.name: column.p_value for column in report.columns}
        p_values["any column (Benjamini and Hochberg)"].append(float(adjusted_p_values(of_columns).min()))
        p_values["one column"].append(own["x[0]"])
        p_values["gas, chi-squared"].append(own["gas"])
        p_values["overall"].append(report.p_value)
        for test in report.tests:
            p_values[test.name].append(test.p_value)
        p_values["rows out of distribution"].append(float(reference.p_values(some(batch, slice(0, 1)))[0]))
        rules["any column at 5 %"] += bool((of_columns <= 0.05).any())
        rules["half of the columns at 5 %"] += bool((of_columns <= 0.05).mean() >= 0.5)
        rules["PSI > 0.1"] += bool((psi > 0.1).any())
        rules["PSI > 0.25"] += bool((psi > 0.25).any())
    rows = [
        {"test": name, "stated": rate, **proportion(sum(p <= rate for p in values), repeats)}
        for name, values in p_values.items()
        for rate in (0.05, 0.01)
    ]
    rows += [{"test": f"rule: {name}", "stated": None, **proportion(n, repeats)} for name, n in rules.items()]
    fine = ("maximum mean discrepancy", "classifier two-sample test", "gas, chi-squared")  # of many different values
    uniform = {name: float(kstest(p_values[name], "uniform").pvalue) for name in fine}
    return {"n_reference": N_REFERENCE, "n_batch": N_BATCH, "rows": rows, "are p-values uniform? p": [uniform]}


def proportion(count, n):
    """Return a share with its 95 % interval by Clopper and Pearson."""
    from scipy.stats import binomtest

    interval = binomtest(int(count), n).proportion_ci(0.95)
    return {"share": count / n, "low": float(interval.low), "high": float(interval.high), "n": n}


def on_line(data, repeats):
    there = gas_batches(data)
    pool = np.concatenate([there[1]["x"], there[2]["x"]])[:, SOME_COLUMNS].astype(float)
    rows = [
        mean_time(pool, n_reference, limit, repeats // 2)
        for n_reference, limit in ((20, 100), (200, 100), (20, 1000), (200, 1000))
    ]
    return {"between false alarms": rows, "delay": delays(there, repeats // 10), "river": river_alarms(pool, there)}


def mean_time(pool, n_reference, limit, repeats):
    """Return mean rows to the first false alarm and to the next; streams end, unfinished, at thirty times the limit."""
    first, second, unfinished = [], [], 0
    for repeat in range(repeats):
        rng = np.random.default_rng([n_reference, limit, repeat])
        stream = Reference(seed=repeat).fit(rng.choice(pool, n_reference)).stream(limit, seed=repeat)
        while len(stream.alarms) < 2 and stream.n_rows < 30 * limit:
            stream.push(rng.choice(pool, 200))
        found = [alarm.row + 1 for alarm in list(stream.alarms)[:2]]
        unfinished += len(found) < 2
        found += [stream.n_rows] * (2 - len(found))
        first.append(found[0])
        second.append(found[1] - found[0])
    return {
        "n_reference": n_reference,
        "stated": limit,
        "first": float(np.mean(first)),
        "first_standard_error": float(np.std(first) / np.sqrt(repeats)),
        "next": float(np.mean(second)),
        "next_standard_error": float(np.std(second) / np.sqrt(repeats)),
        "unfinished": unfinished,
        "n": repeats,
    }


def delays(there, repeats):
    """Return rows from the beginning of batch 2 to the alarm, after 200 shuffled rows of batch 1 as they should be."""
    one, two = (there[number]["x"][:, SOME_COLUMNS].astype(float) for number in (1, 2))
    delay, early = [], 0
    for repeat in range(repeats):
        rng = np.random.default_rng([3, repeat])
        order = rng.permutation(len(one))
        stream = Reference(seed=repeat).fit(one[order[:245]]).stream(1000, seed=repeat)
        early += len(stream.push(one[order[245:]]))
        n_before = stream.n_rows
        late = [alarm.row - n_before + 1 for alarm in stream.push(rng.permutation(two))]
        delay.append(late[0] if late else len(two))
    return {"stated": 1000, "median": float(np.median(delay)), "largest": int(max(delay)), "early": early, "n": repeats}


def river_alarms(pool, there, n_rows=20_000):
    """Return how often river's detectors give an alarm where nothing drifts; a text where river is not installed."""
    try:
        from river import drift
    except ImportError:
        return "river is not installed: left out"
    one, two = (there[number]["x"][:, SOME_COLUMNS].astype(float) for number in (1, 2))
    rng = np.random.default_rng(5)
    reference, early = Reference().fit(rng.choice(pool, 200)), Reference().fit(one[:245])
    steady = reference.strangeness(rng.choice(pool, n_rows))
    late = early.strangeness(np.concatenate([one[245:], rng.permutation(two)]))
    rows = []
    kinds = {"ADWIN": drift.ADWIN, "PageHinkley": drift.PageHinkley, "KSWIN": lambda: drift.KSWIN(seed=0)}
    for name, make in kinds.items():
        alarms = alarms_of(make(), steady)
        after = [row - 200 + 1 for row in alarms_of(make(), late) if row >= 200]
        between = n_rows / len(alarms) if alarms else None
        rows.append({"detector": name, "rows_per_false_alarm": between, "n_rows": n_rows,
                     "stated": None, "delay": after[0] if after else None})  # fmt: skip
    return rows


def alarms_of(detector, values):
    found = []
    for row, value in enumerate(values):
        detector.update(float(value))
        if detector.drift_detected:
            found.append(row)
    return found


def unknown(data, _):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, classes, folds = pooled_levels(data)
    areas = {name: [] for name in ("p-values, features", "p-values, logits", "p-values, both",
                                   "strangeness, features", "strangeness, logits", "strangeness, both",
                                   "maximum softmax probability")}  # fmt: skip
    accuracy, false_alarms = [], []
    names = np.unique(classes)
    for draw in range(6):
        known = np.random.default_rng([11, draw]).permutation(names)[:5]
        is_known = np.isin(classes, known)
        for fold in np.unique(folds):
            train, test = is_known & (folds != fold), folds == fold
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                unseen = cross_val_predict(model, features[train], classes[train], cv=4, method="decision_function")
            model.fit(features[train], classes[train])
            logits, is_unknown = model.decision_function(features[test]), ~is_known[test]
            accuracy.append(float(np.mean(model.predict(features[test])[~is_unknown] == classes[test][~is_unknown])))
            areas["maximum softmax probability"].append(
                roc_auc_score(is_unknown, -model.predict_proba(features[test]).max(axis=1))
            )
            tables = {
                "features": ({"x": features[train]}, {"x": features[test]}),
                "logits": ({"logit": unseen}, {"logit": logits}),
                "both": ({"x": features[train], "logit": unseen}, {"x": features[test], "logit": logits}),
            }
            for name, (then, now) in tables.items():
                reference = Reference().fit(then)
                p_values = reference.p_values(now)
                areas[f"p-values, {name}"].append(roc_auc_score(is_unknown, -p_values))
                areas[f"strangeness, {name}"].append(roc_auc_score(is_unknown, reference.strangeness(now)))
                if name == "features":
                    false_alarms.append(float(np.mean(p_values[~is_unknown] <= 0.1)))
    return {
        "accuracy": float(np.mean(accuracy)),
        "known_clips_with_p_at_most_10%": float(np.mean(false_alarms)),
        "rows": [
            {"score": name, "auroc": float(np.mean(values)), "standard_deviation": float(np.std(values))}
            for name, values in areas.items()
        ],
        "n": len(accuracy),
    }


def overhead(data, _):
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table, rows = gas_batches(data)[1], []
    for model, n_calls in (
        (make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)), 4000),
        (RandomForestClassifier(random_state=0), 1000),
    ):
        model.fit(table["x"], table["gas"])
        reference = Reference().fit(with_outputs(model, table["x"]))
        for n_rows in (1, 100):
            rng, monitored = np.random.default_rng(0), Monitored(model, reference, share=0.1)
            calls = [table["x"][rng.integers(0, len(table["x"]), n_rows)] for _ in range(n_calls)]
            seconds = {"bare": 0.0, "watched": 0.0}
            for start in range(0, n_calls, 100):  # in turns, so that a busy machine slows down both
                for name, predict in (("bare", model.predict), ("watched", monitored.predict)):
                    began = time.perf_counter()
                    for rows_of_call in calls[start : start + 100]:
                        predict(rows_of_call)
                    seconds[name] += time.perf_counter() - began
            rows.append(
                {
                    "model": type(model).__name__,
                    "rows_of_a_call": n_rows,
                    "stated": 0.1,
                    "by_the_clock": seconds["watched"] / seconds["bare"] - 1,
                    "by_its_own_account": monitored.overhead,
                    "ms_of_a_call": 1000 * seconds["bare"] / n_calls,
                    "microseconds_of_a_call_unwatched": unwatched(reference, calls[:1000]),
                    "share_of_rows_watched": monitored.n_watched / monitored.n_rows,
                }
            )
    return {"rows": rows}


def unwatched(reference, calls):
    """Return the microseconds that a call takes more where there is never time to watch."""
    monitored = Monitored(Nothing(), reference, method="predict", share=1e-12)
    seconds = []
    for predict in (Nothing().predict, monitored.predict):
        began = time.perf_counter()
        for rows in calls:
            predict(rows)
        seconds.append(time.perf_counter() - began)
    return 1e6 * (seconds[1] - seconds[0]) / len(calls)


class Nothing:
    """A model that takes no time."""

    def predict(self, X):
        """Return nothing."""


def pooled_levels(data):
    """Return mean and standard deviation over time of 64 mel bands (n_clips, 128), class and fold of each clip."""
    front_end = LogMel(n_mels=64)
    rows, classes, folds = [], [], []
    for folder in sorted(path for path in (data / "sounds" / "esc10").iterdir() if path.is_dir()):
        for path in sorted(folder.glob("*.ogg")):
            clip = read(path, rate=16_000)
            front_end.fit(clip.rate)
            frames = front_end.transform(clip.samples)[:, :, 0]
            rows.append(np.concatenate([frames.mean(axis=0), frames.std(axis=0)]))
            classes.append(folder.name.partition(" - ")[2])
            folds.append(int(path.name[0]))
    return np.array(rows, float), np.array(classes), np.array(folds)


def show(part, result):
    print(f"\n{part} ({result['seconds']} s)")
    for key, value in result.items():
        for row in value if isinstance(value, list) else [{key: value}]:
            print("  " + "  ".join(f"{name} {each:.3g}" if isinstance(each, float) else f"{name} {each}"
                                   for name, each in row.items()))  # fmt: skip


if __name__ == "__main__":
    main()

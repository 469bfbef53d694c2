"""How well detectors do on vibration, motor current and slow series, beside peers on the same windows, in one run.

Part of `quality.py` (``python benchmarks/quality.py --sets sensors``). Sets:

``ceiling fan``    accelerometer of three axes on a fan at three speeds, windows of a second; a coin taped to a blade is
                   the fault. Fitted on 60 % of the normal windows of a speed, or of all speeds together.
``re-mounted``     the same fan after its sensor was moved, and mounted anew, which is no fault: before and after
                   `Pipeline.calibrate` with 60 s of it, and fitted again with these.
``motor current``  three phases, shorted turns of four levels; fitted on two of three healthy recordings, in turns. The
                   short is there for some seconds of each faulty recording only.
``water circuit``  SKAB, 34 files at about 1 Hz with labels for each row: fitted on the first 400 rows of each.
``known causes``   NAB, seven series with known causes: fitted on the first 15 %, alarms as events of windows.

All systems see the same windows of the same front end, pooled over time in the same way (`Adapter`).
"""

import json
import os
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from offkey import Clip, Pipeline, detectors
from offkey.decisions import Conformal, EventRules
from offkey.evaluation.metrics import auc
from offkey.features import Concatenate, Correlation, Raw, Statistics, frames_of
from offkey.windows import WindowArray, WindowGrid

SPEEDS = ("low", "med", "high")
FAULT_LEVELS = (1, 2, 3, 4)


def systems():
    found = {
        "auto": detectors.Ensemble(),
        "Gaussian": detectors.Gaussian(),
        "GaussianMixture": detectors.GaussianMixture(),
        "PrincipalComponents": detectors.PrincipalComponents(),
        "NearestNeighbors": detectors.NearestNeighbors(),
        "PerState Gaussian": detectors.PerState(),
        "scikit-learn IsolationForest": detectors.Adapter(),
    }
    try:
        from pyod.models.ecod import ECOD
        from pyod.models.knn import KNN
    except ImportError:
        print("PyOD is not installed: its detectors are left out")
        return found
    return found | {"PyOD KNN": detectors.Adapter(KNN()), "PyOD ECOD": detectors.Adapter(ECOD())}


def fitted(pipeline, recordings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pipeline.fit(recordings)


def area(normal, strange):
    return auc(np.repeat([0, 1], [len(normal), len(strange)]), np.append(normal, strange))


def heard(pipeline, clips):
    decisions = [pipeline.decide(clip) for clip in clips]
    return np.array([each.score for each in decisions]), np.mean([each.is_anomaly for each in decisions])


def fan_clips(data):
    arrays = np.load(data / "vibration" / "ceiling-fan" / "fan_accel.npz")
    return {
        name: [Clip(window.T, 200, ("x", "y", "z"), "g", source=f"{name} {i}") for i, window in enumerate(arrays[name])]
        for name in arrays.files
    }


def ceiling_fan(data, detector):
    clips, found = fan_clips(data), {}
    normal = {speed: clips[f"fan_0_{speed}_0_weight"] for speed in SPEEDS}
    n_learned = {speed: int(0.6 * len(normal[speed])) for speed in SPEEDS}
    learned = {speed: normal[speed][: n_learned[speed]] for speed in SPEEDS}
    models = {speed: fitted(fan_pipeline(detector), learned[speed]) for speed in SPEEDS}
    one = fitted(fan_pipeline(detector), [clip for own in learned.values() for clip in own])
    for speed in SPEEDS:
        for name, pipeline in ((speed, models[speed]), (f"{speed}, one model", one)):
            scores, false_alarms = heard(pipeline, normal[speed][n_learned[speed] :])
            strange, recall = heard(pipeline, clips[f"fan_0_{speed}_1_weight"])
            found[name] = {
                "auc": area(scores, strange), "auc_of_10_s": area(of_ten(scores), of_ten(strange)),
                "false_alarm_rate": false_alarms, "recall": recall,
            }  # fmt: skip
    return found


def of_ten(scores):
    """Return the means of ten windows each: what longer recordings would be ranked by."""
    whole = len(scores) // 10 * 10
    return np.random.default_rng(0).permutation(scores)[:whole].reshape(-1, 10).mean(axis=1)


def fan_pipeline(detector):
    return Pipeline(detector, threshold=Conformal(0.05), window_s=1.0)


def re_mounted(data, detector):
    clips, found = fan_clips(data), {}
    for name in ("fan_0_low_0_weight-moving", "fan_0_low-deploy"):
        pipeline = fitted(fan_pipeline(detector), clips["fan_0_low_0_weight"])
        strange = clips["fan_0_low_1_weight"]
        _, before = heard(pipeline, clips[name][60:])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline.calibrate(clips[name][:60])
        scores, after = heard(pipeline, clips[name][60:])
        faulty, recall = heard(pipeline, strange)
        anew = fitted(fan_pipeline(detector), clips["fan_0_low_0_weight"] + clips[name][:60])
        refitted, flagged = heard(anew, clips[name][60:])
        found[name.partition("low")[2].lstrip("_-0")] = {
            "flagged_before": before, "flagged_after": after, "recall_after": recall, "auc": area(scores, faulty),
            "flagged_refitted": flagged, "recall_refitted": heard(anew, strange)[1],
            "auc_refitted": area(refitted, heard(anew, strange)[0]),
        }  # fmt: skip
    return found


def motor_current(data, detector):
    arrays = np.load(data / "current" / "itsc" / "itsc_current.npz")
    clips = {name: Clip(arrays[name].T, 1000, ("A", "B", "C"), "A", source=name) for name in arrays.files}
    healthy = [name for name in clips if "HLT" in name]
    found = {f"level {level}, {unit}": [] for level in FAULT_LEVELS for unit in ("recordings", "windows of 2 s")}
    alarms = []
    for held_out in healthy:
        learned = [name for name in healthy if name != held_out]
        pipeline = Pipeline(detector, Concatenate((Statistics(), Correlation())), threshold=Conformal(0.1))
        fitted(pipeline, [clips[name] for name in learned])
        windows = {name: long_windows(pipeline, clip) for name, clip in clips.items()}
        of_windows = detector.unfitted().fit(np.concatenate([windows[name] for name in learned]))
        normal = pipeline.decide(clips[held_out])
        alarms += [segment.is_anomaly for segment in normal.segments]
        for level in FAULT_LEVELS:
            strange = [name for name in clips if f"_A{level}_" in name]
            scores = [pipeline.decide(clips[name]).score for name in strange]
            found[f"level {level}, recordings"].append(area([normal.score], scores))
            scores = of_windows.anomaly_score(np.concatenate([windows[name] for name in strange]))
            usual = of_windows.anomaly_score(windows[held_out])
            found[f"level {level}, windows of 2 s"].append(area(usual, scores))
    areas = {name: {"auc": np.mean(own)} for name, own in found.items()}
    return areas | {"healthy segments": {"false_alarm_rate": np.mean(alarms)}}


def long_windows(pipeline, clip):
    """Return windows of 2 s every quarter of one, by the front end that a pipeline has fitted."""
    frames, feature = frames_of(pipeline.features_, clip), pipeline.features_
    n_frames = feature.n_frames(2 * clip.rate)
    grid = WindowGrid(n_frames, max(1, clip.rate // 4 // feature.hop_samples))
    return np.asarray(WindowArray(frames, [(0, len(frames))], grid))


def water_circuit(data, detector):
    areas, counts = [], np.zeros((2, 2))
    for path in sorted((data / "series" / "skab").glob("*/*.csv")):
        rows = pd.read_csv(path, sep=";")
        if "anomaly" not in rows:
            continue
        labels = rows["anomaly"].to_numpy(int)
        series = rows.drop(columns=["datetime", "anomaly", "changepoint"]).to_numpy(np.float32).T
        pipeline = Pipeline(detector, Raw(), window_s=20, hop_s=1, threshold=Conformal(0.05))
        fitted(pipeline, [Clip(series[:, :400], 1, unit="", source=path.name)])
        windows = [window for window in pipeline.stream().push(series) if window.stop_sample > 400]
        at = np.array([window.stop_sample - 1 for window in windows])
        areas.append(auc(labels[at], np.array([window.score for window in windows])))
        np.add.at(counts, (labels[at], [int(window.is_anomaly) for window in windows]), 1)
    (true_normal, false_alarms), (missed, found) = counts
    return {
        "files": {
            "auc": np.mean(areas), "f1": 2 * found / (2 * found + false_alarms + missed),
            "far": false_alarms / (false_alarms + true_normal), "mar": missed / (missed + found),
        }
    }  # fmt: skip


def known_causes(data, detector):
    folder, found = data / "series" / "nab", {}
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text("utf-8"))
    n_found = n_causes = n_false = months = 0
    for path in sorted((folder / "data" / "realKnownCause").glob("*.csv")):
        rows = pd.read_csv(path, parse_dates=["timestamp"])
        step = float(np.median(np.diff(rows["timestamp"]).astype("timedelta64[s]").astype(float)))
        series, n_learned = rows["value"].to_numpy(np.float32)[None], int(0.15 * len(rows))
        pipeline = Pipeline(detector, Raw(), window_s=24 * step, hop_s=step, events=EventRules(merge_gap_s=86_400))
        fitted(pipeline, [Clip(series[:, :n_learned], 1 / step, unit="", source=path.name)])
        events = pipeline.decide(Clip(series[:, n_learned:], 1 / step, unit="")).events
        start = rows["timestamp"][n_learned]
        spans = [(start + pd.Timedelta(each.start_s, "s"), start + pd.Timedelta(each.stop_s, "s")) for each in events]
        causes = [tuple(map(pd.Timestamp, each)) for each in labels[f"realKnownCause/{path.name}"]]
        hits = [any(begin <= stop and first <= end for first, stop in spans) for begin, end in causes]
        false = sum(not any(begin <= stop and first <= end for begin, end in causes) for first, stop in spans)
        duration = len(rows) * 0.85 * step / 86_400 / 30.44
        found[path.stem] = {"causes": len(causes), "found": sum(hits), "false_alarms_per_month": false / duration}
        n_found, n_causes, n_false = n_found + sum(hits), n_causes + len(causes), n_false + false
        months += duration
    return found | {"all": {"causes": n_causes, "found": n_found, "false_alarms_per_month": n_false / months}}


SETS = {
    "ceiling fan": ceiling_fan,
    "re-mounted": re_mounted,
    "motor current": motor_current,
    "water circuit": water_circuit,
    "known causes": known_causes,
}


def run(data, results, only=""):
    for name, measure in SETS.items():
        for system, detector in systems().items():
            if system != "auto" and not re.search(only, system):
                continue
            found = {
                row: {key: round(float(value), 4) for key, value in figures.items()}
                for row, figures in measure(data, detector).items()
            }
            results.setdefault(name, {})[system] = found
            print(f"{name:14} {system:32} {json.dumps(found)}", flush=True)


if __name__ == "__main__":
    run(Path(os.environ["OFFKEY_DATA"]), {}, sys.argv[1] if len(sys.argv) > 1 else "")

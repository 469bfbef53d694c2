"""How well each detector ranks and decides on real recordings, beside peers on the same windows, in one run.

Usage: OFFKEY_DATA=folder python benchmarks/quality.py [--without-networks] [--out results/quality.json]

Tasks: ``fan`` (30 recordings of a real fan to learn from, 15 others as normal, ESC-10 rain, helicopter and chainsaw as
anomalies) and ``clock tick``, ``rain``, ``helicopter`` (that ESC-10 class as normal, the nine others as anomalies, five
folds by source). All at 16 kHz, in windows of 2 s, at a false-alarm rate of 10 %. Peers are fitted on the pooled
spectra (mean and standard deviation of each band over each window); their scores are averaged over windows, like ours.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np

from offkey import Pipeline, detectors, read
from offkey.decisions import Conformal
from offkey.detectors.base import time_statistics
from offkey.evaluation import auc, partial_auc, wilson_interval
from offkey.features import LogMel, frames_of
from offkey.windows import WindowArray, WindowGrid

RATE, WINDOW_S, FALSE_ALARM_RATE = 16_000, 2.0, 0.1
CLASSES = {"clock tick": "005 - Clock tick", "rain": "002 - Rain", "helicopter": "007 - Helicopter"}
STRANGERS = ("002 - Rain", "007 - Helicopter", "008 - Chainsaw")


def tasks(data):
    """Yield name and folds; a fold is clips to learn from, other normal clips, and anomalies."""
    fan = [read(path) for path in sorted((data / "sounds" / "fan-id00" / "normal").glob("*.wav"))]
    esc = {
        folder.name: [(int(path.name[0]), read(path, rate=RATE)) for path in sorted(folder.glob("*.ogg"))]
        for folder in sorted((data / "sounds" / "esc10").iterdir())
        if folder.is_dir()
    }
    yield "fan", [(fan[:30], fan[30:], [clip for name in STRANGERS for _, clip in esc[name]])]
    for name, folder in CLASSES.items():
        folds = []
        for held_out in range(1, 6):
            learn = [clip for fold, clip in esc[folder] if fold != held_out]
            normal = [clip for fold, clip in esc[folder] if fold == held_out]
            strange = [c for other, clips in esc.items() if other != folder for fold, c in clips if fold == held_out]
            folds.append((learn, normal, strange))
        yield name, folds


def ours(detector):
    def run(learn, normal, strange):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline = Pipeline(detector, window_s=WINDOW_S, threshold=Conformal(FALSE_ALARM_RATE)).fit(learn)
        decisions = [pipeline.decide(clip) for clip in [*normal, *strange]]
        scores, alarms = [d.score for d in decisions], [d.is_anomaly for d in decisions]
        if "network_" not in pipeline.detector_.fitted_state:
            yield repr(detector), scores, alarms
            return
        name = type(detector).__name__
        yield f"{name} score='mahalanobis'", scores, alarms
        pipeline.detector_.set_params(score="mse")  # the same network, scored the other way
        yield f"{name} score='mse'", [pipeline.decide(clip).score for clip in [*normal, *strange]], None

    return run


def peer(name, make):
    """Return a runner for an estimator with fit and decision_function (higher is stranger, after ``sign``)."""

    def pooled(feature, clip):
        frames = frames_of(feature, clip)
        n_frames = feature.n_frames(round(WINDOW_S * RATE))
        windows = WindowArray(frames, [(0, len(frames))], WindowGrid(n_frames, n_frames // 2))
        return time_statistics(windows, ("mean", "std"))

    def run(learn, normal, strange):
        feature = LogMel().fit(RATE)
        model, sign = make()
        model.fit(np.concatenate([pooled(feature, clip) for clip in learn]))
        scores = [float(np.mean(sign * model.decision_function(pooled(feature, c)))) for c in [*normal, *strange]]
        yield name, scores, None

    return run


def runners(with_networks):
    for detector in (
        detectors.Level(),
        detectors.Gaussian(),
        detectors.Gaussian(statistics=("mean",)),
        detectors.NearestNeighbors(),
        detectors.NearestNeighbors(statistics=("mean",)),
        detectors.NearestNeighbors(density_neighbors=4),
    ):
        yield ours(detector)
    if with_networks:
        yield ours(detectors.Autoencoder(score="mahalanobis"))
        yield ours(detectors.InterpolationAutoencoder(score="mahalanobis"))
    from sklearn.ensemble import IsolationForest

    yield peer("scikit-learn IsolationForest", lambda: (IsolationForest(random_state=0), -1))
    try:
        from pyod.models.ecod import ECOD
        from pyod.models.knn import KNN
    except ImportError:
        print("PyOD is not installed: its detectors are left out")
        return
    yield peer("PyOD KNN", lambda: (KNN(), 1))
    yield peer("PyOD ECOD", lambda: (ECOD(), 1))


def figures(folds):
    """Mean areas over folds; rates over the clips of all folds."""
    areas, partial, alarms, caught = [], [], [], []
    for n_normal, scores, decisions in folds:
        labels = np.arange(len(scores)) >= n_normal
        areas.append(auc(labels, scores))
        partial.append(partial_auc(labels, scores))
        if decisions is not None:
            alarms += decisions[:n_normal]
            caught += decisions[n_normal:]
    found = {"auc": np.mean(areas), "pauc": np.mean(partial)}
    if alarms:
        low, high = wilson_interval(sum(alarms), len(alarms))
        found |= {"false_alarm_rate": np.mean(alarms), "false_alarm_rate_95": [low, high], "recall": np.mean(caught)}
    return {name: np.round(value, 4).tolist() for name, value in found.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--without-networks", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "quality.json")
    arguments = parser.parse_args()
    if "OFFKEY_DATA" not in os.environ:
        raise SystemExit("Set OFFKEY_DATA to the folder of real recordings (sounds/fan-id00, sounds/esc10).")
    data = Path(os.environ["OFFKEY_DATA"])
    results = {}
    for task, folds in tasks(data):
        results[task] = {}
        for run in runners(not arguments.without_networks):
            outcomes = {}
            started = time.perf_counter()
            for learn, normal, strange in folds:
                for name, scores, decisions in run(learn, normal, strange):
                    outcomes.setdefault(name, []).append((len(normal), scores, decisions))
            seconds = time.perf_counter() - started
            for name, found in outcomes.items():
                results[task][name] = figures(found) | {"seconds": round(seconds, 1)}
                print(f"{task:11} {name:75} {json.dumps(results[task][name])}", flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

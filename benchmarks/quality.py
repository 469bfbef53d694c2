"""How well each detector ranks and decides, beside peers on the same splits, in one run.

Usage: OFFKEY_DATA=folder python benchmarks/quality.py [--sets sound] [--networks] [--only REGEX] [--out FILE.json]

Sets of sound (those of vibration, motor current and slow series are told in `sensors.py`):

``esc10``      each ESC-10 class as normal, the nine others as anomalies, in five folds by source (Piczak 2015).
``machines``   of these, the classes that are machines: clock tick, helicopter and chainsaw.
``fan``        30 of 45 recordings of a real fan to learn from, in three random splits; the 15 others as they are, and
               with bearing, whine, rattle and leak in three octaves and modulation put into them at 0, -5 and -10 dB
               (of the octave's power).
``simulated``  a machine of each kind, 60 recordings to learn from, 30 normal and 12 of each fault, at -5 dB SNR.

Each system sees the same recordings and has its defaults at a false-alarm rate of 10 %; a window is 10 s, or the
shortest recording of the fold.
An area is the mean over a set's classes (faults); its 95 % interval resamples test recordings. ``difference`` is
paired: less that of ``auto`` on the same resamples. Trained networks are slow: ``--networks`` adds them, and leaves out
the ESC-10 classes that are no machines. Figures of one file are kept for systems that a run leaves out.
"""

import argparse
import json
import os
import re
import time
import warnings
from pathlib import Path

import numpy as np
import sensors

from offkey import Pipeline, detectors, read, recipes
from offkey.datasets import MACHINES, inject, simulate_clip
from offkey.decisions import Conformal
from offkey.evaluation.resampling import draw_weights, interval, weighted_area
from offkey.networks import yamnet_embedding

RATE, FALSE_ALARM_RATE, N_RESAMPLES = 16_000, 0.1, 400
MACHINE_CLASSES = ("Clock tick", "Helicopter", "Chainsaw")
BANDS = (250, 1000, 4000)
FAULTS = [*((kind, band) for kind in ("bearing", "whine", "rattle", "leak") for band in BANDS), ("modulation", None)]


def esc10(data):
    """Yield class, recordings to learn from, other normal ones, and anomalies by name, of each fold."""
    classes = {
        folder.name.partition(" - ")[2]: [
            (int(path.name[0]), read(path, rate=RATE)) for path in sorted(folder.glob("*.ogg"))
        ]
        for folder in sorted((data / "sounds" / "esc10").iterdir())
        if folder.is_dir()
    }
    for name, clips in classes.items():
        for held_out in range(1, 6):
            learn = [clip for fold, clip in clips if fold != held_out]
            normal = [clip for fold, clip in clips if fold == held_out]
            strange = [c for other, cs in classes.items() if other != name for fold, c in cs if fold == held_out]
            yield name, learn, normal, {name: strange}


def fan(data):
    clips = [read(path) for path in sorted((data / "sounds" / "fan-id00" / "normal").glob("*.wav"))]
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(clips))
        test = order[30:]
        strange = {
            f"{kind} {band or ''} {strength} dB": [
                inject(clips[i], kind, strength, band=band, seed=int(i)) for i in test
            ]
            for kind, band in FAULTS
            for strength in (0, -5, -10)
        }
        yield "fan", [clips[i] for i in order[:30]], [clips[i] for i in test], strange


def simulated(_):
    for machine, kind in MACHINES.items():

        def clip(number, fault=None, machine=machine):
            return simulate_clip(machine, fault, number=number, snr_db=-5.0, seed=7)

        strange = {f"{machine} {fault}": [clip(100 + i, fault) for i in range(12)] for fault in kind.faults}
        yield machine, [clip(i) for i in range(60)], [clip(i) for i in range(60, 90)], strange


def ours(detector, features=None):
    return lambda learn, window_s: piped(Pipeline(detector, features), learn, window_s)


def encoded(encoder):
    if encoder is None:
        return {}
    return {
        "YAMNet Gaussian": ours(detectors.Gaussian(("mean",)), yamnet_embedding(encoder)),
        "YAMNet NearestNeighbors": ours(
            detectors.NearestNeighbors(("mean",), metric="cosine"), yamnet_embedding(encoder)
        ),
    }


def piped(pipeline, learn, window_s):
    pipeline.set_params(threshold=Conformal(FALSE_ALARM_RATE), window_s=window_s)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.fit(learn)

    def hear(clips):
        decisions = [pipeline.decide(clip) for clip in clips]
        return [d.score for d in decisions], [d.is_anomaly for d in decisions]

    return hear


def baseline(learn, window_s):
    return piped(recipes.dcase2020_autoencoder(), learn, window_s)


def pyod(make, encode):
    """Return a system of a PyOD detector on encoded recordings; it decides by its own contamination threshold."""

    def fit(learn, _):
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler()
        model = make()
        model.fit(scaler.fit_transform(encode(learn)))

        def hear(clips):
            scores = model.decision_function(scaler.transform(encode(clips)))
            return scores.tolist(), (scores > model.threshold_).tolist()

        return hear

    return fit


def audio_features():
    """Return PyOD's encoder of a recording into 74 acoustic features, each recording encoded once."""
    from pyod.utils.encoders.audio import AudioFeatureEncoder

    encoder, known = AudioFeatureEncoder(), {}

    def encode(clips):
        for clip in clips:
            if clip not in known:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # silence has no pitch
                    known[clip] = encoder.encode([(clip.samples[0], clip.rate)], show_progress=False)[0]
        return np.nan_to_num(np.array([known[clip] for clip in clips]))

    return encode


def systems(with_networks):
    own = {
        "auto": detectors.Ensemble(),
        "Level": detectors.Level(),
        "Gaussian": detectors.Gaussian(),
        "GaussianMixture": detectors.GaussianMixture(),
        "PrincipalComponents": detectors.PrincipalComponents(),
        "NearestNeighbors": detectors.NearestNeighbors(),
        "NearestNeighbors delta": detectors.NearestNeighbors(("delta",)),
        "NearestNeighbors modulation": detectors.NearestNeighbors(("modulation",)),
        "NearestNeighbors 4 sub-bands": detectors.NearestNeighbors(n_subbands=4),
        "NearestNeighbors density 4": detectors.NearestNeighbors(density_neighbors=4),
        "PerState Gaussian": detectors.PerState(),
        "scikit-learn IsolationForest": detectors.Adapter(),
    }
    found = {name: ours(detector) for name, detector in own.items()}
    if with_networks:
        found["DCASE 2020 baseline"] = baseline
        for detector in (
            detectors.Autoencoder(),
            detectors.InterpolationAutoencoder(),
            detectors.ConvolutionalAutoencoder(),
            detectors.Classifier(),
        ):
            found[type(detector).__name__] = ours(detector)
    try:
        from pyod.models.ecod import ECOD
        from pyod.models.knn import KNN
    except ImportError:
        print("PyOD is not installed: its detectors are left out")
        return found
    encode = audio_features()
    found["PyOD KNN on its audio features"] = pyod(KNN, encode)
    found["PyOD ECOD on its audio features"] = pyod(ECOD, encode)
    try:
        import torch  # noqa: F401
        from pyod.models.audio_ae import AudioAE
    except ImportError:
        print("torch is not installed: PyOD's AudioAE is left out")
        return found
    if with_networks:
        found["PyOD AudioAE"] = audio_ae(AudioAE)
    return found


def audio_ae(kind):
    def fit(learn, _):
        model = kind()
        model.fit([(clip.samples[0], clip.rate) for clip in learn])

        def hear(clips):
            scores = model.decision_function([(clip.samples[0], clip.rate) for clip in clips])
            return scores.tolist(), (scores > model.threshold_).tolist()

        return hear

    return fit


def trial(fit, fold):
    """Return what a system says of a fold: scores and decisions of normal and strange recordings, and its times."""
    name, learn, normal, strange = fold
    everything = [*learn, *normal, *(clip for clips in strange.values() for clip in clips)]
    window_s = min(10.0, *(clip.duration_s for clip in everything))
    started = time.perf_counter()
    hear = fit(learn, window_s)
    fitted = time.perf_counter()
    said = {"normal": hear(normal), **{group: hear(clips) for group, clips in strange.items()}}
    seconds = time.perf_counter() - fitted
    heard_s = sum(clip.duration_s for clips in [normal, *strange.values()] for clip in clips)
    return {"of": name, "said": said, "fit_s": fitted - started, "times_real": heard_s / seconds}


def resampled(trials, seed=0):
    """Return the mean area over groups, with that of each resample, (N_RESAMPLES + 1,): the first as it is."""
    areas = {}
    for number, each in enumerate(trials):
        normal = np.array(each["said"]["normal"][0])
        for group, (scores, _) in each["said"].items():
            if group == "normal":
                continue
            labels = np.repeat([0, 1], [len(normal), len(scores)])
            weights = draw_weights(labels, seed + number, N_RESAMPLES)
            weights = np.concatenate([np.ones((1, len(labels))), weights])
            areas.setdefault(group, []).append(weighted_area(labels, np.append(normal, scores), weights))
    return np.mean([np.mean(each, axis=0) for each in areas.values()], axis=0)


def figures(trials, reference):
    area = resampled(trials)
    found = {"auc": area[0], "auc_95": interval(area[1:])}
    if reference is not None:
        found |= {"difference": area[0] - reference[0], "difference_95": interval(area[1:] - reference[1:])}
    normal = [decision for each in trials for decision in each["said"]["normal"][1]]
    strange = [d for each in trials for group, (_, all_) in each["said"].items() if group != "normal" for d in all_]
    found |= {"false_alarm_rate": np.mean(normal), "recall": np.mean(strange)}
    found |= {name: np.median([each[name] for each in trials]) for name in ("fit_s", "times_real")}
    return area, {name: np.round(value, 4).tolist() for name, value in found.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", choices=("all", "sound", "sensors"), default="all")
    parser.add_argument("--networks", action="store_true")
    parser.add_argument("--encoder", type=Path, help="yamnet.tflite: adds detectors on its embeddings")
    parser.add_argument("--only", default="", help="regular expression of systems besides auto")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "quality.json")
    arguments = parser.parse_args()
    if "OFFKEY_DATA" not in os.environ:
        raise SystemExit("Set OFFKEY_DATA to the folder of real recordings (sounds/fan-id00, sounds/esc10).")
    data = Path(os.environ["OFFKEY_DATA"])
    results = json.loads(arguments.out.read_text("utf-8")) if arguments.out.exists() else {}
    chosen = {
        name: fit
        for name, fit in (systems(arguments.networks) | encoded(arguments.encoder)).items()
        if name == "auto" or re.search(arguments.only, name)
    }
    if arguments.sets != "sound":
        sensors.run(data, results, arguments.only)
        write(results, arguments.out)
    if arguments.sets == "sensors":
        return
    for name, folds in (("esc10", esc10), ("fan", fan), ("simulated", simulated)):
        folds = list(folds(data))
        if name == "esc10" and arguments.networks:
            folds = [fold for fold in folds if fold[0] in MACHINE_CLASSES]
        references = {}
        for system, fit in chosen.items():
            trials = [trial(fit, fold) for fold in folds]
            sets = {} if name == "esc10" and arguments.networks else {name: trials}
            if name == "esc10":
                sets["machines"] = [each for each in trials if each["of"] in MACHINE_CLASSES]
            for each, own in sets.items():
                area, found = figures(own, references.get(each))
                references.setdefault(each, area)
                results.setdefault(each, {})[system] = found
                print(f"{each:10} {system:32} {json.dumps(found)}", flush=True)
    write(results, arguments.out)


def write(results, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

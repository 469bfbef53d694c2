"""How fast each step is, beside a peer in the same run.

Usage: python benchmarks/speed.py [--only log_mel score report training] [--out results/speed.json]

Each pair is timed in turns, and the median of the ratios pair by pair is what to quote.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RATE = 16_000


def median_ratio(ours, peers):
    """Return medians in milliseconds and the median ratio of times taken in turns."""
    ours, peers = np.array(ours), np.array(peers)
    return {
        "ours_ms": round(float(np.median(ours)) * 1e3, 3),
        "peer_ms": round(float(np.median(peers)) * 1e3, 3),
        "ratio": round(float(np.median(peers / ours)), 4),
    }


def in_turns(ours, peer, repeats, calls=1):
    """Time both in turns, ``calls`` calls at a time, after a warm-up."""
    times = ([], [])
    for i in range(repeats + 2):
        for which, run in enumerate((ours, peer)):
            started = time.perf_counter()
            for _ in range(calls):
                run()
            if i >= 2:
                times[which].append((time.perf_counter() - started) / calls)
    return median_ratio(*times)


def log_mel():
    """Ours against librosa on 10 s at 16 kHz, one thread."""
    import librosa
    from threadpoolctl import threadpool_limits

    from offkey.features import LogMel

    samples = np.random.default_rng(0).normal(0, 0.1, 10 * RATE).astype(np.float32)
    feature = LogMel().fit(RATE)

    def peer():
        mel = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=1024, hop_length=512, n_mels=128)
        return 10 * np.log10(np.maximum(mel, np.finfo(float).eps))

    with threadpool_limits(1):
        return in_turns(lambda: feature.transform(samples[None]), peer, 30, calls=20)


def recordings(folder, n):
    from offkey import Clip, write

    rng = np.random.default_rng(0)
    folder.mkdir()
    for i in range(n):
        write(Clip(rng.normal(0, 0.1, 10 * RATE), RATE), folder / f"{i:04}.wav")


def score():
    """One clip in a process of its own against ``import numpy``; 1,000 clips against real time on one core."""
    from offkey import Pipeline
    from offkey.detectors import Autoencoder, Gaussian, NearestNeighbors

    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recordings(folder / "clips", 1000)
        clips = sorted((folder / "clips").glob("*.wav"))
        for detector in (Gaussian(), NearestNeighbors(), Autoencoder(epochs=2)):
            bundle = folder / "model.offkey"
            Pipeline(detector).fit(clips[:20]).save(bundle)
            kind = type(detector).__name__
            one = [sys.executable, "-m", "offkey", "score", str(clips[0]), "-m", str(bundle)]
            bare = [sys.executable, "-c", "import numpy"]
            pair = in_turns(lambda one=one: run(one), lambda bare=bare: run(bare), 11)
            found[f"one clip, {kind}, times import numpy"] = pair | {"ratio": round(1 / pair["ratio"], 2)}
            many = [sys.executable, "-m", "offkey", "score", str(folder / "clips"), "-m", str(bundle), "--json"]
            pinned = ["taskset", "-c", "0", *many] if sys.platform == "linux" else many
            started = time.perf_counter()
            run(pinned)
            seconds = time.perf_counter() - started
            found[f"1,000 clips, {kind}"] = {"seconds": round(seconds, 2), "times_real_time": round(10_000 / seconds)}
    return found


def report():
    """Write the page of 50 clips of 10 s, as a whole process: seconds and megabytes."""
    from offkey import Pipeline

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recordings(folder / "clips", 50)
        bundle, page = folder / "model.offkey", folder / "report.html"
        Pipeline().fit(folder / "clips").save(bundle)
        command = [sys.executable, "-m", "offkey", "report", str(folder / "clips"), "-m", str(bundle), "-o", str(page)]
        times = []
        for _ in range(5):
            started = time.perf_counter()
            run(command)
            times.append(time.perf_counter() - started)
        return {"seconds": round(float(np.median(times)), 2), "megabytes": round(page.stat().st_size / 1e6, 2)}


def run(command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def training():
    """Epochs of the DCASE 2020 network: ours against ``model.fit`` on materialised 64-bit windows, in own processes."""
    inner = [sys.executable, __file__, "--inner"]
    outcomes = {}
    for which in ("ours", "peer"):
        done = subprocess.run([*inner, which], check=True, capture_output=True, text=True)
        outcomes[which] = json.loads(done.stdout.splitlines()[-1])
    ours, peer = outcomes["ours"], outcomes["peer"]
    return outcomes | {
        "epochs_per_second_ratio": round(peer["seconds_per_epoch"] / ours["seconds_per_epoch"], 2),
        "peak_memory_ratio": round(ours["peak_mb"] / peer["peak_mb"], 3),
    }


N_FRAMES, FRAMES_PER_CLIP, EPOCHS = 250_000, 313, 4


def train(which):
    """Train for some epochs; the first, which compiles, does not count."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    n_clips = N_FRAMES // FRAMES_PER_CLIP
    seconds = (train_ours if which == "ours" else train_peer)(n_clips)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds_per_epoch": round(float(np.median(seconds[1:])), 3), "peak_mb": round(peak)}))


def train_ours(n_clips):
    from offkey.detectors import Autoencoder
    from offkey.progress import reporting
    from offkey.windows import FrameStore, WindowArray, WindowGrid

    times = []

    class Clock:
        def start(self, name, total):
            times.append(time.perf_counter())
            return 0

        def advance(self, task, steps, note):
            times.append(time.perf_counter())

        def finish(self, task):
            pass

    rng = np.random.default_rng(0)
    with FrameStore(128, 1) as store:
        for _ in range(n_clips):
            store.append(iter([rng.normal(-40, 10, (FRAMES_PER_CLIP, 128, 1)).astype(np.float32)]))
        windows = WindowArray(store.frames, store.recordings, WindowGrid(FRAMES_PER_CLIP, FRAMES_PER_CLIP))
        with reporting(Clock()):
            Autoencoder(epochs=EPOCHS, score="mse").fit(windows)
    return np.diff(times)


def train_peer(n_clips):
    """Materialise every context as 64-bit floats, as the DCASE 2020 baseline does, and call ``model.fit``."""
    import keras

    from offkey.networks import dense_autoencoder

    rng = np.random.default_rng(0)
    per_clip = FRAMES_PER_CLIP - 4
    data = np.empty((n_clips * per_clip, 640))
    for i in range(n_clips):
        frames = rng.normal(-40, 10, (FRAMES_PER_CLIP, 128)).astype(np.float32)
        for t in range(5):
            data[i * per_clip : (i + 1) * per_clip, t * 128 : (t + 1) * 128] = frames[t : t + per_clip]
    model = dense_autoencoder(640, 640)
    model.compile("adam", "mse")
    times = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            times.append(-time.perf_counter())

        def on_epoch_end(self, epoch, logs=None):
            times[-1] += time.perf_counter()

    model.fit(data, data, batch_size=512, epochs=EPOCHS, verbose=0, callbacks=[Clock()])
    return times


BENCHMARKS = {"log_mel": log_mel, "score": score, "report": report, "training": training}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "speed.json")
    parser.add_argument("--inner", choices=("ours", "peer"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inner:
        train(arguments.inner)
        return
    results = {}
    for name in arguments.only:
        results[name] = BENCHMARKS[name]()
        print(name, json.dumps(results[name], indent=1), flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

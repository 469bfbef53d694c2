"""Anonymous memory (RssAnon) of fitting a network on frame stores of 400 MB and 4 GB: one epoch each. Linux only.

Usage: python benchmarks/memory.py        (needs 5 GB of disk; OFFKEY_TMPDIR names where)
"""

import json
import os
import subprocess
import sys
import threading
import time

import numpy as np

FRAMES_PER_CLIP = 313


def anonymous_mb():
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon")) / 1024


def watch(peak, stop):
    while not stop.is_set():
        peak[0] = max(peak[0], anonymous_mb())
        time.sleep(0.05)


def fit(megabytes):
    """Fit one epoch on a store of so many megabytes; print its peak of anonymous memory."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from offkey.detectors import Autoencoder
    from offkey.windows import FrameStore, WindowArray, WindowGrid

    rng = np.random.default_rng(0)
    frames = rng.normal(-40, 10, (FRAMES_PER_CLIP, 128, 1)).astype(np.float32)
    n_clips = megabytes * 10**6 // frames.nbytes
    with FrameStore(128, 1, expected_bytes=n_clips * frames.nbytes) as store:
        for i in range(n_clips):
            store.append(iter([frames + np.float32(i % 7)]))
        windows = WindowArray(store.frames, store.recordings, WindowGrid(FRAMES_PER_CLIP, FRAMES_PER_CLIP))
        peak, stop = [0.0], threading.Event()
        watcher = threading.Thread(target=watch, args=(peak, stop))
        watcher.start()
        started = time.perf_counter()
        Autoencoder(epochs=1, score="mse").fit(windows)
        seconds = time.perf_counter() - started
        stop.set()
        watcher.join()
    print(json.dumps({"store_mb": megabytes, "peak_anonymous_mb": round(peak[0]), "seconds": round(seconds, 1)}))


def main():
    if len(sys.argv) > 1:
        fit(int(sys.argv[1]))
        return
    outcomes = []
    for megabytes in (400, 4000):
        done = subprocess.run([sys.executable, __file__, str(megabytes)], check=True, capture_output=True, text=True)
        outcomes.append(json.loads(done.stdout.splitlines()[-1]))
        print(outcomes[-1], flush=True)
    print({"ratio": round(outcomes[1]["peak_anonymous_mb"] / outcomes[0]["peak_anonymous_mb"], 3)})


if __name__ == "__main__":
    main()

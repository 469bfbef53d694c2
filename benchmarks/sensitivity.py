"""How strong injected faults must be for each detector to catch them, on recordings of one real fan.

Usage: OFFKEY_DATA=folder python benchmarks/sensitivity.py [--detectors Autoencoder ...] [--seeds 3] [--out FILE]

For each seed 30 of the 45 recordings are drawn to fit on (windows of 2 s, false-alarm rate 10 %), and faults go into
the other 15. Figures are strengths at which half of the clips are caught, the mean over seeds (and over the octave
bands, where a fault has them); what no rung of the ladder catches counts as one rung above it, so such means (marked >)
are too low. Also: how far the SNR that is measured again, by Welch's method, lies off the one that was asked for.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
from scipy.signal import welch

from offkey import Pipeline, detectors, read
from offkey.datasets import INJECTIONS, band_edges, inject, octave_bands
from offkey.decisions import Conformal
from offkey.evaluation import sensitivity

N_FIT, WINDOW_S, FALSE_ALARM_RATE = 30, 2.0, 0.1


def snr_errors(clips):
    """Largest and mean error in dB of the SNR in the band, over faults, bands and clips."""
    errors = []
    for clip in clips:
        for fault in [name for name, kind in INJECTIONS.items() if kind.in_band]:
            for band in octave_bands(clip.rate):
                faulty = inject(clip, fault, -6, band=band).samples[0].astype(np.float64)
                added, own = (_power(x, clip.rate, band) for x in (faulty - clip.samples[0], clip.samples[0]))
                errors.append(abs(10 * math.log10(added / own) + 6))
    return {"largest_db": round(max(errors), 3), "mean_db": round(float(np.mean(errors)), 3), "n": len(errors)}


def _power(samples, rate, band):
    hz, density = welch(samples, rate, nperseg=rate)
    low, high = band_edges(band)
    return density[(hz >= low) & (hz <= high)].sum()


def capped(row):
    """Return the strength at 50 %, one rung beyond the ladder where there is none on it."""
    step = row.ladder[-1] - row.ladder[-2]
    return float(np.clip(row.strength_50, row.ladder[0] - step, row.ladder[-1] + step))


def summary(reports):
    """Mean strengths over seeds, by fault and band, and by fault over its bands."""
    cells = {}
    for report in reports:
        for row in report.rows:
            cells.setdefault(row.fault, {}).setdefault(str(row.band_hz or "all"), []).append(row)
    found = {}
    for fault, bands in cells.items():
        rows = [row for own in bands.values() for row in own]
        found[fault] = {
            "strength_50": round(float(np.mean([capped(row) for row in rows])), 2),
            "never_caught": sum(row.strength_50 == math.inf for row in rows),
            "n_ladders": len(rows),
            "by_band": {band: round(float(np.mean([capped(row) for row in own])), 2) for band, own in bands.items()},
        }
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--detectors", nargs="+", default=["Level", "Gaussian", "NearestNeighbors"], help="class names")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "sensitivity.json")
    arguments = parser.parse_args()
    if "OFFKEY_DATA" not in os.environ:
        raise SystemExit("Set OFFKEY_DATA to the folder of real recordings (sounds/fan-id00).")
    folder = Path(os.environ["OFFKEY_DATA"], "sounds", "fan-id00", "normal")
    fan = [read(path) for path in sorted(folder.glob("*.wav"))]
    results = {"snr_error": snr_errors(fan[:5]), "detectors": {}}
    print("SNR measured again:", json.dumps(results["snr_error"]), flush=True)
    for detector in [getattr(detectors, name)() for name in arguments.detectors]:
        started, reports = time.perf_counter(), []
        for seed in range(arguments.seeds):
            order = np.random.default_rng(seed).permutation(len(fan))
            learn, others = ([fan[i] for i in part] for part in (order[:N_FIT], order[N_FIT:]))
            pipeline = Pipeline(detector, window_s=WINDOW_S, threshold=Conformal(FALSE_ALARM_RATE)).fit(learn)
            reports.append(sensitivity(pipeline, others, seed=seed))
        name = type(detector).__name__
        results["detectors"][name] = {
            "false_alarm_rate": round(sum(r.n_alarms for r in reports) / sum(r.n_clips for r in reports), 3),
            "faults": summary(reports),
            "seconds": round(time.perf_counter() - started, 1),
            "reports": [json.loads(report.to_json()) for report in reports],
        }
        own = results["detectors"][name]
        for fault, figures in own["faults"].items():
            bound = ">" if figures["never_caught"] else " "
            bands = "  ".join(f"{band} {value:5.1f}" for band, value in figures["by_band"].items())
            print(f"{name:24} {fault:10} {bound}{figures['strength_50']:6.1f} {INJECTIONS[fault].unit:6}  {bands}")
        print(f"{name:24} without a fault {own['false_alarm_rate']:.3f} alarm; {own['seconds']} s", flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Whether operating states and domain shift hide faults, and what a detector for each state does about it.

Usage: python benchmarks/states.py [--seeds 2] [--out results/states.json]

Synthetic machines of each kind, at an SNR of 5 dB, in clips of 5 s:

``single``     60 clips to learn from, 30 normal ones and 6 of each fault.
``two-speed``  half of them at 70 % of the usual speed, the other half at the usual one.
``on-off``     half of the normal ones while the machine is off; faulty clips are of machines that are on.
``rare``       as two-speed, but of the slower one 6 clips of 60 to learn from.
``shift``      60 clips of a source domain (the usual speed) and 6 of a target domain (85 %) to learn from.

``auc`` is the area under the ROC curve; in two-speed and rare ``auc_slow`` is that of faults of the slower state
against all normal clips; ``auc_source`` and ``auc_target`` are normal clips of one domain against anomalies of both, as
in DCASE Task 2 from 2022 on. Means over machines and seeds. ``false_alarms`` is the share of normal clips of each state
over the threshold that a pipeline sets at a rate of 10 %. ``n_states`` is how many states each fit found. Synthetic
machines show that states are told apart; they are no evidence of how well a detector hears on real ones.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from offkey import Pipeline
from offkey.datasets import MACHINES, simulate_clip
from offkey.decisions import Conformal
from offkey.detectors import Ensemble, Gaussian, NearestNeighbors, PerState
from offkey.evaluation import auc
from offkey.features import LogMel, frames_of
from offkey.pipeline.gather import gather

RATE, DURATION_S, SNR_DB, FALSE_ALARM_RATE = 16_000, 5.0, 5.0, 0.1
N_NORMAL, N_OF_FAULT = 30, 6
USUAL, SLOW, SHIFTED, OFF = 1.0, 0.7, 0.85, 0.0
SETS = {  # speeds to learn from with numbers of clips, speeds of test clips, and of faults
    "single": ({USUAL: 60}, (USUAL,), (USUAL,)),
    "two-speed": ({USUAL: 30, SLOW: 30}, (USUAL, SLOW), (USUAL, SLOW)),
    "on-off": ({USUAL: 30, OFF: 30}, (USUAL, OFF), (USUAL,)),
    "rare": ({USUAL: 54, SLOW: 6}, (USUAL, SLOW), (USUAL, SLOW)),
    "shift": ({USUAL: 60, SHIFTED: 6}, (USUAL, SHIFTED), (USUAL, SHIFTED)),
}
SYSTEMS = {
    "Gaussian": Gaussian(),
    "NearestNeighbors": NearestNeighbors(),
    "auto": Ensemble(),
    "PerState Gaussian": PerState(),
    "PerState Gaussian, column": PerState(column="speed"),
    "PerState auto": PerState(Ensemble()),
    "PerState auto, column": PerState(Ensemble(), column="speed"),
}
FEATURE = LogMel().fit(RATE)


class Machine:
    """Makes the clips of a machine, each once, and its windows."""

    def __init__(self, name, seed):
        self.name, self.seed, self.made = name, seed, {}

    def clip(self, speed, number, fault=None):
        """Return a clip and its frames."""
        key = (speed, number, fault)
        if key not in self.made:
            clip = simulate_clip(
                self.name, fault, number=number, duration_s=DURATION_S, rate=RATE, snr_db=SNR_DB, speed=speed,
                seed=self.seed,
            )  # fmt: skip
            self.made[key] = clip, frames_of(FEATURE, clip)
        return self.made[key]

    def learn(self, counts):
        """Return what a pipeline reads of normal clips, with the speed of each."""
        pairs = [(s, self.clip(s, 1000 * i + n)[0]) for i, s in enumerate(counts) for n in range(counts[s])]
        known = {"speed": {clip.source: str(speed) for speed, clip in pairs}}
        return gather([clip for _, clip in pairs], LogMel(), RATE, DURATION_S, None, known)

    def normal(self, speeds):
        """Return the speed and windows of normal clips to test on."""
        each = N_NORMAL // len(speeds)
        pairs = [(s, self.clip(s, 1000 * i + 500 + n)[1]) for i, s in enumerate(speeds) for n in range(each)]
        return np.array([speed for speed, _ in pairs]), np.stack([frames for _, frames in pairs])

    def faulty(self, speeds):
        """Return the speed and windows of faulty clips."""
        each, faults = N_OF_FAULT // len(speeds), MACHINES[self.name].faults
        pairs = [(s, self.clip(s, 9000 + n, fault)[1]) for fault in faults for s in speeds for n in range(each)]
        return np.array([speed for speed, _ in pairs]), np.stack([frames for _, frames in pairs])


def area(normal, strange):
    return float(auc(np.repeat([0, 1], [len(normal), len(strange)]), np.append(normal, strange)))


def trial(detector, machine, kind):
    """Return what a detector makes of a set of one machine, and the seconds it took to fit."""
    counts, normal_speeds, fault_speeds = SETS[kind]
    started = time.perf_counter()
    with machine.learn(counts) as gathered:
        pipeline = Pipeline(detector, window_s=DURATION_S, threshold=Conformal(FALSE_ALARM_RATE)).fit(gathered)
    found = {"fit_s": time.perf_counter() - started}
    threshold = pipeline.decide(machine.clip(USUAL, 0)[0]).threshold
    speeds, windows = machine.normal(normal_speeds)
    normal = pipeline.detector_.anomaly_score(windows)
    of_faults, windows = machine.faulty(fault_speeds)
    strange = pipeline.detector_.anomaly_score(windows)
    found["auc"] = area(normal, strange)
    found["recall"] = float(np.mean(strange > threshold))
    if SLOW in fault_speeds:
        found["auc_slow"] = area(normal, strange[of_faults == SLOW])
    if kind == "shift":
        found |= {
            "auc_source": area(normal[speeds == USUAL], strange),
            "auc_target": area(normal[speeds != USUAL], strange),
        }
    found["false_alarms"] = {str(speed): float(np.mean(normal[speeds == speed] > threshold)) for speed in normal_speeds}
    if isinstance(detector, PerState):
        found["n_states"] = len(pipeline.detector_.states_)
    return found


def summary(trials):
    """Return means over trials, and the numbers of states of each."""
    found = {}
    for name in trials[0]:
        values = [each[name] for each in trials]
        if name == "n_states":
            found[name] = values
        elif name == "false_alarms":
            found[name] = {speed: round(float(np.mean([v[speed] for v in values])), 3) for speed in values[0]}
        else:
            found[name] = round(float(np.mean(values)), 4)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "states.json")
    arguments = parser.parse_args()
    trials = {}
    for seed in range(1, arguments.seeds + 1):
        for name in MACHINES:
            machine = Machine(name, seed)
            for kind in SETS:
                for system, detector in SYSTEMS.items():
                    trials.setdefault(kind, {}).setdefault(system, []).append(trial(detector, machine, kind))
    results = {kind: {system: summary(each) for system, each in own.items()} for kind, own in trials.items()}
    for kind, own in results.items():
        for system, found in own.items():
            areas = "  ".join(f"{name} {found[name]:.3f}" for name in found if name.startswith(("auc", "recall")))
            alarms = "  ".join(f"{rate:.2f} at {speed}" for speed, rate in found["false_alarms"].items())
            states = f"  states {' '.join(map(str, found['n_states']))}" if "n_states" in found else ""
            print(
                f"{kind:10} {system:26} {areas}  false alarms {alarms}{states}  fit {found['fit_s']:.1f} s", flush=True
            )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

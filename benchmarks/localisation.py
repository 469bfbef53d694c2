"""Do explanations name the band and the time of a fault? Real normal recordings with faults of a known place in them.

Usage: python benchmarks/localisation.py     (OFFKEY_DATA names the folder of recordings; writes localisation.json)

Faults of four kinds in seven octave bands are put into recordings that the pipeline was not fitted on: over the whole
clip, or over three seconds of it. "0 dB" is either the SNR over the whole band of hearing (the fault is as loud as the
clip), or only that within the fault's octave band. Named is a fault if one of at most three sentences tells of a band
and a time that overlap the fault's; "first" if the first does. Clips without a fault show what comes by chance.
"""

import json
import os
from pathlib import Path

import numpy as np

from offkey import Clip, Pipeline, read
from offkey.datasets import inject
from offkey.datasets.octaves import band_edges, band_power, octave_bands
from offkey.explain import explain

FAULTS = ("bearing", "whine", "rattle", "leak")
PART_S = 3.0


def strength(clip, band, is_in_band):
    """In-band SNR in dB at which a fault is level with the clip's octave band, or with the whole clip."""
    if is_in_band:
        return 0.0
    total = float(np.square(clip.samples.astype(np.float64)).mean())
    return min(120.0, 10 * np.log10(total / band_power(clip.samples[0], clip.rate, band)))


def with_fault(clip, fault, band, span_s, is_in_band, seed):
    start, stop = (round(second * clip.rate) for second in span_s)
    samples = clip.samples.copy()
    part = Clip(samples[:, start:stop], clip.rate)
    samples[:, start:stop] = inject(part, fault, strength(part, band, is_in_band), band=band, seed=seed).samples
    return Clip(samples, clip.rate)


def names(peculiarity, band, span_s):
    low, high = band_edges(band)
    in_band = peculiarity.low_hz < high and low < peculiarity.high_hz
    return in_band and any(start < span_s[1] and span_s[0] < stop for start, stop in peculiarity.spans_s)


def measure(pipeline, clips, is_in_band, is_whole):
    cases = []
    for number, clip in enumerate(clips):
        unchanged = explain(pipeline, clip).peculiarities
        for band in octave_bands(clip.rate):
            first_s = np.random.default_rng([number, band]).uniform(0, clip.duration_s - PART_S)
            span_s = (0.0, clip.duration_s) if is_whole else (first_s, first_s + PART_S)
            chance = any(names(each, band, span_s) for each in unchanged)
            for fault in FAULTS:
                faulty = with_fault(clip, fault, band, span_s, is_in_band, number)
                hits = [names(each, band, span_s) for each in explain(pipeline, faulty).peculiarities]
                cases.append((fault, band, any(hits), hits[:1] == [True], chance))
    return cases


def main():
    data = Path(os.environ["OFFKEY_DATA"]) / "sounds" / "fan-id00" / "normal"
    order = np.random.default_rng(0).permutation(sorted(map(str, data.glob("*.wav"))))
    pipeline = Pipeline().fit(list(order[:30]))
    clips = [read(path) for path in order[30:]]
    results = []
    print(f"{'0 dB':10} {'fault in':10} {'cases':>6} {'named':>6} {'first':>6} {'chance':>6}  by octave band, named")
    for is_in_band in (False, True):
        for is_whole in (True, False):
            cases = measure(pipeline, clips, is_in_band, is_whole)
            named, first, chance = (float(np.mean([case[i] for case in cases])) for i in (2, 3, 4))
            by_band = {
                band: float(np.mean([case[2] for case in cases if case[1] == band])) for band in octave_bands(16_000)
            }
            by_fault = {fault: float(np.mean([case[2] for case in cases if case[0] == fault])) for fault in FAULTS}
            of, within = ("octave" if is_in_band else "clip"), ("all of it" if is_whole else "3 s of it")
            shown = "  ".join(f"{band}: {share:.2f}" for band, share in by_band.items())
            print(f"{of:10} {within:10} {len(cases):6} {named:6.3f} {first:6.3f} {chance:6.3f}  {shown}")
            results.append(
                {"snr_of": of, "in": within, "n": len(cases), "named": named, "first": first, "chance": chance,
                 "by_band": by_band, "by_fault": by_fault}
            )  # fmt: skip
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "localisation.json").write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

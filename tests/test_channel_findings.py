"""Findings about channels with names and units: what a sensor is called, what is said of it, and channels swapped."""

from itertools import permutations

import numpy as np
import pytest

from offkey import Clip, Pipeline
from offkey.detectors import Gaussian
from offkey.features import Spectrum
from offkey.signals import HealthMeter, NormalHealth, find_faults
from offkey.signals.findings import swapped_channels

RATE = 200
NAMES, UNITS = ("x", "y", "z"), ("g", "g", "g")
MOVED = [order for order in permutations(range(3)) if order != (0, 1, 2)]


def measured(samples, rate=RATE):
    samples = np.atleast_2d(np.asarray(samples, np.float32))
    meter = HealthMeter(rate, len(samples), False)
    meter.push(samples)
    return meter.health()


def axes(seed, levels=(0.04, 0.03, 0.01), offsets=(0.0, 0.2, 0.98), duration_s=10):
    """Three axes of an accelerometer, with gravity, and a level and tilt of each recording's own."""
    rng = np.random.default_rng([5, seed])
    noise = rng.normal(size=(3, duration_s * RATE)) * np.array(levels)[:, None] * 10 ** (rng.normal(0, 0.3) / 20)
    return noise + np.array(offsets)[:, None] + rng.normal(0, 0.002, (3, 1))


@pytest.fixture(scope="module")
def normal():
    return NormalHealth.of([measured(axes(i)) for i in range(20)])


def found(samples, normal=None, names=NAMES, units=UNITS, rate=RATE):
    return find_faults(measured(samples, rate), normal, names, units, rate=rate)


def test_channels_are_called_by_their_names_and_values_have_units(normal):
    samples = axes(50)
    samples[2] = 0.98
    (finding,) = found(samples, normal)
    assert (finding.kind, finding.channel) == ("constant", 2)
    assert finding.sentence == (
        "z: the signal is constant at 0.98 g (the other channels are not): dead or unplugged sensor?"
    )
    (numbered,) = found(samples, normal, ("0", "1", "2"), ("FS",) * 3)
    assert numbered.sentence.startswith("channel 2: the signal is constant at 0.98 (the")


def test_only_sound_has_microphones_and_is_soft():
    samples = axes(50)
    still = samples * [[1], [1], [1e-3]] + [[0], [0], [0.98]]
    normal = NormalHealth.of([measured(axes(i)) for i in range(20)])
    (of_sensor,) = found(still, normal)
    assert "z: the signal is nearly still" in of_sensor.sentence
    assert of_sensor.sentence.endswith("dead or unplugged sensor?")
    (of_sound,) = found(still, normal, units=("FS",) * 3)
    assert "nearly silent" in of_sound.sentence
    assert of_sound.sentence.endswith("dead or unplugged microphone?")
    louder = axes(51) * [[4], [1], [1]]
    assert "x: the signal is 12 dB stronger than the strongest normal" in found(louder, normal)[0].sentence
    assert "louder than the loudest" in found(louder, normal, units=("Pa",) * 3)[0].sentence


def test_mains_are_no_finding_in_currents_and_voltages():
    rng = np.random.default_rng(0)
    rate, times = 1000, np.arange(10_000) / 1000
    normal = NormalHealth.of([measured(rng.normal(0, 1, 10_000), rate) for _ in range(10)])
    hum = rng.normal(0, 1, 10_000) + sum(np.sin(2 * np.pi * 50 * k * times) for k in (1, 2, 3))
    kinds = {unit: [each.kind for each in found(hum, normal, ("a",), (unit,), rate)] for unit in ("A", "V", "FS", "g")}
    assert kinds == {"A": [], "V": [], "FS": ["hum"], "g": ["hum"]}
    assert found(hum, normal, ("a",), ("g",), rate)[0].sentence.endswith("cable, if nothing turns at that speed.")


def test_by_angle_nothing_is_the_hum_of_mains_and_times_are_revolutions():
    rng = np.random.default_rng(3)
    per_revolution, angle = 500, np.arange(40_000) / 500
    normal = NormalHealth.of([measured(rng.normal(0, 1, 40_000), per_revolution) for _ in range(10)])
    whining = rng.normal(0, 1, 40_000) + sum(np.sin(2 * np.pi * 50 * k * angle) for k in (1, 2, 3))
    given = measured(whining, per_revolution), normal, ("a",), ("g",), None, per_revolution
    assert [each.kind for each in find_faults(*given)] == ["hum"]
    assert find_faults(*given, by_angle=True) == ()
    lost = rng.normal(0, 1, 40_000)
    lost[10_000:12_500] = 0.5
    (finding,) = find_faults(measured(lost, 500), normal, ("a",), ("g",), None, 500, by_angle=True)
    assert finding.sentence.startswith("the signal stands still for 5 revolutions from 20.00 revolutions on")


@pytest.mark.slow
def test_order_50_of_a_pipeline_by_angle_is_no_hum(tmp_path):
    """500 samples per revolution, and a gear of 50 teeth."""
    from offkey.signals import Reading

    def log(name, seed, teeth=0.0):
        rng, n = np.random.default_rng([6, seed]), 20_000
        turns = np.cumsum(np.full(n, 1200.0)) / 60 / 10_000
        x = np.sin(2 * np.pi * turns) + teeth * sum(np.sin(2 * np.pi * 50 * k * turns) for k in (1, 2, 3))
        rows = np.stack([np.arange(n) / 10_000, x + rng.normal(0, 0.1, n), np.full(n, 1200.0)], axis=1)
        np.savetxt(tmp_path / name, rows, "%.7g", ",", header="time,x [g],rpm", comments="")
        return tmp_path / name

    reading = Reading(speed="rpm", per_revolution=500)
    pipeline = Pipeline(Gaussian(), Spectrum(n_fft=1024), window_s=8, reading=reading)
    pipeline.fit([log(f"{i}.csv", i) for i in range(8)])
    decision = pipeline.decide(log("worn.csv", 50, 1.0))
    assert decision.is_anomaly
    assert [each.kind for each in decision.health if each.kind == "hum"] == []


def test_a_set_point_may_be_constant_and_a_dead_sensor_may_not():
    rng = np.random.default_rng(1)
    moving = [rng.normal(5, 1, 2000) for _ in range(12)]
    often = NormalHealth.of([measured(each) for each in [*moving[:6], *(np.full(2000, 5.0 + i) for i in range(6))]])
    never = NormalHealth.of([measured(each) for each in moving])
    once = NormalHealth.of([measured(each) for each in [*moving, np.full(2000, 5.0)]])
    assert [len(found(np.full(2000, 5.0), each)) for each in (often, never, once)] == [0, 1, 1]


def test_the_mean_of_slow_signals_is_what_they_measure():
    rng = np.random.default_rng(2)
    normal = NormalHealth.of([measured(rng.normal(20, 0.1, 600), 1) for _ in range(10)])
    warmer = rng.normal(25, 0.1, 600)
    assert found(warmer, normal, ("t",), ("°C",), 1) == ()
    assert [each.kind for each in found(warmer, normal, ("t",), ("°C",), 200)] == ["offset"]


@pytest.mark.parametrize("order", MOVED)
def test_channels_that_changed_places_are_one_finding(order, normal):
    for seed in range(60, 65):
        findings = found(axes(seed)[list(order)], normal)
        assert [each.kind for each in findings] == ["swapped"]
        moved = [NAMES[i] for i in range(3) if order[i] != i]
        assert findings[0].sentence.startswith(f"{', '.join(moved[:-1])} and {moved[-1]} seem to be swapped")
        assert findings[0].channel == min(i for i in range(3) if order[i] != i)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: 3 * x,
        lambda x: x * [[5], [1], [1]],
        lambda x: x + np.array([[0], [0.5], [0]]),
        lambda x: x + np.array([[0.2], [0], [0]]),  # x is where y is, and y is too
        lambda x: x[[1, 1, 2]],
        lambda x: -x,
    ],
)
def test_what_one_or_all_channels_do_is_no_swap(change, normal):
    for seed in range(70, 75):
        assert swapped_channels(measured(change(axes(seed))), normal) == ()


def test_channels_that_are_alike_cannot_be_told_apart():
    alike = {"levels": (0.03, 0.031, 0.029), "offsets": (0, 0, 0)}
    normal = NormalHealth.of([measured(axes(i, **alike)) for i in range(20)])
    assert all(swapped_channels(measured(axes(80, **alike)[list(order)]), normal) == () for order in MOVED)


def test_channels_of_one_level_are_told_apart_by_their_spectra():
    def two(seed, rises=(-0.8, 0.8)):
        rng = np.random.default_rng([6, seed])
        noise = rng.normal(size=(2, 4001))
        colours = np.array([noise[i, 1:] + rise * noise[i, :-1] for i, rise in enumerate(rises)])
        return Clip(colours, RATE, ("left", "right"), "g", source=str(seed))

    pipeline = Pipeline(Gaussian(), Spectrum(), window_s=5).fit([two(i) for i in range(12)])
    assert all(pipeline.decide(two(20 + i)).health == () for i in range(5))
    swapped = pipeline.decide(two(30, (0.8, -0.8))).health
    assert [each.kind for each in swapped] == ["swapped"]
    assert swapped[0].sentence.startswith("left and right seem to be swapped")
    assert pipeline.decide(two(31, (0.8, 0.8))).health == ()


@pytest.mark.real_data
@pytest.mark.parametrize("n_windows", [10, 20, 30])
def test_on_a_real_fan_all_swaps_are_found_and_nothing_else(n_windows, data):
    with np.load(data / "vibration" / "ceiling-fan" / "fan_accel.npz") as fan:
        recordings = {
            name: [own[i : i + n_windows].reshape(-1, 3).T for i in range(0, len(own) - n_windows + 1, n_windows)]
            for name, own in fan.items()
        }
    for speed in ("off", "low", "med", "high"):
        own = recordings[f"fan_0_{speed}_0_weight"]
        normal = NormalHealth.of([measured(each) for each in own[::2]])
        assert all(found(each, normal) == () for each in own[1::2])
        for each in own[1::6]:
            assert all([one.kind for one in found(each[list(order)], normal)] == ["swapped"] for order in MOVED)
    pooled = NormalHealth.of(
        [measured(each) for speed in ("off", "low", "med", "high") for each in recordings[f"fan_0_{speed}_0_weight"]]
    )
    changed = [each for name in recordings if "_1_weight" in name or "-" in name for each in recordings[name]]
    assert [swapped_channels(measured(each), pooled) for each in changed] == [()] * len(changed)


@pytest.mark.real_data
def test_the_phases_of_a_real_motor_are_alike_and_nothing_is_found(data):
    with np.load(data / "current" / "itsc" / "itsc_current.npz") as motor:
        records = {name: own.T for name, own in motor.items()}
    healthy = [each for name, each in records.items() if "HLT" in name]
    normal = NormalHealth.of([measured(each, 1000) for each in healthy])
    for each in records.values():
        assert found(each, normal, ("A", "B", "C"), ("A",) * 3, 1000) == ()
        assert all(swapped_channels(measured(each[list(order)], 1000), normal) == () for order in MOVED)

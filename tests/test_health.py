"""The health of sensors: each finding is made where it is true, and nowhere else."""

import numpy as np
import pytest

import offkey
from offkey import Clip, Pipeline
from offkey.detectors import Gaussian
from offkey.signals import HealthMeter, NormalHealth, find_faults

RATE = 16_000
N = 10 * RATE
TIMES = np.arange(N) / RATE


def noise(seed, level=0.05):
    return np.random.default_rng([3, seed]).normal(0, level, (1, N)).astype(np.float32)


def measured(samples, sizes=(N,), rate=RATE):
    samples = np.atleast_2d(np.asarray(samples, np.float32))
    meter, start = HealthMeter(rate, len(samples)), 0
    while start < samples.shape[1]:
        for size in sizes:
            meter.push(samples[:, start : start + size])
            start += size
    return meter.health()


@pytest.fixture(scope="module")
def normal():
    return NormalHealth.of([measured(noise(i)) for i in range(20)])


def kinds(samples, normal=None, **options):
    return [each.kind for each in find_faults(measured(samples, **options), normal)]


def hum(mains, amplitude=0.05):
    return amplitude * sum(np.sin(2 * np.pi * mains * 1.0006 * k * TIMES) / k for k in (1, 2, 3))


def test_nothing_is_found_in_normal_sound(normal):
    assert all(kinds(noise(seed), normal) == [] for seed in range(100, 120))
    assert kinds(noise(100)) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda x: np.clip(x, -0.15, 0.15), ["clipping"]),
        (lambda x: np.clip(30 * x, -1, 1), ["level", "clipping"]),
        (lambda x: x * 0, ["constant"]),
        (lambda x: np.full_like(x, 0.2), ["constant"]),
        (lambda x: x * 1e-3, ["silent"]),
        (lambda x: x * 0.2, ["level"]),
        (lambda x: np.where((TIMES > 3) & (TIMES < 3.1), 0, x), ["dropout"]),
        (lambda x: np.where((TIMES > 2.95) & (TIMES < 3.02), x[:, 50_000:50_001], x), ["dropout"]),
        (lambda x: x + 0.2, ["offset"]),
        (lambda x: x + hum(50), ["hum"]),
        (lambda x: x + hum(60), ["hum"]),
        (lambda x: x + 0.05 * np.sin(2 * np.pi * 47 * TIMES), []),
        (lambda x: x + 0.05 * np.sin(2 * np.pi * 1000 * TIMES), []),
    ],
)
def test_what_is_wrong_with_a_sensor_is_named(change, found, normal):
    assert kinds(change(noise(50)), normal) == found


def test_a_sine_is_not_clipped_and_does_not_stand_still():
    assert kinds(np.round(0.1 * np.sin(2 * np.pi * 50.3 * TIMES) * 2**15) / 2**15) == []
    assert kinds(0.9 * np.sin(2 * np.pi * 1000 * TIMES)) == []


def test_quiet_sound_of_few_steps_is_not_clipped():
    assert kinds(np.round(noise(5, level=3.0)) / 2**15) == []


def test_findings_say_what_was_measured(normal):
    (dropout,) = find_faults(measured(np.where((TIMES > 3) & (TIMES < 3.25), 0, noise(1))), normal)
    assert dropout.sentence == "the signal stands still for 0.25 s from 3.00 s on: dropout?"
    (hummed,) = find_faults(measured(noise(1) + hum(50)), normal)
    expected = 10 * np.log10(np.mean(hum(50) ** 2) / np.mean((noise(1) + hum(50)) ** 2))
    assert f"{expected:.0f} dB of its power" in hummed.sentence


def test_the_lost_one_of_several_channels_is_named():
    both = np.concatenate([noise(1), noise(2) * 0])
    (finding,) = find_faults(measured(both))
    assert (finding.kind, finding.channel) == ("constant", 1)
    assert finding.sentence.startswith("channel 1: the signal is constant at 0 (the other channels are not)")


@pytest.mark.parametrize("sizes", [(1000,), (16_000,), (7, 30_000), (65_536,)])
def test_sizes_of_blocks_do_not_matter(sizes, normal):
    samples = np.clip(noise(7) + hum(50), -0.2, 0.2)
    samples[:, 47_990:48_500] = 0
    whole, pieces = measured(samples), measured(samples, sizes)
    for name in ("level", "offset", "peak", "clipped", "held_s", "held_at_s", "hum_db", "hum_rise_db"):
        np.testing.assert_allclose(getattr(pieces, name), getattr(whole, name), rtol=1e-5, err_msg=name)
    assert whole.held_s[0] == pytest.approx(510 / RATE)
    samples[:, 40_000:100_000] = 0
    assert measured(samples, sizes).held_s[0] == pytest.approx(60_000 / RATE)
    assert measured(samples, sizes).held_at_s[0] == pytest.approx(2.5)


def test_a_large_offset_does_not_swallow_the_signal():
    quiet = noise(8, level=0.002)
    assert measured(9.81 + quiet).level[0] == pytest.approx(quiet.std(), rel=0.01)
    assert measured(9.81 + quiet).offset[0] == pytest.approx(9.81, abs=1e-4)
    assert kinds(9.81 + quiet) == []


def test_full_scale_is_that_of_sound_files_only():
    sine = np.sin(2 * np.pi * 1000 * TIMES)
    assert kinds(sine) == kinds(3 * sine) == []
    loud = np.clip(noise(9, level=0.3), -1, 1)
    assert kinds(loud) == ["clipping"]


@pytest.mark.parametrize("rate", [10, 25, 50, 100])
def test_slow_signals_of_few_steps_do_not_stand_still(rate):
    assert all(kinds(np.round(5 * noise(i, 1.0)[:, : 60 * rate]), rate=rate) == [] for i in range(10))


def test_a_channel_that_was_dead_in_training_is_not_held_against_a_recording():
    def both(i, level):
        return np.concatenate([noise(i), noise(i + 50, 0.05) * level])

    normal = NormalHealth.of([measured(both(i, 0)) for i in range(10)])
    assert kinds(both(30, 0), normal) == kinds(both(31, 1), normal) == []


def test_a_silent_recording_among_the_normal_ones_does_not_excuse_dropouts():
    normal = NormalHealth.of([measured(noise(1) * 0), *(measured(noise(i)) for i in range(10))])
    assert kinds(np.where((TIMES > 3) & (TIMES < 3.1), 0, noise(50)), normal) == ["dropout"]


def test_short_and_empty_signals_are_measured():
    assert measured(noise(1)[:, :50]).level[0] > 0
    assert np.isfinite(HealthMeter(RATE, 2).health().level).all()
    assert kinds(noise(1)[:, :3000], rate=200) == []
    assert kinds(noise(1), rate=2**31 - 1) == []


def test_a_finding_is_no_anomaly_and_goes_with_the_decision(normal):
    pipeline = Pipeline(Gaussian(), window_s=2.0).fit([Clip(noise(i)[:, : 5 * RATE], RATE) for i in range(30)])
    whole = noise(60)[:, : 5 * RATE]
    decision = pipeline.decide(Clip(np.clip(whole, -0.15, 0.15), RATE))
    assert [each.kind for each in decision.health] == ["clipping"]
    assert not decision.is_anomaly
    assert pipeline.decide(Clip(whole, RATE)).health == ()
    louder = pipeline.decide(Clip(8 * whole, RATE))
    assert [each.kind for each in louder.health] == ["level", "gain"]
    assert "the whole spectrum is +18 dB off" in louder.health[1].sentence
    tone = 0.5 * np.sin(2 * np.pi * 3000 * TIMES[: 5 * RATE])
    assert [each.kind for each in pipeline.decide(Clip(whole + tone, RATE)).health] == ["level"]


@pytest.mark.real_data
def test_of_a_real_fan_all_sensors_are_well(fan_files):
    pipeline = Pipeline(Gaussian()).fit(fan_files[::2])
    assert [pipeline.decide(path).health for path in fan_files[1::2]] == [()] * 22
    clip = offkey.read(fan_files[1])
    clipped = Clip(np.clip(clip.samples, -0.03, 0.03), clip.rate)
    assert [each.kind for each in pipeline.decide(clipped).health] == ["clipping"]

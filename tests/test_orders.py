"""Order tracking: equal angles instead of equal times, the same for any block sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offkey import Clip, Pipeline
from offkey.decisions import Conformal
from offkey.detectors import Gaussian
from offkey.errors import InputError, ShapeError
from offkey.features import Spectrum
from offkey.signals.orders import OrderTracker, angle_resample, count_by_angle, speed_from_tacho

RATE = 10_000


def run_up(start_hz=10.0, stop_hz=40.0, duration_s=3.0, rate=RATE):
    """Return times, speed in hertz and angle in revolutions of a shaft that runs up evenly."""
    times = np.arange(round(duration_s * rate)) / rate
    slope = (stop_hz - start_hz) / duration_s
    return times, start_hz + slope * times, start_hz * times + slope * times**2 / 2


def angles_by_hand(speeds, rate, per_revolution):
    """Times in samples at which a shaft passes equal angles, one step after the other."""
    angle, wanted, found = 0.0, 0, []
    for i in range(len(speeds) - 1):
        step = (speeds[i] + speeds[i + 1]) / 2 / rate
        while wanted / per_revolution < angle + step:
            found.append(i + (wanted / per_revolution - angle) / step)
            wanted += 1
        angle += step
    return np.array(found)


@pytest.mark.parametrize("order", [0.5, 1, 3.585, 8, 23.5])
def test_what_follows_the_shaft_becomes_a_constant_order(order):
    _, speed, angle = run_up()
    turned = angle_resample(np.sin(2 * np.pi * order * angle)[None], speed, RATE)[0]
    expected = np.sin(2 * np.pi * order * np.arange(len(turned)) / 64)
    assert len(turned) == int(angle[-1] * 64) + 1
    assert np.abs(turned - expected)[30:-30].max() < 1e-3


def test_a_line_of_a_spectrum_by_order_stays_where_it_is_at_another_speed():
    found = []
    for speeds in ((10, 10), (25, 25), (10, 40)):
        _, speed, angle = run_up(*speeds)
        turned = angle_resample(np.sin(2 * np.pi * 3.585 * angle)[None], speed, RATE)[0]
        spectrum = np.abs(np.fft.rfft(turned * np.hanning(len(turned))))
        found.append(spectrum.argmax() * 64 / len(turned))
    assert found == pytest.approx([3.585] * 3, abs=0.02)


@pytest.mark.parametrize("order", [35, 50, 100])
def test_orders_that_the_new_rate_cannot_hold_do_not_fold_back(order):
    _, speed, angle = run_up()
    turned = angle_resample(np.sin(2 * np.pi * order * angle)[None], speed, RATE)[0]
    assert np.abs(turned[40:-40]).max() < 1e-3


def test_angles_are_those_of_the_integrated_speed():
    rng = np.random.default_rng(0)
    speed = 20 + np.cumsum(rng.normal(0, 0.1, 4000))
    times = angles_by_hand(speed, 1000, 64)
    turned = angle_resample(np.sin(2 * np.pi * 3 * np.arange(4000) / 1000)[None], speed, 1000)[0]
    np.testing.assert_allclose(turned[40 : len(times) - 40], np.sin(2 * np.pi * 3 * times / 1000)[40:-40], atol=1e-3)


def test_a_constant_stays_what_it_is_up_to_both_ends():
    _, speed, _ = run_up()
    turned = angle_resample(np.full((2, len(speed)), [[9.81], [-1.0]]), speed, RATE)
    np.testing.assert_allclose(turned, np.full(turned.shape, [[9.81], [-1.0]]), rtol=1e-6)


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(0, 1500), min_size=1, max_size=8), slow=st.booleans())
def test_sizes_of_blocks_do_not_matter(sizes, slow):
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(2, 6000)).astype(np.float32)
    speed = (2 if slow else 60) * np.exp(0.5 * np.sin(np.arange(6000) / 700))
    whole = angle_resample(samples, speed, 2000, 16)
    tracker, start, pieces = OrderTracker(2000, 2, 16), 0, []
    for size in [*sizes, 6000]:
        part = slice(start, start + size)
        pieces += tracker.feed(samples[:, part], speed[part])
        start += size
    pieces.append(tracker.finish())
    assert count_by_angle([speed[:7], [], speed[7:8], speed[8:]], 2000, 16) == whole.shape[1]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)


def test_a_long_stream_is_not_held():
    tracker, n_out = OrderTracker(1000, 1, 64), 0
    for _ in range(200):
        n_out += sum(piece.shape[1] for piece in tracker.feed(np.zeros((1, 1000), np.float32), np.full(1000, 10.0)))
    n_out += tracker.finish().shape[1]
    assert n_out == int(199.999 * 10 * 64) + 1
    assert tracker._samples.shape[1] < 30_000


@pytest.mark.parametrize(
    ("speed", "said"),
    [
        (0.0, "stands still at 0.50 s"),
        (-3.0, "turns backwards at 0.50 s"),
        (np.nan, "has no known speed at 0.50 s"),
        (0.01, "turns at 0.01 Hz at 0.50 s, and 64 samples per revolution go with 0.061"),
        (1e6, "Check the speed and its unit"),
    ],
)
def test_a_shaft_that_does_not_turn_is_told_of(speed, said):
    speeds = np.full(2000, 20.0)
    speeds[500] = speed
    tracker = OrderTracker(1000, 1)
    list(tracker.feed(np.zeros((1, 300), np.float32), speeds[:300]))
    with pytest.raises(InputError, match=said):
        list(tracker.feed(np.zeros((1, 1700), np.float32), speeds[300:]))


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(ShapeError, match="one speed for each sample"):
        angle_resample(np.zeros((1, 100)), np.ones(99), 1000)
    with pytest.raises(InputError, match="at least 2"):
        OrderTracker(1000, 1, 1)
    assert angle_resample(np.zeros((3, 0)), [], 1000).shape == (3, 0)
    assert angle_resample(np.zeros((3, 1)), [5.0], 1000).shape == (3, 0)


@pytest.mark.parametrize("n_pulses", [1, 8])
def test_the_speed_is_that_of_the_pulses(n_pulses):
    _, speed, angle = run_up()
    rng = np.random.default_rng(2)
    pulses = np.cos(2 * np.pi * n_pulses * angle) + rng.normal(0, 0.01, len(angle))
    found = speed_from_tacho(pulses, RATE, n_pulses)
    inside = slice(2000, -1000)
    np.testing.assert_allclose(found[inside], speed[inside], rtol=0.02)
    assert (found > 0).all()
    assert np.sum(found[inside]) / RATE == pytest.approx(np.sum(speed[inside]) / RATE, abs=0.01)


def test_noise_about_the_threshold_is_one_pulse():
    angle = np.arange(5000) / 1000 * 10
    noisy = np.cos(2 * np.pi * angle) + np.random.default_rng(3).normal(0, 0.03, 5000)
    assert speed_from_tacho(noisy, 1000).mean() == pytest.approx(10, rel=0.01)


def test_order_tracking_by_a_tachometer_needs_no_other_speed():
    _, _, angle = run_up()
    speed = speed_from_tacho(np.sin(2 * np.pi * angle) > 0.95, RATE)
    turned = angle_resample(np.sin(2 * np.pi * 5 * angle)[None], speed, RATE)[0]
    middle = turned[len(turned) // 4 : -len(turned) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() * 64 / len(middle) == pytest.approx(5, abs=0.05)


def test_without_pulses_there_is_no_speed():
    with pytest.raises(InputError, match="gives 0 pulses"):
        speed_from_tacho(np.zeros(100), 1000)
    with pytest.raises(InputError, match="gives 0 pulses"):
        speed_from_tacho([], 1000)


@pytest.mark.slow
def test_by_angle_a_changed_speed_hides_no_knocking_bearing():
    def machine(number, knocks=0.0):
        """Imbalance, gear mesh and noise, at a speed of its own that drifts, and perhaps a line at order 3.585."""
        rng = np.random.default_rng([11, number])
        times = np.arange(8 * 2000) / 2000
        speed = rng.uniform(15, 30) * (1 + 0.05 * np.sin(2 * np.pi * times / 8 + rng.uniform(0, 6)))
        angle = np.cumsum(speed) / 2000
        lines = ((1, 1.0), (2, 0.3), (11, 0.5), (3.585, knocks))
        signal = sum(size * np.sin(2 * np.pi * (order * angle + rng.uniform())) for order, size in lines)
        return (signal + rng.normal(0, 0.1, len(times)))[None], speed

    def by_time(samples, _):
        return Clip(samples, 2000, unit="g")

    def by_angle(samples, speed):
        return Clip(angle_resample(samples, speed, 2000, 64), 64, unit="g")

    alarms = {}
    for clip_of in (by_time, by_angle):
        clips = [clip_of(*machine(i)) for i in range(30)]
        pipeline = Pipeline(Gaussian(), Spectrum(), threshold=Conformal(0.1)).fit(clips)
        alarms[clip_of] = [
            sum(pipeline.decide(clip_of(*machine(number, knocks))).is_anomaly for number in range(50, 70))
            for knocks in (0.0, 0.05)
        ]
    assert alarms[by_angle][0] <= 5  # of 20; a tenth is meant
    assert alarms[by_angle][1] >= 18
    assert alarms[by_time][1] <= 10

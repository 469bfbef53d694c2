"""Faults put into normal recordings: they are as strong as they say; and how strong they must be to be heard."""

import json

import numpy as np
import pytest

import oracles
from offkey import Clip, Pipeline, read, write
from offkey.datasets import INJECTIONS, band_edges, inject, injector, octave_bands, simulate_clip
from offkey.decisions import Conformal, Fixed
from offkey.detectors import Gaussian, Level
from offkey.errors import InjectionError, InputError
from offkey.evaluation import FaultSensitivity, SensitivityReport, sensitivity
from offkey.evaluation.ladder import climb
from offkey.signals import Resampler

BANDED = [name for name, kind in INJECTIONS.items() if kind.in_band]
UNBANDED = [name for name, kind in INJECTIONS.items() if not kind.in_band]


@pytest.fixture(scope="module")
def machines():
    """Recordings of 4 s with tones, slopes, a DC offset and a strong hum that is cut off at the end."""
    hum = 0.5 * np.sin(2 * np.pi * 50.3 * np.arange(64_000) / 16_000) + 0.1
    clips = [simulate_clip(name, duration_s=4.0, seed=5) for name in ("fan", "valve")]
    return [*clips, Clip(clips[0].samples + hum, 16_000)]


def measured_snr(faulty, clip, band, channel=0):
    """SNR within the band, from the samples alone, and the part of the fault's power that lies in the band."""
    fault = faulty.samples[channel].astype(np.float64) - clip.samples[channel]
    low, high = band_edges(band)
    own = oracles.octave_power(clip.samples[channel], clip.rate, low, high)
    added = oracles.octave_power(fault, clip.rate, low, high)
    return 10 * np.log10(added / own), oracles.part_between(fault, clip.rate, low, high)


@pytest.mark.parametrize("fault", BANDED)
@pytest.mark.parametrize("band", octave_bands(16_000))
def test_a_fault_is_as_strong_as_it_says_and_lies_in_its_band(fault, band, machines):
    for clip in machines:
        for strength in (-10, 6):
            snr, inside = measured_snr(inject(clip, fault, strength, band=band), clip, band)
            assert snr == pytest.approx(strength, abs=0.5)
            assert inside > 0.999


@pytest.mark.real_data
@pytest.mark.parametrize("fault", BANDED)
def test_a_fault_in_a_real_fan_is_as_strong_as_it_says(fault, fan_files):
    clip = read(fan_files[0])
    for band in octave_bands(clip.rate):
        snr, inside = measured_snr(inject(clip, fault, -6, band=band), clip, band)
        assert snr == pytest.approx(-6, abs=0.5)
        assert inside > 0.999


def test_octave_bands_are_those_of_the_standard():
    assert octave_bands(44_100)[-1] == 16_000
    assert octave_bands(8_000) == [63, 125, 250, 500, 1000, 2000]
    assert band_edges(1000) == pytest.approx((707.946, 1412.538), rel=1e-6)  # IEC 61260-1:2014, table E.1
    assert band_edges(63) == pytest.approx((44.668, 89.125), rel=1e-4)
    assert octave_bands(100) == []


@pytest.mark.parametrize("fault", INJECTIONS)
def test_the_seed_decides_and_other_clips_get_other_faults(fault, machines):
    clip, other, _ = machines
    band = 1000 if fault in BANDED else None
    strength = INJECTIONS[fault].ladder[-1]
    faulty = inject(clip, fault, strength, band=band, seed=1)
    assert not np.array_equal(faulty.samples, clip.samples)
    np.testing.assert_array_equal(faulty.samples, inject(clip, fault, strength, band=band, seed=1).samples)
    if fault in ("louder", "quieter", "faster"):
        return  # nothing is random
    assert not np.array_equal(faulty.samples, inject(clip, fault, strength, band=band, seed=2).samples)
    if fault in BANDED:
        added = [inject(each, fault, strength, band=band).samples - each.samples for each in (clip, other)]
        assert abs(np.corrcoef(added[0][0], added[1][0])[0, 1]) < 0.999


@pytest.mark.parametrize("fault", INJECTIONS)
def test_no_fault_is_the_clip_bit_for_bit(fault, machines):
    kind = INJECTIONS[fault]
    clean = inject(machines[0], fault, kind.nothing, band=1000 if kind.in_band else None)
    np.testing.assert_array_equal(clean.samples, machines[0].samples)


@pytest.mark.parametrize("fault", INJECTIONS)
def test_a_fault_keeps_the_shape_and_limits_no_sample(fault):
    loud = Clip(np.random.default_rng(0).normal(0, 3, (2, 16_001)), 16_000, channels=("a", "b"), source="loud")
    faulty = inject(loud, fault, INJECTIONS[fault].ladder[-1], band=1000 if fault in BANDED else None)
    assert faulty.samples.shape == loud.samples.shape
    assert faulty.samples.dtype == np.float32
    assert (faulty.rate, faulty.channels, faulty.source) == (16_000, ("a", "b"), "loud")
    assert np.abs(faulty.samples).max() > 1
    assert len(set(np.sort(np.abs(faulty.samples).ravel())[-6:].tolist())) >= 3


@pytest.mark.parametrize("fault", BANDED)
def test_each_channel_has_the_same_fault_at_its_own_level(fault):
    rng = np.random.default_rng(0)
    clip = Clip(np.stack([rng.normal(0, level, 32_000) for level in (0.1, 0.001, 0.0)]), 16_000)
    faulty = inject(clip, fault, 0, band=1000)
    for channel in (0, 1):
        assert measured_snr(faulty, clip, 1000, channel)[0] == pytest.approx(0, abs=0.5)
    added = (faulty.samples - clip.samples)[:2]
    assert np.corrcoef(added)[0, 1] > 0.999
    assert not faulty.samples[2].any()


def test_silence_has_no_snr():
    rng = np.random.default_rng(0)
    resampled = np.concatenate(list(_resampled(rng.normal(0, 0.1, (1, 80_000)).astype(np.float32))), axis=1)
    tone = np.sin(2 * np.pi * 1000.3 * np.arange(48_000) / 48_000).astype(np.float32)
    for samples, band in ((np.zeros(48_000), 1000), (tone, 63), (tone, 8000), (resampled, 16_000)):
        with pytest.raises(InjectionError, match="no sound in the octave band"):
            inject(Clip(samples, 48_000), "whine", 0, band=band)
    inject(Clip(resampled, 48_000), "whine", 0, band=8000)


def _resampled(samples):
    resampler = Resampler(16_000, 48_000, 1)
    yield from resampler.feed(samples)
    yield resampler.finish()


def test_changes_of_the_whole_sound_are_what_they_say(machines):
    clip = machines[0]
    x = clip.samples[0].astype(np.float64)
    assert np.allclose(inject(clip, "louder", 6).samples[0], x * 10 ** (6 / 20))
    assert np.allclose(inject(clip, "quieter", 6).samples[0], x / 10 ** (6 / 20))
    change = inject(clip, "modulation", -12).samples[0] - x
    assert 10 * np.log10(np.mean(change**2) / np.mean(x**2)) == pytest.approx(-12, abs=0.01)
    holed = inject(clip, "dropout", 25).samples[0]
    missing = np.flatnonzero(holed == 0)
    assert len(missing) == pytest.approx(16_000, abs=2)
    assert missing[-1] - missing[0] == pytest.approx(16_000, abs=2)
    assert not inject(clip, "dropout", 100).samples.any()


def test_faster_raises_every_frequency_and_keeps_the_level():
    rate = 16_000
    hz = np.array([500, 3000, 7000])
    tones = np.sin(2 * np.pi * hz[:, np.newaxis] * np.arange(32_000) / rate)
    faster = inject(Clip(tones, rate), "faster", 10).samples[:, :28_000]
    spectrum = np.abs(np.fft.rfft(faster * np.hanning(28_000)))
    np.testing.assert_allclose(spectrum.argmax(axis=1) * rate / 28_000, 1.1 * hz, atol=0.6)
    np.testing.assert_allclose(np.sqrt(np.mean(faster**2, axis=1)), np.sqrt(0.5), rtol=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("squeal", 0), "There are: bearing"),
        (("whine", 0), "Name one by its centre"),
        (("whine", 0, 1234), "63, 125"),
        (("whine", 0, 8000), "63, 125"),
        (("louder", 1, 1000), "leave it out"),
        (("whine", float("nan"), 1000), "up to 120"),
        (("whine", 1e9, 1000), "up to 120"),
        (("louder", -1), "above 0"),
        (("dropout", 101), "up to 100"),
    ],
)
def test_impossible_faults_are_refused(arguments, words, machines):
    fault, strength, *band = arguments
    with pytest.raises(InputError, match=words):
        inject(machines[0], fault, strength, band=band[0] if band else None)


@pytest.mark.parametrize("shaft_hz", [0, -1, float("nan"), float("inf"), 5000])
def test_impossible_shafts_are_refused(shaft_hz, machines):
    with pytest.raises(InputError, match="turns a second"):
        injector(machines[0], "modulation", shaft_hz=shaft_hz)


def test_a_clip_too_short_for_a_fault_is_refused():
    with pytest.raises(InjectionError, match="too short"):
        inject(Clip(np.random.default_rng(0).normal(size=500), 16_000), "bearing", 0, band=1000, shaft_hz=0.01)


@pytest.fixture(scope="module")
def held_out():
    """10 recordings of the pump that the pipeline was not fitted on."""
    return [simulate_clip("pump", number=100 + i, duration_s=2.0, rate=8000) for i in range(10)]


@pytest.fixture(scope="module")
def report(pipeline, held_out):
    return sensitivity(pipeline, held_out, faults=["whine", "leak", "louder", "dropout"], bands=[250, 2000])


def test_the_report_has_a_row_for_each_fault_and_band(report):
    assert [(row.fault, row.band_hz) for row in report.rows] == [
        ("whine", 250), ("whine", 2000), ("leak", 250), ("leak", 2000), ("louder", None), ("dropout", None),
    ]  # fmt: skip
    frame = report.to_frame()
    assert len(frame) == 6
    assert set(frame["unit"]) == {"dB SNR", "dB", "%"}
    document = json.loads(report.to_json())
    assert len(document["rows"][0]["caught"]) == len(document["rows"][0]["ladder"])
    assert document["n_clips"] == 10
    assert report.failures == report.notes == []


def test_stronger_faults_are_caught_more_and_90_percent_later_than_half(report):
    for row in report.rows:
        assert list(row.caught) == sorted(row.caught)
        assert row.caught[-1] == 1, row.fault
        assert row.strength_50_low <= row.strength_50 <= row.strength_50_high
        assert row.strength_50 <= row.strength_90


def test_a_caught_fraction_is_that_of_decisions_about_injected_clips(pipeline, held_out, report):
    row = next(row for row in report.rows if (row.fault, row.band_hz) == ("leak", 2000))
    for rung in (5, 10, len(row.ladder) - 1):
        strengths = row.ladder[: rung + 1]
        expected = [
            any(pipeline.decide(inject(clip, "leak", db, band=2000)).is_anomaly for db in strengths)
            or pipeline.decide(clip).is_anomaly
            for clip in held_out
        ]
        assert row.caught[rung] == np.mean(expected)


def test_without_a_fault_the_false_alarms_are_the_pipelines(pipeline, held_out, report):
    alarms = sum(pipeline.decide(clip).is_anomaly for clip in held_out)
    assert report.n_alarms == alarms
    assert report.false_alarm_rate == alarms / 10
    assert report.false_alarm_rate_low <= alarms / 10 <= report.false_alarm_rate_high
    assert report.promised_rate == 0.1
    assert min(row.caught[0] for row in report.rows) >= alarms / 10


def test_the_same_seed_gives_the_same_report(pipeline, held_out):
    first, again = (sensitivity(pipeline, held_out, faults=["rattle"], bands=[1000], seed=3) for _ in range(2))
    assert first == again


def test_a_finer_detector_hears_a_fainter_tone(pump_clips, held_out):
    heard = {}
    for detector in (Level(), Gaussian()):
        fitted = Pipeline(detector, window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips)
        heard[type(detector)] = sensitivity(fitted, held_out, faults=["whine"], bands=[2000]).rows[0]
    assert heard[Gaussian].strength_50 < heard[Level].strength_50 - 6


@pytest.mark.slow
@pytest.mark.parametrize(("boundary", "words", "strength"), [(1e9, "> 24", np.inf), (-1e9, "< -30", -np.inf)])
def test_what_is_beyond_the_ladder_is_said_not_invented(boundary, words, strength, pump_clips, held_out):
    fitted = Pipeline(window_s=0.5, threshold=Fixed(boundary)).fit(pump_clips)
    report = sensitivity(fitted, held_out, faults=["whine"], bands=[1000])
    row = report.rows[0]
    assert (row.text_50, row.text_90) == (words, words)
    assert (row.strength_50, row.strength_90_low) == (strength, strength)
    figures = json.loads(report.to_json())["rows"][0]
    assert figures["strength_50"] is None
    assert figures["text_50"] == words
    assert np.isnan(report.promised_rate)
    if boundary < 0:
        assert any("alarm without any fault" in note for note in report.notes)


def test_a_band_without_sound_is_not_measured(pump_clips, held_out):
    fitted = Pipeline(window_s=0.5, rate=16_000, threshold=Conformal(0.1)).fit(pump_clips)
    with_gap = [Clip(_without_top(clip), 16_000, source=clip.source) for clip in held_out]
    rows = sensitivity(fitted, with_gap, faults=["whine"], bands=[1000, 4000]).rows
    assert rows[0].n_clips == 10
    assert (rows[1].n_clips, rows[1].text_50) == (0, "not measured")
    assert np.isnan(rows[1].strength_90)


def _without_top(clip):
    spectrum = np.fft.rfft(clip.samples[0])
    spectrum[round(2000 * clip.duration_s) :] = 0
    padded = np.zeros(clip.n_samples + 1, complex)
    padded[: len(spectrum)] = 2 * spectrum
    return np.fft.irfft(padded)


def test_the_intervals_hold_what_they_promise():
    """The true median of the clips' thresholds lies in the 90 % interval at least about as often as that."""
    rng = np.random.default_rng(0)
    ladder = tuple(float(rung) for rung in range(-30, 25, 3))
    is_inside = []
    for _ in range(200):
        first = np.searchsorted(ladder, rng.normal(-4.5, 6, 20)).tolist()
        row = climb("whine", 1000, "dB SNR", ladder, first)
        is_inside.append(row.strength_50_low <= -4.5 <= row.strength_50_high)
    assert np.mean(is_inside) > 0.88


def test_an_interval_is_never_finer_than_the_ladder():
    row = climb("louder", None, "dB", (1.0, 2.0, 4.0), [2] * 12)
    assert row.text_50 == "3.0 [2, 4]"
    assert (row.strength_90_low, row.strength_90_high) == (2, 4)


def test_figures_between_the_rungs_lie_on_straight_lines():
    row = climb("dropout", None, "%", (1.0, 2.0, 4.0), [0, 1, 1, 1, 2, 2, 3, 3, 3, 3])
    assert row.caught == pytest.approx((0.1, 0.4, 0.6))
    assert row.strength_50 == 3.0
    assert row.text_50 == "3.0 [1, > 4]"
    assert row.strength_90 == np.inf
    assert row.text_90 == "> 4 [2, > 4]"
    assert isinstance(row, FaultSensitivity)


def test_unreadable_recordings_become_failures_and_the_rest_goes_on(pipeline, held_out, tmp_path):
    (tmp_path / "bad.wav").write_text("no sound", encoding="utf-8")
    short = Clip(held_out[0].samples[:, :500], 8000, source="short")
    stereo = Clip(np.repeat(held_out[0].samples, 2, axis=0), 8000, source="stereo")
    report = sensitivity(pipeline, [tmp_path / "bad.wav", short, stereo, *held_out], faults=["louder"])
    assert report.n_clips == 10
    reasons = {failure.source: failure.reason for failure in report.failures}
    assert "shorter than a window" in reasons["short"]
    assert "2 channels" in reasons["stereo"]
    assert "not a readable sound file" in reasons[str(tmp_path / "bad.wav")]


def test_of_long_recordings_the_start_is_used_and_short_ones_are_warned_of(pipeline, tmp_path):
    starts = []
    for number in range(6):
        long = simulate_clip("pump", number=200 + number, duration_s=3.3, rate=8000)
        write(long, tmp_path / f"{number}.wav", subtype="FLOAT")
        starts.append(Clip(long.samples[:, :16_000], 8000))
    assert {len(pipeline.decide(clip).scored_windows) for clip in starts} == {
        pipeline.boundaries_[""].clips.unit_windows
    }
    of_files, of_starts = (sensitivity(pipeline, given, faults=["louder"]) for given in (tmp_path, starts))
    assert of_files.failures == of_files.notes == []
    assert of_files.rows == of_starts.rows
    assert sensitivity(pipeline, tmp_path, faults=["louder"], n_clips=5).n_clips == 5
    brief = [Clip(clip.samples[:, :8000], 8000) for clip in starts]
    assert "shorter than those" in sensitivity(pipeline, brief, faults=["louder"]).notes[0]


def test_recordings_of_another_rate_are_injected_at_the_pipelines(tmp_path):
    clips = [simulate_clip("pump", number=i, duration_s=1.0) for i in range(26)]
    fitted = Pipeline(window_s=0.5, rate=8000, threshold=Conformal(0.1)).fit(clips[:20])
    for clip in clips[20:]:
        write(clip, tmp_path / f"{clip.source}.wav", subtype="FLOAT")
    at_8_khz = [read(path, rate=8000) for path in sorted(tmp_path.iterdir())]
    rows = [sensitivity(fitted, given, faults=["leak"], bands=[1000]).rows for given in (tmp_path, at_8_khz)]
    assert rows[0] == rows[1]
    with pytest.raises(InputError, match="8000 Hz"):
        sensitivity(fitted, tmp_path, bands=[4000])


def test_recordings_that_were_fitted_on_are_warned_of(pipeline, pump_clips, held_out):
    report = sensitivity(pipeline, [*pump_clips[:3], *held_out], faults=["louder"])
    assert "3 of 13 recordings are among those" in report.notes[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"faults": ["squeal"]}, "There are: bearing"),
        ({"bands": [8000]}, "63, 125"),
        ({"n_clips": 2}, "at least 5"),
        ({"ladders": {"whine": [3, 1]}}, "ascending"),
        ({"ladders": {"louder": [-3, 1]}, "faults": ["louder"]}, "above 0"),
        ({"shaft_hz": -1}, "turns a second"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, words, pipeline, held_out):
    with pytest.raises(InputError, match=words):
        sensitivity(pipeline, held_out, **arguments)


def test_too_few_recordings_are_refused(pipeline, held_out, tmp_path):
    with pytest.raises(InputError, match="4 usable normal recordings were given, at least 5"):
        sensitivity(pipeline, held_out[:4])
    with pytest.raises(InputError, match=r"gone\.wav"):
        sensitivity(pipeline, [tmp_path / "gone.wav"])


def test_the_picture_shows_every_fault(report, tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from offkey.plots import plot_sensitivity, save_sensitivity

    figure = plot_sensitivity(report, Figure(layout="constrained"))
    assert [ax.get_title().strip() for ax in figure.axes] == ["whine", "leak", "louder", "dropout"]
    assert "SNR in dB" in figure.axes[0].get_ylabel()
    save_sensitivity(report, tmp_path / "heard.png")
    assert (tmp_path / "heard.png").stat().st_size > 20_000
    with pytest.raises(InputError, match="Choose another"):
        save_sensitivity(report, tmp_path / "no" / "heard.png")
    with pytest.raises(InputError, match=r"\.png"):
        save_sensitivity(report, tmp_path / "heard.nonsense")


def test_the_picture_takes_what_was_not_measured_or_lies_beyond_the_ladder(tmp_path):
    pytest.importorskip("matplotlib")
    from offkey.plots import save_sensitivity

    never, always, unknown = [1] * 6, [0] * 6, [0] * 3
    cells = [("whine", 1000, never), ("whine", 2000, always), ("whine", 4000, unknown), ("faster", None, unknown)]
    rows = [climb(fault, band, INJECTIONS[fault].unit, (6.0,), first) for fault, band, first in cells]
    save_sensitivity(SensitivityReport(rows, "Level()", 6, 0, 0.0, 0.3, float("nan")), tmp_path / "heard.png")
    assert (tmp_path / "heard.png").stat().st_size > 10_000

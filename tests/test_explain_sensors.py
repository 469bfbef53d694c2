"""Explanations of vibration, currents and series: channel, band or value, and unit, in words and pictures."""

import numpy as np
import pytest

import offkey
from offkey import Clip, Pipeline, plots
from offkey.detectors import Gaussian
from offkey.errors import InputError
from offkey.explain import Wording, explain
from offkey.features import Concatenate, Correlation, Envelope, LogMel, Raw, Spectrum, Statistics, frames_of
from offkey.rotation import Bearing, Shaft
from offkey.signals import Reading

RATE = 400
SHAFT = Shaft(29.95, [Bearing(9, 7.94, 39.04, name="drive-end")])


def vibration(number, duration_s=10, rate=RATE):
    """Three axes with gravity, noise and an imbalance at 11 Hz."""
    rng = np.random.default_rng([8, number])
    times = np.arange(duration_s * rate) / rate
    turning = 0.02 * np.sin(2 * np.pi * 11 * times + rng.uniform(0, 6, (3, 1)))
    noise = rng.normal(0, 0.01, (3, len(times))) * 10 ** (rng.normal(0, 0.5) / 20)
    return Clip(noise + turning + [[0], [0.2], [0.98]], rate, ("x", "y", "z"), "g", source=f"{number}.csv")


def with_tone(clip, channel, hz, amplitude, start_s=0.0):
    samples, times = clip.samples.copy(), np.arange(clip.n_samples) / clip.rate
    samples[channel] += amplitude * np.sin(2 * np.pi * hz * times) * (times >= start_s)
    return Clip(samples, clip.rate, clip.channels, clip.unit, source=clip.source)


def series(number, n=120, rate=1.0):
    """A flow, a pressure that follows it, and a temperature."""
    rng = np.random.default_rng([9, number])
    flow = 123 + np.cumsum(rng.normal(0, 0.1, n)) + rng.normal(0, 1, n)
    rows = [flow, 0.05 * flow + rng.normal(0, 0.02, n), rng.normal(70, 0.5, n)]
    return Clip(rows, rate, ("Flow", "Pressure", "Temperature"), ("l/min", "bar", "°C"), source=f"{number}.csv")


@pytest.fixture(scope="module")
def spectral():
    return Pipeline(Gaussian(), Spectrum(), window_s=4).fit([vibration(i) for i in range(30)])


@pytest.fixture(scope="module")
def statistical():
    return Pipeline(Gaussian(), Statistics(), window_s=4).fit([vibration(i) for i in range(30)])


@pytest.fixture(scope="module")
def slow():
    return Pipeline(Gaussian(), Raw(), window_s=20).fit([series(i) for i in range(30)])


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_a_tone_is_named_with_channel_frequency_and_line_of_the_machine(spectral):
    explanation = explain(spectral, with_tone(vibration(100), 2, 89.85, 0.02, 4.0), shaft=SHAFT)
    found = explanation.peculiarities[0]
    assert found.sentence == (
        f"z: 89.8 Hz tone, {found.change_db:+.0f} dB over normal, since {found.spans_s[0][0]:.1f} s "
        "(shaft: 3 x 29.95 Hz)"
    )
    assert found.spans_s[0][0] == pytest.approx(4.0, abs=0.3)
    assert (found.line.short, explanation.signal_channel) == ("3x", 2)
    assert "(" not in explain(spectral, with_tone(vibration(100), 2, 89.85, 0.02)).sentences[0]


def test_bands_of_no_sound_are_told_by_their_edges_and_never_hiss(spectral):
    clip = vibration(101)
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.normal(0, 0.05, clip.n_samples))
    hz = np.fft.rfftfreq(clip.n_samples, 1 / RATE)
    spectrum[(hz < 60) | (hz > 68)] = 0
    clip.samples[0] += np.fft.irfft(spectrum, clip.n_samples)
    (sentence, *_) = explain(spectral, clip).sentences
    channel, rest = sentence.split(": ")
    low, high = map(float, rest.partition(" Hz,")[0].split("-"))
    assert channel == "x"
    assert (low, high) == (pytest.approx(60, abs=3), pytest.approx(68, abs=3))
    louder = explain(spectral, Clip(4 * vibration(102).samples, RATE, ("x", "y", "z"), "g"))
    told = " ".join(louder.sentences)
    assert not any(word in told for word in ("hiss", "sound", "noise", "everything"))


def test_an_envelope_is_told_as_such_and_its_bearing_named():
    bearing, rate = SHAFT.bearings[0], 12_000

    def knocking(number, strength):
        rng = np.random.default_rng([10, number])
        n = 4 * rate
        knocks = np.zeros(n)
        knocks[(np.arange(0, 4, 1 / (0.99 * bearing.bpfo * SHAFT.hz)) * rate).astype(int)] = strength
        ring = np.exp(-np.arange(200) / 30) * np.sin(2 * np.pi * 3000 * np.arange(200) / rate)
        return Clip(rng.normal(0, 1, n) + np.convolve(knocks, ring)[:n], rate, ("DE",), "g")

    pipeline = Pipeline(Gaussian(), Envelope(fmin=2000, fmax=4000), window_s=2).fit([knocking(i, 0) for i in range(12)])
    explanation = explain(pipeline, knocking(50, 4), shaft=SHAFT)
    assert explanation.sentences[0].startswith("envelope of 2-4 kHz: 10")
    assert explanation.sentences[0].endswith("throughout (BPFO of the drive-end bearing: 107.4 Hz)")
    assert explanation.peculiarities[0].kind == "modulation"
    assert {"BPFO", "2 BPFO", "BPFI"} <= {line.short for line in explanation.lines}
    assert explanation.wording.frequency_label == "frequency of the envelope in Hz"


def test_a_value_is_told_in_its_unit_beside_its_normal_range(slow):
    clip = series(100)
    clip.samples[0, 60:] = 12.1 + np.random.default_rng(0).normal(0, 1, 60)
    explanation = explain(slow, clip)
    found = explanation.odd_values[0]
    means = np.array(
        [series(i).samples[0, k : k + 20].mean() for i in range(30) for k in range(0, 101, 10)], np.float64
    )
    low, high = np.quantile(means, [0.01, 0.99])
    assert (found.low, found.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))
    windows = [clip.samples[0, k : k + 20].mean() for k in range(0, 101, 10)]
    assert found.value == pytest.approx(min(windows), abs=0.01)
    assert found.sentence == (
        f"Flow: mean {found.value:.1f} l/min, normal {low:.1f} to {high:.1f}, since {found.spans_s[0][0]:.1f} s"
    )
    assert found.spans_s[0][0] == pytest.approx(60, abs=1)
    assert (found.channel, found.unit, found.statistic) == (0, "l/min", "mean")
    assert explanation.levels[:, 0, 0] == pytest.approx(clip.samples[0], rel=1e-5)


def test_what_fluctuates_more_is_told_by_its_standard_deviation(slow):
    clip = series(101)
    clip.samples[2, 40:80] += np.where(np.arange(40) % 2, 6, -6)
    found = explain(slow, clip).odd_values[0]
    assert (found.channel, found.statistic) == (2, "std")
    assert found.sentence.startswith("Temperature: standard deviation ")
    assert found.value == pytest.approx(6, abs=0.3)


def test_statistics_are_told_by_name(statistical):
    clip = vibration(103)
    clip.samples[1, 1000::400] += 0.4
    found = explain(statistical, clip).odd_values[0]
    assert found.sentence.startswith(f"y: {found.name} ")
    assert found.name in ("kurtosis", "crest factor", "skewness", "peak-to-peak")
    louder = with_tone(vibration(104), 0, 50, 0.05)
    (rms,) = [each for each in explain(statistical, louder).odd_values if each.channel == 0]
    assert f" {rms.unit}, normal " in rms.sentence or rms.unit == ""


def test_samples_of_longer_frames_are_told_by_their_place():
    pipeline = Pipeline(Gaussian(), Raw(n_fft=4, hop_length=4), window_s=20).fit([series(i) for i in range(12)])
    clip = series(108)
    clip.samples[2, 3::4] += 8
    found = explain(pipeline, clip).odd_values[0]
    assert found.sentence.startswith("Temperature: mean of sample 4 of each frame 78.")
    assert " °C, normal 69." in found.sentence


def test_bands_among_other_values_are_told_as_levels():
    feature = Concatenate([Spectrum(n_bands=8), Statistics(["kurtosis"])])
    pipeline = Pipeline(Gaussian(), feature, window_s=4).fit([vibration(i) for i in range(20)])
    sentence = explain(pipeline, with_tone(vibration(105), 0, 110, 0.05)).sentences[0]
    assert sentence.startswith("x: level at ")
    assert " Hz -" in sentence
    assert " dB, normal -" in sentence


@pytest.mark.parametrize("make", ["slow", "statistical"])
def test_little_stands_out_of_normal_recordings(make, request):
    pipeline, one = request.getfixturevalue(make), {"slow": series, "statistical": vibration}[make]
    strengths = []
    for number in range(200, 240):
        explanation = explain(pipeline, one(number))
        strengths.append(explanation.odd_values[0].strength)
        if strengths[-1] <= 1 and not explanation.decision.is_anomaly:
            assert explanation.sentences[0].startswith("nothing stands out; most unlike normal: ")
    assert np.mean(np.array(strengths) > 1) <= 0.25  # a tenth is meant


def test_channels_that_no_longer_go_together_are_told_though_each_is_in_its_range(slow):
    low, _, high = explain(slow, series(300)).values.quantiles[:, 0, 0]

    def apart(number, flow, pressure):
        """Flow and pressure at these parts of their normal ranges."""
        clip = series(number)
        for channel, part in enumerate((flow, pressure)):
            wanted = low[channel] + part * (high[channel] - low[channel])
            clip.samples[channel] += wanted - clip.samples[channel].mean()
        return clip

    together = [explain(slow, apart(300 + i, 0.25, 0.25)).relation for i in range(10)]
    assert sum(each is not None for each in together) <= 3  # a tenth is meant
    told = [explain(slow, apart(320 + i, 0.25, 0.75)) for i in range(6)]
    told += [explain(slow, apart(330 + i, 0.75, 0.25)) for i in range(6)]
    relations = [each.relation for each in told if each.relation]
    assert len(relations) >= 9
    assert {each.channels for each in relations} <= {(0, 1), (1, 0)}
    sentence = next(each for each in relations if each.channels == (1, 0)).sentence
    assert sentence == "Pressure does not go with Flow as it normally does, though each is in its range, throughout"


def test_a_loaded_pipeline_tells_the_same_values(slow, tmp_path):
    slow.save(tmp_path / "loop.offkey")
    clip = series(102)
    clip.samples[1] *= 1.3
    first, second = explain(slow, clip), explain(offkey.load(tmp_path / "loop.offkey"), clip)
    assert first.odd_values == second.odd_values
    assert first.sentences == second.sentences


def test_frequencies_of_slow_series_are_told_in_millihertz():
    words = Wording(0.0016, lowest_hz=0.0003, is_sound=False)
    assert words.frequency_label == "frequency in mHz"
    assert words.single(0.000833) == "0.833 mHz"
    assert (words.range(0.0004, 0.0007), words.range(0.0001, 0.0007)) == ("0.4-0.7 mHz", "below 0.7 mHz")
    faster = Wording(1.0, lowest_hz=0.01, is_sound=False)
    assert (faster.range(0.05, 0.2), faster.frequency_label) == ("0.05-0.2 Hz", "frequency in Hz")


def test_hours_and_days_are_told_where_seconds_would_be_many():
    pipeline = Pipeline(Gaussian(), Raw(), window_s=300 * 12).fit([series(i, 288, 1 / 300) for i in range(8)])
    clip = series(103, 288, 1 / 300)
    clip.samples[2, 120:] = 90
    explanation = explain(pipeline, clip)
    assert explanation.sentences[0].startswith("Temperature: mean 90")
    assert explanation.sentences[0].endswith(" h")
    assert explanation.odd_values[0].spans_s[0][0] >= 120 * 300 - 300


def test_a_channel_picked_by_the_front_end_keeps_its_name():
    pipeline = Pipeline(Gaussian(), Raw(channels=(2,)), window_s=20).fit([series(i) for i in range(10)])
    clip = series(104)
    clip.samples[2] += 10
    explanation = explain(pipeline, clip)
    assert explanation.sentences[0].startswith("Temperature: mean 80.")
    assert (explanation.signal_channel, explanation.channel_name(0)) == (2, "Temperature")


FRONT_ENDS = [
    LogMel(n_fft=256, hop_length=128, n_mels=16), Spectrum(), Envelope(), Statistics(), Correlation(), Raw(),
    Raw(n_fft=4), Concatenate([Spectrum(n_bands=8), Statistics()]),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("feature", FRONT_ENDS, ids=repr)
def test_a_channel_that_never_moves_is_explained_drawn_and_reported(feature, axes, tmp_path):
    from offkey.report import write_report

    def still(number, setting=0.3, loudness=1.0):
        clip = vibration(number)
        clip.samples[:2] *= loudness
        clip.samples[2] = setting
        return clip

    pipeline = Pipeline(Gaussian(), feature, window_s=2).fit([still(i) for i in range(12)])
    for clip in (still(3), still(50), still(51, 0.5), still(52, loudness=3.0), Clip(0 * still(0).samples, RATE)):
        explanation = explain(pipeline, Clip(clip.samples, RATE, ("x", "y", "z"), "g"))
        assert all(np.isfinite(each.strength) and each.strength > 0 for each in explanation.told)
        axes.clear()
        plots.plot_explanation(explanation, axes, channel=explanation.levels.shape[2] - 1)
        axes.figure.savefig(tmp_path / "still.png")
    louder = explain(pipeline, still(52, loudness=3.0))
    named = {explanation.channel_name(each.channel) for each in louder.told if each.strength > 1}
    assert named - {"z"} or isinstance(feature, Correlation)
    assert "z" not in named or isinstance(feature, Correlation)
    batch = write_report(pipeline, [still(i) for i in (3, 50)] + [still(52, loudness=3.0)], tmp_path / "report.html")
    assert len(batch.decisions) == 3


SLOW = [(feature, rate) for feature in (Spectrum(), Envelope(n_bands=8)) for rate in (1 / 300, 0.1)]


@pytest.mark.parametrize(("feature", "rate"), SLOW, ids=lambda each: repr(each))
def test_what_is_sampled_each_few_minutes_has_a_spectrum_that_is_explained(feature, rate, axes, tmp_path):
    from offkey.report import write_report

    def swinging(number, swing=0.0):
        clip = series(number, 1200, rate)
        clip.samples[2] += swing * np.sin(2 * np.pi * 0.25 * np.arange(1200))
        return clip

    pipeline = Pipeline(Gaussian(), feature).fit([swinging(i) for i in range(12)])
    odd = swinging(50, 5.0)
    explanation = explain(pipeline, odd)
    (found, *_) = [each for each in explanation.peculiarities if each.strength > 1]
    assert explanation.channel_name(found.channel) == "Temperature"
    assert found.low_hz <= found.high_hz <= rate / 2
    if feature.spectrum_of == "signal":
        assert found.low_hz < 0.25 * rate < found.high_hz
    calm = [explain(pipeline, swinging(60 + i)).sentences[0] for i in range(10)]
    assert sum(each.startswith("nothing stands out") for each in calm) >= 7  # a tenth is meant not to
    plots.plot_explanation(explanation, axes)
    axes.figure.savefig(tmp_path / "slow.png")
    batch = write_report(pipeline, [odd, swinging(51)], tmp_path / "report.html")
    assert len(batch.decisions) == 2


@pytest.mark.parametrize("samples", [np.zeros((3, 120)), np.full((3, 120), 1e6), np.tile([1e3, -1e3], (3, 60))])
def test_extreme_series_are_told_of_in_finite_numbers(samples, slow):
    explanation = explain(slow, Clip(samples, 1.0, ("Flow", "Pressure", "Temperature"), ("l/min", "bar", "°C")))
    for each in explanation.odd_values:
        assert np.isfinite([each.value, each.low, each.high, each.strength]).all()
    assert "nan" not in " ".join(explanation.sentences)


def test_by_angle_frequencies_are_orders_and_times_are_revolutions():
    words = Wording(32, lowest_hz=0.5, is_sound=False, by_angle=True)
    assert words.tone(3.585) == "tone at order 3.58"
    assert (words.range(3.5, 3.75), words.range(0, 8), words.range(8, 32)) == (
        "orders 3.5-3.75", "below order 8", "above order 8",
    )  # fmt: skip
    assert words.when(((20.0, 40.0),), 0, 100, (True, True)) == ("from 20.0 to 40.0 revolutions", False)
    assert words.frequency_label == "order"


def test_samples_by_angle_are_explained_by_order(axes, tmp_path):
    def turned(number, knocks=0.0):
        """Write six seconds of a shaft that turns ten times a second."""
        rng, n = np.random.default_rng([12, number]), 6 * 640
        angle = np.arange(n) / 64
        lines = ((1, 1.0), (3.585, knocks))
        signal = sum(size * np.sin(2 * np.pi * (order * angle + rng.uniform())) for order, size in lines)
        rows = np.stack([np.arange(n) / 640, signal + rng.normal(0, 0.1, n), np.full(n, 600.0)], axis=1)
        np.savetxt(tmp_path / f"{number}.csv", rows, "%.7g", ",", header="time,DE [g],rpm", comments="")
        return tmp_path / f"{number}.csv"

    pipeline = Pipeline(Gaussian(), Spectrum(), reading=Reading(speed="rpm", per_revolution=64))
    pipeline.fit([turned(i) for i in range(12)])
    explanation = explain(pipeline, turned(50, 0.2), shaft=SHAFT)
    assert explanation.sentences[0].startswith("tone at order 3.5")
    assert explanation.sentences[0].endswith("dB over normal, throughout (BPFO of the drive-end bearing: 3.585)")
    plots.plot_explanation(explanation, axes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("revolutions", "order")


def test_the_picture_shows_the_channel_that_matters_and_marks_the_machine(spectral, axes, tmp_path):
    explanation = explain(spectral, with_tone(vibration(110), 1, 89.85, 0.05), shaft=SHAFT)
    plots.plot_explanation(explanation, axes)
    assert axes.get_title(loc="left") == "y"
    axes.figure.savefig(tmp_path / "explained.png")
    (marked,) = axes.child_axes
    places = dict(zip([tick.get_text() for tick in marked.get_yticklabels()], marked.get_yticks(), strict=True))
    middles = np.arange(len(explanation.band_hz)) + 0.5
    assert np.interp(places["3x"], middles, explanation.band_hz) == pytest.approx(89.85, abs=1)
    assert np.interp(places["BPFO"], middles, explanation.band_hz) == pytest.approx(107.4, abs=1)
    assert np.diff(sorted(places.values())).min() > 0.03 * len(explanation.band_hz)
    (image,) = axes.get_images()
    np.testing.assert_array_equal(image.get_array(), plots.explanation.lit_spectrogram(explanation, 1))


def test_a_profile_marks_the_machine_above(spectral, axes, tmp_path):
    explanation = explain(spectral, with_tone(vibration(111), 1, 89.85, 0.05), shaft=SHAFT)
    plots.plot_profile(explanation, axes)
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_array_equal(lines["this recording"], explanation.profile.level[:, 1])
    assert "BPFI" in [tick.get_text() for tick in axes.child_axes[0].get_xticklabels()]
    axes.figure.savefig(tmp_path / "profile.png")


def test_values_are_drawn_over_time_with_their_normal_range(slow, axes, tmp_path):
    clip = series(112)
    clip.samples[1, 60:] += 2
    explanation = explain(slow, clip)
    plots.plot_explanation(explanation, axes)
    line = next(each for each in axes.lines if len(each.get_ydata()) == 120)
    np.testing.assert_allclose(line.get_xydata().T, [np.arange(120) + 0.5, clip.samples[1]], rtol=1e-5)
    assert (axes.get_ylabel(), axes.get_xlabel(), axes.get_title(loc="left")) == (
        "value in bar", "time in s", "Pressure",
    )  # fmt: skip
    boxes = [each.get_extents().transformed(axes.transData.inverted()) for each in axes.patches]
    low, high = explanation.values.quantiles[[0, 2], 0, 0, 1]
    assert any(np.allclose([box.y0, box.y1], [low, high]) for box in boxes)
    axes.figure.savefig(tmp_path / "values.png")
    with pytest.raises(InputError, match="no bands in hertz"):
        plots.plot_profile(explanation, axes)
    with pytest.raises(InputError, match="Channel 3 was given, and 3 are heard"):
        plots.plot_explanation(explanation, axes, channel=3)


def test_a_spectrogram_shows_the_frames_where_they_lie(spectral, axes, tmp_path):
    clip = vibration(113)
    plots.plot_spectrogram(spectral, clip, axes, channel=2)
    levels = frames_of(spectral.features_, clip)[:, :, 2]
    np.testing.assert_array_equal(axes.collections[-1].get_array(), levels.T)
    assert axes.get_ylabel() == "frequency in Hz"
    assert axes.get_ylim()[1] == pytest.approx(RATE / 2)
    axes.figure.savefig(tmp_path / "spectrogram.png")


def test_a_spectrogram_needs_bands_a_channel_and_a_frame(spectral, statistical, axes):
    with pytest.raises(InputError, match="no bands in hertz"):
        plots.plot_spectrogram(statistical, vibration(114), axes)
    with pytest.raises(InputError, match="Channel 3 was given, and 3 are heard"):
        plots.plot_spectrogram(spectral, vibration(114), axes, channel=3)
    short = Clip(np.zeros((3, 10)), RATE, ("x", "y", "z"), "g")
    plots.plot_spectrogram(spectral, short, axes)
    assert axes.texts[0].get_text().startswith("shorter than a frame")


def test_sensors_are_drawn_each_on_its_own_scale(axes, tmp_path):
    clip = series(115)
    plots.plot_waveform(clip, axes)
    first, _, third = (line.get_ydata() for line in axes.lines)
    assert (first.min(), first.max()) == (pytest.approx(-1), pytest.approx(1))
    assert third.max() == pytest.approx(-2 * 2.2 + 1)
    label = axes.get_yticklabels()[0].get_text()
    low, high = clip.samples[0].min(), clip.samples[0].max()
    assert label == f"Flow\n{float(f'{low:.3g}'):g} to {float(f'{high:.3g}'):g} l/min"
    axes.figure.savefig(tmp_path / "lanes.png")


def test_a_report_tells_of_values_and_groups_them(slow, tmp_path):
    from offkey.report import write_report

    clips = [series(120 + i) for i in range(4)]
    for clip in clips[:3]:
        clip.samples[0] -= 100
    write_report(slow, clips, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "3 of 3: Flow: mean below normal, 2" in page or "3 of 4: Flow: mean below normal, 2" in page
    assert "Flow: mean 2" in page
    assert "value in l/min, time in s" in page
    assert "sound wrong" not in page
    assert "played" not in page


def test_a_report_on_vibration_says_where_it_is_higher(spectral, tmp_path):
    from offkey.report import write_report

    write_report(spectral, [with_tone(vibration(130 + i), 2, 89.85, 0.05) for i in range(3)], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "3 of 3: z: " in page
    assert " dB higher at 8" in page
    assert "<li>z: 89.8 Hz tone" in page or '<p class="sentence">z: 89.8 Hz tone' in page
    assert "Grey is the signal" in page

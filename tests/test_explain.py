"""Explanations: where in time and frequency a recording differs, in numbers and in words."""

import numpy as np
import pytest

import offkey
from offkey import Clip, Pipeline
from offkey.datasets import inject
from offkey.datasets.octaves import band_edges, band_power, octave_bands
from offkey.decisions import Conformal
from offkey.detectors import Adapter, Gaussian
from offkey.errors import InputError
from offkey.explain import explain
from offkey.features import LogMel, frames_of
from offkey.pipeline.normal import NormalSound

RATE = 16_000
FAULTS = ("bearing", "whine", "rattle", "leak")
LIMIT_OF_WITHIN = 0.25
"""Of unseen normal recordings, so many may have something called clearly outside normal; a tenth is meant."""


def machine(number, duration_s=5.0, n_channels=1):
    """Noise that falls with frequency, a hum and a level of its own for each recording."""
    rng = np.random.default_rng([7, number])
    n = round(duration_s * RATE)
    spectrum = np.fft.rfft(rng.normal(size=(n_channels, n)))
    spectrum /= np.sqrt(1 + np.arange(spectrum.shape[1]) / n * RATE / 500)
    noise = np.fft.irfft(spectrum, n)
    times = np.arange(n) / RATE
    hum = 0.3 * np.sin(2 * np.pi * 440 * times) + 0.2 * np.sin(2 * np.pi * 1980 * times)
    return Clip(0.05 * 10 ** (rng.normal(0, 0.5) / 20) * (noise / noise.std() + hum), RATE, source=f"{number}.wav")


def tone(hz, amplitude, start_s, stop_s, duration_s=5.0):
    times = np.arange(round(duration_s * RATE)) / RATE
    return amplitude * np.sin(2 * np.pi * hz * times) * ((times >= start_s) & (times < stop_s))


def changed(clip, added):
    return Clip(clip.samples + added, clip.rate, source=clip.source)


def injected_between(clip, fault, strength_db, band, start_s, stop_s, seed):
    """A fault in a part of a clip, by SNR in its octave band or, with a strength of "clip", level with the clip."""
    samples, part = clip.samples.copy(), slice(round(start_s * clip.rate), round(stop_s * clip.rate))
    own = Clip(samples[:, part], clip.rate)
    if strength_db == "clip":
        total = float(np.square(own.samples.astype(np.float64)).mean())
        strength_db = 10 * np.log10(total / band_power(own.samples[0], clip.rate, band))
    samples[:, part] = inject(own, fault, min(120.0, float(strength_db)), band=band, seed=seed).samples
    return Clip(samples, clip.rate)


def names_place_and_time(explanation, band, start_s, stop_s):
    low, high = band_edges(band)
    return any(
        each.low_hz < high and low < each.high_hz and any(a < stop_s and start_s < b for a, b in each.spans_s)
        for each in explanation.peculiarities
    )


@pytest.fixture(scope="module")
def fitted():
    return Pipeline(Gaussian(), threshold=Conformal(0.05)).fit([machine(i) for i in range(40)])


def test_a_tone_is_named_with_frequency_change_and_beginning(fitted):
    clip = changed(machine(100), tone(3130, 0.02, 2.2, 5.0))
    explanation = explain(fitted, clip)
    (found,) = explanation.peculiarities[:1]
    assert (
        explanation.sentences[0]
        == f"3.1 kHz tone, {found.change_db:+.0f} dB over normal, since {found.spans_s[0][0]:.1f} s"
    )
    assert found.kind == "tone"
    assert found.low_hz < 3130 < found.high_hz
    assert found.spans_s[0][0] == pytest.approx(2.2, abs=0.15)
    inside = explanation.levels[explanation.frame_s > 2.3][:, np.abs(explanation.band_hz - 3130).argmin(), 0].mean()
    normal = np.mean(
        [
            frames_of(fitted.features_, machine(i))[:, np.abs(explanation.band_hz - 3130).argmin()].mean()
            for i in range(40)
        ]
    )
    assert found.change_db == pytest.approx(inside - normal, abs=2)


def test_a_hiss_is_named_with_its_edges_and_times(fitted):
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.normal(0, 0.05, 5 * RATE))
    spectrum[: 5 * 5000] = 0
    hiss = np.fft.irfft(spectrum, 5 * RATE)
    explanation = explain(fitted, changed(machine(101), hiss))
    assert explanation.sentences[0].startswith("broadband hiss above ")
    assert explanation.sentences[0].endswith(" dB over normal, throughout")
    assert explanation.peculiarities[0].low_hz == pytest.approx(5000, rel=0.05)
    times = np.arange(5 * RATE) / RATE
    partly = explain(fitted, changed(machine(101), hiss * ((times > 1) & (times < 2.5))))
    assert partly.sentences[0].endswith("from 1.0 to 2.5 s")


def test_what_is_missing_is_named_too(fitted):
    clip = machine(102)
    spectrum = np.fft.rfft(clip.samples)
    hz = np.fft.rfftfreq(clip.n_samples, 1 / RATE)
    spectrum[:, (hz > 1900) & (hz < 2100)] *= 0.1
    explanation = explain(fitted, Clip(np.fft.irfft(spectrum, clip.n_samples), RATE))
    assert explanation.peculiarities[0].kind == "softer"
    assert explanation.sentences[0].startswith("sound around 2 kHz, ")
    assert "dB below normal, throughout" in explanation.sentences[0]


def test_what_begins_is_told_by_its_beginning_and_not_by_what_was_before(fitted):
    explanation = explain(fitted, changed(machine(103), tone(2900, 0.05, 1.5, 5.0)))
    assert explanation.peculiarities[0].change_db > 0
    assert explanation.sentences[0].endswith("since 1.5 s")


@pytest.mark.slow
def test_little_stands_out_of_normal_recordings(fitted):
    strongest = []
    for number in range(200, 240):
        found = explain(fitted, machine(number))
        strongest.append(max((each.strength for each in found.peculiarities), default=0.0))
        if strongest[-1] <= 1 and not found.decision.is_anomaly:
            assert found.sentences[0].startswith("nothing stands out")
    assert np.mean(np.array(strongest) > 1) <= LIMIT_OF_WITHIN


@pytest.mark.parametrize("fault", FAULTS)
def test_the_band_and_time_of_faults_are_named_at_0_db(fault, fitted):
    named = []
    for number, band in enumerate(octave_bands(RATE)):
        clip = injected_between(machine(300 + number), fault, 0.0, band, 0.0, 5.0, number)
        named.append(names_place_and_time(explain(fitted, clip), band, 0.0, 5.0))
        partly = injected_between(machine(320 + number), fault, 0.0, band, 1.5, 4.0, number)
        named.append(names_place_and_time(explain(fitted, partly), band, 1.5, 4.0))
    assert np.mean(named) >= 0.9


@pytest.mark.real_data
@pytest.mark.slow
def test_of_a_real_fan_nine_in_ten_faults_as_loud_as_the_clip_are_named(fan_files):
    pipeline = Pipeline(Gaussian()).fit(fan_files[::3] + fan_files[1::3])
    named = []
    for number, path in enumerate(fan_files[2::6]):
        clip = offkey.read(path)
        for fault in FAULTS:
            for band in octave_bands(clip.rate)[number % 2 :: 2]:
                start_s = 7.0 * np.random.default_rng([number, band]).uniform()
                for span in ((0.0, 10.0), (start_s, start_s + 3)):
                    faulty = injected_between(clip, fault, "clip", band, *span, number)
                    named.append(names_place_and_time(explain(pipeline, faulty), band, *span))
    assert len(named) > 150
    assert np.mean(named) >= 0.9


def test_a_map_is_that_of_the_detector_averaged_over_windows(fitted):
    clip = changed(machine(104), tone(3130, 0.02, 0.0, 5.0))
    explanation = explain(fitted, clip)
    assert explanation.anomaly_map.shape == explanation.levels.shape == explanation.excess_db.shape
    (window,) = explanation.decision.scored_windows
    assert explanation.anomaly_map.mean() == pytest.approx(window.score)
    hottest = explanation.band_hz[explanation.anomaly_map.mean(axis=(0, 2)).argmax()]
    assert hottest == pytest.approx(3130, rel=0.03)


@pytest.mark.slow
def test_a_detector_that_cannot_say_where_has_no_map_but_words():
    pipeline = Pipeline(Adapter(), window_s=2.0).fit([machine(i) for i in range(12)])
    explanation = explain(pipeline, changed(machine(105), tone(3130, 0.1, 0.0, 5.0)))
    assert explanation.anomaly_map is None
    assert explanation.sentences[0].startswith("3.1 kHz tone")


def test_the_channel_is_named_where_there_are_several():
    def stereo(number):
        return Clip(np.concatenate([machine(number).samples, machine(number + 1000).samples]), RATE)

    pipeline = Pipeline(Gaussian()).fit([stereo(i) for i in range(20)])
    clip = stereo(106)
    clip.samples[1] += tone(2500, 0.02, 0.0, 5.0)
    explanation = explain(pipeline, clip)
    assert explanation.sentences[0].startswith("channel 1: 2.5 kHz tone, ")
    assert explanation.peculiarities[0].channel == 1
    assert explanation.anomaly_map.mean(axis=(0, 1)).argmax() == 1


def test_of_a_long_recording_the_minute_around_the_strangest_part_is_explained(fitted, tmp_path):
    parts = [machine(400 + i).samples for i in range(30)]
    parts[21] = parts[21] + tone(3500, 0.05, 0.0, 5.0)
    path = tmp_path / "long.wav"
    offkey.write(Clip(np.concatenate(parts, axis=1), RATE), path)
    explanation = explain(fitted, path)
    assert explanation.clip.duration_s == pytest.approx(60)
    assert explanation.start_s <= 105 <= explanation.start_s + 60 - 5
    np.testing.assert_array_equal(explanation.levels, frames_of(fitted.features_, explanation.clip))
    first = round(explanation.start_s * RATE)
    assert first % (fitted.grid_.hop * fitted.features_.hop_length) == 0
    np.testing.assert_array_equal(explanation.clip.samples, offkey.read(path).samples[:, first : first + 60 * RATE])
    (start, stop) = explanation.peculiarities[0].spans_s[0]
    assert (start, stop) == (pytest.approx(105, abs=0.3), pytest.approx(110, abs=0.3))


@pytest.mark.slow
def test_the_minute_that_is_explained_holds_the_strangest_window():
    long = [machine(i, 100.0) for i in range(500, 506)]
    pipeline = Pipeline(Gaussian(), window_s=5.0).fit(long)
    faulty = changed(machine(510, 100.0), tone(3100, 0.05, 10.0, 20.0, 100.0))
    explanation = explain(pipeline, faulty)
    assert len(explanation.decision.segments) == 1
    assert explanation.start_s < 10
    assert explanation.sentences[0].endswith("from 10.0 to 20.0 s")
    throughout = explain(pipeline, changed(machine(511, 100.0), tone(3100, 0.05, 0.0, 90.0, 100.0)))
    part = f"throughout {throughout.start_s:.0f} to {throughout.start_s + 60:.0f} s"
    assert throughout.sentences[0].endswith(part) or "until 90.0 s" in throughout.sentences[0]


def test_windows_longer_than_a_minute_are_explained_whole():
    pipeline = Pipeline(Gaussian(), window_s=70.0).fit([machine(i, 75.0) for i in range(520, 526)])
    assert np.isfinite(explain(pipeline, machine(530, 75.0)).anomaly_map).all()


@pytest.mark.parametrize(("learned_s", "judged_s"), [(10.0, 2.0), (2.0, 10.0)])
def test_other_lengths_than_those_learned_from_are_not_outside_normal(learned_s, judged_s):
    pipeline = Pipeline(Gaussian(), window_s=2.0).fit([machine(i, learned_s) for i in range(30)])
    found = [explain(pipeline, machine(600 + i, judged_s)).peculiarities for i in range(20)]
    assert np.mean([max((each.strength for each in own), default=0) > 1 for own in found]) <= LIMIT_OF_WITHIN


def test_a_silent_recording_among_the_normal_ones_does_not_make_deaf():
    clips = [machine(i) for i in range(30)]
    pipeline = Pipeline(Gaussian()).fit([*clips, Clip(np.zeros(5 * RATE), RATE)])
    assert explain(pipeline, changed(machine(120), tone(3130, 0.02, 0.0, 5.0))).sentences[0].startswith("3.1 kHz tone")


def test_channels_and_bands_are_those_that_the_front_end_hears():
    def stereo(number):
        return Clip(np.concatenate([machine(number).samples, machine(number + 1000).samples]), RATE)

    pipeline = Pipeline(Gaussian(), LogMel(channels=(1,), fmin=500.0, fmax=4000.0)).fit([stereo(i) for i in range(20)])
    clip = stereo(121)
    clip.samples[1] += tone(2500, 0.05, 0.0, 5.0)
    explanation = explain(pipeline, clip)
    assert explanation.sentences[0].startswith("channel 1: 2.5 kHz tone")
    assert explanation.signal_channel == 1
    assert (explanation.band_edges_hz[0], explanation.band_edges_hz[-1]) == (500, 4000)
    louder = explain(pipeline, Clip(3 * stereo(122).samples, RATE))
    assert "500 Hz to 4 kHz" in louder.sentences[0]
    assert [each.channel for each in louder.decision.health if each.kind == "gain"] == [1]


@pytest.mark.slow
def test_a_front_end_without_bands_is_told_of_by_time(embedding_pipeline, whining_pump):
    explanation = explain(embedding_pipeline, whining_pump)
    assert explanation.excess_db is None
    assert explanation.profile is None
    assert explanation.levels.shape[1] == len(explanation.band_hz) == 128
    assert explanation.sentences[0].startswith("strangest from ")


@pytest.mark.parametrize("samples", [np.zeros(5 * RATE), np.full(5 * RATE, 0.3), np.tile([1.0, -1.0], 5 * RATE // 2)])
def test_extreme_recordings_are_explained_in_finite_numbers(samples, fitted):
    explanation = explain(fitted, Clip(samples, RATE))
    assert np.isfinite(explanation.anomaly_map).all()
    assert all(np.isfinite([each.change_db, each.strength]).all() for each in explanation.peculiarities)
    assert explanation.sentences


def test_a_loaded_pipeline_explains_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "machine.offkey")
    clip = changed(machine(107), tone(1500, 0.02, 1.0, 4.0))
    first, second = explain(fitted, clip), explain(offkey.load(tmp_path / "machine.offkey"), clip)
    assert first.peculiarities == second.peculiarities
    np.testing.assert_array_equal(first.anomaly_map, second.anomaly_map)


def test_the_band_profile_is_that_of_normal_windows(fitted):
    profile = explain(fitted, machine(108)).profile
    means = np.stack([frames_of(fitted.features_, machine(i)).mean(axis=0) for i in range(40)])
    np.testing.assert_allclose(profile.median, np.median(means, axis=0), atol=1e-3)
    np.testing.assert_allclose(profile.high, np.quantile(means, 0.95, axis=0), atol=1e-3)
    assert (profile.low <= profile.median).all()


def test_what_normal_sound_is_like_survives_its_state(fitted):
    normal = NormalSound.from_state(fitted.normal_.state)
    frames = frames_of(fitted.features_, machine(109))
    assert normal.profile.deviations(frames) == fitted.normal_.profile.deviations(frames)


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_the_odd_part_of_a_spectrogram_is_lit_up(fitted):
    from offkey.plots.explanation import lit_spectrogram

    explanation = explain(fitted, changed(machine(110), tone(3130, 0.05, 2.0, 5.0)))
    picture = lit_spectrogram(explanation).astype(int)
    assert picture.shape == (128, len(explanation.frame_s), 3)
    colour = picture[:, :, 0] - picture[:, :, 2]  # grey has none
    band, after = np.abs(explanation.band_hz - 3130).argmin(), explanation.frame_s > 2.2
    assert colour[band, after].mean() > 100
    assert np.median(colour[:, after]) < 15
    assert colour[band, explanation.frame_s < 1.8].mean() < colour[band, after].mean() / 2
    normal = next(number for number in range(111, 120) if not fitted.decide(machine(number)).is_anomaly)
    calm = lit_spectrogram(explain(fitted, machine(normal))).astype(int)
    assert (calm[:, :, 0] - calm[:, :, 2]).max() < 130


def test_pictures_of_explanations_draw_on_the_axes_they_are_given(fitted, axes, tmp_path):
    from offkey import plots

    explanation = explain(fitted, changed(machine(112), tone(3130, 0.05, 2.0, 5.0)))
    assert plots.plot_explanation(explanation, axes) is axes
    (image,) = axes.get_images()
    assert image.get_array().shape[:2] == (128, len(explanation.frame_s))
    frame = next(line.get_xydata() for line in axes.lines if line.get_color() == "black")
    start, stop = explanation.peculiarities[0].spans_s[0]
    assert (frame[:, 0].min(), frame[:, 0].max()) == (start, stop)
    bands = np.interp(frame[:, 1], np.arange(128) + 0.5, explanation.band_hz)
    assert bands.min() < 3130 < bands.max() < 3500
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time in s", "frequency in Hz")
    axes.figure.savefig(tmp_path / "lit.png")


def test_the_profile_of_bands_is_drawn_beside_normal(fitted, tmp_path):
    from matplotlib import pyplot

    from offkey import plots

    explanation = explain(fitted, changed(machine(113), tone(3130, 0.05, 0.0, 5.0)))
    pyplot.switch_backend("agg")
    axes = pyplot.figure().subplots()
    assert plots.plot_profile(explanation) is axes
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_array_equal(lines["this recording"], explanation.profile.level[:, 0])
    np.testing.assert_array_equal(lines["normal, median"], explanation.profile.median[:, 0])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("frequency in Hz", "mean level in dB")
    axes.figure.savefig(tmp_path / "profile.png")
    pyplot.close()
    for draw in (plots.plot_profile, plots.plot_explanation):
        with pytest.raises(InputError, match="Channel 1 was given, and 1 are heard"):
            draw(explanation, channel=1)

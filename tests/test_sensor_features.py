"""What every front end promises; and those of sensors: spectra, envelopes, statistics, samples, and several at once."""

import copy
import json
import pickle
from itertools import pairwise

import numpy as np
import pytest
import scipy.signal
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from offkey import Clip, features
from offkey.errors import InputError, NotFittedError, ShapeError
from offkey.features import Concatenate, Correlation, Envelope, Feature, Framer, LogMel, Raw, Spectrum, Statistics
from offkey.pipeline.gather import gather
from offkey.pipeline.state import Packer, Unpacker

RNG = np.random.default_rng(6)
N_SAMPLES = 6000
SIGNAL = np.stack(
    [
        9.81 + RNG.normal(0, 0.1, N_SAMPLES),
        np.sin(np.arange(N_SAMPLES) * 0.7) * (1 + 0.5 * np.sin(np.arange(N_SAMPLES) * 0.01)),
        np.cumsum(RNG.normal(0, 1, N_SAMPLES)),
    ]
).astype(np.float32)

FRONT_ENDS = {
    "log-mel": (LogMel(n_fft=512, hop_length=256, n_mels=20), 16_000),
    "centred log-mel": (LogMel(n_fft=512, hop_length=200, n_mels=20, center=True), 16_000),
    "spectrum": (Spectrum(), 200),
    "spectrum, 25.6 kHz": (Spectrum(scaling="power", hop_length=700), 25_600),
    "spectrum, 1/300 Hz": (Spectrum(detrend=False), 1 / 300),
    "envelope": (Envelope(), 1000),
    "envelope, odd": (Envelope(fmin=100, fmax=300, n_fft=333, hop_length=50), 1000),
    "statistics": (Statistics(), 200),
    "statistics, two samples": (Statistics(n_fft=2, hop_length=1), 1 / 300),
    "raw": (Raw(), 1 / 300),
    "raw, overlapping": (Raw(n_fft=5, hop_length=2), 10),
    "correlation": (Correlation(reach=2), 200),
    "correlation, every sample": (Correlation(n_fft=7, hop_length=1), 1 / 300),
    "concatenated": (Concatenate([Spectrum(), Statistics(["RMS", "kurtosis"]), Envelope()], n_fft=300), 1000),
    "concatenated twice": (Concatenate((Concatenate((Raw(n_fft=8, hop_length=3), Statistics())), Spectrum())), 50.5),
}


def frames_of(feature, samples, sizes=()):
    """Run samples (n_channels, n_samples) through a framer, in blocks of these sizes and what is left."""
    framer = Framer(feature, len(samples))
    blocks = np.split(samples, np.minimum(np.cumsum(sizes), samples.shape[1]).astype(int), axis=1)
    return np.concatenate([*(framer.push(block) for block in blocks), framer.flush()])


@pytest.fixture(params=FRONT_ENDS)
def fitted(request):
    """Each front end, fitted; scaled where a pipeline would scale it."""
    unfitted, rate = FRONT_ENDS[request.param]
    feature = unfitted.unfitted().fit(rate)
    if feature.is_scaled:
        feature.learn_scale([feature.transform(SIGNAL)])
    return feature


# --- every front end ---------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.lists(st.integers(0, 2000), max_size=8))
def test_any_blocks_give_the_frames_of_the_file_bit_for_bit(fitted, sizes):
    whole = frames_of(fitted, SIGNAL)
    assert whole.shape == (fitted.n_frames(N_SAMPLES), fitted.n_bands_, 3)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(frames_of(fitted, SIGNAL, sizes), whole)


@settings(max_examples=15)
@given(st.floats(0, 1), st.integers(1, 4))
def test_frames_alone_are_those_among_others_bit_for_bit(fitted, where, n_frames):
    whole = frames_of(fitted, SIGNAL)
    first = round(where * (len(whole) - n_frames))
    padded = np.pad(SIGNAL, ((0, 0), (fitted.padding, fitted.padding)))
    start = first * fitted.hop_samples
    alone = fitted.transform(padded[:, start : start + (n_frames - 1) * fitted.hop_samples + fitted.frame_samples])
    np.testing.assert_array_equal(alone, whole[first : first + n_frames])


@pytest.mark.parametrize("name", [name for name in FRONT_ENDS if not name.startswith("correlation")])
def test_channels_are_looked_at_each_on_its_own(name):
    unfitted, rate = FRONT_ENDS[name]
    feature = unfitted.unfitted().fit(rate)
    together = feature.transform(SIGNAL)
    for channel in range(3):
        np.testing.assert_array_equal(feature.transform(SIGNAL[channel : channel + 1])[..., 0], together[..., channel])


@settings(max_examples=15)
@given(st.floats(0, 1), st.integers(1, 4))
def test_frames_hear_their_span_and_nothing_else(fitted, where, n_frames):
    first = round(where * (fitted.n_frames(N_SAMPLES) - n_frames))
    start, stop = fitted.span(first, n_frames)
    changed = np.full_like(SIGNAL, 5.0)
    changed[:, start:stop] = SIGNAL[:, start:stop]
    some = slice(first, first + n_frames)
    np.testing.assert_array_equal(frames_of(fitted, changed)[some], frames_of(fitted, SIGNAL)[some])
    middle = (start + min(stop, N_SAMPLES)) // 2
    changed[:, middle] += 100.0
    assert (frames_of(fitted, changed)[some] != frames_of(fitted, SIGNAL)[some]).any()


def test_whole_frames_span_whole_samples(fitted):
    for n_frames in (1, 2, 17):
        n_samples = fitted.n_samples(n_frames)
        if n_samples > 0:
            assert len(frames_of(fitted, np.zeros((1, n_samples), np.float32).repeat(3, axis=0))) == n_frames
            assert fitted.n_frames(n_samples - 1) == n_frames - 1
    assert fitted.transform(SIGNAL[:, : fitted.frame_samples - 1]).shape == (0, fitted.n_bands_, 3)
    assert fitted.transform(SIGNAL[:, :0]).shape == (0, fitted.n_bands_, 3)
    assert fitted.frame_shape(3) == (fitted.n_bands_, 3)


def test_copies_give_the_same_frames(fitted):
    frames = fitted.transform(SIGNAL)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(SIGNAL), frames)  # noqa: S301
    np.testing.assert_array_equal(copy.deepcopy(fitted).transform(SIGNAL), frames)
    packer = Packer()
    packed = json.loads(json.dumps(packer.pack("features", fitted)))
    types = {name: getattr(features, name) for name in features.__all__ if isinstance(getattr(features, name), type)}
    unpacked = Unpacker(packer.arrays, packer.blobs, types).unpack(packed, types)
    np.testing.assert_array_equal(unpacked.transform(SIGNAL), frames)
    again = unpacked.unfitted().fit(fitted.rate_)
    np.testing.assert_array_equal(again.transform(SIGNAL), fitted.unfitted().fit(fitted.rate_).transform(SIGNAL))


def test_fitting_leaves_parameters_alone_and_forgets_an_earlier_rate(fitted):
    before = repr(fitted.unfitted())
    with pytest.raises(NotFittedError):
        fitted.unfitted().transform(SIGNAL)
    fresh = fitted.unfitted().fit(fitted.rate_ * 1.25)
    again = fitted.fit(fitted.rate_ * 1.25)
    assert repr(again) == before
    assert again.rate_ == fresh.rate_
    np.testing.assert_array_equal(again.transform(SIGNAL), fresh.transform(SIGNAL))


def test_bands_have_edges_or_names(fitted):
    state = fitted.fitted_state
    if "band_names_" in state:
        assert len(state["band_names_"]) == len(set(state["band_names_"])) == fitted.n_bands_
        assert fitted.is_scaled
    else:
        edges, centres = state["band_edges_hz_"], state["band_hz_"]
        assert len(centres) == fitted.n_bands_
        assert (edges[:-1] <= centres).all()
        assert (centres <= edges[1:]).all()
        assert 0 <= edges[0] <= edges[-1] <= fitted.rate_ / 2
        assert not fitted.is_scaled


@pytest.mark.parametrize("value", [0.0, 9.81, -1e15, 1e15, 1e-40])
def test_constants_and_absurd_values_give_finite_frames(fitted, value):
    constant = np.full((3, N_SAMPLES), value, np.float32)
    assert np.isfinite(fitted.transform(constant)).all()
    constant[:, 1::2] *= -1
    constant[1, 1000] = 0
    assert np.isfinite(fitted.transform(constant)).all()


@pytest.mark.parametrize("kind", [Spectrum, Envelope, Statistics, Raw])
def test_chosen_channels_are_looked_at_alone(kind):
    feature = kind(channels=(2, 0)).fit(1000)
    np.testing.assert_array_equal(feature.transform(SIGNAL), kind().fit(1000).transform(SIGNAL[[2, 0]]))
    assert feature.signal_channel(0) == 2
    with pytest.raises(ShapeError, match="signal of 2 channel"):
        feature.transform(SIGNAL[:2])


WRONG = [
    *(
        (kind, params)
        for kind in (Spectrum, Envelope, Statistics, Raw)
        for params in (
            {"n_fft": 0}, {"n_fft": 10.5}, {"n_fft": True}, {"n_fft": 64, "hop_length": 65}, {"hop_length": 0},
            {"channels": ()}, {"channels": (0, 0)},
        )
    ),
    *((kind, {"eps": eps}) for kind in (Spectrum, Envelope, Statistics) for eps in (0.0, np.inf, np.nan)),
    *((kind, {"n_bands": n}) for kind in (Spectrum, Envelope) for n in (0, 2.5)),
    *((Spectrum, {"fmin": low, "fmax": high}) for low, high in [(-1, None), (None, 501), (200, 100), (3.95, 5.8)]),
    (Spectrum, {"n_fft": 3}), (Spectrum, {"spacing": "mel"}), (Spectrum, {"scaling": "spectrum"}),
    (Spectrum, {"window": "nope"}),
    *((Envelope, {"fmin": low, "fmax": high}) for low, high in [(0, None), (None, 500), (200, 100), (101.6, 103.4)]),
    (Envelope, {"envelope_fmax": 0}), (Envelope, {"envelope_fmax": 501}), (Envelope, {"envelope_fmax": 0.5}),
    (Statistics, {"n_fft": 1}), (Statistics, {"statistics": ()}), (Statistics, {"statistics": ("RMS", "RMS")}),
    (Statistics, {"statistics": ("RMS", "mode")}), (Statistics, {"statistics": "mode"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "params"), WRONG, ids=lambda value: getattr(value, "__name__", str(value)))
def test_parameters_that_make_no_sense_are_refused_in_two_sentences(kind, params):
    with pytest.raises(InputError, match=rf"^{kind.__name__} was given .*\. [A-Z].*\.$|^The window 'nope'"):
        kind(**params).fit(1000)


@pytest.mark.parametrize("kind", [Spectrum, Envelope, Statistics, Raw])
@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf])
def test_rates_that_make_no_sense_are_refused(kind, rate):
    with pytest.raises(InputError, match="above 0 is needed"):
        kind().fit(rate)


# --- Spectrum ----------------------------------------------------------------------------------------------------


def spectrum_by_welch(frame, feature):
    """Levels in dB (n_bands,) of one frame, from `scipy.signal.welch` in double precision, band by band."""
    hz, density = scipy.signal.welch(
        frame.astype(np.float64), feature.rate_, feature.window, len(frame), 0,
        detrend="constant" if feature.detrend else False,
    )  # fmt: skip
    levels = []
    for low, high in pairwise(feature.band_edges_hz_):
        inside = density[(low <= hz) & (hz <= high)]
        power = inside.mean() if feature.scaling == "density" else inside.sum() * feature.rate_ / len(frame)
        levels.append(10 * np.log10(power + feature.eps))
    return np.array(levels)


spectra = st.fixed_dictionaries(
    {
        "n_fft": st.sampled_from([16, 100, 255, 256, 1024]),
        "window": st.sampled_from(["hann", "hamming", "boxcar", "flattop"]),
        "n_bands": st.sampled_from([1, 7, 24, 128, 1000]),
        "spacing": st.sampled_from([None, "linear", "log"]),
        "fmin": st.sampled_from([None, 0.0, 0.1]),
        "fmax": st.sampled_from([None, 0.3]),
        "detrend": st.booleans(),
        "scaling": st.sampled_from(["density", "power"]),
    }
)


@settings(max_examples=150)
@given(spectra, st.sampled_from([1 / 300, 10, 1000, 25_600, 1_000_000]), st.integers(0, 2), st.floats(-6, 6))
def test_a_spectrum_is_welchs_power_spectral_density(params, rate, channel, magnitude):
    params = params | {name: params[name] and params[name] * rate for name in ("fmin", "fmax")}
    feature = Spectrum(**params, eps=1e-30).fit(rate)
    frame = (SIGNAL[channel, : feature.n_fft_] * 10**magnitude).astype(np.float32)
    levels, truth = feature.transform(frame[None])[0, :, 0], spectrum_by_welch(frame, feature)
    loud = truth > truth.max() - 140
    np.testing.assert_allclose(levels[loud], truth[loud], rtol=0, atol=1e-3)


@settings(max_examples=100)
@given(spectra, st.sampled_from([10, 25_600]))
def test_bands_hold_every_line_between_their_limits_once(params, rate):
    params = params | {name: params[name] and params[name] * rate for name in ("fmin", "fmax")}
    feature = Spectrum(**params).fit(rate)
    limits = feature.band_limits_
    lowest = params["fmin"] if params["fmin"] is not None else feature.detrend * rate / feature.n_fft
    highest = params["fmax"] or rate / 2
    inside = [k for k in range(feature.n_fft // 2 + 1) if lowest - 1e-9 <= k * rate / feature.n_fft <= highest + 1e-9]
    assert (limits[0], limits[-1]) == (inside[0], inside[-1] + 1)
    assert (np.diff(limits) >= 1).all()
    assert feature.n_bands_ <= params["n_bands"]
    widths = np.diff(limits[1:])
    if params["spacing"] == "linear":
        assert feature.n_bands_ == min(params["n_bands"], len(inside))
        assert (widths.max(initial=1) - widths.min(initial=99_999) <= 1) or len(widths) == 0
    if params["spacing"] == "log":
        assert (np.diff(widths) >= -1).all()


def test_logarithmic_bands_are_octaves_where_lines_are_close_enough():
    feature = Spectrum(n_fft=4096, n_bands=12, spacing="log").fit(8192)
    np.testing.assert_allclose(np.diff(np.log2(feature.band_limits_)), 11 / 12, rtol=0, atol=0.4)
    np.testing.assert_allclose(np.diff(np.log2(feature.band_limits_[5:])), 11 / 12, rtol=0, atol=0.02)


def test_the_power_of_all_bands_is_the_mean_square():
    feature = Spectrum(n_fft=500, n_bands=9, window="boxcar", detrend=False, scaling="power").fit(1000)
    total = (10 ** (feature.transform(SIGNAL) / 10)).sum(axis=1)
    frames = np.lib.stride_tricks.sliding_window_view(SIGNAL.astype(np.float64), 500, axis=1)[:, ::125]
    np.testing.assert_allclose(total, np.square(frames).mean(axis=2).T, rtol=1e-5)


@pytest.mark.parametrize("rate", [10, 200, 25_600, 1_000_000])
def test_a_tone_has_its_level_and_its_place_whatever_the_rate(rate):
    feature = Spectrum(scaling="power", n_bands=5, spacing="linear").fit(rate)
    tone_hz = feature.band_hz_[2] + 0.3 * rate / feature.n_fft_
    time = np.arange(feature.n_fft_) / rate
    samples = (1000 + 0.03 * np.sin(2 * np.pi * tone_hz * time)).astype(np.float32)
    levels = feature.transform(samples[None])[0, :, 0]
    assert levels.argmax() == 2
    np.testing.assert_allclose(levels[2], 20 * np.log10(0.03 / np.sqrt(2)), atol=0.03)


def test_an_offset_changes_nothing_unless_it_is_asked_for():
    swing = SIGNAL[1].astype(np.float64)
    offset = (np.round(swing * 4096) / 4096 + 1024)[None].astype(np.float32)  # exact in 32 bits
    without = (offset - 1024).astype(np.float32)
    feature = Spectrum(fmin=0.0).fit(1000)
    np.testing.assert_allclose(feature.transform(offset), feature.transform(without), rtol=0, atol=1e-3)
    kept = Spectrum(fmin=0.0, detrend=False).fit(1000)
    assert (kept.transform(offset) - kept.transform(without))[:, 0].min() > 50


@pytest.mark.parametrize(
    ("rate", "n_fft", "n_bands", "last_widths"),
    [(1 / 300, 16, 8, 1), (10, 32, 16, 1), (200, 128, 64, 1), (1000, 512, 128, 2), (4000, 1024, 128, 4)],
)
def test_low_rates_have_lines_or_equal_bands(rate, n_fft, n_bands, last_widths):
    feature = Spectrum().fit(rate)
    assert (feature.frame_samples, feature.hop_samples, feature.n_bands_) == (n_fft, n_fft // 4, n_bands)
    assert set(np.diff(feature.band_limits_)) == {last_widths}


@pytest.mark.parametrize(("rate", "n_fft"), [(8000, 1024), (25_600, 2048), (1_000_000, 16_384)])
def test_high_rates_have_bands_of_a_constant_part_of_an_octave(rate, n_fft):
    feature = Spectrum().fit(rate)
    assert (feature.frame_samples, feature.hop_samples) == (n_fft, n_fft // 4)
    assert 64 < feature.n_bands_ <= 128
    widths = np.diff(feature.band_limits_)
    assert widths[0] == 1
    relative = widths[-10:] / feature.band_limits_[-11:-1]
    assert relative.max() < 1.1 * relative.min()


# --- Envelope ----------------------------------------------------------------------------------------------------


def envelope_by_hilbert(frame, feature):
    """Levels in dB (n_bands,) of one frame: band-pass, `scipy.signal.hilbert`, periodogram; line by line."""
    spectrum = np.fft.rfft(frame.astype(np.float64))
    passed = np.zeros_like(spectrum)
    for i, gain in enumerate(feature.pass_gain_):
        passed[feature.pass_line_ + i] = gain * spectrum[feature.pass_line_ + i]
    envelope = np.abs(scipy.signal.hilbert(np.fft.irfft(passed, len(frame))))
    hz, density = scipy.signal.periodogram(envelope, feature.rate_, "hann", detrend="constant")
    edges = pairwise(feature.band_edges_hz_)
    power = np.array([density[(low <= hz) & (hz <= high)].sum() * feature.rate_ / len(frame) for low, high in edges])
    return 10 * np.log10(power + feature.eps)


@settings(max_examples=60)
@given(
    st.sampled_from([64, 333, 1024]),
    st.sampled_from([(None, None), (0.05, 0.2), (0.3, 0.49)]),
    st.sampled_from([None, 0.1, 0.5]),
    st.sampled_from([1, 10, 128]),
    st.sampled_from([1 / 300, 10, 25_600]),
    st.integers(0, 2),
)
def test_an_envelope_is_hilberts(n_fft, band, highest, n_bands, rate, channel):
    fmin, fmax = (each and each * rate for each in band)
    feature = Envelope(fmin, fmax, highest and highest * rate, n_fft, n_bands=n_bands).fit(rate)
    frame = SIGNAL[channel, :n_fft]
    levels, truth = feature.transform(frame[None])[0, :, 0], envelope_by_hilbert(frame, feature)
    loud = truth > truth.max() - 120
    np.testing.assert_allclose(levels[loud], truth[loud], rtol=0, atol=1e-3)


def test_the_band_pass_lets_its_band_through_and_nothing_else():
    feature = Envelope(2000, 4000, n_fft=4096).fit(16_000)
    line_hz = 16_000 / 4096
    hz = (feature.pass_line_ + np.arange(len(feature.pass_gain_))) * line_hz
    assert 2000 <= hz[0] < 2000 + line_hz
    assert 4000 - line_hz < hz[-1] <= 4000
    np.testing.assert_allclose(feature.pass_gain_, feature.pass_gain_[::-1])
    assert (feature.pass_gain_ > 0).all()
    assert (feature.pass_gain_[(hz > 2250) & (hz < 3750)] == 1).all()


def modulated(depth, rate=25_600):
    time = np.arange(rate) / rate
    carrier = (1 + depth * np.cos(2 * np.pi * 97 * time)) * np.sin(2 * np.pi * 6000 * time)
    rumble = 20 * np.sin(2 * np.pi * 31.4 * time)
    return (carrier + rumble)[None].astype(np.float32)


def test_a_modulated_carrier_peaks_at_its_modulation_whatever_rumbles_below():
    feature = Envelope().fit(25_600)
    frames = {depth: feature.transform(modulated(depth))[:, :, 0] for depth in (0.1, 0.2)}
    for levels in frames[0.2]:
        peak = levels.argmax()
        assert feature.band_edges_hz_[peak] <= 97 <= feature.band_edges_hz_[peak + 1]
    gain = (frames[0.2] - frames[0.1])[:, peak]
    np.testing.assert_allclose(gain, 20 * np.log10(2), atol=0.1)
    np.testing.assert_allclose(frames[0.2][:, peak], 20 * np.log10(0.2 / np.sqrt(2)), atol=2)  # part lies beside


def test_a_damaged_bearing_shows_in_the_envelope_and_not_in_the_spectrum():
    rate, knocks_hz, n = 25_600, 87.0, 4 * 25_600
    rng = np.random.default_rng(1)
    starts = (np.arange(0, n / rate, 1 / knocks_hz) * rate + rng.normal(0, 3, int(knocks_hz * n / rate))).astype(int)
    ringing = np.exp(-np.arange(200) / 30) * np.sin(2 * np.pi * 4500 / rate * np.arange(200))
    knocks = np.zeros(n + 400)
    for start in starts:
        knocks[start + 100 : start + 300] += ringing
    shaft = np.sin(2 * np.pi * 29.5 * np.arange(n) / rate) + 0.5 * np.sin(2 * np.pi * 59 * np.arange(n) / rate)
    healthy = shaft + rng.normal(0, 0.15, n)
    both = np.stack([healthy, healthy + 0.5 * knocks[100 : 100 + n]]).astype(np.float32)

    def rise(feature, hz):
        """By how many dB the band of a frequency lies higher with the knocks."""
        levels = feature.transform(both).mean(axis=0)
        band = np.searchsorted(feature.band_edges_hz_, hz) - 1
        return float(levels[band, 1] - levels[band, 0])

    envelope = Envelope().fit(rate)
    assert min(rise(envelope, harmonic * knocks_hz) for harmonic in (1, 2, 3)) > 10
    assert rise(envelope, 1.5 * knocks_hz) < 6
    assert abs(rise(Spectrum(n_fft=16_384).fit(rate), knocks_hz)) < 3


@pytest.mark.parametrize(("rate", "n_fft"), [(10, 64), (1000, 512), (25_600, 16_384), (1_000_000, 524_288)])
def test_envelopes_resolve_shafts_at_every_rate(rate, n_fft):
    feature = Envelope().fit(rate)
    assert (feature.frame_samples, feature.hop_samples) == (n_fft, n_fft // 4)
    assert feature.band_edges_hz_[-1] <= 501
    assert rate / n_fft < 3
    assert np.isfinite(feature.transform(RNG.normal(0, 1, (1, n_fft)).astype(np.float32))).all()


# --- Statistics --------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.integers(2, 300), st.integers(0, 2), st.sampled_from([1 / 300, 200, 1_000_000]), st.floats(-3, 3))
def test_statistics_are_scipys(n_fft, channel, rate, magnitude):
    frame = (SIGNAL[channel, :n_fft] * 10**magnitude).astype(np.float32)
    swing = frame.astype(np.float64) - frame.astype(np.float64).mean()
    rms = np.sqrt(np.mean(swing**2))
    truth = {
        "mean": frame.mean(dtype=np.float64),
        "RMS": 20 * np.log10(rms),
        "crest factor": np.abs(swing).max() / rms,
        "kurtosis": scipy.stats.kurtosis(frame.astype(np.float64), fisher=False),
        "skewness": scipy.stats.skew(frame.astype(np.float64)),
        "peak-to-peak": 20 * np.log10(frame.max() - frame.min()),
        "zero crossings": sum(a * b < 0 for a, b in pairwise(swing)) / (n_fft - 1) * rate,
    }
    feature = Statistics(tuple(reversed(truth)), n_fft=n_fft, eps=1e-30).fit(rate)
    found = dict(zip(feature.band_names_, feature.transform(frame[None])[0, :, 0].tolist(), strict=True))
    assert found.keys() == truth.keys()
    for name, value in truth.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_constant_has_levels_at_the_floor_and_no_shape():
    frames = Statistics().fit(200).transform(np.full((1, 128), 9.81, np.float32))[0, :, 0]
    np.testing.assert_allclose(frames, [-200, 0, 0, 0, -200, 0], rtol=1e-6)


def test_a_tone_crosses_zero_twice_a_period():
    tone = np.sin(2 * np.pi * 50 * np.arange(2000) / 1000 + 1)[None].astype(np.float32)
    crossings = Statistics("zero crossings", n_fft=1000).fit(1000).transform(tone)
    np.testing.assert_allclose(crossings, 100, atol=0.2)


def test_the_scale_makes_statistics_comparable():
    feature = Statistics().fit(1000)
    noise = RNG.normal(0, [[1.0], [1e-3]], (2, 100_000)).astype(np.float32)
    feature.learn_scale([feature.transform(noise)])
    frames = feature.transform(noise)
    np.testing.assert_allclose(np.median(frames, axis=0), 0, atol=0.01)
    np.testing.assert_allclose(frames.std(axis=0), 1, atol=0.3)
    knocking = noise.copy()
    knocking[:, ::300] *= 8
    crest = feature.band_names_.index("crest factor")
    assert feature.transform(knocking)[:, crest].mean() > 3


# --- Raw and Concatenate -----------------------------------------------------------------------------------------


def test_raw_frames_are_the_samples():
    np.testing.assert_array_equal(Raw().fit(1).transform(SIGNAL)[:, 0], SIGNAL.T)
    feature = Raw(n_fft=3, hop_length=2).fit(1)
    np.testing.assert_array_equal(feature.transform(SIGNAL[:, :6])[:, :, 1], [SIGNAL[1, :3], SIGNAL[1, 2:5]])
    assert feature.band_names_ == ("value 1", "value 2", "value 3")


def test_raw_frames_are_no_view_of_the_signal():
    samples = SIGNAL.copy()
    frames = Raw().fit(1).transform(samples)
    samples[:] = 0
    np.testing.assert_array_equal(frames[:, 0], SIGNAL.T)


def test_a_slow_series_has_windows_of_samples_not_of_seconds():
    slow = np.random.default_rng(0).normal(size=(8, 300))
    with gather([Clip(series, 1 / 300, unit="C") for series in slow], None, None, None, None) as gathered:
        assert isinstance(gathered.feature, Raw)
        assert gathered.grid.n_frames == 60


def test_concatenated_bands_are_those_of_the_parts():
    parts = [Spectrum(n_fft=200, hop_length=50), Statistics(("kurtosis", "RMS"), n_fft=200, hop_length=50)]
    whole = Concatenate(parts).fit(1000)
    apart = [part.unfitted().fit(1000).transform(SIGNAL) for part in parts]
    np.testing.assert_array_equal(whole.transform(SIGNAL), np.concatenate(apart, axis=1))
    assert whole.band_names_[-2:] == ("kurtosis", "RMS")
    assert whole.band_names_[9] == "47.5-52.5 Hz"
    assert not any(part.fitted_state for part in parts)


@pytest.mark.parametrize(
    ("parts", "params", "lengths"),
    [
        ((Spectrum(), Statistics()), {}, (512, 128)),
        ((Statistics(), Envelope()), {"n_fft": 300}, (300, 75)),
        ((Spectrum(), Envelope(n_fft=2000)), {}, (2000, 500)),
        ((Statistics(hop_length=10), LogMel(n_fft=64, hop_length=10, n_mels=4)), {}, (64, 10)),
        ((Concatenate((Spectrum(), Envelope())), Statistics(n_fft=128)), {}, (128, 32)),
    ],
)
def test_parts_take_the_lengths_that_others_were_given(parts, params, lengths):
    feature = Concatenate(parts, **params).fit(1000)
    assert (feature.frame_samples, feature.hop_samples) == lengths
    assert {(part.frame_samples, part.hop_samples) for part in feature.parts_} == {lengths}
    assert len(feature.transform(SIGNAL)) == feature.n_frames(N_SAMPLES)


def test_bands_of_an_envelope_are_named_so():
    feature = Concatenate((Spectrum(), Envelope()), n_fft=1000).fit(1000)
    assert feature.band_names_[-1].startswith("envelope ")
    assert feature.band_names_[-1].endswith(" Hz")


def test_samples_stand_beside_a_spectrum_of_the_same_frames():
    feature = Concatenate((Spectrum(n_fft=64), Raw())).fit(1000)
    bands = feature.transform(SIGNAL)
    np.testing.assert_array_equal(bands[0, -64:], SIGNAL[:, :64].T)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (Concatenate(()), "sequence of front ends"),
        (Concatenate(Spectrum()), "sequence of front ends"),
        (Concatenate((Spectrum(), "RMS")), "sequence of front ends"),
        (Concatenate((Spectrum(n_fft=64), Statistics(n_fft=128))), "n_fft=64, 128"),
        (Concatenate((Spectrum(), Raw(n_fft=64, hop_length=1)), hop_length=32), "hop_length=1, 32"),
        (Concatenate((Spectrum(), Statistics(channels=(0,)))), "for Concatenate only"),
        (Concatenate((Spectrum(), Statistics()), channels=(0, 0)), "for Concatenate only"),
        (Concatenate((LogMel(center=True), Statistics())), "center=True"),
        (Concatenate((Statistics(), Raw(n_fft=1))), "n_fft=1: a whole number from 2"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(feature, message):
    with pytest.raises(InputError, match=message):
        feature.fit(16_000)


def test_concatenated_channels_are_chosen_once():
    feature = Concatenate((Spectrum(), Statistics()), channels=(1,)).fit(1000)
    assert feature.frame_shape(3) == (feature.n_bands_, 1)
    alone = Concatenate((Spectrum(), Statistics())).fit(1000).transform(SIGNAL[1:2])
    np.testing.assert_array_equal(feature.transform(SIGNAL), alone)


def test_all_front_ends_are_tried_here():
    kinds = {type(feature) for feature, _ in FRONT_ENDS.values()}
    public = {getattr(features, name) for name in features.__all__ if isinstance(getattr(features, name), type)}
    assert {kind.__name__ for kind in public if issubclass(kind, Feature)} - {kind.__name__ for kind in kinds} == {
        "Embedding",  # needs an encoder: tests/test_features.py
        "Feature",
    }

"""What every front end promises; and the log-mel front end: librosa's numbers, and each frame on its own."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from offkey import Clip, read
from offkey.errors import InputError, NotFittedError, ShapeError
from offkey.features import Framer, LogMel, frames_of
from offkey.features.logmel import hz_to_mel, mel_filter_bank, mel_to_hz

librosa = pytest.importorskip("librosa")

RATE = 16_000
TIME = np.arange(RATE) / RATE
RNG = np.random.default_rng(0)
SIGNALS = {
    "noise": RNG.normal(0, 0.1, RATE),
    "quiet noise": RNG.normal(0, 1e-5, RATE),
    "tone": np.sin(2 * np.pi * 1000 * TIME),
    "tone off the grid": 0.3 * np.sin(2 * np.pi * 1234.5 * TIME),
    "direct current": np.full(RATE, 0.5),
    "silence": np.zeros(RATE),
    "click": np.eye(1, RATE, RATE // 2)[0],
    "full scale": np.sign(np.sin(2 * np.pi * 100 * TIME)),
}

parameters = st.fixed_dictionaries(
    {
        "n_fft": st.sampled_from([256, 512, 1000, 1024, 2048]),
        "hop_length": st.sampled_from([64, 100, 256]),
        "n_mels": st.sampled_from([1, 20, 64, 128]),
        "fmin": st.sampled_from([0.0, 50.0, 300.0]),
        "fmax": st.sampled_from([None, 4000.0, 7999.0]),
        "power": st.sampled_from([1.0, 2.0, 1.5]),
        "htk": st.booleans(),
        "norm": st.sampled_from(["slaney", None]),
        "window": st.sampled_from(["hann", "hamming", "boxcar"]),
        "center": st.booleans(),
        "floor": st.sampled_from(["max", "add"]),
    }
)


def librosa_log_mel(signal, feature):
    """Log-mel by librosa, shape (n_frames, n_mels)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # empty filters, short signals
        mel = librosa.feature.melspectrogram(
            y=signal, sr=RATE, n_fft=feature.n_fft, hop_length=feature.hop_length, win_length=feature.win_length,
            window=feature.window, center=feature.center, pad_mode="constant", power=feature.power,
            n_mels=feature.n_mels, fmin=feature.fmin, fmax=feature.fmax, htk=feature.htk, norm=feature.norm,
        )  # fmt: skip
    floored = mel + feature.eps if feature.floor == "add" else np.maximum(mel, feature.eps)
    return (20 / feature.power * np.log10(floored)).T


def assert_equals_librosa(signal, feature):
    """As the design says: 1e-3 dB within 80 dB of the frame's loudest band; elsewhere as near the truth as librosa."""
    signal = np.asarray(signal, np.float32)
    ours = frames_of(feature, Clip(signal, RATE))[:, :, 0]
    theirs = librosa_log_mel(signal, feature)
    padded = np.pad(signal, feature.padding)
    truth = oracles.log_mel(padded, feature)
    assert ours.shape == theirs.shape == truth.shape
    loud = truth > truth.max(axis=1, keepdims=True) - 80
    np.testing.assert_allclose(ours[loud], theirs[loud], rtol=0, atol=1e-3)
    assert (np.abs(ours - truth) <= np.abs(theirs - truth) + 1e-3).all()


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("name", SIGNALS)
def test_log_mel_equals_librosa(name, center):
    assert_equals_librosa(SIGNALS[name], LogMel(center=center).fit(RATE))


@settings(max_examples=60)
@given(parameters, st.sampled_from(sorted(SIGNALS)), st.integers(3000, RATE))
def test_log_mel_equals_librosa_for_any_parameters(params, name, length):
    assert_equals_librosa(SIGNALS[name][:length], LogMel(**params).fit(RATE))


@pytest.mark.real_data
def test_log_mel_equals_librosa_on_real_clips(fan_files, esc10):
    for path in [*fan_files[:5], *sorted(esc10.glob("00*/1-*.ogg"))[::8]]:
        assert_equals_librosa(read(path, rate=RATE).samples[0], LogMel(center=True).fit(RATE))


@pytest.mark.parametrize("htk", [True, False])
@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels", "fmin", "fmax"), [(16000, 1024, 128, 0, 8000), (44100, 2048, 64, 50, 12000)]
)
def test_the_filter_bank_is_librosas_to_the_bit(rate, n_fft, n_mels, fmin, fmax, htk, norm):
    ours = mel_filter_bank(rate, n_fft, n_mels, fmin, fmax, htk=htk, norm=norm)
    theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, htk=htk, norm=norm)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("htk", [True, False])
def test_mel_and_hertz_are_inverse(htk):
    hz = np.array([0.0, 100, 999, 1000, 1001, 8000])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz, htk), htk), hz, atol=1e-9)
    np.testing.assert_allclose(hz_to_mel(hz, htk), librosa.hz_to_mel(hz, htk=htk))


@settings(max_examples=40)
@given(parameters, st.lists(st.integers(0, 4000), max_size=10))
def test_frames_are_the_same_for_any_blocks_and_alone(params, sizes):
    feature = LogMel(**params).fit(RATE)
    signal = np.stack([SIGNALS["noise"], SIGNALS["tone"]])[:, :12_000].astype(np.float32)
    whole = frames_of(feature, Clip(signal, RATE))
    framer = Framer(feature, 2)
    cuts = np.minimum(np.cumsum(sizes), signal.shape[1]) if sizes else []
    pieces = [framer.push(block) for block in np.split(signal, cuts, axis=1)] + [framer.flush()]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    padded = np.pad(signal, ((0, 0), (feature.padding, feature.padding)))
    n = len(whole) // 2
    alone = feature.transform(padded[:, n * feature.hop_length : n * feature.hop_length + feature.n_fft])
    np.testing.assert_array_equal(alone[0], whole[n])
    assert len(whole) == feature.n_frames(signal.shape[1])


def test_adding_eps_is_exact_where_it_matters():
    noise = (SIGNALS["noise"] * np.geomspace(1e-9, 1e-3, RATE)).astype(np.float32)
    frames = {}
    for floor in ("max", "add"):
        feature = LogMel(floor=floor).fit(RATE)
        frames[floor] = feature.transform(noise[None])[:, :, 0]
        np.testing.assert_allclose(frames[floor], oracles.log_mel(noise, feature), rtol=0, atol=1e-4)
    assert np.abs(frames["max"] - frames["add"]).max() > 2.5  # where a mel value is as small as eps
    np.testing.assert_allclose(frames["max"][-1], frames["add"][-1], rtol=0, atol=1e-4)
    silence = LogMel(floor="add").fit(RATE).transform(np.zeros((1, 2000), np.float32))
    np.testing.assert_allclose(silence, 10 * np.log10(np.finfo(np.float64).eps), rtol=1e-6)


def test_chosen_channels_are_heard_alone():
    both = np.stack([SIGNALS["noise"], SIGNALS["tone"]]).astype(np.float32)
    feature = LogMel(channels=(1,)).fit(RATE)
    np.testing.assert_array_equal(feature.transform(both), LogMel().fit(RATE).transform(both[1:]))
    assert feature.frame_shape(2) == (128, 1)
    assert LogMel(channels=[1, 0]).fit(RATE).frame_shape(3) == (128, 2)
    assert LogMel(n_mels=20).fit(RATE).frame_shape(3) == (20, 3)
    with pytest.raises(ShapeError, match="signal of 1 channel"):
        feature.transform(both[:1])


def test_channels_are_independent():
    feature = LogMel().fit(RATE)
    both = feature.transform(np.stack([SIGNALS["noise"], SIGNALS["tone"]]).astype(np.float32))
    alone = feature.transform(SIGNALS["tone"][None].astype(np.float32))
    np.testing.assert_array_equal(both[:, :, 1:], alone)


def test_top_db_lifts_what_is_far_below_the_frames_loudest():
    frames = LogMel(top_db=30).fit(RATE).transform(SIGNALS["tone"][None].astype(np.float32))
    np.testing.assert_allclose(frames.max(axis=1) - frames.min(axis=1), 30, atol=1e-4)


@pytest.fixture(params=["log-mel", "centred log-mel", pytest.param("embedding", marks=pytest.mark.slow)])
def front_end(request):
    """Each front end, not fitted, and the rate it works at."""
    if request.param == "embedding":
        return request.getfixturevalue("embedding"), 8000
    return LogMel(center=request.param.startswith("centred")), RATE


@settings(max_examples=20)
@given(st.lists(st.integers(0, 6000), max_size=8))
def test_every_front_end_gives_the_same_frames_for_any_blocks_alone_and_beside_other_channels(front_end, sizes):
    unfitted, rate = front_end
    feature = unfitted.unfitted().fit(rate)
    signal = np.stack([SIGNALS["noise"], SIGNALS["tone"]]).astype(np.float32)
    whole = frames_of(feature, Clip(signal, rate))
    assert whole.shape == (feature.n_frames(signal.shape[1]), feature.n_bands_, 2)
    assert whole.dtype == np.float32
    framer = Framer(feature, 2)
    cuts = np.minimum(np.cumsum(sizes), signal.shape[1]) if sizes else []
    pieces = [framer.push(block) for block in np.split(signal, cuts, axis=1)] + [framer.flush()]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    padded = np.pad(signal, ((0, 0), (feature.padding, feature.padding)))
    n = len(whole) // 2
    alone = feature.transform(padded[1:, n * feature.hop_length : n * feature.hop_length + feature.n_fft])
    np.testing.assert_array_equal(alone[0], whole[n, :, 1:])


def test_every_front_end_is_fitted_to_a_rate_and_travels(front_end):
    unfitted, rate = front_end
    with pytest.raises(NotFittedError):
        unfitted.unfitted().transform(np.zeros((1, 20_000), np.float32))
    feature = unfitted.unfitted().fit(rate)
    assert feature.rate_ == rate
    samples = SIGNALS["noise"][None].astype(np.float32)
    frames = feature.transform(samples)
    assert feature.transform(np.zeros((3, feature.n_fft - 1), np.float32)).shape == (0, feature.n_bands_, 3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(feature)).transform(samples), frames)  # noqa: S301
    np.testing.assert_array_equal(copy.deepcopy(feature).transform(samples), frames)
    np.testing.assert_array_equal(feature.unfitted().fit(rate).transform(samples), frames)
    for absurd in (np.zeros(RATE), np.full(RATE, 1e9), np.full(RATE, 1e-40)):
        assert np.isfinite(feature.transform(absurd[None].astype(np.float32))).all()


def test_eps_can_be_added_as_in_the_baseline_of_2020():
    feature = LogMel(floor="add", eps=0.1, power=1.0).fit(RATE)
    for name in ("noise", "tone", "silence"):
        samples = SIGNALS[name].astype(np.float32)
        np.testing.assert_allclose(
            feature.transform(samples[None])[:, :, 0], oracles.log_mel(samples, feature), rtol=0, atol=1e-4
        )


def test_triangles_over_mel_have_straight_sides_there():
    bank = mel_filter_bank(RATE, 512, 64, 125.0, 7500.0, htk=True, norm=None, triangles="mel")
    np.testing.assert_allclose(bank, oracles.triangles_over_mel(RATE, 512, 64, 125.0, 7500.0), rtol=0, atol=1e-6)
    over_hz = mel_filter_bank(RATE, 512, 64, 125.0, 7500.0, htk=True, norm=None)
    assert np.abs(bank - over_hz).max() > 1e-3


def test_too_short_signals_give_no_frame():
    feature = LogMel().fit(RATE)
    assert feature.transform(np.zeros((1, 1023), np.float32)).shape == (0, 128, 1)
    assert feature.transform(np.zeros((1, 0), np.float32)).shape == (0, 128, 1)
    assert feature.n_frames(1023) == 0
    assert feature.n_frames(1024) == 1


def test_samples_and_frames_of_windows_fit_together():
    for feature in (LogMel(), LogMel(center=True)):
        for n_frames in (1, 7, 311):
            assert feature.n_frames(feature.n_samples(n_frames)) == n_frames or feature.n_samples(n_frames) <= 0
    assert LogMel().span(2, 3) == (1024, 1024 + 2 * 512 + 1024)
    assert LogMel(center=True).span(0, 1) == (0, 512)


@pytest.mark.parametrize(
    "params",
    [
        {"n_fft": 1}, {"hop_length": 0}, {"hop_length": 2000}, {"win_length": 2000}, {"n_mels": 0}, {"fmin": -1.0},
        {"fmax": 9000.0}, {"fmin": 5000.0, "fmax": 4000.0}, {"power": 0.0}, {"eps": 0.0}, {"norm": "l2"},
        {"top_db": -3.0}, {"window": "nope"}, {"floor": "min"}, {"channels": ()}, {"channels": (0, 0)},
        {"channels": (-1,)}, {"channels": (0.5,)}, {"triangles": "bark"},
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(params):
    with pytest.raises(InputError):
        LogMel(**params).fit(RATE)


def test_using_it_wrongly_says_how_to_use_it():
    with pytest.raises(NotFittedError):
        LogMel().transform(np.zeros((1, 2000), np.float32))
    with pytest.raises(ShapeError, match="rate=16000"):
        frames_of(LogMel().fit(RATE), Clip(np.zeros(9000), 8000))


def test_empty_bands_are_reported(caplog):
    LogMel(n_mels=128, n_fft=256, hop_length=128).fit(RATE)
    assert "stay empty" in caplog.text

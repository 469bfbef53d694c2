"""Clips, and reading and writing them."""

import os

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from offkey import Clip, blocks, read, write
from offkey.errors import InputError, ReadError, ShapeError
from offkey.signals import Resampler, SoundFile, find

RNG = np.random.default_rng(0)
STEREO = (RNG.normal(0, 0.1, (2, 30_000))).clip(-1, 1).astype(np.float32)

FORMATS = [
    *(
        ("WAV", "wav", subtype)
        for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW")
    ),
    *(("FLAC", "flac", subtype) for subtype in ("PCM_16", "PCM_24")),
    ("OGG", "ogg", "VORBIS"),
    ("MP3", "mp3", "MPEG_LAYER_III"),
    ("AIFF", "aiff", "PCM_16"),
    ("RF64", "rf64", "PCM_16"),
    ("W64", "w64", "FLOAT"),
]


@pytest.mark.parametrize(("kind", "ending", "subtype"), FORMATS)
def test_read_gives_what_libsndfile_gives(kind, ending, subtype, tmp_path):
    path = tmp_path / f"sound.{ending}"
    soundfile.write(path, STEREO.T, 44100, format=kind, subtype=subtype)
    clip = read(path)
    with soundfile.SoundFile(path) as file:
        pieces = list(file.blocks(32_768, dtype="float32", always_2d=True))
    np.testing.assert_array_equal(clip.samples, np.concatenate(pieces).T)
    assert (clip.rate, clip.n_channels, clip.n_samples) == (44100, 2, 30_000)


@pytest.mark.parametrize("ending", ["wav", "mp3", "ogg"])
@pytest.mark.parametrize("rate", [None, 8000])
@pytest.mark.parametrize("size", [1_000, 4_096, 29_999, 100_000])
def test_blocks_are_the_file_cut_up_whatever_their_size(ending, rate, size, tmp_path):
    path = tmp_path / f"sound.{ending}"
    soundfile.write(path, STEREO.T, 16000)
    whole = read(path, rate=rate)
    pieces = list(blocks(path, size, rate=rate))
    np.testing.assert_array_equal(np.concatenate([piece.samples for piece in pieces], axis=1), whole.samples)
    assert {piece.n_samples for piece in pieces[:-1]} <= {size}
    assert whole.rate == (rate or 16000)


@given(st.lists(st.integers(0, 5000), max_size=8), st.sampled_from([(44100, 16000), (16000, 44100), (8000, 7999)]))
def test_resampling_does_not_depend_on_the_blocks(sizes, rates):
    def resampled(cuts):
        resampler = Resampler(*rates, 2)
        pieces = [each for piece in np.split(STEREO[:, :20_000], cuts, axis=1) for each in resampler.feed(piece)]
        return np.concatenate([*pieces, resampler.finish()], axis=1)

    cuts = np.minimum(np.cumsum(sizes), 20_000) if sizes else []
    np.testing.assert_array_equal(resampled(cuts), resampled([]))


def test_resampling_keeps_a_tone():
    time = np.arange(44100) / 44100
    tone = np.sin(2 * np.pi * 1000 * time).astype(np.float32)
    resampler = Resampler(44100, 16000, 1)
    out = np.concatenate([*resampler.feed(tone[None]), resampler.finish()], axis=1)[0]
    expected = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    assert len(out) == 16000
    np.testing.assert_allclose(out[500:-500], expected[500:-500], atol=1e-3)


def test_a_clip_checks_what_it_is_given():
    clip = Clip(np.arange(4, dtype=np.int16), 8000)
    assert clip.samples.dtype == np.float32
    assert clip.samples.shape == (1, 4)
    assert clip.channels == ("0",)
    for samples in ([np.nan, 0], [np.inf], [1e20]):
        with pytest.raises(InputError, match="holds"):
            Clip(np.array(samples), 8000)
    for rate in (0, -1, np.inf, np.nan, True):
        with pytest.raises(InputError, match="rate"):
            Clip(np.zeros(3), rate)
    with pytest.raises(ShapeError):
        Clip(np.zeros((1, 2, 3)), 8000)
    with pytest.raises(ShapeError, match="names"):
        Clip(np.zeros((2, 3)), 8000, channels=["left"])
    with pytest.raises(InputError, match="real numbers"):
        Clip(np.zeros(3, complex), 8000)


def test_write_and_read_are_inverse(tmp_path):
    clip = Clip(STEREO, 22050)
    path = tmp_path / "größe \N{SNOWMAN}.wav"
    write(clip, path, subtype="FLOAT")
    np.testing.assert_array_equal(read(path).samples, clip.samples)
    with pytest.raises(InputError, match="cannot be written"):
        write(clip, tmp_path / "sound.xyz")
    with pytest.raises(InputError, match="cannot be written"):
        write(clip, tmp_path / "nowhere" / "sound.wav")


def test_find_searches_folders_in_natural_order_and_keeps_what_is_named(tmp_path):
    for name in ("pump10.wav", "pump2.wav", "a/pump1.FLAC", ".hidden/x.wav", "notes.txt", "._mac.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = [str(path.relative_to(tmp_path)) for path in find(tmp_path)]
    assert found == [os.path.join("a", "pump1.FLAC"), "pump2.wav", "pump10.wav"]
    assert find([tmp_path / "notes.txt"]) == [tmp_path / "notes.txt"]
    assert find([tmp_path, tmp_path / "pump2.wav", tmp_path / "pump2.wav"]) == find(tmp_path)
    (tmp_path / "empty").mkdir()
    assert find(tmp_path / "empty") == [tmp_path / "empty"]


def reason_for(path):
    with pytest.raises(ReadError) as caught:
        read(path)
    assert caught.value.source == str(path)
    return caught.value.reason


def test_what_cannot_be_read_says_why(tmp_path):
    text = tmp_path / "text.wav"
    text.write_text("this is no sound", encoding="utf-8")
    empty = tmp_path / "empty.wav"
    empty.touch()
    no_samples = tmp_path / "none.wav"
    soundfile.write(no_samples, np.zeros(0), 16000)
    link = tmp_path / "link.wav"
    link.symlink_to(tmp_path / "gone.wav")
    not_finite = tmp_path / "nan.wav"
    soundfile.write(not_finite, np.array([0, np.nan, 0]), 16000, subtype="FLOAT")
    assert "not a readable sound file" in reason_for(text)
    assert "0 bytes" in reason_for(empty)
    assert "no samples" in reason_for(no_samples)
    assert "broken link" in reason_for(link)
    assert "folder" in reason_for(tmp_path)
    assert "does not exist" in reason_for(tmp_path / "gone.wav")
    assert "NaN" in reason_for(not_finite)


@pytest.mark.parametrize("ending", ["wav", "aiff", "flac", "mp3", "ogg"])
def test_a_truncated_file_is_refused(ending, tmp_path):
    path = tmp_path / f"cut.{ending}"
    soundfile.write(path, STEREO.T, 16000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert any(word in reason_for(path) for word in ("truncated", "breaks off", "cut off"))


def test_a_streamed_wav_without_length_is_read_to_its_end(tmp_path):
    path = tmp_path / "piped.wav"
    soundfile.write(path, STEREO.T, 16000)
    content = bytearray(path.read_bytes())
    at = content.find(b"data") + 4
    content[4:8] = content[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert read(path).n_samples == 30_000


def test_a_sound_file_is_closed_when_its_header_is_refused(tmp_path):
    path = tmp_path / "none.wav"
    soundfile.write(path, np.zeros(0), 16000)
    with pytest.raises(ReadError):
        SoundFile(path)

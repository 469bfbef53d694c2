"""Embeddings of frozen encoders: checked, exact, and whole in the bundle; YAMNet from its weights."""

import hashlib
import json
import sys
import zipfile

import numpy as np
import pytest

import offkey
import oracles
from offkey import Pipeline
from offkey.decisions import Conformal
from offkey.encoders import Encoder
from offkey.errors import InputError, MissingExtraError
from offkey.features import Embedding, LogMel
from offkey.networks import load_yamnet, save_yamnet, yamnet_embedding, yamnet_front_end
from offkey.networks.yamnet import yamnet
from offkey.plots import plot_log_mel

PATCH = (10, 16)
NOISE = np.random.default_rng(3).normal(size=PATCH).astype(np.float32)
SAMPLES = np.random.default_rng(4).normal(0, 0.1, (1, 8000)).astype(np.float32)


@pytest.fixture
def waveform(tmp_path):
    """Make an encoder of samples (n, 100) from layers, as a Keras file."""
    keras = pytest.importorskip("keras")

    def make(*layers, n_samples=100):
        path = tmp_path / "waveform.keras"
        keras.Sequential([keras.Input((n_samples,)), *layers]).save(path)
        return path

    return make


@pytest.mark.slow
def test_patches_are_scaled_frames_of_the_front_end(embedding, encoder_files):
    import keras

    feature = embedding.unfitted().fit(8000)
    model = keras.models.load_model(encoder_files["keras"])
    decibels = LogMel(n_fft=256, hop_length=128, n_mels=16).fit(8000).transform(SAMPLES)[:, :, 0]
    starts = range(0, len(decibels) - 9, 5)
    expected = model(np.stack([0.02 * decibels[start : start + 10] + 1 for start in starts]))
    found = feature.transform(SAMPLES)
    assert feature.n_bands_ == 6
    np.testing.assert_allclose(found[:, :, 0], np.asarray(expected)[: len(found)], rtol=0, atol=1e-6)
    assert len(found) == 1 + (8000 - feature.n_fft) // 640


@pytest.mark.slow
def test_a_keras_encoder_becomes_litert_and_gives_the_same(embedding, encoder_files):
    from_keras = embedding.unfitted().set_params(encoder=encoder_files["keras"]).fit(8000)
    assert from_keras.encoder_.kind == "tflite"
    assert from_keras.encoder_.sha256 == hashlib.sha256(encoder_files["keras"].read_bytes()).hexdigest()
    expected = embedding.unfitted().fit(8000).transform(SAMPLES)
    np.testing.assert_allclose(from_keras.transform(SAMPLES), expected, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_raw_samples_go_to_the_encoder_as_they_are(waveform):
    import keras

    path = waveform(keras.layers.Dense(3, use_bias=False, kernel_initializer="ones"))
    feature = Embedding(path, 8000, n_fft=100, hop_length=50).fit(8000)
    frames = feature.transform(SAMPLES)
    sums = [SAMPLES[0, start : start + 100].sum() for start in range(0, 7901, 50)]
    np.testing.assert_allclose(frames[:, 1, 0], sums, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_bands_may_come_first_and_channels_anywhere(tmp_path):
    import keras

    inputs = keras.Input((1, 16, 10))
    outputs = keras.layers.Flatten()(keras.layers.AveragePooling2D((1, 10), data_format="channels_first")(inputs))
    path = tmp_path / "bands-first.keras"
    keras.Model(inputs, outputs).save(path)
    np.testing.assert_allclose(Encoder.read(path, PATCH)(NOISE), NOISE.mean(axis=0), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_the_bundle_holds_the_encoder_and_needs_no_file(encoder_files, embedding, pump_clips, tmp_path):
    copied, bundle = tmp_path / "copied.tflite", tmp_path / "pump.offkey"
    copied.write_bytes(encoder_files["tflite"].read_bytes())
    features = embedding.unfitted().set_params(encoder=copied)
    pipeline = Pipeline(features=features, window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips)
    pipeline.save(bundle)
    digest = hashlib.sha256(copied.read_bytes()).hexdigest()
    copied.unlink()
    loaded = offkey.load(bundle)
    assert [loaded.decide(clip) for clip in pump_clips[:3]] == [pipeline.decide(clip) for clip in pump_clips[:3]]
    assert loaded.features_.encoder_.sha256 == digest
    with zipfile.ZipFile(bundle) as archive:
        assert json.loads(archive.read("pipeline.json"))["members"]["encoder.tflite"] == digest
    with pytest.raises(InputError, match=r"copied\.tflite: cannot be read"):
        loaded.fit(pump_clips)


@pytest.mark.slow
def test_the_rate_is_the_encoders_whatever_the_recordings_have(embedding, pump_clips):
    slow = [offkey.Clip(clip.samples[:, ::2], 4000, source=clip.source) for clip in pump_clips]
    pipeline = Pipeline(features=embedding, window_s=0.5).fit(slow)
    assert pipeline.rate_ == 8000
    assert any("resampled to 8000 Hz" in note for note in pipeline.notes_)
    with pytest.raises(InputError, match="needs 8000 Hz, 4000 Hz was asked for"):
        Pipeline(features=embedding, rate=4000).fit(slow)


@pytest.mark.slow
def test_another_digest_than_the_stated_is_refused(encoder_files):
    path = encoder_files["tflite"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert Encoder.read(path, PATCH, sha256=digest.upper()).sha256 == digest
    with pytest.raises(InputError, match=f"has the SHA-256 {digest}, but {'0' * 64} was stated"):
        Encoder.read(path, PATCH, sha256="0" * 64)


def test_files_that_are_no_encoders_are_refused(tmp_path):
    for name, content, message in (
        ("gone.tflite", None, "cannot be read"),
        ("sound.wav", b"RIFF", "not named like an encoder"),
        ("text.tflite", b"no model", "LiteRT cannot run it"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            Encoder.read(tmp_path / name, PATCH)
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        Encoder.read(tmp_path / "folder.onnx", PATCH)


@pytest.mark.slow
def test_a_file_that_keras_cannot_load_is_refused(tmp_path):
    pytest.importorskip("tensorflow")
    (tmp_path / "text.keras").write_bytes(b"no model")
    with pytest.raises(InputError, match="Keras cannot load it"):
        Encoder.read(tmp_path / "text.keras", PATCH)


@pytest.mark.slow
def test_encoders_for_other_patches_are_refused(encoder_files):
    for patch in ((100,), (10, 15), (11, 16)):
        for path in encoder_files.values():
            with pytest.raises(InputError, match=r"takes \(\?, 10, 16\), a patch has the shape"):
                Encoder.read(path, patch)


@pytest.mark.slow
def test_encoders_that_give_no_vector_or_no_number_are_refused(waveform):
    import keras

    grid = waveform(keras.layers.Reshape((10, 10)))
    with pytest.raises(InputError, match=r"\(1, 10, 10\) for a patch, one vector is needed"):
        Embedding(grid, 8000, n_fft=100, hop_length=50).fit(8000)
    broken = waveform(keras.layers.Dense(2, kernel_initializer=keras.initializers.Constant(np.inf)))
    with pytest.raises(InputError, match="not finite"):
        Embedding(broken, 8000, n_fft=100, hop_length=50).fit(8000)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["keras", "tflite"])
def test_one_of_several_outputs_is_chosen(suffix, tmp_path):
    keras = pytest.importorskip("keras")
    inputs = keras.Input(PATCH)
    flat = keras.layers.Flatten()(inputs)
    model = keras.Model(inputs, [keras.layers.Dense(2)(flat), keras.layers.Dense(3)(flat)])
    path = tmp_path / f"two.{suffix}"
    model.save(path) if suffix == "keras" else model.export(path, format="litert", verbose=False)
    lengths = {len(Encoder.read(path, PATCH, output)(NOISE)) for output in (0, 1)}
    assert lengths == {2, 3}
    for output, said in ((None, "none was chosen"), (2, "2 was asked for"), ("scores", "'scores' was asked for")):
        with pytest.raises(InputError, match=said):
            Encoder.read(path, PATCH, output)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hop_length": 0}, "between 1 and the length"),
        ({"hop_length": 1409}, "between 1 and the length"),
        ({"n_fft": 1400}, "such as 1280"),
        ({"n_fft": 100, "hop_length": 100}, "such as 256"),
        ({"hop_length": 700}, "no multiple"),
        ({"front_end": LogMel(n_fft=256, hop_length=128, center=True)}, "set it to False"),
    ],
)
def test_patches_that_do_not_fit_the_front_end_are_refused(changed, message):
    front_end = LogMel(n_fft=256, hop_length=128, n_mels=16)
    feature = Embedding("any.tflite", 8000, n_fft=1408, hop_length=640, front_end=front_end).set_params(**changed)
    with pytest.raises(InputError, match=message):
        feature.fit(8000)


def test_what_is_missing_for_onnx_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "any.onnx").write_bytes(b"")
    with pytest.raises(MissingExtraError, match=r"onnxruntime.*offkey\[onnx\]"):
        Encoder.read(tmp_path / "any.onnx", PATCH)


def onnx_encoder(path, output_shape=("n", 16)):
    """Write an encoder of (n, 10, 16) that takes the mean over frames, times two."""
    onnx = pytest.importorskip("onnx", reason="onnx, which writes the encoder, is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    mean = helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=0)
    twice = helper.make_node("Add", ["mean", "mean"], ["embedding"])
    graph = helper.make_graph(
        [mean, twice], "encoder",
        [helper.make_tensor_value_info("x", real, ["n", 10, 16])],
        [helper.make_tensor_value_info("embedding", real, output_shape)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def test_an_onnx_encoder_runs_and_travels(tmp_path, embedding_front_end, pump_clips):
    path, bundle = tmp_path / "mean.onnx", tmp_path / "pump.offkey"
    onnx_encoder(path)
    np.testing.assert_allclose(Encoder.read(path, PATCH)(NOISE), 2 * NOISE.mean(axis=0), rtol=0, atol=1e-6)
    with pytest.raises(InputError, match=r"takes \(\?, 10, 16\)"):
        Encoder.read(path, (10, 15))
    (tmp_path / "text.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="ONNX Runtime cannot run it"):
        Encoder.read(tmp_path / "text.onnx", PATCH)
    features = Embedding(path, 8000, n_fft=1408, hop_length=640, front_end=embedding_front_end)
    pipeline = Pipeline(features=features, window_s=0.5, threshold=Conformal(0.1)).fit(pump_clips)
    pipeline.save(bundle)
    path.unlink()
    assert offkey.load(bundle).decide(pump_clips[0]) == pipeline.decide(pump_clips[0])
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(MissingExtraError, match=r"offkey\[onnx\]"):
            offkey.load(bundle)


@pytest.fixture
def embedding_front_end():
    return LogMel(n_fft=256, hop_length=128, n_mels=16)


def test_yamnets_front_end_equals_its_definition():
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000) * np.linspace(0, 1, 16_000) ** 4
    feature = yamnet_embedding("any.tflite")
    assert (feature.rate, feature.n_fft, feature.hop_length) == (16_000, 15_712, 7_680)
    decibels = yamnet_front_end().fit(16_000).transform(samples[None].astype(np.float32))[:, :, 0]
    expected = oracles.yamnet_log_mel(samples[56:])[: len(decibels)]
    np.testing.assert_allclose(feature.input_scale * decibels, expected, rtol=0, atol=2e-5)


@pytest.fixture(scope="session")
def random_yamnet():
    """YAMNet with random weights of a size that keeps its values about 1."""
    pytest.importorskip("tensorflow")
    model = yamnet()
    rng = np.random.default_rng(5)
    arrays = []
    for weight in model.weights:
        n_inputs = np.prod(weight.shape[:-1]) if "depthwise" not in weight.path else 9
        is_variance = weight.path.endswith("moving_variance")
        arrays.append(rng.uniform(0.5, 1.5, weight.shape) if is_variance
                      else rng.normal(0, 1.4 / np.sqrt(max(1, n_inputs)), weight.shape))  # fmt: skip
    model.set_weights(arrays)
    return model


@pytest.mark.slow
def test_yamnet_has_the_published_size(random_yamnet):
    assert random_yamnet.count_params() == 3_751_369
    assert [output.shape for output in random_yamnet.outputs] == [(None, 1024), (None, 521)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["h5", "saved model"])
def test_yamnets_weights_come_from_files(kind, random_yamnet, tmp_path):
    patches = np.random.default_rng(6).normal(size=(2, 96, 64)).astype(np.float32)
    path = tmp_path / "yamnet.h5"
    if kind == "h5":
        write_legacy_weights(random_yamnet, path)
    else:
        path = tmp_path / "saved"
        write_legacy_checkpoint(random_yamnet, path)
    loaded = load_yamnet(path)
    for found, expected in zip(loaded(patches), random_yamnet(patches), strict=True):
        np.testing.assert_array_equal(found, expected)
    save_yamnet(path, tmp_path / "yamnet.tflite")
    encoder = Encoder.read(tmp_path / "yamnet.tflite", (96, 64))
    expected = np.asarray(random_yamnet(patches)[0])
    for patch, vector in zip(patches, expected, strict=True):
        np.testing.assert_allclose(encoder(patch), vector, rtol=0, atol=1e-4 * np.abs(vector).max())


def write_legacy_weights(model, path):
    """Write weights as Keras 2 did: a group for each layer, which names its arrays in order."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [f"layer{i}/of".encode() for i, _ in enumerate(model.layers)]
        for i, layer in enumerate(model.layers):
            group = file.create_group(f"layer{i}/of")
            names = [f"layer{i}/of/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group[name] = np.asarray(weight)


def write_legacy_checkpoint(model, path):
    """Write the variables of a SavedModel as Keras 2 did: layers with weights are numbered, within a wrapper."""
    import tensorflow as tf

    root = tf.Module()
    root.wrapper = tf.Module()
    for i, layer in enumerate(layer for layer in model.layers if layer.weights):
        held = tf.Module()
        for weight in layer.weights:
            setattr(held, weight.name, tf.Variable(np.asarray(weight)))
        setattr(root.wrapper, f"layer_with_weights-{i}", held)
    tf.train.Checkpoint(wrapper=root.wrapper).write(str(path / "variables" / "variables"))


@pytest.mark.slow
def test_files_that_hold_no_yamnet_are_refused(tmp_path, random_yamnet):
    import h5py

    with pytest.raises(InputError, match="does not exist"):
        load_yamnet(tmp_path / "gone.h5")
    (tmp_path / "text.h5").write_text("no weights", encoding="utf-8")
    with pytest.raises(InputError, match="not a weights file"):
        load_yamnet(tmp_path / "text.h5")
    with pytest.raises(InputError, match="not a SavedModel"):
        load_yamnet(tmp_path)
    path = tmp_path / "part.h5"
    write_legacy_weights(random_yamnet, path)
    with h5py.File(path, "r+") as file:
        file.attrs["layer_names"] = file.attrs["layer_names"][:-1]
    with pytest.raises(InputError, match=r"does not hold the 110 arrays of YAMNet \(108 found"):
        load_yamnet(path)
    with pytest.raises(InputError, match="cannot be written"):
        save_yamnet(path, tmp_path / "nowhere" / "yamnet.tflite")


@pytest.mark.slow
def test_embeddings_are_not_drawn_as_spectra(embedding_pipeline, pump_clips):
    with pytest.raises(InputError, match="Embedding has no bands in hertz"):
        plot_log_mel(embedding_pipeline, pump_clips[0], None, vmin=-80, vmax=0)

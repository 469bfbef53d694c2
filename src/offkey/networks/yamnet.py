"""YAMNet: a network that knows 521 kinds of sound; its embeddings tell others apart. Weights come from a file."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError
from offkey.extras import import_keras
from offkey.features import Embedding, LogMel

__all__ = ["load_yamnet", "save_yamnet", "yamnet", "yamnet_embedding", "yamnet_front_end"]

BLOCKS = (
    (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *[(1, 512)] * 5, (2, 1024), (1, 1024),
)  # fmt: skip
"""Stride and channels of the depthwise separable convolutions behind the first convolution."""

RATE, N_FRAMES, N_MELS, N_CLASSES = 16_000, 96, 64, 521
OF_LAYER = ("kernel", "depthwise_kernel", "beta", "moving_mean", "moving_variance", "bias")
"""Arrays of a layer, in the order in which Keras lists them."""


def yamnet() -> Any:
    """Build YAMNet without its weights.

    The MobileNet of Howard et al. 2017 (https://arxiv.org/abs/1704.04861) on patches of 96 frames of 64 log-mel bands,
    as in the model card of YAMNet (https://github.com/tensorflow/models/tree/master/research/audioset/yamnet): a 3 x 3
    convolution of stride 2, then 13 depthwise separable ones, each with batch normalisation (no scale, epsilon 1e-4)
    and ReLU; the mean over time and bands is the embedding, and a dense layer with a sigmoid gives the scores.

    Returns
    -------
    keras.Model
        (n, 96, 64) to embeddings (n, 1024) and scores (n, 521).
    """
    keras = import_keras()
    inputs = keras.Input((N_FRAMES, N_MELS), name="log_mel")
    x = keras.layers.Reshape((N_FRAMES, N_MELS, 1))(inputs)
    x = _normalised(keras.layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(x))
    for stride, n_channels in BLOCKS:
        x = _normalised(keras.layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x))
        x = _normalised(keras.layers.Conv2D(n_channels, 1, padding="same", use_bias=False)(x))
    embeddings = keras.layers.GlobalAveragePooling2D(name="embeddings")(x)
    scores = keras.layers.Dense(N_CLASSES, activation="sigmoid", name="scores")(embeddings)
    return keras.Model(inputs, [embeddings, scores], name="yamnet")


def _normalised(x: Any) -> Any:
    keras = import_keras()
    return keras.layers.ReLU()(keras.layers.BatchNormalization(scale=False, epsilon=1e-4)(x))


def load_yamnet(weights: str | os.PathLike[str]) -> Any:
    """Build YAMNet with weights from a file.

    Parameters
    ----------
    weights : path
        The published ``yamnet.h5`` (https://storage.googleapis.com/audioset/yamnet.h5), or the folder of a SavedModel
        that holds YAMNet in 32-bit floats.

    Returns
    -------
    keras.Model
        (n, 96, 64) to embeddings (n, 1024) and scores (n, 521).

    Raises
    ------
    InputError
        If there is no such file, or it holds other weights than YAMNet's.
    MissingExtraError
        If TensorFlow is not installed.
    """
    path = Path(weights)
    if not path.exists():
        raise InputError(f"{path}: does not exist. Name yamnet.h5 or the folder of a SavedModel of YAMNet.")
    model = yamnet()
    shapes = [tuple(array.shape) for array in model.weights]
    groups = _saved_model_weights(path) if path.is_dir() else _h5_weights(path)
    fitting = [arrays for arrays in groups if [array.shape for array in arrays] == shapes]
    if not fitting:
        n_found = max(map(len, groups), default=0)
        raise InputError(
            f"{path}: does not hold the {len(shapes)} arrays of YAMNet ({n_found} found, or other shapes). "
            "Name yamnet.h5 or the folder of a SavedModel of YAMNet in 32-bit floats."
        )
    if not all(np.isfinite(array).all() for array in fitting[0]):
        raise InputError(f"{path}: holds weights that are not finite. Use a fresh copy.")
    model.set_weights(fitting[0])
    return model


def save_yamnet(weights: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Write the part of YAMNet that gives embeddings as an encoder, for `yamnet_embedding`.

    Parameters
    ----------
    weights : path
        As for `load_yamnet`.
    path : path
        The ``.tflite`` file (or ``.keras`` file) to write.

    Raises
    ------
    InputError
        If the weights cannot be used, or the file cannot be written.
    MissingExtraError
        If TensorFlow is not installed.
    """
    target = Path(path)
    if target.suffix not in (".tflite", ".keras") or not target.parent.is_dir():
        raise InputError(f"{target}: cannot be written. Name a .tflite file in a folder that exists.")
    keras = import_keras()
    model = load_yamnet(weights)
    encoder = keras.Model(model.inputs[0], model.outputs[0])
    temporary = target.with_name(f".{target.stem}.{os.urandom(4).hex()}{target.suffix}")
    try:
        if target.suffix == ".keras":
            encoder.save(temporary)
        else:
            encoder.export(temporary, format="litert", verbose=False)
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror or error}). Choose another place.") from error
    finally:
        temporary.unlink(missing_ok=True)


def yamnet_front_end() -> LogMel:
    """Return YAMNet's log-mel spectra, in decibels: 20 log10(mel + 0.001) of 64 bands from 125 to 7500 Hz.

    Windows of 25 ms every 10 ms, amplitudes, filters that are triangles over HTK's mel. TensorFlow puts the window's
    400 samples at the beginning of the transform's 512, `LogMel` in their middle: the same numbers, 56 samples (3.5 ms)
    later.
    """
    return LogMel(
        n_fft=512, hop_length=160, win_length=400, n_mels=N_MELS, fmin=125.0, fmax=7500.0, power=1.0, htk=True,
        norm=None, eps=1e-3, floor="add", triangles="mel",
    )  # fmt: skip


def yamnet_embedding(encoder: str | os.PathLike[str], *, sha256: str | None = None) -> Embedding:
    """Return YAMNet's embeddings as features: 1024 numbers for each 0.98 s, every 0.48 s, at 16 kHz.

    Parameters
    ----------
    encoder : path
        What `save_yamnet` wrote, or another encoder with YAMNet's front end.
    sha256 : str, optional
        Digest that the file must have.
    """
    front_end = yamnet_front_end()
    return Embedding(
        encoder,
        rate=RATE,
        n_fft=front_end.n_samples(N_FRAMES),
        hop_length=N_FRAMES // 2 * front_end.hop_length,
        front_end=front_end,
        input_scale=math.log(10) / 20,  # natural logarithms
        sha256=sha256,
    )


def _h5_weights(path: Path) -> list[list[NDArray[Any]]]:
    """Return the arrays of a Keras weights file in the order of its layers, as one group."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            layers = file.get("model_weights", file)  # a whole model keeps them apart from its structure
            return [
                [
                    np.asarray(layers[layer][name])
                    for layer in _texts(layers.attrs["layer_names"])
                    for name in _texts(layers[layer].attrs["weight_names"])
                ]
            ]
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: is not a weights file of Keras ({error}). Name yamnet.h5.") from error


def _texts(names: Any) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _saved_model_weights(path: Path) -> list[list[NDArray[Any]]]:
    """Return the arrays of each network in a SavedModel, in the order of its layers."""
    import tensorflow

    try:
        reader = tensorflow.train.load_checkpoint(str(path / "variables" / "variables"))
    except (ValueError, tensorflow.errors.OpError) as error:
        raise InputError(f"{path}: is not a SavedModel, its variables cannot be read. Name such a folder.") from error
    name_of_array = re.compile(
        r"(?P<network>.*?)layer_with_weights-(?P<layer>\d+)/(?P<name>\w+)/\.ATTRIBUTES/VARIABLE_VALUE"
    )
    groups: dict[str, list[tuple[int, int, str]]] = {}
    for key in reader.get_variable_to_shape_map():
        found = name_of_array.fullmatch(key)
        if found and found["name"] in OF_LAYER:
            entry = (int(found["layer"]), OF_LAYER.index(found["name"]), key)
            groups.setdefault(found["network"], []).append(entry)
    return [[np.asarray(reader.get_tensor(key)) for _, _, key in sorted(keys)] for keys in groups.values()]

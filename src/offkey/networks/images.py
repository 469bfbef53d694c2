"""Keras models that see contexts as images (n_frames, n_bands, n_channels)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.errors import ShapeError
from offkey.networks.build import import_keras

__all__ = ["convolutional_autoencoder", "dual_branch", "mobilenet_v2"]

Shape = tuple[int, int, int]
Moments = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Mean and variance (n_bands * n_channels,) of frames."""

MOMENTUM = 0.9
"""Of the running statistics of batch normalisation: small sets give few steps to learn them in."""

LARGEST_DEVIATION = 100.0
"""Standardised inputs are limited to this."""

SMALLEST_MOBILENET = 32


def convolutional_autoencoder(
    shape: Shape, moments: Moments, *, filters: Sequence[int], bottleneck: int, seed: int
) -> Any:
    """Build strided 3 x 3 convolutions, a dense bottleneck, and transposed convolutions back to the image.

    Inputs are standardised by band within the network, outputs are in the units of the inputs.

    Returns
    -------
    keras.Model
        Not compiled; (n, *shape) to the same.
    """
    layers = import_keras().layers
    inputs, hidden = _standardised(shape, moments)
    step = 2 ** len(filters)
    missing = [-size % step for size in shape[:2]]
    hidden = layers.ZeroPadding2D(((0, missing[0]), (0, missing[1])))(hidden)
    for width in filters:
        hidden = _activated(layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(hidden))
    inner = hidden.shape[1:]
    hidden = layers.Dense(bottleneck)(layers.Flatten()(hidden))
    hidden = layers.Reshape(inner)(_activated(layers.Dense(int(np.prod(inner)), use_bias=False)(hidden)))
    for width in reversed(filters[:-1]):
        hidden = _activated(layers.Conv2DTranspose(width, 3, strides=2, padding="same", use_bias=False)(hidden))
    hidden = layers.Conv2DTranspose(shape[2], 3, strides=2, padding="same")(hidden)
    hidden = layers.Cropping2D(((0, missing[0]), (0, missing[1])))(hidden)
    mean, variance = _moments(shape, moments)
    outputs = layers.Normalization(axis=(-2, -1), mean=mean, variance=variance, invert=True)(hidden)
    return _seeded(inputs, outputs, seed)


def dual_branch(shape: Shape, moments: Moments, *, n_values: int, seed: int) -> Any:
    """Build a small dual-branch network: each branch gives ``n_values``.

    One is a residual network of 16 to 128 channels with squeeze and excitation (Hu et al. 2018) over the image, the
    other 1-D convolutions over the mean and standard deviation of each band over time.

    Returns
    -------
    keras.Model
        Not compiled; (n, *shape) to (n, 2 * n_values).
    """
    keras = import_keras()
    layers, ops = keras.layers, keras.ops
    inputs, image = _standardised(shape, moments)
    hidden = _activated(layers.Conv2D(16, 7, strides=2, padding="same", use_bias=False)(image))
    hidden = layers.MaxPooling2D(3, strides=2, padding="same")(hidden)
    for width, stride in ((16, 1), (32, 2), (64, 2), (128, 2)):
        hidden = _residual(hidden, width, stride)
    of_image = layers.Dense(n_values)(layers.GlobalAveragePooling2D()(hidden))

    mean = ops.mean(image, axis=1)
    deviation = ops.sqrt(ops.mean(ops.square(image - ops.expand_dims(mean, 1)), axis=1) + 1e-6)
    line = layers.Concatenate()([mean, deviation])
    for width in (16, 32, 64):
        line = _activated(layers.Conv1D(width, 5, strides=2, padding="same", use_bias=False)(line))
    of_line = layers.Dense(n_values)(layers.Flatten()(line))
    return _seeded(inputs, layers.Concatenate()([of_image, of_line]), seed)


def mobilenet_v2(shape: Shape, moments: Moments, *, seed: int) -> Any:
    """Build MobileNetV2 (Sandler et al. 2018) of half its width without weights, as in the DCASE 2021 Task 2 baseline.

    One channel is repeated to three; several go through a 1 x 1 convolution to three.

    Returns
    -------
    keras.Model
        Not compiled; (n, *shape) to (n, 1280).

    Raises
    ------
    ShapeError
        If the image is smaller than 32 x 32.
    """
    keras = import_keras()
    if min(shape[:2]) < SMALLEST_MOBILENET:
        raise ShapeError(
            f"Images of {shape[0]} frames and {shape[1]} bands were given; MobileNetV2 needs at least "
            f"{SMALLEST_MOBILENET} of both. Give longer windows or more bands, or use 'dual-branch'."
        )
    inputs, image = _standardised(shape, moments)
    three = keras.layers.Conv2D(3, 1)(image) if shape[2] > 1 else keras.layers.Concatenate()([image] * 3)
    body = keras.applications.MobileNetV2(
        input_shape=(*shape[:2], 3), alpha=0.5, weights=None, include_top=False, pooling="avg"
    )
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
    return _seeded(inputs, body(three), seed)


def _standardised(shape: Shape, moments: Moments) -> tuple[Any, Any]:
    """Return an input, and the input standardised by band and channel and limited."""
    keras = import_keras()
    mean, variance = _moments(shape, moments)
    inputs = keras.Input(shape)
    image = keras.layers.Normalization(axis=(-2, -1), mean=mean, variance=variance)(inputs)
    return inputs, keras.ops.clip(image, -LARGEST_DEVIATION, LARGEST_DEVIATION)


def _moments(shape: Shape, moments: Moments) -> Moments:
    """Return mean and variance (n_bands, n_channels); bands that hardly vary keep their scale."""
    mean, variance = (each.reshape(shape[1:]) for each in moments)
    return mean, np.where(variance > 1e-9 * np.maximum(1.0, np.square(mean)), variance, 1.0)


def _activated(hidden: Any) -> Any:
    layers = import_keras().layers
    return layers.ReLU()(layers.BatchNormalization(momentum=MOMENTUM)(hidden))


def _residual(hidden: Any, width: int, stride: int) -> Any:
    """Add a residual block whose channels are weighed by what they hold on the whole."""
    layers = import_keras().layers
    inner = _activated(layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(hidden))
    inner = layers.Conv2D(width, 3, padding="same", use_bias=False)(inner)
    inner = layers.BatchNormalization(momentum=MOMENTUM)(inner)
    weights = layers.Dense(max(width // 8, 4), activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(inner))
    inner = layers.Multiply()([inner, layers.Dense(width, activation="sigmoid")(weights)])
    if stride > 1 or hidden.shape[-1] != width:
        hidden = layers.Conv2D(width, 1, strides=stride, padding="same", use_bias=False)(hidden)
        hidden = layers.BatchNormalization(momentum=MOMENTUM)(hidden)
    return layers.ReLU()(layers.Add()([hidden, inner]))


def _seeded(inputs: Any, outputs: Any, seed: int) -> Any:
    """Return a model whose initial weights are drawn anew from a seed."""
    keras = import_keras()
    model = keras.Model(inputs, outputs)
    for i, variable in enumerate(model.trainable_variables):
        if "kernel" in variable.name:
            variable.assign(keras.initializers.GlorotUniform(seed=seed * 1000 + i)(variable.shape))
    return model

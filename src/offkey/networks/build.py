"""Functions that return Keras models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from offkey.extras import import_keras

__all__ = ["dense_autoencoder", "import_keras"]


def dense_autoencoder(
    n_inputs: int,
    n_outputs: int,
    *,
    units: Sequence[int] = (128, 128, 128, 128),
    bottleneck: int = 8,
    batch_norm: bool = True,
    seed: int = 0,
) -> Any:
    """Build the dense network of the DCASE 2020 Task 2 baseline (Koizumi et al. 2020), for any input and output.

    ``units`` - ``bottleneck`` - ``units`` reversed; each a dense layer, batch normalisation and ReLU; a linear output.

    Returns
    -------
    keras.Model
        Not compiled; (n, n_inputs) to (n, n_outputs).
    """
    keras = import_keras()
    widths = (*units, bottleneck, *reversed(units))
    inputs = keras.Input((n_inputs,))
    hidden = inputs
    for i, width in enumerate(widths):
        initializer = keras.initializers.GlorotUniform(seed=seed * 1000 + i)
        hidden = keras.layers.Dense(width, kernel_initializer=initializer)(hidden)
        if batch_norm:
            hidden = keras.layers.BatchNormalization()(hidden)
        hidden = keras.layers.Activation("relu")(hidden)
    initializer = keras.initializers.GlorotUniform(seed=seed * 1000 + len(widths))
    return keras.Model(inputs, keras.layers.Dense(n_outputs, kernel_initializer=initializer)(hidden))

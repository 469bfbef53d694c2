"""Losses that tell classes apart, and mixing of examples.

Formulas are written once, for numpy (which scores) and for ``keras.ops`` (which trains): both are passed as ``ops``.
"""

from __future__ import annotations

import math
from typing import Any

from offkey.errors import InputError
from offkey.networks.build import import_keras

__all__ = ["LOSSES", "adapted_scale", "class_logits", "class_loss", "cosines", "cross_entropy", "first_scale", "mixup"]

LOSSES = ("sub-cluster-adacos", "adaproj", "softmax")

SMALLEST_SCALE = 1.0
"""Of few classes the adaptive scale would fall to nothing, and with it what the loss can teach."""

TINY = 1e-12


def first_scale(n_centres: int) -> float:
    """Return the scale that AdaCos begins with, for so many centres in all."""
    return max(math.sqrt(2) * math.log(max(n_centres - 1, 1)), SMALLEST_SCALE)


def cosines(ops: Any, embeddings: Any, centres: Any, loss: str) -> Any:
    """Return cosines (n, n_classes, n_centres) of angles between embeddings and what stands for each class.

    For ``"sub-cluster-adacos"`` these are the class's centres. For ``"adaproj"`` it is the subspace that they span
    (n_centres is 1): the cosine is the length of the unit embedding's projection onto it.

    Parameters
    ----------
    embeddings : array, shape (n, n_values)
    centres : array, shape (n_classes, n_centres, n_values)
        For ``"adaproj"`` orthonormal.
    """
    dots = ops.einsum("nd,csd->ncs", _unit(ops, embeddings), _unit(ops, centres))
    if loss == "adaproj":
        return ops.sqrt(ops.maximum(ops.sum(ops.square(dots), axis=-1, keepdims=True), TINY))
    return dots


def class_logits(ops: Any, cosines: Any, scale: Any) -> Any:
    """Return logits (n, n_classes): a softmax over all centres, added up over those of a class, is their softmax."""
    scaled = scale * cosines
    largest = ops.max(scaled, axis=-1, keepdims=True)
    return ops.log(ops.sum(ops.exp(scaled - largest), axis=-1)) + largest[..., 0]


def adapted_scale(ops: Any, cosines: Any, targets: Any, scale: Any) -> Any:
    """Return the next scale of AdaCos.

    ``log(B) / cos(min(pi / 4, m))``: ``B`` is the mean over the batch of the sum of ``exp(scale * cosine)`` over the
    centres of other classes, ``m`` the median angle between an embedding and the nearest centre of its class (Zhang et
    al. 2019, "AdaCos", arXiv 1905.00292). A mixed example's own classes count as others by what they lack of 1, and its
    angle is the mean of theirs. Wilkinghoff 2021 sums over the own class too; that sum, and so the scale, has no upper
    limit once classes are apart and not all examples are mixed.

    Parameters
    ----------
    cosines : array, shape (n, n_classes, n_centres)
    targets : array, shape (n, n_classes)
        Each example's share of each class.
    """
    others = ops.sum((1 - targets)[..., None] * ops.exp(scale * cosines), axis=(1, 2))
    nearest = ops.clip(ops.max(cosines, axis=-1), -1 + 1e-7, 1 - 1e-7)
    angle = ops.median(ops.sum(targets * ops.arccos(nearest), axis=-1))
    next_scale = ops.log(ops.maximum(ops.mean(others), TINY)) / ops.cos(ops.minimum(angle, math.pi / 4))
    return ops.maximum(next_scale, SMALLEST_SCALE)


def cross_entropy(ops: Any, logits: Any, targets: Any) -> Any:
    """Return the cross entropy (n,) of logits (n, n_classes) and each example's share of each class."""
    return -ops.sum(targets * (logits - class_logits(ops, logits[:, None], 1.0)), axis=-1)


def class_loss(loss: str, n_classes: int, n_centres: int, n_values: int, seed: int) -> Any:
    """Return a Keras layer of embeddings (n, n_values) and targets (n, n_classes) to losses (n,).

    - ``"sub-cluster-adacos"``: each class has ``n_centres`` trained centres on the sphere; a softmax over the scaled
      cosines to all is added up by class (Wilkinghoff 2021, "Sub-cluster AdaCos", IJCNN).
    - ``"adaproj"``: each class has a subspace spanned by ``n_centres`` random vectors, which are not trained, and the
      embedding's projection onto it takes the centre's place (Wilkinghoff 2024, arXiv 2403.14179).
    - ``"softmax"``: a dense layer and softmax.

    The layer's ``centres`` (n_classes, n_centres or 1, n_values), ``scale`` and ``bias`` (n_classes,) are what
    `cosines` and `class_logits` need.

    Raises
    ------
    InputError
        If the loss is unknown, or a subspace would be the whole space.
    """
    if loss not in LOSSES:
        raise InputError(f"loss={loss!r} was given. Use one of {', '.join(map(repr, LOSSES))}.")
    if loss == "adaproj" and n_centres >= n_values:
        raise InputError(f"A subspace of {n_centres} dimensions was asked for in {n_values}. Use fewer.")
    keras = import_keras()
    ops, layer = keras.ops, keras.layers.Layer

    class ClassLoss(layer):  # type: ignore[misc, valid-type]
        def build(self, input_shape: Any) -> None:
            shape = (n_classes, 1 if loss == "softmax" else n_centres, n_values)
            start = keras.initializers.Orthogonal if loss == "adaproj" else keras.initializers.RandomNormal
            self.centres = self.add_weight(
                shape=shape, initializer=_by_class(start, seed), trainable=loss != "adaproj", name="centres"
            )
            self.bias = self.add_weight(
                shape=(n_classes,), initializer="zeros", trainable=loss == "softmax", name="bias"
            )
            first = first_scale(n_classes * n_centres)
            self.scale = self.add_weight(
                shape=(), initializer=keras.initializers.Constant(first), trainable=False, name="scale"
            )

        def call(self, embeddings: Any, targets: Any, training: bool = False) -> Any:
            if loss == "softmax":
                logits = ops.einsum("nd,cd->nc", embeddings, self.centres[:, 0]) + self.bias
                return cross_entropy(ops, logits, targets)
            found = cosines(ops, embeddings, self.centres, loss)
            if training:
                self.scale.assign(ops.stop_gradient(adapted_scale(ops, found, targets, self.scale)))
            return cross_entropy(ops, class_logits(ops, found, self.scale), targets)

    return ClassLoss()


def mixup(probability: float, seed: int) -> Any:
    """Return a Keras layer that mixes some examples of a batch, and their targets, with others, while training.

    The share of the other example is uniform (Zhang et al. 2018, "mixup", arXiv 1710.09412, with alpha = 1).
    """
    keras = import_keras()
    ops, layer = keras.ops, keras.layers.Layer

    class Mixup(layer):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__()
            self.random = keras.random.SeedGenerator(seed)

        def call(self, images: Any, targets: Any, training: bool = False) -> Any:
            if not training:
                return images, targets
            n = ops.shape(targets)[0]
            is_mixed = keras.random.uniform((n, 1), seed=self.random) < probability
            share = ops.where(is_mixed, keras.random.uniform((n, 1), seed=self.random), 0.0)
            of_images = ops.reshape(share, (-1, *(1 for _ in images.shape[1:])))
            other_images, other_targets = ops.roll(images, 1, axis=0), ops.roll(targets, 1, axis=0)
            return images + of_images * (other_images - images), targets + share * (other_targets - targets)

    return Mixup()


def _unit(ops: Any, rows: Any) -> Any:
    return rows / ops.sqrt(ops.maximum(ops.sum(ops.square(rows), axis=-1, keepdims=True), TINY))


def _by_class(start: Any, seed: int) -> Any:
    """Return an initialiser of (n_classes, ...) that draws each class on its own: orthogonality is within a class."""
    import keras

    def draw(shape: Any, dtype: Any = None) -> Any:
        return keras.ops.stack([start(seed=seed * 1000 + i)(shape[1:], dtype) for i in range(shape[0])])

    return draw

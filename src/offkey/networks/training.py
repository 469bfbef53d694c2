"""The only training loop.

On TensorFlow many optimiser steps run inside one compiled function, which gathers the contexts of each batch itself
from a group of frames: against ``model.fit`` this saves the dispatch of each step and the copying of overlapping
contexts. On any other backend of Keras (``KERAS_BACKEND=jax``) each step is a plain ``train_on_batch``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.errors import TrainingError
from offkey.networks.build import import_keras
from offkey.networks.contexts import Contexts
from offkey.progress import task

__all__ = ["History", "mean_squared_error", "train"]

logger = logging.getLogger(__name__)

STEPS_PER_CALL = 32

Split = Callable[[Any, Any], tuple[Any, Any]]
Loss = Callable[[Any, Any], Any]


@dataclass
class History:
    """Losses of each epoch; ``validation_loss`` is empty without validation."""

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    interrupted: bool = False


def mean_squared_error(targets: Any, outputs: Any) -> Any:
    """Return the mean squared difference of two tensors."""
    import keras

    return keras.ops.mean(keras.ops.square(targets - outputs))


def train(
    model: Any,
    contexts: Contexts,
    split: Split,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float = 0.0,
    loss: Loss = mean_squared_error,
    validation: Contexts | None = None,
    patience: int | None = None,
    seed: int = 0,
) -> History:
    """Train ``model`` to predict targets from inputs, with Adam (AdamW, where weights decay).

    Parameters
    ----------
    model : keras.Model
        Trained in place.
    contexts : Contexts
        What to train on. Each epoch leaves out the few contexts that do not fill a batch, others each time.
    split : callable
        Turns contexts (n, size, n_values) and their classes (n,) into inputs and targets of the model.
    epochs, batch_size, learning_rate, weight_decay, seed
        As usual.
    loss : callable
        Turns targets and outputs into one number.
    validation : Contexts, optional
        Held-out contexts: the weights of the epoch with the smallest loss on them are kept.
    patience : int, optional
        Stop after so many epochs without a smaller validation loss.

    Returns
    -------
    History
        Losses by epoch. Ctrl-C ends training early and keeps the best epoch so far (without validation: the weights as
        they are).

    Raises
    ------
    TrainingError
        If there is nothing to train on, or the loss is not finite.
    KeyboardInterrupt
        If Ctrl-C comes before the first epoch is through.
    """
    keras = import_keras()
    if len(contexts) == 0:
        raise TrainingError("No recording is as long as one context. Give longer recordings or a smaller context.")
    batch_size = min(batch_size, len(contexts))
    optimizer = keras.optimizers.Adam(learning_rate, weight_decay=weight_decay or None)
    make = _compiled if keras.backend.backend() == "tensorflow" else _plain
    run_steps, measure = make(model, split, contexts.size, optimizer, loss)
    history = History()
    best: tuple[float, list[NDArray[Any]]] | None = None
    rng = np.random.default_rng(seed)
    with task("training", epochs) as progress:
        try:
            for _ in range(epochs):
                value = _epoch(run_steps, contexts, batch_size, rng)
                if not np.isfinite(value):
                    raise TrainingError(
                        f"The loss is {value} in epoch {len(history.loss) + 1}. Lower the learning rate, or look for "
                        "extreme values in the recordings."
                    )
                history.loss.append(value)
                note = f"loss {value:.4g}"
                if validation is not None:
                    held_out = _validation_loss(measure, validation, batch_size)
                    history.validation_loss.append(held_out)
                    note += f", held out {held_out:.4g}"
                    if best is None or held_out < best[0]:
                        best = held_out, model.get_weights()
                progress.advance(1, note)
                if patience is not None and best and _epochs_since_best(history) >= patience:
                    break
        except KeyboardInterrupt:
            if not history.loss:
                raise
            history.interrupted = True
            logger.warning(
                "Training was stopped after %d of %d epochs; what was learned so far is kept.",
                len(history.loss),
                epochs,
            )
    if best:
        model.set_weights(best[1])
    return history


def _epochs_since_best(history: History) -> int:
    return len(history.validation_loss) - 1 - int(np.argmin(history.validation_loss))


def _epoch(run_steps: Any, contexts: Contexts, batch_size: int, rng: np.random.Generator) -> float:
    total, n_steps = 0.0, 0
    for frames, starts, labels in contexts.groups(STEPS_PER_CALL * batch_size, rng):
        steps = min(STEPS_PER_CALL, len(starts) // batch_size)
        batches = np.zeros((2, STEPS_PER_CALL, batch_size), np.int32)
        for batch, values in zip(batches, (starts, labels), strict=True):
            batch[:steps] = values[: steps * batch_size].reshape(steps, batch_size)
        total += float(run_steps(frames, *batches, np.int32(steps)))
        n_steps += steps
    return total / n_steps


def _validation_loss(measure: Any, contexts: Contexts, batch_size: int) -> float:
    total, n = 0.0, 0
    for frames, starts, labels in contexts.groups(STEPS_PER_CALL * batch_size, None):
        total += float(measure(frames, starts, labels)) * len(starts)
        n += len(starts)
    return total / n


def _compiled(model: Any, split: Split, size: int, optimizer: Any, loss: Loss) -> tuple[Any, Any]:
    """Return a function of many optimiser steps and one that measures the loss, both compiled by TensorFlow.

    XLA makes dense networks faster, and convolutions on a CPU 30 to 100 times slower: those go without it.
    """
    import tensorflow as tf

    weights = model.trainable_variables
    optimizer.build(weights)
    offsets = tf.range(size)
    has_convolutions = any(len(weight.shape) > 2 for weight in weights)

    def inputs_and_targets(frames: Any, starts: Any, labels: Any) -> tuple[Any, Any]:
        return split(tf.gather(frames, starts[:, None] + offsets), labels)

    @tf.function(jit_compile=not has_convolutions)  # type: ignore[untyped-decorator]
    def run_steps(frames: Any, starts: Any, labels: Any, n_steps: Any) -> Any:
        total = tf.constant(0.0)
        step = tf.constant(0)
        while step < n_steps:  # over tf.range, the function would be compiled anew for each number of steps
            inputs, targets = inputs_and_targets(frames, starts[step], labels[step])
            with tf.GradientTape() as tape:
                value = loss(targets, model(inputs, training=True))
            gradients = tape.gradient(value, weights)
            optimizer.apply_gradients(zip(gradients, weights, strict=True))
            total += value
            step += 1
        return total

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def measure(frames: Any, starts: Any, labels: Any) -> Any:
        inputs, targets = inputs_and_targets(frames, starts, labels)
        return loss(targets, model(inputs, training=False))

    return run_steps, measure


def _plain(model: Any, split: Split, size: int, optimizer: Any, loss: Loss) -> tuple[Any, Any]:
    """Return the same two functions in what every backend of Keras has."""
    model.compile(optimizer=optimizer, loss=loss)
    offsets = np.arange(size)

    def inputs_and_targets(frames: Any, starts: Any, labels: Any) -> tuple[Any, Any]:
        return split(frames[starts[:, None] + offsets], labels)

    def run_steps(frames: Any, starts: Any, labels: Any, n_steps: Any) -> float:
        total = 0.0
        for step in range(n_steps):
            model.reset_metrics()  # else Keras may return the mean over all batches so far
            total += float(model.train_on_batch(*inputs_and_targets(frames, starts[step], labels[step])))
        return total

    def measure(frames: Any, starts: Any, labels: Any) -> float:
        model.reset_metrics()
        return float(model.test_on_batch(*inputs_and_targets(frames, starts, labels)))

    return run_steps, measure

"""The only training loop.

Many optimiser steps run inside one compiled function, which gathers the contexts of each batch itself from a group of
frames: against ``model.fit`` this saves the dispatch of each step and the copying of overlapping contexts.
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

__all__ = ["History", "train"]

logger = logging.getLogger(__name__)

STEPS_PER_CALL = 32


@dataclass
class History:
    """Losses of each epoch; ``validation_loss`` is empty without validation."""

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    interrupted: bool = False


def train(
    model: Any,
    contexts: Contexts,
    split: Callable[[Any], tuple[Any, Any]],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    validation: Contexts | None = None,
    patience: int | None = None,
    seed: int = 0,
) -> History:
    """Train ``model`` to predict targets from inputs by mean squared error, with Adam.

    Parameters
    ----------
    model : keras.Model
        Trained in place.
    contexts : Contexts
        What to train on. Each epoch leaves out the few contexts that do not fill a batch, others each time.
    split : callable
        Turns contexts (n, size, n_values) into inputs (n, n_inputs) and targets (n, n_outputs).
    epochs, batch_size, learning_rate, seed
        As usual.
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
    import_keras()
    if len(contexts) == 0:
        raise TrainingError("No recording is as long as one context. Give longer recordings or a smaller context.")
    batch_size = min(batch_size, len(contexts))
    run_steps, measure = _compiled(model, split, contexts.size, batch_size, learning_rate)
    history = History()
    best: tuple[float, list[NDArray[Any]]] | None = None
    rng = np.random.default_rng(seed)
    with task("training", epochs) as progress:
        try:
            for _ in range(epochs):
                loss = _epoch(run_steps, contexts, batch_size, rng)
                if not np.isfinite(loss):
                    raise TrainingError(
                        f"The loss is {loss} in epoch {len(history.loss) + 1}. Lower the learning rate, or look for "
                        "extreme values in the recordings."
                    )
                history.loss.append(loss)
                note = f"loss {loss:.4g}"
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
    for frames, starts in contexts.groups(STEPS_PER_CALL * batch_size, rng):
        steps = min(STEPS_PER_CALL, len(starts) // batch_size)
        batches = np.zeros((STEPS_PER_CALL, batch_size), np.int32)
        batches[:steps] = starts[: steps * batch_size].reshape(steps, batch_size)
        total += float(run_steps(frames, batches, np.int32(steps)))
        n_steps += steps
    return total / n_steps


def _validation_loss(measure: Any, contexts: Contexts, batch_size: int) -> float:
    total, n = 0.0, 0
    for frames, starts in contexts.groups(STEPS_PER_CALL * batch_size, None):
        total += float(measure(frames, starts)) * len(starts)
        n += len(starts)
    return total / n


def _compiled(
    model: Any, split: Callable[[Any], tuple[Any, Any]], size: int, batch_size: int, learning_rate: float
) -> tuple[Any, Any]:
    """Return a function of many optimiser steps and one that measures the loss, both compiled."""
    import keras
    import tensorflow as tf

    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(model.trainable_variables)
    offsets = tf.range(size)

    def inputs_and_targets(frames: Any, starts: Any) -> tuple[Any, Any]:
        return split(tf.gather(frames, starts[:, None] + offsets))

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def run_steps(frames: Any, batches: Any, n_steps: Any) -> Any:
        total = tf.constant(0.0)
        step = tf.constant(0)
        while step < n_steps:  # over tf.range, the function would be compiled anew for each number of steps
            inputs, targets = inputs_and_targets(frames, batches[step])
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(targets - model(inputs, training=True)))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            total += loss
            step += 1
        return total

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def measure(frames: Any, starts: Any) -> Any:
        inputs, targets = inputs_and_targets(frames, starts)
        return tf.reduce_mean(tf.square(targets - model(inputs, training=False)))

    return run_steps, measure

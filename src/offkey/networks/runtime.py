"""Scoring of networks by LiteRT: no TensorFlow, no waiting, and each row the same result in any batch."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import TrainingError
from offkey.networks.build import import_keras

__all__ = ["Network"]

ROWS_AT_ONCE = 64
"""Rows of one call; the last call of an array is filled up with zeros, so that all calls are of one shape."""

LARGEST_INPUT = 1e6
"""Inputs are limited to this: far beyond any level in decibels, far within what 32-bit layers can add up."""


@final
class Network:
    """A trained network in two forms: LiteRT, which scores, and Keras, which trains on.

    Parameters
    ----------
    tflite : bytes
        The network as a LiteRT flat buffer, (n, n_inputs) to (n, n_outputs), float32.
    keras : bytes
        The same network as a ``.keras`` archive.
    """

    def __init__(self, tflite: bytes, keras: bytes) -> None:
        self.tflite = tflite
        self.keras = keras
        self._local = threading.local()

    @classmethod
    def convert(cls, model: Any, samples: NDArray[np.float32], tolerance: float = 1e-4) -> Network:
        """Convert a Keras model, and compare both forms on some inputs.

        Parameters
        ----------
        model : keras.Model
            (n, n_inputs) to (n, n_outputs).
        samples : array, shape (n, n_inputs)
            Inputs to compare on.
        tolerance : float
            Largest difference, relative to the largest output.

        Raises
        ------
        TrainingError
            If the two differ by more than that, or give values that are not finite.
        """
        import tempfile

        import_keras()
        with tempfile.TemporaryDirectory(prefix="offkey-") as folder:
            tflite_path, keras_path = Path(folder, "network.tflite"), Path(folder, "network.keras")
            model.export(tflite_path, format="litert", verbose=False)
            model.save(keras_path)
            network = cls(tflite_path.read_bytes(), keras_path.read_bytes())
        with warnings.catch_warnings():  # models of older Keras versions name their one input, which Keras 3 minds
            warnings.filterwarnings("ignore", r"[\s\S]*structure of `inputs`")
            expected = np.asarray(model(samples, training=False))
        difference = np.abs(network(samples) - expected).max()
        allowed = tolerance * max(1.0, float(np.abs(expected).max()))
        if not difference <= allowed:  # also catches NaN
            raise TrainingError(
                f"The converted network differs from the trained one by {difference:.3g}, {allowed:.3g} are allowed. "
                "Please report this with your versions of tensorflow and ai-edge-litert."
            )
        return network

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs (n, n_outputs) for inputs (n, n_inputs)."""
        interpreter, input_index, output_index = self._interpreter()
        n_outputs = interpreter.get_output_details()[0]["shape"][-1]
        outputs = np.empty((len(rows), n_outputs), np.float32)
        filled = np.zeros((ROWS_AT_ONCE, rows.shape[1]), np.float32)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            piece = rows[start : start + ROWS_AT_ONCE]
            np.clip(piece, -LARGEST_INPUT, LARGEST_INPUT, out=filled[: len(piece)])
            filled[len(piece) :] = 0
            interpreter.set_tensor(input_index, filled)
            interpreter.invoke()
            outputs[start : start + len(piece)] = interpreter.get_tensor(output_index)[: len(piece)]
        return outputs

    def to_keras(self) -> Any:
        """Return the Keras model."""
        import tempfile

        keras = import_keras()
        with tempfile.TemporaryDirectory(prefix="offkey-") as folder:
            path = Path(folder, "network.keras")
            path.write_bytes(self.keras)
            return keras.models.load_model(path, compile=False)

    def _interpreter(self) -> tuple[Any, int, int]:
        """Return this thread's interpreter; an interpreter holds state and must not be shared."""
        if not hasattr(self._local, "ready"):
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(model_content=self.tflite, num_threads=1)
            details = interpreter.get_input_details()[0]
            interpreter.resize_tensor_input(details["index"], (ROWS_AT_ONCE, details["shape"][-1]))
            interpreter.allocate_tensors()
            self._local.ready = interpreter, details["index"], interpreter.get_output_details()[0]["index"]
        ready: tuple[Any, int, int] = self._local.ready
        return ready

    def __getstate__(self) -> dict[str, bytes]:
        return {"tflite": self.tflite, "keras": self.keras}

    def __setstate__(self, state: dict[str, bytes]) -> None:
        self.__init__(**state)

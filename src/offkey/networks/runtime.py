"""Scoring of networks by LiteRT: no TensorFlow, no waiting, and each row the same result in any batch."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import MissingExtraError, TrainingError
from offkey.networks.build import import_keras

__all__ = ["Network"]

ROWS_AT_ONCE = 64
"""Rows of one call, unless told otherwise."""

LARGEST_INPUT = 1e6
"""Inputs are limited to this: far beyond any level in decibels, far within what 32-bit layers can add up."""


@final
class Network:
    """A trained network in two forms: LiteRT, which scores, and Keras, which trains on.

    Parameters
    ----------
    tflite : bytes
        The network as a LiteRT flat buffer, (n, ...) to (n, ...), float32.
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
            One input (n, ...) to one output (n, ...). On another backend than TensorFlow it must be made of layers of
            Keras only: it is handed over in a ``.keras`` file to a process that runs TensorFlow, which converts it.
        samples : array, shape (n, ...)
            Inputs to compare on.
        tolerance : float
            Largest difference, relative to the largest output.

        Raises
        ------
        TrainingError
            If the two differ by more than that, or give values that are not finite.
        MissingExtraError
            If TensorFlow is not installed.
        """
        import tempfile

        on_tensorflow = import_keras().backend.backend() == "tensorflow"
        with tempfile.TemporaryDirectory(prefix="offkey-") as folder:
            tflite_path, keras_path = Path(folder, "network.tflite"), Path(folder, "network.keras")
            model.save(keras_path)
            if on_tensorflow:
                model.export(tflite_path, format="litert", verbose=False)
            else:
                _export_elsewhere(keras_path, tflite_path)
            network = cls(tflite_path.read_bytes(), keras_path.read_bytes())
        with warnings.catch_warnings():  # models of older Keras versions name their one input, which Keras 3 minds
            warnings.filterwarnings("ignore", r"[\s\S]*structure of `inputs`")
            expected = np.asarray(model(samples, training=False))
        difference = np.abs(network(samples, rows_at_once=min(len(samples), ROWS_AT_ONCE)) - expected).max()
        allowed = tolerance * max(1.0, float(np.abs(expected).max()))
        if not difference <= allowed:  # also catches NaN
            raise TrainingError(
                f"The converted network differs from the trained one by {difference:.3g}, {allowed:.3g} are allowed. "
                "Please report this with your versions of tensorflow and ai-edge-litert."
            )
        return network

    def __call__(self, rows: NDArray[np.float32], rows_at_once: int = ROWS_AT_ONCE) -> NDArray[np.float32]:
        """Return the outputs (n, ...) for inputs (n, ...).

        Parameters
        ----------
        rows : array, shape (n, ...)
            Each is a row of its own to the network: a vector or an image.
        rows_at_once : int
            Rows of one call. The last call is filled up with zeros, so that all calls are of one shape and a row's
            outputs do not depend on the others; they may, in the last bit, on this number.
        """
        interpreter, input_index, output_index = self._interpreter(rows.shape[1:], rows_at_once)
        output_shape = interpreter.get_output_details()[0]["shape"][1:]
        outputs = np.empty((len(rows), *output_shape), np.float32)
        filled = np.zeros((rows_at_once, *rows.shape[1:]), np.float32)
        for start in range(0, len(rows), rows_at_once):
            piece = rows[start : start + rows_at_once]
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

    def _interpreter(self, row_shape: tuple[int, ...], rows_at_once: int) -> tuple[Any, int, int]:
        """Return this thread's interpreter; an interpreter holds state and must not be shared."""
        shape = (rows_at_once, *row_shape)
        if getattr(self._local, "shape", None) != shape:
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(model_content=self.tflite, num_threads=1)
            index = interpreter.get_input_details()[0]["index"]
            interpreter.resize_tensor_input(index, shape)
            interpreter.allocate_tensors()
            self._local.ready = interpreter, index, interpreter.get_output_details()[0]["index"]
            self._local.shape = shape
        ready: tuple[Any, int, int] = self._local.ready
        return ready

    def __getstate__(self) -> dict[str, bytes]:
        return {"tflite": self.tflite, "keras": self.keras}

    def __setstate__(self, state: dict[str, bytes]) -> None:
        self.__init__(**state)


def _export_elsewhere(keras_path: Path, tflite_path: Path) -> None:
    """Convert a saved model in a process of its own that runs Keras on TensorFlow, without a GPU."""
    import importlib.util
    import os
    import subprocess
    import sys

    if importlib.util.find_spec("tensorflow") is None:
        raise MissingExtraError("TensorFlow", "tensorflow", "Converting a network for scoring")
    code = "import sys, keras; keras.models.load_model(sys.argv[1]).export(sys.argv[2], format='litert', verbose=False)"
    quiet = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", code, str(keras_path), str(tflite_path)]
    done = subprocess.run(command, env=os.environ | quiet, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit status {done.returncode}"
        raise TrainingError(
            f"TensorFlow could not convert the network ({reason}). Train it with KERAS_BACKEND=tensorflow."
        )

"""Encoders: networks that others trained, used as they are, one patch at a time and without what they were made in."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError, TrainingError
from offkey.extras import import_keras, import_onnxruntime

__all__ = ["Encoder"]

LARGEST_INPUT = 1e6
"""Inputs are limited to this: far beyond any level or sample, far within what 32-bit layers can add up."""

TOLERANCE = 1e-4
"""Largest difference between a Keras encoder and its converted form, relative to the largest output."""

Run = Callable[[NDArray[np.float32]], NDArray[Any]]


@final
class Encoder:
    """A frozen network that turns a patch, of samples or of frames, into one vector.

    It runs on one patch at a time and in one thread, so that a vector depends on nothing but its patch.

    Parameters
    ----------
    content : bytes
        The model.
    kind : {"tflite", "onnx"}
        What it is.
    patch : tuple of int
        Shape of a patch: (n_samples,) or (n_frames, n_bands).
    output : int or str, optional
        Number or name of the output, where there are several.
    name : str
        For messages.
    sha256 : str
        Of the file that it came from.
    """

    def __init__(
        self, content: bytes, kind: str, patch: tuple[int, ...], output: int | str | None, name: str, sha256: str
    ) -> None:
        self.content = content
        self.kind = kind
        self.patch = patch
        self.output = output
        self.name = name
        self.sha256 = sha256
        self._local = threading.local()

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        patch: tuple[int, ...],
        output: int | str | None = None,
        sha256: str | None = None,
    ) -> Encoder:
        """Read a ``.tflite``, ``.onnx`` or ``.keras`` file, and try it; a Keras model becomes a LiteRT model.

        Raises
        ------
        InputError
            If the file is missing, has another SHA-256 than ``sha256``, or is no encoder for such patches.
        MissingExtraError
            If what reads it is not installed.
        TrainingError
            If a Keras model cannot be converted exactly.
        """
        file = Path(path)
        kind = file.suffix.lower().removeprefix(".")
        if kind not in ("tflite", "onnx", "keras"):
            raise InputError(f"{file}: is not named like an encoder. Name a .tflite, .onnx or .keras file.")
        try:
            content = file.read_bytes()
        except OSError as error:
            reason = f"cannot be read ({error.strerror or error})"
            raise InputError(f"{file}: {reason}. Name a .tflite, .onnx or .keras file.") from error
        digest = hashlib.sha256(content).hexdigest()
        if sha256 is not None and digest != sha256.lower():
            raise InputError(f"{file}: has the SHA-256 {digest}, but {sha256} was stated. Use the file that was meant.")
        if kind == "keras":
            content, kind, output = _converted(content, patch, output, file.name), "tflite", None
        encoder = cls(content, kind, patch, output, file.name, digest)
        noise = np.random.default_rng(0).normal(0, 0.1, patch)
        for some in (np.zeros(patch), noise):
            encoder(some.astype(np.float32))
        return encoder

    def __call__(self, patch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vector (n,) of a patch.

        Raises
        ------
        InputError
            If the network does not fit, or gives values that are not finite.
        """
        if not hasattr(self._local, "run"):
            self._local.run = {"tflite": _litert, "onnx": _onnx}[self.kind](self)
        run: Run = self._local.run
        vector = run(np.clip(patch, -LARGEST_INPUT, LARGEST_INPUT))
        if vector.size != max(vector.shape, default=0):
            raise InputError(
                f"{self.name}: gives an array of shape {vector.shape} for a patch, one vector is needed. "
                "Name another output, or a model that ends in a pooling."
            )
        if not np.isfinite(vector).all():
            raise InputError(f"{self.name}: gives values that are not finite. Use a sound copy of the encoder.")
        return vector.ravel().astype(np.float32, copy=False)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


def _litert(encoder: Encoder) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=encoder.content, num_threads=1)
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        where = outputs[_chosen([each["name"] for each in outputs], encoder)]["index"]
        _check_input(encoder, [np.dtype(each["dtype"]).name for each in inputs])
        declared = [None if size < 0 else int(size) for size in inputs[0]["shape_signature"]]
        shape, is_bands_first = _input_shape(declared, encoder)
        interpreter.resize_tensor_input(inputs[0]["index"], shape)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{encoder.name}: LiteRT cannot run it ({_first_line(error)}). Export it again.") from error

    def run(patch: NDArray[np.float32]) -> NDArray[Any]:
        turned = patch.T if is_bands_first else patch
        interpreter.set_tensor(inputs[0]["index"], np.ascontiguousarray(turned).reshape(shape))
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(where))

    return run


def _onnx(encoder: Encoder) -> Run:
    onnxruntime = import_onnxruntime()
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    failures = (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf,
                errors.NotImplemented, errors.RuntimeException)  # fmt: skip
    try:
        session = onnxruntime.InferenceSession(encoder.content, options, providers=["CPUExecutionProvider"])
    except failures as error:
        raise InputError(f"{encoder.name}: ONNX Runtime cannot run it ({_first_line(error)}). Export it again.") from (
            error
        )
    inputs, names = session.get_inputs(), [each.name for each in session.get_outputs()]
    output = names[_chosen(names, encoder)]
    _check_input(encoder, [each.type.replace("tensor(float)", "float32") for each in inputs])
    declared = [size if isinstance(size, int) else None for size in inputs[0].shape]
    shape, is_bands_first = _input_shape(declared, encoder)

    def run(patch: NDArray[np.float32]) -> NDArray[Any]:
        turned = patch.T if is_bands_first else patch
        try:
            return np.asarray(session.run([output], {inputs[0].name: np.ascontiguousarray(turned).reshape(shape)})[0])
        except failures as error:
            reason = f"cannot take patches of shape {encoder.patch} ({_first_line(error)})"
            raise InputError(f"{encoder.name}: {reason}. Give the patches that it was made for.") from error

    return run


def _chosen(outputs: Sequence[str], encoder: Encoder) -> int:
    """Return which of the outputs is meant."""
    if encoder.output is None and len(outputs) == 1:
        return 0
    if encoder.output in outputs:
        return outputs.index(str(encoder.output))
    if isinstance(encoder.output, int) and 0 <= encoder.output < len(outputs):
        return encoder.output
    asked = "none was chosen" if encoder.output is None else f"{encoder.output!r} was asked for"
    listed = ", ".join(f"{i} {name!r}" for i, name in enumerate(outputs))
    raise InputError(f"{encoder.name}: has the outputs {listed}; {asked}. Give output=NUMBER or its name.")


def _check_input(encoder: Encoder, kinds: Sequence[str]) -> None:
    if list(kinds) != ["float32"]:
        raise InputError(f"{encoder.name}: takes {', '.join(kinds)}, one input of float32 is needed. Export it so.")


def _input_shape(declared: Sequence[int | None], encoder: Encoder) -> tuple[tuple[int, ...], bool]:
    """Return the shape to give a patch in, and whether its bands come before its frames.

    Ones (a batch, a channel) may stand anywhere, and sizes that are left open take what is given.
    """
    sizes = list(declared)
    if len(sizes) > len(encoder.patch) and sizes[0] is None:
        sizes[0] = 1
    open_or_more = [i for i, size in enumerate(sizes) if size != 1]
    for is_bands_first in (False, True)[: len(encoder.patch)]:
        wanted = [n for n in (encoder.patch[::-1] if is_bands_first else encoder.patch) if n != 1]
        fits = all(sizes[i] in (None, n) for i, n in zip(open_or_more, wanted, strict=False))
        if len(wanted) == len(open_or_more) and fits:
            for i, n in zip(open_or_more, wanted, strict=True):
                sizes[i] = n
            return tuple(int(size or 1) for size in sizes), is_bands_first
    shown = ", ".join("?" if size is None else str(size) for size in declared)
    raise InputError(
        f"{encoder.name}: takes ({shown}), a patch has the shape {encoder.patch}. "
        "Give n_fft and the front end that it was made for."
    )


def _converted(content: bytes, patch: tuple[int, ...], output: int | str | None, name: str) -> bytes:
    """Convert a Keras model to LiteRT, of its outputs the one that is meant, and compare both on noise."""
    import tempfile

    keras = import_keras("A Keras encoder")
    with tempfile.TemporaryDirectory(prefix="offkey-") as folder:
        keras_path, tflite_path = Path(folder, "encoder.keras"), Path(folder, "encoder.tflite")
        keras_path.write_bytes(content)
        try:
            model = keras.models.load_model(keras_path, compile=False)
            outputs = model.outputs
        except (AttributeError, ImportError, KeyError, OSError, TypeError, ValueError) as error:
            raise InputError(f"{name}: Keras cannot load it ({_first_line(error)}). Save it again.") from error
        asked = Encoder(b"", "keras", patch, output, name, "")
        chosen = outputs[_chosen([each.name for each in outputs], asked)]
        _check_input(asked, [each.dtype for each in model.inputs])
        shape, is_bands_first = _input_shape(model.inputs[0].shape, asked)
        cut = keras.Model(model.inputs[0], chosen)
        cut.export(tflite_path, format="litert", verbose=False)
        converted = Encoder(tflite_path.read_bytes(), "tflite", patch, None, name, "")
    noise = np.random.default_rng(1).normal(0, 1, patch).astype(np.float32)
    expected = np.asarray(cut((noise.T if is_bands_first else noise).reshape(shape), training=False))
    difference = np.abs(converted(noise) - expected.ravel()).max() if expected.size else np.inf
    if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0))):  # also catches NaN
        raise TrainingError(
            f"{name}: its converted form differs from the Keras model by {difference:.3g}. "
            "Please report this with your versions of tensorflow and ai-edge-litert."
        )
    return converted.content


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]

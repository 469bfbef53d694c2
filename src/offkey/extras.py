"""Optional dependencies, imported where they are needed and by nobody else."""

from __future__ import annotations

import os
from typing import Any

from offkey.errors import MissingExtraError

__all__ = ["import_h5py", "import_keras", "import_onnxruntime", "import_pyarrow"]


def import_keras(purpose: str = "Training a network") -> Any:
    """Import Keras, quietly: on TensorFlow unless the variable ``KERAS_BACKEND`` names another backend.

    Raises
    ------
    MissingExtraError
        If Keras or its backend is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        if backend == "tensorflow":  # Keras would name its backend, not the package to install
            import tensorflow  # noqa: F401
        import keras
    except ImportError as error:
        needed = "TensorFlow" if backend == "tensorflow" else f"Keras on {backend}"
        raise MissingExtraError(needed, "tensorflow", purpose) from error
    return keras


def import_onnxruntime() -> Any:
    """Import ONNX Runtime.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "onnx", "An ONNX encoder") from error
    return onnxruntime


def import_h5py() -> Any:
    """Import h5py.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5py", "sensors", "Reading HDF5 and MATLAB 7.3 files") from error
    return h5py


def import_pyarrow() -> Any:
    """Import pyarrow's reader of Parquet files.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "sensors", "Reading Parquet files") from error
    return parquet

"""Array files looked into: what NumPy, MATLAB and HDF5 files hold, without reading it yet; nothing in them is run."""

from __future__ import annotations

import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tokenize import TokenError
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import InputError, ReadError
from offkey.extras import import_h5py

__all__ = ["DataSet", "open_arrays"]

DAMAGE = (
    OSError, ValueError, TypeError, KeyError, IndexError, EOFError, RuntimeError, AttributeError, OverflowError,
    MemoryError, NotImplementedError, struct.error, zipfile.BadZipFile, zlib.error, SyntaxError, TokenError,
)  # fmt: skip
"""What readers raise at damaged files."""


@final
@dataclass(frozen=True)
class DataSet:
    """One array of a file, not read yet.

    Attributes
    ----------
    name : str
        Its name; with its groups, in HDF5 files.
    shape : tuple of int
        Without axes of length one.
    dtype : numpy dtype
        What it holds.
    rows : callable
        Rows from the first up to the second number, along the longest axis of arrays with one or two axes.
    attributes : mapping
        What is said of it, by lower-case names.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: Callable[[int, int], NDArray[Any]]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def short_name(self) -> str:
        """The name without groups."""
        return self.name.rpartition("/")[2]

    @property
    def is_numeric(self) -> bool:
        """Whether it holds real numbers."""
        return self.dtype.kind in "fiub"


@contextmanager
def open_arrays(path: str) -> Iterator[list[DataSet]]:
    """List the arrays of a file; they can be read until the block ends.

    Raises
    ------
    MissingExtraError
        If the file is HDF5 and h5py is not installed.
    ReadError
        If it is damaged, also while arrays are read within the block.
    """
    with ExitStack() as stack:
        with _damage_told(path), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of numpy, on headers that Python 2 wrote
            suffix = Path(path).suffix.lower()
            if suffix == ".npy":
                listed = [_lazy(Path(path).stem, np.lib.format.open_memmap(path, mode="r"))]
            elif suffix == ".npz":
                file = stack.enter_context(open(path, "rb"))
                listed = list(_npz(path, stack.enter_context(np.load(file, allow_pickle=False))))
            elif suffix == ".mat" and not _is_hdf5(path):
                listed = list(_mat(path))
            else:
                listed = list(_hdf5(stack.enter_context(import_h5py().File(path, "r"))))
        yield [replace(each, rows=_telling(path, each.rows)) for each in listed]


@contextmanager
def _damage_told(path: str) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, InputError | ImportError):
            raise
        text = str(error).strip().splitlines()
        kind = f"{Path(path).suffix.lower()} file ({text[0].rstrip('.') if text else 'damaged'})"
        raise ReadError(path, f"is not a readable {kind}.") from error


def _telling(path: str, rows: Callable[[int, int], NDArray[Any]]) -> Callable[[int, int], NDArray[Any]]:
    """Return a function that reads rows and tells of damage."""

    def told(start: int, stop: int) -> NDArray[Any]:
        with _damage_told(path):
            return rows(start, stop)

    return told


def _lazy(name: str, array: Any, attributes: Mapping[str, Any] | None = None, dtype: Any = None) -> DataSet:
    """Describe what can be indexed like an array."""
    shape = tuple(n for n in array.shape if n != 1)
    along = array.shape.index(max(array.shape)) if array.shape else 0

    def rows(start: int, stop: int) -> NDArray[Any]:
        if len(shape) > 2:
            return np.asarray(array[...]).reshape(shape)
        if not array.shape:
            return np.asarray(array[()]).reshape(1, 1)
        part = array[(slice(None),) * along + (slice(start, stop),)]
        return np.moveaxis(np.asarray(part), along, 0).reshape(stop - start, -1)

    return DataSet(name, shape, np.dtype(dtype or array.dtype), rows, attributes or {})


def _deferred(name: str, shape: tuple[int, ...], dtype: Any, load: Callable[[], Any]) -> DataSet:
    """Describe an array that is read whole, when its first row is asked for."""
    loaded: list[DataSet] = []

    def rows(start: int, stop: int) -> NDArray[Any]:
        if not loaded:
            loaded.append(_lazy(name, load()))
        part = loaded[0].rows(start, stop)
        if stop >= max(shape, default=0):
            loaded.clear()
        return part

    return DataSet(name, tuple(n for n in shape if n != 1), np.dtype(dtype), rows)


def _npz(path: str, file: Any) -> Iterator[DataSet]:
    for name in file.files:
        member = name if name in file.zip.namelist() else f"{name}.npy"
        with file.zip.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read_header(stream)
        if math.prod(shape) * dtype.itemsize > file.zip.getinfo(member).file_size and not dtype.hasobject:
            raise ReadError(path, f"is damaged: {name!r} states {shape} values, more than it holds.")
        yield _deferred(name, shape, dtype, lambda name=name: file[name])  # type: ignore[misc]


def _is_hdf5(path: str | os.PathLike[str]) -> bool:
    with open(path, "rb") as file:
        head = file.read(520)
    return head[:8] == b"\x89HDF\r\n\x1a\n" or head[512:520] == b"\x89HDF\r\n\x1a\n"


def _mat(path: str) -> Iterator[DataSet]:
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    types = {"double": float, "single": np.float32, "char": str, "logical": bool}
    try:
        for name, shape, kind in whosmat(path):
            dtype = types.get(kind, kind if kind.startswith(("int", "uint")) else object)
            yield _deferred(name, shape, dtype, lambda name=name: loadmat(path, variable_names=[name])[name])  # type: ignore[misc]
    except MatReadError as error:
        raise ReadError(path, f"is not a readable .mat file ({str(error).rstrip('.')}).") from error


def _hdf5(file: Any) -> Iterator[DataSet]:
    h5py = import_h5py()
    found: list[Any] = []
    file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    for item in found:
        name = item.name.lstrip("/")
        if name.startswith("#"):  # where MATLAB keeps what others refer to
            continue
        kind = _text(item.attrs.get("MATLAB_class", b""))
        is_text = kind in ("char", "cell", "struct", "string") or h5py.check_string_dtype(item.dtype) is not None
        said = {**_said(file), **_said(item.parent), **_said(item)}
        array = item.asstr() if h5py.check_string_dtype(item.dtype) is not None else item
        if is_text and array is item:
            yield DataSet(name, (), np.dtype(object), lambda _, __: np.empty(0))
        elif array is not item:
            yield DataSet(name, item.shape, np.dtype(str), lambda start, stop, array=array: array[start:stop])  # type: ignore[misc]
        else:
            yield _lazy(name, item, said)


def _said(item: Any) -> dict[str, Any]:
    return {str(name).lower(): _text(value) for name, value in item.attrs.items()}


def _text(value: Any) -> Any:
    """Return bytes as text; other values as they are."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return [_text(each) for each in value.reshape(-1)]
    return value

"""The bundle file: one zip of ``pipeline.json``, ``arrays.npz`` and, for each network, its two forms.

A bundle is read without executing anything in it: JSON, and plain arrays without pickles. Members are stored
uncompressed (no bombs), never unpacked to disk (no path traversal), known by name, and checked by SHA-256 (the
document, which holds the digests, by the zip's own checksum). Writing is atomic.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.errors import BundleError
from offkey.files import atomic_write

__all__ = ["FORMAT", "Bundle", "read", "write"]

FORMAT = 5
"""Format version; raised when an older offkey could not read the file correctly."""

DOCUMENT = "pipeline.json"
ARRAYS = "arrays.npz"
BLOB = re.compile(r"network-\d{1,4}\.(tflite|keras)|encoder\.(tflite|onnx|keras)")
LARGEST_DOCUMENT = 64 * 2**20
DATE = (2020, 1, 1, 0, 0, 0)


@final
@dataclass(frozen=True)
class Bundle:
    """What a bundle file holds.

    Parameters
    ----------
    document : dict
        What JSON can say.
    arrays : dict of str to array
        Arrays of numbers.
    blobs : dict of str to bytes
        Networks, by member name.
    """

    document: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)


def write(bundle: Bundle, path: str | os.PathLike[str]) -> None:
    """Write a bundle: whoever looks at ``path`` meanwhile sees the old file or the new one, whole.

    Raises
    ------
    BundleError
        If the file cannot be written.
    """
    members = {ARRAYS: _npz(bundle.arrays), **bundle.blobs}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    document = {"format": FORMAT, "members": digests, **bundle.document}
    members = {DOCUMENT: json.dumps(document, indent=1, allow_nan=True).encode(), **members}
    target = Path(path)
    if target.is_dir():
        raise BundleError(f"{path}: is a folder. Name a file, such as {target / 'pump.offkey'}.")
    with atomic_write(target, BundleError) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, DATE), content)


def read(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle, executing nothing from it.

    Raises
    ------
    BundleError
        If the file is missing, not a bundle, damaged, or of a newer format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
    except FileNotFoundError as error:
        raise BundleError(f"{path}: does not exist. Name a file that 'offkey fit' or Pipeline.save wrote.") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be opened ({error.strerror or error}). Name a bundle file.") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{path}: is not a bundle, or is damaged ({error}). Use a fresh copy.") from error
    document = _document(members.pop(DOCUMENT), path)
    for name, digest in document["members"].items():
        if name not in members or hashlib.sha256(members[name]).hexdigest() != digest:
            raise BundleError(f"{path}: is damaged, {name} is missing or was changed. Use a fresh copy.")
    if set(members) != set(document["members"]):
        raise BundleError(f"{path}: holds members that it does not list. Use a fresh copy.")
    return Bundle(document, _arrays(members.pop(ARRAYS), path), members)


def _members(archive: zipfile.ZipFile, path: object) -> dict[str, bytes]:
    infos = archive.infolist()
    names = [info.filename for info in infos]
    others = set(names) - {DOCUMENT, ARRAYS}
    if len(set(names)) != len(names) or len(others) != len(names) - 2 or not all(map(BLOB.fullmatch, others)):
        raise BundleError(f"{path}: is not a bundle; it holds other files than a bundle does. Name a bundle file.")
    whole = os.path.getsize(archive.filename or "")
    for info in infos:
        is_small = info.filename != DOCUMENT or info.file_size <= LARGEST_DOCUMENT
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > whole or not is_small:
            raise BundleError(f"{path}: is not a bundle; {info.filename} is packed or too large. Name a bundle file.")
    return {info.filename: archive.read(info) for info in infos}


def _document(content: bytes, path: object) -> dict[str, Any]:
    try:
        document = json.loads(content)
        version = document["format"]
        members = document["members"]
        is_sound = isinstance(version, int) and isinstance(members, dict) and ARRAYS in members
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"{path}: is damaged, its {DOCUMENT} cannot be read ({error}). Use a fresh copy.") from error
    if not is_sound:
        raise BundleError(f"{path}: is damaged, its {DOCUMENT} makes no sense. Use a fresh copy.")
    if version > FORMAT:
        raise BundleError(
            f"{path}: has bundle format {version}, this offkey reads up to {FORMAT}. "
            "Upgrade with: pip install -U offkey"
        )
    if version < FORMAT:
        raise BundleError(f"{path}: has the old bundle format {version}. Fit the pipeline again with this offkey.")
    return dict(document)


def _npz(arrays: dict[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _arrays(content: bytes, path: object) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {info.filename.removesuffix(".npy"): _array(archive, info) for info in archive.infolist()}
    except (
        zipfile.BadZipFile,
        ValueError,
        KeyError,
        EOFError,
        RuntimeError,
        NotImplementedError,
        SyntaxError,
    ) as error:
        raise BundleError(f"{path}: is damaged, its arrays cannot be read ({error}). Use a fresh copy.") from error


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """Read one array; a header that states more values than there are is refused before memory is taken for them."""
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > info.compress_size:
        raise ValueError(f"{info.filename} is packed")
    data = io.BytesIO(archive.read(info))
    version = np.lib.format.read_magic(data)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, _, dtype = header(data)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize > info.file_size:
        raise ValueError(f"{info.filename} holds objects or states more values than it has")
    data.seek(0)
    return np.asarray(np.lib.format.read_array(data, allow_pickle=False))

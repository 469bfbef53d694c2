"""The journal of a long comparison: one JSON line for each finished trial, so that a later run does what is missing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from offkey.errors import InputError

__all__ = ["Journal", "digest"]

BEGINNING = b'{"key": '


def digest(settings: Any) -> str:
    """Return the SHA-256 of settings, as JSON writes them."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


@final
class Journal:
    """What was found by key, in memory and, where a path is given, in a file that grows line by line.

    A last line that was not written to its end is dropped.

    Raises
    ------
    InputError
        If the file is something else, or cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = path
        self.found: dict[str, Any] = {}
        if path is not None:
            self._read(Path(path))

    def add(self, key: str, outcome: Mapping[str, Any]) -> None:
        """Keep an outcome, which is on the disk when this returns."""
        self.found[key] = outcome
        if self.path is None:
            return
        line = json.dumps({"key": key, "outcome": outcome}).encode() + b"\n"
        try:
            with open(self.path, "ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror or error}). Choose another.") from error

    def _read(self, path: Path) -> None:
        try:
            with open(path, "ab+") as file:  # made if it is not there: that it cannot be written shows at once
                file.seek(0)
                content = file.read()
                whole, _, torn = content.rpartition(b"\n")
                if torn and not torn.startswith(BEGINNING[: len(torn)]):
                    raise ValueError("its last line is no outcome")
                for line in whole.splitlines():
                    entry = json.loads(line)
                    self.found[entry["key"]] = entry["outcome"]
                if torn:
                    file.truncate(len(content) - len(torn))
        except OSError as error:
            raise InputError(f"{path}: cannot be opened ({error.strerror or error}). Choose another place.") from error
        except (ValueError, LookupError, TypeError) as error:
            raise InputError(
                f"{path}: is not a file that a comparison wrote ({error}). Name a new file to resume from."
            ) from error

"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from offkey.errors import InputError

__all__ = ["atomic_write"]


@contextmanager
def atomic_write(path: str | os.PathLike[str], error: type[Exception] = InputError) -> Iterator[IO[bytes]]:
    """Give a file to write to: whoever looks at ``path`` meanwhile sees the old file or the new one, whole.

    Parameters
    ----------
    path : path
        The file; an existing one is replaced at the end.
    error : type of exception
        What is raised if it cannot be written.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as cause:
        raise error(f"{path}: cannot be written ({cause.strerror or cause}). Choose another place.") from cause
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)

"""Text tables with comments between their rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, final

__all__ = ["WithoutComments"]


@final
class WithoutComments:
    """An open text file in which lines that begin with a mark are empty.

    A mark within a line is left: it may be part of a name.

    Parameters
    ----------
    file : text file
        It is read from where it stands, and not closed.
    mark : str
        What comments begin with.
    """

    def __init__(self, file: IO[str], mark: str) -> None:
        self._file, self._mark = file, mark

    def read(self, size: int = -1) -> str:
        """Return some whole lines, about ``size`` characters; empty at the end."""
        return "".join("\n" if line.startswith(self._mark) else line for line in self._file.readlines(size))

    def __iter__(self) -> Iterator[str]:
        while lines := self.read(2**16):
            yield from lines.splitlines(keepends=True)

"""Progress of long work, told to whoever wants to show it: silent unless a reporter is set.

The library calls `track` and `Task.advance`; a front end (the command line, a notebook) sets a reporter::

    with reporting(MyReporter()):
        pipeline.fit("normal/")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

__all__ = ["Reporter", "reporting", "task", "track"]

T = TypeVar("T")


class Reporter(Protocol):
    """Shows tasks: ``total`` is the number of steps, or None where it is not known."""

    def start(self, name: str, total: int | None) -> int: ...

    def advance(self, task: int, steps: int, note: str) -> None: ...

    def finish(self, task: int) -> None: ...


_reporter: ContextVar[Reporter | None] = ContextVar("reporter", default=None)


@contextmanager
def reporting(reporter: Reporter) -> Iterator[None]:
    """Send progress to ``reporter`` within this block."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)


class Task:
    """One piece of long work under way."""

    def __init__(self, reporter: Reporter | None, name: str, total: int | None) -> None:
        self._reporter = reporter
        self._id = reporter.start(name, total) if reporter else 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Say that ``steps`` more are done."""
        if self._reporter:
            self._reporter.advance(self._id, steps, note)

    def finish(self) -> None:
        """Say that the work is over."""
        if self._reporter:
            self._reporter.finish(self._id)


@contextmanager
def task(name: str, total: int | None = None) -> Iterator[Task]:
    """Announce one piece of long work of ``total`` steps."""
    current = Task(_reporter.get(), name, total)
    try:
        yield current
    finally:
        current.finish()


def track(items: Iterable[T], name: str, total: int | None = None) -> Iterator[T]:
    """Yield ``items``, one step each."""
    with task(name, total) as current:
        for item in items:
            yield item
            current.advance()

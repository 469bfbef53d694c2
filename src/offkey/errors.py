"""Everything offkey raises on purpose.

    OffkeyError
    ├── InputError (ValueError)          what was given cannot be used
    │   ├── ReadError                    one recording: .source and .reason
    │   ├── InjectionError               a clip cannot hold a fault
    │   └── ShapeError                   an array has another shape than the one that is needed
    ├── NotFittedError (ValueError, AttributeError)
    ├── BundleError (ValueError)         a bundle is damaged, unknown or too new
    ├── DownloadError (RuntimeError)     an archive cannot be had, or is not what it states
    ├── TrainingError (RuntimeError)     a network did not train, or its conversion is not exact
    └── MissingExtraError (ImportError)  an optional dependency is not installed

Messages are two sentences: what was given and what is needed; what to do.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "DownloadError",
    "InjectionError",
    "InputError",
    "MissingExtraError",
    "NotFittedError",
    "OffkeyError",
    "ReadError",
    "ShapeError",
    "TrainingError",
]


class OffkeyError(Exception):
    """Base of all errors that offkey raises on purpose."""


class InputError(OffkeyError, ValueError):
    """What was given cannot be used."""


class ReadError(InputError):
    """A recording cannot be read or scored.

    Attributes
    ----------
    source : str
        The file, as it was given.
    reason : str
        What is wrong with it, without the file's name.
    """

    def __init__(self, source: object, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = str(source)
        self.reason = reason

    def __reduce__(self) -> tuple[type[ReadError], tuple[str, str]]:
        return type(self), (self.source, self.reason)


class InjectionError(InputError):
    """A clip cannot hold a fault: it has no sound that the fault could be set against, or is too short."""


class ShapeError(InputError):
    """An array has another shape than the one that is needed."""


class NotFittedError(OffkeyError, ValueError, AttributeError):
    """Something was asked to score or to decide before it was fitted."""


class BundleError(OffkeyError, ValueError):
    """A bundle is damaged, of an unknown kind, or from a newer offkey."""


class DownloadError(OffkeyError, RuntimeError):
    """An archive cannot be had, or what comes is not what it states."""


class TrainingError(OffkeyError, RuntimeError):
    """A network did not train, or its converted form differs from the trained one."""


class MissingExtraError(OffkeyError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, module: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {module}, which is not installed. Install it with: pip install 'offkey[{extra}]'"
        )
        self._given = module, extra, purpose

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        return type(self), self._given

"""Estimators of other libraries in a bundle: by name and parameters, never by pickle."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from offkey.errors import BundleError

__all__ = ["LIBRARIES", "is_estimator", "pack_estimator", "unpack_estimator"]

LIBRARIES = ("sklearn", "pyod")
"""Whose estimators a bundle may name; nothing else is imported because a file says so."""


def is_estimator(thing: object) -> bool:
    """Say whether something is an estimator of these libraries."""
    return type(thing).__module__.partition(".")[0] in LIBRARIES and hasattr(thing, "get_params")


def pack_estimator(estimator: Any, value: Callable[[str, Any], Any], name: str) -> dict[str, Any]:
    """Return what JSON can say of an estimator; ``value`` packs each parameter."""
    kind = type(estimator)
    params = estimator.get_params(deep=False)
    return {
        "type": f"{kind.__module__}:{kind.__qualname__}",
        "params": {k: value(f"{name}.{k}", params[k]) for k in params},
    }


def unpack_estimator(packed: Mapping[str, Any], value: Callable[[Any], Any]) -> Any:
    """Return the estimator, not fitted.

    Raises
    ------
    BundleError
        If its library is not here, or has no such estimator, or it is of another one.
    """
    module, _, name = packed["type"].partition(":")
    if module.partition(".")[0] not in LIBRARIES:
        raise BundleError(f"The bundle names {packed['type']}, which offkey does not import. Use a fresh copy.")
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise BundleError(
            f"The bundle needs {packed['type']}, which cannot be imported ({error}). Install the version of "
            f"{module.partition('.')[0]} that it was fitted with."
        ) from error
    if not (isinstance(kind, type) and hasattr(kind, "get_params") and hasattr(kind, "fit")):
        raise BundleError(f"The bundle names {packed['type']}, which is no estimator. Use a fresh copy.")
    return kind(**{name: value(each) for name, each in packed["params"].items()})

"""Objects that are described by their constructor's parameters, as in scikit-learn, without importing it."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np

from offkey.errors import InputError, NotFittedError

__all__ = ["Parameterized"]


class Parameterized:
    """``get_params``, ``set_params``, a telling ``repr`` and the fitted state.

    The constructor only stores its parameters, each under its own name; what fitting learns lies in attributes that end
    in ``_``.
    """

    @classmethod
    def _parameter_defaults(cls) -> dict[str, Any]:
        signature = inspect.signature(cls)
        return {name: parameter.default for name, parameter in signature.parameters.items()}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name (``deep`` is scikit-learn's; detectors within others are values too)."""
        return {name: getattr(self, name) for name in self._parameter_defaults()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name and return self.

        Raises
        ------
        InputError
            If a name is not a parameter.
        """
        known = self._parameter_defaults()
        for name, value in params.items():
            if name not in known:
                raise InputError(
                    f"{type(self).__name__} has no parameter {name!r}. It has: {', '.join(known) or 'none'}."
                )
            setattr(self, name, value)
        return self

    def unfitted(self) -> Self:
        """Return a new object with the same parameters and nothing learned."""
        return type(self)(**self.get_params())

    @property
    def fitted_state(self) -> dict[str, Any]:
        """Everything that fitting learned, by attribute name."""
        return {name: value for name, value in vars(self).items() if name.endswith("_") and not name.startswith("_")}

    def restore(self, state: dict[str, Any]) -> Self:
        """Take up a state that `fitted_state` gave."""
        for name, value in state.items():
            setattr(self, name, value)
        return self

    def _require_fitted(self) -> None:
        if not any(name.endswith("_") and not name.startswith("_") for name in vars(self)):
            raise NotFittedError(f"This {type(self).__name__} is not fitted yet. Call fit first.")

    def __repr__(self) -> str:
        defaults = self._parameter_defaults()
        changed = (f"{name}={value!r}" for name, value in self.get_params().items() if not _same(value, defaults[name]))
        return f"{type(self).__name__}({', '.join(changed)})"


def _same(value: object, default: object) -> bool:
    if isinstance(value, np.ndarray) or isinstance(default, np.ndarray):
        return np.array_equal(np.asarray(value), np.asarray(default))
    return value is default or value == default

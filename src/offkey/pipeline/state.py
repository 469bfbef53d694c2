"""Objects to and from a bundle: type, parameters, and what fitting learned; nothing is executed on the way back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from offkey.encoders import Encoder
from offkey.errors import BundleError
from offkey.networks import Network
from offkey.parameters import Parameterized
from offkey.pipeline.estimators import is_estimator, pack_estimator, unpack_estimator

__all__ = ["Packer", "Unpacker"]


@final
@dataclass
class Packer:
    """Collects arrays, networks and an encoder while objects become JSON."""

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def pack(self, name: str, thing: Parameterized) -> dict[str, Any]:
        """Return what JSON can say of an object; arrays go under names that begin with ``name``."""
        return {
            "type": type(thing).__name__,
            "params": {key: self.value(f"{name}.{key}", value) for key, value in thing.get_params().items()},
            "state": {key: self.value(f"{name}.{key}", value) for key, value in thing.fitted_state.items()},
        }

    def value(self, name: str, value: Any) -> Any:
        """Return what JSON can say of one value.

        Raises
        ------
        BundleError
            If it is of a kind that bundles do not hold.
        """
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, tuple | list):
            return [self.value(f"{name}.{i}", item) for i, item in enumerate(value)]
        if isinstance(value, np.ndarray):
            plain = value if value.dtype.kind in "biuf" else value.astype(str)
            self.arrays[name] = plain
            return {"array": name}
        if isinstance(value, Network):
            stem = f"network-{len(self.blobs) // 2}"
            self.blobs |= {f"{stem}.tflite": value.tflite, f"{stem}.keras": value.keras}
            return {"network": stem}
        if isinstance(value, Encoder):
            member = f"encoder.{value.kind}"
            self.blobs[member] = value.content
            return {"encoder": member, "sha256": value.sha256} | {
                key: self.value(f"{name}.{key}", getattr(value, key)) for key in ("patch", "output", "name")
            }
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, Parameterized):
            return {"object": self.pack(name, value)}
        if is_estimator(value):
            return {"estimator": pack_estimator(value, self.value, name)}
        raise BundleError(
            f"{name} is a {type(value).__name__}, which a bundle cannot hold. Keep numbers, texts, arrays and networks."
        )


@final
@dataclass(frozen=True)
class Unpacker:
    """Makes objects of JSON again; ``types`` are those that may be within others."""

    arrays: Mapping[str, NDArray[Any]]
    blobs: Mapping[str, bytes]
    types: Mapping[str, type[Parameterized]] = field(default_factory=dict)

    def unpack(self, packed: Mapping[str, Any], types: Mapping[str, type[Parameterized]]) -> Any:
        """Return the object that `Packer.pack` packed; only of the named types.

        Raises
        ------
        BundleError
            If the type is none of them.
        """
        kind = packed["type"]
        if kind not in types:
            raise BundleError(
                f"The bundle needs {kind!r}, which offkey does not have. If it is your own class, name it "
                f"when loading: offkey.load(path, detectors=[{kind}]), or --detector my_file.py:{kind}."
            )
        params = {key: self.value(value) for key, value in packed["params"].items()}
        state = {key: self.value(value) for key, value in packed["state"].items()}
        if not all(key.endswith("_") and not key.startswith("_") for key in state):
            raise BundleError("The bundle sets attributes that are not fitted state. Use a fresh copy.")
        return types[kind](**params).restore(state)

    def value(self, value: Any) -> Any:
        """Return one value."""
        if isinstance(value, list):
            return tuple(self.value(item) for item in value)
        if isinstance(value, dict):
            if "array" in value:
                return self.arrays[value["array"]]
            if "encoder" in value:
                kind = value["encoder"].rpartition(".")[2]
                told = (value[key] for key in ("output", "name", "sha256"))
                return Encoder(self.blobs[value["encoder"]], kind, self.value(value["patch"]), *told)
            if "estimator" in value:
                return unpack_estimator(value["estimator"], self.value)
            if "object" in value:
                return self.unpack(value["object"], self.types)
            return Network(self.blobs[f"{value['network']}.tflite"], self.blobs[f"{value['network']}.keras"])
        return value

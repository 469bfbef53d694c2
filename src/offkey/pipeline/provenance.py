"""Where a pipeline comes from: versions, recordings, later calibrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from offkey.pipeline.boundaries import Evidence
from offkey.pipeline.gather import Gathered
from offkey.version import __version__

__all__ = ["provenance", "with_calibration"]

PACKAGES = ("numpy", "scipy", "scikit-learn", "soundfile", "soxr", "ai-edge-litert", "keras", "tensorflow")


def provenance(gathered: Gathered, chosen: Sequence[tuple[int, int]], seed: int) -> dict[str, Any]:
    """Return what is worth knowing of a fit on some of the gathered frames."""
    import platform

    n_samples = sum(gathered.feature.n_samples(stop - start) for start, stop in chosen)
    return {
        "offkey": __version__,
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "created": _now(),
        "seed": seed,
        "n_recordings": len(chosen),
        "duration_s": round(n_samples / gathered.feature.fitted_state["rate_"], 3),
        "samples_sha256": gathered.digest,
    }


def with_calibration(
    before: Mapping[str, Any],
    rule: str,
    added: Sequence[Evidence] = (),
    marked: Sequence[Evidence] = (),
    chosen_on: str = "",
) -> dict[str, Any]:
    """Return a pipeline's provenance with a later calibration: its rule, more evidence, or what labels chose it."""
    record = {
        "offkey": __version__,
        "created": _now(),
        "rule": rule,
        "added": [each.source for each in added],
        "marked_normal": [each.source for each in marked],
        "chosen_on": chosen_on,
    }
    return {**before, "calibrations": [*before.get("calibrations", []), record]}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # dear to import; scoring does without

    try:
        return version(package)
    except PackageNotFoundError:
        return None

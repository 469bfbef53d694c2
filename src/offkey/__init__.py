"""offkey hears when a machine sounds wrong.

A pipeline cuts a recording into analysis windows, a detector says how strange each window is, a threshold says yes or
no::

    import offkey

    pipeline = offkey.Pipeline().fit("normal/")
    pipeline.save("pump.offkey")
    decision = offkey.load("pump.offkey").decide("today.wav")
"""

from offkey import decisions, detectors, errors, features, networks, recipes, rotation, signals, windows
from offkey.pipeline import Decision, Failure, Pipeline, load
from offkey.signals import Clip, blocks, read, write
from offkey.version import __version__

__all__ = [
    "Clip",
    "Decision",
    "Failure",
    "Pipeline",
    "__version__",
    "blocks",
    "decisions",
    "detectors",
    "errors",
    "features",
    "load",
    "networks",
    "read",
    "recipes",
    "rotation",
    "signals",
    "windows",
    "write",
]

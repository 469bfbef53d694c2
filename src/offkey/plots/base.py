"""What all pictures share: colours, a figure, its look, and how it is saved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from offkey.errors import InputError, MissingExtraError

__all__ = ["BLUE", "GREEN", "ORANGE", "clean", "new_figure", "plain_log_ticks", "save"]

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # Okabe and Ito's colours, told apart by colour-blind people too


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure, its size in inches.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots", "Drawing a picture") from error
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written ({error}). Choose another place, or the ending .png.") from error


def clean(ax: Any) -> None:
    """Leave of axes what is needed."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="0.9", lw=0.7)
    ax.set_axisbelow(True)


def plain_log_ticks(ax: Any, subs: Sequence[float]) -> None:
    """Make the x axis logarithmic, with plain numbers at these multiples of powers of ten."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.xaxis.set_minor_formatter(NullFormatter())

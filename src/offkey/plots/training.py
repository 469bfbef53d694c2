"""Pictures of how the training of a network went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offkey.detectors import Detector
from offkey.errors import InputError, NotFittedError, ShapeError
from offkey.plots.base import BLUE, ORANGE, add_legend, axes_or_current, clean, is_wide, make_logarithmic, without_nan

__all__ = ["plot_training"]


def plot_training(history: Detector | Mapping[str, Any], ax: Any = None) -> Any:
    """Draw the training loss and, where there is one, the validation loss of each epoch.

    The loss axis is logarithmic where all losses are above zero and the largest is at least ten times the smallest.

    Parameters
    ----------
    history : Detector, or mapping of str to sequence of float
        A fitted network with ``loss_``, and ``validation_loss_`` if it has one; or what Keras keeps in
        ``history.history``: ``"loss"`` and ``"val_loss"``.
    ax : matplotlib Axes, optional
        pyplot's current ones if not given.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    NotFittedError
        If the detector is not fitted.
    InputError
        If there are no losses in what was given, or are not a list of numbers.
    MissingExtraError
        If matplotlib is not installed.
    """
    losses = _losses(history)
    ax = axes_or_current(ax)
    looks = {"training": (BLUE, "-", "o"), "validation": (ORANGE, "--", "D")}
    notes = []
    for name, loss in losses.items():
        colour, style, marker = looks[name]
        is_shown, said = without_nan(loss, f"{name} losses")
        notes += said
        epochs = np.arange(1, len(loss) + 1)
        ax.plot(epochs, np.where(is_shown, loss, np.nan), ls=style, marker=marker, color=colour, lw=1.6,
                ms=3.5 if len(loss) <= 30 else 0, label=name if len(loss) else None)  # fmt: skip
    _mark_lowest(losses.get("validation", np.zeros(0)), ax)
    everything = np.concatenate(list(losses.values()))
    finite = everything[np.isfinite(everything)]
    if is_wide(finite):
        make_logarithmic(ax, finite.min(), finite.max(), "y")
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    ax.set(xlabel="epoch", ylabel="loss", xlim=(0.5, max(1, *(len(loss) for loss in losses.values())) + 0.5))
    add_legend(ax, notes if len(everything) else ["no epochs"])
    clean(ax)
    return ax


def _losses(history: Detector | Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Return training losses (n_epochs,) and, where there are any, validation losses by name."""
    if isinstance(history, Mapping):
        found, names = dict(history), ("loss", "val_loss")
    elif isinstance(history, Detector):
        found, names = history.fitted_state, ("loss_", "validation_loss_")
        if not found:
            raise NotFittedError(f"This {type(history).__name__} is not fitted yet. Call fit first.")
    else:
        raise InputError(f"A {type(history).__name__} was given. Give a fitted network, or Keras's history.history.")
    if names[0] not in found:
        raise InputError(f"No {names[0]!r} among {sorted(found)}. Give a fitted network, or Keras's history.history.")
    losses = {"training": np.asarray(found[names[0]], np.float64)}
    if len(found.get(names[1], ())):
        losses["validation"] = np.asarray(found[names[1]], np.float64)
    for name, loss in losses.items():
        if loss.ndim != 1:
            raise ShapeError(f"{name.capitalize()} losses of shape {loss.shape} were given. Give (n_epochs,).")
    return losses


def _mark_lowest(loss: NDArray[np.float64], ax: Any) -> None:
    if np.isfinite(loss).any():
        epoch = int(np.nanargmin(loss))
        ax.plot(
            epoch + 1, loss[epoch], "D", color=ORANGE, mfc="white", ms=8, mew=1.6, label=f"lowest: epoch {epoch + 1}"
        )

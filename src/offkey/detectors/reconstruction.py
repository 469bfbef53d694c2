"""Autoencoders: what a network that knows normal sound cannot predict is strange."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from offkey.attribution import mahalanobis_shares, over_frames
from offkey.detectors.base import Localizer, groups_of
from offkey.errors import InputError, ShapeError
from offkey.networks import Contexts, Network, dense_autoencoder, train
from offkey.statistics import Windows, batches, mahalanobis, whitening
from offkey.windows import WindowArray

__all__ = ["Autoencoder", "InterpolationAutoencoder"]

BY_DOMAIN = ("selective-mahalanobis", "row-mahalanobis")
SCORES = ("mse", "mahalanobis", *BY_DOMAIN)
LARGEST_FRAME_VALUE = 1e30
CONTEXTS_AT_ONCE = 64
N_COMPARED = 512
"""Contexts on which a converted network is compared with the trained one."""


class FrameNetwork(Localizer):
    """What both autoencoders share: contexts in, predicted frames out, residuals to scores."""

    cross_fit: ClassVar[bool] = False

    def __init__(
        self,
        context: int = 5,
        units: Sequence[int] = (128, 128, 128, 128),
        bottleneck: int = 8,
        batch_norm: bool = True,
        epochs: int = 100,
        batch_size: int = 512,
        learning_rate: float = 1e-3,
        validation: float = 0.0,
        patience: int | None = None,
        score: str = "mahalanobis",
        domain_column: str = "domain",
        seed: int = 0,
    ) -> None:
        self.context = context
        self.units = units
        self.bottleneck = bottleneck
        self.batch_norm = batch_norm
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation = validation
        self.patience = patience
        self.score = score
        self.domain_column = domain_column
        self.seed = seed

    @abstractmethod
    def _inputs_and_targets(self, contexts: Any) -> tuple[Any, Any]:
        """Split contexts (n, context, n_values) into inputs (n, n_inputs) and targets (n, n_outputs)."""

    @final
    def _fit_network(self, windows: Windows, context: int) -> None:
        if self.score not in SCORES:
            raise InputError(f"score={self.score!r} was given. Use one of {', '.join(map(repr, SCORES))}.")
        for name in ("context", "bottleneck", "epochs", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InputError(f"{name}={value!r} was given. It must be a whole number of at least 1.")
        if not 0 <= self.validation < 1:
            raise InputError(f"validation={self.validation} was given. It must be at least 0 and below 1.")
        if windows.shape[1] < context:
            raise ShapeError(
                f"Windows of {windows.shape[1]} frames were given to a network that sees {context} at once. "
                "Give longer windows or a smaller context."
            )
        if self.score == "mahalanobis" and len(windows) < 2:
            raise ShapeError(f"1 sample (shape={windows.shape}) was given; a covariance needs at least 2. Give more.")
        self.context_ = context
        contexts = Contexts.of(windows, context)
        held_out = None
        if self.validation:
            contexts, held_out = contexts.split(self.validation, self.seed)
        some = self._some_inputs(contexts)
        inputs, targets = (part.shape[1] for part in self._inputs_and_targets(some))
        model = dense_autoencoder(
            inputs,
            targets,
            units=tuple(self.units),
            bottleneck=self.bottleneck,
            batch_norm=self.batch_norm,
            seed=self.seed,
        )
        history = train(
            model,
            contexts,
            lambda each, _: self._inputs_and_targets(each),
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            validation=held_out,
            patience=self.patience,
            seed=self.seed,
        )
        self.is_interrupted_ = history.interrupted
        self.loss_ = np.array(history.loss)
        self.validation_loss_ = np.array(history.validation_loss)
        self.network_ = Network.convert(model, np.asarray(self._inputs_and_targets(some)[0]))
        if self.score == "mahalanobis":
            residuals = [self._mean_residuals(batch) for batch in batches(windows)]
            self.residual_mean_, self.residual_whitening_ = whitening(np.concatenate(residuals), groups_of(windows))
        elif self.score in BY_DOMAIN:
            self._fit_domains(windows)

    @final
    def _fit_domains(self, windows: Windows) -> None:
        """Learn how residual rows scatter in each domain, from every context of its recordings once."""
        contexts = Contexts.of(windows, self.context_)
        known = windows.known if isinstance(windows, WindowArray) else {}
        missing = (
            f"Nothing tells the {self.domain_column} of the recordings (a table with that column would): "
            "their residuals have one covariance."
        )
        domains = np.array(known.get(self.domain_column, [""] * len(contexts.segments)), np.str_)
        self.notes_ = [] if any(domains) else [missing]
        has_context = [stop - start >= contexts.size for start, stop in contexts.segments]
        self.domains_ = np.unique(domains[has_context])
        self.domain_whitening_ = np.stack(
            [_row_whitening(self._rows(contexts, np.flatnonzero(domains == each))) for each in self.domains_]
        )

    @final
    def _rows(self, contexts: Contexts, chosen: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
        """Yield the residual rows (n, n_bands * n_channels) of chosen segments, piece by piece."""
        for start, stop in (contexts.segments[i] for i in chosen):
            for first in range(start, stop - contexts.size + 1, CONTEXTS_AT_ONCE):
                last = min(first + CONTEXTS_AT_ONCE + contexts.size - 1, stop)
                residuals = self._residuals(contexts.frames[first:last])
                yield residuals.reshape(-1, residuals.shape[-1])

    @final
    def _some_inputs(self, contexts: Contexts) -> NDArray[np.float32]:
        frames, starts, _ = next(contexts.groups(N_COMPARED, np.random.default_rng(self.seed)))
        return np.asarray(frames[starts[:, None] + np.arange(contexts.size)])

    @final
    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        if self.score == "mse":
            return np.array([np.square(self._residuals(window)).mean() for window in windows])
        if self.score in BY_DOMAIN:
            return np.array([self._by_domain(self._residuals(window)).min() for window in windows])
        return mahalanobis(self._mean_residuals(windows), self.residual_mean_, self.residual_whitening_)

    @final
    def _map(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return np.stack([self._map_of(window) for window in windows])

    @final
    def _map_of(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return where a window's score comes from (n_frames, n_bands, n_channels): each frame that was predicted."""
        residuals = self._residuals(window)
        rows = residuals.reshape(-1, residuals.shape[-1])
        if self.score == "mse":
            shares = np.square(rows)
        elif self.score == "mahalanobis":
            offsets = rows.mean(axis=0) - self.residual_mean_
            own = mahalanobis_shares(offsets[None], self.residual_whitening_)[0]
            shares = over_frames(rows, own, self.residual_mean_)
        else:
            whitener = self.domain_whitening_[self._by_domain(residuals).argmin()]
            is_selective = self.score == "selective-mahalanobis"
            held = rows.mean(axis=0, keepdims=True) if is_selective else rows
            own = mahalanobis_shares(held, whitener)
            own = own * own.sum(axis=1, keepdims=True)
            shares = over_frames(rows, own[0], np.zeros(rows.shape[1])) if is_selective else own * rows.shape[1]
        return self._onto_frames(shares.reshape(residuals.shape), window)

    @final
    def _onto_frames(self, shares: NDArray[np.float64], window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Add up shares (n_contexts, n_target_frames, n_values) on the frames they are of; the mean stays the same."""
        n_contexts, n_targets, n_values = shares.shape
        first = (self.context_ - n_targets) // 2
        cells = np.zeros((len(window), n_values))
        for target in range(n_targets):
            start = first + target
            cells[start : start + n_contexts] += shares[:, target]
        return np.asarray(cells * len(window) / (n_contexts * n_targets)).reshape(window.shape)

    @final
    def _by_domain(self, residuals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return squared Mahalanobis distances (n_domains,) of a window's residual rows, or of their mean."""
        rows = residuals.reshape(-1, residuals.shape[-1])
        if self.score == "selective-mahalanobis":
            rows = rows.mean(axis=0, keepdims=True)
        centre = np.zeros(rows.shape[1])
        return np.array([np.square(mahalanobis(rows, centre, each)).mean() for each in self.domain_whitening_])

    @final
    def _mean_residuals(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the mean residual spectrum (n_windows, n_bands * n_channels) of each window."""
        return np.stack([self._residuals(window).mean(axis=(0, 1)) for window in windows])

    @final
    def _residuals(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return target less prediction (n_contexts, n_target_frames, n_values) of a window."""
        flat = window.reshape(len(window), -1)
        frames = np.clip(flat, -LARGEST_FRAME_VALUE, LARGEST_FRAME_VALUE).astype(np.float32, copy=False)
        contexts = np.lib.stride_tricks.sliding_window_view(frames, self.context_, axis=0).transpose(0, 2, 1)
        inputs, targets = self._inputs_and_targets(contexts)
        residuals = np.asarray(targets, np.float64) - self.network_(inputs)
        return residuals.reshape(len(contexts), -1, frames.shape[1])


@final
class Autoencoder(FrameNetwork):
    """Dense autoencoder over a few frames: the network of the DCASE 2020 Task 2 baseline by default.

    It is trained to give back contexts of consecutive frames through a bottleneck (Koizumi et al. 2020,
    arXiv 2006.05822). A window is scored by all its contexts.

    Parameters
    ----------
    context : int
        Consecutive frames that are seen at once; 1 for X of two dimensions.
    units, bottleneck : sequence of int, int
        Layer widths before the bottleneck (mirrored behind it), and the bottleneck's.
    batch_norm : bool
        Batch normalisation before each ReLU.
    epochs, batch_size, learning_rate : int, int, float
        Training with Adam on the mean squared error.
    validation : float
        Fraction of the recordings held out of training to choose the best epoch by; 0 for none.
    patience : int, optional
        With validation: stop after so many epochs without improvement.
    score : {"mahalanobis", "mse"}
        ``"mse"``: mean squared error over the window, as in the baseline. ``"mahalanobis"``: Mahalanobis distance of
        the window's mean residual spectrum from those of the training windows, with a Ledoit-Wolf covariance (after the
        "selective Mahalanobis" of the DCASE 2023 baseline; Harada et al. 2023, arXiv 2303.00455).
        ``"row-mahalanobis"``: mean of the squared Mahalanobis distances of the window's residual rows (a row is the
        residual of one frame of one context) from zero, by the covariance of the training rows of a domain; the
        smallest over the domains. ``"selective-mahalanobis"``: the same of the window's mean row, which is what that
        baseline computes. A singular covariance (fewer rows than bands, or bands that do not change) gets a ridge of
        1e-9 of its mean variance, so that its domain is hardly ever the nearest; others get none.
    domain_column : str
        Column of the recordings table that tells the domains, such as source and target; recordings without a value
        are a domain of their own. Where there is no such column all are one.
    seed : int
        Of initial weights and shuffling.

    Attributes
    ----------
    network_ : Network
        The trained network.
    loss_, validation_loss_ : array, shape (n_epochs,)
        Mean squared errors while training.
    is_interrupted_ : bool
        Whether Ctrl-C ended training early.
    """

    @classmethod
    def from_keras(cls, model: Any, context: int = 5) -> Autoencoder:
        """Take an existing Keras model as a fitted detector that scores by mean squared error.

        Parameters
        ----------
        model : keras.Model
            (n, context * n_bands) to the same, frame by frame; need not be compiled.
        context : int
            Consecutive frames it sees at once.

        Raises
        ------
        ShapeError
            If the model's input and output do not fit that.
        TrainingError
            If the model cannot be converted exactly.
        """
        n_inputs, n_outputs = model.input_shape[-1], model.output_shape[-1]
        if len(model.input_shape) != 2 or n_inputs != n_outputs or n_inputs % context:
            raise ShapeError(
                f"A model from {model.input_shape} to {model.output_shape} was given. It must map "
                f"(n, {context} * n_bands) to the same shape; set context to the frames it sees at once."
            )
        detector = cls(context=context, score="mse")
        detector.context_ = context
        detector.window_shape_ = (None, n_inputs // context, 1)
        samples = np.random.default_rng(0).normal(size=(N_COMPARED, n_inputs)).astype(np.float32)
        detector.network_ = Network.convert(model, samples)
        detector.offset_ = 0.0
        return detector

    def _fit(self, windows: Windows) -> None:
        is_table = windows.shape[1] == 1 and hasattr(self, "n_features_in_")
        self._fit_network(windows, 1 if is_table else self.context)

    def _inputs_and_targets(self, contexts: Any) -> tuple[Any, Any]:
        flat = contexts.reshape(len(contexts), -1) if isinstance(contexts, np.ndarray) else _flat(contexts)
        return flat, flat


@final
class InterpolationAutoencoder(FrameNetwork):
    """Dense network that predicts the centre frame of a context from its neighbours.

    Sound that cannot be predicted even when it is normal costs less than with an `Autoencoder`: Suefusa et al. 2020,
    "Anomalous sound detection based on interpolation deep neural network" (arXiv 2005.09234).

    Parameters
    ----------
    context : int
        Consecutive frames, an odd number of at least 3: the centre one is predicted from the others.
    units, bottleneck, batch_norm, epochs, batch_size, learning_rate, validation, patience, score, domain_column, seed
        As for `Autoencoder`.

    Attributes
    ----------
    network_ : Network
        The trained network.
    loss_, validation_loss_ : array, shape (n_epochs,)
        Mean squared errors while training.
    is_interrupted_ : bool
        Whether Ctrl-C ended training early.
    """

    def _fit(self, windows: Windows) -> None:
        if self.context < 3 or self.context % 2 == 0:
            raise InputError(f"context={self.context} was given. It must be odd and at least 3, to have a centre.")
        if hasattr(self, "n_features_in_"):
            raise ShapeError(
                "X of two dimensions was given, which has no neighbouring frames to interpolate between. "
                "Give (n_windows, n_frames, n_bands, n_channels), or use Autoencoder."
            )
        self._fit_network(windows, self.context)

    def _inputs_and_targets(self, contexts: Any) -> tuple[Any, Any]:
        centre = self.context // 2
        if isinstance(contexts, np.ndarray):
            others = np.delete(contexts, centre, axis=1)
            return others.reshape(len(contexts), -1), contexts[:, centre]
        import keras

        others = keras.ops.concatenate([contexts[:, :centre], contexts[:, centre + 1 :]], axis=1)
        return _flat(others), contexts[:, centre]


def _row_whitening(pieces: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return W (d, d), where W'W is the inverse covariance of rows that come in pieces (n, d), at least one.

    The covariance is added up piece by piece (Chan, Golub and LeVeque 1983, "Algorithms for computing the sample
    variance"), and gets a ridge only if it is singular.
    """
    n, mean, scatter = 0, np.float64(0), np.float64(0)
    for rows in pieces:
        centre = rows.mean(axis=0)
        centred, step, n = rows - centre, centre - mean, n + len(rows)
        mean = mean + step * (len(rows) / n)
        scatter = scatter + centred.T @ centred + np.outer(step, step) * (len(rows) * (n - len(rows)) / n)
    variances, directions = np.linalg.eigh(scatter / max(n - 1, 1))
    if variances[0] <= variances[-1] * len(variances) * np.finfo(np.float64).eps:
        variances += max(1e-9 * variances.mean(), 1e-12)
    return np.ascontiguousarray((directions / np.sqrt(variances)).T)


def _flat(contexts: Any) -> Any:
    import keras

    return keras.ops.reshape(contexts, (-1, contexts.shape[1] * contexts.shape[2]))

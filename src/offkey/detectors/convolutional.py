"""A convolutional autoencoder: what a network that knows normal pieces of a spectrogram cannot give back is strange."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from offkey.attribution import mahalanobis_shares, over_frames
from offkey.detectors.base import Localizer, groups_of, pieces_of, require_counts
from offkey.errors import InputError, ShapeError
from offkey.networks import Contexts, Network, convolutional_autoencoder, train
from offkey.statistics import Windows, batches, mahalanobis, whitening
from offkey.windows import WindowGrid

__all__ = ["ConvolutionalAutoencoder"]

SCORES = ("mse", "mahalanobis")
FEWEST_BANDS = 8
N_COMPARED = 16
PIECES_AT_ONCE = 1


@final
class ConvolutionalAutoencoder(Localizer):
    """Convolutional autoencoder over pieces of a window.

    Strided 3 x 3 convolutions shrink a piece of the spectrogram to a bottleneck, transposed ones give it back (the
    common image autoencoder; for machine sound for instance Ribeiro et al. 2020, arXiv 2006.10417). Against the dense
    `Autoencoder` it sees how sound goes on for a second or two, which counts for cycles and knocks; pieces are few, so
    it needs more recordings, and a network that gives back anything smooth lets smooth faults pass.

    Parameters
    ----------
    piece : int
        Frames of a piece; windows must be at least as long.
    hop : int
        Frames from one piece to the next; the last ends at the window's last frame.
    filters : sequence of int
        Channels of each convolution; each halves the piece in time and frequency.
    bottleneck : int
        Values that a piece is shrunk to.
    epochs, batch_size, learning_rate : int, int, float
        Training with Adam on the mean squared error.
    score : {"mahalanobis", "mse"}
        ``"mse"``: mean squared error over the window's pieces. ``"mahalanobis"``: Mahalanobis distance of the window's
        mean residual spectrum from those of the training windows, as for `Autoencoder`.
    seed : int
        Of initial weights and shuffling.

    Attributes
    ----------
    network_ : Network
        The trained network.
    loss_ : array, shape (n_epochs,)
        Mean squared errors while training.
    is_interrupted_ : bool
        Whether Ctrl-C ended training early.
    """

    cross_fit: ClassVar[bool] = False

    def __init__(
        self,
        piece: int = 32,
        hop: int = 16,
        filters: Sequence[int] = (16, 32, 64),
        bottleneck: int = 32,
        epochs: int = 50,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        score: str = "mahalanobis",
        seed: int = 0,
    ) -> None:
        self.piece = piece
        self.hop = hop
        self.filters = filters
        self.bottleneck = bottleneck
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.score = score
        self.seed = seed

    def _fit(self, windows: Windows) -> None:
        self._check(windows)
        contexts = Contexts.of(windows, self.piece, self.hop)
        shape = (self.piece, windows.shape[2], windows.shape[3])
        model = convolutional_autoencoder(
            shape,
            contexts.moments(),
            filters=tuple(self.filters),
            bottleneck=self.bottleneck,
            seed=self.seed,
        )

        def images(pieces: Any, _: Any) -> tuple[Any, Any]:
            import keras

            image = keras.ops.reshape(pieces, (-1, *shape))
            return image, image

        history = train(
            model,
            contexts,
            images,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )
        self.is_interrupted_ = history.interrupted
        self.loss_ = np.array(history.loss)
        some = [pieces_of(window, self.piece, self.hop) for window in windows[: min(N_COMPARED, len(windows))]]
        self.network_ = Network.convert(model, np.concatenate(some)[:N_COMPARED])
        if self.score == "mahalanobis":
            residuals = [self._mean_residuals(batch) for batch in batches(windows)]
            self.residual_mean_, self.residual_whitening_ = whitening(np.concatenate(residuals), groups_of(windows))

    def _check(self, windows: Windows) -> None:
        if self.score not in SCORES:
            raise InputError(f"score={self.score!r} was given. Use one of {', '.join(map(repr, SCORES))}.")
        names = ("piece", "hop", "bottleneck", "epochs", "batch_size")
        require_counts(**{name: getattr(self, name) for name in names}, filters=min(self.filters, default=0))
        n_frames, n_bands = windows.shape[1:3]
        if n_frames < self.piece or n_bands < FEWEST_BANDS:
            raise ShapeError(
                f"Windows of {n_frames} frames and {n_bands} bands were given to a network that sees {self.piece} "
                f"frames of at least {FEWEST_BANDS} bands. Give longer windows or more bands, or a smaller piece."
            )
        if self.score == "mahalanobis" and len(windows) < 2:
            raise ShapeError(f"1 sample (shape={windows.shape}) was given; a covariance needs at least 2. Give more.")

    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        if self.score == "mse":
            return np.array([np.square(self._residuals(window)).mean() for window in windows])
        return mahalanobis(self._mean_residuals(windows), self.residual_mean_, self.residual_whitening_)

    def _map(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return np.stack([self._map_of(window) for window in windows])

    def _map_of(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        residuals = self._residuals(window)
        rows = residuals.reshape(-1, residuals[0, 0].size)
        if self.score == "mse":
            shares = np.square(rows)
        else:
            offsets = rows.mean(axis=0) - self.residual_mean_
            own = mahalanobis_shares(offsets[None], self.residual_whitening_)[0]
            shares = over_frames(rows, own, self.residual_mean_)
        cells, pieces = np.zeros(window.shape), shares.reshape(residuals.shape)
        for start, piece in zip(WindowGrid(self.piece, self.hop).starts(len(window)), pieces, strict=True):
            cells[start : start + self.piece] += piece
        return cells * len(window) / (len(pieces) * self.piece)

    def _mean_residuals(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the mean residual spectrum (n_windows, n_bands * n_channels) of each window."""
        return np.stack([self._residuals(window).mean(axis=(0, 1)).ravel() for window in windows])

    def _residuals(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return each piece less what the network gives back (n_pieces, piece, n_bands, n_channels)."""
        pieces = pieces_of(window, self.piece, self.hop)
        return pieces.astype(np.float64) - self.network_(pieces, rows_at_once=PIECES_AT_ONCE)

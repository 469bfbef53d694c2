"""Auxiliary classification: a network that tells kinds of normal sound apart has no place for sound of no kind."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from offkey.detectors.base import Detector, groups_of, known_of, pieces_of, require_counts
from offkey.errors import InputError, ShapeError
from offkey.networks import Contexts, Network, class_loss, dual_branch, mixup, mobilenet_v2, train
from offkey.networks.losses import LOSSES, class_logits, cosines
from offkey.statistics import Windows, standardisation, time_statistics
from offkey.windows import WindowArray

__all__ = ["Classifier"]

logger = logging.getLogger(__name__)

ARCHITECTURES = ("dual-branch", "mobilenet-v2")
SCORES = ("neighbors", "softmax")
N_COMPARED = 16
PIECES_AT_ONCE = 1


@final
class Classifier(Detector):
    """Learns to tell kinds of normal sound apart, and scores how far a window lies from all of them.

    To tell one pump from another, a network must listen to what makes each sound as it does; a fault changes that. It
    is the family that led the challenges with many machines (Wilkinghoff 2021, "Sub-cluster AdaCos", IJCNN; Giri et al.
    2020). It fails where the classes can be told apart by something that faults leave alone (the room, the microphone,
    the level), where there are few or very unlike classes, and where there are few recordings: everything easy is
    learned in an epoch, and nothing else is. Sound far from all that was trained on may land on the embedding of a
    class, and pass. Without classes (one machine, no attributes) it makes do with clusters, says so, and is weak: on a
    few dozen recordings it may rank worse than chance. Compare it with a cheap detector before you trust it.

    Parameters
    ----------
    class_columns : sequence of str
        Columns of the recordings table (or of ``y`` in ``fit``) that make the classes, together; those that are not
        known are left out. With fewer than two classes the recordings' mean spectra are clustered instead.
    n_pseudo_classes : int
        Clusters then, at most.
    architecture : {"dual-branch", "mobilenet-v2"}
        ``"dual-branch"``: a small residual network over the piece, and 1-D convolutions over its mean and standard
        deviation over time. (In the published dual-branch networks the second branch sees the magnitude spectrum of the
        whole clip, with a resolution of a tenth of a hertz; a detector sees log-mel windows, and with them only whole
        bands.) ``"mobilenet-v2"``: that of the DCASE 2021 Task 2 baseline.
    loss : {"sub-cluster-adacos", "adaproj", "softmax"}
        See `offkey.networks.class_loss`.
    score : {"neighbors", "softmax"}
        ``"neighbors"``: 1 - cosine between the mean embedding of the window's pieces and the nearest normal one.
        ``"softmax"``: mean over pieces of log((1 - p) / p), with the probability p of a class (DCASE 2021 baseline);
        a softmax may be surer of a class far from all of them than near one, and then strange sound scores low.
    own_class : str, optional
        The class that is scored, its values joined by ``", "`` where there are several columns. A baseline that
        scores each section by the softmax of that section sets this anew for each: ``set_params`` on a fitted detector
        is enough. If not given, a window is scored by the class that it fits best, so that sound of another known
        machine passes for normal.
    domain_column : str, optional
        Column that tells source and target domain: references are chosen in each by itself, so that a domain with few
        recordings keeps its own; the nearest of both counts.
    n_references : int
        Normal embeddings that are kept of each class and domain: k-means centres if there are more windows.
    context, hop : int
        Frames that the network sees at once (all of a shorter window), and from one piece of a window to the next.
    hear_rest : bool
        Whether frames that hops leave over at the end of a window are scored too, by a last piece that ends with it.
    embedding : int
        Values of each branch's embedding.
    n_subclusters : int
        Centres of each class, or dimensions of its subspace.
    mixup : float
        Probability that an example is mixed with another while training.
    epochs, batch_size, learning_rate, weight_decay : int, int, float, float
        Training with AdamW.
    seed : int
        Of initial weights, shuffling, mixing and clusters.

    Attributes
    ----------
    network_ : Network
        The trained network, pieces to embeddings.
    classes_ : array of str, shape (n_classes,)
        Names of the classes.
    references_ : array, shape (n_references, n_values)
        Embeddings of normal sound, of length 1.
    reference_classes_ : array of int, shape (n_references,)
        Class of each.
    centres_, bias_, scale_ : array, array, float
        What turns embeddings into logits.
    loss_ : array, shape (n_epochs,)
        Losses while training.
    notes_ : tuple of str
        What should be known before it is trusted.
    is_interrupted_ : bool
        Whether Ctrl-C ended training early.
    """

    cross_fit: ClassVar[bool] = False

    def __init__(
        self,
        class_columns: Sequence[str] = ("machine", "section", "attributes"),
        n_pseudo_classes: int = 8,
        architecture: str = "dual-branch",
        loss: str = "sub-cluster-adacos",
        score: str = "neighbors",
        own_class: str | None = None,
        domain_column: str | None = None,
        n_references: int = 16,
        context: int = 64,
        hop: int = 32,
        hear_rest: bool = True,
        embedding: int = 128,
        n_subclusters: int = 16,
        mixup: float = 0.5,
        epochs: int = 16,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        seed: int = 0,
    ) -> None:
        self.class_columns = class_columns
        self.n_pseudo_classes = n_pseudo_classes
        self.architecture = architecture
        self.loss = loss
        self.score = score
        self.own_class = own_class
        self.domain_column = domain_column
        self.n_references = n_references
        self.context = context
        self.hop = hop
        self.hear_rest = hear_rest
        self.embedding = embedding
        self.n_subclusters = n_subclusters
        self.mixup = mixup
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed

    def _fit(self, windows: Windows) -> None:
        self._check(windows)
        self.notes_: tuple[str, ...] = ()
        names = self._class_names(windows)
        self.classes_, labels = np.unique(names, return_inverse=True)
        self._own_class()
        self.context_ = min(self.context, windows.shape[1])
        contexts = Contexts.of(windows, self.context_, self.hop, labels)
        self._train(contexts, windows)
        self._choose_references(windows, labels)

    def _check(self, windows: Windows) -> None:
        for name, known in (("architecture", ARCHITECTURES), ("loss", LOSSES), ("score", SCORES)):
            if getattr(self, name) not in known:
                raise InputError(f"{name}={getattr(self, name)!r} was given. Use one of {', '.join(map(repr, known))}.")
        names = ("n_pseudo_classes", "n_references", "context", "hop", "embedding", "n_subclusters", "epochs")
        require_counts(**{name: getattr(self, name) for name in names}, batch_size=self.batch_size)
        if not 0 <= self.mixup <= 1:
            raise InputError(f"mixup={self.mixup} was given. It is a probability, from 0 to 1.")
        if windows.shape[1] == 1:
            raise ShapeError("Windows of one frame were given, which are no images. Give longer ones.")
        if len(windows) < 2:
            raise ShapeError(f"1 sample (shape={windows.shape}) was given; classes need at least 2. Give more.")

    def _class_names(self, windows: Windows) -> NDArray[np.str_]:
        """Return the name of each window's class (n_windows,)."""
        if isinstance(self.class_columns, str):
            raise InputError(f"class_columns={self.class_columns!r} was given. Give a sequence of columns.")
        known = windows.known if isinstance(windows, WindowArray) else {}
        columns = [known_of(windows, column).tolist() for column in self.class_columns if column in known]
        names = np.array([", ".join(filter(None, values)) for values in zip(*columns, strict=True)], np.str_)
        if len(np.unique(names)) >= 2:
            return names
        names = self._pseudo_classes(windows)
        self.notes_ = (
            f"The recordings are of one class; the classifier was trained on {len(np.unique(names))} clusters of their "
            "spectra, which is weak and may be worse than chance. Give classes by a recordings table, or use another "
            "detector.",
        )
        logger.warning(self.notes_[0])
        return names

    def _pseudo_classes(self, windows: Windows) -> NDArray[np.str_]:
        """Cluster the mean spectra of recordings."""
        groups = groups_of(windows)
        spectra = time_statistics(windows)
        used, of_window = np.unique(np.arange(len(spectra)) if groups is None else groups, return_inverse=True)
        means = np.stack([spectra[of_window == i].mean(axis=0) for i in range(len(used))])
        mean, scale = standardisation(means)
        clusters, _ = _k_means((means - mean) / scale, min(self.n_pseudo_classes, len(means) // 2), self.seed)
        if len(np.unique(clusters)) < 2:
            raise InputError(
                f"{len(means)} recording(s) of one class were given, in which no two clusters are found. "
                "Give classes by a recordings table, or more recordings, or use another detector."
            )
        return np.char.add("cluster ", clusters[of_window].astype(np.str_))

    def _train(self, contexts: Contexts, windows: Windows) -> None:
        from offkey.networks.build import import_keras

        keras = import_keras()
        shape = (self.context_, windows.shape[2], windows.shape[3])
        moments = contexts.moments()
        if self.architecture == "mobilenet-v2":
            network = mobilenet_v2(shape, moments, seed=self.seed)
        else:
            network = dual_branch(shape, moments, n_values=self.embedding, seed=self.seed)
        n_classes = len(self.classes_)
        head = class_loss(self.loss, n_classes, self.n_subclusters, network.output_shape[-1], self.seed)
        image, targets = keras.Input(shape), keras.Input((n_classes,))
        mixed, mixed_targets = mixup(self.mixup, self.seed)(image, targets)
        model = keras.Model([image, targets], head(network(mixed), mixed_targets))

        def examples(pieces: Any, labels: Any) -> tuple[Any, Any]:
            classes = keras.ops.one_hot(labels, n_classes)
            return (keras.ops.reshape(pieces, (-1, *shape)), classes), classes

        history = train(
            model,
            contexts,
            examples,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            loss=lambda _, losses: keras.ops.mean(losses),
            seed=self.seed,
        )
        self.is_interrupted_ = history.interrupted
        self.loss_ = np.array(history.loss)
        some = [pieces_of(window, self.context_, self.hop) for window in windows[: min(N_COMPARED, len(windows))]]
        self.network_ = Network.convert(network, np.concatenate(some)[:N_COMPARED])
        self.centres_, self.bias_ = (np.asarray(each, np.float64) for each in (head.centres, head.bias))
        self.scale_ = float(head.scale)

    def _choose_references(self, windows: Windows, labels: NDArray[np.int64]) -> None:
        """Keep some normal embeddings of each class, and of each domain within it."""
        means = np.stack([self._mean_embedding(windows[i]) for i in range(len(windows))])
        domains = np.zeros(len(windows)) if self.domain_column is None else known_of(windows, self.domain_column)
        kept, classes = [], []
        for label in range(len(self.classes_)):
            for domain in np.unique(domains[labels == label]):
                _, centres = _k_means(means[(labels == label) & (domains == domain)], self.n_references, self.seed)
                kept.append(_of_length_one(centres))
                classes.append(np.full(len(centres), label))
        self.references_, self.reference_classes_ = np.concatenate(kept), np.concatenate(classes)

    def _score(self, windows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        own = self._own_class()
        if self.score == "softmax":
            return np.array([self._log_odds(window)[own].min() for window in windows])
        references = self.references_[np.isin(self.reference_classes_, np.arange(len(self.classes_))[own])]
        means = (self._mean_embedding(window) for window in windows)
        nearest = [float(np.einsum("rd,d->r", references, mean).max()) for mean in means]
        return 1 - np.array(nearest)

    def _own_class(self) -> slice:
        """Return which classes are scored."""
        if self.own_class is None:
            return slice(None)
        found = np.flatnonzero(self.classes_ == self.own_class)
        if len(found) == 0:
            raise InputError(
                f"own_class={self.own_class!r} was given. There are {', '.join(map(repr, self.classes_.tolist()))}."
            )
        return slice(found[0], found[0] + 1)

    def _embeddings(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        n_heard = len(window) if self.hear_rest else len(window) - (len(window) - self.context_) % self.hop
        pieces = pieces_of(window[:n_heard], self.context_, self.hop)
        return self.network_(pieces, rows_at_once=PIECES_AT_ONCE).astype(np.float64)

    def _mean_embedding(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the mean direction (n_values,) of a window's pieces."""
        return _of_length_one(_of_length_one(self._embeddings(window)).mean(axis=0))

    def _log_odds(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the mean over pieces of log((1 - p) / p) for each class (n_classes,)."""
        embeddings = self._embeddings(window)
        if self.loss == "softmax":
            logits = np.einsum("nd,cd->nc", embeddings, self.centres_[:, 0]) + self.bias_
        else:
            logits = class_logits(np, cosines(np, embeddings, self.centres_, self.loss), self.scale_)
        others = [class_logits(np, np.delete(logits, i, axis=1)[:, None], 1.0)[:, 0] for i in range(logits.shape[1])]
        return np.asarray((np.stack(others, axis=1) - logits).mean(axis=0))


def _k_means(rows: NDArray[np.float64], n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the cluster of each row (n_rows,) and the centres; rows that are no more than ``n`` are their own."""
    different, which = np.unique(rows, axis=0, return_inverse=True)
    if len(different) <= n:
        return which.ravel(), different
    from sklearn.cluster import KMeans

    found = KMeans(max(n, 1), n_init=10, random_state=seed).fit(rows)
    return np.asarray(found.labels_), np.asarray(found.cluster_centers_)


def _of_length_one(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows / np.maximum(np.sqrt(np.square(rows).sum(axis=-1, keepdims=True)), 1e-12))

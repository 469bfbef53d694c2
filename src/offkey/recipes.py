"""Recipes: pipelines as published. A recipe is a function that returns one, not fitted, and a line in `RECIPES`.

All baselines of DCASE Task 2 hear a clip as one window: as many frames as most training clips
have. The baselines themselves need clips of one length. A shorter clip is reported, not scored; a longer one is scored
by several windows, whose mean is not quite the baseline's. With ``score="mse"`` windows of one context each, every
frame, (``window_s=0.128, hop_s=0.032`` at 16 kHz) give the mean over all contexts of a clip of any length.

What differs from the baselines in all of them:

- Training. A fifth of the clips is kept back to calibrate, half at most where a lower false-alarm rate needs more
  (``hold_out="folds"`` trains on all, and takes eleven times as long). Of the others all are trained on; the baselines
  leave a tenth out of training, to print a loss: until 2022 the last of the sorted files, so that one machine id loses
  clips. The weights of the last epoch are kept, as there.
- Threshold. Theirs (since 2021) is the 90 % quantile of a gamma distribution fitted to scores of the training clips
  (2023: to the mean losses of shuffled batches); here it is fitted to clips that the network was not trained on.
- Signal. The first channel is heard, as in 2026; before, all data had one. Ends are padded with zeros, as librosa does
  since 0.9; older ones mirror the signal, which changes the first and last frame or two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from offkey.decisions import GammaTail, Threshold
from offkey.detectors import Autoencoder, Classifier, Detector
from offkey.errors import InputError
from offkey.features import LogMel
from offkey.pipeline import Pipeline

__all__ = [
    "RECIPES",
    "dcase2020_autoencoder",
    "dcase2021_autoencoder",
    "dcase2021_mobilenet_v2",
    "dcase2023_autoencoder",
    "recipe",
]

SCORES_2023 = {
    "mse": "mse",
    "selective-mahalanobis": "selective-mahalanobis",
    "mahalanobis": "row-mahalanobis",
}
"""Scores of the 2023 baseline by the names of the field, and by the detector's."""


def dcase2020_autoencoder(seed: int = 0) -> Pipeline:
    """Return the baseline of DCASE 2020 Task 2: a dense autoencoder of five frames of log-mel, scored by squared error.

    Koizumi et al. 2020, "Description and discussion on DCASE2020 Challenge Task2" (arXiv 2006.05822). The clip score is
    the mean squared error over all contexts. One pipeline for all clips of a machine type. The baseline has no
    threshold; this one has the default of a `Pipeline`. Other differences stand at the top of this module.

    Examples
    --------
    >>> dcase2020_autoencoder().detector
    Autoencoder(score='mse')
    """
    return _autoencoder("mse", batch_size=512, floor="add", threshold=None, seed=seed)


def dcase2021_autoencoder(seed: int = 0) -> Pipeline:
    """Return the autoencoder baseline of DCASE 2021 Task 2: that of 2020, but ``max(mel, eps)``, and a threshold.

    Kawaguchi et al. 2021, "Description and discussion on DCASE 2021 Challenge Task 2" (arXiv 2106.04492). The
    threshold is `GammaTail` at a false-alarm rate of 10 %, fitted to clips that were kept back.
    """
    return _autoencoder("mse", batch_size=512, floor="max", threshold=GammaTail(0.1), seed=seed)


def dcase2021_mobilenet_v2(seed: int = 0) -> Pipeline:
    """Return the classifier baseline of DCASE 2021 Task 2: MobileNetV2 that tells the sections of a machine type apart.

    Kawaguchi et al. 2021 (arXiv 2106.04492): pieces of 64 frames, 8 apart, width 0.5, no pretrained weights; the score
    is the mean of ``log((1 - p) / p)`` of the section's softmax. Fit it on a recordings table with a column
    ``section``. Which section a test clip is of, a detector is not told: it takes the one that fits best; set
    ``own_class`` for one section. The baseline's code takes the logarithm of ``max(1 - p, eps) - log(max(p, eps))``, by
    a bracket that stands wrong; this is the formula of its paper.
    """
    detector = Classifier(
        class_columns=("section",),
        architecture="mobilenet-v2",
        loss="softmax",
        score="softmax",
        context=64,
        hop=8,
        hear_rest=False,
        mixup=0.0,
        epochs=20,
        batch_size=32,
        learning_rate=1e-5,
        weight_decay=0.0,
        seed=seed,
    )
    return Pipeline(detector, _front_end("max"), window_s=math.inf, threshold=GammaTail(0.1), seed=seed)


def dcase2023_autoencoder(score: str = "mse", seed: int = 13711) -> Pipeline:
    """Return the autoencoder baseline of DCASE Task 2 since 2023: that of 2021 with batches of 256, and another score.

    Harada et al. 2023, "First-shot anomaly sound detection for machine condition monitoring: a domain generalization
    baseline" (arXiv 2303.00455). Fit it on a recordings table with a column ``domain``, so that residuals of source and
    target clips have a covariance each.

    Parameters
    ----------
    score : {"mse", "selective-mahalanobis", "mahalanobis"}
        A row is the residual of one frame of one context, P the inverse covariance of the rows of a domain's training
        clips. ``"mse"``: mean square of all residuals. ``"selective-mahalanobis"``, as the baseline computes it: the
        mean of all entries of D P D', where D holds the rows d of a clip, which is ``mean(d)' P mean(d)``.
        ``"mahalanobis"``, as the textbook has it: the mean of ``d' P d``. Both are the smallest over the domains.
    seed : int
        The baseline's own if not given.

    Raises
    ------
    InputError
        If there is no such score.

    Notes
    -----
    The baseline centres rows within each batch of 256 contexts, here the mean of all is taken; and it divides by the
    number of contexts, here of rows, so that its selective scores are a fifth of these. Its network starts from
    PyTorch's initial weights, here from Keras'. A covariance that cannot be inverted gets a small ridge here.
    """
    if score not in SCORES_2023:
        raise InputError(f"score={score!r} was given. Use one of {', '.join(map(repr, SCORES_2023))}.")
    return _autoencoder(SCORES_2023[score], batch_size=256, floor="max", threshold=GammaTail(0.1), seed=seed)


def _autoencoder(score: str, *, batch_size: int, floor: str, threshold: Threshold | None, seed: int) -> Pipeline:
    detector = Autoencoder(
        context=5,
        units=(128, 128, 128, 128),
        bottleneck=8,
        batch_norm=True,
        epochs=100,
        batch_size=batch_size,
        learning_rate=1e-3,
        validation=0.0,
        score=score,
        seed=seed,
    )
    return Pipeline(detector, _front_end(floor), window_s=math.inf, threshold=threshold, seed=seed)


def _front_end(floor: str) -> LogMel:
    return LogMel(n_fft=1024, hop_length=512, n_mels=128, power=2.0, center=True, floor=floor, channels=(0,))


RECIPES: dict[str, Callable[..., Pipeline]] = {
    "dcase2020-autoencoder": dcase2020_autoencoder,
    "dcase2021-autoencoder": dcase2021_autoencoder,
    "dcase2021-mobilenet-v2": dcase2021_mobilenet_v2,
    "dcase2023-mse": partial(dcase2023_autoencoder, "mse"),
    "dcase2023-selective": partial(dcase2023_autoencoder, "selective-mahalanobis"),
    "dcase2023-mahalanobis": partial(dcase2023_autoencoder, "mahalanobis"),
}
"""Recipes by their names on the command line; each takes a ``seed``."""


def recipe(name: str, **changes: Any) -> Pipeline:
    """Return the pipeline of a recipe, not fitted, with some of its parameters or of its detector's changed.

    Parameters
    ----------
    name : str
        One of `RECIPES`.
    **changes
        Parameters of the pipeline (``window_s=2.0``) or of its detector (``epochs=20``); ``seed`` is of both.

    Raises
    ------
    InputError
        If there is no such recipe or parameter.

    Examples
    --------
    >>> recipe("dcase2020-autoencoder", epochs=20).detector
    Autoencoder(epochs=20, score='mse')
    """
    if name not in RECIPES:
        raise InputError(f"The recipe {name!r} was asked for. There are: {', '.join(RECIPES)}.")
    pipeline = RECIPES[name]()
    own = pipeline.get_params()
    pipeline.set_params(**{key: value for key, value in changes.items() if key in own})
    if isinstance(pipeline.detector, Detector):
        pipeline.detector.set_params(
            **{key: value for key, value in changes.items() if key not in own or key == "seed"}
        )
    return pipeline

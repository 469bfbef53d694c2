"""Embeddings: what a frozen network, trained by others on much sound, makes of each patch of signal."""

from __future__ import annotations

import os
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from offkey.encoders import Encoder
from offkey.errors import InputError
from offkey.features.base import Feature

__all__ = ["Embedding"]


@final
class Embedding(Feature):
    """The vectors of a frozen pretrained encoder, one for each patch of about a second: any detector works on them.

    A patch is this front end's frame: ``n_fft`` samples, every ``hop_length`` samples. The encoder hears the samples
    themselves, or the frames of another front end (such as log-mel spectra). It is never trained; a pipeline keeps it
    whole in its bundle and runs it without the library it was made in. Such embeddings hear transients and modulation
    that log-mel statistics miss, and miss faint tones that those hear.

    Parameters
    ----------
    encoder : path
        A ``.tflite``, ``.onnx`` or ``.keras`` file: a float32 network from one patch to one vector. A Keras model is
        converted to LiteRT once.
    rate : int
        The rate in hertz that the encoder was made for; a pipeline resamples everything to it.
    n_fft, hop_length : int
        Length and distance of patches, in samples.
    front_end : Feature, optional
        What the encoder takes, if not samples: it gets the frames (n_frames, n_bands) of each patch. ``n_fft`` must be
        as many samples as a number of its frames span, ``hop_length`` a multiple of its own.
    input_scale, input_offset : float
        The encoder gets ``input_scale * x + input_offset``, where x are samples, or decibels of a log-mel front end: a
        scale of ``log(10) / 20`` makes natural logarithms of amplitudes.
    output : int or str, optional
        Number or name of the encoder's output, if it has several.
    sha256 : str, optional
        Digest that the file must have.

    Attributes
    ----------
    rate_ : int
        The rate in hertz.
    n_bands_ : int
        Length of an embedding.
    encoder_ : Encoder
        The encoder as it is run.
    front_end_ : Feature or None
        The front end, fitted.

    Examples
    --------
    YAMNet, from its published weights:

    >>> from offkey import Pipeline
    >>> from offkey.networks import save_yamnet, yamnet_embedding
    >>> save_yamnet("yamnet.h5", "yamnet.tflite")  # doctest: +SKIP
    >>> Pipeline(features=yamnet_embedding("yamnet.tflite")).fit("normal/").save("pump.offkey")  # doctest: +SKIP

    Another encoder, of raw samples:

    >>> feature = Embedding("other.onnx", rate=32000, n_fft=32000, hop_length=16000, output="embedding")
    >>> feature.n_frames(320_000)
    19
    """

    def __init__(
        self,
        encoder: str | os.PathLike[str],
        rate: int,
        n_fft: int,
        hop_length: int,
        front_end: Feature | None = None,
        input_scale: float = 1.0,
        input_offset: float = 0.0,
        output: int | str | None = None,
        sha256: str | None = None,
    ) -> None:
        self.encoder = encoder
        self.rate = rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.front_end = front_end
        self.input_scale = input_scale
        self.input_offset = input_offset
        self.output = output
        self.sha256 = sha256

    center = False

    def fit(self, rate: float) -> Self:
        """Read the encoder and try it; signals must have the rate, in hertz, that it was made for.

        Raises
        ------
        InputError
            If they have another, the encoder cannot be used, or the parameters do not fit together.
        MissingExtraError
            If what runs or converts the encoder is not installed.
        """
        if rate != self.rate:
            raise InputError(
                f"The encoder {self.encoder} needs {self.rate} Hz, {rate} Hz was asked for. Leave the rate to it."
            )
        if not 1 <= self.hop_length <= self.n_fft:
            raise InputError(
                f"Patches of n_fft={self.n_fft} samples every hop_length={self.hop_length} were asked for. "
                "The hop must lie between 1 and the length."
            )
        patch: tuple[int, ...] = (self.n_fft,)
        self.front_end_ = None
        if self.front_end is not None:
            self._check(self.front_end)
            self.front_end_ = self.front_end.unfitted().fit(rate)
            patch = (self.front_end.n_frames(self.n_fft), self.front_end_.fitted_state["n_bands_"])
        self.encoder_ = Encoder.read(self.encoder, patch, self.output, self.sha256)
        self.n_bands_ = len(self.encoder_(np.zeros(patch, np.float32)))
        self.rate_ = rate
        return self

    def _check(self, front_end: Feature) -> None:
        n_frames, hop = front_end.n_frames(self.n_fft), front_end.hop_samples
        if front_end.center:
            raise InputError("The front end of an Embedding has center=True. Patches are not padded: set it to False.")
        if n_frames < 1 or front_end.n_samples(n_frames) != self.n_fft:
            raise InputError(
                f"A patch of n_fft={self.n_fft} samples is not what whole frames span. "
                f"Give {front_end.frame_samples} + n * {hop}, such as {front_end.n_samples(max(1, n_frames))}."
            )
        if self.hop_length % hop:
            raise InputError(f"hop_length={self.hop_length} is no multiple of the front end's hop. Give n * {hop}.")

    def _transform(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        n_patches = max(0, 1 + (samples.shape[1] - self.n_fft) // self.hop_length)
        embeddings = np.empty((n_patches, self.n_bands_, len(samples)), np.float32)
        if not n_patches:
            return embeddings
        whole, step, size = samples.T, self.hop_length, self.n_fft
        if self.front_end_ is not None:
            whole = self.front_end_.transform(samples)
            step, size = step // self.front_end_.hop_samples, self.front_end_.n_frames(size)
        scale, offset = np.float32(self.input_scale), np.float32(self.input_offset)
        for i in range(n_patches):
            patch = whole[i * step : i * step + size] * scale + offset
            for channel in range(len(samples)):
                embeddings[i, :, channel] = self.encoder_(patch[..., channel])
        return embeddings

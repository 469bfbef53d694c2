"""Detectors: what says how strange a window is."""

from offkey.detectors.adapter import Adapter
from offkey.detectors.base import Detector
from offkey.detectors.classification import Classifier
from offkey.detectors.convolutional import ConvolutionalAutoencoder
from offkey.detectors.ensemble import Ensemble
from offkey.detectors.gaussian import Gaussian
from offkey.detectors.level import Level
from offkey.detectors.mixture import GaussianMixture
from offkey.detectors.neighbors import NearestNeighbors
from offkey.detectors.reconstruction import Autoencoder, InterpolationAutoencoder
from offkey.detectors.states import PerState
from offkey.detectors.subspace import PrincipalComponents

__all__ = [
    "Adapter",
    "Autoencoder",
    "Classifier",
    "ConvolutionalAutoencoder",
    "Detector",
    "Ensemble",
    "Gaussian",
    "GaussianMixture",
    "InterpolationAutoencoder",
    "Level",
    "NearestNeighbors",
    "PerState",
    "PrincipalComponents",
]

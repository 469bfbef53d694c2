"""Detectors: what says how strange a window is."""

from offkey.detectors.base import Detector
from offkey.detectors.gaussian import Gaussian
from offkey.detectors.level import Level
from offkey.detectors.neighbors import NearestNeighbors
from offkey.detectors.reconstruction import Autoencoder, InterpolationAutoencoder

__all__ = ["Autoencoder", "Detector", "Gaussian", "InterpolationAutoencoder", "Level", "NearestNeighbors"]

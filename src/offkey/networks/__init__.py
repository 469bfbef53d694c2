"""Networks: building, training and scoring."""

from offkey.networks.build import dense_autoencoder
from offkey.networks.contexts import Contexts
from offkey.networks.runtime import Network
from offkey.networks.training import History, train

__all__ = ["Contexts", "History", "Network", "dense_autoencoder", "train"]

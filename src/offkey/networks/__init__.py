"""Networks: building, training and scoring."""

from offkey.networks.build import dense_autoencoder
from offkey.networks.contexts import Contexts
from offkey.networks.images import convolutional_autoencoder, dual_branch, mobilenet_v2
from offkey.networks.losses import class_loss, mixup
from offkey.networks.runtime import Network
from offkey.networks.training import History, train
from offkey.networks.yamnet import load_yamnet, save_yamnet, yamnet_embedding, yamnet_front_end

__all__ = [
    "Contexts",
    "History",
    "Network",
    "class_loss",
    "convolutional_autoencoder",
    "dense_autoencoder",
    "dual_branch",
    "load_yamnet",
    "mixup",
    "mobilenet_v2",
    "save_yamnet",
    "train",
    "yamnet_embedding",
    "yamnet_front_end",
]

"""From a name to a network, and from a network to a file."""

from collections.abc import Mapping
from pathlib import Path

import torch

from vinr_cli.model.videoinr import VideoINR as Network
from vinr_cli.weights.cache import CONFIG_KEY
from vinr_cli.weights.files import state_of, write_weights
from vinr_cli.weights.pretrained import VideoINR, read_network
from vinr_cli.weights.registry import find_weights

__all__ = ["CONFIG_KEY", "load_model", "save_weights"]


def save_weights(path: Path, network: Network, about: Mapping[str, str] | None = None) -> None:
    """Write a network's weights and config.

    Args:
        path: The file; written beside its name and renamed.
        network: Any member of the family.
        about: Further metadata, such as the command that made the weights.

    Raises:
        WeightsError: it cannot be written.
    """
    write_weights(path, network.config, state_of(network), about or {})


def load_model(name: str | Path = "default", device: str | torch.device = "cpu") -> VideoINR:
    """Build the network that a weights file describes and fill it.

    Args:
        name: A name that `vinr models` lists, "hf:org/name@revision", or the path of a weights
            file or of a folder that `save_pretrained` wrote.
        device: Where to put it.

    Returns:
        The network in evaluation mode; its parameters want no gradient.

    Raises:
        WeightsError: unknown name, unreadable or damaged file, no config, or tensors that do not
            fit the config.
    """
    return read_network(find_weights(name), device)

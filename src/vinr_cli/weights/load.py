"""From a name to a network, and from a network to a file."""

from collections.abc import Mapping
from pathlib import Path

import torch

from vinr_cli.model.videoinr import Network
from vinr_cli.weights.cache import CONFIG_KEY
from vinr_cli.weights.deblock import plain_of, require_strength
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


def load_model(
    name: str | Path = "default",
    device: str | torch.device = "cpu",
    *,
    deblock: float | None = None,
) -> VideoINR:
    """Build the network that a weights file describes and fill it.

    Args:
        name: A name that `vinr models` lists, "hf:org/name@revision", or the path of a weights
            file or of a folder that `save_pretrained` wrote.
        device: Where to put it.
        deblock: How strongly traces of codecs are taken out, 0 to 1.75, by a set that has a line of
            strengths, see `weights.deblock`; None, as 1, is the file as it is.

    Returns:
        The network in evaluation mode; its parameters want no gradient.

    Raises:
        WeightsError: unknown name, unreadable or damaged file, no config, or tensors that do not
            fit the config.
        UsageError: a strength that the model does not have.
    """
    require_strength(str(name), deblock)
    return load_at(name, device, deblock)


def load_at(name: str | Path, device: str | torch.device, deblock: float | None) -> VideoINR:
    """The same for a strength that was checked before: the model has it."""
    network = read_network(find_weights(name), device)
    plain = plain_of(str(name))
    if deblock is not None and plain is not None:
        move_along(network, read_network(find_weights(plain), device), deblock)
    return network


def move_along(network: Network, start: Network, strength: float) -> None:
    """Put a network elsewhere on the line from another one to it.

    Args:
        network: The end of the line; its weights are replaced.
        start: Of the same config.
        strength: 0 is the start, 1 the end, and beyond 1 the line goes on.
    """
    origin = start.state_dict()
    for key, value in network.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.lerp(origin[key], value, strength))

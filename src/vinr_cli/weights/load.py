"""Weights files: safetensors that carry their network's config."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from vinr_cli.errors import WeightsError
from vinr_cli.model.config import ModelConfig
from vinr_cli.model.videoinr import VideoINR
from vinr_cli.weights.registry import find_weights

CONFIG_KEY = "vinr.config"
"""Metadata key under which the config's JSON is stored."""


def save_weights(path: Path, network: VideoINR, about: Mapping[str, str] | None = None) -> None:
    """Write a network's weights and config.

    Args:
        path: The file; written beside its name and renamed.
        network: Any member of the family.
        about: Further metadata, such as the command that made the weights.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in _state(network).items()}
    metadata = {**(about or {}), CONFIG_KEY: json.dumps(network.config.to_dict())}
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata)
    part.replace(path)


def load_model(name: str | Path = "default", device: str | torch.device = "cpu") -> VideoINR:
    """Build the network that a weights file describes and fill it.

    Args:
        name: A name that `vinr models` lists, or the path of a weights file.
        device: Where to put it.

    Returns:
        The network in evaluation mode; its parameters want no gradient.

    Raises:
        WeightsError: unknown name, unreadable or damaged file, no config, or tensors that do not
            fit the config.
    """
    path = find_weights(name)
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            config = _read_config(path, file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no iter
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            path, f"cannot be read as a weights file ({error})", "Use a .safetensors file."
        ) from error
    with torch.device("meta"):
        network = VideoINR(config)
    _fill(path, network, tensors)
    return network.to(device).eval().requires_grad_(requires_grad=False)


def _state(network: VideoINR) -> dict[str, torch.Tensor]:
    """The state dict without what only training needs."""
    return {
        name: value
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def _read_config(path: Path, metadata: Mapping[str, str]) -> ModelConfig:
    try:
        return ModelConfig.from_dict(json.loads(metadata[CONFIG_KEY]))
    except KeyError:
        raise WeightsError(
            path, "does not say which network it belongs to", "Make it with `vinr train`."
        ) from None
    except (ValueError, TypeError) as error:
        raise WeightsError(
            path, f"describes a network that this version does not know ({error})", "Update vinr."
        ) from error


def _fill(path: Path, network: VideoINR, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put the tensors into a network that lives on the meta device."""
    expected = _state(network)
    wrong = [
        f"{name} {'(missing)' if name not in tensors else tuple(tensors[name].shape)}"
        for name, value in expected.items()
        if name not in tensors or tensors[name].shape != value.shape
    ] + [f"{name} (unknown)" for name in tensors if name not in expected]
    if wrong:
        shown = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        raise WeightsError(path, f"tensors do not fit the network it describes: {shown}")
    counters = {
        name: torch.zeros((), dtype=torch.int64)
        for name in network.state_dict()
        if name not in expected
    }
    network.load_state_dict({**tensors, **counters}, assign=True)

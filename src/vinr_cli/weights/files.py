"""Weights files: safetensors that carry their network's config."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vinr_cli.errors import WeightsError
from vinr_cli.model.config import ModelConfig
from vinr_cli.model.videoinr import Network
from vinr_cli.weights.cache import CONFIG_FILE, CONFIG_KEY

_SHOWN = 3
"""How many tensor names a message gives."""


def write_weights(
    path: Path, config: ModelConfig, tensors: Mapping[str, Tensor], about: Mapping[str, str]
) -> None:
    """Write weights with their config; under the final name when it is complete.

    Args:
        path: The file.
        config: Of the network.
        tensors: Its state, without what only training needs.
        about: Further metadata.

    Raises:
        WeightsError: it cannot be written.
    """
    metadata = {**about, CONFIG_KEY: json.dumps(config.to_dict())}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    values = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    try:
        part.write_bytes(save(values, metadata))
        part.replace(path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise WeightsError(path, f"cannot be written: {error}", "Choose another place.") from error


def read_weights(path: Path, device: str = "cpu") -> tuple[ModelConfig, dict[str, Tensor]]:
    """The config and the tensors of a file.

    Args:
        path: The file; a config.json beside it serves where it carries none.
        device: Where to put the tensors.

    Raises:
        WeightsError: unreadable or damaged, or of no known network.
    """
    try:
        with safe_open(path, framework="pt", device=device) as file:
            config = _read_config(path, file.metadata() or {})
            return config, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no iter
    except (OSError, SafetensorError) as error:
        fix = "Use a .safetensors file; `vinr convert-weights` makes one of a checkpoint."
        raise WeightsError(path, f"cannot be read as a weights file ({error})", fix) from error


def fill(path: Path, network: Network, tensors: Mapping[str, Tensor]) -> None:
    """Put the tensors into a network that lives on the meta device.

    Args:
        path: Where they come from, for errors.
        network: The network.
        tensors: All of its state but the counters that only training needs.

    Raises:
        WeightsError: a tensor is missing, unknown or of another shape.
    """
    expected = state_of(network)
    demand_fit(path, expected, tensors)
    counters = {
        name: torch.zeros((), dtype=torch.int64)
        for name in network.state_dict()
        if name not in expected
    }
    network.load_state_dict({**tensors, **counters}, assign=True)


def state_of(network: Network) -> dict[str, Tensor]:
    """The state dict without what only training needs."""
    return {
        name: value
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def demand_fit(path: Path, expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are not exactly those of a network.

    Raises:
        WeightsError: names those that are missing, unknown or of another shape.
    """
    wrong = [
        f"{name} {'(missing)' if name not in given else tuple(given[name].shape)}"
        for name, value in expected.items()
        if name not in given or given[name].shape != value.shape
    ] + [f"{name} (unknown)" for name in given if name not in expected]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        shown = ", ".join(wrong[:_SHOWN])
        raise WeightsError(path, f"tensors do not fit the network it describes: {shown}{more}")


def _read_config(path: Path, metadata: Mapping[str, str]) -> ModelConfig:
    beside = path.with_name(CONFIG_FILE)
    text = metadata.get(CONFIG_KEY)
    if text is None and beside.is_file():
        text = beside.read_text(encoding="utf-8")
    if text is None:
        raise WeightsError(
            path, "does not say which network it belongs to", "Make it with `vinr train`."
        )
    try:
        return ModelConfig.from_dict(json.loads(text))
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            path, f"describes a network that this version does not know ({error})", "Update vinr."
        ) from error

"""Weights files: safetensors that carry their network's config."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vinr_cli.errors import WeightsError
from vinr_cli.files import replacing
from vinr_cli.model.config import ModelConfig
from vinr_cli.model.videoinr import Network
from vinr_cli.untrusted import parse_json, read_object
from vinr_cli.weights.cache import CONFIG_FILE, CONFIG_KEY

MAX_PARAMETERS = 1 << 28
"""Parameters of a network that is built: 1 GiB, over 20 times the published one's."""
_FLOATS = frozenset({"F16", "BF16", "F32", "F64"})
"""Types of numbers, as safetensors calls them, that are converted to float32."""
_SHOWN = 3
"""How many tensor names a message gives."""
_WIDE = 80
"""How many characters of each."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a tensor before its values are read.

    Attributes:
        shape: Its shape.
        oddity: What keeps it from being taken, such as "I64" or "sparse"; empty for plain floats.
    """

    shape: tuple[int, ...]
    oddity: str = ""


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
    values = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    try:
        with replacing(path) as file:
            file.write(save(values, metadata))
    except (OSError, SafetensorError) as error:
        raise WeightsError(path, f"cannot be written: {error}", "Choose another place.") from error


def read_config(path: Path) -> ModelConfig:
    """The config of a weights file; a config.json next to it serves where it carries none.

    Raises:
        WeightsError: unreadable or damaged, without a config, or with one of no known network.
    """
    with _opened(path) as file:
        metadata = file.metadata() or {}
    beside = path.with_name(CONFIG_FILE)
    try:
        text = metadata.get(CONFIG_KEY)
        if text is not None:
            return ModelConfig.from_dict(parse_json(text))
        if beside.is_file():
            return ModelConfig.from_dict(read_object(beside))
    except OSError as error:
        raise WeightsError(beside, f"cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, AttributeError) as error:
        cause = f"describes a network that this version does not know ({error})"
        raise WeightsError(path, cause, "Update vinr.") from error
    fix = "Make it with `vinr train`."
    raise WeightsError(path, "does not say which network it belongs to", fix)


def read_tensors(
    path: Path, expected: Mapping[str, Tensor], device: str = "cpu"
) -> dict[str, Tensor]:
    """The tensors of a weights file, which must be exactly those of a network.

    Names, shapes and types are compared before any value is read.

    Args:
        path: The file.
        expected: What the network needs, by name; values do not matter.
        device: Where to put them.

    Returns:
        Every tensor, float32 and finite.

    Raises:
        WeightsError: unreadable or damaged; a tensor is missing, unknown, of another shape, not of
            floats, or has a value that is NaN or infinite.
    """
    with _opened(path, device) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no iter
        demand_fit(path, expected, {name: _kind_of(one) for name, one in slices.items()})
        tensors = {name: file.get_tensor(name).float() for name in slices}
    demand_finite(path, tensors)
    return tensors


def fill(network: Network, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors into a network that lives on the meta device.

    Args:
        network: The network.
        tensors: All of its state but the counters that only training needs, see `read_tensors`.
    """
    counters = {
        name: torch.zeros((), dtype=torch.int64)
        for name in network.state_dict()
        if name not in tensors
    }
    network.load_state_dict({**tensors, **counters}, assign=True)


def state_of(network: Network) -> dict[str, Tensor]:
    """The state dict without what only training needs."""
    return {
        name: value
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def demand_fit(path: Path, expected: Mapping[str, Tensor], given: Mapping[str, Kind]) -> None:
    """Refuse tensors that are not exactly those of a network.

    Raises:
        WeightsError: names those that are missing, unknown, of another shape, or not plain floats.
    """
    wrong = []
    for name, value in expected.items():
        found = given.get(name)
        if found is None:
            wrong.append(f"{name} (missing)")
        elif found.oddity or found.shape != tuple(value.shape):
            wrong.append(f"{name} ({found.oddity or ', '.join(map(str, found.shape))})")
    wrong += [f"{name} (unknown)" for name in given if name not in expected]
    if wrong:
        cause = f"tensors do not fit the network it describes: {_several(wrong)}"
        raise WeightsError(path, cause, "Use the file as it was published.")


def demand_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights that are not numbers, or became infinite in float32.

    Raises:
        WeightsError: names the tensors.
    """
    # NaN and infinity stay in a sum, which costs a twentieth of a look at each value.
    doubtful = [name for name, value in tensors.items() if not bool(value.sum().isfinite())]
    wrong = [name for name in doubtful if not bool(tensors[name].isfinite().all())]
    if wrong:
        cause = f"has weights that are NaN or infinite: {_several(wrong)}"
        raise WeightsError(path, cause, "Use the file as it was published.")


def _several(names: Sequence[str]) -> str:
    """The first names, and how many there are more; none of them longer than a line."""
    shown = ", ".join(
        name if len(name) <= _WIDE else f"{name[:_WIDE]}..." for name in names[:_SHOWN]
    )
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def _kind_of(one: Any) -> Kind:
    """The kind of a tensor by a safetensors file's header."""
    dtype = one.get_dtype()
    return Kind(tuple(one.get_shape()), "" if dtype in _FLOATS else f"of {dtype}")


@contextmanager
def _opened(path: Path, device: str = "cpu") -> Iterator[Any]:
    """A safetensors file.

    Raises:
        WeightsError: unreadable or damaged.
    """
    try:
        with safe_open(path, framework="pt", device=device) as file:
            yield file
    except (OSError, SafetensorError) as error:
        fix = "Use a .safetensors file; `vinr convert-weights` makes one of a checkpoint."
        raise WeightsError(path, f"cannot be read as a weights file ({error})", fix) from error

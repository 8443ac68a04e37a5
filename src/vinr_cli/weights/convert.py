"""The authors' checkpoints of VideoINR as weights files.

A checkpoint is a pickle; it is read with ``weights_only=True``, which builds tensors and plain
containers and runs nothing.
"""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from vinr_cli.errors import WeightsError
from vinr_cli.model.config import ModelConfig, PublishedConfig
from vinr_cli.model.videoinr import Network
from vinr_cli.weights.files import Kind, demand_finite, demand_fit, state_of, write_weights

MAX_BYTES = 1 << 30
"""Most bytes of a checkpoint, unpacked: over 20 times the published network's. A small archive
could hold far more, and the memory would be asked for before anything is looked at."""

PARALLEL = "module."
"""What `torch.nn.DataParallel` puts before each name, once for each time a network was wrapped."""

_FLOATS = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
_LINE = 120
"""Characters of a message of PyTorch that are passed on."""
_WRAPPERS = ("state_dict", "params", "model")
"""Keys under which trainers keep the weights beside other things."""


def convert_checkpoint(source: Path, target: Path, *, origin: str = "") -> PublishedConfig:
    """Write the weights file of a checkpoint of the published network.

    The network is the demo's: its decoder samples frames that were first enlarged by four, which is
    what the authors' weights were made public with.

    Args:
        source: The checkpoint, as the authors' code writes it.
        target: The weights file.
        origin: Where the checkpoint came from, for the file's metadata.

    Returns:
        The network's config.

    Raises:
        WeightsError: unreadable, more than tensors in it, or not exactly the network's names and
            shapes, in finite floats; the target cannot be written.
    """
    tensors = _named(source, _read(source))
    config = ModelConfig.published()
    with torch.device("meta"):
        expected = state_of(Network(config))
    demand_fit(source, expected, {name: _kind_of(value) for name, value in tensors.items()})
    values = {name: tensors[name].detach().float() for name in expected}
    demand_finite(source, values)
    about = {"format": "pt", "vinr.origin": origin} if origin else {"format": "pt"}
    write_weights(target, config, values, about)
    return config


def _read(source: Path) -> object:
    try:
        _demand_size(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of kinds of tensors that are refused below
            return torch.load(source, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        cause = "holds more than tensors, or is damaged; what could run is not opened"
        raise WeightsError(source, cause, "Use the file as the authors published it.") from error
    except OSError as error:
        cause = f"cannot be read: {error.strerror or _first_line(error)}"
        raise WeightsError(source, cause, "Name a checkpoint.") from error
    except Exception as error:  # torch raises many kinds for a damaged file
        cause = f"cannot be read as a checkpoint ({_first_line(error)})"
        raise WeightsError(source, cause, "Use the file as the authors published it.") from error


def _first_line(error: Exception) -> str:
    """What an error of PyTorch says, without its advice and the stack of its C++ code."""
    line = str(error).strip().split("\n", maxsplit=1)[0].split(". ", maxsplit=1)[0]
    return line if len(line) <= _LINE else f"{line[:_LINE]}..."


def _kind_of(value: Tensor) -> Kind:
    """The kind of a tensor of a checkpoint."""
    oddities = {
        "nested": value.is_nested,
        str(value.layout).removeprefix("torch."): value.layout != torch.strided,
        "without values": value.is_meta,
        "quantized": value.is_quantized,
        str(value.dtype).removeprefix("torch."): value.dtype not in _FLOATS,
    }
    oddity = next((name for name, is_so in oddities.items() if is_so), "")
    return Kind(() if value.is_nested else tuple(value.shape), oddity)


def _demand_size(source: Path) -> None:
    """Refuse what would take too much memory, by its own account."""
    size = source.stat().st_size
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            size = max(size, sum(entry.file_size for entry in archive.infolist()))
    if size > MAX_BYTES:
        cause = f"would take {size} bytes, and {MAX_BYTES} are allowed"
        raise WeightsError(source, cause, "A checkpoint of this network is far smaller.")


def _named(source: Path, content: object) -> dict[str, Tensor]:
    """The tensors under the network's own names."""
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(source, "holds no tensors by name", "Use the network's state dict.")
    tensors: dict[str, Tensor] = {}
    for name, value in content.items():
        own = str(name)
        while own.startswith(PARALLEL):
            own = own.removeprefix(PARALLEL)
        if not isinstance(value, Tensor):
            raise WeightsError(source, f"{name} is no tensor", "Use the network's state dict.")
        if own in tensors:
            raise WeightsError(source, f"has {own} twice, with and without {PARALLEL}")
        tensors[own] = value
    return tensors

"""Which device does the work, and in which number format."""

import torch

from vinr_cli.engine.precision import automatic
from vinr_cli.errors import DeviceError, UsageError
from vinr_cli.model.videoinr import Network

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
"""What `--precision` takes."""

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""The formats of half precision by their names."""


def choose_device(name: str) -> torch.device:
    """The device that a name means.

    Args:
        name: auto (cuda, then mps, then cpu), cpu, cuda, cuda:<i> or mps.

    Raises:
        UsageError: no such name.
        DeviceError: the device is not there. Nothing else is chosen in its place.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, colon, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and not (kind == "cuda" and index.isdecimal())):
        raise UsageError("--device", f"unknown device {name!r}", "Use auto, cpu, cuda[:i] or mps.")
    if kind == "cuda":
        return _cuda(name, int(index or 0))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(name, "this machine has no Metal device", "Use --device cpu.")
    return torch.device(kind)


def _cuda(name: str, index: int) -> torch.device:
    if not torch.cuda.is_available():
        built = "PyTorch sees none" if torch.version.cuda else "this PyTorch is built without CUDA"
        raise DeviceError(name, f"no CUDA device: {built}", "Use --device cpu or auto.")
    count = torch.cuda.device_count()
    if index >= count:
        raise DeviceError(
            name, f"there are {count} CUDA devices", f"Use cuda:0 to cuda:{count - 1}."
        )
    return torch.device("cuda", index)


def choose_precision(
    name: str, device: torch.device, model: Network | None = None
) -> torch.dtype | None:
    """Number format of what may run in half precision; `precision` says what that is.

    Args:
        name: auto (`precision.automatic`), fp32, bf16 or fp16.
        device: Where the network runs.
        model: The network, on that device; without it `auto` knows nothing of its kernels.

    Returns:
        The autocast type, or None for plain float32.

    Raises:
        UsageError: no such name.
    """
    if name not in PRECISIONS:
        raise UsageError(
            "--precision", f"unknown precision {name!r}", f"Use {', '.join(PRECISIONS)}."
        )
    if name == "auto":
        return automatic(device, model)
    return HALF.get(name)


def format_name(dtype: torch.dtype | None) -> str:
    """What `--precision` calls a format; the inverse of `choose_precision`."""
    return next((name for name, half in HALF.items() if half is dtype), "fp32")

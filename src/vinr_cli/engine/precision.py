"""Which steps of a network run in half precision.

`--precision` names a number format; it is used only where it was shown to change the picture by
less than can be seen: at least 50 dB PSNR against float32 on trained weights, 45 dB on the seeded
ones of the published network (``benchmarks/precision.py`` prints every step's figure, and tests
hold them). The packaged network passes in all steps. The published one passes in the residual
blocks before its alignment alone, and keeps everything else in float32 itself, whatever is asked
for here: its sine networks amplify what features are rounded by.

Flows, positions and sampling are float32 in every format: autocast knows only products.

The figures are those of PyTorch's half precision on a CPU, which rounds operands and results as a
GPU does, and sums in float32. Nothing here has run on a GPU.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar, cast

import torch
from torch import Tensor

from vinr_cli.model.grid import Grid
from vinr_cli.model.videoinr import Network

Step = Literal["frame", "pair", "prepare", "render"]
"""A network's steps, as in `model.videoinr`; the survey of whole frames belongs to "pair"."""

ON_CPU: frozenset[Step] = frozenset({"frame", "pair"})
"""What PyTorch's half precision is used for on a CPU: the other steps have native kernels in
float32. Where a network has kernels that round (`Network.rounds_well`), bfloat16 means these in
every step."""

TENSOR_CORES = (7, 0)
"""Least compute capability of a CUDA device whose half precision is faster than float32."""


def mixed(
    step: Step, device: torch.device, dtype: torch.dtype | None, *, kernels: bool = False
) -> torch.autocast:
    """The number format of a step's products, for a `with` statement.

    Args:
        step: What is done.
        device: Where.
        dtype: The format that was asked for; None is float32.
        kernels: Whether the network has kernels for a CPU that round.
    """
    everywhere = device.type != "cpu" or (kernels and dtype is torch.bfloat16)
    used = dtype is not None and (everywhere or step in ON_CPU)
    return torch.autocast(
        device.type,
        dtype=dtype or torch.bfloat16,  # any that the device takes, where it is not used
        enabled=used,
        cache_enabled=False,  # weights need no gradients, so none would be kept
    )


def automatic(device: torch.device, model: Network | None = None) -> torch.dtype | None:
    """The format that `auto` means on a device.

    On a GPU float16 where it is fast: it has three bits more than bfloat16, and what would be too
    large for it is found out before a frame is written. On a CPU bfloat16 where the network has
    kernels that round and agree with float32. Elsewhere float32.

    Args:
        device: Where.
        model: What runs there; None knows no kernels.
    """
    if device.type == "cpu" and model is not None and model.rounds_well():
        return torch.bfloat16
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= TENSOR_CORES:
        return torch.float16
    return None


V = TypeVar("V")


def in_float32(value: V) -> V:
    """A feature dataclass with every half-precision tensor in it made float32.

    What needs no change is returned as it is, so that features are still recognised by identity.
    """
    changed = _converted(value)
    return value if changed is value else cast(V, changed)


def _converted(value: object) -> object:
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, tuple):
        items = tuple(_converted(item) for item in value)
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        new = {name: _converted(item) for name, item in fields.items()}
        moved = {name: item for name, item in new.items() if item is not fields[name]}
        return dataclasses.replace(value, **moved) if moved else value
    return value


def render_in(
    model: Network, frames: Tensor, grid: Grid, times: Sequence[float],
    dtypes: Mapping[Step, torch.dtype],
) -> list[Tensor]:  # fmt: skip
    """A pair at several times, each step in a format of its own: what figures are taken from.

    Args:
        model: In evaluation mode. Without native kernels, if later steps are to be mixed.
        frames: (B, 2, 3, H, W).
        grid: The output pixels.
        times: In [0, 1].
        dtypes: Formats by step; the others are float32.

    Returns:
        (B, 3, h, w) per time.
    """

    def within(step: Step) -> torch.autocast:
        dtype = dtypes.get(step)
        return torch.autocast(
            frames.device.type, dtype or torch.bfloat16, dtype is not None, cache_enabled=False
        )

    with torch.inference_mode():
        with within("frame"):
            ends = [in_float32(model.encode_frame(frames[:, i])) for i in (0, 1)]
        with within("pair"):
            features = in_float32(model.encode_pair(*ends))
        with within("prepare"):
            prepared = model.prepare(features, grid)
        when = [torch.full((len(frames),), t, device=frames.device) for t in times]
        with within("render"):
            return [model.render(prepared, t).float() for t in when]


def psnr(ours: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    """PSNR in dB of pictures in [0, 1], values beyond cut off; infinite for equal ones.

    Args:
        ours: Pictures of one shape.
        exact: What they should be.
    """
    errors = [
        (a.clamp(0, 1) - b.clamp(0, 1)).double().square().mean()
        for a, b in zip(ours, exact, strict=True)
    ]
    mean = float(torch.stack(errors).mean())
    return math.inf if mean == 0 else -10 * math.log10(mean)

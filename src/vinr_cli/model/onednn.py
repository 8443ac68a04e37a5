"""Convolutions by oneDNN with weights that stay in its own layout, and with what comes after them.

`F.conv2d` lays the weights out anew at every call, and a ReLU or a sum after it goes through the
whole map again. PyTorch has operators without both for what its compiler makes. They are not part
of its documented interface, so they are compared with `F.conv2d` on a small map before their first
use, and left alone where they are missing, fail or differ.
"""

from functools import cache

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from vinr_cli.native.library import plain

NEAR = 1e-5
"""Largest difference of the trial's values, which are about one."""


def usable(x: Tensor, weight: Tensor) -> bool:
    """Whether `convolve_packed` can do it: float32 on a CPU, without gradients or autocast."""
    return plain(x, weight) and _tried()


def pack_weight(weight: Tensor, shape: torch.Size, stride: tuple[int, ...]) -> Tensor:
    """A convolution's weight in oneDNN's layout.

    Args:
        weight: (N, C, k, k).
        shape: Of a map that it is for; maps of other sizes are taken, too.
        stride: Step in both directions.

    Returns:
        A tensor that `convolve_packed` alone understands.
    """
    made: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
        weight.contiguous(memory_format=torch.channels_last),
        _padding(weight.shape[-1]), list(stride), [1, 1], 1, list(shape),
    )  # fmt: skip
    return made


def convolve_packed(
    x: Tensor, packed: Tensor, bias: Tensor, *, side: int, stride: tuple[int, ...], slope: float,
    plus: Tensor | None,
) -> Tensor:  # fmt: skip
    """A convolution that keeps the size at stride 1, then a leaky ReLU, then a sum.

    Args:
        x: (B, C, H, W), for which `usable` holds; best with channels last.
        packed: From `pack_weight`.
        bias: (N,).
        side: Of the kernel.
        stride: As for `pack_weight`.
        slope: Of the leaky ReLU: 1 is none, 0 a plain one.
        plus: (B, N, H, W), added at the end.

    Returns:
        (B, N, H, W), channels last.
    """
    operator = torch.ops.mkldnn._convolution_pointwise
    x = x.contiguous(memory_format=torch.channels_last)  # else oneDNN turns it, and back
    where = _padding(side), list(stride), [1, 1], 1
    y: Tensor
    alike = plus is not None and plus.is_contiguous(memory_format=torch.channels_last)
    if alike and slope == 1:
        y = operator.binary(x, plus, packed, bias, *where, "add", 1.0, None, [], None)
        return y
    after = ("none", []) if slope == 1 else ("leaky_relu", [slope]) if slope else ("relu", [])
    y = operator(x, packed, bias, *where, *after, "")
    return y if plus is None else y.add_(plus)


def _padding(side: int) -> list[int]:
    return [side // 2, side // 2]


@cache
def _tried() -> bool:
    """Whether the operators give what `F.conv2d` gives."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    with torch.inference_mode():
        numbers = torch.Generator().manual_seed(0)
        x, plus = (
            torch.randn(2, 16, 9, 10, generator=numbers).contiguous(
                memory_format=torch.channels_last
            )
            for _ in range(2)
        )
        weight, bias = torch.randn(16, 16, 3, 3, generator=numbers) / 12, torch.ones(16)
        alone = F.conv2d(x, weight, bias, padding=1)
        try:
            packed = pack_weight(weight, x.shape, (1, 1))
            made = [
                convolve_packed(x, packed, bias, side=3, stride=(1, 1), slope=slope, plus=other)
                for slope, other in ((0.1, None), (0.0, None), (1.0, plus))
            ]
        except (AttributeError, RuntimeError, TypeError):
            return False
        expected = F.leaky_relu(alone, 0.1), F.relu(alone), alone + plus
        return all(
            a.shape == b.shape and bool((a - b).abs().max() < NEAR)
            for a, b in zip(made, expected, strict=True)
        )

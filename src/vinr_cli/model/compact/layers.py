"""Layers that several parts of the packaged network are made of."""

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from vinr_cli.model.layers import SLOPE, Convolution, conv


class Stack(nn.Sequential):
    """3x3 convolutions with leaky ReLUs; the first one has the stride.

    Args:
        widths: Channels, from the input on.
        stride: Step of the first convolution.
    """

    def __init__(self, *widths: int, stride: int = 1) -> None:
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise(widths)):
            # An identity where the weights' names once had a layer without weights.
            layers += [conv(a, b, stride=stride if i == 0 else 1), nn.Identity()]
        super().__init__(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, N, H, W)."""
        for layer in self:
            if isinstance(layer, Convolution):
                x = layer.run(x, slope=SLOPE)
        return x


def bias_of(layer: nn.Conv2d) -> Tensor:
    """The layer's bias; every convolution here has one."""
    return cast(Tensor, layer.bias)


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with all parameters zero: what it adds is nothing until training moves it."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(bias_of(layer))
    return layer


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a leaky ReLU, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = conv(width, width)
        self.second = conv(width, width)
        with torch.no_grad():
            self.second.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return self.second.run(self.first.run(x, slope=SLOPE), plus=x)


class Standardise(nn.BatchNorm2d):
    """Mean 0 and variance 1 per channel, by the batch in training and by constants outside of it.

    A single value has no variance: for it the constants serve in training too.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        if self.training and x[:, 0].numel() == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, eps=self.eps)
        return super().forward(x)

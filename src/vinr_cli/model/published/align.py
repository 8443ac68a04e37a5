"""Pyramid alignment with deformable convolutions (PCD, from EDVR), as Zooming Slow-Mo uses it.

Two feature maps are brought towards each other at 1/4, 1/2 and full LR size; the offsets and the
aligned features of a level start from those of the level below. Side `_1` moves the first map,
side `_2` the second; the results stand side by side.
"""

from typing import cast

import torch
from torch import Tensor, nn

from vinr_cli.model.layers import SLOPE, Convolution, conv, double_size, lrelu
from vinr_cli.model.published.deform import DeformConv

STRIDE = 4
"""LR pixels per cell of the coarsest level; heights and widths must be multiples of it."""

Levels = tuple[Tensor | None, Tensor, Tensor]
"""A feature map (B, C, H, W) at full, 1/2 and 1/4 size; None at full size stands for zeros."""


class Pyramid(nn.Module):
    """Base of what has the four convolutions `fea_L2_conv1` to `fea_L3_conv2`."""

    fea_L2_conv1: Convolution  # noqa: N815 - names of the published weights
    fea_L2_conv2: Convolution  # noqa: N815
    fea_L3_conv1: Convolution  # noqa: N815
    fea_L3_conv2: Convolution  # noqa: N815

    def _add_pyramid(self, width: int) -> None:
        for level in (2, 3):
            self.add_module(f"fea_L{level}_conv1", conv(width, width, stride=2))
            self.add_module(f"fea_L{level}_conv2", conv(width, width))

    def levels(self, x: Tensor) -> Levels:
        """The map and its two reductions."""
        return (x, *self._reductions(self.fea_L2_conv1.run(x, slope=SLOPE)))

    def levels_of_zeros(self, like: Tensor) -> Levels:
        """The same for a map of zeros shaped as `like`: the reductions are not zero."""
        b, _, h, w = like.shape
        bias = cast(Tensor, self.fea_L2_conv1.bias)  # all that a convolution of zeros gives
        half = lrelu(bias)[None, :, None, None].expand(1, -1, h // 2, w // 2)
        half = half.contiguous(memory_format=torch.channels_last)
        second, third = self._reductions(half)
        return None, second.expand(b, -1, -1, -1), third.expand(b, -1, -1, -1)

    def _reductions(self, half: Tensor) -> tuple[Tensor, Tensor]:
        second = self.fea_L2_conv2.run(half, slope=SLOPE)
        third = self.fea_L3_conv1.run(second, slope=SLOPE)
        return second, self.fea_L3_conv2.run(third, slope=SLOPE)


class PyramidAlign(nn.Module):
    """Align two maps with each other.

    Args:
        width: Channels of a map.
        groups: Groups of the deformable convolutions.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        for side in (1, 2):
            for level in (3, 2, 1):
                self._add_level(level, side, width, groups)

    def _add_level(self, level: int, side: int, width: int, groups: int) -> None:
        deepest = level == 3
        self.add_module(f"L{level}_offset_conv1_{side}", conv(2 * width, width))
        self.add_module(f"L{level}_offset_conv2_{side}", conv(width * (2 - deepest), width))
        if not deepest:
            self.add_module(f"L{level}_offset_conv3_{side}", conv(width, width))
        self.add_module(f"L{level}_dcnpack_{side}", DeformConv(width, groups))
        if not deepest:
            self.add_module(f"L{level}_fea_conv_{side}", conv(2 * width, width))

    def forward(self, first: Levels, second: Levels) -> Tensor:
        """Both maps moved towards each other.

        Args:
            first: Levels of the first map.
            second: Levels of the second; its full-size map may be None (zeros).

        Returns:
            (B, 2·width, H, W): the first map aligned to the second, the second to the first.
        """
        return torch.cat([self._side(1, first, second), self._side(2, second, first)], 1)

    def _side(self, side: int, moving: Levels, other: Levels) -> Tensor:
        third = self._guide(3, side, moving, other, None)
        aligned = self._deform(3, side)(moving[2], third, slope=SLOPE)
        second = self._guide(2, side, moving, other, third)
        found = self._deform(2, side)(moving[1], second)
        below = double_size(aligned)
        aligned = self._conv(f"L2_fea_conv_{side}").run(found, below, slope=SLOPE)
        below = double_size(aligned)
        deform = self._deform(1, side)
        if moving[0] is None:  # nothing to move: wherever it is read, only the bias remains
            found = deform.bias[None, :, None, None].to(below.dtype).expand_as(below)
        else:
            found = deform(moving[0], self._guide(1, side, moving, other, second))
        return self._conv(f"L1_fea_conv_{side}").run(found, below)

    def _guide(
        self, level: int, side: int, moving: Levels, other: Levels, below: Tensor | None
    ) -> Tensor:
        """What a level's offsets are read from, with what the level below found."""
        at = f"L{level}_offset_conv"
        first = self._conv(f"{at}1_{side}")
        guide = first.run(cast(Tensor, moving[level - 1]), other[level - 1], slope=SLOPE)
        second = self._conv(f"{at}2_{side}")
        if below is None:
            return second.run(guide, slope=SLOPE)
        guide = second.run(guide, double_size(below) * 2, slope=SLOPE)
        return self._conv(f"{at}3_{side}").run(guide, slope=SLOPE)

    def _conv(self, name: str) -> Convolution:
        return cast(Convolution, self.get_submodule(name))

    def _deform(self, level: int, side: int) -> DeformConv:
        return cast(DeformConv, self.get_submodule(f"L{level}_dcnpack_{side}"))


class AlignedFusion(Pyramid):
    """Reduce, align and fuse two maps (`Easy_PCD` in the published code).

    Args:
        width: Channels of a map.
        groups: Groups of the deformable convolutions.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self._add_pyramid(width)
        self.pcd_align = PyramidAlign(width, groups)
        self.fusion = conv(2 * width, width, kernel=1)

    def forward(self, first: Levels, second: Levels) -> Tensor:
        """Levels of two maps, from `levels`, to (B, width, H, W)."""
        fused: Tensor = self.fusion(self.pcd_align(first, second))
        return fused

"""Space INR: a canvas per frame that has a colour at any (x, y). See VideoINR, section 3.2."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from vinr_cli.model.compact.chain import ordered, plain_order
from vinr_cli.model.compact.frame import CompactFrame
from vinr_cli.model.compact.fused import FusedCanvas, paint
from vinr_cli.model.compact.fused_frame import FusedFrame
from vinr_cli.model.compact.layers import bias_of
from vinr_cli.model.compact.triton_render import paint as paint_cells
from vinr_cli.model.config import CompactConfig
from vinr_cli.model.layers import conv, state_of
from vinr_cli.native.library import Kernels


@dataclass(frozen=True, eq=False)
class Canvas:
    """A frame's canvas, sampled at a whole number of points per LR pixel.

    Attributes:
        colours: (B, 3, fy·Hp, fx·Wp), RGB.
        texture: (B, canvas - 3, fy·Hp, fx·Wp), what the decoder sees beside them.
        factors: (fy, fx).
    """

    colours: Tensor
    texture: Tensor
    factors: tuple[int, int]

    def still(self, rows: Tensor, cols: Tensor) -> Tensor:
        """Colours at LR positions (h,) and (w,), without motion: (B, 3, h, w)."""
        fy, fx = self.factors
        return sample_axes(self.colours, (rows + 0.5) * fy - 0.5, (cols + 0.5) * fx - 0.5)

    def at(self, where: Tensor) -> tuple[Tensor, Tensor]:
        """Colours and texture at `grid_sample` coordinates (B, h, w, 2)."""
        colours, texture = (
            F.grid_sample(x, where, mode="bilinear", padding_mode="border", align_corners=False)
            for x in (self.colours, self.texture)
        )
        return colours, texture


class SpaceINR(nn.Module):
    """The continuous canvas: coefficients per LR pixel of a cosine basis in its cell.

    With r in [0, 1] the position inside the cell, basis function k is cos(π k r) in each
    direction (a DCT-II basis sampled at any r). The coefficients are a 3x3 convolution, so at an
    integer factor the cosines fold into its weights and the canvas is one convolution.
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.channels, self.basis = config.canvas, config.basis
        self.coefficients = conv(config.width, config.canvas * config.basis**2)
        with torch.no_grad():
            weight = self.coefficients.weight.view(config.canvas, config.basis**2, -1)
            weight[:3] *= 0.1  # colours start as the bicubic enlargement
            weight[3:, 1:] *= 0.5
            bias_of(self.coefficients).view(config.canvas, -1)[:3] = 0

    def _cosines(self, factor: int) -> Tensor:
        """(factor, basis): every basis function at the centres of `factor` equal parts."""
        device = self.coefficients.weight.device
        r = (torch.arange(factor, device=device, dtype=torch.float32) + 0.5) / factor
        k = torch.arange(self.basis, device=device, dtype=torch.float32)
        return torch.cos(math.pi * r[:, None] * k)

    def forward(self, frame: CompactFrame, factors: tuple[int, int]) -> Canvas:
        """The canvas at an integer number of samples per LR pixel.

        Args:
            frame: Features of a frame.
            factors: Samples per LR pixel, vertically and horizontally, from 1 up.
        """
        weight, bias = self._folded(factors)
        colours = self._colours(frame.trunk, frame.padded, (weight[:3], bias[:3]), factors)
        texture = self._paint(frame.trunk, weight[3:], bias[3:], factors)
        return Canvas(colours, texture, factors)

    def colours(self, trunk: Tensor, frame: Tensor, factors: tuple[int, int]) -> Tensor:
        """The canvas's colours alone, without texture: what stills can teach.

        Args:
            trunk: (B, width, H, W), the frame's features.
            frame: (B, 3, H, W), RGB.
            factors: Samples per LR pixel, vertically and horizontally.

        Returns:
            (B, 3, fy·H, fx·W).
        """
        weight, bias = self._folded(factors)
        return self._colours(trunk, frame, (weight[:3], bias[:3]), factors)

    def _colours(
        self, trunk: Tensor, frame: Tensor, kernel: tuple[Tensor, Tensor], factors: tuple[int, int]
    ) -> Tensor:
        """What the first three channels add to the bicubic enlargement, and it."""
        added = self._paint(trunk, *kernel, factors)
        # With `antialias` the cubic's parameter is -1/2, the one of the usual bicubic enlargement.
        enlarged = F.interpolate(
            frame.float().contiguous(),
            (added.shape[2], added.shape[3]),
            mode="bicubic",
            align_corners=False,
            antialias=True,
        )
        return added + enlarged

    def fused(self, kernels: Kernels, frame: FusedFrame, factors: tuple[int, int]) -> FusedCanvas:
        """The same canvas as `forward` gives, for the native kernels."""
        layer = self.coefficients

        def pack() -> Tensor:
            weight, bias = self._folded(factors)
            weight = weight.transpose(0, 1).flatten(0, 1)
            order = plain_order(layer.in_channels)
            return kernels.pack_step(ordered(weight, order), bias.t().flatten(), 1)

        key = "canvas", kernels, factors, state_of(bias_of(layer))
        packed = layer.made.of(layer.weight, key, pack)
        return FusedCanvas(
            tuple(
                paint(
                    kernels, maps.trunk, picture, packed=packed, width=layer.in_channels,
                    channels=self.channels, factors=factors,
                )
                for maps, picture in zip(frame.maps, frame.frame, strict=True)
            )
        )  # fmt: skip

    def cells(self, frame: CompactFrame, factors: tuple[int, int]) -> Tensor:
        """The same canvas, for the Triton kernel."""
        weight, bias = self._folded(factors)
        return paint_cells(frame.trunk, frame.padded, weight=weight, bias=bias, factors=factors)

    def _folded(self, factors: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Weights (n, fy·fx, C, 3, 3) and bias (n, fy·fx) of the convolution that paints."""
        mix = torch.einsum("yj,xk->yxjk", *(self._cosines(f) for f in factors)).flatten(0, 1)
        mix = mix.flatten(1)
        layer, n = self.coefficients, self.channels
        weight = torch.einsum(
            "pj,njcyx->npcyx", mix, layer.weight.view(n, -1, *layer.weight.shape[1:])
        )
        return weight, bias_of(layer).view(n, -1) @ mix.t()

    @staticmethod
    def _paint(trunk: Tensor, weight: Tensor, bias: Tensor, factors: tuple[int, int]) -> Tensor:
        """Cells side by side: (B, n, fy·H, fx·W) from weights (n, fy·fx, C, 3, 3)."""
        (fy, fx), n = factors, weight.shape[0]
        kernel = weight.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        cells = F.conv2d(trunk, kernel, bias.flatten(), padding=1).float()
        b, _, h, w = cells.shape
        # As `pixel_shuffle` for two factors, in two transpositions: ten times as fast backwards.
        lines = cells.reshape(b * n * fy, fx, h * w).transpose(1, 2).reshape(b * n, fy, h, w * fx)
        return lines.transpose(1, 2).reshape(b, n, h * fy, w * fx)


def normalised(x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixel positions (0 is the first pixel's centre) to `grid_sample`'s coordinates."""
    return torch.stack([(2 * x + 1) / size[1] - 1, (2 * y + 1) / size[0] - 1], -1)


def _linear_taps(position: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Lower index, upper index and upper weight of linear sampling with clamped borders."""
    position = position.clamp(0, length - 1)
    low = position.floor()
    index = low.long()
    return index, (index + 1).clamp(max=length - 1), position - low


def sample_axes(x: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Bilinear samples of x on the product of two axes.

    Args:
        x: (B, C, H, W).
        rows: Positions in pixels, (h,); 0 is the first row's centre; borders are clamped.
        cols: The same for columns, (w,).

    Returns:
        (B, C, h, w).
    """
    low, high, weight = _linear_taps(rows, x.shape[2])
    x = torch.lerp(x[:, :, low], x[:, :, high], weight[:, None])
    low, high, weight = _linear_taps(cols, x.shape[3])
    return torch.lerp(x[..., low], x[..., high], weight)

"""The packaged network: VideoINR's idea, arranged so that a CPU can afford it.

As in the paper (sections 3.1 to 3.3) two frames are encoded once, a space INR gives a feature at
any (x, y), a time INR gives the motion to any t, and a decoder turns what the motion fetches into
a colour. What differs is where the work is done:

* The **space INR** is linear in a small cosine basis of the relative coordinate inside an LR cell
  (as in a DCT). Its heavy part runs once per LR pixel and its value at any (x, y) is a sum of
  cosines: a continuous *canvas* per frame, of which three channels are RGB.
* The **motion** of a pair is found coarse to fine, with cost volumes between both frames warped
  to their middle.
* The **time INR** runs per LR pixel: (feature, t) to two flows, blending weights and features.
* The **decoder** runs per output pixel on both warped canvases. It chooses between the first
  frame's colour, the second's, and what stands still, and adds what is missing.

Flows are in LR pixels, positive right and down. All tensors are float32 unless autocast says else.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from vinr_cli.model.config import CompactConfig
from vinr_cli.model.fused import (
    FusedCanvas,
    FusedPrepared,
    available,
    blend_of,
    decode,
    paint,
    time_map,
)
from vinr_cli.model.grid import Axis, Grid
from vinr_cli.model.layers import SLOPE, Convolution, conv
from vinr_cli.model.triton_render import (
    Job,
    Layers,
    Place,
    TritonPrepared,
    products_format,
    usable,
)
from vinr_cli.model.triton_render import paint as paint_cells
from vinr_cli.model.triton_render import render as render_job
from vinr_cli.model.videoinr import Features, FrameFeatures, Prepared, VideoINR
from vinr_cli.native.library import Kernels

PYRAMID_STRIDE = 8
"""LR pixels per cell of the coarsest level that has features of its own."""

BAND = {"cpu": 1 << 15}
"""Output pixels rendered together outside of training: their tensors stay in a CPU's cache."""

BAND_ELSEWHERE = 1 << 18
"""The same for other devices: about 0.3 GB of intermediates."""

STILL_LOGIT = -3.0
"""Where the weight of the unmoved colour starts: low, so that the motion is learned first."""

SPREADS = 3
"""How often a level's cells are offered their neighbours' motion."""

SPREAD_SIDE = 7
"""Side in cells of the neighbourhood whose motion is offered."""

SPREAD_SHARPNESS = 40.0
"""What a better match (a cosine) weighs when motions are averaged or compared."""

LEAST_SHARE = 0.02
"""What t is kept away from 0 and 1 by where the blending weights take its logarithm."""

SURVEY_HALO = 32
"""LR pixels that a coarsest feature reaches to each side, rounded up: 22 by its convolutions."""

SURVEY_PIXELS = 1 << 17
"""LR pixels of the bands in which a whole frame's coarsest features are made: few megabytes."""

TIME_FEATURES = 3
"""t, t² and sin πt."""


@dataclass(frozen=True, eq=False)
class CompactFrame(FrameFeatures):
    """Features of one frame, padded at the bottom and right to whole coarse cells.

    Attributes:
        padded: (B, 3, Hp, Wp), the frame padded by replication.
        trunk: (B, width, Hp, Wp), what the canvas is made of.
        fine: (B, fine, Hp, Wp), for the last refinement of the motion.
        pyramid: Features at 1/2, 1/4, 1/8 of (Hp, Wp).
        keys: Normalised features at the same levels, for the cost volumes.
        painted: Its canvas for a grid, where that was made already.
    """

    padded: Tensor
    trunk: Tensor
    fine: Tensor
    pyramid: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    painted: "Painted | None" = None


@dataclass(frozen=True, eq=False)
class Painted:
    """A frame's canvas for the native kernels, and the grid that it was made for."""

    grid: Grid
    canvas: FusedCanvas


@dataclass(frozen=True, eq=False)
class SurveyedFrame:
    """The coarsest features of a whole frame, padded as in `CompactFrame`.

    Attributes:
        seen: (B, C, Hp/8, Wp/8), the pyramid's last level.
        key: (B, key, Hp/8, Wp/8), its keys.
    """

    seen: Tensor
    key: Tensor


@dataclass(frozen=True, eq=False)
class SurveyedPair:
    """The motion of two whole frames at 1/8 of LR, from which tiles go on.

    Attributes:
        motion: (B, 2, Hp/8, Wp/8), in cells.
        state: (B, 48, Hp/8, Wp/8), handed to the next level.
    """

    motion: Tensor
    state: Tensor

    def part(self, origin: tuple[int, int], shape: tuple[int, int]) -> "SurveyedPair":
        """What a tile sees.

        Args:
            origin: Its first (row, column) in LR pixels, a multiple of `PYRAMID_STRIDE`.
            shape: (height, width) of its padded frame in LR pixels.
        """
        rows, cols = (
            slice(start // PYRAMID_STRIDE, (start + length) // PYRAMID_STRIDE)
            for start, length in zip(origin, shape, strict=True)
        )
        return SurveyedPair(self.motion[:, :, rows, cols], self.state[:, :, rows, cols])


@dataclass(frozen=True, eq=False)
class CompactFeatures(Features):
    """Features of a pair.

    Attributes:
        motion: (B, 2, Hp, Wp), flow (x, y) from the first frame to the second as seen from their
            middle, in LR pixels.
        state: (B, hidden, Hp, Wp), the time INR's first layer without its time part.
        levels: The motion at 1/8, 1/4, 1/2 and 1 of LR, in cells of its level; for training.
    """

    motion: Tensor
    state: Tensor
    levels: tuple[Tensor, ...]


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


@dataclass(frozen=True, eq=False)
class CompactPrepared(Prepared):
    """A pair on an output grid.

    Attributes:
        canvases: Both frames' canvases.
        still: Both frames' canvas colours on the grid itself, (B, 3, h, w).
        rows: LR positions of the rows that are rendered, those of the grid or denser ones.
        cols: The same for columns.
        shrink: What brings denser rows and columns to the grid's; None where they are the grid's.
    """

    canvases: tuple[Canvas, Canvas]
    still: tuple[Tensor, Tensor]
    rows: Tensor
    cols: Tensor
    shrink: tuple[Tensor | None, Tensor | None]


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


def _bias(layer: nn.Conv2d) -> Tensor:
    """The layer's bias; every convolution here has one."""
    return cast(Tensor, layer.bias)


def _zeros(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with all parameters zero: what it adds is nothing until training moves it."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(_bias(layer))
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


class FrameEncoder(nn.Module):
    """Everything that depends on one frame alone."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.stride = PYRAMID_STRIDE << config.octaves
        widths = (config.width, *config.pyramid)
        self.first = conv(3, config.width)
        self.trunk = nn.Sequential(*(ResidualBlock(config.width) for _ in range(config.blocks)))
        self.pyramid = nn.ModuleList(Stack(a, b, b, stride=2) for a, b in pairwise(widths))
        # Centred and scaled per channel, so that the cosine between two keys has contrast; the
        # statistics are constants outside of training, so a tile sees what its frame sees.
        self.keys = nn.ModuleList(
            nn.Sequential(conv(c, config.key, 1), Standardise(config.key)) for c in config.pyramid
        )
        self.fine = conv(config.width, config.fine, 1)

    def forward(self, frame: Tensor) -> CompactFrame:
        """(B, 3, H, W) to its features."""
        padded = self._padded(frame).contiguous(memory_format=torch.channels_last)
        first = self.first.run(padded, slope=SLOPE)
        trunk = self.trunk(first)
        levels, keys = self._pyramid(first)
        return CompactFrame(frame, padded, trunk, self.fine(trunk), tuple(levels), tuple(keys))

    def survey(self, frame: Tensor) -> SurveyedFrame:
        """(B, 3, H, W) to its coarsest features alone, those of `forward`, in bands of rows."""
        padded = self._padded(frame)
        height, width = padded.shape[-2:]
        band = max(1, SURVEY_PIXELS // (width * self.stride)) * self.stride
        seen, keys = [], []
        for top in range(0, height, band):
            begin, end = max(0, top - SURVEY_HALO), min(height, top + band + SURVEY_HALO)
            rows = padded[:, :, begin:end].contiguous(memory_format=torch.channels_last)
            levels, found = self._pyramid(self.first.run(rows, slope=SLOPE))
            kept = slice(
                (top - begin) // PYRAMID_STRIDE, (min(top + band, height) - begin) // PYRAMID_STRIDE
            )
            seen.append(levels[-1][:, :, kept].float())
            keys.append(found[-1][:, :, kept])
        return SurveyedFrame(torch.cat(seen, 2), torch.cat(keys, 2))

    def _padded(self, frame: Tensor) -> Tensor:
        """The frame, padded at the bottom and right to whole cells of the coarsest octave."""
        height, width = frame.shape[-2:]
        pad = (-width % self.stride, -height % self.stride)
        return F.pad(frame, (0, pad[0], 0, pad[1]), mode="replicate") if any(pad) else frame

    def _pyramid(self, first: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Features at 1/2, 1/4 and 1/8 from those of the first layer, and their keys."""
        levels, keys = [], []
        level = first
        for reduce, key in zip(self.pyramid, self.keys, strict=True):
            level = reduce(level)
            levels.append(level)
            keys.append(F.normalize(key(level).float(), dim=1))
        return levels, keys


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
            _bias(self.coefficients).view(config.canvas, -1)[:3] = 0

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
        colours = self._paint(frame.trunk, weight[:3], bias[:3], factors)
        texture = self._paint(frame.trunk, weight[3:], bias[3:], factors)
        # With `antialias` the cubic's parameter is -1/2, the one of the usual bicubic enlargement.
        enlarged = F.interpolate(
            frame.padded.float().contiguous(),
            (colours.shape[2], colours.shape[3]),
            mode="bicubic",
            align_corners=False,
            antialias=True,
        )
        return Canvas(colours + enlarged, texture, factors)

    def fused(self, kernels: Kernels, frame: CompactFrame, factors: tuple[int, int]) -> FusedCanvas:
        """The same canvas as `forward` gives, for the native kernels."""
        weight, bias = self._folded(factors)
        return paint(kernels, frame.trunk, frame.padded, weight=weight, bias=bias, factors=factors)

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
        return weight, _bias(layer).view(n, -1) @ mix.t()

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


def _normalised(x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixel positions (0 is the first pixel's centre) to `grid_sample`'s coordinates."""
    return torch.stack([(2 * x + 1) / size[1] - 1, (2 * y + 1) / size[0] - 1], -1)


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Read x at each pixel's position plus the flow; (B, C, H, W) and (B, 2, H, W), in pixels."""
    height, width = flow.shape[-2:]
    xs = torch.arange(width, device=flow.device, dtype=torch.float32)
    ys = torch.arange(height, device=flow.device, dtype=torch.float32)
    flow = flow.float()
    where = _normalised(xs + flow[:, 0], ys[:, None] + flow[:, 1], (height, width))
    return F.grid_sample(
        x.float(), where, mode="bilinear", padding_mode="border", align_corners=False
    )


def cost_volume(first: Tensor, second: Tensor, radius: int) -> Tensor:
    """Cosine of both frames' keys for every displacement, as seen from their middle.

    A displacement d is split between the frames: the first is read at x - floor(d/2), the second
    at x + ceil(d/2).

    Args:
        first: (B, C, H, W), unit length over C.
        second: The same for the second frame.
        radius: Largest displacement in cells.

    Returns:
        (B, (2·radius + 1)², H, W), row-major in (dy, dx).
    """
    height, width = first.shape[-2:]
    first = F.pad(first, [radius] * 4, mode="replicate")
    second = F.pad(second, [radius] * 4, mode="replicate")

    def shifted(x: Tensor, dy: int, dx: int) -> Tensor:
        return x[:, :, radius + dy : radius + dy + height, radius + dx : radius + dx + width]

    steps = range(-radius, radius + 1)
    costs = [
        (shifted(first, -(dy // 2), -(dx // 2)) * shifted(second, dy - dy // 2, dx - dx // 2)).sum(
            1
        )
        for dy in steps
        for dx in steps
    ]
    return torch.stack(costs, 1)


def soft_argmax(cost: Tensor, sharpness: Tensor, radius: int) -> Tensor:
    """Mean displacement (x, y) under softmax(sharpness · cost); (B, 2, H, W), in cells."""
    steps = torch.arange(-radius, radius + 1, device=cost.device, dtype=torch.float32)
    dy, dx = torch.meshgrid(steps, steps, indexing="ij")
    weights = torch.softmax(cost.float() * sharpness.float(), 1)
    where = torch.stack([dx.flatten(), dy.flatten()])
    with torch.autocast(cost.device.type, enabled=False):  # a motion is never rounded
        return torch.einsum("bkhw,ck->bchw", weights, where)


class MotionLevel(nn.Module):
    """One step of the coarse-to-fine search."""

    def __init__(self, *, inputs: int, radius: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.radius = radius
        self.state = Stack((2 * radius + 1) ** 2 + inputs, *widths)
        self.step = _zeros(conv(widths[-1], 2))
        self.sharpness = nn.Parameter(torch.tensor(12.0))

    def forward(
        self, keys: tuple[Tensor, Tensor], rest: list[Tensor], motion: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Refine a motion.

        Args:
            keys: Both frames' keys, already warped to the middle by the motion.
            rest: What else the convolutions see, all at this level.
            motion: (B, 2, H, W) so far, in cells of this level; None at the coarsest.

        Returns:
            The motion, in cells of this level, and the state handed to the next.
        """
        cost = cost_volume(*keys, self.radius)
        state = self.state(torch.cat([cost, *rest], 1))
        step = self.step(state).float() + soft_argmax(cost, self.sharpness, self.radius)
        return (step if motion is None else motion + step), state


def _up(x: Tensor) -> Tensor:
    """Twice the size, bilinear."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def _halved(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both at half the size, by the mean of each 2x2 cells."""
    return F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)


def match(first: Tensor, second: Tensor, motion: Tensor | None = None) -> Tensor:
    """How well both frames' keys agree once brought to the middle: mean cosine of 3x3 cells.

    Args:
        first: (B, C, H, W), unit length over C.
        second: The same for the second frame.
        motion: (B, 2, H, W), in cells; None is standing still.

    Returns:
        (B, 1, H, W), in [-1, 1].
    """
    if motion is not None:
        first, second = warp(first, -motion / 2), warp(second, motion / 2)
    cosine = (first * second).sum(1, keepdim=True)
    return F.avg_pool2d(cosine, 3, 1, 1, count_include_pad=False)


def _better(gain: Tensor) -> Tensor:
    """Weight of what has this gain in `match`; same shape, in [0, 1]."""
    return torch.sigmoid(SPREAD_SHARPNESS * gain)


def trusted_mean(motion: Tensor, fit: Tensor) -> Tensor:
    """The neighbourhood's motion: a mean of which cells that match well have nearly all the weight.

    Args:
        motion: (B, 2, H, W), in cells.
        fit: `match` of that motion, (B, 1, H, W).

    Returns:
        (B, 2, H, W), means over `SPREAD_SIDE` squared cells.
    """
    weight = torch.exp(SPREAD_SHARPNESS * (fit - 1))
    summed = F.avg_pool2d(torch.cat([motion * weight, weight], 1), SPREAD_SIDE, 1, SPREAD_SIDE // 2)
    return summed[:, :2] / summed[:, 2:].clamp(min=torch.finfo(summed.dtype).tiny)


class Gate(nn.Module):
    """Weight of a motion from a coarser level, by how much better it explains the frames.

    What a coarse cell has in it of a moving object would otherwise drag still background along,
    and what it mistook in a repeated pattern would stay, further away than a finer level's cost
    volume can bring it back.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(12.0))
        self.bias = nn.Parameter(torch.tensor(1.0))

    def forward(self, gain: Tensor) -> Tensor:
        """Weights in [0, 1] from gains in `match`; (B, 1, H, W) both."""
        return torch.sigmoid(self.sharpness * gain + self.bias)


class MotionSearch(nn.Module):
    """The motion of a pair, coarse to fine, to LR.

    The level at 1/8 of LR is run at coarser octaves first, with the same weights on averaged
    features: large frames move by more cells than one cost volume sees.
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.octaves = config.octaves
        c1, c2, c3 = config.pyramid
        r3, r2, r1 = config.radius
        self.levels = nn.ModuleList(
            [
                MotionLevel(inputs=2 * c3, radius=r3, widths=(64, 64, 48)),
                MotionLevel(inputs=2 * c2 + 48 + 2, radius=r2, widths=(64, 48, 48)),
                MotionLevel(inputs=2 * c1 + 48 + 2, radius=r1, widths=(48, 32, 32)),
            ]
        )
        self.gates = nn.ModuleList(Gate() for _ in range(3))
        self.last_state = Stack(2 * (config.fine + 3) + 32 + 2, 32, 32)
        self.last_step = _zeros(conv(32, 2))

    def forward(
        self, first: CompactFrame, second: CompactFrame, known: SurveyedPair | None = None
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Search.

        Args:
            first: Features of the earlier frame, or of a tile of it.
            second: The same of the later frame.
            known: For a tile: its part of the whole frames' coarse motion.

        Returns:
            Motion (B, 2, Hp, Wp) in LR pixels, state (B, 32, Hp, Wp), and every level's motion.
        """
        if known is None:
            found, state = self._coarse(
                SurveyedFrame(first.pyramid[-1], first.keys[-1]),
                SurveyedFrame(second.pyramid[-1], second.keys[-1]),
            )
        else:
            found, state = [known.motion], known.state
        motion = found[-1]
        for search, gate, i in zip(self.levels[1:], self.gates[1:], (1, 0), strict=True):
            motion, state = self._kept(gate, first.keys[i], second.keys[i], motion), _up(state)
            back, forth = -motion / 2, motion / 2
            a, b = warp(first.pyramid[i], back), warp(second.pyramid[i], forth)
            keys = warp(first.keys[i], back), warp(second.keys[i], forth)
            motion, state = search(keys, [a, b, state, motion], motion)
            found.append(motion)
        motion, state = _up(motion) * 2, _up(state)
        a = warp(torch.cat([first.padded, first.fine], 1), -motion / 2)
        b = warp(torch.cat([second.padded, second.fine], 1), motion / 2)
        state = self.last_state(torch.cat([a, b, state, motion], 1))
        motion = motion + self.last_step(state).float()
        return motion, state, (*found, motion)

    def survey(self, first: SurveyedFrame, second: SurveyedFrame) -> SurveyedPair:
        """The motion of whole frames at 1/8 of LR."""
        found, state = self._coarse(first, second)
        return SurveyedPair(found[-1], state.float())

    def _coarse(self, first: SurveyedFrame, second: SurveyedFrame) -> tuple[list[Tensor], Tensor]:
        """The motion at 1/8 of LR after every coarser octave, coarsest first, and its state."""
        keys = [(first.key, second.key)]
        seen = [(first.seen, second.seen)]
        for _ in range(self.octaves):
            a, b = _halved(*keys[-1])
            keys.append((F.normalize(a, dim=1), F.normalize(b, dim=1)))
            seen.append(_halved(*seen[-1]))
        motion, state = self.levels[0](keys[-1], list(seen[-1]), None)
        found = [motion]
        for ours, features in zip(keys[-2::-1], seen[-2::-1], strict=True):
            far, far_state = self._refined(ours, features, _up(motion) * 2)
            near, _ = self.levels[0](ours, list(features), None)
            near, near_state = self._refined(ours, features, near)
            weight = self.gates[0](match(*ours, far) - match(*ours, near))
            motion = torch.lerp(near, far, weight)
            state = torch.lerp(near_state, far_state, weight.to(far_state.dtype))
            motion, state = self._spread(ours, features, motion, state)
            found.append(motion)
        return found, state

    def _spread(
        self,
        keys: tuple[Tensor, Tensor],
        features: tuple[Tensor, Tensor],
        motion: Tensor,
        state: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Offer every cell its neighbours' motion, and keep whatever explains the frames better.

        A cell of plain or repeated texture finds nothing of its own, while one beside it that moves
        with it may have found the motion without doubt (the idea of PatchMatch, Barnes et al.,
        2009). The last offer is refined first, which gives the state, too.
        """
        fit = match(*keys, motion)
        for _ in range(SPREADS - 1):
            offered = trusted_mean(motion, fit)
            motion = torch.lerp(motion, offered, _better(match(*keys, offered) - fit))
            fit = match(*keys, motion)
        offered, offered_state = self._refined(keys, features, trusted_mean(motion, fit))
        weight = _better(match(*keys, offered) - fit)
        state = torch.lerp(state, offered_state, weight.to(state.dtype))
        return torch.lerp(motion, offered, weight), state

    def _refined(
        self, keys: tuple[Tensor, Tensor], features: tuple[Tensor, Tensor], motion: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One more step of the level at 1/8 from a motion in its cells, and its state."""
        back, forth = -motion / 2, motion / 2
        warped = warp(keys[0], back), warp(keys[1], forth)
        rest = [warp(features[0], back), warp(features[1], forth)]
        refined: tuple[Tensor, Tensor] = self.levels[0](warped, rest, motion)
        return refined

    @staticmethod
    def _kept(gate: nn.Module, first: Tensor, second: Tensor, motion: Tensor) -> Tensor:
        """A coarser level's motion at this level, without what standing still explains better."""
        motion = _up(motion) * 2
        return motion * cast(Tensor, gate(match(first, second, motion) - match(first, second)))


class TimeINR(nn.Module):
    """(motion state, t) to flows, blending weights and features, per LR pixel."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.state = conv(32, config.hidden)
        self.time = nn.Linear(TIME_FEATURES, config.hidden)
        self.middle = conv(config.hidden, config.hidden, 1)
        self.last = conv(config.hidden, 4 + 2 + config.motion_features, 1)
        with torch.no_grad():
            self.last.weight[:6] = 0
            _bias(self.last).zero_()

    def forward(self, features: CompactFeatures, t: Tensor) -> Tensor:
        """What the decoder needs to know of time t.

        Args:
            features: Of the pair.
            t: (B,) in [0, 1].

        Returns:
            (B, 4 + 2 + motion_features, Hp, Wp): flow (x, y) to the first frame and to the second
            in LR pixels, two logits, features.
        """
        hidden = F.relu(features.state + self._shift(t)[:, :, None, None])
        out = self.last(F.relu(self.middle(hidden))).float()
        t = t[:, None, None, None]
        to_first = -t * (features.motion + out[:, 0:2])
        to_second = (1 - t) * (features.motion + out[:, 2:4])
        return torch.cat([to_first, to_second, out[:, 4:]], 1)

    def _shift(self, t: Tensor) -> Tensor:
        """What the time adds to the first layer: (B, hidden)."""
        shift: Tensor = self.time(torch.stack([t, t * t, torch.sin(math.pi * t)], 1))
        return shift

    def fused(self, kernels: Kernels, features: CompactFeatures, t: Tensor) -> list[Tensor]:
        """The same as `forward`, by native kernels: (Hp, Wp, LANE) of every pair."""
        layers = self.middle, self.last
        rows = zip(features.state, features.motion, self._shift(t), t.tolist(), strict=True)
        return [
            time_map(kernels, state, motion, shift=shift, layers=layers, t=at)
            for state, motion, shift, at in rows
        ]


class Decoder(nn.Module):
    """Colour of an output pixel from what both flows fetch and what stands still."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.first = conv(config.decoder_inputs, config.decoder_hidden, 1)
        self.time = nn.Linear(1, config.decoder_hidden, bias=False)
        self.middle = conv(config.decoder_hidden, config.decoder_hidden, 1)
        self.last = _zeros(conv(config.decoder_hidden, 3 + 2, 1))

    def forward(
        self,
        first: tuple[Tensor, Tensor],
        second: tuple[Tensor, Tensor],
        still: tuple[Tensor, Tensor],
        motion: Tensor,
        t: Tensor,
    ) -> Tensor:
        """Blend and correct.

        Args:
            first: Colours and texture of the first frame at the moved positions.
            second: The same of the second frame.
            still: Both canvases' colours at the unmoved positions, (B, 3, h, w).
            motion: Two logits and the time INR's features, (B, 2 + motion_features, h, w).
            t: (B,) in [0, 1].

        Returns:
            (B, 3, h, w) RGB.
        """
        step = t[:, None, None, None]
        stays = torch.lerp(still[0], still[1], step)
        change = still[0] - still[1]
        seen = torch.cat([*first, *second, stays, change, motion], 1)
        seen = seen.contiguous(memory_format=torch.channels_last)
        hidden = F.relu(self.first(seen) + self.time(t[:, None])[:, :, None, None])
        out = self.last(F.relu(self.middle(hidden))).float()
        # At t = 0 the first frame's colour starts with all the weight, at t = 1 the second's.
        near = step.clamp(LEAST_SHARE, 1 - LEAST_SHARE)
        logits = motion[:, :2] + out[:, 3:]
        from_first = logits[:, :1] + torch.log(1 - near)
        from_second = torch.log(near).expand_as(from_first)
        weights = torch.softmax(
            torch.cat([from_first, from_second, logits[:, 1:] + STILL_LOGIT], 1), 1
        )
        blend = weights[:, :1] * first[0] + weights[:, 1:2] * second[0] + weights[:, 2:] * stays
        return cast(Tensor, blend + out[:, :3])


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


def shrink_matrix(axis: Axis, inner: Axis, device: torch.device) -> Tensor:
    """Weights that reduce an inner axis (at LR density) to a sparser one: (len(axis), len(inner)).

    A triangle filter as wide as two output pixels: what an antialiased bilinear reduction does.
    """
    ratio = axis.lr / axis.hr
    i = torch.arange(axis.start, axis.stop, dtype=torch.float64)[:, None]
    j = torch.arange(inner.start, inner.stop, dtype=torch.float64)
    weights = (1 - ((i + 0.5) * ratio - (j + 0.5)).abs() / ratio).clamp(min=0)
    return (weights / weights.sum(1, keepdim=True)).float().to(device)


def _inner_axis(axis: Axis) -> Axis:
    """The axis itself, or all held LR pixels where the output is sparser than LR."""
    if axis.hr >= axis.lr:
        return axis
    stop = axis.offset + axis.held
    return Axis(axis.lr, axis.lr, axis.offset, stop, axis.offset, axis.held)


def _inner(grid: Grid) -> tuple[Grid, tuple[int, int]]:
    """The grid that is rendered, at least as dense as LR, and the canvas's samples per LR pixel."""
    inner = Grid(_inner_axis(grid.rows), _inner_axis(grid.cols))
    return inner, (-(-inner.rows.hr // inner.rows.lr), -(-inner.cols.hr // inner.cols.lr))


def _continues(previous: Prepared, features: Features, grid: Grid) -> bool:
    """Whether the later frame of `previous` is the earlier one of `features`, on one grid."""
    return previous.features.second is features.first and previous.grid == grid


def _shrink(grid: Grid, inner: Grid, device: torch.device) -> tuple[Tensor | None, Tensor | None]:
    """What brings inner rows and columns to the grid's; None where they are the grid's."""
    return (
        None if inner.rows is grid.rows else shrink_matrix(grid.rows, inner.rows, device),
        None if inner.cols is grid.cols else shrink_matrix(grid.cols, inner.cols, device),
    )


class CompactVideoINR(VideoINR, config=CompactConfig):
    """The packaged network; see the module's text.

    Attributes:
        halo: LR pixels around a tile that its result depends on in practice. (In theory a large
            motion reaches further.)
        alignment: LR pixels at whose multiples tiles begin: whole cells of the coarsest octave.
        pair_bytes: Peak RSS of one thread, least squares over x1, x2, x4, x8 of 320x180 and x0.5,
            x1, x2 of 640x360 gave 2,400 and 270 a pixel, in PyTorch; here with a margin.
    """

    config: CompactConfig
    pair_bytes = (3_500, 300)

    def __init__(self, config: CompactConfig) -> None:
        super().__init__(config)
        # Measured on shifts of 60 LR pixels in both directions, see docs/performance.md.
        self.halo = 80
        self.alignment = PYRAMID_STRIDE << config.octaves
        self.frame = FrameEncoder(config)
        self.space = SpaceINR(config)
        self.search = MotionSearch(config)
        self.time = TimeINR(config)
        self.decoder = Decoder(config)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode_frame(self, frame: Tensor) -> CompactFrame:
        """See `VideoINR.encode_frame`."""
        features: CompactFrame = self.frame(frame)
        return features

    def encode_pair(self, first: CompactFrame, second: CompactFrame) -> CompactFeatures:
        """See `VideoINR.encode_pair`."""
        return self._searched(first, second, None)

    def survey_frame(self, frame: Tensor) -> SurveyedFrame:
        """See `VideoINR.survey_frame`."""
        return self.frame.survey(frame)

    def survey_pair(self, first: SurveyedFrame, second: SurveyedFrame) -> SurveyedPair:
        """See `VideoINR.survey_pair`."""
        return self.search.survey(first, second)

    def encode_tile(
        self,
        first: CompactFrame,
        second: CompactFrame,
        survey: SurveyedPair,
        origin: tuple[int, int],
    ) -> CompactFeatures:
        """See `VideoINR.encode_tile`."""
        height, width = first.padded.shape[-2:]
        return self._searched(first, second, survey.part(origin, (height, width)))

    def _searched(
        self, first: CompactFrame, second: CompactFrame, known: SurveyedPair | None
    ) -> CompactFeatures:
        motion, state, levels = self.search(first, second, known)
        return CompactFeatures(first, second, motion, self.time.state(state), levels)

    def prepare(
        self,
        features: CompactFeatures,
        grid: Grid,
        previous: CompactPrepared | FusedPrepared | TritonPrepared | None = None,
    ) -> CompactPrepared | FusedPrepared | TritonPrepared:
        """See `VideoINR.prepare`."""
        inner, factors = _inner(grid)
        first, second = cast(CompactFrame, features.first), cast(CompactFrame, features.second)
        kernels = available(
            self.config, first.trunk, first.padded, features.motion, features.state, *self._kept()
        )
        if kernels is not None:
            if not isinstance(previous, FusedPrepared) or not _continues(previous, features, grid):
                earlier = self._canvas(kernels, first, grid)
            else:
                earlier = previous.canvases[1]
            later = self._canvas(kernels, second, grid)
            rows, cols = inner.rows.position(), inner.cols.position()
            shrink = _shrink(grid, inner, features.device)
            return FusedPrepared(features, grid, (earlier, later), rows, cols, shrink)
        device = features.device
        if usable(self.config, device, factors):
            return self._prepare_triton(features, grid, previous)
        rows, cols = inner.rows.position(device), inner.cols.position(device)
        if isinstance(previous, CompactPrepared) and _continues(previous, features, grid):
            canvas, still = previous.canvases[1], previous.still[1]
        else:
            canvas = self.space(first, factors)
            still = canvas.still(rows, cols)
        other = self.space(second, factors)
        return CompactPrepared(
            features=features,
            grid=grid,
            canvases=(canvas, other),
            still=(still, other.still(rows, cols)),
            rows=rows,
            cols=cols,
            shrink=_shrink(grid, inner, device),
        )

    def paint(self, frame: CompactFrame, grid: Grid) -> CompactFrame:
        """See `VideoINR.paint`; done for the native kernels alone."""
        kernels = available(self.config, frame.trunk, frame.padded, *self._kept())
        if kernels is None:
            return frame
        return replace(frame, painted=Painted(grid, self._canvas(kernels, frame, grid)))

    def _canvas(self, kernels: Kernels, frame: CompactFrame, grid: Grid) -> FusedCanvas:
        """A frame's canvas, unless it was painted before."""
        if frame.painted is not None and frame.painted.grid == grid:
            return frame.painted.canvas
        return self.space.fused(kernels, frame, _inner(grid)[1])

    def _prepare_triton(
        self, features: CompactFeatures, grid: Grid, previous: Prepared | None
    ) -> TritonPrepared:
        """As `prepare`, for the Triton kernel."""
        factors = _inner(grid)[1]
        first, second = cast(CompactFrame, features.first), cast(CompactFrame, features.second)
        known = previous if isinstance(previous, TritonPrepared) else None
        if known is not None and known.grid != grid:
            known = None
        if known is not None and known.features.second is first:
            canvas = known.canvases[1]
        else:
            canvas = self.space.cells(first, factors)
        return TritonPrepared(
            features=features,
            grid=grid,
            canvases=(canvas, self.space.cells(second, factors)),
            place=self._place(grid, features.device) if known is None else known.place,
        )

    def _place(self, grid: Grid, device: torch.device) -> Place:
        """What the kernel has to know of a grid and of the weights; the same for every pair."""
        inner, decoder = _inner(grid)[0], self.decoder
        layers = [
            (layer.weight.flatten(1), _bias(layer))
            for layer in (decoder.first, decoder.middle, decoder.last)
        ]
        return Place(
            rows=inner.rows.position(device),
            cols=inner.cols.position(device),
            shrink=_shrink(grid, inner, device),
            layers=Layers.of(layers, self.config.canvas, products_format(device)),
        )

    def _kept(self) -> tuple[Tensor, ...]:
        """Weights whose format and device stand for all of the rendering's."""
        return self.space.coefficients.weight, self.decoder.first.weight

    def render(
        self, prepared: CompactPrepared | FusedPrepared | TritonPrepared, t: Tensor
    ) -> Tensor:
        """See `VideoINR.render`."""
        if isinstance(prepared, FusedPrepared):
            out = self._render_fused(prepared, t)
        elif isinstance(prepared, TritonPrepared):
            out = self._render_triton(prepared, t)
        else:
            out = self._render_bands(prepared, t)
        over_rows, over_cols = prepared.shrink
        if over_rows is not None:
            out = torch.matmul(over_rows, out)
        if over_cols is not None:
            out = torch.matmul(out, over_cols.t())
        return out

    def render_times(
        self, prepared: CompactPrepared | FusedPrepared | TritonPrepared, t: Tensor
    ) -> Tensor:
        """See `VideoINR.render_times`; together by the Triton kernel alone."""
        if isinstance(prepared, TritonPrepared):
            return self.render(prepared, t)
        return super().render_times(prepared, t)

    def _render_fused(self, prepared: FusedPrepared, t: Tensor) -> Tensor:
        """All that is rendered, by native kernels.

        Raises:
            ValueError: the kernels were turned off, or gradients on, after `prepare`.
        """
        kernels = available(self.config, *self._kept())
        if kernels is None:
            raise ValueError("prepared for native kernels, which cannot be used now")
        motions = self.time.fused(kernels, cast(CompactFeatures, prepared.features), t)
        decoder = self.decoder
        layers, shifts = (decoder.first, decoder.middle, decoder.last), decoder.time(t[:, None])
        out = torch.empty(len(t), 3, len(prepared.rows), len(prepared.cols))
        for i, at in enumerate(t.tolist()):
            cells = prepared.canvases[0].cells[i], prepared.canvases[1].cells[i]
            blend = blend_of(at, STILL_LOGIT, LEAST_SHARE)
            place = prepared.rows, prepared.cols
            decode(
                kernels, cells, motions[i], place=place, layers=layers, shift=shifts[i], t=at,
                blend=blend, out=out[i],
            )  # fmt: skip
        return out

    def _render_triton(self, prepared: TritonPrepared, t: Tensor) -> Tensor:
        """All that is rendered, by the Triton kernel."""
        decoder, place = self.decoder, prepared.place
        motion = self.time(prepared.features, t).permute(0, 2, 3, 1).contiguous()
        near = t.clamp(LEAST_SHARE, 1 - LEAST_SHARE)
        times = torch.stack([t, torch.log(1 - near), torch.log(near)], 1)
        shift = _bias(decoder.first) + t[:, None] * decoder.time.weight[:, 0]
        shift = F.pad(shift.float(), (0, place.layers.hidden - shift.shape[1]))
        first, second = prepared.canvases
        pairs = len(first)
        step = len(t) if pairs == 1 else 1  # all times of one pair, or each pair at its time
        pictures = [
            render_job(
                Job(
                    canvases=(first[i], second[i]),
                    motion=motion[i : i + step],
                    rows=place.rows,
                    cols=place.cols,
                    times=times[i : i + step],
                    still=STILL_LOGIT,
                    layers=place.layers,
                    shift=shift[i : i + step],
                )
            )
            for i in range(pairs)
        ]
        return torch.cat(pictures)

    def _render_bands(self, prepared: CompactPrepared, t: Tensor) -> Tensor:
        """All that is rendered, in PyTorch, in bands of rows."""
        motion: Tensor = self.time(prepared.features, t)
        height, width = len(prepared.rows), len(prepared.cols)
        pixels = BAND.get(prepared.rows.device.type, BAND_ELSEWHERE)
        band = height if torch.is_grad_enabled() else max(1, pixels // width)
        bands = [
            self._render_rows(prepared, motion, t, y, min(y + band, height))
            for y in range(0, height, band)
        ]
        return bands[0] if len(bands) == 1 else torch.cat(bands, 2)

    def _render_rows(
        self, prepared: CompactPrepared, motion: Tensor, t: Tensor, top: int, bottom: int
    ) -> Tensor:
        """Rows [top, bottom) of what is rendered."""
        rows, cols = prepared.rows[top:bottom], prepared.cols
        size = (motion.shape[2], motion.shape[3])
        motion = sample_axes(motion, rows, cols)
        moved = [
            canvas.at(_normalised(cols + flow[:, 0], rows[:, None] + flow[:, 1], size))
            for canvas, flow in zip(
                prepared.canvases, (motion[:, 0:2], motion[:, 2:4]), strict=True
            )
        ]
        still = tuple(colours[:, :, top:bottom] for colours in prepared.still)
        out: Tensor = self.decoder(moved[0], moved[1], (still[0], still[1]), motion[:, 4:], t)
        return out

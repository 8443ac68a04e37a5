"""The compact network's canvas, time INR and decoder in native code, where that is possible.

The same functions as `canvas`, `motion` and `decoder`, which stay the reference: tests hold both
together. What is gained comes from the memory: a canvas stays as the convolution made it, cell by
cell, and all that an output pixel needs is fetched, decoded and written while it is in the
processor's first cache.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from vinr_cli.model.config import CompactConfig
from vinr_cli.model.layers import convolve
from vinr_cli.model.videoinr import Prepared
from vinr_cli.native import library as native

CHANNELS = range(4, native.LANE + 1)
"""Channels that a canvas may have."""

CUBIC_REACH = 2
"""LR pixels that a cubic reaches in each direction."""

MOST_COLUMNS = 2**31
"""Floats of a line of cells: their places are 32-bit integers."""


@dataclass(frozen=True, eq=False)
class FusedCanvas:
    """A frame's canvas, cell by cell.

    Attributes:
        cells: (B, Hp, Wp, fy, fx, canvas), contiguous; the first three channels are RGB.
    """

    cells: Tensor


@dataclass(frozen=True, eq=False)
class FusedPrepared(Prepared):
    """A pair on an output grid, for the native kernels; fields as those of `CompactPrepared`."""

    canvases: tuple[FusedCanvas, FusedCanvas]
    rows: Tensor
    cols: Tensor
    shrink: tuple[Tensor | None, Tensor | None]


@dataclass(frozen=True, eq=False)
class Blend:
    """What the decoder's softmax adds to its logits.

    Attributes:
        first: log(1 - t), clamped, to the first frame's.
        second: log(t), clamped, is the second frame's.
        still: To the unmoved colour's.
    """

    first: float
    second: float
    still: float


def available(config: CompactConfig, *tensors: Tensor) -> native.Kernels | None:
    """The kernels, if they can do this.

    They know float32 on a CPU, without gradients or autocast, and bounded widths.

    Args:
        config: Of the network.
        tensors: What is worked on.
    """
    fits = (
        config.canvas in CHANNELS
        and max(config.hidden, config.decoder_hidden) <= native.WIDEST
        and 6 + config.motion_features <= native.LANE
    )
    return native.kernels_for(*tensors) if fits else None


def paint(
    kernels: native.Kernels, trunk: Tensor, frame: Tensor, *, weight: Tensor, bias: Tensor,
    factors: tuple[int, int],
) -> FusedCanvas:  # fmt: skip
    """A canvas: one convolution and the bicubic enlargement.

    Args:
        kernels: From `available`.
        trunk: (B, width, Hp, Wp).
        frame: (B, 3, Hp, Wp), RGB.
        weight: (canvas, fy·fx, width, 3, 3), the cosines folded in.
        bias: (canvas, fy·fx).
        factors: (fy, fx).
    """
    kernel = weight.transpose(0, 1).flatten(0, 1).contiguous()
    packed, offset = kernels.pack_convolution(kernel), bias.t().flatten()
    cells = convolve(kernels, [trunk], packed, offset, size=(kernel.shape[1], kernel.shape[0]))
    batch, height, width, _ = cells.shape
    cells = cells.view(batch, height, width, *factors, weight.shape[0])
    row_start, row_weight = cubic_taps(height, factors[0])
    col_start, col_weight = cubic_taps(width, factors[1])
    for canvas, picture in zip(cells, frame.float().contiguous(), strict=True):
        kernels.run(
            native.EnlargeJob(
                frame=native.floats(picture),
                canvas=native.floats(canvas),
                row_start=native.ints(row_start),
                row_weight=native.floats(row_weight),
                col_start=native.ints(col_start),
                col_weight=native.floats(col_weight),
                lr_height=height,
                lr_width=width,
                factor_y=factors[0],
                factor_x=factors[1],
                channels=weight.shape[0],
            )
        )
    return FusedCanvas(cells)


@lru_cache(maxsize=8)
def cubic_taps(length: int, factor: int) -> tuple[Tensor, Tensor]:
    """Keys' cubic (parameter -1/2) for an enlargement by an integer factor.

    At the borders the taps that are inside of the frame share the weight, as in
    `F.interpolate(mode="bicubic", antialias=True)`.

    Args:
        length: Of the source.
        factor: Samples per source pixel.

    Returns:
        First tap, int32, (length · factor,), and weights, float32, (length · factor, TAPS).
    """
    where = (torch.arange(length * factor, dtype=torch.float64) + 0.5) / factor - 0.5
    start = (where.floor().long() - 1).clamp(0, max(length - 1, 0))
    tap = start[:, None] + torch.arange(native.TAPS)
    away = (where[:, None] - tap).abs()
    near = (1.5 * away - 2.5) * away * away + 1
    far = ((-0.5 * away + 2.5) * away - 4) * away + 2
    weight = torch.where(away < 1, near, torch.where(away < CUBIC_REACH, far, 0.0))
    weight = torch.where(tap < length, weight, 0.0)
    return start.int(), (weight / weight.sum(1, keepdim=True)).float()


def time_map(
    kernels: native.Kernels, state: Tensor, motion: Tensor, *, shift: Tensor,
    layers: tuple[nn.Conv2d, nn.Conv2d], t: float,
) -> Tensor:  # fmt: skip
    """`TimeINR.forward` for one pair.

    Args:
        kernels: From `available`.
        state: (hidden, Hp, Wp), its first layer without the time.
        motion: (2, Hp, Wp).
        shift: (hidden,), what the time adds to the first layer.
        layers: Its middle and last layer.
        t: In [0, 1].

    Returns:
        (Hp, Wp, LANE): flows, logits and features, channels last and padded.
    """
    height, width = motion.shape[1:]
    out = torch.empty(height, width, native.LANE)
    state, motion, shift = state.permute(1, 2, 0).contiguous(), motion.contiguous(), shift.float()
    middle, last = (_weights(layer) for layer in layers)
    kernels.run(
        native.TimeJob(
            state=native.floats(state),
            motion=native.floats(motion),
            shift=native.floats(shift),
            middle=native.Layer.of(*middle),
            last=native.Layer.of(*last),
            t=t,
            pixels=height * width,
            out=native.floats(out),
        )
    )
    return out


def decode(
    kernels: native.Kernels, canvases: tuple[Tensor, Tensor], motion: Tensor, *,
    place: tuple[Tensor, Tensor], layers: tuple[nn.Conv2d, nn.Conv2d, nn.Conv2d], shift: Tensor,
    t: float, blend: Blend, out: Tensor,
) -> None:  # fmt: skip
    """Moved canvases to colours, for one pair.

    Args:
        kernels: From `available`.
        canvases: Cells of both frames, (Hp, Wp, fy, fx, canvas).
        motion: From `time_map`.
        place: LR positions of rows (h,) and columns (w,).
        layers: The decoder's.
        shift: (hidden,), what the time adds to its first layer.
        t: In [0, 1].
        blend: What is added to the logits.
        out: (3, h, w), written.
    """
    height, width, fy, fx, channels = canvases[0].shape
    first, middle, last = (_weights(layer) for layer in layers)
    shift = shift.contiguous()
    kernels.run(
        native.RenderJob(
            canvas=(native.Floats * 2)(*(native.floats(c) for c in canvases)),
            motion=native.floats(motion),
            rows=native.floats(place[0]),
            cols=native.floats(place[1]),
            shift=native.floats(shift),
            first=native.Layer.of(*first),
            middle=native.Layer.of(*middle),
            last=native.Layer.of(*last),
            lr_height=height,
            lr_width=width,
            factor_y=fy,
            factor_x=fx,
            channels=channels,
            features=first[0].shape[1] - 2 * channels - 8,
            height=len(place[0]),
            width=len(place[1]),
            t=t,
            log_first=blend.first,
            log_second=blend.second,
            still_logit=blend.still,
            out=native.floats(out),
        )
    )


def _weights(layer: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """A 1x1 layer's weight (outputs, inputs) and bias."""
    bias = layer.bias
    if bias is None:
        raise ValueError("a layer without a bias")
    return layer.weight.flatten(1).contiguous(), bias.contiguous()


def blend_of(t: float, still: float, least: float) -> Blend:
    """The decoder's terms at a time.

    Args:
        t: In [0, 1].
        still: Added to the unmoved colour's logit.
        least: t is kept this far from 0 and 1.
    """
    near = min(max(t, least), 1 - least)
    return Blend(math.log(1 - near), math.log(near), still)

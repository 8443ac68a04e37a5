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

from vinr_cli.model.compact.chain import Chain
from vinr_cli.model.config import CompactConfig
from vinr_cli.model.videoinr import Prepared
from vinr_cli.native import library as native

OTHER_STEPS = 20
"""Steps of a frame's chain beside two for each block."""

CHANNELS = range(4, native.LANE + 1)
"""Channels that a canvas may have."""

CUBIC_REACH = 2
"""LR pixels that a cubic reaches in each direction."""

MOST_COLUMNS = 2**31
"""Floats of a line of cells: their places are 32-bit integers."""


class Moves:
    """A pair's maps for the native kernels; no dataclass, so that nothing makes them float32.

    Attributes:
        kernels: What made them, and what alone understands them.
        motion: (2, Hp, Wp), float32, as in `motion.CompactFeatures`.
        state: The time INR's first layer without its time part, a map of `hidden` channels.
    """

    def __init__(self, kernels: native.Kernels, motion: Tensor, state: Tensor) -> None:
        self.kernels, self.motion, self.state = kernels, motion, state


class FusedCanvas:
    """A frame's canvas, cell by cell; no dataclass, so that nothing makes it float32.

    Attributes:
        cells: Of each frame of the batch, (Hp, Wp, fy, fx, canvas), contiguous, float32 or float16;
            the first three channels are RGB.
    """

    def __init__(self, cells: tuple[Tensor, ...]) -> None:
        self.cells = cells


@dataclass(frozen=True, eq=False)
class FusedPrepared(Prepared):
    """A pair on an output grid, for the native kernels; fields as those of `CompactPrepared`.

    Attributes:
        moves: Of each pair of the batch .
    """

    canvases: tuple[FusedCanvas, FusedCanvas]
    rows: Tensor
    cols: Tensor
    shrink: tuple[Tensor | None, Tensor | None]
    moves: tuple[Moves, ...]


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

    They know float32 on a CPU, without gradients, and bounded widths. Under autocast of bfloat16
    they may round.

    Args:
        config: Of the network.
        tensors: What is worked on.
    """
    fits = (
        config.canvas in CHANNELS
        and max(config.hidden, config.decoder_hidden) <= native.WIDEST
        and 6 + config.motion_features <= native.LANE
        and 2 * config.blocks + OTHER_STEPS <= native.MOST_STEPS
    )
    return native.kernels_that_may_round(*tensors) if fits else None


def paint(
    kernels: native.Kernels, trunk: Tensor, picture: Tensor, *, packed: Tensor, width: int,
    channels: int, factors: tuple[int, int],
) -> Tensor:  # fmt: skip
    """A canvas: one convolution and the bicubic enlargement.

    Args:
        kernels: From `available`.
        trunk: A map of the chain, (Hp, Wp, width).
        picture: (3, H, W), RGB, float32.
        packed: Weight and bias of the convolution, the cosines folded in.
        width: Channels of the trunk.
        channels: Of the canvas.
        factors: (fy, fx).

    Returns:
        (Hp, Wp, fy, fx, canvas), float16 where the kernels may round.
    """
    height, across = trunk.shape[:2]
    kind = torch.float16 if kernels.half else torch.float32
    cells = native.memory(kind, height, across, *factors, channels)
    row_start, row_weight = cubic_taps(height, factors[0])
    col_start, col_weight = cubic_taps(across, factors[1])
    picture = picture.contiguous()
    colours = native.EnlargeJob(
        frame=native.floats(picture),
        row_start=native.ints(row_start),
        row_weight=native.floats(row_weight),
        col_start=native.ints(col_start),
        col_weight=native.floats(col_weight),
        frame_height=picture.shape[1],
        frame_width=picture.shape[2],
        factor_y=factors[0],
        factor_x=factors[1],
        channels=channels,
    )
    chain = Chain(kernels)
    source = chain.map(trunk, width)
    chain.paint(packed, source, channels * factors[0] * factors[1], colours, cells)
    chain.run()
    return cells


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
        state: Its first layer without the time, a map of the chain.
        motion: (2, Hp, Wp).
        shift: (hidden,), what the time adds to the first layer.
        layers: Its middle and last layer.
        t: In [0, 1].

    Returns:
        (Hp, Wp, LANE): flows, logits and features, channels last and padded.
    """
    height, width = motion.shape[1:]
    out = torch.empty(height, width, native.LANE)
    shift = shift.float().contiguous()
    middle, last = (_weights(layer) for layer in layers)
    kernels.run(
        native.TimeJob(
            state=native.address(state),
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
            canvas=native.TwoAddresses(*(native.address(c) for c in canvases)),
            half=canvases[0].dtype is torch.float16,
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

"""A frame's features by native kernels: the same as `frame`, which stays the reference.

Trunk and pyramid are one chain (`chain`), in bfloat16 where the kernels may round and the processor
has tiles for it. The first layer gets the frame's colours as sums of two bfloat16; keys are
float32.
"""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from vinr_cli.model.compact.chain import Chain, Rows
from vinr_cli.model.compact.frame import CompactFrame, FrameEncoder, Painted
from vinr_cli.model.compact.layers import ResidualBlock, Stack, Standardise, bias_of
from vinr_cli.model.layers import SLOPE, Convolution
from vinr_cli.model.videoinr import FrameFeatures
from vinr_cli.native import library as native
from vinr_cli.native.library import Form


class FrameMaps:
    """A frame's maps, see `chain`; no dataclass, so that nothing makes them float32.

    Attributes:
        kernels: What made them, and what alone understands them.
        trunk: Of the canvas, (Hp, Wp, width).
        fine: For the last refinement of the motion, (Hp, Wp, fine).
        seen: The pyramid, at 1/2, 1/4 and 1/8.
        keys: At the same levels, float32.
    """

    def __init__(
        self, kernels: native.Kernels, trunk: Tensor, fine: Tensor, seen: tuple[Tensor, ...],
        keys: tuple[Tensor, ...],
    ) -> None:  # fmt: skip
        self.kernels = kernels
        self.trunk, self.fine, self.seen, self.keys = trunk, fine, seen, keys


@dataclass(frozen=True, eq=False)
class FusedFrame(FrameFeatures):
    """Features of one frame for the native kernels.

    Attributes:
        maps: Of each frame of the batch.
        encoder: What made them.
        painted: Its canvas for a grid, where that was made already.
    """

    maps: tuple[FrameMaps, ...]
    encoder: FrameEncoder
    painted: Painted | None = None

    @property
    def kernels(self) -> native.Kernels:
        """What made its maps."""
        return self.maps[0].kernels

    def plain(self) -> CompactFrame:
        """The same for PyTorch."""
        encoder, maps = self.encoder, self.maps
        fine = encoder.fine.out_channels
        widths = [cast(nn.Conv2d, key[0]).in_channels for key in _keys(encoder)]
        sizes = [cast(nn.Conv2d, key[0]).out_channels for key in _keys(encoder)]
        return CompactFrame(
            frame=self.frame,
            padded=encoder.padded(self.frame),
            trunk=batched([m.trunk for m in maps], encoder.first.out_channels),
            fine=batched([m.fine for m in maps], fine),
            pyramid=tuple(batched([m.seen[i] for m in maps], n) for i, n in enumerate(widths)),
            keys=tuple(batched([m.keys[i] for m in maps], n) for i, n in enumerate(sizes)),
        )


@dataclass(frozen=True, eq=False)
class FusedSurvey:
    """The coarsest features of a whole frame, for each frame of the batch.

    Attributes:
        kernels: What made them.
        maps: The pyramid's last level and its keys.
    """

    kernels: native.Kernels
    maps: tuple[tuple[Tensor, Tensor], ...]


def batched(maps: list[Tensor], channels: int) -> Tensor:
    """Maps as (B, C, H, W), float32, channels last."""
    return torch.stack([m[..., :channels].float() for m in maps]).permute(0, 3, 1, 2)


def encode(kernels: native.Kernels, encoder: FrameEncoder, frame: Tensor) -> FusedFrame:
    """`FrameEncoder.forward`.

    Args:
        kernels: What does it.
        encoder: Whose weights are taken.
        frame: (B, 3, H, W), float32.
    """
    return FusedFrame(frame, tuple(_encode(kernels, encoder, one) for one in frame), encoder)


def survey(kernels: native.Kernels, encoder: FrameEncoder, frame: Tensor) -> FusedSurvey:
    """`FrameEncoder.survey`; arguments as for `encode`."""
    maps = []
    for one in frame:
        chain = Chain(kernels)
        start = _first(chain, encoder, encoder.beginning, one)
        seen, keys = _pyramid(chain, encoder, start, coarsest=True)
        chain.run()
        maps.append((seen[-1], keys[-1]))
    return FusedSurvey(kernels, tuple(maps))


def _encode(kernels: native.Kernels, encoder: FrameEncoder, picture: Tensor) -> FrameMaps:
    chain = Chain(kernels)
    first = x = _first(chain, encoder, encoder.first, picture)
    for block in encoder.trunk:
        layers = cast(ResidualBlock, block)
        between = chain.convolve(layers.first, x, slope=SLOPE)
        x = chain.convolve(layers.second, between, plus=x)
    trunk = chain.keep(x, encoder.first.out_channels)
    fine = kernels.map(x.height, x.width, encoder.fine.out_channels)
    chain.convolve(encoder.fine, x, form=Form.NUMBERS, out=fine)
    if encoder.front is not None:
        first = _first(chain, encoder, encoder.front, picture)
    seen, keys = _pyramid(chain, encoder, first)
    chain.run()
    return FrameMaps(kernels, trunk, fine, seen, keys)


def _first(chain: Chain, encoder: FrameEncoder, layer: Convolution, picture: Tensor) -> Rows:
    """A first layer, on the padded frame."""
    height, width = (-(-n // encoder.stride) * encoder.stride for n in picture.shape[1:])
    return chain.convolve(layer, chain.frame(picture.contiguous(), height, width), slope=SLOPE)


def _pyramid(
    chain: Chain, encoder: FrameEncoder, level: Rows, *, coarsest: bool = False
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Features and keys at 1/2, 1/4 and 1/8, or of the last level alone."""
    seen, keys = [], []
    stacks = list(zip(encoder.pyramid, _keys(encoder), strict=True))
    for i, (stack, key) in enumerate(stacks):
        for layer in cast(Stack, stack):
            if isinstance(layer, Convolution):
                level = chain.convolve(layer, level, slope=SLOPE, split=True)
        if coarsest and i + 1 < len(stacks):
            continue
        layer = _standardised(cast(nn.Conv2d, key[0]), cast(Standardise, key[1]))
        made = native.empty(level.height, level.width, native.padded(layer.out_channels))
        chain.convolve(layer, level, form=Form.KEYS, out=made, exact=True)
        seen.append(chain.keep(level, layer.in_channels))
        keys.append(made)
    return tuple(seen), tuple(keys)


def _keys(encoder: FrameEncoder) -> list[nn.Sequential]:
    return [cast(nn.Sequential, key) for key in encoder.keys]


def _standardised(layer: nn.Conv2d, after: Standardise) -> nn.Conv2d:
    """A layer with the constants of the standardisation after it in its weights."""
    mean, variance = cast(Tensor, after.running_mean), cast(Tensor, after.running_var)
    scale = (variance + after.eps).rsqrt()
    made = nn.Conv2d(layer.in_channels, layer.out_channels, 1, device="meta")
    made.weight = nn.Parameter(layer.weight * scale.view(-1, 1, 1, 1), requires_grad=False)
    made.bias = nn.Parameter((bias_of(layer) - mean) * scale, requires_grad=False)
    return made


def map_of(x: Tensor, numbers: torch.dtype) -> Tensor:
    """PyTorch's (C, H, W) as a map."""
    pad = native.padded(len(x)) - len(x)
    return F.pad(x.permute(1, 2, 0), (0, pad)).to(numbers).contiguous()


def of_plain(kernels: native.Kernels, encoder: FrameEncoder, frame: CompactFrame) -> FusedFrame:
    """PyTorch's features for the kernels."""
    numbers = kernels.numbers
    maps = tuple(
        FrameMaps(
            kernels,
            map_of(frame.trunk[i], numbers),
            map_of(frame.fine[i], numbers),
            tuple(map_of(level[i], numbers) for level in frame.pyramid),
            tuple(map_of(key[i], torch.float32) for key in frame.keys),
        )
        for i in range(len(frame.frame))
    )
    return FusedFrame(frame.frame, maps, encoder, frame.painted)

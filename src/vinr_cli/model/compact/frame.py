"""Everything that depends on one frame alone: what both of its pairs share."""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from vinr_cli.model.compact.fused import FusedCanvas
from vinr_cli.model.compact.layers import ResidualBlock, Stack, Standardise
from vinr_cli.model.config import CompactConfig
from vinr_cli.model.grid import Grid
from vinr_cli.model.layers import SLOPE, Convolution, conv
from vinr_cli.model.videoinr import FrameFeatures

PYRAMID_STRIDE = 8
"""LR pixels per cell of the coarsest level that has features of its own."""

SURVEY_HALO = 32
"""LR pixels that a coarsest feature reaches to each side, rounded up: 22 by its convolutions."""

SURVEY_PIXELS = 1 << 17
"""LR pixels of the bands in which a whole frame's coarsest features are made: few megabytes."""


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


class FrameEncoder(nn.Module):
    """Everything that depends on one frame alone."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.stride = PYRAMID_STRIDE << config.octaves
        widths = (config.front or config.width, *config.pyramid)
        self.first = conv(3, config.width)
        self.front = conv(3, config.front) if config.front else None
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
        padded = self.padded(frame).contiguous(memory_format=torch.channels_last)
        first = self.first.run(padded, slope=SLOPE)
        trunk = self.trunk(first)
        levels, keys = self._pyramid(
            first if self.front is None else self.front.run(padded, slope=SLOPE)
        )
        return CompactFrame(frame, padded, trunk, self.fine(trunk), tuple(levels), tuple(keys))

    def detail(self, frame: Tensor) -> Tensor:
        """The trunk alone, of which the canvas is made: (B, 3, H, W) to (B, width, H, W)."""
        trunk: Tensor = self.trunk(self.first.run(frame, slope=SLOPE))
        return trunk

    @property
    def beginning(self) -> Convolution:
        """The layer that the pyramid begins with: its own, or the trunk's first."""
        return self.first if self.front is None else self.front

    def survey(self, frame: Tensor) -> SurveyedFrame:
        """(B, 3, H, W) to its coarsest features alone, those of `forward`, in bands of rows."""
        padded = self.padded(frame)
        height, width = padded.shape[-2:]
        band = max(1, SURVEY_PIXELS // (width * self.stride)) * self.stride
        seen, keys = [], []
        for top in range(0, height, band):
            begin, end = max(0, top - SURVEY_HALO), min(height, top + band + SURVEY_HALO)
            rows = padded[:, :, begin:end].contiguous(memory_format=torch.channels_last)
            levels, found = self._pyramid(self.beginning.run(rows, slope=SLOPE))
            kept = slice(
                (top - begin) // PYRAMID_STRIDE, (min(top + band, height) - begin) // PYRAMID_STRIDE
            )
            seen.append(levels[-1][:, :, kept].float())
            keys.append(found[-1][:, :, kept])
        return SurveyedFrame(torch.cat(seen, 2), torch.cat(keys, 2))

    def padded(self, frame: Tensor) -> Tensor:
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

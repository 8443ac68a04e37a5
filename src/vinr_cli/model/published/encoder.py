"""The published encoder: two frames to three features, at the first time, between, and the second.

Zooming Slow-Mo's front (Xiang et al. 2020): residual blocks per frame, pyramid alignment for the
feature between, deformable ConvLSTM over the three, and a deep residual trunk.

Only the residual blocks before the alignment follow autocast. The sine networks behind the encoder
amplify what its features are rounded by: with seeded weights float16 leaves 68 dB in those blocks,
but 33 dB in alignment and ConvLSTM and 45 dB in the trunk (``benchmarks/precision.py``).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from vinr_cli.model.config import PublishedConfig
from vinr_cli.model.layers import SLOPE, Trunk, conv, without_autocast
from vinr_cli.model.published.align import STRIDE, Levels, Pyramid, PyramidAlign
from vinr_cli.model.published.convlstm import BidirectionalLSTM, State, StepInput
from vinr_cli.model.videoinr import Features, FrameFeatures


@dataclass(frozen=True, eq=False)
class PublishedFrame(FrameFeatures):
    """Features of one frame; (Hp, Wp) is the frame's size padded to multiples of `STRIDE`.

    Attributes:
        levels: For the alignment: (B, width, Hp, Wp) and its two reductions.
        start: The frame as an input of the ConvLSTM, and the state after it as the first one.
    """

    levels: Levels
    start: tuple[StepInput, State]


@dataclass(frozen=True, eq=False)
class PublishedFeatures(Features):
    """Features of a pair.

    Attributes:
        values: (B, 3, width, H, W): at the first frame's time, between, at the second's.
    """

    values: Tensor


class Encoder(Pyramid):
    """The encoder's layers, under the names of the published weights."""

    def _add_encoder(self, config: PublishedConfig) -> None:
        width, groups = config.width, config.deform_groups
        self.conv_first = conv(3, width)
        self.feature_extraction = Trunk(width, config.front_blocks)
        self._add_pyramid(width)
        self.pcd_align = PyramidAlign(width, groups)
        self.fusion = conv(2 * width, width, kernel=1)
        self.ConvBLSTM = BidirectionalLSTM(width, groups)
        self.recon_trunk = Trunk(width, config.back_blocks)

    def encode_frame(self, frame: Tensor) -> PublishedFrame:
        """See `Network.encode_frame`."""
        height, width = frame.shape[-2:]
        pad = (0, -width % STRIDE, 0, -height % STRIDE)
        padded = F.pad(frame, pad, mode="replicate") if any(pad) else frame
        padded = padded.contiguous(memory_format=torch.channels_last)
        with without_autocast(frame.device):
            feature = self.conv_first.run(padded, slope=SLOPE)
        feature = self.feature_extraction(feature)  # added to in float32
        with without_autocast(frame.device):
            return PublishedFrame(frame, self.levels(feature), self.ConvBLSTM.start(feature))

    def encode_pair(self, first: PublishedFrame, second: PublishedFrame) -> PublishedFeatures:
        """See `Network.encode_pair`."""
        batch, _, height, width = first.frame.shape
        with without_autocast(first.frame.device):
            middle = self.fusion(self.pcd_align(first.levels, second.levels))
            maps = self.ConvBLSTM(first.start, middle, second.start)
            # Stacked along the batch, channels stay last.
            values = self.recon_trunk(torch.cat(maps)).unflatten(0, (3, batch)).transpose(0, 1)
        return PublishedFeatures(first, second, values[..., :height, :width])

"""Time INR: motion to any t from that between two frames. See VideoINR, section 3.3."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from vinr_cli.model.compact.fused import Moves, time_map
from vinr_cli.model.compact.layers import bias_of
from vinr_cli.model.config import CompactConfig
from vinr_cli.model.layers import conv
from vinr_cli.model.videoinr import Features
from vinr_cli.native.library import Kernels

TIME_FEATURES = 3
"""t, t² and sin πt."""


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
            bias_of(self.last).zero_()

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

    def fused(self, kernels: Kernels, moves: Sequence[Moves], t: Tensor) -> list[Tensor]:
        """The same as `forward`, by native kernels: (Hp, Wp, LANE) of every pair."""
        layers = self.middle, self.last
        rows = zip(moves, self._shift(t), t.tolist(), strict=True)
        return [
            time_map(kernels, move.state, move.motion, shift=shift, layers=layers, t=at)
            for move, shift, at in rows
        ]

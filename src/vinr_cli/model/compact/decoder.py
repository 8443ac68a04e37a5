"""Decoder: a colour from what both flows fetch. See VideoINR, section 3.1."""

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from vinr_cli.model.compact.layers import zeroed
from vinr_cli.model.config import CompactConfig
from vinr_cli.model.layers import conv

STILL_LOGIT = -3.0
"""Where the weight of the unmoved colour starts: low, so that the motion is learned first."""

LEAST_SHARE = 0.02
"""What t is kept away from 0 and 1 by where the blending weights take its logarithm."""


class Decoder(nn.Module):
    """Colour of an output pixel from what both flows fetch and what stands still."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.first = conv(config.decoder_inputs, config.decoder_hidden, 1)
        self.time = nn.Linear(1, config.decoder_hidden, bias=False)
        self.middle = conv(config.decoder_hidden, config.decoder_hidden, 1)
        self.last = zeroed(conv(config.decoder_hidden, 3 + 2, 1))

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

"""Decoder: colour of an output pixel from what both flows fetch.

VideoINR, section 3.4: the HR features, LR features and frames at both flows' ends, and the time.
Positions follow the published code: an output pixel sits at linspace(-1, 1) (corners aligned),
flows are divided by (size - 1) / 2, the sum is clamped to ±(1 - 1e-6) and sampled with corners not
aligned. Here they are fractions of the frame, (g + 1) / 2.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from vinr_cli.model.grid import Axis
from vinr_cli.model.layers import Folded, product
from vinr_cli.model.published.sampling import Held, gather, neighbours

FLOWS = 2
EDGE = 0.5e-6
"""Least distance of a position from the frame's edges, as a fraction of the frame."""


def _step(axis: Axis) -> float:
    """Fraction of the frame per output pixel of flow.

    (One pixel alone: the published code divides by zero; here it sits in the middle of the frame
    and a flow of one pixel crosses it.)
    """
    return 1 / max(axis.hr - 1, 1)


@lru_cache(maxsize=64)
def _base(axis: Axis, device: torch.device) -> Tensor:
    """Where output pixels sit, as a fraction of the frame; float32, (n,), brought there once."""
    with torch.inference_mode(mode=False):  # gradients may be wanted of later calls
        if axis.hr == 1:
            return torch.tensor([0.5]).to(device)
        i = torch.arange(axis.start, axis.stop, dtype=torch.float64)
        return (i * _step(axis)).float().to(device)


def targets(flow: Tensor, rows: Axis, cols: Axis) -> Tensor:
    """Where both flows of every wanted output pixel end.

    Args:
        flow: (h · w, 4), in output pixels, from `MotionQuery`.
        rows: The wanted rows.
        cols: The wanted columns.

    Returns:
        (2, h, w, 2): row and column, as fractions of the whole frame, of both flows.
    """
    moved = torch.nan_to_num(flow).view(len(rows), len(cols), FLOWS, 2)
    y = _base(rows, flow.device)[:, None, None] + moved[..., 1] * _step(rows)
    x = _base(cols, flow.device)[:, None] + moved[..., 0] * _step(cols)
    return torch.stack([y, x]).clamp(EDGE, 1 - EDGE)


def needed(where: Tensor, axis: Axis) -> Axis:
    """The output pixels whose features the flows fetch, as far as the encoded pixels reach.

    Args:
        where: One direction of `targets`.
        axis: The wanted pixels of that direction.

    Returns:
        The same axis with another start and stop, never narrower.
    """
    least, most = where.detach().aminmax()
    low = int(least * axis.hr - 0.5) - 1
    high = int(most * axis.hr - 0.5) + 3
    first = -((axis.lr - 2 * axis.hr * axis.offset) // (2 * axis.lr))
    end = -((axis.lr - 2 * axis.hr * (axis.offset + axis.held)) // (2 * axis.lr))
    start = min(axis.start, max(low, first, 0))
    stop = max(axis.stop, min(high, end, axis.hr))
    return Axis(axis.lr, axis.hr, start, stop, axis.offset, axis.held)


@dataclass(frozen=True, eq=False)
class DecoderQuery:
    """The decoder on a grid, of one pair at one time.

    Attributes:
        net: The folded network.
        hr: (R, width), bordered table of HR features.
        features: (2 · R', N), the first layer's LR parts for both flows, two bordered tables.
        frames: (R'', 6), bordered table of the enlarged frames; None where they are part of
            `features`.
        rows: What the three tables hold.
        cols: The same of columns.
        hr_weight: (N, 2 · width), the first layer's columns for both fetched HR features.
        frame_weight: (N, 12), its columns for both fetched pairs of frames.
        still: (N,), what the time and the bias add.
    """

    net: Folded
    hr: Tensor
    features: Tensor
    frames: Tensor | None
    rows: tuple[Held, ...]
    cols: tuple[Held, ...]
    hr_weight: Tensor
    frame_weight: Tensor
    still: Tensor

    def colours(self, where: Tensor) -> Tensor:
        """Colours of output pixels.

        Args:
            where: (2, P, 2), from `targets`.

        Returns:
            (P, 3) RGB.
        """
        pixels = where.shape[1]
        index, share = neighbours(where, self.rows, self.cols)  # (tables, P, 2, 4)
        hr = gather(self.hr, index[0].view(-1, 4), share[0].view(-1, 4))
        first = product(hr.view(pixels, -1), self.hr_weight, self.still)
        second = torch.arange(FLOWS, dtype=torch.int32, device=where.device)[:, None]
        both = index[1] + second * (self.features.shape[0] // FLOWS)
        parts = [gather(self.features, both.view(-1, 8), share[1].view(-1, 8))]
        if self.frames is not None:
            frames = gather(self.frames, index[2].view(-1, 4), share[2].view(-1, 4))
            parts.append(product(frames.view(pixels, -1), self.frame_weight))
        for part in parts:
            first = first + part if torch.is_grad_enabled() else first.add_(part)
        return self.net.after_first(first)

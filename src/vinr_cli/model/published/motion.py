"""Time INR: two flows at any output pixel, to the first frame and to the second.

VideoINR, section 3.3: (HR feature, LR features and frames bilinearly, time) to four channels, x
and y of both flows, in output pixels. What the first layer adds for the LR features and frames is
sampled after the product with its weights, which commute.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vinr_cli.model.grid import Grid
from vinr_cli.model.layers import Folded, product
from vinr_cli.model.published.sampling import Held, along, gather

Taps = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Lattice:
    """A bordered table read at a grid's own pixels, row band by row band.

    Attributes:
        table: (H + 2, W + 2, C).
        lines: Row taps, (h, 2), and the second's share, (h,).
        columns: Column taps, (w, 2) int32, and both shares, (w, 2).
    """

    table: Tensor
    lines: Taps
    columns: Taps

    @classmethod
    def of(cls, table: Tensor, grid: Grid, factor: int = 1) -> "Lattice":
        """A table of LR pixels, or of frames enlarged by an integer factor."""
        lines = along(grid.rows, Held.lr(grid.rows, factor), table.device)
        index, second = along(grid.cols, Held.lr(grid.cols, factor), table.device)
        return cls(table, lines, (index.int(), torch.stack([1 - second, second], 1)))

    def rows(self, top: int, bottom: int) -> Tensor:
        """Samples of output rows [top, bottom): (rows · w, C)."""
        (index, second), (column, share) = self.lines, self.columns
        upper, lower = (self.table.index_select(0, index[top:bottom, j]) for j in (0, 1))
        lines = torch.lerp(upper, lower, second[top:bottom, None, None])
        count, length = lines.shape[:2]
        start = torch.arange(count, dtype=torch.int32, device=lines.device) * length
        where = (start[:, None, None] + column).view(-1, 2)
        shares = share.expand(count, -1, -1).reshape(-1, 2)
        return gather(lines.flatten(0, 1), where, shares)


@dataclass(frozen=True, eq=False)
class MotionQuery:
    """The time INR on a grid, of one pair at one time.

    Attributes:
        net: The folded network.
        features: The first layer's LR part.
        frames: The enlarged frames; None where they are part of `features`.
        frame_weight: (N, 6), the first layer's columns for them.
        still: (N,), what the time and the bias add.
        hr_weight: (N, width), the first layer's columns for the HR feature.
    """

    net: Folded
    features: Lattice
    frames: Lattice | None
    frame_weight: Tensor
    still: Tensor
    hr_weight: Tensor

    def rows(self, hr: Tensor, top: int, bottom: int) -> Tensor:
        """Flows of output rows [top, bottom).

        Args:
            hr: (rows · w, width), the space INR's features there.
            top: First row.
            bottom: One past the last row.

        Returns:
            (rows · w, 4): x and y to the first frame, x and y to the second, in output pixels.
        """
        first = product(hr, self.hr_weight, self.still)
        parts = [self.features.rows(top, bottom)]
        if self.frames is not None:
            parts.append(product(self.frames.rows(top, bottom), self.frame_weight))
        for part in parts:
            first = first + part if torch.is_grad_enabled() else first.add_(part)
        return self.net.after_first(first)

"""Space INR: a feature at any output pixel from the nearest LR pixel and the position in its cell.

VideoINR, section 3.2. Its first layer is linear, so the part of it that sees LR features and
frames is done once per LR pixel (`Query.table`), and an output pixel adds only its coordinate and
the time.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from vinr_cli.model.grid import Axis, Grid
from vinr_cli.model.layers import Folded

COORDINATE = 2.0
"""The network was trained with coordinates in [-1, 1] times the LR size: 2 per LR pixel."""


@lru_cache(maxsize=64)
def _nearest(axis: Axis, device: torch.device) -> tuple[Tensor, Tensor]:
    """Nearest held LR pixel of each output pixel, and the network's coordinate; (n,) both.

    They are brought to the device once, which waits for it.
    """
    with torch.inference_mode(mode=False):  # gradients may be wanted of later calls
        return axis.nearest(device), COORDINATE * axis.relative(device)


@dataclass(frozen=True, eq=False)
class SpaceQuery:
    """The space INR on a grid, of one pair at one time.

    Attributes:
        net: The folded network.
        table: (H, W, N), the first layer's LR part, of the LR pixels that are held.
        lines: (h,), nearest held LR row of each output row.
        columns: (w,), nearest held LR column of each output column.
        down: (h, N), what the vertical coordinate, the time and the bias add.
        right: (w, N), what the horizontal coordinate adds.
    """

    net: Folded
    table: Tensor
    lines: Tensor
    columns: Tensor
    down: Tensor
    right: Tensor

    @classmethod
    def of(cls, net: Folded, table: Tensor, grid: Grid, t: Tensor) -> "SpaceQuery":
        """Make ready for a grid and a time (a tensor without dimensions)."""
        device = table.device
        lines, y = _nearest(grid.rows, device)
        columns, x = _nearest(grid.cols, device)
        still = net.bias + t * net.weight[:, -1]
        return cls(
            net,
            table,
            lines,
            columns,
            y[:, None] * net.weight[:, -3] + still,
            x[:, None] * net.weight[:, -2],
        )

    def rows(self, top: int, bottom: int) -> Tensor:
        """Features of output rows [top, bottom): (rows · w, width)."""
        lines = self.table.index_select(0, self.lines[top:bottom]) + self.down[top:bottom, None]
        first = lines.index_select(1, self.columns)
        if torch.is_grad_enabled():
            first = first + self.right
        else:
            first += self.right
        return self.net.after_first(first.flatten(0, 1))

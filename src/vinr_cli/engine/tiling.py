"""How a frame is divided into tiles so that a pair of frames fits the memory.

An estimate decides first. Where memory runs out all the same, `Tiling.smaller` is the fallback.
"""

from dataclasses import dataclass, replace
from typing import Self

from vinr_cli.model.grid import Axis, Grid
from vinr_cli.model.videoinr import Network
from vinr_cli.plan.tiles import Cost, Layout, Span, Tile, divide, fit, smaller, tile_bytes

SMALLEST_TILE = 16
"""LR pixels of the smallest core that is tried."""

SHARE_OF_OUTPUTS = 4
"""One part in this many of the budget may hold finished outputs."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """The tiles of a network's frames, and what of them fits the budget.

    Attributes:
        layout: The tiles.
        budget: Bytes that a pair may use, estimated.
        cost: What the network needs for a pixel.
        halo: LR pixels seen around a tile's core.
        alignment: Tiles begin at LR pixels that are multiples of this.
        fixed: Whether the frame must stay whole.
    """

    layout: Layout
    budget: int
    cost: Cost
    halo: int
    alignment: int
    fixed: bool

    @classmethod
    def choose(
        cls, model: Network, lr: tuple[int, int], hr: tuple[int, int], *,
        budget: int, side: int | None,
    ) -> Self:  # fmt: skip
        """The tiles to begin with.

        Args:
            model: Says its halo, its alignment and its bytes a pixel.
            lr: (height, width) of the frames, in LR pixels.
            hr: (height, width) of the output, in pixels.
            budget: Bytes that a pair may use.
            side: Of a tile's core, in LR pixels; None lets the budget decide, 0 forbids tiles.
        """
        cost, halo, alignment = Cost(*model.pair_bytes), model.halo, model.alignment
        if side is None:
            layout = fit(lr, hr, budget, cost, halo=halo, align=alignment, floor=SMALLEST_TILE)
        else:
            layout = divide(lr, hr, side or None, halo=halo, align=alignment)
        return cls(layout, budget, cost, halo, alignment, fixed=side == 0)

    def smaller(self) -> "Tiling | None":
        """The next smaller tiles; None where there are none, or tiles are forbidden."""
        side = None if self.fixed else smaller(self.layout, floor=SMALLEST_TILE)
        if side is None:
            return None
        lr, hr = self.layout.lr, self.layout.hr
        return replace(self, layout=divide(lr, hr, side, halo=self.halo, align=self.alignment))

    @property
    def keeps_all(self) -> bool:
        """Whether every tile's features are kept for the next pair."""
        tiles = len(self.layout.tiles)
        return tiles == 1 or tiles * tile_bytes(self.layout, self.cost) <= self.budget

    def outputs_in_a_pass(self, batch: int) -> int:
        """How many outputs a pass over the tiles makes.

        Whole frames, and tiles that are all kept, go batch by batch. Tiles that are forgotten are
        encoded once a pass, so a pass makes as many outputs as `SHARE_OF_OUTPUTS` allows.

        Args:
            batch: Outputs that the network renders at once.
        """
        if self.keeps_all:
            return batch
        height, width = self.layout.hr
        return max(1, self.budget // SHARE_OF_OUTPUTS // (12 * height * width))

    def has_room_for(self, pairs: int) -> bool:
        """Whether that many pairs in a tile fit together with the tiles that are kept."""
        kept = len(self.layout.tiles) - 1 if self.keeps_all else 0
        return (kept + pairs) * tile_bytes(self.layout, self.cost) <= self.budget

    def grid(self, tile: Tile) -> Grid:
        """A tile's output pixels, as the network wants them."""
        return Grid(
            _axis(tile.rows, self.layout.lr[0], self.layout.hr[0]),
            _axis(tile.cols, self.layout.lr[1], self.layout.hr[1]),
        )


def _axis(span: Span, lr: int, hr: int) -> Axis:
    return Axis(lr=lr, hr=hr, start=span.start, stop=span.stop, offset=span.offset, held=span.held)

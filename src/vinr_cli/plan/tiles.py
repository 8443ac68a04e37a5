"""How a frame is divided into tiles: exact integer ranges, each output pixel in exactly one tile.

A tile owns the output pixels whose nearest LR pixel lies in its core, and sees a halo of further
LR pixels around the core, as wide as the network can look. Tiles begin at multiples of the
network's alignment, so that its pyramid meets the same pixels as in the whole frame.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """One tile in one direction.

    Attributes:
        start: First output pixel that it owns.
        stop: One past the last output pixel that it owns.
        offset: First LR pixel that it sees.
        held: Number of LR pixels that it sees.
    """

    start: int
    stop: int
    offset: int
    held: int


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: rows and columns."""

    rows: Span
    cols: Span


@dataclass(frozen=True, slots=True)
class Layout:
    """A frame divided into tiles.

    Attributes:
        lr: (height, width) of the source frame, in LR pixels.
        hr: (height, width) of the output frame, in pixels.
        side: Greatest core of a tile, in LR pixels; None if the frame is one tile.
        tiles: All tiles, row by row; their output ranges partition the output frame.
    """

    lr: tuple[int, int]
    hr: tuple[int, int]
    side: int | None
    tiles: tuple[Tile, ...]

    @property
    def whole(self) -> bool:
        """Whether the frame is one tile."""
        return len(self.tiles) == 1


def divide(
    lr: tuple[int, int], hr: tuple[int, int], side: int | None, *, halo: int, align: int = 1
) -> Layout:
    """Divide a frame into tiles.

    Args:
        lr: (height, width) of the source frame, in LR pixels.
        hr: (height, width) of the output frame, in pixels.
        side: Greatest core of a tile, in LR pixels; None for one tile.
        halo: LR pixels seen beyond the core on each side, where the frame has them.
        align: Tiles begin at LR pixels that are multiples of this.

    Raises:
        ValueError: a length below 1, or a negative halo.
    """
    if min(*lr, *hr, align) < 1 or halo < 0 or (side is not None and side < 1):
        raise ValueError(f"cannot divide {lr} -> {hr} into tiles of {side}, {halo=}, {align=}")
    rows = _spans(lr[0], hr[0], side, halo, align)
    cols = _spans(lr[1], hr[1], side, halo, align)
    tiles = tuple(Tile(r, c) for r in rows for c in cols)
    return Layout(lr=lr, hr=hr, side=side if len(tiles) > 1 else None, tiles=tiles)


def _spans(lr: int, hr: int, side: int | None, halo: int, align: int) -> list[Span]:
    """The tiles of one direction; cores of nearly equal length."""
    count = 1 if side is None else math.ceil(lr / side)
    spans = []
    for j in range(count):
        first, last = lr * j // count, lr * (j + 1) // count
        start, stop = _first_owned(first, lr, hr), _first_owned(last, lr, hr)
        if start == stop:  # below scale 1 a narrow core may own no output pixel
            continue
        offset = max(0, first - halo) // align * align
        end = min(lr, math.ceil((last + halo) / align) * align)
        spans.append(Span(start=start, stop=stop, offset=offset, held=end - offset))
    return spans


def _first_owned(index: int, lr: int, hr: int) -> int:
    """First output pixel i whose nearest LR pixel, floor((2 i + 1) lr / (2 hr)), is >= index."""
    return min(hr, max(0, -((lr - 2 * hr * index) // (2 * lr))))


@dataclass(frozen=True, slots=True)
class Cost:
    """Peak bytes that a network needs for one pair, as a linear model.

    Attributes:
        lr_bytes: Bytes an LR pixel that a tile sees.
        hr_bytes: Bytes an output pixel that a tile owns.
    """

    lr_bytes: int
    hr_bytes: int


def tile_bytes(layout: Layout, cost: Cost) -> int:
    """Estimated peak bytes of the most expensive tile."""
    return max(
        t.rows.held * t.cols.held * cost.lr_bytes
        + (t.rows.stop - t.rows.start) * (t.cols.stop - t.cols.start) * cost.hr_bytes
        for t in layout.tiles
    )


def fit(
    lr: tuple[int, int],
    hr: tuple[int, int],
    budget: int,
    cost: Cost,
    *,
    halo: int,
    align: int = 1,
    floor: int = 16,
) -> Layout:
    """The coarsest layout whose tiles fit a budget.

    Args:
        lr: (height, width) of the source frame, in LR pixels.
        hr: (height, width) of the output frame, in pixels.
        budget: Bytes that one tile may need.
        cost: What a pixel costs.
        halo: As for `divide`.
        align: As for `divide`.
        floor: Smallest core to try; returned even if it does not fit, for the device itself to
            say no.
    """
    layout = divide(lr, hr, None, halo=halo, align=align)
    while tile_bytes(layout, cost) > budget:
        side = smaller(layout, floor=floor)
        if side is None:
            break
        layout = divide(lr, hr, side, halo=halo, align=align)
    return layout


def smaller(layout: Layout, *, floor: int) -> int | None:
    """The next smaller core side to try, about 3/4 of this one; None at the floor."""
    side = max(layout.lr) if layout.side is None else layout.side
    if side <= floor:
        return None
    return max(floor, min(side - 1, side * 3 // 4))

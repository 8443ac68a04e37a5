"""Reading tables of pixels at real positions, as `grid_sample` does, exactly also inside a tile.

A table holds (rows + 2) x (columns + 2) pixels: what is held of a map, and a border of zeros. The
published network samples with zero padding and corners not aligned, so the border counts where it
is the frame's; where a tile ends inside of the frame, positions are clamped to the pixels that it
holds. Reads are gathers of four rows (`embedding_bag`), on a CPU six times as fast as
`grid_sample`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from vinr_cli.model.grid import Axis
from vinr_cli.model.layers import PIXEL_GROUP, last
from vinr_cli.model.published.crew import divide

BAND = {"cpu": 4096}
"""Output pixels computed together without gradients: of twice as many, 256 channels no longer stay
in a CPU's cache, and for half as many, several threads wait for each other's steps in Python."""

BAND_ELSEWHERE = 1 << 17
"""The same for other devices."""


def in_bands(rows: int, width: int, device: torch.device, make: Callable[[int, int], None]) -> None:
    """Call make(top, bottom) for bands of rows; one band if gradients are wanted.

    Args:
        rows: Rows in all.
        width: Pixels per row.
        device: Where the pixels are.
        make: Called for the bands in any order, on a CPU by several threads.
    """
    pixels = BAND.get(device.type, BAND_ELSEWHERE)
    group = PIXEL_GROUP // math.gcd(PIXEL_GROUP, width)  # rows that make a multiple
    step = rows if torch.is_grad_enabled() else max(1, pixels // (width * group)) * group
    bands = [(top, min(top + step, rows)) for top in range(0, rows, step)]
    divide(make, bands, device)


def bordered(x: Tensor) -> Tensor:
    """(..., H, W, C) to (..., H + 2, W + 2, C) with a border of zeros."""
    return F.pad(x, (0, 0, 1, 1, 1, 1))


def gather(table: Tensor, index: Tensor, share: Tensor) -> Tensor:
    """Weighted sums of a table's rows.

    Args:
        table: (R, C).
        index: (P, n), int32 rows.
        share: (P, n).

    Returns:
        (P, C).
    """
    return F.embedding_bag(index, table, mode="sum", per_sample_weights=share)


@dataclass(frozen=True, slots=True)
class Held:
    """One direction of what a table holds, in samples of the table.

    Attributes:
        whole: Length of the whole frame's map.
        offset: First sample held.
        length: Samples held.
    """

    whole: int
    offset: int
    length: int

    @classmethod
    def lr(cls, axis: Axis, factor: int = 1) -> "Held":
        """The encoded pixels of an axis, enlarged by an integer factor."""
        return cls(axis.lr * factor, axis.offset * factor, axis.held * factor)

    @classmethod
    def hr(cls, axis: Axis) -> "Held":
        """The wanted output pixels of an axis."""
        return cls(axis.hr, axis.start, len(axis))

    def bounds(self) -> tuple[float, float]:
        """Least and greatest position in the bordered table."""
        low = 0.5 if self.offset == 0 else 1.0
        high = self.length + (0.5 if self.offset + self.length == self.whole else 0.0)
        return low, high


@lru_cache(maxsize=64)
def along(axis: Axis, held: Held, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Linear taps of an axis' own pixels in a bordered table, without any motion.

    Args:
        axis: The pixels.
        held: What the table holds.
        device: Where the taps are wanted; the CPU by default. They are made there once.

    Returns:
        Indices of the two neighbours, int64, and the share of the second, float32; not to be
        changed. Shapes (n, 2) and (n,).
    """
    with torch.inference_mode(mode=False):
        index, share = _along(axis, held)
        return index.to(device), share.to(device)


def _along(axis: Axis, held: Held) -> tuple[Tensor, Tensor]:
    i = torch.arange(axis.start, axis.stop, dtype=torch.float64)
    where = (2 * i + 1) * held.whole / (2 * axis.hr) + (0.5 - held.offset)
    where = where.clamp(*held.bounds())
    low = where.floor()
    index = low.long()[:, None] + torch.arange(2)
    return index, (where - low).float()


@lru_cache(maxsize=64)
def _tables(
    rows: tuple[Held, ...], cols: tuple[Held, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """What `neighbours` knows of its tables, on the device: bringing it there would wait for it.

    Returns:
        Scales, shifts, least and greatest positions, (4, tables, 2) float32; rows of a table in a
        line of pixels, (tables,) int32.
    """
    held = [[axis[i] for axis in (rows, cols)] for i in range(len(rows))]
    makes: list[Callable[[Held], float]] = [
        lambda h: h.whole,
        lambda h: 0.5 - h.offset,
        lambda h: h.bounds()[0],
        lambda h: h.bounds()[1],
    ]
    numbers = [[[make(h) for h in pair] for pair in held] for make in makes]
    with torch.inference_mode(mode=False):  # gradients may be wanted of later calls
        return (
            torch.tensor(numbers, dtype=torch.float32, device=device),
            torch.tensor([c.length + 2 for c in cols], dtype=torch.int32, device=device),
        )


def neighbours(
    where: Tensor, rows: tuple[Held, ...], cols: tuple[Held, ...]
) -> tuple[Tensor, Tensor]:
    """Bilinear taps of positions in several tables at once.

    Args:
        where: (2, ...), rows then columns, as a fraction of the whole frame in (0, 1).
        rows: What each table holds.
        cols: The same of columns.

    Returns:
        Indices, int32, and shares, float32, both (tables, ..., 4), in tables of
        (length + 2) x (length + 2) rows each.
    """
    shape = (len(rows), 2, *[1] * (where.ndim - 1))
    numbers, lines = _tables(rows, cols, where.device)
    scale, shift, least, most = (n.view(shape) for n in numbers)
    place = torch.clamp(where * scale + shift, least, most)
    corner = place.detach().int()
    y, x = (place - corner).unbind(1)
    line = lines.view(shape[:1] + shape[2:])
    first = corner[:, 0] * line + corner[:, 1]
    index = last([first, first + 1, first + line, first + line + 1])
    both = x * y
    return index, last([1 - y - x + both, x - both, y - both, both])

"""Where output pixels lie on the low-resolution (LR) frame, exactly.

Output sample i of n lies at LR position ((2 i + 1) m) / (2 n) - 1/2 for an LR length of m: pixel
centres, corners not aligned. Everything that must not depend on rounding is done in integers
here; a tile is the same grid with another `start`, `stop`, `offset` and `held`, so a tiled frame
and a whole frame ask the network for the same points. It is done on the CPU, so that every device
gets the same numbers (and because MPS has no float64), and then moved.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of an output grid.

    Attributes:
        lr: Length of the whole LR frame, in LR pixels.
        hr: Length of the whole output frame, in output pixels.
        start: First output pixel wanted.
        stop: One past the last output pixel wanted.
        offset: LR index of the first pixel that the features hold (0 without tiles).
        held: Number of LR pixels that the features hold (`lr` without tiles).
    """

    lr: int
    hr: int
    start: int
    stop: int
    offset: int
    held: int

    def __post_init__(self) -> None:
        if min(self.lr, self.hr, self.held) < 1 or not 0 <= self.start < self.stop <= self.hr:
            raise ValueError(f"not a grid axis: {self}")
        if self.offset < 0 or self.offset + self.held > self.lr:
            raise ValueError(f"held pixels lie outside of the frame: {self}")

    @classmethod
    def full(cls, lr: int, hr: int) -> "Axis":
        """All `hr` output pixels over all `lr` LR pixels."""
        return cls(lr=lr, hr=hr, start=0, stop=hr, offset=0, held=lr)

    def __len__(self) -> int:
        return self.stop - self.start

    def nearest(self, device: torch.device | None = None) -> Tensor:
        """Index of the nearest held LR pixel of each output pixel; int64, shape (len,).

        Computed as floor((2 i + 1) m / (2 n)): an output pixel that lies exactly between two LR
        pixels takes the upper one, on every device.
        """
        i = torch.arange(self.start, self.stop, dtype=torch.int64)
        index = torch.div((2 * i + 1) * self.lr, 2 * self.hr, rounding_mode="floor")
        return (index - self.offset).clamp_(0, self.held - 1).to(device)

    def relative(self, device: torch.device | None = None) -> Tensor:
        """Offset of each output pixel from the centre of its nearest LR pixel.

        Unit: LR pixels, in [-0.5, 0.5); float32, shape (len,). The numerator is an exact integer
        and is divided once.
        """
        i = torch.arange(self.start, self.stop, dtype=torch.int64)
        fine = (2 * i + 1) * self.lr
        remainder = fine - torch.div(fine, 2 * self.hr, rounding_mode="floor") * 2 * self.hr
        return ((remainder - self.hr).double() / (2 * self.hr)).float().to(device)

    def position(self, device: torch.device | None = None) -> Tensor:
        """LR position of each output pixel relative to the first held pixel's centre.

        Unit: LR pixels; float32, shape (len,); 0 is the centre of the first held pixel.
        """
        i = torch.arange(self.start, self.stop, dtype=torch.int64)
        fine = (2 * i + 1) * self.lr - (2 * self.offset + 1) * self.hr
        return (fine.double() / (2 * self.hr)).float().to(device)


@dataclass(frozen=True, slots=True)
class Grid:
    """The output pixels that a query asks for: rows and columns."""

    rows: Axis
    cols: Axis

    @classmethod
    def full(cls, lr_size: tuple[int, int], size: tuple[int, int]) -> "Grid":
        """A whole output frame of `size` (height, width) over an LR frame of `lr_size`."""
        return cls(Axis.full(lr_size[0], size[0]), Axis.full(lr_size[1], size[1]))

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the wanted output, in output pixels."""
        return len(self.rows), len(self.cols)

"""Side-by-side pictures: figures say how much, strips say what."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray
from torch import Tensor

from vinr_cli.media.pictures import write_png

SIDE = 240
"""Largest side of what is cut out, in output pixels."""
GAP = 4
"""White pixels between pictures."""


def busiest_inner(truth: Tensor, multiple: int) -> int:
    """Index of the inner frame around which most moves.

    Args:
        truth: (T, 3, H, W), uint8.
        multiple: Frame-rate factor; frames at whole multiples of it are input times.
    """
    small = truth[:, :, ::4, ::4].float()
    change = (small[1:] - small[:-1]).abs().mean((1, 2, 3))
    inner = [i for i in range(1, len(truth)) if i % multiple] or [0]
    return max(inner, key=lambda i: float(change[i - 1]))


def busiest_window(before: Tensor, after: Tensor, side: int = SIDE) -> tuple[slice, slice]:
    """Rows and columns of the square where two frames (3, H, W) differ most."""
    change = (after.float() - before.float()).abs().mean(0)[None, None]
    height, width = (min(side, n) for n in change.shape[-2:])
    energy = F.avg_pool2d(change, (height, width), stride=8)[0, 0]
    at = int(energy.argmax())
    top, left = (8 * n for n in divmod(at, energy.shape[1]))
    return slice(top, top + height), slice(left, left + width)


def strip(pictures: list[Tensor]) -> NDArray[np.uint8]:
    """Pictures (3, h, w) in [0, 1] beside each other; (h, n·w + gaps, 3), RGB."""
    gap = torch.ones(3, pictures[0].shape[1], GAP)
    parts: list[Tensor] = []
    for picture in pictures:
        parts += [picture.clamp(0, 1), gap]
    row = torch.cat(parts[:-1], 2)
    return (row * 255).round().byte().permute(1, 2, 0).numpy()


def finest_window(frame: Tensor, side: int = SIDE) -> tuple[slice, slice]:
    """Rows and columns of the square of a frame (3, H, W) that loses most if reduced by four."""
    whole = frame.float()[None]
    small = F.interpolate(whole, scale_factor=0.25, mode="bilinear", antialias=True)
    rough = F.interpolate(small, tuple(whole.shape[-2:]), mode="bilinear")
    return busiest_window(rough[0], frame, side)


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """One place of one frame, in the truth and in every method's result.

    Attributes:
        index: The frame's number.
        rows: Of the frame.
        columns: Of the frame.
        inner: Whether the frame lies between two inputs.
        pictures: By method, the truth first, (3, h, w) in [0, 1].
    """

    index: int
    rows: slice
    columns: slice
    inner: bool
    pictures: dict[str, Tensor] = field(default_factory=dict)

    def take(self, name: str, frame: Tensor) -> None:
        """Cut out of a frame (3, H, W) in [0, 1]."""
        self.pictures[name] = frame[:, self.rows, self.columns].clone()


class StripMaker:
    """Collects the same cut-outs of every method for a clip.

    Args:
        truth: (T, 3, H, W), uint8.
        multiple: Frame-rate factor.

    Attributes:
        cutouts: Where most moves, at an inner time if there is one; and the finest pattern at an
            input time.
        frame: The whole frame of the first of them, (3, H, W), uint8.
    """

    def __init__(self, truth: Tensor, multiple: int) -> None:
        index = busiest_inner(truth, multiple)
        around = truth[max(0, index - 1)], truth[min(len(truth) - 1, index + 1)]
        self.frame = truth[index]
        still = index - index % multiple
        self.cutouts = (
            Cutout(index, *busiest_window(*around), inner=index % multiple != 0),
            Cutout(still, *finest_window(truth[still]), inner=False),
        )
        self._name = "truth"
        for cutout in self.cutouts:
            cutout.take(self._name, truth[cutout.index] / 255)

    def begin(self, name: str) -> None:
        """Say which method's frames come next."""
        self._name = name

    def take(self, index: int, frame: Tensor) -> None:
        """Look at a method's frame (1, 3, H, W) in [0, 1]."""
        for cutout in self.cutouts:
            if cutout.index == index:
                cutout.take(self._name, frame[0])

    def write(self, path: Path) -> None:
        """Write the first cut-out's pictures beside each other as PNG, the truth first.

        Raises:
            OutputError: it cannot be written.
        """
        write_png(path, strip(list(self.cutouts[0].pictures.values())))

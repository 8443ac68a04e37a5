"""Side-by-side pictures: figures say how much, strips say what."""

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


class StripMaker:
    """Collects one cut-out of every method for a clip and writes them side by side.

    Args:
        path: The PNG to write; the truth comes first, then the methods in the order of their runs.
        truth: (T, 3, H, W), uint8.
        multiple: Frame-rate factor.
    """

    def __init__(self, path: Path, truth: Tensor, multiple: int) -> None:
        self.path = path
        self.index = busiest_inner(truth, multiple)
        around = truth[max(0, self.index - 1)], truth[min(len(truth) - 1, self.index + 1)]
        self._window = busiest_window(*around)
        self._pictures = [self._cut(truth[self.index].float() / 255)]

    def take(self, index: int, frame: Tensor) -> None:
        """Look at a method's frame (1, 3, H, W) in [0, 1]."""
        if index == self.index:
            self._pictures.append(self._cut(frame[0]))

    def write(self) -> None:
        """Write the file.

        Raises:
            OutputError: it cannot be written.
        """
        write_png(self.path, strip(self._pictures))

    def _cut(self, picture: Tensor) -> Tensor:
        return picture[:, self._window[0], self._window[1]].clone()

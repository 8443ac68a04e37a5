"""How much of a picture has changed since the one before, where it has changed most.

A repeat that was encoded again differs a little everywhere; a small thing that moves differs much
in one place. So the change is not a mean over the picture, in which the small thing would drown,
but that of the block which changes most.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 8
"""Side of a block, in samples of its plane: that of most codecs' transforms."""


def change_of(before: Sequence[NDArray[Any]], planes: Sequence[NDArray[Any]], depth: int) -> float:
    """Mean absolute difference within the block of any plane that differs most.

    Args:
        before: Planes of a frame, (h_p, w_p) each, uint8 or uint16.
        planes: Those of the next one, of the same shapes.
        depth: Bits of a sample.

    Returns:
        Per cent of the range of code values, 0 to 100.
    """
    most = max(_greatest(a, b) for a, b in zip(before, planes, strict=True))
    return most * 100 / ((1 << depth) - 1)


def _greatest(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Greatest mean of the blocks of |a - b|; what a block lacks at the edges counts as equal."""
    if a is b:  # a frame that stands in for one that could not be decoded
        return 0.0
    apart = np.maximum(a, b) - np.minimum(a, b)
    height, width = apart.shape
    apart = np.pad(apart, ((0, -height % BLOCK), (0, -width % BLOCK)))
    lines = apart.reshape(-1, BLOCK, apart.shape[1]).sum(1, dtype=np.uint32)
    blocks = lines.reshape(lines.shape[0], -1, BLOCK).sum(2, dtype=np.uint32)
    return float(blocks.max()) / BLOCK**2

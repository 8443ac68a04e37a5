"""Flat colours, kept as they are where the network shifts them by its own error.

A picture that is flat is the same flat picture at every size and time.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from vinr_cli.engine.renderer import Renderer
from vinr_cli.plan.tiles import Layout

REACH = 2
"""LR pixels around a pixel that must be alike for it to be in a flat part."""
ALIKE = 0.5 / 255
"""Differences up to which samples are alike; at three times that, they are not at all."""
SHIFT = 3 / 255
"""Shifts of flat colours that are the network's error; twice that is content, such as something
that passes between the two frames. The packaged networks' are up to 1.3/255, and 2.9/255 where
`--deblock` is at its strongest."""
BORDER_SHIFT = 25 / 255
"""The same within `BORDER` LR pixels of the frame's border, where the network sees black beside the
picture: the packaged ones are off by up to 20/255 there, and 24.5/255 at the strongest."""
BORDER = 4


class FlatRenderer:
    """A `Renderer` of RGB that keeps flat colours exactly.

    Where all samples around a place are alike in both frames, and the network shows nearly their
    colour there, their colour is shown. Elsewhere nothing is changed.

    Args:
        network: Renders everything else.
    """

    def __init__(self, network: Renderer) -> None:
        self._network = network
        self._pair: tuple[Tensor, Tensor] | None = None

    @property
    def device(self) -> torch.device:
        """See `Renderer.device`."""
        return self._network.device

    @property
    def layout(self) -> Layout:
        """See `Renderer.layout`."""
        return self._network.layout

    def looking_ahead(self) -> AbstractContextManager[None]:
        """See `Renderer.looking_ahead`."""
        return self._network.looking_ahead()

    def pair(self, first: Tensor, second: Tensor) -> None:
        """See `Renderer.pair`."""
        self._network.pair(first, second)
        self._pair = first, second

    def expect(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        """See `Renderer.expect`."""
        self._network.expect(pairs)

    def render_all(self, times: Sequence[float | Fraction]) -> Iterator[Tensor]:
        """See `Renderer.render_all`."""
        outputs = self._network.render_all(times)
        if self._pair is None:
            yield from outputs  # which says what is wrong
            return
        first, second = self._pair
        flat = flatness(first, second)
        # Asking a GPU means waiting for it, which costs more than what is saved.
        some = self.device.type == "cuda" or bool((flat > 0).any())
        mean = (first + second) / 2 if some else first
        for output in outputs:
            yield restore(output, mean, flat) if some else output

    def make_room(self) -> bool:
        """See `Renderer.make_room`."""
        return self._network.make_room()

    def spent(self) -> dict[str, float]:
        """See `Renderer.spent`."""
        return self._network.spent()


def flatness(first: Tensor, second: Tensor) -> Tensor:
    """How flat two frames are around each place, and how alike.

    Args:
        first: (3, H, W).
        second: The same shape.

    Returns:
        (1, H, W) in [0, 1]: 1 where all samples within `REACH` differ by no more than `ALIKE`.
    """
    side = 2 * REACH + 1
    high = max_pool2d(torch.maximum(first, second)[None], side, stride=1, padding=REACH)
    low = max_pool2d(-torch.minimum(first, second)[None], side, stride=1, padding=REACH)
    spread = (high + low).amax(dim=1)
    return ((3 - spread / ALIKE) / 2).clamp_(0, 1)


@torch.inference_mode()
def restore(output: Tensor, mean: Tensor, flat: Tensor) -> Tensor:
    """Put flat colours back.

    Args:
        output: (3, h, w), the network's; changed in place.
        mean: (3, H, W), the mean of the two frames.
        flat: From `flatness`.

    Returns:
        `output`.
    """
    size = list(output.shape[-2:])
    change = interpolate(mean[None], size, mode="bilinear", align_corners=False)[0]
    change -= output
    weight = interpolate(flat[None], size, mode="bilinear", align_corners=False)[0]
    limit = _limits(size, mean.shape[-2:], output.device)
    near = change.abs().amax(dim=0, keepdim=True).div_(limit)
    weight *= near.neg_().add_(2).clamp_(0, 1)
    # Where the weight is NaN, the network's own NaN stays, so that it is found out.
    return output.addcmul_(change, weight.nan_to_num_(nan=0.0))


def _limits(size: Sequence[int], lr: Sequence[int], device: torch.device) -> Tensor:
    """(1, h, w): what counts as the network's error at each place."""
    limit = torch.full((1, *size), SHIFT, device=device)
    rows, columns = (max(1, -(-BORDER * out // held)) for out, held in zip(size, lr, strict=True))
    limit[:, :rows] = limit[:, -rows:] = BORDER_SHIFT
    limit[:, :, :columns] = limit[:, :, -columns:] = BORDER_SHIFT
    return limit

"""What the network is not needed for, kept as it is: flat colours, and opacity.

Two renderers around `PairRenderer`, with its interface:

- `FlatRenderer` puts back colours that the network shifts by its own error where there is nothing
  to see: a picture that is flat is the same flat picture at every size and time.
- `AlphaRenderer` takes pictures with opacity. Opacity is enlarged and moved by the same network, as
  a picture of its own; colours that nobody sees are replaced before, so that they do not darken
  edges.
"""

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d
from torch.utils.weak import WeakTensorKeyDictionary

from vinr_cli.engine.infer import PairRenderer
from vinr_cli.engine.memory import budget_of
from vinr_cli.model.videoinr import VideoINR

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
UNSEEN = 2 / 255
"""Opacity up to which a pixel's colour is not seen."""
SEEN = 8 / 255
"""Opacity from which a pixel's colour is taken as it is."""


class FlatRenderer(PairRenderer):
    """`PairRenderer` that keeps flat colours exactly.

    Where all samples around a place are alike in both frames, and the network shows nearly their
    colour there, their colour is shown. Elsewhere nothing is changed.
    """

    def render_all(self, times: Sequence[float | Fraction]) -> Iterator[Tensor]:
        """As `PairRenderer.render_all`."""
        first, second = self._first, self._second
        outputs = super().render_all(times)
        if first is None or second is None:
            yield from outputs  # which says what is wrong
            return
        flat = flatness(first, second)
        # Asking a GPU means waiting for it, which costs more than what is saved.
        some = self.device.type == "cuda" or bool((flat > 0).any())
        mean = (first + second) / 2 if some else first
        for output in outputs:
            yield settle(output, mean, flat) if some else output


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
def settle(output: Tensor, mean: Tensor, flat: Tensor) -> Tensor:
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
    # Nothing of a value that is no number is used, and the network's own stays to be told.
    return output.addcmul_(change, weight.nan_to_num_(nan=0.0))


def _limits(size: Sequence[int], lr: Sequence[int], device: torch.device) -> Tensor:
    """(1, h, w): what counts as the network's error at each place."""
    limit = torch.full((1, *size), SHIFT, device=device)
    rows, columns = (max(1, -(-BORDER * out // held)) for out, held in zip(size, lr, strict=True))
    limit[:, :rows] = limit[:, -rows:] = BORDER_SHIFT
    limit[:, :, :columns] = limit[:, :, -columns:] = BORDER_SHIFT
    return limit


class _Parts(NamedTuple):
    """A picture with opacity, as the network is given it."""

    colours: Tensor
    opacity: Tensor


class AlphaRenderer(FlatRenderer):
    """`PairRenderer` of pictures with opacity: (4, H, W), RGB not multiplied with it, and it.

    Each half of the memory is one network's: the one of colours and the one of opacity, which is
    not asked where all is opaque. Frames are recognised by identity, as ever.

    Args are those of `PairRenderer`.
    """

    def __init__(
        self,
        model: VideoINR,
        lr: tuple[int, int],
        hr: tuple[int, int],
        *,
        autocast: torch.dtype | None = None,
        budget: int | None = None,
        tile: int | None = None,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        half = budget_of(next(model.parameters()).device, budget) // 2
        options: dict[str, Any] = {
            "autocast": autocast, "budget": half, "tile": tile, "notify": notify,
        }  # fmt: skip
        super().__init__(model, lr, hr, **options)
        self._matte = FlatRenderer(model, lr, hr, **options)
        self._parts: MutableMapping[Tensor, _Parts] = WeakTensorKeyDictionary()
        self._opacity: tuple[Tensor, Tensor] | None = None

    def pair(self, first: Tensor, second: Tensor) -> None:
        """Choose the pair that `render_all` works on.

        Args:
            first: (4, H, W), RGBA, float32, on `device`.
            second: The same.

        Raises:
            ValueError: a frame of another shape.
        """
        for frame in (first, second):
            if frame.shape != (4, *self.layout.lr):
                raise ValueError(f"expected (4, {self.layout.lr}), got {tuple(frame.shape)}")
        a, b = self._split(first), self._split(second)
        super().pair(a.colours, b.colours)
        self._matte.pair(a.opacity, b.opacity)
        self._opacity = (a.opacity, b.opacity)

    def expect(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        """As `PairRenderer.expect`, of pictures with opacity."""
        split = [(self._split(a), self._split(b)) for a, b in pairs]
        super().expect([(a.colours, b.colours) for a, b in split])

    def make_room(self) -> bool:
        """As `PairRenderer.make_room`; what is known of opacity goes too."""
        smaller = self._matte.make_room()
        return super().make_room() or smaller

    def render_all(self, times: Sequence[float | Fraction]) -> Iterator[Tensor]:
        """Several instants of the pair.

        Yields:
            (4, h, w) RGBA, float32, not clamped.
        """
        before = dict(self._matte.busy)
        opacity = self._matte_of(times)
        for colours in super().render_all(times):
            yield torch.cat([colours, next(opacity)])
            for stage, seconds in self._matte.busy.items():
                self.busy[stage] += seconds - before[stage]
            before = dict(self._matte.busy)

    def spent(self) -> dict[str, float]:
        """As `PairRenderer.spent`; the matte's share is in `busy` already, unless a queue tells."""
        own = super().spent()
        if self._watch is None:
            return own
        return {stage: own[stage] + spent for stage, spent in self._matte.spent().items()}

    def _matte_of(self, times: Sequence[float | Fraction]) -> Iterator[Tensor]:
        """(1, h, w) opacity at each time."""
        if self._opacity is not None and all(bool((o == 1).all()) for o in self._opacity):
            for _ in times:
                yield torch.ones(1, *self.layout.hr, device=self.device)
            return
        for output in self._matte.render_all(times):
            yield output.mean(dim=0, keepdim=True).clamp_(0, 1)

    def _split(self, frame: Tensor) -> _Parts:
        """A picture's colours and its opacity as a gray picture; always the same tensors."""
        parts = self._parts.get(frame)
        if parts is None:
            opacity = frame[3:].expand(3, -1, -1).contiguous()
            parts = _Parts(filled(frame[:3], frame[3:]), opacity)
            self._parts[frame] = parts
        return parts


def filled(colours: Tensor, opacity: Tensor) -> Tensor:
    """Replace colours that nobody sees by those of what can be seen nearby.

    What lies under transparent pixels is mostly black; enlarged and moved with the rest, it would
    come out at the edges as a dark line. The visible colours are averaged in a pyramid, from which
    the holes are filled: each with the finest average that is known there.

    Args:
        colours: (3, H, W), not multiplied with opacity.
        opacity: (1, H, W) in [0, 1].

    Returns:
        (3, H, W): new where opacity is below `SEEN`; the colours themselves if nothing is, or all.
    """
    own = ((opacity - UNSEEN) / (SEEN - UNSEEN)).clamp(0, 1)
    weight = own * opacity
    if bool((own == 1).all()) or not bool((weight > 0).any()):
        return colours.contiguous()
    levels = [(colours * weight, weight)]
    while max(levels[-1][1].shape[-2:]) > 1:
        levels.append(tuple(_halved(x) for x in levels[-1]))  # type: ignore[arg-type]
    total, weight = levels.pop()
    result = total / weight
    for total, weight in reversed(levels):
        size = list(weight.shape[-2:])
        coarse = interpolate(result[None], size, mode="bilinear", align_corners=False)[0]
        known = (weight * 4).clamp(0, 1)
        result = torch.lerp(coarse, total / weight.clamp(min=1e-12), known)
    return torch.lerp(result, colours, own)


def _halved(plane: Tensor) -> Tensor:
    """Means of blocks of 2x2; of fewer at an odd end."""
    return avg_pool2d(plane[None], 2, ceil_mode=True, count_include_pad=False)[0]

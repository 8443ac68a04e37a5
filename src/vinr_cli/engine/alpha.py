"""Pictures with opacity, through networks that know colours alone.

Opacity is enlarged and moved by the same network, as a picture of its own; colours that are not
seen are replaced before, so that they do not darken edges.
"""

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate
from torch.utils.weak import WeakTensorKeyDictionary

from vinr_cli.engine.renderer import Renderer
from vinr_cli.plan.tiles import Layout

UNSEEN = 2 / 255
"""Opacity up to which a pixel's colour is not seen."""
SEEN = 8 / 255
"""Opacity from which a pixel's colour is taken as it is."""


class _Parts(NamedTuple):
    """A picture with opacity, as the network is given it."""

    colours: Tensor
    opacity: Tensor


class AlphaRenderer:
    """A `Renderer` of pictures with opacity: (4, H, W), RGB not multiplied with it, and it.

    Args:
        colours: Renders the colours.
        matte: Renders opacity as a gray picture; it is not asked where all is opaque, and does not
            look ahead. Both have the same sizes and device, and share the memory.
    """

    def __init__(self, colours: Renderer, matte: Renderer) -> None:
        self._colours = colours
        self._matte = matte
        self._parts: MutableMapping[Tensor, _Parts] = WeakTensorKeyDictionary()
        self._opacity: tuple[Tensor, Tensor] | None = None

    @property
    def device(self) -> torch.device:
        """See `Renderer.device`."""
        return self._colours.device

    @property
    def layout(self) -> Layout:
        """See `Renderer.layout`; the tiles are those of the colours."""
        return self._colours.layout

    def looking_ahead(self) -> AbstractContextManager[None]:
        """See `Renderer.looking_ahead`; for the colours."""
        return self._colours.looking_ahead()

    def pair(self, first: Tensor, second: Tensor) -> None:
        """See `Renderer.pair`; four channels, RGBA."""
        for frame in (first, second):
            if frame.shape != (4, *self.layout.lr):
                raise ValueError(f"expected (4, {self.layout.lr}), got {tuple(frame.shape)}")
        a, b = self._split(first), self._split(second)
        self._colours.pair(a.colours, b.colours)
        self._matte.pair(a.opacity, b.opacity)
        self._opacity = (a.opacity, b.opacity)

    def expect(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        """See `Renderer.expect`."""
        split = [(self._split(a), self._split(b)) for a, b in pairs]
        self._colours.expect([(a.colours, b.colours) for a, b in split])

    def render_all(self, times: Sequence[float | Fraction]) -> Iterator[Tensor]:
        """See `Renderer.render_all`; four channels, RGBA."""
        opacity = self._opacity_at(times)
        for colours in self._colours.render_all(times):
            yield torch.cat([colours, next(opacity)])

    def make_room(self) -> bool:
        """See `Renderer.make_room`; of both."""
        smaller = self._matte.make_room()
        return self._colours.make_room() or smaller

    def spent(self) -> dict[str, float]:
        """See `Renderer.spent`; of both."""
        matte = self._matte.spent()
        return {stage: spent + matte[stage] for stage, spent in self._colours.spent().items()}

    def _opacity_at(self, times: Sequence[float | Fraction]) -> Iterator[Tensor]:
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
    """Replace colours that are not seen by those of what can be seen nearby.

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

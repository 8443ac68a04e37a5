"""Chains of native steps: what lies between a chain's first and last maps stays in the cache.

A chain makes its maps row by row (`native/kernels.hpp`). A map is (height, width, channels padded
to `native.PAD`), contiguous, of the kernels' own numbers; what is padding is zero.
"""

from collections.abc import Sequence
from ctypes import POINTER, cast, pointer
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vinr_cli.model.compact.layers import bias_of
from vinr_cli.model.layers import Convolution, state_of
from vinr_cli.native import library as native
from vinr_cli.native.library import Form, Kind

ZERO = -1
"""A number of a pixel that is no channel."""

SECOND = 1 << 10
"""Added to a channel whose weights are what was rounded off its weights elsewhere."""

SECOND_PART = tuple(SECOND + k for k in range(3))
"""The colours of a frame, for the second part of the weights."""

Order = tuple[int, ...]
"""Which channel each number of a pixel is; the parts of one that was split have the same."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A step of a chain, as others read it.

    Attributes:
        step: Its place.
        height: Of the map whose rows it makes.
        width: Of that map.
        order: Its numbers' channels.
    """

    step: int
    height: int
    width: int
    order: Order


def plain_order(channels: int) -> Order:
    """The numbers of a map's pixel."""
    return (*range(channels), *[ZERO] * (native.padded(channels) - channels))


class Chain:
    """Steps for `kernels`, done by `run`; what they are given is kept until then."""

    def __init__(self, kernels: native.Kernels) -> None:
        self._kernels = kernels
        self._steps: list[native.Step] = []
        self._kept: list[Any] = []

    def frame(self, picture: Tensor, height: int, width: int) -> Rows:
        """A frame's colours, continued by its last pixels.

        Args:
            picture: (3, h, w), float32, contiguous; RGB in [0, 1].
            height: Of the padded frame.
            width: The same.
        """
        colours = (0, 1, 2)
        # (kernels.hpp: what the weights are rounded by is multiplied with the colours once more.)
        order = (*colours * 2, *SECOND_PART, ZERO) if self._kernels.splits else (*colours, ZERO)
        return self._add(
            Kind.FRAME, height, width, order, channels=3, source=self._address(picture),
            frame_height=picture.shape[1], frame_width=picture.shape[2],
        )  # fmt: skip

    def map(self, made: Tensor, channels: int) -> Rows:
        """A map that is there already."""
        height, width = made.shape[:2]
        order = plain_order(channels)
        source = self._address(made)
        return self._add(Kind.MAP, height, width, order, channels=channels, source=source)

    def approach(self, job: native.ApproachJob, height: int, width: int, order: Order) -> Rows:
        """Both frames at the ends of a motion.

        Args:
            job: What is brought together; its tensors are kept by the caller.
            height: Of the level.
            width: Of the level.
            order: Of the job's numbers.
        """
        self._kept.append(job)
        channels = len(order)
        return self._add(
            Kind.APPROACH, height, width, order, channels=channels, approach=pointer(job)
        )

    def convolve(
        self, layer: nn.Conv2d, source: Rows, *, slope: float = 1.0, plus: Rows | None = None,
        form: Form = Form.ROWS, out: Tensor | None = None, exact: bool = False,
        split: bool = False,
    ) -> Rows:  # fmt: skip
        """A convolution, a leaky ReLU, a sum.

        Args:
            layer: Whose kernel is square, 1 or 3 pixels, and which keeps the size at stride 1.
            source: What it reads.
            slope: Of the leaky ReLU, in [0, 1]; 1 is none.
            plus: Added at the end.
            form: Where the results go.
            out: Its memory, but for rows.
            exact: Where numbers are rounded: whether weights are not.
            split: Whether the rows hold what was rounded off, too.
        """
        packed = packed_layer(self._kernels, layer, source.order, exact=exact)
        return self._convolve(
            packed, source, layer.out_channels, side=layer.kernel_size[0], stride=layer.stride[0],
            slope=slope, plus=native.NO_STEP if plus is None else plus.step, form=form,
            out=None if out is None else self._address(out), parts=self._kernels.parts(exact),
            split=split and self._kernels.splits,
        )  # fmt: skip

    def paint(
        self, packed: Tensor, source: Rows, channels: int, colours: native.EnlargeJob, out: Tensor
    ) -> None:
        """A 3x3 convolution to the cells of a canvas, and the enlarged frame added.

        Args:
            packed: From `Kernels.pack_step`.
            source: What it reads.
            channels: Of a cell.
            colours: The enlargement; its tensors are kept by the caller.
            out: (height, width, channels), float16 or float32.
        """
        form = Form.HALVES if out.dtype is torch.float16 else Form.SINGLES
        self._kept.append(colours)
        self._convolve(
            packed, source, channels, side=3, stride=1, slope=1.0, plus=native.NO_STEP, form=form,
            out=self._address(out), colours=pointer(colours), parts=1, split=False,
        )  # fmt: skip

    def keep(self, source: Rows, channels: int) -> Tensor:
        """A step's rows as a map that stays."""
        made = self._kernels.map(source.height, source.width, channels)
        self._add(
            Kind.KEEP, source.height, source.width, source.order, channels=channels,
            source_step=source.step, out=self._address(made),
        )  # fmt: skip
        return made

    def run(self) -> None:
        """Make all that was asked for.

        Raises:
            MemoryError: no memory for it.
        """
        steps = (native.Step * len(self._steps))(*self._steps)
        self._kernels.run(
            native.ChainJob(steps=cast(steps, POINTER(native.Step)), count=len(self._steps))
        )

    def _convolve(self, packed: Tensor, source: Rows, channels: int, **fields: Any) -> Rows:
        self._kept.append(packed)
        stride = fields["stride"]
        height, width = (-(-length // stride) for length in (source.height, source.width))
        order = plain_order(channels) * (2 if fields["split"] else 1)
        return self._add(
            Kind.CONVOLUTION, height, width, order, channels=channels,
            source_step=source.step, packed=native.floats(packed), **fields,
        )  # fmt: skip

    def _add(self, kind: Kind, height: int, width: int, order: Order, **fields: Any) -> Rows:
        absent = {"source_step": native.NO_STEP, "plus": native.NO_STEP}
        self._steps.append(native.Step(kind=kind, height=height, width=width, **absent | fields))
        return Rows(len(self._steps) - 1, height, width, order)

    def _address(self, made: Tensor) -> int:
        self._kept.append(made)
        return native.address(made)


def packed_layer(
    kernels: native.Kernels, layer: nn.Conv2d, order: Order, *, exact: bool = False
) -> Tensor:
    """A layer's weight and bias for a chain; kept with the layer while its parameters stay."""

    def make() -> Tensor:
        weight = ordered(layer.weight.detach(), order)
        bias = bias_of(layer).detach().contiguous()
        return kernels.pack_step(weight, bias, layer.stride[0], exact=exact)

    if not isinstance(layer, Convolution):
        return make()
    key = "chain", kernels, order, exact, state_of(bias_of(layer))
    return layer.made.of(layer.weight, key, make)


def ordered(weight: Tensor, order: Sequence[int]) -> Tensor:
    """A weight (N, C, k, k) for pixels whose numbers have this order."""
    numbers = torch.tensor(order)
    taken = weight[:, numbers.clamp(min=0) % SECOND] * (numbers >= 0).view(-1, 1, 1)
    rounded_off = taken - taken.bfloat16().float()
    return torch.where((numbers >= SECOND).view(-1, 1, 1), rounded_off, taken).contiguous()

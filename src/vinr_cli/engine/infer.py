"""Frames in, frames between them out: one network, one output size, no threads."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import TypeVar, cast

import torch
from torch import Tensor

from vinr_cli.engine.memory import (
    budget_of,
    is_out_of_memory,
    release,
)
from vinr_cli.errors import DeviceError
from vinr_cli.model.grid import Axis, Grid
from vinr_cli.model.videoinr import FrameFeatures, Prepared, VideoINR
from vinr_cli.plan.tiles import Cost, Span, Tile, cut, fit, smaller, tile_bytes

SMALLEST_TILE = 16
"""LR pixels of the smallest core that is tried when memory runs out."""


@dataclasses.dataclass(slots=True)
class _Slot:
    """What is remembered of a tile.

    Attributes:
        first: The earlier frame of its pair, whole.
        second: The later frame of its pair, whole; it is the earlier one of the next.
        prepared: The pair on the tile's grid.
    """

    first: Tensor
    second: Tensor
    prepared: Prepared


class PairRenderer:
    """Renders any instant between two frames at one output size.

    Nothing is computed before it is asked for. A frame is encoded once and serves both of its
    pairs; frames are recognised by identity, so pass the same tensor again. Where a frame does not
    fit the memory it is done in tiles with a halo; where memory runs out all the same, it is done
    again in smaller tiles. No output is ever left out.

    Args:
        model: In evaluation mode, on its device.
        lr: (height, width) of the frames.
        hr: (height, width) of the output.
        autocast: Number format of the encoder's products; None is float32. Rendering is float32.
        budget: Bytes that a pair may use, estimated; None takes a share of what is free.
        tile: Side of a tile's core in LR pixels; None lets the budget decide, 0 forbids tiles.
        notify: Told, in one line, when smaller tiles are taken.

    Attributes:
        layout: The tiles now in use.
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
        self._model = model
        self._device = next(model.parameters()).device
        self._autocast = autocast
        self._budget = budget_of(self._device, budget)
        self._tiles_allowed = tile != 0
        self._notify = notify
        self._cost = Cost(*model.pair_bytes)
        self._cut = {"halo": model.halo, "align": model.alignment}
        if tile is None:
            self.layout = fit(lr, hr, self._budget, self._cost, floor=SMALLEST_TILE, **self._cut)
        else:
            self.layout = cut(lr, hr, tile or None, **self._cut)
        self._first: Tensor | None = None
        self._second: Tensor | None = None
        self._slots: dict[Tile, _Slot] = {}

    @property
    def device(self) -> torch.device:
        """Where frames are expected and outputs are made."""
        return self._device

    def push(self, frame: Tensor) -> None:
        """Make the pair of the latest frame and this one (of this one alone, if it is the first).

        Args:
            frame: (3, H, W), RGB, float32, on `device`.
        """
        self.pair(frame if self._second is None else self._second, frame)

    def pair(self, first: Tensor, second: Tensor) -> None:
        """Choose the pair that `render` works on; `first` and `second` may be the same frame.

        Args:
            first: (3, H, W), RGB, float32, on `device`.
            second: The same.

        Raises:
            ValueError: a frame of another shape.
        """
        for frame in (first, second):
            if frame.shape != (3, *self.layout.lr):
                raise ValueError(f"expected (3, {self.layout.lr}), got {tuple(frame.shape)}")
        self._first, self._second = first, second

    def render(self, t: float | Fraction) -> Tensor:
        """One instant of the pair.

        Args:
            t: In [0, 1]; 0 is the first frame, 1 the second.

        Returns:
            (3, h, w) RGB, float32, not clamped, on `device`.

        Raises:
            DeviceError: memory ran out even for the smallest tile.
            ValueError: there is no pair, or t lies outside of [0, 1].
        """
        return next(self.render_all((t,)))

    def render_all(self, times: Sequence[float | Fraction]) -> Iterator[Tensor]:
        """Several instants of the pair, in order; cheaper in tiles than one by one.

        Args:
            times: Each in [0, 1].

        Yields:
            (3, h, w) RGB, as from `render`.

        Raises:
            DeviceError: memory ran out even for the smallest tile.
            ValueError: there is no pair, or a time lies outside of [0, 1].
        """
        first, second = self._first, self._second
        if first is None or second is None or not all(0 <= t <= 1 for t in times):
            raise ValueError(f"no pair, or times outside of [0, 1]: {times}")
        rest = [float(t) for t in times]
        while rest:
            outputs = self._attempt(first, second, rest[: self._together()])
            if outputs is None:  # outside of the handler, which would keep the tensors alive
                self._take_smaller_tiles()
                continue
            del rest[: len(outputs)]
            while outputs:
                yield outputs.pop(0)

    def _together(self) -> int:
        """How many outputs a pass over the tiles makes.

        Whole frames, and tiles that are all remembered, go one by one. Tiles that are forgotten
        are encoded once a pass, so a pass makes as many outputs as a quarter of the budget holds.
        """
        if self._keeps():
            return 1
        height, width = self.layout.hr
        return max(1, self._budget // 4 // (12 * height * width))

    def _keeps(self) -> bool:
        """Whether every tile's features are remembered for the next pair."""
        tiles = len(self.layout.tiles)
        return tiles == 1 or tiles * tile_bytes(self.layout, self._cost) <= self._budget

    def _attempt(
        self, first: Tensor, second: Tensor, times: Sequence[float]
    ) -> list[Tensor] | None:
        """The outputs, or None if memory ran out."""
        try:
            with torch.inference_mode(), _exact_products():
                return self._compute(first, second, times)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _take_smaller_tiles(self) -> None:
        """After memory ran out: forget everything and cut the frame finer."""
        self._slots.clear()
        release(self._device)
        side = smaller(self.layout, floor=SMALLEST_TILE) if self._tiles_allowed else None
        if side is None:
            height, width = self.layout.hr
            raise DeviceError(
                str(self._device),
                f"out of memory even for the smallest tile of a {width}x{height} frame",
                "Ask for a smaller size, allow tiles, or use --device cpu.",
            )
        self.layout = cut(self.layout.lr, self.layout.hr, side, **self._cut)
        self._notify(
            f"out of memory on {self._device}: going on with {len(self.layout.tiles)} tiles a frame"
        )

    def _compute(self, first: Tensor, second: Tensor, times: Sequence[float]) -> list[Tensor]:
        outputs = [torch.empty(3, *self.layout.hr, device=self._device) for _ in times]
        for tile in self.layout.tiles:
            prepared = self._prepare(first, second, tile)
            rows = slice(tile.rows.start, tile.rows.stop)
            cols = slice(tile.cols.start, tile.cols.stop)
            for output, t in zip(outputs, times, strict=True):
                time = torch.tensor([t], dtype=torch.float32, device=self._device)
                output[:, rows, cols] = self._model.render(prepared, time)[0]
            del prepared
        return outputs

    def _prepare(self, first: Tensor, second: Tensor, tile: Tile) -> Prepared:
        """The pair on a tile's grid; nothing is done twice that is still known."""
        slot = self._slots.get(tile)
        if slot is not None and slot.first is first and slot.second is second:
            return slot.prepared
        if slot is not None and slot.second is not first:
            slot = None
        earlier = self._encode(first, tile) if slot is None else slot.prepared.features.second
        later = earlier if second is first else self._encode(second, tile)
        with self._mixed():
            features = self._model.encode_pair(earlier, later)
        grid = Grid(
            _axis(tile.rows, self.layout.lr[0], self.layout.hr[0]),
            _axis(tile.cols, self.layout.lr[1], self.layout.hr[1]),
        )
        prepared = self._model.prepare(
            _in_float32(features), grid, None if slot is None else slot.prepared
        )
        if self._keeps():
            self._slots[tile] = _Slot(first, second, prepared)
        return prepared

    def _encode(self, frame: Tensor, tile: Tile) -> FrameFeatures:
        """Features of what a tile sees of a frame, in float32."""
        rows = slice(tile.rows.offset, tile.rows.offset + tile.rows.held)
        cols = slice(tile.cols.offset, tile.cols.offset + tile.cols.held)
        with self._mixed():
            features = self._model.encode_frame(frame[None, :, rows, cols])
        return _in_float32(features)

    def _mixed(self) -> torch.autocast:
        """The encoder's number format, for a `with` statement."""
        return torch.autocast(
            self._device.type,
            dtype=self._autocast or torch.bfloat16,
            enabled=self._autocast is not None,
        )


def _exact_products() -> AbstractContextManager[None]:
    """CUDA convolutions in real float32, not in TF32's ten bits; without effect elsewhere.

    Half precision is chosen by `autocast`, never by a default of the library. Not run on a GPU yet.
    """
    cudnn = torch.backends.cudnn
    return cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=cudnn.benchmark,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    )


def _axis(span: Span, lr: int, hr: int) -> Axis:
    """A tile's output range as the network wants it."""
    return Axis(lr=lr, hr=hr, start=span.start, stop=span.stop, offset=span.offset, held=span.held)


V = TypeVar("V")


def _in_float32(value: V) -> V:
    """A feature dataclass with every half-precision tensor in it made float32.

    What needs no change is returned as it is, so that features are still recognised by identity.
    """
    changed = _converted(value)
    return value if changed is value else cast(V, changed)


def _converted(value: object) -> object:
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, tuple):
        items = tuple(_converted(item) for item in value)
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        new = {name: _converted(item) for name, item in fields.items()}
        moved = {name: item for name, item in new.items() if item is not fields[name]}
        return dataclasses.replace(value, **moved) if moved else value
    return value

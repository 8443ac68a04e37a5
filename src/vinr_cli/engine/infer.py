"""Frames in, frames between them out: one network, one output size."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from fractions import Fraction
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from vinr_cli.engine.ahead import PAIRS, Ahead
from vinr_cli.engine.graphs import Recorded, Recorder, recorder_for
from vinr_cli.engine.memory import (
    budget_of,
    is_out_of_memory,
    release,
)
from vinr_cli.engine.precision import Step, in_float32, mixed
from vinr_cli.engine.watch import watch_for
from vinr_cli.errors import DeviceError
from vinr_cli.model.grid import Axis, Grid
from vinr_cli.model.videoinr import Features, FrameFeatures, Prepared, VideoINR
from vinr_cli.plan.tiles import Cost, Span, Tile, cut, fit, smaller, tile_bytes

TOGETHER = 1 << 22
"""Output pixels that a GPU renders at once, if a frame has fewer; not measured on one."""

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

    def holds(self, first: Tensor, second: Tensor) -> bool:
        """Whether it is of this pair."""
        return self.first is first and self.second is second


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Survey:
    """What tiles know of the whole frames.

    Attributes:
        first: The earlier frame of the pair.
        second: The later frame of the pair.
        later: The network's survey of the later frame; it is the earlier one of the next pair.
        pair: The network's survey of the pair.
    """

    first: Tensor
    second: Tensor
    later: Any
    pair: Any


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Key:
    """A pair in a tile; frames are compared by identity."""

    first: Tensor
    second: Tensor
    tile: Tile

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Key)
            and self.first is other.first
            and self.second is other.second
            and self.tile == other.tile
        )

    def __hash__(self) -> int:
        return hash((id(self.first), id(self.second), self.tile))


def batch_of(device: torch.device, hr: tuple[int, int]) -> int:
    """How many instants are rendered at once: as many as fill a GPU; one on a CPU.

    Args:
        device: Where.
        hr: (height, width) of an output.
    """
    return 1 if device.type == "cpu" else max(1, TOGETHER // (hr[0] * hr[1]))


class PairRenderer:
    """Renders any instant between two frames at one output size.

    Nothing is computed before it is asked for. A frame is encoded once and serves both of its
    pairs; frames are recognised by identity, so pass the same tensor again. Where a frame does not
    fit the memory it is done in tiles with a halo; where memory runs out all the same, it is done
    again in smaller tiles. No output is ever left out.

    Inside of `looking_ahead` the pairs that `expect` names are prepared while this one is rendered.

    Args:
        model: In evaluation mode, on its device.
        lr: (height, width) of the frames.
        hr: (height, width) of the output.
        autocast: Number format of the products of those steps that may run in half precision, see
            `precision`; None is float32.
        budget: Bytes that a pair may use, estimated; None takes a share of what is free.
        tile: Side of a tile's core in LR pixels; None lets the budget decide, 0 forbids tiles.
        notify: Told, in one line, when smaller tiles are taken.
        recorder: Records the encoder's steps; None takes what `graphs` finds right for the device.

    Attributes:
        layout: The tiles now in use.
        busy: Seconds of work so far: "frame" (encoding frames), "pair" (the search of motion, and
            canvases) and "render". Each is one thread's, waiting for another excluded.
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
        recorder: Recorder | None = None,
    ) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        recorder = recorder or recorder_for(self._device)
        self._recorded: dict[str, Recorded[Any]] = {}
        if recorder is not None:
            self._recorded["frame"] = Recorded(model.encode_frame, recorder)
            self._recorded["pair"] = Recorded(model.encode_pair, recorder)
        self._autocast = autocast
        self._rounds = autocast is torch.bfloat16 and model.rounds_well()
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
        self._slots: dict[Tile, _Slot] = {}  # of the pair that was prepared last
        self._held: dict[Tile, _Slot] = {}  # of the pair that is rendered
        self._survey: _Survey | None = None
        self._expected: Sequence[tuple[Tensor, Tensor]] = ()
        self._ahead: Ahead[_Key, Prepared] | None = None
        self.busy = {"frame": 0.0, "pair": 0.0, "render": 0.0}
        self._watch = watch_for(self._device)
        self._batch = batch_of(self._device, hr)

    @contextmanager
    def looking_ahead(self) -> Iterator[None]:
        """Let two threads prepare what `expect` names, where that pays and memory allows it.

        It pays on a CPU alone: another device works behind its queue anyway. The threads have
        ended when the context ends.
        """
        if self._device.type != "cpu" or self._ahead is not None:
            yield
            return
        self._ahead = Ahead(torch.get_num_threads())
        try:
            yield
        finally:
            self._stop_ahead()

    def _stop_ahead(self) -> bool:
        """End the threads, if there are any."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return False
        ahead.close()
        for stage, seconds in ahead.busy.items():
            self.busy[stage] += seconds
        return True

    def expect(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Name the pairs that will be rendered after this one, as far as they are known.

        Args:
            pairs: In order; three are of use. A pair that is not asked for after all costs time.
        """
        self._expected = tuple(pairs)

    @property
    def device(self) -> torch.device:
        """Where frames are expected and outputs are made."""
        return self._device

    def spent(self) -> dict[str, float]:
        """Seconds of work so far, by the keys of `busy`; on a device with a queue, the queue's."""
        return (
            dict(self.busy)
            if self._watch is None
            else dict.fromkeys(self.busy, 0.0) | self._watch.seconds()
        )

    def _timing(self, stage: str) -> AbstractContextManager[None]:
        """Count what a `with` block queues; nothing where the host works itself."""
        return nullcontext() if self._watch is None else self._watch.timing(stage)

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
        if first is not self._first or second is not self._second:
            self._held.clear()
        self._first, self._second = first, second
        self._expected = ()

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
            outputs = self._attempt(first, second, rest[: self._together()], rest)
            if outputs is None:  # outside of the handler, which would keep the tensors alive
                self._make_room()
                continue
            del rest[: len(outputs)]
            while outputs:
                yield outputs.pop(0)

    def _together(self) -> int:
        """How many outputs a pass over the tiles makes.

        Whole frames, and tiles that are all remembered, go one by one, or `_batch` by batch. Tiles
        that are forgotten are encoded once a pass, so a pass makes as many outputs as a quarter of
        the budget holds.
        """
        if self._keeps():
            return self._batch
        height, width = self.layout.hr
        return max(1, self._budget // 4 // (12 * height * width))

    def _keeps(self) -> bool:
        """Whether every tile's features are remembered for the next pair."""
        tiles = len(self.layout.tiles)
        return tiles == 1 or tiles * tile_bytes(self.layout, self._cost) <= self._budget

    def _attempt(
        self, first: Tensor, second: Tensor, times: Sequence[float], rest: Sequence[float]
    ) -> list[Tensor] | None:
        """The outputs at the first of the times that are left, or None if memory ran out."""
        leave = self._keeps() or len(times) == len(rest)
        try:
            with torch.inference_mode(), _exact_products():
                return self._compute(first, second, times, leave=leave)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def make_room(self) -> bool:
        """Need less memory from now on: look ahead no more, and then take smaller tiles.

        What was remembered is forgotten. Results stay the same, to 1/255.

        Returns:
            Whether there was a step left to take.
        """
        stopped = self._stop_ahead()  # first, since its threads still write what is remembered
        self._forget()
        for step in self._recorded.values():
            step.forget()
        release(self._device)
        if stopped:
            self._notify(f"out of memory on {self._device}: going on without looking ahead")
            return True
        side = smaller(self.layout, floor=SMALLEST_TILE) if self._tiles_allowed else None
        if side is None:
            return False
        self.layout = cut(self.layout.lr, self.layout.hr, side, **self._cut)
        self._notify(
            f"out of memory on {self._device}: going on with {len(self.layout.tiles)} tiles a frame"
        )
        return True

    def _forget(self) -> None:
        """Keep nothing but the pair's frames."""
        self._slots.clear()
        self._held.clear()
        self._survey = None
        self._expected = ()

    def _make_room(self) -> None:
        """After memory ran out.

        Raises:
            DeviceError: nothing smaller is left to try.
        """
        if not self.make_room():
            height, width = self.layout.hr
            raise DeviceError(
                str(self._device),
                f"out of memory even for the smallest tile of a {width}x{height} frame",
                "Ask for a smaller size, allow tiles, or use --device cpu.",
            )

    def _compute(
        self, first: Tensor, second: Tensor, times: Sequence[float], *, leave: bool
    ) -> list[Tensor]:
        """One pass over the tiles; `leave` says that the next pair's may be begun in it."""
        outputs = [torch.empty(3, *self.layout.hr, device=self._device) for _ in times]
        tiles = self.layout.tiles
        for i, tile in enumerate(tiles):
            prepared = self._obtain(first, second, tile)
            if i + 1 < len(tiles):
                self._begin(first, second, tiles[i + 1])
            elif leave:
                self._begin_expected()
            start = time.perf_counter()
            rows = slice(tile.rows.start, tile.rows.stop)
            cols = slice(tile.cols.start, tile.cols.stop)
            with self._timing("render"), self._mixed("render"):
                for output, colours in zip(outputs, self._pictures(prepared, times), strict=True):
                    output[:, rows, cols] = colours
            del prepared
            self.busy["render"] += time.perf_counter() - start
        return outputs

    def _pictures(self, prepared: Prepared, times: Sequence[float]) -> Iterator[Tensor]:
        """(3, h, w) at each time: `_batch` of them at once."""
        device = self._device
        for i in range(0, len(times), self._batch):
            # Made on the device: bringing numbers there would wait for it.
            when = [torch.full((1,), t, device=device) for t in times[i : i + self._batch]]
            if self._batch == 1:
                yield self._model.render(prepared, when[0])[0]
            else:
                yield from self._model.render_times(prepared, torch.cat(when))

    # -- looking ahead --------------------------------------------------------------------------

    def _begin(self, first: Tensor, second: Tensor, tile: Tile, place: int = 0) -> None:
        """Let a thread prepare a pair in a tile, if there is one, and room.

        Args:
            first: The earlier frame.
            second: The later one.
            tile: Of the layout in use.
            place: How many others wait before it.
        """
        if self._ahead is None or not self._room_for(2 + place):
            return
        if tile in self._held and self._held[tile].holds(first, second):
            return
        key = _Key(first, second, tile)
        self._ahead.begin_pair(key, lambda: self._prepare(first, second, tile))

    def _begin_expected(self) -> None:
        """Begin the next pairs, and the frames of those after them, once."""
        if not self._expected or self._ahead is None or not self._room_for(2):
            return
        expected, self._expected = self._expected, ()
        tile = self.layout.tiles[0]
        if not self.layout.whole:
            self._begin(*expected[0], tile)
            return
        # What a pair that was begun needs of its frames has been taken, or will be.
        rest = [pair for pair in expected if not self._ahead.begun(_Key(*pair, tile))]
        for first, second in rest:
            if first is not second:
                self._ahead.begin_frame(second, partial(self._encode_and_paint, second, tile))
        waiting = len(expected) - len(rest)
        for place, (first, second) in enumerate(rest[: PAIRS - waiting], waiting):
            self._begin(first, second, tile, place)

    def _room_for(self, pairs: int) -> bool:
        """Whether memory allows that many pairs in a tile, beside tiles that are remembered."""
        beside = len(self.layout.tiles) - 1 if self._keeps() else 0
        return (beside + pairs) * tile_bytes(self.layout, self._cost) <= self._budget

    # -- preparing ------------------------------------------------------------------------------

    def _obtain(self, first: Tensor, second: Tensor, tile: Tile) -> Prepared:
        """The pair on a tile's grid, from wherever it is known."""
        held = self._held.get(tile)
        if held is not None and held.holds(first, second):
            return held.prepared
        prepared = None if self._ahead is None else self._ahead.pair(_Key(first, second, tile))
        if prepared is None:
            start = time.perf_counter(), self.busy["frame"]
            prepared = self._prepare(first, second, tile)
            frames = self.busy["frame"] - start[1]
            self.busy["pair"] += time.perf_counter() - start[0] - frames
        if self._keeps():
            self._held[tile] = _Slot(first, second, prepared)
        return prepared

    def _prepare(self, first: Tensor, second: Tensor, tile: Tile) -> Prepared:
        """The pair on a tile's grid; nothing is done twice that is still known.

        Only one thread is ever in here: whoever asks waits for what was begun before.
        """
        slot = self._slots.get(tile)
        if slot is not None and slot.holds(first, second):
            return slot.prepared
        if slot is not None and slot.second is not first:
            slot = None
        earlier = self._encode(first, tile) if slot is None else slot.prepared.features.second
        later = earlier if second is first else self._encode(second, tile)
        with self._timing("pair"):
            features = self._paired(first, second, earlier, later, tile)
            with self._mixed("prepare"):
                prepared = self._model.prepare(
                    in_float32(features), self._grid(tile), None if slot is None else slot.prepared
                )
        if self._keeps():
            self._slots[tile] = _Slot(first, second, prepared)
        return prepared

    def _paired(
        self, first: Tensor, second: Tensor, earlier: FrameFeatures, later: FrameFeatures,
        tile: Tile,
    ) -> Features:  # fmt: skip
        """Features of a pair; in tiles with what they have to know of the whole frames."""
        with self._mixed("pair"):
            if self.layout.whole:
                encode_pair = self._recorded.get("pair", self._model.encode_pair)
                return cast(Features, encode_pair(earlier, later))
            survey = self._surveyed(first, second)
            origin = tile.rows.offset, tile.cols.offset
            return self._model.encode_tile(earlier, later, survey, origin)

    def _surveyed(self, first: Tensor, second: Tensor) -> Any:
        """What tiles have to know of a pair; done once for all of its tiles."""
        known = self._survey
        if known is not None and known.first is first and known.second is second:
            return known.pair
        if known is not None and known.second is first:
            earlier = known.later
        else:
            earlier = self._model.survey_frame(first[None])
        later = earlier if second is first else self._model.survey_frame(second[None])
        pair = self._model.survey_pair(earlier, later)
        self._survey = _Survey(first, second, later, pair)
        return pair

    def _encode(self, frame: Tensor, tile: Tile) -> FrameFeatures:
        """Features of what a tile sees of a frame, begun ahead or made now."""
        if self._ahead is not None and self.layout.whole:
            begun = self._ahead.frame(frame)
            if begun is not None:
                return cast(FrameFeatures, begun)
            return self._encode_now(frame, tile)
        start = time.perf_counter()
        features = self._encode_now(frame, tile)
        self.busy["frame"] += time.perf_counter() - start
        return features

    def _grid(self, tile: Tile) -> Grid:
        """A tile's output pixels."""
        return Grid(
            _axis(tile.rows, self.layout.lr[0], self.layout.hr[0]),
            _axis(tile.cols, self.layout.lr[1], self.layout.hr[1]),
        )

    def _encode_and_paint(self, frame: Tensor, tile: Tile) -> FrameFeatures:
        """All that can be done for a frame before its pairs are known."""
        return self._model.paint(self._encode_now(frame, tile), self._grid(tile))

    def _encode_now(self, frame: Tensor, tile: Tile) -> FrameFeatures:
        """Features of what a tile sees of a frame, in float32."""
        rows = slice(tile.rows.offset, tile.rows.offset + tile.rows.held)
        cols = slice(tile.cols.offset, tile.cols.offset + tile.cols.held)
        with self._timing("frame"), self._mixed("frame"):
            encode_frame = self._recorded.get("frame", self._model.encode_frame)
            features = encode_frame(frame[None, :, rows, cols])
        return in_float32(cast(FrameFeatures, features))

    def _mixed(self, step: Step) -> torch.autocast:
        """A step's number format, for a `with` statement."""
        return mixed(step, self._device, self._autocast, kernels=self._rounds)


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

"""Frames in, frames between them out: one network, one output size."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from vinr_cli.engine.device_clock import clock_for
from vinr_cli.engine.memory import budget_of, is_out_of_memory, release
from vinr_cli.engine.pair_cache import PairCache
from vinr_cli.engine.steps import Pair, Steps
from vinr_cli.engine.tiling import Tiling
from vinr_cli.errors import DeviceError
from vinr_cli.model.videoinr import Network
from vinr_cli.plan.tiles import Layout

TOGETHER = 1 << 22
"""Output pixels that a GPU renders at once, if a frame has fewer; not measured on one."""

WORK_STAGES = ("frame", "pair", "render")
"""What a renderer's time is divided into: encoding frames, the search of motion with canvases, and
rendering."""


class Renderer(Protocol):
    """Renders instants between two frames at one output size.

    Frames are recognised by identity, so pass the same tensor again.
    """

    @property
    def device(self) -> torch.device:
        """Where frames are expected and outputs are made."""

    @property
    def layout(self) -> Layout:
        """Both sizes, and the tiles now in use."""

    def looking_ahead(self) -> AbstractContextManager[None]:
        """Let threads prepare what `expect` names, where that pays and memory allows it.

        The threads have ended when the context ends.
        """

    def pair(self, first: Tensor, second: Tensor) -> None:
        """Choose the pair that `render_all` works on; both may be the same frame.

        Args:
            first: (channels, H, W), float32, on `device`.
            second: The same.

        Raises:
            ValueError: a frame of another shape.
        """

    def expect(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Name the pairs that will be rendered after this one, as far as they are known.

        Args:
            pairs: In order; three are of use. A pair that is not asked for after all costs time.
        """

    def render_all(self, times: Sequence[float | Fraction]) -> Iterator[Tensor]:
        """Several instants of the pair, in order; cheaper in tiles than one by one.

        Args:
            times: Each in [0, 1]; 0 is the first frame, 1 the second.

        Yields:
            (channels, h, w), float32, not clamped, on `device`.

        Raises:
            DeviceError: memory ran out even for the smallest tile.
            ValueError: there is no pair, or a time lies outside of [0, 1].
        """

    def make_room(self) -> bool:
        """Need less memory from now on; results stay the same, to 1/255.

        Returns:
            Whether there was a step left to take.
        """

    def spent(self) -> dict[str, float]:
        """Seconds of work so far by `WORK_STAGES`, waiting excluded; a device's queue its own."""


def batch_of(device: torch.device, hr: tuple[int, int]) -> int:
    """How many instants are rendered at once: as many as fill a GPU; one on a CPU.

    Args:
        device: Where.
        hr: (height, width) of an output.
    """
    return 1 if device.type == "cpu" else max(1, TOGETHER // (hr[0] * hr[1]))


class PairRenderer:
    """The network's own pictures; a `Renderer` of RGB.

    Nothing is computed before it is asked for. A frame is encoded once and serves both of its
    pairs. Where a frame does not fit the memory it is rendered in tiles with a halo; where memory
    runs out all the same, it is rendered again in smaller tiles. No output is ever omitted.

    Args:
        model: In evaluation mode, on its device.
        lr: (height, width) of the frames.
        hr: (height, width) of the output.
        autocast: Number format of the products of those steps that may run in half precision, see
            `precision`; None is float32.
        budget: Bytes that a pair may use, estimated; None takes a share of what is free.
        tile: Side of a tile's core in LR pixels; None lets the budget decide, 0 forbids tiles.
        notify: Called with one line when memory ran out and what is done about it.
    """

    def __init__(
        self,
        model: Network,
        lr: tuple[int, int],
        hr: tuple[int, int],
        *,
        autocast: torch.dtype | None = None,
        budget: int | None = None,
        tile: int | None = None,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._device = next(model.parameters()).device
        self._clock = clock_for(self._device)
        self._steps_in = partial(Steps, model, autocast=autocast, clock=self._clock)
        self._notify = notify
        self._batch = batch_of(self._device, hr)
        self._pair: Pair | None = None
        budget = budget_of(self._device, budget)
        self._use(Tiling.choose(model, lr, hr, budget=budget, side=tile))

    def _use(self, tiling: Tiling) -> None:
        """Work in these tiles; what is known of others is forgotten."""
        self._tiling = tiling
        self._steps = self._steps_in(tiling)
        self._pairs = PairCache(self._steps, tiling)

    @property
    def device(self) -> torch.device:
        """See `Renderer.device`."""
        return self._device

    @property
    def layout(self) -> Layout:
        """See `Renderer.layout`."""
        return self._tiling.layout

    def spent(self) -> dict[str, float]:
        """See `Renderer.spent`."""
        return dict.fromkeys(WORK_STAGES, 0.0) | self._clock.seconds()

    @contextmanager
    def looking_ahead(self) -> Iterator[None]:
        """See `Renderer.looking_ahead`.

        It pays on a CPU alone: another device works behind its queue anyway.
        """
        if self._device.type != "cpu" or self._pairs.looks_ahead:
            yield
            return
        self._pairs.start()
        try:
            yield
        finally:
            self._pairs.stop()

    def expect(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        """See `Renderer.expect`."""
        self._pairs.expect([Pair(*pair) for pair in pairs])

    def push(self, frame: Tensor) -> None:
        """Make the pair of the latest frame and this one (of this one alone, if it is the first).

        Args:
            frame: (3, H, W), RGB, float32, on `device`.
        """
        self.pair(frame if self._pair is None else self._pair.second, frame)

    def pair(self, first: Tensor, second: Tensor) -> None:
        """See `Renderer.pair`; three channels, RGB."""
        for frame in (first, second):
            if frame.shape != (3, *self.layout.lr):
                raise ValueError(f"expected (3, {self.layout.lr}), got {tuple(frame.shape)}")
        pair = Pair(first, second)
        if pair != self._pair:
            self._pairs.forget_current()
        self._pair = pair
        self._pairs.expect(())

    def render(self, t: float | Fraction) -> Tensor:
        """One instant of the pair, see `Renderer.render_all`."""
        return next(self.render_all((t,)))

    def render_all(self, times: Sequence[float | Fraction]) -> Iterator[Tensor]:
        """See `Renderer.render_all`; three channels, RGB."""
        pair = self._pair
        if pair is None or not all(0 <= t <= 1 for t in times):
            raise ValueError(f"no pair, or times outside of [0, 1]: {times}")
        rest = [float(t) for t in times]
        while rest:
            outputs = self._attempt(pair, rest)
            if outputs is None:  # outside of the handler, which would keep the tensors alive
                self._require_room()
                continue
            del rest[: len(outputs)]
            while outputs:
                yield outputs.pop(0)

    def _attempt(self, pair: Pair, rest: Sequence[float]) -> list[Tensor] | None:
        """The outputs at the first of the times that are left, or None if memory ran out."""
        times = rest[: self._tiling.outputs_in_a_pass(self._batch)]
        last = self._tiling.keeps_all or len(times) == len(rest)
        try:
            with torch.inference_mode(), _exact_products():
                return self._compute(pair, times, last=last)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _compute(self, pair: Pair, times: Sequence[float], *, last: bool) -> list[Tensor]:
        """One pass over the tiles; in the `last` one the next pair's may be begun."""
        outputs = [torch.empty(3, *self.layout.hr, device=self._device) for _ in times]
        tiles = self.layout.tiles
        for i, tile in enumerate(tiles):
            prepared = self._pairs.obtain(pair, tile)
            if i + 1 < len(tiles):
                self._pairs.begin(pair, tiles[i + 1])
            elif last:
                self._pairs.begin_expected()
            self._steps.render(prepared, times, tile, outputs, self._batch)
            del prepared
        return outputs

    # -- where memory runs out ------------------------------------------------------------------

    def make_room(self) -> bool:
        """See `Renderer.make_room`: look ahead no more, and then take smaller tiles."""
        stopped = self._pairs.stop()  # first, since its threads still write what is kept
        self._use(self._tiling)
        release(self._device)
        if stopped:
            self._notify(f"out of memory on {self._device}: going on without looking ahead")
            return True
        tiling = self._tiling.smaller()
        if tiling is None:
            return False
        self._use(tiling)
        tiles = len(self.layout.tiles)
        self._notify(f"out of memory on {self._device}: going on with {tiles} tiles a frame")
        return True

    def _require_room(self) -> None:
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

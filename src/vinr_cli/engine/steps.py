"""A network's steps on a tile of a frame: in their own number formats, their time counted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vinr_cli.engine.device_clock import StageClock
from vinr_cli.engine.precision import Step, in_float32, mixed
from vinr_cli.engine.tiling import Tiling
from vinr_cli.model.videoinr import Features, FrameFeatures, Network, Prepared
from vinr_cli.plan.tiles import Tile


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two neighbouring frames; equal to a pair of the same two tensors.

    Attributes:
        first: (3, H, W), RGB, float32, the earlier frame.
        second: The same, the later frame; the first one again where there is no other.
    """

    first: Tensor
    second: Tensor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pair) and self.first is other.first and self.second is other.second

    def __hash__(self) -> int:
        return hash((id(self.first), id(self.second)))


@dataclass(frozen=True, slots=True, eq=False)
class _Survey:
    """What tiles know of the whole frames.

    Attributes:
        pair: The frames.
        later: The network's survey of the later frame; it is the earlier one of the next pair.
        both: The network's survey of the pair.
    """

    pair: Pair
    later: Any
    both: Any


class Steps:
    """A network at one output size and in given tiles.

    One thread at a time may prepare pairs, another one encode frames, and a third one render.

    Args:
        model: In evaluation mode, on its device.
        tiling: The tiles.
        autocast: Number format of the steps that may run in half precision, see `precision`; None
            is float32.
        clock: Counts the stages "frame" (encoding frames), "pair" (the search of motion, and
            canvases) and "render".
    """

    def __init__(
        self, model: Network, tiling: Tiling, *, autocast: torch.dtype | None, clock: StageClock
    ) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        self._tiling = tiling
        self._autocast = autocast
        self._rounds = autocast is torch.bfloat16 and model.rounds_well()
        self._clock = clock
        self._survey: _Survey | None = None

    def encode(self, frame: Tensor, tile: Tile) -> FrameFeatures:
        """Features of what a tile sees of a frame, in float32."""
        rows = slice(tile.rows.offset, tile.rows.offset + tile.rows.held)
        cols = slice(tile.cols.offset, tile.cols.offset + tile.cols.held)
        with self._clock.timing("frame"), self._mixed("frame"):
            return in_float32(self._model.encode_frame(frame[None, :, rows, cols]))

    def encode_and_paint(self, frame: Tensor, tile: Tile) -> FrameFeatures:
        """As `encode`, with all that can be done for a frame before its pairs are known."""
        features = self.encode(frame, tile)
        with self._clock.timing("frame"):
            return self._model.paint(features, self._tiling.grid(tile))

    def prepare(
        self, pair: Pair, earlier: FrameFeatures, later: FrameFeatures, tile: Tile,
        previous: Prepared | None,
    ) -> Prepared:  # fmt: skip
        """A pair on a tile's grid.

        Args:
            pair: The frames, whole.
            earlier: From `encode`.
            later: From `encode`.
            tile: The tile.
            previous: The pair before on the same tile, if it is at hand; saves work.
        """
        with self._clock.timing("pair"):
            with self._mixed("pair"):
                features = self._features(pair, earlier, later, tile)
            with self._mixed("prepare"):
                grid = self._tiling.grid(tile)
                return self._model.prepare(in_float32(features), grid, previous)

    def render(
        self, prepared: Prepared, times: Sequence[float], tile: Tile, outputs: Sequence[Tensor],
        batch: int,
    ) -> None:  # fmt: skip
        """Render a tile into whole outputs.

        Args:
            prepared: The pair on the tile's grid.
            times: In [0, 1].
            tile: The tile.
            outputs: (3, h, w) at each time, written where the tile is.
            batch: Outputs that are rendered at once.
        """
        rows = slice(tile.rows.start, tile.rows.stop)
        cols = slice(tile.cols.start, tile.cols.stop)
        with self._clock.timing("render"), self._mixed("render"):
            pictures = self._pictures(prepared, times, batch)
            for output, picture in zip(outputs, pictures, strict=True):
                output[:, rows, cols] = picture

    def _features(
        self, pair: Pair, earlier: FrameFeatures, later: FrameFeatures, tile: Tile
    ) -> Features:
        """Features of a pair; in tiles with what they have to know of the whole frames."""
        if self._tiling.layout.whole:
            return self._model.encode_pair(earlier, later)
        origin = tile.rows.offset, tile.cols.offset
        return self._model.encode_tile(earlier, later, self._surveyed(pair), origin)

    def _surveyed(self, pair: Pair) -> Any:
        """What tiles have to know of a pair; done once for all of its tiles."""
        known = self._survey
        if known is not None and known.pair == pair:
            return known.both
        if known is not None and known.pair.second is pair.first:
            earlier = known.later
        else:
            earlier = self._model.survey_frame(pair.first[None])
        alone = pair.second is pair.first
        later = earlier if alone else self._model.survey_frame(pair.second[None])
        both = self._model.survey_pair(earlier, later)
        self._survey = _Survey(pair, later, both)
        return both

    def _pictures(self, prepared: Prepared, times: Sequence[float], batch: int) -> Iterator[Tensor]:
        """(3, h, w) at each time."""
        for i in range(0, len(times), batch):
            # Made on the device: bringing numbers there would wait for it.
            when = [torch.full((1,), t, device=self._device) for t in times[i : i + batch]]
            if batch == 1:
                yield self._model.render(prepared, when[0])[0]
            else:
                yield from self._model.render_times(prepared, torch.cat(when))

    def _mixed(self, step: Step) -> torch.autocast:
        """A step's number format, for a `with` statement."""
        return mixed(step, self._device, self._autocast, kernels=self._rounds)

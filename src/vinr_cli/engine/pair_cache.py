"""Pairs of frames made ready for rendering: kept from before, begun ahead, or made on demand.

A frame is encoded once and serves both of its pairs; a pair is prepared once and serves every time.
With look-ahead, two threads prepare the pairs that will be asked for next (`ahead`).
"""

from collections.abc import Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor

from vinr_cli.engine.ahead import PAIRS, Ahead
from vinr_cli.engine.steps import Pair, Steps
from vinr_cli.engine.tiling import Tiling
from vinr_cli.model.videoinr import FrameFeatures, Prepared
from vinr_cli.plan.tiles import Tile

Key = tuple[Pair, Tile]


class PairCache:
    """The pair that is rendered, the one after it, and with look-ahead those after that.

    Args:
        steps: Makes what is not known.
        tiling: The same tiles.
    """

    def __init__(self, steps: Steps, tiling: Tiling) -> None:
        self._steps = steps
        self._tiling = tiling
        self._latest: dict[Tile, tuple[Pair, Prepared]] = {}  # prepared last
        self._current: dict[Tile, tuple[Pair, Prepared]] = {}  # being rendered
        self._expected: Sequence[Pair] = ()
        self._ahead: Ahead[Key, Prepared] | None = None

    @property
    def looks_ahead(self) -> bool:
        """Whether threads prepare what is expected."""
        return self._ahead is not None

    def start(self) -> None:
        """Start the threads."""
        self._ahead = Ahead(torch.get_num_threads())

    def stop(self) -> bool:
        """End the threads; returns whether there were any."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.close()
        return ahead is not None

    def expect(self, pairs: Sequence[Pair]) -> None:
        """Name the pairs that will be asked for next, in order."""
        self._expected = tuple(pairs)

    def forget_current(self) -> None:
        """Another pair is going to be rendered."""
        self._current.clear()

    def obtain(self, pair: Pair, tile: Tile) -> Prepared:
        """The pair on a tile's grid, from wherever it is known."""
        known = self._current.get(tile)
        if known is not None and known[0] == pair:
            return known[1]
        prepared = None if self._ahead is None else self._ahead.pair((pair, tile))
        if prepared is None:
            prepared = self._prepare(pair, tile)
        if self._tiling.keeps_all:
            self._current[tile] = pair, prepared
        return prepared

    def begin(self, pair: Pair, tile: Tile, place: int = 0) -> None:
        """Let a thread prepare a pair in a tile, if there is one, and room.

        Args:
            pair: The frames.
            tile: The tile.
            place: How many others wait before it.
        """
        if self._ahead is None or not self._tiling.has_room_for(2 + place):
            return
        known = self._current.get(tile)
        if known is None or known[0] != pair:
            self._ahead.begin_pair((pair, tile), lambda: self._prepare(pair, tile))

    def begin_expected(self) -> None:
        """Begin the next pairs, and the frames of those after them, once."""
        if not self._expected or self._ahead is None or not self._tiling.has_room_for(2):
            return
        expected, self._expected = self._expected, ()
        tile = self._tiling.layout.tiles[0]
        if not self._tiling.layout.whole:
            self.begin(expected[0], tile)
            return
        # What a pair that was begun needs of its frames has been taken, or will be.
        rest = [pair for pair in expected if not self._ahead.begun((pair, tile))]
        for pair in rest:
            if pair.first is not pair.second:
                encode = partial(self._steps.encode_and_paint, pair.second, tile)
                self._ahead.begin_frame(pair.second, encode)
        waiting = len(expected) - len(rest)
        for place, pair in enumerate(rest[: PAIRS - waiting], waiting):
            self.begin(pair, tile, place)

    def _prepare(self, pair: Pair, tile: Tile) -> Prepared:
        """The pair on a tile's grid; nothing is done twice that is still known.

        Only one thread is ever in here: who asks waits for what was begun before.
        """
        known, previous = self._latest.get(tile), None
        if known is not None and known[0] == pair:
            return known[1]
        if known is not None and known[0].second is pair.first:
            previous = known[1]
            earlier = previous.features.second
        else:
            earlier = self._encode(pair.first, tile)
        later = earlier if pair.second is pair.first else self._encode(pair.second, tile)
        prepared = self._steps.prepare(pair, earlier, later, tile, previous)
        if self._tiling.keeps_all:
            self._latest[tile] = pair, prepared
        return prepared

    def _encode(self, frame: Tensor, tile: Tile) -> FrameFeatures:
        """Features of what a tile sees of a frame, begun ahead or made now."""
        begun = None
        if self._ahead is not None and self._tiling.layout.whole:
            begun = self._ahead.frame(frame)
        return self._steps.encode(frame, tile) if begun is None else cast(FrameFeatures, begun)

"""The motion between two frames by native kernels: the same as `search`, which stays the reference.

What a level's convolutions see (both frames' features at the ends of the motion, cosines, the
coarser level's state) is made row by row inside of their chain. Motions, keys and cosines are
float32.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from vinr_cli.model.compact.chain import ZERO, Chain, Order, Rows
from vinr_cli.model.compact.frame import PYRAMID_STRIDE
from vinr_cli.model.compact.fused import Moves
from vinr_cli.model.compact.fused_frame import FrameMaps, FusedFrame, FusedSurvey, batched, map_of
from vinr_cli.model.compact.layers import Stack
from vinr_cli.model.compact.motion import CompactFeatures, TimeINR
from vinr_cli.model.compact.search import (
    SPREAD_SHARPNESS,
    SPREAD_SIDE,
    SPREADS,
    Gate,
    MotionLevel,
    MotionSearch,
    SurveyedPair,
)
from vinr_cli.model.config import CompactConfig
from vinr_cli.model.layers import SLOPE, Convolution
from vinr_cli.model.videoinr import Features
from vinr_cli.native import library as native
from vinr_cli.native.library import Form


@dataclass(frozen=True, eq=False)
class FusedFeatures(Features):
    """Features of a pair for the native kernels.

    Attributes:
        moves: Of each pair of the batch.
        hidden: Channels of the time INR.
    """

    moves: tuple[Moves, ...]
    hidden: int

    @property
    def kernels(self) -> native.Kernels:
        """What made its maps."""
        return self.moves[0].kernels

    def plain(self) -> CompactFeatures:
        """The same for PyTorch; of the motion's levels only the last."""
        motion = torch.stack([m.motion for m in self.moves])
        return CompactFeatures(
            first=cast(FusedFrame, self.first).plain(),
            second=cast(FusedFrame, self.second).plain(),
            motion=motion,
            state=batched([m.state for m in self.moves], self.hidden),
            levels=(motion,),
        )


class CoarseMotion:
    """The motion of two whole frames at 1/8 of LR: maps, which nothing makes float32.

    Attributes:
        motion: (2, Hp/8, Wp/8), in cells.
        state: A map, handed to the next level.
    """

    def __init__(self, motion: Tensor, state: Tensor) -> None:
        self.motion, self.state = motion, state

    def part(self, origin: tuple[int, int], shape: tuple[int, int]) -> "CoarseMotion":
        """What a tile sees; arguments as for `SurveyedPair.part`."""
        rows, cols = (
            slice(start // PYRAMID_STRIDE, (start + length) // PYRAMID_STRIDE)
            for start, length in zip(origin, shape, strict=True)
        )
        return CoarseMotion(
            self.motion[:, rows, cols].contiguous(), self.state[rows, cols].contiguous()
        )


@dataclass(frozen=True, eq=False)
class FusedSurveyedPair:
    """`CoarseMotion` of each pair of the batch."""

    kernels: native.Kernels
    moves: tuple[CoarseMotion, ...]

    def plain(self, search: MotionSearch) -> SurveyedPair:
        """The same for PyTorch."""
        channels = cast(MotionLevel, search.levels[0]).step.in_channels
        motion = torch.stack([move.motion for move in self.moves])
        return SurveyedPair(motion, batched([move.state for move in self.moves], channels))

    def part(self, origin: tuple[int, int], shape: tuple[int, int]) -> "FusedSurveyedPair":
        """What a tile sees; arguments as for `SurveyedPair.part`."""
        moves = tuple(move.part(origin, shape) for move in self.moves)
        return FusedSurveyedPair(self.kernels, moves)


@dataclass(frozen=True)
class _Level:
    """A pair's features and keys at one level, maps of both frames."""

    seen: tuple[Tensor, Tensor]
    keys: tuple[Tensor, Tensor]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in cells."""
        height, width = self.keys[0].shape[:2]
        return height, width


class Searcher:
    """`MotionSearch` by kernels, for one pair.

    Args:
        kernels: What does it.
        search: Whose weights are taken.
        config: Of the network.
    """

    def __init__(
        self, kernels: native.Kernels, search: MotionSearch, config: CompactConfig
    ) -> None:
        self._kernels, self._search, self._config = kernels, search, config
        self._levels = [cast(MotionLevel, level) for level in search.levels]
        self._handed = [level.step.in_channels for level in self._levels]
        self._seen = config.pyramid[::-1]

    # -- the coarse levels --------------------------------------------------------------------

    def coarse(self, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> CoarseMotion:
        """`MotionSearch._coarse`: both frames' features and keys at 1/8."""
        levels = [_Level((first[0], second[0]), (first[1], second[1]))]
        for _ in range(self._search.octaves):
            levels.append(self._halved(levels[-1]))
        motion, state = self._found(levels[-1], None)
        gate = cast(Gate, self._search.gates[0])
        for level in levels[-2::-1]:
            far, far_state = self._found(level, self._up(motion, level.size))
            near, _ = self._found(level, None)
            near, near_state = self._found(level, near)
            fits = self._match(level, near), self._match(level, far)
            motion, state = self._mix(
                (near, far), fits, (near_state, far_state),
                sharpness=float(gate.sharpness), bias=float(gate.bias),
            )  # fmt: skip
            motion, state = self._spread(level, motion, state)
        return CoarseMotion(motion, state)

    def _halved(self, level: _Level) -> _Level:
        height, width = (n // 2 for n in level.size)
        channels = self._seen[0]
        made = []
        for seen, keys in zip(level.seen, level.keys, strict=True):
            half = self._kernels.map(height, width, channels)
            half_keys = native.empty(height, width, keys.shape[2])
            self._kernels.run(
                native.HalveJob(
                    keys=native.floats(keys),
                    seen=native.address(seen),
                    half_keys=native.floats(half_keys),
                    half_seen=native.address(half),
                    key_channels=self._config.key,
                    seen_channels=channels,
                    height=height,
                    width=width,
                )
            )
            made.append((half, half_keys))
        return _Level((made[0][0], made[1][0]), (made[0][1], made[1][1]))

    def _spread(self, level: _Level, motion: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        fit = self._match(level, motion)
        for _ in range(SPREADS - 1):
            offered = self._mean(motion, fit)
            fits = fit, self._match(level, offered)
            motion, _ = self._mix((motion, offered), fits, None, sharpness=SPREAD_SHARPNESS)
            fit = self._match(level, motion)
        offered, offered_state = self._found(level, self._mean(motion, fit))
        fits, states = (fit, self._match(level, offered)), (state, offered_state)
        return self._mix((motion, offered), fits, states, sharpness=SPREAD_SHARPNESS)

    # -- all of it ----------------------------------------------------------------------------

    def whole(
        self, first: FrameMaps, second: FrameMaps, pictures: tuple[Tensor, Tensor],
        known: CoarseMotion | None, time: TimeINR,
    ) -> Moves:  # fmt: skip
        """`MotionSearch.forward`, and the time INR's first layer.

        Args:
            first: Of the earlier frame, or of a tile of it.
            second: Of the later frame.
            pictures: Both frames, (3, H, W).
            known: For a tile: its part of the whole frames' coarse motion.
            time: Whose first layer follows.
        """
        if known is None:
            coarsest = [(maps.seen[-1], maps.keys[-1]) for maps in (first, second)]
            known = self.coarse(coarsest[0], coarsest[1])
        motion, state = known.motion, known.state
        for step, i in ((1, 1), (2, 0)):
            level = _Level((first.seen[i], second.seen[i]), (first.keys[i], second.keys[i]))
            motion = self._kept(cast(Gate, self._search.gates[step]), level, motion)
            motion, state = self._found(level, motion, state=state, step=step)
        return self._last(first, second, pictures, motion=motion, state=state, time=time)

    def _last(
        self, first: FrameMaps, second: FrameMaps, pictures: tuple[Tensor, Tensor], *,
        motion: Tensor, state: Tensor, time: TimeINR,
    ) -> Moves:  # fmt: skip
        """The refinement at LR."""
        height, width = first.fine.shape[:2]
        search, kernels, fine = self._search, self._kernels, self._config.fine
        motion = self._up(motion, (height, width))
        moved = native.empty(2, height, width)
        handed = self._handed[-1]
        job = native.ApproachJob(
            seen=native.TwoAddresses(native.address(first.fine), native.address(second.fine)),
            state=native.address(state),
            frame=native.TwoFloats(*(native.floats(p) for p in pictures)),
            motion=native.floats(motion),
            moved=native.floats(moved),
            seen_channels=fine,
            state_channels=handed,
            frame_height=pictures[0].shape[1],
            frame_width=pictures[0].shape[2],
        )
        each = fine + 3
        order = self._order(
            seen=(range(3, each), range(each + 3, 2 * each)),
            state=range(2 * each, 2 * each + handed),
            colours=(range(3), range(each, each + 3)),
            motion=range(2 * each + handed, 2 * each + handed + 2),
        )
        chain = Chain(kernels)
        rows = self._stack(chain, search.last_state, chain.approach(job, height, width, order))
        chain.convolve(search.last_step, rows, form=Form.MOVES, out=moved)
        begun = kernels.map(height, width, time.state.out_channels)
        chain.convolve(time.state, rows, form=Form.NUMBERS, out=begun)
        chain.run()
        return Moves(kernels, moved, begun)

    def _found(
        self, level: _Level, motion: Tensor | None, *, state: Tensor | None = None, step: int = 0
    ) -> tuple[Tensor, Tensor]:
        """One step of a level from a motion in its cells, or from none: motion and state."""
        search, seen = self._levels[step], self._seen[step]
        height, width = level.size
        side = 2 * search.radius + 1
        handed = 0 if state is None else self._handed[step - 1]
        moved = native.empty(2, height, width)
        job = native.ApproachJob(
            keys=native.TwoFloats(*(native.floats(x) for x in level.keys)),
            seen=native.TwoAddresses(*(native.address(x) for x in level.seen)),
            state=None if state is None else native.address(state),
            motion=None if motion is None else native.floats(motion),
            moved=native.floats(moved),
            key_channels=self._config.key,
            seen_channels=seen,
            state_channels=handed,
            radius=search.radius,
            sharpness=float(search.sharpness),
        )
        after = side * side + 2 * seen
        order = self._order(
            seen=(range(side * side, side * side + seen), range(side * side + seen, after)),
            state=range(after, after + handed),
            costs=range(side * side),
            # The coarsest level's convolutions do not see the motion that they begin with.
            motion=range(after + handed, after + handed + 2) if step else (ZERO,) * 2,
            moved=motion is not None,
        )
        chain = Chain(self._kernels)
        rows = self._stack(chain, search.state, chain.approach(job, height, width, order))
        chain.convolve(search.step, rows, form=Form.MOVES, out=moved)
        kept = chain.keep(rows, self._handed[step])
        chain.run()
        return moved, kept

    def _order(
        self, *, seen: tuple[range, range], state: range, colours: tuple[range, ...] = (),
        costs: range = range(0), motion: range | tuple[int, ...], moved: bool = True,
    ) -> Order:  # fmt: skip
        """The channels of an approach's numbers (approach.hpp: approach_row)."""
        times = 2 if self._kernels.splits else 1
        order: list[int] = []
        for part in (*seen, state):
            order += [*part, *[ZERO] * (native.padded(len(part)) - len(part))]
        for part in colours:
            order += [*part] * times
        order += costs
        if moved:
            order += [*motion] * times
        unit = 2 if self._kernels.splits else native.PAD
        return (*order, *[ZERO] * (-len(order) % unit))

    def _stack(self, chain: Chain, stack: Stack, rows: Rows) -> Rows:
        for layer in stack:
            if isinstance(layer, Convolution):
                rows = chain.convolve(layer, rows, slope=SLOPE)
        return rows

    # -- small maps ---------------------------------------------------------------------------

    def _up(self, motion: Tensor, size: tuple[int, int]) -> Tensor:
        out = native.empty(2, *size)
        self._kernels.run(
            native.EnlargeMotionJob(
                motion=native.floats(motion), out=native.floats(out), height=size[0], width=size[1]
            )
        )
        return out

    def _match(self, level: _Level, motion: Tensor | None) -> Tensor:
        height, width = level.size
        fit = native.empty(height, width)
        self._kernels.run(
            native.MatchJob(
                keys=native.TwoFloats(*(native.floats(x) for x in level.keys)),
                motion=None if motion is None else native.floats(motion),
                fit=native.floats(fit),
                key_channels=self._config.key,
                height=height,
                width=width,
            )
        )
        return fit

    def _mean(self, motion: Tensor, fit: Tensor) -> Tensor:
        out = native.empty(*motion.shape)
        self._kernels.run(
            native.MeanJob(
                motion=native.floats(motion),
                fit=native.floats(fit),
                out=native.floats(out),
                sharpness=SPREAD_SHARPNESS,
                side=SPREAD_SIDE,
                height=fit.shape[0],
                width=fit.shape[1],
            )
        )
        return out

    def _kept(self, gate: Gate, level: _Level, motion: Tensor) -> Tensor:
        motion = self._up(motion, level.size)
        fits = self._match(level, None), self._match(level, motion)
        kept, _ = self._mix(
            (None, motion), fits, None, sharpness=float(gate.sharpness), bias=float(gate.bias)
        )
        return kept

    def _mix(
        self, motions: tuple[Tensor | None, Tensor], fits: tuple[Tensor, Tensor],
        states: tuple[Tensor, Tensor] | None, *, sharpness: float, bias: float = 0.0,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """From the first motion (none is standing still) to the second, by how much better it fits.

        Returns:
            Motion and state; without states the motion twice.
        """
        out = native.empty(*motions[1].shape)
        channels = 0 if states is None else self._handed[0]
        out_state = (
            out if states is None else self._kernels.map(out.shape[1], out.shape[2], channels)
        )
        given = (None, None) if states is None else tuple(native.address(s) for s in states)
        self._kernels.run(
            native.MixJob(
                motion=native.TwoFloats(
                    *(native.Floats() if m is None else native.floats(m) for m in motions)
                ),
                fit=native.TwoFloats(*(native.floats(f) for f in fits)),
                state=native.TwoAddresses(*given),
                out=native.floats(out),
                out_state=native.address(out_state),
                sharpness=sharpness,
                bias=bias,
                state_channels=channels,
                pixels=out[0].numel(),
            )
        )
        return out, out_state


def search_pair(
    search: MotionSearch, time: TimeINR, first: FusedFrame, second: FusedFrame, *,
    config: CompactConfig, known: FusedSurveyedPair | None = None,
) -> FusedFeatures:  # fmt: skip
    """`MotionSearch.forward` and the time INR's first layer, for a batch.

    Args:
        search: Whose weights are taken.
        time: The same.
        first: Features of the earlier frame, or of a tile of it.
        second: The same of the later frame, by the same kernels.
        config: Of the network.
        known: For a tile: its part of the whole frames' coarse motion.
    """
    kernels = first.kernels
    searcher = Searcher(kernels, search, config)
    pictures = [frame.frame.contiguous() for frame in (first, second)]
    moves = tuple(
        searcher.whole(
            first.maps[i], second.maps[i], (pictures[0][i], pictures[1][i]),
            None if known is None else known.moves[i], time,
        )
        for i in range(len(first.maps))
    )  # fmt: skip
    return FusedFeatures(first, second, moves, time.state.out_channels)


def survey_pair(
    search: MotionSearch, first: FusedSurvey, second: FusedSurvey, *, config: CompactConfig
) -> FusedSurveyedPair:
    """`MotionSearch.survey`; arguments as for `search_pair`."""
    kernels = first.kernels
    searcher = Searcher(kernels, search, config)
    pairs = zip(first.maps, second.maps, strict=True)
    return FusedSurveyedPair(kernels, tuple(searcher.coarse(a, b) for a, b in pairs))


def moves_of_plain(kernels: native.Kernels, features: CompactFeatures) -> tuple[Moves, ...]:
    """What PyTorch found, for the kernels."""
    return tuple(
        Moves(kernels, motion.contiguous(), map_of(state, kernels.numbers))
        for motion, state in zip(features.motion, features.state, strict=True)
    )

"""The motion between two frames, coarse to fine."""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from vinr_cli.model.compact.canvas import normalised
from vinr_cli.model.compact.frame import PYRAMID_STRIDE, CompactFrame, SurveyedFrame
from vinr_cli.model.compact.layers import Stack, zeroed
from vinr_cli.model.config import CompactConfig
from vinr_cli.model.layers import conv

SPREADS = 3
"""How often a level's cells are offered their neighbours' motion."""

SPREAD_SIDE = 7
"""Side in cells of the neighbourhood whose motion is offered."""

SPREAD_SHARPNESS = 40.0
"""What a better match (a cosine) weighs when motions are averaged or compared."""


@dataclass(frozen=True, eq=False)
class SurveyedPair:
    """The motion of two whole frames at 1/8 of LR, from which tiles go on.

    Attributes:
        motion: (B, 2, Hp/8, Wp/8), in cells.
        state: (B, 48, Hp/8, Wp/8), handed to the next level.
    """

    motion: Tensor
    state: Tensor

    def part(self, origin: tuple[int, int], shape: tuple[int, int]) -> "SurveyedPair":
        """What a tile sees.

        Args:
            origin: Its first (row, column) in LR pixels, a multiple of `PYRAMID_STRIDE`.
            shape: (height, width) of its padded frame in LR pixels.
        """
        rows, cols = (
            slice(start // PYRAMID_STRIDE, (start + length) // PYRAMID_STRIDE)
            for start, length in zip(origin, shape, strict=True)
        )
        return SurveyedPair(self.motion[:, :, rows, cols], self.state[:, :, rows, cols])


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Read x at each pixel's position plus the flow; (B, C, H, W) and (B, 2, H, W), in pixels."""
    height, width = flow.shape[-2:]
    xs = torch.arange(width, device=flow.device, dtype=torch.float32)
    ys = torch.arange(height, device=flow.device, dtype=torch.float32)
    flow = flow.float()
    where = normalised(xs + flow[:, 0], ys[:, None] + flow[:, 1], (height, width))
    return F.grid_sample(
        x.float(), where, mode="bilinear", padding_mode="border", align_corners=False
    )


def cost_volume(first: Tensor, second: Tensor, radius: int) -> Tensor:
    """Cosine of both frames' keys for every displacement, as seen from their middle.

    A displacement d is split between the frames: the first is read at x - floor(d/2), the second
    at x + ceil(d/2).

    Args:
        first: (B, C, H, W), unit length over C.
        second: The same for the second frame.
        radius: Largest displacement in cells.

    Returns:
        (B, (2·radius + 1)², H, W), row-major in (dy, dx).
    """
    height, width = first.shape[-2:]
    first = F.pad(first, [radius] * 4, mode="replicate")
    second = F.pad(second, [radius] * 4, mode="replicate")

    def shifted(x: Tensor, dy: int, dx: int) -> Tensor:
        return x[:, :, radius + dy : radius + dy + height, radius + dx : radius + dx + width]

    steps = range(-radius, radius + 1)
    costs = [
        (shifted(first, -(dy // 2), -(dx // 2)) * shifted(second, dy - dy // 2, dx - dx // 2)).sum(
            1
        )
        for dy in steps
        for dx in steps
    ]
    return torch.stack(costs, 1)


def soft_argmax(cost: Tensor, sharpness: Tensor, radius: int) -> Tensor:
    """Mean displacement (x, y) under softmax(sharpness · cost); (B, 2, H, W), in cells."""
    steps = torch.arange(-radius, radius + 1, device=cost.device, dtype=torch.float32)
    dy, dx = torch.meshgrid(steps, steps, indexing="ij")
    weights = torch.softmax(cost.float() * sharpness.float(), 1)
    where = torch.stack([dx.flatten(), dy.flatten()])
    with torch.autocast(cost.device.type, enabled=False):  # a motion is never rounded
        return torch.einsum("bkhw,ck->bchw", weights, where)


class MotionLevel(nn.Module):
    """One step of the coarse-to-fine search."""

    def __init__(self, *, inputs: int, radius: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.radius = radius
        self.state = Stack((2 * radius + 1) ** 2 + inputs, *widths)
        self.step = zeroed(conv(widths[-1], 2))
        self.sharpness = nn.Parameter(torch.tensor(12.0))

    def forward(
        self, keys: tuple[Tensor, Tensor], rest: list[Tensor], motion: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Refine a motion.

        Args:
            keys: Both frames' keys, already warped to the middle by the motion.
            rest: What else the convolutions see, all at this level.
            motion: (B, 2, H, W) so far, in cells of this level; None at the coarsest.

        Returns:
            The motion, in cells of this level, and the state handed to the next.
        """
        cost = cost_volume(*keys, self.radius)
        state = self.state(torch.cat([cost, *rest], 1))
        step = self.step(state).float() + soft_argmax(cost, self.sharpness, self.radius)
        return (step if motion is None else motion + step), state


def _up(x: Tensor) -> Tensor:
    """Twice the size, bilinear."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def _halved(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both at half the size, by the mean of each 2x2 cells."""
    return F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)


def match(first: Tensor, second: Tensor, motion: Tensor | None = None) -> Tensor:
    """How well both frames' keys agree once brought to the middle: mean cosine of 3x3 cells.

    Args:
        first: (B, C, H, W), unit length over C.
        second: The same for the second frame.
        motion: (B, 2, H, W), in cells; None is standing still.

    Returns:
        (B, 1, H, W), in [-1, 1].
    """
    if motion is not None:
        first, second = warp(first, -motion / 2), warp(second, motion / 2)
    cosine = (first * second).sum(1, keepdim=True)
    return F.avg_pool2d(cosine, 3, 1, 1, count_include_pad=False)


def _better(gain: Tensor) -> Tensor:
    """Weight of what has this gain in `match`; same shape, in [0, 1]."""
    return torch.sigmoid(SPREAD_SHARPNESS * gain)


def trusted_mean(motion: Tensor, fit: Tensor) -> Tensor:
    """The neighbourhood's motion: a mean of which cells that match well have nearly all the weight.

    Args:
        motion: (B, 2, H, W), in cells.
        fit: `match` of that motion, (B, 1, H, W).

    Returns:
        (B, 2, H, W), means over `SPREAD_SIDE` squared cells.
    """
    weight = torch.exp(SPREAD_SHARPNESS * (fit - 1))
    summed = F.avg_pool2d(torch.cat([motion * weight, weight], 1), SPREAD_SIDE, 1, SPREAD_SIDE // 2)
    return summed[:, :2] / summed[:, 2:].clamp(min=torch.finfo(summed.dtype).tiny)


class Gate(nn.Module):
    """Weight of a motion from a coarser level, by how much better it explains the frames.

    What a coarse cell has in it of a moving object would otherwise drag still background along,
    and what it mistook in a repeated pattern would stay, further away than a finer level's cost
    volume can bring it back.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(12.0))
        self.bias = nn.Parameter(torch.tensor(1.0))

    def forward(self, gain: Tensor) -> Tensor:
        """Weights in [0, 1] from gains in `match`; (B, 1, H, W) both."""
        return torch.sigmoid(self.sharpness * gain + self.bias)


class MotionSearch(nn.Module):
    """The motion of a pair, coarse to fine, to LR.

    The level at 1/8 of LR is run at coarser octaves first, with the same weights on averaged
    features: large frames move by more cells than one cost volume sees.
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.octaves = config.octaves
        c1, c2, c3 = config.pyramid
        r3, r2, r1 = config.radius
        self.levels = nn.ModuleList(
            [
                MotionLevel(inputs=2 * c3, radius=r3, widths=(64, 64, 48)),
                MotionLevel(inputs=2 * c2 + 48 + 2, radius=r2, widths=(64, 48, 48)),
                MotionLevel(inputs=2 * c1 + 48 + 2, radius=r1, widths=(48, 32, 32)),
            ]
        )
        self.gates = nn.ModuleList(Gate() for _ in range(3))
        self.last_state = Stack(2 * (config.fine + 3) + 32 + 2, 32, 32)
        self.last_step = zeroed(conv(32, 2))

    def forward(
        self, first: CompactFrame, second: CompactFrame, known: SurveyedPair | None = None
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Search.

        Args:
            first: Features of the earlier frame, or of a tile of it.
            second: The same of the later frame.
            known: For a tile: its part of the whole frames' coarse motion.

        Returns:
            Motion (B, 2, Hp, Wp) in LR pixels, state (B, 32, Hp, Wp), and every level's motion.
        """
        if known is None:
            found, state = self._coarse(
                SurveyedFrame(first.pyramid[-1], first.keys[-1]),
                SurveyedFrame(second.pyramid[-1], second.keys[-1]),
            )
        else:
            found, state = [known.motion], known.state
        motion = found[-1]
        for search, gate, i in zip(self.levels[1:], self.gates[1:], (1, 0), strict=True):
            motion, state = self._kept(gate, first.keys[i], second.keys[i], motion), _up(state)
            back, forth = -motion / 2, motion / 2
            a, b = warp(first.pyramid[i], back), warp(second.pyramid[i], forth)
            keys = warp(first.keys[i], back), warp(second.keys[i], forth)
            motion, state = search(keys, [a, b, state, motion], motion)
            found.append(motion)
        motion, state = _up(motion) * 2, _up(state)
        a = warp(torch.cat([first.padded, first.fine], 1), -motion / 2)
        b = warp(torch.cat([second.padded, second.fine], 1), motion / 2)
        state = self.last_state(torch.cat([a, b, state, motion], 1))
        motion = motion + self.last_step(state).float()
        return motion, state, (*found, motion)

    def survey(self, first: SurveyedFrame, second: SurveyedFrame) -> SurveyedPair:
        """The motion of whole frames at 1/8 of LR."""
        found, state = self._coarse(first, second)
        return SurveyedPair(found[-1], state.float())

    def _coarse(self, first: SurveyedFrame, second: SurveyedFrame) -> tuple[list[Tensor], Tensor]:
        """The motion at 1/8 of LR after every coarser octave, coarsest first, and its state."""
        keys = [(first.key, second.key)]
        seen = [(first.seen, second.seen)]
        for _ in range(self.octaves):
            a, b = _halved(*keys[-1])
            keys.append((F.normalize(a, dim=1), F.normalize(b, dim=1)))
            seen.append(_halved(*seen[-1]))
        motion, state = self.levels[0](keys[-1], list(seen[-1]), None)
        found = [motion]
        for ours, features in zip(keys[-2::-1], seen[-2::-1], strict=True):
            far, far_state = self._refined(ours, features, _up(motion) * 2)
            near, _ = self.levels[0](ours, list(features), None)
            near, near_state = self._refined(ours, features, near)
            weight = self.gates[0](match(*ours, far) - match(*ours, near))
            motion = torch.lerp(near, far, weight)
            state = torch.lerp(near_state, far_state, weight.to(far_state.dtype))
            motion, state = self._spread(ours, features, motion, state)
            found.append(motion)
        return found, state

    def _spread(
        self,
        keys: tuple[Tensor, Tensor],
        features: tuple[Tensor, Tensor],
        motion: Tensor,
        state: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Offer every cell its neighbours' motion, and keep whatever explains the frames better.

        A cell of plain or repeated texture finds nothing of its own, while one beside it that moves
        with it may have found the motion without doubt (the idea of PatchMatch, Barnes et al.,
        2009). The last offer is refined first, which gives the state, too.
        """
        fit = match(*keys, motion)
        for _ in range(SPREADS - 1):
            offered = trusted_mean(motion, fit)
            motion = torch.lerp(motion, offered, _better(match(*keys, offered) - fit))
            fit = match(*keys, motion)
        offered, offered_state = self._refined(keys, features, trusted_mean(motion, fit))
        weight = _better(match(*keys, offered) - fit)
        state = torch.lerp(state, offered_state, weight.to(state.dtype))
        return torch.lerp(motion, offered, weight), state

    def _refined(
        self, keys: tuple[Tensor, Tensor], features: tuple[Tensor, Tensor], motion: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One more step of the level at 1/8 from a motion in its cells, and its state."""
        back, forth = -motion / 2, motion / 2
        warped = warp(keys[0], back), warp(keys[1], forth)
        rest = [warp(features[0], back), warp(features[1], forth)]
        refined: tuple[Tensor, Tensor] = self.levels[0](warped, rest, motion)
        return refined

    @staticmethod
    def _kept(gate: nn.Module, first: Tensor, second: Tensor, motion: Tensor) -> Tensor:
        """A coarser level's motion at this level, without what standing still explains better."""
        motion = _up(motion) * 2
        return motion * cast(Tensor, gate(match(first, second, motion) - match(first, second)))

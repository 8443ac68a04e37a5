"""What training minimises."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from vinr_cli.evaluate.metrics import BLOCK
from vinr_cli.model.compact.motion import CompactFeatures
from vinr_cli.model.compact.network import CompactPrepared
from vinr_cli.model.compact.search import warp
from vinr_cli.model.grid import Axis, Grid
from vinr_cli.model.videoinr import FrameFeatures, Network
from vinr_cli.train.config import LossConfig
from vinr_cli.train.data import Batch


def charbonnier(difference: Tensor, epsilon: float) -> Tensor:
    """Mean of sqrt(d² + ε²): an absolute value that is smooth at zero."""
    return torch.sqrt(difference.float() ** 2 + epsilon**2).mean()


def halves(features: FrameFeatures) -> tuple[FrameFeatures, FrameFeatures]:
    """Split features of 2 B frames encoded together into those of the first and second B."""
    count = features.frame.shape[0] // 2

    def part(value: Any, where: slice) -> Any:
        if value is None:  # what only rendering fills in
            return None
        return value[where] if isinstance(value, Tensor) else tuple(v[where] for v in value)

    first, second = (
        type(features)(**{name: part(value, where) for name, value in vars(features).items()})
        for where in (slice(0, count), slice(count, None))
    )
    return first, second


def block_steps(picture: Tensor, scale: float, origin: tuple[int, int]) -> Tensor:
    """Differences over one LR pixel, taken across the lines between blocks of 8x8 LR pixels.

    What `evaluate.metrics.blockiness` looks at, for windows. Of an error, they are what a codec
    left at its blocks' borders: a step that the truth has is none of it.

    Args:
        picture: (B, C, H, W), a window.
        scale: Output pixels an LR pixel.
        origin: (top, left) of the window, in output pixels of the whole patch, whose first row
            and column begin a block.

    Returns:
        (B, n), both directions; n is 0 where no such line crosses the window.
    """
    steps = [picture.new_zeros(len(picture), 0)]
    for part, start in ((picture, origin[1]), (picture.mT, origin[0])):
        width = part.shape[-1]
        count = int((start + width) / scale / BLOCK)
        lines = [BLOCK * k * scale - start for k in range(1, count + 1)]
        pairs = [(round(x - scale / 2 - 0.5), round(x + scale / 2 - 0.5)) for x in lines]
        kept = [(a, b) for a, b in pairs if a >= 0 and b < width and a < b]
        if kept:
            before, after = torch.tensor(kept, device=part.device).T
            steps.append((part[..., after] - part[..., before]).flatten(1))
    return torch.cat(steps, 1)


class TrainStep(nn.Module):
    """One forward pass of training as a module, so that DistributedDataParallel can wrap it.

    Args:
        network: The network to train.
        config: Weights of the losses.
        bf16: Whether convolutions run in bfloat16.
    """

    def __init__(self, network: Network, config: LossConfig, *, bf16: bool) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.bf16 = bf16

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Losses by name; "total" is the one to minimise.

        Args:
            batch: Samples on the network's device.
        """
        inputs = batch.inputs
        device = inputs.device.type
        top, left, height, width = batch.window
        lr, hr = inputs.shape[-1], batch.target.shape[-1]
        grid = Grid(Axis(lr, hr, top, top + height, 0, lr), Axis(lr, hr, left, left + width, 0, lr))
        with torch.autocast(device, torch.bfloat16, enabled=self.bf16):
            first, second = halves(self.network.encode_frame(inputs.flatten(0, 1)))
            features = self.network.encode_pair(first, second)
            prepared = self.network.prepare(features, grid)
            out = self.network.render(prepared, batch.times)
        losses = {"picture": self._error(out, batch.windowed(batch.target))}
        total = losses["picture"]
        if isinstance(prepared, CompactPrepared) and self.config.canvas:
            ends = [batch.windowed(end) for end in (batch.first, batch.second)]
            errors = [self._error(a, b) for a, b in zip(prepared.still, ends, strict=True)]
            losses["canvas"] = (errors[0] + errors[1]) / 2
            total = total + self.config.canvas * losses["canvas"]
        if self.config.blocks:
            losses["blocks"] = self._blocks(out, batch)
            total = total + self.config.blocks * losses["blocks"]
        if isinstance(features, CompactFeatures) and self.config.motion:
            losses["motion"] = self._motion(features, batch)
            total = total + self.config.motion * losses["motion"]
        return {**losses, "total": total}

    def _error(self, a: Tensor, b: Tensor) -> Tensor:
        return charbonnier(a.float() - b, self.config.epsilon)

    def _blocks(self, out: Tensor, batch: Batch) -> Tensor:
        """The error's steps between blocks, over the samples that met a codec.

        On the others these lines are like any, and to weigh them more only costs detail.
        """
        top, left, _, _ = batch.window
        error = (out.float() - batch.windowed(batch.target))[batch.coded]
        scale = batch.target.shape[-1] / batch.inputs.shape[-1]
        steps = block_steps(error, scale, (top, left))
        if not steps.numel():
            return torch.zeros((), device=out.device)
        return charbonnier(steps, self.config.epsilon)

    def _motion(self, features: CompactFeatures, batch: Batch) -> Tensor:
        """How well each level's motion brings both LR frames to the target's time.

        At each level the frames are reduced to the level's size; from the middle's motion V the
        first frame is read at -t V and the second at (1 - t) V. Their blend should be the target
        and, by half the weight, each other.
        """
        first, second = batch.inputs
        t = batch.times[:, None, None, None]
        size = first.shape[-2:]
        target = F.interpolate(batch.target, size, mode="bilinear", antialias=True)
        total = torch.zeros((), device=t.device)
        for motion in features.levels:
            # One octave finer than the level itself, where the frames still show its motion.
            k = max(1, features.motion.shape[-1] // motion.shape[-1] // 2)
            a, b, goal = (F.avg_pool2d(x, k) for x in (first, second, target))
            flow = F.interpolate(motion.float(), a.shape[-2:], mode="bilinear")
            flow = flow * (a.shape[-1] / motion.shape[-1])
            a, b = warp(a, -t * flow), warp(b, (1 - t) * flow)
            total = total + self._error(torch.lerp(a, b, t), goal) + 0.5 * self._error(a, b)
            for dim in (2, 3):
                if motion.shape[dim] > 1:
                    total = total + self.config.smooth * motion.diff(dim=dim).abs().mean()
        return total / len(features.levels)

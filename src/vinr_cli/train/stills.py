"""A stage that teaches space alone: the frame's trunk and the space INR, on single pictures.

A single picture has all that space needs and costs a tenth of a pair, so a network learns its
detail several times as fast from stills; motion, which needs pairs, comes after. Sample n of a
process depends only on (seed, rank, n), as in `data`.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from vinr_cli.errors import InputError
from vinr_cli.model.compact.canvas import sample_axes
from vinr_cli.model.compact.network import CompactVideoINR
from vinr_cli.model.grid import Axis
from vinr_cli.train.cache import load_index
from vinr_cli.train.config import LossConfig, StillConfig
from vinr_cli.train.losses import charbonnier

LEAST_CONTRAST = 8.0
"""Standard deviation of a crop, in codes of 8 bits, below which it is drawn again."""


@dataclass(frozen=True, eq=False)
class StillBatch:
    """Samples of one step.

    Attributes:
        inputs: (B, 3, h, w), LR pictures, float32 in [0, 1], rounded to 8 bits.
        target: (B, 3, H, W), the same in full resolution, float32 in [0, 1].
    """

    inputs: Tensor
    target: Tensor


@dataclass(frozen=True, eq=False)
class RawStills:
    """Samples as cut from the cache.

    Attributes:
        pictures: (B, P, P, 3) uint8.
        lr_side: LR side that they are to be reduced to.
    """

    pictures: Tensor
    lr_side: int

    def finish(self, device: torch.device) -> StillBatch:
        """Scale on the device, by the field's protocol as `RawBatch.finish` does."""
        target = self.pictures.to(device).permute(0, 3, 1, 2).float() / 255
        size = (self.lr_side, self.lr_side)
        low = F.interpolate(target, size, mode="bicubic", antialias=True).clamp(0, 1)
        return StillBatch((low * 255).round() / 255, target)


class StillSource(Dataset[RawStills]):
    """Batch n, for any n.

    Args:
        folder: A finished cache.
        config: How samples are drawn.
        batch: Samples in a batch.
        seed: Of all randomness.
        rank: Number of this process; each has its own samples.

    Raises:
        InputError: the cache has no photos, or no frames of clips, although the config asks.
    """

    def __init__(
        self, folder: Path, config: StillConfig, *, batch: int, seed: int, rank: int
    ) -> None:
        self.folder, self.config = folder, config
        self.batch, self.seed, self.rank = batch, seed, rank
        share = {"photo": config.photo_share, "real": 1 - config.photo_share}
        clips = [c for c in load_index(folder) if share.get(c.kind)]
        self.arrays = [np.load(folder / c.file, mmap_mode="r") for c in clips]
        samples = [float(array.size) for array in self.arrays]
        total = {kind: 0.0 for kind in share}
        for clip, count in zip(clips, samples, strict=True):
            total[clip.kind] += count
        for kind, part in share.items():
            if part and not total[kind]:
                raise InputError(folder, f"has no {kind} pictures", "Build another cache.")
        weights = [
            share[c.kind] * count / total[c.kind] for c, count in zip(clips, samples, strict=True)
        ]
        self.ladder = np.cumsum(weights) / np.sum(weights)

    def __getitem__(self, step: int) -> RawStills:
        """Batch of a step."""
        scale = self._draw_scale(np.random.default_rng([self.seed, step]))  # on every process
        side = round(self.config.patch * scale)
        rng = np.random.default_rng([self.seed, step, self.rank + 1])
        crops = [self._augment(rng, self._draw(rng, side)) for _ in range(self.batch)]
        return RawStills(torch.from_numpy(np.stack(crops)), self.config.patch)

    def _draw_scale(self, rng: np.random.Generator) -> float:
        if rng.random() < self.config.fixed_share:
            return float(rng.choice(self.config.fixed_scales))
        low, high = np.log(self.config.scales)
        return float(np.exp(rng.uniform(low, high)))

    def _draw(self, rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
        """A crop (side, side, 3), rather one that is not flat.

        Raises:
            InputError: no picture is that large.
        """
        found: NDArray[np.uint8] | None = None
        for _ in range(200):
            which = int(np.searchsorted(self.ladder, rng.random()))
            array = self.arrays[min(which, len(self.arrays) - 1)]
            frames, height, width = array.shape[:3]
            if min(height, width) < side:
                continue
            y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
            found = array[int(rng.integers(frames)), y : y + side, x : x + side]
            if found[::4, ::4].std() >= LEAST_CONTRAST:
                break
        if found is None:
            raise InputError(
                self.folder, f"has hardly any picture of {side}x{side}", "Add larger ones."
            )
        return found

    def _augment(self, rng: np.random.Generator, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Flips, transpose, channel shuffle."""
        flips, shuffled = rng.random(4), rng.permutation(3)
        if flips[0] < 0.5:
            crop = crop[::-1]
        if flips[1] < 0.5:
            crop = crop[:, ::-1]
        if flips[2] < 0.5:
            crop = crop.swapaxes(0, 1)
        if flips[3] < self.config.channel_shuffle:
            crop = crop[..., shuffled]
        return np.ascontiguousarray(crop)


def fixed_stills(
    folder: Path, config: StillConfig, *, scale: float, count: int, seed: int
) -> RawStills:
    """The same samples every time at one scale, from the frames of clips: for validation."""
    fixed = replace(
        config, photo_share=0.0, fixed_scales=(scale,), fixed_share=1.0, channel_shuffle=0.0
    )
    return StillSource(folder, fixed, batch=count, seed=seed, rank=0)[0]


def space_parts(network: CompactVideoINR) -> tuple[nn.Module, ...]:
    """The modules that a stage of stills trains."""
    return network.frame.first, network.frame.trunk, network.space


def enlarge_stills(network: CompactVideoINR, inputs: Tensor, size: tuple[int, int]) -> Tensor:
    """Space alone: what the network's canvas shows of single pictures, without its decoder.

    Args:
        network: The packaged network's family.
        inputs: (B, 3, h, w), in [0, 1].
        size: (H, W), at least (h, w).

    Returns:
        (B, 3, H, W), float32.
    """
    low = inputs.contiguous(memory_format=torch.channels_last)
    axes = [Axis.full(lr, hr) for lr, hr in zip(low.shape[-2:], size, strict=True)]
    fy, fx = (-(-axis.hr // axis.lr) for axis in axes)
    colours = network.space.colours(network.frame.detail(low), low, (fy, fx))
    if colours.shape[-2:] == size:
        return colours
    rows, cols = (axis.position(low.device) for axis in axes)
    return sample_axes(colours, (rows + 0.5) * fy - 0.5, (cols + 0.5) * fx - 0.5)


class StillStep(nn.Module):
    """One forward pass of a stage of stills, as a module like `TrainStep`.

    Args:
        network: The network; `space_parts` of it are trained.
        config: Weights of the losses; its Charbonnier constant alone matters here.
        bf16: Whether convolutions run in bfloat16.
    """

    def __init__(self, network: CompactVideoINR, config: LossConfig, *, bf16: bool) -> None:
        super().__init__()
        self.network, self.config, self.bf16 = network, config, bf16
        network.requires_grad_(requires_grad=False)
        for part in space_parts(network):
            part.requires_grad_(requires_grad=True)

    def forward(self, batch: StillBatch) -> dict[str, Tensor]:
        """Losses by name; "total" is the one to minimise."""
        target = batch.target
        with torch.autocast(target.device.type, torch.bfloat16, enabled=self.bf16):
            size = (target.shape[2], target.shape[3])
            out = enlarge_stills(self.network, batch.inputs, size)
        loss = charbonnier(out.float() - target, self.config.epsilon)
        return {"picture": loss, "total": loss}

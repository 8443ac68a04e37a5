"""Samples from a cache of clips.

Sample n of a process depends only on (seed, rank, n), so a resumed run sees what the killed one
would have seen, and several workers need no shared state. Samples are cut as uint8; scaling happens
where the network is, except for samples that go through a codec first.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from vinr_cli.errors import InputError
from vinr_cli.media.measure import degrade, random_degradation
from vinr_cli.train.cache import load_index
from vinr_cli.train.config import SampleConfig

SMALLEST_WINDOW = 128
"""Side in HR pixels up to which the whole patch is rendered: below, rendering costs little."""

SMALLEST_PAN, LARGEST_PAN = 0.02, 0.4
"""How far a camera pans from the first input to the second, as a share of the patch's side."""

HOLE = 4
"""Side in LR pixels of the blocks that image-only samples leave out of an input."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples of one step.

    Attributes:
        inputs: (2, B, 3, h, w), the two LR frames, float32 in [0, 1], rounded to 8 bits.
        target: (B, 3, H, W), the frame at `times`, float32 in [0, 1].
        first: (B, 3, H, W), the first frame in full resolution.
        second: (B, 3, H, W), the second one.
        times: (B,), in [0, 1].
        window: (top, left, height, width) of what is rendered, in HR pixels.
        coded: (B,) bool, which inputs went through a codec.
    """

    inputs: Tensor
    target: Tensor
    first: Tensor
    second: Tensor
    times: Tensor
    window: tuple[int, int, int, int]
    coded: Tensor

    def windowed(self, x: Tensor) -> Tensor:
        """The rendered part of an HR picture."""
        top, left, height, width = self.window
        return x[..., top : top + height, left : left + width]


@dataclass(frozen=True, eq=False)
class RawBatch:
    """Samples as cut from the cache.

    Attributes:
        frames: (3, B, P, P, 3) uint8: first, target, second.
        times: (B,), in [0, 1].
        lr_side: LR side that the frames are to be reduced to.
        window: See `Batch.window`.
        coded: (2, n, h, w, 3) uint8, the inputs of those samples that went through a codec.
        which: (n,) int64, which samples those are.
        holes: (2, B, h / 4, w / 4) bool, LR blocks that are set to zero; None for none.
    """

    frames: Tensor
    times: Tensor
    lr_side: int
    window: tuple[int, int, int, int]
    coded: Tensor
    which: Tensor
    holes: Tensor | None = None

    def finish(self, device: torch.device) -> Batch:
        """Scale on the device.

        LR is the antialiased bicubic reduction, rounded to 8 bits: the field's protocol.
        """
        hr = self.frames.to(device).permute(0, 1, 4, 2, 3).float() / 255
        size = (self.lr_side, self.lr_side)
        ends = torch.cat([hr[0], hr[2]])
        lr = F.interpolate(ends, size, mode="bicubic", antialias=True).clamp(0, 1)
        lr = (lr * 255).round() / 255
        inputs = lr.view(2, -1, *lr.shape[1:])
        if len(self.which):
            coded = self.coded.to(device).permute(0, 1, 4, 2, 3).float() / 255
            inputs[:, self.which.to(device)] = coded
        if self.holes is not None:
            holes = self.holes.to(device).repeat_interleave(HOLE, 2).repeat_interleave(HOLE, 3)
            inputs = inputs.masked_fill(holes[:, :, None], 0.0)
        marks = torch.zeros(inputs.shape[1], dtype=torch.bool)
        marks[self.which] = True
        return Batch(
            inputs, hr[1], hr[0], hr[2], self.times.to(device), self.window, marks.to(device)
        )


@dataclass(frozen=True, eq=False)
class _Cut:
    """One sample.

    Attributes:
        frames: (3, P, P, 3) uint8: first, target, second.
        t: Of the target.
        around: (T, P, P, 3) uint8, frames at the inputs' distance, the inputs among them.
        at: Where in `around` the first input is; the second follows it.
    """

    frames: NDArray[np.uint8]
    t: float
    around: NDArray[np.uint8]
    at: int


def _reduce(frames: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(T, P, P, 3) to (T, side, side, 3), as `RawBatch.finish` does it."""
    x = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
    x = F.interpolate(x, (side, side), mode="bicubic", antialias=True)
    return x.clamp(0, 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


class SampleSource(Dataset[RawBatch]):
    """Batch n, for any n.

    Args:
        folder: A finished cache.
        config: How samples are drawn.
        batch: Samples in a batch.
        seed: Of all randomness.
        rank: Number of this process; each has its own samples.
    """

    def __init__(
        self, folder: Path, config: SampleConfig, *, batch: int, seed: int, rank: int
    ) -> None:
        self.config, self.batch, self.seed, self.rank = config, batch, seed, rank
        self.folder = folder
        clips = [c for c in load_index(folder) if c.kind != "photo"]
        self.arrays = [np.load(folder / c.file, mmap_mode="r") for c in clips]
        self.breaks = [np.array(c.breaks) for c in clips]
        share = {"real": 1 - config.synthetic_share, "synthetic": config.synthetic_share}
        frames = {k: sum(c.frames for c in clips if c.kind == k) for k in share}
        weights = np.array([share[c.kind] * c.frames / max(1, frames[c.kind]) for c in clips])
        self.ladder = np.cumsum(weights / weights.sum())

    def __getitem__(self, step: int) -> RawBatch:
        """Batch of a step."""
        config = self.config
        shape_rng = np.random.default_rng([self.seed, step])  # the same on every process
        scale, lr_side = self._draw_scale(shape_rng, step)
        side = round(lr_side * scale)
        window_side = min(side, max(SMALLEST_WINDOW, round(side * config.window)))
        top, left = shape_rng.integers(0, side - window_side + 1, 2)
        rng = np.random.default_rng([self.seed, step, self.rank + 1])
        stills = step < config.pretrain_steps
        # Larger patches in smaller numbers: at most twice the LR pixels of a usual batch.
        count = min(self.batch, max(1, round(2 * self.batch * (config.patch / lr_side) ** 2)))
        samples = [self._draw(rng, side, still=stills) for _ in range(count)]
        holes = rng.random((2, count, lr_side // HOLE, lr_side // HOLE)) < config.holes
        which = [i for i in range(count) if rng.random() < config.coded_share]
        coded = np.zeros((2, len(which), lr_side, lr_side, 3), np.uint8)
        for place, i in enumerate(which):
            cut = samples[i]
            clip = degrade(_reduce(cut.around, lr_side), random_degradation(rng))
            coded[:, place] = clip[cut.at : cut.at + 2]
        return RawBatch(
            frames=torch.from_numpy(np.stack([cut.frames for cut in samples], 1)),
            times=torch.tensor([cut.t for cut in samples], dtype=torch.float32),
            lr_side=lr_side,
            window=(int(top), int(left), window_side, window_side),
            coded=torch.from_numpy(coded),
            which=torch.tensor(which, dtype=torch.int64),
            holes=torch.from_numpy(holes) if stills else None,
        )

    def _draw_scale(self, rng: np.random.Generator, step: int) -> tuple[float, int]:
        """A scale and an LR side; small scales get large patches, where motion is large, too."""
        config = self.config
        if step < config.fixed_steps or rng.random() < config.fixed_share:
            return config.fixed_scale, config.patch
        low, high = config.scales
        if rng.random() < 0.5:
            scale = float(rng.choice([s for s in (1, 1, 2, 3) if low <= s <= high]))
        else:
            scale = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        larger = config.patch * (config.fixed_scale / scale) ** 0.75
        step = min(config.patch, 32)
        return scale, max(1, round(larger / step)) * step

    def _draw(self, rng: np.random.Generator, side: int, *, still: bool) -> _Cut:
        """A sample that is worth its time; (P, P) is (side, side).

        Raises:
            InputError: no clip is that large and long.
        """
        for _ in range(30):
            cut = self._try(rng, side, still=still)
            if cut is not None and (still or not self._dull(rng, cut.frames)):
                break
        for _ in range(1000):
            cut = cut or self._try(rng, side, still=still)
        if cut is None:
            raise InputError(
                self.folder,
                f"has hardly any clip of {side}x{side} pixels and {self.config.spans[0]} frames",
                "Add larger or longer clips.",
            )
        if rng.random() < self.config.endpoints:
            t = float(rng.integers(2))
            cut = replace(cut, t=t, frames=cut.frames[[0, 2 * int(t), 2]])
        return self._augment(rng, cut)

    def _try(self, rng: np.random.Generator, side: int, *, still: bool) -> _Cut | None:
        """A span of a random clip; None if it crosses a break or the clip is too small."""
        which = min(int(np.searchsorted(self.ladder, rng.random())), len(self.arrays) - 1)
        clip, breaks = self.arrays[which], self.breaks[which]
        low, high = self.config.spans
        high = min(high, len(clip))
        span = (
            int(rng.choice([low, high])) if rng.random() < 0.5 else int(rng.integers(low, high + 1))
        )
        if span > len(clip) or min(clip.shape[1:3]) < side:
            return None
        start = int(rng.integers(len(clip) - span + 1))
        stop = start + span - 1
        if ((breaks > start) & (breaks <= stop)).any():
            return None
        inner = int(rng.integers(1, span - 1))
        pans = not still and rng.random() < self.config.pan_share
        pan = _draw_pan(rng, side, span - 1, clip.shape[1:3]) if pans else (0, 0)
        way = [v * (span - 1) for v in pan]
        corner = [
            int(rng.integers(max(0, -d), n - side - max(0, d) + 1))
            for n, d in zip(clip.shape[1:3], way, strict=True)
        ]

        def window(i: int) -> tuple[slice, slice]:
            y, x = (at + v * (i - start) for at, v in zip(corner, pan, strict=True))
            return slice(y, y + side), slice(x, x + side)

        def inside(i: int) -> bool:
            limits = zip(window(i), clip.shape[1:3], strict=True)
            return all(part.start >= 0 and part.stop <= n for part, n in limits)

        picked = [start] * 3 if still else [start, start + inner, stop]
        around = [picked[0], picked[2]]
        if self.config.coded_share and not still:
            around = [i for i in _neighbours(start, span - 1, len(clip), breaks) if inside(i)]
        return _Cut(
            frames=np.stack([clip[(i, *window(i))] for i in picked]),
            t=inner / (span - 1),
            around=np.stack([clip[(i, *window(i))] for i in around]),
            at=around.index(start),
        )

    @staticmethod
    def _dull(rng: np.random.Generator, frames: NDArray[np.uint8]) -> bool:
        """Whether to draw again: mostly so for a flat or an unmoving patch."""
        small = frames[:, ::4, ::4].astype(np.int16)
        if small[1].std() < 6 and rng.random() < 0.8:
            return True
        return bool(np.abs(small[0] - small[2]).mean() < 1 and rng.random() < 0.6)

    def _augment(self, rng: np.random.Generator, cut: _Cut) -> _Cut:
        """Flips, transpose, channel shuffle, reversal in time."""
        flips = rng.random(5)
        shuffled = rng.permutation(3)

        def turned(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
            if flips[0] < 0.5:
                frames = frames[:, ::-1]
            if flips[1] < 0.5:
                frames = frames[:, :, ::-1]
            if flips[2] < 0.5:
                frames = frames.swapaxes(1, 2)
            if flips[3] < self.config.channel_shuffle:
                frames = frames[..., shuffled]
            return frames[::-1] if flips[4] < 0.5 else frames

        back = flips[4] < 0.5
        return _Cut(
            frames=turned(cut.frames),
            t=1 - cut.t if back else cut.t,
            around=turned(cut.around),
            at=len(cut.around) - 2 - cut.at if back else cut.at,
        )


def _draw_pan(
    rng: np.random.Generator, side: int, frames: int, size: tuple[int, ...]
) -> tuple[int, int]:
    """A camera's motion (y, x) in whole pixels a frame: (0, 0) if the clip has no room for it.

    Real clips hardly have large motion, and a window that moves over them has as much as is
    wanted, with an exact truth. Its length over `frames` frames is drawn evenly on a logarithmic
    scale, up to `LARGEST_PAN` of the window; one direction in three is along an axis.
    """
    length = side * float(np.exp(rng.uniform(np.log(SMALLEST_PAN), np.log(LARGEST_PAN))))
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.67 else rng.integers(4) * np.pi / 2
    pan = round(length * np.sin(angle) / frames), round(length * np.cos(angle) / frames)
    fits = all(side + abs(v) * frames <= n for v, n in zip(pan, size, strict=True))
    return pan if fits else (0, 0)


def _neighbours(start: int, distance: int, length: int, breaks: NDArray[np.int64]) -> list[int]:
    """Frames at the inputs' distance, up to two before and one after them, themselves among them.

    A codec predicts from what came before, so an input alone would always be a key frame.
    """
    first = start - 2 * distance
    places = [first + k * distance for k in range(5)]
    lowest = max((int(b) for b in breaks if b <= start), default=0)
    highest = min((int(b) for b in breaks if b > start), default=length)
    return [p for p in places if lowest <= p < highest]


def fixed_samples(folder: Path, config: SampleConfig, count: int, seed: int) -> RawBatch:
    """The same samples every time, at the fixed scale and fully rendered: for validation."""
    whole = replace(
        config,
        fixed_share=1.0,
        window=1.0,
        channel_shuffle=0.0,
        synthetic_share=0.0,
        pan_share=0.0,
        pretrain_steps=0,
    )
    return SampleSource(folder, whole, batch=count, seed=seed, rank=0)[0]

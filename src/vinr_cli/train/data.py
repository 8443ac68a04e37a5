"""Clips on disk and samples from them.

Clips are decoded once into a folder of uint8 arrays. Sample n of a process depends only on (seed,
rank, n), so a resumed run sees what the killed one would have seen, and several workers need no
shared state. Samples are cut as uint8; scaling happens where the network is.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from vinr_cli.errors import InputError
from vinr_cli.evaluate.clips import read_rgb
from vinr_cli.media.probe import probe, scan_timestamps
from vinr_cli.train.config import CacheConfig, SampleConfig
from vinr_cli.train.synthetic import Picture, synthetic_clip

VIDEO_SUFFIXES = {".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v"}
STILL_SUFFIXES = {".jpg", ".jpeg", ".png"}

CUT_CHANGE = 0.12
"""Mean change of a reduced frame, as a share of the range, above which it may be a cut."""

REPEAT_CHANGE = 0.05 / 255
"""Mean change below which a frame repeats the one before."""

Kind = Literal["real", "synthetic"]


@dataclass(frozen=True, slots=True)
class Clip:
    """One array of the cache.

    Attributes:
        file: File name in the cache folder; an .npy of (T, H, W, 3) uint8.
        kind: real or synthetic.
        frames: T.
        breaks: Frames before which the clip is not continuous (a cut, or a repeated frame).
        source: File name of the source; empty if synthetic.
        sha256: Of the source.
    """

    file: str
    kind: Kind
    frames: int
    breaks: tuple[int, ...]
    source: str
    sha256: str


def reduced(frame: NDArray[np.uint8], short_side: int) -> NDArray[np.uint8]:
    """A frame with the given shorter side, by an antialiased bicubic filter; never enlarged."""
    height, width = frame.shape[:2]
    if min(height, width) <= short_side:
        return frame
    factor = short_side / min(height, width)
    size = (round(height * factor), round(width * factor))
    x = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].float()
    x = F.interpolate(x, size, mode="bicubic", antialias=True)
    return x[0].clamp(0, 255).round().byte().permute(1, 2, 0).numpy()


def find_breaks(frames: NDArray[np.uint8]) -> tuple[int, ...]:
    """Frames that do not continue the one before: cuts and repeats."""
    small = frames[:, ::8, ::8].astype(np.float32) / 255
    change = np.abs(np.diff(small, axis=0)).mean((1, 2, 3))
    usual = np.median(change) if len(change) else 0.0
    broken = ((change > CUT_CHANGE) & (change > 4 * usual)) | (change < REPEAT_CHANGE)
    return tuple(int(i) + 1 for i in np.flatnonzero(broken))


def _middle(frames: list[NDArray[np.uint8]], count: int) -> list[NDArray[np.uint8]]:
    start = max(0, (len(frames) - count) // 2)
    return frames[start : start + count]


def _read_middle(path: Path, count: int, short_side: int) -> list[NDArray[np.uint8]]:
    """The frames in the middle of a video, reduced one by one: a film needs no more memory."""
    length = len(scan_timestamps(path, probe(path).video).pts)
    start = max(0, (length - count) // 2)
    kept = islice(read_rgb(path), start, start + count)
    frames = [reduced(frame, short_side) for frame in kept]
    if not frames:
        raise InputError(path, "has fewer frames than it claims", "Remove it from the folder.")
    return frames


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cache_video(path: Path, folder: Path, config: CacheConfig) -> list[Clip]:
    """One array per kept size, all from one decoding."""
    largest = max(config.short_sides)
    frames = _read_middle(path, max(config.frames), largest)
    clips: list[Clip] = []
    native = min(frames[0].shape[:2])
    for side, count in zip(config.short_sides, config.frames, strict=True):
        if side > native and any(s >= native and s < side for s in config.short_sides):
            continue  # a smaller setting keeps this clip at its own size already
        part = np.stack([reduced(f, side) for f in _middle(frames, count)])
        name = f"{path.stem}-{side}.npy"
        np.save(folder / name, part)
        clip = Clip(name, "real", len(part), find_breaks(part), path.name, _sha256(path))
        clips.append(clip)
    return clips


def _read_still(path: Path) -> Picture:
    return next(iter(read_rgb(path)))


def build_cache(sources: Path, folder: Path, config: CacheConfig) -> Iterator[str]:
    """Decode clips and make synthetic ones; a finished cache of the same settings is kept.

    Args:
        sources: Folder of videos; stills anywhere below it become textures.
        folder: Where the arrays go.
        config: What to keep.

    Yields:
        A line per finished part, for people.

    Raises:
        InputError: the folder holds no video.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "index.json"
    settings = _jsonable(config)
    if index.is_file() and json.loads(index.read_text())["config"] == settings:
        yield f"cache: {folder} is complete"
        return
    videos = sorted(p for p in sources.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    if not videos:
        raise InputError(sources, "holds no videos", "Name a folder of clips.")
    clips: list[Clip] = []
    for path in videos:
        made = _cache_video(path, folder, config)
        clips += made
        yield f"cache: {path.name}: {', '.join(f'{c.frames} frames' for c in made)}"
    stills = [_read_still(p) for p in sorted(sources.rglob("*")) if p.suffix in STILL_SUFFIXES]
    for i in range(config.synthetic):
        rng = np.random.default_rng([config.seed, i])
        frames = synthetic_clip(rng, stills, config.synthetic_side, config.synthetic_frames)
        name = f"synthetic-{i:05}.npy"
        np.save(folder / name, frames)
        clips.append(Clip(name, "synthetic", len(frames), (), "", ""))
    yield f"cache: {config.synthetic} synthetic clips from {len(stills)} stills"
    listing = {"config": settings, "clips": [_jsonable(c) for c in clips]}
    part = index.with_suffix(".part")
    part.write_text(json.dumps(listing, indent=1))
    part.replace(index)


def _jsonable(value: Any) -> Any:
    return json.loads(json.dumps(asdict(value)))


def load_index(folder: Path) -> list[Clip]:
    """The clips of a finished cache.

    Raises:
        InputError: there is no finished cache in the folder.
    """
    try:
        listing = json.loads((folder / "index.json").read_text())
    except OSError as error:
        raise InputError(folder, "is no training cache", "Build it with `vinr train`.") from error
    return [Clip(**{**c, "breaks": tuple(c["breaks"])}) for c in listing["clips"]]


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
    """

    inputs: Tensor
    target: Tensor
    first: Tensor
    second: Tensor
    times: Tensor
    window: tuple[int, int, int, int]

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
    """

    frames: Tensor
    times: Tensor
    lr_side: int
    window: tuple[int, int, int, int]

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
        return Batch(inputs, hr[1], hr[0], hr[2], self.times.to(device), self.window)


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
        clips = load_index(folder)
        self.arrays = [np.load(folder / c.file, mmap_mode="r") for c in clips]
        self.breaks = [np.array(c.breaks) for c in clips]
        share = {"real": 1 - config.synthetic_share, "synthetic": config.synthetic_share}
        frames = {k: sum(c.frames for c in clips if c.kind == k) for k in share}
        weights = np.array([share[c.kind] * c.frames / max(1, frames[c.kind]) for c in clips])
        self.ladder = np.cumsum(weights / weights.sum())

    def __getitem__(self, step: int) -> RawBatch:
        """Batch of a step."""
        shape_rng = np.random.default_rng([self.seed, step])  # the same on every process
        scale, lr_side = self._draw_scale(shape_rng)
        side = round(lr_side * scale)
        window_side = max(1, round(side * self.config.window))
        top, left = shape_rng.integers(0, side - window_side + 1, 2)
        rng = np.random.default_rng([self.seed, step, self.rank + 1])
        samples = [self._draw(rng, side) for _ in range(self.batch)]
        frames = np.stack([s[0] for s in samples], 1)
        times = torch.tensor([s[1] for s in samples], dtype=torch.float32)
        window = (int(top), int(left), window_side, window_side)
        return RawBatch(torch.from_numpy(frames), times, lr_side, window)

    def _draw_scale(self, rng: np.random.Generator) -> tuple[float, int]:
        """A scale, and an LR side that keeps the work about the same."""
        config = self.config
        if rng.random() < config.fixed_share:
            return config.fixed_scale, config.patch
        scale = float(rng.integers(1, 4)) if rng.random() < 0.5 else float(rng.uniform(1, 4.3))
        larger = config.patch * min(1.7, (config.fixed_scale / scale) ** 0.5)
        return scale, round(larger / 8) * 8

    def _draw(self, rng: np.random.Generator, side: int) -> tuple[NDArray[np.uint8], float]:
        """(3, side, side, 3) uint8 and the target's time."""
        for _ in range(30):
            drawn = self._try(rng, side)
            if drawn is not None and not self._dull(rng, drawn[0]):
                break
        while drawn is None:
            drawn = self._try(rng, side)
        frames, t = drawn
        if rng.random() < self.config.endpoints:
            t = float(rng.integers(2))
            frames = np.stack([frames[0], frames[2 * int(t)], frames[2]])
        return self._augment(rng, frames, t)

    def _try(self, rng: np.random.Generator, side: int) -> tuple[NDArray[np.uint8], float] | None:
        """A span of a random clip; None if it crosses a break or the clip is too small."""
        which = min(int(np.searchsorted(self.ladder, rng.random())), len(self.arrays) - 1)
        clip = self.arrays[which]
        low, high = self.config.spans
        high = min(high, len(clip))
        span = (
            int(rng.choice([low, high])) if rng.random() < 0.5 else int(rng.integers(low, high + 1))
        )
        if span > len(clip) or min(clip.shape[1:3]) < side:
            return None
        start = int(rng.integers(len(clip) - span + 1))
        if ((self.breaks[which] > start) & (self.breaks[which] < start + span)).any():
            return None
        inner = int(rng.integers(1, span - 1))
        y, x = (int(rng.integers(n - side + 1)) for n in clip.shape[1:3])
        picked = [clip[start + i, y : y + side, x : x + side] for i in (0, inner, span - 1)]
        return np.stack(picked), inner / (span - 1)

    @staticmethod
    def _dull(rng: np.random.Generator, frames: NDArray[np.uint8]) -> bool:
        """Whether to draw again: mostly so for a flat or an unmoving patch."""
        small = frames[:, ::4, ::4].astype(np.int16)
        if small[1].std() < 6 and rng.random() < 0.8:
            return True
        return bool(np.abs(small[0] - small[2]).mean() < 1 and rng.random() < 0.6)

    def _augment(
        self, rng: np.random.Generator, frames: NDArray[np.uint8], t: float
    ) -> tuple[NDArray[np.uint8], float]:
        """Flips, transpose, channel shuffle, reversal in time."""
        flips = rng.random(5)
        if flips[0] < 0.5:
            frames = frames[:, ::-1]
        if flips[1] < 0.5:
            frames = frames[:, :, ::-1]
        if flips[2] < 0.5:
            frames = frames.swapaxes(1, 2)
        if flips[3] < self.config.channel_shuffle:
            frames = frames[..., rng.permutation(3)]
        if flips[4] < 0.5:
            frames, t = frames[::-1], 1 - t
        return frames, t


def fixed_samples(folder: Path, config: SampleConfig, count: int, seed: int) -> RawBatch:
    """The same samples every time, at the fixed scale and fully rendered: for validation."""
    whole = replace(config, fixed_share=1.0, window=1.0, channel_shuffle=0.0, synthetic_share=0.0)
    return SampleSource(folder, whole, batch=count, seed=seed, rank=0)[0]

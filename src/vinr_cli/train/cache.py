"""Clips on disk: decoded once into a folder of uint8 arrays, with synthetic ones beside them."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray

from vinr_cli.errors import InputError
from vinr_cli.evaluate.clips import read_rgb
from vinr_cli.files import write_json
from vinr_cli.media.read import probe, scan_timestamps
from vinr_cli.train.config import CacheConfig
from vinr_cli.train.synthetic import Picture, synthetic_clip
from vinr_cli.untrusted import entry, read_object

VIDEO_SUFFIXES = {".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v"}
STILL_SUFFIXES = {".jpg", ".jpeg", ".png"}

CUT_CHANGE = 0.12
"""Mean change of a reduced frame, as a share of the range, above which it may be a cut."""

REPEAT_CHANGE = 0.05 / 255
"""Mean change below which a frame repeats the one before."""

Kind = Literal["real", "synthetic", "photo"]


@dataclass(frozen=True, slots=True)
class Clip:
    """One array of the cache.

    Attributes:
        file: File name in the cache folder; an .npy of (T, H, W, 3) uint8.
        kind: real (a clip), synthetic, or photo (one frame).
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


def _spread(items: list[NDArray[np.uint8]], count: int) -> list[NDArray[np.uint8]]:
    """At most `count` of them, from all over, in order."""
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[i] for i in places]


def _read_part(path: Path, count: int, short_side: int, *, spread: bool) -> list[NDArray[np.uint8]]:
    """Frames of a video, reduced one by one so that a film needs no more memory.

    Args:
        path: The video.
        count: How many frames at most.
        short_side: Their shorter side, in pixels.
        spread: From all over the video, instead of from its middle.
    """
    length = len(scan_timestamps(path, probe(path).video).pts)
    start, step = max(0, (length - count) // 2), 1
    if spread:
        start, step = 0, max(1, length // count)
    kept = islice(read_rgb(path), start, start + count * step, step)
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
    frames = _read_part(path, max(config.frames), largest, spread=config.spread)
    part_of = _spread if config.spread else _middle
    clips: list[Clip] = []
    native = min(frames[0].shape[:2])
    for side, count in zip(config.short_sides, config.frames, strict=True):
        if side > native and any(s >= native and s < side for s in config.short_sides):
            continue  # a smaller setting keeps this clip at its own size already
        part = np.stack([reduced(f, side) for f in part_of(frames, count)])
        name = f"{path.stem}-{side}.npy"
        np.save(folder / name, part)
        clip = Clip(name, "real", len(part), find_breaks(part), path.name, _sha256(path))
        clips.append(clip)
    return clips


def _read_still(path: Path) -> Picture:
    return next(iter(read_rgb(path)))


def _cache_photo(path: Path, picture: Picture, folder: Path, sides: tuple[int, ...]) -> list[Clip]:
    """A still at each of the sizes, smaller ones only where they differ from it."""
    clips: list[Clip] = []
    for side in sides:
        part = reduced(picture, side)
        if clips and part.shape == picture.shape:
            continue
        name = f"{path.stem}-photo-{side}.npy"
        np.save(folder / name, part[None])
        clips.append(Clip(name, "photo", 1, (), path.name, _sha256(path)))
    return clips


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
    if _settings_of(index) == settings:
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
    pictures = [p for p in sorted(sources.rglob("*")) if p.suffix in STILL_SUFFIXES]
    stills = [_read_still(p) for p in pictures]
    for path, picture in zip(pictures, stills, strict=True):
        clips += _cache_photo(path, picture, folder, config.photos)
    for i in range(config.synthetic):
        rng = np.random.default_rng([config.seed, i])
        frames = synthetic_clip(rng, stills, config.synthetic_side, config.synthetic_frames)
        name = f"synthetic-{i:05}.npy"
        np.save(folder / name, frames)
        clips.append(Clip(name, "synthetic", len(frames), (), "", ""))
    yield f"cache: {config.synthetic} synthetic clips from {len(stills)} stills"
    listing = {"config": settings, "clips": [_jsonable(c) for c in clips]}
    write_json(index, listing)


def _jsonable(value: Any) -> Any:
    return json.loads(json.dumps(asdict(value)))


def load_index(folder: Path) -> list[Clip]:
    """The clips of a finished cache.

    Raises:
        InputError: there is no finished cache in the folder.
    """
    try:
        clips = read_object(folder / "index.json")["clips"]
        found = [Clip(**{**c, "breaks": tuple(c["breaks"])}) for c in clips]
        for clip in found:
            entry(folder, clip.file)
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = f"is not a training cache ({' '.join(str(error).split())})"
        raise InputError(folder, cause, "Build it with `vinr train`.") from error
    return found


def _settings_of(index: Path) -> object:
    """The settings of a finished cache; None where there is none, or its index is damaged."""
    try:
        return read_object(index)["config"]
    except (OSError, ValueError, KeyError):
        return None

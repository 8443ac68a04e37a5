"""Clips as arrays: what evaluation compares with, and what training learns from."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray
from torch import Tensor

from vinr_cli.color.convert import to_rgb
from vinr_cli.errors import InputError, OutputError
from vinr_cli.media.pictures import write_png
from vinr_cli.media.read import FrameReader, probe

SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi"}
"""Files of a folder that are taken for clips."""


def find_clips(paths: list[Path]) -> list[Path]:
    """Videos and folders of PNG frames: as named, and what lies in a folder without frames.

    Raises:
        InputError: a path that is not there.
    """
    clips: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(path, "does not exist", "Name a video or a folder.")
        inside = [p for p in sorted(path.glob("*")) if p.suffix.lower() in SUFFIXES or _frames(p)]
        clips += inside if inside and not _frames(path) else [path]
    return clips


def _frames(path: Path) -> bool:
    """Whether a path is a folder of PNG frames."""
    return path.is_dir() and any(path.glob("*.png"))


def read_rgb(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Every frame of a video, or the picture of a still, as (H, W, 3) RGB.

    Raises:
        InputError: the file cannot be read as a video.
    """
    info = probe(path)
    with FrameReader(path, info.video) as reader:
        for frame in reader:
            planes = [torch.from_numpy(p.astype(np.int32)) for p in frame.planes]
            rgb = to_rgb(planes, info.video.color).clamp(0, 1)
            yield (rgb * 255).round().byte().permute(1, 2, 0).numpy()


def read_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Every frame of a video, or of a folder of PNGs in the order of their names, (H, W, 3) RGB.

    Raises:
        InputError: something cannot be read.
    """
    if path.is_dir():
        for file in sorted(path.glob("*.png")):
            yield next(read_rgb(file))
    else:
        yield from read_rgb(path)


def read_clip(path: Path, frames: int, multiple: int) -> Tensor:
    """The first frames of a clip, cropped so that its sides are whole multiples.

    Args:
        path: A video, or a folder of PNG frames in the order of their names.
        frames: How many at most.
        multiple: What height and width are cropped to a multiple of, evenly at both sides.

    Returns:
        (T, 3, H, W), uint8.

    Raises:
        InputError: no frames, or frames smaller than `multiple`.
    """
    kept = list(islice(read_frames(path), frames))
    if not kept:
        raise InputError(path, "holds no frames", "Name a video or a folder of PNG files.")
    clip = torch.from_numpy(np.stack(kept)).permute(0, 3, 1, 2)
    height, width = (n // multiple * multiple for n in clip.shape[-2:])
    if not height or not width:
        raise InputError(path, f"is smaller than {multiple} pixels", "Use a larger clip.")
    top, left = (clip.shape[-2] - height) // 2, (clip.shape[-1] - width) // 2
    return clip[..., top : top + height, left : left + width].contiguous()


def write_frames(folder: Path, frames: Tensor) -> None:
    """Write frames (T, 3, H, W) in [0, 1] as 0000.png and on; the folder is made.

    Raises:
        OutputError: they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, f"cannot be made: {error.strerror}") from error
    for k, frame in enumerate(frames):
        pixels = (frame.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        write_png(folder / f"{k:04}.png", pixels)


def reduce_frames(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Antialiased bicubic reduction, rounded to 8 bits: the field's low-resolution input.

    Args:
        frames: (T, 3, H, W), uint8.
        size: (h, w).

    Returns:
        (T, 3, h, w), float32 in [0, 1].
    """
    small = F.interpolate(frames.float() / 255, size, mode="bicubic", antialias=True)
    return (small.clamp(0, 1) * 255).round() / 255


def enlarge(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Bicubic enlargement (a = -1/2), clamped; (T, 3, h, w) to (T, 3, H, W), in [0, 1]."""
    return F.interpolate(frames, size, mode="bicubic", antialias=True).clamp(0, 1)

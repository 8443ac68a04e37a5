"""Decoded frames to planes: copied, cropped, mirrored."""

from collections.abc import Sequence

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from vinr_cli.color.spec import Chroma, ColorSpec, Siting
from vinr_cli.media.base.pixel_formats import layout_of, pixel_format
from vinr_cli.media.read.info import VideoInfo

Plane = NDArray[np.uint8] | NDArray[np.uint16]


def cropped(planes: Sequence[Plane], info: VideoInfo) -> tuple[Plane, ...]:
    """What a container shows of a frame's planes.

    Args:
        planes: Planes as in `Frame`, of the size that is decoded.
        info: The stream; its `crop` begins on whole chroma samples.

    Returns:
        Planes of its width and height, subsampled ones half as large, rounded up.
    """
    return tuple(_shown(plane, planes[0].shape, info) for plane in planes)


def _shown(plane: Plane, whole: tuple[int, ...], info: VideoInfo) -> Plane:
    """The part of one plane that is shown, given the first plane's (height, width)."""
    left, top, _, _ = info.crop
    y, x = (1 if plane.shape[k] == whole[k] else 2 for k in (0, 1))
    height, width = -(-info.height // y), -(-info.width // x)
    return plane[top // y :, left // x :][:height, :width].copy()


def mirrored(planes: Sequence[Plane], color: ColorSpec) -> tuple[Plane, ...]:
    """A picture, left to right, with its chroma samples where they are said to lie.

    In an even width, samples beside the left one of two pixels would come out beside the right one;
    in an odd width that happens to samples between two pixels. There the values half-way between
    the mirrored samples are taken, by six taps (those of H.264's half samples, ITU-T H.264
    8.4.2.2.1), so such chroma is not bit for bit the source's.

    Args:
        planes: In the order of `Frame.planes`.
        color: Their description.
    """
    even = planes[0].shape[1] % 2 == 0
    halved = color.chroma in (Chroma.C420, Chroma.C422)
    moved = halved and even is not (color.siting is Siting.CENTER)
    top = (1 << color.depth) - 1
    out = []
    for index, plane in enumerate(planes):
        flipped = plane[:, ::-1]
        if moved and index in (1, 2):
            flipped = _between(flipped, top, before=even)
        out.append(flipped.copy())
    return tuple(out)


_HALF_SAMPLE = (1, -5, 20, 20, -5, 1)
"""32 times the weights of the six samples around the place half-way between the middle two."""


def _between(plane: Plane, top: int, *, before: bool) -> Plane:
    """Samples half-way between each and the one before it, or after it; borders are repeated."""
    padded = np.pad(plane.astype(np.int32), ((0, 0), (3, 3)), mode="edge")
    start = 0 if before else 1
    width = plane.shape[1]
    total = sum(w * padded[:, start + k : start + k + width] for k, w in enumerate(_HALF_SAMPLE))
    values: NDArray[np.int32] = (np.asarray(total) + 16) >> 5
    kept = values.clip(0, top)
    return kept.astype(np.uint8) if plane.dtype == np.uint8 else kept.astype(np.uint16)


def planes_of(frame: VideoFrame, info: VideoInfo) -> tuple[Plane, ...]:
    """Copy a decoded frame's samples into planes of the stream's canonical format.

    Args:
        frame: A frame in any pixel format of system memory, of the stream's size.
        info: The stream; its colour description says which planes are wanted.

    Returns:
        Planes as in `Frame`.
    """
    wanted = pixel_format(info.color)
    layout = layout_of(frame.format.name)
    if not layout.direct or layout.name != wanted:
        frame = frame.reformat(format=wanted)
    deep = info.color.depth > 8
    planes = tuple(_copy(p, deep) for p in frame.planes)
    if info.color.chroma is Chroma.RGB:
        green, blue, red, *alpha = planes
        return (red, green, blue, *alpha)
    return planes


def _copy(plane: VideoPlane, deep: bool) -> Plane:
    """One plane without the padding at the end of its lines."""
    lines = np.frombuffer(memoryview(plane), np.uint8)[: plane.height * plane.line_size]
    rows = lines.reshape(plane.height, plane.line_size)
    if deep:
        words: NDArray[np.uint16] = rows.view("<u2")[:, : plane.width]
        return words.astype(np.uint16)
    return rows[:, : plane.width].copy()

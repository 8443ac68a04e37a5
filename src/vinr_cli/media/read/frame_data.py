"""What a decoded frame says of its colours, its light and how it is shown."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import cast

from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame

from vinr_cli.color.spec import (
    HD_LINES,
    Chroma,
    ColorSpec,
    Mastering,
    Matrix,
    is_exact,
    matrix_of_tag,
)
from vinr_cli.media.base.alpha import sees_through
from vinr_cli.media.base.pixel_formats import (
    FULL,
    MATRICES,
    PRIMARIES,
    STUDIO,
    TRANSFERS,
    Layout,
    siting_of,
)

_MATRIX_BYTES, _MASTERING_BYTES, _LIGHT_BYTES = 36, 88, 8
"""Sizes of AVFrame's side data that is used: 9, 22 and 2 words of 32 bits."""


def side_data(frame: VideoFrame, kind: SideDataType) -> bytes:
    """A frame's side data of one kind, as ffmpeg's structure lies in memory; empty if none."""
    try:
        data = cast("Iterable[SideData]", frame.side_data)  # a Mapping by name, that yields values
    except ValueError:  # there is a kind among them that this PyAV has no name for, such as Exif
        return b""
    return next((bytes(d) for d in data if d.type == kind), b"")


def _mastering(frame: VideoFrame) -> Mastering | None:
    """The grading display: ten rationals (R, G, B, white; least, greatest light) and two flags."""
    data = side_data(frame, SideDataType.MASTERING_DISPLAY_METADATA)
    if len(data) < _MASTERING_BYTES:
        return None
    words = memoryview(data[:_MASTERING_BYTES]).cast("i")
    pairs = [(words[k], words[k + 1]) for k in range(0, 20, 2)]
    if not words[20] or not words[21] or any(den == 0 for _, den in pairs):
        return None
    rx, ry, gx, gy, bx, by, wx, wy, low, high = (Fraction(num, den) for num, den in pairs)
    return Mastering((rx, ry), (gx, gy), (bx, by), (wx, wy), (low, high))


def _light(frame: VideoFrame) -> tuple[int, int] | None:
    """Greatest and greatest average light level: two unsigned words."""
    data = side_data(frame, SideDataType.CONTENT_LIGHT_LEVEL)
    if len(data) < _LIGHT_BYTES:
        return None
    most, average = memoryview(data[:_LIGHT_BYTES]).cast("I")
    return most, average


_DYNAMIC = {
    SideDataType.DYNAMIC_HDR_PLUS: "HDR10+ dynamic metadata is not kept: HDR10's static data is",
    SideDataType.DYNAMIC_HDR_VIVID: "HDR Vivid's dynamic metadata is not kept",
    SideDataType.DOVI_RPU_BUFFER: "Dolby Vision's metadata is not kept: the base layer is",
    SideDataType.DOVI_METADATA: "Dolby Vision's metadata is not kept: the base layer is",
    SideDataType.AMBIENT_VIEWING_ENVIRONMENT: "the ambient viewing environment is not kept",
}
"""Side data of a frame that speaks of that very frame or that no encoder takes from us."""


def lost_with(frame: VideoFrame) -> list[str]:
    """A line for each kind of side data that matters for the look and cannot be kept."""
    found = [kind for kind in _DYNAMIC if side_data(frame, kind)]
    return list(dict.fromkeys(_DYNAMIC[kind] for kind in found))


def has_opacity(frame: VideoFrame, layout: Layout, codec: str) -> bool:
    """Whether a stream has opacity, by its first frame.

    Decoders of GIF give a channel in any case, and a palette has one that is seldom used: there
    the pixels decide.
    """
    if codec == "gif" or frame.format.name == "pal8":
        return sees_through(frame)
    return layout.alpha


def rotation_of(frame: VideoFrame, notices: list[str]) -> tuple[int, bool]:
    """Clockwise degrees that show a frame upright, and whether it is mirrored before.

    A matrix that mirrors is a mirror, left to right, and then a turn by 180 degrees more than the
    angle of its first row says: the mirror changes that row's sign.
    """
    matrix = side_data(frame, SideDataType.DISPLAYMATRIX)
    if len(matrix) < _MATRIX_BYTES:
        return round(-frame.rotation / 90) * 90 % 360, False
    a, b, _, c, d = memoryview(matrix).cast("i")[:5]
    mirrored = a * d - b * c < 0
    degrees = (-frame.rotation + (180 if mirrored else 0)) % 360
    if mirrored:
        notices.append("its display matrix mirrors the picture: the pixels are mirrored instead")
    upright = round(degrees / 90) * 90 % 360
    if upright != degrees:
        notices.append(f"its display matrix turns by {degrees} degrees: {upright} is used")
    return upright, mirrored


def color_of(
    frame: VideoFrame, layout: Layout, codec: str, lines: int, notices: list[str]
) -> ColorSpec:
    """Colour description of the canonical planes of a frame."""
    tag = MATRICES.get(int(frame.colorspace))
    spec = ColorSpec(
        chroma=layout.chroma,
        matrix=matrix_of_tag(tag, height=lines),
        full_range=_is_full(int(frame.color_range), layout, codec),
        depth=layout.depth,
        siting=siting_of(layout.chroma, codec),
        primaries=PRIMARIES.get(int(frame.color_primaries)),
        transfer=TRANSFERS.get(int(frame.color_trc)),
        tagged_matrix=tag,
        mastering=_mastering(frame),
        light=_light(frame),
    )
    if layout.chroma is Chroma.RGB:
        return replace(spec, matrix=Matrix.RGB, tagged_matrix="gbr")
    if layout.chroma is Chroma.GRAY or spec.matrix is Matrix.RGB:
        matrix = matrix_of_tag(None, height=lines)
        return replace(spec, matrix=matrix, tagged_matrix=None if tag == "gbr" else tag)
    if tag is None:
        how = f"{HD_LINES} lines or more" if lines >= HD_LINES else f"fewer than {HD_LINES} lines"
        name = "BT.709" if spec.matrix is Matrix.BT709 else "BT.601"
        notices.append(f"no colour matrix is tagged: {name} is used ({how})")
    elif not is_exact(tag):
        notices.append(f"matrix {tag} is worked on as {spec.matrix.value}; the tag is kept")
    return spec


def _is_full(color_range: int, layout: Layout, codec: str) -> bool:
    """Whether code values run over the whole depth."""
    if color_range in (STUDIO, FULL):
        return color_range == FULL
    stills = codec in ("mjpeg", "png", "apng", "gif", "qtrle", "rawvideo", "ffv1")
    return layout.full_range or (layout.chroma is Chroma.GRAY and stills)

"""ffmpeg's pixel formats and colour numbers, as a `ColorSpec` says them.

Every pixel format has one canonical planar form that holds the same samples: the form in which the
reader yields frames and the writer takes them.
"""

import re
from dataclasses import dataclass

from av.video.format import VideoFormat

from vinr_cli.color.spec import Chroma, ColorSpec, Siting

# ITU-T H.273 numbers, with ffmpeg's names. 2 means "unspecified" and is left out.
MATRICES = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
    15: "ipt-c2",
    16: "ycgco-re",
    17: "ycgco-ro",
}
PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
TRANSFERS = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
STUDIO, FULL = 1, 2
"""ffmpeg's numbers of the two colour ranges; 0 is unspecified."""

_PLANAR = re.compile(r"(?P<kind>gray|yuva?|yuvj|gbra?p)(?P<sub>4\d\d)?p?(?P<bits>\d+)?(le|be)?")
_STEMS = {
    Chroma.GRAY: "gray",
    Chroma.C420: "yuv420p",
    Chroma.C422: "yuv422p",
    Chroma.C444: "yuv444p",
    Chroma.RGB: "gbrp",
}
_ALPHA_STEMS = {
    Chroma.C420: "yuva420p",
    Chroma.C422: "yuva422p",
    Chroma.C444: "yuva444p",
    Chroma.RGB: "gbrap",
}
_ALPHA_DEPTHS = {
    Chroma.C420: (8, 9, 10, 16),
    Chroma.C422: (8, 9, 10, 12, 16),
    Chroma.C444: (8, 9, 10, 12, 16),
    Chroma.RGB: (8, 10, 12, 14, 16),
}
_DEPTHS = {
    Chroma.GRAY: (8, 9, 10, 12, 14, 16),
    Chroma.C420: (8, 9, 10, 12, 14, 16),
    Chroma.C422: (8, 9, 10, 12, 14, 16),
    Chroma.C444: (8, 9, 10, 12, 14, 16),
    Chroma.RGB: (8, 9, 10, 12, 14, 16),
}
# log2 of the (horizontal, vertical) subsampling -> the nearest layout that loses nothing of it.
_LAYOUT_OF_SUBSAMPLING = {
    (0, 0): Chroma.C444,
    (1, 0): Chroma.C422,
    (1, 1): Chroma.C420,
    (0, 1): Chroma.C444,
    (2, 0): Chroma.C422,
    (2, 2): Chroma.C420,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """What a pixel format holds, and the canonical format that holds the same.

    Attributes:
        chroma: Plane layout.
        depth: Bits per sample of the canonical format, 8 to 16.
        name: The canonical format's name; always planar, little-endian, with alpha if there is any.
        direct: Whether the first planes of the given format are the canonical ones as they are.
        alpha: Whether the given format has an alpha channel.
        full_range: True if the format itself means full range (the yuvj family and RGB).
    """

    chroma: Chroma
    depth: int
    name: str
    direct: bool
    alpha: bool
    full_range: bool


def format_name(chroma: Chroma, depth: int, alpha: bool = False) -> str:
    """Name of the canonical pixel format of a plane layout and depth.

    Args:
        chroma: Plane layout.
        depth: Bits per sample.
        alpha: Whether there is a plane of opacity.

    Raises:
        ValueError: If ffmpeg has no such format.
    """
    stems, depths = (_ALPHA_STEMS, _ALPHA_DEPTHS) if alpha else (_STEMS, _DEPTHS)
    if depth not in depths.get(chroma, ()):
        with_alpha = " with alpha" if alpha else ""
        raise ValueError(f"no pixel format of {chroma.value}{with_alpha} has {depth} bits")
    return stems[chroma] + (f"{depth}le" if depth > 8 else "")


def layout_of(name: str) -> Layout:
    """Describe a pixel format by ffmpeg's name.

    Raises:
        ValueError: If it is no format of pictures in system memory that can be held in 8 to 16
            bit integer planes: hardware surfaces, Bayer patterns, float and XYZ formats.
    """
    form = VideoFormat(name, 64, 64)
    components = form.components
    if not components or form.is_bayer or "f16" in name or "f32" in name or name[:3] == "xyz":
        raise ValueError(f"pixel format {name} is not supported")
    alpha = any(c.is_alpha for c in components) and name != "pal8"
    bits = max(c.bits for c in components)
    if bits > 16:
        raise ValueError(f"pixel format {name} is not supported")
    chroma = _chroma_of(form)
    if alpha and chroma is Chroma.GRAY:
        chroma = Chroma.RGB  # there is no planar format of gray and alpha
    depth = next(d for d in (_ALPHA_DEPTHS if alpha else _DEPTHS)[chroma] if d >= bits)
    canonical = format_name(chroma, depth, alpha)
    match = _PLANAR.fullmatch(name)
    direct = bool(match) and not form.is_big_endian and _is_plain(form, canonical)
    full = chroma is Chroma.RGB or name.startswith("yuvj") or name in ("monow", "monob")
    return Layout(chroma, depth, canonical, direct, alpha, full)


def _chroma_of(form: VideoFormat) -> Chroma:
    """Plane layout that holds a pixel format's samples."""
    if form.is_rgb or form.has_palette:
        return Chroma.RGB
    colours = [c for c in form.components if not c.is_alpha]
    if len(colours) < 3:
        return Chroma.GRAY
    steps = (64 // colours[1].width, 64 // colours[1].height)
    return _LAYOUT_OF_SUBSAMPLING[(steps[0].bit_length() - 1, steps[1].bit_length() - 1)]


def _is_plain(form: VideoFormat, canonical: str) -> bool:
    """Whether each component has its own plane, of the canonical size and depth."""
    want = VideoFormat(canonical, 64, 64).components
    have = form.components
    same = len(have) == len(want) and len({c.plane for c in have}) == len(have)
    return same and all(
        (h.bits, h.width, h.height) == (w.bits, w.width, w.height)
        for h, w in zip(have, want, strict=True)
    )


def siting_of(chroma: Chroma, codec: str) -> Siting:
    """Chroma siting that a codec implies when the stream does not say otherwise.

    MPEG-1, JPEG and WebP centre the chroma samples between the luma samples (H.273 type 1); MPEG-2
    and all later codecs put them in the column of the left one (type 0).
    """
    if chroma is Chroma.C420 and codec in ("mjpeg", "mpeg1video", "webp"):
        return Siting.CENTER
    return Siting.LEFT


def pixel_format(spec: ColorSpec) -> str:
    """Canonical pixel format of a colour description."""
    return format_name(spec.chroma, spec.depth, spec.alpha)

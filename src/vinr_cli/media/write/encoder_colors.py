"""Which colours an encoder is given: the source's, or the nearest that it takes."""

import re
from dataclasses import replace
from pathlib import Path

from vinr_cli.color.spec import Chroma, ColorSpec, Matrix, Siting, is_hdr, with_layout
from vinr_cli.errors import UsageError
from vinr_cli.media.base.alpha import DECODERS
from vinr_cli.media.base.codecs import Codec
from vinr_cli.media.base.containers import Container, Implied
from vinr_cli.media.base.ffmpeg import pixel_formats
from vinr_cli.media.base.pixel_formats import format_name, layout_of
from vinr_cli.plan.job import EncodeOptions

_FULL_RANGE = frozenset(
    {"libx264", "libx265", "libsvtav1", "libvpx-vp9", "libaom-av1", "h264_nvenc", "hevc_nvenc",
     "av1_nvenc"}
)  # fmt: skip
"""Encoders whose streams say whether they are full range. For any other, such as ProRes, ffmpeg
would convert full-range frames to studio range behind our back; so we do, in float."""

PRORES_LAYOUT = dict.fromkeys(("proxy", "lt", "standard", "hq"), "yuv422") | dict.fromkeys(
    ("4444", "4444xq"), ("yuv444", "yuva444")
)
"""Starts of the pixel formats of ProRes's profiles."""

RANGE_APART = frozenset({"ffv1"})
"""Encoders that keep any samples and say nothing of their range, which Matroska says for them."""

_SCREEN_PRIMARIES = frozenset({None, "bt709", "bt470bg", "smpte170m", "smpte240m"})

_SCREEN_TRANSFERS = frozenset({None, "bt709", "smpte170m", "smpte240m", "bt470bg", "gamma22"})
"""Tags of video that screens show as sRGB."""

_ALPHA_FORMATS = {"libvpx-vp9": frozenset({"yuva420p"})}
"""Pixel formats of encoders that take more with alpha than their decoders give back."""

_ALPHA_UNREAD = frozenset({"libx265"})
"""Encoders whose alpha hardly any player reads."""

_GRAY = frozenset({"ffv1", "png"})
"""Encoders whose gray pictures everybody shows."""

_RICHER = (Chroma.C420, Chroma.C422, Chroma.C444)


def formats_of(ffmpeg: Path, encoder: str, container: Container) -> tuple[str, ...]:
    """Pixel formats that an encoder takes and a format of files can hold; empty for any.

    Raises:
        EncoderError: If the binary does not behave like ffmpeg.
    """
    formats = pixel_formats(ffmpeg, encoder)
    if container.layouts:
        return tuple(f for f in formats if re.fullmatch(container.layouts, f))
    return formats


def formats_with_alpha(
    name: str, codec: Codec, container: Container, formats: tuple[str, ...]
) -> tuple[str, ...]:
    """Pixel formats with which an encoder and a container keep opacity.

    Raises:
        UsageError: There are none that players read.
    """
    known = _ALPHA_FORMATS.get(codec.encoder)
    kept = tuple(f for f in formats if _has_alpha(f) and (known is None or f in known))
    apart = codec.canonical in DECODERS  # only Matroska and WebM hold it then
    if not kept or codec.encoder in _ALPHA_UNREAD or (apart and not container.alpha_apart):
        raise UsageError(
            f"{name} in {container}", "cannot keep the source's alpha channel",
            "VP9 in .webm, ProRes in .mov, FFV1 in .mkv, .png and .webp can; "
            "--no-alpha leaves it out.",
        )  # fmt: skip
    return kept


def settle_color(
    options: EncodeOptions,
    encoder: str,
    color: ColorSpec,
    formats: tuple[str, ...],
    container: Container,
) -> tuple[ColorSpec, list[str]]:
    """Colours for the encoder: as the source's, else the nearest that it takes.

    Args:
        options: What the user asked for.
        encoder: ffmpeg's name of it.
        color: Colours of the source.
        formats: Pixel formats that it takes; empty for any.
        container: The target's format.

    Returns:
        The colours, and a line on each thing that is not as in the source.

    Raises:
        UsageError: A pixel format that was asked for and cannot be had, or none that can be made.
    """
    taken = _layouts(formats, alpha=color.alpha)
    notices: list[str] = []
    if options.pix_fmt is not None:
        settled = _asked_format(options.pix_fmt, encoder, color, taken)
        if color.alpha and not _has_alpha(options.pix_fmt):
            cause = "has no alpha channel, which the source has"
            raise UsageError(options.pix_fmt, cause, "--no-alpha leaves it out.")
    else:
        settled = _nearest(color, encoder, taken)
        gray = color.chroma is Chroma.GRAY and settled.depth == color.depth
        if (settled.chroma, settled.depth) != (color.chroma, color.depth) and not gray:
            was, now = f"{color.chroma} {color.depth} bit", f"{settled.chroma} {settled.depth} bit"
            notices.append(f"{encoder} does not take {was}: {now} is used")
            if options.lossless:
                notices.append("--lossless holds from there on: ffv1 and png take most layouts")
    if settled.chroma is not Chroma.RGB and not _says_range(encoder, container, settled):
        settled = replace(settled, full_range=False)
    if settled.chroma is not Chroma.C420 and settled.siting is Siting.TOPLEFT:
        settled = replace(settled, siting=Siting.LEFT)
    return settled, notices


def as_implied(settled: ColorSpec, container: Container, source: ColorSpec) -> ColorSpec:
    """Colours for a format that says nothing of them, which everybody reads in one way.

    WebP is BT.601 with chroma between the pixels. RGB without tags is sRGB, and so is what screens
    show of BT.709; PNG's chunk for BT.709's own transfer would make it another picture.
    """
    if container.implied is Implied.BT601:
        return replace(
            settled, matrix=Matrix.BT601, tagged_matrix="smpte170m", full_range=False,
            siting=Siting.CENTER,
        )  # fmt: skip
    if container.implied is not Implied.SRGB:
        return settled
    usual = source.primaries in _SCREEN_PRIMARIES and source.transfer in _SCREEN_TRANSFERS
    if usual and source.chroma is not Chroma.RGB:
        settled = replace(settled, primaries=None, transfer=None)
    return replace(settled, full_range=True)


def encoder_format(color: ColorSpec, formats: tuple[str, ...]) -> str:
    """The encoder's own name for a layout and depth; planar where it has that."""
    plain = format_name(color.chroma, color.depth, color.alpha)
    if not formats or plain in formats:
        return plain
    for name in formats:
        try:
            layout = layout_of(name)
        except ValueError:
            continue
        same = (layout.chroma, layout.depth, layout.alpha) == (
            color.chroma, color.depth, color.alpha
        )  # fmt: skip
        if same and not name.startswith("yuvj"):
            return name
    return plain


def _says_range(encoder: str, container: Container, color: ColorSpec) -> bool:
    """Whether a result says that it is full range: in its stream, or in its container.

    Gray without a word is taken as full range by ffmpeg and all that are built on it.
    """
    said = container.range or (container.gray_range and color.chroma is Chroma.GRAY)
    return encoder in _FULL_RANGE or (encoder in RANGE_APART and said)


def _layouts(formats: tuple[str, ...], *, alpha: bool) -> set[tuple[Chroma, int]] | None:
    """Plane layouts and depths among an encoder's formats; None if it takes any.

    Where none is without alpha, those with it are taken: ffmpeg makes frames opaque.
    """
    found: set[tuple[Chroma, int]] = set()
    rest: set[tuple[Chroma, int]] = set()
    for name in formats:
        try:
            layout = layout_of(name)
        except ValueError:
            continue  # a hardware surface
        (found if layout.alpha == alpha else rest).add((layout.chroma, layout.depth))
    return found or rest or None


def _asked_format(
    name: str, encoder: str, color: ColorSpec, taken: set[tuple[Chroma, int]] | None
) -> ColorSpec:
    """Colours of the pixel format that the user asked for."""
    try:
        layout = layout_of(name)
    except ValueError as error:
        fix = "Try yuv420p, yuv420p10le, yuv422p10le or yuv444p."
        raise UsageError(name, "unknown or unusable pixel format", fix) from error
    if taken is not None and (layout.chroma, layout.depth) not in taken:
        names = sorted({format_name(c, d, color.alpha) for c, d in taken})
        raise UsageError(name, f"{encoder} does not take it", f"It takes {', '.join(names)}.")
    return with_layout(color, layout.chroma, layout.depth)


def _nearest(color: ColorSpec, encoder: str, taken: set[tuple[Chroma, int]] | None) -> ColorSpec:
    """The taken layout that loses least of the source's colours."""
    wanted = max(color.depth, 10) if is_hdr(color) else color.depth
    if taken is None:
        return with_layout(color, color.chroma, wanted)
    order = {
        # Few players show H.264 or HEVC without chroma planes; empty ones cost nothing.
        Chroma.GRAY: (Chroma.GRAY, *_RICHER) if encoder in _GRAY else (*_RICHER, Chroma.GRAY),
        Chroma.C420: _RICHER,
        Chroma.C422: (Chroma.C422, Chroma.C444, Chroma.C420),
        Chroma.C444: (Chroma.C444, Chroma.C422, Chroma.C420),
        Chroma.RGB: (Chroma.RGB, Chroma.C444, Chroma.C422, Chroma.C420),
    }[color.chroma]
    # Depth first: too few bits show as bands everywhere, chroma only at sharp coloured edges.
    deep_enough = [d for _, d in taken if d >= wanted]
    depth = min(deep_enough) if deep_enough else max(d for _, d in taken)
    for chroma in (*order, Chroma.RGB):
        fitting = [d for c, d in taken if c is chroma and d >= depth]
        if fitting:
            return with_layout(color, chroma, min(fitting))
    raise UsageError(encoder, "takes no pixel format that vinr can make", "Choose another --codec.")


def _has_alpha(name: str) -> bool:
    """Whether a pixel format that vinr can make has opacity."""
    try:
        return layout_of(name).alpha
    except ValueError:
        return False

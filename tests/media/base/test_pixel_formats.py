"""Pixel formats as plane layouts."""

import pytest
from av.video.format import VideoFormat, names  # type: ignore[attr-defined]

from vinr_cli.color.spec import Chroma, ColorSpec, Siting
from vinr_cli.media.base.pixel_formats import format_name, layout_of, pixel_format, siting_of


@pytest.mark.parametrize(
    ("name", "chroma", "depth", "canonical", "direct", "alpha"),
    [
        ("yuv420p", Chroma.C420, 8, "yuv420p", True, False),
        ("yuvj422p", Chroma.C422, 8, "yuv422p", True, False),
        ("yuv444p12le", Chroma.C444, 12, "yuv444p12le", True, False),
        ("yuv420p10be", Chroma.C420, 10, "yuv420p10le", False, False),
        ("yuva420p", Chroma.C420, 8, "yuva420p", True, True),
        ("nv12", Chroma.C420, 8, "yuv420p", False, False),
        ("p010le", Chroma.C420, 10, "yuv420p10le", False, False),
        ("yuyv422", Chroma.C422, 8, "yuv422p", False, False),
        ("yuv411p", Chroma.C422, 8, "yuv422p", False, False),
        ("yuv440p", Chroma.C444, 8, "yuv444p", False, False),
        ("gbrp", Chroma.RGB, 8, "gbrp", True, False),
        ("gbrap12le", Chroma.RGB, 12, "gbrap12le", True, True),
        ("rgb24", Chroma.RGB, 8, "gbrp", False, False),
        ("bgra", Chroma.RGB, 8, "gbrap", False, True),
        ("rgb565le", Chroma.RGB, 8, "gbrp", False, False),
        ("pal8", Chroma.RGB, 8, "gbrp", False, False),
        ("gray", Chroma.GRAY, 8, "gray", True, False),
        ("ya8", Chroma.RGB, 8, "gbrap", False, True),
        ("gray16le", Chroma.GRAY, 16, "gray16le", True, False),
        ("monow", Chroma.GRAY, 8, "gray", False, False),
    ],
)
def test_a_format_has_one_canonical_form(
    *, name: str, chroma: Chroma, depth: int, canonical: str, direct: bool, alpha: bool
) -> None:
    """Layout, depth, canonical name and alpha are told from a pixel format's name."""
    layout = layout_of(name)

    found = (layout.chroma, layout.depth, layout.name, layout.direct, layout.alpha)
    assert found == (chroma, depth, canonical, direct, alpha)


@pytest.mark.parametrize("name", ["cuda", "bayer_rggb8", "xyz12le", "gbrpf32le", "gray32le"])
def test_other_formats_are_refused(name: str) -> None:
    """Hardware surfaces, Bayer patterns, XYZ and float pictures are refused by name."""
    with pytest.raises(ValueError, match=name):
        layout_of(name)


def test_every_format_is_understood_or_refused() -> None:
    """No pixel format of the library ends in anything but a layout or a ValueError."""
    understood = 0
    for name in names:
        try:
            layout = layout_of(name)
        except ValueError:
            continue
        assert layout.name == format_name(layout.chroma, layout.depth, layout.alpha)
        assert VideoFormat(layout.name, 16, 16).is_planar or layout.chroma is Chroma.GRAY
        understood += 1
    assert understood > 100


def test_full_range_formats_say_so() -> None:
    """The yuvj family and RGB are full range by name; plain Y'CbCr is not."""
    assert layout_of("yuvj420p").full_range
    assert layout_of("rgb24").full_range
    assert not layout_of("yuv420p").full_range


def test_codecs_imply_their_siting() -> None:
    """JPEG and MPEG-1 centre 4:2:0 chroma; later codecs put it on the left."""
    assert siting_of(Chroma.C420, "mjpeg") is Siting.CENTER
    assert siting_of(Chroma.C420, "webp") is Siting.CENTER
    assert siting_of(Chroma.C420, "h264") is Siting.LEFT
    assert siting_of(Chroma.C422, "mjpeg") is Siting.LEFT


def test_depths_without_a_format_are_refused() -> None:
    """A depth that ffmpeg has no planar format for is refused."""
    assert pixel_format(ColorSpec(Chroma.C422, depth=10)) == "yuv422p10le"
    with pytest.raises(ValueError, match="11 bits"):
        format_name(Chroma.C420, 11)

"""The tables of codecs and of hardware encoders."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Codec:
    """One row of the codec table.

    Attributes:
        encoder: ffmpeg's encoder.
        canonical: ffmpeg's name of the codec.
        crf: Default quality; None where the encoder has no such knob.
        crf_range: Least and greatest quality value.
        preset: Default preset; None where there is none.
        presets: Accepted preset names; empty where there are none.
        preset_option: ffmpeg's name of the preset option.
        even: Whether a side along which chroma is subsampled must be even.
        fixed: Arguments that always go with this encoder.
        quality: ffmpeg's name of the quality option.
        lossless: Arguments that make it lossless; None where it cannot be.
        hardware: Whether it needs a device that may not be there.
        setup: ffmpeg arguments before the input.
        upload: Filter that brings frames to the device; empty if none is needed.
    """

    encoder: str
    canonical: str
    crf: float | None
    crf_range: tuple[float, float]
    preset: str | None
    presets: tuple[str, ...]
    preset_option: str
    even: bool
    fixed: tuple[str, ...] = ()
    quality: str = "-crf"
    lossless: tuple[str, ...] | None = None
    hardware: bool = False
    setup: tuple[str, ...] = ()
    upload: str = ""


_X26_PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
)

# Default qualities: x264's 18 is commonly taken as visually lossless; the others were set to
# match it by eye and by the encoders' own guides, erring to the better side.
CODECS: dict[str, Codec] = {
    "h264": Codec(
        "libx264", "h264", 18, (0, 63), "medium", _X26_PRESETS, "-preset", True,
        lossless=("-qp", "0"),
    ),
    "h265": Codec(
        "libx265", "hevc", 20, (0, 51), "medium", _X26_PRESETS, "-preset", True,
        ("-x265-params", "log-level=error"),
        # x265 4 leaves out small residuals of skipped blocks between frames even then (measured):
        # only frames on their own are exact.
        lossless=("-x265-params", "log-level=error:lossless=1:keyint=1"),
    ),
    "av1": Codec(
        "libsvtav1", "av1", 24, (0, 63), "6", tuple(str(n) for n in range(-1, 14)), "-preset", True,
        lossless=("-svtav1-params", "lossless=1"),
    ),
    "vp9": Codec(
        "libvpx-vp9", "vp9", 24, (0, 63), "2", tuple(str(n) for n in range(-8, 9)), "-cpu-used",
        False, ("-b:v", "0", "-row-mt", "1"), lossless=("-lossless", "1"),
    ),
    "prores": Codec(
        "prores_ks", "prores", None, (0, 0), None,
        ("proxy", "lt", "standard", "hq", "4444", "4444xq"), "-profile:v",
        False, ("-vendor", "apl0"),
    ),
    "ffv1": Codec(
        "ffv1", "ffv1", None, (0, 0), None, (), "", False,
        ("-level", "3", "-g", "1", "-slicecrc", "1"),
        lossless=(),
    ),
    # Parts of these are FFV1: a palette can be chosen when all pictures are there, and raw video
    # has no times that could join it.
    "gif": Codec(
        "ffv1", "ffv1", None, (0, 0), None, (), "", False,
        ("-level", "3", "-g", "1", "-slicecrc", "1"),
    ),
    "y4m": Codec(
        "ffv1", "ffv1", None, (0, 0), None, (), "", False,
        ("-level", "3", "-g", "1", "-slicecrc", "1"), lossless=(),
    ),
    "webp": Codec(
        "ffv1", "ffv1", None, (0, 0), None, (), "", False,
        ("-level", "3", "-g", "1", "-slicecrc", "1"),
    ),
    # Parts hold the very files that come out, one a packet.
    "png": Codec(
        "png", "png", None, (0, 0), None, (), "", False, lossless=(),
    ),
}  # fmt: skip
"""The codecs that vinr knows by a short name."""

HARDWARE_CODECS = {"h264": "h264", "hevc": "h265", "av1": "av1"}
"""What hardware encoders are called after, and the row whose quality they share."""

HARDWARE: dict[str, tuple[tuple[str, ...], str, tuple[str, ...], str]] = {
    "videotoolbox": ((), "-q:v", (), ""),
    "nvenc": (("-rc", "vbr", "-b:v", "0"), "-cq", (), ""),
    "qsv": ((), "-global_quality", (), ""),
    "vaapi": (("-rc_mode", "CQP"), "-qp", ("-vaapi_device", "/dev/dri/renderD128"), "hwupload"),
}
"""Kinds of hardware encoders in the order of preference: fixed arguments, quality option, arguments
before the input, upload filter. Names and units as `ffmpeg -h encoder=...` prints them."""


def hardware_row(encoder: str) -> Codec | None:
    """The row of a hardware encoder; None if the name is not of one that vinr knows how to use.

    Args:
        encoder: ffmpeg's name of it, such as `hevc_nvenc`.
    """
    family, _, kind = encoder.partition("_")
    if family not in HARDWARE_CODECS or kind not in HARDWARE:
        return None
    like = CODECS[HARDWARE_CODECS[family]]
    fixed, quality, setup, upload = HARDWARE[kind]
    return replace(
        like,
        encoder=encoder,
        crf=65 if kind == "videotoolbox" else like.crf,
        crf_range=(1, 100) if kind == "videotoolbox" else (1, 51),
        preset=None,
        presets=tuple(f"p{n}" for n in range(1, 8)) if kind == "nvenc" else (),
        fixed=fixed,
        quality=quality,
        lossless=("-tune", "lossless") if kind == "nvenc" and family != "av1" else None,
        hardware=True,
        setup=setup,
        upload=f"format=p010|nv12,{upload}" if upload else "",
    )

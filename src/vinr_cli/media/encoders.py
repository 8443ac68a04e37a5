"""Which encoder a run uses, settled or refused before the first frame."""

import math
import os
import re
import subprocess
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]

from vinr_cli.color.spec import Chroma, ColorSpec, Mastering, Matrix, Siting, is_hdr, with_layout
from vinr_cli.errors import EncoderError, UsageError
from vinr_cli.media.alpha import DECODERS
from vinr_cli.media.complaints import reason_of
from vinr_cli.media.formats import format_name, layout_of
from vinr_cli.media.listing import parse_pattern
from vinr_cli.plan.job import EncodeOptions

FFMPEG_VARIABLE = "VINR_FFMPEG"
_QUERY_SECONDS = 60
"""A working ffmpeg lists its encoders in a fraction of a second."""

IMAGES = "image2"
"""ffmpeg's name of the format that is a file for each picture."""

CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".ts": "mpegts",
    ".mts": "mpegts",
    ".m2ts": "mpegts",
    ".gif": "gif",
    ".y4m": "yuv4mpegpipe",
    ".nut": "nut",
    ".webp": "webp",
    ".png": IMAGES,
}
"""File suffixes that can be written, with ffmpeg's name of the format."""


STREAMED = {"mkv": "matroska", "webm": "webm", "nut": "nut", "ts": "mpegts", "y4m": "yuv4mpegpipe"}
"""Formats that can be written to a pipe, by suffix; the first is what is written unasked."""


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
        containers: Formats (values of `CONTAINERS`) that hold this codec and are commonly read.
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
    containers: frozenset[str]
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
        "libx264", "h264", 18, (0, 63), "medium", _X26_PRESETS, "-preset",
        frozenset({"mp4", "mov", "matroska", "nut", "avi", "mpegts"}), True,
        lossless=("-qp", "0"),
    ),
    "h265": Codec(
        "libx265", "hevc", 20, (0, 51), "medium", _X26_PRESETS, "-preset",
        frozenset({"mp4", "mov", "matroska", "nut", "mpegts"}), True,
        ("-x265-params", "log-level=error"),
        # x265 4 leaves out small residuals of skipped blocks between frames even then (measured):
        # only frames on their own are exact.
        lossless=("-x265-params", "log-level=error:lossless=1:keyint=1"),
    ),
    "av1": Codec(
        "libsvtav1", "av1", 24, (0, 63), "6", tuple(str(n) for n in range(-1, 14)), "-preset",
        frozenset({"mp4", "matroska", "nut", "webm"}), True,
        lossless=("-svtav1-params", "lossless=1"),
    ),
    "vp9": Codec(
        "libvpx-vp9", "vp9", 24, (0, 63), "2", tuple(str(n) for n in range(-8, 9)), "-cpu-used",
        frozenset({"mp4", "matroska", "nut", "webm"}), False,
        ("-b:v", "0", "-row-mt", "1"), lossless=("-lossless", "1"),
    ),
    "prores": Codec(
        "prores_ks", "prores", None, (0, 0), None,
        ("proxy", "lt", "standard", "hq", "4444", "4444xq"), "-profile:v",
        frozenset({"mov", "matroska", "nut"}), False, ("-vendor", "apl0"),
    ),
    "ffv1": Codec(
        "ffv1", "ffv1", None, (0, 0), None, (), "",
        frozenset({"matroska", "nut", "avi"}), False, ("-level", "3", "-g", "1", "-slicecrc", "1"),
        lossless=(),
    ),
    # Parts of these are FFV1: a palette can be chosen when all pictures are there, and raw video
    # has no times that could join it.
    "gif": Codec(
        "ffv1", "ffv1", None, (0, 0), None, (), "", frozenset({"gif"}), False,
        ("-level", "3", "-g", "1", "-slicecrc", "1"),
    ),
    "y4m": Codec(
        "ffv1", "ffv1", None, (0, 0), None, (), "", frozenset({"yuv4mpegpipe"}), False,
        ("-level", "3", "-g", "1", "-slicecrc", "1"), lossless=(),
    ),
    "webp": Codec(
        "ffv1", "ffv1", None, (0, 0), None, (), "", frozenset({"webp"}), False,
        ("-level", "3", "-g", "1", "-slicecrc", "1"),
    ),
    # Parts hold the very files that come out, one a packet.
    "png": Codec(
        "png", "png", None, (0, 0), None, (), "", frozenset({IMAGES}), False, lossless=(),
    ),
}  # fmt: skip
"""The codecs that vinr knows by a short name."""

_HARDWARE_CODECS = {"h264": "h264", "hevc": "h265", "av1": "av1"}
"""What hardware encoders are called after, and the row whose containers and quality they share."""
_HARDWARE: dict[str, tuple[tuple[str, ...], str, tuple[str, ...], str]] = {
    "videotoolbox": ((), "-q:v", (), ""),
    "nvenc": (("-rc", "vbr", "-b:v", "0"), "-cq", (), ""),
    "qsv": ((), "-global_quality", (), ""),
    "vaapi": (("-rc_mode", "CQP"), "-qp", ("-vaapi_device", "/dev/dri/renderD128"), "hwupload"),
}
"""Kinds of hardware encoders in the order of preference: fixed arguments, quality option, arguments
before the input, upload filter. Names and units as `ffmpeg -h encoder=...` prints them."""
RENDERED = {"gif": "gif", "y4m": "yuv4mpegpipe", "webp": "webp"}
"""Rows whose files are made of a finished film, with their formats; see `media.animate`."""
MAX_WEBP_SIDE = 16383
"""Pixels of a side, 14 bits in the file."""
MAX_GIF_BITS = 8
"""Bits of a sample in a palette."""
MAX_GIF_RATE = 50
"""Players show a frame of less than two hundredths of a second for ten."""
AUTO = "auto"
"""The `--codec` that takes a hardware encoder where one works."""

_SCREEN_PRIMARIES = frozenset({None, "bt709", "bt470bg", "smpte170m", "smpte240m"})
_SCREEN_TRANSFERS = frozenset({None, "bt709", "smpte170m", "smpte240m", "bt470bg", "gamma22"})
"""Tags of video that screens show as sRGB."""

SQUARE = frozenset({"webp", "gif"})
"""Formats whose pixels players show as square, whatever they are."""
_ALPHA_FORMATS = {"libvpx-vp9": frozenset({"yuva420p"})}
"""Pixel formats of encoders that take more with alpha than their decoders give back."""
_ALPHA_UNREAD = frozenset({"libx265"})
"""Encoders whose alpha hardly any player reads."""
_NO_TAGS = frozenset({"webp", "gif"})
"""Formats that say nothing of their colours."""
_HOLD_ALPHA_APART = frozenset({"matroska", "webm"})
"""Formats that hold the opacity of VP8 and VP9."""

_FULL_RANGE = frozenset(
    {"libx264", "libx265", "libsvtav1", "libvpx-vp9", "libaom-av1", "h264_nvenc", "hevc_nvenc",
     "av1_nvenc"}
)  # fmt: skip
"""Encoders whose streams say whether they are full range. For any other, such as ProRes, ffmpeg
would convert full-range frames to studio range behind our back; so we do, in float."""
_PRORES_LAYOUT = dict.fromkeys(("proxy", "lt", "standard", "hq"), "yuv422") | dict.fromkeys(
    ("4444", "4444xq"), ("yuv444", "yuva444")
)
"""Starts of the pixel formats of ProRes's profiles."""
RANGE_APART = frozenset({"ffv1"})
"""Encoders that keep any samples and say nothing of their range, which Matroska says for them."""

_CHROMATICITY, _LUMINANCE = Fraction(1, 50_000), Fraction(1, 10_000)
"""Units of SMPTE ST 2086: of x and y, and of cd/m2."""
_LIGHT_OPTIONS = {
    "libx264": ("-x264-params", "mastering-display", "cll", True),
    "libx265": ("-x265-params", "master-display", "max-cll", True),
    "libsvtav1": ("-svtav1-params", "mastering-display", "content-light", False),
}
"""How an encoder takes HDR's static data: option, its two keys, and whether in units."""

_APART = ("-syncpoints", "timestamped", "-strict", "experimental")
"""NUT of version 4, the one that has side data of packets."""

_ALIASES = {"avc": "h264", "x264": "h264", "hevc": "h265", "x265": "h265"}
_MP4_CODECS = frozenset({"h264", "hevc", "av1", "vp9", "vp8", "vvc", "mpeg4"})
_MOV_CODECS = frozenset({"prores", "dnxhd", "mjpeg", "qtrle", "png", "cfhd"})


@dataclass(frozen=True, slots=True)
class Encoder:
    """A settled encoder.

    Attributes:
        name: Short codec name of the table, or the ffmpeg encoder's own.
        encoder: ffmpeg's encoder.
        ffmpeg: The ffmpeg binary.
        container: ffmpeg's name of the target's format.
        color: Colours that the frames must have that are given to `FrameWriter`: the source's,
            with the nearest plane layout and depth that the encoder takes.
        pix_fmt: Pixel format that the encoder is asked for; of the same layout and depth.
        part_format: ffmpeg's name of the format of the video-only part, which keeps every
            timestamp exactly. Matroska cannot: it rounds to a millisecond.
        arguments: ffmpeg output arguments that set up the encoder.
        even: Whether subsampled sides must be even.
        notices: What is not as in the source.
        setup: ffmpeg arguments before the input.
        upload: Last filter before the encoder; empty for none.
    """

    name: str
    encoder: str
    ffmpeg: Path
    container: str
    color: ColorSpec
    pix_fmt: str
    part_format: str
    arguments: tuple[str, ...]
    even: bool
    notices: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    upload: str = ""

    @property
    def takes_light(self) -> bool:
        """Whether HDR's mastering display and light levels come out again."""
        return self.encoder in _LIGHT_OPTIONS


def container_of(path: Path) -> str:
    """Ffmpeg's name of the format that a file name asks for.

    Raises:
        UsageError: If the suffix names no format that vinr writes, or one picture.
    """
    try:
        form = CONTAINERS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(CONTAINERS)
        cause = f"cannot write a {path.suffix or 'file without suffix'}"
        raise UsageError(path, cause, f"Use one of {known}.") from None
    if form == IMAGES and parse_pattern(path) is None:
        fix = f"Write %05d for its number: {path.with_name('%05d.png')}."
        raise UsageError(path, "names one picture", fix)
    return form


def find_ffmpeg(options: EncodeOptions) -> Path:
    """Find the ffmpeg binary: the option, then VINR_FFMPEG, then imageio-ffmpeg's.

    Raises:
        EncoderError: If none is there.
    """
    for given, where in (
        (options.ffmpeg, "--ffmpeg"),
        (os.environ.get(FFMPEG_VARIABLE), FFMPEG_VARIABLE),
    ):
        if not given:
            continue
        path = Path(given)
        if not path.is_file() or not os.access(path, os.X_OK):
            cause = f"{where} names no program that can be run"
            raise EncoderError(path, cause, "Give the path of an ffmpeg binary.")
        return path
    try:
        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        fix = f"Install imageio-ffmpeg with its binary, or set {FFMPEG_VARIABLE}."
        raise EncoderError("ffmpeg", "no ffmpeg binary was found", fix) from error


def choose(
    options: EncodeOptions, container: str, color: ColorSpec, *, rate: Fraction | None = None
) -> Encoder:
    """Settle the encoder, its arguments and the colours it is given.

    Args:
        options: What the user asked for.
        container: ffmpeg's name of the target's format, see `container_of`.
        color: Colours of the source.
        rate: Frame rate of the output if it is constant; None if it varies.

    Returns:
        An encoder that this ffmpeg has and that takes `Encoder.color`.

    Raises:
        UsageError: If the codec, its quality, preset or pixel format is unknown or does not fit
            the container.
        EncoderError: If ffmpeg is missing or broken.
    """
    ffmpeg = find_ffmpeg(options)
    available = list_encoders(ffmpeg)
    if options.lossless and options.crf is not None:
        raise UsageError("--lossless", "leaves nothing for --crf to choose", "Give one of them.")
    hints: list[str] = []
    if options.codec == AUTO:
        options, hints = _automatic(options, ffmpeg, container, color, available)
    name, codec = _codec(options, container, color, available)
    if codec.hardware:
        _require_device(ffmpeg, codec)
    _refuse_rate(container, rate)
    formats = _formats(ffmpeg, codec.encoder, container)
    if name == "prores" and options.preset in codec.presets:
        formats = tuple(f for f in formats if f.startswith(_PRORES_LAYOUT[options.preset]))
    formats = _formats_with_alpha(name, codec, container, formats) if color.alpha else formats
    settled, changes = _settle_color(options, codec.encoder, color, formats, container)
    settled = _as_implied(settled, container, color)
    if name in RENDERED:  # what people asked for, and not what its parts are
        changes = [text.replace(codec.encoder, name, 1) for text in changes]
    notices = [*hints, *changes, *_notices(name, codec, container, color, settled)]
    apart = settled.alpha and codec.canonical in DECODERS
    arguments = _arguments(options, name, codec, settled, container)
    return Encoder(
        name=name,
        encoder=codec.encoder,
        ffmpeg=ffmpeg,
        container=container,
        color=settled,
        pix_fmt=_encoder_format(settled, formats),
        part_format=_part_format(codec.canonical, container, apart=apart),
        arguments=(*(_APART if apart else ()), *arguments),
        even=codec.even,
        notices=tuple(notices),
        setup=codec.setup,
        upload=codec.upload,
    )


def _notices(
    name: str, codec: Codec, container: str, color: ColorSpec, settled: ColorSpec
) -> list[str]:
    """What people may want to know of a codec and a container with the source's colours."""
    notices = []
    if container == "gif" and color.depth > MAX_GIF_BITS:
        notices.append(f"gif has {MAX_GIF_BITS} bits a colour, and 256 colours a picture")
    whole = {Chroma.C444: "4:4:4", Chroma.RGB: "RGB"}.get(settled.chroma)
    if whole and color.chroma is Chroma.RGB and codec.canonical in _MP4_CODECS:
        notices.append(f"few players show {whole}; --pix-fmt yuv420p goes everywhere")
    if settled.depth < color.depth and is_hdr(color) and container not in _NO_TAGS:
        notices.append("HDR in 8 bits will show bands; a 10-bit --pix-fmt avoids it")
    if container in _NO_TAGS and is_hdr(color):
        notices.append(f"{container} cannot say that its colours are HDR: they will look pale")
    if (color.mastering or color.light) and codec.encoder not in _LIGHT_OPTIONS:
        notices.append(f"{codec.encoder} does not take the HDR mastering and light-level data")
    if color.alpha:
        notices.append(f"the alpha channel is kept: {_spoken_alpha(name, settled)}")
    return notices


def _refuse_rate(container: str, rate: Fraction | None) -> None:
    """No variable rate where a format has none, and no faster one than players show.

    Raises:
        UsageError: Naming the format.
    """
    if container in ("avi", "yuv4mpegpipe") and rate is None:
        fix = "Choose mp4 or mkv, or a constant rate with --fps."
        raise UsageError(
            {"avi": "avi"}.get(container, "y4m"), "cannot hold a variable frame rate", fix
        )
    if container == "gif" and rate is not None and rate > MAX_GIF_RATE:
        cause = f"cannot show {float(rate):g} frames/s: it counts hundredths of a second"
        raise UsageError("gif", cause, f"Ask for --fps {MAX_GIF_RATE} or less.")


def _formats(ffmpeg: Path, encoder: str, container: str) -> tuple[str, ...]:
    """Pixel formats that an encoder takes and a format of files can hold."""
    if container == "webp":
        return ("yuv420p", "yuva420p")
    formats = _pixel_formats(ffmpeg, encoder)
    if container == "yuv4mpegpipe":
        return tuple(f for f in formats if f.startswith(("yuv4", "gray")))
    return formats


def _formats_with_alpha(
    name: str, codec: Codec, container: str, formats: tuple[str, ...]
) -> tuple[str, ...]:
    """Pixel formats with which an encoder and a container keep opacity.

    Raises:
        UsageError: There are none that players read.
    """
    known = _ALPHA_FORMATS.get(codec.encoder)
    kept = tuple(f for f in formats if _has_alpha(f) and (known is None or f in known))
    apart = codec.canonical in DECODERS  # only Matroska and WebM hold it then
    if not kept or codec.encoder in _ALPHA_UNREAD or (apart and container not in _HOLD_ALPHA_APART):
        raise UsageError(
            f"{name} in {container}", "cannot keep the source's alpha channel",
            "VP9 in .webm, ProRes in .mov, FFV1 in .mkv, .png and .webp can; "
            "--no-alpha leaves it out.",
        )  # fmt: skip
    return kept


def _has_alpha(name: str) -> bool:
    """Whether a pixel format that vinr can make has opacity."""
    try:
        return layout_of(name).alpha
    except ValueError:
        return False


def _as_implied(settled: ColorSpec, container: str, source: ColorSpec) -> ColorSpec:
    """Colours for a format that says nothing of them, which everybody reads in one way.

    WebP is BT.601 with chroma between the pixels. RGB without tags is sRGB, and so is what screens
    show of BT.709; PNG's chunk for BT.709's own transfer would make it another picture.
    """
    if container == "webp":
        return replace(
            settled, matrix=Matrix.BT601, tagged_matrix="smpte170m", full_range=False,
            siting=Siting.CENTER,
        )  # fmt: skip
    if container != IMAGES:
        return settled
    usual = source.primaries in _SCREEN_PRIMARIES and source.transfer in _SCREEN_TRANSFERS
    if usual and source.chroma is not Chroma.RGB:
        settled = replace(settled, primaries=None, transfer=None)
    return replace(settled, full_range=True)


def centred(encoder: Encoder) -> Encoder:
    """The encoder of frames whose 4:2:0 chroma lies between the pixels, the same from all sides."""
    if encoder.color.chroma is not Chroma.C420:
        return encoder
    return replace(encoder, color=replace(encoder.color, siting=Siting.CENTER))


def needs_even(color: ColorSpec, encoder: Encoder) -> bool:
    """Whether width and height must be even for these colours in this encoder."""
    return encoder.even and color.chroma in (Chroma.C420, Chroma.C422)


def list_encoders(ffmpeg: Path) -> dict[str, str]:
    """Video encoders of an ffmpeg, each with the canonical name of its codec.

    Raises:
        EncoderError: If the binary does not behave like ffmpeg.
    """
    found = {}
    for line in _ask(ffmpeg, "-encoders").splitlines():
        match = re.match(r"\s*V[A-Z.]{5}\s+(\S+)\s+(.*)", line)
        if match and match[1] != "=":
            codec = re.search(r"\(codec (\S+)\)", match[2])
            found[match[1]] = codec[1] if codec else match[1]
    if not found:
        raise EncoderError(ffmpeg, "does not list any encoder", "Is this an ffmpeg binary?")
    return found


def _ask(ffmpeg: Path, *question: str) -> str:
    """Standard output of an ffmpeg that only prints something."""
    try:
        done = subprocess.run(
            [ffmpeg, "-hide_banner", "-nostdin", *question],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_QUERY_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EncoderError(ffmpeg, f"cannot be run: {error}") from error
    if done.returncode:
        words = reason_of(done.stderr.decode(errors="replace"))
        raise EncoderError(ffmpeg, f"fails: {words or 'without a word'}")
    return done.stdout.decode(errors="replace")


def _pixel_formats(ffmpeg: Path, encoder: str) -> tuple[str, ...]:
    """Pixel formats that an encoder takes; empty if it takes any."""
    text = _ask(ffmpeg, "-h", f"encoder={encoder}")
    match = re.search(r"Supported pixel formats:\s*(.+)", text)
    return tuple(match[1].split()) if match else ()


def _codec(
    options: EncodeOptions, container: str, color: ColorSpec, available: dict[str, str]
) -> tuple[str, Codec]:
    """The row of the table, or one made for an encoder that is named as ffmpeg does."""
    asked = options.codec or _default_codec(container, color)
    name = _ALIASES.get(asked.lower(), asked.lower())
    codec = CODECS.get(name)
    if codec is None and name in available:
        short = next(
            (s for s, c in CODECS.items() if c.encoder == name and s not in RENDERED), None
        )
        if short is None:
            row = hardware_row(name) or _raw(name, available[name], container)
            _refuse_container(asked, name, row, container)
            return name, row
        name, codec = short, CODECS[short]
    if codec is None:
        known = ", ".join(CODECS)
        raise UsageError(asked, "unknown codec", f"Known: {known}, or an ffmpeg encoder's name.")
    if codec.encoder not in available:
        fix = "Choose another --codec, or give an ffmpeg that has it with --ffmpeg."
        raise EncoderError(codec.encoder, "this ffmpeg does not have that encoder", fix)
    _refuse_container(asked, name, codec, container)
    return name, codec


def _refuse_container(asked: str, name: str, codec: Codec, container: str) -> None:
    if container not in codec.containers:
        suffixes = [s for s, c in CONTAINERS.items() if c in codec.containers]
        fix = f"{name} goes into {', '.join(suffixes)}."
        raise UsageError(asked, f"does not go into {container}", fix)


def hardware_row(encoder: str) -> Codec | None:
    """The row of a hardware encoder; None if the name is not of one that vinr knows how to use.

    Args:
        encoder: ffmpeg's name of it, such as `hevc_nvenc`.
    """
    family, _, kind = encoder.partition("_")
    if family not in _HARDWARE_CODECS or kind not in _HARDWARE:
        return None
    like = CODECS[_HARDWARE_CODECS[family]]
    fixed, quality, setup, upload = _HARDWARE[kind]
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


def _automatic(
    options: EncodeOptions,
    ffmpeg: Path,
    container: str,
    color: ColorSpec,
    available: dict[str, str],
) -> tuple[EncodeOptions, list[str]]:
    """The first hardware encoder of the usual codec that works here, else the usual one."""
    usual = _default_codec(container, color)
    families = [family for family, short in _HARDWARE_CODECS.items() if short == usual]
    for encoder in (f"{family}_{kind}" for family in families for kind in _HARDWARE):
        row = hardware_row(encoder)
        if row is None or encoder not in available or container not in row.containers:
            continue
        if (not options.lossless or row.lossless is not None) and not _trouble(ffmpeg, row):
            return replace(options, codec=encoder), []
    return replace(options, codec=usual), [f"no hardware encoder for {usual} works here"]


def _require_device(ffmpeg: Path, codec: Codec) -> None:
    """Refuse a hardware encoder that does not work here.

    Raises:
        EncoderError: With ffmpeg's own words.
    """
    trouble = _trouble(ffmpeg, codec)
    if trouble:
        fix = "Choose another --codec; `auto` takes what works."
        raise EncoderError(codec.encoder, f"does not work here: {trouble}", fix)


def _trouble(ffmpeg: Path, codec: Codec) -> str:
    """Why an encoder does not encode one small frame; empty if it does."""
    upload = ["-vf", f"format=nv12,{codec.upload}"] if codec.upload else []
    source = ["-f", "lavfi", "-i", "color=s=256x256:d=1:r=1,format=nv12"]
    target = ["-frames:v", "1", "-c:v", codec.encoder, "-f", "null", "-"]
    try:
        _ask(ffmpeg, "-loglevel", "error", *codec.setup, *source, *upload, *target)
    except EncoderError as error:
        return error.cause.removeprefix("fails: ")
    return ""


def _default_codec(container: str, color: ColorSpec) -> str:
    """What is asked for when nothing is: the codec that most players of a container show."""
    usual = {"webm": "vp9", IMAGES: "png"} | {form: row for row, form in RENDERED.items()}
    if container in usual:
        return usual[container]
    if color.alpha and container in ("mov", "matroska", "nut", "avi"):
        plain = container == "matroska" and (color.chroma, color.depth) == (Chroma.C420, 8)
        return "prores" if container == "mov" else "vp9" if plain else "ffv1"
    if container == "avi":
        return "h264"
    return "h265" if color.depth > 8 or is_hdr(color) else "h264"


def _raw(encoder: str, canonical: str, container: str) -> Codec:
    """A row for an encoder outside the table: no defaults, nothing checked but by ffmpeg."""
    return Codec(
        encoder, canonical, None, (0, 255), None, (), "-preset", frozenset({container}), True
    )


def _settle_color(
    options: EncodeOptions,
    encoder: str,
    color: ColorSpec,
    formats: tuple[str, ...],
    container: str,
) -> tuple[ColorSpec, list[str]]:
    """Colours for the encoder: as the source's, else the nearest that it takes."""
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


def _says_range(encoder: str, container: str, color: ColorSpec) -> bool:
    """Whether a result says that it is full range: in its stream, or in its container.

    Gray without a word is taken as full range by ffmpeg and all that are built on it.
    """
    said = container == "matroska" or (container == "avi" and color.chroma is Chroma.GRAY)
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


_GRAY = frozenset({"ffv1", "png"})
"""Encoders whose gray pictures everybody shows."""
_RICHER = (Chroma.C420, Chroma.C422, Chroma.C444)


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


def _encoder_format(color: ColorSpec, formats: tuple[str, ...]) -> str:
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


def _spoken_alpha(name: str, color: ColorSpec) -> str:
    """How a codec keeps opacity."""
    if name == "gif":
        return "gif has pixels that are opaque and pixels that are not, and nothing in between"
    return f"{name} with {color.depth} bits of it"


def _part_format(canonical: str, container: str, *, apart: bool = False) -> str:
    """A format that holds the codec and keeps timestamps exactly.

    Args:
        canonical: ffmpeg's name of the codec.
        container: ffmpeg's name of the target's format.
        apart: Whether packets carry opacity as side data: NUT keeps that beside exact times.
    """
    if apart:
        return "nut"
    if container == "avi":
        return "nut"  # AVI wants H.264 with start codes, which MP4 takes away
    if canonical in _MP4_CODECS or canonical == "ffv1":
        return "mp4"
    return "mov" if canonical in _MOV_CODECS else "nut"


def _arguments(
    options: EncodeOptions, name: str, codec: Codec, color: ColorSpec, container: str
) -> tuple[str, ...]:
    """Ffmpeg output arguments for quality and preset, and the user's own behind them."""
    base = [*codec.fixed]
    if options.lossless:
        base = _lossless(base, name, codec)
    arguments = _with_light(base, codec.encoder, color)
    crf = codec.crf if options.crf is None else options.crf
    if crf is not None and not options.lossless:
        _check_crf(crf, options, name, codec)
        arguments += [codec.quality, f"{crf:g}"]
    preset = options.preset or codec.preset
    if name == "prores" and preset is None:
        preset = "hq" if color.chroma is Chroma.C422 else "4444"
    if preset is not None:
        _check_preset(preset, name, codec)
        arguments += [codec.preset_option, preset]
    if codec.canonical == "hevc" and container in ("mp4", "mov"):
        arguments += ["-tag:v", "hvc1"]  # the tag that Apple's players want
    if container == "avi":
        arguments += ["-bf", "0"]  # AVI has no presentation times to put B-frames in order
    _refuse_outputs(options.extra)
    return (*arguments, *options.extra)


def _refuse_outputs(extra: tuple[str, ...]) -> None:
    """Refuse arguments of the user that name another output: all before it would be for that one.

    Raises:
        UsageError: A word is neither an option nor behind one.
    """
    for before, word in zip(("", *extra), extra, strict=False):
        if not word.startswith("-") and not before.startswith("-"):
            cause = f"{word} would be another output of ffmpeg"
            raise UsageError("--ffmpeg-args", cause, "Give options alone, each with its value.")


def _lossless(arguments: list[str], name: str, codec: Codec) -> list[str]:
    """Arguments that keep every sample; an option that is there already is replaced."""
    if codec.lossless is None:
        able = ", ".join(short for short, row in CODECS.items() if row.lossless is not None)
        raise UsageError("--lossless", f"{name} cannot be lossless", f"These can: {able}.")
    kept = list(arguments)
    if codec.lossless and codec.lossless[0] in kept:
        at = kept.index(codec.lossless[0])
        del kept[at : at + 2]
    return [*kept, *codec.lossless]


def _with_light(arguments: list[str], encoder: str, color: ColorSpec) -> list[str]:
    """Add the mastering display and light levels to an encoder's own parameters."""
    if encoder not in _LIGHT_OPTIONS or not (color.mastering or color.light):
        return arguments
    option, display, light, scaled = _LIGHT_OPTIONS[encoder]
    values = []
    if color.mastering is not None:
        values.append(f"{display}={_display(color.mastering, scaled=scaled)}")
    if color.light is not None:
        values.append(f"{light}={color.light[0]},{color.light[1]}")
    if option in arguments:
        at = arguments.index(option) + 1
        values.insert(0, arguments[at])
        return [*arguments[:at], ":".join(values), *arguments[at + 1 :]]
    return [*arguments, option, ":".join(values)]


def _display(mastering: Mastering, *, scaled: bool) -> str:
    """A grading display as encoders write it: in units of ST 2086, or as plain numbers."""

    def number(value: Fraction, unit: Fraction) -> str:
        return str(round(value / unit)) if scaled else f"{float(value):.5f}"

    points = {
        "G": mastering.green,
        "B": mastering.blue,
        "R": mastering.red,
        "WP": mastering.white,
    }
    text = "".join(
        f"{key}({number(x, _CHROMATICITY)},{number(y, _CHROMATICITY)})"
        for key, (x, y) in points.items()
    )
    low, high = (number(value, _LUMINANCE) for value in mastering.luminance)
    return f"{text}L({high},{low})"


def _check_crf(crf: float, options: EncodeOptions, name: str, codec: Codec) -> None:
    low, high = codec.crf_range
    if codec.crf_range == (0, 0):
        raise UsageError("--crf", f"{name} has no such quality setting", "Leave --crf away.")
    if not math.isfinite(crf) or not low <= crf <= high:
        cause = f"{options.crf:g} is out of range for {name}"
        raise UsageError("--crf", cause, f"Use {low:g} (best) to {high:g}.")


def _check_preset(preset: str, name: str, codec: Codec) -> None:
    if name in CODECS and preset not in codec.presets:
        fix = f"Use one of {', '.join(codec.presets)}." if codec.presets else "Leave it away."
        raise UsageError("--preset", f"{preset} is no preset of {name}", fix)

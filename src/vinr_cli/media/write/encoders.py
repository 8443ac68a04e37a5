"""Which encoder a run uses, settled or refused before the first frame."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vinr_cli.color.spec import Chroma, ColorSpec, Siting, is_hdr
from vinr_cli.errors import EncoderError, UsageError
from vinr_cli.media.base.alpha import DECODERS
from vinr_cli.media.base.codecs import (
    CODECS,
    HARDWARE,
    HARDWARE_CODECS,
    Codec,
    hardware_row,
)
from vinr_cli.media.base.containers import SUFFIXES, Container
from vinr_cli.media.base.ffmpeg import find_ffmpeg, list_encoders, trouble_of
from vinr_cli.media.write.arguments import LIGHT_OPTIONS, arguments_of
from vinr_cli.media.write.encoder_colors import (
    PRORES_LAYOUT,
    as_implied,
    encoder_format,
    formats_of,
    formats_with_alpha,
    settle_color,
)
from vinr_cli.plan.job import EncodeOptions

AUTO = "auto"
"""The `--codec` that takes a hardware encoder where one works."""

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
        container: The target's format.
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
    container: Container
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
        return self.encoder in LIGHT_OPTIONS


def choose(
    options: EncodeOptions, container: Container, color: ColorSpec, *, rate: Fraction | None = None
) -> Encoder:
    """Settle the encoder, its arguments and the colours it is given.

    Args:
        options: What the user asked for.
        container: The target's format.
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
    formats = formats_of(ffmpeg, codec.encoder, container)
    if name == "prores" and options.preset in codec.presets:
        formats = tuple(f for f in formats if f.startswith(PRORES_LAYOUT[options.preset]))
    formats = formats_with_alpha(name, codec, container, formats) if color.alpha else formats
    settled, changes = settle_color(options, codec.encoder, color, formats, container)
    settled = as_implied(settled, container, color)
    if container.rendering:  # what people asked for, and not what its parts are
        changes = [text.replace(codec.encoder, name, 1) for text in changes]
    notices = [*hints, *changes, *_notices(name, codec, container, color, settled)]
    apart = settled.alpha and codec.canonical in DECODERS
    arguments = arguments_of(options, name, codec, settled, container)
    return Encoder(
        name=name,
        encoder=codec.encoder,
        ffmpeg=ffmpeg,
        container=container,
        color=settled,
        pix_fmt=encoder_format(settled, formats),
        part_format=_part_format(codec.canonical, container, apart=apart),
        arguments=(*(_APART if apart else ()), *arguments),
        even=codec.even,
        notices=tuple(notices),
        setup=codec.setup,
        upload=codec.upload,
    )


def _notices(
    name: str, codec: Codec, container: Container, color: ColorSpec, settled: ColorSpec
) -> list[str]:
    """What people may want to know of a codec and a container with the source's colours."""
    notices = []
    bits = container.palette_bits
    if bits and color.depth > bits:
        notices.append(f"{container} has {bits} bits a colour, and {2**bits} colours a picture")
    whole = {Chroma.C444: "4:4:4", Chroma.RGB: "RGB"}.get(settled.chroma)
    if whole and color.chroma is Chroma.RGB and codec.canonical in _MP4_CODECS:
        notices.append(f"few players show {whole}; --pix-fmt yuv420p goes everywhere")
    if settled.depth < color.depth and is_hdr(color) and container.colours:
        notices.append("HDR in 8 bits will show bands; a 10-bit --pix-fmt avoids it")
    if not container.colours and is_hdr(color):
        notices.append(f"{container} cannot say that its colours are HDR: they will look pale")
    if (color.mastering or color.light) and codec.encoder not in LIGHT_OPTIONS:
        notices.append(f"{codec.encoder} does not take the HDR mastering and light-level data")
    if color.alpha:
        notices.append(f"the alpha channel is kept: {_spoken_alpha(name, container, settled)}")
    return notices


def _refuse_rate(container: Container, rate: Fraction | None) -> None:
    """No variable rate where a format has none, and no faster one than players show.

    Raises:
        UsageError: Naming the format.
    """
    if not container.variable and rate is None:
        fix = "Choose mp4 or mkv, or a constant rate with --fps."
        raise UsageError(f"{container}", "cannot hold a variable frame rate", fix)
    limit = container.max_rate
    if limit is not None and rate is not None and rate > limit:
        cause = f"cannot show {float(rate):g} frames/s: it counts hundredths of a second"
        raise UsageError(f"{container}", cause, f"Ask for --fps {limit} or less.")


def centred(encoder: Encoder) -> Encoder:
    """The encoder of frames whose 4:2:0 chroma lies between the pixels, the same from all sides."""
    if encoder.color.chroma is not Chroma.C420:
        return encoder
    return replace(encoder, color=replace(encoder.color, siting=Siting.CENTER))


def needs_even(color: ColorSpec, encoder: Encoder) -> bool:
    """Whether width and height must be even for these colours in this encoder."""
    return encoder.even and color.chroma in (Chroma.C420, Chroma.C422)


def _codec(
    options: EncodeOptions, container: Container, color: ColorSpec, available: dict[str, str]
) -> tuple[str, Codec]:
    """The row of the table, or one made for an encoder that is named as ffmpeg does."""
    asked = options.codec or _default_codec(container, color)
    name = _ALIASES.get(asked.lower(), asked.lower())
    codec = CODECS.get(name)
    if codec is None and name in available:
        short = next((s for s, row in CODECS.items() if row.encoder == name), None)
        if short is None:
            row = hardware_row(name)
            if row is None:
                return name, _raw(name, available[name])
            _refuse_container(asked, name, HARDWARE_CODECS[name.partition("_")[0]], container)
            return name, row
        name, codec = short, CODECS[short]
    if codec is None:
        known = ", ".join(CODECS)
        raise UsageError(asked, "unknown codec", f"Known: {known}, or an ffmpeg encoder's name.")
    if codec.encoder not in available:
        fix = "Choose another --codec, or give an ffmpeg that has it with --ffmpeg."
        raise EncoderError(codec.encoder, "this ffmpeg does not have that encoder", fix)
    _refuse_container(asked, name, name, container)
    return name, codec


def _refuse_container(asked: str, name: str, row: str, container: Container) -> None:
    """Refuse a codec in a format that does not hold it.

    Args:
        asked: What the user wrote.
        name: What the codec is called.
        row: Its row in the table.
        container: The format.

    Raises:
        UsageError: It does not go into it.
    """
    if row not in container.codecs:
        suffixes = [suffix for suffix, other in SUFFIXES.items() if row in other.codecs]
        fix = f"{name} goes into {', '.join(suffixes)}."
        raise UsageError(asked, f"does not go into {container}", fix)


def _automatic(
    options: EncodeOptions,
    ffmpeg: Path,
    container: Container,
    color: ColorSpec,
    available: dict[str, str],
) -> tuple[EncodeOptions, list[str]]:
    """The first hardware encoder of the usual codec that works here, else the usual one."""
    usual = _default_codec(container, color)
    families = [family for family, short in HARDWARE_CODECS.items() if short == usual]
    for encoder in (f"{family}_{kind}" for family in families for kind in HARDWARE):
        row = hardware_row(encoder)
        if row is None or encoder not in available:
            continue
        if (not options.lossless or row.lossless is not None) and not trouble_of(ffmpeg, row):
            return replace(options, codec=encoder), []
    return replace(options, codec=usual), [f"no hardware encoder for {usual} works here"]


def _require_device(ffmpeg: Path, codec: Codec) -> None:
    """Refuse a hardware encoder that does not work here.

    Raises:
        EncoderError: With ffmpeg's own words.
    """
    trouble = trouble_of(ffmpeg, codec)
    if trouble:
        fix = "Choose another --codec; `auto` takes what works."
        raise EncoderError(codec.encoder, f"does not work here: {trouble}", fix)


def _default_codec(container: Container, color: ColorSpec) -> str:
    """What is asked for when nothing is: the codec that most players of a container show."""
    if color.alpha and container.alpha:
        plain = (color.chroma, color.depth) == (Chroma.C420, 8)
        return (container.plain_alpha if plain else "") or container.alpha
    deep = color.depth > 8 or is_hdr(color)
    return (container.deep if deep else "") or container.usual


def _raw(encoder: str, canonical: str) -> Codec:
    """A row for an encoder outside the table: no defaults, nothing checked but by ffmpeg."""
    return Codec(encoder, canonical, None, (0, 255), None, (), "-preset", True)


def _spoken_alpha(name: str, container: Container, color: ColorSpec) -> str:
    """How a codec keeps opacity."""
    if container.palette_bits:
        some = "pixels that are opaque and pixels that are not"
        return f"{container} has {some}, and nothing in between"
    return f"{name} with {color.depth} bits of it"


def _part_format(canonical: str, container: Container, *, apart: bool = False) -> str:
    """A format that holds the codec and keeps timestamps exactly.

    Args:
        canonical: ffmpeg's name of the codec.
        container: The target's format.
        apart: Whether packets carry opacity as side data: NUT keeps that beside exact times.
    """
    if apart:
        return "nut"
    if container.parts:
        return container.parts
    if canonical in _MP4_CODECS or canonical == "ffv1":
        return "mp4"
    return "mov" if canonical in _MOV_CODECS else "nut"

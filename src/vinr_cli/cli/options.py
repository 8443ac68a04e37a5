"""Every option that a command takes, declared once.

A command names an alias of this file in its signature and so gets the option's names, parser and
help. Values arrive exact: factors and rates as `Fraction`, times in seconds, memory in bytes.
"""

import re
import shlex
from collections.abc import Callable
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from vinr_cli.cli.console import Session
from vinr_cli.errors import UsageError
from vinr_cli.media.base import FORMATS, PIPED
from vinr_cli.plan.job import STDIO, SizeRequest, SlowAudio
from vinr_cli.plan.numbers import parse_bytes, parse_number, parse_rate, parse_size, parse_time
from vinr_cli.plan.repeats import DEFAULT_REPEAT
from vinr_cli.weights.deblock import STRONGEST, WEAKEST

T = TypeVar("T")


class Deinterlace(StrEnum):
    """What `--deinterlace` takes."""

    AUTO = "auto"
    OFF = "off"


class Precision(StrEnum):
    """What `--precision` takes."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


def _named(parse: Callable[[str, str], T], option: str) -> Callable[[str], T]:
    """The parser for one option: errors name it."""

    def parser(text: str) -> T:
        return parse(text, option)

    return parser


def _size(text: str) -> SizeRequest:
    width, height = parse_size(text, "--size")
    return SizeRequest(width=width, height=height)


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text, re.ASCII):
        raise UsageError(f"--device {text}", "is not known", "Use auto, cpu, cuda[:i] or mps.")
    return text


def _strength(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError as error:
        fix = f"Use auto, or a number from 0 to {STRONGEST:g}."
        raise UsageError(f"--deblock {text}", "is no strength", fix) from error


def _format(text: str) -> str:
    name = text.lower().removeprefix(".")
    if name not in FORMATS:
        raise UsageError(f"--format {text}", "is not known", f"Use one of {', '.join(FORMATS)}.")
    return name


def local(text: str) -> Path:
    """A path as it is written; `-` alone is standard input or output, `./-` a file of that name.

    Raises:
        UsageError: the text is empty, as an unset variable of a shell is; a path would be made of
            it that means the current folder.
    """
    if not text:
        raise UsageError("INPUT", "names nothing", "Give a video, a folder or a pattern.")
    path = Path(text)
    return path.absolute() if path == STDIO and text != str(STDIO) else path


def split_arguments(text: str) -> tuple[str, ...]:
    """The value of `--ffmpeg-args` as a shell would split it.

    Raises:
        UsageError: a quote is not closed.
    """
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"--ffmpeg-args {text}", f"cannot be split: {error}") from error


def repeat_threshold(wanted: bool, threshold: float | None) -> float | None:
    """What `--dedup` and `--dedup-threshold` mean together; None does not look for repeats."""
    return DEFAULT_REPEAT if wanted and threshold is None else threshold


def _set_debug(context: typer.Context, value: bool) -> bool:
    context.ensure_object(Session).debug |= value
    return value


_SIZE = "Size"
_TIME = "Time"
_NETWORK = "Network"
_ENCODER = "Encoder"
_OUTPUT = "Output"
_TALK = "Messages"

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT",
        parser=local,
        help="Videos, folders of pictures, patterns such as shot/%05d.png, or - for standard input",
        show_default=False,
    ),
]
OneInput = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", parser=local, help="A video, folder or pattern.", show_default=False
    ),
]

Scale = Annotated[
    Fraction | None,
    typer.Option(
        "--scale",
        metavar="X",
        parser=_named(parse_number, "--scale"),
        help="Factor for both sides, 0.25 to 16: 3, 3.5 or 7/2.",
        rich_help_panel=_SIZE,
    ),
]
Size = Annotated[
    SizeRequest | None,  # a tuple would make Typer want two words
    typer.Option(
        "--size",
        metavar="WxH",
        parser=_size,
        help="Exact size in pixels: 1920x1080.",
        rich_help_panel=_SIZE,
    ),
]
Width = Annotated[
    int | None,
    typer.Option(
        "--width",
        metavar="W",
        min=1,
        help="Width in pixels; the height follows, if it is not given too.",
        rich_help_panel=_SIZE,
    ),
]
Height = Annotated[
    int | None,
    typer.Option(
        "--height",
        metavar="H",
        min=1,
        help="Height in pixels; the width follows, if it is not given too.",
        rich_help_panel=_SIZE,
    ),
]

FpsMult = Annotated[
    Fraction | None,
    typer.Option(
        "--fps-mult",
        metavar="M",
        parser=_named(parse_number, "--fps-mult"),
        help="Frames out per frame in: 4, 2.5 or 5/2. A variable rate stays variable.",
        rich_help_panel=_TIME,
    ),
]
Fps = Annotated[
    Fraction | None,
    typer.Option(
        "--fps",
        metavar="R",
        parser=_named(parse_rate, "--fps"),
        help="Constant rate: 60, 60000/1001, or 59.94, which means the same.",
        rich_help_panel=_TIME,
    ),
]
Slowmo = Annotated[
    Fraction | None,
    typer.Option(
        "--slowmo",
        metavar="S",
        parser=_named(parse_number, "--slowmo"),
        help="Slow motion: S times as many frames, shown S times as long.",
        rich_help_panel=_TIME,
    ),
]
SlowmoAudio = Annotated[
    SlowAudio | None,
    typer.Option(
        "--slowmo-audio",
        metavar="stretch|drop",
        help="What slow motion does to the sound: stretch (the default) or drop.",
        rich_help_panel=_TIME,
    ),
]
Start = Annotated[
    Fraction | None,
    typer.Option(
        "--start",
        metavar="TIME",
        parser=_named(parse_time, "--start"),
        help="First instant to keep: seconds, or hh:mm:ss.mmm.",
        rich_help_panel=_TIME,
    ),
]
End = Annotated[
    Fraction | None,
    typer.Option(
        "--end",
        metavar="TIME",
        parser=_named(parse_time, "--end"),
        help="First instant to drop: seconds, or hh:mm:ss.mmm.",
        rich_help_panel=_TIME,
    ),
]

InputFps = Annotated[
    Fraction | None,
    typer.Option(
        "--input-fps",
        metavar="R",
        parser=_named(parse_rate, "--input-fps"),
        help="Rate of pictures that come in, as --fps writes it; without it, 25. A video has its "
        "own.",
        rich_help_panel=_TIME,
    ),
]

SceneThreshold = Annotated[
    float,
    typer.Option(
        "--scene-threshold",
        metavar="PERCENT",
        min=0,
        max=100,
        help="Change of the picture that counts as a cut; nothing is mixed across one.",
        rich_help_panel=_TIME,
    ),
]
NoScenes = Annotated[
    bool,
    typer.Option(
        "--no-scene-detection",
        metavar="",
        help="Mix frames across cuts too.",
        rich_help_panel=_TIME,
    ),
]
Dedup = Annotated[
    bool,
    typer.Option(
        "--dedup",
        metavar="",
        help="Interpolate across frames that repeat the one before (animation on twos, 24 frames "
        "in 30 or 60). The video is decoded once more, to find them.",
        rich_help_panel=_TIME,
    ),
]
DedupThreshold = Annotated[
    float | None,
    typer.Option(
        "--dedup-threshold",
        metavar="PERCENT",
        min=0,
        max=100,
        help="Greatest change of a repeat, in the block that changes most: 4 if not given; more "
        "where the source is coded badly. Means --dedup.",
        rich_help_panel=_TIME,
    ),
]
DeinterlaceOption = Annotated[
    Deinterlace,
    typer.Option(
        "--deinterlace",
        metavar="auto|off",
        help="Make whole pictures of frames that are marked interlaced (bwdif).",
        rich_help_panel=_TIME,
    ),
]

Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="NAME|FILE",
        help="A name that `vinr models` lists, hf:org/name@rev of the Hugging Face Hub, or a "
        "weights file. Without it, the default.",
        show_default=False,
        rich_help_panel=_NETWORK,
    ),
]
Deblock = Annotated[
    float | None,
    typer.Option(
        "--deblock",
        metavar=f"auto|0-{STRONGEST:g}",
        parser=_strength,
        help="How strongly the model video takes out what codecs left: 0 as the model clean, 1 as "
        f"trained, {STRONGEST:g} most. auto: from {WEAKEST:g} on, by the source's quantizers.",
        rich_help_panel=_NETWORK,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        parser=_device,
        help="auto, cpu, cuda, cuda:1 or mps; auto takes the first GPU, else the CPU.",
        rich_help_panel=_NETWORK,
    ),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        metavar="NAME",
        help="auto, fp32, bf16 or fp16, for the parts that it does not harm; auto is fp16 on a GPU "
        "with tensor cores, else fp32.",
        rich_help_panel=_NETWORK,
    ),
]
Tile = Annotated[
    int | None,
    typer.Option(
        "--tile",
        metavar="N",
        min=0,
        help="Side of a tile in source pixels; 0 forbids tiles. Without it, memory decides.",
        rich_help_panel=_NETWORK,
    ),
]
Memory = Annotated[
    int | None,
    typer.Option(
        "--memory",
        metavar="BYTES",
        parser=_named(parse_bytes, "--memory"),
        help="Memory that the network may use: 800M, 6G. Without it, what is free.",
        rich_help_panel=_NETWORK,
    ),
]

Codec = Annotated[
    str | None,
    typer.Option(
        "--codec",
        metavar="NAME",
        help="h264, h265, av1, vp9, prores, ffv1, or an ffmpeg encoder's name, such as "
        "hevc_nvenc; auto takes a hardware encoder where one works. "
        "Without it, container and depth decide.",
        rich_help_panel=_ENCODER,
    ),
]
Crf = Annotated[
    float | None,
    typer.Option(
        "--crf",
        metavar="Q",
        help="Constant quality, in the encoder's own unit; lower is better.",
        rich_help_panel=_ENCODER,
    ),
]
Lossless = Annotated[
    bool,
    typer.Option(
        "--lossless",
        metavar="",
        help="Lose nothing in encoding.",
        rich_help_panel=_ENCODER,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="The encoder's preset: speed against size.",
        rich_help_panel=_ENCODER,
    ),
]
PixFmt = Annotated[
    str | None,
    typer.Option(
        "--pix-fmt",
        metavar="NAME",
        help="Pixel format, such as yuv420p10le. Without it, as the source's.",
        rich_help_panel=_ENCODER,
    ),
]
FfmpegArgs = Annotated[
    str,
    typer.Option(
        "--ffmpeg-args",
        metavar="ARGS",
        help="Further ffmpeg output arguments, in one quoted word: '-tune film'.",
        show_default=False,
        rich_help_panel=_ENCODER,
    ),
]
Ffmpeg = Annotated[
    Path | None,
    typer.Option(
        "--ffmpeg",
        metavar="FILE",
        parser=Path,
        help="The ffmpeg to use. Without it, VINR_FFMPEG, then the one of imageio-ffmpeg.",
        rich_help_panel=_ENCODER,
    ),
]

Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|DIR",
        help="A file, a folder (`new/` is created), pictures (out/%05d.png), or - for standard "
        "output. Without it, beside the input, with a name that says what was done.",
        rich_help_panel=_OUTPUT,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        parser=_format,
        help="Format, where no name says it, by suffix: png makes 00000.png and on in a folder; "
        f"standard output takes {', '.join(PIPED)}; the first if none is given.",
        show_default=False,
        rich_help_panel=_OUTPUT,
    ),
]
NoAudio = Annotated[
    bool,
    typer.Option("--no-audio", metavar="", help="Leave the sound out.", rich_help_panel=_OUTPUT),
]
NoSubs = Annotated[
    bool,
    typer.Option("--no-subs", metavar="", help="Leave the subtitles out.", rich_help_panel=_OUTPUT),
]
NoAlpha = Annotated[
    bool,
    typer.Option(
        "--no-alpha", metavar="",
        help="Leave the alpha channel out: the colours are shown as stored.",
        rich_help_panel=_OUTPUT,
    ),
]  # fmt: skip
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", metavar="", help="Replace an existing output.", rich_help_panel=_OUTPUT
    ),
]
Restart = Annotated[
    bool,
    typer.Option(
        "--restart",
        metavar="",
        help="Delete the parts that an earlier run has finished, and start anew.",
        rich_help_panel=_OUTPUT,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        metavar="",
        help="Stop where a frame of the source cannot be decoded. Without it, the frame before is "
        "shown in its place, the place is told, and the exit code is 9.",
        rich_help_panel=_OUTPUT,
    ),
]
AllowNetwork = Annotated[
    bool,
    typer.Option(
        "--allow-network",
        metavar="",
        help="INPUT may be an http or https address: it is fetched into the current folder first "
        "and stays there. Without it, only files are read.",
        rich_help_panel=_OUTPUT,
    ),
]
WorkDir = Annotated[
    Path | None,
    typer.Option(
        "--work-dir",
        metavar="DIR",
        parser=Path,
        help="Where finished parts wait for the end. Without it, beside the output.",
        rich_help_panel=_OUTPUT,
    ),
]
PartFrames = Annotated[
    int | None,
    typer.Option(
        "--part-frames",
        metavar="N",
        min=0,
        help="Frames of a part, about: what a crash may cost. 0 makes one part; without it, some "
        "60 to 480, by size.",
        rich_help_panel=_OUTPUT,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        metavar="",
        help="Say what would be done; write nothing.",
        rich_help_panel=_OUTPUT,
    ),
]

Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", metavar="", help="Say nothing but errors.", rich_help_panel=_TALK
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        metavar="",
        help="Say every decision, and where time went.",
        rich_help_panel=_TALK,
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json", metavar="", help="One JSON object per line on stdout.", rich_help_panel=_TALK
    ),
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        metavar="",
        callback=_set_debug,
        is_eager=True,
        help="Show the traceback of an error.",
        rich_help_panel=_TALK,
    ),
]

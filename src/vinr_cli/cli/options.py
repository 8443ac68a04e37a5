"""Every option that commands share, and all of `vinr upscale`'s: a row for each.

Of a row are made the command's signature, its help, `docs/cli.md` and the field of the `JobSpec`.
Values are exact: factors and rates are `Fraction`s, times are in seconds, memory is in bytes.
"""

import shlex
from pathlib import Path

import typer

from vinr_cli.cli.console import Session
from vinr_cli.cli.rows import (
    Given,
    OneOf,
    Option,
    as_path,
    as_text,
    filled,
    needed,
    option,
    several,
    switch,
)
from vinr_cli.errors import UsageError
from vinr_cli.media.base import FORMATS, require_format
from vinr_cli.plan.job import (
    PRECISIONS,
    STDIO,
    Fit,
    JobSpec,
    SlowAudio,
    require_device,
)
from vinr_cli.plan.numbers import (
    parse_bytes,
    parse_decimal,
    parse_factor,
    parse_rate,
    parse_time,
    parse_whole,
)
from vinr_cli.plan.repeats import DEFAULT_REPEAT
from vinr_cli.plan.request import settle_request
from vinr_cli.plan.scenes import DEFAULT_THRESHOLD
from vinr_cli.plan.sizes import read_size
from vinr_cli.weights.deblock import STRONGEST, WEAKEST
from vinr_cli.weights.records import RECORDS


def _strength(text: str, name: str) -> float | None:
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError as error:
        fix = f"Use auto, or a number from 0 to {STRONGEST:g}."
        raise UsageError(f"{name} {text}", "is no strength", fix) from error


def local(text: str, name: str = "INPUT") -> Path:
    """A path as it is written; `-` alone is standard input or output, `./-` a file of that name.

    Raises:
        UsageError: the text is empty, as an unset variable of a shell is; a path would be made of
            it that means the current folder.
    """
    if not text:
        raise UsageError(name, "names nothing", "Give a video, a folder or a pattern.")
    path = Path(text)
    return path.absolute() if path == STDIO and text != str(STDIO) else path


def _split(text: str, name: str) -> tuple[str, ...]:
    """Words, as a shell would split them."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"{name} {text}", f"cannot be split: {error}") from error


def _set_debug(context: typer.Context, value: bool) -> None:
    context.ensure_object(Session).debug |= value


_SIZES = ("720p", "1080p", "1440p", "4k", "8k", "2x")
_CODECS = ("auto", "h264", "h265", "av1", "vp9", "prores", "ffv1")


def _models() -> list[str]:
    return [record.name for record in RECORDS]


def _presets() -> list[str]:
    from vinr_cli.media.base import CODECS

    return list(dict.fromkeys(name for codec in CODECS.values() for name in codec.presets))


_SIZE, _TIME, _NETWORK, _ENCODER = "Size", "Time", "Network", "Encoder"
_OUTPUT, _TALK = "Output", "Messages"

# fmt: off
INPUTS = several(option("INPUT", as_text, "INPUT... [OUTPUT]", "",
    "Videos, folders of videos or of pictures, patterns such as shot/%05d.png, or - for standard "
    "input. Of two names, a second one that is not there is the output.",
    field="input", settled=True))

SCALE = option("--scale", parse_factor, "X", _SIZE,
    "Factor for both sides, 0.25 to 16: 3, 3.5 or 7/2.", field="size.scale", settled=True,
    also="factor ratio zoom upscale outscale times magnification x")
SIZE = option("--size -s", read_size, "SIZE", _SIZE,
    "1080p, 720p, 1440p, 4k, 8k (a frame of 16 to 9, upright for an upright picture), 1920x1080 or "
    "2x. A picture of another shape keeps it, and fits inside.", field="size", settled=True,
    also="resolution res dimensions geometry video-size",
    brief="1080p, 4k, 1920x1080, or a factor such as 2x", values=lambda: _SIZES)
WIDTH = option("--width", parse_whole, "W", _SIZE,
    "Width in pixels; the height follows, if it is not given too.",
    field="size.width", settled=True, also="w")
HEIGHT = option("--height", parse_whole, "H", _SIZE,
    "Height in pixels; the width follows, if it is not given too.",
    field="size.height", settled=True, also="resolution res lines")
FIT = option("--fit", OneOf({str(fit): fit for fit in Fit}), "keep|stretch", _SIZE,
    "What becomes of a picture of another shape than width and height: keep its shape and fit "
    "inside (the default), or stretch it.", field="size.fit", settled=True,
    also="aspect keep-aspect ratio-mode stretch pad crop letterbox")

FPS_MULT = option("--fps-mult", parse_factor, "M", _TIME,
    "Frames out per frame in: 4, 2.5 or 5/2. A variable rate stays variable.",
    field="rate", settled=True, also="multi multiplier interpolate interpolation factor exp",
    brief="frames out per frame in, such as 2 or 2.5")
FPS = option("--fps", parse_rate, "R", _TIME,
    "Constant rate: 60, 60000/1001, or 59.94, which means the same.",
    field="rate", settled=True, also="framerate frame-rate rate target-fps",
    brief="frames per second, such as 60 or 59.94")
SLOWMO = option("--slowmo", parse_factor, "S", _TIME,
    "Slow motion: S times as many frames, shown S times as long.",
    field="rate", settled=True, also="slow slow-motion speed",
    brief="slow motion: so many times as long")
SLOWMO_AUDIO = option("--slowmo-audio", OneOf({str(s): s for s in SlowAudio}), "stretch|drop",
    _TIME, "What slow motion does to the sound: stretch (the default) or drop.",
    default=SlowAudio.STRETCH, field="slow_audio")
INPUT_FPS = option("--input-fps", parse_rate, "R", _TIME,
    "Rate of pictures that come in, as --fps writes it; without it, 25. A video has its own.",
    field="input_rate", also="framerate-in source-fps")
START = option("--start", parse_time, "TIME", _TIME,
    "First instant to keep: seconds, or hh:mm:ss.mmm.", field="start",
    also="ss from begin seek trim",
    brief="where to begin, 83.5 or 0:01:23.5; --end likewise")
END = option("--end", parse_time, "TIME", _TIME,
    "First instant to drop: seconds, or hh:mm:ss.mmm.", field="end",
    also="to until t duration length preview trim")
SCENE_THRESHOLD = option("--scene-threshold", parse_decimal, "PERCENT", _TIME,
    "Change of the picture that counts as a cut; nothing is mixed across one.",
    default=DEFAULT_THRESHOLD, shown=str(DEFAULT_THRESHOLD), field="scene_threshold")
NO_SCENES = switch("--no-scene-detection", _TIME, "Mix frames across cuts too.",
    field="scene_threshold", means=None)
DEDUP = switch("--dedup", _TIME,
    "Interpolate across frames that repeat the one before (animation on twos, 24 frames in 30 or "
    "60). The video is decoded once more, to find them.",
    field="repeat_threshold", means=DEFAULT_REPEAT)
DEDUP_THRESHOLD = option("--dedup-threshold", parse_decimal, "PERCENT", _TIME,
    "Greatest change of a repeat, in the block that changes most: 4 if not given; more where the "
    "source is coded badly. Means --dedup.", field="repeat_threshold")
DEINTERLACE = option("--deinterlace", OneOf({"auto": True, "off": False}), "auto|off", _TIME,
    "Make whole pictures of frames that are marked interlaced (bwdif).",
    default=True, shown="auto", field="deinterlace", also="yadif bwdif interlaced")

MARKED = several(option("--input -i", as_text, "FILE", _OUTPUT,
    "An input, as other programs have it: a name without an option is the output then.",
    also="in infile source file video"))
FROM_LIST = option("--from-list", as_text, "FILE", _OUTPUT,
    "A list of inputs, one a line; - reads it from standard input, as of find.",
    also="list file-list filelist input-list batch concat")
RECURSIVE = switch("--recursive -r", _OUTPUT,
    "Of folders, take the videos of subfolders too; results in a folder keep these.",
    also="recurse subfolders R")
INCLUDE_RESULTS = switch("--include-results", _OUTPUT,
    "Take what vinr has made too, of several inputs or of a folder; else it is left out.")
OUTPUT = option("--output -o", as_text, "FILE|DIR", _OUTPUT,
    "A file, a folder (`new/` is created), pictures (out/%05d.png), or - for standard output. "
    "Without it, beside the input, with a name that says what was done.",
    field="output", settled=True, also="out outfile output-file dest destination",
    brief="a file, a folder/, or - for a pipe")
FORMAT = option("--format", require_format, "NAME", _OUTPUT,
    "Format, where no name says it, by suffix: png makes 00000.png and on in a folder; standard "
    "output takes mkv (the default), nut, y4m, webm or ts.",
    field="container", also="container f muxer ext extension",
    values=lambda: list(FORMATS))
NO_AUDIO = switch("--no-audio", _OUTPUT, "Leave the sound out.", field="audio", means=False,
    also="an mute no-sound silent")
NO_SUBS = switch("--no-subs", _OUTPUT, "Leave the subtitles out.", field="subtitles", means=False,
    also="sn no-subtitles")
NO_ALPHA = switch("--no-alpha", _OUTPUT,
    "Leave the alpha channel out: the colours are shown as stored.", field="alpha", means=False)
OVERWRITE = switch("--overwrite -y", _OUTPUT, "Replace an existing output.", field="overwrite",
    also="yes force replace f",
    brief="replace an existing output")
RESTART = switch("--restart", _OUTPUT,
    "Delete the parts that an earlier run has finished, and start anew.", field="restart",
    also="no-resume fresh")
STRICT = switch("--strict", _OUTPUT,
    "Stop where a frame of the source cannot be decoded. Without it, the frame before is shown in "
    "its place, the place is told, and the exit code is 9.", field="strict")
ALLOW_NETWORK = switch("--allow-network", _OUTPUT,
    "INPUT may be an http or https address: it is fetched into the current folder first and stays "
    "there. Without it, only files are read.")
WORK_DIR = option("--work-dir", as_path, "DIR", _OUTPUT,
    "Where finished parts wait for the end. Without it, beside the output.", field="work_dir")
PART_FRAMES = option("--part-frames", parse_whole, "N", _OUTPUT,
    "Frames of a part, about: what a crash may cost. 0 makes one part; without it, some 60 to 480, "
    "by size.", field="part_frames", also="segment segment-frames chunk chunk-size")
DRY_RUN = switch("--dry-run", _OUTPUT, "Say what would be done; write nothing.",
    also="plan simulate check n",
    brief="say what would be done, write nothing")

MODEL = option("--model", as_text, "NAME|FILE", _NETWORK,
    "A name that `vinr models` lists, hf:org/name@rev of the Hugging Face Hub, or a weights file. "
    "Without it, the default.", default="default", field="model",
    also="network net weights m n model-name checkpoint",
    brief="the network: video, clean, or a file", values=_models)
DEBLOCK = option("--deblock", _strength, f"auto|0-{STRONGEST:g}", _NETWORK,
    "How strongly the model video takes out what codecs left: 0 as the model clean, 1 as trained, "
    f"{STRONGEST:g} most. auto: from {WEAKEST:g} on, by the source's quantizers.",
    field="deblock", also="denoise clean cleanup noise artifacts")
DEVICE = option("--device", require_device, "NAME", _NETWORK,
    "auto, cpu, cuda, cuda:1 or mps; auto takes the first GPU, else the CPU.",
    default="auto", shown="auto", field="device", also="gpu gpu-id cuda cpu accelerator d g",
    values=lambda: ("auto", "cpu", "cuda", "mps"))
PRECISION = option("--precision", OneOf({name: name for name in PRECISIONS}), "NAME", _NETWORK,
    "auto, fp32, bf16 or fp16, for the parts that it does not harm; auto is fp16 on a GPU with "
    "tensor cores, bf16 on a CPU whose kernels round, else fp32.",
    default="auto", shown="auto", field="precision", also="half fp16 fp32 float16 bf16 dtype")
TILE = option("--tile", parse_whole, "N", _NETWORK,
    "Side of a tile in source pixels; 0 forbids tiles. Without it, memory decides.", field="tile",
    also="tilesize tile-size tiles t")
MEMORY = option("--memory", parse_bytes, "BYTES", _NETWORK,
    "Memory that the network may use: 800M, 6G. Without it, what is free.", field="memory_limit",
    also="vram ram mem max-memory")

CODEC = option("--codec", as_text, "NAME", _ENCODER,
    "h264, h265, av1, vp9, prores, ffv1, or an ffmpeg encoder's name, such as hevc_nvenc; auto "
    "takes a hardware encoder where one works. Without it, container and depth decide.",
    field="encode.codec", also="vcodec encoder video-codec c c:v codec:v",
    brief="h264, h265, av1, vp9, prores, ffv1", values=lambda: _CODECS)
CRF = option("--crf", parse_decimal, "Q", _ENCODER,
    "Constant quality, in the encoder's own unit; lower is better.", field="encode.crf",
    also="quality q:v qp cq rf bitrate b:v",
    brief="quality: the lower, the better")
LOSSLESS = switch("--lossless", _ENCODER, "Lose nothing in encoding.", field="encode.lossless")
PRESET = option("--preset", as_text, "NAME", _ENCODER,
    "The encoder's preset: speed against size.", field="encode.preset",
    also="encoder-preset",
    values=_presets)
PIX_FMT = option("--pix-fmt", as_text, "NAME", _ENCODER,
    "Pixel format, such as yuv420p10le. Without it, as the source's.", field="encode.pix_fmt",
    also="pixel-format bit-depth depth")
FFMPEG_ARGS = option("--ffmpeg-args", _split, "ARGS", _ENCODER,
    "Further ffmpeg output arguments, in one quoted word: '-tune film'.", field="encode.extra",
    also="vf af filter filters extra map metadata")
FFMPEG = option("--ffmpeg", as_path, "FILE", _ENCODER,
    "The ffmpeg to use. Without it, VINR_FFMPEG, then the one of imageio-ffmpeg.",
    field="encode.ffmpeg")

QUIET = switch("--quiet -q", _TALK, "Say nothing but errors.", also="silent")
VERBOSE = switch("--verbose -v", _TALK, "Say every decision, and where time went.",
    also="loglevel log stats")
AS_JSON = switch("--json", _TALK, "One JSON object per line on stdout.")
DEBUG = switch("--debug", _TALK, "Show the traceback of an error.", at_once=_set_debug)

UPSCALE: tuple[Option[object], ...] = tuple(
    row for row in globals().values() if isinstance(row, Option)
)
"""The options of `vinr upscale`: all rows above, in the order of its help."""

FILE = needed(option("FILE", local, "FILE", "", "A video, folder or pattern."))
# fmt: on


def job_of(given: Given, source: Path) -> JobSpec:
    """The job that was asked for, but for its output.

    Args:
        given: The options; those that a command does not have are not given.
        source: The input.

    Raises:
        UsageError: options that contradict each other.
    """
    if SLOWMO_AUDIO in given and SLOWMO not in given:
        raise UsageError("--slowmo-audio", "means nothing without --slowmo", "Leave it away.")
    size, rate = settle_request(
        scale=given[SCALE], size=given[SIZE], width=given[WIDTH], height=given[HEIGHT],
        fps_mult=given[FPS_MULT], fps=given[FPS], slowmo=given[SLOWMO], fit=given[FIT],
    )  # fmt: skip
    return filled(JobSpec(source, size=size, rate=rate), given, UPSCALE)

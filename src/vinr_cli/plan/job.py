"""What a user asked for, as plain frozen data that cannot hold nonsense. No torch, no av.

What is wrong in itself is refused here, whoever makes the record; messages name the options of the
command line. What is wrong for an input is refused by the plan.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from vinr_cli.errors import UsageError
from vinr_cli.plan.scenes import DEFAULT_THRESHOLD

STDIO = Path("-")
"""An input that is standard input, or an output that is standard output."""

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
"""Number formats of the steps that may run in half precision."""
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limit:
    """The numbers that a field may hold.

    Attributes:
        option: What sets it on the command line.
        least: The least of them.
        most: The greatest of them; None for no end.
        in_help: Whether help shows it; not where no value can be written that is beyond it.
    """

    option: str
    least: float
    most: float | None = None
    in_help: bool = True

    def require(self, value: Fraction | float) -> None:
        """Refuse a number beyond the limit, or none (NaN).

        Raises:
            UsageError: Naming the option and the limit.
        """
        if not (self.least <= value and (self.most is None or value <= self.most)):
            bounds = f"from {self.least} to {self.most}" if self.most else f"at least {self.least}"
            raise UsageError(f"{self.option} {float(value):g}", f"must be {bounds}")

    def __str__(self) -> str:
        """For help: `1 or more`, `0 to 100`."""
        return f"{self.least} or more" if self.most is None else f"{self.least} to {self.most}"


LIMITS = {
    "size.width": Limit("--width", 1),
    "size.height": Limit("--height", 1),
    "start": Limit("--start", 0, in_help=False),
    "end": Limit("--end", 0, in_help=False),
    "scene_threshold": Limit("--scene-threshold", 0, 100),
    "repeat_threshold": Limit("--dedup-threshold", 0, 100),
    "memory_limit": Limit("--memory", 1, in_help=False),
    "tile": Limit("--tile", 0),
    "part_frames": Limit("--part-frames", 0),
}
"""Limits of the fields of a `JobSpec`, and with a dot of the records in it."""


def require_device(text: str, option: str = "--device") -> str:
    """A device's name.

    Raises:
        UsageError: it is the name of none.
    """
    if not _DEVICE.fullmatch(text):
        raise UsageError(f"{option} {text}", "is not known", "Use auto, cpu, cuda[:i] or mps.")
    return text


class RateKind(StrEnum):
    """How the output's frame times follow from the source's."""

    MULTIPLY = "multiply"
    """`--fps-mult m`: m output frames per source frame; a variable rate stays variable."""
    TARGET = "target"
    """`--fps R`: a constant rate of R frames per second."""
    SLOW_MOTION = "slow-motion"
    """`--slowmo s`: the frames of `--fps-mult s`, shown s times as long."""

    @property
    def option(self) -> str:
        """What asks for it on the command line."""
        return {"multiply": "--fps-mult", "target": "--fps", "slow-motion": "--slowmo"}[self]


@dataclass(frozen=True, slots=True)
class RateRequest:
    """A frame-rate request: its kind and its exact value, which is positive."""

    kind: RateKind = RateKind.MULTIPLY
    value: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        """Refuse what is no rate."""
        if self.value <= 0:
            raise UsageError(self.kind.option, f"{self.value} is not positive")


class Fit(StrEnum):
    """What becomes of a picture whose shape is not that of the size that is asked for."""

    KEEP = "keep"
    """It keeps its shape and fits inside, so one side may be smaller than asked for."""
    STRETCH = "stretch"
    """It fills the size, and loses its shape."""


@dataclass(frozen=True, slots=True)
class SizeRequest:
    """A size request; at most `scale` alone, or `width` and/or `height`, is set.

    All None means scale 1.

    Attributes:
        scale: Factor for both directions.
        width: Target width in pixels.
        height: Target height in pixels.
        fit: What both sides mean for a picture of another shape.
        either_way: Whether both sides may change places, for a picture that is higher than wide.
    """

    scale: Fraction | None = None
    width: int | None = None
    height: int | None = None
    fit: Fit = Fit.KEEP
    either_way: bool = False

    def __post_init__(self) -> None:
        """Refuse contradictions, and sides that are none."""
        for name, side in (("width", self.width), ("height", self.height)):
            if side is not None:
                LIMITS[f"size.{name}"].require(side)
        if self.scale is not None and (self.width, self.height) != (None, None):
            raise UsageError("--scale", "cannot be combined with a width or height", "Give one.")


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How ffmpeg encodes.

    Attributes:
        codec: Short codec name: h264, h265, av1, vp9, prores, ffv1, or an ffmpeg encoder name;
            `auto` takes a hardware encoder where one works; None chooses by container and depth.
        crf: Constant quality, in the encoder's own unit; None takes the codec's default.
        preset: Encoder preset; None takes the codec's default.
        pix_fmt: Pixel format; None keeps the source's chroma layout and depth where possible.
        extra: Further ffmpeg output arguments, already split.
        ffmpeg: The ffmpeg binary; None looks at VINR_FFMPEG, then imageio-ffmpeg's.
        lossless: Whether every sample that is given to the encoder comes out of it again.
    """

    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    extra: tuple[str, ...] = ()
    ffmpeg: Path | None = None
    lossless: bool = False


class SlowAudio(StrEnum):
    """What happens to the sound under `--slowmo`."""

    STRETCH = "stretch"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One input file, one output file, and everything asked for.

    Attributes:
        input: The source file; a folder of pictures, or a pattern of their names.
        output: The final name of the result; None lets the plan choose a name beside the input.
        size: Requested size.
        rate: Requested frame rate.
        input_rate: Frames per second of pictures; None takes the default.
        start: First instant to keep, in seconds from the first frame; None from the beginning.
        end: First instant to drop, in seconds from the first frame; None to the end.
        model: Name of packaged weights, or a path of a weights file.
        deblock: How strongly traces of codecs are taken out, 0 to 1.75, see `weights.deblock`; None
            chooses by what the source tells.
        device: auto, cpu, cuda, cuda:<i> or mps.
        precision: auto, fp32, bf16 or fp16.
        encode: Encoder options.
        slow_audio: What happens to the sound under slow motion.
        scene_threshold: Change from which a frame begins a new scene, see `plan.scenes`; None mixes
            frames across cuts too.
        repeat_threshold: Change up to which a frame may be a repeat of the one before, across which
            is interpolated, see `plan.repeats`; None does not look for repeats.
        deinterlace: Whether whole pictures are made of frames that are marked interlaced.
        audio: Whether sound tracks are kept.
        subtitles: Whether subtitle tracks are kept.
        alpha: Whether opacity is kept; a codec that cannot is refused then.
        overwrite: Whether an existing output may be replaced.
        memory_limit: Bytes that windows and tiles may use; None asks the device.
        tile: LR tile side in pixels; None lets the memory decide, 0 forbids tiles.
        strict: Whether a source frame that cannot be decoded ends the job; else the one before is
            shown in its place, and the job is told as incomplete.
        restart: Whether the parts of an earlier run are deleted instead of kept.
        work_dir: Folder for the work folder; None puts it beside the output.
        part_frames: Output frames of a part, about; 0 makes one part; None chooses.
        container: What `--format` calls the format, where the output's name does not say it; None
            for as usual.

    Raises:
        UsageError: a number beyond its limit (`LIMITS`), an end before the start, a rate that is
            not positive, or a precision or device that is not known.
    """

    input: Path
    output: Path | None = None
    size: SizeRequest = field(default_factory=SizeRequest)
    rate: RateRequest = field(default_factory=RateRequest)
    input_rate: Fraction | None = None
    start: Fraction | None = None
    end: Fraction | None = None
    model: str = "default"
    deblock: float | None = None
    device: str = "auto"
    precision: str = "auto"
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    slow_audio: SlowAudio = SlowAudio.STRETCH
    scene_threshold: float | None = DEFAULT_THRESHOLD
    repeat_threshold: float | None = None
    deinterlace: bool = True
    audio: bool = True
    subtitles: bool = True
    alpha: bool = True
    overwrite: bool = False
    memory_limit: int | None = None
    tile: int | None = None
    strict: bool = False
    restart: bool = False
    work_dir: Path | None = None
    part_frames: int | None = None
    container: str | None = None

    def __post_init__(self) -> None:
        """Refuse what can be for no input."""
        for name, limit in LIMITS.items():
            value = getattr(self, name, None)
            if value is not None:
                limit.require(value)
        if self.end is not None and self.end <= (self.start or 0):
            cause = f"{float(self.end):g} s is not after --start {float(self.start or 0):g} s"
            raise UsageError("--end", cause)
        if self.input_rate is not None and self.input_rate <= 0:
            raise UsageError("--input-fps", f"{self.input_rate} is not positive")
        if self.precision not in PRECISIONS:
            fix = f"Use one of {', '.join(PRECISIONS)}."
            raise UsageError(f"--precision {self.precision}", "is not known", fix)
        require_device(self.device)

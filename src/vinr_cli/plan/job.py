"""What a user asked for, as plain frozen data. No torch, no av."""

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from vinr_cli.plan.scenes import DEFAULT_THRESHOLD

STDIO = Path("-")
"""An input that is standard input, or an output that is standard output."""


class RateKind(StrEnum):
    """How the output's frame times follow from the source's."""

    MULTIPLY = "multiply"
    """`--fps-mult m`: m output frames per source frame; a variable rate stays variable."""
    TARGET = "target"
    """`--fps R`: a constant rate of R frames per second."""
    SLOW_MOTION = "slow-motion"
    """`--slowmo s`: the frames of `--fps-mult s`, shown s times as long."""


@dataclass(frozen=True, slots=True)
class RateRequest:
    """A frame-rate request: its kind and its exact value."""

    kind: RateKind = RateKind.MULTIPLY
    value: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class SizeRequest:
    """A size request; at most `scale` alone, or `width` and/or `height`, is set.

    All None means scale 1.

    Attributes:
        scale: Factor for both directions.
        width: Target width in pixels.
        height: Target height in pixels.
    """

    scale: Fraction | None = None
    width: int | None = None
    height: int | None = None


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

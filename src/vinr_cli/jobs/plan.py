"""What a job will do, as frozen records."""

from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction
from pathlib import Path

from vinr_cli.jobs.deblock import Deblocking
from vinr_cli.media.join import StreamDecision
from vinr_cli.media.read import MediaInfo, Timestamps
from vinr_cli.media.write import Encoder
from vinr_cli.plan.holds import Hold
from vinr_cli.plan.job import STDIO, JobSpec
from vinr_cli.plan.repeats import Cadence


@dataclass(frozen=True, slots=True)
class Window:
    """The source frames that a job uses.

    Attributes:
        frames: How many; 0 where nobody knows, of a stream.
        start_pts: Time of the first, in source ticks; None for the source's own first.
        end_pts: First time that is not used any more, in source ticks; None to the end.
        last_duration: How long the last one is shown, in source ticks; None if unknown, or if it
            is one frame of the constant rate.
        rate: Constant frame rate of the source; None if it varies.
        duration: Seconds from the first frame's start to the last one's end.
        kept_span: Seconds on the source's clock from and until which other tracks are kept; None
            for all.
        longest: The frame that is shown longest.
    """

    frames: int
    start_pts: int | None
    end_pts: int | None
    last_duration: int | None
    rate: Fraction | None
    duration: Fraction
    kept_span: tuple[Fraction, Fraction | None] | None
    longest: Hold


@dataclass(frozen=True, slots=True)
class Worker:
    """What does the work of a job.

    Attributes:
        device: Torch device string.
        precision: Number format of the steps that may run in half precision: fp32, fp16 or bf16.
        tiles: Tiles a frame, 1 for none.
    """

    device: str
    precision: str
    tiles: int


class Target(Enum):
    """Where the result of a job goes."""

    FILE = auto()
    PICTURES = auto()
    """Files with numbers in a folder."""
    PIPE = auto()
    """Standard output."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about a job that can be known without a network.

    Attributes:
        spec: What was asked for.
        media: What the source is.
        timestamps: When its frames are shown.
        window: Which of them are used.
        output: The final name.
        size: (width, height) of an output frame, as stored.
        rate: Output frames per second if constant, else None.
        frames: Output frames expected; 0 where nobody knows, of a stream.
        duration: Seconds of output expected; 0 likewise.
        encoder: The settled encoder.
        remarks: What the user should know about all this, and `media` does not say.
        cadence: Which source frames are new; None if repeats are not looked for.
        deblocking: What is done about traces of codecs; None if the model has one strength only.
        rotation_applied: Degrees by which frames are turned clockwise before they are encoded,
            where the format cannot ask players to do so; `media` says that nothing is left to turn
            then.
        aspect: Width of an output pixel over its height, before it is turned.
        tracks: What becomes of everything in the source beside its main video.
        worker: What does the work; None before it is opened.
    """

    spec: JobSpec
    media: MediaInfo
    timestamps: Timestamps
    window: Window
    output: Path
    size: tuple[int, int]
    rate: Fraction | None
    frames: int
    duration: Fraction
    encoder: Encoder
    remarks: tuple[str, ...]
    cadence: Cadence | None = None
    deblocking: Deblocking | None = None
    rotation_applied: int = 0
    aspect: Fraction = Fraction(1)
    tracks: tuple[StreamDecision, ...] = ()
    worker: Worker | None = None

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know about the source and about all this."""
        return (*self.media.notices, *self.remarks)

    @property
    def target(self) -> Target:
        """Where the result goes."""
        if self.spec.output == STDIO:
            return Target.PIPE
        return Target.PICTURES if self.encoder.container.pictures else Target.FILE

    @property
    def stored(self) -> tuple[int, int]:
        """(width, height) of a frame in the file: `size`, turned."""
        width, height = self.size
        return (height, width) if self.rotation_applied in (90, 270) else (width, height)

"""Progress as data: what a running job tells whoever listens.

A job reports frozen records to a `Reporter` and never prints. The command line turns them into a
progress bar, plain lines or JSON; a library user passes any callable.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan of one job, before the first frame is decoded.

    Attributes:
        input: The source file.
        output: The final name.
        source_size: (width, height) of a decoded frame, in pixels.
        output_size: (width, height) of an output frame, in pixels.
        source_rate: Mean frame rate of the source, frames per second; None if unknown.
        output_rate: Frame rate of the output; None if it is variable.
        frames_in: Expected number of source frames; None if the source does not say.
        frames_out: Expected number of output frames; None if the source does not say.
        model: Name of the weights.
        device: Torch device string that does the work.
        details: Every further decision, as (name, value) pairs, in the order to show them.
    """

    input: Path
    output: Path
    source_size: tuple[int, int]
    output_size: tuple[int, int]
    source_rate: Fraction | None
    output_rate: Fraction | None
    frames_in: int | None
    frames_out: int | None
    model: str
    device: str
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FramesDone:
    """Output frames handed to the encoder so far.

    Attributes:
        done: Frames written.
        total: Frames expected; None if unknown.
        seconds: Wall time since the first frame was asked for.
        earlier: How many of the frames were finished before that, by an earlier run.
    """

    done: int
    total: int | None
    seconds: float
    earlier: int = 0


@dataclass(frozen=True, slots=True)
class PartDone:
    """A part is finished and kept, whatever happens to the run.

    Attributes:
        start: Its first source frame.
        stop: The first source frame behind it.
        frames: Output frames in it.
    """

    start: int
    stop: int
    frames: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the user should know and need not act on.

    Attributes:
        text: One line.
        subject: What it is about, mostly the input file.
    """

    text: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The output is complete, checked, and has its final name.

    Attributes:
        output: The final name.
        frames: Frames in it.
        duration: Its duration in seconds.
        seconds: Wall time of the whole job.
        stage_seconds: Busy time of each stage in seconds, see `engine.stream.STAGES`; stages that
            run side by side may add up to more than `seconds`.
        losses: What of the source could not be decoded and was concealed, a line each.
    """

    output: Path
    frames: int
    duration: Fraction
    seconds: float
    stage_seconds: tuple[tuple[str, float], ...] = ()
    losses: tuple[str, ...] = ()


Event = Planned | FramesDone | PartDone | Notice | Finished


class Reporter(Protocol):
    """Whoever wants to know: called from the job's own thread, in order."""

    def __call__(self, event: Event, /) -> None:
        """Take one event. Must not raise and must not block for long."""


def silent(event: Event, /) -> None:
    """A reporter that drops everything."""

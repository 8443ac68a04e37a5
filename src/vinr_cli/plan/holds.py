"""Frames that a file claims to show for very long: what a constant rate would make of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from vinr_cli.errors import UsageError
from vinr_cli.plan.job import RateKind, RateRequest
from vinr_cli.plan.naming import decimal

MAX_PER_FRAME = 250_000
"""Most output frames of one source frame: over an hour at 60 frames/s. Four bytes of a file can
claim years, and a constant rate would fill the disk with copies of one picture."""
MAX_MEAN = 10_000
"""Most output frames a source frame on average, so that the output's length is bounded by the
number of frames that the file really has."""
TOLD_SECONDS = 60
"""A frame that is shown for longer is told."""


@dataclass(frozen=True, slots=True)
class Hold:
    """How long a frame is shown.

    Attributes:
        time: When it begins, in seconds from the first frame of the source.
        seconds: How long it lasts.
    """

    time: Fraction
    seconds: Fraction

    def __str__(self) -> str:
        """For people."""
        where = f"the frame at {decimal(self.time)} s is shown for"
        hours, minutes = divmod(round(self.seconds / 60), 60)
        if hours:
            return f"{where} {hours} h {minutes} min"
        return f"{where} {decimal(self.seconds)} s"


def longest_hold(times: Sequence[Fraction], end: Fraction) -> Hold:
    """The frame that is shown longest, the first of several.

    Args:
        times: When frames begin, in seconds, increasing; at least one.
        end: When the last one ends.
    """
    stops = [*times[1:], end]
    seconds, place = max(
        (stop - time, -k) for k, (time, stop) in enumerate(zip(times, stops, strict=True))
    )
    return Hold(times[-place], seconds)


def require_bounded(rate: RateRequest, hold: Hold, sources: int, frames: int) -> None:
    """Refuse a constant rate that would turn a claim of a few bytes into days of pictures.

    Args:
        rate: The rate wanted.
        hold: The longest of the source.
        sources: Source frames.
        frames: Output frames.

    Raises:
        UsageError: one source frame would become too many, or all of them on average.
    """
    if rate.kind is not RateKind.TARGET:
        return  # no frame is made of a pause
    option = f"--fps {decimal(rate.value)}"
    made = math.ceil(hold.seconds * rate.value)
    if made > MAX_PER_FRAME:
        fix = f"--fps-mult keeps it as it is; --end {decimal(hold.time)} leaves it out."
        raise UsageError(option, f"{hold}: {made} frames would be made of it", fix)
    if frames > MAX_PER_FRAME and frames > MAX_MEAN * sources:
        cause = f"{frames} frames would be made of {sources}; {hold}"
        raise UsageError(option, cause, "--fps-mult keeps pauses as they are.")

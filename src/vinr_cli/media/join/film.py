"""The parts of a job as one video stream."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from av.container import InputContainer

from vinr_cli.errors import EncoderError
from vinr_cli.media.base.borders import reading
from vinr_cli.media.base.opening import open_input
from vinr_cli.media.join.times import ONE, ZERO, Dts
from vinr_cli.media.write.writer import ORIGIN


def _origin(part: InputContainer) -> Fraction:
    """Time of the first frame, which the writer took off."""
    comment = part.metadata.get("comment", "")
    return Fraction(comment.removeprefix(ORIGIN)) if comment.startswith(ORIGIN) else ZERO


@dataclass(frozen=True, slots=True)
class Piece:
    """A part on the film's clock.

    Attributes:
        path: The file.
        offset: Ticks to add to its times.
    """

    path: Path
    offset: int


@dataclass(frozen=True, slots=True)
class Film:
    """The parts as one video stream.

    Attributes:
        pieces: The parts in order.
        origin: Time of the first frame in seconds, which the writer took off.
        tick: Seconds a tick, the same in all parts.
        pts: All times in increasing order, in ticks from the first; 8 bytes each, so hours of
            video stay small.
        dts: Their DTS, for one pass over all packets.
    """

    pieces: tuple[Piece, ...]
    origin: Fraction
    tick: Fraction
    pts: "array[int]"
    dts: Dts

    @property
    def rate(self) -> Fraction | None:
        """Frames a second if all intervals are equal; None if not, or if there is one frame."""
        steps = {b - a for a, b in pairwise(self.pts)}
        return 1 / (steps.pop() * self.tick) if len(steps) == 1 else None


def read_film(parts: Sequence[Path]) -> Film:
    """Read the times of all parts and put them on one clock.

    Raises:
        EncoderError: If the parts were not made by the same encoder, or overlap.
    """
    pieces: list[Piece] = []
    coded = array("q")  # in the order of coding
    latest = -1
    first: tuple[Fraction, Fraction, bytes | None] | None = None
    for path in parts:
        with reading(path), open_input(path) as container:
            video = container.streams.video[0]
            kind = (_origin(container), video.time_base or ONE, video.codec_context.extradata)
            first = first or kind
            if kind[1:] != first[1:]:
                raise EncoderError(path, "does not fit the part before", "Use --restart.")
            offset = round((kind[0] - first[0]) / kind[1])
            if offset <= latest:
                raise EncoderError(path, "overlaps the part before", "Use --restart.")
            found = (p.pts for p in container.demux(video) if p.size)
            times = array("q", (offset + p for p in found if p is not None))
            coded.extend(times)
            latest = max(times, default=latest)
            pieces.append(Piece(path, offset))
    if first is None or not coded:
        raise EncoderError("video", "no frame was made")
    pts = array("q", sorted(coded))
    return Film(tuple(pieces), first[0], first[1], pts, Dts.of(coded))

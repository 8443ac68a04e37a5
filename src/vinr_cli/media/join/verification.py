"""A finished file opened again: compared with the plan, and decoded."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vinr_cli.errors import VerificationError
from vinr_cli.media.base.borders import LIBRARY_ERRORS, reading, words_of
from vinr_cli.media.base.containers import is_quicktime
from vinr_cli.media.base.opening import open_input
from vinr_cli.media.join.times import ONE, ZERO


def count_packets(path: Path) -> int:
    """Frames in a video part.

    Raises:
        InputError: If it cannot be read.
    """
    with reading(path), open_input(path) as container:
        return sum(1 for p in container.demux(container.streams.video[0]) if p.size)


def decode_all(path: Path) -> int:
    """Decode the video of a finished file from start to end; returns the number of its frames.

    Raises:
        VerificationError: If any of it cannot be decoded.
    """
    count = 0
    try:
        with open_input(path) as container:
            stream = _moving(container)
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise VerificationError(path, f"frame {count} is damaged")
                count += 1
    except (*LIBRARY_ERRORS, StopIteration) as error:
        cause = f"frame {count} cannot be decoded: {words_of(error)}"
        raise VerificationError(path, cause) from error
    return count


def check(
    path: Path,
    *,
    frames: int,
    duration: Fraction,
    tolerance: Fraction,
    size: tuple[int, int],
    streams: Sequence[str] | None = None,
) -> None:
    """Open a finished file again, compare it with the plan, and decode every frame of its video.

    Args:
        path: The file.
        frames: Video frames that it must have.
        duration: Seconds from the first frame's start to the last one's end.
        tolerance: Allowed difference of the duration in seconds, not included.
        size: (width, height) that its video must have.
        streams: Kinds of streams that it must have, in any order; None does not look.

    Raises:
        VerificationError: If anything differs, naming both values, or if it cannot be read.
    """
    try:
        with open_input(path) as container:
            stream = _moving(container)
            found = (stream.codec_context.width, stream.codec_context.height)
            count, first, ends = _extent(container, stream)
            claimed = Fraction(container.duration or 0, av.time_base)
            kinds = sorted(s.type for s in container.streams)
    except (*LIBRARY_ERRORS, IndexError) as error:
        raise VerificationError(path, f"cannot be read back: {words_of(error)}") from error
    if count != frames:
        raise VerificationError(path, f"has {count} frames, planned were {frames}")
    if found != size:
        cause = f"is {found[0]}x{found[1]}, planned was {size[0]}x{size[1]}"
        raise VerificationError(path, cause)
    lengths = sorted(end - first for end in ends)
    if not lengths[0] - tolerance < duration < lengths[-1] + tolerance:
        cause = f"lasts {float(lengths[-1]):.6f} s, planned were {float(duration):.6f} s"
        raise VerificationError(path, cause)
    if claimed and claimed <= lengths[-1] / 2:
        raise VerificationError(path, f"claims to last only {float(claimed):.6f} s")
    if streams is not None and kinds != sorted(streams):
        cause = f"has the streams {', '.join(kinds)}, planned were {', '.join(sorted(streams))}"
        raise VerificationError(path, cause)
    decoded = decode_all(path)
    if decoded != frames:
        raise VerificationError(path, f"gives {decoded} frames, planned were {frames}")


def _moving(container: InputContainer) -> VideoStream:
    """The first video stream that is no cover picture."""
    return next(s for s in container.streams.video if not s.disposition & Disposition.attached_pic)


def _extent(
    container: InputContainer, stream: VideoStream
) -> tuple[int, Fraction, tuple[Fraction, ...]]:
    """Frames of a stream, start of its first, and ends of its last, in seconds.

    There are two ends where a container has two ways to tell. MP4 gives each packet its length in
    coding order, which is not the length for which its picture is shown, and gives the stream a
    duration, which is short where a rate varies widely within the last group of reordered
    pictures. Elsewhere both are the same.
    """
    tb = stream.time_base or ONE
    last: list[tuple[int, int]] = []  # the two greatest times, with their durations
    count = 0
    first: int | None = None
    for packet in container.demux(stream):
        if not packet.size or packet.pts is None or packet.is_discard:
            continue
        count += 1
        first = packet.pts if first is None else min(first, packet.pts)
        last = sorted([*last, (packet.pts, packet.duration or 0)])[-2:]
    if first is None:
        return 0, ZERO, (ZERO,)
    time, length = last[-1]
    if not length and len(last) > 1:
        length = time - last[0][0]  # MPEG-TS does not store durations
    ends = [time + length]
    if is_quicktime(container.format.name) and stream.duration:
        ends.append(first + stream.duration)
    return count, first * tb, tuple(end * tb for end in ends)

"""The presentation times of a stream, collected without decoding it."""

import statistics
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from vinr_cli.media.base.borders import LIBRARY_ERRORS, AnyPacket, reading
from vinr_cli.media.base.opening import open_input
from vinr_cli.media.read.info import Timestamps, VideoInfo

_VARIABLE = Fraction(1, 1000)
"""Intervals that differ by more than this (seconds), and by more than a tick, are a variable rate.

Matroska rounds every time to a millisecond, so a constant rate shows differences of up to one.
"""


def scan_timestamps(path: Path, info: VideoInfo, limit: int | None = None) -> Timestamps:
    """Collect the presentation times of a stream without decoding it.

    Args:
        path: The file.
        info: The stream, from `probe`.
        limit: Packets to read at most; None reads them all.

    Returns:
        The times; packets that an edit list hides are left out. A file that breaks off gives the
        times up to there.

    Raises:
        InputError: If the file cannot be opened.
    """
    times: list[int] = []
    durations: dict[int, int | None] = {}
    missing = count = 0
    disordered = False
    with reading(path), open_input(path) as container:
        stream = container.streams[info.index]
        packets = container.demux(stream)
        in_order = stream.codec_context is not None and stream.codec_context.codec.intra_only
        while limit is None or count < limit:
            try:
                packet = next(packets, None)
            except LIBRARY_ERRORS:
                break
            if packet is None:
                break
            if not packet.size or packet.is_discard or is_hidden(info.codec, packet):
                continue
            count += 1
            if packet.pts is None:
                missing += 1
            else:
                disordered |= in_order and bool(times) and packet.pts < times[-1]
                times.append(packet.pts)
                durations[packet.pts] = packet.duration
    unique = tuple(sorted(set(times)))
    last = durations[unique[-1]] if unique else None
    found = _statistics(unique, len(times) - len(unique), missing, last, info.time_base)
    return replace(found, disordered=disordered)


def is_hidden(codec: str, packet: AnyPacket) -> bool:
    """Whether a packet of VP8 or VP9 is a picture that is never shown, only referred to.

    Some muxers give such a picture a packet and a time of its own. The first bits of a frame say
    whether it is shown (RFC 6386, 9.1; the VP9 bitstream specification, 6.2); a VP9 packet that
    ends with a superframe's marker holds a shown one too.
    """
    if codec not in ("vp8", "vp9") or not packet.size:
        return False
    data = memoryview(packet)
    first, last = data[0], data[-1]
    if codec == "vp8":
        return not first & 0x10
    if last & 0xE0 == 0xC0 and packet.size > 1:
        return False
    spare = 0 if first >> 4 & 3 == 3 else 1  # profile 3 has one bit more in front
    shown_again = first >> (2 + spare) & 1
    return not shown_again and not first >> spare & 1


def _statistics(
    pts: tuple[int, ...], duplicates: int, missing: int, last: int | None, time_base: Fraction
) -> Timestamps:
    """Interval statistics of sorted, distinct times."""
    steps = [b - a for a, b in pairwise(pts)]
    if not steps:
        return Timestamps(pts, duplicates, missing, last or None, False, None, None, None)
    slack = max(Fraction(1), _VARIABLE / time_base)
    return Timestamps(
        pts,
        duplicates,
        missing,
        last or None,
        bool(max(steps) - min(steps) > slack),
        min(steps),
        statistics.median_low(steps),
        max(steps),
    )

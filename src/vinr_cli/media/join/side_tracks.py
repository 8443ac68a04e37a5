"""The source's other streams on their way into a container that is written while frames come."""

import heapq
import itertools
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from io import BytesIO
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Disposition, Stream

from vinr_cli.media.base.borders import LIBRARY_ERRORS, AnyPacket
from vinr_cli.media.base.containers import Container
from vinr_cli.media.base.opening import codec_name
from vinr_cli.media.join.streams import Fate, chapters_fate
from vinr_cli.media.join.times import ONE, Times
from vinr_cli.media.join.tracks import (
    Track,
    add_copy,
    describe,
    holds,
    is_chapter_list,
    packet_length,
)
from vinr_cli.media.read.info import MediaInfo

_AAC_RATES = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
"""Sampling frequencies by their index."""


def streams_along(
    container: InputContainer,
    source: MediaInfo,
    target: Container,
    *,
    left_out: Collection[str] = (),
    stretched: bool = False,
    piped: bool = True,
) -> tuple[list[Stream], tuple[Fate, ...]]:
    """Which other streams come along, and what becomes of each.

    Args:
        container: The source, opened.
        source: The source's description.
        target: The target's format.
        left_out: Kinds of streams (audio, subtitle) that the user does not want.
        stretched: Whether sound would have to be stretched.
        piped: Whether the target is a pipe, in which nothing can be written again later.
    """
    along: list[Stream] = []
    found: list[Fate] = []
    for stream in container.streams:
        if stream.index == source.video.index or is_chapter_list(stream):
            continue
        if stream.type in left_out:
            found.append(Fate(describe(stream), "is left out", quiet=True))
            continue
        why = _why_not(target, stream, stretched=stretched, piped=piped)
        found.append(Fate(describe(stream), f"is not kept{why}" if why else ""))
        if not why:
            along.append(stream)
    return along, (*found, *chapters_fate(container, target))


def _why_not(target: Container, stream: Stream, *, stretched: bool, piped: bool) -> str:
    """Why a stream cannot come along, with a colon before it; empty if it can."""
    if isinstance(stream, AttachmentStream):
        return "" if target.attachments else ": only mkv holds attachments"
    picture = stream.disposition & Disposition.attached_pic
    if stream.type not in ("audio", "subtitle") and not picture:
        return ": only sound, subtitles and pictures are"
    if stream.type == "audio" and stretched:
        return ": sound is not stretched in a stream"
    held = not (target.bare or target.pictures) and (holds(target, stream) or _is_bare_aac(stream))
    if not (held and _takes(target, stream, _Nowhere() if piped else BytesIO())):
        return f": {target} cannot hold it, and nothing is converted in a stream"
    return ""


class _Nowhere:
    """A file that cannot be searched and keeps nothing."""

    def write(self, data: bytes) -> int:
        """Take it."""
        return len(data)


def _takes(target: Container, stream: Stream, file: "_Nowhere | BytesIO") -> bool:
    """Whether a format can begin with a stream in a file of this kind."""
    try:
        options = dict(target.options) if target.piped else {}
        with av.open(file, "w", format=target.muxer, container_options=options) as trial:
            _add_along(trial, stream)
            trial.start_encoding()
    except LIBRARY_ERRORS:
        return False
    return True


def _is_bare_aac(stream: Stream) -> bool:
    """Whether a stream is AAC of a broadcast, whose header is in every packet (ADTS)."""
    context: Any = stream.codec_context
    return codec_name(stream) == "aac" and context is not None and not context.extradata


def _add_along(out: OutputContainer, stream: Stream) -> Stream:
    """Add a stream that copies another one's packets, with a header if it has none.

    What ADTS says in every packet other containers want at the beginning: the AudioSpecificConfig
    of ISO/IEC 14496-3. The profile is AAC LC, the one that is broadcast so.
    """
    copy = add_copy(out, stream)
    if _is_bare_aac(stream):
        theirs: Any = stream.codec_context
        ours: Any = copy.codec_context
        if theirs.sample_rate in _AAC_RATES and 1 <= theirs.channels <= 6:
            config = 2 << 11 | _AAC_RATES.index(theirs.sample_rate) << 7 | theirs.channels << 3
            ours.extradata = config.to_bytes(2)
    return copy


class SideTracks:
    """Packets of other streams on their way into the target, in the order of their times.

    `give` belongs to the thread that reads, everything else to the one that writes.

    Args:
        streams: Where they come from.
    """

    def __init__(self, streams: Sequence[Stream] = ()) -> None:
        self.streams = tuple(streams)
        self._given: deque[AnyPacket] = deque()
        self._ready: list[tuple[float, int, AnyPacket]] = []
        self._count = itertools.count()
        self._tracks: dict[int, Track] = {}

    def give(self, packet: AnyPacket) -> None:
        """Take a packet of one of the streams."""
        self._given.append(packet)

    def attach(self, out: OutputContainer, times: Times) -> None:
        """Add the streams to the target.

        Args:
            out: The target; nothing is written yet.
            times: From the source's clock to the target's.
        """
        for stream in self.streams:
            if isinstance(stream, AttachmentStream):
                name = stream.metadata.get("filename", f"attachment-{stream.index}")
                kind = stream.mimetype or "application/octet-stream"
                out.add_attachment(name, kind, stream.data)
                continue
            copy = _add_along(out, stream)
            self._tracks[stream.index] = Track(stream, copy, times, packet_length(stream))

    def until(self, time: float | None) -> Iterator[AnyPacket]:
        """Packets up to a time of the target in seconds; None for all that are left."""
        self._fetch(time)
        while self._given:
            packet = self._given.popleft()
            timed = self._tracks[packet.stream_index].retime(packet)
            if timed is not None:
                heapq.heappush(self._ready, (timed[0], next(self._count), timed[1]))
        while self._ready and (time is None or self._ready[0][0] <= time):
            yield heapq.heappop(self._ready)[2]

    def _fetch(self, time: float | None) -> None:
        """See to it that packets up to a time have been given, where that can be waited for."""


class FileTracks(SideTracks):
    """`SideTracks` of a file, which is read as far as is needed.

    Args:
        container: The file, opened for nothing else.
        streams: Those of its streams that come along.
    """

    def __init__(self, container: InputContainer, streams: Sequence[Stream]) -> None:
        super().__init__(streams)
        moving = [s for s in streams if not isinstance(s, AttachmentStream)]
        self._packets: Iterator[AnyPacket] = container.demux(moving) if moving else iter(())

    def _fetch(self, time: float | None) -> None:
        """Read until a packet lies beyond the time."""
        for packet in self._packets:
            if not packet.size:
                continue
            self.give(packet)
            stamp = packet.pts if packet.pts is not None else packet.dts
            track = self._tracks[packet.stream_index]
            source = (stamp or 0) * (track.source.time_base or ONE)
            if time is not None and float(track.times(source)) > time:
                return

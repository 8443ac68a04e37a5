"""Streams and packets on their way into the result: which it can hold, and at what times."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream

from vinr_cli.media.base.borders import LIBRARY_ERRORS, AnyPacket, reading, words_of
from vinr_cli.media.base.containers import Container, is_quicktime
from vinr_cli.media.base.opening import codec_name, open_input
from vinr_cli.media.join.times import ONE, Coding, Times
from vinr_cli.media.read.info import MediaInfo

Timed = tuple[float, AnyPacket]
"""A packet ready for the result, with its time in seconds to sort by."""

TEXT_SUBTITLES = frozenset({"subrip", "ass", "ssa", "webvtt", "mov_text", "text"})

START_SLACK = Fraction(1, 1000)
"""Seconds by which a track may start off the picture where a format cannot say when it starts."""
_STALE = ("BPS", "DURATION", "NUMBER_OF_", "_STATISTICS", "SOURCE_ID")
"""Starts of Matroska's tags about one encoding of a stream; wrong for another."""
_NOT_COPIED = frozenset(
    {"alpha_mode", "compatible_brands", "duration", "encoder", "major_brand", "minor_version",
     "rotate", "vendor_id"}
)  # fmt: skip


@dataclass(slots=True)
class Track:
    """A stream that is copied.

    Attributes:
        source: Where its packets come from.
        out: Where they go.
        times: How its times change.
        step: Seconds that every packet lasts, for sound of a fixed number of samples per packet;
            None for anything else.
        expected: Source time at which the next packet starts by `step`.
        earliest: Packets before this time of the result are left out; None keeps all.
        coding: Which packets of a video are kept, and when they are decoded; None for other kinds.
        sent: Packets so far.
    """

    source: Stream
    out: Stream
    times: Times
    step: Fraction | None = None
    expected: Fraction | None = None
    earliest: Fraction | None = None
    coding: "Coding | None" = None
    sent: int = 0

    def retime(self, packet: AnyPacket) -> Timed | None:
        """Move a packet to the result's clock; None if it is outside of the kept span."""
        tb = self.source.time_base or ONE
        if packet.pts is None and packet.dts is None:
            packet.pts = packet.dts = 0
        ticks = packet.pts if packet.pts is not None else packet.dts
        start = self._exact(Fraction(ticks or 0) * tb, tb)
        length = (packet.duration or 0) * tb
        picture = bool(self.source.disposition & Disposition.attached_pic)
        if self.coding is not None:
            if ticks not in self.coding.kept:
                return None
        elif not picture and not self.times.keeps(start, start + length):
            return None
        if self.source.type == "subtitle":  # a text can be shown for less long, sound cannot
            length = self.times.kept(start, length)
        time = Fraction(0) if picture else self.times(start)
        if self.earliest is not None and time < self.earliest:
            return None
        lag = 0 if packet.pts is None or packet.dts is None else packet.pts - packet.dts
        fine = tb if self.step is None else min(tb, self.step / 1000)
        packet.time_base = fine
        packet.pts = round(time / fine)
        packet.dts = packet.pts - round(lag * tb / fine)
        if self.coding is not None:
            packet.dts = round(self.times(self.coding.time(self.sent) * tb) / fine)
            self.sent += 1
        packet.duration = round(length * self.times.stretch / fine)
        packet.stream = self.out
        return float(time), packet

    def _exact(self, start: Fraction, tick: Fraction) -> Fraction:
        """Start of a packet, without the rounding of a container with coarse ticks.

        Matroska counts milliseconds; sound packets that follow each other without a gap are put
        exactly one length apart, as far as that agrees with what the container says.
        """
        if self.step is None or tick <= self.step / 1000:
            return start
        if self.expected is not None and abs(self.expected - start) <= tick:
            start = self.expected
        self.expected = start + self.step
        return start


def packet_length(stream: Stream) -> Fraction | None:
    """Seconds per packet of sound with a fixed frame size; None for anything else."""
    context = stream.codec_context
    if context is None or stream.type != "audio":
        return None
    size, rate = getattr(context, "frame_size", 0), getattr(context, "sample_rate", 0)
    fixed = codec_name(stream) in ("aac", "mp3", "mp2", "ac3", "eac3")
    return Fraction(size, rate) if fixed and size and rate else None


def why_convert(
    source: MediaInfo, container: Container, stream: Stream, times: Times, *, stretched: bool
) -> str:
    """Why a sound track cannot be copied; empty if it can.

    Args:
        source: The source.
        container: The result's format.
        stream: The track.
        times: How its times become times from the first frame on.
        stretched: Whether sound is stretched.

    Raises:
        InputError: If the source cannot be opened.
    """
    if stretched:
        return "is stretched"
    if not holds(container, stream):
        return f"does not fit into {container}"
    if not container.starts and not _starts_together(source.path, stream, times):
        return f"does not start with the picture, which {container} cannot say"
    return ""


def _starts_together(path: Path, stream: Stream, times: Times) -> bool:
    """Whether a packet of a track begins with the first frame, to `START_SLACK`."""
    tick = stream.time_base or ONE
    with reading(path), open_input(path) as container:
        for packet in container.demux(container.streams[stream.index]):
            if not packet.size or packet.pts is None:
                continue
            time = times(packet.pts * tick)
            if time >= -START_SLACK:
                return time <= START_SLACK
    return False


def why_not(source: MediaInfo, container: Container, stream: Stream, times: Times) -> str:
    """Why a further video, a cover picture or data cannot be copied; empty if it can.

    Args:
        source: The source.
        container: The result's format.
        stream: The stream.
        times: How its times become those of the result.

    Raises:
        InputError: If the source cannot be opened.
    """
    if not holds(container, stream):
        return f"{container} cannot hold it"
    if is_moving(stream) and not coding_of(source.path, stream, times).pts:
        return "it is empty"
    return ""


def is_moving(stream: Stream) -> bool:
    """Whether a stream is a video and no cover picture."""
    return stream.type == "video" and not stream.disposition & Disposition.attached_pic


def coding_of(path: Path, stream: Stream, times: Times) -> Coding:
    """Read which packets of a further video are kept, and when they are to be decoded.

    Of a kept span packets are kept from its first key frame on, so that they can be decoded.

    Raises:
        InputError: If the file cannot be opened.
    """
    tick, first, last = stream.time_base or ONE, None, None
    if times.kept_span is not None:
        first, last = times.kept_span
    coded: list[int] = []
    with reading(path), open_input(path) as container:
        for packet in container.demux(container.streams[stream.index]):
            ticks = packet.dts if packet.pts is None else packet.pts
            if not packet.size or ticks is None:
                continue
            begun = bool(coded) or packet.is_keyframe
            late = last is not None and (ticks if packet.dts is None else packet.dts) * tick >= last
            if begun and not late and (first is None or ticks * tick >= first):
                coded.append(ticks)
    return Coding.of(coded)


def packets_of(
    container: InputContainer, tracks: dict[int, Track], notices: list[str]
) -> Iterator[Timed]:
    """Packets of some streams of a file, in file order, at the result's times.

    Where the file breaks off, its tracks end, with a notice: the picture is complete by then.
    """
    packets = container.demux([t.source for t in tracks.values()])
    while True:
        try:
            packet = next(packets, None)
        except LIBRARY_ERRORS as error:
            notices.append(f"the source's other tracks end early: {words_of(error)}")
            return
        if packet is None:
            return
        if not packet.size:
            continue
        timed = tracks[packet.stream_index].retime(packet)
        if timed is not None:
            yield timed


def holds(container: Container, stream: Stream) -> bool:
    """Whether a format can hold a stream as it is, found by writing a header to memory."""
    name = codec_name(stream)
    if stream.type == "data" and not (container.data and name):
        return False
    if name in container.unread or (container.copied is not None and name not in container.copied):
        return False
    try:
        with av.open(BytesIO(), "w", format=container.muxer) as trial:
            add_copy(trial, stream)
            trial.start_encoding()
    except LIBRARY_ERRORS:
        return False
    return True


def add_copy(out: OutputContainer, stream: Stream) -> Stream:
    """Add a stream that copies another one's packets, with its tags."""
    copy = out.add_stream_from_template(stream, opaque=True)
    copy.disposition = stream.disposition
    copy.metadata.update(kept_tags(stream.metadata))
    if codec_name(stream) == "prores":  # its profile is in the tag alone: 4444 would become HQ
        cast(Any, copy.codec_context).codec_tag = cast(Any, stream.codec_context).codec_tag
    return copy


def kept_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags without those that speak of one file's encoding."""
    return {
        key: value
        for key, value in tags.items()
        if key.lower() not in _NOT_COPIED and not key.upper().startswith(_STALE)
    }


def describe(stream: Stream) -> str:
    """A stream's name in a notice."""
    name = codec_name(stream)
    return f"{stream.type} stream {stream.index}{f' ({name})' if name else ''}"


def is_timecode(stream: Stream) -> bool:
    """Whether a stream counts frames; such a one is not copied but written anew."""
    return stream.type == "data" and "timecode" in stream.metadata


def is_chapter_list(stream: Stream) -> bool:
    """Whether a stream is QuickTime's list of chapters, which are read and written as such."""
    container = cast(InputContainer, stream.container)
    listed = stream.type == "data" and codec_name(stream) == "bin_data"
    return listed and is_quicktime(container.format.name) and bool(container.chapters())


def scratch_name(folder: Path, stream: Stream) -> Path:
    """A file for a converted stream."""
    return folder / f"stream-{stream.index}"

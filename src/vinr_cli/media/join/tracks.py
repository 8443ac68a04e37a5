"""Streams and packets on their way into the result: which it can hold, and at what times."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Disposition, Stream

from vinr_cli.media.base.borders import LIBRARY_ERRORS, AnyPacket, reading, words_of
from vinr_cli.media.base.containers import is_quicktime
from vinr_cli.media.base.opening import codec_name, open_input
from vinr_cli.media.join.times import ONE, Dts, Times

Timed = tuple[float, AnyPacket]
"""A packet ready for the result, with its time in seconds to sort by."""

TEXT_SUBTITLES = frozenset({"subrip", "ass", "ssa", "webvtt", "mov_text", "text"})

START_SLACK = Fraction(1, 1000)
"""Seconds by which a track may start off the picture where a format cannot say when it starts."""
_AAC_RATES = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
"""Sampling frequencies by their index."""
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
        kept: Times of the packets that are kept, in the source's ticks; None for the kept span.
        dts: When packets are decoded; None keeps their distances from when they are shown.
    """

    source: Stream
    out: Stream
    times: Times
    step: Fraction | None = None
    expected: Fraction | None = None
    earliest: Fraction | None = None
    kept: frozenset[int] | None = None
    dts: Dts | None = None

    def retime(self, packet: AnyPacket) -> Timed | None:
        """Move a packet to the result's clock; None if it is outside of the kept span."""
        tb = self.source.time_base or ONE
        if packet.pts is None and packet.dts is None:
            packet.pts = packet.dts = 0
        ticks = packet.pts if packet.pts is not None else packet.dts
        start = self._exact(Fraction(ticks or 0) * tb, tb)
        length = (packet.duration or 0) * tb
        picture = bool(self.source.disposition & Disposition.attached_pic)
        if self.kept is not None:
            if ticks not in self.kept:
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
        if self.dts is not None:
            packet.dts = round(self.times(self.dts.next(ticks or 0) * tb) / fine)
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


def is_moving(stream: Stream) -> bool:
    """Whether a stream is a video and no cover picture."""
    return stream.type == "video" and not stream.disposition & Disposition.attached_pic


def coded_times(path: Path, stream: Stream, times: Times) -> Sequence[int]:
    """The times of those packets of a further video that are kept, in the order of coding.

    Of a kept span packets are kept from its first key frame on, so that they can be decoded.

    Raises:
        InputError: If the file cannot be opened.
    """
    tick, first, last = stream.time_base or ONE, None, None
    if times.kept_span is not None:
        first, last = times.kept_span
    coded = array("q")
    with reading(path), open_input(path) as container:
        for packet in container.demux(container.streams[stream.index]):
            ticks = packet.dts if packet.pts is None else packet.pts
            if not packet.size or ticks is None:
                continue
            begun = bool(coded) or packet.is_keyframe
            late = last is not None and (ticks if packet.dts is None else packet.dts) * tick >= last
            if begun and not late and (first is None or ticks * tick >= first):
                coded.append(ticks)
    return coded


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


def is_timecode(stream: Stream) -> bool:
    """Whether a stream counts frames; such a one is not copied but written anew."""
    return stream.type == "data" and "timecode" in stream.metadata


def is_chapter_list(stream: Stream) -> bool:
    """Whether a stream is QuickTime's list of chapters, which are read and written as such."""
    container = cast(InputContainer, stream.container)
    listed = stream.type == "data" and codec_name(stream) == "bin_data"
    return listed and is_quicktime(container.format.name) and bool(container.chapters())


def is_bare_aac(stream: Stream) -> bool:
    """Whether a stream is AAC of a broadcast, whose header is in every packet (ADTS)."""
    context: Any = stream.codec_context
    return codec_name(stream) == "aac" and context is not None and not context.extradata


def add_along(out: OutputContainer, stream: Stream) -> Stream:
    """Add a stream that copies another one's packets, with a header if it has none.

    What ADTS says in every packet other containers want at the beginning: the AudioSpecificConfig
    of ISO/IEC 14496-3. The profile is AAC LC, the one that is broadcast so.
    """
    copy = add_copy(out, stream)
    if is_bare_aac(stream):
        theirs: Any = stream.codec_context
        ours: Any = copy.codec_context
        if theirs.sample_rate in _AAC_RATES and 1 <= theirs.channels <= 6:
            config = 2 << 11 | _AAC_RATES.index(theirs.sample_rate) << 7 | theirs.channels << 3
            ours.extradata = config.to_bytes(2)
    return copy


def attach(out: OutputContainer, stream: AttachmentStream) -> None:
    """Add an attached file, such as a font."""
    kind = stream.mimetype or "application/octet-stream"
    out.add_attachment(attachment_name(stream), kind, stream.data)


def attachment_name(stream: AttachmentStream) -> str:
    """The name of an attached file."""
    return stream.metadata.get("filename", f"attachment-{stream.index}")

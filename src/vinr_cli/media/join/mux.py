"""A video part and the source's other streams to one finished file, by stream copy.

All times are exact fractions of seconds until they are rounded, once, to a stream's own ticks.
"""

import heapq
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Stream
from av.video.stream import VideoStream

from vinr_cli.errors import EncoderError
from vinr_cli.media.base.alpha import carries_opacity, repair
from vinr_cli.media.base.borders import LIBRARY_ERRORS, reading, writing
from vinr_cli.media.base.containers import Comment, Container, Conversion
from vinr_cli.media.base.names import container_of
from vinr_cli.media.base.opening import open_input
from vinr_cli.media.join.decisions import Act, StreamDecision
from vinr_cli.media.join.film import Film, read_film
from vinr_cli.media.join.header import Head, Header, Stated
from vinr_cli.media.join.reencode import convert_audio, convert_subtitle
from vinr_cli.media.join.times import ONE, ZERO, Dts, Times, clock_base
from vinr_cli.media.join.tracks import (
    START_SLACK,
    Timed,
    Track,
    add_copy,
    attach,
    coded_times,
    is_moving,
    kept_tags,
    packet_length,
    packets_of,
)
from vinr_cli.media.join.words import failure
from vinr_cli.media.pictures.animate import render_film
from vinr_cli.media.pictures.comments import put_comment
from vinr_cli.media.read.info import MediaInfo


def finish(
    video: Path | Sequence[Path],
    source: MediaInfo,
    target: Path,
    *,
    decisions: Sequence[StreamDecision],
    tags: Mapping[str, str] | None = None,
    shift: Fraction = ZERO,
    kept_span: tuple[Fraction, Fraction | None] | None = None,
    stretch: Fraction | None = None,
    ffmpeg: Path,
    notices: list[str],
    last_duration: Fraction | None = None,
    container: Container | None = None,
) -> tuple[str, ...]:
    """Write the result: the parts' video and what was decided of the source's other streams.

    Frames keep their bytes and times. DTS are new: an encoder knows those of its part alone.

    Args:
        video: What `FrameWriter` wrote: a part, or several in their order.
        source: The source, from `probe`.
        target: File to write, a temporary name; replaced if it exists.
        decisions: What becomes of the source's other streams.
        tags: Tags of the container in addition to the source's.
        shift: Seconds to subtract from the source streams' times: the source's time of the first
            output frame less the time that the frame was written with.
        kept_span: Seconds on the clock of the source's PTS from and until which other streams are
            kept; None keeps all.
        stretch: Factor of slow motion; sound is re-encoded at its own pitch and that tempo.
        ffmpeg: The binary that converts what cannot be copied.
        notices: Takes a line for each conversion that fails, and for a source that breaks off.
        last_duration: Seconds that the last frame is shown for; None repeats the one before it.
        container: The format; None takes it from the target's suffix.

    Returns:
        The kinds of the target's streams: video, audio, subtitle, attachment.

    Raises:
        InputError: If the source or a part cannot be opened.
        EncoderError: If the parts do not fit together.
        OutputError: If the target cannot be written.
        UsageError: If the target's suffix names no format.
    """
    form = container or container_of(target)
    if form.rendering:
        with writing(target), tempfile.TemporaryDirectory(dir=target.parent) as folder:
            film_file = Path(folder) / "film.mp4"
            finish(
                video, source, film_file, decisions=(), shift=shift, kept_span=kept_span,
                stretch=stretch, ffmpeg=ffmpeg, notices=[], last_duration=last_duration,
            )  # fmt: skip
            _render(ffmpeg, film_file, target, form, tags or {})
        return ("video",)
    with writing(target), ExitStack() as stack:
        film = read_film([video] if isinstance(video, Path) else video)
        times = _times(film, source, form, shift=shift, kept_span=kept_span, stretch=stretch)
        opened, head = _open_source(stack, source)
        header = Header(target, form, source, head, tags or {}, times, film.rate)
        return _Mux(stack, header, opened, decisions, ffmpeg, notices).run(film, last_duration)


def _times(
    film: Film,
    source: MediaInfo,
    form: Container,
    *,
    shift: Fraction,
    kept_span: tuple[Fraction, Fraction | None] | None,
    stretch: Fraction | None,
) -> Times:
    """From the source's clock to that of the result."""
    base = clock_base(source, film.origin, shift, kept_span) if form.starts else film.origin
    return Times(film.origin, shift, stretch or ONE, base, kept_span)


def _render(
    ffmpeg: Path, film: Path, target: Path, form: Container, tags: Mapping[str, str]
) -> None:
    """A format that is made of a finished film, with its comment."""
    render_film(ffmpeg, film, target, form)
    for text in tags.values() if form.comment is Comment.AFTERWARDS else ():
        put_comment(target, text)


def _open_source(stack: ExitStack, source: MediaInfo) -> tuple[InputContainer | None, Head]:
    """The source and what its header states; nothing of one that cannot be opened again."""
    if not source.reopens:
        return None, Head()
    opened = _open(stack, source.path)
    return opened, Head.of(opened, source.video.index)


def _open(stack: ExitStack, path: Path) -> InputContainer:
    with reading(path):
        return stack.enter_context(open_input(path))


@dataclass(slots=True)
class _Mux:
    """One run of `finish`; `stack` closes what it opens."""

    stack: ExitStack
    header: Header
    opened: InputContainer | None
    decisions: Sequence[StreamDecision]
    ffmpeg: Path
    notices: list[str]
    flows: list[Iterator[Timed]] = field(default_factory=list)

    def run(self, film: Film, last: Fraction | None) -> tuple[str, ...]:
        """Set up all streams, then copy packets in the order of their times."""
        header, times = self.header, self.header.times
        video = _open(self.stack, film.pieces[0].path).streams.video[0]
        final = _last_ticks(film, last, video)
        out = self.stack.enter_context(header.open(header.name, film.tick))
        opacity = carries_opacity(video)
        stated = Stated(header.source.video.color if opacity else None, opacity)  # NUT has none
        picture = header.add_picture(out, video, stated)
        self.flows.append(_picture_packets(film, picture, final, times))
        if self.opened is not None:
            self._add_others(out, self.opened)
        own = header.describe(out, times.origin + (film.pts[-1] + final) * film.tick - times.base)
        for _, packet in heapq.merge(*self.flows, key=_by_time):
            out.mux(packet)
        kinds = (*(s.type for s in out.streams), *["data"] * own)
        out.close()
        return kinds

    def _add_others(self, out: OutputContainer, source: InputContainer) -> None:
        """Carry out what was decided about every other stream of the source."""
        copied: dict[int, Track] = {}
        for decision in self.decisions:
            if decision.index is None or decision.act not in (Act.COPY, Act.CONVERT):
                continue
            stream = source.streams[decision.index]
            if isinstance(stream, AttachmentStream):
                attach(out, stream)
            elif decision.conversion is None:
                copied[stream.index] = self._copy(out, stream)
            elif stream.type == "audio":
                self._convert_sound(out, stream, decision, decision.conversion)
            else:
                self._convert_text(out, stream, decision, decision.conversion)
        if copied:
            self.flows.append(packets_of(source, copied, self.notices))

    def _copy(self, out: OutputContainer, stream: Stream) -> Track:
        """A stream as it is."""
        times, starts = self.header.times, self.header.container.starts
        track = Track(stream, add_copy(out, stream), times, packet_length(stream))
        if stream.type == "audio" and not starts:
            track.earliest = -START_SLACK
        if is_moving(stream):
            coded = coded_times(self.header.source.path, stream, times)
            track.kept, track.dts = frozenset(coded), Dts.of(coded)
        return track

    def _convert_sound(
        self,
        out: OutputContainer,
        stream: Stream,
        decision: StreamDecision,
        conversion: Conversion,
    ) -> None:
        """A sound stream that must be stretched or does not fit."""
        source, times = self.header.source, self.header.times
        info = next(t for t in source.tracks if t.index == stream.index)
        span = times.kept_span or (None, None)
        start = info.start or ZERO
        begin = times(start if span[0] is None else max(start, span[0]))
        lead = ZERO if self.header.container.starts else begin

        def convert(scratch: Path) -> None:
            convert_audio(
                self.ffmpeg,
                source.path,
                stream.index,
                scratch,
                conversion=conversion,
                channels=info.channels or 2,
                stretch=times.stretch,
                start=span[0],
                end=span[1],
                lead=lead,
            )

        self._add_converted(out, stream, decision, convert, Times(shift=lead - begin))

    def _convert_text(
        self,
        out: OutputContainer,
        stream: Stream,
        decision: StreamDecision,
        conversion: Conversion,
    ) -> None:
        """A subtitle stream, from text to text."""
        path = self.header.source.path

        def convert(scratch: Path) -> None:
            convert_subtitle(self.ffmpeg, path, stream.index, scratch, conversion=conversion)

        self._add_converted(out, stream, decision, convert, self.header.times)

    def _add_converted(
        self,
        out: OutputContainer,
        stream: Stream,
        decision: StreamDecision,
        convert: Callable[[Path], None],
        times: Times,
    ) -> None:
        """Convert a stream into a scratch file and copy from there."""
        folder = tempfile.TemporaryDirectory(prefix=".vinr-", dir=self.header.name.parent)
        scratch = Path(self.stack.enter_context(folder)) / f"stream-{stream.index}"
        try:
            convert(scratch)
            converted = self.stack.enter_context(open_input(scratch))
        except (EncoderError, *LIBRARY_ERRORS) as error:
            self.notices.append(failure(decision, error))
            return
        new = converted.streams[0]
        copy = add_copy(out, new)
        copy.metadata.update(kept_tags(stream.metadata))
        copy.disposition = stream.disposition
        self.flows.append(packets_of(converted, {0: Track(new, copy, times)}, self.notices))


def _picture_packets(film: Film, picture: VideoStream, final: int, times: Times) -> Iterator[Timed]:
    """The parts' packets at their times, each with the duration that it is shown for."""
    tb, pts = film.tick, film.pts
    offset = round((times.origin - times.base) / tb)
    index = 0
    for piece in film.pieces:
        with reading(piece.path), open_input(piece.path) as container:
            for packet in container.demux(container.streams.video[0]):
                if not packet.size or packet.pts is None:
                    continue
                repair(packet)
                packet.pts += piece.offset
                after = bisect_right(pts, packet.pts)
                packet.duration = pts[after] - packet.pts if after < len(pts) else final
                packet.dts = film.dts.next(packet.pts)
                index += 1
                if index == len(pts):
                    packet.duration = film.dts.last_length(packet.pts, packet.dts, final)
                packet.pts += offset
                packet.dts += offset
                packet.stream = picture
                yield float(packet.dts * tb), packet


def _by_time(item: Timed) -> float:
    return item[0]


def _last_ticks(film: Film, last: Fraction | None, video: VideoStream) -> int:
    """Ticks that the last frame is shown for."""
    if last is not None:
        return max(1, round(last / film.tick))
    if len(film.pts) > 1:
        return film.pts[-1] - film.pts[-2]
    return max(1, round(1 / ((video.average_rate or Fraction(25)) * film.tick)))

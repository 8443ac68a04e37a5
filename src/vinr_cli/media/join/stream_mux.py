"""Frames to a container that is written while they are made.

An ffmpeg encodes them into a pipe. A thread takes its packets, puts those of the source's other
streams between them by time, and writes the container, which may be standard output. So the delay
is that of the network, of the encoder and of a cluster, and never that of a whole file.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, cast

import av
from av.container import InputContainer, OutputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vinr_cli.color.spec import ColorSpec, output_tags
from vinr_cli.media.base.alpha import DECODERS, TAG, repair
from vinr_cli.media.base.borders import AnyPacket, reading, url, writing
from vinr_cli.media.base.containers import Container
from vinr_cli.media.base.opening import codec_name
from vinr_cli.media.base.pipe import STDOUT_NAME, Outlet
from vinr_cli.media.base.pixel_formats import FULL, MATRICES, PRIMARIES, STUDIO, TRANSFERS
from vinr_cli.media.join.chapters import moved_chapters
from vinr_cli.media.join.mux import MAX_MOVIE_SCALE
from vinr_cli.media.join.side_tracks import SideTracks
from vinr_cli.media.join.timecode import moved
from vinr_cli.media.join.times import ONE, ZERO, Times, clock_base
from vinr_cli.media.join.tracks import add_copy, kept_tags
from vinr_cli.media.read.info import MediaInfo

if TYPE_CHECKING:  # a type of the stubs alone
    from av.container.core import Chapter


_NO_WAIT = {"probesize": "65536", "analyzeduration": "1"}
"""For the encoder's packets: its header says all that is needed."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What a source's header says beside its streams.

    Attributes:
        video_tags: Tags of the main video stream.
        disposition: Of the same; None if nothing is known.
        chapters: As PyAV gives them.
    """

    video_tags: dict[str, str] = field(default_factory=dict)
    disposition: Disposition | None = None
    chapters: "tuple[Chapter, ...]" = ()

    @classmethod
    def of(cls, container: InputContainer, index: int) -> Self:
        """Read from an opened source.

        Args:
            container: It.
            index: Of its main video stream.
        """
        video = container.streams[index]
        return cls(dict(video.metadata), video.disposition, tuple(container.chapters()))


@dataclass(frozen=True, slots=True, eq=False)
class StreamTarget:
    """What a `StreamMux` writes.

    Attributes:
        file: A path, or standard output.
        form: Its format.
        source: The source's description.
        side: Its other streams.
        tags: What the container says of how it was made.
        head: What the source's header says beside its streams.
        kept_span: As of `Times`.
        stretch: Factor of slow motion, 1 for none.
        rate: Output frames per second if constant, else None.
        color: Colours of the video.
    """

    file: Path | Outlet
    form: Container
    source: MediaInfo
    side: SideTracks
    tags: dict[str, str]
    head: Head
    kept_span: tuple[Fraction, Fraction | None] | None
    stretch: Fraction
    rate: Fraction | None
    color: ColorSpec


class StreamMux:
    """Writes a container from an encoder's packets, in a thread of its own.

    Args:
        target: What is written.
        origin: Seconds at which the first frame is shown, as it was given to the encoder.
        first: Source time of the first frame in seconds.

    Attributes:
        last_hold: How long the last frame is shown, in seconds; None repeats the interval before.
            To be set before the encoder is closed.
        frames: Video packets written.
    """

    def __init__(self, target: StreamTarget, origin: Fraction, first: Fraction) -> None:
        shift = first - origin
        self._target = target
        base = clock_base(target.source, origin, shift, target.kept_span)
        self._times = Times(origin, shift, target.stretch, base, target.kept_span)
        self.last_hold: Fraction | None = None
        self.frames = 0

    def run(self, coded: IO[bytes]) -> None:
        """Copy everything; ends with the encoder's output.

        Args:
            coded: The encoder's output, NUT with one stream.

        Raises:
            ReaderGoneError: nobody reads standard output any more.
            OutputError: the target cannot be written.
            InputError: the encoder's output cannot be read.
        """
        name = self._target.file if isinstance(self._target.file, Path) else Path(STDOUT_NAME)
        with reading(name, "what the encoder gave cannot be read"):
            film = av.open(coded, "r", format="nut", container_options=_NO_WAIT)
        with film, writing(name):
            video = film.streams.video[0]
            out = self._open(video.time_base or ONE)
            with out:
                picture = self._add_picture(out, video)
                self._target.side.attach(out, self._times)
                head, span = self._target.head, self._target.kept_span
                out.metadata.update(kept_tags(dict(self._target.source.metadata)))
                out.metadata.pop("timecode", None)  # of the source's rate
                out.metadata.update(self._target.tags)
                end = None if span is None or span[1] is None else self._times(span[1])
                out.set_chapters(moved_chapters(head.chapters, self._times, end))
                for packet in self._timed(film, picture):
                    stamp = float((packet.dts or 0) * (packet.time_base or ONE))
                    for other in self._target.side.until(stamp):
                        out.mux(other)
                    out.mux(packet)
                    self.frames += 1
                for other in self._target.side.until(None):
                    out.mux(other)

    def _open(self, tick: Fraction) -> OutputContainer:
        target = self._target
        file: Any = target.file if isinstance(target.file, Outlet) else url(target.file)
        options = {**target.form.prompt, **target.form.options}
        if target.form.movie_scale:
            scale = min(tick.denominator, MAX_MOVIE_SCALE)  # as `mux` does: exact edit lists
            options["movie_timescale"] = str(scale)
        return av.open(file, "w", format=target.form.muxer, container_options=options)

    def _add_picture(self, out: OutputContainer, video: VideoStream) -> VideoStream:
        target = self._target
        picture = cast(VideoStream, add_copy(out, video))
        picture.metadata.clear()
        picture.metadata.update(kept_tags(target.head.video_tags))
        self._count_frames(picture)
        if target.head.disposition is not None:
            picture.disposition = target.head.disposition
        if target.color.alpha and codec_name(video) in DECODERS:
            picture.metadata[TAG] = "1"
        if target.rate is not None:
            picture.codec_context.framerate = target.rate
            if target.form.frame_ticks:
                picture.time_base = 1 / target.rate
        _tag(picture.codec_context, target.color)
        if codec_name(video) == "hevc" and target.form.hevc_tag:
            picture.codec_context.codec_tag = target.form.hevc_tag
        degrees = target.source.video.rotation
        if degrees and target.form.rotation:
            picture.set_display_rotation(-degrees)
        return picture

    def _count_frames(self, picture: VideoStream) -> None:
        """Give the picture the source's timecode at its own rate."""
        target, info = self._target, self._target.source.video
        label = picture.metadata.pop("timecode", None) or picture.metadata.pop("TIMECODE", None)
        if label is None or target.rate is None or not target.form.timecode:
            return
        first = (info.start_pts or 0) * info.time_base
        span = target.kept_span
        later = ZERO if span is None else max(span[0] - first, ZERO)
        new = moved(label, info.rate or target.rate, target.rate, later)
        if new is not None:
            picture.metadata["timecode"] = new

    def _timed(self, film: InputContainer, picture: VideoStream) -> Iterator[AnyPacket]:
        """The encoder's packets at the target's times, each with its duration."""
        video = film.streams.video[0]
        tb = video.time_base or ONE
        offset = round((self._times.origin - self._times.base) / tb)
        usual = 0 if self._target.rate is None else round(1 / (self._target.rate * tb))
        clock = _CodingClock(video.codec_context.reorder_depth, max(1, usual))
        waiting: AnyPacket | None = None
        ahead: int | None = None
        for packet in film.demux(video):
            if not packet.size or packet.pts is None:
                continue
            # NUT has no times before zero, so its muxer moves a film that is coded ahead. Its first
            # packet is its first frame.
            repair(packet)
            ahead = packet.pts if ahead is None else ahead
            packet.pts += offset - ahead
            packet.dts = clock.next(packet.pts)
            packet.duration = usual
            packet.stream = picture
            if waiting is not None:
                yield waiting
            waiting = packet
        if waiting is not None:
            hold = usual if self.last_hold is None else max(1, round(self.last_hold / tb))
            waiting.duration = clock.rest(waiting, hold)
            yield waiting


class _CodingClock:
    """Coding times where an encoder's packets come without: NUT stores when frames are shown.

    Packet k is decoded when the frame `delay` places before it is shown, in the order of showing;
    the first ones, which have none before them, a step earlier each.

    Args:
        delay: Places by which frames are coded ahead, as the stream's header says.
        step: Ticks between the first ones.
    """

    def __init__(self, delay: int, step: int) -> None:
        self._delay = delay
        self._step = step
        self._pending: list[int] = []
        self._count = 0
        self._first: int | None = None
        self._end = 0

    def next(self, pts: int) -> int:
        """Coding time of the next packet, whose frame is shown at `pts`."""
        self._first = pts if self._first is None else self._first
        self._end = max(self._end, pts)
        self._count += 1
        heapq.heappush(self._pending, pts)
        if self._count > self._delay:
            return heapq.heappop(self._pending)
        return self._first - (self._delay + 1 - self._count) * self._step

    def rest(self, packet: AnyPacket, hold: int) -> int:
        """Duration of the last packet, with which MP4's sum over all is the film's.

        Args:
            packet: It.
            hold: How long the last frame that is shown stays, in ticks.
        """
        first = self._first or 0
        start = first - self._delay * self._step
        end = self._end + hold
        left = (end - first) - ((packet.dts or 0) - start)
        return max(1, min(left, end - (packet.pts or 0)))


def _tag(context: Any, color: ColorSpec) -> None:
    """Say in a container what its colours mean: NUT, through which they came, cannot."""
    primaries, transfer, matrix = output_tags(color)
    context.color_range = FULL if color.full_range else STUDIO
    for name, table, tag in (
        ("colorspace", MATRICES, matrix),
        ("color_primaries", PRIMARIES, primaries),
        ("color_trc", TRANSFERS, transfer),
    ):
        number = next((key for key, value in table.items() if value == tag), None)
        if number is not None:
            setattr(context, name, number)

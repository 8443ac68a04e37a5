"""Frames to a container that is written while they are made.

An ffmpeg encodes them into a pipe. A thread takes its packets, puts those of the source's other
streams between them by time, and writes the container, which may be standard output. So the delay
is that of the network, of the encoder and of a cluster, and never that of a whole file.
"""

import heapq
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, cast

import av
from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Disposition, Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vinr_cli.color.spec import ColorSpec, output_tags
from vinr_cli.errors import VinrError
from vinr_cli.media.alpha import DECODERS, TAG, repair
from vinr_cli.media.borders import LIBRARY_ERRORS, AnyPacket, reading, url, writing
from vinr_cli.media.codecs import IMAGES
from vinr_cli.media.formats import FULL, MATRICES, PRIMARIES, STUDIO, TRANSFERS
from vinr_cli.media.mux import KEEP_ROTATION, MAX_MOVIE_SCALE, clock_base, moved_chapters
from vinr_cli.media.pipe import STDOUT_NAME, Outlet, reader_gone
from vinr_cli.media.probe import MediaInfo, codec_name
from vinr_cli.media.streams import Fate, chapters_fate
from vinr_cli.media.timecode import TIMECODE_FORMATS, moved
from vinr_cli.media.tracks import (
    Times,
    Track,
    add_copy,
    describe,
    holds,
    is_chapter_list,
    kept_tags,
    packet_length,
)
from vinr_cli.media.writer import FrameWriter

if TYPE_CHECKING:  # a type of the stubs alone
    from av.container.core import Chapter

BARE = frozenset({"yuv4mpegpipe"})
"""Formats of pipes that hold one video and nothing else: ffmpeg writes them by itself."""

_SPOKEN = {"yuv4mpegpipe": "y4m", IMAGES: "a folder of pictures"}
_AAC_RATES = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
"""Sampling frequencies by their index."""
_ONE = Fraction(1)
_JOIN_SECONDS = 2.0
"""Time that an aborted thread gets to notice."""
_NO_WAIT = {"probesize": "65536", "analyzeduration": "1"}
"""For the encoder's packets: its header says all that is needed."""
_PROMPT = {"flush_packets": "1", "max_interleave_delta": "500000"}
"""For every container: hand packets on, and do not wait for a stream that is silent for 0.5 s."""
_PROMPT_OF = {"matroska": {"cluster_time_limit": "250"}, "webm": {"cluster_time_limit": "250"}}
"""A Matroska cluster is written when it is whole; this is its length in milliseconds."""


def streams_along(
    container: InputContainer,
    source: MediaInfo,
    form: str,
    *,
    left_out: Collection[str] = (),
    stretched: bool = False,
    piped: bool = True,
) -> tuple[list[Stream], tuple[Fate, ...]]:
    """Which other streams come along, and what becomes of each.

    Args:
        container: The source, opened.
        source: The source's description.
        form: ffmpeg's name of the target's format.
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
        why = _why_not(form, stream, stretched=stretched, piped=piped)
        found.append(Fate(describe(stream), f"is not kept{why}" if why else ""))
        if not why:
            along.append(stream)
    return along, (*found, *chapters_fate(container, form))


def _why_not(form: str, stream: Stream, *, stretched: bool, piped: bool) -> str:
    """Why a stream cannot come along, with a colon before it; empty if it can."""
    if isinstance(stream, AttachmentStream):
        return "" if form == "matroska" else ": only mkv holds attachments"
    picture = stream.disposition & Disposition.attached_pic
    if stream.type not in ("audio", "subtitle") and not picture:
        return ": only sound, subtitles and pictures are"
    if stream.type == "audio" and stretched:
        return ": sound is not stretched in a stream"
    held = form not in BARE | {IMAGES} and (holds(form, stream) or _is_bare_aac(stream))
    if not (held and _takes(form, stream, _Nowhere() if piped else BytesIO())):
        return f": {_SPOKEN.get(form, form)} cannot hold it, and nothing is converted in a stream"
    return ""


class _Nowhere:
    """A file that cannot be searched and keeps nothing."""

    def write(self, data: bytes) -> int:
        """Take it."""
        return len(data)


def _takes(form: str, stream: Stream, file: "_Nowhere | BytesIO") -> bool:
    """Whether a format can begin with a stream in a file of this kind."""
    try:
        with av.open(file, "w", format=form) as trial:
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
            source = (stamp or 0) * (track.source.time_base or _ONE)
            if time is not None and float(track.times(source)) > time:
                return


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
class Target:
    """What a `LiveMux` writes.

    Attributes:
        file: A path, or standard output.
        form: ffmpeg's name of the format.
        source: The source's description.
        side: Its other streams.
        tags: What the container says of how it was made.
        head: What the source's header says beside its streams.
        cut: As of `Times`.
        stretch: Factor of slow motion, 1 for none.
        rate: Output frames per second if constant, else None.
        color: Colours of the video.
    """

    file: Path | Outlet
    form: str
    source: MediaInfo
    side: SideTracks
    tags: dict[str, str]
    head: Head
    cut: tuple[Fraction, Fraction | None] | None
    stretch: Fraction
    rate: Fraction | None
    color: ColorSpec


class LiveMux:
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

    def __init__(self, target: Target, origin: Fraction, first: Fraction) -> None:
        shift = first - origin
        self._target = target
        base = clock_base(target.source, origin, shift, target.cut)
        self._times = Times(origin, shift, target.stretch, base, target.cut)
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
            out = self._open(video.time_base or _ONE)
            with out:
                picture = self._add_picture(out, video)
                self._target.side.attach(out, self._times)
                head, cut = self._target.head, self._target.cut
                out.metadata.update(kept_tags(dict(self._target.source.metadata)))
                out.metadata.pop("timecode", None)  # of the source's rate
                out.metadata.update(self._target.tags)
                end = None if cut is None or cut[1] is None else self._times(cut[1])
                out.set_chapters(moved_chapters(head.chapters, self._times, end))
                for packet in self._timed(film, picture):
                    stamp = float((packet.dts or 0) * (packet.time_base or _ONE))
                    for other in self._target.side.until(stamp):
                        out.mux(other)
                    out.mux(packet)
                    self.frames += 1
                for other in self._target.side.until(None):
                    out.mux(other)

    def _open(self, tick: Fraction) -> OutputContainer:
        target = self._target
        file: Any = target.file if isinstance(target.file, Outlet) else url(target.file)
        options = _PROMPT | _PROMPT_OF.get(target.form, {})
        if target.form in ("mp4", "mov"):
            scale = str(min(tick.denominator, MAX_MOVIE_SCALE))  # as `mux` does: exact edit lists
            options = {"movflags": "+faststart", "movie_timescale": scale}
        return av.open(file, "w", format=target.form, container_options=options)

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
            if target.form == "avi":
                picture.time_base = 1 / target.rate
        _tag(picture.codec_context, target.color)
        if codec_name(video) == "hevc" and target.form in ("mp4", "mov"):
            picture.codec_context.codec_tag = "hvc1"
        degrees = target.source.video.rotation
        if degrees and target.form in KEEP_ROTATION:
            picture.set_display_rotation(-degrees)
        return picture

    def _count_frames(self, picture: VideoStream) -> None:
        """Give the picture the source's timecode at its own rate."""
        target, info = self._target, self._target.source.video
        label = picture.metadata.pop("timecode", None) or picture.metadata.pop("TIMECODE", None)
        if label is None or target.rate is None or target.form not in TIMECODE_FORMATS:
            return
        first = (info.start_pts or 0) * info.time_base
        later = Fraction(0) if target.cut is None else max(target.cut[0] - first, Fraction(0))
        new = moved(label, info.rate or target.rate, target.rate, later)
        if new is not None:
            picture.metadata["timecode"] = new

    def _timed(self, film: InputContainer, picture: VideoStream) -> Iterator[AnyPacket]:
        """The encoder's packets at the target's times, each with its duration."""
        video = film.streams.video[0]
        tb = video.time_base or _ONE
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


class LiveWriter:
    """Takes frames as `engine.frames.Writer` does, and writes a container or raw video from them.

    Args:
        open_encoder: Makes the encoder, given the descriptor that it writes to.
        open_mux: Makes the muxer, given the time of the first frame in output ticks; None where
            the encoder writes to `outlet` itself.
        outlet: Standard output; None where the target is a file.
        cancel: Called when everything is given up, to wake whoever waits for input.

    Attributes:
        mux: The muxer, once the first frame is there.
    """

    def __init__(
        self,
        open_encoder: Callable[[int], FrameWriter],
        open_mux: Callable[[int], LiveMux] | None,
        outlet: Outlet | None,
        cancel: Callable[[], None],
    ) -> None:
        self.mux: LiveMux | None = None
        self._open_encoder = open_encoder
        self._open_mux = open_mux
        self._outlet = outlet
        self._cancel = cancel
        self._encoder: FrameWriter | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._aborted = False
        self._swap = threading.Lock()

    @property
    def frames(self) -> int:
        """Frames that were given."""
        return 0 if self._encoder is None else self._encoder.frames

    def write(self, planes: Sequence[NDArray[Any]], pts: int) -> None:
        """Hand over one frame, as `FrameWriter.write` says.

        Raises:
            ReaderGoneError: nobody reads standard output any more.
            OutputError: the target cannot be written.
            EncoderError: ffmpeg fails.
        """
        try:
            if self._encoder is None:
                self._begin(planes, pts)
            else:
                self._encoder.write(planes, pts)
        except VinrError as error:
            self._raise_first(error)

    def close(self, last_hold: Fraction | None = None) -> None:
        """Finish the encoder and the container.

        Args:
            last_hold: How long the last frame is shown, in seconds.

        Raises:
            VinrError: as `write`; also if packets are missing.
        """
        if self._encoder is None:
            return
        if self.mux is not None:
            self.mux.last_hold = last_hold
        try:
            self._encoder.close()
        except VinrError as error:
            self._raise_first(error)
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            if self._outlet is not None and self._outlet.gone:
                raise reader_gone() from self._error
            raise self._error

    def abort(self) -> None:
        """Give everything up; from any thread, and repeatedly."""
        self._cancel()
        if self._outlet is not None:
            self._outlet.cancel()
        with self._swap:
            self._aborted = True
            encoder, thread = self._encoder, self._thread
        if encoder is not None:
            encoder.abort()
        if thread is not None:
            thread.join(_JOIN_SECONDS)

    def _begin(self, planes: Sequence[NDArray[Any]], pts: int) -> None:
        """Start the encoder with the first frame, and the thread that takes its packets."""
        if self._open_mux is None:
            with self._swap:
                self._encoder = self._open_encoder(cast(Outlet, self._outlet).descriptor)
                if self._aborted:
                    self._encoder.abort()
            self._encoder.write(planes, pts)
            return
        source, sink = os.pipe()
        try:
            with self._swap:
                self.mux = self._open_mux(pts)
                self._encoder = self._open_encoder(sink)
                if self._aborted:
                    self._encoder.abort()
                self._thread = threading.Thread(
                    target=self._copy, args=(self.mux, source), name="mux", daemon=True
                )
                self._thread.start()
            self._encoder.write(planes, pts)
        finally:
            os.close(sink)

    def _copy(self, mux: LiveMux, source: int) -> None:
        """The thread: packets from the pipe to the target."""
        with os.fdopen(source, "rb", buffering=0) as coded:
            try:
                mux.run(coded)
            except BaseException as error:  # carried to whoever writes next
                self._error = error

    def _raise_first(self, error: VinrError) -> None:
        """Raise what the muxer failed of, where that is why the encoder failed."""
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
        if self._outlet is not None and self._outlet.gone:
            raise reader_gone() from error
        if self._error is not None:
            raise self._error from error
        raise error

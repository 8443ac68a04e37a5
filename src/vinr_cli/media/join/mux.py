"""A video part and the source's other tracks to one finished file, by stream copy.

All times are exact fractions of seconds until they are rounded, once, to a stream's own ticks.
"""

import heapq
import os
import secrets
import tempfile
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Disposition, Stream
from av.video.stream import VideoStream

from vinr_cli.color.spec import Chroma
from vinr_cli.errors import EncoderError, OutputError, VerificationError
from vinr_cli.media.base.alpha import TAG, carries_opacity, repair, tag_colours
from vinr_cli.media.base.borders import LIBRARY_ERRORS, reading, url, words_of, writing
from vinr_cli.media.base.codecs import RENDERED, container_of
from vinr_cli.media.base.pixel_formats import FULL
from vinr_cli.media.join.reencode import (
    SCRATCH_OF,
    SUBTITLE_OF,
    audio_codec,
    convert_audio,
    convert_subtitle,
)
from vinr_cli.media.join.timecode import TIMECODE_FORMATS, moved
from vinr_cli.media.join.tracks import (
    NO_START,
    START_SLACK,
    TEXT_SUBTITLES,
    Timed,
    Times,
    Track,
    add_copy,
    coding_of,
    describe,
    holds,
    is_chapter_list,
    is_moving,
    is_timecode,
    kept_tags,
    packet_length,
    packets_of,
    scratch_name,
    why_convert,
    why_not,
)
from vinr_cli.media.pictures.animate import write_gif, write_webp, write_y4m
from vinr_cli.media.pictures.comments import comment_gif, comment_webp
from vinr_cli.media.read.describe import MediaInfo, codec_name, open_input
from vinr_cli.media.write.encoder_colors import RANGE_APART
from vinr_cli.media.write.writer import ORIGIN

if TYPE_CHECKING:  # a type of the stubs alone
    from av.container.core import Chapter

ZERO, ONE = Fraction(0), Fraction(1)

_OWN_CLOCK = frozenset({"mpegts", "mpeg", "asf"})
"""Formats with a broadcast's clock, whose first time is arbitrary: the result starts at zero."""
KEEP_ROTATION = frozenset({"mp4", "mov", "matroska", "webm"})
"""Formats that can say that a picture is to be turned."""
MAX_MOVIE_SCALE = 1_000_000
"""Finest unit that MP4's edit lists are given, per second."""
_RENDERERS = {"gif": write_gif, "webp": write_webp, "yuv4mpegpipe": write_y4m}
_COMMENTS = {"gif": comment_gif, "webp": comment_webp}
NAME_BYTES = 255
"""Longest file name on the usual file systems."""
_SURROGATES = "".join(map(chr, range(0xDC80, 0xDD00)))


def temporary_name(output: Path) -> Path:
    """A hidden name beside the final one, with its suffix, that no other run uses."""
    token = f".vinr-{secrets.token_hex(4)}{output.suffix}"
    room = NAME_BYTES - len(os.fsencode(token)) - 1
    name = os.fsencode(output.stem)
    stem = output.stem
    if len(name) > room:
        stem = os.fsdecode(name[:room]).rstrip(_SURROGATES)  # no half characters
    return output.with_name(f".{stem}{token}")


def finish(
    video: Path | Sequence[Path],
    source: MediaInfo,
    target: Path,
    *,
    audio: bool = True,
    subtitles: bool = True,
    tags: Mapping[str, str] | None = None,
    shift: Fraction = ZERO,
    cut: tuple[Fraction, Fraction | None] | None = None,
    stretch: Fraction | None = None,
    ffmpeg: Path,
    notices: list[str],
    last_duration: Fraction | None = None,
    container: str | None = None,
) -> tuple[str, ...]:
    """Write the result: the parts' video and what the container can hold of the source.

    Parts are joined by stream copy: pictures keep their bytes and their times. Only coding times
    are given anew, because an encoder knows those of its own part alone.

    Args:
        video: What `FrameWriter` wrote: a part, or several in the order of their times.
        source: The source, from `probe`.
        target: File to write, a temporary name; replaced if it exists.
        audio: Whether sound tracks are kept.
        subtitles: Whether subtitle tracks are kept.
        tags: Tags of the container beside the source's.
        shift: Seconds to subtract from the source tracks' times: by how much the source's time of
            the first output frame is greater than the time that the frame was written with. 0
            where the frames keep their times.
        cut: Source times, in seconds on the clock of the source's PTS, from and until which
            other tracks are kept; None keeps all.
        stretch: Factor of slow motion; sound is re-encoded at its own pitch and that tempo.
        ffmpeg: The binary that converts what cannot be copied.
        notices: Takes a line for each stream that is converted or left out.
        last_duration: How long the last frame is shown, in seconds; None repeats the interval
            before it.
        container: ffmpeg's name of the format; None takes it from the target's suffix.

    Returns:
        The kinds of the target's streams: video, audio, subtitle, attachment.

    Raises:
        InputError: If the source or a part cannot be opened.
        EncoderError: If the parts do not fit together.
        OutputError: If the target cannot be written.
        UsageError: If the target's suffix names no format.
    """
    form = container or container_of(target)
    if form in RENDERED.values():
        with writing(target), tempfile.TemporaryDirectory(dir=target.parent) as folder:
            film_file = Path(folder) / "film.mp4"
            finish(
                video, source, film_file, audio=False, subtitles=False, shift=shift, cut=cut,
                stretch=stretch, ffmpeg=ffmpeg, notices=[], last_duration=last_duration,
            )  # fmt: skip
            _RENDERERS[form](ffmpeg, film_file, target)
            for text in (tags or {}).values() if form in _COMMENTS else ():
                _COMMENTS[form](target, text)
        return ("video",)
    with writing(target), ExitStack() as stack:
        film = _film([video] if isinstance(video, Path) else video)
        base = film.origin
        if form not in NO_START:
            base = clock_base(source, film.origin, shift, cut)
        times = Times(film.origin, shift, stretch or ONE, base, cut)
        mux = _Mux(
            stack, source, target, form, ffmpeg, notices, times, audio, subtitles, tags or {}
        )
        return mux.run(film, last_duration)


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
    if "mp4" in container.format.name and stream.duration:
        ends.append(first + stream.duration)
    return count, first * tb, tuple(end * tb for end in ends)


def _open(stack: ExitStack, path: Path) -> InputContainer:
    with reading(path):
        return stack.enter_context(open_input(path))


def _origin(part: InputContainer) -> Fraction:
    """Time of the first frame, which the writer took off."""
    comment = part.metadata.get("comment", "")
    return Fraction(comment.removeprefix(ORIGIN)) if comment.startswith(ORIGIN) else ZERO


def clock_base(
    source: MediaInfo,
    origin: Fraction,
    shift: Fraction,
    cut: tuple[Fraction, Fraction | None] | None,
) -> Fraction:
    """Seconds to take off all times, of sound and picture alike.

    A first frame before zero moves to zero, because containers hide what lies before it.
    """
    if origin < 0 or source.container not in _OWN_CLOCK:
        return min(origin, ZERO)
    starts = [t.start - shift for t in source.tracks if t.kind == "audio" and t.start is not None]
    if cut is not None:
        starts = [max(s, cut[0] - shift) for s in starts]
    return max(min([origin, *starts]), ZERO)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part on the film's clock.

    Attributes:
        path: The file.
        offset: Ticks to add to its times.
    """

    path: Path
    offset: int


@dataclass(frozen=True, slots=True)
class _Film:
    """The parts as one video stream.

    Attributes:
        pieces: The parts in order.
        origin: Time of the first frame in seconds, which the writer took off.
        tick: Seconds a tick, the same in all parts.
        pts: All times in increasing order, in ticks from the first; 8 bytes each, so hours of
            video stay small.
        delay: By how many frames coding is ahead of showing.
    """

    pieces: tuple[_Piece, ...]
    origin: Fraction
    tick: Fraction
    pts: "array[int]"
    delay: int

    def coding_time(self, index: int) -> int:
        """Time at which to decode packet `index`: that of the frame shown `delay` frames before.

        The first ones have none before them and get times of their own, as x264 does.
        """
        if index < self.delay:
            return self.pts[index] - (self.pts[self.delay] - self.pts[0])
        return self.pts[index - self.delay]


def _film(parts: Sequence[Path]) -> _Film:
    """Read the times of all parts and put them on one clock.

    Raises:
        EncoderError: If the parts were not made by the same encoder, or overlap.
    """
    pieces: list[_Piece] = []
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
            pieces.append(_Piece(path, offset))
    if first is None or not coded:
        raise EncoderError("video", "no frame was made")
    pts = array("q", sorted(coded))
    delay = max(k - bisect_left(pts, time) for k, time in enumerate(coded))
    return _Film(tuple(pieces), first[0], first[1], pts, delay)


@dataclass(slots=True)
class _Mux:
    """One run of `finish`; `stack` closes what it opens."""

    stack: ExitStack
    source: MediaInfo
    target: Path
    form: str
    ffmpeg: Path
    notices: list[str]
    times: Times
    audio: bool
    subtitles: bool
    tags: Mapping[str, str]
    flows: list[Iterator[Timed]] = field(default_factory=list)
    counted: bool = False
    listed: bool = False

    def run(self, film: _Film, last: Fraction | None) -> tuple[str, ...]:
        """Set up all streams, then copy packets in the order of their times."""
        source = _open(self.stack, self.source.path) if self.source.reopens else None
        video = _open(self.stack, film.pieces[0].path).streams.video[0]
        tb, pts = film.tick, film.pts
        final = _last_ticks(pts, last, tb, video)
        out = self._open_target(tb)
        picture = self._add_picture(out, source, video, pts)
        self.flows.append(self._picture_packets(film, picture, final))
        if source is not None:
            self._add_others(out, source)
            out.metadata.update(kept_tags(source.metadata))
            out.metadata.pop("timecode", None)  # of the source's rate
            end = self.times.origin + (pts[-1] + final) * tb - self.times.base
            chapters = moved_chapters(source.chapters(), self.times, end)
            out.set_chapters(chapters)
            self.listed = bool(chapters) and self.form in ("mov", "mp4")
        out.metadata.update(self.tags)
        for _, packet in heapq.merge(*self.flows, key=_by_time):
            out.mux(packet)
        own = self.counted + self.listed  # tracks that the muxer adds by itself
        kinds = (*(stream.type for stream in out.streams), *["data"] * own)
        out.close()
        return kinds

    def _open_target(self, tb: Fraction) -> OutputContainer:
        """The target, with options that keep times exact."""
        options = {}
        if self.form in ("mp4", "mov"):
            # Edit lists count in the movie's unit: the video's own makes them exact.
            scale = str(min(tb.denominator, MAX_MOVIE_SCALE))
            options = {"movflags": "+faststart", "movie_timescale": scale}
        container = av.open(url(self.target), "w", format=self.form, container_options=options)
        return self.stack.enter_context(container)

    def _add_picture(
        self,
        out: OutputContainer,
        source: InputContainer | None,
        video: VideoStream,
        pts: "array[int]",
    ) -> VideoStream:
        """The stream of the new pictures, turned and tagged like the source's."""
        picture = cast(VideoStream, add_copy(out, video))
        picture.metadata.clear()
        if source is not None:
            original = source.streams[self.source.video.index]
            picture.metadata.update(kept_tags(original.metadata))
            picture.disposition = original.disposition
        if carries_opacity(video):
            picture.metadata[TAG] = "1"
            tag_colours(picture.codec_context, self.source.video.color)  # NUT has none
        if self._is_full_apart(video):
            picture.codec_context.color_range = FULL
        rate = _constant_rate(pts, video.time_base or ONE)
        self._count_frames(picture, source, rate)
        if rate is not None:
            picture.codec_context.framerate = rate
            if self.form == "avi":
                picture.time_base = 1 / rate
        elif self.form == "avi":
            raise OutputError(self.target, "AVI cannot hold a variable frame rate")
        if codec_name(video) == "hevc" and self.form in ("mp4", "mov"):
            picture.codec_context.codec_tag = "hvc1"
        self._turn(picture)
        return picture

    def _is_full_apart(self, video: VideoStream) -> bool:
        """Whether the container must say that the pictures are full range: their stream cannot."""
        color = self.source.video.color
        layout = video.codec_context.format
        rgb = color.chroma is Chroma.RGB or (layout is not None and layout.is_rgb)
        apart = codec_name(video) in RANGE_APART and self.form == "matroska"
        return apart and color.full_range and not rgb

    def _count_frames(
        self, picture: VideoStream, source: InputContainer | None, rate: Fraction | None
    ) -> None:
        """Give the picture the source's timecode at its own rate; MOV makes a track of it."""
        label = picture.metadata.pop("timecode", None) or picture.metadata.pop("TIMECODE", None)
        info = self.source.video
        if label is None and source is not None:
            label = next((s.metadata["timecode"] for s in source.streams if is_timecode(s)), None)
        if label is None or rate is None or self.form not in TIMECODE_FORMATS:
            return
        cut, first = self.times.cut, (info.start_pts or 0) * info.time_base
        later = ZERO if cut is None else max(cut[0] - first, ZERO)
        new = moved(label, info.rate or rate, rate, later)
        if new is not None:
            picture.metadata["timecode"] = new
            self.counted = self.form in ("mov", "mp4")

    def _turn(self, picture: VideoStream) -> None:
        """Keep the rotation as a mark, so that the result is shown upright."""
        degrees = self.source.video.rotation
        if degrees and self.form in KEEP_ROTATION:
            picture.set_display_rotation(-degrees)
        elif degrees:
            self.notices.append(
                f"{self.form} cannot say that the picture is turned by {degrees} degrees; "
                "mp4, mov and mkv can"
            )

    def _picture_packets(self, film: _Film, picture: VideoStream, final: int) -> Iterator[Timed]:
        """The parts' packets at their times, each with the duration that it is shown for."""
        tb, pts = film.tick, film.pts
        offset = round((self.times.origin - self.times.base) / tb)
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
                    packet.dts = film.coding_time(index)
                    index += 1
                    if index == len(pts):
                        # MP4 adds up the steps from packet to packet in coding order: the last
                        # step makes the sum the duration, also where the last packet is not the
                        # last picture.
                        rest = (pts[-1] + final - pts[0]) - (packet.dts - film.coding_time(0))
                        packet.duration = max(1, min(rest, pts[-1] + final - packet.pts))
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = picture
                    yield float(packet.dts * tb), packet

    def _add_others(self, out: OutputContainer, source: InputContainer) -> None:
        """Decide about every other stream of the source."""
        copied: dict[int, Track] = {}
        for stream in source.streams:
            if stream.index == self.source.video.index:
                continue
            if stream.type == "audio" and not self.audio:
                continue
            if stream.type == "subtitle" and not self.subtitles:
                continue
            if isinstance(stream, AttachmentStream):
                self._attach(out, stream)
            elif stream.type == "audio":
                self._add_sound(out, stream, copied)
            elif stream.type == "subtitle":
                self._add_subtitle(out, stream, copied)
            else:
                self._add_other(out, stream, copied)
        if copied:
            self.flows.append(packets_of(source, copied, self.notices))

    def _add_other(self, out: OutputContainer, stream: Stream, copied: dict[int, Track]) -> None:
        """Copy a further video, a cover picture or data, where the result can hold it."""
        if is_timecode(stream) or is_chapter_list(stream):
            return  # written with the picture, and with the header
        why = why_not(self.source, self.form, stream, self.times)
        if why:
            self.notices.append(f"{describe(stream)} is not kept: {why}")
            return
        coding = None
        if is_moving(stream):
            coding = coding_of(self.source.path, stream, self.times)
        copied[stream.index] = Track(stream, add_copy(out, stream), self.times, coding=coding)

    def _attach(self, out: OutputContainer, stream: AttachmentStream) -> None:
        """Copy an attached file, such as a font."""
        name = stream.metadata.get("filename", f"attachment-{stream.index}")
        if self.form != "matroska":
            self.notices.append(f"attachment {name} is not kept: only mkv holds attachments")
            return
        out.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)

    def _add_sound(self, out: OutputContainer, stream: Stream, copied: dict[int, Track]) -> None:
        """Copy a sound track, or convert it if it must be stretched or does not fit."""
        stretched = self.times.stretch != 1
        why = why_convert(self.source, self.form, stream, self.times, stretched=stretched)
        if not why:
            step = packet_length(stream)
            first = -START_SLACK if self.form in NO_START else None
            copy = add_copy(out, stream)
            copied[stream.index] = Track(stream, copy, self.times, step, earliest=first)
            return
        info = next(t for t in self.source.tracks if t.index == stream.index)
        channels = info.channels or 2
        codec = audio_codec(self.form)
        cut = self.times.cut or (None, None)
        start = info.start or ZERO
        begin = self.times(start if cut[0] is None else max(start, cut[0]))
        lead = begin if self.form in NO_START else ZERO

        def convert(scratch: Path) -> None:
            convert_audio(
                self.ffmpeg,
                self.source.path,
                stream.index,
                scratch,
                form=SCRATCH_OF.get(self.form, "mp4"),
                codec=codec,
                channels=channels,
                stretch=self.times.stretch,
                start=cut[0],
                end=cut[1],
                lead=lead,
            )

        times = Times(shift=lead - begin)
        self._add_converted(out, stream, convert, codec=codec, why=why, times=times)

    def _add_subtitle(self, out: OutputContainer, stream: Stream, copied: dict[int, Track]) -> None:
        """Copy a subtitle track, or convert it from text to text."""
        if holds(self.form, stream):
            copied[stream.index] = Track(stream, add_copy(out, stream), self.times)
            return
        codec = SUBTITLE_OF.get(self.form)
        if codec is None or codec_name(stream) not in TEXT_SUBTITLES:
            self.notices.append(f"{describe(stream)} is not kept: {self.form} cannot hold it")
            return

        def convert(scratch: Path) -> None:
            convert_subtitle(self.ffmpeg, self.source.path, stream.index, scratch, codec=codec)

        why = f"does not fit into {self.form}"
        self._add_converted(out, stream, convert, codec=codec, why=why, times=self.times)

    def _add_converted(
        self,
        out: OutputContainer,
        stream: Stream,
        convert: Callable[[Path], None],
        *,
        codec: str,
        why: str,
        times: Times,
    ) -> None:
        """Convert a stream into a scratch file and copy from there."""
        folder = tempfile.TemporaryDirectory(prefix=".vinr-", dir=self.target.parent)
        scratch = scratch_name(Path(self.stack.enter_context(folder)), stream)
        try:
            convert(scratch)
            converted = self.stack.enter_context(open_input(scratch))
        except (EncoderError, *LIBRARY_ERRORS) as error:
            self.notices.append(f"{describe(stream)} is not kept: {error}")
            return
        self.notices.append(f"{describe(stream)} {why}: converted to {codec}")
        new = converted.streams[0]
        copy = add_copy(out, new)
        copy.metadata.update(kept_tags(stream.metadata))
        copy.disposition = stream.disposition
        self.flows.append(packets_of(converted, {0: Track(new, copy, times)}, self.notices))


def _by_time(item: Timed) -> float:
    return item[0]


def _last_ticks(pts: "array[int]", last: Fraction | None, tb: Fraction, video: VideoStream) -> int:
    """Ticks that the last frame is shown for."""
    if last is not None:
        return max(1, round(last / tb))
    if len(pts) > 1:
        return pts[-1] - pts[-2]
    return max(1, round(1 / ((video.average_rate or Fraction(25)) * tb)))


def _constant_rate(pts: "array[int]", tb: Fraction) -> Fraction | None:
    """Frames per second if all intervals are equal; None if not, or if there is only one frame."""
    steps = {b - a for a, b in pairwise(pts)}
    return 1 / (steps.pop() * tb) if len(steps) == 1 else None


def moved_chapters(
    chapters: "Iterable[Chapter]", times: Times, end: Fraction | None
) -> "list[Chapter]":
    """A source's chapters on the result's clock, as far as the result reaches.

    Args:
        chapters: Of the source.
        times: From its clock to the result's.
        end: Where the result ends, in seconds; None where nobody knows.
    """
    kept: list[Chapter] = []
    for chapter in chapters:
        tb = chapter["time_base"] or ONE
        bounds = [times(chapter[key] * tb) for key in ("start", "end")]
        first = max(bounds[0], ZERO)
        last = bounds[1] if end is None else min(bounds[1], end)
        if first < last:
            kept.append({**chapter, "start": round(first / tb), "end": round(last / tb)})
    return kept

"""A video part and the source's other tracks to one finished file, by stream copy.

All times are exact fractions of seconds until they are rounded, once, to a stream's own ticks.
"""

import heapq
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Stream
from av.video.stream import VideoStream

from vinr_cli.color.spec import Chroma
from vinr_cli.errors import EncoderError, OutputError
from vinr_cli.media.base.alpha import TAG, carries_opacity, repair, tag_colours
from vinr_cli.media.base.borders import LIBRARY_ERRORS, reading, url, writing
from vinr_cli.media.base.containers import Comment, Container
from vinr_cli.media.base.names import container_of
from vinr_cli.media.base.opening import codec_name, open_input
from vinr_cli.media.base.pixel_formats import FULL
from vinr_cli.media.join.chapters import moved_chapters
from vinr_cli.media.join.film import Film, read_film
from vinr_cli.media.join.reencode import convert_audio, convert_subtitle
from vinr_cli.media.join.timecode import moved
from vinr_cli.media.join.times import ONE, ZERO, Times, clock_base
from vinr_cli.media.join.tracks import (
    START_SLACK,
    TEXT_SUBTITLES,
    Timed,
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
from vinr_cli.media.pictures.animate import render_film
from vinr_cli.media.pictures.comments import put_comment
from vinr_cli.media.read.info import MediaInfo
from vinr_cli.media.write.encoder_colors import RANGE_APART

MAX_MOVIE_SCALE = 1_000_000
"""Finest unit that MP4's edit lists are given, per second."""


def finish(
    video: Path | Sequence[Path],
    source: MediaInfo,
    target: Path,
    *,
    audio: bool = True,
    subtitles: bool = True,
    tags: Mapping[str, str] | None = None,
    shift: Fraction = ZERO,
    kept_span: tuple[Fraction, Fraction | None] | None = None,
    stretch: Fraction | None = None,
    ffmpeg: Path,
    notices: list[str],
    last_duration: Fraction | None = None,
    container: Container | None = None,
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
        kept_span: Source times, in seconds on the clock of the source's PTS, from and until which
            other tracks are kept; None keeps all.
        stretch: Factor of slow motion; sound is re-encoded at its own pitch and that tempo.
        ffmpeg: The binary that converts what cannot be copied.
        notices: Takes a line for each stream that is converted or left out.
        last_duration: How long the last frame is shown, in seconds; None repeats the interval
            before it.
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
                video, source, film_file, audio=False, subtitles=False, shift=shift,
                kept_span=kept_span, stretch=stretch, ffmpeg=ffmpeg, notices=[],
                last_duration=last_duration,
            )  # fmt: skip
            render_film(ffmpeg, film_file, target, form)
            for text in (tags or {}).values() if form.comment is Comment.AFTERWARDS else ():
                put_comment(target, text)
        return ("video",)
    with writing(target), ExitStack() as stack:
        film = read_film([video] if isinstance(video, Path) else video)
        base = film.origin
        if form.starts:
            base = clock_base(source, film.origin, shift, kept_span)
        times = Times(film.origin, shift, stretch or ONE, base, kept_span)
        mux = _Mux(
            stack, source, target, form, ffmpeg, notices, times, audio, subtitles, tags or {}
        )
        return mux.run(film, last_duration)


def _open(stack: ExitStack, path: Path) -> InputContainer:
    with reading(path):
        return stack.enter_context(open_input(path))


@dataclass(slots=True)
class _Mux:
    """One run of `finish`; `stack` closes what it opens."""

    stack: ExitStack
    source: MediaInfo
    target: Path
    form: Container
    ffmpeg: Path
    notices: list[str]
    times: Times
    audio: bool
    subtitles: bool
    tags: Mapping[str, str]
    flows: list[Iterator[Timed]] = field(default_factory=list)
    counted: bool = False
    listed: bool = False

    def run(self, film: Film, last: Fraction | None) -> tuple[str, ...]:
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
            self.listed = bool(chapters) and self.form.chapter_track
        out.metadata.update(self.tags)
        for _, packet in heapq.merge(*self.flows, key=_by_time):
            out.mux(packet)
        own = self.counted + self.listed  # tracks that the muxer adds by itself
        kinds = (*(stream.type for stream in out.streams), *["data"] * own)
        out.close()
        return kinds

    def _open_target(self, tb: Fraction) -> OutputContainer:
        """The target, with options that keep times exact."""
        options = dict(self.form.options)
        if self.form.movie_scale:
            # Edit lists count in the movie's unit: the video's own makes them exact.
            options["movie_timescale"] = str(min(tb.denominator, MAX_MOVIE_SCALE))
        container = av.open(
            url(self.target), "w", format=self.form.muxer, container_options=options
        )
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
            if self.form.frame_ticks:
                picture.time_base = 1 / rate
        elif not self.form.variable:
            raise OutputError(self.target, f"{self.form} cannot hold a variable frame rate")
        if codec_name(video) == "hevc" and self.form.hevc_tag:
            picture.codec_context.codec_tag = self.form.hevc_tag
        self._mark_rotation(picture)
        return picture

    def _is_full_apart(self, video: VideoStream) -> bool:
        """Whether the container must say that the pictures are full range: their stream cannot."""
        color = self.source.video.color
        layout = video.codec_context.format
        rgb = color.chroma is Chroma.RGB or (layout is not None and layout.is_rgb)
        apart = codec_name(video) in RANGE_APART and self.form.range
        return apart and color.full_range and not rgb

    def _count_frames(
        self, picture: VideoStream, source: InputContainer | None, rate: Fraction | None
    ) -> None:
        """Give the picture the source's timecode at its own rate; MOV makes a track of it."""
        label = picture.metadata.pop("timecode", None) or picture.metadata.pop("TIMECODE", None)
        info = self.source.video
        if label is None and source is not None:
            label = next((s.metadata["timecode"] for s in source.streams if is_timecode(s)), None)
        if label is None or rate is None or not self.form.timecode:
            return
        span, first = self.times.kept_span, (info.start_pts or 0) * info.time_base
        later = ZERO if span is None else max(span[0] - first, ZERO)
        new = moved(label, info.rate or rate, rate, later)
        if new is not None:
            picture.metadata["timecode"] = new
            self.counted = self.form.timecode_track

    def _mark_rotation(self, picture: VideoStream) -> None:
        """Keep the rotation as a mark, so that the result is shown upright."""
        degrees = self.source.video.rotation
        if degrees and self.form.rotation:
            picture.set_display_rotation(-degrees)
        elif degrees:
            self.notices.append(
                f"{self.form} cannot say that the picture is turned by {degrees} degrees; "
                "mp4, mov and mkv can"
            )

    def _picture_packets(self, film: Film, picture: VideoStream, final: int) -> Iterator[Timed]:
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
        if not self.form.attachments:
            self.notices.append(f"attachment {name} is not kept: only mkv holds attachments")
            return
        out.add_attachment(name, stream.mimetype or "application/octet-stream", stream.data)

    def _add_sound(self, out: OutputContainer, stream: Stream, copied: dict[int, Track]) -> None:
        """Copy a sound track, or convert it if it must be stretched or does not fit."""
        stretched = self.times.stretch != 1
        why = why_convert(self.source, self.form, stream, self.times, stretched=stretched)
        if not why:
            step = packet_length(stream)
            first = None if self.form.starts else -START_SLACK
            copy = add_copy(out, stream)
            copied[stream.index] = Track(stream, copy, self.times, step, earliest=first)
            return
        info = next(t for t in self.source.tracks if t.index == stream.index)
        channels = info.channels or 2
        span = self.times.kept_span or (None, None)
        start = info.start or ZERO
        begin = self.times(start if span[0] is None else max(start, span[0]))
        lead = ZERO if self.form.starts else begin

        def convert(scratch: Path) -> None:
            convert_audio(
                self.ffmpeg,
                self.source.path,
                stream.index,
                scratch,
                conversion=self.form.sound,
                channels=channels,
                stretch=self.times.stretch,
                start=span[0],
                end=span[1],
                lead=lead,
            )

        times = Times(shift=lead - begin)
        codec = self.form.sound.codec
        self._add_converted(out, stream, convert, codec=codec, why=why, times=times)

    def _add_subtitle(self, out: OutputContainer, stream: Stream, copied: dict[int, Track]) -> None:
        """Copy a subtitle track, or convert it from text to text."""
        if holds(self.form, stream):
            copied[stream.index] = Track(stream, add_copy(out, stream), self.times)
            return
        conversion = self.form.subtitles
        if conversion is None or codec_name(stream) not in TEXT_SUBTITLES:
            self.notices.append(f"{describe(stream)} is not kept: {self.form} cannot hold it")
            return

        def convert(scratch: Path) -> None:
            convert_subtitle(
                self.ffmpeg, self.source.path, stream.index, scratch, conversion=conversion
            )

        why, codec = f"does not fit into {self.form}", conversion.codec
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

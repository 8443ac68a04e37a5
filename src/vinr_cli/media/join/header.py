"""What a result states of itself and of its pictures, in a file and in a stream alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import av
from av.container import InputContainer, OutputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vinr_cli.color.spec import Chroma, ColorSpec, output_tags
from vinr_cli.errors import OutputError
from vinr_cli.media.base.alpha import TAG
from vinr_cli.media.base.borders import url
from vinr_cli.media.base.containers import Container
from vinr_cli.media.base.opening import codec_name
from vinr_cli.media.base.pipe import Outlet
from vinr_cli.media.base.pixel_formats import FULL, MATRICES, PRIMARIES, STUDIO, TRANSFERS
from vinr_cli.media.join.chapters import moved_chapters
from vinr_cli.media.join.timecode import moved
from vinr_cli.media.join.times import ZERO, Times
from vinr_cli.media.join.tracks import add_copy, is_timecode, kept_tags
from vinr_cli.media.read.info import MediaInfo
from vinr_cli.media.write.encoder_colors import RANGE_APART

if TYPE_CHECKING:  # a type of the stubs alone
    from av.container.core import Chapter

_MAX_MOVIE_SCALE = 1_000_000
"""Finest unit that MP4's edit lists are given, per second."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What a source's header states; nothing where it cannot be opened again.

    Attributes:
        tags: Of the container.
        video_tags: Of the main video stream.
        disposition: Of the same; None if nothing is known.
        timecode: Label of the first frame; empty for none.
        chapters: As PyAV gives them.
    """

    tags: dict[str, str] = field(default_factory=dict)
    video_tags: dict[str, str] = field(default_factory=dict)
    disposition: Disposition | None = None
    timecode: str = ""
    chapters: "tuple[Chapter, ...]" = ()

    @classmethod
    def of(cls, container: InputContainer, index: int) -> Self:
        """Read from an opened source.

        Args:
            container: It.
            index: Of its main video stream.
        """
        video = container.streams[index]
        tags = dict(video.metadata)
        labels = [tags.pop("timecode", ""), tags.pop("TIMECODE", "")]
        labels += [s.metadata["timecode"] for s in container.streams if is_timecode(s)]
        label = next(filter(None, labels), "")
        chapters = tuple(container.chapters())
        return cls(dict(container.metadata), tags, video.disposition, label, chapters)


@dataclass(frozen=True, slots=True, eq=False)
class Stated:
    """What a container has to state of the colours, because the packets that it gets do not.

    Attributes:
        color: The colours; None where the packets state everything.
        opacity: Whether the packets carry opacity as side data.
        whole: Whether matrix and range are to be stated too, and not the other tags alone.
    """

    color: ColorSpec | None = None
    opacity: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """The header of a result.

    Attributes:
        name: The result, for messages.
        container: Its format.
        source: What it is made of.
        head: What the source's header states.
        tags: What the result states about how it was made.
        times: From the source's clock to the result's.
        rate: Frames per second if constant, else None.
    """

    name: Path
    container: Container
    source: MediaInfo
    head: Head
    tags: Mapping[str, str]
    times: Times
    rate: Fraction | None

    def open(
        self, file: Path | Outlet, tick: Fraction, options: Mapping[str, str] | None = None
    ) -> OutputContainer:
        """Open the result, with options that keep times exact.

        Args:
            file: Where it is written to.
            tick: Seconds a tick of the video. MP4's edit lists count in the movie's unit, and this
                one makes them exact.
            options: Further ones of the muxer.
        """
        known = {**(options or {}), **self.container.options}
        if self.container.movie_scale:
            known["movie_timescale"] = str(min(tick.denominator, _MAX_MOVIE_SCALE))
        sink: Any = file if isinstance(file, Outlet) else url(file)
        return av.open(sink, "w", format=self.container.muxer, container_options=known)

    def add_picture(self, out: OutputContainer, video: VideoStream, stated: Stated) -> VideoStream:
        """Add the stream of the new pictures, rotated and tagged like the source's.

        Args:
            out: The result; nothing is written yet.
            video: What its packets are copied from.
            stated: What of the colours has to be stated.

        Raises:
            OutputError: The format cannot hold a variable frame rate.
        """
        picture = cast(VideoStream, add_copy(out, video))
        picture.metadata.clear()
        picture.metadata.update(kept_tags(self.head.video_tags))
        if self.head.disposition is not None:
            picture.disposition = self.head.disposition
        if stated.opacity:
            picture.metadata[TAG] = "1"
        label = self._timecode()
        if label is not None:
            picture.metadata["timecode"] = label  # MOV makes a stream of it
        context = picture.codec_context
        self._state_colours(context, video, stated)
        if self.rate is not None:
            context.framerate = self.rate
        elif not self.container.variable:
            raise OutputError(self.name, f"{self.container} cannot hold a variable frame rate")
        if self.rate is not None and self.container.frame_ticks:
            picture.time_base = 1 / self.rate
        if codec_name(video) == "hevc" and self.container.hevc_tag:
            context.codec_tag = self.container.hevc_tag
        if self.source.video.rotation and self.container.rotation:
            picture.set_display_rotation(-self.source.video.rotation)
        return picture

    def describe(self, out: OutputContainer, end: Fraction | None) -> int:
        """State the tags and the chapters.

        Args:
            out: The result; nothing is written yet.
            end: Where it ends, in seconds; None where that is not known.

        Returns:
            How many data streams the muxer adds by itself, for timecode and chapters.
        """
        out.metadata.update(kept_tags(self.head.tags))
        out.metadata.pop("timecode", None)  # of the source's rate
        out.metadata.update(self.tags)
        chapters = moved_chapters(self.head.chapters, self.times, end)
        if self.container.chapters:
            out.set_chapters(chapters)
        counted = self.container.timecode_track and self._timecode() is not None
        return counted + (self.container.chapter_track and bool(chapters))

    def _timecode(self) -> str | None:
        """The label of the result's first frame at its own rate, where it can be stated."""
        if not self.head.timecode or self.rate is None or not self.container.timecode:
            return None
        info, span = self.source.video, self.times.kept_span
        first = (info.start_pts or 0) * info.time_base
        later = ZERO if span is None else max(span[0] - first, ZERO)
        return moved(self.head.timecode, info.rate or self.rate, self.rate, later)

    def _state_colours(self, context: Any, video: VideoStream, stated: Stated) -> None:
        """State in the container what the colours mean, as far as the packets do not."""
        if stated.color is not None:
            primaries, transfer, matrix = output_tags(stated.color)
            rows = [("color_primaries", PRIMARIES, primaries), ("color_trc", TRANSFERS, transfer)]
            if stated.whole:
                context.color_range = FULL if stated.color.full_range else STUDIO
                rows.append(("colorspace", MATRICES, matrix))
            for name, table, tag in rows:
                number = next((key for key, value in table.items() if value == tag), None)
                if number is not None:
                    setattr(context, name, number)
        if not stated.whole and self._is_full_apart(video):
            context.color_range = FULL

    def _is_full_apart(self, video: VideoStream) -> bool:
        """Whether the container must state that the pictures are full range: their codec cannot."""
        color, layout = self.source.video.color, video.codec_context.format
        rgb = color.chroma is Chroma.RGB or (layout is not None and layout.is_rgb)
        apart = codec_name(video) in RANGE_APART and self.container.range
        return apart and color.full_range and not rgb

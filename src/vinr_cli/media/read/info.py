"""What a file holds, as frozen records."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vinr_cli.color.spec import ColorSpec
from vinr_cli.media.base.alpha import DECODERS
from vinr_cli.media.base.pixel_formats import pixel_format


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """The main video stream.

    Attributes:
        index: Stream index in the file.
        codec: Codec name.
        width: Columns of a decoded frame, before any rotation.
        height: Lines of a decoded frame, before any rotation.
        pix_fmt: Pixel format that the decoder yields.
        color: Colours of the frames that `FrameReader` yields.
        time_base: Seconds per tick of this stream's PTS.
        rate: Mean frame rate in frames per second; None if unknown.
        start_pts: PTS of the first frame; None if unknown.
        duration: Duration in seconds that the file claims; None if it claims none.
        frames: Number of frames that the file claims; None if it claims none.
        sample_aspect: Width of a pixel over its height.
        rotation: Degrees (0, 90, 180, 270) to turn a frame clockwise to show it upright.
        interlaced: Whether the first frame is interlaced.
        mirrored: Whether `FrameReader` mirrors frames, left to right; `rotation` comes after it.
        deinterlace: Whether `FrameReader` makes whole pictures of interlaced frames.
        alpha: Whether the stream has an alpha channel; `color` says whether it is kept.
        crop: Samples (left, top, right, bottom) that `FrameReader` leaves out of decoded frames,
            because the container says that they are not shown; `width` and `height` do not count
            them.
    """

    index: int
    codec: str
    width: int
    height: int
    pix_fmt: str
    color: ColorSpec
    time_base: Fraction
    rate: Fraction | None
    start_pts: int | None
    duration: Fraction | None
    frames: int | None
    sample_aspect: Fraction
    rotation: int
    interlaced: bool
    alpha: bool
    mirrored: bool = False
    deinterlace: bool = True
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """A stream that is not the main video.

    Attributes:
        index: Stream index in the file.
        kind: audio, subtitle, data, attachment or video.
        codec: Codec name; empty if unknown.
        language: Language tag, None if the file has none.
        title: Title, None if the file has none.
        start: First timestamp in seconds; None if unknown.
        duration: Duration in seconds; None if unknown.
        channels: Audio channels; None for other kinds.
        sample_rate: Audio samples per second; None for other kinds.
    """

    index: int
    kind: str
    codec: str
    language: str | None
    title: str | None
    start: Fraction | None
    duration: Fraction | None
    channels: int | None = None
    sample_rate: int | None = None


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """A file as far as its headers and its first frame tell.

    Attributes:
        path: The file.
        container: ffmpeg's name of the container format.
        duration: Duration in seconds that the file claims; None if it claims none.
        size_bytes: Size of the file.
        bit_rate: Bits per second over all streams; None if unknown.
        video: The main video stream.
        tracks: All other streams, in file order.
        metadata: Tags of the container, in file order.
        remarks: What the user should know about how the file is understood, and `video` does not
            say.
        reopens: Whether the path can be opened as a container, for its other tracks and tags: not
            where it stands for pictures, or for a stream that is read once.
    """

    path: Path
    container: str
    duration: Fraction | None
    size_bytes: int
    bit_rate: int | None
    video: VideoInfo
    tracks: tuple[TrackInfo, ...]
    metadata: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    reopens: bool = True

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know about how the file is understood."""
        return (*_interlacing(self.video), *self.remarks)


@dataclass(frozen=True, slots=True)
class Timestamps:
    """Statistics of a stream's presentation times.

    Attributes:
        pts: PTS that occur, each once, in increasing order (ticks).
        duplicates: Packets whose PTS another packet has too.
        missing: Packets without PTS.
        last_duration: Duration of the packet with the greatest PTS (ticks); None if unknown.
        variable: Whether the intervals differ by more than the container's rounding.
        shortest: Least interval (ticks); None below two frames.
        median: Median interval (ticks); None below two frames.
        longest: Greatest interval (ticks); None below two frames.
        disordered: Whether times go back although the codec does not reorder pictures.
    """

    pts: tuple[int, ...]
    duplicates: int
    missing: int
    last_duration: int | None
    variable: bool
    shortest: int | None
    median: int | None
    longest: int | None
    disordered: bool = False


def without_deinterlacing(media: MediaInfo) -> MediaInfo:
    """The same file, whose interlaced frames are taken as they are."""
    return replace(media, video=replace(media.video, deinterlace=False))


def dropping_alpha(media: MediaInfo) -> MediaInfo:
    """The same file, of whose opacity nothing is read."""
    video = media.video
    if not video.color.alpha:
        return media
    color = replace(video.color, alpha=False)
    pix_fmt = pixel_format(color) if video.codec in DECODERS else video.pix_fmt
    remarks = (*media.remarks, "the alpha channel is left out: the colours are shown as stored")
    return replace(media, video=replace(video, color=color, pix_fmt=pix_fmt), remarks=remarks)


def _interlacing(video: VideoInfo) -> tuple[str, ...]:
    """A notice about fields, if there are any."""
    if not video.interlaced:
        return ()
    if video.deinterlace:
        return ("interlaced video: bwdif makes whole pictures of it",)
    return ("interlaced video: its fields are not separated, motion may look combed",)

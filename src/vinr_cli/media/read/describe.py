"""What a file holds, read once into frozen records."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Protocol, cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.stream import DataStream, Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vinr_cli.color.spec import (
    HD_LINES,
    Chroma,
    ColorSpec,
    Mastering,
    Matrix,
    is_exact,
    matrix_of_tag,
)
from vinr_cli.errors import InputError
from vinr_cli.media.base.alpha import DECODERS, is_apart, open_decoder, sees_through
from vinr_cli.media.base.borders import (
    LIBRARY_ERRORS,
    AnyPacket,
    reading,
    require_file,
    url,
    words_of,
)
from vinr_cli.media.base.limits import container_options, decoder_options
from vinr_cli.media.base.pixel_formats import (
    FULL,
    MATRICES,
    PRIMARIES,
    STUDIO,
    TRANSFERS,
    Layout,
    layout_of,
    pixel_format,
    siting_of,
)
from vinr_cli.media.read.siting import stated_crop, stated_siting

_PICTURE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_MICROSECONDS = 1_000_000  # container durations count in these
_MATRIX_BYTES, _MASTERING_BYTES, _LIGHT_BYTES = 36, 88, 8
"""Sizes of AVFrame's side data that is used: 9, 22 and 2 words of 32 bits."""
_VARIABLE = Fraction(1, 1000)
"""Intervals that differ by more than this (seconds), and by more than a tick, are a variable rate.

Matroska rounds every time to a millisecond, so a constant rate shows differences of up to one.
"""


class Readable(Protocol):
    """What PyAV can read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""


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
        notices: What the user should know about how the file is understood.
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
    notices: tuple[str, ...]
    reopens: bool = True


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


def probe(path: Path) -> MediaInfo:
    """Read what a file holds; decodes one frame of the main video stream.

    Args:
        path: A local file.

    Returns:
        The file's description. The main video stream is the one that ffmpeg would choose, and
        never a cover picture.

    Raises:
        InputError: If the path is no readable file, no media file, has no video stream, or if no
            frame of the video stream can be decoded.
    """
    require_file(path)
    with reading(path), open_input(path) as container:
        return describe_container(path, container, path.stat().st_size)


def describe_container(path: Path, container: InputContainer, size_bytes: int) -> MediaInfo:
    """Describe an opened file or stream; decodes one frame of the main video stream.

    Args:
        path: What it is called.
        container: It, with nothing read from it yet.
        size_bytes: Its size; 0 if that is not known.

    Raises:
        InputError: As `probe` does.
        av.error.FFmpegError, OSError: As PyAV raises them.
    """
    stream = _main_video(path, container)
    frame, whole = _first_frame(path, container, stream)
    notices: list[str] = []
    video = _describe_video(path, stream, (frame, whole), notices)
    return MediaInfo(
        path=path,
        container=container.format.name,
        duration=_seconds(container.duration, Fraction(1, _MICROSECONDS)),
        size_bytes=size_bytes,
        bit_rate=container.bit_rate or None,
        video=video,
        tracks=tuple(_describe_track(s) for s in container.streams if s.index != stream.index),
        metadata=tuple(container.metadata.items()),
        notices=tuple(notices),
    )


def open_input(path: Path) -> InputContainer:
    """Open a file for reading; tags that are not UTF-8 lose the odd bytes, not the file.

    Nothing but this file is read, and no frame above `limits.MAX_PIXELS` is allocated.

    Raises:
        InputError: If it is of a kind that names other files, such as a playlist.
        av.error.FFmpegError, OSError: As PyAV raises them.
    """
    return open_stream(path, url(path))


def open_stream(path: Path, stream: "str | Readable") -> InputContainer:
    """Open what `stream` names or reads, as `open_input` does.

    Args:
        path: What it is called in errors.
        stream: The address of a local file, or something to read from.
    """
    try:
        container = av.open(
            stream,
            "r",
            metadata_errors="replace",
            options=decoder_options(),
            container_options=container_options(),
        )
    except av.error.ArgumentError as error:
        cause = "is in no format that is read; playlists and scripts that name other files are not"
        raise InputError(path, cause, "Give the video itself.") from error
    for video in container.streams.video:
        if video.codec_context is not None:
            video.codec_context.options = decoder_options()
    return container


def codec_name(stream: Stream) -> str:
    """Name of a stream's codec (not of the library that decodes it); empty if unknown."""
    context = stream.codec_context
    if isinstance(stream, DataStream):  # no decoder, but a name
        return stream.name or ""
    return "" if context is None else context.codec.canonical_name


def scan_timestamps(path: Path, info: VideoInfo, limit: int | None = None) -> Timestamps:
    """Collect the presentation times of a stream without decoding it.

    Args:
        path: The file.
        info: The stream, from `probe`.
        limit: Packets to read at most; None reads them all.

    Returns:
        The times; packets that an edit list hides are left out. A file that breaks off gives the
        times up to there.

    Raises:
        InputError: If the file cannot be opened.
    """
    times: list[int] = []
    durations: dict[int, int | None] = {}
    missing = count = 0
    disordered = False
    with reading(path), open_input(path) as container:
        stream = container.streams[info.index]
        packets = container.demux(stream)
        in_order = stream.codec_context is not None and stream.codec_context.codec.intra_only
        while limit is None or count < limit:
            try:
                packet = next(packets, None)
            except LIBRARY_ERRORS:
                break
            if packet is None:
                break
            if not packet.size or packet.is_discard or is_hidden(info.codec, packet):
                continue
            count += 1
            if packet.pts is None:
                missing += 1
            else:
                disordered |= in_order and bool(times) and packet.pts < times[-1]
                times.append(packet.pts)
                durations[packet.pts] = packet.duration
    unique = tuple(sorted(set(times)))
    last = durations[unique[-1]] if unique else None
    found = _statistics(unique, len(times) - len(unique), missing, last, info.time_base)
    return replace(found, disordered=disordered)


def is_hidden(codec: str, packet: AnyPacket) -> bool:
    """Whether a packet of VP8 or VP9 is a picture that is never shown, only referred to.

    Some muxers give such a picture a packet and a time of its own. The first bits of a frame say
    whether it is shown (RFC 6386, 9.1; the VP9 bitstream specification, 6.2); a VP9 packet that
    ends with a superframe's marker holds a shown one too.
    """
    if codec not in ("vp8", "vp9") or not packet.size:
        return False
    data = memoryview(packet)
    first, last = data[0], data[-1]
    if codec == "vp8":
        return not first & 0x10
    if last & 0xE0 == 0xC0 and packet.size > 1:
        return False
    spare = 0 if first >> 4 & 3 == 3 else 1  # profile 3 has one bit more in front
    shown_again = first >> (2 + spare) & 1
    return not shown_again and not first >> spare & 1


def _statistics(
    pts: tuple[int, ...], duplicates: int, missing: int, last: int | None, time_base: Fraction
) -> Timestamps:
    """Interval statistics of sorted, distinct times."""
    steps = [b - a for a, b in pairwise(pts)]
    if not steps:
        return Timestamps(pts, duplicates, missing, last or None, False, None, None, None)
    slack = max(Fraction(1), _VARIABLE / time_base)
    return Timestamps(
        pts,
        duplicates,
        missing,
        last or None,
        bool(max(steps) - min(steps) > slack),
        min(steps),
        statistics.median_low(steps),
        max(steps),
    )


def _main_video(path: Path, container: InputContainer) -> VideoStream:
    """The stream to work on."""
    moving = [s for s in container.streams.video if not s.disposition & _PICTURE]
    if not moving:
        some = "only a still cover picture" if container.streams.video else "no video stream"
        raise InputError(path, f"has {some}", "Give a file with moving pictures.")
    best = container.streams.best("video")
    chosen = next((s for s in moving if best is not None and s.index == best.index), moving[0])
    if chosen.codec_context is None:
        raise InputError(path, f"no decoder for its video stream {chosen.index}")
    return chosen


def _first_frame(
    path: Path, container: InputContainer, stream: VideoStream
) -> tuple[VideoFrame, VideoFrame]:
    """Decode up to the first frame; damaged packets before it are skipped.

    Returns:
        The frame, which says everything about the stream, and the one that is read: the same, but
        where opacity is stored apart, the one that has it.
    """
    reason: BaseException | None = None
    found: list[VideoFrame] = []
    whole: list[VideoFrame] = []
    try:
        apart = open_decoder(stream) if is_apart(stream) else None
        for packet in container.demux(stream):
            try:
                found += packet.decode()
                whole += [] if apart is None else apart.decode(packet)
            except LIBRARY_ERRORS as error:
                reason = error
                continue
            if found and apart is None:
                return found[0], found[0]
            if found and whole:
                return found[0], whole[0]
    except LIBRARY_ERRORS as error:
        reason = error
    cause = f"no frame of its {codec_name(stream)} video can be decoded"
    raise InputError(path, f"{cause}: {words_of(reason)}" if reason else cause) from reason


def _describe_video(
    path: Path,
    stream: VideoStream,
    frames: tuple[VideoFrame, VideoFrame],
    notices: list[str],
) -> VideoInfo:
    """Describe the main stream by its header and what `_first_frame` gives."""
    frame, whole = frames
    try:
        layout = layout_of(frame.format.name)
    except ValueError as error:
        raise InputError(path, str(error)) from error
    codec = codec_name(stream)
    rotation, mirrored = _rotation(frame, notices)
    lines = frame.width if rotation in (90, 270) else frame.height
    color = _color(frame, layout, codec, lines, notices)
    if layout.chroma is Chroma.C420:
        color = replace(color, siting=stated_siting(stream) or color.siting)
    notices.extend(_lost_with(frame))
    alpha = whole is not frame or _is_seen(frame, layout, codec)
    color = replace(color, alpha=alpha)
    if frame.interlaced_frame:
        notices.append("interlaced video: bwdif makes whole pictures of it")
    time_base = stream.time_base or Fraction(1, _MICROSECONDS)
    left, top, right, bottom = crop = _crop(stream, frame, layout.chroma, notices)
    return VideoInfo(
        index=stream.index,
        codec=codec,
        width=frame.width - left - right,
        height=frame.height - top - bottom,
        pix_fmt=whole.format.name,
        color=color,
        time_base=time_base,
        rate=_rate(stream),
        start_pts=frame.pts if frame.pts is not None else stream.start_time,
        duration=_seconds(stream.duration, time_base),
        frames=stream.frames or None,
        sample_aspect=stream.sample_aspect_ratio or Fraction(1),
        rotation=rotation,
        interlaced=bool(frame.interlaced_frame),
        alpha=alpha,
        mirrored=mirrored,
        crop=crop,
    )


def _crop(
    stream: VideoStream, frame: VideoFrame, chroma: Chroma, notices: list[str]
) -> tuple[int, int, int, int]:
    """Samples (left, top, right, bottom) that are not shown.

    The left and top edges are put on whole chroma samples, so that the picture's size is as said
    and its chroma stays where it is.
    """
    left, top, right, bottom = stated_crop(stream)
    width, height = frame.width - left - right, frame.height - top - bottom
    if not any((left, top, right, bottom)):
        return 0, 0, 0, 0
    if width <= 0 or height <= 0:
        notices.append("its cropping would leave nothing, and is not applied")
        return 0, 0, 0, 0
    left -= left % 2 if chroma in (Chroma.C420, Chroma.C422) else 0
    top -= top % 2 if chroma is Chroma.C420 else 0
    notices.append(
        f"its container shows {width}x{height} of {frame.width}x{frame.height}: the rest is cut off"
    )
    return left, top, frame.width - left - width, frame.height - top - height


def describe_picture(
    path: Path,
    codec: str,
    frame: VideoFrame,
    *,
    rate: Fraction,
    aspect: Fraction,
    upright: tuple[int, bool],
    count: int,
    notices: list[str],
) -> VideoInfo:
    """Describe a sequence of pictures as a video stream, by one of them.

    Args:
        path: The picture.
        codec: ffmpeg's name of its decoder.
        frame: It, decoded.
        rate: Frames per second.
        aspect: Width of a pixel over its height.
        upright: Degrees to turn it clockwise, and whether to mirror it before.
        count: How many pictures there are.
        notices: Takes what the user should know.

    Raises:
        InputError: If its pixel format is not supported.
    """
    try:
        layout = layout_of(frame.format.name)
    except ValueError as error:
        raise InputError(path, str(error)) from error
    rotation, mirrored = upright
    lines = frame.width if rotation in (90, 270) else frame.height
    color = _color(frame, layout, codec, lines, notices)
    alpha = _is_seen(frame, layout, codec)
    color = replace(color, alpha=alpha)
    if _side_data(frame, SideDataType.ICC_PROFILE):
        notices.append("the pictures' ICC profile is not applied and not kept")
    return VideoInfo(
        index=0,
        codec=codec,
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        color=color,
        time_base=Fraction(1, rate.numerator),
        rate=rate,
        start_pts=0,
        duration=count / rate,
        frames=count,
        sample_aspect=aspect,
        rotation=rotation,
        interlaced=False,
        alpha=alpha,
        mirrored=mirrored,
    )


def _rate(stream: VideoStream) -> Fraction | None:
    """Mean frame rate, if the header gives one that can be."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate is not None and 0 < rate <= 100_000:
            return rate
    return None


def _seconds(ticks: int | None, time_base: Fraction) -> Fraction | None:
    """A duration in seconds; None where the file says none or nonsense."""
    return ticks * time_base if ticks is not None and ticks > 0 else None


def _side_data(frame: VideoFrame, kind: SideDataType) -> bytes:
    """A frame's side data of one kind, as ffmpeg's structure lies in memory; empty if none."""
    try:
        data = cast("Iterable[SideData]", frame.side_data)  # a Mapping by name, that yields values
    except ValueError:  # there is a kind among them that this PyAV has no name for, such as Exif
        return b""
    return next((bytes(d) for d in data if d.type == kind), b"")


def _mastering(frame: VideoFrame) -> Mastering | None:
    """The grading display: ten rationals (R, G, B, white; least, greatest light) and two flags."""
    data = _side_data(frame, SideDataType.MASTERING_DISPLAY_METADATA)
    if len(data) < _MASTERING_BYTES:
        return None
    words = memoryview(data[:_MASTERING_BYTES]).cast("i")
    pairs = [(words[k], words[k + 1]) for k in range(0, 20, 2)]
    if not words[20] or not words[21] or any(den == 0 for _, den in pairs):
        return None
    rx, ry, gx, gy, bx, by, wx, wy, low, high = (Fraction(num, den) for num, den in pairs)
    return Mastering((rx, ry), (gx, gy), (bx, by), (wx, wy), (low, high))


def _light(frame: VideoFrame) -> tuple[int, int] | None:
    """Greatest and greatest average light level: two unsigned words."""
    data = _side_data(frame, SideDataType.CONTENT_LIGHT_LEVEL)
    if len(data) < _LIGHT_BYTES:
        return None
    most, average = memoryview(data[:_LIGHT_BYTES]).cast("I")
    return most, average


_DYNAMIC = {
    SideDataType.DYNAMIC_HDR_PLUS: "HDR10+ dynamic metadata is not kept: HDR10's static data is",
    SideDataType.DYNAMIC_HDR_VIVID: "HDR Vivid's dynamic metadata is not kept",
    SideDataType.DOVI_RPU_BUFFER: "Dolby Vision's metadata is not kept: the base layer is",
    SideDataType.DOVI_METADATA: "Dolby Vision's metadata is not kept: the base layer is",
    SideDataType.AMBIENT_VIEWING_ENVIRONMENT: "the ambient viewing environment is not kept",
}
"""Side data of a frame that speaks of that very frame or that no encoder takes from us."""


def _lost_with(frame: VideoFrame) -> list[str]:
    """A line for each kind of side data that matters for the look and cannot be kept."""
    found = [kind for kind in _DYNAMIC if _side_data(frame, kind)]
    return list(dict.fromkeys(_DYNAMIC[kind] for kind in found))


def without_deinterlacing(media: MediaInfo) -> MediaInfo:
    """The same file, whose interlaced frames are taken as they are."""
    text = "interlaced video: its fields are not separated, motion may look combed"
    notices = tuple(text if n.startswith("interlaced video") else n for n in media.notices)
    return replace(media, video=replace(media.video, deinterlace=False), notices=notices)


def dropping_alpha(media: MediaInfo) -> MediaInfo:
    """The same file, of whose opacity nothing is read."""
    video = media.video
    if not video.color.alpha:
        return media
    color = replace(video.color, alpha=False)
    pix_fmt = pixel_format(color) if video.codec in DECODERS else video.pix_fmt
    notices = (*media.notices, "the alpha channel is left out: the colours are shown as stored")
    return replace(media, video=replace(video, color=color, pix_fmt=pix_fmt), notices=notices)


def _is_seen(frame: VideoFrame, layout: Layout, codec: str) -> bool:
    """Whether a stream has opacity, by its first frame.

    Decoders of GIF give a channel in any case, and a palette has one that is seldom used: there
    the pixels decide.
    """
    if codec == "gif" or frame.format.name == "pal8":
        return sees_through(frame)
    return layout.alpha


def _rotation(frame: VideoFrame, notices: list[str]) -> tuple[int, bool]:
    """Clockwise degrees that show a frame upright, and whether it is mirrored before.

    A matrix that mirrors is a mirror, left to right, and then a turn by 180 degrees more than the
    angle of its first row says: the mirror changes that row's sign.
    """
    matrix = _side_data(frame, SideDataType.DISPLAYMATRIX)
    if len(matrix) < _MATRIX_BYTES:
        return round(-frame.rotation / 90) * 90 % 360, False
    a, b, _, c, d = memoryview(matrix).cast("i")[:5]
    mirrored = a * d - b * c < 0
    degrees = (-frame.rotation + (180 if mirrored else 0)) % 360
    if mirrored:
        notices.append("its display matrix mirrors the picture: the pixels are mirrored instead")
    upright = round(degrees / 90) * 90 % 360
    if upright != degrees:
        notices.append(f"its display matrix turns by {degrees} degrees: {upright} is used")
    return upright, mirrored


def _color(
    frame: VideoFrame, layout: Layout, codec: str, lines: int, notices: list[str]
) -> ColorSpec:
    """Colour description of the canonical planes of a frame."""
    tag = MATRICES.get(int(frame.colorspace))
    spec = ColorSpec(
        chroma=layout.chroma,
        matrix=matrix_of_tag(tag, height=lines),
        full_range=_is_full(int(frame.color_range), layout, codec),
        depth=layout.depth,
        siting=siting_of(layout.chroma, codec),
        primaries=PRIMARIES.get(int(frame.color_primaries)),
        transfer=TRANSFERS.get(int(frame.color_trc)),
        tagged_matrix=tag,
        mastering=_mastering(frame),
        light=_light(frame),
    )
    if layout.chroma is Chroma.RGB:
        return replace(spec, matrix=Matrix.RGB, tagged_matrix="gbr")
    if layout.chroma is Chroma.GRAY or spec.matrix is Matrix.RGB:
        matrix = matrix_of_tag(None, height=lines)
        return replace(spec, matrix=matrix, tagged_matrix=None if tag == "gbr" else tag)
    if tag is None:
        how = f"{HD_LINES} lines or more" if lines >= HD_LINES else f"fewer than {HD_LINES} lines"
        name = "BT.709" if spec.matrix is Matrix.BT709 else "BT.601"
        notices.append(f"no colour matrix is tagged: {name} is used ({how})")
    elif not is_exact(tag):
        notices.append(f"matrix {tag} is worked on as {spec.matrix.value}; the tag is kept")
    return spec


def _is_full(color_range: int, layout: Layout, codec: str) -> bool:
    """Whether code values run over the whole depth."""
    if color_range in (STUDIO, FULL):
        return color_range == FULL
    stills = codec in ("mjpeg", "png", "apng", "gif", "qtrle", "rawvideo", "ffv1")
    return layout.full_range or (layout.chroma is Chroma.GRAY and stills)


def _describe_track(stream: Stream) -> TrackInfo:
    """Describe a stream that is not worked on."""
    context = stream.codec_context
    audio = context if context is not None and stream.type == "audio" else None
    return TrackInfo(
        index=stream.index,
        kind=stream.type,
        codec=codec_name(stream),
        language=stream.language,
        title=stream.metadata.get("title"),
        start=None
        if stream.start_time is None or stream.time_base is None
        else stream.start_time * stream.time_base,
        duration=_seconds(stream.duration, stream.time_base or Fraction(1)),
        channels=getattr(audio, "channels", None),
        sample_rate=getattr(audio, "sample_rate", None),
    )

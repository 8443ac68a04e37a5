"""What a file or a stream holds, read from its headers and its first frame."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vinr_cli.color.spec import Chroma
from vinr_cli.errors import InputError
from vinr_cli.media.base.alpha import is_apart, open_decoder
from vinr_cli.media.base.borders import LIBRARY_ERRORS, reading, require_file, words_of
from vinr_cli.media.base.opening import codec_name, open_input
from vinr_cli.media.base.pixel_formats import layout_of
from vinr_cli.media.read.frame_data import color_of, has_opacity, lost_with, rotation_of, side_data
from vinr_cli.media.read.info import MediaInfo, TrackInfo, VideoInfo
from vinr_cli.media.read.siting import stated_crop, stated_siting

_PICTURE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_MICROSECONDS = 1_000_000  # container durations count in these


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
        remarks=tuple(notices),
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
    rotation, mirrored = rotation_of(frame, notices)
    lines = frame.width if rotation in (90, 270) else frame.height
    color = color_of(frame, layout, codec, lines, notices)
    if layout.chroma is Chroma.C420:
        color = replace(color, siting=stated_siting(stream) or color.siting)
    notices.extend(lost_with(frame))
    alpha = whole is not frame or has_opacity(frame, layout, codec)
    color = replace(color, alpha=alpha)
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
    color = color_of(frame, layout, codec, lines, notices)
    alpha = has_opacity(frame, layout, codec)
    color = replace(color, alpha=alpha)
    if side_data(frame, SideDataType.ICC_PROFILE):
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

"""What becomes of a source's other streams: decided once, while planning, and carried out later."""

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum, auto
from io import BytesIO
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import AttachmentStream, Disposition, Stream

from vinr_cli.media.base.borders import LIBRARY_ERRORS, reading
from vinr_cli.media.base.containers import Container, Conversion
from vinr_cli.media.base.opening import codec_name, open_input
from vinr_cli.media.join.times import ONE, Times
from vinr_cli.media.join.tracks import (
    START_SLACK,
    TEXT_SUBTITLES,
    add_along,
    add_copy,
    attachment_name,
    coded_times,
    is_bare_aac,
    is_chapter_list,
    is_moving,
    is_timecode,
)
from vinr_cli.media.read.info import MediaInfo


class Act(Enum):
    """What is done with a stream."""

    COPY = auto()
    CONVERT = auto()
    COUNT = auto()
    """A timecode is counted on at the new rate."""
    DROP = auto()
    """It is not kept, although it is wanted."""
    OMIT = auto()
    """It is not wanted."""


class Why(Enum):
    """Why a stream is not copied as it is."""

    NOTHING = auto()
    UNFIT = auto()
    """The container cannot hold it."""
    UNFIT_IN_STREAM = auto()
    """The same, where nothing is converted because the source or the target is a stream."""
    STRETCHED = auto()
    """Its sound becomes longer."""
    STRETCHED_IN_STREAM = auto()
    """The same, where that is not done."""
    LATE = auto()
    """It does not start with the picture, which the container cannot state."""
    NO_ATTACHMENTS = auto()
    NO_CHAPTERS = auto()
    NO_TIMECODE = auto()
    VARIABLE = auto()
    """A timecode counts frames of a constant rate."""
    EMPTY = auto()
    OTHER_IN_STREAM = auto()
    """It is of a kind that is not copied where the source or the target is a stream."""


@dataclass(frozen=True, slots=True)
class StreamDecision:
    """What becomes of one of a source's streams, or of its chapters.

    Attributes:
        index: Of the stream; None for the chapters.
        kind: audio, subtitle, video, data or attachment; chapters.
        label: Name of its codec, or of an attached file; empty if unknown.
        container: Format of the result.
        act: What is done.
        why: Why it is not copied.
        conversion: What it is converted to; None where it is not.
    """

    index: int | None
    kind: str
    label: str
    container: Container
    act: Act = Act.COPY
    why: Why = Why.NOTHING
    conversion: Conversion | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked for, as far as other streams are concerned.

    Attributes:
        left_out: Kinds of streams (audio, subtitle) that are not wanted.
        stretched: Whether sound becomes longer.
        steady: Whether the result's frame rate is constant.
        times: How the source's times become times from the first frame on.
        streamed: Whether the source or the target is a stream: nothing is read twice then.
        piped: Whether the target is a pipe, in which nothing can be written again later.
    """

    left_out: Collection[str] = ()
    stretched: bool = False
    steady: bool = True
    times: Times = field(default_factory=Times)
    streamed: bool = False
    piped: bool = False


_Outcome = tuple[Act, Why, Conversion | None]
_COPY: _Outcome = (Act.COPY, Why.NOTHING, None)


def decide(
    source: MediaInfo,
    target: Container,
    wishes: Wishes | None = None,
    opened: InputContainer | None = None,
) -> tuple[StreamDecision, ...]:
    """What becomes of everything in a source but its main video; conversions may still fail.

    Args:
        source: The source's description.
        target: Format of the result.
        wishes: What is asked for; None wants everything as it is.
        opened: The source, opened; None opens its file.

    Returns:
        Decisions on the streams, in file order, and on the chapters, if there are any.

    Raises:
        InputError: If the source cannot be opened.
    """
    wishes = wishes or Wishes()
    with ExitStack() as stack:
        if opened is None:
            if not source.reopens:
                return ()
            stack.enter_context(reading(source.path))
            opened = stack.enter_context(open_input(source.path))
        found = [
            StreamDecision(s.index, s.type, _label(s), target, *_outcome(source, target, wishes, s))
            for s in opened.streams
            if s.index != source.video.index and not is_chapter_list(s)
        ]
        if opened.chapters():
            kept = (Act.COPY, Why.NOTHING) if target.chapters else (Act.DROP, Why.NO_CHAPTERS)
            found.append(StreamDecision(None, "chapters", "", target, *kept))
    return tuple(found)


def _label(stream: Stream) -> str:
    if isinstance(stream, AttachmentStream):
        return attachment_name(stream)
    return codec_name(stream)


def _outcome(source: MediaInfo, target: Container, wishes: Wishes, stream: Stream) -> _Outcome:
    """What happens to one stream, why, and what it is converted to."""
    if stream.type in wishes.left_out:
        return Act.OMIT, Why.NOTHING, None
    if target.alone:
        return _drop(Why.UNFIT)
    if isinstance(stream, AttachmentStream):
        return _COPY if target.attachments else _drop(Why.NO_ATTACHMENTS)
    if is_timecode(stream):
        return _timecode(target, wishes)
    if wishes.streamed:
        return _in_stream(target, wishes, stream)
    return _in_file(source.path, target, wishes, stream)


def _in_file(path: Path, target: Container, wishes: Wishes, stream: Stream) -> _Outcome:
    """The same of sound, text, further videos and data that can be read as often as needed."""
    if stream.type == "audio":
        why = _why_convert(path, target, wishes, stream)
        return _COPY if why is Why.NOTHING else (Act.CONVERT, why, target.sound)
    if holds(target, stream):
        empty = is_moving(stream) and not coded_times(path, stream, wishes.times)
        return _drop(Why.EMPTY) if empty else _COPY
    text = stream.type == "subtitle" and codec_name(stream) in TEXT_SUBTITLES
    if text and target.subtitles is not None:
        return Act.CONVERT, Why.UNFIT, target.subtitles
    return _drop(Why.UNFIT)


def _drop(why: Why) -> _Outcome:
    return Act.DROP, why, None


def _timecode(target: Container, wishes: Wishes) -> _Outcome:
    if not target.timecode:
        return _drop(Why.NO_TIMECODE)
    return (Act.COUNT, Why.NOTHING, None) if wishes.steady else _drop(Why.VARIABLE)


def _in_stream(target: Container, wishes: Wishes, stream: Stream) -> _Outcome:
    """The same where nothing can be read twice: what cannot be copied is dropped."""
    cover = stream.disposition & Disposition.attached_pic
    if stream.type not in ("audio", "subtitle") and not cover:
        return _drop(Why.OTHER_IN_STREAM)
    if stream.type == "audio" and wishes.stretched:
        return _drop(Why.STRETCHED_IN_STREAM)
    held = holds(target, stream) or is_bare_aac(stream)
    file = _Nowhere() if wishes.piped else BytesIO()
    return _COPY if held and _takes(target, stream, file) else _drop(Why.UNFIT_IN_STREAM)


def _why_convert(path: Path, target: Container, wishes: Wishes, stream: Stream) -> Why:
    """Why a sound stream cannot be copied."""
    if wishes.stretched:
        return Why.STRETCHED
    if not holds(target, stream):
        return Why.UNFIT
    late = not target.starts and not _starts_together(path, stream, wishes.times)
    return Why.LATE if late else Why.NOTHING


def _starts_together(path: Path, stream: Stream, times: Times) -> bool:
    """Whether a packet of a stream begins with the first frame, to `START_SLACK`."""
    tick = stream.time_base or ONE
    with reading(path), open_input(path) as container:
        for packet in container.demux(container.streams[stream.index]):
            if not packet.size or packet.pts is None:
                continue
            time = times(packet.pts * tick)
            if time >= -START_SLACK:
                return time <= START_SLACK
    return False


def holds(target: Container, stream: Stream) -> bool:
    """Whether a format can hold a stream as it is, found by writing a header to memory."""
    name = codec_name(stream)
    if stream.type == "data" and not (target.data and name):
        return False
    if name in target.unread or (target.copied is not None and name not in target.copied):
        return False
    try:
        with av.open(BytesIO(), "w", format=target.muxer) as trial:
            add_copy(trial, stream)
            trial.start_encoding()
    except LIBRARY_ERRORS:
        return False
    return True


class _Nowhere:
    """A file that cannot be searched and keeps nothing."""

    def write(self, data: bytes) -> int:
        """Take it."""
        return len(data)


def _takes(target: Container, stream: Stream, file: _Nowhere | BytesIO) -> bool:
    """Whether a format can begin with a stream in a file of this kind."""
    options = dict(target.options) if target.piped else {}
    try:
        with av.open(file, "w", format=target.muxer, container_options=options) as trial:
            add_along(trial, stream)
            trial.start_encoding()
    except LIBRARY_ERRORS:
        return False
    return True

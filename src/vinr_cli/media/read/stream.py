"""A stream that is read once: described from its beginning, then decoded to its end.

Packets of the main video are decoded; those of the streams that come along go to whoever takes
them, in the thread that reads.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from av.container import InputContainer
from av.stream import AttachmentStream, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vinr_cli.errors import InputError
from vinr_cli.media.base.borders import LIBRARY_ERRORS, AnyPacket, words_of
from vinr_cli.media.base.opening import open_stream
from vinr_cli.media.base.pipe import STDIN_NAME, Inlet
from vinr_cli.media.read.describe import describe_container
from vinr_cli.media.read.info import MediaInfo
from vinr_cli.media.read.reader import FrameReader

NAME = Path(STDIN_NAME)
"""What a stream is called where a path is wanted."""


_HINT = "Send Matroska, NUT, MPEG-TS or y4m: MP4 may need to be read from its end."


class StreamSource:
    """Standard input, or another descriptor, as a source; use as a context manager.

    What is needed to describe it is read at once, and read again when decoding begins.

    Args:
        descriptor: Read from.
        halted: Asked, while nothing comes, whether to take that for the end.

    Attributes:
        inlet: Where it is read.
        media: What it is.
        container: It, opened, at its beginning.

    Raises:
        InputError: It is empty, or no video that can be read without going back.
    """

    def __init__(self, descriptor: int, halted: Callable[[], bool] = lambda: False) -> None:
        self.inlet = Inlet(descriptor, halted)
        with _understood(self.inlet):
            with open_stream(NAME, self.inlet) as container:
                described = describe_container(NAME, container, 0)
            self.inlet.rewind()
            self.container = open_stream(NAME, self.inlet)
        self.media: MediaInfo = replace(described, reopens=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.inlet.cancel()
        self.container.close()


@contextmanager
def _understood(inlet: Inlet) -> Iterator[None]:
    """Turn the library's errors on opening a stream into what it means for a user."""
    try:
        yield
    except LIBRARY_ERRORS as error:
        if inlet.interrupted:
            raise KeyboardInterrupt from error
        if not inlet.seen:
            raise InputError(STDIN_NAME, "is empty") from error
        raise InputError(
            STDIN_NAME, f"cannot be read as a video: {words_of(error)}", _HINT
        ) from error
    except InputError as error:
        raise InputError(error.subject, error.cause, error.fix or _HINT) from error


class StreamReader(FrameReader):
    """`FrameReader` of a stream: once, from its beginning.

    Args:
        source: The stream.
        media: Its description, as the job sees it.
        end_pts: First time not to yield any more (ticks); None to the end.
        start_pts: First time to yield (ticks); None from the first frame. What lies before it is
            decoded.
        score_changes: Whether frames carry a score of how much they change.
        along: Other streams that are wanted.
        take: Gets their packets as they come, from the thread that iterates.
    """

    def __init__(
        self,
        source: StreamSource,
        media: MediaInfo,
        *,
        start_pts: int | None = None,
        end_pts: int | None = None,
        score_changes: bool = False,
        along: Sequence[Stream] = (),
        take: Callable[[AnyPacket], None] = lambda _: None,
    ) -> None:
        super().__init__(
            media.path, media.video, start_pts=start_pts, end_pts=end_pts,
            score_changes=score_changes,
        )  # fmt: skip
        self._source = source
        self._along = [s for s in along if not isinstance(s, AttachmentStream)]
        self._take = take

    def require_source(self) -> None:
        """A stream is there, or it could not have been described."""

    def close(self) -> None:
        """Nothing: the stream belongs to its `StreamSource`."""

    def _opened(self) -> InputContainer:
        return self._source.container

    def _decoded_from_start(self) -> Iterator[VideoFrame]:
        yield from self._decoded(None)

    def _demuxed(self, container: InputContainer, stream: VideoStream) -> Iterator[AnyPacket]:
        packets: Iterator[AnyPacket] = container.demux([stream, *self._along])
        for packet in packets:
            if packet.stream.index == stream.index:  # an empty packet has no index of its own
                yield packet
            elif packet.size:
                self._take(packet)

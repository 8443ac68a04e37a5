"""Whole pictures from interlaced frames: libavfilter's `bwdif`."""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction

from av.error import BlockingIOError as Starved
from av.error import EOFError as Drained
from av.filter import Graph
from av.video.frame import VideoFrame

_TICK = Fraction(1, 1000)
"""The filter sees frame numbers instead of times: every frame keeps its own time outside of it."""
_OPTIONS = "mode=send_frame:parity=auto:deint=interlaced"
"""One picture per frame, from its first field; frames that are not marked interlaced pass."""


def deinterlaced(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """Make whole pictures of the frames that are marked interlaced.

    Nothing happens up to the first such frame; from there all frames go through the filter, which
    looks at the frame before and the frame after. Each frame comes out once, with its own time and
    duration.

    Args:
        frames: Decoded frames in presentation order.

    Raises:
        av.error.FFmpegError: the filter does not take the pixel format.
    """
    work: _Deinterlacer | None = None
    for frame in frames:
        if work is not None and work.kind != _kind(frame):
            yield from work.drain()
            work = None
        if work is None and frame.interlaced_frame:
            work = _Deinterlacer(frame)
        if work is None:
            yield frame
        else:
            yield from work.push(frame)
    if work is not None:
        yield from work.drain()


def _kind(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name


class _Deinterlacer:
    """A filter graph for one kind of frame."""

    def __init__(self, frame: VideoFrame) -> None:
        self.kind = _kind(frame)
        self._held: deque[tuple[int | None, int]] = deque()  # times of the frames in the filter
        self._pushed = 0
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=_TICK
        )
        bwdif = self._graph.add("bwdif", _OPTIONS)
        sink = self._graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        self._graph.configure()

    def push(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """Give a frame, take those that are ready."""
        self._held.append((frame.pts, frame.duration))
        frame.pts = self._pushed
        self._pushed += 1
        self._graph.vpush(frame)
        yield from self._ready()

    def drain(self) -> Iterator[VideoFrame]:
        """Take what is left."""
        self._graph.vpush(None)
        yield from self._ready()

    def _ready(self) -> Iterator[VideoFrame]:
        while True:
            try:
                frame = self._graph.vpull()
            except (Starved, Drained):
                return
            frame.pts, frame.duration = self._held.popleft()
            yield frame

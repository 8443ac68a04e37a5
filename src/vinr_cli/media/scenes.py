"""How much a picture changes from one frame to the next: libavfilter's `scdet`."""

from fractions import Fraction

from av.filter import Graph
from av.video.frame import VideoFrame

_TICK = Fraction(1, 1000)
"""The filter compares neighbours and never looks at times."""
_SCORE = "lavfi.scd.score"


class SceneScorer:
    """Scores each frame of a stream, in presentation order.

    The score is that of ffmpeg's scdet filter: the mean absolute difference of luma to the frame
    before, in per cent of the range, or how much that differs from the difference before, if that
    is less. So a cut scores high, and steady fast motion does not.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def __call__(self, frame: VideoFrame) -> float:
        """Change from the frame before, in per cent of the luma range; 0 for the first frame."""
        kind = (frame.width, frame.height, frame.format.name)
        if self._graph is None or self._kind != kind:
            self._graph, self._kind = _graph(frame), kind
        self._graph.push(frame)
        scored = self._graph.pull()
        return float(scored.metadata.get(_SCORE, 0.0)) if isinstance(scored, VideoFrame) else 0.0


def _graph(frame: VideoFrame) -> Graph:
    """Frames in, the same frames with their scores out."""
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=_TICK
    )
    detector = graph.add("scdet")
    sink = graph.add("buffersink")
    source.link_to(detector)
    detector.link_to(sink)
    graph.configure()
    return graph

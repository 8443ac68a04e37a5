"""How much a picture changes from one frame to the next: libavfilter's `scdet`, less flashes."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Luma = NDArray[np.float32]
"""A picture's brightness at some hundreds of places, in per cent of the range."""

FLASH_FRAMES = 2
"""Longest flash, in frames: after it the picture is the one before it again."""
FLASH_SCORE = 4.0
"""Changes below this are not looked at again: no useful threshold of a cut is lower."""
_ALIKE = 0.6
"""A picture is the one before a flash if it differs from it by less than this share of the flash's
own change. Motion over three frames stays below; another scene does not."""
_PLACES = 48
"""Places looked at along the longer direction of a picture, about."""

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


def small_luma(plane: NDArray[Any], depth: int) -> Luma:
    """A plane's samples at some hundreds of places.

    Args:
        plane: (H, W), the first plane of a frame, uint8 or uint16.
        depth: Bits of a sample.
    """
    step = max(1, max(plane.shape) // _PLACES)
    places = plane[step // 2 :: step, step // 2 :: step].astype(np.float32)
    return places * np.float32(100 / ((1 << depth) - 1))


def without_flash(
    score: float, before: Sequence[Luma], picture: Luma, after: Sequence[Luma]
) -> float:
    """Score of a frame, 0 where it begins or ends a flash.

    Args:
        score: The frame's score, in per cent of the range.
        before: The pictures before it, the latest last: up to `FLASH_FRAMES` and one more.
        picture: The frame's own.
        after: The pictures that follow it, up to `FLASH_FRAMES`.

    Returns:
        The score; or 0, if the picture before it is much nearer than that to one that follows (a
        flash begins), or the frame itself to one before the latest (a flash ends).
    """
    pairs = [(before[-1], other) for other in after]
    pairs += [(picture, other) for other in list(before)[:-1]]
    own = float(np.abs(before[-1] - picture).mean())  # scdet counts chroma too: not comparable
    least = min((float(np.abs(a - b).mean()) for a, b in pairs), default=own)
    return 0.0 if least < _ALIKE * own else score

"""Where a long run is cut into parts, each a file of its own. No torch, no av.

A part is a span [start, stop) of source frames: it holds the output frames that lie in the pairs
(i, i + 1) with start <= i < stop. Parts need no common numbering: a job is done when its parts
tile [0, n), so a run may stop after any frame and another may go on there.

Where parts end is found while frames are decoded, so no pass over the video is needed before: a
part ends at the first scene cut in the window [k L, k L + S] of source frames, else at the window's
end. The windows lie on a grid from the video's beginning, so a run that starts anywhere, on another
day or on another machine, finds the same places after at most S frames.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

PART_PIXELS = 240 * 1280 * 720
"""Output pixels of a part on a CPU: about a minute there. A group of pictures is 250 frames long
by default in most encoders, so parts of this length cost no more key frames than one file has."""
PART_FRAMES = (60, 480)
"""Least and greatest length of a part, in output frames."""
ACCELERATED = 4
"""A GPU's parts are longer by this factor."""
_SLACK = Fraction(1, 4)
"""Share of a part's length in which a scene cut is waited for."""

Span = tuple[int, int]
"""Source frames [start, stop)."""


@dataclass(frozen=True, slots=True)
class PartGrid:
    """Where parts may end.

    Attributes:
        step: Source frames from one window to the next, L; 0 for one part without end.
        slack: Length of a window less one, S < L.
    """

    step: int
    slack: int

    def ends_at(self, start: int, frame: int, *, cut: bool) -> bool:
        """Whether the part that begins with source frame `start` ends before `frame`.

        Args:
            start: First source frame of the part.
            frame: The source frame that has just come, after `start`.
            cut: Whether it begins a new scene.
        """
        if self.step == 0:
            return False
        window = frame // self.step * self.step
        if not start < window or frame > window + self.slack:
            return False
        return cut or frame == window + self.slack


def choose_grid(
    sources: int, outputs: int, size: tuple[int, int], *, accelerated: bool, frames: int | None
) -> PartGrid:
    """Lengths for a job.

    Args:
        sources: Source frames.
        outputs: Output frames.
        size: (width, height) of an output frame.
        accelerated: Whether a GPU does the work.
        frames: Output frames of a part, as the user wants it; 0 for one part; None to choose.
    """
    if frames is None:
        least, most = PART_FRAMES
        frames = min(max(PART_PIXELS // (size[0] * size[1]), least), most)
        frames *= ACCELERATED if accelerated else 1
    if frames == 0 or outputs <= 0:
        return PartGrid(0, 0)
    step = max(1, round(Fraction(frames * sources, outputs)))
    return PartGrid(step, int(step * _SLACK))


def missing(done: Iterable[Span], total: int | None) -> list[tuple[int, int | None]]:
    """The spans that no part covers, in order; None as the end of one means the video's end.

    Args:
        done: Spans of finished parts, in any order.
        total: Source frames of the job; None while nobody has seen the end.
    """
    gaps: list[tuple[int, int | None]] = []
    position = 0
    for start, stop in sorted(done):
        if start > position:
            gaps.append((position, start))
        position = max(position, stop)
    if total is None or position < total:
        gaps.append((position, None))
    return gaps


def disjoint(spans: Iterable[Span]) -> bool:
    """Whether no two spans overlap and none is empty."""
    ordered = sorted(spans)
    if any(start >= stop for start, stop in ordered):
        return False
    return all(a[1] <= b[0] for a, b in pairwise(ordered))

"""From the source's clock to the result's."""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from vinr_cli.media.base.containers import has_own_clock
from vinr_cli.media.read.info import MediaInfo

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True, slots=True)
class Times:
    """How a source's times become times of the result.

    A time t becomes ``origin + stretch * (t - shift - origin) - base``.

    Attributes:
        origin: Time of the first frame, the one point that a stretch leaves where it is.
        shift: Seconds that the source's clock is ahead.
        stretch: Factor of slow motion, 1 for none.
        base: Seconds taken off everything.
        kept_span: First source time to keep and first to drop again; None keeps all.
    """

    origin: Fraction = Fraction(0)
    shift: Fraction = Fraction(0)
    stretch: Fraction = ONE
    base: Fraction = Fraction(0)
    kept_span: tuple[Fraction, Fraction | None] | None = None

    def __call__(self, time: Fraction) -> Fraction:
        """The result's time of a source time, in seconds."""
        return self.origin + self.stretch * (time - self.shift - self.origin) - self.base

    def kept(self, start: Fraction, length: Fraction) -> Fraction:
        """How much of a span from `start` on lies before the kept span's end, in seconds."""
        last = None if self.kept_span is None else self.kept_span[1]
        return length if last is None else max(min(length, last - start), Fraction(0))

    def keeps(self, start: Fraction, end: Fraction) -> bool:
        """Whether any of a span of source time is kept."""
        if self.kept_span is None:
            return True
        first, last = self.kept_span
        return (end > first or start >= first) and (last is None or start < last)


@dataclass(frozen=True, slots=True)
class Coding:
    """When the packets of a video are decoded.

    Attributes:
        pts: All times in increasing order, in ticks.
        delay: By how many frames coding is ahead of showing.
        kept: The times as a set.
    """

    pts: Sequence[int]
    delay: int
    kept: frozenset[int]

    @classmethod
    def of(cls, coded: Sequence[int]) -> Self:
        """From the times of all packets in the order of coding."""
        pts = array("q", sorted(coded))
        delay = max((k - bisect_left(pts, time) for k, time in enumerate(coded)), default=0)
        return cls(pts, delay, frozenset(coded))

    def time(self, index: int) -> int:
        """Time at which to decode packet `index`: that of the frame shown `delay` frames before.

        The first ones have none before them and get times of their own, as x264 does.
        """
        if index < self.delay:
            return self.pts[index] - (self.pts[self.delay] - self.pts[0])
        return self.pts[index - self.delay]


def clock_base(
    source: MediaInfo,
    origin: Fraction,
    shift: Fraction,
    kept_span: tuple[Fraction, Fraction | None] | None,
) -> Fraction:
    """Seconds to take off all times, of sound and picture alike.

    The first time of a source with a clock of its own is arbitrary: the result starts at zero.

    A first frame before zero moves to zero, because containers hide what lies before it.
    """
    if origin < 0 or not has_own_clock(source.container):
        return min(origin, ZERO)
    starts = [t.start - shift for t in source.tracks if t.kind == "audio" and t.start is not None]
    if kept_span is not None:
        starts = [max(s, kept_span[0] - shift) for s in starts]
    return max(min([origin, *starts]), ZERO)

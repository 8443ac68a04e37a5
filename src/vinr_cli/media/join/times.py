"""From the source's clock to the result's."""

import heapq
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


class Dts:
    """When the packets of a video are decoded, asked for once each, in the order of coding.

    Packet k is decoded when the frame `delay` places before its own is shown, in the order of
    showing. The first `delay` ones have no such frame and get times of their own, as x264 does.

    Args:
        early: DTS of those first ones, in ticks.
    """

    def __init__(self, early: Sequence[int]) -> None:
        self._early = early
        self._pending: list[int] = []
        self._count = 0
        self._start = self._first = self._end = 0

    @classmethod
    def of(cls, coded: Sequence[int]) -> Self:
        """From the times of all frames, in ticks, in the order of coding."""
        shown = array("q", sorted(coded))
        delay = max((k - bisect_left(shown, time) for k, time in enumerate(coded)), default=0)
        return cls([time - (shown[delay] - shown[0]) for time in shown[:delay]])

    @classmethod
    def ahead(cls, delay: int, first: int, step: int) -> Self:
        """Where packets come without DTS, one by one: NUT stores when frames are shown.

        Args:
            delay: Places by which frames are coded ahead, as the stream's header states.
            first: When the first frame is shown, in ticks.
            step: Ticks from one frame to the next.
        """
        return cls([first - (delay - k) * step for k in range(delay)])

    def next(self, pts: int) -> int:
        """DTS of the next packet, whose frame is shown at `pts`."""
        heapq.heappush(self._pending, pts)
        early = self._count < len(self._early)
        dts = self._early[self._count] if early else heapq.heappop(self._pending)
        if not self._count:
            self._start, self._first, self._end = dts, pts, pts
        self._first, self._end = min(self._first, pts), max(self._end, pts)
        self._count += 1
        return dts

    def last_length(self, pts: int, dts: int, hold: int) -> int:
        """Ticks of the last packet with which MP4's sum over all is the film's duration.

        MP4 adds up the steps from packet to packet in the order of coding, also where the last
        packet is not the last frame that is shown.

        Args:
            pts: Of the packet.
            dts: Of the packet.
            hold: Ticks that the last frame is shown for.
        """
        end = self._end + hold
        left = (end - self._first) - (dts - self._start)
        return max(1, min(left, end - pts))


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

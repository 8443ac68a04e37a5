"""Presentation times that increase, whatever a file says."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from av.video.frame import VideoFrame

from vinr_cli.media.read.info import VideoInfo

_MAX_PENDING = 4
"""Frames without a usable time that are held back, waiting for the next good time."""


def usual_interval(info: VideoInfo) -> int:
    """Ticks between frames where the times themselves do not tell; 1/25 s if nothing does."""
    return max(1, round(1 / ((info.rate or Fraction(25)) * info.time_base)))


class Clock:
    """Gives every frame a time greater than the one before.

    A frame without time, or with one that is not greater, waits for the next good time and is
    put evenly in between. If a run of waiting frames has times that increase among themselves, the
    stream's clock was set back there: that and all later times continue where the old clock was.

    Args:
        interval: Ticks between frames where nothing tells.
        notices: Takes one line per kind of repair.
        where: Names a time for people.
    """

    def __init__(
        self, interval: int, notices: list[str], where: Callable[[int | None], str]
    ) -> None:
        self._interval = interval
        self._notices = notices
        self.where = where
        self._last: int | None = None
        self._offset = 0
        self._pending: list[VideoFrame] = []
        self._told: set[str] = set()

    def repair(self, frames: Iterator[VideoFrame]) -> Iterator[tuple[VideoFrame, int]]:
        """Yield each frame with its repaired time, in the order given."""
        for frame in frames:
            time = None if frame.pts is None else frame.pts + self._offset
            if time is not None and (self._last is None or time > self._last):
                yield from self._emit(self._fill(time))
                yield from self._emit([(frame, time)])
                continue
            self._pending.append(frame)
            if len(self._pending) > _MAX_PENDING:
                yield from self._emit(self._give_up_waiting())
        yield from self._emit(self._continue_evenly())

    def _emit(self, timed: Sequence[tuple[VideoFrame, int]]) -> Iterator[tuple[VideoFrame, int]]:
        for frame, time in timed:
            self._last = time
            yield frame, time

    def _fill(self, time: int) -> list[tuple[VideoFrame, int]]:
        """Spread the waiting frames evenly before a good time."""
        waiting, self._pending = self._pending, []
        if not waiting:
            return []
        self._tell("times are missing or repeated and were spread evenly", waiting[0])
        count = len(waiting)
        if self._last is None:
            return [(f, time - (count - k) * self._interval) for k, f in enumerate(waiting)]
        room = time - self._last - 1
        if room < count:
            self._tell("frames that have the time of their neighbour were left out", waiting[0])
            waiting = waiting[count - room :] if room else []
            count = len(waiting)
        step = Fraction(time - self._last, count + 1)
        return [(f, self._last + int(step * (k + 1))) for k, f in enumerate(waiting)]

    def _give_up_waiting(self) -> list[tuple[VideoFrame, int]]:
        """No good time came: the clock was set back, or there are no times at all."""
        times = [f.pts for f in self._pending]
        known = [t for t in times if t is not None]
        rising = all(b > a for a, b in pairwise(known))
        if self._last is None or len(known) < len(times) or not rising:
            return self._continue_evenly()
        waiting, self._pending = self._pending, []
        self._tell("the clock is set back; later times continue from there", waiting[0])
        self._offset = self._last + self._interval - known[0]
        return [(f, t + self._offset) for f, t in zip(waiting, known, strict=True)]

    def _continue_evenly(self) -> list[tuple[VideoFrame, int]]:
        """Give the waiting frames times at the usual interval."""
        waiting, self._pending = self._pending, []
        if waiting:
            self._tell("times are missing or repeated and were spread evenly", waiting[0])
        base = -self._interval if self._last is None else self._last
        return [(f, base + (k + 1) * self._interval) for k, f in enumerate(waiting)]

    def _tell(self, what: str, frame: VideoFrame) -> None:
        """Report a kind of repair once, with the place of the first."""
        if what not in self._told:
            self._told.add(what)
            place = frame.pts if frame.pts is not None else self._last
            self._notices.append(f"{what} (first at {self.where(place)})")

"""How fast a job and a batch are, and how long they still take."""

import time
from collections.abc import Sequence

from vinr_cli.events import FramesDone


def pace(event: FramesDone) -> str:
    """Frames per second so far."""
    made = event.done - event.earlier
    return f"{made / event.seconds:.2f}" if event.seconds > 0 and made else "-"


def eta(event: FramesDone) -> str:
    """Time that is left, as h:mm:ss."""
    made = event.done - event.earlier
    if not made or event.total is None:
        return "-"
    return clock((event.total - event.done) * event.seconds / made)


def clock(seconds: float) -> str:
    """A time as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


class Batch:
    """Where a batch is, and how long all of it will take.

    Args:
        work: How much there is to do for each job, in one unit; 0 where that is not known.
    """

    def __init__(self, work: Sequence[float]) -> None:
        known = [amount for amount in work if amount > 0]
        usual = sum(known) / len(known) if known else 1.0
        self._work = [amount if amount > 0 else usual for amount in work]
        self._place = 0
        self._since = self._began = time.monotonic()
        self._done = 0.0
        self._last: FramesDone | None = None

    def __str__(self) -> str:
        """Which job runs, such as `3 of 12`; empty where there is one."""
        return f"{self._place + 1} of {len(self._work)}" if len(self._work) > 1 else ""

    def begin(self, place: int) -> None:
        """The next job begins. One that made no frame took no part in the pace."""
        now = time.monotonic()
        if self._last is None:
            self._since += now - self._began
        else:
            self._done += self._made(self._last)
        self._place, self._began, self._last = place, now, None

    def left(self, event: FramesDone) -> str:
        """The time that is left for all jobs, as h:mm:ss; empty where there is one."""
        self._last = event
        if len(self._work) == 1 or event.total is None:
            return ""
        made = self._done + self._made(event)
        if made <= 0:
            return "-"
        rest = 1 - event.done / event.total
        ahead = self._work[self._place] * rest + sum(self._work[self._place + 1 :])
        return clock(ahead * (time.monotonic() - self._since) / made)

    def _made(self, event: FramesDone) -> float:
        """How much of the running job this run has done."""
        share = (event.done - event.earlier) / event.total if event.total else 0.0
        return self._work[self._place] * share

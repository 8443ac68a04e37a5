"""When output frames are shown: a timeline, moved to where the output begins."""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from vinr_cli.plan.timeline import OutputFrame, Timeline


class OutputTimes:
    """The output frames that each source frame completes.

    Args:
        timeline: Says which frames are shown when, from 0 on. It knows all source frames before
            those that will be pushed, and no others.
        time_base: Seconds a source tick.
        keep_start: Whether the first frame is written with its source time, to the nearest output
            tick; else with 0.
        last_duration: How long the last source frame is shown, in source ticks; None if unknown.

    Attributes:
        timeline: As given.
    """

    def __init__(
        self,
        timeline: Timeline,
        time_base: Fraction,
        *,
        keep_start: bool,
        last_duration: int | None,
    ) -> None:
        self.timeline = timeline
        self._time_base = time_base
        self._keep_start = keep_start
        self._last_duration = last_duration
        self._first_pts = 0
        self._offset = 0  # output ticks that are added to every output time

    def start(self, first_pts: int) -> None:
        """Choose where the output begins.

        Args:
            first_pts: Time of the video's first frame, in source ticks.
        """
        self._first_pts = first_pts
        if self._keep_start:
            ticks = first_pts * self._time_base / self.timeline.time_base
            self._offset = math.floor(ticks + Fraction(1, 2))

    def push(self, pts: int) -> list[OutputFrame]:
        """The outputs between the source frame before and this one, at `pts` source ticks."""
        return self._moved(self.timeline.push(pts))

    def finish(self) -> list[OutputFrame]:
        """The outputs while the last source frame is shown."""
        return self._moved(self.timeline.finish(self._last_duration))

    @property
    def shift(self) -> Fraction:
        """Seconds by which the first frame's source time is greater than its output time."""
        return self._first_pts * self._time_base - self._offset * self.timeline.time_base

    def _moved(self, outputs: Sequence[OutputFrame]) -> list[OutputFrame]:
        return [replace(output, pts=output.pts + self._offset) for output in outputs]

"""How far a pass is, as events that do not come too often."""

import time

from vinr_cli.events import FramesDone, Reporter

REPORT_SECONDS = 0.1
"""Least time between two `FramesDone`."""


class Progress:
    """Counts the frames that the encoder has taken, and reports them.

    Args:
        report: Called from the thread that calls `update` and `finish`.
        total: Output frames expected; None if unknown.
        earlier: How many of them are finished already, by an earlier pass.
    """

    def __init__(self, report: Reporter, total: int | None = None, earlier: int = 0) -> None:
        self._report = report
        self._total = total
        self._earlier = earlier
        self._written = 0
        self._start = self._reported = time.perf_counter()

    def start(self) -> None:
        """The pass begins now."""
        self._start = self._reported = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall time since `start`."""
        return time.perf_counter() - self._start

    def count(self) -> None:
        """The encoder has taken another frame; from the encoding thread alone."""
        self._written += 1

    def update(self) -> None:
        """Report, unless that was `REPORT_SECONDS` ago or less."""
        if time.perf_counter() - self._reported >= REPORT_SECONDS:
            self.finish()

    def finish(self) -> None:
        """Report in any case."""
        self._reported = time.perf_counter()
        done = self._earlier + self._written
        seconds = self._reported - self._start
        self._report(FramesDone(done, self._total, seconds, earlier=self._earlier))

"""Events as people and programs read them: a progress bar, plain lines, or JSON."""

import os
import sys
import time
from abc import abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from vinr_cli.cli.console import (
    Session,
    complain,
    describe,
    is_terminal,
    say,
    silence,
    tell_json,
)
from vinr_cli.cli.pace import Batch, eta, pace
from vinr_cli.errors import OutputExistsError, UsageError, VinrError
from vinr_cli.events import Event, Finished, FramesDone, Notice, PartDone, Planned
from vinr_cli.plan.naming import decimal

if TYPE_CHECKING:
    from rich.progress import Progress

LINE_SECONDS = 5.0
"""Least time between two plain lines of progress."""
JSON_SECONDS = 0.5
"""Least time between two `progress` objects of one job; its last one always comes."""


class Reports:
    """What the program says while it works: a `Reporter`, and what is said around the jobs.

    Args:
        session: Whether tracebacks are shown.

    Attributes:
        session: As given.
        calm: Whether nothing else may be shown, such as a bar of a download.
        batch: Where a batch is; None outside of one.
    """

    calm = False
    batch: Batch | None = None

    def __init__(self, session: Session) -> None:
        self.session = session

    @abstractmethod
    def __call__(self, event: Event, /) -> None:
        """Take an event of the running job."""

    def failed(self, source: Path, error: Exception) -> int:
        """Say that a job failed; returns the exit code that it would have alone."""
        return complain(error, self.session)

    def skipped(self, source: Path, error: OutputExistsError) -> None:
        """Say that an input of a batch was done before."""
        self(Notice(f"skipped: {error.subject} {error.cause}", str(source)))

    def summary(self, done: int, failed: Sequence[Path], skipped: Sequence[Path]) -> None:
        """Say how a batch went."""

    def close(self) -> None:
        """Leave the terminal as it was."""

    def __enter__(self) -> Self:
        """Nothing to prepare."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, also after an interrupt."""
        self.close()


def open_reports(session: Session, *, quiet: bool, verbose: bool, as_json: bool) -> Reports:
    """The reports that the options and the terminal ask for.

    Raises:
        UsageError: quiet and verbose at once.
    """
    if quiet and verbose:
        raise UsageError("--quiet and --verbose", "exclude each other", "Give one of them.")
    if as_json:
        return JsonReports(session)
    if quiet:
        return QuietReports(session)
    if is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb":
        return BarReports(session, verbose=verbose)
    return LineReports(session, verbose=verbose)


class QuietReports(Reports):
    """Errors only."""

    calm = True

    def __call__(self, event: Event, /) -> None:
        """Drop it."""


class LineReports(Reports):
    """Plain lines on stderr, one every few seconds.

    Args:
        session: Whether tracebacks are shown.
        verbose: Whether every decision and the time of each stage are said.
    """

    def __init__(self, session: Session, *, verbose: bool) -> None:
        super().__init__(session)
        self._verbose = verbose
        self._input = ""
        self._shown = 0.0

    def __call__(self, event: Event, /) -> None:
        """Say it, if it is time."""
        match event:
            case Planned():
                self._input, self._shown = event.input.name, time.monotonic()
                first, *others = plan_lines(event, verbose=self._verbose)
                self._lines([f"{self._place(': ')}{first}", *others])
            case FramesDone():
                self._progress(event)
            case PartDone() if self._verbose:
                frames = f"{event.start} to {event.stop - 1}"
                text = f"source frames {frames} are finished ({event.frames} frames out)"
                self._lines([f"{self._input}: {text}"])
            case Notice():
                self._lines([f"{Path(event.subject).name or self._input}: note: {event.text}"])
            case Finished():
                self.close()
                self._lines(finished_lines(event, verbose=self._verbose))

    def _progress(self, event: FramesDone) -> None:
        now = time.monotonic()
        if now - self._shown >= LINE_SECONDS:
            self._shown = now
            total = "?" if event.total is None else event.total
            text = f"{event.done}/{total} frames, {pace(event)} frames/s, ETA {eta(event)}"
            left = self._left(event)
            every = f", all {left}" if left else ""
            self._lines([f"{self._place(': ')}{self._input}: {text}{every}"])

    def _place(self, behind: str) -> str:
        """Which job of a batch runs, such as `3 of 12`; empty for one job."""
        place = "" if self.batch is None else str(self.batch)
        return f"{place}{behind}" if place else ""

    def _left(self, event: FramesDone) -> str:
        """How long the whole batch still takes; empty for one job."""
        return "" if self.batch is None else self.batch.left(event)

    def _lines(self, lines: Sequence[str]) -> None:
        for line in lines:
            say(line)

    def failed(self, source: Path, error: Exception) -> int:
        """Say that a job failed; returns the exit code that it would have alone."""
        self.close()
        return super().failed(source, error)

    def summary(self, done: int, failed: Sequence[Path], skipped: Sequence[Path]) -> None:
        """Say how a batch went, in one line."""
        before = f", {len(skipped)} done before" if skipped else ""
        names = f"; failed: {', '.join(str(path) for path in failed)}" if failed else ""
        say(f"vinr: {done} of {done + len(failed) + len(skipped)} done{before}{names}")


class BarReports(LineReports):
    """A progress bar on stderr, for a terminal; everything else in lines above it."""

    _bar: "Progress | None" = None

    def _progress(self, event: FramesDone) -> None:
        left = self._left(event)
        if self._bar is None:
            from vinr_cli.cli.bar import open_bar  # Rich's bars take their time to load

            self._bar = open_bar(self._input, self._place(""))
        self._bar.update(
            self._bar.task_ids[0],
            completed=event.done,
            total=event.total,
            pace=pace(event),
            eta=eta(event),
            left=f"all {left}" if left else "",
        )

    def _lines(self, lines: Sequence[str]) -> None:
        self._pause()
        super()._lines(lines)
        self._resume()

    def _pause(self) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _resume(self) -> None:
        if self._bar is not None:
            self._bar.start()

    def close(self) -> None:
        """Take the bar away."""
        self._pause()
        self._bar = None


class JsonReports(Reports):
    """One JSON object per line on stdout; errors on stderr too.

    Rates are exact fractions as text, durations are seconds. A reader that goes away does not end
    the job.
    """

    calm = True

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._input: Path | None = None
        self._shown = 0.0

    def __call__(self, event: Event, /) -> None:
        """Write it, if it is time."""
        match event:
            case Planned():
                self._input, self._shown = event.input, 0.0
                self._write(planned_object(event))
            case FramesDone():
                self._progress(event)
            case PartDone():
                self._write(
                    {
                        "event": "part",
                        "input": str(self._input),
                        "start": event.start,
                        "stop": event.stop,
                        "frames": event.frames,
                    }
                )
            case Notice():
                subject = event.subject or str(self._input or "")
                self._write({"event": "notice", "input": subject, "text": event.text})
            case Finished():
                self._write(
                    {
                        "event": "finished",
                        "input": str(self._input),
                        "output": str(event.output),
                        "frames": event.frames,
                        "duration": float(event.duration),
                        "seconds": round(event.seconds, 3),
                        "stage_seconds": {k: round(v, 3) for k, v in event.stage_seconds},
                        "losses": list(event.losses),
                    }
                )

    def _progress(self, event: FramesDone) -> None:
        now = time.monotonic()
        if now - self._shown >= JSON_SECONDS or event.done == event.total:
            self._shown = now
            self._write(
                {
                    "event": "progress",
                    "input": str(self._input),
                    "done": event.done,
                    "total": event.total,
                    "earlier": event.earlier,
                    "seconds": round(event.seconds, 3),
                }
            )

    def failed(self, source: Path, error: Exception) -> int:
        """Write a `failed` object, and the line on stderr; returns the exit code."""
        code = super().failed(source, error)
        known = error if isinstance(error, VinrError) else VinrError("", describe(error))
        self._write(
            {
                "event": "failed",
                "input": str(source),
                "error": type(error).__name__,
                "subject": known.subject,
                "cause": known.cause,
                "fix": known.fix,
                "exit_code": code,
            }
        )
        return code

    @staticmethod
    def _write(record: dict[str, Any]) -> None:
        try:
            tell_json(record)
        except BrokenPipeError:
            silence(sys.stdout)


def planned_object(event: Planned) -> dict[str, Any]:
    """The `planned` object of `--json`."""
    return {
        "event": "planned",
        "input": str(event.input),
        "output": str(event.output),
        "source_size": list(event.source_size),
        "output_size": list(event.output_size),
        "source_rate": _exact(event.source_rate),
        "output_rate": _exact(event.output_rate),
        "frames_in": event.frames_in,
        "frames_out": event.frames_out,
        "model": event.model,
        "device": event.device,
        "details": dict(event.details),
    }


def plan_lines(event: Planned, *, verbose: bool) -> list[str]:
    """A plan for people: what comes in, what goes out, and if wanted every decision."""
    rate_in = "rate unknown" if event.source_rate is None else f"{decimal(event.source_rate)} fps"
    rate_out = "variable rate" if event.output_rate is None else f"{decimal(event.output_rate)} fps"
    worker = "" if event.device == "auto" else f", {event.model} model on {event.device}"
    lines = [
        f"{event.input.name}: {_size(event.source_size)}, {rate_in}, {_count(event.frames_in)}",
        f"  to {event.output}: {_size(event.output_size)}, {rate_out}, "
        f"{_count(event.frames_out)}{worker}",
    ]
    if verbose:
        lines += [f"  {name}: {value}" for name, value in event.details]
    return lines


def finished_lines(event: Finished, *, verbose: bool) -> list[str]:
    """A result for people."""
    speed = event.frames / event.seconds if event.seconds > 0 else 0.0
    lines = [
        f"{event.output}: {_count(event.frames)}, {float(event.duration):.3f} s; "
        f"made in {event.seconds:.1f} s ({speed:.2f} frames/s)"
    ]
    if verbose:
        lines += [f"  {name}: {seconds:.1f} s" for name, seconds in event.stage_seconds]
    return lines


def _exact(rate: Fraction | None) -> str | None:
    return None if rate is None else str(rate)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _count(frames: int | None) -> str:
    if frames is None:
        return "frames unknown"
    return "1 frame" if frames == 1 else f"{frames} frames"

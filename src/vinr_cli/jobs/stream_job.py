"""`vinr upscale` with standard input, standard output, or both: frames come, frames go.

There are no parts and there is no resume: what was read cannot be read again. A target that is a
file still gets its name only when it is complete and checked; one that is standard output has what
was computed, as it is computed.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vinr_cli.errors import Interrupted, UsageError, VerificationError
from vinr_cli.events import Finished, Reporter, silent
from vinr_cli.jobs.announce import open_announced
from vinr_cli.jobs.decisions import tags
from vinr_cli.jobs.finishing import complete, made, rename_whole
from vinr_cli.jobs.folders import work_folders
from vinr_cli.jobs.ledger import clean, unfinished
from vinr_cli.jobs.lock import hold
from vinr_cli.jobs.pictures import make_folder
from vinr_cli.jobs.plan import Plan, Target
from vinr_cli.jobs.stop import Stop
from vinr_cli.jobs.stream_planning import plan_piped
from vinr_cli.jobs.target import require_target
from vinr_cli.media.base import STDOUT_NAME, Outlet
from vinr_cli.media.join import Head, SideTracks, StreamMux, StreamTarget, StreamWriter, check
from vinr_cli.media.read import StreamReader, StreamSource
from vinr_cli.media.write import Encoder
from vinr_cli.plan.holds import Hold, require_bounded
from vinr_cli.plan.job import STDIO, JobSpec
from vinr_cli.plan.timeline import Timeline, slow_factor

if TYPE_CHECKING:
    from vinr_cli.jobs.render import Rendered, Workshop
    from vinr_cli.media.read import SourceFrames
    from vinr_cli.media.write import FrameWriter


def show_piped(spec: JobSpec, *, stdin: int = 0) -> Plan:
    """The plan of such a job; standard input is read as far as it takes to see its first frame.

    Raises:
        VinrError: as `run_piped`.
    """
    with ExitStack() as stack:
        plan, _, _ = plan_piped(spec, _source(spec, Stop(), stdin, stack), stack)
        if spec.output != STDIO:
            require_target(plan)
        return plan


def run_piped(
    spec: JobSpec,
    report: Reporter = silent,
    stop: Stop | None = None,
    *,
    stdin: int = 0,
    stdout: int = 1,
) -> Finished:
    """Do a job that has a pipe at one end or both.

    Args:
        spec: What is asked for; `STDIO` as input or output.
        report: Told `Planned` once, then notices and progress, then `Finished`; from this thread.
        stop: Asks to stop while frames are made; None never does.
        stdin: Descriptor that is read where the input is `STDIO`.
        stdout: Descriptor that is written where the output is `STDIO`.

    Returns:
        The last event.

    Raises:
        Interrupted: `stop` asked; what was written to standard output is whole so far.
        ReaderGoneError: whoever read standard output has closed it.
        VinrError: one of the tree in `errors`, naming file, cause and fix.
    """
    start = time.perf_counter()
    stop = stop or Stop()
    if spec.output == STDIO and os.isatty(stdout):
        raise UsageError(
            "standard output", "is a terminal, and a video would be written to it",
            "Send it to a program or a file: vinr upscale in.mp4 -o - | ffplay -",
        )  # fmt: skip
    if spec.output == STDIO and stdout == 1 and sys.stdout is None:
        raise UsageError("standard output", "is closed", "Send it to a program or a file.")
    with ExitStack() as stack:
        source = _source(spec, stop, stdin, stack)
        plan, side, head = plan_piped(spec, source, stack)
        job = _Job(plan, side, head, source, report=report, stop=stop)
        piped = spec.output == STDIO
        finished = job.to_pipe(_outlet(stdout, stack)) if piped else job.to_file()
    finished = replace(finished, seconds=time.perf_counter() - start)
    report(finished)
    return finished


def _source(spec: JobSpec, stop: Stop, stdin: int, stack: ExitStack) -> StreamSource | None:
    """Standard input, if the job reads it."""
    if spec.input != STDIO:
        return None
    if os.isatty(stdin):
        fix = "Send a video to it: ffmpeg -i in.mp4 -f nut - | vinr upscale - -o out.mp4"
        raise UsageError("standard input", "is a terminal", fix)
    return stack.enter_context(StreamSource(stdin, lambda: stop.requested))


def _outlet(stdout: int, stack: ExitStack) -> Outlet:
    """Standard output; from here on, whatever else is written there goes to standard error."""
    outlet = Outlet(stdout)
    stack.callback(outlet.close)
    if stdout == 1:
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
        stack.callback(_put_back, kept)
    return outlet


def _put_back(descriptor: int) -> None:
    sys.stdout.flush()
    os.dup2(descriptor, 1)
    os.close(descriptor)


class _Job:
    """One run.

    Args:
        plan: What is done.
        side: The source's other streams.
        head: What its header says beside them.
        source: Standard input, if that is the source.
        report: Told everything.
        stop: Asks to stop.
    """

    def __init__(
        self,
        plan: Plan,
        side: SideTracks,
        head: Head,
        source: StreamSource | None,
        *,
        report: Reporter,
        stop: Stop,
    ) -> None:
        self._plan = plan
        self._side = side
        self._head = head
        self._source = source
        self._report = report
        self._stop = stop
        self._first: Fraction | None = None  # source time of the first frame, in seconds
        self._latest: Fraction | None = None  # and of the latest

    def to_pipe(self, outlet: Outlet) -> Finished:
        """Write to standard output."""
        workshop = self._open_workshop()
        frames, timeline = self._frames()
        bare = self._plan.encoder.container.bare
        writer = StreamWriter(
            lambda sink: self._encoder(Path(STDOUT_NAME), timeline, sink),
            None if bare else self._mux_to(outlet, timeline),
            outlet,
            self._wake,
        )
        return self._stream(workshop, frames, timeline, writer)

    def to_file(self) -> Finished:
        """Write a file, or pictures, which get their names at the end."""
        plan = self._plan
        require_target(plan)
        if plan.target is Target.PICTURES:
            make_folder(plan.output)
        place, _ = work_folders(plan)
        with hold(place, plan.output):
            clean(place)
            workshop = self._open_workshop()
            frames, timeline = self._frames()
            if plan.encoder.container.alone:
                return self._to_part(place, workshop, frames, timeline)
            whole = unfinished(place, plan.output.suffix)
            try:
                writer = StreamWriter(
                    lambda sink: self._encoder(whole, timeline, sink),
                    self._mux_to(whole, timeline), None, self._wake,
                )  # fmt: skip
                finished = self._stream(workshop, frames, timeline, writer, whole=whole)
                rename_whole(plan, whole)
            finally:
                whole.unlink(missing_ok=True)
        return finished

    def _to_part(
        self, place: Path, workshop: "Workshop", frames: "SourceFrames", timeline: Timeline
    ) -> Finished:
        """By way of one part, for what can only be made of a finished film."""
        part = unfinished(place, ".mov")
        try:
            with self._encoder(part, timeline, None) as writer:
                rendered = self._render(workshop, frames, timeline, writer)
                if rendered.ending is None:
                    raise Interrupted(self._plan.output, "stopped: nothing was made")
            finished = made(self._plan, rendered.ending, rendered)
            complete(self._plan, rendered.ending, [part], place, self._report)
        finally:
            part.unlink(missing_ok=True)
        return finished

    def _stream(
        self,
        workshop: "Workshop",
        frames: "SourceFrames",
        timeline: Timeline,
        writer: StreamWriter,
        *,
        whole: Path | None = None,
    ) -> Finished:
        """All frames through, and the writer closed; a file is checked."""
        plan = self._plan
        try:
            rendered = self._render(workshop, frames, timeline, writer)
            ending = rendered.ending
            if ending is not None or whole is None:
                writer.close(None if ending is None else ending.last_hold)
        except BaseException:
            writer.abort()
            raise
        if ending is None:
            writer.abort()
            raise Interrupted(plan.output, f"stopped after {writer.frames} frames")
        if writer.mux is not None and writer.mux.frames != writer.frames:
            cause = f"{writer.mux.frames} frames came out of the encoder, {writer.frames} went in"
            raise VerificationError(plan.output, cause)
        if whole is not None:
            check(
                whole, frames=ending.frames_out, duration=ending.duration,
                tolerance=ending.longest, size=plan.stored,
            )  # fmt: skip
        return made(plan, ending, rendered)

    def _frames(self) -> "tuple[SourceFrames, Timeline]":
        """The source's frames, and the clock."""
        from vinr_cli.jobs.render import clock_of, open_frames  # noqa: PLC0415
        from vinr_cli.media.read import SourceFrames  # noqa: PLC0415 - torch loads only now

        plan, window = self._plan, self._plan.window
        if self._source is None:
            return open_frames(plan)
        reader = StreamReader(
            self._source,
            plan.media,
            start_pts=window.start_pts,
            end_pts=window.end_pts,
            score_changes=plan.spec.scene_threshold is not None,
            along=self._side.streams,
            take=self._side.give,
        )
        strict = plan.spec.strict
        frames = SourceFrames(reader, None, 0, strict=strict, subject=plan.media.path)
        return frames, clock_of(plan)

    def _see(self, pts: int) -> None:
        """Take note of a source frame's time; a stream's pauses are judged as they come.

        Raises:
            UsageError: a constant rate would make days of frames of one pause.
        """
        time = pts * self._plan.media.video.time_base
        if self._first is None or self._latest is None:
            self._first = self._latest = time
        if self._source is not None:
            pause = Hold(self._latest - self._first, time - self._latest)
            require_bounded(self._plan.spec.rate, pause, 1, 0)
        self._latest = time

    def _open_workshop(self) -> "Workshop":
        self._plan, workshop = open_announced(self._plan, self._report)
        return workshop

    def _render(
        self,
        workshop: "Workshop",
        frames: "SourceFrames",
        timeline: Timeline,
        writer: "StreamWriter | FrameWriter",
    ) -> "Rendered":
        from vinr_cli.jobs.render import render  # noqa: PLC0415

        with self._stop.heed():
            rendered = render(
                self._plan, workshop, frames, timeline, writer,
                report=self._report, halt=lambda: self._stop.requested, seen=self._see,
            )  # fmt: skip
        # A stop ends what is read, and that looks like the stream's own end.
        return replace(rendered, ending=None) if self._stop.requested else rendered

    def _encoder(self, path: Path, timeline: Timeline, sink: int | None) -> "FrameWriter":
        from vinr_cli.jobs.render import open_writer  # noqa: PLC0415

        encoder = self._plan.encoder if sink is None else _into_pipe(self._plan.encoder)
        return open_writer(replace(self._plan, encoder=encoder), path, timeline, sink)

    def _mux_to(self, file: "Path | Outlet", timeline: Timeline) -> "Callable[[int], StreamMux]":
        """What makes the muxer, once the first output frame's time is known."""
        plan = self._plan
        target = StreamTarget(
            file=file,
            form=plan.encoder.container,
            source=plan.media,
            side=self._side,
            tags=tags(plan),
            head=self._head,
            kept_span=plan.window.kept_span,
            stretch=slow_factor(plan.spec.rate),
            rate=plan.rate,
            color=plan.encoder.color,
        )

        def open_mux(pts: int) -> StreamMux:
            origin = pts * timeline.time_base
            return StreamMux(target, origin, origin if self._first is None else self._first)

        return open_mux

    def _wake(self) -> None:
        if self._source is not None:
            self._source.inlet.cancel()


def _into_pipe(encoder: Encoder) -> Encoder:
    """The encoder as it is asked to write into a pipe: NUT for the muxer, or raw video."""
    if encoder.container.bare:
        return replace(
            encoder,
            encoder="rawvideo",
            part_format=encoder.container.muxer,
            arguments=("-strict", "-1"),
        )
    arguments = list(encoder.arguments)
    if "-tag:v" in arguments:  # MP4's own name of the codec; the muxer sets it again
        at = arguments.index("-tag:v")
        del arguments[at : at + 2]
    return replace(encoder, part_format="nut", arguments=tuple(arguments))

"""The part of a job that needs torch: the network, the device, the pass over the video."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vinr_cli.engine.assemble import renderer_for
from vinr_cli.engine.conversion import Colours
from vinr_cli.engine.device import choose_device, choose_precision, format_name
from vinr_cli.engine.frames import Writer
from vinr_cli.engine.memory import keep_freed_memory
from vinr_cli.engine.output_times import OutputTimes
from vinr_cli.engine.progress import Progress
from vinr_cli.engine.renderer import Renderer
from vinr_cli.engine.stream import FrameRange, Stream, Streamed
from vinr_cli.events import Event, Notice, PartDone, Reporter
from vinr_cli.jobs.cadence import new_frames
from vinr_cli.jobs.ledger import Ending, Ledger
from vinr_cli.jobs.parts import PartEnds, PartsWriter
from vinr_cli.jobs.plan import Plan, Target, Worker
from vinr_cli.media.read import LEAD, TAIL, Frame, SourceFrames, certain_times, read_source
from vinr_cli.media.write import FrameWriter
from vinr_cli.plan.repeats import EvenTimeline
from vinr_cli.plan.timeline import Timeline
from vinr_cli.weights.load import load_at


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came of a job's passes.

    Attributes:
        ending: What is known at the video's end; None if it was not reached.
        stage_seconds: Busy seconds of each stage, waiting excluded, see `Streamed`.
        losses: What of the source could not be decoded, a line each.
    """

    ending: Ending | None
    stage_seconds: tuple[tuple[str, float], ...]
    losses: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Workshop:
    """What does the work.

    Attributes:
        device: Torch device string.
        renderer: The network at the plan's sizes.
        precision: Number format of the steps that may run in half precision: fp32, fp16 or bf16.
    """

    device: str
    renderer: Renderer
    precision: str

    @property
    def worker(self) -> Worker:
        """What it is, for the plan."""
        return Worker(self.device, self.precision, len(self.renderer.layout.tiles))


def open_workshop(plan: Plan, report: Reporter) -> Workshop:
    """Choose the device and load the network.

    Raises:
        UsageError: unknown device or precision.
        DeviceError: the device is not there.
        WeightsError: unknown, damaged or unfitting weights.
    """
    spec, video = plan.spec, plan.media.video
    device = choose_device(spec.device)
    if device.type == "cpu":
        keep_freed_memory()
    subject = str(spec.input)
    strength = None if plan.deblocking is None else plan.deblocking.strength
    model = load_at(spec.model, device, strength)
    autocast = choose_precision(spec.precision, device, model)
    renderer = renderer_for(
        model,
        (video.height, video.width),
        (plan.size[1], plan.size[0]),
        alpha=video.color.alpha,
        autocast=autocast,
        budget=spec.memory_limit,
        tile=spec.tile,
        notify=lambda text: report(Notice(text, subject)),
    )
    return Workshop(str(device), renderer, format_name(autocast))


def render(
    plan: Plan,
    workshop: Workshop,
    frames: SourceFrames,
    timeline: Timeline,
    writer: Writer,
    *,
    report: Reporter,
    halt: Callable[[], bool],
    seen: Callable[[int], None],
) -> Rendered:
    """Make every frame in one pass into one writer, which is not closed.

    This is the way of a source that can be read once, and of a target that is written once.

    Args:
        plan: The job.
        workshop: From `open_workshop`.
        frames: All of the source's; they are closed.
        timeline: A new clock, see `clock_of`.
        writer: Takes the frames.
        report: Told about progress and notices, from this thread.
        halt: Asked after each source frame whether to stop.
        seen: Told the PTS of each source frame before it is used, from another thread.

    Returns:
        What is known; its `ending` is None if it was halted.

    Raises:
        VinrError: as `Stream.run` says.
    """

    def shown() -> Iterator[Frame]:
        for frame in _shown(plan, frames):
            seen(frame.pts)
            yield frame

    try:
        progress = Progress(report, plan.frames or None)
        stream = _stream(plan, workshop, timeline, FrameRange(halt=halt), progress)
        streamed = stream.run(shown(), writer)
    finally:
        frames.close()
    _tell(plan, streamed, frames, report)
    ending = _ending(streamed) if streamed.ended else None
    return Rendered(ending, streamed.stage_seconds, tuple(t for _, t in frames.losses))


def open_frames(plan: Plan) -> tuple[SourceFrames, Timeline]:
    """All frames of a source that is a file, and a new clock."""
    return _source(plan, 0, None)


def render_parts(
    plan: Plan, workshop: Workshop, ledger: Ledger, report: Reporter, halt: Callable[[], bool]
) -> Rendered:
    """Make the parts that are missing.

    Args:
        plan: The job.
        workshop: From `open_workshop`.
        ledger: Says what is missing and keeps what is made.
        report: Told about progress, finished parts and notices, from this thread.
        halt: Asked after each source frame whether to stop; then the open part is closed early
            and kept.

    Returns:
        What is known; its `ending` is None if it was halted.

    Raises:
        VinrError: as `Stream.run` says; finished parts stay.
    """
    seconds: Counter[str] = Counter()
    for start, stop in ledger.gaps():
        streamed = _render_gap(plan, workshop, ledger, (start, stop), report=report, halt=halt)
        seconds.update(dict(streamed.stage_seconds))
        if not streamed.ended and streamed.stop != stop:
            break
    losses = tuple(text for part in ledger.parts for text in part.losses)
    ending = None if ledger.gaps() else ledger.ending
    return Rendered(ending, tuple(seconds.items()), losses)


def _render_gap(
    plan: Plan,
    workshop: Workshop,
    ledger: Ledger,
    gap: tuple[int, int | None],
    *,
    report: Reporter,
    halt: Callable[[], bool],
) -> Streamed:
    """Make the parts of one gap, in one pass."""
    start, stop = gap
    frames, timeline = _source(plan, start, stop)
    times = frames.times
    wanted = FrameRange(
        first=start,
        stop=stop,
        origin=times[0] if times else None,
        ends=PartEnds(ledger.grid, start),
        halt=halt,
    )
    # By its name, a part that ends in .png would be taken for a single picture.
    suffix = ".mov" if plan.target is Target.PICTURES else plan.output.suffix
    writer = PartsWriter(
        ledger, start, lambda path: open_writer(plan, path, timeline), suffix, frames.losses
    )

    def told(event: Event) -> None:
        while writer.finished:
            part = writer.finished.popleft()
            report(PartDone(part.start, part.stop, part.frames))
        report(event)

    try:
        earlier = sum(part.frames for part in ledger.parts)
        progress = Progress(told, plan.frames or None, earlier)
        stream = _stream(plan, workshop, timeline, wanted, progress)
        streamed = stream.run(_shown(plan, frames), writer)
        writer.turn(streamed.stop, _ending(streamed) if streamed.ended else None)
    except BaseException:
        writer.abort()
        raise
    finally:
        frames.close()
    _tell(plan, streamed, frames, told)
    return streamed


def _source(plan: Plan, start: int, stop: int | None) -> tuple[SourceFrames, Timeline]:
    """The source frames from `start` on, and the clock that has seen those before them.

    Where the file's times are certain, decoding begins just before `start`; else at the beginning.
    """
    window, spec = plan.window, plan.spec
    timeline = clock_of(plan)
    times = certain_times(plan.media.video, plan.timestamps, window.start_pts, window.end_pts)
    first, last = window.start_pts, window.end_pts
    if times is not None:
        for index, pts in enumerate(times[:start]):
            if plan.cadence is None or plan.cadence.new[index]:
                timeline.push(pts)
        if start > LEAD:
            first = times[start - LEAD]
        if stop is not None and stop + TAIL < len(times):
            last = times[stop + TAIL]
    reader = read_source(
        plan.media,
        start_pts=first,
        end_pts=last,
        score_changes=spec.scene_threshold is not None,
    )
    begin = start if times is not None else 0
    return SourceFrames(reader, times, begin, strict=spec.strict, subject=spec.input), timeline


def clock_of(plan: Plan) -> Timeline:
    """The job's clock, at the beginning."""
    spec, tick, rate = plan.spec, plan.media.video.time_base, plan.window.rate
    if plan.cadence is not None:
        return EvenTimeline(spec.rate, tick, source_rate=rate, cadence=plan.cadence)
    return Timeline(spec.rate, tick, source_rate=rate)


def _shown(plan: Plan, frames: SourceFrames) -> Iterable[Frame]:
    """The frames that the network is given: all, or without repeats."""
    return frames if plan.cadence is None else new_frames(frames, frames.first, plan.cadence)


def _stream(
    plan: Plan, workshop: Workshop, timeline: Timeline, wanted: FrameRange, progress: Progress
) -> Stream:
    video = plan.media.video
    return Stream(
        workshop.renderer,
        OutputTimes(
            timeline,
            video.time_base,
            keep_start=plan.window.kept_span is None,
            last_duration=plan.window.last_duration,
        ),
        Colours(video.color, plan.encoder.color),
        progress,
        subject=str(plan.media.path),
        scene_threshold=plan.spec.scene_threshold,
        frames=wanted,
    )


def open_writer(plan: Plan, path: Path, timeline: Timeline, sink: int | None = None) -> FrameWriter:
    """The encoder of a plan.

    Args:
        plan: The job.
        path: The file to write, or what messages call it.
        timeline: The clock of the frames.
        sink: Descriptor to write to in place of the file, see `FrameWriter`.
    """
    return FrameWriter(
        path,
        width=plan.size[0],
        height=plan.size[1],
        color=plan.encoder.color,
        time_base=timeline.time_base,
        rate=timeline.rate,
        options=plan.spec.encode,
        sample_aspect=plan.aspect,
        rotation=plan.rotation_applied,
        encoder=plan.encoder,
        sink=sink,
    )


def _ending(streamed: Streamed) -> Ending:
    return Ending(
        frames_in=streamed.frames_in,
        frames_out=streamed.frames_out,
        shift=streamed.shift,
        duration=streamed.duration,
        last_hold=streamed.last_hold,
        longest=streamed.longest,
    )


def _tell(plan: Plan, streamed: Streamed, frames: SourceFrames, report: Reporter) -> None:
    """What a pass has found, in notices."""
    subject = str(plan.spec.input)
    if streamed.cuts:
        cuts = "1 scene cut" if streamed.cuts == 1 else f"{streamed.cuts} scene cuts"
        report(Notice(f"{cuts} found: nothing is mixed across a cut", subject))
    for text in frames.notices:
        report(Notice(text, subject))

"""One pass over a video: a decoding thread, the network, an encoding thread."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import torch

from vinr_cli.engine.conversion import Colours, Converter, SourceFrame
from vinr_cli.engine.frames import FinishedFrame, Frame, PartBoundary, Writer
from vinr_cli.engine.host_copies import Mover
from vinr_cli.engine.output_times import OutputTimes
from vinr_cli.engine.outputs import OutputMaker, PairOutputs
from vinr_cli.engine.progress import Progress
from vinr_cli.engine.renderer import Renderer
from vinr_cli.engine.sink import EncoderSink
from vinr_cli.engine.stages import Channel, Pipeline
from vinr_cli.errors import InputError
from vinr_cli.plan.scenes import is_cut
from vinr_cli.plan.timeline import OutputFrame

QUEUE_BYTES = 64 << 20
"""Bytes of frames that may wait before the network, and again before the encoder."""

QUEUE_FRAMES = 16
"""Frames that may wait there, however small: enough to even out the stages, and a short video
needs as much memory as a long one."""

LOOK_AHEAD = 3
"""Source frames that are looked at before the pair before them is made: the network searches the
motion of the next two pairs, and encodes the later frame of the one after them."""

STAGES = ("decode", "convert", "frame", "pair", "render", "encode")
"""What a pass's time is divided into, in the order of a frame's way."""

THREADS = {
    "decode": ("decode",),
    "frame": ("frame",),
    "pair": ("pair",),
    "convert, render": ("convert", "render"),
    "encode": ("encode",),
}
"""Stages by the thread that they run in where the renderer looks ahead."""

QUEUED = {
    "decode": ("decode",),
    "network": ("frame", "pair", "render"),
    "convert": ("convert",),
    "encode": ("encode",),
}
"""The same for a device with a queue; "convert" is what the host takes for queueing there."""


@dataclass(frozen=True, slots=True)
class FrameRange:
    """A run of source frames out of a longer video, for a pass that resumes where one ended.

    Attributes:
        first: First source frame whose pair is made; frames before it only move the clock.
        stop: First source frame whose pair is not made any more; None to the end.
        origin: PTS of the video's first frame; None if the pass begins with it.
        ends: Says of a source frame, and whether a scene begins with it, that a part ends before
            it; called in order, for each frame after `first`. None makes one part.
        halt: Asked after each frame whether to stop there.
    """

    first: int = 0
    stop: int | None = None
    origin: int | None = None
    ends: Callable[[int, bool], bool] | None = None
    halt: Callable[[], bool] | None = None


WHOLE = FrameRange()


@dataclass(frozen=True, slots=True)
class Streamed:
    """What went through.

    A pass that stops before the video's end does not know `duration`, `last_hold` and `longest`,
    and gives 0 for them.

    Attributes:
        stop: First source frame whose pair was not made; `frames_in` at the video's end.
        ended: Whether the video's end was reached.
        shift: Seconds by which the source's time of the first frame is greater than the time that
            it was written with.
        frames_in: Source frames decoded.
        frames_out: Output frames handed to the encoder.
        rendered: How many of them the network made; the others are source frames or repeats.
        cuts: Scene cuts across which nothing was mixed.
        duration: Seconds of output, the last frame's hold included.
        last_hold: Seconds that the last output frame is shown.
        longest: Seconds that the longest output frame is shown.
        seconds: Wall time.
        stage_seconds: Busy seconds of each of `STAGES`, waiting excluded: decoding, conversion of
            colours, the network's encoder of frames, its work on a pair, its rendering, encoding.
            See `THREADS` for those that run side by side.
    """

    stop: int
    ended: bool
    shift: Fraction
    frames_in: int
    frames_out: int
    rendered: int
    cuts: int
    duration: Fraction
    last_hold: Fraction
    longest: Fraction
    seconds: float
    stage_seconds: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """What one source frame completes.

    Attributes:
        index: Of the frame, from the video's first.
        source: The frame.
        previous: The frame before it; None for the pass's first.
        outputs: What is shown between both.
        cut: Whether the frame begins a new scene.
    """

    index: int
    source: SourceFrame
    previous: SourceFrame | None
    outputs: Sequence[OutputFrame]
    cut: bool

    @property
    def work(self) -> PairOutputs | None:
        """The outputs with the frames that they are made of: across a cut, the earlier one."""
        if self.previous is None:
            return None
        if self.cut:
            held = [replace(output, t=Fraction(0)) for output in self.outputs]
            return PairOutputs(self.previous, self.previous, held)
        return PairOutputs(self.previous, self.source, self.outputs)


class Stream:
    """Everything that one pass needs.

    Args:
        renderer: Makes the frames.
        times: Says which frames are shown when; not yet used.
        colours: Of the decoded planes, and of those that the writer takes.
        progress: Reports, from the calling thread.
        subject: What error messages call the source.
        scene_threshold: Change from which a frame begins a new scene; None mixes across cuts.
        queue_bytes: Bytes that may wait before the network, and before the encoder.
        frames: Which of the source's frames to make. The timeline knows all frames before those
            that the reader will yield, and no others.
        mover: Carries frames to the renderer's device and back; None takes the best for it.
    """

    def __init__(
        self,
        renderer: Renderer,
        times: OutputTimes,
        colours: Colours,
        progress: Progress,
        *,
        subject: str,
        scene_threshold: float | None = None,
        queue_bytes: int = QUEUE_BYTES,
        frames: FrameRange = WHOLE,
        mover: Mover | None = None,
    ) -> None:
        self._renderer = renderer
        self._times = times
        self._progress = progress
        self._subject = subject
        self._scene_threshold = scene_threshold
        self._queue_bytes = queue_bytes
        self._frames = frames
        self._converter = Converter(colours, renderer, mover)
        self._maker = OutputMaker(renderer, self._converter)
        self._cuts = 0
        self._unmade = 0  # outputs that the timeline has given and that are not made

    def run(self, reader: Iterable[Frame], writer: Writer) -> Streamed:
        """Push every frame of the reader through to the writer; neither is closed.

        Args:
            reader: The source's frames.
            writer: Takes the output's; a `PartWriter` where the range has parts.

        Raises:
            InputError: the reader fails.
            EncoderError: the writer fails.
            DeviceError: memory ran out even for the smallest tile.
            VinrError: the network gave a value that is no number.
        """
        self._progress.start()
        before = self._renderer.spent()
        sink = EncoderSink(writer, self._converter.colours.target.depth, self._progress)
        with Pipeline() as pipeline, torch.inference_mode():
            pipeline.on_cancel(writer.abort)
            limit = self._queue_bytes
            frames = pipeline.source("decode", reader, self._queued_bytes, limit)
            done = pipeline.sink("encode", sink.take, self._queued_bytes, limit)
            with self._renderer.looking_ahead():
                last, ended = self._push_all(frames, done)
                if ended:
                    outputs = self._times.finish()
                    if last.index >= self._frames.first:
                        self._make(PairOutputs(last.source, last.source, outputs), (), done)
        self._progress.finish()
        made = {stage: spent - before[stage] for stage, spent in self._renderer.spent().items()}
        busy = {**pipeline.busy, "convert": self._converter.seconds, **made}
        busy["encode"] -= sink.waited
        return self._summary(last, ended=ended, busy=busy)

    def _push_all(
        self, frames: Channel[Frame], done: Channel[FinishedFrame | PartBoundary]
    ) -> tuple[_Step, bool]:
        """Make all pairs; returns the latest frame's step, and whether it is the video's last.

        Steps whose frames are waiting already are looked at before this one is made, so that the
        network can begin with them; a frame that is still to come is not waited for.
        """
        wanted = self._frames
        waiting: deque[_Step] = deque()
        step = self._step(next(frames, None), None)
        if step is None:
            raise InputError(self._subject, "no frame lies in the chosen range")
        while True:
            last = waiting[-1] if waiting else step
            while len(waiting) < LOOK_AHEAD and last.index != wanted.stop:
                ahead = self._step(frames.poll(), last.source)
                if ahead is None:
                    break
                waiting.append(ahead)
                last = ahead
            self._take(step, waiting, done)
            halted = wanted.halt is not None and step.index >= wanted.first and wanted.halt()
            if halted or step.index == wanted.stop:
                self._unmade = sum(len(unmade.outputs) for unmade in waiting)
                return step, False
            following = (
                waiting.popleft() if waiting else self._step(next(frames, None), step.source)
            )
            if following is None:
                return step, True
            step = following

    def _step(self, frame: Frame | None, previous: SourceFrame | None) -> _Step | None:
        """What a frame completes; moves the clock. None for no frame."""
        if frame is None:
            return None
        if previous is None:
            origin = self._frames.origin
            self._times.start(frame.pts if origin is None else origin)
        outputs = self._times.push(frame.pts)
        cut = previous is not None and is_cut(frame.change, self._scene_threshold)
        index = self._times.timeline.sources - 1
        return _Step(index, self._converter.source(frame), previous, outputs, cut)

    def _take(
        self, step: _Step, waiting: Iterable[_Step], done: Channel[FinishedFrame | PartBoundary]
    ) -> None:
        """Make what a frame completes."""
        wanted, work = self._frames, step.work
        if work is None or step.index <= wanted.first:
            return
        self._cuts += step.cut
        upcoming = () if step.cut else [later.work for later in waiting if later.work is not None]
        self._make(work, upcoming, done)
        ends = wanted.ends is not None and wanted.ends(step.index, step.cut)
        if ends and step.index != wanted.stop:
            done.put(PartBoundary(step.index))

    def _make(
        self, work: PairOutputs, upcoming: Iterable[PairOutputs],
        done: Channel[FinishedFrame | PartBoundary],
    ) -> None:  # fmt: skip
        """Make the outputs of a pair, in order; `upcoming` is what comes after it."""
        for frame in self._maker.make(work, upcoming):
            done.put(frame)
            self._progress.update()

    def _queued_bytes(self, item: Frame | FinishedFrame | PartBoundary) -> int:
        """What a frame counts in a queue: its bytes, or its share if it is small."""
        if isinstance(item, PartBoundary):
            return 0
        size = sum(plane.nbytes for plane in item.planes)
        return max(size, self._queue_bytes // QUEUE_FRAMES)

    def _summary(self, last: _Step, *, ended: bool, busy: dict[str, float]) -> Streamed:
        timeline = self._times.timeline
        zero = Fraction(0)
        return Streamed(
            stop=last.index + (1 if ended else 0),
            ended=ended,
            shift=self._times.shift,
            frames_in=last.index + 1,
            frames_out=timeline.outputs - self._unmade,
            rendered=self._maker.rendered,
            cuts=self._cuts,
            duration=timeline.duration if ended else zero,
            last_hold=timeline.last_hold if ended else zero,
            longest=timeline.longest if ended else zero,
            seconds=self._progress.seconds,
            stage_seconds=tuple((stage, busy[stage]) for stage in STAGES),
        )

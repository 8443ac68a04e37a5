"""One pass over a video: a decoding thread, the network, an encoding thread."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vinr_cli.color.convert import from_picture, is_finite, to_picture
from vinr_cli.color.spec import ColorSpec
from vinr_cli.engine.infer import PairRenderer
from vinr_cli.engine.memory import is_out_of_memory
from vinr_cli.engine.stages import Channel, Pipeline
from vinr_cli.engine.transfer import Landing, Mover, mover_for
from vinr_cli.errors import DeviceError, InputError, VinrError
from vinr_cli.events import FramesDone, Reporter
from vinr_cli.media.reader import Frame
from vinr_cli.plan.scenes import is_cut
from vinr_cli.plan.timeline import OutputFrame, Timeline

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
"""Stages by the thread that they run in where `PairRenderer` looks ahead."""

QUEUED = {
    "decode": ("decode",),
    "network": ("frame", "pair", "render"),
    "convert": ("convert",),
    "encode": ("encode",),
}
"""The same for a device with a queue; "convert" is what the host takes for queueing there."""

REPORT_SECONDS = 0.1
"""Least time between two `FramesDone`."""


V = TypeVar("V")


class Writer(Protocol):
    """What the encoding thread needs of `media.writer.FrameWriter`."""

    def write(self, planes: Any, pts: int) -> None:
        """Take one frame: its planes and its time in ticks of the output."""

    def abort(self) -> None:
        """Kill the encoder, so that a blocked `write` returns."""


class PartWriter(Writer, Protocol):
    """What the encoding thread needs where the output is written in parts."""

    def turn(self, stop: int) -> None:
        """End the part: it holds the pairs before source frame `stop`."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of source frames out of a longer video: what a pass does that goes on where one ended.

    Attributes:
        first: First source frame whose pair is made; frames before it only move the clock.
        stop: First source frame whose pair is not made any more; None to the end.
        origin: PTS of the video's first frame; None if the pass begins with it.
        done: Output frames that are finished already, for reports.
        ends: Says of a source frame, and whether a scene begins with it, that a part ends before
            it; called in order, for each frame after `first`. None makes one part.
        halt: Asked after each frame whether to stop there.
    """

    first: int = 0
    stop: int | None = None
    origin: int | None = None
    done: int = 0
    ends: Callable[[int, bool], bool] | None = None
    halt: Callable[[], bool] | None = None


WHOLE = Stretch()


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
class _Out:
    """A finished frame on its way to the encoder.

    Attributes:
        index: Output frame number.
        pts: In ticks of the output.
        planes: Arrays of a source frame, or integer tensors in the host's memory.
        landing: What brings the tensors there; None for arrays.
    """

    index: int
    pts: int
    planes: Sequence[NDArray[Any] | Tensor]
    landing: Landing | None


@dataclass(frozen=True, slots=True)
class _Turn:
    """A mark between the frames of two parts.

    Attributes:
        stop: First source frame whose pair belongs to the second.
    """

    stop: int


class _Source:
    """A decoded frame and, once it is needed, its colours."""

    def __init__(self, frame: Frame, color: ColorSpec, mover: Mover) -> None:
        self.pts = frame.pts
        self.planes = frame.planes
        self._color = color
        self._mover = mover
        self._rgb: Tensor | None = None

    @property
    def rgb(self) -> Tensor:
        """(3 or 4, H, W) RGB(A), float32, on the device; always the same tensor."""
        if self._rgb is None:
            self._rgb = to_picture(self._mover.upload(self.planes), self._color)
        return self._rgb


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """What one source frame completes.

    Attributes:
        index: Of the frame, from the video's first.
        source: The frame.
        previous: The frame before it; None for the pass's first.
        outputs: What the pair of both shows.
        cut: Whether the frame begins a new scene.
    """

    index: int
    source: _Source
    previous: _Source | None
    outputs: Sequence[OutputFrame]
    cut: bool


class Stream:
    """Everything that one pass needs.

    Args:
        timeline: Says which frames are shown when; not yet used.
        renderer: Makes them.
        source: Colours of the decoded planes.
        target: Colours of the planes that the writer takes.
        time_base: Seconds a source tick.
        keep_clock: Whether the first frame is written with its source time, to the nearest output
            tick; else with 0.
        last_duration: How long the last source frame is shown, in source ticks; None if unknown.
        scene_threshold: Change from which a frame begins a new scene; None mixes across cuts.
        total: Output frames expected, for reports; None if unknown.
        report: Told about progress, from the calling thread.
        subject: What error messages call the source.
        queue_bytes: Bytes that may wait before the network, and before the encoder.
        stretch: Which run of the source's frames to make. The timeline knows all frames before
            those that the reader will yield, and no others.
        mover: Carries frames to the renderer's device and back; None takes the best for it.
    """

    def __init__(
        self,
        timeline: Timeline,
        renderer: PairRenderer,
        *,
        source: ColorSpec,
        target: ColorSpec,
        time_base: Fraction,
        keep_clock: bool,
        last_duration: int | None,
        total: int | None,
        report: Reporter,
        subject: str,
        scene_threshold: float | None = None,
        queue_bytes: int = QUEUE_BYTES,
        stretch: Stretch = WHOLE,
        mover: Mover | None = None,
    ) -> None:
        self._stretch = stretch
        self._mover = mover_for(renderer.device) if mover is None else mover
        self._timeline = timeline
        self._renderer = renderer
        self._source = source
        self._target = target
        self._time_base = time_base
        self._keep_clock = keep_clock
        self._first_pts = 0
        self._offset = 0  # output ticks that are added to every output time
        self._last_duration = last_duration
        self._total = total
        self._report = report
        self._subject = subject
        self._queue_bytes = queue_bytes
        # A source frame is passed on as it is where neither its size nor its colours change.
        layout = renderer.layout
        self._same_size = layout.lr == layout.hr
        self._same_planes = self._same_size and source == target
        self._made: tuple[int, Fraction, _Out] | None = None  # the latest (pair, t), for repeats
        self._awaited = 0.0  # seconds in which the encoding thread waited for the device
        self._scene_threshold = scene_threshold
        self._rendered = 0
        self._unmade = 0  # outputs that the clock has given and that are not made
        self._converting = 0.0
        self._cuts = 0
        self._written = 0
        self._start = 0.0
        self._reported = 0.0

    def run(self, reader: Iterable[Frame], writer: Writer) -> Streamed:
        """Push every frame of the reader through to the writer; neither is closed.

        Args:
            reader: The source's frames.
            writer: Takes the output's; a `PartWriter` where the stretch has parts.

        Raises:
            InputError: the reader fails.
            EncoderError: the writer fails.
            DeviceError: memory ran out even for the smallest tile.
            VinrError: the network gave a value that is no number.
        """
        self._start = self._reported = time.perf_counter()
        before = self._renderer.spent()
        with Pipeline() as pipeline, torch.inference_mode():
            pipeline.on_cancel(writer.abort)
            limit = self._queue_bytes
            frames = pipeline.source("decode", reader, self._queued_bytes, limit)
            done = pipeline.sink("encode", self._writing(writer), self._queued_bytes, limit)
            with self._renderer.looking_ahead():
                last, ended = self._push_all(frames, done)
                if ended:
                    outputs = self._timeline.finish(self._last_duration)
                    if last.index >= self._stretch.first:
                        self._make(outputs, last.source, last.source, done)
        self._tell_progress(time.perf_counter())
        made = {stage: spent - before[stage] for stage, spent in self._renderer.spent().items()}
        busy = {**pipeline.busy, "convert": self._converting, **made}
        busy["encode"] -= self._awaited
        return self._summary(last, ended=ended, busy=busy)

    def _push_all(self, frames: Channel[Frame], done: Channel[_Out | _Turn]) -> tuple[_Step, bool]:
        """Make all pairs; returns the latest frame's step, and whether it is the video's last.

        Steps whose frames are waiting already are looked at before this one is made, so that the
        network can begin with them; for a frame that is still to come nobody waits.
        """
        stretch = self._stretch
        waiting: deque[_Step] = deque()
        step = self._step(next(frames, None), None)
        if step is None:
            raise InputError(self._subject, "no frame lies in the chosen range")
        while True:
            last = waiting[-1] if waiting else step
            while len(waiting) < LOOK_AHEAD and last.index != stretch.stop:
                ahead = self._step(frames.poll(), last.source)
                if ahead is None:
                    break
                waiting.append(ahead)
                last = ahead
            self._take(step, waiting, done)
            halted = stretch.halt is not None and step.index >= stretch.first and stretch.halt()
            if halted or step.index == stretch.stop:
                self._unmade = sum(len(unmade.outputs) for unmade in waiting)
                return step, False
            following = (
                waiting.popleft() if waiting else self._step(next(frames, None), step.source)
            )
            if following is None:
                return step, True
            step = following

    def _step(self, frame: Frame | None, previous: _Source | None) -> _Step | None:
        """What a frame completes; moves the clock. None for no frame."""
        if frame is None:
            return None
        if previous is None:
            origin = self._stretch.origin
            self._set_clock(frame.pts if origin is None else origin)
        outputs = self._timeline.push(frame.pts)
        source = _Source(frame, self._source, self._mover)
        cut = previous is not None and is_cut(frame.change, self._scene_threshold)
        return _Step(self._timeline.sources - 1, source, previous, outputs, cut)

    def _take(self, step: _Step, waiting: Iterable[_Step], done: Channel[_Out | _Turn]) -> None:
        """Make what a frame completes."""
        stretch, previous = self._stretch, step.previous
        if previous is None or step.index <= stretch.first:
            return
        if step.cut:
            self._cuts += 1
            self._make(_held(step.outputs), previous, previous, done)
        else:
            self._make(step.outputs, previous, step.source, done, waiting)
        if (
            stretch.ends is not None
            and stretch.ends(step.index, step.cut)
            and step.index != stretch.stop
        ):
            done.put(_Turn(step.index))

    def _summary(self, last: _Step, *, ended: bool, busy: dict[str, float]) -> Streamed:
        timeline = self._timeline
        zero = Fraction(0)
        return Streamed(
            stop=last.index + (1 if ended else 0),
            ended=ended,
            shift=self._first_pts * self._time_base - self._offset * timeline.time_base,
            frames_in=last.index + 1,
            frames_out=timeline.outputs - self._unmade,
            rendered=self._rendered,
            cuts=self._cuts,
            duration=timeline.duration if ended else zero,
            last_hold=timeline.last_hold if ended else zero,
            longest=timeline.longest if ended else zero,
            seconds=time.perf_counter() - self._start,
            stage_seconds=tuple((stage, busy[stage]) for stage in STAGES),
        )

    def _queued_bytes(self, frame: Frame | _Out | _Turn) -> int:
        """What a frame counts in a queue: its bytes, or its share if it is small."""
        if isinstance(frame, _Turn):
            return 0
        size = sum(plane.nbytes for plane in frame.planes)
        return max(size, self._queue_bytes // QUEUE_FRAMES)

    def _set_clock(self, first_pts: int) -> None:
        """Choose what is added to output times, given the first source time."""
        self._first_pts = first_pts
        if self._keep_clock:
            ticks = first_pts * self._time_base / self._timeline.time_base
            self._offset = math.floor(ticks + Fraction(1, 2))

    def _make(
        self, outputs: Sequence[OutputFrame], a: _Source, b: _Source,
        done: Channel[_Out | _Turn], waiting: Iterable[_Step] = (),
    ) -> None:  # fmt: skip
        """Make the outputs of a pair, in order; `waiting` is what comes after it."""
        asked = [o.t for o in outputs if not self._is_source(o) and not self._repeats(o)]
        times = list(dict.fromkeys(asked))
        rendered: Iterator[Tensor] = iter(())
        if times:
            self._renderer.pair(*self._converted(lambda: (a.rgb, b.rgb)))
            self._renderer.expect(self._converted(lambda: self._expected(waiting)))
            rendered = self._renderer.render_all(times)
        for output in outputs:
            out = self._one(output, a, rendered)
            self._made = (output.pair, output.t, out)
            done.put(out)
            self._progress()

    def _expected(self, waiting: Iterable[_Step]) -> list[tuple[Tensor, Tensor]]:
        """The pairs among what comes next that the network will be asked for."""
        pairs = []
        for step in waiting:
            outputs = _held(step.outputs) if step.cut else step.outputs
            if step.previous is not None and not all(self._is_source(o) for o in outputs):
                later = step.previous if step.cut else step.source
                pairs.append((step.previous.rgb, later.rgb))
        return pairs

    def _converted(self, convert: Callable[[], V]) -> V:
        """Convert whole frames' colours; where memory runs out, the network leaves some.

        Raises:
            DeviceError: memory ran out though the network can do with no less.
        """
        while True:
            start = time.perf_counter()
            try:
                return convert()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            finally:
                self._converting += time.perf_counter() - start
            if not self._renderer.make_room():
                raise _too_large(self._renderer.device)

    def _one(self, output: OutputFrame, a: _Source, rendered: Iterator[Tensor]) -> _Out:
        """One output frame: a repeat, the source frame itself, or the network's work."""
        pts = output.pts + self._offset
        if self._made is not None and self._repeats(output):
            latest = self._made[2]
            return _Out(output.index, pts, latest.planes, latest.landing)
        if self._is_source(output):
            if self._same_planes:
                return _Out(output.index, pts, a.planes, None)
            landing = self._converted(lambda: self._landing(a.rgb))
            return _Out(output.index, pts, landing.planes, landing)
        rgb = next(rendered)
        self._rendered += 1
        landing = self._converted(lambda: self._landing(rgb))
        return _Out(output.index, pts, landing.planes, landing)

    def _landing(self, rgb: Tensor) -> Landing:
        """A picture's code values, rounded on the device and on their way to the host."""
        return self._mover.download(from_picture(rgb, self._target), is_finite(rgb))

    def _is_source(self, output: OutputFrame) -> bool:
        """Whether an output is a source frame in its own size."""
        return self._same_size and output.t == 0

    def _repeats(self, output: OutputFrame) -> bool:
        """Whether an output shows the same as the one before."""
        return self._made is not None and self._made[:2] == (output.pair, output.t)

    def _writing(self, writer: Writer) -> Callable[[_Out | _Turn], None]:
        """What the encoding thread does with a frame, or with the mark between two parts."""

        def write(out: _Out | _Turn) -> None:
            if isinstance(out, _Turn):
                cast(PartWriter, writer).turn(out.stop)
                return
            start = time.perf_counter()
            finite = out.landing is None or out.landing.wait()
            self._awaited += time.perf_counter() - start
            if not finite:
                raise VinrError(
                    f"output frame {out.index}",
                    "the network gave colours that are NaN or infinite",
                    "Try --precision fp32, or other weights.",
                )
            deep = self._target.depth > 8
            writer.write([_array(plane, deep=deep) for plane in out.planes], out.pts)
            self._written += 1

        return write

    def _progress(self) -> None:
        now = time.perf_counter()
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            self._tell_progress(now)

    def _tell_progress(self, now: float) -> None:
        before = self._stretch.done
        done = before + self._written
        self._report(FramesDone(done, self._total, now - self._start, earlier=before))


def _held(outputs: Sequence[OutputFrame]) -> list[OutputFrame]:
    """The outputs of a pair across a cut: all of them show the earlier frame."""
    return [replace(output, t=Fraction(0)) for output in outputs]


def _array(plane: NDArray[Any] | Tensor, *, deep: bool) -> NDArray[Any]:
    """A plane as the writer takes it: uint8 or uint16, in the host's memory."""
    array = plane.numpy() if isinstance(plane, Tensor) else plane
    array = array.view(np.uint16) if array.dtype == np.int16 else array
    return np.ascontiguousarray(array, dtype=np.uint16 if deep else np.uint8)


def _too_large(device: torch.device) -> DeviceError:
    return DeviceError(
        str(device),
        "out of memory while a whole frame's colours were converted",
        "Ask for a smaller size, or use --device cpu.",
    )

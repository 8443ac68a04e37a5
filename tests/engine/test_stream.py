import itertools
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vinr_cli.color.convert import from_rgb, to_rgb
from vinr_cli.color.spec import Chroma, ColorSpec
from vinr_cli.engine import conversion
from vinr_cli.engine.conversion import Colours
from vinr_cli.engine.output_times import OutputTimes
from vinr_cli.engine.progress import REPORT_SECONDS, Progress
from vinr_cli.engine.renderer import PairRenderer
from vinr_cli.engine.stream import QUEUE_FRAMES, WHOLE, FrameRange, Stream, Streamed
from vinr_cli.errors import DeviceError, EncoderError, InputError, VinrError
from vinr_cli.events import Event, FramesDone, Reporter, silent
from vinr_cli.model.videoinr import Network
from vinr_cli.plan.job import RateKind, RateRequest
from vinr_cli.plan.timeline import Timeline, output_time_base

from .stand_ins import Frame

SIZE = (16, 24)
TICK = Fraction(1, 12800)
STEP = 512
YUV = ColorSpec()
DEEP = ColorSpec(depth=10)


class Writer:
    """Keeps what it is given, as the encoder would."""

    def __init__(self, fail_at: int | None = None, slow: float = 0) -> None:
        self.planes: list[list[NDArray[Any]]] = []
        self.pts: list[int] = []
        self.aborted = 0
        self._fail_at = fail_at
        self._slow = slow

    def write(self, planes: Sequence[NDArray[Any]], pts: int) -> None:
        time.sleep(self._slow)
        if len(self.pts) == self._fail_at:
            raise EncoderError("ffmpeg", "died")
        self.planes.append(list(planes))
        self.pts.append(pts)

    def abort(self) -> None:
        self.aborted += 1


def frames(count: int, color: ColorSpec = YUV, first: int = 0) -> Iterator[Frame]:
    """Random pictures at 25 frames a second."""
    rng = np.random.default_rng(0)
    height, width = SIZE
    chroma = ((height + 1) // 2, (width + 1) // 2)
    kind: Any = np.uint8 if color.depth == 8 else np.uint16
    high = 235 << (color.depth - 8)
    for i in range(count):
        planes = [rng.integers(16, high, s).astype(kind) for s in (SIZE, chroma, chroma)]
        yield Frame(first + i * STEP, tuple(planes))


def stream(
    network: Network,
    reader: Iterable[Frame],
    writer: Writer,
    *,
    m: str = "2",
    hr: tuple[int, int] = (32, 48),
    source: ColorSpec = YUV,
    target: ColorSpec | None = None,
    keep_start: bool = False,
    report: Reporter = silent,
    scene_threshold: float | None = None,
    wanted: FrameRange = WHOLE,
) -> Streamed:
    timeline = Timeline(RateRequest(RateKind.MULTIPLY, Fraction(m)), TICK, source_rate=Fraction(25))
    work = Stream(
        PairRenderer(network, SIZE, hr),
        OutputTimes(timeline, TICK, keep_start=keep_start, last_duration=None),
        Colours(source, target or source),
        Progress(report),
        subject="in.mp4",
        scene_threshold=scene_threshold,
        frames=wanted,
    )
    return work.run(reader, writer)


@pytest.mark.parametrize(
    ("count", "m", "out"), [(5, "4", 20), (1, "3", 3), (2, "5/2", 5), (5, "1/2", 3), (3, "1", 3)]
)
def test_every_frame_arrives_at_its_time(network: Network, count: int, m: str, out: int) -> None:
    """N frames become ceil(n m), at exact times, whatever n and m."""
    writer = Writer()
    streamed = stream(network, frames(count), writer, m=m)

    request = RateRequest(RateKind.MULTIPLY, Fraction(m))
    tick = output_time_base(request, TICK, Fraction(25))
    assert [p * tick for p in writer.pts] == [k / (25 * Fraction(m)) for k in range(out)]
    assert (streamed.frames_in, streamed.frames_out) == (count, out)
    assert streamed.duration == Fraction(count, 25)
    assert all(p[0].shape == (32, 48) and p[0].dtype == np.uint8 for p in writer.planes)
    assert writer.aborted == 0


@pytest.mark.parametrize("hr", [(32, 48), SIZE])
def test_nothing_is_mixed_across_a_cut(network: Network, hr: tuple[int, int]) -> None:
    """Before a cut every output shows the earlier frame alone; no frame or time is lost."""
    cut = [replace(f, change=30.0 if i == 2 else 1.0) for i, f in enumerate(frames(4))]
    alone, writer = Writer(), Writer()
    stream(network, frames(2), alone, m="4", hr=hr)  # its last frame is held

    streamed = stream(network, cut, writer, m="4", hr=hr, scene_threshold=10.0)

    assert streamed.cuts == 1
    assert len(writer.pts) == 16
    for k in range(8):
        for made, want in zip(writer.planes[k], alone.planes[k], strict=True):
            assert np.array_equal(made, want)
    mixed = Writer()
    assert stream(network, cut, mixed, m="4", hr=hr).cuts == 0
    assert not np.array_equal(mixed.planes[6][0], writer.planes[6][0])


def test_outputs_are_the_networks_frames_in_the_targets_colours(network: Network) -> None:
    """What is written is from_rgb(network(to_rgb(planes), t)), rounded on the device."""
    writer = Writer()
    stream(network, frames(3), writer)
    source = [to_rgb([torch.from_numpy(p) for p in f.planes], YUV) for f in frames(3)]
    for k in range(6):
        i, t = divmod(k, 2)
        later = source[min(i + 1, 2)]
        with torch.inference_mode():
            t_now = 0.0 if i == 2 else t / 2
            rgb = network(torch.stack([source[i], later])[None], t_now, (32, 48))[0]
            wanted = from_rgb(rgb, YUV)
        for plane, want in zip(writer.planes[k], wanted, strict=True):
            assert np.array_equal(plane, want.numpy())


def test_source_frames_pass_untouched_at_their_own_size(network: Network) -> None:
    """At scale 1 the outputs at t = 0 are the decoded planes, bit for bit."""
    writer = Writer()
    streamed = stream(network, frames(4), writer, hr=SIZE)
    for i, frame in enumerate(frames(4)):
        for plane, want in zip(writer.planes[2 * i], frame.planes, strict=True):
            assert np.array_equal(plane, want)
    assert streamed.rendered == 3  # between the frames; the held last one is the source's too


def test_a_copy_needs_no_network(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """At scale 1 and rate 1 nothing is encoded, also when only the depth changes."""

    def never(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(network, "encode_frame", never)
    same, deeper = Writer(), Writer()
    assert stream(network, frames(3), same, m="1", hr=SIZE).rendered == 0
    stream(network, frames(3), deeper, m="1", hr=SIZE, target=replace(YUV, depth=10))
    assert deeper.planes[1][0].dtype == np.uint16
    assert np.array_equal(deeper.planes[1][0], same.planes[1][0].astype(np.uint16) * 4)


def test_the_held_last_frame_is_made_once(network: Network) -> None:
    """Outputs that show the same are rendered once and written as often as planned."""
    writer = Writer()
    streamed = stream(network, frames(2), writer, m="4")
    assert streamed.frames_out == 8
    assert streamed.rendered == 5  # four of the pair, one for the hold
    for held in writer.planes[5:]:
        assert np.array_equal(held[0], writer.planes[4][0])


def test_ten_bits_stay_ten_bits(network: Network) -> None:
    """10-bit planes come out as uint16 within ten bits, and use them."""
    writer = Writer()
    stream(network, frames(3, DEEP), writer, source=DEEP)
    luma = np.stack([p[0] for p in writer.planes])
    assert luma.dtype == np.uint16
    assert 255 < luma.max() < 1024
    assert len(np.unique(luma % 4)) == 4


@pytest.mark.parametrize("first", [-1024, 0, 1000, 10_000_001])
def test_the_source_clock_is_kept_or_restarted(network: Network, first: int) -> None:
    """With `keep_start` the first output has its source time within half a tick, else 0."""
    for keep in (True, False):
        writer = Writer()
        streamed = stream(network, frames(2, first=first), writer, keep_start=keep)
        start = writer.pts[0] * TICK  # the output ticks are 1/12800 here too
        assert streamed.shift == first * TICK - start
        assert start == (first * TICK if keep else 0)


def test_progress_is_told_in_order_and_not_too_often(network: Network) -> None:
    """FramesDone never goes back, comes ten times a second at most, and ends with all frames."""
    events: list[Event] = []
    start = time.perf_counter()
    stream(network, frames(30), Writer(slow=0.01), report=events.append)
    seconds = time.perf_counter() - start
    done = [e.done for e in events if isinstance(e, FramesDone)]

    assert done == sorted(done)
    assert done[-1] == 60
    assert 2 <= len(done) <= seconds / REPORT_SECONDS + 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_no_numbers_name_their_frame(
    network: Network, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """One NaN or infinite sample of the network ends the run with the number of the frame."""
    render = network.render
    calls = []

    def poisoned(prepared: Any, t: Any) -> Any:
        calls.append(t)
        out = render(prepared, t)
        if len(calls) == 4:
            out[..., -1, -1] = value
        return out

    monkeypatch.setattr(network, "render", poisoned)
    writer = Writer()
    with pytest.raises(VinrError, match=r"output frame 3: .* NaN or infinite"):
        stream(network, frames(5), writer)
    assert writer.aborted == 1
    assert len(writer.pts) == 3


def test_a_failing_reader_stops_all(network: Network) -> None:
    """A read error midway is raised itself, and the encoder is told to give up."""

    def broken() -> Iterator[Frame]:
        yield from frames(3)
        raise InputError("in.mp4", "cannot be read at 0.120 s")

    writer = Writer()
    with pytest.raises(InputError, match=r"at 0.120 s"):
        stream(network, broken(), writer)
    assert writer.aborted == 1


def test_a_dying_encoder_stops_all(network: Network) -> None:
    """The encoder's error is raised though the source would never end."""

    def endless() -> Iterator[Frame]:
        i = 0
        (frame,) = frames(1)
        while True:
            yield replace(frame, pts=i * STEP)
            i += 1

    writer = Writer(fail_at=7)
    with pytest.raises(EncoderError, match="died"):
        stream(network, endless(), writer)
    assert len(writer.pts) == 7


def test_ctrl_c_stops_all(network: Network) -> None:
    """KeyboardInterrupt in the job's thread frees the encoder and leaves no thread."""

    def interrupt(_: Event) -> None:
        raise KeyboardInterrupt

    writer = Writer(slow=0.02)
    with pytest.raises(KeyboardInterrupt):
        stream(network, frames(200), writer, report=interrupt)
    assert writer.aborted == 1
    assert not [t for t in threading.enumerate() if t.name.startswith("vinr-")]


def test_no_frame_at_all_is_an_input_error(network: Network) -> None:
    """A range without a frame is refused, naming the input."""
    with pytest.raises(InputError, match=r"in.mp4: no frame"):
        stream(network, frames(0), Writer())


def test_memory_for_whole_frames_that_runs_out_is_a_device_error(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of memory outside of the network, where tiles cannot help, names the device."""

    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("vinr_cli.engine.conversion.to_picture", full)
    with pytest.raises(DeviceError, match="cpu: out of memory"):
        stream(network, frames(3), Writer())


@pytest.mark.parametrize("name", ["to_picture", "from_picture"])
def test_memory_for_colours_that_runs_out_once_loses_no_frame(
    network: Network, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Out of memory in a conversion of colours: the network leaves some, and it is done again."""
    plain, writer = Writer(), Writer()
    stream(network, frames(4), plain)
    convert, calls = getattr(conversion, name), itertools.count()

    def full_once(*args: Any) -> Any:
        if next(calls) == 2:
            raise torch.OutOfMemoryError("out of memory")
        return convert(*args)

    monkeypatch.setattr(conversion, name, full_once)
    streamed = stream(network, frames(4), writer)

    assert next(calls) > 3
    assert streamed.frames_out == 8
    assert writer.pts == plain.pts
    for made, want in zip(writer.planes, plain.planes, strict=True):
        for plane, other in zip(made, want, strict=True):
            assert np.abs(plane.astype(int) - other.astype(int)).max() <= 1


def test_frames_looked_at_ahead_are_not_counted_where_a_pass_stops(network: Network) -> None:
    """A pass that is told to stop after a frame reports that frame's outputs and no later ones."""
    writer = Writer()
    wanted = FrameRange(halt=lambda: len(writer.pts) >= 4)
    streamed = stream(network, frames(8), writer, wanted=wanted)
    assert not streamed.ended
    assert streamed.frames_out == len(writer.pts) == 2 * streamed.stop
    assert streamed.frames_in == streamed.stop + 1


def test_only_a_few_frames_are_alive_at_a_time(network: Network) -> None:
    """However long the source, the frames in memory are those of the queues and two pairs."""

    class Forgetful(Writer):
        def write(self, planes: Sequence[NDArray[Any]], pts: int) -> None:
            time.sleep(0.002)

    alive: list[weakref.ref[Any]] = []
    most = 0

    def watched() -> Iterator[Frame]:
        nonlocal most
        for frame in frames(150):
            alive.append(weakref.ref(frame.planes[0]))
            most = max(most, sum(r() is not None for r in alive))
            yield frame

    stream(network, watched(), Forgetful(), m="1", hr=SIZE)
    assert most <= 2 * QUEUE_FRAMES + 8


def test_gray_and_rgb_go_through(network: Network) -> None:
    """One plane in is one plane out; R, G, B stay in that order."""
    rng = np.random.default_rng(1)
    gray = ColorSpec(chroma=Chroma.GRAY)
    plane = rng.integers(16, 235, SIZE).astype(np.uint8)
    writer = Writer()
    stream(network, [Frame(i * STEP, (plane,)) for i in range(2)], writer, source=gray)
    assert [len(p) for p in writer.planes] == [1] * 4

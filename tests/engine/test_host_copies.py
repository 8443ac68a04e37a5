"""Copies to and from a device: what arrives, and in which order, with a device that is a fake.

The fake copies as late as a device could: nothing that is queued happens before it is waited
for, on the host or in another queue. No test here has a GPU.
"""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from vinr_cli.color.convert import from_rgb, to_rgb
from vinr_cli.color.spec import Chroma, ColorSpec, Matrix, Siting
from vinr_cli.engine import host_copies
from vinr_cli.engine.conversion import Colours
from vinr_cli.engine.host_copies import DirectMover, PinnedMover, mover_for
from vinr_cli.engine.output_times import OutputTimes
from vinr_cli.engine.progress import Progress
from vinr_cli.engine.renderer import PairRenderer
from vinr_cli.engine.stream import Stream
from vinr_cli.events import silent
from vinr_cli.model.videoinr import Network
from vinr_cli.plan.job import RateKind, RateRequest
from vinr_cli.plan.timeline import Timeline

from .stand_ins import Frame

CPU = torch.device("cpu")
TICK = Fraction(1, 12800)
GARBAGE = 0xAB
YES = torch.tensor(data=True)


@dataclass(eq=False)
class LateMark:
    """A place in a late queue."""

    lane: "LateLane"
    place: int

    def wait(self) -> None:
        self.lane.run(self.place)


@dataclass(eq=False)
class LateLane:
    """A queue that does nothing before it has to."""

    work: list[Callable[[], None]] = field(default_factory=list)
    done: int = 0

    def run(self, place: int) -> None:
        while self.done < place:
            step = self.work[self.done]
            self.done += 1
            step()

    def mark(self) -> LateMark:
        return LateMark(self, len(self.work))

    def follow(self, mark: LateMark) -> None:
        self.work.append(mark.wait)


def _copy(target: Tensor, source: Tensor) -> None:
    with torch.inference_mode():
        target.copy_(source)


@dataclass(eq=False)
class LateDriver:
    """A device that is late."""

    computing: LateLane = field(default_factory=LateLane)
    lent: list[int] = field(default_factory=list)
    made: list[int] = field(default_factory=list)

    def lane(self) -> LateLane:
        return LateLane()

    def current(self) -> LateLane:
        return self.computing

    def pinned(self, size: int) -> Tensor:
        self.made.append(size)
        return torch.full((size,), GARBAGE, dtype=torch.uint8)

    def empty(self, size: int, lane: LateLane) -> Tensor:
        return torch.full((size,), GARBAGE, dtype=torch.uint8)

    def copy(self, target: Tensor, source: Tensor, lane: LateLane) -> None:
        lane.work.append(partial(_copy, target, source))

    def lend(self, tensor: Tensor, lane: LateLane) -> None:
        self.lent.append(tensor.untyped_storage().data_ptr())

    def finish(self) -> None:
        """Let the device do what its computing queue waits for."""
        self.computing.run(len(self.computing.work))


def planes(seed: int, dtype: Any = np.uint8) -> list[NDArray[Any]]:
    """A frame of three planes of odd sizes."""
    rng = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    return [rng.integers(0, top, s, dtype, endpoint=True) for s in ((5, 7), (3, 4), (3, 4))]


def same(tensors: Sequence[Tensor], arrays: Sequence[NDArray[Any]]) -> bool:
    return all(
        np.array_equal(t.numpy().view(a.dtype), a) for t, a in zip(tensors, arrays, strict=True)
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_frames_arrive_before_work_that_needs_them(dtype: Any) -> None:
    """The computing queue waits for a frame's copy, and no code value changes."""
    driver = LateDriver()
    mover = PinnedMover(driver)
    frame = planes(0, dtype)
    there = mover.upload(frame)
    assert not same(there, frame)
    driver.finish()
    assert same(there, frame)
    assert [t.dtype for t in there] == [torch.uint8 if dtype is np.uint8 else torch.int16] * 3


def test_a_buffer_is_filled_again_only_when_it_was_copied() -> None:
    """Five frames through two buffers, none of them waited for, arrive each as itself."""
    driver = LateDriver()
    mover = PinnedMover(driver)
    frames = [planes(seed) for seed in range(5)]
    there = [mover.upload(frame) for frame in frames]
    driver.finish()
    assert all(same(t, f) for t, f in zip(there, frames, strict=True))
    assert len(driver.made) == host_copies.UPLOADS
    assert {t[0].untyped_storage().data_ptr() for t in there} <= set(driver.lent)


def test_a_source_may_change_after_its_upload() -> None:
    """What the reader does with its array afterwards does not reach the device."""
    driver = LateDriver()
    mover = PinnedMover(driver)
    frame = planes(0)
    kept = [plane.copy() for plane in frame]
    there = mover.upload(frame)
    for plane in frame:
        plane[:] = 0
    driver.finish()
    assert same(there, kept)


def test_larger_frames_get_larger_buffers() -> None:
    """A frame that does not fit in the buffer whose turn it is gets another."""
    driver = LateDriver()
    mover = PinnedMover(driver)
    small, large = [np.zeros((2, 2), np.uint8)], [np.ones((90, 90), np.uint8)]
    there = [mover.upload(frame) for frame in (small, small, large, large, small)]
    driver.finish()
    assert driver.made == [64, 64, 8128, 8128]
    assert same(there[3], large)
    assert same(there[4], small)


@pytest.mark.parametrize("depth", [8, 10, 16])
def test_rounded_code_values_come_back(depth: int) -> None:
    """What lands is what was rounded on the device, two bytes at most a sample, after waiting."""
    driver = LateDriver()
    mover = PinnedMover(driver)
    spec = ColorSpec(Chroma.C420, Matrix.BT709, full_range=True, depth=depth, siting=Siting.LEFT)
    rgb = torch.rand(3, 8, 12, generator=torch.Generator().manual_seed(0))
    codes = from_rgb(rgb, spec)
    download = mover.download(codes, YES)
    kind = np.uint8 if depth == 8 else np.uint16
    expected = [code.numpy().astype(kind) for code in codes]
    assert not same(download.planes, expected)
    assert download.wait()
    assert same(download.planes, expected)
    assert all(p.dtype in (torch.uint8, torch.int16) for p in download.planes)
    back = to_rgb(download.planes, spec)
    assert torch.equal(back, to_rgb(codes, spec))


def test_what_is_not_finite_is_told() -> None:
    """The verdict lands with the planes."""
    mover = PinnedMover(LateDriver())
    code = torch.zeros(2, 2, dtype=torch.uint8)
    assert mover.download([code], YES).wait() is True
    assert mover.download([code], ~YES).wait() is False


def test_landings_that_are_held_keep_their_buffers() -> None:
    """Frames that wait for the encoder have a buffer each; later ones use those that came back."""
    driver = LateDriver()
    mover = PinnedMover(driver)
    codes = [torch.full((4, 4), k, dtype=torch.uint8) for k in range(6)]
    held = [mover.download([code], YES) for code in codes[:3]]
    assert len(driver.made) == 3
    for download, code in zip(held, codes, strict=False):
        download.wait()
        assert torch.equal(download.planes[0], code)
    del download
    held.clear()
    gc.collect()
    later = [mover.download([code], YES) for code in codes[3:]]
    assert len(driver.made) == 3
    for download, code in zip(later, codes[3:], strict=True):
        download.wait()
        assert torch.equal(download.planes[0], code)


def test_a_forgotten_landing_does_not_write_into_the_next_frame() -> None:
    """A buffer comes back after its copy has ended, even if it was not read."""
    mover = PinnedMover(LateDriver())
    forgotten = mover.download([torch.full((4, 4), 7, dtype=torch.uint8)], YES)
    del forgotten
    gc.collect()
    download = mover.download([torch.full((4, 4), 9, dtype=torch.uint8)], YES)
    download.wait()
    assert bool((download.planes[0] == 9).all())


def test_the_host_copies_nothing_it_has() -> None:
    """On a CPU 8-bit planes and rounded ones are used where they are."""
    mover = mover_for(CPU)
    frame = planes(0)
    there = mover.upload(frame)
    assert isinstance(mover, DirectMover)
    assert all(t.data_ptr() == p.ctypes.data for t, p in zip(there, frame, strict=True))
    download = mover.download(there, YES)
    assert download.wait()
    assert all(a is b for a, b in zip(download.planes, there, strict=True))


def test_a_cuda_device_gets_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are asked for on that device, one for each direction."""
    asked = []

    class Stream:
        def __init__(self, device: torch.device) -> None:
            asked.append(device)

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    device = torch.device("cuda", 1)
    assert isinstance(mover_for(device), PinnedMover)
    assert asked == [device, device]


@dataclass(eq=False)
class ReadyLane(LateLane):
    """A computing queue that waits at once: what the tests compute is computed on the spot."""

    def follow(self, mark: LateMark) -> None:
        mark.wait()


class Copier:
    """A writer that copies what it is given, slowly, as the encoder does."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def write(self, planes: Sequence[NDArray[Any]], pts: int) -> None:
        time.sleep(0.002)
        self.frames.append(b"".join(plane.tobytes() for plane in planes))

    def abort(self) -> None:
        raise AssertionError("nothing fails here")


@pytest.mark.parametrize("depth", [8, 10])
def test_a_whole_pass_is_the_same_through_pinned_buffers(network: Network, depth: int) -> None:
    """Repeats, source frames and made ones: every byte that is written, in order."""
    color = ColorSpec(depth=depth)
    rng = np.random.default_rng(0)
    kind: Any = np.uint8 if depth == 8 else np.uint16
    shapes = ((16, 24), (8, 12), (8, 12))
    source = [tuple(rng.integers(16, 235, s).astype(kind) for s in shapes) for _ in range(6)]
    written = []
    driver = LateDriver(computing=ReadyLane())
    for mover in (DirectMover(CPU), PinnedMover(driver)):
        writer = Copier()
        timeline = Timeline(
            RateRequest(RateKind.MULTIPLY, Fraction(3)), TICK, source_rate=Fraction(25)
        )
        work = Stream(
            PairRenderer(network, (16, 24), (32, 48)),
            OutputTimes(timeline, TICK, keep_start=False, last_duration=None),
            Colours(color, color),
            Progress(silent),
            subject="in.mp4",
            mover=mover,
        )
        work.run([Frame(i * 512, planes) for i, planes in enumerate(source)], writer)
        written.append(writer.frames)
    assert len(written[0]) == 18
    assert written[0] == written[1]
    assert len(driver.made) < 18 + host_copies.UPLOADS

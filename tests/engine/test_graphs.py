"""Recorded steps, with a recorder that works as a CUDA graph does: at fixed addresses.

No test here has a GPU.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from vinr_cli.engine import graphs
from vinr_cli.engine.graphs import Recorded, recorder_for
from vinr_cli.engine.infer import PairRenderer
from vinr_cli.model.videoinr import VideoINR


class FixedRecorder:
    """Repeats work by doing it again and writing over the tensors of the first time."""

    def __init__(self) -> None:
        self.recordings = 0
        self.replays = 0

    def record(
        self, work: Callable[[], Sequence[Tensor]]
    ) -> tuple[list[Tensor], Callable[[], Any]]:
        self.recordings += 1
        work()  # a warm-up
        first = list(work())

        def replay() -> None:
            self.replays += 1
            for place, result in zip(first, [r.clone() for r in work()], strict=True):
                place.copy_(result)

        return first, replay


@dataclass(frozen=True, eq=False)
class Half:
    """A feature dataclass."""

    frame: Tensor
    features: tuple[Tensor, Tensor] | None = None
    name: str = "half"


@dataclass(frozen=True, eq=False)
class Whole:
    """Another, of two of the first."""

    first: Half
    second: Half
    sums: list[Tensor]


def encode(frame: Tensor) -> Half:
    return Half(frame, (frame * 2, frame + 1))


def join(first: Half, second: Half) -> Whole:
    assert first.features is not None
    assert second.features is not None
    both = first.features[0] + second.features[1]
    return Whole(first, second, [both, both, first.frame - second.frame])


def numbers(*values: float) -> Tensor:
    return torch.tensor([*values])


def test_every_call_gets_results_of_its_own() -> None:
    """The second call replays, and what the calls before returned is not written over."""
    recorder = FixedRecorder()
    step = Recorded(encode, recorder)
    halves = [step(numbers(k, k)) for k in range(4)]
    for k, half in enumerate(halves):
        assert half.features is not None
        assert torch.equal(half.features[0], numbers(2 * k, 2 * k))
        assert torch.equal(half.features[1], numbers(k + 1, k + 1))
    assert (recorder.recordings, recorder.replays) == (1, 4)


def test_what_is_handed_through_is_recognised() -> None:
    """Arguments that are part of the result are the caller's own, not the recording's copies."""
    encoder, joiner = Recorded(encode, FixedRecorder()), Recorded(join, FixedRecorder())
    frames = [numbers(k, 1.0) for k in range(5)]
    halves = [encoder(frame) for frame in frames]
    assert all(h.frame is f for h, f in zip(halves, frames, strict=True))
    for a, b in pairwise(halves):
        whole = joiner(a, b)
        assert whole.first is a
        assert whole.second is b
        assert whole.sums[0] is whole.sums[1]
        assert torch.equal(whole.sums[0], a.frame * 2 + b.frame + 1)
        assert torch.equal(whole.sums[2], a.frame - b.frame)


def test_a_frame_may_be_paired_with_itself() -> None:
    """One object in both places is another recording than two."""
    recorder = FixedRecorder()
    joiner = Recorded(join, recorder)
    a, b = encode(numbers(1, 2)), encode(numbers(5, 7))
    for first, second in ((a, b), (a, a), (b, a), (b, b)):
        whole = joiner(first, second)
        assert (whole.first, whole.second) == (first, second)
        assert torch.equal(whole.sums[0], first.frame * 2 + second.frame + 1)
    assert recorder.recordings == 2


def test_few_shapes_are_recorded() -> None:
    """Later shapes run as they are, with the same results."""
    recorder = FixedRecorder()
    step = Recorded(encode, recorder)
    for _ in range(2):
        for n in range(1, graphs.SHAPES + 3):
            half = step(torch.arange(n).float())
            assert half.features is not None
            assert torch.equal(half.features[1], torch.arange(n) + 1.0)
    assert recorder.recordings == graphs.SHAPES


def test_a_recording_that_differs_is_not_used() -> None:
    """What decides by more than shapes cannot be recorded, and runs as it is."""
    calls = []

    def counting(frame: Tensor) -> Half:
        calls.append(1)
        return Half(frame, (frame * len(calls), frame))

    recorder = FixedRecorder()
    step = Recorded(counting, recorder)
    step(numbers(1, 1))
    replays, before = recorder.replays, len(calls)
    half = step(numbers(1, 1))
    assert half.features is not None
    assert torch.equal(half.features[0], numbers(1, 1) * (before + 1))
    assert recorder.replays == replays


@pytest.mark.parametrize(
    ("error", "kept"), [(RuntimeError("unsupported while capturing"), True),
                        (torch.OutOfMemoryError("CUDA out of memory"), False)],
)  # fmt: skip
def test_what_cannot_be_recorded_runs_as_it_is(error: RuntimeError, kept: bool) -> None:
    """An unsupported operation is no error; memory that ran out is told, so that room is made."""

    class Failing:
        def record(self, work: Callable[[], Sequence[Tensor]]) -> Any:
            raise error

    step = Recorded(encode, Failing())
    if not kept:
        with pytest.raises(torch.OutOfMemoryError):
            step(numbers(1))
        step.forget()
    for _ in range(2):
        half = step(numbers(3))
        assert half.features is not None
        assert torch.equal(half.features[0], numbers(6))


def test_a_renderer_gives_the_same_frames(network: VideoINR) -> None:
    """Frame by frame, with every step recorded, and after room was made."""
    recorder = FixedRecorder()
    plain = PairRenderer(network, (32, 40), (64, 80))
    replaying = PairRenderer(network, (32, 40), (64, 80), recorder=recorder)
    generator = torch.Generator().manual_seed(0)
    for i in range(6):
        frame = torch.rand(3, 32, 40, generator=generator)
        if i == 4:
            assert replaying.make_room()
            replays = recorder.replays
        for renderer in (plain, replaying):
            renderer.push(frame)
        for t in (0, 0.5):
            assert float((plain.render(t) - replaying.render(t)).abs().max()) < 1 / 255
    # Frames and pairs, a frame with itself first; nothing is recorded where room was made.
    assert recorder.recordings == 3
    assert recorder.replays == replays


def test_graphs_are_off_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only on a CUDA device, and only with VINR_CUDA_GRAPHS=1."""
    monkeypatch.setattr(graphs, "CudaRecorder", lambda device: f"records on {device}")
    monkeypatch.setenv(graphs.SWITCH, "1")
    assert recorder_for(torch.device("cpu")) is None
    assert recorder_for(torch.device("cuda", 0)) == "records on cuda:0"  # type: ignore[comparison-overlap]
    monkeypatch.setenv(graphs.SWITCH, "0")
    assert recorder_for(torch.device("cuda", 0)) is None
    monkeypatch.delenv(graphs.SWITCH)
    assert recorder_for(torch.device("cuda", 0)) is None

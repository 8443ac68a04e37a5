"""Pairs that are prepared by other threads while one is rendered."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from vinr_cli.engine.ahead import Ahead
from vinr_cli.engine.device_clock import HostClock
from vinr_cli.engine.renderer import PairRenderer
from vinr_cli.model.videoinr import Network

from .stand_ins import LR, Counting, video

THIRD = Fraction(1, 3)


def outputs(
    renderer: PairRenderer, pairs: list[tuple[Tensor, Tensor]], expected: int
) -> list[Tensor]:
    """All outputs of the pairs, each with what comes after it named."""
    made: list[Tensor] = []
    with renderer.looking_ahead():
        for i, pair in enumerate(pairs):
            renderer.pair(*pair)
            renderer.expect(pairs[i + 1 : i + 1 + expected])
            made += renderer.render_all([0, THIRD])
    return made


@pytest.mark.parametrize("expected", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("tile", [0, 32])
def test_the_same_frames_come_out(
    network: Network, monkeypatch: pytest.MonkeyPatch, tile: int, expected: int
) -> None:
    """However far is looked ahead, outputs are the same and no frame is encoded twice."""
    frames = video(6)
    pairs = [*itertools.pairwise(frames), (frames[-1], frames[-1])]
    wanted = outputs(PairRenderer(network, LR, (60, 84), tile=tile), pairs, 0)
    counting = Counting(network, monkeypatch)

    renderer = PairRenderer(network, LR, (60, 84), tile=tile)
    made = outputs(renderer, pairs, expected)

    assert len(made) == len(wanted)
    for output, want in zip(made, wanted, strict=True):
        assert (output - want).abs().max() < 1e-5
    tiles = len(renderer.layout.tiles)
    assert counting.calls["encode_frame"] == 6 * tiles
    assert counting.calls["prepare"] == 6 * tiles


def test_what_was_expected_in_vain_is_not_mixed_in(network: Network) -> None:
    """Another pair than the expected one gives its own outputs."""
    a, b, c, d = video(4)
    alone = PairRenderer(network, LR, (60, 84))
    alone.pair(d, b)
    wanted = alone.render(0.5)
    renderer = PairRenderer(network, LR, (60, 84))
    with renderer.looking_ahead():
        renderer.pair(a, b)
        renderer.expect([(b, c), (c, d)])
        renderer.render(0)
        renderer.pair(d, b)
        assert (renderer.render(0.5) - wanted).abs().max() < 1e-5


def test_threads_end_and_settings_stay(network: Network) -> None:
    """After the context no thread of it lives, and PyTorch has its number of threads."""
    before, threads = torch.get_num_threads(), threading.active_count()
    renderer = PairRenderer(network, LR, (60, 84))
    with renderer.looking_ahead():
        assert threading.active_count() == threads + 2
        assert torch.get_num_threads() == before
    assert threading.active_count() == threads
    assert torch.get_num_threads() == before


def test_an_error_of_a_thread_reaches_whoever_asks(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails ahead of time is raised where its pair is asked for, not before."""
    a, b, c = video(3)
    renderer = PairRenderer(network, LR, (60, 84))
    encode = network.encode_frame

    def failing(frame: Tensor) -> Any:
        if torch.equal(frame[0], c):
            raise RuntimeError("broken frame")
        return encode(frame)

    monkeypatch.setattr(network, "encode_frame", failing)
    with renderer.looking_ahead():
        renderer.pair(a, b)
        renderer.expect([(b, c)])
        renderer.render(0)
        renderer.pair(b, c)
        with pytest.raises(RuntimeError, match="broken frame"):
            renderer.render(0)


@pytest.mark.parametrize(
    "step", ["encode_frame", "encode_pair", "prepare", "render", "survey_pair", "encode_tile"]
)
def test_memory_that_runs_out_at_any_step_loses_no_frame(
    network: Network, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """First nothing is computed ahead any more, then tiles shrink; all frames are made."""
    lr, hr = (96, 120), (96, 121)
    frames = video(4, lr)
    pairs = list(itertools.pairwise(frames))
    in_tiles = step in ("survey_pair", "encode_tile")
    whole = PairRenderer(network, lr, hr, tile=0)
    wanted = outputs(whole, pairs, 0)
    call, calls = getattr(network, step), itertools.count()

    def failing(*args: Any) -> Any:
        if next(calls) in (2, 3, 4):
            raise torch.OutOfMemoryError("out of memory")
        return call(*args)

    monkeypatch.setattr(network, step, failing)
    told: list[str] = []
    tile = 90 if in_tiles else None
    renderer = PairRenderer(network, lr, hr, tile=tile, notify=told.append)
    made = outputs(renderer, pairs, 2)

    assert "without looking ahead" in told[0]
    assert all("tiles a frame" in line for line in told[1:])
    assert len(made) == len(wanted)
    for output, want in zip(made, wanted, strict=True):
        assert (output - want).abs().max() < 1 / 255


def test_little_memory_forbids_it(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two pairs at a time do not fit, nothing is prepared before it is asked for."""
    counting = Counting(network, monkeypatch)
    a, b, c = video(3)
    renderer = PairRenderer(network, LR, (60, 84), tile=0, budget=1 << 20)
    with renderer.looking_ahead():
        renderer.pair(a, b)
        renderer.expect([(b, c)])
        renderer.render(0)
    assert counting.calls["encode_frame"] == 2


class Open(HostClock):
    """A clock that knows which threads are being timed."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        self.threads.add(threading.get_ident())
        with super().timing(stage):
            yield
        self.threads.discard(threading.get_ident())


def test_a_search_that_waits_for_a_frame_is_not_called_busy(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No thread's time is counted while it waits for a frame that another one encodes."""
    clock, whole = Open(), Ahead.frame
    busy: list[bool] = []

    def frame(self: Ahead[Any, Any], wanted: Tensor) -> object:
        busy.append(threading.get_ident() in clock.threads)
        return whole(self, wanted)

    monkeypatch.setattr(Ahead, "frame", frame)
    monkeypatch.setattr("vinr_cli.engine.renderer.clock_for", lambda _: clock)
    renderer = PairRenderer(network, LR, (60, 84))
    outputs(renderer, list(itertools.pairwise(video(6))), 3)
    assert len(busy) == 6
    assert not any(busy)
    assert all(seconds > 0 for seconds in renderer.spent().values())

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from functools import partial

import pytest
import torch

from vinr_cli.engine.ahead import PAIRS, REMEMBERED, Ahead, Worker


@pytest.fixture
def ahead() -> Iterator[Ahead[str, int]]:
    made: Ahead[str, int] = Ahead(4)
    yield made
    made.close()


def busy_threads() -> int:
    """OpenMP threads of the calling thread, after an operation that uses them."""
    a = torch.ones(1 << 18)
    (a * a).sum()
    return torch.get_num_threads()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_worker_keeps_its_own_number_of_threads(threads: int) -> None:
    """PyTorch's first operation in a worker does not take over the number of its caller."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        worker = Worker("test", threads)
        assert worker.submit(busy_threads).result() == threads
        assert busy_threads() == 3
        worker.close()
    finally:
        torch.set_num_threads(before)


def test_work_that_fails_does_not_end_a_worker() -> None:
    """What comes after it is done, without gradients."""
    worker = Worker("test", 1)
    failed = worker.submit(lambda: 1 // 0)
    assert worker.submit(torch.is_inference_mode_enabled).result()
    with pytest.raises(ZeroDivisionError):
        failed.result()
    worker.close()


def test_pairs_are_computed_and_taken_once_in_order(ahead: Ahead[str, int]) -> None:
    """As many as `PAIRS` wait; what is begun beyond them is not computed."""
    calls: list[str] = []

    def prepare(name: str) -> int:
        calls.append(name)
        return len(calls)

    names = [str(i) for i in range(PAIRS + 1)]
    assert ahead.pair(names[0]) is None
    for name in names:
        ahead.begin_pair(name, partial(prepare, name))
    assert [ahead.begun(name) for name in names] == [True] * PAIRS + [False]
    assert [ahead.pair(name) for name in names] == [*range(1, PAIRS + 1), None]
    assert calls == names[:PAIRS]
    assert not any(ahead.begun(name) for name in names)


def test_other_pairs_than_asked_for_are_forgotten(ahead: Ahead[str, int]) -> None:
    """The one at work is waited for, since it may still write what is remembered of tiles."""
    began, ended = threading.Event(), threading.Event()
    calls: list[str] = []

    def slow() -> int:
        began.set()
        time.sleep(0.02)
        ended.set()
        return 1

    def quick() -> int:
        calls.append("b")
        return 2

    ahead.begin_pair("a", slow)
    ahead.begin_pair("b", quick)
    began.wait()
    assert ahead.pair("c") is None
    assert ended.is_set()
    assert ahead.pair("a") is None
    assert ahead.pair("b") is None
    assert calls == []


def test_frames_are_known_by_identity(ahead: Ahead[str, int]) -> None:
    """An equal frame is another one; the same frame is encoded once and taken once."""
    first, second = torch.zeros(3), torch.zeros(3)
    numbers = itertools.count()
    for frame in (first, first, second):
        ahead.begin_frame(frame, lambda: next(numbers))
    assert ahead.frame(second) == 1
    assert ahead.frame(first) == 0
    assert ahead.frame(first) is None


def test_frames_nobody_asks_for_are_given_up(ahead: Ahead[str, int]) -> None:
    """No more than `REMEMBERED` encodings are held; the oldest goes first."""
    frames = [torch.zeros(1) for _ in range(REMEMBERED + 1)]
    for i, frame in enumerate(frames):
        ahead.begin_frame(frame, partial(int, i))
    assert [ahead.frame(f) for f in frames] == [None, *range(1, REMEMBERED + 1)]


@pytest.mark.parametrize("error", [ValueError("wrong"), MemoryError("no memory")])
def test_an_error_is_raised_where_its_result_is_asked_for(
    ahead: Ahead[str, int], error: Exception
) -> None:
    """Errors of both threads surface, once each, and both go on afterwards."""

    def failing() -> int:
        raise error

    frame = torch.zeros(1)
    ahead.begin_pair("a", failing)
    ahead.begin_frame(frame, failing)
    with pytest.raises(type(error), match=str(error)):
        ahead.pair("a")
    with pytest.raises(type(error), match=str(error)):
        ahead.frame(frame)
    ahead.begin_pair("b", lambda: 2)
    assert ahead.pair("b") == 2


def test_closing_waits_for_what_runs_and_cancels_the_rest() -> None:
    """Closed in the middle of its work it ends its threads, and begins nothing more."""
    ahead: Ahead[str, int] = Ahead(1)
    threads = threading.active_count()
    started, release = threading.Event(), threading.Event()

    def running() -> int:
        started.set()
        release.wait(10)
        return 1

    worker = Worker("test", 1)
    runs, waits = worker.submit(running), worker.submit(lambda: 2)
    ahead.begin_pair("a", lambda: 1)
    assert started.wait(10)
    threading.Timer(0.02, release.set).start()
    worker.close()
    ahead.close()
    assert runs.result() == 1
    with pytest.raises(CancelledError):
        waits.result()
    assert threading.active_count() <= threads
    assert ahead.pair("a") is None


def test_closing_while_the_search_waits_for_a_frame_does_not_hang() -> None:
    """The frame that a running search waits for is still encoded."""
    ahead: Ahead[str, int] = Ahead(1)
    frame, started = torch.zeros(1), threading.Event()
    got: list[object] = []

    def encode() -> int:
        started.wait(10)
        time.sleep(0.02)
        return 7

    def prepare() -> int:
        started.set()
        got.append(ahead.frame(frame))
        return 1

    ahead.begin_frame(frame, encode)
    ahead.begin_pair("a", prepare)
    assert started.wait(10)
    ahead.close()
    assert got == [7]

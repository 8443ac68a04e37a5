import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from vinr_cli.engine.stages import Channel, Pipeline, Stopped


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """No test leaves a thread of the pipeline alive."""
    yield
    assert not [t for t in threading.enumerate() if t.name.startswith("vinr-")]


def one(_: object) -> int:
    return 1


def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def run(
    source: Iterator[int],
    take: Callable[[int], None],
    *,
    limits: tuple[int, int] = (3, 3),
    body_error: type[BaseException] | None = None,
    cancel: Callable[[], None] = lambda: None,
) -> None:
    """Square every number of the source into the sink, or raise after the first."""
    with Pipeline() as pipeline:
        pipeline.on_cancel(cancel)
        items = pipeline.source("decode", source, one, limits[0])
        out = pipeline.sink("encode", take, one, limits[1])
        for item in items:
            out.put(item * item)
            if body_error is not None:
                raise body_error


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_everything_goes_through_in_order(count: int) -> None:
    """Every item of the source reaches the sink once and in order, for any number of items."""
    taken: list[int] = []
    run(numbers(count), taken.append)
    assert taken == [i * i for i in range(count)]


def test_the_end_waits_until_the_sink_has_taken_everything() -> None:
    """Leaving the body does not lose what still waits for a slow sink."""
    taken: list[int] = []

    def slowly(item: int) -> None:
        time.sleep(0.01)
        taken.append(item)

    with Pipeline() as pipeline:
        out = pipeline.sink("encode", slowly, one, 100)
        for i in range(10):
            out.put(i)
    assert taken == list(range(10))


def test_waiting_bytes_stay_under_the_limit() -> None:
    """A fast source waits; a channel holds its limit in bytes at most."""
    with Pipeline() as pipeline:
        items = pipeline.source("decode", iter([30] * 50), lambda n: n, 100)
        for _ in items:
            time.sleep(0.001)
    assert 0 < items.peak <= 100


def test_an_item_larger_than_the_limit_goes_through() -> None:
    """One item always fits, so a frame larger than the queue blocks nothing."""
    with Pipeline() as pipeline:
        items = pipeline.source("decode", iter([500, 700]), lambda n: n, 100)
        assert list(items) == [500, 700]
    assert items.peak == 700


def test_a_source_error_is_raised_where_the_body_ends() -> None:
    """The source's own exception object arrives in the job's thread."""
    boom = OSError("read error midway")

    def failing() -> Iterator[int]:
        yield from range(5)
        raise boom

    taken: list[int] = []
    with pytest.raises(OSError, match="read error midway") as caught:
        run(failing(), taken.append)
    assert caught.value is boom


def test_a_sink_error_stops_the_source_and_is_raised() -> None:
    """When the encoder dies, an endless source ends and the encoder's error is raised."""

    def dies(item: int) -> None:
        raise ValueError(f"encoder died at {item}")

    with pytest.raises(ValueError, match="encoder died at 0"):
        run(iter(int, 1), dies)


def test_a_sink_error_after_the_last_item_is_raised() -> None:
    """A sink that fails on what waits when the body ends is not forgotten."""

    def dies_late(item: int) -> None:
        time.sleep(0.05)
        if item == 4:
            raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        run(numbers(3), dies_late, limits=(100, 100))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, GeneratorExit])
def test_an_error_of_the_body_wins_and_stops_all(error: type[BaseException]) -> None:
    """Any exception of the body, Ctrl-C included, stops the threads and is raised itself."""
    cancelled: list[int] = []
    with pytest.raises(error):
        run(iter(int, 1), lambda _: None, body_error=error, cancel=lambda: cancelled.append(1))
    assert cancelled == [1]


def test_a_cancel_action_frees_a_blocked_sink() -> None:
    """A sink blocked in a full pipe is freed by the cancel action, so joining ends."""
    killed = threading.Event()

    def blocked(_: int) -> None:
        killed.wait(30)
        raise BrokenPipeError

    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        run(iter(int, 1), blocked, body_error=KeyboardInterrupt, cancel=killed.set)
    assert time.perf_counter() - start < 5


def test_no_cancel_action_runs_after_success() -> None:
    """A good end kills nothing."""
    cancelled = []
    with Pipeline() as pipeline:
        pipeline.on_cancel(lambda: cancelled.append(1))
        pipeline.sink("encode", lambda _: None, one, 2).put(1)
    assert cancelled == []


def test_leaving_the_body_early_stops_the_source() -> None:
    """A body that has seen enough does not wait for the rest of the source."""
    with Pipeline() as pipeline:
        for item in pipeline.source("decode", iter(int, 1), one, 2):
            assert item == 0
            break


def test_busy_time_leaves_waiting_out() -> None:
    """A stage that mostly waits for another is not called busy."""

    def slow() -> Iterator[int]:
        for i in range(4):
            time.sleep(0.05)
            yield i

    with Pipeline() as pipeline:
        items = pipeline.source("decode", slow(), one, 10)
        out = pipeline.sink("encode", lambda _: None, one, 10)
        for item in items:
            out.put(item)
    assert pipeline.busy["decode"] >= 0.2
    assert pipeline.busy["encode"] < 0.1
    assert items.waited_for_items >= 0.15


def test_frames_are_let_go_as_soon_as_they_are_done() -> None:
    """Neither a channel nor a thread keeps a finished item alive while it waits for the next."""

    class Frame:
        pass

    seen: list[weakref.ref[Frame]] = []
    go_on = threading.Event()

    def frames() -> Iterator[Frame]:
        yield Frame()
        go_on.wait(10)

    def note(frame: Frame) -> None:
        seen.append(weakref.ref(frame))

    with Pipeline() as pipeline:
        items = pipeline.source("decode", frames(), one, 10)
        out = pipeline.sink("encode", note, one, 10)
        for item in items:
            out.put(item)
            del item
            while not seen:
                time.sleep(0.001)
            time.sleep(0.05)
            alive = seen[0]()
            go_on.set()
            assert alive is None


def test_a_stopped_channel_refuses() -> None:
    """After the stop nothing is put and nothing taken."""
    stop = threading.Event()
    channel = Channel[int](10, one, threading.Condition(), stop)
    channel.put(1)
    stop.set()
    with pytest.raises(Stopped):
        channel.put(2)
    with pytest.raises(Stopped):
        next(iter(channel))


def test_many_short_runs_never_hang() -> None:
    """Two hundred pipelines in a row end, with failures at every position."""
    for position in range(200):

        def fails(item: int, position: int = position) -> None:
            if item == (position % 7) ** 2:
                raise ValueError(str(position % 7))

        with pytest.raises(ValueError, match=str(position % 7)):
            run(numbers(20), fails, limits=(1 + position % 3, 1 + position % 4))

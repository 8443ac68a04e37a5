"""Seconds of threads, and of a queue with a stand-in for its clock. No test here has a GPU."""

import threading
import time
from collections.abc import Sequence

import pytest
import torch

from vinr_cli.engine import device_clock
from vinr_cli.engine.device_clock import HostClock, QueueClock, clock_for
from vinr_cli.engine.renderer import PairRenderer
from vinr_cli.model.videoinr import Network


class Clock:
    """A queue whose times are known in advance."""

    def __init__(self, ticks: Sequence[float]) -> None:
        self._ticks = list(ticks)
        self.read = 0

    def tick(self) -> float:
        return self._ticks.pop(0)

    def seconds(self, first: float, last: float) -> float:
        self.read += 1
        return last - first


class Counter(Clock):
    """A queue in which every mark is a second after the one before."""

    def __init__(self) -> None:
        super().__init__(range(100_000))


def test_seconds_are_summed_by_name() -> None:
    """Each name has the sum of its blocks, and asking twice counts nothing twice."""
    clock = QueueClock(Clock([0, 3, 10, 11, 20, 25]))
    for name in ("frame", "pair", "frame"):
        with clock.timing(name):
            pass
    assert clock.seconds() == {"frame": 8, "pair": 1}
    assert clock.seconds() == {"frame": 8, "pair": 1}


def test_nothing_is_read_before_it_is_asked_for_or_old() -> None:
    """The host does not wait for marks that may not have passed."""
    ticks = Counter()
    clock = QueueClock(ticks)
    for _ in range(device_clock.PENDING):
        with clock.timing("render"):
            pass
    assert ticks.read == 0
    for _ in range(10):
        with clock.timing("render"):
            pass
    assert ticks.read == 10
    assert clock.seconds() == {"render": device_clock.PENDING + 10}


def test_work_that_fails_is_not_counted() -> None:
    """A block that raises leaves no half mark."""
    clock = QueueClock(Clock([0, 5, 7]))
    with pytest.raises(MemoryError), clock.timing("pair"):
        raise MemoryError
    with clock.timing("pair"):
        pass
    assert clock.seconds() == {"pair": 2}


def test_a_renderer_tells_the_queues_time(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three frames, three pairs and six instants: as many marks, in place of the host's seconds."""
    monkeypatch.setattr("vinr_cli.engine.renderer.clock_for", lambda _: QueueClock(Counter()))
    renderer = PairRenderer(network, (32, 40), (64, 80))
    assert renderer.spent() == {"frame": 0, "pair": 0, "render": 0}
    for _ in range(3):
        renderer.push(torch.rand(3, 32, 40))
        list(renderer.render_all((0, 0.5)))
    assert renderer.spent() == {"frame": 3, "pair": 3, "render": 6}


def test_threads_are_counted_together() -> None:
    """Two threads that work at the same time count twice; work that fails does not count."""
    clock = HostClock()

    def work(stage: str) -> None:
        with clock.timing(stage):
            time.sleep(0.02)

    threads = [threading.Thread(target=work, args=(stage,)) for stage in ("a", "a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(MemoryError), clock.timing("c"):
        raise MemoryError
    seconds = clock.seconds()
    assert seconds.keys() == {"a", "b"}
    assert seconds["a"] >= 0.04
    assert seconds["b"] >= 0.02


def test_only_a_device_with_a_queue_has_its_own_clock() -> None:
    """On a CPU it is the host's."""
    assert isinstance(clock_for(torch.device("cpu")), HostClock)
    assert isinstance(clock_for(torch.device("cuda", 0)), QueueClock)

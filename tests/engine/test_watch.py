"""A queue's seconds, with a stand-in for the device's clock. No test here has a GPU."""

from collections.abc import Sequence

import pytest
import torch

from vinr_cli.engine import watch as module
from vinr_cli.engine.infer import PairRenderer
from vinr_cli.engine.watch import QueueWatch, watch_for
from vinr_cli.model.videoinr import VideoINR


class Clock:
    """A queue whose time is told in advance."""

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
    watch = QueueWatch(Clock([0, 3, 10, 11, 20, 25]))
    for name in ("frame", "pair", "frame"):
        with watch.timing(name):
            pass
    assert watch.seconds() == {"frame": 8, "pair": 1}
    assert watch.seconds() == {"frame": 8, "pair": 1}


def test_nothing_is_read_before_it_is_asked_for_or_old() -> None:
    """The host does not wait for marks that may not have passed."""
    clock = Counter()
    watch = QueueWatch(clock)
    for _ in range(module.PENDING):
        with watch.timing("render"):
            pass
    assert clock.read == 0
    for _ in range(10):
        with watch.timing("render"):
            pass
    assert clock.read == 10
    assert watch.seconds() == {"render": module.PENDING + 10}


def test_work_that_fails_is_not_counted() -> None:
    """A block that raises leaves no half mark."""
    watch = QueueWatch(Clock([0, 5, 7]))
    with pytest.raises(MemoryError), watch.timing("pair"):
        raise MemoryError
    with watch.timing("pair"):
        pass
    assert watch.seconds() == {"pair": 2}


def test_a_renderer_tells_the_queues_time(
    network: VideoINR, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three frames, three pairs and six instants: as many marks, in place of the host's seconds."""
    monkeypatch.setattr("vinr_cli.engine.infer.watch_for", lambda _: QueueWatch(Counter()))
    renderer = PairRenderer(network, (32, 40), (64, 80))
    assert renderer.spent() == {"frame": 0, "pair": 0, "render": 0}
    for _ in range(3):
        renderer.push(torch.rand(3, 32, 40))
        list(renderer.render_all((0, 0.5)))
    assert renderer.spent() == {"frame": 3, "pair": 3, "render": 6}


def test_only_a_device_with_a_queue_is_watched() -> None:
    """On a CPU the host's clock tells."""
    assert watch_for(torch.device("cpu")) is None
    assert isinstance(watch_for(torch.device("cuda", 0)), QueueWatch)

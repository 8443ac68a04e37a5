"""How long the stages of a network's work take, on the host's clock or in a device's queue.

On a CPU the host does the work itself, in up to three threads. A device with a queue works later
than the host asks, so there the host's clock says little: marks go into the queue before and after
each piece of work, and are read when they are asked for, or when they are old and surely passed.
Tested with a stand-in; CUDA's events have not run on a GPU.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch

PENDING = 512
"""Marks that are kept unread; the oldest are read beyond that."""


class StageClock(Protocol):
    """Seconds of work by stage."""

    def timing(self, stage: str) -> AbstractContextManager[None]:
        """Count the work of a `with` block for a stage; nothing if it fails. From any thread."""

    def seconds(self) -> dict[str, float]:
        """All that was counted so far, by stage."""


class HostClock:
    """Wall time of the threads that work; blocks must not contain one another."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """See `StageClock.timing`."""
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        with self._lock:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + spent

    def seconds(self) -> dict[str, float]:
        """See `StageClock.seconds`."""
        with self._lock:
            return dict(self._seconds)


class Ticker(Protocol):
    """A clock in a device's queue."""

    def tick(self) -> Any:
        """A mark behind what was queued so far."""

    def seconds(self, first: Any, last: Any) -> float:
        """Seconds from one mark to another; waits for the last one."""


class CudaTicker:
    """CUDA events.

    Args:
        device: A CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def tick(self) -> torch.cuda.Event:
        """See `Ticker.tick`."""
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event

    def seconds(self, first: torch.cuda.Event, last: torch.cuda.Event) -> float:
        """See `Ticker.seconds`."""
        last.synchronize()
        return float(first.elapsed_time(last)) / 1e3


class QueueClock:
    """Seconds of a queue's work, from a single thread.

    Args:
        ticker: Of the device.
    """

    def __init__(self, ticker: Ticker) -> None:
        self._ticker = ticker
        self._marks: deque[tuple[str, Any, Any]] = deque()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Count what the `with` block queues, see `StageClock.timing`."""
        first = self._ticker.tick()
        yield
        self._marks.append((stage, first, self._ticker.tick()))
        while len(self._marks) > PENDING:
            self._read()

    def seconds(self) -> dict[str, float]:
        """See `StageClock.seconds`; waits until all of it is done."""
        while self._marks:
            self._read()
        return dict(self._seconds)

    def _read(self) -> None:
        stage, first, last = self._marks.popleft()
        spent = self._ticker.seconds(first, last)
        self._seconds[stage] = self._seconds.get(stage, 0.0) + spent


def clock_for(device: torch.device) -> StageClock:
    """The clock of a device that works behind a queue, else the host's."""
    return QueueClock(CudaTicker(device)) if device.type == "cuda" else HostClock()

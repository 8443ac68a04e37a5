"""How long a device's queue was busy with what: the host only queues, so its own clock says little.

Marks go into the queue before and after each piece of work, and are read when somebody asks, or
when they are old and surely passed. Tested with a stand-in; CUDA's events have not run on a GPU.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch

PENDING = 512
"""Marks that are kept unread; the oldest are read beyond that."""


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


class QueueWatch:
    """Seconds of a queue's work by name.

    Args:
        ticker: Of the device.
    """

    def __init__(self, ticker: Ticker) -> None:
        self._ticker = ticker
        self._marks: deque[tuple[str, Any, Any]] = deque()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Count what the `with` block queues; nothing if it fails."""
        first = self._ticker.tick()
        yield
        self._marks.append((name, first, self._ticker.tick()))
        while len(self._marks) > PENDING:
            self._read()

    def seconds(self) -> dict[str, float]:
        """All that was counted so far, by name; waits until it is done."""
        while self._marks:
            self._read()
        return dict(self._seconds)

    def _read(self) -> None:
        name, first, last = self._marks.popleft()
        spent = self._ticker.seconds(first, last)
        self._seconds[name] = self._seconds.get(name, 0.0) + spent


def watch_for(device: torch.device) -> QueueWatch | None:
    """A watch of a device that works behind a queue; None where the host's clock tells."""
    return QueueWatch(CudaTicker(device)) if device.type == "cuda" else None

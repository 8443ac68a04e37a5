"""Copies of frames between the host and the device, while the device works.

Code values cross the bus, 8 or 16 bits each, never floats: colours are converted and rounded on
the device (`color.convert` works on any). A CUDA device copies best from and to pinned memory, in
queues of their own: the next frames arrive and the last ones leave while the network works on
this one, and only the encoding thread waits, for the frame that it writes.

What a device's queues must be able to do is `Driver`; `CudaDriver` is PyTorch's streams and events.
The order of copies is tested with a driver that copies as late as a device could. `CudaDriver` has
not run on a GPU.
"""

import threading
import weakref
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

UPLOADS = 2
"""Pinned buffers on the way in: one is filled while the other is copied."""

ALIGNMENT = 64
"""Bytes at whose multiples planes begin in a buffer."""


class PendingDownload:
    """Planes on their way to the host.

    Attributes:
        planes: (h, w) each, uint8, or int16 and int32 for deeper ones, where 16 bits count as
            without a sign; in the host's memory. Not to be read before `wait`, nor after this
            object is gone.
    """

    def __init__(self, planes: Sequence[Tensor], finite: Tensor, arrival: "Mark | None") -> None:
        self.planes = tuple(planes)
        self._finite = finite
        self._arrival = arrival

    def wait(self) -> bool:
        """Wait until all is there; whether the colours were finite numbers. From any thread."""
        if self._arrival is not None:
            self._arrival.wait()
        return bool(self._finite)


class Mover(Protocol):
    """Carries frames to the device and back."""

    def upload(self, planes: Sequence[NDArray[Any]]) -> list[Tensor]:
        """Planes on the device.

        Args:
            planes: uint8, or uint16 and wider for deeper ones; may be changed afterwards.

        Returns:
            Tensors that `color.to_rgb` takes.
        """

    def download(self, planes: Sequence[Tensor], finite: Tensor) -> PendingDownload:
        """Planes on the host, some time later.

        Args:
            planes: From `color.from_rgb`, on the device; not changed afterwards.
            finite: A boolean beside them.
        """


def mover_for(device: torch.device) -> Mover:
    """The best way to and from a device."""
    return PinnedMover(CudaDriver(device)) if device.type == "cuda" else DirectMover(device)


class DirectMover:
    """Copies at once, and not at all where the device is the host.

    Args:
        device: Where frames go.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def upload(self, planes: Sequence[NDArray[Any]]) -> list[Tensor]:
        """See `Mover.upload`."""
        return [
            torch.from_numpy(p if p.dtype == np.uint8 else p.astype(np.int32)).to(self._device)
            for p in planes
        ]

    def download(self, planes: Sequence[Tensor], finite: Tensor) -> PendingDownload:
        """See `Mover.download`."""
        if self._device.type != "cpu":
            planes = [plane.cpu() for plane in planes]
        return PendingDownload(planes, finite, None)


# -- queues ----------------------------------------------------------------------------------------


class Mark(Protocol):
    """A place in a device's queue."""

    def wait(self) -> None:
        """Wait, on the host, until the device has come to it."""


class Lane(Protocol):
    """A queue of a device."""

    def mark(self) -> Mark:
        """The place behind all that was queued so far."""

    def follow(self, mark: Any) -> None:
        """What is queued from now on waits, on the device, for a mark of another queue."""


class Driver(Protocol):
    """A device with queues."""

    def lane(self) -> Lane:
        """A new queue."""

    def current(self) -> Lane:
        """The queue of the calling thread, which computes."""

    def pinned(self, size: int) -> Tensor:
        """Bytes of the host's memory that the device can copy from and to; uint8, (size,)."""

    def empty(self, size: int, lane: Any) -> Tensor:
        """Bytes of the device's memory for a queue; uint8, (size,)."""

    def copy(self, target: Tensor, source: Tensor, lane: Any) -> None:
        """Queue a copy."""

    def lend(self, tensor: Tensor, lane: Any) -> None:
        """Keep a tensor's memory, when it is forgotten, until the queue has come to here."""


class CudaLane:
    """A CUDA stream.

    Args:
        stream: PyTorch's.
    """

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self.stream = stream

    def mark(self) -> "CudaMark":
        """See `Lane.mark`."""
        return CudaMark(self.stream.record_event())

    def follow(self, mark: "CudaMark") -> None:
        """See `Lane.follow`."""
        self.stream.wait_event(mark.event)


class CudaMark:
    """A CUDA event.

    Args:
        event: PyTorch's.
    """

    def __init__(self, event: torch.cuda.Event) -> None:
        self.event = event

    def wait(self) -> None:
        """See `Mark.wait`."""
        self.event.synchronize()


class CudaDriver:
    """CUDA streams, events and pinned memory through PyTorch; not run on a GPU yet.

    Args:
        device: A CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def lane(self) -> CudaLane:
        """See `Driver.lane`."""
        return CudaLane(torch.cuda.Stream(self.device))  # type: ignore[no-untyped-call]

    def current(self) -> CudaLane:
        """See `Driver.current`."""
        return CudaLane(torch.cuda.current_stream(self.device))

    def pinned(self, size: int) -> Tensor:
        """See `Driver.pinned`."""
        return torch.empty(size, dtype=torch.uint8, pin_memory=True)

    def empty(self, size: int, lane: CudaLane) -> Tensor:
        """See `Driver.empty`."""
        with torch.cuda.stream(lane.stream):
            return torch.empty(size, dtype=torch.uint8, device=self.device)

    def copy(self, target: Tensor, source: Tensor, lane: CudaLane) -> None:
        """See `Driver.copy`."""
        with torch.cuda.stream(lane.stream):
            target.copy_(source, non_blocking=True)

    def lend(self, tensor: Tensor, lane: CudaLane) -> None:
        """See `Driver.lend`."""
        tensor.record_stream(lane.stream)


class PinnedMover:
    """Copies through pinned buffers, in a queue for each direction.

    A frame goes up in one copy. On the way down there are as many buffers as frames wait for the
    encoder, which the pipeline's queue bounds; a buffer comes back when its `PendingDownload` is
    forgotten.

    Args:
        driver: Of the device.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._up, self._down = driver.lane(), driver.lane()
        self._filling: list[tuple[Tensor, Mark] | None] = [None] * UPLOADS
        self._turn = 0
        self._empty: list[Tensor] = []
        self._lock = threading.RLock()  # downloads are forgotten at any place, in any thread

    @torch.inference_mode()
    def upload(self, planes: Sequence[NDArray[Any]]) -> list[Tensor]:
        """See `Mover.upload`."""
        codes = [_codes(plane) for plane in planes]
        starts, size = _places(codes)
        buffer = self._buffer_up(size)
        for code, start in zip(codes, starts, strict=True):
            _part(buffer, code, start).copy_(code)
        there = self._driver.empty(size, self._up)
        self._driver.copy(there, buffer[:size], self._up)
        arrival = self._up.mark()
        self._filling[self._turn] = buffer, arrival
        self._turn = (self._turn + 1) % UPLOADS
        computing = self._driver.current()
        computing.follow(arrival)
        self._driver.lend(there, computing)
        return [_part(there, code, start) for code, start in zip(codes, starts, strict=True)]

    def _buffer_up(self, size: int) -> Tensor:
        """The buffer whose turn it is, large enough, once its last copy is done."""
        last = self._filling[self._turn]
        if last is not None:
            last[1].wait()
            if len(last[0]) >= size:
                return last[0]
        return self._driver.pinned(size)

    @torch.inference_mode()
    def download(self, planes: Sequence[Tensor], finite: Tensor) -> PendingDownload:
        """See `Mover.download`."""
        codes = [plane.to(torch.int16) if plane.dtype == torch.int32 else plane for plane in planes]
        sent = [*codes, finite.reshape(1, 1)]
        starts, size = _places(sent)
        buffer = self._buffer_down(size)
        self._down.follow(self._driver.current().mark())
        here = [_part(buffer, tensor, start) for tensor, start in zip(sent, starts, strict=True)]
        for target, tensor in zip(here, sent, strict=True):
            self._driver.copy(target, tensor, self._down)
            self._driver.lend(tensor, self._down)
        arrival = self._down.mark()
        download = PendingDownload(here[:-1], here[-1], arrival)
        # Where a download is forgotten unread, the buffer is still being written: wait there, too.
        weakref.finalize(download, self._take_back, buffer, arrival).atexit = False
        return download

    def _buffer_down(self, size: int) -> Tensor:
        """A buffer that is free, large enough."""
        with self._lock:
            for i, buffer in enumerate(self._empty):
                if len(buffer) >= size:
                    return self._empty.pop(i)
            self._empty.clear()  # of smaller frames
        return self._driver.pinned(size)

    def _take_back(self, buffer: Tensor, arrival: Mark) -> None:
        arrival.wait()
        with self._lock:
            self._empty.append(buffer)


def _codes(plane: NDArray[Any]) -> Tensor:
    """A plane as it crosses the bus: uint8, or int16 whose bits are those of uint16."""
    if plane.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(plane))
    return torch.from_numpy(np.ascontiguousarray(plane, dtype=np.uint16).view(np.int16))


def _places(tensors: Sequence[Tensor]) -> tuple[list[int], int]:
    """Where tensors begin in a buffer, in bytes, and how many bytes they take."""
    starts, size = [], 0
    for tensor in tensors:
        starts.append(size)
        size += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
    return starts, size


def _part(buffer: Tensor, like: Tensor, start: int) -> Tensor:
    """The bytes from `start` on as a tensor of another's shape and type."""
    return buffer[start : start + like.nbytes].view(like.dtype).view(like.shape)

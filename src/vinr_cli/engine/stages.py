"""The thread law, written once: how stages run side by side and how they end.

The job's own thread does the computing; a source thread feeds it and a sink thread empties it.

::

    source thread ── Channel ── the body of `with Pipeline()` ── Channel ── sink thread

- A channel is bounded in bytes, so a fast stage waits for a slow one and memory does not grow.
- A stage that ends closes its channel, whatever the reason (sentinel in `finally`).
- A stage that fails keeps its exception and stops the others; nobody waits for the dead.
- On the way out channels are drained and threads joined; none is ever abandoned. Then the first
  exception is raised again, in the job's own thread.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.5
"""How often a waiting thread looks up; signals reach the main thread on every system this way."""


class Stopped(Exception):  # noqa: N818 - a request, not an error
    """The pipeline is stopping: nothing more is taken or given."""


class Channel(Iterator[T]):
    """A queue between two threads, bounded in bytes.

    At least one item always fits, however large, so no limit can block for ever.

    Args:
        limit: Bytes that may wait in it.
        size: Bytes of an item.
        changed: The pipeline's condition, shared by all its channels.
        stop: Set when the pipeline is stopping.

    Attributes:
        waited_for_room: Seconds that the giving side has waited.
        waited_for_items: Seconds that the taking side has waited.
        peak: Most bytes that ever waited in it.
    """

    def __init__(
        self,
        limit: int,
        size: Callable[[T], int],
        changed: threading.Condition,
        stop: threading.Event,
    ) -> None:
        self._limit = limit
        self._size = size
        self._changed = changed
        self._stop = stop
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._closed = False
        self.waited_for_room = 0.0
        self.waited_for_items = 0.0
        self.peak = 0

    def put(self, item: T) -> None:
        """Append an item, when there is room.

        Raises:
            Stopped: the pipeline is stopping.
        """
        size = self._size(item)
        with self._changed:
            start = time.perf_counter()
            while self._items and self._bytes + size > self._limit and not self._stop.is_set():
                self._changed.wait(POLL_SECONDS)
            self.waited_for_room += time.perf_counter() - start
            if self._stop.is_set():
                raise Stopped
            self._items.append((item, size))
            self._bytes += size
            self.peak = max(self.peak, self._bytes)
            self._changed.notify_all()

    def close(self) -> None:
        """The sentinel: nothing more will be put. May be called again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def drain(self) -> None:
        """Forget what waits."""
        with self._changed:
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Items until the channel is closed and empty."""
        return self

    def poll(self) -> T | None:
        """The next item if one is there already, else None; nobody waits.

        Raises:
            Stopped: the pipeline is stopping.
        """
        with self._changed:
            if self._stop.is_set():
                raise Stopped
            return self._pop() if self._items else None

    def __next__(self) -> T:
        """The next item, when there is one; no generator, which would keep the item alive.

        Raises:
            Stopped: the pipeline is stopping.
            StopIteration: the channel is closed and empty.
        """
        with self._changed:
            start = time.perf_counter()
            while not (self._items or self._closed or self._stop.is_set()):
                self._changed.wait(POLL_SECONDS)
            self.waited_for_items += time.perf_counter() - start
            if self._stop.is_set():
                raise Stopped
            if not self._items:
                raise StopIteration
            return self._pop()

    def _pop(self) -> T:
        """Take the oldest item; the condition is held, and there is one."""
        item, size = self._items.popleft()
        self._bytes -= size
        self._changed.notify_all()
        return item


class _Worker:
    """A thread that keeps its exception.

    Attributes:
        busy: Seconds spent in the stage's own work, waiting excluded.
    """

    def __init__(
        self,
        name: str,
        channel: Channel[Any],
        run: Callable[["_Worker"], None],
        stop: threading.Event,
    ) -> None:
        self.name = name
        self.channel = channel
        self._stop = stop
        self.busy = 0.0
        self.error: BaseException | None = None
        self._run = run
        self.thread = threading.Thread(target=self._guarded, name=f"vinr-{name}", daemon=True)

    def _guarded(self) -> None:
        try:
            self._run(self)
        except Stopped:
            pass
        except BaseException as error:  # carried to the job's own thread
            self.error = error
        finally:
            if self.error is not None:
                self._stop.set()
            self.channel.close()

    def join(self) -> None:
        while self.thread.is_alive():
            self.thread.join(POLL_SECONDS)


class Pipeline:
    """Threads around the body of a `with` statement.

    Leaving the body normally closes the sinks and waits until they have taken everything. Leaving
    it by any exception, KeyboardInterrupt included, stops all threads. An exception of a thread is
    raised where the body ends.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._workers: list[_Worker] = []
        self._sinks: list[_Worker] = []
        self._cancels: list[Callable[[], None]] = []

    def source(
        self, name: str, items: Iterable[T], size: Callable[[T], int], limit: int
    ) -> Channel[T]:
        """Start a thread that iterates over `items`.

        Args:
            name: Of the stage, for `busy` and the thread.
            items: Iterated in the thread, once.
            size: Bytes of an item.
            limit: Bytes that may wait.

        Returns:
            The channel to take the items from.
        """
        channel = Channel[T](limit, size, self._changed, self._stop)

        def run(worker: _Worker) -> None:
            iterator = iter(items)
            while True:
                start = time.perf_counter()
                try:
                    item = next(iterator)
                except StopIteration:
                    return
                finally:
                    worker.busy += time.perf_counter() - start
                channel.put(item)
                del item

        self._start(_Worker(name, channel, run, self._stop))
        return channel

    def sink(
        self, name: str, take: Callable[[T], None], size: Callable[[T], int], limit: int
    ) -> Channel[T]:
        """Start a thread that calls `take` for every item put into the channel.

        Args:
            name: Of the stage, for `busy` and the thread.
            take: Called in the thread, in order.
            size: Bytes of an item.
            limit: Bytes that may wait.

        Returns:
            The channel to put the items into.
        """
        channel = Channel[T](limit, size, self._changed, self._stop)

        def run(worker: _Worker) -> None:
            for item in channel:
                start = time.perf_counter()
                take(item)
                worker.busy += time.perf_counter() - start
                del item

        worker = _Worker(name, channel, run, self._stop)
        self._sinks.append(worker)
        self._start(worker)
        return channel

    def on_cancel(self, action: Callable[[], None]) -> None:
        """Call `action` before threads are joined on failure, to free one that is blocked.

        For example the encoder is killed, so that a write into its full pipe returns.
        """
        self._cancels.append(action)

    @property
    def busy(self) -> dict[str, float]:
        """Seconds of work of each thread so far, waiting excluded."""
        return {worker.name: worker.busy for worker in self._workers}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
        except BaseException as interrupt:
            self._shut_down(interrupt)
            raise
        else:
            self._shut_down(error)
        carried = next((w.error for w in self._workers if w.error is not None), None)
        if carried is not None and (error is None or isinstance(error, Stopped)):
            raise carried

    def _start(self, worker: _Worker) -> None:
        self._workers.append(worker)
        worker.thread.start()

    def _finish(self) -> None:
        """Let the sinks take everything; a source that the body left early is told to stop."""
        for worker in self._sinks:
            worker.channel.close()
        for worker in self._sinks:
            worker.join()

    def _shut_down(self, error: BaseException | None) -> None:
        """Stop, drain and join; after a normal end nothing is left to stop."""
        failed = error is not None or any(w.error is not None for w in self._workers)
        self._stop.set()
        if failed:
            for action in self._cancels:
                action()
        for worker in self._workers:
            worker.channel.drain()
        for worker in self._workers:
            worker.join()

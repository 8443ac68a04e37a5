"""Two threads that compute what will be asked for next, while this is rendered.

A pair's features are many small steps that hardly profit from more threads, and its rendering
does: side by side they fill a processor that neither fills alone. One thread encodes frames, one
searches the motion of a pair and paints its canvases; what is ready is taken in order, so nothing
else changes. Two pairs may wait: rendering and search take turns in being the slower one, and with
a single place either would stand still in the other's long steps. Each of the two threads has its
own number of OpenMP threads, so that together they do not outnumber the cores.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

import torch

K = TypeVar("K")
V = TypeVar("V")

REMEMBERED = 4
"""Frames whose encoding is remembered until it is taken."""

PAIRS = 2
"""Pairs that may be computed and not yet taken."""


class Worker:
    """One thread with its own number of OpenMP threads.

    Args:
        name: Of the thread.
        threads: OpenMP threads that its work may use.
    """

    def __init__(self, name: str, threads: int) -> None:
        # PyTorch takes the number for threads that begin later, too: the caller's is set again. A
        # thread takes that one over at its first use of PyTorch, so this one uses it before.
        before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(1, name)
        self._pool.submit(torch.get_num_threads).result()
        self._pool.submit(torch.set_num_threads, threads).result()
        torch.set_num_threads(before)

    def submit(self, work: Callable[[], V]) -> Future[V]:
        """Do something after what was submitted before."""
        return self._pool.submit(_without_gradients, work)

    def close(self) -> None:
        """Forget what has not begun, and wait for what has."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _without_gradients(work: Callable[[], V]) -> V:
    with torch.inference_mode():
        return work()


class Ahead(Generic[K, V]):
    """What is being computed before it is asked for: pairs, and frames.

    Keys are compared with `==`; frames are recognised by identity.

    Args:
        threads: Of the whole program; a quarter encodes frames, and as many search motion.
    """

    def __init__(self, threads: int) -> None:
        self._encoder = Worker("vinr-frame", max(1, threads // 4))
        self._searcher = Worker("vinr-pair", max(1, threads // 4))
        self._pairs: deque[tuple[K, Future[V]]] = deque()
        self._frames: deque[tuple[torch.Tensor, Future[object]]] = deque(maxlen=REMEMBERED)
        self._lock = threading.Lock()

    def begin_frame(self, frame: torch.Tensor, encode: Callable[[], object]) -> None:
        """Encode a frame, unless that has begun."""
        with self._lock:
            if any(known is frame for known, _ in self._frames):
                return
            self._frames.append((frame, self._encoder.submit(encode)))

    def frame(self, frame: torch.Tensor) -> object | None:
        """A frame's encoding, waited for and then forgotten; None if it was not begun.

        Raises:
            Exception: what the encoding raised.
        """
        with self._lock:
            found = next((item for item in self._frames if item[0] is frame), None)
            if found is None:
                return None
            self._frames = deque((f for f in self._frames if f is not found), maxlen=REMEMBERED)
        return found[1].result()

    def begin_pair(self, key: K, prepare: Callable[[], V]) -> None:
        """Prepare a pair after those before it, unless `PAIRS` wait to be taken."""
        if len(self._pairs) < PAIRS:
            self._pairs.append((key, self._searcher.submit(prepare)))

    def begun(self, key: K) -> bool:
        """Whether a pair was begun and waits to be taken."""
        return any(known == key for known, _ in self._pairs)

    def pair(self, key: K) -> V | None:
        """The pair that was begun first, waited for.

        None if it is another one than asked for: then all that were begun are forgotten, and none
        of them is at work any more.

        Raises:
            Exception: what the preparation raised.
        """
        if self._pairs and self._pairs[0][0] == key:
            return self._pairs.popleft()[1].result()
        wait([future for _, future in self._pairs if not future.cancel()])
        self._pairs.clear()
        return None

    def close(self) -> None:
        """Wait for what has begun; nothing of it is kept."""
        self._searcher.close()
        self._encoder.close()
        self._pairs.clear()
        self._frames.clear()

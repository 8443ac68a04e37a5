"""Threads that divide a picture's bands among them, on a CPU.

A band is small, so that it stays in the cache, and several OpenMP threads would spend more time on
meeting each other after each of its operations than on the work. Here every band has one thread.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

import torch


def divide(
    work: Callable[[int, int], None], parts: Sequence[tuple[int, int]], device: torch.device
) -> None:
    """Call work(*part) for every part: on a CPU by as many threads as PyTorch has.

    Several parts must not depend on each other, and get no gradients.

    Args:
        work: Told where a part begins and ends.
        parts: In order.
        device: Where the work is done.

    Raises:
        Exception: what a part raised; others may then be left out.
    """
    count = torch.get_num_threads()
    if count == 1 or len(parts) == 1 or device.type != "cpu":
        for part in parts:
            work(*part)
        return

    def one(part: tuple[int, int]) -> None:
        with torch.inference_mode():
            work(*part)

    for _ in _crew(count).map(one, parts):
        pass


@cache
def _crew(count: int) -> ThreadPoolExecutor:
    """That many threads, with one OpenMP thread each."""
    pool = ThreadPoolExecutor(count, "vinr-band")
    before, together = torch.get_num_threads(), threading.Barrier(count)

    def settle() -> None:
        # PyTorch takes a number that a thread sets for threads that begin later, too, and a thread
        # takes that one over at its first use of PyTorch: so that one comes before.
        torch.get_num_threads()
        together.wait()
        torch.set_num_threads(1)

    wait([pool.submit(settle) for _ in range(count)])
    torch.set_num_threads(before)
    return pool


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_crew.cache_clear)

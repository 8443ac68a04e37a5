"""How much memory there is, what a pair of frames costs, and what an out-of-memory looks like."""

import ctypes
import gc
import os
import sys
from contextlib import suppress
from pathlib import Path

import torch

SHARE = {"cuda": 0.85, "mps": 0.6, "cpu": 0.5}
"""Share of the free memory that one pair may use. On a CPU the encoder and the page cache live in
the same memory."""

WORKSPACE = {"cuda": 1 << 30}
"""Bytes that do not grow with the frame: workspaces of the libraries, bands of pixels that are
rendered together, frames on their way. On a CPU they are part of the measured bytes a pixel."""

UNKNOWN_FREE = 2 << 30
"""Bytes taken for free where the system does not say."""

_KEEPING = (
    (-4, 0),  # M_MMAP_MAX: no mapping of its own for a large block
    (-1, 2**31 - 1),  # M_TRIM_THRESHOLD: give nothing back
    (-2, 64 << 20),  # M_TOP_PAD: grow in large steps
    (-8, 1),  # M_ARENA_MAX: threads share one heap, since another's may hold no large block
)
"""mallopt's options (mallopt(3), malloc.h) and their values where there is room."""

_SPARING = (
    (-4, 1 << 16),  # M_MMAP_MAX: a large block has a mapping of its own, which ends with it
    (-3, 1 << 20),  # M_MMAP_THRESHOLD: large is from here on
    (-1, 1 << 17),  # M_TRIM_THRESHOLD
    (-2, 0),  # M_TOP_PAD: grow by what is asked for
)
"""The same options once memory has run out: but for M_MMAP_THRESHOLD they are glibc's own."""

_MEMINFO = Path("/proc/meminfo")
_STATM = Path("/proc/self/statm")
_CGROUPS = (  # (limit, use) of the container that we may live in: version 2, then version 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def budget_of(device: torch.device, limit: int | None) -> int:
    """Bytes that one pair may use.

    Args:
        device: Where the network runs.
        limit: What the user allows; None takes a share of what is free now.
    """
    if limit is not None:
        return limit
    share = int(free_bytes(device) * SHARE[device.type])
    return max(0, share - WORKSPACE.get(device.type, 0))


def free_bytes(device: torch.device) -> int:
    """Memory of a device that could be allocated now, in bytes.

    On CUDA it is what the driver calls free and what PyTorch has cached and does not use. (Tested
    with a fake; not run on a GPU.) On a CPU it is what Linux calls available, or the rest of the
    container's or of the process's limit (`ulimit -v`) if that is less; systems that do not say
    count as `UNKNOWN_FREE`.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + cached)
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    sizes = (_available(), _container_rest(), _process_rest())
    known = [size for size in sizes if size is not None]
    return min(known, default=UNKNOWN_FREE)


def _available() -> int | None:
    """Bytes that the system says are available."""
    try:
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "win32":
        return None
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _container_rest() -> int | None:
    """Bytes left under the container's limit; None if there is no limit."""
    for limit, use in _CGROUPS:
        try:
            return max(0, int(Path(limit).read_text()) - int(Path(use).read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return None


def _process_rest() -> int | None:
    """Bytes that the process may still map (Linux); None if there is no limit."""
    if sys.platform != "linux":
        return None
    import resource  # noqa: PLC0415 - Unix only

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        mapped = int(_STATM.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
    return max(0, limit - mapped)


_SHORTAGE = (
    "out of memory",
    "can't allocate",
    "not enough memory",
    "bad_alloc",
    # oneDNN's convolutions give no reason, and the network makes the same ones for every tile
    "could not create a primitive",
    "could not execute a primitive",
    "could not create a memory",
)
"""What messages say, in lower case, where memory ran out."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on any device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _SHORTAGE)


def release(device: torch.device) -> None:
    """Give cached blocks back, so that smaller tiles find contiguous memory.

    Errors whose tracebacks hold tensors may be part of cycles, which are searched for first. On a
    CPU it is what `keep_freed_memory` kept that is given back, and nothing is kept any more: blocks
    that live on cut the heap into pieces too small for the next tensor (of 540 MB of address space
    in the heap 400 MB were free, and still there was no room), and the C library cannot unmap a
    piece in the middle. From now on each large block is mapped for itself. oneDNN's code and
    threads' stacks cannot be taken from the heap either.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif _set_malloc(_SPARING):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def keep_freed_memory() -> bool:
    """Have the C library keep freed memory for the next frame.

    By default glibc maps every large tensor afresh and unmaps it after use, and the kernel clears
    its pages each time: at 1080p that takes as long as the arithmetic. Kept memory halves the time
    of a 1080p pair on four cores (6.9 s to 3.3 s) and costs a fifth more at the peak. Threads have
    heaps of 64 MB each by default, so what one of them prepares would still be mapped: with one
    heap for all, ten frames of 1440x2560 took 3.6 instead of 5.6 GB and 0.9 instead of 3.9 million
    page faults. For the whole process, from its next threads on and until `release`; on other C
    libraries nothing happens.

    Returns:
        Whether it took effect.
    """
    return _set_malloc(_KEEPING)


def _set_malloc(options: tuple[tuple[int, int], ...]) -> bool:
    """Set options of glibc's malloc; False where there is another C library."""
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    return all([mallopt(option, value) for option, value in options])

"""How fast a network is without video, and what it runs on.

Written for CUDA devices too, where their queue is emptied around every measurement; that has not
been run on one.
"""

import os
import platform
import sys
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from vinr_cli.engine.renderer import PairRenderer
from vinr_cli.model.compact.triton_render import usable
from vinr_cli.model.config import CompactConfig
from vinr_cli.model.videoinr import Network
from vinr_cli.native.library import kernels

TIMES = (0.3, 0.5, 0.7)
"""Instants rendered of every pair."""


@dataclass(frozen=True)
class NetworkTimes:
    """Seconds on random frames.

    Attributes:
        pair: To encode a frame and its pair, and to prepare the grid.
        instant: To render one instant of a prepared pair.
    """

    pair: float
    instant: float

    def rate(self, per_pair: float) -> float:
        """Output frames a second at this many frames a pair."""
        return per_pair / (self.pair + per_pair * self.instant)


def measure_network(
    model: Network, lr: tuple[int, int], hr: tuple[int, int], *, pairs: int,
    autocast: torch.dtype | None = None,
) -> NetworkTimes:  # fmt: skip
    """Means over several pairs, after one that is not counted.

    Args:
        model: In evaluation mode, on its device.
        lr: (height, width) of the frames.
        hr: (height, width) of the output.
        pairs: How many are counted.
        autocast: As for `PairRenderer`.
    """
    renderer = PairRenderer(model, lr, hr, autocast=autocast)
    frames = [torch.rand(3, *lr, device=renderer.device) for _ in range(pairs + 2)]
    renderer.push(frames[0])
    renderer.push(frames[1])
    renderer.render(TIMES[0])
    encoding = instants = 0.0
    for frame in frames[2:]:
        renderer.push(frame)
        first, *rest = (_timed(renderer, t) for t in TIMES)
        instant = sum(rest) / len(rest)
        encoding += max(first - instant, 0.0)
        instants += instant
    return NetworkTimes(encoding / pairs, instants / pairs)


def _timed(renderer: PairRenderer, t: float) -> float:
    """Seconds of one instant, with all that it asks for."""
    _finish(renderer.device)
    start = time.perf_counter()
    out: Tensor = renderer.render(t)
    _finish(renderer.device)
    del out
    return time.perf_counter() - start


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def renders_with(model: Network, device: torch.device) -> str:
    """Which code renders: the native kernels' build, Triton's kernel, or PyTorch."""
    found = kernels() if device.type == "cpu" else None
    if found is not None:
        return f"native {found.name}"
    if not isinstance(model.config, CompactConfig):
        return "pytorch"
    with torch.inference_mode():
        return "triton" if usable(model.config, device) else "pytorch"


def peak_bytes(device: torch.device) -> int | None:
    """Most memory held so far: of the device if it has its own, else of the process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - Unix only

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def surroundings(device: torch.device) -> dict[str, str]:
    """What a figure depends on apart from the program: device, threads and versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "device": f"{device} ({name})",
        "threads": str(torch.get_num_threads()),
        "processors": str(processors()),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def processors() -> int:
    """How many the process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_seconds() -> float:
    """What the process and its ended children have used so far (children: not on Windows)."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _processor() -> str:
    """The processor's name, as far as the system says."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()

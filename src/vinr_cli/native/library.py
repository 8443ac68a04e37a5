"""The compiled kernels: found, checked, and called through `ctypes`.

Structures and functions are those of `kernels.hpp` and `dispatch.cpp`. ``VINR_NATIVE=0`` in the
environment turns the kernels off; ``VINR_NATIVE=avx2`` (or avx512, baseline) asks for one build of
them. A call takes as many threads as PyTorch would and holds no lock of the interpreter.
"""

import ctypes
import os
from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_int32, c_int64
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

LIBRARY = Path(__file__).with_name("libvinr_kernels.so")
SWITCH = "VINR_NATIVE"
ABI = 1
LANE = 16
"""Floats of a pixel of motion (kernels.hpp: kLane)."""

WIDEST = 64
"""Hidden channels at most (kernels.hpp: kWidest)."""

TAPS = 6
"""Taps of the cubic (kernels.hpp: kTaps)."""

Floats = POINTER(c_float)
Ints = POINTER(c_int32)


class Layer(Structure):
    """A 1x1 layer."""

    _fields_ = (("weight", Floats), ("bias", Floats), ("inputs", c_int32), ("outputs", c_int32))

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor) -> "Layer":
        """From a contiguous weight (outputs, inputs, ...) and a bias, both float32."""
        return cls(floats(weight), floats(bias), weight[0].numel(), weight.shape[0])


class TimeJob(Structure):
    """The time INR on all LR pixels."""

    _fields_ = (
        ("state", Floats),
        ("motion", Floats),
        ("shift", Floats),
        ("middle", Layer),
        ("last", Layer),
        ("t", c_float),
        ("pixels", c_int64),
        ("out", Floats),
    )


class RenderJob(Structure):
    """The decoder on a grid."""

    _fields_ = (
        ("canvas", Floats * 2),
        ("motion", Floats),
        ("rows", Floats),
        ("cols", Floats),
        ("shift", Floats),
        ("first", Layer),
        ("middle", Layer),
        ("last", Layer),
        ("lr_height", c_int32),
        ("lr_width", c_int32),
        ("factor_y", c_int32),
        ("factor_x", c_int32),
        ("channels", c_int32),
        ("features", c_int32),
        ("height", c_int32),
        ("width", c_int32),
        ("t", c_float),
        ("log_first", c_float),
        ("log_second", c_float),
        ("still_logit", c_float),
        ("out", Floats),
    )


class EnlargeJob(Structure):
    """The bicubic enlargement added to a canvas."""

    _fields_ = (
        ("frame", Floats),
        ("canvas", Floats),
        ("row_start", Ints),
        ("row_weight", Floats),
        ("col_start", Ints),
        ("col_weight", Floats),
        ("lr_height", c_int32),
        ("lr_width", c_int32),
        ("factor_y", c_int32),
        ("factor_x", c_int32),
        ("channels", c_int32),
    )


@dataclass(frozen=True)
class Kernels:
    """The library and the build of the kernels that is used.

    Attributes:
        name: avx512, avx2 or baseline.
    """

    name: str
    _index: int
    _library: ctypes.CDLL

    def time(self, job: TimeJob) -> None:
        """Run the time INR.

        Raises:
            MemoryError: no memory for the threads' scratch.
        """
        self._call("vinr_time", job)

    def render(self, job: RenderJob) -> None:
        """Run the decoder.

        Raises:
            MemoryError: no memory for the threads' scratch.
        """
        self._call("vinr_render", job)

    def enlarge(self, job: EnlargeJob) -> None:
        """Add a bicubic enlargement.

        Raises:
            MemoryError: no memory for the threads' scratch.
        """
        self._call("vinr_enlarge", job)

    def _call(self, name: str, job: Structure) -> None:
        if getattr(self._library, name)(ctypes.byref(job), self._index, torch.get_num_threads()):
            raise MemoryError(f"{name}: out of memory")


def kernels() -> Kernels | None:
    """The kernels, or None where they are absent or turned off."""
    return _choose(os.environ.get(SWITCH, ""))


@cache
def _choose(wish: str) -> Kernels | None:
    """The best build that runs here, or the one wished for; None if there is none."""
    if wish == "0":
        return None
    library = _open()
    if library is None:
        return None
    for index in range(3):
        name = library.vinr_build(index)
        if name is not None and wish in ("", "1", name.decode()):
            return Kernels(name.decode(), index, library)
    return None


def _open() -> ctypes.CDLL | None:
    """The library, if it is there, loads, and is of this version."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
        library.vinr_abi.restype = c_int
        if library.vinr_abi() != ABI:
            return None
    except (OSError, AttributeError):  # absent, of another system, or another library
        return None
    library.vinr_build.restype = c_char_p
    library.vinr_build.argtypes = [c_int]
    jobs: tuple[tuple[str, type[Structure]], ...] = (
        ("vinr_time", TimeJob),
        ("vinr_render", RenderJob),
        ("vinr_enlarge", EnlargeJob),
    )
    for name, job in jobs:
        function = getattr(library, name)
        function.restype = c_int
        function.argtypes = [POINTER(job), c_int, c_int]
    return library


def floats(x: Tensor) -> "ctypes._Pointer[c_float]":
    """A tensor's memory; the caller keeps the tensor.

    Raises:
        ValueError: not contiguous float32 on the CPU.
    """
    if x.dtype != torch.float32 or x.device.type != "cpu" or not x.is_contiguous():
        raise ValueError(f"expected contiguous float32 on the CPU, got {x.dtype} on {x.device}")
    return ctypes.cast(x.data_ptr(), Floats)


def ints(x: Tensor) -> "ctypes._Pointer[c_int32]":
    """As `floats`, for int32."""
    if x.dtype != torch.int32 or x.device.type != "cpu" or not x.is_contiguous():
        raise ValueError(f"expected contiguous int32 on the CPU, got {x.dtype} on {x.device}")
    return ctypes.cast(x.data_ptr(), Ints)

"""The compiled kernels: found, checked, and called through `ctypes`.

Structures and functions are those of `kernels.hpp` and `dispatch.cpp`. ``VINR_NATIVE=0`` in the
environment turns the kernels off; ``VINR_NATIVE=avx2`` (or avx512, baseline) asks for one build of
them. A call takes as many threads as PyTorch would and holds no lock of the interpreter.
"""

import ctypes
import math
import os
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_int32, c_int64
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from vinr_cli.native.presence import LIBRARY as LIBRARY  # noqa: PLC0414 - part of this
from vinr_cli.native.presence import OFF
from vinr_cli.native.presence import SWITCH as SWITCH  # noqa: PLC0414 - and this, too

ABI = 2
LANE = 16
"""Floats of a pixel of motion (kernels.hpp: kLane)."""

WIDEST = 64
"""Hidden channels at most (kernels.hpp: kWidest)."""

TAPS = 6
"""Taps of the cubic (kernels.hpp: kTaps)."""

BROADEST = 256
"""Channels of a sine layer at most (kernels.hpp: kBroadest)."""

ALIGNMENT = 16
"""Floats of a cache line."""

DEEPEST = 4
"""Layers of a sine network after its first (kernels.hpp: kDeepest)."""

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


class SineNet(Structure):
    """A sine network after its first layer's sum."""

    _fields_ = (("layers", Layer * DEEPEST), ("count", c_int32), ("width", c_int32))

    @classmethod
    def of(cls, layers: Sequence[tuple[Tensor, Tensor]]) -> "SineNet":
        """From the (weight, bias) of the layers after the first."""
        made = (Layer * DEEPEST)(*(Layer.of(*layer) for layer in layers))
        return cls(made, len(layers), layers[0][0].shape[1])


class Lattice(Structure):
    """A bordered table read at the output pixels' own places; all zeros where there is none."""

    _fields_ = (
        ("table", Floats),
        ("rows", Ints),
        ("row_share", Floats),
        ("cols", Ints),
        ("col_share", Floats),
        ("line", c_int32),
        ("channels", c_int32),
    )


class FieldJob(Structure):
    """The space and the time INR on a grid."""

    _fields_ = (
        ("space", Floats),
        ("lines", Ints),
        ("columns", Ints),
        ("down", Floats),
        ("right", Floats),
        ("space_net", SineNet),
        ("features", Lattice),
        ("frames", Lattice),
        ("first", Layer),
        ("motion_net", SineNet),
        ("held_columns", c_int32),
        ("height", c_int32),
        ("width", c_int32),
        ("out_line", c_int32),
        ("out", Floats),
        ("flow", Floats),
    )


class Table(Structure):
    """A bordered table read anywhere; all zeros where there is none."""

    _fields_ = (
        ("data", Floats),
        ("scale", c_float * 2),
        ("shift", c_float * 2),
        ("least", c_float * 2),
        ("most", c_float * 2),
        ("line", c_int32),
        ("channels", c_int32),
    )


class PaintJob(Structure):
    """The published decoder at the ends of two flows."""

    _fields_ = (
        ("where", Floats),
        ("hr", Table),
        ("features", Table),
        ("second", c_int64),
        ("frames", Table),
        ("first", Layer),
        ("net", SineNet),
        ("pixels", c_int64),
        ("out", Floats),
    )


class ConvJob(Structure):
    """A 3x3 convolution of one or two maps."""

    _fields_ = (
        ("source", Floats * 2),
        ("weight", Floats),
        ("bias", Floats),
        ("plus", Floats),
        ("channels", c_int32 * 2),
        ("batch", c_int32),
        ("height", c_int32),
        ("width", c_int32),
        ("outputs", c_int32),
        ("slope", c_float),
        ("out", Floats),
    )


class DeformJob(Structure):
    """A modulated deformable 3x3 convolution."""

    _fields_ = (
        ("source", Floats),
        ("found", Floats),
        ("weight", Layer),
        ("batch", c_int32),
        ("height", c_int32),
        ("width", c_int32),
        ("channels", c_int32),
        ("groups", c_int32),
        ("slope", c_float),
        ("out", Floats),
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

    def run(self, job: Structure) -> None:
        """Do a job, on as many threads as PyTorch would take.

        Raises:
            MemoryError: no memory for the threads' scratch.
        """
        name = JOBS[type(job)]
        if getattr(self._library, name)(ctypes.byref(job), self._index, torch.get_num_threads()):
            raise MemoryError(f"{name}: out of memory")

    def pack_convolution(self, weight: Tensor) -> Tensor:
        """A 3x3 convolution's weight as `ConvJob` wants it.

        Args:
            weight: (N, C, 3, 3), float32, contiguous.

        Returns:
            Of one dimension; for this build alone.

        Raises:
            MemoryError: no memory for it.
        """
        outputs, inputs = weight.shape[:2]
        count = self._library.vinr_conv_floats(inputs, outputs, self._index)
        packed = empty(count)
        self._library.vinr_pack_conv(floats(weight), inputs, outputs, floats(packed), self._index)
        return packed


JOBS: dict[type[Structure], str] = {
    TimeJob: "vinr_time",
    RenderJob: "vinr_render",
    EnlargeJob: "vinr_enlarge",
    FieldJob: "vinr_field",
    PaintJob: "vinr_paint",
    ConvJob: "vinr_conv",
    DeformJob: "vinr_deform",
}
"""The library's function for each kind of job."""


def kernels() -> Kernels | None:
    """The kernels, or None where they are absent or turned off."""
    return _choose(os.environ.get(SWITCH, ""))


def kernels_for(*tensors: Tensor) -> Kernels | None:
    """The kernels, if they can work on these."""
    return kernels() if plain(*tensors) else None


def plain(*tensors: Tensor) -> bool:
    """Whether these are float32 on a CPU, and neither gradients nor autocast are on."""
    if torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return False
    return all(x.device.type == "cpu" and x.dtype == torch.float32 for x in tensors)


@cache
def _choose(wish: str) -> Kernels | None:
    """The best build that runs here, or the one wished for; None if there is none."""
    if wish == OFF:
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
    for job, name in JOBS.items():
        function = getattr(library, name)
        function.restype = c_int
        function.argtypes = [POINTER(job), c_int, c_int]
    library.vinr_conv_floats.restype = c_int64
    library.vinr_conv_floats.argtypes = [c_int, c_int, c_int]
    library.vinr_pack_conv.restype = None
    library.vinr_pack_conv.argtypes = [Floats, c_int, c_int, Floats, c_int]
    return library


def empty(*shape: int) -> Tensor:
    """Memory for float32 on the CPU, at a multiple of 64 bytes.

    Unlike `torch.empty` it comes from malloc: glibc 2.36 cannot give a freed aligned block to the
    next one of the same size (it looks for a larger one), so that a network's maps piled up (1.5
    instead of 1.0 GB for 180x320 frames).
    """
    count = math.prod(shape)
    memory = np.empty(count + ALIGNMENT, np.float32)
    skipped = -(memory.ctypes.data // memory.itemsize) % ALIGNMENT
    return torch.from_numpy(memory[skipped : skipped + count]).view(shape)


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

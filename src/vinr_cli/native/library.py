"""The compiled kernels: found, checked, and called through `ctypes`.

Structures and functions are those of `kernels.hpp` and `dispatch.cpp`. ``VINR_NATIVE=0`` in the
environment turns the kernels off; ``VINR_NATIVE=avx2`` (or amx, avx512, baseline) asks for one
build of them. A call takes as many threads as PyTorch would and holds no lock of the interpreter.
"""

import ctypes
import math
import os
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_int32, c_int64, c_void_p
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache

import numpy as np
import torch
from torch import Tensor

from vinr_cli.native.presence import LIBRARY as LIBRARY  # noqa: PLC0414 - part of this
from vinr_cli.native.presence import OFF
from vinr_cli.native.presence import SWITCH as SWITCH  # noqa: PLC0414 - and this, too

ABI = 3
LANE = 16
"""Floats of a pixel of motion (kernels.hpp: kLane)."""

WIDEST = 64
"""Hidden channels at most (kernels.hpp: kWidest)."""

TAPS = 6
"""Taps of the cubic (kernels.hpp: kTaps)."""

BROADEST = 256
"""Channels of a sine layer at most (kernels.hpp: kBroadest)."""

LINE = 64
"""Bytes of a cache line."""

DEEPEST = 4
"""Layers of a sine network after its first (kernels.hpp: kDeepest)."""

BUILDS = 4
"""How many builds there are (dispatch.cpp: supported)."""

PAD = 16
"""What channels of a chain's maps are padded to, with zeros (kernels.hpp: kPad)."""

MOST_STEPS = 64
"""Of a chain (kernels.hpp: kMostSteps)."""

NO_STEP = -1
"""Stands for a step that there is not."""

Floats = POINTER(c_float)
Ints = POINTER(c_int32)
TwoFloats = Floats * 2
TwoAddresses = c_void_p * 2


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
        ("state", c_void_p),
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
        ("canvas", TwoAddresses),
        ("half", c_int32),
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


class Kind(IntEnum):
    """What a step of a chain does."""

    FRAME = 0
    MAP = 1
    APPROACH = 2
    CONVOLUTION = 3
    KEEP = 4


class Form(IntEnum):
    """Where a convolution's results go: see Form in kernels.hpp."""

    ROWS = 0
    NUMBERS = 1
    HALVES = 2
    SINGLES = 3
    KEYS = 4
    MOVES = 5


class EnlargeJob(Structure):
    """The bicubic enlargement added to a canvas."""

    _fields_ = (
        ("frame", Floats),
        ("row_start", Ints),
        ("row_weight", Floats),
        ("col_start", Ints),
        ("col_weight", Floats),
        ("frame_height", c_int32),
        ("frame_width", c_int32),
        ("factor_y", c_int32),
        ("factor_x", c_int32),
        ("channels", c_int32),
    )


class ApproachJob(Structure):
    """What a level of the motion search sees."""

    _fields_ = (
        ("keys", TwoFloats),
        ("seen", TwoAddresses),
        ("state", c_void_p),
        ("frame", TwoFloats),
        ("motion", Floats),
        ("moved", Floats),
        ("key_channels", c_int32),
        ("seen_channels", c_int32),
        ("state_channels", c_int32),
        ("frame_height", c_int32),
        ("frame_width", c_int32),
        ("radius", c_int32),
        ("sharpness", c_float),
    )


class Step(Structure):
    """A step of a chain."""

    _fields_ = (
        ("kind", c_int32),
        ("form", c_int32),
        ("source_step", c_int32),
        ("plus", c_int32),
        ("height", c_int32),
        ("width", c_int32),
        ("channels", c_int32),
        ("side", c_int32),
        ("stride", c_int32),
        ("parts", c_int32),
        ("split", c_int32),
        ("slope", c_float),
        ("packed", Floats),
        ("source", c_void_p),
        ("frame_height", c_int32),
        ("frame_width", c_int32),
        ("approach", POINTER(ApproachJob)),
        ("colours", POINTER(EnlargeJob)),
        ("out", c_void_p),
    )


class ChainJob(Structure):
    """Maps made row by row."""

    _fields_ = (("steps", POINTER(Step)), ("count", c_int32))


class HalveJob(Structure):
    """Features and keys at half the size."""

    _fields_ = (
        ("keys", Floats),
        ("seen", c_void_p),
        ("half_keys", Floats),
        ("half_seen", c_void_p),
        ("key_channels", c_int32),
        ("seen_channels", c_int32),
        ("height", c_int32),
        ("width", c_int32),
    )


class EnlargeMotionJob(Structure):
    """A motion at twice the size."""

    _fields_ = (("motion", Floats), ("out", Floats), ("height", c_int32), ("width", c_int32))


class MatchJob(Structure):
    """How well keys agree."""

    _fields_ = (
        ("keys", TwoFloats),
        ("motion", Floats),
        ("fit", Floats),
        ("key_channels", c_int32),
        ("height", c_int32),
        ("width", c_int32),
    )


class MeanJob(Structure):
    """The neighbourhood's motion."""

    _fields_ = (
        ("motion", Floats),
        ("fit", Floats),
        ("out", Floats),
        ("sharpness", c_float),
        ("side", c_int32),
        ("height", c_int32),
        ("width", c_int32),
    )


class MixJob(Structure):
    """From one motion to a better one."""

    _fields_ = (
        ("motion", TwoFloats),
        ("fit", TwoFloats),
        ("state", TwoAddresses),
        ("out", Floats),
        ("out_state", c_void_p),
        ("sharpness", c_float),
        ("bias", c_float),
        ("state_channels", c_int32),
        ("pixels", c_int64),
    )


class FlatJob(Structure):
    """How flat two frames are."""

    _fields_ = (
        ("first", Floats),
        ("second", Floats),
        ("flat", Floats),
        ("alike", c_float),
        ("reach", c_int32),
        ("height", c_int32),
        ("width", c_int32),
    )


class SettleJob(Structure):
    """Flat colours put back."""

    _fields_ = (
        ("out", Floats),
        ("mean", Floats),
        ("flat", Floats),
        ("lr_height", c_int32),
        ("lr_width", c_int32),
        ("height", c_int32),
        ("width", c_int32),
        ("border_rows", c_int32),
        ("border_columns", c_int32),
        ("shift", c_float),
        ("border_shift", c_float),
    )


class Layout(IntEnum):
    """How planes of code values lie: see Layout in kernels.hpp."""

    PLAIN = 0
    GRAY = 1
    FULL = 2
    HALF_ACROSS = 3
    HALF_BOTH = 4


class CodesJob(Structure):
    """Colours to code values."""

    _fields_ = (
        ("rgb", Floats),
        ("planes", c_void_p * 3),
        ("layout", c_int32),
        ("deep", c_int32),
        ("on_luma_y", c_int32),
        ("on_luma_x", c_int32),
        ("height", c_int32),
        ("width", c_int32),
        ("kr", c_float),
        ("kg", c_float),
        ("kb", c_float),
        ("luma_offset", c_float),
        ("luma_span", c_float),
        ("chroma_offset", c_float),
        ("blue_span", c_float),
        ("red_span", c_float),
        ("lowest", c_float),
        ("highest", c_float),
        ("finite", Ints),
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
        name: amx, avx512, avx2 or baseline.
        half: Whether they may round: bfloat16 in products where the processor has tiles for it,
            float16 in canvases. Else all is float32.
    """

    name: str
    _index: int
    _library: ctypes.CDLL
    half: bool = False

    def rounding(self) -> "Kernels | None":
        """The same build with `half`, if it has such kernels."""
        return replace(self, half=True) if self._library.vinr_halves(self._index) else None

    def run(self, job: Structure) -> None:
        """Do a job, on as many threads as PyTorch would take.

        Raises:
            MemoryError: no memory for the threads' scratch.
        """
        name = JOBS[type(job)]
        threads = torch.get_num_threads()
        if getattr(self._library, name)(ctypes.byref(job), self._index, self.half, threads):
            raise MemoryError(f"{name}: out of memory")

    @property
    def splits(self) -> bool:
        """Whether what is too coarse for a map's numbers comes as a sum of two."""
        return bool(self._library.vinr_splits(self._index, self.half))

    def parts(self, exact: bool) -> int:
        """In how many parts a step's weights are multiplied."""
        return 2 if exact and self.splits else 1

    @property
    def numbers(self) -> torch.dtype:
        """What a chain's maps are made of."""
        return torch.bfloat16 if self.splits else torch.float32

    def map(self, height: int, width: int, channels: int) -> Tensor:
        """Memory for a chain's map: (height, width, padded channels) of `numbers`.

        Raises:
            MemoryError: no memory for it.
        """
        return memory(self.numbers, height, width, padded(channels))

    def pack_step(
        self, weight: Tensor, bias: Tensor, stride: int, *, exact: bool = False
    ) -> Tensor:
        """A convolution's weight and bias as `Step` wants them.

        Args:
            weight: (N, C, side, side), float32, contiguous; C in the order of the numbers that the
                step reads of a pixel, padding included.
            bias: (N,), float32, contiguous.
            stride: Of the convolution.
            exact: Whether what the weights are rounded by counts, too; the step says it as well.

        Returns:
            Of one dimension; for these kernels alone.

        Raises:
            MemoryError: no memory for it.
        """
        outputs, inputs, side = weight.shape[:3]
        place = inputs, outputs, side, stride, self.parts(exact)
        packed = empty(self._library.vinr_step_floats(*place, self._index, self.half))
        self._library.vinr_pack_step(
            floats(weight), floats(bias), *place, floats(packed), self._index, self.half
        )
        return packed

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
    ChainJob: "vinr_chain",
    HalveJob: "vinr_halve",
    EnlargeMotionJob: "vinr_enlarge_motion",
    MatchJob: "vinr_match",
    MeanJob: "vinr_mean",
    MixJob: "vinr_mix",
    FlatJob: "vinr_flat",
    SettleJob: "vinr_settle",
    CodesJob: "vinr_codes",
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


def kernels_that_may_round(*tensors: Tensor) -> Kernels | None:
    """The kernels, if they can work on these: rounding ones under autocast of bfloat16."""
    if not _single(*tensors) or torch.is_grad_enabled():
        return None
    found = kernels()
    if found is None or not torch.is_autocast_enabled("cpu"):
        return found
    return found.rounding() if torch.get_autocast_dtype("cpu") is torch.bfloat16 else None


def _single(*tensors: Tensor) -> bool:
    return all(x.device.type == "cpu" and x.dtype == torch.float32 for x in tensors)


def plain(*tensors: Tensor) -> bool:
    """Whether these are float32 on a CPU, and neither gradients nor autocast are on."""
    if torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return False
    return _single(*tensors)


@cache
def _choose(wish: str) -> Kernels | None:
    """The best build that runs here, or the one wished for; None if there is none."""
    if wish == OFF:
        return None
    library = _open()
    if library is None:
        return None
    for index in range(BUILDS):
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
        function.argtypes = [POINTER(job), c_int, c_int, c_int]
    for name, result, arguments in (
        ("halves", c_int, [c_int]),
        ("splits", c_int, [c_int, c_int]),
        ("step_floats", c_int64, [c_int] * 7),
        ("pack_step", None, [Floats, Floats, *[c_int] * 5, Floats, c_int, c_int]),
    ):
        function = getattr(library, f"vinr_{name}")
        function.restype, function.argtypes = result, arguments
    library.vinr_conv_floats.restype = c_int64
    library.vinr_conv_floats.argtypes = [c_int, c_int, c_int]
    library.vinr_pack_conv.restype = None
    library.vinr_pack_conv.argtypes = [Floats, c_int, c_int, Floats, c_int]
    return library


def padded(channels: int) -> int:
    """Numbers of a pixel in a chain's map of this many channels."""
    return -(-channels // PAD) * PAD


def empty(*shape: int) -> Tensor:
    """Memory for float32 on the CPU, at a multiple of 64 bytes.

    Unlike `torch.empty` it comes from malloc: glibc 2.36 cannot give a freed aligned block to the
    next one of the same size (it looks for a larger one), so that a network's maps piled up (1.5
    instead of 1.0 GB for 180x320 frames).
    """
    return memory(torch.float32, *shape)


def memory(dtype: torch.dtype, *shape: int) -> Tensor:
    """As `empty`, for numbers of any kind."""
    size = math.prod(shape) * dtype.itemsize
    block = np.empty(size + LINE, np.uint8)
    skipped = -block.ctypes.data % LINE
    return torch.from_numpy(block[skipped : skipped + size]).view(dtype).view(shape)


def floats(x: Tensor) -> "ctypes._Pointer[c_float]":
    """A tensor's memory; the caller keeps the tensor.

    Raises:
        ValueError: not contiguous float32 on the CPU.
    """
    if x.dtype != torch.float32 or x.device.type != "cpu" or not x.is_contiguous():
        raise ValueError(f"expected contiguous float32 on the CPU, got {x.dtype} on {x.device}")
    return ctypes.cast(x.data_ptr(), Floats)


def address(x: Tensor) -> int:
    """A tensor's memory, whatever it is made of; the caller keeps the tensor.

    Raises:
        ValueError: not contiguous on the CPU.
    """
    if x.device.type != "cpu" or not x.is_contiguous():
        raise ValueError(f"expected contiguous memory on the CPU, got {x.dtype} on {x.device}")
    return x.data_ptr()


def ints(x: Tensor) -> "ctypes._Pointer[c_int32]":
    """As `floats`, for int32."""
    if x.dtype != torch.int32 or x.device.type != "cpu" or not x.is_contiguous():
        raise ValueError(f"expected contiguous int32 on the CPU, got {x.dtype} on {x.device}")
    return ctypes.cast(x.data_ptr(), Ints)

"""The packaged network's rendering on a GPU in one kernel: two warps and a small MLP per pixel.

PyTorch's way there reads and writes every intermediate of every output pixel in the GPU's memory,
some forty planes of it; the kernel reads two canvases and the motion and writes three planes.
PyTorch stays the reference and the fallback. Triton comes with PyTorch's CUDA builds and is
imported when it is first wanted; without it, or with ``VINR_TRITON=0``, everything is PyTorch.

The kernel has run in Triton's interpreter alone, on a CPU, never on a GPU. So it is not trusted
there before it has been tried: `trusted` renders a small problem on the device itself and compares
it with the same formulas in PyTorch, and where it fails to compile or to agree, PyTorch renders.
``VINR_TRITON=interpret`` with ``TRITON_INTERPRET=1`` chooses the kernel on a CPU, for tests.
"""

import importlib
import os
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from vinr_cli.model.config import CompactConfig
from vinr_cli.model.videoinr import Prepared

SWITCH = "VINR_TRITON"
"""Environment variable: 0 turns the kernel off, "interpret" allows it on a CPU."""

LANE = 16
"""Channels of a pixel in the kernel (`triton_kernels.LANE`)."""

WIDEST = 64
"""Hidden channels of the decoder at most."""

BLOCK = {torch.float32: 32, torch.float16: 64}
"""Output pixels a program, a multiple of 16, by the products' format: at twice as many the compiler
runs out of registers (compute capability 9.0). What is fastest, only a GPU can say."""

SOURCES = 5
"""What the decoder's first layer sees: two moved canvases, still colour, its change, motion."""

TRIED = (3, 4)
"""Canvas samples per LR pixel of a problem that nobody asked for."""

LARGEST = 2**31
"""Places in a table are 32-bit integers."""

CLOSE = {torch.float32: 1e-4, torch.float16: 1e-2}
"""Largest difference from PyTorch at which the kernel is trusted, by its products' format; colours
are near [0, 1] and the problem's weights amplify rounding more than trained ones."""


@dataclass(frozen=True, eq=False)
class Job:
    """What the kernel is called with.

    Attributes:
        canvases: Both frames' cells, (Hp, Wp, fy, fx, C) each, contiguous; three of C are RGB.
        motion: (n, Hp, Wp, M), contiguous: two flows (x, y), two logits, features; M up to `LANE`.
        rows: LR positions of the output rows, (h,).
        cols: LR positions of the output columns, (w,).
        times: (n, 3): t, log(1 - t) and log(t), both clamped.
        still: Added to the unmoved colour's logit.
        layers: Of the decoder.
        shift: (n, hidden padded), the first layer's bias with what the time adds.
    """

    canvases: tuple[Tensor, Tensor]
    motion: Tensor
    rows: Tensor
    cols: Tensor
    times: Tensor
    still: float
    layers: "Layers"
    shift: Tensor


@dataclass(frozen=True, eq=False)
class Layers:
    """The decoder's layers, padded; matrices have the products' format, biases are float32.

    Attributes:
        first: (`SOURCES`, `LANE`, hidden).
        middle: (hidden, hidden).
        middle_bias: (hidden,).
        last: (hidden, `LANE`).
        last_bias: (`LANE`,).
    """

    first: Tensor
    middle: Tensor
    middle_bias: Tensor
    last: Tensor
    last_bias: Tensor

    @property
    def hidden(self) -> int:
        """Padded width."""
        return self.middle.shape[0]

    @classmethod
    def of(
        cls, layers: Sequence[tuple[Tensor, Tensor]], channels: int, dtype: torch.dtype
    ) -> "Layers":
        """From the weights (outputs, inputs) and biases of the decoder's three layers.

        Args:
            layers: The first one's inputs are those of `compact.Decoder`, in its order.
            channels: Of a canvas.
            dtype: Of the products.
        """
        (first, _), (middle, middle_bias), (last, last_bias) = layers
        width, hidden = first.shape[0], _padded(first.shape[0])
        sizes = [channels, channels, 3, 3, first.shape[1] - 2 * channels - 6]
        places = 0, 0, 0, 0, 4  # the motion's first four channels are flows
        table = first.new_zeros(SOURCES, LANE, hidden)
        for part, place, columns in zip(table, places, torch.split(first, sizes, 1), strict=True):
            part[place : place + columns.shape[1], :width] = columns.t()
        rest = first.new_zeros(hidden, hidden), first.new_zeros(hidden, LANE)
        rest[0][:width, :width] = middle.t()
        rest[1][:width, : last.shape[0]] = last.t()
        return cls(
            table.to(dtype),
            rest[0].to(dtype),
            F.pad(middle_bias, (0, hidden - width)).float(),
            rest[1].to(dtype),
            F.pad(last_bias, (0, LANE - len(last_bias))).float(),
        )


@dataclass(frozen=True, eq=False)
class Place:
    """A grid on the device, and the decoder for it: what serves every pair.

    Attributes:
        rows: LR positions of the rows that are rendered.
        cols: The same for columns.
        shrink: What brings denser rows and columns to the grid's; None where they are the grid's.
        layers: The decoder's.
    """

    rows: Tensor
    cols: Tensor
    shrink: tuple[Tensor | None, Tensor | None]
    layers: Layers


@dataclass(frozen=True, eq=False)
class TritonPrepared(Prepared):
    """A pair on an output grid, for the kernel.

    Attributes:
        canvases: Both frames' cells, (B, Hp, Wp, fy, fx, C).
        place: Where output pixels lie.
    """

    canvases: tuple[Tensor, Tensor]
    place: Place

    @property
    def shrink(self) -> tuple[Tensor | None, Tensor | None]:
        """See `Place.shrink`."""
        return self.place.shrink


def products_format(device: torch.device) -> torch.dtype:
    """The format of the kernel's matrix products: float16 where autocast says so, else float32.

    (bfloat16 is what Triton's interpreter cannot multiply, so it would be used untried.)
    """
    kind = device.type
    half = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) is torch.float16
    return torch.float16 if half else torch.float32


def usable(config: CompactConfig, device: torch.device, factors: tuple[int, int] = TRIED) -> bool:
    """Whether the kernel renders: its limits, gradients, the device, the switch, and its trial.

    Args:
        config: Of the network.
        device: Where it is.
        factors: Canvas samples per LR pixel, vertically and horizontally.
    """
    fits = (
        config.canvas <= LANE
        and config.decoder_hidden <= WIDEST
        and 6 + config.motion_features <= LANE
    )
    switch = os.environ.get(SWITCH, "")
    wanted = switch == "interpret" or (device.type == "cuda" and switch != "0")
    if not fits or not wanted or torch.is_grad_enabled():
        return False
    return trusted(device, products_format(device), config, factors)


def _padded(width: int) -> int:
    """The power of two from 16 up that holds a width."""
    return max(16, 1 << (width - 1).bit_length())


def paint(
    trunk: Tensor, frame: Tensor, *, weight: Tensor, bias: Tensor, factors: tuple[int, int]
) -> Tensor:
    """A canvas as the kernel reads it: one convolution, and the bicubic enlargement added.

    Args:
        trunk: (B, width, Hp, Wp).
        frame: (B, 3, Hp, Wp), RGB.
        weight: (canvas, fy·fx, width, 3, 3), the cosines folded in.
        bias: (canvas, fy·fx).
        factors: (fy, fx).

    Returns:
        (B, Hp, Wp, fy, fx, canvas), contiguous; float16 where autocast says so, else float32:
        colours in bfloat16 would be too coarse.
    """
    (fy, fx), channels = factors, weight.shape[0]
    kernel = weight.transpose(0, 1).flatten(0, 1).contiguous(memory_format=torch.channels_last)
    lines = F.conv2d(
        trunk.contiguous(memory_format=torch.channels_last), kernel, bias.t().flatten(), padding=1
    )
    cells = lines if lines.dtype is torch.float16 else lines.float()
    batch, _, height, width = cells.shape
    cells = cells.permute(0, 2, 3, 1).contiguous().view(batch, height, width, fy, fx, channels)
    enlarged = F.interpolate(
        frame.float().contiguous(),
        (fy * height, fx * width),
        mode="bicubic",
        align_corners=False,
        antialias=True,
    )
    colours = enlarged.view(batch, 3, height, fy, width, fx).permute(0, 2, 4, 3, 5, 1)
    cells[..., :3] += colours
    return cells


def render(job: Job, block: int | None = None) -> Tensor:
    """Run the kernel.

    Args:
        job: What there is to do.
        block: Output pixels a program; None takes `BLOCK`.

    Returns:
        (n, 3, h, w), float32.

    Raises:
        ValueError: tables too large for it.
    """
    height, width, fy, fx, channels = job.canvases[0].shape
    instants, line, pixels = len(job.motion), len(job.cols), len(job.rows) * len(job.cols)
    if max(job.canvases[0].numel(), job.motion[0].numel(), pixels) >= LARGEST:
        raise ValueError(f"a canvas of {tuple(job.canvases[0].shape)} is too large for the kernel")
    out = torch.empty(instants, 3, len(job.rows), line, device=job.motion.device)
    layers = job.layers
    block = block or BLOCK[layers.middle.dtype]
    with _current(job.motion.device):
        _kernels().render[(-(-pixels // block), instants)](
            out, job.motion, *job.canvases, job.rows, job.cols, job.times, job.shift, layers.first,
            layers.middle, layers.middle_bias, layers.last, layers.last_bias, job.still, pixels,
            line, height, width, FY=fy, FX=fx, CHANNELS=channels, MOTION=job.motion.shape[3],
            HIDDEN=layers.hidden, BLOCK=block,
        )  # fmt: skip
    return out


def _current(device: torch.device) -> AbstractContextManager[Any]:
    """Make a GPU the one that Triton starts kernels on, for a `with` statement."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _kernels() -> Any:
    """The module of kernels, which imports Triton."""
    return importlib.import_module("vinr_cli.model.compact.triton_kernels")


# -- the kernel's trial ----------------------------------------------------------------------------


@cache
def trusted(
    device: torch.device, dtype: torch.dtype, config: CompactConfig, factors: tuple[int, int]
) -> bool:
    """Whether the kernel compiles for a device and agrees there with PyTorch; tried once.

    Args:
        device: A GPU, or a CPU for the interpreter.
        dtype: Of the products.
        config: Of the network, whose widths are compiled in.
        factors: Canvas samples per LR pixel, compiled in, too.
    """
    job = sample_job(device, dtype, config, factors)
    try:
        with warnings.catch_warnings():  # Triton tells of its defaults
            warnings.simplefilter("ignore")
            ours = render(job)
        with torch.autocast(device.type, enabled=False):
            exact = render_plainly(job)
    except Exception:  # whatever a compiler, a driver or their absence may raise
        return False
    return bool(ours.isfinite().all()) and float((ours - exact).abs().max()) <= CLOSE[dtype]


def sample_job(
    device: torch.device,
    dtype: torch.dtype,
    config: CompactConfig | None = None,
    factors: tuple[int, int] = TRIED,
) -> Job:
    """A small problem of the packaged network's shape, with motion beyond the borders.

    Args:
        device: Where its tensors are.
        dtype: Of the products.
        config: Whose widths it has; the packaged network's by default.
        factors: Canvas samples per LR pixel.
    """
    config = config or CompactConfig()
    noise = torch.Generator().manual_seed(0)

    def random(*shape: int, gain: float = 1.0) -> Tensor:
        return (torch.randn(shape, generator=noise) * gain).to(device)

    (fy, fx), height, width, n = factors, 6, 9, 2
    hidden, features = config.decoder_hidden, config.motion_features
    inputs = config.decoder_inputs
    layers = [
        (random(o, i, gain=i**-0.5), random(o, gain=0.1))
        for i, o in ((inputs, hidden), (hidden, hidden), (hidden, 5))
    ]
    table = torch.float16 if dtype is torch.float16 else torch.float32
    canvas = random(2, height, width, fy, fx, config.canvas, gain=0.4).to(table)
    t = torch.tensor([0.0, 0.3])
    near = t.clamp(0.02, 0.98)
    return Job(
        canvases=(canvas[0], canvas[1]),
        motion=random(n, height, width, 6 + features, gain=2),
        rows=torch.linspace(-0.4, height - 0.6, 13, device=device),
        cols=torch.linspace(-0.3, width - 0.7, 17, device=device),
        times=torch.stack([t, (1 - near).log(), near.log()], 1).to(device),
        still=-3.0,
        layers=Layers.of(layers, config.canvas, dtype),
        shift=random(n, _padded(hidden), gain=0.1),
    )


def render_plainly(job: Job) -> Tensor:
    """What `render` computes, in PyTorch and float32, one formula after the other."""
    layers, shape = job.layers, (len(job.rows), len(job.cols))
    row, col = job.rows[:, None].expand(shape), job.cols.expand(shape)
    pictures = []
    for motion, shift, (t, log_first, log_second) in zip(
        job.motion, job.shift, job.times, strict=True
    ):
        moves = _read(motion[:, :, None, None], row, col)
        ends = [
            _read(canvas, row + moves[..., i + 1], col + moves[..., i])
            for canvas, i in zip(job.canvases, (0, 2), strict=True)
        ]
        still, later = (_read(canvas, row, col) for canvas in job.canvases)
        stays = torch.lerp(still, later, t)
        told = moves.clone()
        told[..., :4] = 0
        hidden = shift.expand(*shape, -1)
        for seen, matrix in zip((*ends, stays, still - later, told), layers.first, strict=True):
            hidden = hidden + seen @ matrix.float()
        hidden = hidden.relu() @ layers.middle.float() + layers.middle_bias
        found = hidden.relu() @ layers.last.float() + layers.last_bias
        logits = [
            moves[..., 4] + found[..., 3] + log_first,
            log_second.expand(shape),
            moves[..., 5] + found[..., 4] + job.still,
        ]
        share = torch.stack(logits, -1).softmax(-1)
        colours = torch.stack([*ends, stays], -1) @ share[..., None]
        pictures.append((colours[..., 0] + found)[..., :3].movedim(-1, 0))
    return torch.stack(pictures)


def _read(cells: Tensor, row: Tensor, col: Tensor) -> Tensor:
    """Bilinear samples of (Hp, Wp, fy, fx, C) at LR positions (h, w): (h, w, `LANE`), padded."""
    height, width, fy, fx, channels = cells.shape
    plane = cells.float().permute(0, 2, 1, 3, 4).reshape(height * fy, width * fx, channels)
    plane = F.pad(plane, (0, LANE - channels))
    y = ((row + 0.5) * fy - 0.5).clamp(0, height * fy - 1)
    x = ((col + 0.5) * fx - 0.5).clamp(0, width * fx - 1)
    top, left = y.long(), x.long()
    bottom, right = (top + 1).clamp(max=height * fy - 1), (left + 1).clamp(max=width * fx - 1)
    down, across = (y - top)[..., None], (x - left)[..., None]
    upper = torch.lerp(plane[top, left], plane[top, right], across)
    return torch.lerp(upper, torch.lerp(plane[bottom, left], plane[bottom, right], across), down)

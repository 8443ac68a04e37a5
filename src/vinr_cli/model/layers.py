"""Building blocks of the published network: residual blocks, sine networks, and what feeds them.

The sine networks (SIREN, Sitzmann et al. 2020) evaluate sin(omega · (W x + b)) layer by layer.
Here omega is folded into the weights when a network is used (`SineNet.folded`); the state dict
keeps the weights as they were trained.
"""

import math
import platform
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from ctypes import c_int32
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from vinr_cli.model.onednn import convolve_packed, pack_weight, usable
from vinr_cli.native import library as native

SLOPE = 0.1
"""Of the leaky ReLUs."""

TRUNK_GAIN = 0.1
"""What the initial weights of residual blocks are scaled by, so that a deep trunk starts tame."""


PIXEL_GROUP = 16
"""Pixels come in multiples of this where it can be chosen: as a batch of 16, PyTorch hands a 1x1
convolution to oneDNN even on one thread."""


NUMPY_THREADS = 2
"""From more threads on PyTorch's sine, which uses all of them, is quicker than NumPy's on one."""

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux tells a processor's maker, which `platform.processor` tells elsewhere."""

LEAST_CHANNELS = 8
"""Fewer are left to PyTorch: a patch's transforms would be most of the work."""


class Convolution(nn.Conv2d):
    """A convolution that keeps the size (at stride 1), with what comes before and after it.

    3x3 convolutions of many channels at stride 1 run in native kernels where these are there:
    Winograd's F(4x4, 3x3), in float32. Elsewhere oneDNN does them on a CPU. What either makes of
    the weights is kept.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Side.
        stride: Step.

    Attributes:
        made: What was made of the weights.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2)
        self.made = Made()

    def _load_from_state_dict(self, *args: Any, **options: Any) -> None:
        self.made = Made()
        super()._load_from_state_dict(*args, **options)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle takes along: not what was made of the weights."""
        return self.__dict__ | {"made": Made()}

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, N, H, W)."""
        return self.run(x)

    def run(
        self,
        first: Tensor,
        second: Tensor | None = None,
        *,
        slope: float = 1.0,
        plus: Tensor | None = None,
        spare: Tensor | None = None,
    ) -> Tensor:
        """Convolve, then a leaky ReLU, then add.

        Args:
            first: (B, C, H, W); where fewer channels are given than the layer has, the rest are
                zeros.
            second: (B, C', H, W), beside the first; None is zeros.
            slope: Of the leaky ReLU: 1 is none, 0 a plain one.
            plus: (B, N, H, W), added at the end.
            spare: A map like the result that nobody needs any more (`plus` may be it). The result
                may be put there, but need not.

        Returns:
            (B, N, H, W).
        """
        kernels = self._kernels(first)
        if kernels is not None:
            return self._run_native(kernels, first, second, slope=slope, plus=plus, spare=spare)
        if second is not None:
            first = torch.cat([first, second], 1)
        weight = self.weight[:, : first.shape[1]]
        if usable(first, weight):
            shape, bias = first.shape, cast(Tensor, self.bias)
            packed = self.made.of(
                self.weight, shape[1], lambda: pack_weight(weight, shape, self.stride)
            )
            side, stride = self.kernel_size[0], self.stride
            return convolve_packed(
                first, packed, bias, side=side, stride=stride, slope=slope, plus=plus
            )
        y = F.conv2d(first, weight, self.bias, self.stride, self.padding)
        if slope != 1:
            y = F.leaky_relu(y, slope, inplace=True) if slope else F.relu(y, inplace=True)
        if plus is None:
            return y
        return y.add_(plus) if y.dtype == plus.dtype else plus + y

    def _kernels(self, x: Tensor) -> native.Kernels | None:
        fits = self.kernel_size == (3, 3) and self.stride == (1, 1)
        enough = min(x.shape[1], self.out_channels) >= LEAST_CHANNELS
        return native.kernels_for(x, self.weight) if fits and enough else None

    def _run_native(
        self,
        kernels: native.Kernels,
        first: Tensor,
        second: Tensor | None,
        *,
        slope: float,
        plus: Tensor | None,
        spare: Tensor | None,
    ) -> Tensor:
        maps = [first] if second is None else [first, second]
        weight, bias = self.weight, cast(Tensor, self.bias)
        packed = self.made.of(
            weight, kernels, lambda: kernels.pack_convolution(weight.detach().contiguous())
        )
        size = self.in_channels, self.out_channels
        out = convolve(kernels, maps, packed, bias, size=size, slope=slope, plus=plus, spare=spare)
        return out.permute(0, 3, 1, 2)


class Made:
    """What was made of a weight, made anew whenever the weight has changed."""

    def __init__(self) -> None:
        self._state: tuple[int, int] | None = None
        self._kept: dict[Hashable, Tensor] = {}

    def of(self, weight: Tensor, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """What `make` makes of the weight as it is now; `key` tells it from other such things."""
        state = state_of(weight)
        if self._state != state:
            self._state, self._kept = state, {}
        kept = self._kept  # another thread may begin anew at the same time
        made = kept.get(key)
        if made is None:
            made = kept[key] = make()
        return made


def state_of(x: Tensor) -> tuple[int, int]:
    """What tells a tensor from itself before a change.

    Autograd counts changes, except of what was made in inference mode.
    """
    return x.data_ptr(), 0 if x.is_inference() else x._version


def convolve(
    kernels: native.Kernels, maps: Sequence[Tensor], weight: Tensor, bias: Tensor, *,
    size: tuple[int, int], slope: float = 1.0, plus: Tensor | None = None,
    spare: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A 3x3 convolution by the native kernels.

    Args:
        kernels: From `native.kernels_for`.
        maps: One or two, (B, C, H, W), side by side.
        weight: From `Kernels.pack_convolution`.
        bias: (N,).
        size: Channels in and out; where the maps have fewer, the rest are zeros.
        slope: As in `Convolution.run`, and so the rest.
        plus: (B, N, H, W).
        spare: (B, N, H, W).

    Returns:
        (B, H, W, N), contiguous.
    """
    sources = [channels_last(m) for m in maps]
    batch, height, width, channels = sources[0].shape
    shape = batch, height, width, size[1]
    out = native.empty(*shape) if spare is None else spare.permute(0, 2, 3, 1)
    if out.shape != shape or not out.is_contiguous():
        out = native.empty(*shape)
    added = None if plus is None else channels_last(plus)
    kernels.run(
        native.ConvJob(
            source=(native.Floats * 2)(*(native.floats(m) for m in sources)),
            weight=native.floats(weight),
            bias=native.floats(bias),
            plus=None if added is None else native.floats(added),
            channels=(c_int32 * 2)(channels, size[0] - channels),
            batch=batch,
            height=height,
            width=width,
            outputs=size[1],
            slope=slope,
            out=native.floats(out),
        )
    )
    return out


conv = Convolution
"""The published code's word for it."""


def channels_last(x: Tensor) -> Tensor:
    """(B, C, H, W) as a contiguous (B, H, W, C)."""
    return x.permute(0, 2, 3, 1).contiguous()


def lrelu(x: Tensor) -> Tensor:
    """The network's activation outside of the sine networks."""
    return F.leaky_relu(x, SLOPE)


def double_size(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, 2 H, 2 W), bilinear."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a ReLU, added to the input; no normalisation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = conv(width, width)
        self.conv2 = conv(width, width)
        if self.conv1.weight.is_meta:  # no values; PyTorch would load its compiler to draw them
            return
        for layer in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(layer.weight)
            with torch.no_grad():
                layer.weight.mul_(TRUNK_GAIN)
            nn.init.zeros_(cast(Tensor, layer.bias))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return self.conv2.run(self.conv1.run(x, slope=0), plus=x)


class Trunk(nn.Sequential):
    """A chain of residual blocks that needs the memory of three maps.

    Args:
        width: Channels.
        blocks: How many.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__(*(ResidualBlock(width) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        mine = between = None
        for block in self:
            layers = cast(ResidualBlock, block)
            between = layers.conv1.run(x, slope=0, spare=between)
            x = mine = layers.conv2.run(between, plus=x, spare=mine)
        return x


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.linear`, by the fastest way that gives full float32.

    On a CPU a 1x1 convolution goes through oneDNN, which on AMD processors is twice as fast as
    the BLAS behind `F.linear` (220 against 100 GFLOP/s on one thread of an EPYC, 430 against 190 on
    two). Elsewhere, and for few channels, `F.linear` is taken: a float32 convolution may be done
    in TF32 on a GPU, which is too coarse for sine networks.

    Args:
        x: (..., K), contiguous.
        weight: (N, K).
        bias: (N,).

    Returns:
        (..., N), contiguous.
    """
    onednn = x.device.type == "cpu" and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not onednn or min(weight.shape) < PIXEL_GROUP:
        return F.linear(x, weight, bias)
    group = 1 if x.shape[:-1].numel() % PIXEL_GROUP else PIXEL_GROUP
    pixels = x.reshape(group, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)
    kernel = weight[:, :, None, None].contiguous(memory_format=torch.channels_last)
    y = F.conv2d(pixels, kernel, bias)
    return y.permute(0, 2, 3, 1).reshape(*x.shape[:-1], weight.shape[0])


def without_autocast(device: torch.device) -> torch.autocast:
    """No autocast, for a `with` statement: what must not be rounded."""
    return torch.autocast(device.type, enabled=False)


def last(parts: Sequence[Tensor]) -> Tensor:
    """`torch.stack(parts, -1)`, contiguous; this way is three times as fast on a CPU."""
    return torch.stack(list(parts)).movedim(0, -1).contiguous()


def sine(x: Tensor) -> Tensor:
    """The sine of a tensor that is not needed afterwards: in place unless gradients are wanted.

    On few threads NumPy's is taken where it is quicker, see `slow_sines`.
    """
    if torch.is_grad_enabled():
        return torch.sin(x)
    plain = x.device.type == "cpu" and x.dtype == torch.float32
    if not plain or torch.get_num_threads() > NUMPY_THREADS or not slow_sines():
        return x.sin_()
    values = x.numpy()
    np.sin(values, out=values)
    return x


@cache
def slow_sines() -> bool:
    """Whether PyTorch's sine, MKL's, is slower than NumPy's: on other processors than Intel's.

    On one thread of an EPYC MKL's takes 1.02 ns a number and NumPy's 0.39, of a Xeon 0.46 and 0.67,
    and between calls NumPy's threads wait for the interpreter. Both are within 7e-8.
    """
    names = platform.processor()
    with suppress(OSError):
        names += CPUINFO.read_text(encoding="utf-8")
    return "GenuineIntel" not in names


@dataclass(frozen=True, eq=False)
class Folded:
    """A sine network with omega multiplied into its weights, in float32.

    Attributes:
        weight: Of the first layer, (N, inputs). Its columns are used in pieces, where their inputs
            live: at LR, per output pixel, or once for the time.
        bias: Of the first layer, (N,).
        rest: (weight, bias) of the layers after it; the last one has no sine.
    """

    weight: Tensor
    bias: Tensor
    rest: tuple[tuple[Tensor, Tensor], ...]

    def after_first(self, x: Tensor) -> Tensor:
        """The network's output from its first layer's sum.

        Args:
            x: (..., N), the first layer before its sine; overwritten unless gradients are wanted.

        Returns:
            (..., outputs).
        """
        for weight, bias in self.rest:
            x = product(sine(x), weight, bias)
        return x


class SineLayer(nn.Module):
    """x to sin(omega · (W x + b)).

    Args:
        inputs: Channels in.
        outputs: Channels out.
        omega: Frequency.
        first: Whether x are coordinates and features, not sines; sets the initial weights as the
            SIREN paper does.
    """

    def __init__(self, inputs: int, outputs: int, *, omega: float, first: bool = False) -> None:
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(inputs, outputs)
        bound = 1 / inputs if first else math.sqrt(6 / inputs) / omega
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        return torch.sin(self.omega * self.linear(x))


class SineNet(nn.Module):
    """Sine layers and a linear last layer; the published code calls it an `imnet`.

    Args:
        inputs: Channels in.
        hidden: Channels of the sine layers.
        outputs: Channels out.
        omega: Frequency of the sine layers.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int, *, omega: float) -> None:
        super().__init__()
        widths = (inputs, *hidden)
        layers: list[nn.Module] = [
            SineLayer(a, b, omega=omega, first=i == 0)
            for i, (a, b) in enumerate(zip(widths, hidden, strict=False))
        ]
        final = nn.Linear(widths[-1], outputs)
        bound = math.sqrt(6 / widths[-1]) / omega
        nn.init.uniform_(final.weight, -bound, bound)
        self.net = nn.Sequential(*layers, final)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs), the plain way; `folded` is the fast one."""
        y: Tensor = self.net(x)
        return y

    def folded(self) -> Folded:
        """The same network, omega folded into the weights; gradients reach the parameters."""
        pairs = []
        for layer in self.net:
            if isinstance(layer, SineLayer):
                linear, omega = layer.linear, layer.omega
                pairs.append((linear.weight.float() * omega, linear.bias.float() * omega))
            elif isinstance(layer, nn.Linear):
                pairs.append((layer.weight.float(), layer.bias.float()))
        (weight, bias), *rest = pairs
        return Folded(weight, bias, tuple(rest))

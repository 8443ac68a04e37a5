"""Modulated deformable convolution (DCNv2, Zhu et al. 2019, equation 1) in plain PyTorch.

Each of the nine taps of a 3x3 kernel reads its input at an offset of its own, bilinearly, zero
outside of the map, and is multiplied by a mask. The reads are one weighted gather (`embedding_bag`
of four neighbours), which on a CPU takes a fifth of the time of `grid_sample` (7 against 36 ms for
64 channels of 64x112 on two cores); the sum over taps and channels is one matrix product.
Positions are always float32. Tested on the CPU; nothing here depends on the device but `BAND`.

Where native kernels are there, `DeformConv` runs in one: positions, masks and reads of a block of
pixels, and the product with the weights while they are in the cache.
"""

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from vinr_cli.model.layers import channels_last, conv, last, product
from vinr_cli.model.published.crew import divide
from vinr_cli.native import library as native

KERNEL = 3
TAPS = KERNEL * KERNEL

GROUP_STEP = 4
"""The native kernel reads this many channels of a group at once."""

BAND = {"cpu": 2048}
"""Pixels gathered together, by one thread, so that their columns stay in a CPU's cache."""

BAND_ELSEWHERE = 1 << 16
"""The same for other devices: about 0.4 GB of columns."""


def deform_conv(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """3x3 modulated deformable convolution, stride 1, padding 1.

    Args:
        x: (B, C, H, W).
        offset: (B, 2·G·9, H, W) in pixels; channel (9 g + k)·2 is the vertical offset of tap k
            (row-major) in group g, the next one the horizontal.
        mask: (B, G·9, H, W).
        weight: (N, C, 3, 3).
        bias: (N,).

    Returns:
        (B, N, H, W), channels last.

    Raises:
        ValueError: shapes that do not belong together.
    """
    b, c, h, w = x.shape
    groups = mask.shape[1] // TAPS
    fits = offset.shape == (b, 2 * groups * TAPS, h, w) and mask.shape == (b, groups * TAPS, h, w)
    if not fits or groups == 0 or c % groups or weight.shape[1:] != (c, KERNEL, KERNEL):
        shapes = [tuple(v.shape) for v in (x, offset, mask, weight)]
        raise ValueError(f"deformable convolution of {shapes}")
    moves = offset.float().permute(0, 2, 3, 1).reshape(b * h * w, groups * TAPS, 2)
    masks = mask.float().permute(0, 2, 3, 1).reshape(b * h * w, groups * TAPS)
    # One pixel of zeros before and two after: every tap finds its four neighbours.
    padded = F.pad(x.float(), (1, 2, 1, 2)).permute(0, 2, 3, 1)
    table = padded.reshape(-1, c // groups)
    kernel = weight.view(-1, groups, c // groups, TAPS).transpose(2, 3).flatten(1)
    pixels = b * h * w

    def band_of(start: int, stop: int) -> Tensor:
        index, share = _neighbours(moves[start:stop], masks[start:stop], start, (h, w))
        columns = F.embedding_bag(
            index.reshape(-1, 4), table, mode="sum", per_sample_weights=share.reshape(-1, 4)
        )
        columns = columns.view(stop - start, c * TAPS).to(weight.dtype)
        return product(columns, kernel, bias)

    band = BAND.get(x.device.type, BAND_ELSEWHERE)
    if torch.is_grad_enabled() or band >= pixels:
        out = band_of(0, pixels)
    else:
        out = weight.new_empty(pixels, weight.shape[0])

        def make(start: int, stop: int) -> None:
            out[start:stop] = band_of(start, stop)

        divide(make, [(i, min(i + band, pixels)) for i in range(0, pixels, band)], x.device)
    return out.view(b, h, w, -1).permute(0, 3, 1, 2)


def _neighbours(
    moves: Tensor, masks: Tensor, start: int, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Rows of the table that each tap reads, and their shares, masks included.

    Args:
        moves: (P, G·9, 2), offsets (y, x) of the pixels start, start + 1, ...
        masks: (P, G·9).
        start: The first pixel's index in the batch of maps.
        size: (H, W) of a map; the table's rows are (map, row, column, group).

    Returns:
        int32 and float32, both (P, G·9, 4).
    """
    device = moves.device
    h, w = size
    groups = masks.shape[1] // TAPS
    line = (w + 3) * groups  # rows of the table in a line of the padded map
    pixel = torch.arange(start, start + moves.shape[0], device=device)
    whole = torch.div(pixel, h * w, rounding_mode="floor")
    inside = pixel - whole * (h * w)
    k = torch.arange(TAPS, device=device)
    # The kernel's centre is tap (1, 1), and so is the padded map's first pixel. Both directions
    # are worked on apart: broadcasting over a last dimension of two is slow.
    tap = torch.div(k, KERNEL, rounding_mode="floor"), k % KERNEL
    here = torch.div(inside, w, rounding_mode="floor"), inside % w
    (top, y), (left, x) = (
        _split(moves[..., i] + tap[i].repeat(groups).float() + here[i][:, None], size[i])
        for i in (0, 1)
    )
    group = torch.arange(groups, device=device).repeat_interleave(TAPS)
    first = ((whole * ((h + 3) * line))[:, None] + group).int()
    first = torch.add(torch.add(first, top, alpha=line), left, alpha=groups)
    index = first.new_empty(*first.shape, 4)
    for i, step in enumerate((0, groups, line, line + groups)):
        torch.add(first, step, out=index[..., i])
    lower = y * masks
    upper = masks - lower
    lower_right, upper_right = lower * x, upper * x
    share = [upper - upper_right, upper_right, lower - lower_right, lower_right]
    return index, last(share)


def _split(place: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Positions in a padded map as a pixel (int32) and the way to the next one (float32)."""
    place = place.clamp(0, length + 1)
    pixel = place.detach().int().clamp(min=0)  # NaN becomes an integer of any kind
    return pixel, place - pixel


class DeformConv(nn.Module):
    """A deformable convolution that finds its offsets and masks in another feature.

    Args:
        width: Channels in and out.
        groups: Groups of channels with offsets of their own.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.taps = groups * TAPS
        plain = conv(width, width)
        self.weight = plain.weight
        self.bias = cast(nn.Parameter, plain.bias)
        self.conv_offset_mask = conv(width, 3 * self.taps)
        nn.init.zeros_(self.conv_offset_mask.weight)  # starts as a plain convolution, halved
        nn.init.zeros_(cast(Tensor, self.conv_offset_mask.bias))

    def forward(self, x: Tensor, guide: Tensor, *, slope: float = 1.0) -> Tensor:
        """Read x where the guide says.

        Args:
            x: (B, width, H, W).
            guide: (B, width, H, W).
            slope: Of a leaky ReLU at the end; 1 is none.

        Returns:
            (B, width, H, W).
        """
        found = self.conv_offset_mask.run(guide)
        kernels = self._kernels(x, found)
        if kernels is not None:
            return self._run_native(kernels, x, found, slope)
        offset, mask = found[:, : 2 * self.taps], torch.sigmoid(found[:, 2 * self.taps :])
        y = deform_conv(x, offset, mask, self.weight, self.bias)
        return y if slope == 1 else F.leaky_relu(y, slope)

    def _kernels(self, x: Tensor, found: Tensor) -> native.Kernels | None:
        size = x.shape[1] * TAPS // self.taps
        if size % GROUP_STEP or self.taps > native.BROADEST:
            return None
        return native.kernels_for(x, found, self.weight)

    def _run_native(
        self, kernels: native.Kernels, x: Tensor, found: Tensor, slope: float
    ) -> Tensor:
        source, found = channels_last(x), channels_last(found)
        batch, height, width, channels = source.shape
        groups, outputs = self.taps // TAPS, self.weight.shape[0]
        weight = self.weight.view(outputs, groups, channels // groups, TAPS)
        weight = weight.transpose(2, 3).flatten(1)
        out = native.empty(batch, height, width, outputs)
        kernels.run(
            native.DeformJob(
                source=native.floats(source),
                found=native.floats(found),
                weight=native.Layer.of(weight, self.bias),
                batch=batch,
                height=height,
                width=width,
                channels=channels,
                groups=groups,
                slope=slope,
                out=native.floats(out),
            )
        )
        return out.permute(0, 3, 1, 2)

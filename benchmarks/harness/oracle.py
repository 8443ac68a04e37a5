"""The published formulas, written down as they are in the paper and its code: slow and literal.

Everything is computed in the number format of the inputs (float64 in the tests). Two things differ
from the published code, as in the program: the nearest LR pixel comes from integers, and one
function has both frame samplings.
"""

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from vinr_cli.model.published.align import AlignedFusion
from vinr_cli.model.published.convlstm import DeformableLSTM
from vinr_cli.model.published.network import PublishedVideoINR

LIMIT = 1 - 1e-6


def deform_conv(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Modulated deformable convolution, 3x3, tap by tap with `grid_sample`."""
    b, c, h, w = x.shape
    groups = mask.shape[1] // 9
    maps = x.reshape(b * groups, c // groups, h, w)
    offset = offset.reshape(b * groups, 9, 2, h, w)
    mask = mask.reshape(b * groups, 9, 1, h, w)
    rows = torch.arange(h, dtype=x.dtype)[:, None]
    cols = torch.arange(w, dtype=x.dtype)
    total = torch.zeros(b, weight.shape[0], h, w, dtype=x.dtype)
    for k in range(9):
        y = rows + k // 3 - 1 + offset[:, k, 0]
        x_ = cols + k % 3 - 1 + offset[:, k, 1]
        where = torch.stack([(2 * x_ + 1) / w - 1, (2 * y + 1) / h - 1], -1)
        read = F.grid_sample(maps, where, align_corners=False) * mask[:, k]
        total += F.conv2d(read.view(b, c, h, w), weight[:, :, k // 3, k % 3, None, None])
    return total + bias[:, None, None]


def aligned(fusion: AlignedFusion, moving: Tensor, other: Tensor) -> Tensor:
    """Two whole maps, reduced, aligned and fused; zeros are maps like any other."""
    return cast(Tensor, fusion(fusion.levels(moving), fusion.levels(other)))


def direction(net: DeformableLSTM, maps: list[Tensor]) -> list[Tensor]:
    """A ConvLSTM over all steps, from states of zeros."""
    hidden, memory = torch.zeros_like(maps[0]), torch.zeros_like(maps[0])
    seen = []
    for x in maps:
        hidden, memory = aligned(net.pcd_h, x, hidden), aligned(net.pcd_c, x, memory)
        hidden, memory = net.cell_list[0](x, (hidden, memory))
        seen.append(hidden)
    return seen


def encode(network: PublishedVideoINR, frames: Tensor) -> Tensor:
    """Features (B, 3, C, H, W) of pairs (B, 2, 3, H, W) whose sides are multiples of 4."""
    first, second = (
        network.feature_extraction(F.leaky_relu(network.conv_first(frames[:, i]), 0.1))
        for i in (0, 1)
    )
    levels = network.levels(first), network.levels(second)
    middle = network.fusion(network.pcd_align(*levels))
    lstm = network.ConvBLSTM
    maps = [first, middle, second]
    ahead = direction(lstm.forward_net, maps)
    back = direction(lstm.forward_net, maps[::-1])[::-1]
    merged = [lstm.conv_1x1(torch.cat(pair, 1)) for pair in zip(ahead, back, strict=True)]
    return torch.stack([network.recon_trunk(m) for m in merged], 1)


def centres(n: int, *, rounded: bool) -> Tensor:
    """(2 i + 1) / n - 1; `rounded` in float32 and in the published order of operations."""
    r = 1 / n
    if rounded:
        return (-1 + r + (2 * r) * torch.arange(n).float()).double()
    return -1 + r + (2 * r) * torch.arange(n).double()


def nearest(m: int, n: int) -> Tensor:
    """LR index of each of n output pixels over m LR pixels; ties go up."""
    return torch.tensor([(2 * i + 1) * m // (2 * n) for i in range(n)])


def bilinear(x: Tensor, where_x: Tensor, where_y: Tensor) -> Tensor:
    """Sample x (B, C, H, W) at [-1, 1] coordinates, zero padding, corners not aligned."""
    where = torch.stack([where_x, where_y], -1).clamp(-LIMIT, LIMIT)
    return F.grid_sample(x, where.to(x.dtype), mode="bilinear", align_corners=False)


def decode(
    network: PublishedVideoINR,
    features: Tensor,
    frames: Tensor,
    t: Tensor,
    size: tuple[int, int],
    *,
    rounded: bool = False,
) -> Tensor:
    """Colours of a whole frame from features (B, 3, C, H, W) and frames (B, 2, 3, H, W).

    `rounded` takes the pixel centres in float32, as the published code does in any format.
    """
    b, _, _, h, w = features.shape
    hh, ww = size
    x, q = features.flatten(1, 2), frames.flatten(1, 2)
    enlarged = q
    if network.config.upsampled_frames:
        enlarged = F.interpolate(q, scale_factor=4, mode="bilinear", align_corners=False)
    time = t.to(x)[:, None, None, None].expand(b, 1, hh, ww)

    iy, ix = nearest(h, hh), nearest(w, ww)
    sy, sx = centres(hh, rounded=rounded), centres(ww, rounded=rounded)
    dy = (sy - centres(h, rounded=rounded)[iy]) * h
    dx = (sx - centres(w, rounded=rounded)[ix]) * w
    relative = torch.stack(torch.meshgrid(dy, dx, indexing="ij")).to(x).expand(b, -1, -1, -1)

    def net(mlp: torch.nn.Module, parts: list[Tensor]) -> Tensor:
        out: Tensor = mlp(torch.cat(parts, 1).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return out

    hr = net(network.feat_imnet, [x[:, :, iy][..., ix], q[:, :, iy][..., ix], relative, time])
    grid_y, grid_x = (g.expand(b, -1, -1) for g in torch.meshgrid(sy, sx, indexing="ij"))
    here = [bilinear(v, grid_x, grid_y) for v in (x, enlarged)]
    flow = net(network.flow_imnet, [hr, *here, time])

    base_y = torch.linspace(-1, 1, hh, dtype=x.dtype)[:, None]
    base_x = torch.linspace(-1, 1, ww, dtype=x.dtype)
    fetched: list[list[Tensor]] = [[], [], []]
    for i in (0, 2):
        to_x = base_x + flow[:, i] / ((ww - 1) / 2)
        to_y = base_y + flow[:, i + 1] / ((hh - 1) / 2)
        for kept, v in zip(fetched, (hr, x, enlarged), strict=True):
            kept.append(bilinear(v, to_x, to_y))
    return net(network.encode_imnet, [*fetched[0], *fetched[1], *fetched[2], time])

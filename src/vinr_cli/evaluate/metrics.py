"""Picture metrics as the field computes them, so that figures can be compared with papers.

Y is that of BT.601 in studio range, computed from RGB rounded to 8 bits; no border is cropped.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
"""Y - 16/255 from RGB in [0, 1] (ITU-R BT.601-7, section 2.5.1, scaled to 219 steps)."""

SSIM_WINDOW = 11
"""Side of the Gaussian window, in pixels (Wang et al., 2004)."""
SSIM_SIGMA = 1.5
"""Its standard deviation, in pixels."""
SSIM_C1 = (0.01 * 255) ** 2
SSIM_C2 = (0.03 * 255) ** 2

PERFECT = 100.0
"""What `psnr` gives for equal pictures, in dB."""


def rounded(x: Tensor) -> Tensor:
    """Clamp to [0, 1] and round to 8 bits; same shape."""
    return (x.float().clamp(0, 1) * 255).round() / 255


def luma(x: Tensor) -> Tensor:
    """Y of BT.601 in studio range; (..., 3, H, W) RGB in [0, 1] to (..., H, W) in [16, 235]/255."""
    weights = torch.tensor(LUMA, dtype=torch.float64, device=x.device)[:, None, None]
    return (x.double() * weights).sum(-3) + 16 / 255


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio over the last two dimensions, in dB, against a peak of 1."""
    error = (a.double() - b.double()).pow(2).mean((-2, -1))
    return (-10 * torch.log10(error.clamp(min=10 ** (-PERFECT / 10)))).float()


def psnr_y(a: Tensor, b: Tensor) -> Tensor:
    """PSNR of Y after rounding to 8 bits; (B, 3, H, W) in [0, 1] to (B,), in dB."""
    return psnr(luma(rounded(a)), luma(rounded(b)))


def psnr_rgb(a: Tensor, b: Tensor) -> Tensor:
    """PSNR over all three channels after rounding; (B, 3, H, W) in [0, 1] to (B,), in dB."""
    return psnr(rounded(a).flatten(1)[:, None], rounded(b).flatten(1)[:, None])


def ssim_y(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of Y after rounding; (B, 3, H, W) in [0, 1] to (B,).

    Gaussian window of 11 x 11 with sigma 1.5 on Y·255, valid region only (Wang et al., 2004).

    Raises:
        ValueError: pictures smaller than the window.
    """
    if min(a.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(f"SSIM needs {SSIM_WINDOW} pixels a side, not {tuple(a.shape[-2:])}")
    x, y = (luma(rounded(v))[:, None] * 255 for v in (a, b))
    offset = torch.arange(SSIM_WINDOW, dtype=x.dtype, device=x.device) - SSIM_WINDOW // 2
    line = torch.exp(-(offset**2) / (2 * SSIM_SIGMA**2))
    line = line / line.sum()

    def blur(v: Tensor) -> Tensor:
        v = F.conv2d(v, line[None, None, :, None])
        return F.conv2d(v, line[None, None, None, :])

    mean_x, mean_y = blur(x), blur(y)
    var_x = blur(x * x) - mean_x**2
    var_y = blur(y * y) - mean_y**2
    cov = blur(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + SSIM_C1) * (2 * cov + SSIM_C2)
    bottom = (mean_x**2 + mean_y**2 + SSIM_C1) * (var_x + var_y + SSIM_C2)
    return (top / bottom).mean((1, 2, 3)).float()


def sharpness(x: Tensor) -> Tensor:
    """Mean squared gradient of Y; (B, 3, H, W) in [0, 1] to (B,). For comparing, not absolute."""
    y = luma(rounded(x))
    return (y.diff(dim=-1).pow(2).mean((1, 2)) + y.diff(dim=-2).pow(2).mean((1, 2))).float()


GMSD_C = 170.0
"""Keeps the ratio of gradients steady, in codes² of 8 bits (Xue et al., 2014, section III)."""


def gmsd(a: Tensor, b: Tensor) -> Tensor:
    """Gradient magnitude similarity deviation; (B, 3, H, W) in [0, 1] to (B,).

    How unevenly the gradients' likeness is spread over the picture; 0 for equal pictures, about 0.3
    for hardly watchable ones. It follows people's ratings of pictures better than PSNR and SSIM do,
    and needs no network (Xue, Zhang, Mou and Bovik, "Gradient Magnitude Similarity Deviation", IEEE
    Trans. Image Processing 23(2), 2014): Y in full range and rounded, halved by means of 2x2,
    Prewitt's gradients by 3, likeness (2 g h + c)/(g² + h² + c), its standard deviation.

    Raises:
        ValueError: pictures smaller than 8 pixels a side.
    """
    if min(a.shape[-2:]) < 8:
        raise ValueError(f"GMSD needs 8 pixels a side, not {tuple(a.shape[-2:])}")
    first, second = _magnitudes(a), _magnitudes(b)
    likeness = (2 * first * second + GMSD_C) / (first**2 + second**2 + GMSD_C)
    return likeness.flatten(1).std(1, correction=0).float()


def _magnitudes(x: Tensor) -> Tensor:
    """Prewitt's gradient of the halved Y, in codes a pixel, inside; (B, h, w)."""
    y = (luma(rounded(x)) - 16 / 255)[:, None] * (255 * 255 / 219)
    y = F.avg_pool2d(y, 2)
    slope = torch.tensor([1.0, 0.0, -1.0], dtype=y.dtype).expand(3, 3) / 3
    return torch.hypot(F.conv2d(y, slope[None, None]), F.conv2d(y, slope.mT[None, None]))[:, 0]


BLOCK = 8
"""Side of the blocks that MPEG-2, MPEG-4 and H.264 transform or filter, in coded pixels."""


def blockiness(x: Tensor, scale: float) -> Tensor:
    """How much larger steps are across the codec's block borders than inside of its blocks.

    The mean absolute difference of Y over one coded pixel, taken across the lines between blocks of
    8x8 coded pixels, divided by the same taken through the blocks' middles; both directions. 1 is
    a picture without blocks. (After the idea of Wang, Bovik and Evans, ICIP 2000: blocks show in
    differences with the block's period.)

    Args:
        x: (B, 3, H, W), RGB in [0, 1], whose first row and column begin a block.
        scale: Output pixels a coded pixel.

    Returns:
        (B,); 1 where a picture has no such line or no steps at all.
    """
    y = luma(rounded(x))
    borders, middles = (
        torch.cat([_steps(y, scale, offset), _steps(y.mT, scale, offset)], 1)
        for offset in (0.0, BLOCK / 2)
    )
    if not borders.shape[1] or not middles.shape[1]:
        return torch.ones(len(x))
    across, inside = borders.mean(1), middles.mean(1)
    return torch.where(inside > 1e-6, across / inside.clamp(min=1e-6), 1.0).float()


def _steps(y: Tensor, scale: float, offset: float) -> Tensor:
    """|differences| over one coded pixel around columns at `offset` in every block; (B, n)."""
    width, reach = y.shape[-1], scale / 2
    lines = [(BLOCK * k + offset) * scale for k in range(1, int(width / scale / BLOCK) + 1)]
    kept = [at for at in lines if at + reach <= width - 0.5]
    before = torch.tensor([round(at - reach - 0.5 + 1e-9) for at in kept], dtype=torch.long)
    after = torch.tensor([round(at + reach - 0.5 + 1e-9) for at in kept], dtype=torch.long)
    return (y[..., after] - y[..., before]).abs().flatten(1)

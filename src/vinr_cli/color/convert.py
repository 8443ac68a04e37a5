"""Planes of code values to R'G'B' floats and back, on any device.

The equations are those of ITU-T H.273 section 8.3 (the same as in BT.601, BT.709 and BT.2020), with
the constants of `spec`. Nothing is linearised: the network sees the gamma-coded values that the
picture was coded with, whatever its transfer.

Subsampled chroma is brought up by linear interpolation between the places where its samples lie. It
is brought down by the low-pass partner of that interpolation: along a direction where samples lie
on luma samples, the five taps (-1, 2, 6, 2, -1) / 8, with which down after up is the identity for
any content (they are the analysis and synthesis filters of LeGall and Tabatabai's 5/3 wavelet);
where they lie half-way between, the four taps (-1, 5, 5, -1) / 8. The exact partner there would be
(-1, 3, 3, -1) / 4, whose overshoot of 25 % at coloured edges is visible; ours leaves a sixteenth of
the second difference, below one code value on smooth chroma. Beyond the borders the last sample is
repeated where samples lie on luma samples, and the line through the last two is continued where
they lie between, so that linear chroma survives there too.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vinr_cli.color.spec import (
    KR_KB,
    Chroma,
    ColorSpec,
    Matrix,
    Quantisation,
    Siting,
    plane_shapes,
    quantisation,
)


def to_rgb(planes: Sequence[Tensor], spec: ColorSpec) -> Tensor:
    """Convert the planes of a frame to R'G'B'.

    Args:
        planes: Integer tensors (..., h_p, w_p) of code values on one device, in the order of
            `Chroma`, with the shapes of `plane_shapes`; one of opacity is not used. 16-bit values
            in int16 count from 32768 on as negative numbers do in two's complement.
        spec: What the code values mean.

    Returns:
        (..., 3, H, W) float32 on the same device, nominally in [0, 1]. Not clamped: head room, foot
        room and colours outside the gamut come back exactly through `from_rgb`.

    Raises:
        ValueError: If the shapes do not fit the layout.
    """
    height, width = planes[0].shape[-2:]
    wanted = plane_shapes(spec, height, width)
    found = tuple(tuple(p.shape[-2:]) for p in planes)
    if found != wanted:
        raise ValueError(f"planes of shapes {found} where {wanted} are needed")
    codes = quantisation(spec)
    floats = [_float(p) for p in planes]
    if spec.chroma is Chroma.RGB:
        return torch.stack(floats[:3], dim=-3).sub_(codes.luma_offset).div_(codes.luma_span)
    luma = floats[0].sub_(codes.luma_offset).div_(codes.luma_span)
    if spec.chroma is Chroma.GRAY:
        return torch.stack([luma] * 3, dim=-3)
    blue, red = (
        _upsample(p.sub_(codes.chroma_offset).div_(codes.chroma_span), spec, height, width)
        for p in floats[1:3]
    )
    kr, kb = _weights(spec)
    kg = 1 - kr - kb
    rgb = luma.new_empty((*luma.shape[:-2], 3, height, width))
    torch.add(luma, red, alpha=2 * (1 - kr), out=rgb[..., 0, :, :])
    torch.add(luma, blue, alpha=2 * (1 - kb), out=rgb[..., 2, :, :])
    green = torch.add(luma, blue, alpha=-2 * (1 - kb) * kb / kg, out=rgb[..., 1, :, :])
    green.add_(red, alpha=-2 * (1 - kr) * kr / kg)
    return rgb


def from_rgb(rgb: Tensor, spec: ColorSpec) -> tuple[Tensor, ...]:
    """Convert R'G'B' to the planes of a frame.

    Args:
        rgb: (..., 3, H, W) floats, nominally in [0, 1]; values outside are clipped to the codes
            that may be written. NaN becomes the lowest code.
        spec: What the code values shall mean.

    Returns:
        Planes (..., h_p, w_p) of code values rounded to the nearest, ties up: uint8 for 8 bits,
        int32 above; on the same device, contiguous. One of opacity is not among them.

    Raises:
        ValueError: If the tensor has not three channels.
    """
    if rgb.dim() < 3 or rgb.shape[-3] != 3:
        raise ValueError(f"an RGB tensor of shape {tuple(rgb.shape)}, which has not three channels")
    rgb = rgb.to(torch.float32)
    codes = quantisation(spec)
    red, green, blue = rgb.unbind(-3)
    if spec.chroma is Chroma.RGB:
        return tuple(
            _codes(c * codes.luma_span, codes.luma_offset, codes, spec) for c in (red, green, blue)
        )
    luma = _luma(red, green, blue, spec)
    if spec.chroma is Chroma.GRAY:
        return (_codes(luma.mul_(codes.luma_span), codes.luma_offset, codes, spec),)
    kr, kb = _weights(spec)
    planes = []
    for colour, weight in ((blue, kb), (red, kr)):
        difference = _downsample(colour - luma, spec)
        difference.mul_(codes.chroma_span / (2 * (1 - weight)))
        planes.append(_codes(difference, codes.chroma_offset, codes, spec))
    first = _codes(luma.mul_(codes.luma_span), codes.luma_offset, codes, spec)
    return (first, *planes)


def to_picture(planes: Sequence[Tensor], spec: ColorSpec) -> Tensor:
    """`to_rgb`, with opacity as a fourth channel where the frame has it.

    Returns:
        (..., 3 or 4, H, W) float32.
    """
    rgb = to_rgb(planes, spec)
    if not spec.alpha:
        return rgb
    return torch.cat([rgb, to_alpha(planes, spec).unsqueeze(-3)], dim=-3)


def from_picture(picture: Tensor, spec: ColorSpec) -> tuple[Tensor, ...]:
    """`from_rgb`, with a plane of opacity behind the others where the frame shall have it.

    Args:
        picture: (..., 3 or 4, H, W), from `to_picture` or the network.
        spec: What the code values shall mean; has alpha if the picture has four channels.
    """
    planes = from_rgb(picture[..., :3, :, :], spec)
    return (*planes, from_alpha(picture[..., 3, :, :], spec)) if spec.alpha else planes


def is_finite(picture: Tensor) -> Tensor:
    """Whether every value of a picture is a number, for `from_picture` would hide that it is not.

    NaN and infinity stay in a sum, and a sum costs a seventeenth of a look at each value: 10
    against 170 ms of processor time for 3840x2160 on one core.

    Args:
        picture: (..., C, H, W) float32, nominally in [0, 1].

    Returns:
        A bool of no dimensions on the picture's device, not waited for. False also where the sum
        itself leaves the range of float32, which takes colours beyond 1e30.
    """
    return picture.sum().isfinite()


def to_alpha(planes: Sequence[Tensor], spec: ColorSpec) -> Tensor:
    """The opacity of a frame.

    Args:
        planes: As for `to_rgb`; the last one is taken.
        spec: What the code values mean; it has alpha.

    Returns:
        (..., H, W) float32 in [0, 1], 1 for opaque.
    """
    return _float(planes[-1]).div_((1 << spec.depth) - 1)


def from_alpha(alpha: Tensor, spec: ColorSpec) -> Tensor:
    """Convert opacity to code values, which are full range in every format.

    Args:
        alpha: (..., H, W) floats; values outside of [0, 1] are clipped, NaN is transparent.
        spec: What the code values shall mean.

    Returns:
        (..., H, W): uint8 for 8 bits, int32 above; rounded to the nearest, ties up.
    """
    top = (1 << spec.depth) - 1
    values = alpha.to(torch.float32) * top
    values.add_(0.5).nan_to_num_(nan=0.0).clamp_(0, top)
    return values.to(torch.uint8 if spec.depth == 8 else torch.int32)


def _float(plane: Tensor) -> Tensor:
    """Code values as float32, in memory of its own."""
    if plane.dtype is torch.int16:
        plane = plane.to(torch.int32) & 0xFFFF
    return plane.to(torch.float32, copy=True)


def _weights(spec: ColorSpec) -> tuple[float, float]:
    """Luma weights (Kr, Kb); those of BT.709 where a gray picture names no matrix."""
    return KR_KB[Matrix.BT709 if spec.matrix is Matrix.RGB else spec.matrix]


def _luma(red: Tensor, green: Tensor, blue: Tensor, spec: ColorSpec) -> Tensor:
    """Weighted sum of the primaries, in memory of its own."""
    kr, kb = _weights(spec)
    return (red * kr).add_(green, alpha=1 - kr - kb).add_(blue, alpha=kb)


def _codes(values: Tensor, offset: int, codes: Quantisation, spec: ColorSpec) -> Tensor:
    """Round scaled values to codes, ties up; changes its argument."""
    kind = torch.uint8 if spec.depth == 8 else torch.int32
    values.add_(offset + 0.5).nan_to_num_(nan=0.0).clamp_(codes.lowest, codes.highest)
    return values.to(kind)  # cuts off the fraction: the half was added above


def _on_luma(spec: ColorSpec) -> tuple[bool, bool]:
    """Whether chroma samples lie on luma samples (vertically, horizontally)."""
    return spec.siting is Siting.TOPLEFT, spec.siting is not Siting.CENTER


def _upsample(plane: Tensor, spec: ColorSpec, height: int, width: int) -> Tensor:
    """Bring a chroma plane to the luma plane's size."""
    vertical, horizontal = _on_luma(spec)
    if spec.chroma in (Chroma.C420, Chroma.C422):
        plane = _double(plane, -1, horizontal)[..., :width]
    if spec.chroma is Chroma.C420:
        plane = _double(plane, -2, vertical)[..., :height, :]
    return plane


def _downsample(plane: Tensor, spec: ColorSpec) -> Tensor:
    """Bring a full-size colour difference to the chroma planes' size; may return its argument."""
    vertical, horizontal = _on_luma(spec)
    if spec.chroma is Chroma.C420:
        plane = _halve(plane, -2, vertical)
    if spec.chroma in (Chroma.C420, Chroma.C422):
        plane = _halve(plane, -1, horizontal)
    return plane


def _padded(plane: Tensor, dim: int, before: int, after: int, on_luma: bool) -> Tensor:
    """Continue a plane beyond its borders: flat, or in the direction of the last two samples."""
    size = plane.shape[dim]
    first, last = plane.narrow(dim, 0, 1), plane.narrow(dim, size - 1, 1)
    if on_luma or size == 1:
        return torch.cat([first] * before + [plane] + [last] * after, dim)
    rise = plane.narrow(dim, 1, 1) - first
    head = [torch.sub(first, rise, alpha=k) for k in range(before, 0, -1)]
    rise = last - plane.narrow(dim, size - 2, 1)
    return torch.cat(
        [*head, plane, *(torch.add(last, rise, alpha=k + 1) for k in range(after))], dim
    )


def _double(plane: Tensor, dim: int, on_luma: bool) -> Tensor:
    """Twice as many samples along a dimension, by linear interpolation."""
    size = plane.shape[dim]
    padded = _padded(plane, dim, 1, 1, on_luma)
    after = padded.narrow(dim, 2, size)
    if on_luma:
        even, odd = plane, torch.lerp(plane, after, 0.5)
    else:
        even = torch.lerp(plane, padded.narrow(dim, 0, size), 0.25)
        odd = torch.lerp(plane, after, 0.25)
    return torch.stack([even, odd], dim=-1 if dim == -1 else -2).reshape(
        *plane.shape[:-2], *((plane.shape[-2], 2 * size) if dim == -1 else (2 * size, -1))
    )


def _halve(plane: Tensor, dim: int, on_luma: bool) -> Tensor:
    """Half as many samples along a dimension (rounded up), by the partner of `_double`."""
    size = plane.shape[dim]
    half = (size + 1) // 2
    before = 2 if on_luma else 1
    padded = _padded(plane, dim, before, 2 * half - size + 2 - on_luma, on_luma)
    taps = [padded.narrow(dim, k, 2 * half - 1) for k in range(5 if on_luma else 4)]
    taps = [t[..., ::2, :] if dim == -2 else t[..., ::2] for t in taps]
    if on_luma:
        inner = (taps[1] + taps[3]).mul_(2 / 8).add_(taps[2], alpha=6 / 8)
        return inner.sub_(taps[0], alpha=1 / 8).sub_(taps[4], alpha=1 / 8)
    inner = (taps[1] + taps[2]).mul_(5 / 8)
    return inner.sub_(taps[0], alpha=1 / 8).sub_(taps[3], alpha=1 / 8)

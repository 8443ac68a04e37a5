"""Where the truth's things go from one frame to the next, and how errors change along with them.

An error that stays on its thing is a softer or a harder picture; one that comes and goes is
flicker. So the *change* of the error is taken at the same thing, not at the same place:

    e(k, x) = Y of the result - Y of the truth, in codes of 8 bits
    d(k, x) = e(k + 1, x + v(k, x)) - e(k, x)
    flicker = the root of the mean of d(k, x)² over all k and all x that are seen in both frames

v is the truth's own motion, so a method cannot do well by moving things wrongly but smoothly. 0 is
a result whose error moves along with the picture, however large it is; errors of standard deviation
s that have nothing to do with each other from frame to frame give s·√2.

The motion is found on the truth coarse to fine by least squares on its gradients (Lucas and Kanade,
IJCAI 1981; in a pyramid: Bouguet, Intel 2001), and holds only where it explains what comes next.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from vinr_cli.evaluate.metrics import luma

SMALLEST = 12
"""Pixels of the shorter side at which the pyramid ends."""
WINDOW = 9
"""Side of the window over which one motion is sought, in pixels of its level."""
STEPS = 3
"""Steps of least squares on each level."""
LONGEST = 1.5
"""Most that one step may move, in pixels of its level: beyond it gradients say nothing."""
DAMPING = 4.0
"""Added to the squares of gradients, in codes² a pixel²: flat places stay where their level put
them."""
NOISE = 3.0
"""Mean difference over 5 x 5 pixels, in codes, up to which a motion explains the next frame."""
OFF = 0.25
"""How far off it may be besides, in pixels: so much of the mean gradient there is added."""
CODES = 255.0


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """One step of the truth.

    Attributes:
        flow: (2, H, W), float16: how far what is here will have gone, right and down, in pixels.
        seen: (H, W), bool: where that is known, because both frames show the same.
    """

    flow: Tensor
    seen: Tensor


def true_motion(truth: Tensor) -> list[Motion]:
    """The motion between each frame and the next.

    Args:
        truth: (T, 3, H, W), uint8.

    Returns:
        T - 1 motions.
    """
    planes = (luma(frame / 255).float() * CODES for frame in truth)
    return [motion_between(first, second) for first, second in pairwise(planes)]


def motion_between(first: Tensor, second: Tensor) -> Motion:
    """The motion from one frame's Y to the next one's.

    Args:
        first: (H, W), in codes.
        second: The same.
    """
    pyramid = [(first[None, None], second[None, None])]
    while min(pyramid[-1][0].shape[-2:]) >= 2 * SMALLEST:
        a, b = pyramid[-1]
        pyramid.append((F.avg_pool2d(a, 2, ceil_mode=True), F.avg_pool2d(b, 2, ceil_mode=True)))
    flow = torch.zeros(1, 2, *pyramid[-1][0].shape[-2:])
    for a, b in reversed(pyramid):
        if flow.shape[-2:] != a.shape[-2:]:
            larger = F.interpolate(flow, scale_factor=2.0, mode="bilinear") * 2
            flow = larger[..., : a.shape[-2], : a.shape[-1]]
        for _ in range(STEPS):
            flow = _smooth(flow + _step(a, b, flow))
    a, b = pyramid[0]
    difference = F.avg_pool2d((_carried(b, flow, "bicubic") - a).abs(), 5, 1, 2)
    steep = F.avg_pool2d(torch.hypot(*_gradients(a)), 5, 1, 2)
    seen = (difference <= NOISE + OFF * steep)[0, 0] & _inside(flow)[0]
    return Motion(flow[0].half(), seen)


def change(before: Tensor, after: Tensor, motion: Motion) -> float | None:
    """Mean of d² over one step, as above.

    Args:
        before: (H, W), the error of one frame, in any unit.
        after: That of the next one.
        motion: The truth's, from the one to the next.

    Returns:
        In that unit squared; None where nothing is seen in both frames.
    """
    if not bool(motion.seen.any()):
        return None
    moved = _carried(after[None, None].float(), motion.flow[None].float(), "bicubic")[0, 0]
    return float((moved - before)[motion.seen].pow(2).mean())


def _step(first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
    """How much further things went than `flow` says, by least squares; (1, 2, H, W)."""
    moved = _carried(second, flow, "bilinear")
    across, down = _gradients((first + moved) / 2)
    rest = first - moved
    known = _inside(flow).float()[:, None]
    across, down = across * known, down * known
    products = [across * across, down * down, across * down, across * rest, down * rest]
    xx, yy, xy, xt, yt = _window(torch.cat(products, 1)).chunk(5, 1)
    xx, yy = xx + DAMPING, yy + DAMPING
    scale = 1 / (xx * yy - xy * xy)
    step = torch.cat([(yy * xt - xy * yt) * scale, (xx * yt - xy * xt) * scale], 1)
    return step.clamp(-LONGEST, LONGEST)


def _gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences to the right and down, a pixel; each of the same shape."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    across = (x[..., 1:-1, 2:] - x[..., 1:-1, :-2]) / 2
    return across, (x[..., 2:, 1:-1] - x[..., :-2, 1:-1]) / 2


def _window(x: Tensor) -> Tensor:
    """Means over the window; same shape."""
    reach = WINDOW // 2
    x = F.pad(x, (reach, reach, reach, reach), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(x, (WINDOW, 1), 1), (1, WINDOW), 1)


def _smooth(flow: Tensor) -> Tensor:
    """Each motion is the middle one of five: that of its place and of four places nearby."""
    out = F.pad(flow, (2, 2, 2, 2), mode="replicate")
    near = [out[..., 2:-2, 2:-2]]
    near += [out[..., 4:, 2:-2], out[..., :-4, 2:-2], out[..., 2:-2, 4:], out[..., 2:-2, :-4]]
    return torch.stack(near).median(0).values


def _carried(picture: Tensor, flow: Tensor, mode: str) -> Tensor:
    """A picture (1, 1, H, W) read where each place will have gone; same shape."""
    height, width = picture.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    across = (x + flow[0, 0]) * (2 / max(width - 1, 1)) - 1
    down = (y + flow[0, 1]) * (2 / max(height - 1, 1)) - 1
    places = torch.stack([across, down], -1)[None]
    return F.grid_sample(picture, places, mode=mode, padding_mode="border", align_corners=True)


def _inside(flow: Tensor) -> Tensor:
    """Where a motion (1, 2, H, W) ends in the picture, whose pixels are squares; (1, H, W)."""
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    across, down = x + flow[:, 0], y + flow[:, 1]
    kept: Tensor = ((across - (width - 1) / 2).abs() <= width / 2) & (
        (down - (height - 1) / 2).abs() <= height / 2
    )
    return kept

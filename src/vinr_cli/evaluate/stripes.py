"""Ripple: what enlarging adds *along* stripes and edges, where the truth has nothing.

Fine stripes that lie askew to the pixels come back as beads, and edges as stairs. Both are changes
along a line of one colour, so the picture is read along the truth's own lines:

    ripple² = sum of max(0, variance along of the result - that of the truth)
              / sum of the truth's variance across

Sums run over all places where the truth is one-dimensional; variances are those of Y at the 17
places from 8 pixels before to 8 pixels behind, a pixel apart, along the line or across it. So beads
of amplitude a on stripes of amplitude A are a ripple of a/A. Softness, a wrong contrast and stripes
at a wrong place are constant along the line, and no ripple.

The lines' direction comes from the structure tensor of the truth (Förstner and Gülch, 1987; Bigün
and Granlund, 1987).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from vinr_cli.evaluate.metrics import luma

REACH = 8
"""Pixels along and across that are looked at, to each side."""
SIGMA = 4.0
"""Standard deviation of the Gaussian over which the direction is averaged, in pixels."""
ALIKE = 0.95
"""Least coherence, the eigenvalues' difference by their sum: 1 is one direction alone."""
STEEP = 4.0
"""Least root of the mean squared gradient there, in codes a pixel."""
PREFILTER = (0.037659, 0.249153, 0.426375, 0.249153, 0.037659)
"""With `DERIVATIVE`, a derivative that is the same in all directions up to fine patterns (Farid and
Simoncelli, IEEE Trans. Image Processing 13(4), 2004, table I, five taps)."""
DERIVATIVE = (-0.109604, -0.276691, 0.0, 0.276691, 0.109604)
MOST = 40_000
"""Places of a frame that are looked at."""
CODES = 255.0


@dataclass(frozen=True, slots=True, eq=False)
class Stripes:
    """Where a picture is one-dimensional.

    Attributes:
        at: (N, 2), places (x, y), in pixels; at most `MOST`, evenly out of all there are.
        line: (N, 2), unit vectors along the line.
        variance: (N,), the truth's variance along the line, in codes².
        across: Sum of its variances across the line, in codes².
    """

    at: Tensor
    line: Tensor
    variance: Tensor
    across: float


def stripes_of(truth: Tensor) -> Stripes | None:
    """Lines of one frame (3, H, W) in [0, 1]; None where it has no one-dimensional place."""
    y = (luma(truth).float() * CODES)[None, None]
    if min(y.shape[-2:]) <= 2 * REACH + 2:
        return None
    xx, yy, xy = _tensor(y)
    apart = torch.hypot(xx - yy, 2 * xy)
    found = (apart >= ALIKE * (xx + yy)) & ((xx + yy + apart) / 2 >= STEEP**2)
    places = torch.nonzero(_within(found[0, 0]))
    if not len(places):
        return None
    rows, columns = places[:: -(-len(places) // MOST)].unbind(1)
    angle = (torch.atan2(2 * xy, xx - yy) / 2)[0, 0, rows, columns]
    normal = torch.stack([angle.cos(), angle.sin()], -1)
    line = torch.stack([-angle.sin(), angle.cos()], -1)
    at = torch.stack([columns, rows], -1).float()
    across = float(_variances(y, at, normal).double().sum())
    return Stripes(at, line, _variances(y, at, line), across)


def added(made: Tensor, stripes: Stripes) -> float:
    """Sum over the lines of what the result (3, H, W) in [0, 1] varies more than the truth."""
    y = (luma(made).float() * CODES)[None, None]
    more = _variances(y, stripes.at, stripes.line) - stripes.variance
    return float(more.clamp(min=0).double().sum())


def _tensor(y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The structure tensor's xx, yy and xy; each of the shape of y (1, 1, H, W)."""
    smooth, slope = torch.tensor(PREFILTER), torch.tensor(DERIVATIVE)
    across = _filtered(y, smooth, slope)
    down = _filtered(y, slope, smooth)
    offset = torch.arange(-round(2.5 * SIGMA), round(2.5 * SIGMA) + 1)
    bell = torch.exp(-(offset**2) / (2 * SIGMA**2))
    bell = bell / bell.sum()
    xx, yy, xy = (_filtered(p, bell, bell) for p in (across**2, down**2, across * down))
    return xx, yy, xy


def _filtered(x: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """A separable filter with repeated borders; same shape."""
    high, wide = len(vertical) // 2, len(horizontal) // 2
    x = F.pad(x, (wide, wide, high, high), mode="replicate")
    return F.conv2d(F.conv2d(x, vertical[None, None, :, None]), horizontal[None, None, None, :])


def _within(found: Tensor) -> Tensor:
    """Without the places whose lines may leave the picture; (H, W)."""
    kept = torch.zeros_like(found)
    margin = REACH + 1
    kept[margin:-margin, margin:-margin] = found[margin:-margin, margin:-margin]
    return kept


def _variances(y: Tensor, at: Tensor, direction: Tensor) -> Tensor:
    """Variance of y (1, 1, H, W) on lines through places (N, 2), directions (N, 2); (N,)."""
    steps = torch.arange(-REACH, REACH + 1).float()
    points = at[:, None] + steps[:, None] * direction[:, None]
    half = torch.tensor([y.shape[-1] - 1, y.shape[-2] - 1]) / 2
    grid = (points / half - 1)[None]
    read = F.grid_sample(y, grid, mode="bicubic", align_corners=True, padding_mode="border")
    return read[0, 0].var(-1, correction=0)

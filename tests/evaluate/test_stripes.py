import math

import numpy as np
import pytest
import torch
from torch import Tensor

from vinr_cli.evaluate.stripes import added, stripes_of

SIDE = 120
ANGLES = [0.0, 11.0, 45.0, 73.0, 90.0]
"""Of the stripes' normal, in degrees."""
PERIODS = [3.5, 6.0, 14.0]
"""Of stripes, in pixels."""
BEAD = 17 / 3
"""Period of beads, in pixels: three in the 17 places that are looked at."""


def waves(angle: float) -> tuple[Tensor, Tensor]:
    """How far each pixel lies across and along stripes, in pixels."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return torch.from_numpy(columns * c + rows * s), torch.from_numpy(rows * c - columns * s)


def picture(y: Tensor) -> Tensor:
    """(3, H, W) of a Y around 0 in codes; not rounded, so that figures are exact."""
    return (0.5 + y / 219).expand(3, -1, -1).float()


def ripple(made: Tensor, truth: Tensor) -> float:
    """The figure of one frame."""
    stripes = stripes_of(truth)
    assert stripes is not None
    return math.sqrt(added(made, stripes) / stripes.across)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("period", PERIODS)
def test_beads_have_their_relative_amplitude(angle: float, period: float) -> None:
    """Beads of a tenth of the stripes' amplitude are a ripple of 0.1, at any angle and period."""
    across, along = waves(angle)
    stripes = 60 * torch.sin(2 * torch.pi * across / period)
    beads = 6 * torch.sin(2 * torch.pi * along / BEAD)

    assert ripple(picture(stripes + beads), picture(stripes)) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("angle", ANGLES)
def test_beads_of_contrast(angle: float) -> None:
    """Stripes whose contrast swells by b are a ripple of b/√2."""
    across, along = waves(angle)
    stripes = 60 * torch.sin(2 * torch.pi * across / 6)
    swelling = 1 + 0.3 * torch.sin(2 * torch.pi * along / BEAD)

    found = ripple(picture(stripes * swelling), picture(stripes))

    assert found == pytest.approx(0.3 / math.sqrt(2), rel=0.1)


@pytest.mark.parametrize("angle", ANGLES)
def test_softness_and_place_are_no_ripple(angle: float) -> None:
    """Stripes of half the contrast, or moved by a third of a period, are even along the line."""
    across, _ = waves(angle)
    stripes = 60 * torch.sin(2 * torch.pi * across / 6)
    moved = 60 * torch.sin(2 * torch.pi * across / 6 + 2)

    for made in (stripes, stripes / 2, moved):
        assert ripple(picture(made), picture(stripes)) < 0.02


def test_stairs_on_an_edge() -> None:
    """An edge askew that was enlarged by repeating pixels has more ripple than a smooth one."""
    across, _ = waves(73)
    edge = picture(80 * torch.tanh((across - across.mean()) / 2))
    small = torch.nn.functional.avg_pool2d(edge[None], 4)
    stairs = small.repeat_interleave(4, 2).repeat_interleave(4, 3)[0]
    smooth = torch.nn.functional.interpolate(small, scale_factor=4, mode="bicubic")[0]

    assert ripple(smooth, edge) < 0.3 * ripple(stairs, edge)


@pytest.mark.parametrize("size", [(120, 120), (16, 60)])
def test_a_picture_without_lines(size: tuple[int, int]) -> None:
    """Noise has no direction, a flat picture no slope, and a tiny one no room: no figure."""
    noise = torch.rand(1, *size, generator=torch.Generator().manual_seed(0)).expand(3, -1, -1)

    assert stripes_of(torch.full((3, *size), 0.5)) is None
    found = stripes_of(noise)
    assert found is None or len(found.at) < 0.01 * size[0] * size[1]

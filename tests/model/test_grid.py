import dataclasses
from fractions import Fraction

import pytest
import torch

from vinr_cli.model.grid import Axis, Grid

AXES = [(1, 1), (1, 16), (4, 14), (5, 12), (7, 2), (12, 40), (16, 4), (1080, 3780), (1920, 1921)]


def exact(axis: Axis, i: int) -> Fraction:
    """LR position of output pixel i; 0 is the first LR pixel's centre."""
    return Fraction((2 * i + 1) * axis.lr, 2 * axis.hr) - Fraction(1, 2)


@pytest.mark.parametrize(("lr", "hr"), AXES)
def test_nearest_is_the_rounded_position_and_ties_go_up(lr: int, hr: int) -> None:
    """The nearest LR index is floor(position + 1/2) in exact arithmetic, for every output pixel."""
    axis = Axis.full(lr, hr)

    assert axis.nearest().tolist() == [(exact(axis, i) + Fraction(1, 2)) // 1 for i in range(hr)]


def test_a_tie_takes_the_upper_pixel() -> None:
    """At scale 3.5, output pixel 3 of 14 lies between LR pixels 0 and 1 and takes 1."""
    axis = Axis.full(4, 14)

    assert exact(axis, 3) == Fraction(1, 2)
    assert axis.nearest()[3] == 1
    assert axis.relative()[3] == -0.5


@pytest.mark.parametrize(("lr", "hr"), AXES)
def test_positions_are_exact_to_float32(lr: int, hr: int) -> None:
    """`position`, and `nearest` plus `relative`, are within float32 of the exact position."""
    axis = Axis.full(lr, hr)
    truth = torch.tensor([float(exact(axis, i)) for i in range(hr)], dtype=torch.float64)

    torch.testing.assert_close(axis.position().double(), truth, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(
        axis.nearest() + axis.relative().double(), truth, rtol=1e-7, atol=1e-7
    )


@pytest.mark.parametrize(("lr", "hr"), [(12, 40), (20, 70), (16, 4), (9, 31)])
def test_a_window_is_a_slice_of_the_whole(lr: int, hr: int) -> None:
    """An axis with start, stop and offset asks for the same points as the whole one, bit by bit."""
    whole = Axis.full(lr, hr)
    start, stop = hr // 3, hr - hr // 4
    offset, held = lr // 4, lr - lr // 4
    part = dataclasses.replace(whole, start=start, stop=stop, offset=offset, held=held)

    assert len(part) == stop - start
    assert torch.equal(part.nearest() + offset, whole.nearest()[start:stop])
    assert torch.equal(part.relative(), whole.relative()[start:stop])
    torch.testing.assert_close(part.position() + offset, whole.position()[start:stop])


@pytest.mark.parametrize(
    "change",
    [
        {"hr": 0},
        {"start": -1},
        {"start": 8, "stop": 8},
        {"stop": 99},
        {"offset": 3},
        {"held": 0},
        {"offset": -1},
    ],
)
def test_impossible_axes_are_refused(change: dict[str, int]) -> None:
    """An axis that is empty or leaves its frame raises ValueError."""
    with pytest.raises(ValueError, match=r"not a grid axis|outside of the frame"):
        dataclasses.replace(Axis.full(4, 16), **change)


def test_shape_is_what_is_wanted() -> None:
    """A grid's shape counts the wanted output pixels, not the frame's."""
    grid = Grid.full((4, 6), (10, 21))
    part = dataclasses.replace(grid, rows=dataclasses.replace(grid.rows, start=2, stop=5))

    assert grid.shape == (10, 21)
    assert part.shape == (3, 21)

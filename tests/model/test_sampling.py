from collections.abc import Callable

import pytest
import torch

from vinr_cli.model.grid import Axis
from vinr_cli.model.published.sampling import Held, along, bordered, gather, neighbours

ROWS = Axis(lr=10, hr=40, start=8, stop=32, offset=0, held=6)
COLS = Axis(lr=12, hr=36, start=9, stop=24, offset=3, held=5)


def test_whole_maps_are_sampled_as_grid_sample_does() -> None:
    """Several whole tables at once give `grid_sample` with zero padding, corners not aligned."""
    torch.manual_seed(0)
    maps = [torch.randn(10, 12, 3), torch.randn(40, 48, 3)]
    where = torch.rand(2, 50)
    rows = tuple(Held(m.shape[0], 0, m.shape[0]) for m in maps)
    cols = tuple(Held(m.shape[1], 0, m.shape[1]) for m in maps)
    index, share = neighbours(where, rows, cols)

    for i, m in enumerate(maps):
        out = gather(bordered(m).flatten(0, 1), index[i], share[i])
        truth = torch.nn.functional.grid_sample(
            m.permute(2, 0, 1)[None],
            (2 * where.flip(0).t() - 1)[None, None],
            align_corners=False,
        )
        torch.testing.assert_close(out, truth[0, :, 0].t(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [Held.lr, Held.hr, lambda axis: Held.lr(axis, 4)])
def test_zeros_count_at_the_frame_and_pixels_are_held_inside(
    make: Callable[[Axis], Held],
) -> None:
    """Of a map of ones, reads at the frame's edge fade to 1/2, reads past a tile's edge do not."""
    rows, cols = make(ROWS), make(COLS)
    table = bordered(torch.ones(rows.length, cols.length, 1)).flatten(0, 1)
    inside = (rows.offset + rows.length / 2) / rows.whole
    centre = (cols.offset + cols.length / 2) / cols.whole
    where = torch.tensor([[inside, centre], [0.0, centre], [1.0, centre], [inside, 0], [inside, 1]])
    index, share = neighbours(where.t(), (rows,), (cols,))

    read = gather(table, index[0], share[0]).flatten().tolist()

    assert read == pytest.approx([1.0, 0.5 if rows.offset == 0 else 1.0, 1.0, 1.0, 1.0])


def test_taps_along_an_axis_equal_those_of_positions() -> None:
    """The taps of a grid's own pixels are the ones that their centres' fractions give."""
    index, second = along(COLS, Held.lr(COLS))
    centres = (2 * torch.arange(COLS.start, COLS.stop) + 1) / (2 * COLS.hr)
    where = torch.stack([torch.full_like(centres, 0.25), centres])
    rows = Held.lr(ROWS)
    taps, share = neighbours(where, (rows,), (Held.lr(COLS),))
    line = COLS.held + 2

    assert torch.equal(taps[0, :, 0] % line, index[:, 0].int())
    torch.testing.assert_close(share[0, :, 1] + share[0, :, 3], second)

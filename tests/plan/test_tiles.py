import random

import pytest

from vinr_cli.plan.tiles import Cost, Layout, divide, fit, smaller, tile_bytes


def nearest(i: int, lr: int, hr: int) -> int:
    return (2 * i + 1) * lr // (2 * hr)


def random_layouts(count: int) -> list[tuple[Layout, int, int]]:
    rng = random.Random(7)  # noqa: S311 - test data
    layouts = []
    for _ in range(count):
        lr = (rng.randint(1, 90), rng.randint(1, 90))
        hr = tuple(max(1, int(n * rng.uniform(0.25, 16))) for n in lr)
        side, halo, align = rng.randint(1, 60), rng.randint(0, 20), rng.choice([1, 4, 8])
        layouts.append((divide(lr, (hr[0], hr[1]), side, halo=halo, align=align), halo, align))
    return layouts


def test_every_output_pixel_is_in_exactly_one_tile() -> None:
    """For random sizes, scales and tiles, the output ranges partition the output frame."""
    for layout, _, _ in random_layouts(300):
        seen = [[0] * layout.hr[1] for _ in range(layout.hr[0])] if layout.hr[0] < 60 else None
        area = 0
        for t in layout.tiles:
            area += (t.rows.stop - t.rows.start) * (t.cols.stop - t.cols.start)
            if seen is not None:
                for y in range(t.rows.start, t.rows.stop):
                    for x in range(t.cols.start, t.cols.stop):
                        seen[y][x] += 1
        assert area == layout.hr[0] * layout.hr[1]
        assert seen is None or all(n == 1 for row in seen for n in row)


def test_every_tile_sees_its_core_and_the_halo() -> None:
    """What a tile owns has its nearest LR pixel and `halo` more on each side in the tile."""
    for layout, halo, align in random_layouts(300):
        for t in layout.tiles:
            for span, lr, hr in ((t.rows, *_d(layout, 0)), (t.cols, *_d(layout, 1))):
                low, high = nearest(span.start, lr, hr), nearest(span.stop - 1, lr, hr)
                assert span.offset <= max(0, low - halo)
                assert span.offset + span.held >= min(lr, high + 1 + halo)
                assert 0 <= span.offset < span.offset + span.held <= lr
                assert span.offset % align == 0
                end = span.offset + span.held
                assert end == lr or end % align == 0


def _d(layout: Layout, axis: int) -> tuple[int, int]:
    return layout.lr[axis], layout.hr[axis]


def test_no_tile_side_means_one_whole_tile() -> None:
    """Without a side, the frame is one tile that sees everything."""
    layout = divide((30, 40), (105, 140), None, halo=8, align=8)

    assert layout.whole
    assert layout.side is None
    assert layout.tiles[0].rows.held == 30
    assert layout.tiles[0].cols.stop == 140


def test_a_budget_chooses_the_coarsest_tiles_that_fit() -> None:
    """`fit` keeps the frame whole if it can, else its tiles cost at most the budget."""
    cost = Cost(lr_bytes=1000, hr_bytes=100)
    whole = divide((270, 480), (1080, 1920), None, halo=16)
    need = tile_bytes(whole, cost)
    assert need == 270 * 480 * 1000 + 1080 * 1920 * 100

    assert fit((270, 480), (1080, 1920), need, cost, halo=16).whole
    tight = fit((270, 480), (1080, 1920), need // 5, cost, halo=16)
    assert not tight.whole
    assert tile_bytes(tight, cost) <= need // 5
    next_coarser = divide((270, 480), (1080, 1920), (tight.side or 0) * 2, halo=16)
    assert tile_bytes(next_coarser, cost) > need // 5


def test_an_impossible_budget_ends_at_the_floor() -> None:
    """With no bytes at all, `fit` returns the smallest tiles and leaves the rest to the device."""
    layout = fit((100, 100), (200, 200), 0, Cost(1, 1), halo=4, floor=16)

    assert layout.side == 16
    assert smaller(layout, floor=16) is None


def test_the_ladder_of_sides_always_shrinks_and_ends() -> None:
    """From any frame, smaller sides go strictly down to the floor."""
    layout = divide((1080, 1920), (1080, 1920), None, halo=0)
    sides = []
    while (side := smaller(layout, floor=16)) is not None:
        sides.append(side)
        layout = divide((1080, 1920), (1080, 1920), side, halo=0)
    assert sides == sorted(set(sides), reverse=True)
    assert sides[-1] == 16


def test_nonsense_is_refused() -> None:
    """Lengths below one and negative halos raise ValueError."""
    for args in (((0, 1), (1, 1), 4, 1), ((1, 1), (1, 1), 0, 1), ((1, 1), (1, 1), 4, -1)):
        with pytest.raises(ValueError, match="cannot divide"):
            divide(args[0], args[1], args[2], halo=args[3])

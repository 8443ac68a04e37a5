import pytest

from vinr_cli.engine.tiling import SMALLEST_TILE, Tiling
from vinr_cli.model.videoinr import Network
from vinr_cli.plan.tiles import tile_bytes

LR, HR = (300, 400), (600, 800)


def test_the_budget_decides_unless_a_side_is_given(network: Network) -> None:
    """Enough memory leaves the frame whole, less makes tiles that fit; a side is a side."""
    whole = Tiling.choose(network, LR, HR, budget=1 << 40, side=None)
    tiled = Tiling.choose(network, LR, HR, budget=200 << 20, side=None)
    given = Tiling.choose(network, LR, HR, budget=1, side=100)
    assert whole.layout.whole
    assert not tiled.layout.whole
    assert tile_bytes(tiled.layout, tiled.cost) <= 200 << 20
    assert given.layout.side == 100
    assert len(given.layout.tiles) == 3 * 4


def test_tiles_become_smaller_down_to_the_smallest(network: Network) -> None:
    """Each step makes more tiles of the same frame; after the smallest there is none."""
    tiling: Tiling | None = Tiling.choose(network, LR, HR, budget=1 << 40, side=None)
    sides = []
    while tiling is not None:
        assert (tiling.layout.lr, tiling.layout.hr) == (LR, HR)
        sides.append(tiling.layout.side or max(LR))
        tiling = tiling.smaller()
    assert sides == sorted(set(sides), reverse=True)
    assert sides[-1] == SMALLEST_TILE


def test_a_frame_that_must_stay_whole_has_no_smaller_tiles(network: Network) -> None:
    """Side 0 forbids tiles, however small the budget is."""
    tiling = Tiling.choose(network, LR, HR, budget=1, side=0)
    assert tiling.layout.whole
    assert tiling.smaller() is None


@pytest.mark.parametrize(("tiles_that_fit", "kept"), [(12, True), (11, False)])
def test_all_tiles_are_kept_where_they_fit_together(
    network: Network, tiles_that_fit: int, kept: bool
) -> None:
    """Twelve tiles are kept in the memory of twelve; forgotten ones make more outputs a pass."""
    layout = Tiling.choose(network, LR, HR, budget=1, side=100).layout
    cost = Tiling.choose(network, LR, HR, budget=1, side=100).cost
    budget = tiles_that_fit * tile_bytes(layout, cost)
    tiling = Tiling.choose(network, LR, HR, budget=budget, side=100)
    assert tiling.keeps_all is kept
    forgotten = max(1, budget // 4 // (600 * 800 * 3 * 4))
    assert tiling.outputs_in_a_pass(1) == (1 if kept else forgotten)
    assert tiling.outputs_in_a_pass(5) == (5 if kept else forgotten)
    assert tiling.has_room_for(1)
    assert tiling.has_room_for(2) is not kept


def test_a_tiles_grid_is_a_window_of_the_whole_ones(network: Network) -> None:
    """Tiles ask for the output pixels that they own, of the whole frame's grid."""
    tiling = Tiling.choose(network, LR, HR, budget=1, side=100)
    grids = [tiling.grid(tile) for tile in tiling.layout.tiles]
    assert sum(g.shape[0] * g.shape[1] for g in grids) == HR[0] * HR[1]
    assert all((g.rows.lr, g.rows.hr, g.cols.lr, g.cols.hr) == (300, 600, 400, 800) for g in grids)

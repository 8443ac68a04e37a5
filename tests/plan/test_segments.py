import pytest

from vinr_cli.plan.segments import PART_FRAMES, PartGrid, choose_grid, disjoint, missing

GRID = PartGrid(step=40, slack=10)


def ends(grid: PartGrid, frames: int, cuts: set[int], begin: int = 0) -> list[int]:
    """Where the parts of a run from `begin` on end."""
    found, start = [], begin
    for frame in range(begin + 1, frames):
        if grid.ends_at(start, frame, cut=frame in cuts):
            found.append(frame)
            start = frame
    return found


def test_parts_end_at_the_windows_end_without_cuts() -> None:
    """Without scene cuts a part ends at the end of each window."""
    assert ends(GRID, 200, set()) == [50, 90, 130, 170]


def test_parts_end_at_the_first_cut_of_a_window() -> None:
    """A cut in a window ends the part there, once; cuts outside of windows do not."""
    assert ends(GRID, 140, {20, 43, 46, 80, 95}) == [43, 80, 130]


@pytest.mark.parametrize("begin", [0, 1, 30, 43, 47, 50, 55, 77])
def test_a_run_from_anywhere_finds_the_same_places(begin: int) -> None:
    """Whichever frame a run begins with, from the next window on its parts end as any other's."""
    cuts = {43, 85, 160}
    whole = ends(GRID, 300, cuts)
    after = [e for e in whole if e >= (begin // GRID.step + 1) * GRID.step]
    assert [e for e in ends(GRID, 300, cuts, begin) if e in after] == after
    assert set(ends(GRID, 300, cuts, begin)) <= {*whole, 50}


def test_one_part_without_end() -> None:
    """A grid of step 0 never ends a part, nor does one whose first window is never reached."""
    assert ends(PartGrid(0, 0), 10_000, {5000}) == []
    assert ends(GRID, 50, {39}) == []


@pytest.mark.parametrize(
    ("size", "accelerated", "frames"),
    [
        ((1280, 720), False, 240),
        ((64, 48), False, PART_FRAMES[1]),
        ((7680, 4320), False, PART_FRAMES[0]),
        ((1280, 720), True, 960),
    ],
)
def test_lengths_follow_the_work(size: tuple[int, int], accelerated: bool, frames: int) -> None:
    """Larger frames make shorter parts within bounds, GPUs longer ones."""
    grid = choose_grid(10_000, 20_000, size, accelerated=accelerated, frames=None)
    assert grid.step == frames // 2
    assert grid.slack == grid.step // 4


def test_lengths_that_are_asked_for() -> None:
    """A wanted length is in output frames; 0 makes one part; a step is at least one frame."""
    assert choose_grid(100, 400, (64, 48), accelerated=False, frames=80).step == 20
    assert choose_grid(100, 400, (64, 48), accelerated=False, frames=0) == PartGrid(0, 0)
    assert choose_grid(100, 4000, (64, 48), accelerated=False, frames=1).step == 1


def test_gaps() -> None:
    """What no part covers is missing; without a known end the last gap has none."""
    assert missing([], None) == [(0, None)]
    assert missing([], 10) == [(0, None)]
    assert missing([(5, 8), (0, 3)], None) == [(3, 5), (8, None)]
    assert missing([(0, 3), (3, 10)], 10) == []
    assert missing([(4, 10)], 10) == [(0, 4)]


def test_overlaps() -> None:
    """Spans that share a frame or hold none are not disjoint."""
    assert disjoint([(3, 5), (0, 3)])
    assert not disjoint([(0, 4), (3, 5)])
    assert not disjoint([(2, 2)])

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from vinr_cli.evaluate.motion import Motion, change, motion_between, true_motion

HEIGHT, WIDTH = 144, 192


def scene(x: float, y: float) -> Tensor:
    """(H, W): waves of many lengths and directions, moved right and down by x and y pixels."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    rng = np.random.default_rng(3)
    total = np.zeros((HEIGHT, WIDTH))
    for length in np.geomspace(6, 120, 24):
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
        total += length**0.5 * np.sin(2 * np.pi * along / length + phase)
    return torch.from_numpy(128 + total * 1.2).float()


def still(flow: tuple[float, float] = (0.0, 0.0)) -> Motion:
    """One motion for all places."""
    field = torch.tensor(flow)[:, None, None].expand(2, HEIGHT, WIDTH)
    return Motion(field.half(), torch.ones(HEIGHT, WIDTH, dtype=torch.bool))


@pytest.mark.parametrize(
    "moved", [(0.0, 0.0), (0.25, -0.5), (3.5, 1.0), (-13.0, 7.25), (30.0, -9.0)]
)
def test_a_known_motion_is_found(moved: tuple[float, float]) -> None:
    """A moved scene gives its motion to hundredths of a pixel, wherever both frames show it."""
    found = motion_between(scene(0, 0), scene(*moved))

    error = (found.flow.float() - torch.tensor(moved)[:, None, None]).norm(dim=0)
    both = (HEIGHT - abs(moved[1])) * (WIDTH - abs(moved[0]))
    assert float(error[found.seen].median()) < 0.06
    assert float(error[found.seen].quantile(0.95)) < 0.5
    assert 0.85 * both < int(found.seen.sum()) < 1.03 * both


def test_what_appears_is_not_seen_in_both() -> None:
    """A square that appears has no motion; what was around it has."""
    after = scene(0, 0)
    after[30:60, 40:80] = 250 - after[30:60, 40:80].flip(0)

    seen = motion_between(scene(0, 0), after).seen

    assert float(seen[34:56, 44:76].float().mean()) < 0.1
    assert float(seen[:20].float().mean()) > 0.95


def test_true_motion_counts_steps() -> None:
    """A clip of three frames has two motions."""
    frames = [scene(2.0 * k, 0).clamp(0, 255).round().byte() for k in range(3)]
    clip = torch.stack(frames)[:, None].expand(-1, 3, -1, -1)

    steps = true_motion(clip)

    assert len(steps) == 2
    assert all(
        float((s.flow[0].float()[s.seen]).median()) == pytest.approx(2, abs=0.05) for s in steps
    )


def test_an_error_that_moves_along_does_not_flicker() -> None:
    """An error of 20 codes on moving things changes by less than a code; at one place, by 20s."""
    error = scene(0, 0) - 128
    along = scene(4.5, 0) - 128
    inside = still((4.5, 0.0))
    inside.seen[:, -8:] = False

    found = change(error, along, inside)
    fixed = change(error, error, inside)

    assert float(error.std()) > 15
    assert found is not None
    assert fixed is not None
    assert math.sqrt(found) < 1
    assert math.sqrt(fixed) > 10


def test_errors_that_come_and_go_have_their_size() -> None:
    """An error of 0 and 8 codes in turns changes by 8; unrelated ones of deviation s by s·√2."""
    none, eight = torch.zeros(HEIGHT, WIDTH), torch.full((HEIGHT, WIDTH), 8.0)
    noise = torch.randn(2, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)) * 5

    assert change(none, eight, still()) == pytest.approx(64, rel=1e-4)
    assert change(noise[0], noise[1], still()) == pytest.approx(50, rel=0.05)


def test_without_a_motion_there_is_no_figure() -> None:
    """Nothing is measured where no motion is known."""
    nowhere = still()
    nowhere.seen[:] = False

    assert change(torch.zeros(HEIGHT, WIDTH), torch.ones(HEIGHT, WIDTH), nowhere) is None

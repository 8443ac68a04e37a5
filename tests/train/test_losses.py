import pytest
import torch

from vinr_cli.evaluate.metrics import BLOCK
from vinr_cli.train.losses import block_steps, charbonnier


def blocky(scale: int, blocks: int = 3) -> torch.Tensor:
    """(1, 3, H, W): squares of 8 LR pixels whose level changes from one to the next."""
    squares = torch.arange(blocks)[:, None] + torch.arange(blocks)
    board = (squares % 2).float() / 10
    side = BLOCK * scale
    picture = board.repeat_interleave(side, 0).repeat_interleave(side, 1)
    return picture.expand(1, 3, -1, -1)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_steps_between_blocks_are_seen(scale: int) -> None:
    """An error with the codec's blocks costs its steps; an even one costs nothing more."""
    epsilon = 1e-6

    assert float(block_steps(blocky(scale), scale, (0, 0), epsilon)) == pytest.approx(0.1, rel=1e-3)
    flat = torch.full((1, 3, 24 * scale, 24 * scale), 0.3)
    assert float(block_steps(flat, scale, (0, 0), epsilon)) <= 2 * epsilon


def test_steps_inside_of_blocks_are_not_counted() -> None:
    """Blocks that lie half a block off the codec's grid cost nothing."""
    moved = blocky(4)[..., 16:, 16:]

    assert float(block_steps(moved, 4.0, (0, 0), 1e-6)) < 1e-5
    assert float(block_steps(moved, 4.0, (16, 16), 1e-6)) == pytest.approx(0.1, rel=1e-3)


def test_a_window_without_borders() -> None:
    """A window inside of one block costs nothing, and its gradient is defined."""
    error = torch.ones(1, 3, 8, 8, requires_grad=True)

    total = block_steps(error, 4.0, (4, 4), 1e-3) + charbonnier(error, 1e-3)
    total.backward()  # type: ignore[no-untyped-call]

    assert float(block_steps(error.detach(), 4.0, (4, 4), 1e-3)) == 0
    assert error.grad is not None


def test_the_gradient_lessens_steps() -> None:
    """Following the gradient makes the steps smaller."""
    error = blocky(2).clone().requires_grad_()

    loss = block_steps(error, 2.0, (0, 0), 1e-3)
    loss.backward()  # type: ignore[no-untyped-call]

    assert error.grad is not None
    after = block_steps(error.detach() - 5 * error.grad, 2.0, (0, 0), 1e-3)
    assert float(after) < float(loss.detach())

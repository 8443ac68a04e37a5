import pytest
import torch
from torch import Tensor

from vinr_cli.evaluate.metrics import BLOCK
from vinr_cli.model import ModelConfig
from vinr_cli.model.videoinr import Network
from vinr_cli.train.config import LossConfig
from vinr_cli.train.data import Batch
from vinr_cli.train.losses import TrainStep, block_steps, charbonnier

SMALL = ModelConfig.compact(
    width=8, blocks=1, canvas=6, pyramid=(8, 8, 8), key=4, fine=4, hidden=8, decoder_hidden=8
)


def blocky(scale: int, blocks: int = 3) -> Tensor:
    """(1, 3, H, W): squares of 8 LR pixels whose level changes from one to the next."""
    squares = torch.arange(blocks)[:, None] + torch.arange(blocks)
    board = (squares % 2).float() / 10
    side = BLOCK * scale
    picture = board.repeat_interleave(side, 0).repeat_interleave(side, 1)
    return picture.expand(1, 3, -1, -1)


def grain(scale: int, blocks: int = 3) -> Tensor:
    """(1, 3, H, W): LR pixels of random levels, the same in every call."""
    side = BLOCK * blocks
    levels = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(3))
    return levels.repeat_interleave(scale, 2).repeat_interleave(scale, 3) / 2 + 0.2


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_steps_between_blocks_are_seen(scale: int) -> None:
    """Squares have their steps on the lines between blocks; a flat picture has none."""
    picture = blocky(scale)

    assert block_steps(picture, scale, (0, 0)).abs().numpy() == pytest.approx(0.1, rel=1e-3)
    flat = torch.full((1, 3, 24 * scale, 24 * scale), 0.3)
    assert float(block_steps(flat, scale, (0, 0)).abs().max()) == 0


def test_windows_know_where_blocks_begin() -> None:
    """A window that begins in the middle of a block finds its lines all the same."""
    window = blocky(4)[..., 16:, 16:]

    assert float(block_steps(window, 4.0, (0, 0)).abs().max()) == 0
    assert block_steps(window, 4.0, (16, 16)).abs().numpy() == pytest.approx(0.1, rel=1e-3)


def test_a_window_without_borders() -> None:
    """A window inside of one block has no steps."""
    assert block_steps(grain(4)[..., 4:12, 4:12], 4.0, (4, 4)).shape == (1, 0)


def test_the_gradient_lessens_steps() -> None:
    """Following the gradient makes steps at borders smaller and leaves blocks' insides alone."""
    error = blocky(2).clone().requires_grad_()

    loss = charbonnier(block_steps(error, 2.0, (0, 0)), 1e-3)
    loss.backward()  # type: ignore[no-untyped-call]

    assert error.grad is not None
    after = charbonnier(block_steps(error.detach() - 5 * error.grad, 2.0, (0, 0)), 1e-3)
    assert float(after) < float(loss.detach())
    assert float(error.grad[..., 4:12, 4:12].abs().max()) == 0


def test_only_coded_samples_pay_for_blocks() -> None:
    """Lines between blocks count where a codec was; elsewhere they are lines like any."""
    torch.manual_seed(0)
    step = TrainStep(Network(SMALL), LossConfig(blocks=2.0), bf16=False)
    pictures = torch.cat([grain(2, 4), blocky(2, 4)])
    inputs = torch.nn.functional.avg_pool2d(pictures, 2)[None].repeat(2, 1, 1, 1, 1)

    def losses(*coded: bool) -> dict[str, Tensor]:
        times, window = torch.tensor([0.0, 0.5]), (0, 0, 64, 64)
        marks = torch.tensor(coded)
        batch = Batch(inputs, pictures, pictures, pictures, times, window, marks)
        return {name: value.detach() for name, value in step(batch).items()}

    none, first, second = losses(False, False), losses(True, False), losses(False, True)

    assert none["blocks"] == 0
    assert 0 < first["blocks"] != second["blocks"] > 0
    for found in (first, second):
        assert none["picture"] == found["picture"]
        more = float(found["total"] - none["total"])
        assert more == pytest.approx(2 * float(found["blocks"]), rel=1e-4)


def test_charbonnier_is_smooth_at_zero() -> None:
    """An absolute value whose slope at zero is zero."""
    at = torch.tensor([0.0, 3.0], requires_grad=True)

    charbonnier(at, 1e-3).backward()  # type: ignore[no-untyped-call]

    assert at.grad is not None
    assert at.grad.tolist() == [0.0, pytest.approx(0.5)]

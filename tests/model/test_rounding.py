"""Kernels that round (bfloat16 in tiles, float16 in canvases) against float32, on trained weights.

The floors are those of issue 21: 55 dB, 3/255 at any pixel, 0.05 LR pixels of motion on average.
Real clips are measured by `benchmarks/precision.py`; here frames are drawn.
"""

import math

import pytest
import torch
from torch import Tensor

from vinr_cli.model.compact import trial
from vinr_cli.model.compact.fused_search import FusedFeatures
from vinr_cli.model.compact.network import CompactVideoINR
from vinr_cli.model.config import CompactConfig, ModelConfig
from vinr_cli.model.grid import Axis, Grid
from vinr_cli.native import library as native
from vinr_cli.weights.load import load_model

FLOOR, LARGEST, MOTION = 55.0, 3 / 255, 0.05


@pytest.fixture(scope="module", params=["clean", "video"])
def model(request: pytest.FixtureRequest) -> CompactVideoINR:
    made = load_model(str(request.param))
    assert isinstance(made, CompactVideoINR)
    return made.eval()


def drawn(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Two frames of waves and lettering-like bars that move by (2, 1), a square that stays."""
    y, x = torch.meshgrid(torch.arange(height + 2.0), torch.arange(width + 4.0), indexing="ij")
    planes = [
        0.5
        + 0.3 * torch.sin(0.05 * (x + k * y)) * torch.cos(0.11 * y + k)
        + 0.1 * torch.sin(x * 1.3)
        for k in range(3)
    ]
    picture = torch.stack(planes)
    picture[:, ::11, :] = 0.1
    picture[:, 20:40, 30:60:3] = 0.95
    frames = [picture[:, dy : dy + height, dx : dx + width].clone() for dy, dx in ((0, 0), (1, 2))]
    for frame in frames:
        frame[:, 8:24, 8:24] = torch.tensor([0.8, 0.2, 0.1]).view(3, 1, 1)
    return frames[0][None], frames[1][None]


def shown(
    net: CompactVideoINR, pair: tuple[Tensor, Tensor], grid: Grid, *, rounds: bool
) -> tuple[Tensor, Tensor]:
    """Motion, and the colours half-way."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=rounds):
        features = net.encode_pair(*(net.encode_frame(frame) for frame in pair))
        picture = net.render(net.prepare(features, grid), torch.tensor([0.5]))
    assert isinstance(features, FusedFeatures)
    assert features.kernels.half is rounds
    return features.moves[0].motion, picture


def psnr(a: Tensor, b: Tensor) -> float:
    error = float((a.clamp(0, 1) - b.clamp(0, 1)).double().square().mean())
    return math.inf if error == 0 else -10 * math.log10(error)


@pytest.mark.parametrize(
    ("lr", "size"), [((90, 120), (360, 480)), ((64, 96), (128, 192)), ((64, 96), (100, 250))]
)
def test_pictures_and_motion_keep_their_floors(
    rounding: native.Kernels, model: CompactVideoINR, lr: tuple[int, int], size: tuple[int, int]
) -> None:
    """At x4, at x2 and at an odd scale."""
    pair, grid = drawn(*lr), Grid.full(lr, size)
    motion, picture = shown(model, pair, grid, rounds=True)
    exact_motion, exact = shown(model, pair, grid, rounds=False)

    assert not torch.equal(picture, exact)
    assert psnr(picture, exact) >= FLOOR
    assert float((picture - exact).abs().max()) <= LARGEST
    assert float((motion - exact_motion).abs().mean()) <= MOTION


@pytest.mark.parametrize("width", [16, 32, 48, 64, 96])
def test_every_width_is_rounded_alike(rounding: native.Kernels, width: int) -> None:
    """Networks of other widths and depths, untrained, from one pixel on."""
    torch.manual_seed(0)
    net = CompactVideoINR(ModelConfig.compact(width=width, blocks=8)).eval()
    for lr in ((1, 1), (40, 72)):
        pair, grid = drawn(*lr), Grid.full(lr, (2 * lr[0], 2 * lr[1]))
        _, picture = shown(net, pair, grid, rounds=True)
        _, exact = shown(net, pair, grid, rounds=False)
        assert psnr(picture, exact) >= 50


def test_a_tile_is_rounded_like_its_frame(rounding: native.Kernels, model: CompactVideoINR) -> None:
    """A window of the grid shows what the whole frame shows there."""
    lr, whole = (64, 96), Grid.full((64, 96), (128, 192))
    window = Grid(Axis(64, 128, 40, 100, 0, 64), Axis(96, 192, 0, 70, 0, 96))
    pair = drawn(*lr)
    _, all_of_it = shown(model, pair, whole, rounds=True)
    _, part = shown(model, pair, window, rounds=True)

    assert (part - all_of_it[:, :, 40:100, :70]).abs().max() < LARGEST / 3


@torch.inference_mode()
def test_threads_change_nothing(
    rounding: native.Kernels, model: CompactVideoINR, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any number of threads gives the same bits."""
    pair, grid = drawn(60, 75), Grid.full((60, 75), (150, 200))
    made = []
    for threads in (1, 3, 50):
        monkeypatch.setattr(torch, "get_num_threads", lambda count=threads: count)
        made.append(shown(model, pair, grid, rounds=True)[1])

    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])


def test_nothing_is_rounded_where_it_was_not_asked_for(
    rounding: native.Kernels, model: CompactVideoINR
) -> None:
    """Without autocast, and under float16's, no kernel rounds; what was begun goes on as it was."""
    pair, grid = drawn(32, 32), Grid.full((32, 32), (64, 64))
    with torch.inference_mode():
        exact = [model.encode_frame(frame) for frame in pair]
        features = model.encode_pair(exact[0], exact[1])
        with torch.autocast("cpu", torch.bfloat16):
            late = model.render(model.prepare(features, grid), torch.tensor([0.5]))
        plain = model.render(model.prepare(features, grid), torch.tensor([0.5]))

    assert torch.equal(late, plain)


def test_the_trial_passes_and_is_made_once(
    rounding: native.Kernels, model: CompactVideoINR, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packaged networks agree; a second question costs no picture."""
    assert trial.psnr_of(model) >= trial.LEAST_PSNR
    assert model.rounds_well()
    monkeypatch.setattr(trial, "psnr_of", lambda _: 1 / 0)
    assert model.rounds_well()


@pytest.mark.parametrize("spoiled", [float("nan"), 1e6])
def test_a_network_that_rounding_spoils_is_left_in_float32(
    rounding: native.Kernels, spoiled: float
) -> None:
    """Weights that overflow float16's canvases, or are no numbers, do not pass the trial."""
    torch.manual_seed(0)
    net = CompactVideoINR(CompactConfig(blocks=1)).eval()
    with torch.no_grad():
        net.get_parameter("space.coefficients.weight").fill_(spoiled)

    assert not net.rounds_well()


def test_without_kernels_nothing_rounds(
    model: CompactVideoINR, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turned off, and in the baseline, there is nothing that could round."""
    for wish in ("0", "baseline"):
        monkeypatch.setenv(native.SWITCH, wish)
        assert not model.rounds_well()

"""Half precision, step by step: what is used keeps 50 dB against float32, 45 dB on seeded weights.

The figures are PyTorch's on a CPU; `benchmarks/precision.py` prints all of them.
"""

from typing import get_args

import pytest
import torch
from torch import Tensor

from harness import seeding
from vinr_cli.engine.device import choose_precision, format_name
from vinr_cli.engine.precision import ON_CPU, Step, automatic, mixed, psnr, render_in
from vinr_cli.model.compact.search import soft_argmax
from vinr_cli.model.config import ModelConfig
from vinr_cli.model.grid import Grid
from vinr_cli.model.videoinr import Network
from vinr_cli.native.library import SWITCH
from vinr_cli.weights.load import load_model

STEPS: tuple[Step, ...] = get_args(Step)
HALF = (torch.float16, torch.bfloat16)
CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
TIMES = (0.25, 0.6)


def rendered(model: Network, frames: Tensor, scale: int, **dtypes: torch.dtype) -> list[Tensor]:
    height, width = frames.shape[-2:]
    grid = Grid.full((height, width), (scale * height, scale * width))
    steps = {step: dtypes[step] for step in STEPS if step in dtypes}
    return render_in(model, frames, grid, TIMES, steps)


@pytest.mark.parametrize("name", ["clean", "video"])
def test_every_step_of_the_packaged_networks_keeps_50_db(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step alone and all of them together, in both formats, differ from float32."""
    monkeypatch.setenv(SWITCH, "0")  # the native kernels are float32
    model = load_model(name).eval()
    frames = seeding.frames(48, 64)
    exact = rendered(model, frames, 3)
    for dtype in HALF:
        for steps in (*((step,) for step in STEPS), STEPS):
            half = rendered(model, frames, 3, **dict.fromkeys(steps, dtype))
            assert 50 <= psnr(half, exact) < 110, (dtype, steps)


def test_the_published_network_keeps_45_db_in_what_it_lets_autocast_round() -> None:
    """With seeded weights and every step under autocast; without the shields it would be 33."""
    model = Network(ModelConfig.published()).eval()
    seeding.seed_weights(model)
    frames = seeding.frames(24, 32)
    exact = rendered(model, frames, 2)
    for dtype in HALF:
        half = rendered(model, frames, 2, **dict.fromkeys(STEPS, dtype))
        assert 45 <= psnr(half, exact) < 110, dtype


@pytest.mark.parametrize("step", ["pair", "prepare", "render"])
def test_the_published_network_is_exact_behind_its_first_blocks(step: str) -> None:
    """Autocast changes no bit of alignment, ConvLSTM, trunk and sine networks."""
    model = Network(ModelConfig.published(front_blocks=1, back_blocks=1)).eval()
    seeding.seed_weights(model)
    frames = seeding.frames(12, 16)
    exact, half = (rendered(model, frames, 2, **d) for d in ({}, {step: torch.bfloat16}))
    assert all(torch.equal(a, b) for a, b in zip(exact, half, strict=True))


def test_a_motion_is_never_rounded() -> None:
    """What a cost volume says is the same number under autocast."""
    cost = torch.rand(1, 25, 6, 8, generator=torch.Generator().manual_seed(0))
    exact = soft_argmax(cost, torch.tensor(12.0), 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(soft_argmax(cost, torch.tensor(12.0), 2), exact)


def test_a_cpu_mixes_what_has_no_native_kernels() -> None:
    """On a CPU the encoder's steps follow the format that was asked for, the others are float32."""
    for step in STEPS:
        with mixed(step, CPU, torch.bfloat16):
            assert torch.is_autocast_enabled("cpu") is (step in ON_CPU)
        with mixed(step, CPU, None):
            assert not torch.is_autocast_enabled("cpu")


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
def test_a_gpu_mixes_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """On CUDA all steps are asked to mix; the networks themselves keep parts out."""
    asked: list[bool] = []

    def spy(device: str, dtype: torch.dtype, enabled: bool, cache_enabled: bool) -> None:
        assert (device, cache_enabled) == ("cuda", False)
        asked.append(enabled)

    monkeypatch.setattr(torch, "autocast", spy)
    for step in STEPS:
        mixed(step, CUDA, torch.float16)
        mixed(step, CUDA, None)
    assert asked == [True, False] * len(STEPS)


@pytest.mark.parametrize(
    ("capability", "expected"), [((9, 0), torch.float16), ((7, 0), torch.float16), ((6, 1), None)]
)
def test_auto_is_half_precision_where_there_are_tensor_cores(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: torch.dtype | None
) -> None:
    """float16 from compute capability 7.0 on, else float32; float32 on other devices."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert automatic(CUDA) is expected
    assert automatic(CPU) is None
    assert automatic(torch.device("mps")) is None


def test_a_format_has_one_name() -> None:
    """`format_name` and `choose_precision` are each other's inverse."""
    for name in ("fp32", "fp16", "bf16"):
        assert format_name(choose_precision(name, CPU)) == name


def test_psnr_is_that_of_the_definition() -> None:
    """An error of 0.1 everywhere is 20 dB, equal pictures are infinite, overshoot is cut off."""
    black = [torch.zeros(3, 4, 4)]
    assert psnr([torch.full((3, 4, 4), 0.1)], black) == pytest.approx(20, abs=1e-4)
    assert psnr([torch.full((3, 4, 4), -0.5)], black) == float("inf")

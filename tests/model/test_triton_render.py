"""The Triton kernel in Triton's interpreter, against PyTorch; it has not run on a GPU.

Without Triton the tests are skipped: it comes with PyTorch's CUDA builds, or with pip.
"""

import importlib.util
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vinr_cli.model.compact import triton_render
from vinr_cli.model.compact.triton_render import Job, TritonPrepared, sample_job, trusted, usable
from vinr_cli.model.config import CompactConfig, ModelConfig
from vinr_cli.model.grid import Axis, Grid
from vinr_cli.model.videoinr import Network
from vinr_cli.native import library as native

CPU = torch.device("cpu")
BLOCK = dict(triton_render.BLOCK)
TOLERANCE = 2e-5
"""Other order of summation in float32, colours near [0, 1]; 4.5e-6 was the most that was seen."""

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed"
)
NARROW = ModelConfig.compact(
    width=8, blocks=1, canvas=5, pyramid=(8, 8, 8), key=4, fine=4, hidden=7, motion_features=3,
    decoder_hidden=9,
)  # fmt: skip
WIDEST = ModelConfig.compact(
    width=8, blocks=1, canvas=16, pyramid=(8, 8, 8), key=4, fine=4, hidden=16, motion_features=10,
    decoder_hidden=64,
)  # fmt: skip
PACKAGED = ModelConfig.compact(blocks=1, pyramid=(8, 8, 8), key=4, fine=4)


@pytest.fixture(autouse=True)
def interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kernel runs on the CPU; no trial of another test counts."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setenv(triton_render.SWITCH, "interpret")
    monkeypatch.setenv(native.SWITCH, "0")
    for dtype in BLOCK:  # the interpreter takes as long for a large block as for a small one
        monkeypatch.setitem(triton_render.BLOCK, dtype, 256)
    trusted.cache_clear()
    yield
    trusted.cache_clear()


def network(config: CompactConfig) -> Network:
    """A network with all parts awake and a motion of several pixels."""
    torch.manual_seed(0)
    made = Network(config).eval()
    with torch.no_grad():
        for name, value in made.named_parameters():
            if not bool(value.any()) or "last" in name or "step" in name:
                value.copy_(torch.randn_like(value) * 0.1)
        made.get_parameter("search.last_step.bias").copy_(torch.tensor([3.3, -2.1]))
    return made


def frames(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, 2, 3, height, width, generator=torch.Generator().manual_seed(0))


def both(
    net: Network, x: Tensor, grid: Grid, t: Tensor, dtype: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """Colours by the kernel, under autocast if a format is named, and by PyTorch in float32."""
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        features = net.encode(x)
        with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            prepared = net.prepare(features, grid)
            assert isinstance(prepared, TritonPrepared)
            fast = net.render(prepared, t)
        patch.setenv(triton_render.SWITCH, "0")
        plain = net.prepare(features, grid)
        assert not isinstance(plain, TritonPrepared)
        return fast, net.render(plain, t)


@needs_triton
@pytest.mark.parametrize("config", [NARROW, PACKAGED, WIDEST], ids=["narrow", "packaged", "widest"])
@pytest.mark.parametrize(
    ("lr", "size"), [((9, 12), (27, 31)), ((8, 11), (5, 22)), ((5, 3), (5, 3))]
)
def test_the_kernel_gives_pytorchs_colours(
    config: CompactConfig, lr: tuple[int, int], size: tuple[int, int]
) -> None:
    """Two pairs at two times, larger, smaller in one direction and equal in size."""
    ours, exact = both(
        network(config), frames(*lr, batch=2), Grid.full(lr, size), torch.tensor([0.0, 0.35])
    )
    assert ours.shape == exact.shape == (2, 3, *size)
    assert float((ours - exact).abs().max()) < TOLERANCE


@needs_triton
def test_a_window_is_rendered_as_in_its_frame() -> None:
    """A tile's grid gives the same pixels as PyTorch renders there."""
    grid = Grid(Axis(20, 41, 7, 30, 0, 16), Axis(18, 37, 5, 33, 2, 16))
    ours, exact = both(network(NARROW), frames(16, 16), grid, torch.tensor([0.5]))
    assert float((ours - exact).abs().max()) < TOLERANCE


@needs_triton
def test_half_precision_keeps_50_db() -> None:
    """With float16 canvases and products, against float32 in PyTorch."""
    ours, exact = both(
        network(PACKAGED), frames(9, 12), Grid.full((9, 12), (27, 36)), torch.tensor([0.4]),
        torch.float16,
    )  # fmt: skip
    error = float((ours - exact).double().square().mean())
    assert error > 0
    assert -10 * math.log10(error) >= 50


@needs_triton
def test_a_canvas_serves_the_next_pair() -> None:
    """The later frame's canvas is the earlier one of the next pair, and is not painted again."""
    net, grid = network(NARROW), Grid.full((8, 8), (16, 16))
    with torch.inference_mode():
        a, b, c = (net.encode_frame(x) for x in torch.rand(3, 1, 3, 8, 8))
        first = net.prepare(net.encode_pair(a, b), grid)
        second = net.prepare(net.encode_pair(b, c), grid, first)
        alone = net.prepare(net.encode_pair(b, c), grid)
    assert isinstance(first, TritonPrepared)
    assert isinstance(second, TritonPrepared)
    assert isinstance(alone, TritonPrepared)
    assert second.canvases[0] is first.canvases[1]
    assert torch.equal(second.canvases[0], alone.canvases[0])


@needs_triton
@pytest.mark.parametrize("place", ["canvas", "flow", "feature"])
def test_what_is_no_number_stays_visible(place: str) -> None:
    """NaN in a canvas, a flow or a feature reaches the colours, as in PyTorch."""
    job = sample_job(CPU, torch.float32)
    if place == "canvas":
        job.canvases[0][2, 3] = math.nan
    else:
        job.motion[:, 2, 3, 0 if place == "flow" else 7] = math.nan
    assert bool(triton_render.render(job).isnan().any())


@needs_triton
def test_far_motion_reads_the_border() -> None:
    """Flows of millions of pixels read the canvas's edge and nothing beyond."""
    job = sample_job(CPU, torch.float32)
    job.motion[0, ..., :4] = 1e6
    job.motion[1, ..., :4] = -1e30
    ours, exact = triton_render.render(job), triton_render.render_plainly(job)
    assert float((ours - exact).abs().max()) < TOLERANCE


@needs_triton
def test_too_large_tables_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places beyond 32-bit integers raise ValueError before anything is read."""
    monkeypatch.setattr(triton_render, "LARGEST", 1000)
    with pytest.raises(ValueError, match="too large for the kernel"):
        triton_render.render(sample_job(CPU, torch.float32))


@needs_triton
def test_a_kernel_that_disagrees_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong colours, colours that are no numbers and a failing compiler all mean PyTorch."""
    right = triton_render.render

    def broken(job: Job) -> Tensor:
        raise RuntimeError("no compiler")

    for wrong in (lambda job: right(job) + 0.02, lambda job: right(job) * math.nan, broken):
        trusted.cache_clear()
        monkeypatch.setattr(triton_render, "render", wrong)
        assert not trusted(CPU, torch.float32, PACKAGED, (1, 2))
    trusted.cache_clear()
    monkeypatch.setattr(triton_render, "render", right)
    assert trusted(CPU, torch.float32, PACKAGED, (1, 2))
    assert trusted(CPU, torch.float16, NARROW, (4, 4))


@needs_triton
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_does_not_change_the_verdict(dtype: torch.dtype) -> None:
    """The trial is exact wherever it is made; with bfloat16 the kernel has float32 products."""
    with torch.inference_mode(), torch.autocast("cpu", dtype=dtype):
        assert usable(PACKAGED, CPU)
        half = dtype is torch.float16
        assert triton_render.products_format(CPU) is (torch.float16 if half else torch.float32)


def test_the_kernel_is_started_on_the_frames_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton starts kernels on the current GPU, so that one is made current."""
    chosen: list[torch.device] = []

    class Current:
        def __init__(self, device: torch.device) -> None:
            chosen.append(device)

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(torch.cuda, "device", Current)
    for device in (CPU, torch.device("cuda", 1)):
        with triton_render._current(device):
            pass
    assert chosen == [torch.device("cuda", 1)]


def test_without_triton_pytorch_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing library is no error, and the trial is not made twice."""
    calls = []

    def missing() -> None:
        calls.append(1)
        raise ModuleNotFoundError("No module named 'triton'")

    monkeypatch.setattr(triton_render, "_kernels", missing)
    with torch.inference_mode():
        assert not usable(ModelConfig.compact(), CPU)
        assert not usable(ModelConfig.compact(), CPU)
    assert len(calls) == 1


def test_the_kernel_is_left_out_where_it_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients, wider networks, a CPU without the switch and VINR_TRITON=0 mean PyTorch."""
    monkeypatch.setattr(triton_render, "trusted", lambda *_: True)
    fits = ModelConfig.compact()
    assert not usable(fits, CPU)
    with torch.inference_mode():
        assert usable(fits, CPU)
        wide = (
            {"canvas": 17}, {"decoder_hidden": 65}, {"motion_features": 11},
        )  # fmt: skip
        assert not any(usable(ModelConfig.compact(**change), CPU) for change in wide)
        monkeypatch.setenv(triton_render.SWITCH, "0")
        assert not usable(fits, torch.device("cuda", 0))
        monkeypatch.delenv(triton_render.SWITCH)
        assert usable(fits, torch.device("cuda", 0))
        assert not usable(fits, CPU)


COMPILE = """
import sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from vinr_cli.model.compact import triton_kernels

addresses = {
    name: "*fp32"
    for name in ("out", "motion", "rows", "cols", "times", "shift", "bias_middle", "bias_last")
}
numbers = {name: "i32" for name in ("pixels", "line", "height", "width")} | {"still_logit": "fp32"}
chosen = {"FY": 2, "FX": 3, "CHANNELS": 12, "MOTION": 12, "HIDDEN": 32, "BLOCK": int(sys.argv[3])}
tables = {name: sys.argv[2] for name in ("first", "second")}
matrices = {
    f"weights_{layer}": sys.argv[2] for layer in ("first", "middle", "last")
}
named = addresses | numbers | tables | matrices | dict.fromkeys(chosen, "constexpr")
signature = {name: named[name] for name in triton_kernels.render.arg_names}
source = ASTSource(fn=triton_kernels.render, signature=signature, constexprs=chosen)
made = triton.compile(source, target=GPUTarget("cuda", int(sys.argv[1]), 32))
assert made.metadata.shared <= 48 << 10, made.metadata.shared
print(len(made.asm["cubin"]))
"""


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("capability", [75, 80, 90])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_kernel_compiles_for_gpus(
    capability: int, dtype: torch.dtype, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Code for Turing, Ampere and Hopper comes out, within their shared memory, without a GPU."""
    kind = "*fp32" if dtype is torch.float32 else "*fp16"
    block = str(BLOCK[dtype])
    quiet = {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, str(capability), kind, block],
        env=environment | quiet, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10_000


@needs_triton
def test_times_of_a_pair_are_rendered_together() -> None:
    """Three instants in one launch, smaller than LR in one direction, as one by one."""
    net, grid = network(NARROW), Grid.full((8, 11), (5, 22))
    t = torch.tensor([0.0, 0.3, 1.0])
    with torch.inference_mode():
        prepared = net.prepare(net.encode(frames(8, 11)), grid)
        assert isinstance(prepared, TritonPrepared)
        together = net.render_times(prepared, t)
        one_by_one = torch.cat([net.render(prepared, when[None]) for when in t])
    assert together.shape == (3, 3, 5, 22)
    assert float((together - one_by_one).abs().max()) < TOLERANCE

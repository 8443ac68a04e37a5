"""The native rendering against the PyTorch one, which is the reference.

Tolerance: both work in float32 in another order of summation; colours are near [0, 1] and the
largest difference ever seen was 2.4e-6 on the packaged weights.
"""

import math

import pytest
import torch
from torch import Tensor

from vinr_cli.model.compact.decoder import LEAST_SHARE, STILL_LOGIT
from vinr_cli.model.compact.fused import FusedPrepared, available, blend_of, cubic_taps
from vinr_cli.model.compact.network import CompactVideoINR
from vinr_cli.model.config import CompactConfig, ModelConfig
from vinr_cli.model.grid import Axis, Grid
from vinr_cli.model.videoinr import Network
from vinr_cli.native import library as native

TOLERANCE = 1e-5

WIDE = ModelConfig.compact(blocks=1, pyramid=(8, 8, 8), key=4, fine=4)
NARROW = ModelConfig.compact(
    width=8, blocks=1, canvas=5, pyramid=(8, 8, 8), key=4, fine=4, hidden=7, motion_features=3,
    decoder_hidden=9,
)  # fmt: skip
WIDEST = ModelConfig.compact(
    width=8, blocks=1, canvas=16, pyramid=(8, 8, 8), key=4, fine=4, hidden=64, motion_features=10,
    decoder_hidden=64,
)  # fmt: skip


def network(config: CompactConfig = NARROW, seed: int = 0) -> Network:
    """A network with all parts awake and a motion of several pixels."""
    torch.manual_seed(seed)
    made = Network(config).eval()
    with torch.no_grad():
        for name, value in made.named_parameters():
            if not bool(value.any()) or "last" in name or "step" in name:
                value.copy_(torch.randn_like(value) * 0.1)
        made.get_parameter("search.last_step.bias").copy_(torch.tensor([3.3, -2.1]))
    return made


def frames(height: int, width: int, batch: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 2, 3, height, width, generator=generator)


def both(
    net: Network, x: Tensor, grid: Grid, t: Tensor, monkeypatch: pytest.MonkeyPatch
) -> tuple[Tensor, Tensor]:
    """Colours by the kernels that are chosen, and by PyTorch."""
    with torch.inference_mode():
        features = net.encode(x)
        prepared = net.prepare(features, grid)
        assert isinstance(prepared, FusedPrepared)
        fast = net.render(prepared, t)
        with monkeypatch.context() as patch:
            patch.setenv(native.SWITCH, "0")
            plain = net.prepare(features, grid)
            assert not isinstance(plain, FusedPrepared)
            return fast, net.render(plain, t)


@pytest.mark.parametrize("config", [NARROW, WIDE, WIDEST], ids=["narrow", "packaged", "widest"])
@pytest.mark.parametrize(
    ("lr", "size"),
    [
        ((1, 1), (1, 1)),
        ((1, 9), (16, 9)),
        ((13, 17), (13, 17)),
        ((11, 15), (39, 53)),
        ((16, 24), (64, 96)),
        ((12, 10), (6, 40)),
        ((20, 30), (7, 9)),
    ],
)
def test_kernels_agree_with_pytorch(
    build: str,
    config: CompactConfig,
    lr: tuple[int, int],
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every build gives PyTorch's colours at odd sizes, at scale 1, 3.5, 4, 16 and below 1."""
    fast, plain = both(
        network(config), frames(*lr), Grid.full(lr, size), torch.tensor([0.3]), monkeypatch
    )

    assert fast.shape == (1, 3, *size)
    assert (fast - plain).abs().max() < TOLERANCE


@pytest.mark.parametrize("t", [0.0, 1e-4, 0.5, 1.0])
def test_times_agree(build: str, t: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """At both ends and between them the kernels give PyTorch's colours."""
    fast, plain = both(
        network(), frames(9, 14), Grid.full((9, 14), (32, 49)), torch.tensor([t]), monkeypatch
    )

    assert (fast - plain).abs().max() < TOLERANCE


def test_tile_in_a_batch_agrees(build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Part of a grid over features that hold part of a frame, with two pairs at two times."""
    grid = Grid(Axis(48, 168, 35, 101, 8, 24), Axis(64, 224, 60, 170, 16, 32))
    t = torch.tensor([0.25, 0.75])

    fast, plain = both(network(), frames(24, 32, batch=2), grid, t, monkeypatch)

    assert fast.shape == (2, 3, 66, 110)
    assert (fast - plain).abs().max() < TOLERANCE


@pytest.mark.parametrize("scale", [1e-42, 1e-38, 1e3])
def test_denormal_and_large_colours_agree(
    build: str, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colours that are denormal numbers, or far from [0, 1], are treated as PyTorch treats them.

    (In the norm: at values of 1000 single pixels of the motion search move by some 1e-5.)
    """
    x = frames(8, 8) * scale
    fast, plain = both(network(), x, Grid.full((8, 8), (28, 28)), torch.tensor([0.5]), monkeypatch)

    assert (fast - plain).norm() < TOLERANCE * max(1.0, plain.norm().item())


@pytest.mark.parametrize("flow", [500.0, -500.0, 1e30, math.inf, -math.inf])
def test_flows_out_of_the_frame_agree(
    build: str, flow: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Motion that leaves the frame, however far, reads the border."""
    net = network()
    with torch.no_grad():
        net.get_parameter("time.last.bias")[:4] = flow
    fast, plain = both(
        net, frames(8, 8), Grid.full((8, 8), (30, 30)), torch.tensor([0.5]), monkeypatch
    )

    assert bool(fast.isfinite().all())
    assert (fast - plain).abs().max() < TOLERANCE


def test_flows_that_are_no_number_read_the_frame(build: str) -> None:
    """A motion of NaN reads pixels of the frame and never memory beside it."""
    net = network()
    with torch.no_grad():
        net.get_parameter("time.last.bias")[:4] = math.nan

    with torch.inference_mode():
        out = net.query(net.encode(frames(8, 8)), 0.5, (30, 30))

    assert bool(out.isfinite().all())


@torch.inference_mode()
def test_threads_change_nothing(build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, three, and more threads than there are rows give the same bits."""
    net = network()
    prepared = net.prepare(net.encode(frames(24, 31)), Grid.full((24, 31), (84, 109)))
    outputs = []
    for threads in (1, 3, 200):
        monkeypatch.setattr(torch, "get_num_threads", lambda count=threads: count)
        outputs.append(net.render(prepared, torch.tensor([0.4])))

    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])


@torch.inference_mode()
def test_previous_canvas_is_reused(build: str) -> None:
    """Handing over the pair before takes over its canvas and changes no bit."""
    net = network()
    a, b, c = (net.encode_frame(frames(16, 24, seed=s)[:, 0]) for s in range(3))
    grid, t = Grid.full((16, 24), (40, 60)), torch.tensor([0.3])
    before, pair = net.prepare(net.encode_pair(a, b), grid), net.encode_pair(b, c)
    assert isinstance(before, FusedPrepared)

    reused = net.prepare(pair, grid, before)

    assert isinstance(reused, FusedPrepared)
    assert reused.canvases[0] is before.canvases[1]
    assert torch.equal(net.render(reused, t), net.render(net.prepare(pair, grid), t))


def test_gradients_take_pytorch() -> None:
    """Where gradients are wanted, PyTorch does the work, and they reach the frames."""
    net, x = network(), frames(8, 8).requires_grad_()
    colours = net.query(net.encode(x), 0.5, (16, 16))

    (slope,) = torch.autograd.grad(colours.sum(), x)

    assert bool(slope.any())


@torch.inference_mode()
def test_what_the_kernels_do_not_know_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Double precision, float16 and widths or depths beyond the kernels' are refused."""
    monkeypatch.delenv(native.SWITCH, raising=False)
    x = torch.zeros(1)
    with torch.autocast("cpu", dtype=torch.float16):
        assert available(NARROW, x) is None
    assert available(NARROW, x.double()) is None
    assert available(ModelConfig.compact(canvas=17), x) is None
    assert available(ModelConfig.compact(canvas=3), x) is None
    assert available(ModelConfig.compact(decoder_hidden=65), x) is None
    assert available(ModelConfig.compact(motion_features=11), x) is None
    assert available(ModelConfig.compact(blocks=23), x) is None
    assert available(NARROW, x) is native.kernels()


@torch.inference_mode()
def test_switched_off_between_the_steps(build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was prepared for kernels is refused once they are turned off, in words."""
    net = network()
    prepared = net.prepare(net.encode(frames(8, 8)), Grid.full((8, 8), (8, 8)))
    monkeypatch.setenv(native.SWITCH, "0")

    with pytest.raises(ValueError, match="native kernels"):
        net.render(prepared, torch.tensor([0.5]))


@pytest.mark.parametrize(("length", "factor"), [(1, 1), (1, 4), (2, 3), (3, 2), (7, 4), (5, 16)])
def test_cubic_taps_are_those_of_pytorch(length: int, factor: int) -> None:
    """The taps enlarge as PyTorch's antialiased bicubic interpolation does, borders included."""
    x = torch.rand(length, generator=torch.Generator().manual_seed(1))
    start, weight = cubic_taps(length, factor)
    padded = torch.cat([x, x.new_zeros(native.TAPS)])
    ours = (padded[start[:, None] + torch.arange(native.TAPS)] * weight).sum(1)

    want = torch.nn.functional.interpolate(
        x.expand(1, 1, 4, -1), (4, length * factor), mode="bicubic", antialias=True
    )

    assert (ours - want[0, 0, 0]).abs().max() < 1e-6


def test_blend_keeps_both_frames_in_sight() -> None:
    """At t = 0 and 1 no logarithm is infinite."""
    for t in (0.0, 1.0):
        blend = blend_of(t, STILL_LOGIT, LEAST_SHARE)
        assert math.isclose(math.exp(blend.first) + math.exp(blend.second), 1)


def test_a_painted_frame_gives_the_same_canvases(build: str) -> None:
    """A canvas made before there was a pair is used for its grid, and made again for another."""
    net = network()
    assert isinstance(net, CompactVideoINR)
    pair = frames(24, 40)[0]
    grid, other = Grid.full((24, 40), (60, 100)), Grid.full((24, 40), (72, 120))
    with torch.inference_mode():
        plain = [net.encode_frame(frame[None]) for frame in pair]
        painted = [net.paint(frame, grid) for frame in plain]
        for wanted_on in (grid, other):
            made = [
                net.prepare(net.encode_pair(first, second), wanted_on)
                for first, second in (plain, painted)
            ]
            assert all(isinstance(one, FusedPrepared) for one in made)
            seen = [net.render(one, torch.tensor([0.4])) for one in made]
            assert torch.equal(*seen)
    assert painted[0].painted is not None
    with torch.inference_mode():
        ready = net.prepare(net.encode_pair(*painted), grid)
    assert isinstance(ready, FusedPrepared)
    assert ready.canvases[0] is painted[0].painted.canvas


def test_without_kernels_nothing_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's rendering makes its canvases itself."""
    monkeypatch.setenv(native.SWITCH, "0")
    net = network()
    assert isinstance(net, CompactVideoINR)
    with torch.inference_mode():
        frame = net.encode_frame(frames(24, 40)[0, :1])
        assert net.paint(frame, Grid.full((24, 40), (60, 100))) is frame

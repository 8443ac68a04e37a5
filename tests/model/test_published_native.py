"""The published network's native kernels against PyTorch, layer by layer and together."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import Structure
from typing import cast

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from harness.seeding import frames, noise, seed_weights
from vinr_cli.model.config import ModelConfig, PublishedConfig
from vinr_cli.model.grid import Axis, Grid
from vinr_cli.model.layers import Convolution
from vinr_cli.model.published import fused_sines
from vinr_cli.model.published.deform import DeformConv
from vinr_cli.model.published.encoder import PublishedFeatures
from vinr_cli.model.published.network import PublishedVideoINR
from vinr_cli.native import library as native


@contextmanager
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch does the work."""
    with monkeypatch.context() as patch:
        patch.setenv(native.SWITCH, "0")
        yield


def near(a: Tensor, b: Tensor) -> None:
    """A convolution by Winograd's way keeps six digits."""
    assert a.shape == b.shape
    assert float((a - b).norm() / b.norm()) < 2e-6


def count_jobs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the jobs that kernels are given from now on."""
    seen: list[str] = []
    run = native.Kernels.run

    def counted(self: native.Kernels, job: Structure) -> None:
        seen.append(type(job).__name__)
        run(self, job)

    monkeypatch.setattr(native.Kernels, "run", counted)
    return seen


# -- 3x3 convolutions ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (4, 4), (13, 18), (30, 61)])
@pytest.mark.parametrize(("channels", "outputs"), [(8, 9), (16, 24), (29, 64), (64, 216)])
@torch.inference_mode()
def test_convolution_agrees(
    build: str, size: tuple[int, int], channels: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patches that stick out of the map, and channels that fill no block, are as PyTorch's."""
    torch.manual_seed(1)
    layer = Convolution(channels, outputs)
    x, plus = noise(2, channels, *size), noise(2, outputs, *size, seed=1)
    jobs = count_jobs(monkeypatch)

    out = layer.run(x, slope=0.1, plus=plus)

    expected = plus + F.leaky_relu(F.conv2d(x, layer.weight, layer.bias, padding=1), 0.1)
    assert jobs == ["ConvJob"]
    near(out, expected)


@pytest.mark.parametrize("second", ["given", "zeros"])
@torch.inference_mode()
def test_two_maps_side_by_side(build: str, second: str) -> None:
    """Two maps are convolved as one of all channels; a missing second one is zeros."""
    torch.manual_seed(1)
    layer = Convolution(48, 32)
    x, y = noise(1, 32, 9, 14), noise(1, 16, 9, 14, seed=1)
    both = torch.cat([x, y if second == "given" else torch.zeros_like(y)], 1)

    out = layer.run(x, y if second == "given" else None)

    expected = F.conv2d(both, layer.weight, layer.bias, padding=1)
    near(out, expected)


@torch.inference_mode()
def test_a_spare_map_takes_the_result(build: str) -> None:
    """`plus` may be written over; a spare map of another shape or layout is left alone."""
    torch.manual_seed(1)
    layer = Convolution(16, 16)
    x, plus = noise(1, 16, 6, 7), noise(1, 6, 7, 16, seed=1).permute(0, 3, 1, 2)
    other = noise(1, 16, 6, 7, seed=2)
    expected = layer.run(x, plus=plus)

    kept = other.clone()
    assert torch.equal(layer.run(x, plus=plus, spare=other), expected)
    assert torch.equal(other, kept)
    out = layer.run(x, plus=plus, spare=plus)

    assert torch.equal(out, expected)
    assert out.data_ptr() == plus.data_ptr()


@pytest.mark.parametrize("made_in_inference_mode", [False, True])
def test_changed_weights_are_used(build: str, *, made_in_inference_mode: bool) -> None:
    """The transformed weights follow a change in place, a loaded state dict, and a copy."""
    with torch.inference_mode(mode=made_in_inference_mode):
        torch.manual_seed(1)
        layer, other = Convolution(16, 16), Convolution(16, 16)
    x = noise(1, 16, 6, 7)

    def agrees(net: Convolution) -> bool:
        with torch.inference_mode():
            expected = F.conv2d(x, net.weight, net.bias, padding=1)
            return torch.allclose(net.run(x), expected, rtol=1e-5, atol=1e-5)

    assert agrees(layer)
    with torch.inference_mode(mode=made_in_inference_mode):
        layer.load_state_dict(other.state_dict())
    assert agrees(layer)
    if not made_in_inference_mode:
        with torch.no_grad():
            layer.weight.mul_(2)
        assert agrees(layer)
    copied = copy.deepcopy(layer)
    with torch.inference_mode(mode=made_in_inference_mode):
        copied.weight.data = other.weight * 3
    assert agrees(copied)
    assert agrees(layer)


def test_gradients_and_autocast_stay_with_pytorch(
    build: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernels know neither."""
    layer = Convolution(16, 16)
    x = noise(1, 16, 6, 7)
    jobs = count_jobs(monkeypatch)

    torch.autograd.backward(layer.run(x).sum())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = layer.run(x)

    assert jobs == []
    assert layer.weight.grad is not None
    assert out.dtype == torch.bfloat16


# -- deformable convolutions --------------------------------------------------------------------


@pytest.mark.parametrize(("width", "groups"), [(64, 8), (16, 4), (32, 1)])
@pytest.mark.parametrize("reach", [0.5, 30.0, 1e9])
@torch.inference_mode()
def test_deformable_convolution_agrees(
    build: str, width: int, groups: int, reach: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads inside, across the border, and far outside of the map are as PyTorch's."""
    torch.manual_seed(1)
    layer = DeformConv(width, groups)
    layer.conv_offset_mask.weight.normal_(0, reach / width)
    x, guide = noise(2, width, 11, 13), noise(2, width, 11, 13, seed=1)
    jobs = count_jobs(monkeypatch)

    out = layer(x, guide, slope=0.1)

    assert jobs == ["ConvJob", "DeformJob"]
    found = layer.conv_offset_mask.run(guide)
    with monkeypatch.context() as patch:
        patch.setattr(Convolution, "run", lambda *_: found)  # the same offsets for both
        patch.setenv(native.SWITCH, "0")
        expected = layer(x, guide, slope=0.1)
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_offsets_that_are_no_number_read_the_map(build: str) -> None:
    """NaN and infinity lead nowhere outside of memory; masks of NaN show."""
    layer = DeformConv(16, 2)
    layer.conv_offset_mask.bias.fill_(float("nan"))  # type: ignore[union-attr]

    out = layer(noise(1, 16, 5, 6), noise(1, 16, 5, 6))

    assert bool(out.isnan().all())


# -- the sine networks --------------------------------------------------------------------------


def network(**changes: object) -> PublishedVideoINR:
    """The published architecture with little in it, seeded weights."""
    config = {
        "width": 16,
        "deform_groups": 2,
        "front_blocks": 1,
        "back_blocks": 1,
        "hidden": (16, 16, 24),
        "decoder_hidden": (16, 16, 24, 24),
        **changes,
    }
    made = PublishedVideoINR(ModelConfig.published(**config)).eval()
    seed_weights(made)
    return made


def close(a: Tensor, b: Tensor, tolerance: float = 2e-5) -> None:
    """In the L2 norm; sines amplify rounding, so single pixels may differ by ten times as much."""
    assert float((a - b).norm() / b.norm()) < tolerance


@pytest.mark.parametrize("upsampled_frames", [True, False])
@pytest.mark.parametrize("size", [(7, 9), (30, 50), (3, 120), (49, 33)])
@torch.inference_mode()
def test_colours_agree(
    build: str, size: tuple[int, int], *, upsampled_frames: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All kernels together give PyTorch's colours, at sizes that fill no block of pixels."""
    net = network(upsampled_frames=upsampled_frames)
    pair = torch.cat([frames(11, 14), frames(11, 14, seed=1)])
    times = torch.tensor([0.25, 1.0])
    jobs = count_jobs(monkeypatch)

    out = net.query(net.encode(pair), times, size)

    assert {"ConvJob", "DeformJob", "FieldJob", "PaintJob"} == set(jobs)
    with plain(monkeypatch):
        close(out, net.query(net.encode(pair), times, size))


@torch.inference_mode()
def test_published_widths_agree(build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sine networks of the published widths."""
    published = PublishedConfig()
    net = network(hidden=published.hidden, decoder_hidden=published.decoder_hidden)
    pair, size = frames(9, 10), (32, 37)

    out = net.query(net.encode(pair), 0.4, size)

    with plain(monkeypatch):
        close(out, net.query(net.encode(pair), 0.4, size))


@torch.inference_mode()
def test_a_window_that_flows_leave_agrees(build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tile of the grid, and what its flows fetch from outside of it."""
    net = network()
    pair = frames(16, 20)
    grid = Grid(Axis(16, 56, 20, 41, 0, 16), Axis(20, 70, 31, 64, 0, 20))

    def render() -> Tensor:
        features = cast(PublishedFeatures, net.encode(pair))
        return net.render(net.prepare(features, grid), torch.tensor([0.6]))

    out = render()
    with plain(monkeypatch):
        close(out, render())


@torch.inference_mode()
def test_threads_change_nothing(build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, three, and more threads than there is work give the same bits."""
    net = network()
    pair = frames(20, 24)
    outputs = []
    for threads in (1, 3, 200):
        monkeypatch.setattr(torch, "get_num_threads", lambda count=threads: count)
        outputs.append(net.query(net.encode(pair), 0.5, (60, 72)))

    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize(
    "changes",
    [{"hidden": (16, 8)}, {"decoder_hidden": (16, 320)}, {"hidden": (16,) * 6}, {"width": 128}],
    ids=str,
)
def test_other_widths_stay_with_pytorch(build: str, changes: dict[str, object]) -> None:
    """What the kernels cannot hold is not given to them."""
    config = ModelConfig.published(**changes)
    assert isinstance(config, PublishedConfig)

    with torch.inference_mode():
        assert fused_sines.available(PublishedConfig(), torch.zeros(1)) is not None
        assert fused_sines.available(config, torch.zeros(1)) is None


@torch.inference_mode()
def test_large_arguments_of_sines(build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """First sums of some hundreds of radians still give PyTorch's sines."""
    net = network()
    net.feat_imnet.get_parameter("net.0.linear.bias").add_(torch.linspace(-20, 20, 16))
    pair = frames(9, 10)

    out = net.query(net.encode(pair), 0.4, (20, 20))

    with plain(monkeypatch):
        close(out, net.query(net.encode(pair), 0.4, (20, 20)), 3e-4)  # 600 is 2e-5 from its next

"""oneDNN's operators with packed weights against `conv2d`, and what happens without them."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from harness.seeding import noise
from vinr_cli.model import onednn
from vinr_cli.model.layers import Convolution
from vinr_cli.native import library as native

needed = pytest.mark.skipif(not onednn._tried(), reason="PyTorch has no such operators here")


@pytest.fixture(autouse=True)
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch does the work, and the trial is made anew."""
    monkeypatch.setenv(native.SWITCH, "0")
    onednn._tried.cache_clear()
    yield
    onednn._tried.cache_clear()


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of the maps that are convolved with packed weights from now on."""
    seen: list[tuple[int, ...]] = []
    plain = onednn.convolve_packed

    def counted(x: Tensor, *args: object, **options: object) -> Tensor:
        seen.append(tuple(x.shape))
        return plain(x, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("vinr_cli.model.layers.convolve_packed", counted)
    return seen


@needed
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (1, 1)])
@pytest.mark.parametrize("slope", [1.0, 0.1, 0.0])
@torch.inference_mode()
def test_convolution_agrees(
    layout: torch.memory_format,
    kernel: int,
    stride: int,
    slope: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every kernel, stride, activation and sum gives what `conv2d` and PyTorch's functions give."""
    torch.manual_seed(1)
    layer = Convolution(12, 20, kernel, stride)
    x = noise(2, 12, 9, 14).contiguous(memory_format=layout)
    plain = F.conv2d(x, layer.weight, layer.bias, stride, kernel // 2)
    plus = noise(*plain.shape, seed=1).contiguous(memory_format=layout)
    kept = plus.clone()
    expected = F.leaky_relu(plain, slope)
    calls = count_calls(monkeypatch)

    alone, together = layer.run(x, slope=slope), layer.run(x, slope=slope, plus=plus)

    assert calls == [(2, 12, 9, 14)] * 2
    assert together.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(alone, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(together, expected + plus, rtol=1e-5, atol=1e-5)
    assert torch.equal(plus, kept)


@needed
@torch.inference_mode()
def test_maps_of_other_sizes_and_channels() -> None:
    """A layer's packed weights serve other sizes; fewer channels have some of their own."""
    torch.manual_seed(1)
    layer = Convolution(16, 8)
    for size, channels in (((6, 7), 16), ((30, 41), 16), ((6, 7), 10), ((1, 1), 16)):
        x = noise(1, channels, *size)
        expected = F.conv2d(x, layer.weight[:, :channels], layer.bias, padding=1)
        torch.testing.assert_close(layer.run(x), expected, rtol=1e-5, atol=1e-5)


@needed
def test_changed_weights_are_used() -> None:
    """Packed weights follow a change in place."""
    torch.manual_seed(1)
    layer, x = Convolution(16, 16), noise(1, 16, 6, 7)
    with torch.inference_mode():
        before = layer.run(x)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(2)
    with torch.inference_mode():
        torch.testing.assert_close(layer.run(x), 2 * before)


def test_gradients_autocast_and_float64_stay_with_conv2d(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operators know none of them."""
    layer, x = Convolution(16, 16), noise(1, 16, 6, 7)
    calls = count_calls(monkeypatch)

    torch.autograd.backward(layer.run(x).sum())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert layer.run(x).dtype == torch.bfloat16
    with torch.no_grad():
        layer.double().run(x.double())

    assert calls == []


@pytest.mark.parametrize("fault", ["missing", "refuses", "differs"])
@torch.inference_mode()
def test_without_working_operators_conv2d_does_it(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Operators that are gone, take other arguments, or give other values are left alone."""

    def other(*args: object, **options: object) -> Tensor:
        if fault == "missing":
            raise AttributeError("no such operator")
        if fault == "refuses":
            raise RuntimeError("expected at most 3 arguments")
        return torch.zeros(2, 16, 9, 10)

    monkeypatch.setattr(onednn, "convolve_packed", other)
    torch.manual_seed(1)
    layer, x = Convolution(16, 16), noise(1, 16, 6, 7)
    calls = count_calls(monkeypatch)

    out = layer.run(x)

    assert calls == []
    torch.testing.assert_close(out, F.conv2d(x, layer.weight, layer.bias, padding=1))

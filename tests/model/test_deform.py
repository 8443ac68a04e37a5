from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from harness import oracle
from vinr_cli.model.published import deform
from vinr_cli.model.published.deform import DeformConv, deform_conv

# Made in float64 with the reference implementation of the DCNv2 authors' formula.
GOLDEN = Path(__file__).parent / "golden" / "deform_conv.npz"


def golden() -> dict[str, Tensor]:
    with np.load(GOLDEN) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


def random_case(dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    """x, offset, mask, weight, bias: 2 maps of 8 channels, 5x7, in 2 groups."""
    g = torch.Generator().manual_seed(3)
    shapes = [(2, 8, 5, 7), (2, 36, 5, 7), (2, 18, 5, 7), (6, 8, 3, 3), (6,)]
    x, offset, mask, weight, bias = (torch.randn(s, generator=g, dtype=dtype) for s in shapes)
    return x, offset * 2, mask.sigmoid(), weight, bias


def test_golden() -> None:
    """The reference vectors are met within a relative L2 error of 1e-6, offsets up to 12 pixels."""
    v = golden()

    with torch.inference_mode():
        out = deform_conv(v["input"], v["offset"], v["mask"], v["weight"], v["bias"])

    assert (out - v["output"]).norm() / v["output"].norm() < 1e-6


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_agrees_with_the_literal_formula(layout: torch.memory_format) -> None:
    """The gathers give what nine samplings and nine 1x1 convolutions give, in either layout."""
    x, offset, mask, weight, bias = random_case()
    truth = oracle.deform_conv(*(v.double() for v in (x, offset, mask, weight, bias)))

    x, offset, mask = (v.contiguous(memory_format=layout) for v in (x, offset, mask))
    out = deform_conv(x, offset, mask, weight, bias)

    torch.testing.assert_close(out.double(), truth, rtol=1e-5, atol=1e-5)


def test_bands_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels gathered in bands, also across the maps of a batch, equal pixels gathered at once."""
    case = random_case()
    with torch.inference_mode():
        at_once = deform_conv(*case)
        monkeypatch.setattr(deform, "BAND", {"cpu": 16})
        torch.testing.assert_close(deform_conv(*case), at_once)


def test_gradients_agree_with_the_literal_formula() -> None:
    """Input, offset, mask, weight and bias get the gradients of the literal formula."""
    fast = [v.requires_grad_() for v in random_case()]
    slow = [v.detach().double().requires_grad_() for v in fast]

    torch.autograd.backward(deform_conv(*fast).square().sum())
    torch.autograd.backward(oracle.deform_conv(*slow).square().sum())

    for a, b in zip(fast, slow, strict=True):
        assert a.grad is not None
        assert b.grad is not None
        torch.testing.assert_close(a.grad.double(), b.grad, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("far", [1e4, -1e30, float("inf"), float("-inf")])
def test_far_reads_are_zero(far: float) -> None:
    """Offsets far outside of the map read zeros: only the bias remains."""
    x, offset, mask, weight, bias = random_case()

    out = deform_conv(x, torch.full_like(offset, far), mask, weight, bias)

    torch.testing.assert_close(out, bias[:, None, None].expand_as(out))


def test_not_a_number_stays_where_it_is() -> None:
    """An offset that is no number spoils its own pixel and no other."""
    x, offset, mask, weight, bias = random_case()
    offset[0, 0, 2, 3] = float("nan")

    spoilt = deform_conv(x, offset, mask, weight, bias).isnan()

    assert bool(spoilt[0, :, 2, 3].all())
    assert int(spoilt.sum()) == 6


def test_a_new_layer_is_half_a_convolution() -> None:
    """With its first offsets (none) and masks (1/2), the layer is a convolution of x / 2."""
    torch.manual_seed(0)
    layer = DeformConv(8, groups=2)
    x = torch.randn(1, 8, 6, 5)
    plain = torch.nn.functional.conv2d(x / 2, layer.weight, layer.bias, padding=1)

    torch.testing.assert_close(layer(x, torch.randn(1, 8, 6, 5)), plain, rtol=1e-5, atol=1e-5)


def test_shapes_must_belong_together() -> None:
    """An offset of another size raises ValueError."""
    x, offset, mask, weight, bias = random_case()

    with pytest.raises(ValueError, match="deformable convolution of"):
        deform_conv(x, offset[..., :-1], mask, weight, bias)

"""Chains of native steps against PyTorch, step by step and in every build."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from vinr_cli.model.compact.chain import Chain, Rows
from vinr_cli.model.compact.fused_frame import batched, map_of
from vinr_cli.model.layers import conv
from vinr_cli.native import library as native
from vinr_cli.native.library import Form

SIZES = [(1, 1), (3, 70), (13, 17), (24, 40), (37, 33)]
"""Odd ones, ones below a patch and a tile, and one with more rows than a ring has."""

EXACT, ROUNDED = 5e-5, 5e-2
"""Largest difference of values up to five: of float32 by Winograd's transforms, and of bfloat16."""

MEAN = 5e-3
"""Root of the mean squared difference that bfloat16 may make."""


@pytest.fixture(params=("avx512", "avx2", "baseline", "avx512 half", "avx2 half", "amx half"))
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> native.Kernels:
    """Every kind of kernels that there is, one after the other."""
    name, _, half = str(request.param).partition(" ")
    monkeypatch.setenv(native.SWITCH, name)
    found = native.kernels()
    if found is not None and half:
        found = found.rounding()
    if found is None:
        pytest.skip(f"no {request.param} kernels here")
    return found


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def layer(inputs: int, outputs: int, side: int = 3, stride: int = 1) -> nn.Conv2d:
    """One whose outputs are about one, with all weights and biases awake."""
    torch.manual_seed(inputs + outputs)
    made = conv(inputs, outputs, side, stride)
    nn.init.normal_(made.weight, std=(inputs * side * side) ** -0.5)
    nn.init.normal_(made.bias)  # type: ignore[arg-type]
    return made


def tolerance(kernels: native.Kernels) -> float:
    return ROUNDED if kernels.splits else EXACT


def assert_close(kernels: native.Kernels, made: Tensor, want: Tensor) -> None:
    """Of a shape, and as close as the kernels' numbers can be."""
    assert made.shape == want.shape
    assert (made - want).abs().max() < tolerance(kernels)
    assert (made - want).square().mean().sqrt() < MEAN


def begun(kernels: native.Kernels, x: Tensor) -> tuple[Chain, Rows]:
    """A chain that begins with a map, (C, H, W)."""
    chain = Chain(kernels)
    return chain, chain.map(map_of(x, kernels.numbers), len(x))


def plain(made: Tensor, channels: int) -> Tensor:
    return batched([made], channels)[0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "shape",
    [
        (32, 32, 3, 1), (48, 48, 3, 1), (64, 64, 3, 1), (96, 96, 3, 1), (16, 80, 3, 1),
        (20, 7, 3, 1), (32, 48, 3, 2), (48, 33, 3, 2), (32, 16, 1, 1), (5, 40, 1, 1),
    ],
)  # fmt: skip
@torch.inference_mode()
def test_a_convolution_is_that_of_pytorch(
    kernels: native.Kernels, size: tuple[int, int], shape: tuple[int, int, int, int]
) -> None:
    """Widths that are multiples of a vector or not, both kernels and strides, at odd sizes."""
    inputs, outputs, _, _ = shape
    x, made = random(inputs, *size), layer(*shape)
    chain, source = begun(kernels, x)
    rows = chain.convolve(made, source, slope=0.1)
    out = chain.keep(rows, outputs)
    chain.run()

    want = F.leaky_relu(made(x[None]), 0.1)[0]
    assert_close(kernels, plain(out, outputs), want)
    assert not out[..., outputs:].any()


@pytest.mark.parametrize("size", SIZES)
@torch.inference_mode()
def test_a_block_adds_what_came_in(kernels: native.Kernels, size: tuple[int, int]) -> None:
    """Two convolutions and a sum in one chain, which never writes what is between them."""
    x, first, second = random(32, *size), layer(32, 32), layer(32, 32)
    chain, source = begun(kernels, x)
    between = chain.convolve(first, source, slope=0.1)
    out = chain.keep(chain.convolve(second, between, plus=source), 32)
    chain.run()

    want = second(F.leaky_relu(first(x[None]), 0.1))[0] + x
    assert_close(kernels, plain(out, 32), want)


@torch.inference_mode()
def test_threads_change_nothing(kernels: native.Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of rows that several threads make are those of one thread, bit for bit."""
    x, layers = random(32, 64, 37), [layer(32, 32), layer(32, 48, 3, 2), layer(48, 48)]
    made = []
    for threads in (1, 2, 3, 100):
        monkeypatch.setattr(torch, "get_num_threads", lambda count=threads: count)
        chain, rows = begun(kernels, x)
        kept = []
        for one in layers:
            rows = chain.convolve(one, rows, slope=0.1)
            kept.append(chain.keep(rows, one.out_channels))
        chain.run()
        made.append(torch.cat([k.flatten() for k in kept]))

    assert all(torch.equal(made[0], other) for other in made[1:])


@pytest.mark.parametrize("size", SIZES)
@torch.inference_mode()
def test_a_frame_is_continued_by_its_last_pixels(
    kernels: native.Kernels, size: tuple[int, int]
) -> None:
    """The first layer sees the padded frame, whose colours keep more digits than bfloat16 has."""
    picture, made = random(3, *size), layer(3, 32)
    height, width = (-(-n // 8) * 8 for n in size)
    chain = Chain(kernels)
    out = chain.keep(chain.convolve(made, chain.frame(picture, height, width)), 32)
    chain.run()

    padded = F.pad(picture[None], (0, width - size[1], 0, height - size[0]), mode="replicate")
    assert_close(kernels, plain(out, 32), made(padded)[0])


@torch.inference_mode()
def test_keys_have_unit_length(kernels: native.Kernels) -> None:
    """A 1x1 convolution whose pixels are scaled; a pixel of zeros stays one."""
    x, made = random(32, 9, 21), layer(32, 24, 1)
    nn.init.zeros_(made.bias)  # type: ignore[arg-type]
    x[:, 4, 5] = 0
    chain, source = begun(kernels, x)
    keys = native.empty(9, 21, native.padded(24))
    chain.convolve(made, source, form=Form.KEYS, out=keys)
    chain.run()

    assert_close(kernels, plain(keys, 24), F.normalize(made(x[None]), dim=1)[0])
    assert not keys[4, 5].any()


@torch.inference_mode()
def test_moves_are_added(kernels: native.Kernels) -> None:
    """Two channels are added to planes of float32."""
    x, made = random(32, 20, 70), layer(32, 2)
    chain, source = begun(kernels, x)
    before = random(2, 20, 70, seed=1)
    moved = before.clone()
    chain.convolve(made, source, form=Form.MOVES, out=moved)
    chain.run()

    assert_close(kernels, moved - before, made(x[None])[0])


@torch.no_grad()
def test_weights_that_change_are_packed_anew(kernels: native.Kernels) -> None:
    """A layer whose weight or whose bias alone changed between two chains is used as it is then."""
    x, made = random(32, 8, 8), layer(32, 32)
    changes = (
        lambda: None,
        lambda: made.weight.mul_(0.5),
        lambda: made.bias.fill_(1.0),  # type: ignore[union-attr]
    )
    for change in changes:
        change()
        with torch.inference_mode():
            chain, source = begun(kernels, x)
            out = chain.keep(chain.convolve(made, source), 32)
            chain.run()
            assert_close(kernels, plain(out, 32), made(x[None])[0])

"""Code values to colours and back."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vinr_cli.color.convert import from_rgb, is_finite, to_rgb
from vinr_cli.color.spec import Chroma, ColorSpec, Matrix, Siting, plane_shapes, quantisation

YUV = (Matrix.BT601, Matrix.BT709, Matrix.BT2020, Matrix.FCC, Matrix.SMPTE240M)
SPECS = [
    ColorSpec(
        chroma=chroma,
        matrix=Matrix.RGB if chroma is Chroma.RGB else matrix,
        full_range=full,
        depth=depth,
    )
    for chroma, matrix, full, depth in itertools.product(
        Chroma, YUV[:3], (False, True), (8, 10, 12, 16)
    )
    if chroma is not Chroma.RGB or matrix is Matrix.BT601
]
SUBSAMPLED = [s for s in SPECS if s.chroma in (Chroma.C420, Chroma.C422)]


def name(spec: ColorSpec) -> str:
    span = "full" if spec.full_range else "studio"
    return f"{spec.chroma}-{spec.matrix}-{span}-{spec.depth}-{spec.siting}"


def patch(*codes: int, spec: ColorSpec, side: int = 4) -> list[Tensor]:
    shapes = plane_shapes(spec, side, side)
    return [torch.full(s, c, dtype=torch.int32) for s, c in zip(shapes, codes, strict=True)]


# Codes of the 100 % colour bars, from the standards' equations in decimal arithmetic by hand:
# Y' = 16 + 219 (Kr R + Kg G + Kb B), Cb = 128 + 224 (B - Y) / (2 (1 - Kb)), Cr alike.
@pytest.mark.parametrize(
    ("matrix", "depth", "rgb", "codes"),
    [
        (Matrix.BT601, 8, (1, 1, 1), (235, 128, 128)),
        (Matrix.BT601, 8, (1, 0, 0), (81, 90, 240)),
        (Matrix.BT601, 8, (0, 1, 0), (145, 54, 34)),
        (Matrix.BT601, 8, (0, 0, 1), (41, 240, 110)),
        (Matrix.BT709, 8, (1, 0, 0), (63, 102, 240)),
        (Matrix.BT709, 8, (0, 1, 0), (173, 42, 26)),
        (Matrix.BT709, 8, (0, 0, 1), (32, 240, 118)),
        (Matrix.BT709, 8, (0, 0, 0), (16, 128, 128)),
        (Matrix.BT2020, 10, (1, 0, 0), (294, 387, 960)),
        (Matrix.BT2020, 10, (1, 1, 1), (940, 512, 512)),
    ],
)
def test_colour_bars_have_their_published_codes(
    matrix: Matrix, depth: int, rgb: tuple[int, int, int], codes: tuple[int, int, int]
) -> None:
    """Primaries, black and white get the studio-range codes of BT.601, BT.709 and BT.2020."""
    spec = ColorSpec(matrix=matrix, depth=depth)
    picture = torch.tensor(rgb, dtype=torch.float32)[:, None, None].expand(3, 4, 4)

    planes = from_rgb(picture, spec)

    assert [int(p.max()) for p in planes] == list(codes)
    back = to_rgb(planes, spec).mean((1, 2))
    assert torch.allclose(back, picture[:, 0, 0], atol=1 / 219)


@pytest.mark.parametrize("spec", [s for s in SPECS if s not in SUBSAMPLED], ids=name)
def test_full_resolution_planes_come_back_exactly(spec: ColorSpec) -> None:
    """Every code that may be written survives a round trip where chroma is not subsampled."""
    codes = quantisation(spec)
    draw = torch.Generator().manual_seed(1)
    kind = torch.uint8 if spec.depth == 8 else torch.int32
    planes = [
        torch.randint(codes.lowest, codes.highest + 1, s, generator=draw, dtype=kind)
        for s in plane_shapes(spec, 97, 131)
    ]

    back = from_rgb(to_rgb(planes, spec), spec)

    assert all(torch.equal(a, b) for a, b in zip(planes, back, strict=True))
    assert {p.dtype for p in back} == {kind}


@pytest.mark.parametrize("size", [(64, 96), (33, 47), (1, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("spec", SUBSAMPLED, ids=name)
def test_smooth_subsampled_chroma_comes_back(spec: ColorSpec, size: tuple[int, int]) -> None:
    """At its own size luma is exact and smooth chroma is within one 8-bit code, at any depth."""
    for siting in Siting:
        _check_smooth(replace(spec, siting=siting), size)


def _check_smooth(spec: ColorSpec, size: tuple[int, int]) -> None:
    codes = quantisation(spec)
    draw = torch.Generator().manual_seed(2)
    luma_shape, shape, _ = plane_shapes(spec, *size)
    luma = torch.randint(codes.lowest, codes.highest + 1, luma_shape, generator=draw)
    rows = torch.linspace(0, 2, shape[0])[:, None]
    wave = torch.sin(rows + torch.linspace(0, 3, shape[1])[None])
    planes = [luma, *(codes.chroma_offset + k * codes.chroma_span * wave for k in (0.4, -0.3))]
    planes = [p.round().to(torch.int32) for p in planes]

    back = from_rgb(to_rgb(planes, spec), spec)

    assert torch.equal(planes[0], back[0].int())
    worst = max(int((a - b.int()).abs().max()) for a, b in zip(planes, back, strict=True))
    assert worst <= 1 << (spec.depth - 8)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_one_value_that_is_no_number_is_found(value: float) -> None:
    """A NaN or an infinity anywhere in a picture of any size makes it not finite."""
    picture = torch.rand(4, 37, 53) * 3 - 1
    assert bool(is_finite(picture))
    for place in ((0, 0, 0), (2, 17, 31), (3, 36, 52)):
        spoiled = picture.clone()
        spoiled[place] = value
        assert not bool(is_finite(spoiled))
    spoiled[0, 0, 0] = -value  # what cancels in a sum is not a number either
    assert not bool(is_finite(spoiled))


@pytest.mark.parametrize("chroma", [Chroma.C420, Chroma.C422])
def test_cosited_chroma_comes_back_whatever_it_is(chroma: Chroma) -> None:
    """Where chroma samples lie on luma samples even noise survives a round trip exactly."""
    spec = ColorSpec(chroma=chroma, siting=Siting.TOPLEFT, depth=10)
    draw = torch.Generator().manual_seed(3)
    planes = [
        torch.randint(64, 940, s, generator=draw, dtype=torch.int32)
        for s in plane_shapes(spec, 37, 53)
    ]

    back = from_rgb(to_rgb(planes, spec), spec)

    assert all(torch.equal(a, b) for a, b in zip(planes, back, strict=True))


@pytest.mark.parametrize(
    ("siting", "shift"),
    [(Siting.LEFT, (0.5, 0)), (Siting.CENTER, (0.5, 0.5)), (Siting.TOPLEFT, (0, 0))],
)
def test_siting_says_where_chroma_lies(siting: Siting, shift: tuple[float, float]) -> None:
    """A linear chroma ramp is found at the luma positions that its samples' places imply."""
    spec = ColorSpec(depth=16, full_range=True, siting=siting, matrix=Matrix.BT709)
    down, right = (2.0 * torch.arange(n) + s for n, s in zip((8, 9), shift, strict=True))
    ramp = 1000 * down[:, None] + 700 * right[None]
    planes = [
        torch.full((16, 18), 30000, dtype=torch.int32),
        torch.full((8, 9), 1 << 15, dtype=torch.int32),
        ((1 << 15) + ramp).round().to(torch.int32),
    ]

    rgb = to_rgb(planes, spec)

    red = (rgb[0] - 30000 / 65535) * 65535 / (2 * (1 - 0.2126))
    expected = 1000 * torch.arange(16.0)[:, None] + 700 * torch.arange(18.0)[None]
    assert torch.allclose(red[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1)


def test_downsampling_does_not_alias() -> None:
    """Chroma stripes finer than the chroma planes can hold turn grey, not into other stripes."""
    spec = ColorSpec(matrix=Matrix.BT709)
    picture = torch.zeros(3, 16, 16)
    picture[0, :, ::2] = 1
    picture[2, :, 1::2] = 1

    _, blue, red = from_rgb(picture, spec)

    inside = slice(2, -2)
    assert int(blue[inside, inside].max()) - int(blue[inside, inside].min()) <= 1
    assert int(red[inside, inside].max()) - int(red[inside, inside].min()) <= 1


def test_ties_round_up_and_range_is_clipped() -> None:
    """A value between two codes takes the upper; values outside take the nearest legal code."""
    spec = ColorSpec(chroma=Chroma.RGB, matrix=Matrix.RGB, full_range=True)
    values = torch.tensor([0.5 / 255, 1.5 / 255, -3.0, 7.0, float("nan"), float("inf")])

    red, _, _ = from_rgb(values.expand(3, 1, 6), spec)

    assert red.tolist() == [[1, 2, 0, 255, 0, 255]]


def test_foot_and_head_room_survive() -> None:
    """Studio-range codes below black and above white come back, and only timing codes do not."""
    spec = ColorSpec(chroma=Chroma.GRAY)
    codes = torch.arange(256, dtype=torch.uint8)[None]

    (back,) = from_rgb(to_rgb([codes], spec), spec)

    assert back[0, 1:255].tolist() == list(range(1, 255))
    assert (int(back[0, 0]), int(back[0, 255])) == (1, 254)


def test_sixteen_bits_in_int16_count_on() -> None:
    """Sixteen-bit codes may come as int16, whose negative numbers mean the upper half."""
    spec = ColorSpec(chroma=Chroma.GRAY, depth=16, full_range=True)
    codes = torch.tensor([[0, 32767, 32768, 65535]], dtype=torch.int32)
    wrapped = torch.tensor([[0, 32767, -32768, -1]], dtype=torch.int16)

    assert torch.equal(to_rgb([wrapped], spec), to_rgb([codes], spec))


def test_batches_are_converted_alike() -> None:
    """Leading dimensions change nothing about a frame's values."""
    spec = ColorSpec(siting=Siting.LEFT)
    picture = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(4))

    together = from_rgb(picture, spec)

    for k in range(2):
        alone = from_rgb(picture[k], spec)
        assert all(torch.equal(a[k], b) for a, b in zip(together, alone, strict=True))
        back = to_rgb([p[k] for p in together], spec)
        assert torch.equal(to_rgb(together, spec)[k], back)


def test_arguments_are_left_alone() -> None:
    """Neither direction changes the tensors that it is given."""
    spec = ColorSpec(chroma=Chroma.C444)
    picture = torch.rand(3, 4, 4)
    planes = [torch.full((4, 4), 100.0) for _ in range(3)]
    before = picture.clone()

    from_rgb(picture, spec)
    to_rgb(planes, spec)

    assert torch.equal(picture, before)
    assert all(bool((p == 100).all()) for p in planes)


def test_wrong_shapes_are_refused() -> None:
    """Planes of another layout, and pictures without three channels, are refused with numbers."""
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        to_rgb(patch(16, 128, 128, spec=ColorSpec(chroma=Chroma.C420)), ColorSpec(Chroma.C444))
    with pytest.raises(ValueError, match="three channels"):
        from_rgb(torch.zeros(1, 4, 4), ColorSpec())


@pytest.mark.parametrize("matrix", [Matrix.BT601, Matrix.BT709, Matrix.BT2020])
@pytest.mark.parametrize("full", [False, True])
def test_conversion_agrees_with_the_equations(matrix: Matrix, full: bool) -> None:
    """Random 4:4:4 codes become the colours that double-precision equations give."""
    kr, kb = {
        Matrix.BT601: (0.299, 0.114),
        Matrix.BT709: (0.2126, 0.0722),
        Matrix.BT2020: (0.2627, 0.0593),
    }[matrix]
    spec = ColorSpec(Chroma.C444, matrix, full, 10)
    draw = torch.Generator().manual_seed(5)
    codes = torch.randint(64, 940, (3, 8, 8), generator=draw).double()
    low, span, chroma = (0, 1023, 1023) if full else (64, 876, 896)
    y, cb, cr = (codes[0] - low) / span, (codes[1] - 512) / chroma, (codes[2] - 512) / chroma
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)

    found = to_rgb(list(codes.int()), spec)

    assert torch.allclose(found.double(), torch.stack([red, green, blue]), atol=2e-6)

import copy
import dataclasses
import json
import math
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from harness import oracle
from harness.seeding import frames, seed_weights
from vinr_cli.model.config import ModelConfig
from vinr_cli.model.grid import Axis, Grid
from vinr_cli.model.published import deform, sampling
from vinr_cli.model.published.encoder import PublishedFeatures
from vinr_cli.model.published.network import UNUSED, PublishedVideoINR
from vinr_cli.model.videoinr import FrameFeatures, Network
from vinr_cli.native import library as native

GOLDEN = Path(__file__).parent / "golden"

# published.npz holds float64 results of the published code, rounded to float32, with the weights
# and frames of `seeding`, at its own times: features, and frames of both decoder variants.
DEMO = ["12x24/demo_48x96", "12x24/demo_40x80", "12x24/demo_12x24", "20x40/demo_52x104"]
TRAIN = [name.replace("demo", "train") for name in DEMO]


@pytest.fixture(params=["PyTorch", "native"], autouse=True)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds in plain PyTorch and, where they are, with the native kernels."""
    if request.param == "PyTorch":
        monkeypatch.setenv(native.SWITCH, "0")
    elif native.kernels() is None:
        pytest.skip("no native kernels here")


def relative_error(out: Tensor, truth: Tensor) -> float:
    """L2 norm of the difference over that of the truth."""
    return float((out.double() - truth.double()).norm() / truth.double().norm())


def golden(name: str) -> Tensor:
    with np.load(GOLDEN / "published.npz") as arrays:
        return torch.from_numpy(arrays[name])


def golden_times(name: str) -> Tensor:
    size, kind = name.split("/")
    return golden(f"{size}/times_48x96" if kind.endswith("48x96") else f"{size}/times")


@pytest.fixture(scope="module")
def full() -> PublishedVideoINR:
    """The whole network with seeded weights, sampling enlarged frames."""
    network = PublishedVideoINR(ModelConfig.published()).eval().requires_grad_(requires_grad=False)
    seed_weights(network)
    return network


def small(*, upsampled_frames: bool = True) -> PublishedVideoINR:
    """The same architecture with little in it, seeded weights."""
    config = ModelConfig.published(
        width=8,
        deform_groups=2,
        front_blocks=1,
        back_blocks=1,
        hidden=(16, 16, 24),
        decoder_hidden=(16, 16, 24, 24),
        upsampled_frames=upsampled_frames,
    )
    network = PublishedVideoINR(config).eval()
    seed_weights(network)
    return network


def encode(network: PublishedVideoINR, pair: Tensor) -> PublishedFeatures:
    """`network.encode`, with the type that this family gives."""
    features = network.encode(pair)
    assert isinstance(features, PublishedFeatures)
    return features


def tile_of(features: PublishedFeatures, rows: Axis, cols: Axis) -> PublishedFeatures:
    """What a tile holds of a pair's features."""

    def cut(x: Tensor) -> Tensor:
        x = x[..., rows.offset : rows.offset + rows.held, :]
        return x[..., cols.offset : cols.offset + cols.held]

    def frame(f: FrameFeatures) -> FrameFeatures:
        return dataclasses.replace(f, frame=cut(f.frame))

    return PublishedFeatures(frame(features.first), frame(features.second), cut(features.values))


# -- the published weights fit ------------------------------------------------------------------


def test_state_dict_has_the_published_names_and_shapes(full: PublishedVideoINR) -> None:
    """The state dict has exactly the 442 published keys, in their order, with their shapes."""
    published = json.loads((GOLDEN / "state_dict.json").read_text())
    ours = {name: list(value.shape) for name, value in full.state_dict().items()}

    assert len(ours) == 442
    assert list(ours.items()) == list(published.items())


def test_number_of_parameters(full: PublishedVideoINR) -> None:
    """The published configuration has 11,312,698 parameters."""
    assert sum(p.numel() for p in full.parameters()) == 11_312_698


def test_config_chooses_the_class() -> None:
    """`Network(config)` with a published config builds this network."""
    assert type(Network(small().config)) is PublishedVideoINR


# -- it computes the published function ---------------------------------------------------------


def test_golden_features(full: PublishedVideoINR) -> None:
    """Features agree with the published encoder within a relative L2 error of 5e-7."""
    with torch.inference_mode():
        features = encode(full, frames(12, 24))

    assert relative_error(features.values[0], golden("12x24/features")) < 5e-7


@pytest.mark.parametrize("name", DEMO + TRAIN)
def test_golden_frames(full: PublishedVideoINR, name: str) -> None:
    """Frames agree with both published decoders within 6e-5, at scales 1, 2.6, 3.33 and 4.

    (3e-5 of it comes from the published pixel centres, which are rounded to float32 in a sequence
    that loses digits towards the right and the bottom; the next test shows that.)
    """
    height, width = map(int, name.split("/", maxsplit=1)[0].split("x"))
    size = tuple(map(int, name.rsplit("_", maxsplit=1)[1].split("x")))
    network = copy.copy(full)
    network.config = dataclasses.replace(full.config, upsampled_frames="demo" in name)

    with torch.inference_mode():
        features = encode(network, frames(height, width))
        out = [network.query(features, t, (size[0], size[1])) for t in golden_times(name)]

    assert relative_error(torch.cat(out), golden(name)) < 6e-5


def test_golden_frames_with_their_rounded_centres(full: PublishedVideoINR) -> None:
    """The literal formulas with the published rounding of pixel centres meet a golden in 2e-5."""
    name = "20x40/demo_52x104"
    pair = frames(20, 40)
    with torch.inference_mode():
        values = encode(full, pair).values
    exact = copy.deepcopy(full).double()
    times = golden_times(name)

    out = [
        oracle.decode(exact, values.double(), pair.double(), t[None], (52, 104), rounded=True)
        for t in times
    ]

    assert relative_error(torch.cat(out), golden(name)) < 2e-5


@pytest.mark.parametrize("upsampled_frames", [True, False])
@pytest.mark.parametrize(
    "size",
    [(7, 9), (21, 18), (25, 32), (3, 3), (2, 40), (112, 9), (24, 31)],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
def test_rendering_agrees_with_the_literal_formulas(
    size: tuple[int, int], *, upsampled_frames: bool
) -> None:
    """From 7x9, any size in 0.25 to 16 is what the literal formulas give in float64, ties too.

    (Of some twenty pixels one may be off by more than 1e-5 in either way of summing.)
    """
    network = small(upsampled_frames=upsampled_frames)
    pair = torch.cat([frames(7, 9), frames(7, 9, seed=1)])
    times = torch.tensor([0.25, 0.9])
    with torch.inference_mode():
        features = encode(network, pair)
        out = network.query(features, times, size)
        truth = oracle.decode(
            copy.deepcopy(network).double(), features.values.double(), pair.double(), times, size
        )

    assert out.shape == (2, 3, *size)
    assert relative_error(out, truth) < 1.5e-5


def test_encoding_agrees_with_the_literal_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zero states, shared first steps and per-frame features change nothing but the time.

    (Deformable convolutions find their positions in float32.)
    """
    network = small().double()
    pair = frames(16, 24).double()
    with torch.inference_mode():
        ours = cast(PublishedFeatures, network.encode(pair)).values
        monkeypatch.setattr(deform, "deform_conv", oracle.deform_conv)
        truth = oracle.encode(network, pair)
    assert relative_error(ours, truth) < 1e-6


def test_flows_matter() -> None:
    """In the seeded network flows are pixels long, so agreement above is about moved samples."""
    network = small()
    with torch.inference_mode():
        features = encode(network, frames(7, 9))
        moved = network.query(features, 0.5, (28, 36))
        network.flow_imnet.net[-1].weight.zero_()  # type: ignore[operator]
        still = network.query(features, 0.5, (28, 36))

    assert relative_error(moved, still) > 0.01


# -- windows and bands --------------------------------------------------------------------------


def window(whole: int, hr: int, wanted: tuple[int, int], held: tuple[int, int]) -> Axis:
    return Axis(whole, hr, wanted[0], wanted[1], held[0], held[1] - held[0])


@pytest.mark.parametrize("upsampled_frames", [True, False])
def test_a_window_equals_the_crop_wherever_flows_lead(*, upsampled_frames: bool) -> None:
    """A window over features of the whole frame is the crop of the whole output, flows and all."""
    network = small(upsampled_frames=upsampled_frames)
    whole = Grid.full((12, 16), (30, 56))
    part = Grid(window(12, 30, (11, 19), (0, 12)), window(16, 56, (20, 37), (0, 16)))
    t = torch.tensor([0.4])
    with torch.inference_mode():
        features = encode(network, frames(12, 16))
        expected = network.render(network.prepare(features, whole), t)[..., 11:19, 20:37]
        out = network.render(network.prepare(features, part), t)

    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("upsampled_frames", [True, False])
@pytest.mark.parametrize(
    ("rows", "cols"),
    [((4, 8), (5, 11)), ((0, 6), (9, 16)), ((7, 12), (0, 16))],
    ids=["inside", "top right", "bottom"],
)
def test_a_tile_equals_the_crop_where_nothing_moves(
    rows: tuple[int, int], cols: tuple[int, int], *, upsampled_frames: bool
) -> None:
    """Without motion, a tile that holds two more LR pixels around is the crop, at scale 3.5 x 2."""
    network = small(upsampled_frames=upsampled_frames)
    with torch.no_grad():
        for parameter in network.flow_imnet.net[-1].parameters():
            parameter.zero_()

    def axis(whole: int, hr: int, core: tuple[int, int]) -> Axis:
        ends = [math.ceil((2 * hr * end - whole) / (2 * whole)) for end in core]
        held = max(0, core[0] - 2), min(whole, core[1] + 2)
        return window(whole, hr, (max(0, ends[0]), min(hr, ends[1])), held)

    grid = Grid(axis(12, 42, rows), axis(16, 32, cols))
    crop = (
        ...,
        slice(grid.rows.start, grid.rows.stop),
        slice(grid.cols.start, grid.cols.stop),
    )
    t = torch.tensor([0.5])
    with torch.inference_mode():
        features = encode(network, frames(12, 16))
        expected = network.query(features, t, (42, 32))[crop]
        tile = tile_of(features, grid.rows, grid.cols)
        out = network.render(network.prepare(tile, grid), t)

    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


def test_bands_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendered row by row or all at once, a frame is the same."""
    network = small()
    with torch.inference_mode():
        features = encode(network, frames(8, 12))
        at_once = network.query(features, 0.3, (20, 30))
        monkeypatch.setattr(sampling, "BAND", {"cpu": 1})
        torch.testing.assert_close(network.query(features, 0.3, (20, 30)), at_once)


# -- sizes, times, batches ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (3, 2), (5, 9)])
def test_any_size_is_encoded_as_its_replicated_padding(size: tuple[int, int]) -> None:
    """Sizes that are no multiple of 4 are padded by replication; features are cropped."""
    network = small()
    pair = frames(*size)
    rows = torch.arange(-(-size[0] // 4) * 4).clamp(max=size[0] - 1)
    cols = torch.arange(-(-size[1] // 4) * 4).clamp(max=size[1] - 1)
    with torch.inference_mode():
        features = encode(network, pair)
        padded = encode(network, pair[..., rows, :][..., cols])
        out = network.query(features, 0.5, (2 * size[0], 3 * size[1]))

    assert features.values.shape == (1, 3, 8, *size)
    torch.testing.assert_close(features.values, padded.values[..., : size[0], : size[1]])
    assert out.shape == (1, 3, 2 * size[0], 3 * size[1])
    assert bool(out.isfinite().all())


def test_a_batch_is_its_pairs() -> None:
    """Two pairs at two times give what each gives alone, whatever the encoder's batch."""
    network = small()
    pair = torch.cat([frames(6, 7), frames(6, 7, seed=5)])
    times = torch.tensor([0.2, 0.8])
    with torch.inference_mode():
        together = network.query(encode(network, pair), times, (9, 15))
        alone = [network(pair[i : i + 1], times[i], (9, 15)) for i in (0, 1)]

    assert relative_error(together, torch.cat(alone)) < 1e-5


def test_a_frame_serves_both_of_its_pairs() -> None:
    """Features of a frame made once give what they give made anew, as second and as first frame."""
    network = small()
    a, b, c = (*frames(8, 8)[0].unbind(), frames(8, 8, seed=2)[0, 0])
    with torch.inference_mode():
        shared = network.encode_frame(b[None])
        pairs = [
            network.encode_pair(network.encode_frame(a[None]), shared),
            network.encode_pair(shared, network.encode_frame(c[None])),
        ]
        fresh = [encode(network, torch.stack(pair)[None]) for pair in ((a, b), (b, c))]

    for ours, theirs in zip(pairs, fresh, strict=True):
        assert torch.equal(ours.values, theirs.values)


def test_a_query_leaves_no_trace() -> None:
    """The same query twice gives the same bits, other queries in between or not."""
    network = small()
    with torch.inference_mode():
        features = encode(network, frames(8, 8))
        prepared = network.prepare(features, Grid.full((8, 8), (20, 28)))
        first = network.render(prepared, torch.tensor([0.5]))
        network.render(prepared, torch.tensor([0.1]))
        network.query(features, 1.0, (16, 16))
        assert torch.equal(network.render(prepared, torch.tensor([0.5])), first)


# -- training and number formats ----------------------------------------------------------------


def test_gradients_reach_every_parameter_that_is_used() -> None:
    """Each parameter gets a gradient that is not zero, except those of the unused layers."""
    network = small()
    pair = frames(8, 12)

    out = network(pair, 0.4, (18, 25))
    torch.autograd.backward((out - 0.5).square().mean())

    for name, parameter in network.named_parameters():
        if name.startswith(UNUSED):
            assert parameter.grad is None, name
        else:
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all()), name
            assert float(parameter.grad.abs().max()) > 0, name


def test_gradients_agree_with_the_literal_formulas() -> None:
    """The three networks' gradients are those of the literal formulas in float64."""
    network = small()
    pair = frames(8, 12)
    exact = copy.deepcopy(network).double()
    with torch.no_grad():
        features = encode(network, pair)

    ours = network.query(features, 0.4, (18, 25))
    torch.autograd.backward(ours.square().mean())
    theirs = oracle.decode(
        exact, features.values.double(), pair.double(), torch.tensor([0.4]), (18, 25)
    )
    torch.autograd.backward(theirs.square().mean())

    for name in ("feat_imnet", "flow_imnet", "encode_imnet"):
        nets = getattr(network, name), getattr(exact, name)
        for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
            assert relative_error(a.grad, b.grad) < 1e-3


def test_autocast_leaves_the_sine_networks_alone() -> None:
    """Rendering gives the same bits under bfloat16 autocast; encoding stays within 5 %."""
    network = small()
    pair = frames(8, 12)
    with torch.inference_mode():
        features = encode(network, pair)
        plain = network.query(features, 0.4, (18, 25))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = network.query(features, 0.4, (18, 25))
            rough = encode(network, pair).values

    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, plain)
    assert relative_error(rough, features.values) < 0.05


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_network_in_half_precision_works(dtype: torch.dtype) -> None:
    """With weights and frames in 16 bits, features stay near and colours are float32."""
    network = small()
    pair = frames(8, 12)
    with torch.inference_mode():
        truth = encode(network, pair).values
        features = encode(network.to(dtype), pair.to(dtype))
        out = network.query(features, 0.4, (18, 25))

    assert relative_error(features.values, truth) < 0.05
    assert out.dtype == torch.float32
    assert bool(out.isfinite().all())

import copy
import pickle
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vinr_cli.model import Axis, Grid, ModelConfig, Network
from vinr_cli.model.compact import frame as frame_module
from vinr_cli.model.compact.canvas import sample_axes
from vinr_cli.model.compact.frame import CompactFrame, SurveyedFrame
from vinr_cli.model.compact.motion import CompactFeatures
from vinr_cli.model.compact.network import CompactVideoINR, shrink_matrix
from vinr_cli.model.compact.search import (
    Gate,
    SurveyedPair,
    cost_volume,
    match,
    soft_argmax,
    trusted_mean,
    warp,
)
from vinr_cli.model.config import CompactConfig
from vinr_cli.native import library as native

SMALL = ModelConfig.compact(
    width=8, blocks=1, canvas=6, pyramid=(8, 8, 8), key=4, fine=4, hidden=8, decoder_hidden=8
)


def network(seed: int = 0, strength: float = 0.2) -> Network:
    """A small network all of whose parts matter, also those that start at zero."""
    torch.manual_seed(seed)
    made = Network(SMALL).eval()
    with torch.no_grad():
        for name, value in made.named_parameters():
            if not bool(value.any()) or "last" in name or "step" in name:
                value.copy_(torch.randn_like(value) * strength * 0.3)
    return made


def frames(height: int, width: int, batch: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch * 2, 3, 6, 6, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return smooth.clamp(0, 1).view(batch, 2, 3, height, width)


@pytest.mark.parametrize(
    ("lr", "size"),
    [
        ((1, 1), (4, 3)),
        ((1, 9), (1, 9)),
        ((7, 5), (17, 25)),
        ((33, 41), (9, 11)),
        ((10, 12), (160, 192)),
        ((12, 10), (6, 40)),
    ],
)
@torch.inference_mode()
def test_any_size(lr: tuple[int, int], size: tuple[int, int]) -> None:
    """Any input size from 1x1 and any scale from 0.25 to 16 gives finite colours of that size."""
    x = frames(*lr, batch=2)
    net = network()

    out = net.query(net.encode(x), torch.tensor([0.0, 0.7]), size)

    assert out.shape == (2, 3, *size)
    assert bool(out.isfinite().all())


@torch.inference_mode()
def test_untrained_network_is_bicubic_at_input_times() -> None:
    """Before training, t = 0 is the bicubic enlargement of the first frame, but for 2 per cent."""
    torch.manual_seed(0)
    net = Network(SMALL).eval()
    x = frames(32, 32)
    x[:, 1] = x[:, 0]
    with torch.no_grad():
        net.get_parameter("space.coefficients.weight").zero_()

    out = net.query(net.encode(x), 0.0, (128, 128))

    want = torch.nn.functional.interpolate(x[:, 0], (128, 128), mode="bicubic", antialias=True)
    assert (out - want).abs().max() < 1e-5


@torch.inference_mode()
def test_window_equals_crop() -> None:
    """Asking for a part of the frame gives exactly that part of the whole frame."""
    net, x = network(), frames(18, 21)
    features, t = net.encode(x), torch.tensor([0.4])
    whole = net.query(features, t, (63, 73))

    grid = Grid(Axis(18, 63, 10, 41, 0, 18), Axis(21, 73, 0, 30, 0, 21))
    part = net.render(net.prepare(features, grid), t)

    assert (part - whole[:, :, 10:41, :30]).abs().max() < 1e-5


@torch.inference_mode()
def test_previous_changes_nothing() -> None:
    """Handing over the pair before gives the same colours as starting afresh."""
    net = network()
    a, b, c = (net.encode_frame(frames(16, 24, seed=s)[:, 0]) for s in range(3))
    grid = Grid.full((16, 24), (40, 60))
    before = net.prepare(net.encode_pair(a, b), grid)
    pair, t = net.encode_pair(b, c), torch.tensor([0.3])

    fresh = net.render(net.prepare(pair, grid), t)
    reused = net.render(net.prepare(pair, grid, before), t)

    assert torch.equal(fresh, reused)
    assert net.prepare(pair, grid, before).canvases[0] is before.canvases[1]  # type: ignore[attr-defined]


def test_bands_equal_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendering in bands of rows, as without gradients, equals rendering at once, as with them."""
    monkeypatch.setenv(native.SWITCH, "0")  # kernels are held to PyTorch elsewhere
    net, x = network(), frames(24, 40)

    with torch.no_grad():
        banded = net.query(net.encode(x), 0.6, (240, 400))
    whole = net.query(net.encode(x), 0.6, (240, 400))

    assert (banded - whole.detach()).abs().max() < 1e-5


def test_gradient_reaches_every_parameter() -> None:
    """One loss on a picture between two frames trains every parameter."""
    net = network().train()
    features = net.encode(frames(24, 24, batch=2))
    prepared = net.prepare(features, Grid.full((24, 24), (96, 96)))

    net.render(prepared, torch.tensor([0.3, 0.6])).square().sum().backward()  # type: ignore[no-untyped-call]

    idle = [n for n, p in net.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert idle == []


@torch.inference_mode()
def test_batch_is_independent() -> None:
    """A pair's colours do not depend on the other pairs of its batch."""
    net, x = network(), frames(16, 16, batch=3)
    t = torch.tensor([0.1, 0.5, 0.9])

    together = net.query(net.encode(x), t, (40, 40))
    alone = net.query(net.encode(x[1:2]), t[1:2], (40, 40))

    assert (together[1:2] - alone).abs().max() < 1e-5


def test_warp_moves_by_pixels() -> None:
    """A flow of (2, 1) reads two pixels to the right and one below."""
    x = torch.arange(48.0).view(1, 1, 6, 8)
    flow = torch.tensor([2.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 6, 8)

    out = warp(x, flow)

    assert torch.allclose(out[..., :5, :6], x[..., 1:, 2:], atol=1e-4)


def test_cost_volume_finds_a_shift() -> None:
    """The best cost is at the true displacement, split between both frames, and its mean is it."""
    torch.manual_seed(1)
    wide = torch.nn.functional.normalize(torch.randn(1, 16, 20, 20), dim=1)
    first, second = wide[:, :, 4:16, 4:16], wide[:, :, 3:15, 2:14]  # content moves by (2, 1)

    cost = cost_volume(first, second, 3)
    motion = soft_argmax(cost, torch.tensor(60.0), 3)

    middle = motion[:, :, 4:8, 4:8]
    assert torch.allclose(middle[:, 0], torch.tensor(2.0), atol=1e-2)
    assert torch.allclose(middle[:, 1], torch.tensor(1.0), atol=1e-2)


def test_sample_axes_is_bilinear() -> None:
    """Sampling on axes equals PyTorch's bilinear resizing at the same positions."""
    x = torch.rand(2, 3, 7, 9)
    rows, cols = Axis.full(7, 20), Axis.full(9, 31)

    out = sample_axes(x, rows.position(), cols.position())

    want = torch.nn.functional.interpolate(x, (20, 31), mode="bilinear")
    assert torch.allclose(out, want, atol=1e-5)


def test_shrinking_keeps_the_mean() -> None:
    """The reduction for scales below 1 averages: each output's weights sum to one."""
    axis, inner = Axis.full(40, 13), Axis.full(40, 40)

    weights = shrink_matrix(axis, inner, torch.device("cpu"))

    assert weights.shape == (13, 40)
    assert torch.allclose(weights.sum(1), torch.ones(13), atol=1e-6)


def test_copies() -> None:
    """A network survives deepcopy and pickle, and the copy gives the same colours."""
    net, x = network(), frames(8, 8)

    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):  # noqa: S301 - our own bytes
        with torch.inference_mode():
            assert torch.equal(twin(x, 0.5, (16, 16)), net(x, 0.5, (16, 16)))


def test_config_round_trip() -> None:
    """A config survives its JSON form, and an unknown field is refused by name."""
    assert ModelConfig.from_dict(SMALL.to_dict()) == SMALL
    with pytest.raises(ValueError, match="colour_of_hat"):
        ModelConfig.from_dict({**SMALL.to_dict(), "colour_of_hat": 1})
    with pytest.raises(ValueError, match="unknown model family"):
        ModelConfig.from_dict({"family": "other"})


@pytest.mark.parametrize(
    ("t", "size", "message"),
    [
        (1.5, (8, 8), "must lie in"),
        (float("nan"), (8, 8), "must lie in"),
        (0.5, (1, 8), "outside of 0.25 to 16"),
        (0.5, (8, 136), "outside of 0.25 to 16"),
    ],
)
def test_refused_queries(t: float, size: tuple[int, int], message: str) -> None:
    """A time outside of [0, 1] and a scale outside of 0.25 to 16 are refused."""
    net = Network(SMALL)
    features = net.encode(frames(8, 8))

    with pytest.raises(ValueError, match=message):
        net.query(features, t, size)


def test_wrong_shape_is_refused() -> None:
    """Frames that are not (B, 2, 3, H, W) are refused with their shape."""
    with pytest.raises(ValueError, match=r"\(1, 3, 8, 8\)"):
        Network(SMALL).encode(torch.zeros(1, 3, 8, 8))


def test_unknown_config_is_refused() -> None:
    """A config of no family builds no network."""

    class Other(ModelConfig):
        pass

    with pytest.raises(TypeError, match="Other"):
        Network(Other())


def test_default_size() -> None:
    """The packaged configuration stays below a million parameters."""
    net = Network(CompactConfig())

    assert sum(p.numel() for p in net.parameters()) < 1_000_000


@pytest.mark.parametrize(("octaves", "reached"), [(0, False), (2, True)])
@torch.inference_mode()
def test_octaves_reach_large_motion(octaves: int, reached: bool) -> None:
    """A shift of eight cells is out of a level's reach, and found two octaves above."""
    torch.manual_seed(0)
    net = CompactVideoINR(replace(SMALL, octaves=octaves)).eval()
    net.get_parameter("search.levels.0.sharpness").fill_(60.0)
    smooth = torch.nn.functional.interpolate(torch.randn(1, 4, 8, 20), scale_factor=4.0)
    keys = torch.nn.functional.normalize(smooth, dim=1)
    blank = torch.zeros(1, 8, 32, 72)
    pair = [SurveyedFrame(blank, k) for k in (keys[..., 8:], keys[..., :-8])]

    found, _ = net.search._coarse(*pair)

    right = float(found[-1][:, 0, 8:-8, 16:-16].median())
    assert (abs(right - 8) < 0.5) is reached


@torch.inference_mode()
def test_gate_lets_still_detail_go() -> None:
    """A motion that fits the frames keeps its weight; one that standing still beats loses it."""
    keys = torch.nn.functional.normalize(torch.randn(1, 8, 12, 24), dim=1)
    moved = torch.roll(keys, 2, 3)
    flow = torch.zeros(1, 2, 12, 24)
    flow[:, 0] = 2
    gate = Gate()

    right = gate(match(keys, moved, flow) - match(keys, moved))[..., 4:-4]
    wrong = gate(match(keys, keys, flow) - match(keys, keys))[..., 4:-4]

    assert float(right.min()) > 0.9
    assert float(wrong.max()) < 0.1


@torch.inference_mode()
def test_trusted_mean_follows_what_fits() -> None:
    """A cell gets the motion of the one neighbour that fits, and nothing from beyond its reach."""
    motion = torch.zeros(1, 2, 9, 30)
    fit = torch.zeros(1, 1, 9, 30)
    motion[:, 0, 4, 4], fit[..., 4, 4] = 5.0, 1.0

    mean = trusted_mean(motion, fit)

    assert torch.allclose(mean[:, 0, 4, 2:7], torch.tensor(5.0), atol=1e-4)
    assert not mean[..., 12:].any()


@pytest.mark.parametrize("hole_moves", [True, False])
@torch.inference_mode()
def test_motion_spreads_where_it_fits(hole_moves: bool) -> None:
    """Cells with a wrong motion take over the one around them; those with their own keep it."""
    torch.manual_seed(0)
    net = CompactVideoINR(SMALL).eval()
    net.get_parameter("search.levels.0.sharpness").fill_(60.0)
    texture = torch.nn.functional.normalize(torch.randn(1, 8, 20, 44), dim=1)
    first, second = texture[..., 4:].clone(), texture[..., :-4].clone()
    hole = (..., slice(6, 13), slice(14, 21))
    if not hole_moves:
        second[hole] = first[hole]
    motion = torch.zeros(1, 2, 20, 40)
    motion[:, 0] = 4.0
    motion[hole] = 0.0
    blank = torch.zeros(1, 8, 20, 40)

    spread, _ = net.search._spread(
        (first, second), (blank, blank), motion, torch.zeros(1, 48, 20, 40)
    )

    middle = spread[:, 0, 8:11, 16:19]
    assert float((middle - (4.0 if hole_moves else 0.0)).abs().max()) < 0.5


@pytest.mark.parametrize("size", [(64, 96), (75, 101)])
def test_a_survey_is_what_the_whole_frame_sees(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """Made in bands of rows, coarse features and motion are those of the whole frame."""
    monkeypatch.setenv(native.SWITCH, "0")
    monkeypatch.setattr(frame_module, "SURVEY_PIXELS", 32 * size[1])
    config = replace(SMALL, octaves=1)
    net = Network(config).eval()
    assert isinstance(net, CompactVideoINR)
    pair = frames(*size)[0]
    with torch.no_grad():
        first, second = (net.encode_frame(frame[None]) for frame in pair)
        seen = [net.survey_frame(frame[None]) for frame in pair]
        survey = net.survey_pair(*seen)
        found = net.encode_pair(first, second)
        same = net.encode_tile(first, second, survey, (0, 0))
    assert isinstance(found, CompactFeatures)
    assert isinstance(same, CompactFeatures)
    assert isinstance(survey, SurveyedPair)
    for one, other in zip((first, second), seen, strict=True):
        assert isinstance(one, CompactFrame)
        assert isinstance(other, SurveyedFrame)
        assert torch.allclose(one.pyramid[-1], other.seen, atol=1e-6)
        assert torch.allclose(one.keys[-1], other.key, atol=1e-5)
    assert torch.allclose(found.levels[1], survey.motion, atol=1e-4)
    assert torch.allclose(found.motion, same.motion, atol=1e-3)


def test_a_tile_gets_its_part_of_a_survey() -> None:
    """A tile that begins at row 16 and column 8 begins at coarse cell (2, 1)."""
    motion = torch.arange(2.0 * 6 * 7).view(1, 2, 6, 7)
    part = SurveyedPair(motion, motion).part((16, 8), (24, 16))
    assert torch.equal(part.motion, motion[:, :, 2:5, 1:3])
    assert torch.equal(part.state, part.motion)

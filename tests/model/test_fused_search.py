"""The native encoder and motion search against PyTorch's, which are the reference.

Tolerance: float32 in another order of summation, through some forty layers and warps.
"""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from vinr_cli.model.compact.frame import CompactFrame, SurveyedFrame
from vinr_cli.model.compact.fused_frame import FusedFrame, FusedSurvey, batched
from vinr_cli.model.compact.fused_search import (
    FusedFeatures,
    FusedSurveyedPair,
    Searcher,
    _Level,
)
from vinr_cli.model.compact.motion import CompactFeatures
from vinr_cli.model.compact.network import CompactVideoINR
from vinr_cli.model.compact.search import (
    SurveyedPair,
    _halved,
    _up,
    match,
    trusted_mean,
)
from vinr_cli.model.config import CompactConfig, ModelConfig
from vinr_cli.model.grid import Grid
from vinr_cli.native import library as native

CLOSE = 1e-4

NARROW = ModelConfig.compact(
    width=8, blocks=1, canvas=5, pyramid=(8, 12, 20), key=5, radius=(2, 1, 1), octaves=1, fine=4,
    hidden=7, motion_features=3, decoder_hidden=9,
)  # fmt: skip
PACKAGED = ModelConfig.compact(blocks=2)
FRONTED = ModelConfig.compact(blocks=1, width=64, front=32)
CONFIGS = pytest.mark.parametrize(
    "config", [NARROW, PACKAGED, FRONTED], ids=["narrow", "packaged", "with a front"]
)


def network(config: CompactConfig) -> CompactVideoINR:
    """A network with all parts awake, whose motion is some pixels."""
    torch.manual_seed(0)
    made = CompactVideoINR(config).eval()
    with torch.no_grad():
        for name, value in made.named_parameters():
            if not bool(value.any()) or "last" in name or "step" in name:
                value.copy_(torch.randn_like(value) * 0.05)
        for i in range(3):
            made.get_buffer(f"frame.keys.{i}.1.running_mean").normal_(0, 0.1)
            made.get_buffer(f"frame.keys.{i}.1.running_var").uniform_(0.5, 1.5)
    return made


def frames(height: int, width: int, batch: int = 1) -> Tensor:
    """Smooth pairs that move by (2, 1)."""
    noise = torch.randn(batch, 3, height + 1, width + 2, generator=torch.Generator().manual_seed(0))
    smooth = F.avg_pool2d(noise, 5, 1, 2) + 0.5
    return torch.stack([smooth[..., 1:, 2:], smooth[..., :-1, :-2]], 1)


def pair_of(net: CompactVideoINR, x: Tensor) -> tuple[FusedFrame, FusedFrame]:
    first, second = net.encode_frame(x[:, 0]), net.encode_frame(x[:, 1])
    assert isinstance(first, FusedFrame)
    assert isinstance(second, FusedFrame)
    return first, second


def plain_pair(
    net: CompactVideoINR, x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> tuple[CompactFrame, CompactFrame, CompactFeatures]:
    with monkeypatch.context() as patch:
        patch.setenv(native.SWITCH, "0")
        first, second = net.encode_frame(x[:, 0]), net.encode_frame(x[:, 1])
        features = net.encode_pair(first, second)
    assert isinstance(first, CompactFrame)
    assert isinstance(second, CompactFrame)
    assert isinstance(features, CompactFeatures)
    return first, second, features


@CONFIGS
@pytest.mark.parametrize("size", [(1, 1), (9, 70), (45, 33), (64, 96)])
@torch.inference_mode()
def test_features_and_motion_are_those_of_pytorch(
    build: str, config: CompactConfig, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every map that a frame and a pair have, in a batch of two, at sizes that must be padded."""
    net, x = network(config), frames(*size, batch=2)
    first, _, wanted = plain_pair(net, x, monkeypatch)
    ours = pair_of(net, x)
    found = net.encode_pair(*ours)
    assert isinstance(found, FusedFeatures)
    frame, features = ours[0].plain(), found.plain()

    assert torch.equal(frame.padded, first.padded)
    for name in ("trunk", "fine"):
        assert torch.allclose(getattr(frame, name), getattr(first, name), atol=CLOSE)
    for name in ("pyramid", "keys"):
        for one, other in zip(getattr(frame, name), getattr(first, name), strict=True):
            assert torch.allclose(one, other, atol=CLOSE)
    assert wanted.motion.abs().max() > 0.3
    assert torch.allclose(features.motion, wanted.motion, atol=CLOSE)
    assert torch.allclose(features.state, wanted.state, atol=10 * CLOSE)


@torch.inference_mode()
def test_each_step_of_the_search_is_that_of_pytorch(build: str) -> None:
    """Levels, matches, means, enlargements and halves, from the same maps and motions."""
    net, x = network(PACKAGED), frames(96, 128)
    first, second = pair_of(net, x)
    a, b = first.plain(), second.plain()
    searcher = Searcher(first.kernels, net.search, PACKAGED)
    maps = first.maps[0], second.maps[0]
    level = _Level((maps[0].seen[2], maps[1].seen[2]), (maps[0].keys[2], maps[1].keys[2]))
    keys, seen = (a.keys[2], b.keys[2]), (a.pyramid[2], b.pyramid[2])
    coarse, state = net.search.levels[0](keys, list(seen), None)
    motion = torch.randn_like(coarse)
    plain, fit = motion[0].contiguous(), match(*keys, motion)

    def near(ours: Tensor, wanted: Tensor) -> bool:
        return torch.allclose(ours, wanted, atol=CLOSE)

    ours, ours_state = searcher._found(level, None)
    assert near(ours, coarse[0])
    assert near(batched([ours_state], state.shape[1]), state)
    refined, refined_state = net.search._refined(keys, seen, motion)
    ours, ours_state = searcher._found(level, plain)
    assert near(ours, refined[0])
    assert near(batched([ours_state], state.shape[1]), refined_state)
    assert near(searcher._match(level, plain), fit[0, 0])
    assert near(searcher._match(level, None), match(*keys)[0, 0])
    assert near(searcher._mean(plain, fit[0, 0].contiguous()), trusted_mean(motion, fit)[0])
    assert near(searcher._up(plain, (24, 32)), _up(motion)[0] * 2)
    half = searcher._halved(level)
    assert near(batched([half.keys[0]], 24), F.normalize(_halved(*keys)[0], dim=1))
    assert near(batched([half.seen[1]], 64), _halved(*seen)[1])
    spread, spread_state = net.search._spread(keys, seen, motion, state)
    ours, ours_state = searcher._spread(level, plain, searcher._found(level, None)[1])
    assert near(ours, spread[0])
    assert near(batched([ours_state], state.shape[1]), spread_state)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30])
@torch.inference_mode()
def test_a_motion_beyond_all_bounds_reads_the_border(build: str, value: float) -> None:
    """Warps by a motion that is no number, or huge, read pixels of the map and nothing else."""
    net, x = network(PACKAGED), frames(64, 64)
    first, second = pair_of(net, x)
    searcher = Searcher(first.kernels, net.search, PACKAGED)
    maps = first.maps[0], second.maps[0]
    level = _Level((maps[0].seen[0], maps[1].seen[0]), (maps[0].keys[0], maps[1].keys[0]))

    fit = searcher._match(level, torch.full((2, 32, 32), value))

    assert bool(fit.isfinite().all())


@torch.inference_mode()
def test_a_survey_is_what_the_whole_frame_sees(build: str) -> None:
    """Coarse features, and a tile's motion from them, are those of the whole frame."""
    net, x = network(replace(PACKAGED, octaves=1)), frames(75, 101)
    first, second = pair_of(net, x)
    seen = [net.survey_frame(x[:, i]) for i in (0, 1)]
    survey = net.survey_pair(*seen)
    assert isinstance(seen[0], FusedSurvey)
    assert isinstance(survey, FusedSurveyedPair)
    whole, tile = net.encode_pair(first, second), net.encode_tile(first, second, survey, (0, 0))
    assert isinstance(whole, FusedFeatures)
    assert isinstance(tile, FusedFeatures)

    assert torch.equal(seen[0].maps[0][0], first.maps[0].seen[-1])
    assert torch.equal(tile.moves[0].motion, whole.moves[0].motion)
    part = survey.part((16, 8), (24, 16)).moves[0]
    assert torch.equal(part.motion, survey.moves[0].motion[:, 2:5, 1:3])
    assert torch.equal(part.state, survey.moves[0].state[2:5, 1:3])


@torch.inference_mode()
def test_threads_change_nothing(build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of threads gives the same bits of features and motion."""
    net, x = network(PACKAGED), frames(75, 101)
    made = []
    for threads in (1, 3, 50):
        monkeypatch.setattr(torch, "get_num_threads", lambda count=threads: count)
        pair = pair_of(net, x)
        features = net.encode_pair(*pair)
        assert isinstance(features, FusedFeatures)
        parts = pair[0].maps[0].trunk, features.moves[0].motion, features.moves[0].state
        made.append(torch.cat([part.flatten().float() for part in parts]))

    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])


@torch.inference_mode()
def test_what_kernels_made_goes_on_without_them(
    build: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames of the kernels and of PyTorch make a pair, and a pair of the kernels is rendered."""
    net, x = network(PACKAGED), frames(40, 56)
    t, grid = torch.tensor([0.4]), Grid.full((40, 56), (80, 112))
    ours, (plain, _, features) = pair_of(net, x), plain_pair(net, x, monkeypatch)
    pair = net.encode_pair(*ours)
    mixed = net.encode_pair(plain, ours[1])
    with monkeypatch.context() as patch:
        patch.setenv(native.SWITCH, "0")
        wanted = net.render(net.prepare(features, grid), t)
        shown = [net.render(net.prepare(one, grid), t) for one in (pair, mixed)]
    shown += [net.render(net.prepare(one, grid), t) for one in (pair, mixed, features)]

    assert isinstance(mixed, CompactFeatures)
    for picture in shown:
        assert torch.allclose(picture, wanted, atol=CLOSE)


@torch.inference_mode()
def test_surveys_of_two_kinds_are_refused(build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that PyTorch surveyed and one of the kernels make no pair, in words."""
    net, x = network(PACKAGED), frames(32, 32)
    ours = net.survey_frame(x[:, 0])
    with monkeypatch.context() as patch:
        patch.setenv(native.SWITCH, "0")
        plain = net.survey_frame(x[:, 1])
        tiled = net.survey_pair(plain, plain)
    assert isinstance(plain, SurveyedFrame)
    assert isinstance(tiled, SurveyedPair)

    with pytest.raises(ValueError, match="different ways"):
        net.survey_pair(ours, plain)
    whole = net.encode_tile(*pair_of(net, x), tiled, (0, 0))
    assert isinstance(whole, CompactFeatures)

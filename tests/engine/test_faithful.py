from fractions import Fraction

import pytest
import torch
from torch import Tensor

from vinr_cli.engine.faithful import (
    BORDER,
    SHIFT,
    AlphaRenderer,
    FlatRenderer,
    filled,
    flatness,
    settle,
)
from vinr_cli.engine.infer import PairRenderer
from vinr_cli.model.videoinr import VideoINR
from vinr_cli.weights.deblock import STRONGEST
from vinr_cli.weights.load import load_model

LR, HR = (24, 32), (60, 80)
TIMES = (0.0, Fraction(1, 3), 1.0)


def textured(seed: int, channels: int = 3) -> Tensor:
    return torch.rand(channels, *LR, generator=torch.Generator().manual_seed(seed))


def plain(colour: tuple[float, ...]) -> Tensor:
    return torch.tensor(colour)[:, None, None].expand(len(colour), *LR).contiguous()


@pytest.mark.parametrize("strength", [0.0, 1.0, STRONGEST])
def test_a_flat_picture_stays_exactly_as_it_is(strength: float) -> None:
    """The packaged networks show a flat picture at any time and size within 1e-6 of its colour."""
    network = load_model("default", torch.device("cpu"), deblock=strength)
    renderer = FlatRenderer(network, LR, HR)
    for colour in (
        (1.0, 1.0, 1.0),
        (0.0, 1.0, 1.0),
        (1.0, 0.0, 0.0),
        (0.3, 0.3, 0.3),
        (0.9, 0.1, 0.3),
    ):
        frame = plain(colour)
        renderer.pair(frame, frame)
        for made in renderer.render_all(TIMES):
            wanted = torch.tensor(colour)[:, None, None]
            assert (made - wanted).abs().max() < 1e-6


def test_what_is_not_flat_is_the_networks_bit_for_bit(network: VideoINR) -> None:
    """Textured frames come out as `PairRenderer` gives them."""
    a, b = textured(1), textured(2)
    ours, plainly = FlatRenderer(network, LR, HR), PairRenderer(network, LR, HR)
    for renderer in (ours, plainly):
        renderer.pair(a, b)
    for x, y in zip(ours.render_all(TIMES), plainly.render_all(TIMES), strict=True):
        assert torch.equal(x, y)


def test_something_that_passes_over_a_flat_ground_stays() -> None:
    """Where both frames are flat and the output shows something else, it is not taken away."""
    frame = plain((0.5, 0.5, 0.5))
    output = torch.full((3, *HR), 0.5)
    output[:, 30:36, 40:46] = 0.9
    output[:, 20, 20] += SHIFT
    passing = output.clone()
    passing[:, 20, 20] = 0.5

    assert torch.allclose(settle(output, frame, flatness(frame, frame)), passing, atol=1e-6)


def test_frames_of_two_colours_are_not_taken_for_flat() -> None:
    """A fade from one flat colour to another is the network's own."""
    assert not flatness(plain((0.2, 0.2, 0.2)), plain((0.3, 0.3, 0.3))).any()


def test_a_border_is_put_right_where_it_is_flat() -> None:
    """Near the frame's border larger shifts count as the network's; inside they do not."""
    frame = plain((1.0, 1.0, 1.0))
    output = torch.full((3, *HR), 1.0)
    output[:, 1, 40] = output[:, 30, 40] = 1 - 10 / 255
    settled = settle(output, frame, flatness(frame, frame))
    assert settled[0, 1, 40] == 1
    assert settled[0, 30, 40] < 1 - 9 / 255
    assert HR[0] / LR[0] * BORDER < 30


def test_values_that_are_no_numbers_stay() -> None:
    """A NaN of the network is not hidden by the flat colour."""
    frame = plain((0.5, 0.5, 0.5))
    output = torch.full((3, *HR), 0.5)
    output[:, 5, 5] = torch.nan
    assert settle(output, frame, flatness(frame, frame))[:, 5, 5].isnan().all()


def test_unseen_colours_are_those_nearby() -> None:
    """Under transparent pixels lies what is seen beside them; what is seen is untouched."""
    colours = plain((0.0, 0.0, 0.0)).clone()
    opacity = torch.zeros(1, *LR)
    opacity[:, 8:16, 8:20] = 1
    colours[:, 8:16, 8:20] = torch.tensor([0.9, 0.4, 0.2])[:, None, None]
    opacity[:, 16, 8:20] = 0.5
    colours[:, 16, 8:20] = torch.tensor([0.9, 0.4, 0.2])[:, None]

    made = filled(colours, opacity)

    assert torch.allclose(made, plain((0.9, 0.4, 0.2)), atol=1e-5)
    seen = opacity[0] > 0
    assert torch.equal(made[:, seen], colours[:, seen])


@pytest.mark.parametrize("opacity", [0.0, 1.0])
def test_nothing_is_filled_where_all_or_nothing_is_seen(opacity: float) -> None:
    """Pictures that are transparent or opaque throughout keep their colours."""
    colours = textured(3)
    assert torch.equal(filled(colours, torch.full((1, *LR), opacity)), colours)


def test_opacity_is_made_like_a_gray_picture(network: VideoINR) -> None:
    """Colours are those of the filled pictures; opacity is that of the network's gray one."""
    a, b = textured(4, 4), textured(5, 4)
    renderer = AlphaRenderer(network, LR, HR)
    renderer.pair(a, b)
    colours, matte = FlatRenderer(network, LR, HR), FlatRenderer(network, LR, HR)
    colours.pair(filled(a[:3], a[3:]), filled(b[:3], b[3:]))
    matte.pair(a[3:].repeat(3, 1, 1), b[3:].repeat(3, 1, 1))

    made = list(renderer.render_all(TIMES))

    for x, rgb, gray in zip(made, colours.render_all(TIMES), matte.render_all(TIMES), strict=True):
        assert torch.equal(x[:3], rgb)
        assert torch.allclose(x[3], gray.mean(0).clamp(0, 1))


def test_opaque_pictures_stay_opaque(network: VideoINR) -> None:
    """Where both frames are opaque, so is every output, to the bit."""
    a, b = textured(6, 4), textured(7, 4)
    a[3], b[3] = 1, 1
    renderer = AlphaRenderer(network, LR, HR)
    renderer.pair(a, b)
    assert all(bool((made[3] == 1).all()) for made in renderer.render_all(TIMES))


def test_tiles_hold_both_networks(network: VideoINR) -> None:
    """Half of the memory is each network's, so tiles are as small as for half of it."""
    budget = 3_000_000
    alpha = AlphaRenderer(network, (96, 96), (192, 192), budget=budget)
    half = PairRenderer(network, (96, 96), (192, 192), budget=budget // 2)
    assert alpha.layout == half.layout


def test_pictures_without_opacity_are_refused(network: VideoINR) -> None:
    """Three channels where four are needed raise ValueError."""
    renderer = AlphaRenderer(network, LR, HR)
    with pytest.raises(ValueError, match="4"):
        renderer.pair(textured(1), textured(1))


def test_making_room_shrinks_both(network: VideoINR) -> None:
    """After memory ran out, both networks go on in smaller tiles, with the same result."""
    a, b = textured(8, 4), textured(9, 4)
    renderer = AlphaRenderer(network, LR, HR)
    renderer.pair(a, b)
    before = renderer.render(0.5)
    assert renderer.make_room()
    renderer.pair(a, b)
    assert (renderer.render(0.5) - before).abs().max() < 1 / 255

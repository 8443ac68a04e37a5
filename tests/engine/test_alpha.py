from fractions import Fraction

import pytest
import torch
from torch import Tensor

from vinr_cli.engine.alpha import filled
from vinr_cli.engine.assemble import renderer_for
from vinr_cli.model.videoinr import Network

LR, HR = (24, 32), (60, 80)
TIMES = (0.0, Fraction(1, 3), 1.0)


def textured(seed: int, channels: int = 3) -> Tensor:
    return torch.rand(channels, *LR, generator=torch.Generator().manual_seed(seed))


def plain(colour: tuple[float, ...]) -> Tensor:
    return torch.tensor(colour)[:, None, None].expand(len(colour), *LR).contiguous()


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


def test_opacity_is_made_like_a_gray_picture(network: Network) -> None:
    """Colours are those of the filled pictures; opacity is that of the network's gray one."""
    a, b = textured(4, 4), textured(5, 4)
    renderer = renderer_for(network, LR, HR, alpha=True)
    renderer.pair(a, b)
    colours, matte = (
        renderer_for(network, LR, HR, alpha=False),
        renderer_for(network, LR, HR, alpha=False),
    )
    colours.pair(filled(a[:3], a[3:]), filled(b[:3], b[3:]))
    matte.pair(a[3:].repeat(3, 1, 1), b[3:].repeat(3, 1, 1))

    made = list(renderer.render_all(TIMES))

    for x, rgb, gray in zip(made, colours.render_all(TIMES), matte.render_all(TIMES), strict=True):
        assert torch.equal(x[:3], rgb)
        assert torch.allclose(x[3], gray.mean(0).clamp(0, 1))


def test_opaque_pictures_stay_opaque(network: Network) -> None:
    """Where both frames are opaque, so is every output, to the bit."""
    a, b = textured(6, 4), textured(7, 4)
    a[3], b[3] = 1, 1
    renderer = renderer_for(network, LR, HR, alpha=True)
    renderer.pair(a, b)
    assert all(bool((made[3] == 1).all()) for made in renderer.render_all(TIMES))


def test_pictures_without_opacity_are_refused(network: Network) -> None:
    """Three channels where four are needed raise ValueError."""
    renderer = renderer_for(network, LR, HR, alpha=True)
    with pytest.raises(ValueError, match="4"):
        renderer.pair(textured(1), textured(1))


def test_making_room_shrinks_both(network: Network) -> None:
    """After memory ran out, both networks go on in smaller tiles, with the same result."""
    a, b = textured(8, 4), textured(9, 4)
    renderer = renderer_for(network, LR, HR, alpha=True)
    renderer.pair(a, b)
    (before,) = renderer.render_all([0.5])
    assert renderer.make_room()
    renderer.pair(a, b)
    (after,) = renderer.render_all([0.5])
    assert (after - before).abs().max() < 1 / 255

from fractions import Fraction

import pytest
import torch
from torch import Tensor

from vinr_cli.engine.flat import BORDER, SHIFT, FlatRenderer, flatness, restore
from vinr_cli.engine.renderer import PairRenderer
from vinr_cli.model.videoinr import Network
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
    renderer = FlatRenderer(PairRenderer(network, LR, HR))
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


def test_what_is_not_flat_is_the_networks_bit_for_bit(network: Network) -> None:
    """Textured frames come out as `PairRenderer` gives them."""
    a, b = textured(1), textured(2)
    ours, plainly = FlatRenderer(PairRenderer(network, LR, HR)), PairRenderer(network, LR, HR)
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

    assert torch.allclose(restore(output, frame, flatness(frame, frame)), passing, atol=1e-6)


def test_frames_of_two_colours_are_not_taken_for_flat() -> None:
    """A fade from one flat colour to another is the network's own."""
    assert not flatness(plain((0.2, 0.2, 0.2)), plain((0.3, 0.3, 0.3))).any()


def test_a_border_is_put_right_where_it_is_flat() -> None:
    """Near the frame's border larger shifts count as the network's; inside they do not."""
    frame = plain((1.0, 1.0, 1.0))
    output = torch.full((3, *HR), 1.0)
    output[:, 1, 40] = output[:, 30, 40] = 1 - 10 / 255
    restored = restore(output, frame, flatness(frame, frame))
    assert restored[0, 1, 40] == 1
    assert restored[0, 30, 40] < 1 - 9 / 255
    assert HR[0] / LR[0] * BORDER < 30


def test_values_that_are_no_numbers_stay() -> None:
    """A NaN of the network is not hidden by the flat colour."""
    frame = plain((0.5, 0.5, 0.5))
    output = torch.full((3, *HR), 0.5)
    output[:, 5, 5] = torch.nan
    assert restore(output, frame, flatness(frame, frame))[:, 5, 5].isnan().all()

import torch

from vinr_cli.engine.alpha import AlphaRenderer
from vinr_cli.engine.assemble import renderer_for
from vinr_cli.engine.flat import FlatRenderer
from vinr_cli.engine.renderer import PairRenderer
from vinr_cli.model.videoinr import Network

LR, HR = (300, 400), (600, 800)


def test_colours_and_opacity_have_half_of_the_memory_each(network: Network) -> None:
    """With opacity, tiles are as small as for half of the budget; without, as for all of it."""
    budget = 200 << 20
    for alpha, share in ((True, budget // 2), (False, budget)):
        made = renderer_for(network, LR, HR, alpha=alpha, budget=budget)
        assert made.layout == PairRenderer(network, LR, HR, budget=share).layout
    assert made.layout != PairRenderer(network, LR, HR, budget=budget // 2).layout


def test_each_option_reaches_the_network(network: Network) -> None:
    """The side of tiles and the listener for shortages are those of every network inside."""
    notes: list[str] = []
    for alpha in (False, True):
        made = renderer_for(network, LR, HR, alpha=alpha, tile=200, notify=notes.append)
        assert isinstance(made, AlphaRenderer if alpha else FlatRenderer)
        assert len(made.layout.tiles) == 4
        assert made.make_room()
    assert len(notes) == 3
    assert made.device == torch.device("cpu")

"""The renderer of a source: the network, with what keeps flat colours and opacity around it."""

from collections.abc import Callable

import torch

from vinr_cli.engine.alpha import AlphaRenderer
from vinr_cli.engine.flat import FlatRenderer
from vinr_cli.engine.memory import budget_of
from vinr_cli.engine.renderer import PairRenderer, Renderer
from vinr_cli.model.videoinr import Network


def renderer_for(
    model: Network,
    lr: tuple[int, int],
    hr: tuple[int, int],
    *,
    alpha: bool,
    autocast: torch.dtype | None = None,
    budget: int | None = None,
    tile: int | None = None,
    notify: Callable[[str], None] = lambda _: None,
) -> Renderer:
    """What renders a source's frames.

    Args:
        model: As for `PairRenderer`.
        lr: As for `PairRenderer`.
        hr: As for `PairRenderer`.
        alpha: Whether the frames have opacity, as a fourth channel; then colours and opacity have
            half of the memory each.
        autocast: As for `PairRenderer`.
        budget: As for `PairRenderer`.
        tile: As for `PairRenderer`.
        notify: As for `PairRenderer`.
    """
    if alpha:
        budget = budget_of(next(model.parameters()).device, budget) // 2

    def flat() -> Renderer:
        return FlatRenderer(
            PairRenderer(model, lr, hr, autocast=autocast, budget=budget, tile=tile, notify=notify)
        )

    return AlphaRenderer(flat(), flat()) if alpha else flat()

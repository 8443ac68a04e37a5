"""Source frames, moving pictures, and a network whose calls are counted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from vinr_cli.model.videoinr import Network

LR = (40, 56)
"""(height, width) of the moving pictures, if no other size is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A decoded frame, see `engine.frames.Frame`."""

    pts: int
    planes: tuple[NDArray[Any], ...]
    change: float | None = None


def video(count: int, size: tuple[int, int] = LR) -> list[Tensor]:
    """Smooth frames of a pattern that moves by a pixel a frame."""
    y = torch.arange(size[0], dtype=torch.float32)[:, None]
    x = torch.arange(size[1], dtype=torch.float32)
    return [
        torch.stack(
            [
                0.5 + 0.4 * torch.sin(y / (3 + c) + c) * torch.cos((x - k) / (4 + c))
                for c in range(3)
            ]
        )
        for k in range(count)
    ]


class Counting:
    """Counts the calls of a network's steps."""

    def __init__(self, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = {
            "encode_frame": 0, "encode_pair": 0, "encode_tile": 0, "survey_pair": 0,
            "prepare": 0, "render": 0,
        }  # fmt: skip
        for name in self.calls:
            monkeypatch.setattr(network, name, self._counted(name, getattr(network, name)))

    def _counted(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.calls[name] += 1
            return step(*args)

        return call

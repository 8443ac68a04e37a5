"""Source frames, as a reader of videos gives them."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A decoded frame, see `engine.stream.Frame`."""

    pts: int
    planes: tuple[NDArray[Any], ...]
    change: float | None = None

"""What goes into a pass over a video, and what comes out of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray
from torch import Tensor

from vinr_cli.engine.host_copies import PendingDownload


class Frame(Protocol):
    """What a pass needs of a source frame; a reader of videos gives them."""

    @property
    def pts(self) -> int:
        """Presentation time in ticks of the source's time base, greater than the one before."""

    @property
    def planes(self) -> Sequence[NDArray[Any]]:
        """(h_p, w_p) each, uint8 for 8 bits and uint16 above, as the source's `ColorSpec` says."""

    @property
    def change(self) -> float | None:
        """Score of the change from the frame before, see `is_cut`; None if it was not measured."""


class Writer(Protocol):
    """What the encoding thread needs of an encoder."""

    def write(self, planes: Any, pts: int) -> None:
        """Take one frame: its planes and its time in ticks of the output."""

    def abort(self) -> None:
        """Kill the encoder, so that a blocked `write` returns."""


class PartWriter(Writer, Protocol):
    """What the encoding thread needs where the output is written in parts."""

    def turn(self, stop: int) -> None:
        """End the part: it holds the pairs before source frame `stop`."""


@dataclass(frozen=True, slots=True, eq=False)
class FinishedFrame:
    """An output frame on its way to the encoder.

    Attributes:
        index: Output frame number.
        pts: In ticks of the output.
        planes: Arrays of a source frame, or integer tensors in the host's memory.
        download: What brings the tensors there; None for arrays.
    """

    index: int
    pts: int
    planes: Sequence[NDArray[Any] | Tensor]
    download: PendingDownload | None


@dataclass(frozen=True, slots=True)
class PartBoundary:
    """The end of a part, between two output frames.

    Attributes:
        stop: First source frame whose pair belongs to the next part.
    """

    stop: int

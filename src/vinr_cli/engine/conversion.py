"""Planes to colours on the device and back, repeated where memory runs out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from vinr_cli.color.convert import from_picture, is_finite, to_picture
from vinr_cli.color.spec import ColorSpec
from vinr_cli.engine.frames import Frame
from vinr_cli.engine.host_copies import Mover, PendingDownload, mover_for
from vinr_cli.engine.memory import is_out_of_memory
from vinr_cli.engine.renderer import Renderer
from vinr_cli.errors import DeviceError

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Colours:
    """What code values mean on both sides of a pass.

    Attributes:
        source: Of the decoded planes.
        target: Of the planes that the writer takes.
    """

    source: ColorSpec
    target: ColorSpec


class SourceFrame:
    """A decoded frame and, once it is needed, its colours.

    Args:
        frame: As it was decoded.
        color: Of its planes.
        mover: Carries them to the device.

    Attributes:
        planes: Of the frame.
    """

    def __init__(self, frame: Frame, color: ColorSpec, mover: Mover) -> None:
        self.planes = frame.planes
        self._color = color
        self._mover = mover
        self._rgb: Tensor | None = None

    @property
    def rgb(self) -> Tensor:
        """(3 or 4, H, W) RGB(A), float32, on the device; always the same tensor."""
        if self._rgb is None:
            self._rgb = to_picture(self._mover.upload(self.planes), self._color)
        return self._rgb


class Converter:
    """Converts whole frames; where memory runs out, the renderer makes room.

    Args:
        colours: On both sides.
        renderer: Uses the same device.
        mover: Carries frames to the device and back; None takes the best for it.

    Attributes:
        colours: As given.
        seconds: Spent so far; on a device with a queue, for queueing.
    """

    def __init__(self, colours: Colours, renderer: Renderer, mover: Mover | None = None) -> None:
        self.colours = colours
        self.seconds = 0.0
        self._renderer = renderer
        self._mover = mover_for(renderer.device) if mover is None else mover

    def source(self, frame: Frame) -> SourceFrame:
        """A decoded frame; nothing is converted yet."""
        return SourceFrame(frame, self.colours.source, self._mover)

    def to_rgb(
        self, pairs: Sequence[tuple[SourceFrame, SourceFrame]]
    ) -> list[tuple[Tensor, Tensor]]:
        """The colours of pairs of frames, (3 or 4, H, W) each, on the device.

        Raises:
            DeviceError: memory ran out though the renderer can do with no less.
        """
        return self._repeated(lambda: [(first.rgb, second.rgb) for first, second in pairs])

    def to_planes(self, rgb: Tensor) -> PendingDownload:
        """A picture's code values, rounded on the device and on their way to the host.

        Args:
            rgb: (3 or 4, h, w), on the device.

        Raises:
            DeviceError: memory ran out though the renderer can do with no less.
        """
        target = self.colours.target
        return self._repeated(
            lambda: self._mover.download(from_picture(rgb, target), is_finite(rgb))
        )

    def _repeated(self, convert: Callable[[], V]) -> V:
        while True:
            start = time.perf_counter()
            try:
                return convert()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            finally:
                self.seconds += time.perf_counter() - start
            if not self._renderer.make_room():
                raise DeviceError(
                    str(self._renderer.device),
                    "out of memory while a whole frame's colours were converted",
                    "Ask for a smaller size, or use --device cpu.",
                )

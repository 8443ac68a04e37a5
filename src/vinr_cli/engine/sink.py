"""What the encoding thread does."""

import time
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vinr_cli.engine.frames import FinishedFrame, PartBoundary, PartWriter, Writer
from vinr_cli.engine.progress import Progress
from vinr_cli.errors import VinrError


class EncoderSink:
    """Hands finished frames to a writer, as soon as they have left the device.

    Args:
        writer: Takes them; a `PartWriter` where there are boundaries of parts.
        depth: Bits a sample.
        progress: Counts the frames.

    Attributes:
        waited: Seconds in which the device was waited for.
    """

    def __init__(self, writer: Writer, depth: int, progress: Progress) -> None:
        self.waited = 0.0
        self._writer = writer
        self._dtype = np.uint16 if depth > 8 else np.uint8
        self._progress = progress

    def take(self, item: FinishedFrame | PartBoundary) -> None:
        """Write a frame, or end a part.

        Raises:
            VinrError: the frame holds a NaN or an infinity.
        """
        if isinstance(item, PartBoundary):
            cast(PartWriter, self._writer).turn(item.stop)
            return
        start = time.perf_counter()
        finite = item.download is None or item.download.wait()
        self.waited += time.perf_counter() - start
        if not finite:
            raise VinrError(
                f"output frame {item.index}",
                "the network gave colours that are NaN or infinite",
                "Try --precision fp32, or other weights.",
            )
        self._writer.write([self._array(plane) for plane in item.planes], item.pts)
        self._progress.count()

    def _array(self, plane: NDArray[Any] | Tensor) -> NDArray[Any]:
        """A plane as the writer takes it, in the host's memory."""
        array = plane.numpy() if isinstance(plane, Tensor) else plane
        array = array.view(np.uint16) if array.dtype == np.int16 else array
        return np.ascontiguousarray(array, dtype=self._dtype)

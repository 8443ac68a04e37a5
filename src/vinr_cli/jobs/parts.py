"""Between the pass over a video and its parts: frames in, closed parts out."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vinr_cli.errors import VerificationError
from vinr_cli.jobs.ledger import Ending, Ledger, Part
from vinr_cli.media.join import count_packets
from vinr_cli.media.write import FrameWriter
from vinr_cli.plan.segments import PartGrid


class PartsWriter:
    """Writes frames into parts, one encoder after the other.

    `write`, `turn` and `close` belong to one thread; `abort` may come from any.

    Args:
        ledger: Keeps the parts.
        start: First source frame of the first part.
        open_writer: Makes the writer of a part, given its path.
        suffix: Of the parts' files.
        losses: The growing list of what was lost.

    Attributes:
        finished: Parts that nobody has been told of yet, oldest first.
    """

    def __init__(
        self,
        ledger: Ledger,
        start: int,
        open_writer: Callable[[Path], FrameWriter],
        suffix: str,
        losses: Sequence[tuple[int, str]],
    ) -> None:
        self.finished: deque[Part] = deque()
        self._ledger = ledger
        self._start = start
        self._open_writer = open_writer
        self._suffix = suffix
        self._losses = losses
        self._writer: FrameWriter | None = None
        self._aborted = False
        self._swap = threading.Lock()

    def write(self, planes: Sequence[NDArray[Any]], pts: int) -> None:
        """Hand over one frame, as `FrameWriter.write` says."""
        if self._writer is None:
            with self._swap:
                path = self._ledger.scratch(self._start, self._suffix)
                self._writer = self._open_writer(path)
                if self._aborted:
                    self._writer.abort()
        self._writer.write(planes, pts)

    def turn(self, stop: int, ending: Ending | None = None) -> None:
        """Close the part before source frame `stop`, count and keep it.

        Raises:
            EncoderError: ffmpeg fails.
            OutputError: the disk is full.
            VerificationError: the part has not the frames that were written.
        """
        if stop == self._start and ending is None:
            return
        writer, frames = self._writer, 0
        if writer is not None:
            writer.close()
            frames = writer.frames
            found = count_packets(writer.path)
            if found != frames:
                writer.path.unlink(missing_ok=True)
                raise VerificationError(
                    writer.path, f"{found} frames came out of the encoder, {frames} went in"
                )
        lost = tuple(text for index, text in self._losses if self._start <= index < stop)
        if ending is not None:  # what the end itself was short of
            lost = tuple(text for index, text in self._losses if self._start <= index)
        path = None if writer is None else writer.path
        self.finished.append(self._ledger.keep((self._start, stop), frames, path, lost, ending))
        with self._swap:
            self._writer, self._start = None, stop

    def abort(self) -> None:
        """Kill the encoder and remove the open part; finished ones stay."""
        with self._swap:
            self._aborted = True
            if self._writer is not None:
                self._writer.abort()


class PartEnds:
    """Where the parts of a pass end, as `FrameRange.ends` asks; keeps where the latest began."""

    def __init__(self, grid: PartGrid, start: int) -> None:
        self._grid = grid
        self._start = start
        self._latest = start

    def __call__(self, frame: int, cut: bool) -> bool:
        """Whether the part ends before this source frame, or was to end before one left out."""
        left_out = range(self._latest + 1, frame)
        ends = any(self._grid.ends_at(self._start, k, cut=False) for k in left_out)
        ends = ends or self._grid.ends_at(self._start, frame, cut=cut)
        self._latest = frame
        if ends:
            self._start = frame
        return ends

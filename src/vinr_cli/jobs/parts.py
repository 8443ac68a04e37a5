"""Between the pass over a video and its parts: exact source frames in, closed parts out."""

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vinr_cli.errors import InputError, VerificationError
from vinr_cli.jobs.manifest import Ending, Ledger, Part
from vinr_cli.media.mux import count_packets
from vinr_cli.media.probe import Timestamps, VideoInfo
from vinr_cli.media.reader import Frame, FrameReader
from vinr_cli.media.scenes import FLASH_FRAMES
from vinr_cli.media.writer import FrameWriter
from vinr_cli.plan.segments import PartGrid

LEAD = FLASH_FRAMES + 4
"""Source frames that are decoded before the first one needed: a score looks at the two frames
before and a flash at some more, so cuts are found where a run from the beginning finds them."""
TAIL = FLASH_FRAMES + 1
"""Source frames that are decoded behind the last one needed, for the same reason."""


_HIDDEN = frozenset({"vp8"})
"""Codecs with packets that show nothing."""


def certain_times(
    video: VideoInfo, stamps: Timestamps, start: int | None, end: int | None
) -> tuple[int, ...] | None:
    """PTS of exactly the frames that decoding will give; None where a file does not tell.

    It does not where packets have no time, share one, or go back in time, where a codec has packets
    that show nothing, and where a packet may be half a picture.

    Args:
        video: The stream.
        stamps: Its times.
        start: First of them that is used; None for all from the first on.
        end: First that is not used any more; None to the end.
    """
    if stamps.missing or stamps.duplicates or stamps.disordered:
        return None
    if video.interlaced or video.codec in _HIDDEN:
        return None
    pts = stamps.pts
    low = 0 if start is None else bisect_left(pts, start)
    high = len(pts) if end is None else bisect_left(pts, end)
    return pts[low:high]


class SourceFrames:
    """A reader's frames from a certain one on, none left out: what is lost is concealed and told.

    Args:
        reader: Yields the frames, from `LEAD` frames before the first one needed.
        times: PTS of all frames that the source has, if they are certain; then a frame that does
            not come is replaced by the one before (the first ones by the one after). None takes
            what comes.
        first: Index of the first frame to yield; with `times` None, of the first frame that comes.
        strict: Whether a loss is an error.
        subject: What errors are about: the input.

    Attributes:
        losses: (source frame, what was lost) in the order of the frames; complete for all frames
            that have been yielded.
        times: As given.
        first: As given.

    Raises:
        InputError: While iterating: under `strict`, if anything is lost.
    """

    def __init__(
        self,
        reader: FrameReader,
        times: Sequence[int] | None,
        first: int,
        *,
        strict: bool,
        subject: Path,
    ) -> None:
        self.losses: list[tuple[int, str]] = []
        self.times = times
        self.first = first
        self._reader = reader
        self._next = first
        self._strict = strict
        self._subject = subject
        self._told = 0  # corrupt frames of the reader

    def __iter__(self) -> Iterator[Frame]:
        """Frames in order."""
        latest: Frame | None = None
        for frame in self._reader:
            self._tell_corrupt()
            if self.times is None:
                yield frame
                self._next += 1
                continue
            yield from self._exactly(frame, latest, self.times)
            latest = frame
        if self.times is not None and latest is not None:
            yield from self._conceal(self._end(), latest, self.times)
        if self._reader.truncated:
            self._lose(self._reader.truncated)

    @property
    def notices(self) -> list[str]:
        """What the reader had to repair, complete once the iteration has ended."""
        return self._reader.notices

    def close(self) -> None:
        """Close the file; may be called more than once."""
        self._reader.close()

    def _exactly(self, frame: Frame, latest: Frame | None, times: Sequence[int]) -> Iterator[Frame]:
        """A frame, and before it what should have come."""
        index = bisect_left(times, frame.pts)
        if index < self._next or index == len(times) or times[index] != frame.pts:
            return  # of the lead, or a time that the file does not list
        yield from self._conceal(index, latest or frame, times)
        yield frame
        self._next = index + 1

    def _tell_corrupt(self) -> None:
        """Note what the decoder has marked as damaged in part since the last time."""
        for pts in self._reader.corrupt[self._told :]:
            self._told += 1
            index = self._next
            if self.times is not None and pts is not None:
                index = bisect_left(self.times, pts)
            if index >= self._next:  # else it is of the lead, and told by the run that used it
                self._lose(f"the frame at {self._reader.where(pts)} is damaged in part", index)

    def _conceal(self, stop: int, shown: Frame, times: Sequence[int]) -> Iterator[Frame]:
        """Stand-ins for the frames up to `stop`."""
        while self._next < stop:
            where = self._reader.where(times[self._next])
            self._lose(f"the frame at {where} could not be decoded; its neighbour is shown")
            yield replace(shown, pts=times[self._next], change=0.0)
            self._next += 1

    def _end(self) -> int:
        """Index behind the last frame that the reader was asked for."""
        times, end = self.times or (), self._reader.end_pts
        return len(times) if end is None else bisect_left(times, end)

    def _lose(self, what: str, index: int | None = None) -> None:
        if self._strict:
            raise InputError(self._subject, what, "Without --strict it is concealed and told.")
        self.losses.append((self._next if index is None else index, what))


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

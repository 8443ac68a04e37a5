"""Frames of a video stream as planes with exact presentation times."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av.error
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vinr_cli.errors import InputError
from vinr_cli.media.base.alpha import is_apart, open_decoder
from vinr_cli.media.base.borders import LIBRARY_ERRORS, AnyPacket, reading, require_file, words_of
from vinr_cli.media.base.opening import open_input
from vinr_cli.media.read.clock import Clock, usual_interval
from vinr_cli.media.read.deinterlace import deinterlaced
from vinr_cli.media.read.info import VideoInfo
from vinr_cli.media.read.planes import Plane, cropped, mirrored, planes_of
from vinr_cli.media.read.scenes import (
    FLASH_FRAMES,
    FLASH_SCORE,
    Luma,
    SceneScorer,
    small_luma,
    without_flash,
)

_SEEK_BACK = (Fraction(0), Fraction(2), Fraction(15))
"""Seconds before the wanted start to try to seek to, before reading from the beginning.

A container may point at a key frame that is shown after the wanted frame (open groups of
pictures, wrong key-frame flags); then an earlier one is tried.
"""
_SILENT = frozenset({"h264", "hevc", "vvc"})
"""Decoders that leave frames out without an error. Each of their packets gives one frame, so what
is missing is known from the packets' times."""
_SHORT = Fraction(9, 10)
"""A file that gives less than this share of the duration it claims is called truncated."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded frame.

    Attributes:
        pts: Presentation time in ticks of the stream's time base, greater than the one before.
        duration: Ticks that the file shows it for; None if the file does not say.
        planes: C-contiguous arrays (h_p, w_p), uint8 for 8 bits and uint16 above, in the order Y,
            Cb, Cr or R, G, B or gray, and alpha, as the stream's `ColorSpec` says. Not shared with
            the decoder.
        change: Score of the change from the frame before, see `SceneScorer`; None if not asked for.
    """

    pts: int
    duration: int | None
    planes: tuple[Plane, ...]
    change: float | None = None


class FrameReader:
    """Decode a stream from start to end, in presentation order, every frame once.

    Use as a context manager and iterate::

        with FrameReader(path, info.video) as reader:
            for frame in reader:
                ...

    Times that are missing, repeated or go backwards are repaired and reported in `notices`.
    Damaged packets are left out, which leaves a gap in the times and shifts nothing.

    Args:
        path: The file.
        info: The stream, from `probe`.
        start_pts: First time to yield (ticks); None from the first frame.
        end_pts: First time not to yield any more (ticks); None to the end.
        score_changes: Whether frames carry a score of how much they change.

    Attributes:
        notices: What had to be repaired or left out, complete once the iteration has ended.
        corrupt: Times of the frames so far that are damaged in part; with scores, the decoder is
            a few frames ahead.
        truncated: Why the stream is shorter than it says, once the iteration has ended; empty if
            it is not.
        end_pts: As given.

    Raises:
        InputError: While iterating: if the frame size changes, if reading fails, or if no frame
            could be decoded.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        *,
        start_pts: int | None = None,
        end_pts: int | None = None,
        score_changes: bool = False,
    ) -> None:
        self._path = path
        self.require_source()
        self.notices: list[str] = []
        self._info = info
        self._start = start_pts
        self.end_pts = end_pts
        self.truncated = ""
        self.corrupt: list[int | None] = []
        self._score = SceneScorer() if score_changes else None
        self._container: InputContainer | None = None
        self._damaged = 0
        self._awaited: set[int] = set()
        self._reformatted = False
        self._decoder: VideoCodecContext | None = None  # None for the stream's own

    def require_source(self) -> None:
        """Refuse what cannot be opened, before anything is decoded.

        Raises:
            InputError: as `borders.require_file` says.
        """
        require_file(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; may be called more than once."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames from `start_pts` up to, not including, `end_pts`."""
        if self._score is None:
            yield from self._frames()
            return
        waiting: deque[Frame] = deque()  # frames whose followers may say that they are a flash
        before: deque[Luma] = deque(maxlen=FLASH_FRAMES + 1)
        for frame in self._frames():
            waiting.append(frame)
            if len(waiting) > FLASH_FRAMES:
                yield self._settled(waiting, before)
        while waiting:
            yield self._settled(waiting, before)

    def _settled(self, waiting: deque[Frame], before: deque[Luma]) -> Frame:
        """Take the first of some frames, with score 0 if it begins or ends a flash.

        Args:
            waiting: Frames in order; the first is taken away.
            before: Luma of the frames before it, the latest last; its own is added.
        """
        depth = self._info.color.depth
        frame = waiting.popleft()
        luma = small_luma(frame.planes[0], depth)
        if before and frame.change is not None and frame.change >= FLASH_SCORE:
            after = [small_luma(f.planes[0], depth) for f in waiting]
            frame = replace(frame, change=without_flash(frame.change, before, luma, after))
        before.append(luma)
        return frame

    def _frames(self) -> Iterator[Frame]:
        """The frames, with their raw scores."""
        clock = Clock(usual_interval(self._info), self.notices, self.where)
        count = 0
        last: int | None = None
        for frame, pts in clock.repair(self._whole()):
            if self.end_pts is not None and pts >= self.end_pts:
                break
            if not self._wants(pts):
                continue
            count += 1
            last = pts
            planes = self._planes(frame, pts)
            change = None if self._score is None else self._score(frame)
            yield Frame(pts, frame.duration or None, planes, change)
        self._summarise(count, last)

    def _planes(self, frame: VideoFrame, pts: int) -> tuple[Plane, ...]:
        """The frame's samples, if it is still the same kind of picture."""
        info = self._info
        left, top, right, bottom = info.crop
        size = info.width + left + right, info.height + top + bottom
        if (frame.width, frame.height) != size:
            cause = (
                f"the frame size changes from {size[0]}x{size[1]} to "
                f"{frame.width}x{frame.height} at {self.where(pts)}"
            )
            raise InputError(self._path, cause, "Cut the file there, or keep one size.")
        if frame.format.name != info.pix_fmt and not self._reformatted:
            self._reformatted = True
            was, now = info.pix_fmt, frame.format.name
            self.notices.append(
                f"the pixel format changes from {was} to {now} at {self.where(pts)}"
            )
        with reading(self._path, f"the frame at {self.where(pts)} cannot be used"):
            planes = self._copied(frame)
        if any(info.crop):
            planes = cropped(planes, info)
        if info.mirrored:
            return mirrored(planes, info.color)
        return planes

    def _copied(self, frame: VideoFrame) -> tuple[Plane, ...]:
        """The frame's samples as the stream's colour description says."""
        return planes_of(frame, self._info)

    def _wants(self, pts: int) -> bool:
        """Whether a time lies in the span that was asked for."""
        after = self._start is None or pts >= self._start
        return after and (self.end_pts is None or pts < self.end_pts)

    def _summarise(self, count: int, last: int | None) -> None:
        """Tell, after the last frame, what was wrong."""
        if self._damaged > 1:
            self.notices.append(f"{self._damaged} damaged packets in all were left out")
        lost = [p for p in self._awaited if self._wants(p)]
        if lost:
            where = self.where(min(lost))
            self.notices.append(f"{len(lost)} frames did not come out (first at {where})")
        if len(self.corrupt) > 1:
            self.notices.append(f"{len(self.corrupt)} frames in all are damaged in part")
        if count == 0 and self._start is None and self.end_pts is None:
            raise InputError(self._path, "no frame of its video can be decoded")
        claimed = self._info.duration
        if self.end_pts is not None or claimed is None or last is None:
            return
        tb = self._info.time_base
        end = (last - (self._info.start_pts or 0)) * tb + usual_interval(self._info) * tb
        if end < claimed * _SHORT:
            self.truncated = (
                f"the file ends after {float(end):.3f} s of the {float(claimed):.3f} s that it "
                "claims: it seems truncated"
            )
            self.notices.append(self.truncated)

    def where(self, pts: int | None) -> str:
        """A place in the stream, for people."""
        return "?" if pts is None else f"{float(pts * self._info.time_base):.3f} s (PTS {pts})"

    def _whole(self) -> Iterator[VideoFrame]:
        """Decoded frames, deinterlaced where that is wanted."""
        frames = self._decoded_from_start()
        if not self._info.deinterlace:
            yield from frames
            return
        with reading(self._path, "its interlaced frames cannot be deinterlaced"):
            yield from deinterlaced(frames)

    def _decoded_from_start(self) -> Iterator[VideoFrame]:
        """Decode from a key frame at or before the wanted start."""
        start = self._start
        first = self._info.start_pts
        if start is not None and (first is None or start > first):
            for back in _SEEK_BACK:
                frames = self._decoded(start - int(back / self._info.time_base))
                head = next(frames, None)
                if head is not None and head.pts is not None and head.pts <= start:
                    yield head
                    yield from frames
                    return
        yield from self._decoded(None)

    def _decoded(self, seek_to: int | None) -> Iterator[VideoFrame]:
        """Open the file, seek, and decode until the decoder is drained."""
        self.close()
        with reading(self._path):
            self._container = self._opened()
            stream = cast(VideoStream, self._container.streams[self._info.index])
            stream.thread_type = "AUTO"
            self._decoder = None
            if self._info.color.alpha and is_apart(stream):
                self._decoder = open_decoder(stream)
        if seek_to is not None:
            try:
                self._container.seek(seek_to, stream=stream)
            except LIBRARY_ERRORS:
                return  # this file cannot be searched there
        last: int | None = None
        self._awaited.clear()
        silent = self._info.codec in _SILENT
        for packet in self._packets(self._container, stream):
            if silent and packet.pts is not None and not packet.is_discard:
                self._awaited.add(packet.pts)
            for frame in self._decode(packet, last):
                if frame.is_corrupt:
                    self._note_corrupt(frame)
                if frame.pts is not None:
                    last = frame.pts
                    self._awaited.discard(last)
                yield frame

    def _opened(self) -> InputContainer:
        """The file, opened anew."""
        return open_input(self._path)

    def _demuxed(self, container: InputContainer, stream: VideoStream) -> Iterator[AnyPacket]:
        """The stream's packets as they come, and the empty one at the end."""
        return container.demux(stream)

    def _packets(self, container: InputContainer, stream: VideoStream) -> Iterator[AnyPacket]:
        """Packets to the end of the file, then the empty one that drains the decoder."""
        packets = self._demuxed(container, stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.InvalidDataError, av.error.EOFError) as error:
                self.truncated = f"the file is damaged and ends early: {words_of(error)}"
                self.notices.append(self.truncated)
                drain = AnyPacket()
                drain.stream = stream
                yield drain
                return
            except LIBRARY_ERRORS as error:
                raise InputError(self._path, f"reading failed: {words_of(error)}") from error
            if packet is None:
                return
            yield packet

    def _decode(self, packet: AnyPacket, last: int | None) -> list[VideoFrame]:
        """Decode one packet; a damaged one is left out and noted.

        Decoders work ahead in threads, so an error belongs to the frame after the last one that
        came, not to the packet that was just given.
        """
        try:
            return packet.decode() if self._decoder is None else self._decoder.decode(packet)
        except av.error.MemoryError as error:
            cause = f"decoding failed after {self.where(last)}: {words_of(error)}"
            raise InputError(self._path, cause) from error
        except LIBRARY_ERRORS as error:
            if not self._damaged:
                place = "the beginning" if last is None else self.where(last)
                words = words_of(error)
                self.notices.append(f"a damaged packet after {place} is left out: {words}")
            self._damaged += 1
            return []

    def _note_corrupt(self, frame: VideoFrame) -> None:
        if not self.corrupt:
            self.notices.append(f"the frame at {self.where(frame.pts)} is damaged in part")
        self.corrupt.append(frame.pts)

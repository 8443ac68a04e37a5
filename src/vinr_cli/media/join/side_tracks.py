"""The source's other streams on their way into a container that is written while frames come."""

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Stream

from vinr_cli.media.base.borders import AnyPacket
from vinr_cli.media.join.decisions import Act, StreamDecision
from vinr_cli.media.join.times import ONE, Times
from vinr_cli.media.join.tracks import Track, add_along, attach, packet_length


def copied_streams(container: InputContainer, decisions: Iterable[StreamDecision]) -> list[Stream]:
    """The streams of a source that are copied.

    Args:
        container: The source, opened.
        decisions: Those of `decide` on it.
    """
    chosen = {d.index for d in decisions if d.act is Act.COPY}
    return [stream for stream in container.streams if stream.index in chosen]


class SideTracks:
    """Packets of other streams on their way into the target, in the order of their times.

    `give` belongs to the thread that reads, everything else to the one that writes.

    Args:
        streams: Where they come from.
    """

    def __init__(self, streams: Sequence[Stream] = ()) -> None:
        self.streams = tuple(streams)
        self._given: deque[AnyPacket] = deque()
        self._ready: list[tuple[float, int, AnyPacket]] = []
        self._count = itertools.count()
        self._tracks: dict[int, Track] = {}

    def give(self, packet: AnyPacket) -> None:
        """Take a packet of one of the streams."""
        self._given.append(packet)

    def attach(self, out: OutputContainer, times: Times) -> None:
        """Add the streams to the target.

        Args:
            out: The target; nothing is written yet.
            times: From the source's clock to the target's.
        """
        for stream in self.streams:
            if isinstance(stream, AttachmentStream):
                attach(out, stream)
                continue
            copy = add_along(out, stream)
            self._tracks[stream.index] = Track(stream, copy, times, packet_length(stream))

    def until(self, time: float | None) -> Iterator[AnyPacket]:
        """Packets up to a time of the target in seconds; None for all that are left."""
        self._fetch(time)
        while self._given:
            packet = self._given.popleft()
            timed = self._tracks[packet.stream_index].retime(packet)
            if timed is not None:
                heapq.heappush(self._ready, (timed[0], next(self._count), timed[1]))
        while self._ready and (time is None or self._ready[0][0] <= time):
            yield heapq.heappop(self._ready)[2]

    def _fetch(self, time: float | None) -> None:
        """See to it that packets up to a time have been given, where that can be waited for."""


class FileTracks(SideTracks):
    """`SideTracks` of a file, which is read as far as is needed.

    Args:
        container: The file, opened for nothing else.
        streams: Those of its streams that come along.
    """

    def __init__(self, container: InputContainer, streams: Sequence[Stream]) -> None:
        super().__init__(streams)
        moving = [s for s in streams if not isinstance(s, AttachmentStream)]
        self._packets: Iterator[AnyPacket] = container.demux(moving) if moving else iter(())

    def _fetch(self, time: float | None) -> None:
        """Read until a packet lies beyond the time."""
        for packet in self._packets:
            if not packet.size:
                continue
            self.give(packet)
            stamp = packet.pts if packet.pts is not None else packet.dts
            track = self._tracks[packet.stream_index]
            source = (stamp or 0) * (track.source.time_base or ONE)
            if time is not None and float(track.times(source)) > time:
                return

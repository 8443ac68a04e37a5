"""Frames to a container that is written while they are made.

An ffmpeg encodes them into a pipe. A thread takes its packets, puts those of the source's other
streams between them by time, and writes the container, which may be standard output. So the delay
is that of the network, of the encoder and of a cluster, and never that of a whole file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING

import av
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from vinr_cli.color.spec import ColorSpec
from vinr_cli.media.base.alpha import DECODERS, repair
from vinr_cli.media.base.borders import AnyPacket, reading, writing
from vinr_cli.media.base.containers import Container
from vinr_cli.media.base.opening import codec_name
from vinr_cli.media.base.pipe import STDOUT_NAME, Outlet
from vinr_cli.media.join.header import Head, Header, Stated
from vinr_cli.media.join.side_tracks import SideTracks
from vinr_cli.media.join.times import ONE, Dts, Times, clock_base
from vinr_cli.media.read.info import MediaInfo

if TYPE_CHECKING:  # a type of the stubs alone
    pass


_NO_WAIT = {"probesize": "65536", "analyzeduration": "1"}
"""For the encoder's packets: its header says all that is needed."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamTarget:
    """What a `StreamMux` writes.

    Attributes:
        file: A path, or standard output.
        form: Its format.
        source: The source's description.
        side: Its other streams.
        tags: What the container says of how it was made.
        head: What the source's header says beside its streams.
        kept_span: As of `Times`.
        stretch: Factor of slow motion, 1 for none.
        rate: Output frames per second if constant, else None.
        color: Colours of the video.
    """

    file: Path | Outlet
    form: Container
    source: MediaInfo
    side: SideTracks
    tags: dict[str, str]
    head: Head
    kept_span: tuple[Fraction, Fraction | None] | None
    stretch: Fraction
    rate: Fraction | None
    color: ColorSpec


class StreamMux:
    """Writes a container from an encoder's packets, in a thread of its own.

    Args:
        target: What is written.
        origin: Seconds at which the first frame is shown, as it was given to the encoder.
        first: Source time of the first frame in seconds.

    Attributes:
        last_hold: How long the last frame is shown, in seconds; None repeats the interval before.
            To be set before the encoder is closed.
        frames: Video packets written.
    """

    def __init__(self, target: StreamTarget, origin: Fraction, first: Fraction) -> None:
        shift = first - origin
        self._target = target
        base = clock_base(target.source, origin, shift, target.kept_span)
        self._times = Times(origin, shift, target.stretch, base, target.kept_span)
        self.last_hold: Fraction | None = None
        self.frames = 0

    def run(self, coded: IO[bytes]) -> None:
        """Copy everything; ends with the encoder's output.

        Args:
            coded: The encoder's output, NUT with one stream.

        Raises:
            ReaderGoneError: nobody reads standard output any more.
            OutputError: the target cannot be written.
            InputError: the encoder's output cannot be read.
        """
        name = self._target.file if isinstance(self._target.file, Path) else Path(STDOUT_NAME)
        with reading(name, "what the encoder gave cannot be read"):
            film = av.open(coded, "r", format="nut", container_options=_NO_WAIT)
        target = self._target
        header = Header(
            name, target.form, target.source, target.head, target.tags, self._times, target.rate
        )
        with film, writing(name):
            video = film.streams.video[0]
            tick = video.time_base or ONE
            with header.open(target.file, tick, target.form.prompt) as out:
                opacity = target.color.alpha and codec_name(video) in DECODERS
                picture = header.add_picture(out, video, Stated(target.color, opacity, whole=True))
                target.side.attach(out, self._times)
                span = target.kept_span
                end = None if span is None or span[1] is None else self._times(span[1])
                header.describe(out, end)
                self._copy(out, film, picture)

    def _copy(self, out: OutputContainer, film: InputContainer, picture: VideoStream) -> None:
        """All packets, in the order of their times."""
        side = self._target.side
        for packet in self._timed(film, picture):
            stamp = float((packet.dts or 0) * (packet.time_base or ONE))
            for other in side.until(stamp):
                out.mux(other)
            out.mux(packet)
            self.frames += 1
        for other in side.until(None):
            out.mux(other)

    def _timed(self, film: InputContainer, picture: VideoStream) -> Iterator[AnyPacket]:
        """The encoder's packets at the target's times, each with its duration."""
        video = film.streams.video[0]
        tb = video.time_base or ONE
        offset = round((self._times.origin - self._times.base) / tb)
        usual = 0 if self._target.rate is None else round(1 / (self._target.rate * tb))
        dts: Dts | None = None
        waiting: AnyPacket | None = None
        ahead = 0
        for packet in film.demux(video):
            if not packet.size or packet.pts is None:
                continue
            # NUT has no times before zero, so its muxer moves a film that is coded ahead. Its first
            # packet is its first frame.
            repair(packet)
            if dts is None:
                ahead = packet.pts
                dts = Dts.ahead(video.codec_context.reorder_depth, offset, max(1, usual))
            packet.pts += offset - ahead
            packet.dts = dts.next(packet.pts)
            packet.duration = usual
            packet.stream = picture
            if waiting is not None:
                yield waiting
            waiting = packet
        if waiting is not None and dts is not None:
            hold = usual if self.last_hold is None else max(1, round(self.last_hold / tb))
            waiting.duration = dts.last_length(waiting.pts or 0, waiting.dts or 0, hold)
            yield waiting

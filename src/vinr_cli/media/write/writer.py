"""Planes with exact presentation times to an encoded, video-only part file.

Raw frames go to ffmpeg through a pipe as NUT, the one container that carries raw video of any
pixel format with any time base. ffmpeg is told to keep every time as it is. The part starts at time
zero; what was taken off stands in its metadata, and `mux.finish` puts it back.
"""

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vinr_cli.color.spec import Chroma, ColorSpec, output_tags, plane_shapes
from vinr_cli.errors import EncoderError, OutputError, VinrError
from vinr_cli.media.base.borders import LIBRARY_ERRORS, url, words_of
from vinr_cli.media.base.codecs import container_of
from vinr_cli.media.base.complaints import is_aftermath, is_noise, plain
from vinr_cli.media.base.pipe import reader_gone
from vinr_cli.media.base.pixel_formats import pixel_format
from vinr_cli.media.write.encoder_colors import RANGE_APART
from vinr_cli.media.write.encoders import Encoder, choose
from vinr_cli.plan.job import EncodeOptions

ORIGIN = "vinr-origin="
"""Starts the part's comment tag; the first frame's time in seconds follows, as a fraction."""

_TURNS = {0: "", 90: ",transpose=clock", 180: ",hflip,vflip", 270: ",transpose=cclock"}
"""Filters that turn a picture clockwise and change no sample; they turn the pixels' shape too."""
_PIPE_BYTES = 1 << 20
"""Size of the chunks in which a frame is handed over."""
_TAG_OPTIONS = ("color_primaries", "color_trc", "colorspace")
_LAST_WORDS = 6
"""Lines of ffmpeg's messages that are kept."""
_GRACE_SECONDS = 5.0
"""Time for an ffmpeg that no longer takes frames to end by itself and say why."""
_TARGET_TROUBLE = (
    "No space left",
    "Permission denied",
    "Read-only file system",
    "No such file or directory",
    "File too large",
    "Disk quota exceeded",
    "Is a directory",
    "Input/output error",
)
"""System errors in ffmpeg's words that are the target's fault."""
_TOO_LARGE = getattr(signal, "SIGXFSZ", 0)
_STALL_SECONDS = 900.0
"""An encoder that takes no data for so long is taken as hung. One 8K frame at the slowest preset of
the slowest encoder takes less than a tenth of that."""


class FrameWriter:
    """Encode frames with ffmpeg into a part file; use as a context manager.

    Leaving the context normally closes the file, leaving it by an exception kills ffmpeg and
    removes the part.

    Args:
        path: The part file to write; replaced if it exists.
        width: Columns of a frame.
        height: Lines of a frame.
        color: Colours of the planes that `write` is given; `encoders.choose` says which an
            encoder takes.
        time_base: Seconds per tick of the times given.
        rate: Frames per second if the rate is constant, else None.
        options: How to encode.
        sample_aspect: Width of a pixel over its height.
        turn: Degrees (0, 90, 180, 270) by which frames are turned clockwise on their way to the
            encoder, for formats that cannot ask players to do so.
        metadata: Tags for the part's container.
        encoder: The settled encoder, if the caller has one already; None settles it by `options`
            and the suffix of `path`.
        sink: Descriptor that gets the part in place of the file, as it is made; `path` is only its
            name then. It is the caller's to close, after the first frame.

    Raises:
        UsageError: If the options cannot be; from the constructor.
        EncoderError: If ffmpeg is missing, refuses the frames, dies or hangs; from any method.
        OutputError: If ffmpeg cannot write the part.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        color: ColorSpec,
        time_base: Fraction,
        rate: Fraction | None,
        options: EncodeOptions,
        sample_aspect: Fraction = Fraction(1),
        turn: int = 0,
        metadata: Mapping[str, str] | None = None,
        encoder: Encoder | None = None,
        sink: int | None = None,
    ) -> None:
        self.path = path
        self._sink = sink
        self.frames = 0
        self.encoder = encoder or choose(options, container_of(path), color, rate=rate)
        wanted = self.encoder.color
        same = (wanted.chroma, wanted.depth, wanted.alpha)
        if same != (color.chroma, color.depth, color.alpha):
            cause = f"does not take {color.chroma} frames of {color.depth} bits"
            raise EncoderError(self.encoder.encoder, cause)
        self._shapes = plane_shapes(color, height, width)
        self._size = (width, height)
        self._color = color
        self._time_base = time_base
        self._rate = rate
        self._sample_aspect = sample_aspect
        self._turn = turn
        self._metadata = dict(metadata or {})
        self._origin = 0
        self._last: int | None = None
        self._ffmpeg: _Ffmpeg | None = None
        self._closed = False
        self._aborted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    def write(self, planes: Sequence[NDArray[Any]], pts: int) -> None:
        """Hand over one frame; waits while ffmpeg is busy.

        Args:
            planes: Arrays of the shapes of `plane_shapes`, uint8 for 8 bits and any 16-bit or
                wider integer type above, in the order Y, Cb, Cr or R, G, B or gray. Values above
                the depth are the caller's error.
            pts: Presentation time in ticks, greater than the one before.

        Raises:
            ValueError: If shape, type or time are not as above.
            EncoderError: If ffmpeg has died.
        """
        if self._aborted:
            raise EncoderError(self.path, "encoding was aborted")
        if self._closed:
            raise ValueError("write to a closed FrameWriter")
        if self._last is not None and pts <= self._last:
            raise ValueError(f"time {pts} is not after {self._last}")
        data = self._pack(planes)
        if self._ffmpeg is None:
            self._origin = pts
            self._ffmpeg = _Ffmpeg(
                self._command(), self.path, self._time_base, self._open_pipe, self._sink
            )
        self._ffmpeg.send(data, pts - self._origin)
        self._last = pts
        self.frames += 1

    def close(self) -> None:
        """Finish the part: wait for ffmpeg to encode what it holds.

        Raises:
            EncoderError: If ffmpeg fails, with its own last words, or if no frame was written.
            OutputError: If ffmpeg fails because the part cannot be written.
        """
        if self._closed:
            return
        if self._ffmpeg is None:
            self._closed = True
            raise EncoderError(self.path, "no frame was given to the encoder")
        try:
            self._ffmpeg.finish()
        except BaseException:
            self.abort()
            raise
        self._closed = True

    def abort(self) -> None:
        """Kill ffmpeg and remove the part; may be called from any thread, and repeatedly."""
        if self._closed:
            return
        self._closed = self._aborted = True
        if self._ffmpeg is not None:
            self._ffmpeg.kill()
            if self._sink is None:
                self.path.unlink(missing_ok=True)

    def _pack(self, planes: Sequence[NDArray[Any]]) -> bytes:
        """The planes as ffmpeg's raw video: no padding, R G B reordered to G B R."""
        shapes = tuple(p.shape for p in planes)
        if shapes != self._shapes:
            raise ValueError(f"planes of shapes {shapes} where {self._shapes} are needed")
        kind = "<u2" if self._color.depth > 8 else "u1"
        if any(p.dtype.kind not in "ui" or p.dtype.itemsize < int(kind[-1]) for p in planes):
            raise ValueError(f"planes of {[str(p.dtype) for p in planes]} for {kind}")
        ordered = list(planes)
        if self._color.chroma is Chroma.RGB:
            ordered = [planes[1], planes[2], planes[0], *planes[3:]]
        return b"".join(np.ascontiguousarray(p, dtype=kind).data for p in ordered)

    def _open_pipe(self, pipe: IO[bytes]) -> tuple[OutputContainer, VideoStream]:
        """A NUT muxer with one raw video stream on ffmpeg's standard input."""
        container = av.open(pipe, "w", format="nut", buffer_size=_PIPE_BYTES)
        stream = container.add_stream("rawvideo", rate=self._rate or 25)
        stream.width, stream.height = self._size
        stream.pix_fmt = pixel_format(self._color)
        stream.time_base = stream.codec_context.time_base = self._time_base
        container.start_encoding()
        return container, stream

    def _command(self) -> list[str]:
        """The whole ffmpeg command line."""
        encoder = self.encoder
        origin = self._origin * self._time_base
        tags = {**self._metadata, "comment": f"{ORIGIN}{origin}"}
        command = [str(encoder.ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-y"]
        command += ["-loglevel", "error", *encoder.setup, "-f", "nut", "-i", "pipe:0"]
        command += ["-map", "0:v:0"]
        command += ["-vf", self._filters(), "-fps_mode", "passthrough"]
        command += ["-enc_time_base", self._ticks(), "-c:v", encoder.encoder]
        command += [] if encoder.upload else ["-pix_fmt", encoder.pix_fmt]
        command += encoder.arguments
        for key, value in tags.items():
            command += ["-metadata", f"{key}={value}"]
        target = url(self.path) if self._sink is None else "pipe:1"
        return [*command, "-f", encoder.part_format, target]

    def _ticks(self) -> str:
        """Time base of the encoder: y4m writes it as the frame rate, elsewhere times stay exact."""
        if self.encoder.part_format == "yuv4mpegpipe" and self._rate is not None:
            return f"{self._rate.denominator}:{self._rate.numerator}"
        return "demux"

    def _filters(self) -> str:
        """Filters that mark the frames with colours and pixel shape and change no sample."""
        color = self._color
        tags = output_tags(color)
        # ffmpeg would convert what an encoder cannot tell; the container tells it.
        apart = self.encoder.encoder in RANGE_APART and color.chroma is not Chroma.RGB
        marks = [f"range={'pc' if color.full_range and not apart else 'tv'}"]
        marks += [f"{key}={value}" for key, value in zip(_TAG_OPTIONS, tags, strict=True) if value]
        if color.chroma is Chroma.C420:
            marks.append(f"chroma_location={color.siting}")
        shape = self._sample_aspect
        upload = f",{self.encoder.upload}" if self.encoder.upload else ""
        aspect = f"setsar={shape.numerator}/{shape.denominator}"
        return f"setparams={':'.join(marks)},{aspect}{_TURNS[self._turn]}{upload}"


class _Ffmpeg:
    """A running ffmpeg that is fed through a pipe.

    Its messages are drained by a thread, so it never waits for us to read them. It runs in its
    own session, so Ctrl-C at the terminal reaches only our process, which decides what becomes
    of it. A timer kills it when it takes nothing for too long, so no write waits for ever.
    """

    def __init__(
        self,
        command: list[str],
        target: Path,
        time_base: Fraction,
        open_pipe: Callable[[IO[bytes]], tuple[OutputContainer, VideoStream]],
        sink: int | None = None,
    ) -> None:
        self._target = target
        self._time_base = time_base
        self._stalled = False
        self._words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._aftermath: deque[str] = deque(maxlen=_LAST_WORDS)
        self._busy = threading.Lock()
        self._piped = sink is not None
        self._process = _start(command, sink)
        self._drain = threading.Thread(
            target=self._read_messages, name="ffmpeg-messages", daemon=True
        )
        self._drain.start()
        self._container: OutputContainer | None = None
        with self._guarded():
            self._container, self._stream = open_pipe(cast(IO[bytes], self._process.stdin))

    def send(self, data: bytes, pts: int) -> None:
        """Hand over one raw frame; waits until ffmpeg takes it."""
        with self._guarded():
            packet = Packet(data)
            packet.stream = self._stream
            packet.pts = packet.dts = pts
            packet.time_base = self._time_base
            packet.is_keyframe = True
            cast(OutputContainer, self._container).mux(packet)

    def finish(self) -> None:
        """End the input, wait for ffmpeg, and check how it ended."""
        with self._guarded():
            self._close_pipe()
            code = self._process.wait()
        self._drain.join()
        if code:
            raise self._failure()

    def kill(self) -> None:
        """End ffmpeg at once and give back everything; from any thread."""
        self._process.kill()
        self._process.wait()
        with self._busy, suppress(*LIBRARY_ERRORS):
            self._close_pipe()
        self._drain.join()

    def _close_pipe(self) -> None:
        container, self._container = self._container, None
        try:
            if container is not None:
                container.close()
        finally:
            cast(IO[bytes], self._process.stdin).close()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn a broken pipe into ffmpeg's own words, and a hang into its end."""
        timer = threading.Timer(_STALL_SECONDS, self._on_stall)
        timer.daemon = True
        timer.start()
        try:
            with self._busy:
                yield
        except LIBRARY_ERRORS as error:
            raise self._failure() from error
        finally:
            timer.cancel()
            timer.join()

    def _on_stall(self) -> None:
        self._stalled = True
        self._process.kill()

    def _failure(self) -> VinrError:
        """Why ffmpeg ended, as an exception to raise; ends it if it has not."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_GRACE_SECONDS)  # a dying ffmpeg explains itself first
        self._process.kill()
        code = self._process.wait()
        self._drain.join()
        if self._stalled:
            cause = f"ffmpeg took nothing for {_STALL_SECONDS:g} s and was ended"
            return EncoderError(self._target, cause)
        words = " | ".join(self._words or self._aftermath)
        if code == -_TOO_LARGE:  # by a limit of the system on the size of files
            return OutputError(self._target, "cannot be written: File too large")
        if self._piped and "Broken pipe" in words:
            return reader_gone()
        if any(sign in words for sign in _TARGET_TROUBLE):
            return OutputError(self._target, f"cannot be written: {words}")
        return EncoderError(self._target, f"ffmpeg failed ({code}): {words or 'without a word'}")

    def _read_messages(self) -> None:
        """Keep ffmpeg's last messages; runs until ffmpeg closes its standard error."""
        with cast(IO[bytes], self._process.stderr) as pipe:
            for raw in pipe:
                line = raw.decode(errors="replace").strip()
                if not is_noise(line):
                    words = self._aftermath if is_aftermath(line) else self._words
                    words.append(plain(line))


def _start(command: list[str], sink: int | None = None) -> subprocess.Popen[bytes]:
    """Start ffmpeg with a pipe to its input and one from its messages; its output goes to `sink`.

    Raises:
        EncoderError: If it cannot be started.
    """
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if sink is None else sink,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "SVT_LOG": "1"},
        )
    except (OSError, ValueError) as error:
        raise EncoderError(command[0], f"cannot be run: {words_of(error)}") from error

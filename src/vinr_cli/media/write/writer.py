"""Planes with exact presentation times to an encoded, video-only part file.

Raw frames go to ffmpeg through a pipe as NUT, the one container that carries raw video of any
pixel format with any time base. ffmpeg is told to keep every time as it is. The part starts at time
zero; what was taken off stands in its metadata, and `join.mux.finish` puts it back.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vinr_cli.color.spec import Chroma, ColorSpec, output_tags, plane_shapes
from vinr_cli.errors import EncoderError
from vinr_cli.media.base.borders import url
from vinr_cli.media.base.names import container_of
from vinr_cli.media.base.pixel_formats import pixel_format
from vinr_cli.media.write.encoder_colors import RANGE_APART
from vinr_cli.media.write.encoders import Encoder, choose
from vinr_cli.media.write.process import Ffmpeg
from vinr_cli.plan.job import EncodeOptions

ORIGIN = "vinr-origin="
"""Starts the part's comment tag; the first frame's time in seconds follows, as a fraction."""

_TURNS = {0: "", 90: ",transpose=clock", 180: ",hflip,vflip", 270: ",transpose=cclock"}
"""Filters that turn a picture clockwise and change no sample; they turn the pixels' shape too."""
_PIPE_BYTES = 1 << 20
"""Size of the chunks in which a frame is handed over."""
_TAG_OPTIONS = ("color_primaries", "color_trc", "colorspace")


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
        rotation: Degrees (0, 90, 180, 270) by which frames are turned clockwise on their way to the
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
        rotation: int = 0,
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
        self._rotation = rotation
        self._metadata = dict(metadata or {})
        self._origin = 0
        self._last: int | None = None
        self._ffmpeg: Ffmpeg | None = None
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
            self._ffmpeg = Ffmpeg(
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
        container = self.encoder.container
        bare = container.bare and self.encoder.part_format == container.muxer
        if bare and self._rate is not None:
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
        return f"setparams={':'.join(marks)},{aspect}{_TURNS[self._rotation]}{upload}"

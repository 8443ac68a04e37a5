"""One picture file to a decoded frame, and what its header says without decoding it."""

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

from av.codec import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from vinr_cli.errors import InputError
from vinr_cli.media.base.borders import LIBRARY_ERRORS, words_of
from vinr_cli.media.base.limits import MAX_PIXELS, decoder_options
from vinr_cli.media.read.exif import orientation_of

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "mjpeg",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"BM": "bmp",
    b"RIFF": "webp",
    b"SDPX": "dpx",
    b"XPDS": "dpx",
    b"\x76\x2f\x31\x01": "exr",
}
"""First bytes of the kinds of picture that are read, with ffmpeg's decoders."""
_SIGNATURE_BYTES = 32
_STRICT = {
    "mjpeg": {"err_detect": "explode"},
    "png": {"err_detect": "crccheck"},
}
"""A picture that breaks off is an error, not a picture with a gray rest. Other decoders do so on
their own, and TIFF's takes tags that it does not know for errors."""
_MAX_BYTES = MAX_PIXELS * 8
"""Longest file that is read, in bytes: 16 bits and four channels, uncompressed."""
_ANIMATED = 0x02
"""Flag of an animation in the header of extended WebP (VP8X)."""
_JPEG_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Still:
    """What a picture's header says.

    Attributes:
        codec: ffmpeg's decoder.
        size: (width, height) as stored; None if the kind's header is not looked into.
        colours: Whether it has colours and not only shades of gray; None as above.
        depth: Bits of a sample, or of a palette's; None as above.
    """

    codec: str
    size: tuple[int, int] | None = None
    colours: bool | None = None
    depth: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture.

    Attributes:
        frame: Its samples; without a time.
        aspect: Width of a pixel over its height.
        upright: Degrees to turn it clockwise, and whether to mirror it left to right before.
    """

    frame: VideoFrame
    aspect: Fraction
    upright: tuple[int, bool]


def look(path: Path) -> Still:
    """Read a picture's header; of PNG and JPEG its size and colours too.

    Raises:
        InputError: The file cannot be read, or is no picture of a known kind.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_SIGNATURE_BYTES)
            codec = next((c for s, c in _SIGNATURES.items() if head.startswith(s)), None)
            rest = file.read(1 << 18) if codec == "mjpeg" else b""
    except OSError as error:
        raise InputError(path, f"cannot be read: {words_of(error)}") from error
    if not head:
        raise InputError(path, "the file is empty")
    if codec is None or (codec == "webp" and head[8:12] != b"WEBP"):
        raise InputError(path, "is no picture of a kind that is read")
    if codec == "webp" and head[12:16] == b"VP8X" and head[20] & _ANIMATED:
        cause = "is an animated WebP, which this PyAV's decoders do not read"
        raise InputError(path, cause, "Make a video of it first, with ffmpeg 9 or newer.")
    if codec == "png" and head[12:16] == b"IHDR":
        width, height, depth, kind = struct.unpack(">IIBB", head[16:26])
        return Still(codec, (width, height), bool(kind & 2), 8 if kind & 1 else max(depth, 8))
    return _jpeg(head + rest) if codec == "mjpeg" else Still(codec)


def _jpeg(data: bytes) -> Still:
    """Size and colours from the frame header (ITU-T T.81, B.2.2)."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _JPEG_FRAMES:
            depth, height, width, parts = struct.unpack(">BHHB", data[at + 4 : at + 10])
            return Still("mjpeg", (width, height), parts > 1, depth)
        at += 2
        if marker == 0xFF:
            at -= 1
        elif marker not in _JPEG_NO_LENGTH:
            at += struct.unpack(">H", data[at : at + 2])[0]
    return Still("mjpeg")


def decode(path: Path, codec: str) -> Picture:
    """Decode a picture whole.

    Args:
        path: The file.
        codec: ffmpeg's decoder, from `look`.

    Raises:
        InputError: It cannot be read, is damaged, or does not hold exactly one picture.
    """
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise InputError(path, f"is too large for a picture: {size} bytes")
        data = path.read_bytes()
        context = cast(VideoCodecContext, CodecContext.create(codec, "r"))
        context.options = decoder_options() | _STRICT.get(codec, {})
        context.thread_count = 1
        frames = [*context.decode(Packet(data)), *context.decode(None)]
    except LIBRARY_ERRORS as error:
        raise InputError(path, f"cannot be read as a picture: {words_of(error)}") from error
    if len(frames) != 1 or frames[0].is_corrupt:
        raise InputError(path, "is damaged" if frames else "holds no picture")
    aspect = context.sample_aspect_ratio or Fraction(1)
    return Picture(frames[0], aspect, orientation_of(data, codec))

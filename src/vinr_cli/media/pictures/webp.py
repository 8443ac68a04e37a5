"""What an animated WebP holds, read from the file itself: the decoders of PyAV read only stills.

The layout is that of RFC 9649: RIFF, VP8X (canvas), ANIM, and an ANMF chunk a frame.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.codec import CodecContext
from av.packet import Packet

from vinr_cli.errors import VerificationError
from vinr_cli.media.base.borders import LIBRARY_ERRORS, words_of

_MILLISECOND = Fraction(1, 1000)
_FRAME_HEADER = 16
"""Bytes of an ANMF chunk before its picture."""


@dataclass(frozen=True, slots=True)
class Animation:
    """What the file says.

    Attributes:
        size: (width, height) of the canvas.
        durations: How long each frame is shown, in seconds.
    """

    size: tuple[int, int]
    durations: tuple[Fraction, ...]


def read_animation(path: Path) -> Animation:
    """Read an animated WebP and decode each of its pictures.

    Args:
        path: The file.

    Raises:
        VerificationError: It is none, is not whole, or one of its pictures cannot be decoded.
    """
    size: tuple[int, int] | None = None
    durations: list[Fraction] = []
    try:
        data = path.read_bytes()
        if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or _number(data[4:8]) + 8 != len(data):
            raise VerificationError(path, "is no whole WebP file")
        for name, body in _chunks(data[12:]):
            if name == b"VP8X":
                size = _number(body[4:7]) + 1, _number(body[7:10]) + 1
            elif name == b"ANMF":
                durations.append(_number(body[12:15]) * _MILLISECOND)
                _decode(body[_FRAME_HEADER:])
    except (*LIBRARY_ERRORS, struct.error) as error:
        cause = f"frame {len(durations)} cannot be read back: {words_of(error)}"
        raise VerificationError(path, cause) from error
    if size is None or not durations:
        raise VerificationError(path, "is no animation")
    return Animation(size, tuple(durations))


def check_webp(path: Path, *, frames: int, duration: Fraction, size: tuple[int, int]) -> None:
    """Open a finished animation again and compare it with the plan.

    Neighbours that look the same become one frame in the file, and times are rounded to 1 ms.

    Args:
        path: The file.
        frames: Frames that were written.
        duration: Seconds from the first frame's start to the last one's end.
        size: (width, height) that it must have.

    Raises:
        VerificationError: If anything differs, naming both values, or if it cannot be read.
    """
    found = read_animation(path)
    if found.size != size:
        cause = f"is {found.size[0]}x{found.size[1]}, planned was {size[0]}x{size[1]}"
        raise VerificationError(path, cause)
    if len(found.durations) > frames:
        raise VerificationError(path, f"has {len(found.durations)} frames, planned were {frames}")
    lasts = sum(found.durations, Fraction(0))
    if abs(lasts - duration) > frames * _MILLISECOND:
        cause = f"lasts {float(lasts):.3f} s, planned were {float(duration):.3f} s"
        raise VerificationError(path, cause)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of RIFF chunks; content of an odd length is followed by a byte."""
    at = 0
    while at < len(data):
        length = struct.unpack("<I", data[at + 4 : at + 8])[0]
        body = data[at + 8 : at + 8 + length]
        if len(body) != length:
            raise ValueError("it breaks off")
        yield data[at : at + 4], body
        at += 8 + length + length % 2


def _decode(chunks: bytes) -> None:
    """Decode one picture as a file of its own (without its alpha, which is losslessly packed)."""
    name, body = next((n, b) for n, b in _chunks(chunks) if n in (b"VP8 ", b"VP8L"))
    padded = body + bytes(len(body) % 2)
    inner = b"WEBP" + name + struct.pack("<I", len(body)) + padded
    still = b"RIFF" + struct.pack("<I", len(inner)) + inner
    context = CodecContext.create("webp", "r")
    context.thread_count = 1
    if not [*context.decode(Packet(still)), *context.decode(None)]:
        raise ValueError("a picture is empty")


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")

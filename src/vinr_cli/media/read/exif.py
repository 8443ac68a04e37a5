"""How a picture is to be turned, as Exif says it in JPEG, PNG, WebP and TIFF.

FFmpeg makes a display matrix of it, which PyAV up to 18 cannot hand out beside side data that it
has no name for, such as Exif's own.
"""

import struct
from collections.abc import Callable, Iterator

ORIENTATION = 0x0112
"""Tag of the orientation (TIFF 6.0, section 8; Exif 2.3, 4.6.4)."""
_SHORT = 3
_MOST_ENTRIES = 1000
_UPRIGHT = {
    1: (0, False),
    2: (0, True),
    3: (180, False),
    4: (180, True),
    5: (270, True),
    6: (90, False),
    7: (90, True),
    8: (270, False),
}
"""What each value means: degrees to turn clockwise, and whether to mirror left to right before."""
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_SCAN, _APP1 = 0xDA, 0xE1


def orientation_of(data: bytes, codec: str) -> tuple[int, bool]:
    """Clockwise degrees that show a picture upright, and whether it is mirrored before that.

    Args:
        data: The whole file.
        codec: ffmpeg's name of its kind.

    Returns:
        (0, False) where nothing is said, or nonsense.
    """
    find = _FINDERS.get(codec)
    try:
        value = 1 if find is None else _orientation(find(data))
    except struct.error:
        return _UPRIGHT[1]
    return _UPRIGHT.get(value, _UPRIGHT[1])


def _orientation(block: bytes) -> int:
    """The orientation's value in a TIFF structure; 1 if there is none."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return 1
    (at,) = struct.unpack_from(f"{order}I", block, 4)
    (count,) = struct.unpack_from(f"{order}H", block, at)
    for entry in range(min(count, _MOST_ENTRIES)):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, at + 2 + 12 * entry)
        if tag == ORIENTATION and kind == _SHORT:
            return int(value)
    return 1


def _in_jpeg(data: bytes) -> bytes:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _START_OF_SCAN:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _JPEG_BARE:
            at += 2
        else:
            (length,) = struct.unpack_from(">H", data, at + 2)
            body = data[at + 4 : at + 2 + length]
            if marker == _APP1 and body.startswith(b"Exif\0\0"):
                return body[6:]
            at += 2 + length
    return b""


def _in_png(data: bytes) -> bytes:
    chunks = _chunks(data, 8, ">I4s", after=4)
    return next((body for name, body in chunks if name == b"eXIf"), b"")


def _in_webp(data: bytes) -> bytes:
    body = next((body for name, body in _chunks(data, 12, "<4sI") if name == b"EXIF"), b"")
    return body.removeprefix(b"Exif\0\0")


def _chunks(data: bytes, at: int, head: str, after: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of the chunks from a place on.

    Args:
        data: The file.
        at: Place of the first chunk.
        head: Layout of a chunk's head: name and length, in the file's order.
        after: Bytes behind the content; RIFF has one where the content is odd.
    """
    while at + 8 <= len(data):
        first, second = struct.unpack_from(head, data, at)
        name, length = (second, first) if isinstance(first, int) else (first, second)
        yield name, data[at + 8 : at + 8 + length]
        at += 8 + length + (after or length % 2)


_FINDERS: dict[str, Callable[[bytes], bytes]] = {
    "mjpeg": _in_jpeg,
    "png": _in_png,
    "webp": _in_webp,
    "tiff": lambda data: data,
}
"""Where each kind of file has its TIFF structure."""

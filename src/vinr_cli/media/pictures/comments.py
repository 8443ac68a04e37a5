"""Comments in finished animations, whose muxers write none.

A GIF has comment extensions (GIF89a, section 24); a WebP has an XMP chunk (RFC 9649, 2.7.1.4)
with Dublin Core's description, which is what viewers show.
"""

import os
import shutil
import struct
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape

_GIF_HEADER = 13
"""Bytes of a GIF before its global colours: signature and logical screen."""
_BLOCK = 255
"""Most bytes of a GIF's sub-block."""
_XMP_FLAG = 0x04
"""The bit of VP8X that promises an XMP chunk."""
_VP8X_FLAGS = 20
"""Where a WebP's flags stand, if its first chunk is VP8X."""
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>'
    '<rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:description></rdf:Description>'
    "</rdf:RDF></x:xmpmeta>"
)


def put_comment(path: Path, text: str) -> None:
    """Put a comment into a finished animation.

    Args:
        path: The file; changed, or replaced by one with the comment.
        text: The comment.

    Raises:
        OSError: The file cannot be read or written.
        ValueError: It is neither a GIF nor an animated WebP.
    """
    with path.open("rb") as file:
        head = file.read(3)
    (_comment_gif if head == b"GIF" else _comment_webp)(path, text)


def _comment_gif(path: Path, text: str) -> None:
    """Put a comment into a GIF, before its first picture.

    Args:
        path: The file; replaced by one with the comment.
        text: The comment.

    Raises:
        OSError: The file cannot be read or written.
        ValueError: It is no GIF.
    """
    longer = path.with_name(f"{path.name}.comment")
    try:
        with path.open("rb") as given, longer.open("wb") as out:
            out.write(_gif_head(given))
            data = text.encode()
            blocks = (data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK))
            out.write(b"\x21\xfe" + b"".join(bytes([len(b)]) + b for b in blocks) + b"\x00")
            shutil.copyfileobj(given, out)
        os.replace(longer, path)
    finally:
        longer.unlink(missing_ok=True)


def _gif_head(file: BinaryIO) -> bytes:
    """What comes before the first block."""
    head = file.read(_GIF_HEADER)
    if len(head) < _GIF_HEADER or head[:3] != b"GIF":
        raise ValueError("it is no GIF")
    packed = head[10]
    colours = 3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0
    return b"GIF89a" + head[6:] + file.read(colours)


def _comment_webp(path: Path, text: str) -> None:
    """Put a comment behind the pictures of an animated WebP.

    Args:
        path: The file, changed in place.
        text: The comment.

    Raises:
        OSError: The file cannot be read or written.
        ValueError: It is no WebP of the extended format.
    """
    xmp = _XMP.format(escape(text)).encode()
    with path.open("r+b") as file:
        head = file.read(_VP8X_FLAGS + 1)
        if head[:4] != b"RIFF" or head[8:16] != b"WEBPVP8X":
            raise ValueError("it is no animated WebP")
        file.seek(0, os.SEEK_END)
        file.write(b"XMP " + struct.pack("<I", len(xmp)) + xmp + bytes(len(xmp) % 2))
        size = file.tell()
        file.seek(4)
        file.write(struct.pack("<I", size - 8))
        file.seek(_VP8X_FLAGS)
        file.write(bytes([head[_VP8X_FLAGS] | _XMP_FLAG]))

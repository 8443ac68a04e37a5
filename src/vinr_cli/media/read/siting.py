"""Where a stream's own header says that its chroma samples and its picture lie.

PyAV knows that and does not tell it. Matroska's muxer writes it down, so a Matroska header is
written to memory and read: in its `Colour` element, `ChromaSitingHorz` and `ChromaSitingVert` are
1 for samples on the first luma sample and 2 for samples half-way to the next; `PixelCropLeft` and
its like count the samples that are not to be shown (RFC 9559). MP4's `clap` is the same.
"""

from collections.abc import Iterator
from io import BytesIO

import av
from av.video.stream import VideoStream

from vinr_cli.color.spec import Siting
from vinr_cli.media.base.borders import LIBRARY_ERRORS

_PATH = (0x18538067, 0x1654AE6B, 0xAE, 0xE0)
"""EBML identifiers of Segment, Tracks, TrackEntry and Video."""
_COLOUR = 0x55B0
_CROP = (0x54CC, 0x54BB, 0x54DD, 0x54AA)
"""PixelCropLeft, -Top, -Right and -Bottom."""
_HORIZONTAL, _VERTICAL = 0x55B7, 0x55B8
_PLACES = {(1, 1): Siting.TOPLEFT, (1, 2): Siting.LEFT, (2, 2): Siting.CENTER}


def stated_siting(stream: VideoStream) -> Siting | None:
    """Chroma siting that a stream states, in its container or in its codec's header.

    Args:
        stream: A stream of an opened file, whose first packets have been looked at.

    Returns:
        The siting; None if it is not stated, or is one of the kinds that are hardly ever used
        (top, bottom, bottom left).
    """
    colour = _video_header(stream).get(_COLOUR, b"")
    found = {name: int.from_bytes(body) for name, body in _elements(colour)}
    return _PLACES.get((found.get(_HORIZONTAL, 0), found.get(_VERTICAL, 0)))


def stated_crop(stream: VideoStream) -> tuple[int, int, int, int]:
    """How many samples at each side of a stream's frames its container says are not shown.

    Decoders leave them in: this is about the container, and not about the codec's own cropping.

    Args:
        stream: A stream of an opened file.

    Returns:
        Samples at the left, at the top, at the right and at the bottom.
    """
    header = _video_header(stream)
    left, top, right, bottom = (int.from_bytes(header.get(name, b"")) for name in _CROP)
    return left, top, right, bottom


def _video_header(stream: VideoStream) -> dict[int, bytes]:
    """The elements of Matroska's `Video` for a stream; none if Matroska cannot hold it."""
    memory = BytesIO()
    try:
        with av.open(memory, "w", format="matroska") as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except LIBRARY_ERRORS:
        return {}
    data: bytes = memory.getvalue()
    for wanted in _PATH:
        data = next((body for name, body in _elements(data) if name == wanted), b"")
    return dict(_elements(data))


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(identifier, content) of the EBML elements that lie side by side in some bytes.

    An element of unknown length reaches to the end, as Matroska's Segment does while it is written.
    """
    at = 0
    while at < len(data):
        width = 9 - data[at].bit_length()
        name = int.from_bytes(data[at : at + width])
        at += width
        if at >= len(data) or not data[at]:
            return
        width = 9 - data[at].bit_length()
        mask = (1 << 7 * width) - 1
        size = int.from_bytes(data[at : at + width]) & mask
        at += width
        end = len(data) if size == mask else at + size
        yield name, data[at:end]
        at = end

"""What an untrusted file may ask for: one local file, of a size that can be."""

from functools import cache

import av

MAX_PIXELS = 1 << 27
"""Most pixels of a source frame, 16384 x 8192: four times 8K. A file of a hundred bytes can claim
ten thousand million, and a decoder would ask for the memory before it looks at the data."""

_NAME_OTHER_FILES = frozenset(
    {"concat", "dash", "hls", "imf", "rtp", "rtsp", "sap", "sdp", "webm_dash_manifest"}
)
"""Formats that are lists of further files or addresses, which would be read in their place."""


def decoder_options() -> dict[str, str]:
    """Options for every decoder of a file: a larger frame is refused before it is allocated."""
    return {"max_pixels": str(MAX_PIXELS)}


@cache
def container_options() -> dict[str, str]:
    """Options for a file's demuxer: no network, and no format that names other files.

    The dictionary is shared and must not be changed.
    """
    formats = sorted(set(av.formats_available) - _NAME_OTHER_FILES)
    return {"protocol_whitelist": "file,pipe,fd", "format_whitelist": ",".join(formats)}


def input_arguments() -> list[str]:
    """The same for the ffmpeg binary, before the input that they are about."""
    return [word for name, value in container_options().items() for word in (f"-{name}", value)]

"""Containers opened for reading, of local files and of streams."""

from pathlib import Path
from typing import Protocol

import av
from av.container import InputContainer
from av.stream import DataStream, Stream

from vinr_cli.errors import InputError
from vinr_cli.media.base.borders import url
from vinr_cli.media.base.limits import container_options, decoder_options


class Readable(Protocol):
    """What PyAV can read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""


def open_input(path: Path) -> InputContainer:
    """Open a file for reading; tags that are not UTF-8 lose the odd bytes, not the file.

    Nothing but this file is read, and no frame above `limits.MAX_PIXELS` is allocated.

    Raises:
        InputError: If it is of a kind that names other files, such as a playlist.
        av.error.FFmpegError, OSError: As PyAV raises them.
    """
    return open_stream(path, url(path))


def open_stream(path: Path, stream: "str | Readable") -> InputContainer:
    """Open what `stream` names or reads, as `open_input` does.

    Args:
        path: What it is called in errors.
        stream: The address of a local file, or something to read from.
    """
    try:
        container = av.open(
            stream,
            "r",
            metadata_errors="replace",
            options=decoder_options(),
            container_options=container_options(),
        )
    except av.error.ArgumentError as error:
        cause = "is in no format that is read; playlists and scripts that name other files are not"
        raise InputError(path, cause, "Give the video itself.") from error
    for video in container.streams.video:
        if video.codec_context is not None:
            video.codec_context.options = decoder_options()
    return container


def codec_name(stream: Stream) -> str:
    """Name of a stream's codec (not of the library that decodes it); empty if unknown."""
    context = stream.codec_context
    if isinstance(stream, DataStream):  # no decoder, but a name
        return stream.name or ""
    return "" if context is None else context.codec.canonical_name

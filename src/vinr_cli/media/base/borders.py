"""Where errors of PyAV and of the file system become errors of vinr."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av.error
from av.packet import Packet

from vinr_cli.errors import InputError, OutputError

if TYPE_CHECKING:
    AnyPacket = Packet[Any]
else:
    AnyPacket = Packet  # generic in PyAV's stubs only

LIBRARY_ERRORS = (av.error.FFmpegError, OSError, ValueError, UnicodeError)
"""What PyAV raises for bad files: its own tree, and for some fields plain Python errors."""


def url(path: Path) -> str:
    """Name a local file to ffmpeg so that no part of its name is read as a protocol or option."""
    return f"file:{path}"


def words_of(error: BaseException) -> str:
    """A library's own words for an error, without its numbers and paths."""
    if isinstance(error, av.error.EOFError):
        return "it ends too early"
    text = getattr(error, "strerror", None) or str(error)
    return str(text).strip() or type(error).__name__


def require_file(path: Path) -> None:
    """Refuse, in plain words, what is not a readable file with something in it.

    Raises:
        InputError: If the path is missing, a folder, a pipe, a device, empty, or may not be read.
    """
    try:
        if path.is_dir():
            raise InputError(path, "is a folder, not a video file")
        mode, size = path.stat().st_mode, path.stat().st_size
        if stat.S_ISFIFO(mode):
            fix = f"Read it as a stream: vinr upscale - -o OUTPUT < {path}"
            raise InputError(path, "is a pipe, which can be read only once", fix)
        if not stat.S_ISREG(mode):
            raise InputError(path, "is a device, not a video file")
        if not size:
            raise InputError(path, "the file is empty")
    except FileNotFoundError as error:
        raise InputError(path, "no such file") from error
    except OSError as error:
        raise InputError(path, f"cannot be read: {words_of(error)}") from error
    if not os.access(path, os.R_OK):
        raise InputError(path, "cannot be read: permission denied")


@contextmanager
def reading(path: Path, what: str = "cannot be read as a video") -> Iterator[None]:
    """Turn the library's errors on reading into `InputError`.

    Args:
        path: The file that is being read.
        what: What failed, for the message.
    """
    try:
        yield
    except LIBRARY_ERRORS as error:
        raise InputError(path, f"{what}: {words_of(error)}") from error


@contextmanager
def writing(path: Path, what: str = "cannot be written") -> Iterator[None]:
    """Turn the library's errors on writing into `OutputError`."""
    try:
        yield
    except LIBRARY_ERRORS as error:
        raise OutputError(path, f"{what}: {words_of(error)}") from error

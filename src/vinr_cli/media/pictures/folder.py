"""PNG files out of finished parts, whose packets are those files.

An encoder makes each picture once; here it gets its comment, is decoded again, and is given its
name when all of that is done.
"""

import os
import secrets
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from av.video.frame import VideoFrame

from vinr_cli.errors import InputError, OutputError, VerificationError
from vinr_cli.media.base.borders import reading, words_of
from vinr_cli.media.base.listing import Pattern
from vinr_cli.media.base.opening import open_input
from vinr_cli.media.read.stills import decode

FIRST_NUMBER = 0
"""Number of the first picture: picture k is shown k frames after the beginning."""
_HEADER_BYTES = 8 + 25
"""PNG's signature and its first chunk, IHDR (ISO/IEC 15948, 5.2 and 11.2.2)."""


def pictures_of(parts: Sequence[Path]) -> Iterator[bytes]:
    """The packets of some parts, one after the other.

    Args:
        parts: Files of one stream each, in the order of their times.

    Raises:
        InputError: A part cannot be read.
    """
    for path in parts:
        with reading(path), open_input(path) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size:
                    yield bytes(packet)


def with_comment(picture: bytes, text: str) -> bytes:
    """A PNG file that says how it was made, in an international text chunk.

    Args:
        picture: A whole PNG file.
        text: The comment.
    """
    body = b"iTXtComment\0\0\0\0\0" + text.encode()
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return picture[:_HEADER_BYTES] + chunk + picture[_HEADER_BYTES:]


def numbered(pattern: Pattern) -> list[tuple[int, Path]]:
    """The files of a pattern that are there, by number.

    Raises:
        OutputError: The folder cannot be listed.
    """
    try:
        names = [path.name for path in pattern.folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(pattern.folder, f"cannot be listed: {words_of(error)}") from error
    found = ((pattern.number(name), pattern.folder / name) for name in names)
    return sorted((number, path) for number, path in found if number is not None)


def write_pictures(
    parts: Sequence[Path], pattern: Pattern, scratch: Path, *, size: tuple[int, int], comment: str
) -> int:
    """Write the pictures of some parts, each checked and then renamed into its place.

    Args:
        parts: What `FrameWriter` wrote, in the order of their times.
        pattern: Names of the pictures; existing ones are replaced.
        scratch: Folder for the picture at hand, on the same file system.
        size: (width, height) that every picture must have.
        comment: What every picture says about how it was made.

    Returns:
        How many were written.

    Raises:
        OutputError: A picture cannot be written.
        VerificationError: A picture that was written is not the one that was made.
    """
    count = 0
    for number, picture in enumerate(pictures_of(parts), FIRST_NUMBER):
        _place(pattern.folder / pattern.name(number), scratch, with_comment(picture, comment), size)
        count += 1
    return count


def _decoded(trial: Path, path: Path) -> VideoFrame:
    """The picture in a scratch file.

    Raises:
        VerificationError: About its final name.
    """
    try:
        return decode(trial, "png").frame
    except InputError as error:
        raise VerificationError(path, f"was written and {error.cause}") from error


def _place(path: Path, scratch: Path, data: bytes, size: tuple[int, int]) -> None:
    """Write one picture beside its name, sync it, decode it, rename it."""
    trial = scratch / f"whole-{secrets.token_hex(4)}.part.png"
    try:
        with trial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        frame = _decoded(trial, path)
        if (frame.width, frame.height) != size:
            cause = f"is {frame.width}x{frame.height}, planned was {size[0]}x{size[1]}"
            raise VerificationError(path, cause)
        os.replace(trial, path)
    except OSError as error:
        raise OutputError(path, f"cannot be written: {words_of(error)}") from error
    finally:
        with suppress(OSError):
            trial.unlink(missing_ok=True)

"""Files that are whole or not there: the one way in which small and large state is replaced.

What is written goes to a name of its own in the same folder, is synced to the disk, and only then
gets the final name; the folder is synced too. So a crash or a power cut leaves the old file or the
new one. The standard library and the packages of this program have nothing for it; `atomicwrites`
does the same in 110 lines and has not been maintained since 2022.
"""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

UNFINISHED = ".part"
"""Suffix in the name of whatever is not finished."""
_NAMED = 40
"""Characters of the final name that an unfinished one repeats: at most 160 bytes of 255."""


@contextmanager
def replacing(path: Path, *, sole: bool = False) -> Iterator[BinaryIO]:
    """Write a file that gets its name when it is complete and on the disk.

    Args:
        path: The final name; what is there is replaced, or stays if anything fails.
        sole: No other process writes this file, so the unfinished one has a fixed name: a killed
            run leaves one large file at most, and the next run overwrites it.

    Yields:
        The unfinished file, open for writing.

    Raises:
        OSError: it cannot be written; then the name is as before.
    """
    scratch = path.with_name(unfinished_name(path.name, "" if sole else secrets.token_hex(4)))
    try:
        with scratch.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def unfinished_name(name: str, mark: str = "") -> str:
    """A name for the unfinished file of a name, never longer than a file system takes.

    Args:
        name: The final name, without its folder.
        mark: What keeps two writers apart.
    """
    return f"{name[:_NAMED]}{mark and f'.{mark}'}{UNFINISHED}"


def write_text(path: Path, text: str) -> None:
    """Replace a file by text in UTF-8, at once and for good.

    Raises:
        OSError: it cannot be written; then the name is as before.
    """
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a file by a JSON object, at once and for good.

    Raises:
        OSError: it cannot be written; then the name is as before.
    """
    write_text(path, json.dumps(value, indent=1) + "\n")


def publish(scratch: Path, path: Path) -> None:
    """Give a file that is complete its final name, at once and for good.

    Args:
        scratch: The file, on the same file system.
        path: The final name; what is there is replaced.

    Raises:
        OSError: it cannot be synced or renamed.
    """
    with scratch.open("r+b") as file:
        os.fsync(file.fileno())
    os.replace(scratch, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last through a power cut, where the system can."""
    with suppress(OSError):  # Windows, and some network file systems
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

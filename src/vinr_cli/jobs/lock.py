"""One run at a time in a work folder: a lock that a crash releases and that knows its owner.

The kernel's lock is filelock's, which does not follow a link, copes with a file that is removed
between open and lock, and has a form for Windows. What is here is about runs: who the owner is, for
people and for machines that share the disk, and that an empty work folder does not stay.
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from vinr_cli.errors import OutputError
from vinr_cli.untrusted import read_object

STALE_SECONDS = 120.0
"""An owner on another machine that has given no sign of life for so long is gone."""
_NAME = "lock"
_TRIES = 20
_BRIEFLY = 0.2
"""Seconds in which a file that another run has just removed is told from one that it holds."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A held lock.

    Attributes:
        path: The lock file; its text names the owner.
        stale: Who held it before and ended without releasing it, for people; empty if nobody.
    """

    path: Path
    stale: str = ""

    def beat(self) -> None:
        """Give a sign of life, for runs on other machines."""
        with suppress(OSError):
            os.utime(self.path)


@contextmanager
def hold(folder: Path, subject: Path) -> Iterator[Lock]:
    """Hold a folder's lock, making the folder; the system releases it if the process dies.

    The kernel's own lock decides on one machine. Where a file system does not carry locks from
    machine to machine, an owner elsewhere whose file is fresh is respected too. At the end the
    folder is removed if nothing but the lock is in it.

    Args:
        folder: The work folder; created if it is missing.
        subject: What errors are about, the output.

    Raises:
        OutputError: another run holds it, or the folder cannot be written.
    """
    path = folder / _NAME
    try:
        lock, descriptor = _take(path)
    except Timeout:
        raise _busy(subject, _owner(path)) from None
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        before = _settle(path, descriptor, subject)
        try:
            yield Lock(path, _words(before) if before else "")
        finally:
            _leave(path, descriptor)
    finally:
        lock.release()


def _settle(path: Path, descriptor: int, subject: Path) -> dict[str, object]:
    """Sign the lock file; returns an owner that ended without releasing it, if there was one."""
    before = _owner(path)
    if before and _alive_elsewhere(before, path):
        raise _busy(subject, before)
    try:
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": int(time.time())}
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, json.dumps(owner).encode())
        os.fsync(descriptor)
    except OSError as error:
        _leave(path, descriptor)
        raise _unwritable(path.parent, error) from error
    return before


def _leave(path: Path, descriptor: int) -> None:
    """Forget the owner, and remove the folder if it serves nobody."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        if [entry.name for entry in path.parent.iterdir()] == [_NAME]:
            path.unlink()
            path.parent.rmdir()


def _take(path: Path) -> tuple[FileLock, int]:
    """The lock on the file that has this name now, taken once, and its descriptor.

    Raises:
        Timeout: another process has it.
        OSError: the folder cannot be made, or the file is a link or cannot be written.
    """
    descriptors: list[int] = []
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            path.parent.mkdir(exist_ok=True)
            lock = FileLock(path, preserve_lock_file=True, on_acquired=descriptors.append)
            lock.acquire(timeout=_BRIEFLY, poll_interval=_BRIEFLY / 20)
            # A run that has just ended may have removed the file between open and lock.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptors[-1]), path.lstat()):
                    return lock, descriptors[-1]
            lock.release()
    raise OSError(None, "it disappears while it is locked")


def _owner(path: Path) -> dict[str, object]:
    """What the file says of its owner; empty where it says nothing."""
    with suppress(OSError, ValueError):
        return read_object(path)
    return {}


def _alive_elsewhere(owner: dict[str, object], path: Path) -> bool:
    if owner.get("host") == socket.gethostname():
        return False  # the kernel has just told that it is gone
    with suppress(OSError):
        return time.time() - path.stat().st_mtime < STALE_SECONDS
    return False


def _words(owner: dict[str, object]) -> str:
    return f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"


def _busy(subject: Path, owner: dict[str, object]) -> OutputError:
    who = f" ({_words(owner)})" if owner else ""
    return OutputError(
        subject, f"another run works on it{who}", "Wait for it, or choose another name with -o."
    )


def _unwritable(folder: Path, error: OSError) -> OutputError:
    cause = f"the work folder cannot be written: {error.strerror}"
    return OutputError(folder, cause, "Choose another place with --work-dir.")

"""One run at a time in a work folder: a lock that a crash releases and that knows its owner."""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vinr_cli.errors import OutputError

STALE_SECONDS = 120.0
"""An owner on another machine that has given no sign of life for so long is gone."""
_NAME = "lock"
_TRIES = 20

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _take(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


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
        descriptor = _open(path)
    except OSError as error:
        raise _unwritable(folder, error) from error
    if descriptor is None:
        raise _busy(subject, _owner(path))
    try:
        before = _settle(path, descriptor, subject)
        try:
            yield Lock(path, _words(before) if before else "")
        finally:
            _leave(path, descriptor)
    finally:
        os.close(descriptor)


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


def _open(path: Path) -> int | None:
    """A locked descriptor of the file that has this name now; None if another process has it."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            path.parent.mkdir(exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            if not _take(descriptor):
                os.close(descriptor)
                return None
            # A run that has just ended may have removed the file between open and lock.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
            os.close(descriptor)
    raise OSError(None, "it disappears while it is locked")


def _owner(path: Path) -> dict[str, object]:
    """What the file says of its owner; empty where it says nothing."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
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

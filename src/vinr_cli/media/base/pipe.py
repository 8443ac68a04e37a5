"""Standard input and output as files that are read and written once, and can be given up.

A thread that waits in a pipe cannot be woken, so both wait in short steps and look whether they
have been cancelled.
"""

import os
import select
import stat
import sys
import threading
from collections.abc import Callable
from typing import Final

from vinr_cli.errors import InputError, ReaderGoneError

STDIN_NAME: Final = "standard input"
STDOUT_NAME: Final = "standard output"
_STEP_SECONDS = 0.2
"""Longest wait before a look at whether it is cancelled."""
_CHUNK = 1 << 20
_PIPE_BUF = 4096
"""Bytes that a writable pipe takes without waiting (POSIX says 512 at least, Linux has 4096)."""
_MOST_HELD = 1 << 29
"""Bytes of a stream that are remembered while its kind is found out."""

if sys.platform == "win32":
    import msvcrt

    def _prepare(descriptor: int) -> None:
        msvcrt.setmode(descriptor, os.O_BINARY)

    def _ready(descriptor: int, *, to_write: bool) -> bool:
        return True  # Windows cannot wait for a pipe
else:

    def _prepare(descriptor: int) -> None:
        """Nothing: every file is binary."""

    def _ready(descriptor: int, *, to_write: bool) -> bool:
        """Whether a descriptor can be read or written, after a short wait."""
        mine = [descriptor]
        found = select.select([] if to_write else mine, mine if to_write else [], [], _STEP_SECONDS)
        return bool(found[0] or found[1])


class Inlet:
    """A descriptor that is read once, and whose beginning can be read a second time.

    Args:
        descriptor: Read from; a copy of it is used.
        halted: Asked, while nothing comes, whether to take that for the end.

    Attributes:
        seen: Whether anything has come.
        interrupted: Whether KeyboardInterrupt ended a `read`: a library's callback would lose it.
    """

    def __init__(self, descriptor: int, halted: Callable[[], bool] = lambda: False) -> None:
        self.seen = self.interrupted = False
        self._halted = halted
        self._descriptor = os.dup(descriptor)
        _prepare(self._descriptor)
        self._held = bytearray()
        self._at = 0
        self._keeps = True
        self._cancelled = threading.Event()

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes as soon as there are some; none at the end, or when cancelled.

        Raises:
            InputError: Reading fails, or too much was asked for before `rewind`.
        """
        size = _CHUNK if size < 0 else size
        if self._at < len(self._held):
            data = bytes(self._held[self._at : self._at + size])
            self._at += len(data)
            if not self._keeps and self._at == len(self._held):
                self._held, self._at = bytearray(), 0
            return data
        data = self._fresh(size)
        self.seen = self.seen or bool(data)
        if self._keeps:
            self._held += data
            self._at = len(self._held)
            if self._at > _MOST_HELD:
                raise InputError(STDIN_NAME, f"shows no picture in its first {self._at} bytes")
        return data

    def rewind(self) -> None:
        """Begin again; from here on nothing is remembered."""
        self._at, self._keeps = 0, False

    def cancel(self) -> None:
        """Let every `read`, also one that waits now, end; from any thread."""
        self._cancelled.set()

    def _fresh(self, size: int) -> bytes:
        try:
            while not (self._cancelled.is_set() or self._halted()):
                if _ready(self._descriptor, to_write=False):
                    return os.read(self._descriptor, size)
        except KeyboardInterrupt:
            self.interrupted = True
            self._cancelled.set()
        except OSError as error:
            raise InputError(STDIN_NAME, f"cannot be read: {error.strerror}") from error
        return b""


class Outlet:
    """A descriptor that is written once.

    Args:
        descriptor: Written to; a copy of it is used.

    Attributes:
        gone: Whether its reader has closed it.
        written: Bytes that were taken.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = os.dup(descriptor)
        _prepare(self.descriptor)
        self.gone = False
        self.written = 0
        self._pipe = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._cancelled = threading.Event()

    def write(self, data: bytes) -> int:
        """Write all of it; waits for a slow reader.

        Raises:
            ReaderGoneError: Nobody reads any more, or it was cancelled.
            OSError: Writing fails otherwise.
        """
        view = memoryview(data)
        while view and not self._cancelled.is_set():
            if not _ready(self.descriptor, to_write=True):
                continue
            try:
                taken = os.write(self.descriptor, view[: _PIPE_BUF if self._pipe else _CHUNK])
            except BrokenPipeError as error:
                self.gone = True
                raise reader_gone() from error
            self.written += taken
            view = view[taken:]
        if view:
            raise reader_gone()
        return len(data)

    def cancel(self) -> None:
        """Let every `write`, also one that waits now, fail; from any thread."""
        self._cancelled.set()

    def close(self) -> None:
        """Close the copy of the descriptor."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def reader_gone() -> ReaderGoneError:
    """What is raised when nobody reads the output any more."""
    return ReaderGoneError(STDOUT_NAME, "whoever read it has gone")

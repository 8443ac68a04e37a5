"""The two text streams, the lines that go to them, and how the program is asked to stop.

Results go to stdout; everything that is said on the way goes to stderr.
"""

import errno
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

from vinr_cli.errors import Interrupted, OutputError, UsageError, VinrError
from vinr_cli.jobs.stop import Stop

BUG = 1
"""Exit code of an exception that nobody foresaw."""
INTERRUPTED = Interrupted.exit_code
"""Exit code after Ctrl-C or a signal to end."""
READER_GONE = 141
"""Exit code when whoever read stdout has gone: 128 + SIGPIPE, as of other programs."""

_HANGING = 2
"""Columns by which a broken line's further lines stand in."""
_REPEAT_SECONDS = 0.3
"""A signal again within this time is the same request: `timeout` sends its own twice."""


@dataclass
class Session:
    """What a run of the program has been told apart from its job.

    Attributes:
        debug: Whether errors show their traceback.
        stop: Carries a signal to the job that runs.
    """

    debug: bool = False
    stop: Stop = field(default_factory=Stop)


def printable(text: str) -> str:
    """The text with control characters and undecodable bytes of file names made visible."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(text: str) -> None:
    """One line on stderr; a terminal gets it in lines of its width."""
    _write(sys.stderr, fitting(printable(text), sys.stderr) + "\n")


def tell(text: str) -> None:
    """Lines on stdout, at once; a terminal gets them in lines of its width.

    Raises:
        BrokenPipeError: nobody reads any more.
        OutputError: what is there does not take it, such as a full disk.
    """
    _put("".join(fitting(printable(line), sys.stdout) + "\n" for line in text.splitlines()))


def tell_json(record: object) -> None:
    """An object on one line of stdout, also on a terminal.

    Raises:
        BrokenPipeError: nobody reads any more.
        OutputError: what is there does not take it, such as a full disk.
    """
    _put(json.dumps(record) + "\n")


def fitting(line: str, stream: TextIO | None) -> str:
    """A line as a stream shows it best: on a terminal broken between words, with a hanging indent.

    Args:
        line: One line; what it begins with of spaces, further lines of it do too.
        stream: Where it goes.
    """
    if not is_terminal(stream):
        return line
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    words = line.lstrip(" ")
    indent = len(line) - len(words)
    if indent + Text(words).cell_len <= console.width:
        return line
    width = max(console.width - indent - _HANGING, 1)
    lines = Text(words).wrap(console, width)
    return f"\n{' ' * (indent + _HANGING)}".join(
        " " * indent * (k == 0) + part.plain.rstrip() for k, part in enumerate(lines)
    )


def _put(text: str) -> None:
    """Text on stdout."""
    try:
        _write(sys.stdout, text)
    except BrokenPipeError:
        raise
    except OSError as error:
        cause = f"cannot be written: {error.strerror}"
        raise OutputError("standard output", cause) from error


def complain(error: BaseException, session: Session) -> int:
    """Say what went wrong in one line; returns the exit code."""
    error = foreseen(error)
    if session.debug:
        _write(sys.stderr, "".join(traceback.format_exception(error)))
    text = fitting(f"vinr: error: {printable(describe(error))}", sys.stderr)
    _write(sys.stderr, text.replace("error:", _red("error:"), 1) + "\n")
    return error.exit_code if isinstance(error, VinrError) else BUG


def foreseen(error: BaseException) -> BaseException:
    """An exception of the system that is about what the user gave, as ours; others as they are.

    Paths are looked at in many places, and each of them may be the first to find that a name is
    longer than a file system takes.
    """
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        path = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else "a path"
        ours = UsageError(path, "is too long for the name of a file", "Use a shorter name.")
        return ours.with_traceback(error.__traceback__)
    return error


def require_folder() -> None:
    """Refuse to work in a folder that is not there any more: libraries end the process over it.

    Raises:
        UsageError: the current folder has been deleted.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        cause, fix = "has been deleted", "Go to another folder, and give the command again."
        raise UsageError("the current folder", cause, fix) from None


def describe(error: BaseException) -> str:
    """One line about an exception."""
    error = foreseen(error)
    if isinstance(error, VinrError):
        return str(error)
    words = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}{': ' if words else ''}{words} (a bug in vinr; --debug shows where)"


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed before the program started
        return
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _red(text: str) -> str:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return text if plain or not is_terminal(sys.stderr) else f"\x1b[1;31m{text}\x1b[0m"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at this stream as it is written."""
    return stream is not None and stream.isatty()


def hold_descriptors() -> None:
    """Put /dev/null where stdin, stdout or stderr is closed, so that no file takes its number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def flush_streams(code: int) -> int:
    """Write out what is buffered; returns the exit code, one of its own where it cannot be."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:
            silence(stream)
            code = code or READER_GONE
        except OSError:
            silence(stream)
            code = code or OutputError.exit_code
    return code


def silence(stream: TextIO) -> None:
    """Send a stream that nobody reads to nowhere: Python would fail on it once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


_STOPPING = b"vinr: stopping: the frames at hand are finished and kept; once more ends it at once\n"


@contextmanager
def stop_signals(stop: Stop) -> Iterator[None]:
    """Take Ctrl-C, SIGTERM and SIGHUP: a job that heeds `stop` is asked to, else it is ended.

    To end is to raise KeyboardInterrupt; so does a second signal. Ignored signals stay ignored.

    Args:
        stop: Between the signals and the job.
    """
    ordinary = {signal.SIG_DFL, signal.default_int_handler}
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    signals = [getattr(signal, name) for name in names]
    if threading.current_thread() is not threading.main_thread():
        signals = []
    before = {s: signal.getsignal(s) for s in signals if signal.getsignal(s) in ordinary}
    last = -_REPEAT_SECONDS

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        repeated, last = now - last < _REPEAT_SECONDS, now
        if repeated:
            return
        if not stop.heeded or stop.requested:
            raise KeyboardInterrupt
        stop.requested = True
        with suppress(OSError):  # print is not safe here: it may have been interrupted itself
            os.write(2, _STOPPING)

    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

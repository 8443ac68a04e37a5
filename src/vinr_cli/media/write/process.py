"""A running ffmpeg that takes raw frames, and why it ended."""

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import IO, cast

from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from vinr_cli.errors import EncoderError, OutputError, VinrError
from vinr_cli.media.base.borders import LIBRARY_ERRORS, words_of
from vinr_cli.media.base.complaints import is_aftermath, is_noise, plain
from vinr_cli.media.base.pipe import reader_gone

_LAST_WORDS = 6
"""Lines of ffmpeg's messages that are kept."""
_GRACE_SECONDS = 5.0
"""Time for an ffmpeg that no longer takes frames to end by itself and say why."""
_TARGET_TROUBLE = (
    "No space left",
    "Permission denied",
    "Read-only file system",
    "No such file or directory",
    "File too large",
    "Disk quota exceeded",
    "Is a directory",
    "Input/output error",
)
"""System errors in ffmpeg's words that are the target's fault."""
_TOO_LARGE = getattr(signal, "SIGXFSZ", 0)
_STALL_SECONDS = 900.0
"""An encoder that takes no data for so long is taken as hung. One 8K frame at the slowest preset of
the slowest encoder takes less than a tenth of that."""


class Ffmpeg:
    """A running ffmpeg that is fed through a pipe.

    Its messages are drained by a thread, so it never waits for us to read them. It runs in its
    own session, so Ctrl-C at the terminal reaches only our process, which decides what becomes
    of it. A timer kills it when it takes nothing for too long, so no write waits for ever.
    """

    def __init__(
        self,
        command: list[str],
        target: Path,
        time_base: Fraction,
        open_pipe: Callable[[IO[bytes]], tuple[OutputContainer, VideoStream]],
        sink: int | None = None,
    ) -> None:
        self._target = target
        self._time_base = time_base
        self._stalled = False
        self._words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._aftermath: deque[str] = deque(maxlen=_LAST_WORDS)
        self._busy = threading.Lock()
        self._piped = sink is not None
        self._process = _start(command, sink)
        self._drain = threading.Thread(
            target=self._read_messages, name="ffmpeg-messages", daemon=True
        )
        self._drain.start()
        self._container: OutputContainer | None = None
        with self._guarded():
            self._container, self._stream = open_pipe(cast(IO[bytes], self._process.stdin))

    def send(self, data: bytes, pts: int) -> None:
        """Hand over one raw frame; waits until ffmpeg takes it."""
        with self._guarded():
            packet = Packet(data)
            packet.stream = self._stream
            packet.pts = packet.dts = pts
            packet.time_base = self._time_base
            packet.is_keyframe = True
            cast(OutputContainer, self._container).mux(packet)

    def finish(self) -> None:
        """End the input, wait for ffmpeg, and check how it ended."""
        with self._guarded():
            self._close_pipe()
            code = self._process.wait()
        self._drain.join()
        if code:
            raise self._failure()

    def kill(self) -> None:
        """End ffmpeg at once and give back everything; from any thread."""
        self._process.kill()
        self._process.wait()
        with self._busy, suppress(*LIBRARY_ERRORS):
            self._close_pipe()
        self._drain.join()

    def _close_pipe(self) -> None:
        container, self._container = self._container, None
        try:
            if container is not None:
                container.close()
        finally:
            cast(IO[bytes], self._process.stdin).close()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn a broken pipe into ffmpeg's own words, and a hang into its end."""
        timer = threading.Timer(_STALL_SECONDS, self._on_stall)
        timer.daemon = True
        timer.start()
        try:
            with self._busy:
                yield
        except LIBRARY_ERRORS as error:
            raise self._failure() from error
        finally:
            timer.cancel()
            timer.join()

    def _on_stall(self) -> None:
        self._stalled = True
        self._process.kill()

    def _failure(self) -> VinrError:
        """Why ffmpeg ended, as an exception to raise; ends it if it has not."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_GRACE_SECONDS)  # a dying ffmpeg explains itself first
        self._process.kill()
        code = self._process.wait()
        self._drain.join()
        if self._stalled:
            cause = f"ffmpeg took nothing for {_STALL_SECONDS:g} s and was ended"
            return EncoderError(self._target, cause)
        words = " | ".join(self._words or self._aftermath)
        if code == -_TOO_LARGE:  # by a limit of the system on the size of files
            return OutputError(self._target, "cannot be written: File too large")
        if self._piped and "Broken pipe" in words:
            return reader_gone()
        if any(sign in words for sign in _TARGET_TROUBLE):
            return OutputError(self._target, f"cannot be written: {words}")
        return EncoderError(self._target, f"ffmpeg failed ({code}): {words or 'without a word'}")

    def _read_messages(self) -> None:
        """Keep ffmpeg's last messages; runs until ffmpeg closes its standard error."""
        with cast(IO[bytes], self._process.stderr) as pipe:
            for raw in pipe:
                line = raw.decode(errors="replace").strip()
                if not is_noise(line):
                    words = self._aftermath if is_aftermath(line) else self._words
                    words.append(plain(line))


def _start(command: list[str], sink: int | None = None) -> subprocess.Popen[bytes]:
    """Start ffmpeg with a pipe to its input and one from its messages; its output goes to `sink`.

    Raises:
        EncoderError: If it cannot be started.
    """
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if sink is None else sink,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "SVT_LOG": "1"},
        )
    except (OSError, ValueError) as error:
        raise EncoderError(command[0], f"cannot be run: {words_of(error)}") from error

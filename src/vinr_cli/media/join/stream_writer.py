"""Frames to an encoder whose packets a thread puts into a container."""

import os
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, cast

from numpy.typing import NDArray

from vinr_cli.errors import VinrError
from vinr_cli.media.base.pipe import Outlet, reader_gone
from vinr_cli.media.join.stream_mux import StreamMux
from vinr_cli.media.write.writer import FrameWriter

_JOIN_SECONDS = 2.0
"""Time that an aborted thread gets to notice."""


class StreamWriter:
    """Takes frames as `engine.frames.Writer` does, and writes a container or raw video from them.

    Args:
        open_encoder: Makes the encoder, given the descriptor that it writes to.
        open_mux: Makes the muxer, given the time of the first frame in output ticks; None where
            the encoder writes to `outlet` itself.
        outlet: Standard output; None where the target is a file.
        cancel: Called when everything is given up, to wake whoever waits for input.

    Attributes:
        mux: The muxer, once the first frame is there.
    """

    def __init__(
        self,
        open_encoder: Callable[[int], FrameWriter],
        open_mux: Callable[[int], StreamMux] | None,
        outlet: Outlet | None,
        cancel: Callable[[], None],
    ) -> None:
        self.mux: StreamMux | None = None
        self._open_encoder = open_encoder
        self._open_mux = open_mux
        self._outlet = outlet
        self._cancel = cancel
        self._encoder: FrameWriter | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._aborted = False
        self._swap = threading.Lock()

    @property
    def frames(self) -> int:
        """Frames that were given."""
        return 0 if self._encoder is None else self._encoder.frames

    def write(self, planes: Sequence[NDArray[Any]], pts: int) -> None:
        """Hand over one frame, as `FrameWriter.write` says.

        Raises:
            ReaderGoneError: nobody reads standard output any more.
            OutputError: the target cannot be written.
            EncoderError: ffmpeg fails.
        """
        try:
            if self._encoder is None:
                self._begin(planes, pts)
            else:
                self._encoder.write(planes, pts)
        except VinrError as error:
            self._raise_first(error)

    def close(self, last_hold: Fraction | None = None) -> None:
        """Finish the encoder and the container.

        Args:
            last_hold: How long the last frame is shown, in seconds.

        Raises:
            VinrError: as `write`; also if packets are missing.
        """
        if self._encoder is None:
            return
        if self.mux is not None:
            self.mux.last_hold = last_hold
        try:
            self._encoder.close()
        except VinrError as error:
            self._raise_first(error)
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            if self._outlet is not None and self._outlet.gone:
                raise reader_gone() from self._error
            raise self._error

    def abort(self) -> None:
        """Give everything up; from any thread, and repeatedly."""
        self._cancel()
        if self._outlet is not None:
            self._outlet.cancel()
        with self._swap:
            self._aborted = True
            encoder, thread = self._encoder, self._thread
        if encoder is not None:
            encoder.abort()
        if thread is not None:
            thread.join(_JOIN_SECONDS)

    def _begin(self, planes: Sequence[NDArray[Any]], pts: int) -> None:
        """Start the encoder with the first frame, and the thread that takes its packets."""
        if self._open_mux is None:
            with self._swap:
                self._encoder = self._open_encoder(cast(Outlet, self._outlet).descriptor)
                if self._aborted:
                    self._encoder.abort()
            self._encoder.write(planes, pts)
            return
        source, sink = os.pipe()
        try:
            with self._swap:
                self.mux = self._open_mux(pts)
                self._encoder = self._open_encoder(sink)
                if self._aborted:
                    self._encoder.abort()
                self._thread = threading.Thread(
                    target=self._copy, args=(self.mux, source), name="mux", daemon=True
                )
                self._thread.start()
            self._encoder.write(planes, pts)
        finally:
            os.close(sink)

    def _copy(self, mux: StreamMux, source: int) -> None:
        """The thread: packets from the pipe to the target."""
        with os.fdopen(source, "rb", buffering=0) as coded:
            try:
                mux.run(coded)
            except BaseException as error:  # carried to whoever writes next
                self._error = error

    def _raise_first(self, error: VinrError) -> None:
        """Raise what the muxer failed of, where that is why the encoder failed."""
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
        if self._outlet is not None and self._outlet.gone:
            raise reader_gone() from error
        if self._error is not None:
            raise self._error from error
        raise error

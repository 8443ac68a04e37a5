"""A request to stop soon: what a first Ctrl-C means while frames are made."""

from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """Carries the request from whoever takes it (a signal handler, a server) to the job.

    Attributes:
        heeded: Whether a job looks at it now. If not, a request should end the program at once:
            nothing would be saved by waiting.
        requested: Whether to stop.
    """

    def __init__(self) -> None:
        self.heeded = False
        self.requested = False

    @contextmanager
    def heed(self) -> Iterator[None]:
        """While frames are made: the job asks `requested` after each."""
        self.heeded = True
        try:
            yield
        finally:
            self.heeded = False

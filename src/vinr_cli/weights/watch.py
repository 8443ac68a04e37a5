"""Who is told how far a download is."""

from typing import Protocol


class Watch(Protocol):
    """Whoever shows how far a download is."""

    def __call__(self, done: int, total: int | None, /) -> None:
        """Take the bytes so far, of those that there will be (None: unknown)."""


def unwatched(done: int, total: int | None, /) -> None:
    """Show nothing."""

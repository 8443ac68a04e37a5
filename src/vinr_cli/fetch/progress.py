"""How far a download is."""

from typing import Protocol


class DownloadProgress(Protocol):
    """Shows how far a download is; may end it by raising."""

    def __call__(self, done: int, total: int | None, /) -> None:
        """Take the bytes so far, of those that there will be (None: unknown)."""


def silent(done: int, total: int | None, /) -> None:
    """Show nothing."""

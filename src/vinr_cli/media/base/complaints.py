"""What ffmpeg says when it fails: the reason, without what follows from it."""

import re
from collections.abc import Iterable

_AFTERMATH = (
    "Task finished with error",
    "Terminating thread",
    "Could not open encoder before EOF",
    "Nothing was written into",
    "Error sending frames",
    "Error while opening encoder",
    "Error splitting the argument list",
    "Error parsing global options",
    "Error reinitializing filters",
    "Error initializing output stream",
    "Conversion failed!",
)
"""Messages of the program about a failure that a library has explained before."""
_NOISE = ("Svt[", "[svt", "x265 [info]", "Press [q]")
"""Starts of messages about no failure, which some libraries print at every level."""
_SPEAKER = re.compile(r"^(?:\[[^\]]*\] )+")
"""Who speaks, with an address in memory: ``[libx264 @ 0x55c4] ``."""


def is_noise(line: str) -> bool:
    """Whether a line says nothing about a failure."""
    return not line or line.startswith(_NOISE)


def is_aftermath(line: str) -> bool:
    """Whether a line only tells that something has failed."""
    return any(sign in line for sign in _AFTERMATH)


def plain(line: str) -> str:
    """A line without who says it."""
    return _SPEAKER.sub("", line)


def reason_of(text: str) -> str:
    """The first line of an ffmpeg's messages that gives a reason; empty if there is no message.

    Args:
        text: Standard error.
    """
    lines = [line.strip() for line in text.splitlines() if not is_noise(line.strip())]
    return next((plain(line) for line in _reasons(lines)), plain(lines[-1]) if lines else "")


def _reasons(lines: Iterable[str]) -> Iterable[str]:
    return (line for line in lines if not is_aftermath(line))

"""File names: what they ask for, and those next to a final one."""

import os
import secrets
from pathlib import Path

from vinr_cli.errors import UsageError
from vinr_cli.media.base.containers import SUFFIXES, Container
from vinr_cli.media.base.listing import parse_pattern

NAME_BYTES = 255
"""Longest file name on the usual file systems."""
_SURROGATES = "".join(map(chr, range(0xDC80, 0xDD00)))


def temporary_name(output: Path) -> Path:
    """A hidden name beside the final one, with its suffix, that no other run uses."""
    token = f".vinr-{secrets.token_hex(4)}{output.suffix}"
    room = NAME_BYTES - len(os.fsencode(token)) - 1
    name = os.fsencode(output.stem)
    stem = output.stem
    if len(name) > room:
        stem = os.fsdecode(name[:room]).rstrip(_SURROGATES)  # no half characters
    return output.with_name(f".{stem}{token}")


def container_of(path: Path) -> Container:
    """The format that a file name asks for.

    Raises:
        UsageError: If the suffix names no format that vinr writes, or one picture.
    """
    container = SUFFIXES.get(path.suffix.lower())
    if container is None:
        cause = f"cannot write a {path.suffix or 'file without suffix'}"
        raise UsageError(path, cause, f"Use one of {', '.join(SUFFIXES)}.")
    if container.pictures and parse_pattern(path) is None:
        fix = f"Write %05d for its number: {path.with_name('%05d.png')}."
        raise UsageError(path, "names one picture", fix)
    return container

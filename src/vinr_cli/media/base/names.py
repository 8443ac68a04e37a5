"""File names beside a final one."""

import os
import secrets
from pathlib import Path

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

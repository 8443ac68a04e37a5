"""What the bytes of a file hash to."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from vinr_cli.errors import UsageError

BLOCK = 1 << 20
"""Bytes that are read and hashed at a time."""

_LENGTHS = {"sha256": 64, "git-blob": 40}


@dataclass(frozen=True, slots=True)
class Digest:
    """A hash with its kind.

    Attributes:
        kind: "sha256", or "git-blob": SHA-1 over "blob", a space, the size, a zero byte, and the
            bytes, which is how git names a file's content.
        value: Lower-case hexadecimal digits.
    """

    kind: str
    value: str

    @classmethod
    def sha256(cls, text: str) -> Self:
        """A SHA-256 that a user has written.

        Raises:
            UsageError: not 64 hexadecimal digits.
        """
        value = text.strip().lower().removeprefix("sha256:")
        if not re.fullmatch(r"[0-9a-f]{64}", value):
            raise UsageError(
                f"--sha256 {text}", "is no SHA-256", "Write its 64 hexadecimal digits."
            )
        return cls("sha256", value)

    @classmethod
    def from_etag(cls, etag: str) -> Self | None:
        """What the Hub's ETag says of a file: SHA-256 of a large one, git's name of a small one."""
        for kind, length in _LENGTHS.items():
            if re.fullmatch(rf"[0-9a-f]{{{length}}}", etag):
                return cls(kind, etag)
        return None

    def __str__(self) -> str:
        """For people."""
        return f"{self.kind} {self.value}"

    def matches(self, path: Path) -> bool:
        """Whether the file's bytes, all of them, hash to this.

        Raises:
            OSError: it cannot be read.
        """
        return self.of(path, self.kind) == self

    @classmethod
    def of(cls, path: Path, kind: str = "sha256") -> Self:
        """The digest of a file's bytes.

        Raises:
            OSError: it cannot be read.
        """
        with path.open("rb") as file:
            if kind == "git-blob":
                hasher = hashlib.sha1(usedforsecurity=False)
                hasher.update(b"blob %d\0" % path.stat().st_size)
            else:
                hasher = hashlib.sha256()
            while block := file.read(BLOCK):
                hasher.update(block)
        return cls(kind, hasher.hexdigest())

"""How a download knows that the bytes at hand belong to the file that the server has now."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx2

from vinr_cli.fetch.digest import Digest
from vinr_cli.fetch.patience import RefusedError
from vinr_cli.files import write_json
from vinr_cli.untrusted import read_object


class ChangedError(Exception):
    """The bytes at hand are of another version of the file."""


class Identity(Protocol):
    """What `fetch.http` asks before it continues a part, and before it writes."""

    @property
    def size(self) -> int | None:
        """Bytes of the whole, if they are known before a server is asked."""

    def conditions(self) -> dict[str, str] | None:
        """Headers under which a server may continue the part; None: it must start again."""

    def admit(self, response: httpx2.Response, start: int, total: int | None) -> None:
        """Agree to an answer before its bytes are written behind the first `start` ones.

        Raises:
            ChangedError: the part at hand is of another version; it must start again.
            RefusedError: this is not the file, and will not be.
        """

    def begin(self, response: httpx2.Response, total: int | None) -> None:
        """Remember what an answer says of the file, when the part is empty and it begins.

        Raises:
            OSError: that cannot be written.
        """

    def demand(self, part: Path) -> None:
        """Check the whole file.

        Raises:
            ChangedError: it is wrong, and what was here before may be to blame.
            OSError: it cannot be read.
        """


@dataclass(frozen=True, slots=True)
class ByDigest:
    """The hash of the whole decides, so any run and any mirror may continue a part.

    Attributes:
        digest: What the whole must hash to.
        size: Bytes of the whole, if known.
    """

    digest: Digest
    size: int | None = None

    def conditions(self) -> dict[str, str]:
        """None are needed: wrong bytes are found in the end."""
        return {}

    def admit(self, response: httpx2.Response, start: int, total: int | None) -> None:
        """Refuse another length than is known.

        Raises:
            RefusedError: the server has another file.
        """
        if self.size is not None and total is not None and total != self.size:
            raise RefusedError(f"it has {total} bytes instead of {self.size}")

    def begin(self, response: httpx2.Response, total: int | None) -> None:
        """Nothing to remember: the hash is known."""

    def demand(self, part: Path) -> None:
        """Compare the hash.

        Raises:
            ChangedError: other bytes.
            OSError: it cannot be read.
        """
        found = Digest.of(part, self.digest.kind)
        if found != self.digest:
            said = f"{found.kind} {found.value}, not {self.digest.value}"
            raise ChangedError(f"it gives other bytes than it should ({said})")


@dataclass(frozen=True, slots=True)
class ByValidator:
    """The server says whether its file is still the one that was begun (RFC 9110, section 13.1.5).

    Attributes:
        state: JSON next to the part: the validator of the file that was begun, and its size.
    """

    state: Path

    @property
    def size(self) -> int | None:
        """Bytes of the file that was begun, if the server said."""
        size = self._known().get("size")
        return size if isinstance(size, int) else None

    def conditions(self) -> dict[str, str] | None:
        """Only the same version may be continued."""
        tag = self._tag
        return {"If-Range": tag} if tag else None

    def admit(self, response: httpx2.Response, start: int, total: int | None) -> None:
        """Compare the version that continues.

        Raises:
            ChangedError: a continuation of another version, though that was not asked for.
        """
        if not start:
            return
        tag, said = self._tag, response.headers.get("ETag", "")
        known = self.size
        other = tag.startswith('"') and said and said != tag
        if other or (known is not None and total is not None and total != known):
            raise ChangedError("the file is not what it was")

    def begin(self, response: httpx2.Response, total: int | None) -> None:
        """Remember the version.

        Raises:
            OSError: the state cannot be written.
        """
        write_json(self.state, {"tag": _validator(response), "size": total})

    def demand(self, part: Path) -> None:
        """Nothing to compare with: its length has been reached."""

    @property
    def _tag(self) -> str:
        """What the server called the version that was begun; empty if it did not."""
        tag = self._known().get("tag")
        return tag if isinstance(tag, str) else ""

    def _known(self) -> dict[str, object]:
        with suppress(OSError, ValueError):
            return read_object(self.state)
        return {}


def _validator(response: httpx2.Response) -> str:
    """A strong ETag, else the time of change; empty where the server says neither."""
    tag: str = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")

"""Download one file over HTTP: continue where an earlier run broke off, and write nothing twice.

What has arrived is in one file, the part, and each block is handed to the system as it comes, so
whatever ends the process costs one block at most. Whether a part may be continued, and whether the
whole is right, is for its `Identity` to say. The connections are httpx2's, which also brings
proxies (HTTPS_PROXY, ALL_PROXY, NO_PROXY) and redirects that carry no token to another host.

`docs/design.md` says why this is not huggingface_hub's or pooch's downloader.
"""

import errno
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from vinr_cli.fetch.identity import ChangedError, Identity
from vinr_cli.fetch.patience import (
    RETRIED,
    BrokenError,
    Patience,
    RefusedError,
    persist,
    seconds_asked,
)
from vinr_cli.fetch.progress import DownloadProgress, silent

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_FULL, _PARTIAL, _NOT_SATISFIABLE = 200, 206, 416
_NUMBER = "[0-9]{1,18}"
"""A count of bytes that a header may state."""


@dataclass(frozen=True, slots=True)
class Source:
    """An address to fetch from.

    Attributes:
        url: https; plain http on this machine, or where `insecure` says so.
        headers: Sent along; what authorizes is not sent to another host after a redirect.
        insecure: The user has chosen a plain http address themself.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    insecure: bool = False

    def __str__(self) -> str:
        """The address without what it carries for the server, which may be a secret."""
        return without_secrets(self.url)


def download(
    source: Source,
    part: Path,
    identity: Identity,
    *,
    progress: DownloadProgress = silent,
    patience: Patience | None = None,
) -> None:
    """Fetch a file from one address.

    Args:
        source: Where from.
        part: Where the bytes are collected; what is there from before is continued if `identity`
            allows it. It holds the whole, right file at the end.
        identity: Knows whether the bytes are the right ones.
        progress: Called with each block. What it raises ends the download; what came is kept.
        patience: How long to try.

    Raises:
        RefusedError: the address has no such file, gives other bytes (then the part is deleted), or
            is out of order for too long.
        OSError: the part cannot be written, or has no room.
    """
    wanted = _Wanted(part, identity, progress)
    cause = ""
    for continued in (wanted.held > 0, False):
        _complete(source, wanted, patience or Patience())
        try:
            return identity.demand(part)
        except ChangedError as error:
            part.unlink()
            cause = str(error)
        if not continued:  # what an earlier run has left is not to blame
            break
    raise RefusedError(cause)


def without_secrets(url: str) -> str:
    """An address without user, password and query."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = re.split("[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What `download` was asked for."""

    part: Path
    identity: Identity
    progress: DownloadProgress

    @property
    def held(self) -> int:
        """Bytes that are here."""
        return self.part.stat().st_size if self.part.is_file() else 0

    def drop(self) -> None:
        """Start again."""
        self.part.unlink(missing_ok=True)


def _complete(source: Source, wanted: _Wanted, patience: Patience) -> None:
    """Bring the part to its full length, in as many attempts as it takes."""
    most = wanted.held

    def gained() -> bool:
        nonlocal most
        before, most = most, max(most, wanted.held)
        return most > before

    with httpx2.Client(
        headers={"Accept-Encoding": "identity", "User-Agent": "vinr", **source.headers},
        timeout=patience.timeout,
        follow_redirects=True,
        event_hooks={"request": [_secure(source)]},
    ) as client:
        persist(lambda: _attempt(client, source.url, wanted), patience, gained)


def _secure(source: Source) -> Callable[[httpx2.Request], None]:
    """Refuse to send a request, also after a redirect, over a line that others can change."""
    plain = source.url.lower().startswith("http:")

    def demand(request: httpx2.Request) -> None:
        url = request.url
        bearable = url.scheme == "http" and plain and (source.insecure or url.host in _LOOPBACK)
        if url.scheme != "https" and not bearable:
            raise RefusedError(f"it leads to {url.scheme}://{url.host}, which is not https")

    return demand


def _attempt(client: httpx2.Client, url: str, wanted: _Wanted) -> None:
    """One request.

    Raises:
        BrokenError: it may work next time; what arrived is kept.
        RefusedError: it will not.
    """
    held, size = wanted.held, wanted.identity.size
    if size is not None and held > size:
        wanted.drop()
        held = 0
    if held and held == size:
        return
    conditions = wanted.identity.conditions() if held else None
    asked = 0 if conditions is None else held
    headers = {} if conditions is None else {"Range": f"bytes={asked}-", **conditions}
    with _translated(), client.stream("GET", url, headers=headers) as response:
        try:
            if asked and response.status_code == _NOT_SATISFIABLE:
                return _at_end(response, wanted, asked)
            start, total = _extent(response, asked, size)
            _demand_room(wanted.part, start, total)
            wanted.identity.admit(response, start, total)
        except ChangedError as error:
            wanted.drop()
            raise BrokenError(str(error)) from error
        if not start:  # first the old bytes go: a new version's name must never be theirs
            wanted.drop()
            wanted.identity.begin(response, total)
        _store(response, wanted, start, total)


def _at_end(response: httpx2.Response, wanted: _Wanted, held: int) -> None:
    """The server has nothing behind what is here: it is all, or it is of something else."""
    if response.headers.get("Content-Range", "") != f"bytes */{held}":
        raise ChangedError("the file is not what it was")
    wanted.identity.admit(response, held, held)


def _extent(response: httpx2.Response, asked: int, size: int | None) -> tuple[int, int | None]:
    """Where the body starts in the file, and how long the file is (None: not known)."""
    status = response.status_code
    said = f"the server answers {status} {response.reason_phrase}".strip()
    if status in RETRIED:
        raise BrokenError(said, seconds_asked(response.headers.get("Retry-After", "")))
    if status == _PARTIAL:
        return asked, _partial(response, asked, size)
    if status != _FULL:
        raise RefusedError(said)
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise RefusedError("the server sends a web page instead of the file")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise RefusedError("the server sends it compressed, which was not asked for")
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if re.fullmatch(_NUMBER, length) else size


def _partial(response: httpx2.Response, asked: int, size: int | None) -> int:
    """Bytes of the whole file, by a partial answer; one may leave them open (`*`, RFC 9110, 14.4).

    Raises:
        RefusedError: it is of another place of the file.
    """
    said = re.fullmatch(
        rf"bytes ({_NUMBER})-({_NUMBER})/({_NUMBER}|\*)", response.headers.get("Content-Range", "")
    )
    if said is None or int(said[1]) != asked:
        raise RefusedError("the server sends a range that was not asked for")
    if said[3] != "*":
        return int(said[3])
    return int(said[2]) + 1 if size is None else size


def _demand_room(part: Path, start: int, total: int | None) -> None:
    """Fail before the first byte where the disk cannot take the last one."""
    free = shutil.disk_usage(part.parent).free
    held = part.stat().st_size if part.is_file() else 0  # what is replaced gives its room back
    if total is not None and total - max(start, held) > free:
        raise OSError(errno.ENOSPC, f"{total - start} bytes are to come, and {free} are free")


def _store(response: httpx2.Response, wanted: _Wanted, start: int, total: int | None) -> None:
    """Write the body; what arrives before a break stays."""
    done = start
    with wanted.part.open("r+b" if start else "wb") as file:
        file.truncate(start)
        file.seek(start)
        wanted.progress(done, total)
        for block in response.iter_raw():
            file.write(block)
            file.flush()  # what has arrived stays, whatever ends this process
            done += len(block)
            if total is not None and done > total:
                raise RefusedError(f"the server sends more than the {total} bytes that it promised")
            wanted.progress(done, total)
    if total is not None and done < total:
        raise BrokenError(f"it ends after {done} of {total} bytes")


@contextmanager
def _translated() -> Iterator[None]:
    """The library's errors as ours."""
    try:
        yield
    except httpx2.TimeoutException as error:
        raise BrokenError("the server does not answer in time") from error
    except httpx2.TransportError as error:
        raise BrokenError(f"the connection failed ({' '.join(str(error).split())})") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise RefusedError(" ".join(str(error).split())) from error

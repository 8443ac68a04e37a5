"""Inputs on a network: fetched as a whole first, and only if the user allows it.

Nothing else of the program speaks to a network for an input: ffmpeg's libraries open the local file
that is named and no other, so what has been fetched cannot make them fetch more. A broken download
is gone on with if the server says that the file is still the same.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx2

from vinr_cli.errors import InputError, OutputError, UsageError
from vinr_cli.jobs.ledger import write_json
from vinr_cli.jobs.lock import hold
from vinr_cli.weights.fetch import (
    RETRIED,
    BrokenError,
    Patience,
    RefusedError,
    persist,
    retry_after,
)
from vinr_cli.weights.watch import Watch, unwatched

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?=[^/])(.+)", re.DOTALL)
_FULL, _PARTIAL, _NOT_SATISFIABLE = 200, 206, 416
_NAME_CHARACTERS = 80


def address_of(path: Path) -> str | None:
    """The address that an input names; None for one that is a path.

    A path has lost the second of two slashes in a row; here it is put back behind the scheme.
    """
    found = _ADDRESS.fullmatch(str(path))
    if found is None or path.exists():
        return None
    return f"{found[1].lower()}://{found[2]}"


def require_allowed(address: str, *, allowed: bool) -> None:
    """Refuse an address that may not be asked.

    Raises:
        UsageError: the network is not allowed, or it is no http or https address.
    """
    scheme = address.partition("://")[0]
    if scheme not in ("http", "https"):
        cause = f"is an address of the kind {scheme}, which is not read"
        raise UsageError(_short(address), cause, "Give a file, or an http or https address.")
    if not allowed:
        fix = "--allow-network fetches it into the current folder first."
        raise UsageError(_short(address), "is on a network, and only files are read", fix)


def fetch_input(
    address: str, folder: Path, watch: Watch = unwatched, patience: Patience | None = None
) -> Path:
    """Fetch a video into a folder; one that was fetched from there before is taken as it is.

    Args:
        address: An http or https address.
        folder: Where the file goes, under the address's last name and eight digits of its hash.
        watch: Told about progress.
        patience: How long to try.

    Returns:
        The whole file.

    Raises:
        InputError: the server does not give it.
        OutputError: it cannot be written, or another run is fetching it.
    """
    target = folder / _name(address)
    if target.exists():
        return target
    place = target.with_name(f"{target.name}.fetch")
    with hold(place, target):
        wanted = _Wanted(address, place / "part", place / "state.json", watch)
        try:
            _complete(wanted, patience or Patience())
            os.replace(wanted.part, target)
            wanted.state.unlink(missing_ok=True)
        except RefusedError as error:
            kept = wanted.held > 0
            fix = "The same command goes on where it stopped." if kept else "Check the address."
            raise InputError(_short(address), f"cannot be fetched: {error}", fix) from error
        except OSError as error:
            cause = f"cannot be written: {error.strerror or error}"
            raise OutputError(
                target, cause, "Make room, and give the same command again."
            ) from error
    return target


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A download: where from, where to, what is known of what is here, and who is told."""

    address: str
    part: Path
    state: Path
    watch: Watch

    @property
    def held(self) -> int:
        """Bytes that are here."""
        return self.part.stat().st_size if self.part.is_file() else 0

    @property
    def tag(self) -> str:
        """What the server called the version of which these bytes are; empty if it did not."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            return str(json.loads(self.state.read_text(encoding="utf-8"))["tag"])
        return ""


def _complete(wanted: _Wanted, patience: Patience) -> None:
    """Bring the part to its full length, in as many attempts as it takes."""
    most = wanted.held

    def gained() -> bool:
        nonlocal most
        before, most = most, max(most, wanted.held)
        return most > before

    secure = wanted.address.startswith("https:")
    with httpx2.Client(
        headers={"Accept-Encoding": "identity", "User-Agent": "vinr"},
        timeout=patience.timeout,
        follow_redirects=True,
        event_hooks={"request": [_demand_https] if secure else []},
    ) as client:
        persist(lambda: _attempt(client, wanted), patience, gained)


def _demand_https(request: httpx2.Request) -> None:
    """An https address does not lead to one that others can change."""
    if request.url.scheme != "https":
        raise RefusedError(f"it leads to {request.url.scheme}://{request.url.host}, without https")


def _attempt(client: httpx2.Client, wanted: _Wanted) -> None:
    """One request.

    Raises:
        BrokenError: it may work next time; what arrived is kept.
        RefusedError: it will not.
    """
    held, tag = wanted.held, wanted.tag
    headers = {"Range": f"bytes={held}-", "If-Range": tag} if held and tag else {}
    try:
        with client.stream("GET", wanted.address, headers=headers) as response:
            if response.status_code == _NOT_SATISFIABLE:
                wanted.part.unlink(missing_ok=True)
                raise BrokenError("the file is not what it was")
            start, total = _extent(response, held)
            _store(response, wanted, start, total)
    except httpx2.TimeoutException as error:
        raise BrokenError("the server does not answer in time") from error
    except httpx2.TransportError as error:
        raise BrokenError(f"the connection failed ({' '.join(str(error).split())})") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise RefusedError(" ".join(str(error).split())) from error


def _extent(response: httpx2.Response, held: int) -> tuple[int, int | None]:
    """Where the body starts in the file, and how long the file is (None: not said)."""
    status = response.status_code
    said = f"the server answers {status} {response.reason_phrase}".strip()
    if status in RETRIED:
        raise BrokenError(said, retry_after(response))
    if status == _PARTIAL:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if span is None or int(span[1]) != held:
            raise RefusedError("the server answers with a range that nobody asked for")
        return held, int(span[2])
    if status != _FULL:
        raise RefusedError(said)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise RefusedError("the server answers with a web page instead of a video")
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _store(response: httpx2.Response, wanted: _Wanted, start: int, total: int | None) -> None:
    """Write the body; what arrives before a break stays."""
    free = shutil.disk_usage(wanted.part.parent).free
    if total is not None and total - start > free:
        raise OSError(errno.ENOSPC, f"{total} bytes are to come, and {free} are free")
    if not start:
        weak = response.headers.get("ETag", "").startswith("W/")
        tag = "" if weak else response.headers.get("ETag", "")
        write_json(wanted.state, {"tag": tag or response.headers.get("Last-Modified", "")})
    done = start
    with wanted.part.open("r+b" if start else "wb") as file:
        file.truncate(start)
        file.seek(start)
        for block in response.iter_raw():
            file.write(block)
            done += len(block)
            if total is not None and done > total:
                raise RefusedError(f"the server sends more than the {total} bytes that it promised")
            wanted.watch(done, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and done < total:
        raise BrokenError(f"it ends after {done} of {total} bytes")


def _name(address: str) -> str:
    """A file name for an address: its last part, and a hash that tells it from all others."""
    last = unquote(urlsplit(address).path.rpartition("/")[2], errors="replace")
    plain = re.sub(r"[^\w.,+ -]", "_", last).lstrip(".-") or "video"
    stem, dot, suffix = plain.rpartition(".")
    mark = hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{(stem or plain)[:_NAME_CHARACTERS]}-{mark}{dot and f'.{suffix[:8]}'}"


def _short(address: str) -> str:
    """An address without what it carries for the server, which may be a secret."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

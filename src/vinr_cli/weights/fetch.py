"""Download one file over HTTP: go on where an earlier run broke off, and keep only the right bytes.

huggingface_hub 2 starts a broken download anew in the next run (its temporary file has a new name
each time and is deleted on failure), and its client is for the Hub alone, so this is ours. The
connections are httpx2's, which also brings proxies (HTTPS_PROXY, ALL_PROXY, NO_PROXY) and redirects
that carry no token to another host.

What has arrived is in one file, named by what the whole must hash to, so any run and any mirror can
go on with it. The hash of the whole decides, and nothing else.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar

import httpx2

from vinr_cli.errors import WeightsError
from vinr_cli.weights.digest import Digest
from vinr_cli.weights.watch import Watch, unwatched

T = TypeVar("T")

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes that may be others in a while."""

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_FULL = 200
_PARTIAL = 206
_NOT_SATISFIABLE = 416


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try.

    Attributes:
        tries: Attempts at one address that bring no new byte.
        first_wait: Seconds before the second attempt; each further wait is twice as long.
        longest_wait: Seconds; a server that asks for more is given up.
        timeout: Seconds without an answer, or without a byte, that count as a broken connection.
        sleep: Waits so many seconds.
    """

    tries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    timeout: float = 30.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)


@dataclass(frozen=True, slots=True)
class Remote:
    """A place to fetch from.

    Attributes:
        url: https; plain http on this machine, or where `insecure` says so.
        headers: Sent along; what authorizes is not sent to another host after a redirect.
        insecure: The user has chosen a plain http address themself.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    insecure: bool = False


class BrokenError(Exception):
    """An attempt failed; another one may not.

    Args:
        cause: What happened.
        wait: Seconds that the server asked for, if it did.
    """

    def __init__(self, cause: str, wait: float | None = None) -> None:
        super().__init__(cause)
        self.wait = wait


class RefusedError(Exception):
    """This address will not give the file."""


def persist(
    attempt: Callable[[], T], patience: Patience, gained: Callable[[], bool] = lambda: False
) -> T:
    """Repeat what may fail for a while.

    Args:
        attempt: What to do; raises `BrokenError` where another try may help.
        patience: How often, and how long to wait.
        gained: Whether the last attempt got further than those before, which renews the patience.

    Raises:
        RefusedError: it did not help, or the server asks to wait for too long.
    """
    tries, wait = patience.tries, patience.first_wait
    while True:
        try:
            return attempt()
        except BrokenError as error:
            if gained():
                tries, wait = patience.tries, patience.first_wait
            tries -= 1
            asked = error.wait
            if tries <= 0 or (asked or 0) > patience.longest_wait:
                longer = f", and asks to wait {asked:.0f} s" if asked and tries > 0 else ""
                raise RefusedError(f"{error}{longer}") from error
            patience.sleep(wait if asked is None else asked)
            wait = min(2 * wait, patience.longest_wait)


def fetch(
    subject: str,
    remotes: Sequence[Remote],
    digest: Digest,
    part: Path,
    *,
    size: int | None = None,
    watch: Watch = unwatched,
    patience: Patience | None = None,
) -> None:
    """Fetch a file from the first address that gives the right bytes.

    Args:
        subject: What errors are about, such as "model NAME".
        remotes: Addresses of the same bytes, best first.
        digest: What they hash to.
        part: Where they are collected; what is there from before is gone on with. It holds the
            whole, right file at the end. After wrong bytes it is deleted.
        size: Bytes of the whole, if known.
        watch: Told about progress.
        patience: How long to try.

    Raises:
        WeightsError: no address gave the file; names each with its cause.
    """
    causes = []
    for remote in remotes:
        try:
            _from_one(remote, _Wanted(digest, part, size, watch, patience or Patience()))
        except RefusedError as error:
            causes.append(f"{_short(remote.url)}: {error}")
        except OSError as error:
            cause = f"cannot be written: {error.strerror or error}"
            raise WeightsError(part, cause, "Make room, or set VINR_HOME.") from error
        else:
            return
    kept = part.stat().st_size if part.is_file() else 0
    again = "the same command goes on where it stopped" if kept else "try again later"
    fix = f"Check the network and the proxy; {again}, or fetch the file elsewhere and use --from."
    raise WeightsError(subject, "could not be fetched from " + "; ".join(causes), fix)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What `fetch` was asked for, under the names that it has there."""

    digest: Digest
    part: Path
    size: int | None
    watch: Watch
    patience: Patience

    @property
    def held(self) -> int:
        """Bytes that are here."""
        return self.part.stat().st_size if self.part.is_file() else 0


def _from_one(remote: Remote, wanted: _Wanted) -> None:
    """Fetch from one address; bytes that an earlier run has left get a second chance if wrong.

    Raises:
        RefusedError: it has no such file, gives other bytes, or is out of order for too long.
    """
    digest, part = wanted.digest, wanted.part
    for continued in (wanted.held > 0, False):
        _complete(remote, wanted)
        if digest.matches(part):
            return
        got = f"{digest.kind} {Digest.of(part, digest.kind).value}, not {digest.value}"
        part.unlink()
        if not continued:
            break
    raise RefusedError(f"gives other bytes than it should ({got})")


def _complete(remote: Remote, wanted: _Wanted) -> None:
    """Bring `part` to its full length, in as many attempts as it takes."""
    most = wanted.held

    def gained() -> bool:
        nonlocal most
        before, most = most, max(most, wanted.held)
        return most > before

    with _client(remote, wanted.patience) as client:
        persist(lambda: _attempt(client, remote.url, wanted), wanted.patience, gained)


def _client(remote: Remote, patience: Patience) -> httpx2.Client:
    hooks = [] if remote.insecure else [_demand_https]
    return httpx2.Client(
        headers={"Accept-Encoding": "identity", "User-Agent": "vinr", **remote.headers},
        timeout=patience.timeout,
        follow_redirects=True,
        event_hooks={"request": hooks},
    )


def _demand_https(request: httpx2.Request) -> None:
    """Refuse to send a request, also after a redirect, over a line that others can change."""
    url = request.url
    if url.scheme != "https" and not (url.scheme == "http" and url.host in _LOOPBACK):
        raise RefusedError(f"is reached through {url.scheme}://{url.host}, which is not https")


def _attempt(client: httpx2.Client, url: str, wanted: _Wanted) -> None:
    """One request.

    Raises:
        BrokenError: it may work next time; what arrived is kept.
        RefusedError: it will not.
    """
    held, size = wanted.held, wanted.size
    if size is not None and held > size:
        wanted.part.unlink()
        held = 0
    if held and held == size:
        return
    headers = {"Range": f"bytes={held}-"} if held else {}
    with _translated(), client.stream("GET", url, headers=headers) as response:
        if response.status_code == _NOT_SATISFIABLE:
            return _at_end(response, wanted.part, held)
        start, total = _extent(response, held)
        if size is not None and total is not None and total != size:
            raise RefusedError(f"has {total} bytes instead of {size}")
        _store(response, wanted, start, size if total is None else total)


def _at_end(response: httpx2.Response, part: Path, held: int) -> None:
    """The server has nothing behind what is here: it is all, or it is of something else."""
    if response.headers.get("Content-Range", "") == f"bytes */{held}":
        return
    part.unlink()
    raise BrokenError("cannot go on where an earlier download stopped")


def _extent(response: httpx2.Response, held: int) -> tuple[int, int | None]:
    """Where the body starts in the file, and how long the file is (None: not said)."""
    status = response.status_code
    if status in RETRIED:
        raise BrokenError(f"answers {_status(response)}", retry_after(response))
    length = response.headers.get("Content-Length", "")
    if status == _PARTIAL:
        said = re.fullmatch(
            r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "")
        )
        if said is None or int(said[1]) != held:
            raise RefusedError("answers with a range that nobody asked for")
        return held, None if said[3] == "*" else int(said[3])
    if status != _FULL:
        raise RefusedError(f"answers {_status(response)}")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise RefusedError("answers with a web page instead of the file")
    return 0, int(length) if length.isdigit() else None


def _store(response: httpx2.Response, wanted: _Wanted, start: int, total: int | None) -> None:
    """Write the body; what arrives before a break stays."""
    done = start
    with wanted.part.open("r+b" if start else "wb") as file:
        file.truncate(start)
        file.seek(start)
        wanted.watch(done, total)
        for block in response.iter_raw():
            file.write(block)
            file.flush()  # what has arrived stays, whatever ends this process
            done += len(block)
            if total is not None and done > total:
                raise RefusedError(f"sends more than the {total} bytes that there should be")
            wanted.watch(done, total)
    if total is not None and done < total:
        raise BrokenError(f"ends after {done} of {total} bytes")


@contextmanager
def _translated() -> Iterator[None]:
    """The library's errors as ours."""
    try:
        yield
    except httpx2.TimeoutException as error:
        raise BrokenError("does not answer in time") from error
    except httpx2.TransportError as error:
        raise BrokenError(f"connection failed ({' '.join(str(error).split())})") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise RefusedError(" ".join(str(error).split())) from error


def retry_after(response: httpx2.Response) -> float | None:
    """Seconds that the server asks to wait: a number or a date (RFC 9110, section 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _status(response: httpx2.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()


def _short(url: str) -> str:
    """A URL without what it carries for the server, which may be a secret."""
    parts = httpx2.URL(url)
    return f"{parts.scheme}://{parts.host}{f':{parts.port}' if parts.port else ''}{parts.path}"

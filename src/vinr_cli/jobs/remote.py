"""Inputs on a network: fetched as a whole first, and only if the user allows it.

Nothing else of the program speaks to a network for an input: ffmpeg's libraries open the local file
that is named and no other, so what has been fetched cannot make them fetch more. A broken download
is resumed if the server says that the file is still the same.
"""

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from vinr_cli.errors import InputError, OutputError, UsageError
from vinr_cli.fetch.http import Source, download, without_secrets
from vinr_cli.fetch.identity import ByValidator
from vinr_cli.fetch.patience import Patience, RefusedError
from vinr_cli.fetch.progress import DownloadProgress, silent
from vinr_cli.files import publish
from vinr_cli.jobs.lock import hold
from vinr_cli.untrusted import entry

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?=[^/])(.+)", re.DOTALL)
_NAME_BYTES = 120
"""Of the last part of an address; a hash, a suffix and `.fetch` are added."""


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
        UsageError: the network is not allowed, or it is not an http or https address.
    """
    scheme, subject = address.partition("://")[0], without_secrets(address)
    if scheme not in ("http", "https"):
        cause = f"is an address of the kind {scheme}, which is not read"
        raise UsageError(subject, cause, "Give a file, or an http or https address.")
    if not allowed:
        fix = "--allow-network fetches it into the current folder first."
        raise UsageError(subject, "is on a network, and only files are read", fix)


def fetch_input(
    address: str,
    folder: Path,
    progress: DownloadProgress = silent,
    patience: Patience | None = None,
) -> Path:
    """Fetch a video into a folder; one that was fetched from there before is taken as it is.

    Args:
        address: An http or https address.
        folder: Where the file goes, under the address's last name and eight digits of its hash.
        progress: Called with each block.
        patience: How long to try.

    Returns:
        The whole file.

    Raises:
        InputError: the server does not give it.
        OutputError: it cannot be written, or another run is fetching it.
    """
    target = entry(folder, _name(address))
    if target.exists():
        return target
    place = target.with_name(f"{target.name}.fetch")
    part, identity = place / "part", ByValidator(place / "state.json")
    source = Source(address, insecure=True)  # the user has allowed this very address
    with hold(place, target):
        try:
            download(source, part, identity, progress=progress, patience=patience)
            publish(part, target)
            identity.state.unlink(missing_ok=True)
        except RefusedError as error:
            kept = part.is_file() and part.stat().st_size > 0
            fix = "The same command resumes where it stopped." if kept else "Check the address."
            raise InputError(str(source), f"cannot be fetched: {error}", fix) from error
        except OSError as error:
            cause = f"cannot be written: {error.strerror or error}"
            raise OutputError(
                target, cause, "Make room, and give the same command again."
            ) from error
    return target


def _name(address: str) -> str:
    """A file name for an address: its last part, and a hash that tells it from all others."""
    last = unquote(urlsplit(address).path.rpartition("/")[2], errors="replace")
    plain = re.sub(r"[^\w.,+ -]", "_", last).lstrip(".-") or "video"
    stem, dot, suffix = plain.rpartition(".")
    mark = hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    short = (stem or plain).encode()[:_NAME_BYTES].decode(errors="ignore")
    return f"{short}-{mark}{dot and f'.{suffix[:8]}'}"

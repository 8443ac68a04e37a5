"""Bring weights here: from the Hub, from the web, or from a disk; checked, then kept.

Everything is fetched and proven in a folder of its own, which gets the set's name when its file is
known to be right, so a broken, wrong or unusable file never stands under the name of a set.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from vinr_cli.errors import UsageError, WeightsError
from vinr_cli.fetch.digest import Digest
from vinr_cli.fetch.http import Source
from vinr_cli.fetch.identity import ByDigest
from vinr_cli.fetch.patience import Patience
from vinr_cli.fetch.progress import DownloadProgress, silent
from vinr_cli.files import publish
from vinr_cli.weights.cache import (
    CONFIG_FILE,
    STAMP,
    WEIGHTS,
    Stamp,
    alone,
    check,
    folder_of,
    models_folder,
    read_stamp,
    stamp_file,
    unwritable,
    write_stamp,
)
from vinr_cli.weights.convert import convert_checkpoint
from vinr_cli.weights.hub import download_model
from vinr_cli.weights.names import HUB, HubName, require_name
from vinr_cli.weights.origins import fetch_weights
from vinr_cli.weights.pretrained import read_network
from vinr_cli.weights.records import (
    RECORDS,
    WeightsRecord,
    find_record,
    packaged_digests,
    packaged_file,
)

MIRROR = "VINR_MIRROR"
"""Address under which NAME/FILE of every known set is looked for before its own origins."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How to fetch.

    Attributes:
        progress: Called with each block.
        patience: How long to try.
        folder: Of sets, to put the new one in; the cache's if not given.
    """

    progress: DownloadProgress = silent
    patience: Patience = field(default_factory=Patience)
    folder: Path | None = None


Consent = Callable[[WeightsRecord], bool]
"""Asks the user whether weights that nobody has licensed shall be fetched."""


def fetch_named(name: str, terms: Terms = Terms(), *, consent: Consent) -> Stamp:
    """Fetch what a name stands for.

    Args:
        name: Of a record, or "hf:org/name@revision".
        terms: How.
        consent: Asked before anything without a licence is fetched.

    Raises:
        UsageError: a licence is missing, and the user does not consent.
        WeightsError: nobody knows the name; or it cannot be fetched, see the message.
    """
    if name.startswith(HUB):
        return install_from_hub(name, terms)
    record = find_record(name)
    if record is None:
        known = ", ".join(record.name for record in RECORDS)
        fix = f"Known: {known}, hf:org/name@rev; with --from, a new name."
        raise WeightsError(f"model {name}", "is not known", fix)
    if not record.licence and read_stamp(name, terms.folder) is None and not consent(record):
        cause = "its authors state no licence, so nobody has permitted its use"
        fix = "Add --accept-unlicensed if you take that on yourself."
        raise UsageError(f"model {name}", cause, fix)
    return install_record(record, terms)


def take_from(name: str, place: str, digest: Digest | None = None, terms: Terms = Terms()) -> Stamp:
    """Take weights from a place that the user names.

    Args:
        name: What `--model` will call it.
        place: An https address, "hf:org/name@revision", a file or a folder.
        digest: What the file must hash to; needed for an address.
        terms: How, and where to.

    Raises:
        UsageError: a name that cannot be, or an address without a hash.
        WeightsError: it is not there, or not what it should be.
    """
    record = find_record(name)
    if record is not None and record.is_packaged:
        raise UsageError(f"model {name}", "comes with vinr", "Choose another name.")
    name = require_name(name)
    if "://" not in place and not place.startswith(HUB):
        return install_local(name, record, Path(place), digest, terms)
    if record is not None or name.startswith(HUB):
        fix = "Choose another name, or leave --from away."
        raise UsageError(f"model {name}", "has a source of its own", fix)
    if place.startswith(HUB):
        stamp = download_model(
            HubName.parse(place), progress=terms.progress, patience=terms.patience
        )
        return install_file(name, stamp.path, known=stamp, digest=digest, terms=terms)
    if digest is None:
        fix = "Add --sha256 with the hash that its publisher states."
        raise UsageError(f"--from {place}", "could be anything without a hash", fix)
    return install_url(name, place, digest, terms)


def install_record(record: WeightsRecord, terms: Terms = Terms()) -> Stamp:
    """Fetch a known set from its origins, unless it is here and unchanged.

    The caller has made sure that the user accepts its licence.

    Raises:
        WeightsError: no origin gives it, or it cannot be kept.
    """
    if record.is_packaged:
        return _copy_packaged(record, terms)
    here = read_stamp(record.name, terms.folder)
    if here is not None and check(here):
        return here
    urls = [*_mirrors(record), *record.origins]
    digest = record.digest
    if digest is None:
        raise WeightsError(f"model {record.name}", "has no hash in the registry", "Update vinr.")
    with alone(digest.value) as part:
        here = read_stamp(record.name, terms.folder)  # another process may have been faster
        if here is not None and check(here):
            return here
        fetch_weights(
            f"model {record.name}",
            [Source(url) for url in urls],
            ByDigest(digest, record.size),
            part,
            progress=terms.progress,
            patience=terms.patience,
        )
        stamp = _install_known(record, part, urls[0], terms)
        part.unlink(missing_ok=True)
    return stamp


def install_from_hub(
    name: str, terms: Terms = Terms(), *, progress: DownloadProgress | None = None
) -> Stamp:
    """Fetch a model of the Hub, or what has changed of it.

    It stays in the Hub's own cache; with `terms.folder`, it is copied.

    Args:
        name: "hf:org/name@revision".
        terms: How.
        progress: Called with each block instead of `terms.progress`.

    Raises:
        WeightsError: as `download_model` says, or it is no network of vinr.
    """
    stamp = download_model(
        HubName.parse(name), progress=progress or terms.progress, patience=terms.patience
    )
    if terms.folder is not None:
        return install_file(stamp.name, stamp.path, known=stamp, terms=terms)
    read_network(stamp.path)
    write_stamp(stamp)
    return stamp


def install_url(name: str, url: str, digest: Digest, terms: Terms = Terms()) -> Stamp:
    """Fetch a weights file of the web under a name of the user's choice.

    Raises:
        WeightsError: it cannot be fetched, has other bytes, or is no weights file of vinr.
    """
    with alone(digest.value) as part:
        fetch_weights(
            f"model {name}",
            [Source(url)],
            ByDigest(digest),
            part,
            progress=terms.progress,
            patience=terms.patience,
        )
        stamp = _install(name, part, terms, source=url.partition("?")[0], sha256=digest.value)
        part.unlink(missing_ok=True)
    return stamp


def install_file(
    name: str,
    path: Path,
    *,
    known: Stamp | None = None,
    digest: Digest | None = None,
    terms: Terms = Terms(),
) -> Stamp:
    """Take in a weights file of this machine.

    Args:
        name: What `--model` will call it.
        path: The file.
        known: What is known of it already.
        digest: What it must hash to, if the user says so.
        terms: Where to.

    Raises:
        WeightsError: unreadable, other bytes, or no weights file of vinr.
    """
    if digest is not None:
        _demand(path, digest)
    if known is not None:
        _demand(path, Digest("sha256", known.sha256))
    source = str(path.absolute())
    if known is None:
        return _install(name, path, terms, source=source)
    return _install(
        name, path, terms, source=known.source, licence=known.licence, commit=known.commit
    )


def install_local(
    name: str,
    record: WeightsRecord | None,
    place: Path,
    digest: Digest | None = None,
    terms: Terms = Terms(),
) -> Stamp:
    """Take in a set from a file, a folder that `--to` has written, or a folder with a model.

    Args:
        name: What `--model` will call it.
        record: Of that name, if the program knows it: then its bytes are held to what it says.
        place: File or folder.
        digest: What the file must hash to, if the user says so.
        terms: Where to.

    Raises:
        WeightsError: it is not there, or not what it should be.
    """
    carried = read_stamp(name, place) if place.is_dir() else None
    if carried is not None and carried.path.parent == folder_of(name, place):
        return install_file(name, carried.path, known=carried, digest=digest, terms=terms)
    options = [place, place / WEIGHTS, *([place / record.file] if record else [])]
    found = next((path for path in reversed(options) if path.is_file()), None)
    if found is None:
        looked = f"{folder_of(name, place).name}/{STAMP} nor {options[-1].name}"
        cause = f"has neither {looked}" if place.is_dir() else "does not exist"
        raise WeightsError(place, cause, "Name a weights file, or a folder written with --to.")
    if record is not None and record.digest is not None:
        _demand(found, record.digest)
        return _install_known(record, found, str(found.absolute()), terms)
    return install_file(name, found, digest=digest, terms=terms)


def _install_known(record: WeightsRecord, file: Path, source: str, terms: Terms) -> Stamp:
    """Keep a known set whose bytes have been checked, converted if it is a checkpoint."""
    if not record.checkpoint:
        return _install(record.name, file, terms, source=source, licence=record.licence)
    with _staged(record.name, terms) as staging:
        convert_checkpoint(file, staging / WEIGHTS, origin=f"{record.name} ({record.digest})")
        return _publish(record.name, staging, terms, source=source, licence=record.licence)


def _install(
    name: str,
    file: Path,
    terms: Terms,
    *,
    source: str,
    licence: str = "",
    commit: str = "",
    sha256: str = "",
) -> Stamp:
    """Copy a file, and a config.json beside it, into a new set."""
    with _staged(name, terms) as staging:
        try:
            shutil.copyfile(file, staging / WEIGHTS)
            with suppress(FileNotFoundError):
                shutil.copyfile(file.with_name(CONFIG_FILE), staging / CONFIG_FILE)
        except OSError as error:
            raise unwritable(staging, error) from error
        if sha256:
            _demand(staging / WEIGHTS, Digest("sha256", sha256))
        return _publish(name, staging, terms, source=source, licence=licence, commit=commit)


@contextmanager
def _staged(name: str, terms: Terms) -> Iterator[Path]:
    """A folder beside the set's own, gone in the end."""
    folder = terms.folder or models_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{os.getpid()}-", dir=folder))
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(
    name: str, staging: Path, terms: Terms, *, source: str, licence: str = "", commit: str = ""
) -> Stamp:
    """Prove that a staged file is a network's, and give its folder the set's name.

    Raises:
        WeightsError: it is no weights file of vinr, or the folder cannot be written.
    """
    read_network(staging / WEIGHTS)
    own = folder_of(name, terms.folder)
    stamp = stamp_file(name, staging / WEIGHTS, source=source, licence=licence, commit=commit)
    stamp = replace(stamp, path=own / WEIGHTS)
    try:
        own.mkdir(parents=True, exist_ok=True)
        for file in staging.iterdir():
            publish(file, own / file.name)
    except OSError as error:
        raise unwritable(own, error) from error
    write_stamp(stamp, terms.folder)
    return stamp


def _copy_packaged(record: WeightsRecord, terms: Terms) -> Stamp:
    """The stamp of a packaged set; with a folder, a copy of it."""
    path = packaged_file(record)
    digest = packaged_digests(path.parent)[record.file]
    _demand(path, digest)
    known = stamp_file(
        record.name, path, source="packaged", licence=record.licence, sha256=digest.value
    )
    if terms.folder is None:
        return known
    return install_file(record.name, path, known=known, terms=terms)


def _mirrors(record: WeightsRecord) -> list[str]:
    places = os.environ.get(MIRROR, "").split()
    return [f"{place.rstrip('/')}/{record.name}/{record.file}" for place in places]


def _demand(path: Path, digest: Digest) -> None:
    try:
        right = digest.matches(path)
    except OSError as error:
        raise WeightsError(path, f"cannot be read: {error.strerror}") from error
    if not right:
        raise WeightsError(
            path, f"is not the file that was asked for: its {digest.kind} is not {digest.value}",
            "Fetch it again.",
        )  # fmt: skip
